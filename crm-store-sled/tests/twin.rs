//! Every call is made on this storage and on the one in memory, and every answer compared.

#![cfg(test)]

mod common;

use async_trait::async_trait;
use common::{new_lead, stated};
use crm_core::crm::Crm;
use crm_core::event::{CommitId, EventCursor, LeadEvent};
use crm_core::lead::{Field, Lead, LeadId, LeadPatch, LeadStatus, NewLead, TenantId, Version};
use crm_core::lifecycle::Lifecycle;
use crm_core::memory::MemoryRepository;
use crm_core::query::{Archived, LeadFilter, LeadQuery, Limit, Page, Sort, SortBy, Total};
use crm_core::repository::{
    Aggregate, Aggregated, ChangeSet, Committed, Document, DocumentKey, EventPage, HistoryQuery,
    Repository, RepositoryError,
};
use crm_store_sled::{Durability, SledRepository};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::fmt::Debug;

#[derive(Debug)]
struct Twin {
    memory: MemoryRepository,
    sled: SledRepository,
}

fn same<T: PartialEq + Debug>(
    memory: &Result<T, RepositoryError>,
    sled: Result<T, RepositoryError>,
) -> Result<T, RepositoryError> {
    match (memory, &sled) {
        (Ok(one), Ok(other)) => assert_eq!(one, other),
        (Err(one), Err(other)) => assert_eq!(one.kind(), other.kind()),
        _ => panic!("memory: {memory:?}, sled: {sled:?}"),
    }
    sled
}

macro_rules! both {
    ($self:ident, $call:ident ( $($argument:expr),* )) => {
        same(
            &$self.memory.$call($($argument),*).await,
            $self.sled.$call($($argument),*).await,
        )
    };
}

type Answer<T> = Result<T, RepositoryError>;

#[async_trait]
impl Repository for Twin {
    async fn commit(&self, tenant: &TenantId, changes: &ChangeSet) -> Answer<Committed> {
        both!(self, commit(tenant, changes))
    }

    async fn committed(&self, tenant: &TenantId, commit: CommitId) -> Answer<Option<Committed>> {
        both!(self, committed(tenant, commit))
    }

    async fn get(&self, tenant: &TenantId, ids: &[LeadId]) -> Answer<Vec<Lead>> {
        both!(self, get(tenant, ids))
    }

    async fn find(&self, tenant: &TenantId, query: &LeadQuery) -> Answer<Page<Lead>> {
        both!(self, find(tenant, query))
    }

    async fn count(&self, tenant: &TenantId, filter: &LeadFilter) -> Answer<u64> {
        both!(self, count(tenant, filter))
    }

    async fn history(
        &self,
        tenant: &TenantId,
        lead: LeadId,
        query: &HistoryQuery,
    ) -> Answer<Page<LeadEvent>> {
        both!(self, history(tenant, lead, query))
    }

    async fn events(
        &self,
        tenant: &TenantId,
        after: Option<&EventCursor>,
        limit: Limit,
    ) -> Answer<EventPage> {
        both!(self, events(tenant, after, limit))
    }

    async fn aggregate(&self, tenant: &TenantId, what: &Aggregate) -> Answer<Aggregated> {
        both!(self, aggregate(tenant, what))
    }

    async fn lifecycle(&self, tenant: &TenantId) -> Answer<Option<Lifecycle>> {
        both!(self, lifecycle(tenant))
    }

    async fn lifecycle_at(&self, tenant: &TenantId, version: Version) -> Answer<Option<Lifecycle>> {
        both!(self, lifecycle_at(tenant, version))
    }

    async fn document(&self, tenant: &TenantId, key: &DocumentKey) -> Answer<Option<Document>> {
        both!(self, document(tenant, key))
    }

    async fn tenants(&self, after: Option<&TenantId>) -> Answer<Vec<TenantId>> {
        both!(self, tenants(after))
    }

    async fn erase_tenant(&self, tenant: &TenantId) -> Answer<()> {
        both!(self, erase_tenant(tenant))
    }
}

