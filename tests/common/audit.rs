//! Looking at everything that is stored, behind the back of `Crm`.

use super::wait;
use crm_kit::event::{EventKind, LeadEvent};
use crm_kit::lead::{Lead, LeadId, LeadStatus, TenantId, UserId};
use crm_kit::lifecycle::Lifecycle;
use crm_kit::query::{Archived, Assignee, LeadFilter, LeadQuery, Limit, Sort};
use crm_kit::repository::{Aggregate, Aggregated, HistoryQuery, Repository, StatusTotals};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Everything that can be read of the tenant `default`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Snapshot {
    pub(crate) leads: Vec<Lead>,
    pub(crate) events: Vec<LeadEvent>,
    pub(crate) lifecycle: Option<Lifecycle>,
    count: u64,
    totals: Vec<StatusTotals>,
}

impl Snapshot {
    /// The same leads, events and totals; the lifecycle may have been stored.
    pub(crate) fn has_the_leads_of(&self, other: &Self) -> bool {
        let stripped = |of: &Self| Self {
            lifecycle: None,
            ..of.clone()
        };
        stripped(self) == stripped(other)
    }
}

pub(crate) fn snapshot(storage: &dyn Repository) -> Snapshot {
    let everything = LeadQuery::new().archived(Archived::Include).into_filter();
    Snapshot {
        leads: leads(storage),
        events: feed(storage),
        lifecycle: wait(storage.lifecycle(&TenantId::DEFAULT)).unwrap(),
        count: wait(storage.count(&TenantId::DEFAULT, &everything)).unwrap(),
        totals: totals(storage, None),
    }
}

/// All leads, archived ones included, in order of their ids.
pub(crate) fn leads(storage: &dyn Repository) -> Vec<Lead> {
    let query = LeadQuery::new()
        .archived(Archived::Include)
        .sort(Sort::created().ascending())
        .limit(1_000);
    let mut after = None;
    let mut leads = Vec::new();
    loop {
        let query = match after {
            None => query.clone(),
            Some(cursor) => query.clone().after(cursor),
        };
        let page = wait(storage.find(&TenantId::DEFAULT, &query)).unwrap();
        leads.extend(page.items);
        match page.next {
            None => break,
            next => after = next,
        }
    }
    leads.sort_by_key(|lead| lead.id);
    leads
}

/// The whole change feed.
pub(crate) fn feed(storage: &dyn Repository) -> Vec<LeadEvent> {
    let mut events = Vec::new();
    let mut after = None;
    loop {
        let page = wait(storage.events(&TenantId::DEFAULT, after.as_ref(), Limit::MAX)).unwrap();
        if page.events.is_empty() {
            return events;
        }
        events.extend(page.events);
        after = page.cursor;
    }
}

/// The whole timeline of a lead.
pub(crate) fn history(storage: &dyn Repository, lead: LeadId) -> Vec<LeadEvent> {
    let query = HistoryQuery::new().limit(1_000);
    let page = wait(storage.history(&TenantId::DEFAULT, lead, &query)).unwrap();
    assert_eq!(page.next, None, "timelines of tests are short");
    page.items
}

fn totals(storage: &dyn Repository, assigned_to: Option<UserId>) -> Vec<StatusTotals> {
    let what = Aggregate::StatusTotals { assigned_to };
    let Aggregated::StatusTotals(totals) =
        wait(storage.aggregate(&TenantId::DEFAULT, &what)).unwrap()
    else {
        panic!("another answer than asked for");
    };
    totals
}

/// Panics if leads, timelines, feed, counts and lifecycle contradict each other.
pub(crate) fn audit(storage: &dyn Repository) {
    let leads = leads(storage);
    let feed = feed(storage);
    let lifecycle = wait(storage.lifecycle(&TenantId::DEFAULT)).unwrap();
    let mut timelines: HashMap<LeadId, Vec<LeadEvent>> = HashMap::new();
    for event in feed {
        timelines.entry(event.lead).or_default().push(event);
    }
    for (lead, timeline) in &timelines {
        assert_eq!(&history(storage, *lead), timeline, "the feed of {lead}");
        let versions = timeline.iter().map(|event| event.version.get());
        assert!(versions.eq(1..=timeline.len() as u64), "gaps in {lead}");
        let dead = matches!(timeline[timeline.len() - 1].kind, EventKind::Deleted { .. });
        let lives = leads.iter().any(|known| known.id == *lead);
        assert_ne!(dead, lives, "{lead} is deleted or there");
    }
    for lead in &leads {
        let lifecycle = lifecycle.as_ref().unwrap();
        assert!(
            lifecycle.get(&lead.status).is_some(),
            "{} is in {}, which does not exist",
            lead.id,
            lead.status
        );
        let timeline = &timelines[&lead.id];
        assert_eq!(timeline.len() as u64, lead.version.get());
        agrees(lead, timeline);
    }
    counts_agree(storage, &leads);
}

/// What the events tell is what became of the lead.
fn agrees(lead: &Lead, timeline: &[LeadEvent]) {
    let mut status: Option<LeadStatus> = None;
    let mut assigned_to = None;
    let mut archived = false;
    for event in timeline {
        match &event.kind {
            EventKind::Created {
                status: first,
                assigned_to: user,
            } => {
                status = Some(first.clone());
                assigned_to = user.clone();
            }
            EventKind::StatusChanged { from, to, .. } => {
                assert_eq!(status.as_ref(), Some(from), "the timeline of {}", lead.id);
                status = Some(to.clone());
            }
            EventKind::Assigned { from, to } => {
                assert_eq!(assigned_to, *from, "the timeline of {}", lead.id);
                assigned_to = to.clone();
            }
            EventKind::Archived => archived = true,
            EventKind::Restored => archived = false,
            _ => {}
        }
    }
    assert_eq!(status.as_ref(), Some(&lead.status), "{}", lead.id);
    assert_eq!(archived, lead.is_archived(), "{}", lead.id);
}

fn counts_agree(storage: &dyn Repository, leads: &[Lead]) {
    let count = |filter: &LeadFilter| wait(storage.count(&TenantId::DEFAULT, filter)).unwrap();
    let naive = |filter: &LeadFilter| {
        let matching = leads.iter().filter(|lead| filter.matches(lead));
        matching.count() as u64
    };
    let statuses: BTreeSet<_> = leads.iter().map(|lead| lead.status.clone()).collect();
    let users: BTreeSet<_> = leads.iter().map(Assignee::of).collect();
    for archived in [Archived::Exclude, Archived::Only, Archived::Include] {
        let all = LeadQuery::new().archived(archived).into_filter();
        assert_eq!(count(&all), naive(&all));
        for status in &statuses {
            let mut filter = all.clone();
            filter.statuses.insert(status.clone());
            assert_eq!(count(&filter), naive(&filter), "{status}");
            for user in &users {
                filter.assignee = Some(user.clone());
                assert_eq!(count(&filter), naive(&filter), "{status} of {user:?}");
            }
        }
    }
    let mut sums: BTreeMap<LeadStatus, u64> = BTreeMap::new();
    for lead in leads.iter().filter(|lead| !lead.is_archived()) {
        *sums.entry(lead.status.clone()).or_default() += 1;
    }
    let totals = totals(storage, None).into_iter();
    assert_eq!(
        totals
            .map(|total| (total.status, total.leads))
            .collect::<Vec<_>>(),
        sums.into_iter().collect::<Vec<_>>()
    );
}
