//! Random sequences of operations, answered as the model answers them.

use super::prelude::*;
use crate::testing::sequences::{Run, explore};

pub(crate) fn every_answer_is_that_of_the_model(setup: &Setup) {
    let run = Run {
        sequences: scaled(1_000),
        steps: 50,
        reopening: false,
    };
    explore(setup, &run);
}

pub(crate) fn every_answer_is_that_of_the_model_after_reopening(setup: &Setup) {
    if !setup.block_on(setup.reopen()) {
        return;
    }
    let run = Run {
        sequences: scaled(100),
        steps: 50,
        reopening: true,
    };
    explore(setup, &run);
}
