//! Bugs that only show beside others are found.

use super::check::{TIME_LIMIT, check, decide_within};
use super::clients::{CLIENTS, Client, LEADS, OPERATIONS, work};
use super::history::{MAX_OPERATIONS, Recorder};
use super::register::{Op, Ret};
use crate::lead::LeadId;
use crate::testing::planted::{Bug, Planted};
use crate::testing::setup::Setup;
use std::sync::Barrier;
use std::sync::mpsc::channel;
use std::time::Duration;

/// What a client does: it calls, and waits for the other at the barrier.
type Script<'a> = &'a (dyn Fn(&mut dyn FnMut(Op) -> Ret, &Barrier) + Sync);

/// Two clients that take turns as the barriers in their scripts say.
fn two_clients(bug: Bug, scripts: [Script<'_>; 2]) -> Result<(), String> {
    let setup = Setup::new(move || Planted::new(bug));
    let desk = setup.block_on(setup.desk());
    let (recorder, barrier) = (Recorder::default(), Barrier::new(2));
    let mut first = Client::new(2, desk.clone(), 0);
    first.call(&setup, &recorder, 1, Op::Create { mark: 1 });
    std::thread::scope(|scope| {
        for (place, script) in scripts.into_iter().enumerate() {
            let (setup, desk, recorder, barrier) = (&setup, desk.clone(), &recorder, &barrier);
            scope.spawn(move || {
                let mut client = Client::new(place, desk, 0);
                script(&mut |op| client.call(setup, recorder, 1, op), barrier);
            });
        }
    });
    check(recorder, TIME_LIMIT)
}

fn both_update(bug: Bug) -> Result<(), String> {
    let script = |mark: u32| {
        move |call: &mut dyn FnMut(Op) -> Ret, barrier: &Barrier| {
            call(Op::Get);
            barrier.wait();
            call(Op::Update { expected: 1, mark });
            call(Op::Get);
        }
    };
    two_clients(bug, [&script(20), &script(21)])
}

#[test]
fn two_winners_of_one_version_are_found() {
    assert_eq!(both_update(Bug::None), Ok(()));
    let told = both_update(Bug::ChecksBeforeItWrites).unwrap_err();
    assert!(
        told.starts_with("no order explains what was seen:\n"),
        "{told}"
    );
    assert_eq!(told.matches("is answered Done").count(), 3, "{told}");
}

fn read_after_write(bug: Bug) -> Result<(), String> {
    let reader = |call: &mut dyn FnMut(Op) -> Ret, barrier: &Barrier| {
        call(Op::Get);
        barrier.wait();
        // The other one writes.
        barrier.wait();
        call(Op::Get);
    };
    let writer = |call: &mut dyn FnMut(Op) -> Ret, barrier: &Barrier| {
        barrier.wait();
        call(Op::Update {
            expected: 1,
            mark: 21,
        });
        barrier.wait();
    };
    two_clients(bug, [&reader, &writer])
}

#[test]
fn a_read_of_what_was_before_an_acknowledged_write_is_found() {
    assert_eq!(read_after_write(Bug::None), Ok(()));
    let told = read_after_write(Bug::ReadsAreStale).unwrap_err();
    assert!(
        told.starts_with("no order explains what was seen:\n"),
        "{told}"
    );
}

#[test]
fn stale_reads_are_found_among_many_operations() {
    let setup = Setup::new(|| Planted::new(Bug::ReadsAreStale));
    let desk = setup.block_on(setup.desk());
    let found = (0..10).any(|run| check(work(&setup, &desk, run), TIME_LIMIT).is_err());
    assert!(found);
}

#[test]
fn every_lead_is_worked_on_by_all_and_none_too_often() {
    let setup = Setup::new(|| Planted::new(Bug::None));
    let desk = setup.block_on(setup.desk());
    let histories = work(&setup, &desk, 7).histories();
    assert_eq!(histories.len(), LEADS);
    let lengths: Vec<usize> = histories
        .values()
        .map(|history| history.tester().len())
        .collect();
    assert_eq!(lengths.iter().sum::<usize>(), CLIENTS * OPERATIONS);
    assert!(
        lengths
            .iter()
            .all(|length| (20..=MAX_OPERATIONS).contains(length))
    );
    let told: String = histories.values().map(ToString::to_string).collect();
    for client in 0..CLIENTS {
        let calls = told.matches(&format!("client {client} calls")).count();
        assert_eq!(calls, OPERATIONS);
    }
    let ids: Vec<LeadId> = histories.into_keys().collect();
    assert_eq!(ids[0], crate::testing::leads::id(42), "leads of its own");
}

#[test]
fn a_check_that_does_not_end_fails() {
    let (release, held) = channel::<()>();
    let outcome = decide_within(Duration::from_millis(1), move || held.recv().is_err());
    assert_eq!(outcome, Err(String::from("not decided within 1ms")));
    drop(release);
    assert_eq!(decide_within(TIME_LIMIT, || 5), Ok(5));
}
