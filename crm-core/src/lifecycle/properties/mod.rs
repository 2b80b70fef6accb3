//! Rules that hold for every lifecycle and every sequence of calls.

mod naive;
mod random;
mod team;

use super::check::check;
use super::*;
use naive::is_valid;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use random::{lifecycle, parts};
use std::collections::BTreeMap;
use team::{Team, call, index, kind};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn exactly_the_valid_lifecycles_are_accepted(parts in parts()) {
        let expected = is_valid(&parts);
        let outcome = check(parts.clone(), Vec::new());
        prop_assert_eq!(outcome.is_ok(), expected, "{:?} of {:?}", outcome, parts);
        if let Err(refused) = outcome {
            prop_assert!(!refused.faults().is_empty());
        }
    }

}

proptest! {
    #[test]
    fn no_sequence_of_calls_leaves_the_rules(
        lifecycle in lifecycle(),
        calls in vec(call(), 1..24),
    ) {
        let mut team = Team::new(lifecycle);
        team.holds();
        for call in &calls {
            team.make(call);
            team.holds();
        }
    }

    #[test]
    fn a_status_can_always_be_added(lifecycle in lifecycle(), after in index(), kind in kind()) {
        let added = lifecycle.edit().add(StatusDraft::new("Added").kind(kind)).apply().unwrap();
        let status = added.find("Added").unwrap();
        prop_assert_eq!(added.statuses().len(), lifecycle.statuses().len() + 1);
        let position = added.position(&status.slug).unwrap();
        if kind.is_open() {
            let closed = added.statuses().iter().position(|status| status.kind.is_closed());
            prop_assert_eq!(Some(position + 1), closed);
        } else {
            prop_assert_eq!(position + 1, added.statuses().len());
        }

        let after = &after.get(lifecycle.statuses()).slug;
        let added = lifecycle.edit().add_after(after, StatusDraft::new("Added").kind(kind)).apply();
        let added = added.unwrap();
        let position = added.position(&added.find("Added").unwrap().slug);
        prop_assert_eq!(position, lifecycle.position(after).map(|at| at + 1));
    }

    #[test]
    fn the_policy_says_the_same_when_it_is_listed(lifecycle in lifecycle()) {
        let edges = lifecycle.policy().listed(lifecycle.statuses());
        let listed = lifecycle.edit().set_policy(Policy::Explicit(edges)).apply().unwrap();
        for from in lifecycle.order() {
            for to in lifecycle.order() {
                prop_assert_eq!(lifecycle.allows(from, to), listed.allows(from, to));
            }
        }
    }

    #[test]
    fn nothing_that_is_typed_makes_it_panic(text in "\\PC{0,60}", other in ".{0,60}") {
        let lifecycle = Lifecycle::sales();
        let _ = lifecycle.find(&text);
        let draft = StatusDraft::new(&text).slug(&other).colour(&text);
        let refused = lifecycle.edit().add(draft).rename(&other, &text).apply();
        prop_assert!(refused.is_err());
        if let Ok(added) = lifecycle.edit().add(text.as_str()).apply() {
            prop_assert_eq!(&added.find(&text).unwrap().name, text.trim());
            prop_assert!(added.to_mermaid().lines().count() > added.statuses().len());
        }
    }
}

/// A comparison with a naive check means little if nearly everything is refused, or nothing.
#[test]
fn the_random_lifecycles_are_of_both_kinds() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut valid = BTreeMap::from([
        ("forward", 0),
        ("explicit", 0),
        ("retiring", 0),
        ("refused", 0),
    ]);
    for _ in 0..1_000 {
        let parts = parts().new_tree(&mut runner).unwrap().current();
        let kind = match &parts.policy {
            _ if !is_valid(&parts) => "refused",
            _ if parts.statuses.iter().any(StatusDefinition::is_retiring) => "retiring",
            Policy::Forward => "forward",
            Policy::Explicit(_) => "explicit",
        };
        *valid.entry(kind).or_default() += 1;
    }
    assert!(valid.values().all(|count| *count > 30), "{valid:?}");
}
