//! Clients at work at the same time, and the question whether one order explains all they saw.
//!
//! What they call and what they are answered is recorded, and for each lead the checker of
//! `stateright` looks for an order in which a single lead, written down in [`register`], would have
//! answered so, and in which nothing happens before what had returned before it began. Checking
//! takes time that grows fast with the length of a history, so each is of one lead and short.

pub(crate) mod check;
pub(crate) mod clients;
pub(crate) mod history;
pub(crate) mod register;

#[cfg(test)]
mod tests;