/// One thing to do, to the lead at a place among those made so far.
#[derive(Debug, Clone)]
enum Step {
    Create {
        tenant: usize,
        number: usize,
    },
    CreateMany {
        tenant: usize,
        number: usize,
    },
    Update {
        lead: usize,
        notes: usize,
        clear: bool,
    },
    Move {
        lead: usize,
        to: LeadStatus,
    },
    Assign {
        lead: usize,
        user: Option<usize>,
    },
    Archive {
        lead: usize,
    },
    Restore {
        lead: usize,
    },
    Delete {
        lead: usize,
    },
    Repeat {
        lead: usize,
    },
    Stale {
        lead: usize,
    },
    EditLifecycle {
        tenant: usize,
        name: usize,
    },
    RemoveStatus {
        tenant: usize,
        status: LeadStatus,
    },
    Erase {
        tenant: usize,
    },
    Reopen,
}

const TENANTS: [&str; 3] = ["default", "acme", "acme corp"];

fn step() -> impl Strategy<Value = Step> {
    let tenant = || prop_oneof![4 => Just(0usize), 1 => 1usize..3];
    let lead = || any::<prop::sample::Index>().prop_map(|index| index.index(1 << 16));
    let status = || {
        prop::sample::select(vec![
            LeadStatus::NEW,
            LeadStatus::CONTACTED,
            LeadStatus::QUALIFIED,
            LeadStatus::CONVERTED,
            LeadStatus::LOST,
        ])
    };
    prop_oneof![
        8 => (tenant(), 0usize..30).prop_map(|(tenant, number)| Step::Create { tenant, number }),
        1 => (tenant(), 0usize..30).prop_map(|(tenant, number)| Step::CreateMany { tenant, number }),
        4 => (lead(), 0usize..4, any::<bool>())
            .prop_map(|(lead, notes, clear)| Step::Update { lead, notes, clear }),
        6 => (lead(), status()).prop_map(|(lead, to)| Step::Move { lead, to }),
        3 => (lead(), prop::option::of(0usize..3)).prop_map(|(lead, user)| Step::Assign { lead, user }),
        2 => lead().prop_map(|lead| Step::Archive { lead }),
        1 => lead().prop_map(|lead| Step::Restore { lead }),
        2 => lead().prop_map(|lead| Step::Delete { lead }),
        2 => lead().prop_map(|lead| Step::Repeat { lead }),
        2 => lead().prop_map(|lead| Step::Stale { lead }),
        1 => (tenant(), 0usize..4).prop_map(|(tenant, name)| Step::EditLifecycle { tenant, name }),
        1 => (tenant(), status()).prop_map(|(tenant, status)| Step::RemoveStatus { tenant, status }),
        1 => (1usize..3).prop_map(|tenant| Step::Erase { tenant }),
        1 => Just(Step::Reopen),
    ]
}

struct Run {
    path: std::path::PathBuf,
    crm: Crm,
    leads: Vec<(usize, LeadId)>,
}

impl Run {
    async fn open(path: std::path::PathBuf, memory: MemoryRepository) -> Self {
        let sled = common::open(&path, Durability::Buffered).await;
        let crm = Crm::open(Twin { memory, sled }).await.unwrap();
        let leads = Vec::new();
        Self { path, crm, leads }
    }

    fn lead(&self, place: usize) -> Option<(Crm, LeadId)> {
        let (tenant, id) = self.leads.get(place.checked_rem(self.leads.len())?)?;
        Some((self.crm.tenant(TENANTS[*tenant]), *id))
    }

