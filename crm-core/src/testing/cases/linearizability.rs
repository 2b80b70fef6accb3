//! Clients at work at the same time see what one after the other could have seen.

use super::prelude::*;
use crate::testing::linearizability::check::{TIME_LIMIT, check};
use crate::testing::linearizability::clients::work;

pub(crate) fn one_order_explains_what_all_clients_saw(setup: &Setup) {
    let desk = setup.block_on(setup.desk());
    let runs = u64::try_from(scaled(500)).unwrap();
    for run in 0..runs {
        if let Err(told) = check(work(setup, &desk, run), TIME_LIMIT) {
            panic!("run {run}: {told}");
        }
    }
}
