//! Removing a status that leads are in, from beginning to end and from anywhere between.

use super::prelude::*;
use crate::crm::{Crm, CrmError};
use crate::testing::{FaultyRepository, ManualClock};

type Killed = FaultyRepository<std::sync::Arc<dyn Repository>>;

async fn crm(repository: impl Repository, desk: &Desk) -> Crm {
    let builder = Crm::builder(repository).clock(ManualClock::at(at(100_000)));
    builder.open().await.unwrap().tenant(desk.tenant.as_str())
}

fn demo() -> LeadStatus {
    "demo".parse().unwrap()
}

/// A tenant with this many leads in its demo status, every fifth archived, and one beside them.
async fn with_demos(setup: &Setup, count: u64) -> Desk {
    let desk = setup.desk().await;
    desk.edit(|edit| edit.add("Demo")).await;
    let leads: Vec<Lead> = (1..=count)
        .map(|number| {
            plain_with(number, |lead| {
                lead.status = demo();
                lead.archived_at = number.is_multiple_of(5).then(|| at(9));
            })
        })
        .collect();
    desk.create(&leads).await;
    desk.create([&lead(count + 1)]).await;
    desk
}

async fn nobody_is_lost(desk: &Desk, count: u64) {
    let order = desk.order().await;
    let mut found = 0;
    for status in &order {
        let query = LeadQuery::new()
            .status(status.clone())
            .archived(Archived::Include);
        found += desk.count(&query).await;
    }
    assert_eq!(found, count + 1, "every lead is in a status that exists");
}

async fn everybody_moved(desk: &Desk, count: u64) {
    assert!(!desk.order().await.contains(&demo()));
    let moved = LeadQuery::new().status("qualified");
    assert_eq!(
        desk.count(&moved.clone().archived(Archived::Include)).await,
        count
    );
    assert_eq!(desk.count(&moved.archived(Archived::Only)).await, count / 5);
    assert_eq!(desk.count(&LeadQuery::new().status("new")).await, 1);
}

pub(crate) async fn every_lead_moves_and_its_timeline_says_why(setup: &Setup) {
    let desk = with_demos(setup, 12).await;
    let crm = crm(setup.repository(), &desk).await;
    let after = crm
        .remove_status_into(&demo(), &LeadStatus::QUALIFIED)
        .await
        .unwrap();
    assert_eq!(desk.lifecycle().await, Some(after));
    everybody_moved(&desk, 12).await;
    for number in 1..=12 {
        let history = desk.history(number).await;
        assert_eq!(history.len(), 2, "moved once");
        assert_eq!(
            history[1].status_change(),
            Some((&demo(), &LeadStatus::QUALIFIED))
        );
    }
    assert_eq!(desk.history(13).await.len(), 1);
    desk.expect_events(12);
    let leads = desk.all().await;
    desk.holds(&leads).await;
    assert_eq!(desk.feed().await.len(), 25);
}

pub(crate) async fn a_status_in_use_is_not_removed_without_saying_where_its_leads_go(
    setup: &Setup,
) {
    let desk = with_demos(setup, 5).await;
    let crm = crm(setup.repository(), &desk).await;
    let before = desk.snapshot().await;
    match crm.remove_status(&demo()).await.unwrap_err() {
        CrmError::Repository(error) => {
            assert_eq!(
                *error.kind(),
                Kind::StatusInUse {
                    status: demo(),
                    leads: 5
                }
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(desk.snapshot().await, before);
}

pub(crate) async fn killed_after_any_commit_it_is_taken_up_again(setup: &Setup) {
    let count = u64::try_from(scaled(10_000)).unwrap();
    let desk = with_demos(setup, count).await;
    let mut kills = 0;
    loop {
        // Each process lives for one commit more than it finds done.
        let process: Killed = FaultyRepository::new(setup.repository());
        let crm = crm(process.clone(), &desk).await;
        process.die_after_commit(1);
        let outcome = crm
            .remove_status_into(&demo(), &LeadStatus::QUALIFIED)
            .await;
        nobody_is_lost(&desk, count).await;
        let Err(error) = outcome else { break };
        if !desk.order().await.contains(&demo()) {
            // Killed before it could tell that it was done.
            break;
        }
        assert!(matches!(error, CrmError::Repository(_)), "{error:?}");
        assert_eq!(process.commits(), 1, "a process that gets nowhere");
        kills += 1;
        assert!(kills < 1_000);
    }
    everybody_moved(&desk, count).await;
    let pages = count / u64::try_from(MAX_CHANGES).unwrap();
    assert!(kills >= pages, "killed {kills} times");
    let leads = desk.all().await;
    assert_eq!(leads.len(), usize::try_from(count).unwrap() + 1);
    let moved =
        |lead: &&Lead| (&lead.status, lead.version) == (&LeadStatus::QUALIFIED, Version::new(2));
    let moved = leads.iter().filter(moved).count();
    assert_eq!(moved, leads.len() - 1, "moved once");
    for number in [1, count / 2, count] {
        assert_eq!(desk.history(number).await.len(), 2, "moved once");
    }
}

pub(crate) async fn whoever_comes_next_can_finish_it(setup: &Setup) {
    let desk = with_demos(setup, 20).await;
    let process: Killed = FaultyRepository::new(setup.repository());
    let killed = crm(process.clone(), &desk).await;
    process.die_after_commit(1);
    killed
        .remove_status_into(&demo(), &LeadStatus::QUALIFIED)
        .await
        .unwrap_err();
    assert!(
        desk.lifecycle()
            .await
            .unwrap()
            .get(&demo())
            .unwrap()
            .is_retiring()
    );
    let late = crm(setup.repository(), &desk).await;
    let entering = late.transition(id(21), "demo").await;
    assert!(
        matches!(entering, Err(CrmError::Refused(_))),
        "{entering:?}"
    );
    late.resume_removals().await.unwrap();
    everybody_moved(&desk, 20).await;
}