    /// What it says is compared below; here it only matters that it is done.
    async fn take(&mut self, step: Step, memory: &MemoryRepository) {
        match step {
            Step::Create { tenant, number } => {
                let crm = self.crm.tenant(TENANTS[tenant]);
                if let Ok(lead) = crm.create(lead(number)).await {
                    self.leads.push((tenant, lead.id));
                }
            }
            Step::CreateMany { tenant, number } => {
                let crm = self.crm.tenant(TENANTS[tenant]);
                let new: Vec<_> = (number..number + 5).map(lead).collect();
                let made = crm.create_many(&new).await.unwrap();
                let made = made.into_iter().flatten();
                self.leads.extend(made.map(|lead| (tenant, lead.id)));
            }
            Step::EditLifecycle { tenant, name } => {
                let crm = self.crm.tenant(TENANTS[tenant]);
                let _ = crm
                    .edit_lifecycle(|edit| edit.add(format!("Added {name}")))
                    .await;
            }
            Step::RemoveStatus { tenant, status } => {
                let crm = self.crm.tenant(TENANTS[tenant]);
                if crm.remove_status(&status).await.is_err() {
                    let _ = crm.remove_status_into(&status, &LeadStatus::NEW).await;
                }
            }
            Step::Erase { tenant } => {
                let tenant: TenantId = TENANTS[tenant].parse().unwrap();
                self.crm.repository().erase_tenant(&tenant).await.unwrap();
            }
            Step::Reopen => {
                // Events are numbered on from elsewhere after it, so cursors are not compared.
                let path = self.path.clone();
                let leads = std::mem::take(&mut self.leads);
                self.crm = Crm::open(memory.clone()).await.unwrap();
                *self = Self::open(path, memory.clone()).await;
                self.leads = leads;
            }
            Step::Update {
                lead: place,
                notes,
                clear,
            } => {
                if let Some((crm, id)) = self.lead(place) {
                    let notes = "n".repeat([0, 10, 5_000, 16_000][notes]);
                    let patch = LeadPatch::new().notes(notes);
                    let patch = if clear {
                        patch.clear(Field::Company)
                    } else {
                        patch.tags(["VIP"])
                    };
                    let _ = crm.update(id, patch).await;
                }
            }
            Step::Move { lead, to } => {
                if let Some((crm, id)) = self.lead(lead) {
                    let _ = crm.transition_because(id, to.as_str(), "because").await;
                }
            }
            Step::Assign { lead, user } => {
                if let Some((crm, id)) = self.lead(lead) {
                    let _ = match user {
                        Some(user) => crm.assign(id, format!("user_{user}")).await,
                        None => crm.unassign(id).await,
                    };
                }
            }
            Step::Archive { lead } => {
                if let Some((crm, id)) = self.lead(lead) {
                    let _ = crm.archive(id).await;
                }
            }
            Step::Restore { lead } => {
                if let Some((crm, id)) = self.lead(lead) {
                    let _ = crm.restore(id).await;
                }
            }
            Step::Delete { lead } => {
                if let Some((crm, id)) = self.lead(lead) {
                    let _ = crm.delete(id).await;
                }
            }
            Step::Repeat { lead: place } => {
                if let Some((crm, id)) = self.lead(place) {
                    let crm = crm.with_idempotency_key(format!("key {}", place % 3));
                    let _ = crm.update(id, LeadPatch::new().company("Once")).await;
                    let made = crm.create(lead(place % 3)).await;
                    let tenant = TENANTS
                        .iter()
                        .position(|name| crm.tenant_id() == name)
                        .unwrap();
                    if let Ok(made) = made
                        && !self.leads.contains(&(tenant, made.id))
                    {
                        self.leads.push((tenant, made.id));
                    }
                }
            }
            Step::Stale { lead } => {
                let Some((crm, id)) = self.lead(lead) else {
                    return;
                };
                let tenant = crm.tenant_id().clone();
                let Ok(Some(set)) = crm.plan_assign(id, "user_stale").await else {
                    return;
                };
                let deleted = crm.plan_delete(id).await.unwrap();
                let repository = crm.repository();
                repository.commit(&tenant, &set).await.unwrap();
                repository.commit(&tenant, &set).await.unwrap();
                assert!(repository.commit(&tenant, &deleted).await.is_err());
                repository.committed(&tenant, set.commit()).await.unwrap();
                repository
                    .committed(&tenant, deleted.commit())
                    .await
                    .unwrap();
            }
        }
    }

