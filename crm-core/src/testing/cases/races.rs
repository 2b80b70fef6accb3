//! Many writers at once: one wins.

use super::prelude::*;

const ROUNDS: u64 = 20;
const THREADS: usize = 16;

fn begin(setup: &Setup) -> Desk {
    setup.block_on(setup.desk())
}

pub(crate) fn of_many_updates_one_wins(setup: &Setup) {
    let desk = begin(setup);
    for round in 1..=ROUNDS {
        let known = lead(round);
        setup.block_on(desk.create([&known]));
        let outcomes = setup.in_threads(THREADS, |place| {
            let after = changed(&known, |lead| {
                lead.company = Some(format!("Company {place}"));
            });
            let draft = Draft::new().update(&known, &after);
            let desk = desk.clone();
            async move { desk.try_commit(&draft).await.map(|_| after) }
        });
        let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1, "one wins");
        for error in lost {
            let kind = error.unwrap_err().kind().clone();
            let (expected, found) = (Version::FIRST, Version::new(2));
            assert_eq!(
                kind,
                Kind::Conflict {
                    lead: known.id,
                    expected,
                    found
                }
            );
        }
        let stored = setup.block_on(desk.get(round));
        assert_eq!(stored, won.into_iter().next().unwrap().ok());
        assert_eq!(setup.block_on(desk.history(round)).len(), 2);
    }
}

pub(crate) fn of_many_creations_one_wins(setup: &Setup) {
    let desk = begin(setup);
    for round in 1..=ROUNDS {
        let outcomes = setup.in_threads(THREADS, |place| {
            let mine = lead_with(round, |lead| {
                lead.company = Some(format!("Company {place}"));
            });
            let desk = desk.clone();
            async move {
                desk.try_commit(&Draft::new().checked(1).create(&mine))
                    .await
                    .is_ok()
            }
        });
        assert_eq!(outcomes.into_iter().filter(|won| *won).count(), 1);
        assert_eq!(setup.block_on(desk.history(round)).len(), 1);
    }
    assert_eq!(setup.block_on(desk.count(&LeadQuery::new())), ROUNDS);
}

pub(crate) fn one_set_committed_by_many_is_applied_once(setup: &Setup) {
    let desk = begin(setup);
    for round in 1..=ROUNDS {
        let draft = Draft::new().checked(1).create(&lead(round));
        let outcomes = setup.in_threads(THREADS, |_| {
            let (desk, draft) = (desk.clone(), draft.clone());
            async move { desk.commit(&draft).await.applied }
        });
        let now = outcomes.iter().filter(|applied| **applied == Applied::Now);
        assert_eq!(now.count(), 1);
        assert_eq!(setup.block_on(desk.history(round)).len(), 1);
    }
}

pub(crate) fn of_many_payloads_under_one_id_one_wins(setup: &Setup) {
    let desk = begin(setup);
    for round in 1..=ROUNDS {
        let commit = CommitId::random();
        let outcomes = setup.in_threads(THREADS, |place| {
            let place = u64::try_from(place).unwrap();
            let draft = Draft::under(commit).create(&lead(round * 100 + place));
            let desk = desk.clone();
            async move { desk.try_commit(&draft).await }
        });
        let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        for error in lost {
            assert_eq!(*error.unwrap_err().kind(), Kind::CommitReused { commit });
        }
    }
    assert_eq!(setup.block_on(desk.count(&LeadQuery::new())), ROUNDS);
}

pub(crate) fn of_an_update_and_a_delete_one_wins(setup: &Setup) {
    let desk = begin(setup);
    for round in 1..=ROUNDS {
        let known = lead(round);
        setup.block_on(desk.create([&known]));
        let after = changed(&known, |lead| lead.company = Some("Acme".into()));
        let drafts = [
            Draft::new().update(&known, &after),
            Draft::new().delete(&known),
        ];
        let outcomes = setup.in_threads(2, |place| {
            let (desk, draft) = (desk.clone(), drafts[place].clone());
            async move {
                desk.try_commit(&draft)
                    .await
                    .map_err(|error| error.kind().clone())
            }
        });
        match (&outcomes[0], &outcomes[1]) {
            (Ok(_), Err(Kind::Conflict { .. })) => {
                assert_eq!(setup.block_on(desk.get(round)), Some(after));
            }
            (Err(Kind::Gone { .. }), Ok(_)) => {
                assert_eq!(setup.block_on(desk.get(round)), None);
            }
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn a_commit_and_an_erasure_happen_one_after_the_other(setup: &Setup) {
    for round in 0..100 {
        let tenant = format!("tenant {round}");
        let desk = setup.block_on(setup.desk_of(&tenant));
        // Can only succeed once the tenant is erased, and must then be there.
        let anew = Draft::new()
            .lifecycle(None, &Lifecycle::standard())
            .create(&lead(1));
        let outcomes = setup.in_threads(2, |place| {
            let (desk, anew) = (desk.clone(), anew.clone());
            async move {
                if place == 0 {
                    return desk.repository.erase_tenant(&desk.tenant).await.is_ok();
                }
                desk.try_commit(&anew).await.is_ok()
            }
        });
        assert!(outcomes[0]);
        let desk = setup.empty(&tenant);
        let (found, rules) = (
            setup.block_on(desk.get(1)),
            setup.block_on(desk.lifecycle()),
        );
        if outcomes[1] {
            assert_eq!((found, rules), (Some(lead(1)), Some(Lifecycle::standard())));
        } else {
            assert_eq!((found, rules), (None, None));
        }
    }
}
