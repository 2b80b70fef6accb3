//! A call may be dropped at any await: a change set is then applied as a whole or not at all, and no
//! later call is disturbed. Rules about storages that wait for something; one that answers at once
//! is never caught half-way.

use super::prelude::*;
use crate::repository::{Aggregate, ChangeSet};
use std::pin::pin;
use std::task::Poll;

/// At how many awaits calls are dropped.
const POLLS: usize = 8;

/// Polls a call at most so many times, and drops it.
async fn cut<T>(polls: usize, call: impl Future<Output = T>) -> Option<T> {
    let mut call = pin!(call);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match call.as_mut().poll(context) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// A set that changes a lead, creates one, and writes a document.
struct Mixed {
    set: ChangeSet,
    changed: Lead,
    created: Lead,
    document: Version,
}

impl Mixed {
    fn of(known: &Lead, number: u64, document: Option<u64>) -> Self {
        let changed = changed(known, |lead| lead.value = usd(7));
        let created = lead(number);
        let draft = Draft::new().checked(1).update(known, &changed);
        Self {
            set: draft.create(&created).put(KEY, document, b"x").set(),
            changed,
            created,
            document: Version::new(document.map_or(1, |version| version + 1)),
        }
    }

    async fn is_there(&self, desk: &Desk) {
        let both = [self.changed.clone(), self.created.clone()];
        let found = desk.get_all(&both.clone().map(|lead| lead.id)).await;
        assert_eq!(found, both);
        assert_eq!(desk.document(KEY).await.unwrap().version, self.document);
        for lead in both {
            let history = desk.history(number(lead.id)).await;
            assert_eq!(history.last().unwrap().version, lead.version);
        }
    }
}

pub(crate) async fn a_dropped_commit_happens_as_a_whole_or_not_at_all(setup: &Setup) {
    let desk = setup.desk().await;
    let mut known = lead(1);
    desk.create([&known]).await;
    let rounds = u64::try_from(scaled(400)).unwrap();
    let mut leads = Vec::new();
    for round in 0..rounds {
        let polls = usize::try_from(round).unwrap() % POLLS;
        let mixed = Mixed::of(&known, round + 2, (round > 0).then_some(round));
        let told = cut(polls, desk.repository.commit(&desk.tenant, &mixed.set)).await;
        let made = desk.repository.committed(&desk.tenant, mixed.set.commit());
        if made.await.unwrap().is_some() || told.is_some() {
            mixed.is_there(&desk).await;
        }
        // It may be happening still: repeating it tells when it has happened.
        let again = desk.repository.commit(&desk.tenant, &mixed.set);
        assert_eq!(again.await.unwrap().leads.len(), 2);
        mixed.is_there(&desk).await;
        desk.expect_events(2);
        known = mixed.changed;
        leads.push(mixed.created);
    }
    leads.push(known);
    desk.holds(&leads).await;
    let events = usize::try_from(1 + 2 * rounds).unwrap();
    assert_eq!(desk.feed().await.len(), events, "each set happened once");
}

pub(crate) async fn a_dropped_read_disturbs_no_later_call(setup: &Setup) {
    let desk = setup.desk().await;
    let mut leads: Vec<Lead> = village();
    desk.create(&leads).await;
    let (repository, tenant) = (&desk.repository, &desk.tenant);
    let order = desk.order().await;
    for polls in 0..POLLS {
        let by_name = LeadQuery::new().sort(Sort::name()).search("anna");
        let what = Aggregate::StatusTotals { assigned_to: None };
        let history = HistoryQuery::new();
        cut(polls, repository.get(tenant, &[id(1), id(2)])).await;
        cut(polls, repository.find(tenant, &by_name)).await;
        cut(polls, repository.count(tenant, by_name.filter())).await;
        cut(polls, repository.history(tenant, id(1), &history)).await;
        cut(polls, repository.events(tenant, None, Limit::DEFAULT)).await;
        cut(polls, repository.aggregate(tenant, &what)).await;
        cut(polls, repository.lifecycle(tenant)).await;
        cut(polls, repository.lifecycle_at(tenant, Version::FIRST)).await;
        cut(polls, repository.document(tenant, &KEY.parse().unwrap())).await;
        cut(polls, repository.committed(tenant, CommitId::random())).await;
        cut(polls, repository.tenants(None)).await;
        desk.answers(&leads, &order, &by_name).await;
        leads[polls] = desk.update(&leads[polls], |lead| lead.value = usd(3)).await;
    }
    desk.holds(&leads).await;
}

pub(crate) async fn a_dropped_erasure_can_be_made_again(setup: &Setup) {
    let other = setup.desk_of("other").await;
    other.create([&lead(1)]).await;
    for polls in 0..POLLS {
        let desk = setup.desk().await;
        desk.create(&village()).await;
        cut(polls, desk.repository.erase_tenant(&desk.tenant)).await;
        desk.repository.erase_tenant(&desk.tenant).await.unwrap();
        let tenants = desk.repository.tenants(None).await.unwrap();
        assert_eq!(tenants, std::slice::from_ref(&other.tenant));
        assert_eq!(setup.empty("acme").all().await, []);
    }
    other.holds(&[lead(1)]).await;
}

/// What is acknowledged stays, on whatever was left behind by those that were dropped.
pub(crate) async fn what_is_acknowledged_after_dropped_commits_stays(setup: &Setup) {
    let desk = setup.desk().await;
    let rounds = u64::try_from(scaled(400)).unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..rounds {
        let polls = usize::try_from(round).unwrap() % POLLS;
        let dropped = Draft::new().checked(1).create(&lead(10_000 + round)).set();
        cut(polls, desk.repository.commit(&desk.tenant, &dropped)).await;
        let kept = lead(round + 1);
        desk.create([&kept]).await;
        acknowledged.push(kept);
    }
    let ids: Vec<_> = acknowledged.iter().map(|lead| lead.id).collect();
    assert_eq!(desk.get_all(&ids).await, acknowledged);
    let Some(desk) = setup.reopened(desk).await else {
        return;
    };
    assert_eq!(desk.get_all(&ids).await, acknowledged, "after reopening");
    let leads = desk.all().await;
    desk.holds(&leads).await;
}

#[cfg(test)]
mod tests {
    use crate::testing::planted::{Bug, Planted};
    use crate::testing::run_case;
    use std::panic::catch_unwind;

    const CASES: [&str; 4] = [
        "a_dropped_commit_happens_as_a_whole_or_not_at_all",
        "a_dropped_read_disturbs_no_later_call",
        "a_dropped_erasure_can_be_made_again",
        "what_is_acknowledged_after_dropped_commits_stays",
    ];

    #[test]
    fn a_storage_that_waits_passes() {
        for case in CASES {
            run_case("cancellation", case, || Planted::new(Bug::Waits));
        }
    }

    #[test]
    fn a_set_that_is_left_half_done_is_found() {
        let harness = || Planted::new(Bug::CommitsChangeByChange);
        let run = || run_case("cancellation", CASES[0], harness);
        assert!(catch_unwind(run).is_err());
    }
}