    /// Asks everything; the answers are compared where they arrive.
    async fn ask(&self, reopened: bool) {
        let repository = self.crm.repository();
        repository.tenants(None).await.unwrap();
        for tenant in TENANTS {
            let tenant: TenantId = tenant.parse().unwrap();
            repository.lifecycle(&tenant).await.unwrap();
            repository
                .lifecycle_at(&tenant, Version::FIRST)
                .await
                .unwrap();
            repository.tenants(Some(&tenant)).await.unwrap();
            for assigned_to in [None, Some("user_1".parse().unwrap())] {
                let what = Aggregate::StatusTotals { assigned_to };
                repository.aggregate(&tenant, &what).await.unwrap();
            }
            for query in queries() {
                self.page(&tenant, query).await;
            }
            if !reopened {
                let mut cursor = None;
                let limit = Limit::new(7).unwrap();
                loop {
                    let page = repository
                        .events(&tenant, cursor.as_ref(), limit)
                        .await
                        .unwrap();
                    if page.events.is_empty() {
                        break;
                    }
                    cursor = page.cursor;
                }
            }
            for (_, id) in &self.leads {
                for query in [HistoryQuery::new(), HistoryQuery::new().newest_first()] {
                    let mut query = query.limit(2);
                    loop {
                        let page = repository.history(&tenant, *id, &query).await.unwrap();
                        let Some(next) = page.next else { break };
                        query = query.after(next);
                    }
                }
            }
            let ids: Vec<_> = self.leads.iter().map(|(_, id)| *id).collect();
            repository.get(&tenant, &ids).await.unwrap();
            for id in ids {
                repository.get(&tenant, &[id]).await.unwrap();
            }
        }
    }

    async fn page(&self, tenant: &TenantId, mut query: LeadQuery) {
        let repository = self.crm.repository();
        repository.count(tenant, query.filter()).await.unwrap();
        loop {
            let page = repository.find(tenant, &query).await.unwrap();
            let Some(next) = page.next else { return };
            query = query.after(next);
        }
    }
}

fn lead(number: usize) -> NewLead {
    let lead = new_lead(number);
    if number.is_multiple_of(3) {
        lead.tag("Hot").notes("é".repeat(4_000))
    } else {
        lead
    }
}

fn queries() -> Vec<LeadQuery> {
    let mut queries = Vec::new();
    for by in SortBy::ALL {
        let sort: Sort = by.as_str().parse().unwrap();
        for sort in [sort, sort.descending()] {
            queries.push(LeadQuery::new().sort(sort).limit(3).total(Total::Exact));
            queries.push(
                LeadQuery::new()
                    .sort(sort)
                    .status("new")
                    .limit(2)
                    .assigned_to("user_1"),
            );
        }
    }
    queries.push(LeadQuery::new().search("doe 1").total(Total::UpTo(2)));
    queries.push(LeadQuery::new().search("acm john"));
    queries.push(LeadQuery::new().tag("hot").archived(Archived::Include));
    queries.push(LeadQuery::new().email("JOHN3@example.com"));
    queries.push(LeadQuery::new().archived(Archived::Only).unassigned());
    queries.push(
        LeadQuery::new()
            .statuses(["new", "lost"])
            .source("website")
            .limit(2),
    );
    queries
}

#[test]
fn every_answer_is_the_reference_s() {
    let config = Config {
        cases: stated(300),
        max_shrink_iters: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let steps = prop::collection::vec(step(), 1..50);
    TestRunner::new(config)
        .run(&steps, |steps| {
            pollster::block_on(async {
                let directory = tempfile::tempdir().unwrap();
                let memory = MemoryRepository::new();
                let mut run = Run::open(directory.path().join("store"), memory.clone()).await;
                let mut reopened = false;
                for step in steps {
                    reopened |= matches!(step, Step::Reopen);
                    run.take(step, &memory).await;
                }
                run.ask(reopened).await;
                let path = run.path.clone();
                drop(run);
                let sled = common::open(&path, Durability::Buffered).await;
                let verified = sled.verify().await.unwrap();
                assert!(verified.is_clean(), "{verified:?}");
            });
            Ok(())
        })
        .unwrap();
}
