//! Makes a sequence that fails as short and plain as it gets.

use super::{Edit, Step};
use proptest::strategy::ValueTree;

type Tree = Box<dyn ValueTree<Value = Step>>;

/// How often a shorter or plainer sequence is tried.
const TRIES: usize = 4_000;

/// The shortest sequence found that still fails, and how it fails.
pub(super) fn shrink(
    trees: Vec<Tree>,
    difference: String,
    attempt: impl FnMut(&[Step]) -> Result<(), String>,
) -> (String, Vec<Step>) {
    let mut failure = Failure {
        steps: trees.iter().map(|tree| tree.current()).collect(),
        trees,
        difference,
        attempt,
        tries: 0,
    };
    failure.shorten();
    failure.simplify();
    failure.shorten();
    failure.lighten();
    (failure.difference, failure.steps)
}

struct Failure<A> {
    steps: Vec<Step>,
    /// What each step can be made simpler by.
    trees: Vec<Tree>,
    difference: String,
    attempt: A,
    tries: usize,
}

impl<A: FnMut(&[Step]) -> Result<(), String>> Failure<A> {
    /// Takes out runs of steps, long ones first, as long as it fails without them.
    fn shorten(&mut self) {
        let mut length = self.steps.len() / 2;
        while length > 0 {
            let mut end = self.steps.len();
            while end >= length {
                let start = end - length;
                let mut without = self.steps.clone();
                without.drain(start..end);
                if self.fails(without) {
                    self.trees.drain(start..end);
                }
                end = start.min(self.steps.len());
            }
            length /= 2;
        }
    }

    /// Makes each step plainer as long as it fails with the plainer one.
    fn simplify(&mut self) {
        for place in 0..self.steps.len() {
            while self.trees[place].simplify() {
                if !self.takes(place) {
                    break;
                }
            }
        }
    }

    /// Takes parts out of each step as long as it fails without them.
    fn lighten(&mut self) {
        for place in 0..self.steps.len() {
            while lighter(&self.steps[place]).into_iter().any(|step| {
                let mut without = self.steps.clone();
                without[place] = step;
                self.fails(without)
            }) {}
        }
    }

    /// Whether the step that was made plainer, or less so, fails.
    fn takes(&mut self, place: usize) -> bool {
        loop {
            let mut plainer = self.steps.clone();
            plainer[place] = self.trees[place].current();
            if self.fails(plainer) {
                return true;
            }
            if !self.trees[place].complicate() {
                return false;
            }
        }
    }

    fn fails(&mut self, steps: Vec<Step>) -> bool {
        self.tries += 1;
        if self.tries > TRIES {
            return false;
        }
        match (self.attempt)(&steps) {
            Ok(()) => false,
            Err(difference) => {
                (self.steps, self.difference) = (steps, difference);
                true
            }
        }
    }
}

/// The steps that have one part less than this one.
fn lighter(step: &Step) -> Vec<Step> {
    match step {
        Step::Commit(id, rules, edits) => {
            let fewer = fewer(edits).into_iter().filter(|edits| !edits.is_empty());
            fewer
                .chain(plainer(edits))
                .map(|edits| Step::Commit(*id, *rules, edits))
                .collect()
        }
        Step::Get(leads) => fewer(leads).into_iter().map(Step::Get).collect(),
        Step::Count(asks) => fewer(asks).into_iter().map(Step::Count).collect(),
        Step::Find(list, asks) => {
            let fewer = fewer(asks).into_iter();
            fewer.map(|asks| Step::Find(*list, asks)).collect()
        }
        Step::Misplace(list, asks) => {
            let fewer = fewer(asks).into_iter();
            fewer.map(|asks| Step::Misplace(*list, asks)).collect()
        }
        _ => Vec::new(),
    }
}

/// These edits, one of which sets one value less.
fn plainer(edits: &[Edit]) -> Vec<Vec<Edit>> {
    let mut all = Vec::new();
    for (place, edit) in edits.iter().enumerate() {
        let lighter: Vec<Edit> = match edit {
            Edit::Create(lead, values) => {
                let fewer = fewer(values).into_iter();
                fewer.map(|values| Edit::Create(*lead, values)).collect()
            }
            Edit::Update(lead, base, values) => {
                let fewer = fewer(values).into_iter();
                fewer
                    .map(|values| Edit::Update(*lead, *base, values))
                    .collect()
            }
            _ => Vec::new(),
        };
        all.extend(lighter.into_iter().map(|edit| {
            let mut edits = edits.to_vec();
            edits[place] = edit;
            edits
        }));
    }
    all
}

/// Each list that has one of these items less.
fn fewer<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    let without = |place: usize| {
        let mut fewer = items.to_vec();
        fewer.remove(place);
        fewer
    };
    (0..items.len()).map(without).collect()
}
