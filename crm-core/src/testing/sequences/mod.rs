//! Random sequences of operations, done on a storage and on
//! [`MemoryRepository`](crate::memory::MemoryRepository) side by side: every answer must be the
//! same.
//!
//! They are two cases of [`repository_tests!`](crate::testing::repository_tests). A failure prints
//! the shortest sequence that was found to fail, as code to paste into a test of the storage:
//!
//! ```
//! # fn harness() -> impl crm_core::testing::Harness { crm_core::memory::MemoryRepository::new }
//! # /*
//! #[test]
//! fn the_storage_and_the_model_agree() {
//! # */
//!     use crm_core::testing::sequences::*;
//!     replay(harness(), &[
//!         Commit(0, InForce, vec![Begin, Create(0, vec![InArchive(true)])]),
//!         Count(vec![]),
//!     ]);
//! # /*
//! }
//! # */
//! ```
//!
//! What may differ between storages is not compared: cursors (each side goes on with its own), the
//! place of a lead's events among those of other leads in the feed, and which of several mistakes in
//! one change set is named.
//!
//! `CRM_TEST_SEED`, a number, asks for other sequences than those of every run.

mod code;
mod commits;
mod feed;
mod interpreter;
mod look;
mod shrink;
mod step;
mod strategy;

#[cfg(test)]
mod tests;

pub use step::Ask::*;
pub use step::Base::*;
pub use step::Edit::*;
pub use step::Order::*;
pub use step::Rule::*;
pub use step::Rules::*;
pub use step::Set::*;
pub use step::Step::*;
pub use step::{Ask, Base, Edit, Order, Rule, Rules, Set, Step};

use super::Harness;
use super::setup::Setup;
use interpreter::Interpreter;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Does these steps on a storage and on the model, and compares every answer.
///
/// After the last step everything that can be read is read and compared once more.
///
/// # Panics
///
/// If an answer differs: with the step, and what each side said.
pub fn replay(harness: impl Harness, steps: &[Step]) {
    let setup = Setup::new(harness);
    let outcome = compare(&setup, 0, steps, PATIENCE);
    setup.close();
    if let Err(difference) = outcome {
        panic!("{difference}");
    }
}

/// How often a feed that lags is asked again, 10 ms apart.
const PATIENCE: u32 = 1_000;
/// How often while a failure is shortened: what was late once would be waited for every time.
const LITTLE_PATIENCE: u32 = 10;

fn compare(setup: &Setup, sequence: u64, steps: &[Step], patience: u32) -> Result<(), String> {
    setup.block_on(async {
        let mut interpreter = Interpreter::new(setup, sequence, patience);
        for (place, step) in steps.iter().enumerate() {
            interpreter
                .take(step)
                .await
                .map_err(|difference| format!("step {place}, {step:?}: {difference}"))?;
        }
        interpreter.finish().await
    })
}

/// What a random run is made of.
pub(crate) struct Run {
    /// How many sequences.
    pub(crate) sequences: usize,
    /// How many steps each.
    pub(crate) steps: usize,
    /// Whether the storage is closed and opened again now and then.
    pub(crate) reopening: bool,
}

/// Compares random sequences, all on one storage, each for tenants of its own.
///
/// # Panics
///
/// If an answer differs: with the code of the shortest sequence found.
pub(crate) fn explore(setup: &Setup, run: &Run) {
    let mut runner = TestRunner::new_with_rng(Config::default(), seeded());
    let (first, step) = (strategy::first(), strategy::step(run.reopening));
    let mut tenants = 0;
    // Each try, those that shorten a failure included, has tenants of its own.
    let mut attempt = |steps: &[Step], patience| {
        tenants += 1;
        caught(|| compare(setup, tenants, steps, patience))
    };
    for _ in 0..run.sequences {
        let mut trees: Vec<Box<dyn ValueTree<Value = Step>>> = Vec::new();
        trees.push(Box::new(first.new_tree(&mut runner).expect("a step")));
        for _ in 1..run.steps {
            trees.push(Box::new(step.new_tree(&mut runner).expect("a step")));
        }
        let steps: Vec<Step> = trees.iter().map(|tree| tree.current()).collect();
        if let Err(difference) = attempt(&steps, PATIENCE) {
            let again = |steps: &[Step]| attempt(steps, LITTLE_PATIENCE);
            let (difference, steps) = shrink::shrink(trees, difference, again);
            let code = code::test(&steps);
            panic!("{difference}\n\nAs a test:\n\n{code}");
        }
    }
}

/// A panic of the storage is an answer that differs.
fn caught(attempt: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(attempt)).unwrap_or_else(|panic| {
        let told = panic.downcast_ref::<String>().map(String::as_str);
        let told = told.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("panicked: {}", told.unwrap_or_default()))
    })
}

fn seeded() -> TestRng {
    let chosen = std::env::var("CRM_TEST_SEED");
    let number: u64 = chosen.map_or(0, |text| text.parse().expect("CRM_TEST_SEED: a number"));
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &seed)
}
