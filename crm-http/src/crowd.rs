//! How many requests of one token are in work: so that whoever sends slow ones, or many, does not
//! take the place of everybody else.

use crate::rate::{Key, key};
use parking_lot::Mutex;
use std::collections::HashMap;

/// The requests in work, by token.
#[derive(Debug)]
pub(crate) struct Crowd {
    most: usize,
    working: Mutex<HashMap<Key, usize>>,
}

impl Crowd {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            working: Mutex::default(),
        }
    }

    /// Counts a request until what is returned is dropped. `None` if it is one too many.
    pub(crate) fn enter(&self, token: &str) -> Option<Inside<'_>> {
        let key = key(token);
        let mut working = self.working.lock();
        let count = working.get(&key).copied().unwrap_or(0);
        if count >= self.most {
            return None;
        }
        working.insert(key, count + 1);
        Some(Inside { crowd: self, key })
    }
}

/// A request in work.
#[derive(Debug)]
pub(crate) struct Inside<'a> {
    crowd: &'a Crowd,
    key: Key,
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        let mut working = self.crowd.working.lock();
        match working.get_mut(&self.key) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(working.remove(&self.key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_token_has_a_bound_of_its_own_and_leaves_nothing_behind() {
        let crowd = Crowd::new(2);
        let (one, two) = (crowd.enter("a").unwrap(), crowd.enter("a").unwrap());
        assert!(crowd.enter("a").is_none());
        let other = crowd.enter("b").unwrap();
        drop(one);
        let again = crowd.enter("a").unwrap();
        assert!(crowd.enter("a").is_none());
        drop((two, again, other));
        assert!(crowd.working.lock().is_empty());
    }
}
