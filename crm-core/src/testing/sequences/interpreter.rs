//! Takes the steps on both sides, and compares what they say.

use super::feed::Feed;
use super::look::query;
use super::{Ask, Order, Step};
use crate::event::CommitId;
use crate::lead::{TenantId, UserId, Version};
use crate::memory::MemoryRepository;
use crate::query::{Cursor, LeadQuery, Limit, Page};
use crate::repository::{
    Aggregate, ChangeSet, HistoryQuery, Repository, RepositoryError, RepositoryErrorKind as Kind,
};
use crate::testing::leads::id;
use crate::testing::setup::Setup;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

pub(super) type Answer<T> = Result<T, RepositoryError>;
/// Fails with what differs.
pub(super) type Outcome = Result<(), String>;

/// How many leads there are at most.
const LEADS: u8 = 10;

/// Both sides, and what the steps so far left to go on with.
pub(super) struct Interpreter<'a> {
    setup: &'a Setup,
    pub(super) model: MemoryRepository,
    tenants: [Tenant; 2],
    /// Which of them is meant.
    inside: usize,
    /// How many steps were taken: time goes by with them.
    pub(super) taken: i64,
    /// How often a feed that lags is asked again.
    patience: u32,
    /// The storage did not outlive its process.
    is_over: bool,
}

pub(super) struct Tenant {
    pub(super) id: TenantId,
    /// What was committed under each number.
    pub(super) sets: BTreeMap<u8, ChangeSet>,
    feed: Feed,
    lists: BTreeMap<u8, List>,
}

impl Tenant {
    fn new(name: &str) -> Self {
        Self {
            id: name.parse().unwrap(),
            sets: BTreeMap::new(),
            feed: Feed::default(),
            lists: BTreeMap::new(),
        }
    }
}

/// A list that is being read, and where each side is in it.
#[derive(Clone)]
struct List {
    query: LeadQuery,
    storage: Cursor,
    model: Cursor,
}

/// The id of the commit with this number.
pub(super) fn commit_id(number: u8) -> CommitId {
    CommitId::of(&[b"sequence", &[number]])
}

impl<'a> Interpreter<'a> {
    /// For tenants of its own, which come after those of the sequences before.
    pub(super) fn new(setup: &'a Setup, sequence: u64, patience: u32) -> Self {
        Self {
            setup,
            model: MemoryRepository::new(),
            tenants: ["a", "b"].map(|end| Tenant::new(&format!("sequence {sequence:010}{end}"))),
            inside: 0,
            taken: 0,
            patience,
            is_over: false,
        }
    }

    pub(super) fn storage(&self) -> Arc<dyn Repository> {
        self.setup.repository()
    }

    pub(super) fn tenant(&self) -> &Tenant {
        &self.tenants[self.inside]
    }

    pub(super) fn tenant_mut(&mut self) -> &mut Tenant {
        &mut self.tenants[self.inside]
    }

    pub(super) async fn take(&mut self, step: &Step) -> Outcome {
        if self.is_over {
            return Ok(());
        }
        self.taken += 1;
        match step {
            Step::Enter(tenant) => self.inside = usize::from(*tenant) % self.tenants.len(),
            Step::Commit(number, rules, edits) => {
                if let Some(set) = self.set(*number, *rules, edits).await {
                    self.commit(&set).await?;
                    self.tenant_mut().sets.entry(*number).or_insert(set);
                }
            }
            Step::Repeat(number) => {
                if let Some(set) = self.tenant().sets.get(number).cloned() {
                    self.commit(&set).await?;
                }
            }
            Step::Find(list, asks) => {
                self.tenant_mut().lists.remove(list);
                let query = query(asks);
                self.find(*list, &query, [query.clone(), query.clone()])
                    .await?;
            }
            Step::Next(list) => {
                if let Some(open) = self.tenant_mut().lists.remove(list) {
                    let cursors = [open.storage, open.model];
                    let pages = cursors.map(|cursor| open.query.clone().after(cursor));
                    self.find(*list, &open.query, pages).await?;
                }
            }
            Step::Misplace(list, asks) => self.misplace(*list, asks).await?,
            Step::Events(limit) => self.events(*limit).await?,
            Step::Erase => {
                self.erase().await?;
                let tenant = self.tenant_mut();
                *tenant = Tenant::new(tenant.id.as_str());
            }
            Step::Reopen => self.is_over = !self.setup.reopen().await,
            _ => self.read(step).await?,
        }
        Ok(())
    }

    /// Steps that leave nothing to go on with.
    async fn read(&self, step: &Step) -> Outcome {
        let (storage, model) = (self.storage(), &self.model);
        let tenant = &self.tenant().id;
        match step {
            Step::Committed(number) => {
                let commit = commit_id(*number);
                let told = storage.committed(tenant, commit).await;
                same(told, model.committed(tenant, commit).await)
            }
            Step::Get(leads) => {
                let ids: Vec<_> = leads.iter().map(|lead| id(u64::from(*lead))).collect();
                let told = storage.get(tenant, &ids).await;
                same(told, model.get(tenant, &ids).await)
            }
            Step::Count(asks) => {
                let filter = query(asks).into_filter();
                let told = storage.count(tenant, &filter).await;
                same(told, model.count(tenant, &filter).await)
            }
            Step::Totals(user) => {
                let assigned_to: Option<UserId> = user.map(|user| user.parse().unwrap());
                let what = Aggregate::StatusTotals { assigned_to };
                let told = storage.aggregate(tenant, &what).await;
                same(told, model.aggregate(tenant, &what).await)
            }
            Step::History(lead, order, limit) => self.history(*lead, *order, *limit).await,
            Step::Lifecycle => {
                let told = storage.lifecycle(tenant).await;
                same(told, model.lifecycle(tenant).await)
            }
            Step::LifecycleAt(version) => {
                let version = Version::new(*version);
                let told = storage.lifecycle_at(tenant, version).await;
                same(told, model.lifecycle_at(tenant, version).await)
            }
            Step::Document(key) => {
                let key = key.parse().unwrap();
                let told = storage.document(tenant, &key).await;
                same(told, model.document(tenant, &key).await)
            }
            Step::Tenants => self.list_tenants().await,
            _ => Ok(()),
        }
    }

    async fn find(&mut self, list: u8, query: &LeadQuery, pages: [LeadQuery; 2]) -> Outcome {
        let tenant = &self.tenant().id;
        let storage = self.storage().find(tenant, &pages[0]).await;
        let model = self.model.find(tenant, &pages[1]).await;
        let next = [&storage, &model].map(|page| page.as_ref().ok()?.next.clone());
        same(storage.map(seen), model.map(seen))?;
        if let [Some(storage), Some(model)] = next {
            let query = query.clone();
            let open = List {
                query,
                storage,
                model,
            };
            self.tenant_mut().lists.insert(list, open);
        }
        Ok(())
    }

    /// The cursor may be of the other tenant's list.
    async fn misplace(&mut self, list: u8, asks: &[Ask]) -> Outcome {
        let mut open = self.tenants.iter().filter_map(|it| it.lists.get(&list));
        let Some(open) = open.next_back().cloned() else {
            return Ok(());
        };
        let pages = [open.storage, open.model].map(|cursor| query(asks).after(cursor));
        let tenant = &self.tenant().id;
        let storage = self.storage().find(tenant, &pages[0]).await;
        let model = self.model.find(tenant, &pages[1]).await;
        same(storage.map(seen), model.map(seen))
    }

    async fn history(&self, lead: u8, order: Order, limit: u32) -> Outcome {
        let first = match order {
            Order::OldestFirst => HistoryQuery::new().limit(limit),
            Order::NewestFirst => HistoryQuery::new().newest_first().limit(limit),
        };
        let (tenant, lead) = (&self.tenant().id, id(u64::from(lead)));
        let mut pages = [first.clone(), first.clone()];
        loop {
            let storage = self.storage().history(tenant, lead, &pages[0]).await;
            let model = self.model.history(tenant, lead, &pages[1]).await;
            let next = [&storage, &model].map(|page| page.as_ref().ok()?.next.clone());
            same(storage.map(seen), model.map(seen))?;
            let [Some(storage), Some(model)] = next else {
                return Ok(());
            };
            pages = [storage, model].map(|cursor| first.clone().after(cursor));
        }
    }

    async fn events(&mut self, limit: u32) -> Outcome {
        let limit = Limit::new(limit).map_err(|error| error.to_string())?;
        let (storage, model) = (self.storage(), self.model.clone());
        let tenant = self.tenant_mut();
        tenant
            .feed
            .read(&*storage, &model, &tenant.id, limit)
            .await
            .map(drop)
    }

    async fn list_tenants(&self) -> Outcome {
        let name = self.tenants[0].id.as_str();
        let (sequence, _) = name.split_at(name.len() - 1);
        let before: TenantId = sequence.parse().unwrap();
        // Those of the sequences before come before, and are not asked for.
        let told = self.storage().tenants(Some(&before)).await;
        same(told, self.model.tenants(Some(&before)).await)
    }

    async fn erase(&self) -> Outcome {
        let tenant = &self.tenant().id;
        let told = self.storage().erase_tenant(tenant).await;
        same(told, self.model.erase_tenant(tenant).await)
    }

    /// Compares everything that can be read, and leaves nothing behind.
    pub(super) async fn finish(&mut self) -> Outcome {
        if self.is_over {
            return Ok(());
        }
        for tenant in [0, 1] {
            self.take(&Step::Enter(tenant)).await?;
            for step in last_look() {
                let seen = self.take(&step).await;
                seen.map_err(|difference| {
                    format!("at the end, in tenant {tenant}, {step:?}: {difference}")
                })?;
            }
            let (storage, model, patience) = (self.storage(), self.model.clone(), self.patience);
            let tenant = self.tenant_mut();
            tenant
                .feed
                .drain(&*storage, &model, &tenant.id, patience)
                .await?;
            self.take(&Step::Erase).await?;
        }
        self.take(&Step::Tenants).await
    }
}

fn last_look() -> Vec<Step> {
    let mut steps = vec![
        Step::Get((0..LEADS).collect()),
        Step::Totals(None),
        Step::Lifecycle,
        Step::Tenants,
    ];
    let shelves = [vec![], vec![Ask::OnlyArchived], vec![Ask::AlsoArchived]];
    for shelf in shelves {
        steps.push(Step::Count(shelf.clone()));
        for sort in super::strategy::SORTS {
            let mut asks = shelf.clone();
            asks.extend([Ask::SortedBy(sort), Ask::Counted, Ask::PerPage(1_000)]);
            steps.push(Step::Find(0, asks));
        }
    }
    for lead in 0..LEADS {
        steps.push(Step::History(lead, Order::OldestFirst, 1_000));
    }
    for key in super::strategy::KEYS {
        steps.push(Step::Document(key));
    }
    steps
}

/// What of a page both sides must agree on: all but the bytes of the cursor.
fn seen<T>(page: Page<T>) -> (Vec<T>, Option<crate::query::TotalCount>, bool) {
    (page.items, page.total, page.next.is_some())
}

pub(super) fn same<T: PartialEq + Debug>(storage: Answer<T>, model: Answer<T>) -> Outcome {
    match (storage, model) {
        (Ok(storage), Ok(model)) if storage == model => Ok(()),
        (Err(storage), Err(model)) if alike(storage.kind(), model.kind()) => Ok(()),
        (storage, model) => Err(differ(&storage, &model)),
    }
}

pub(super) fn differ<T: Debug>(storage: &Answer<T>, model: &Answer<T>) -> String {
    format!("the storage says\n    {storage:?}\nand the model\n    {model:?}")
}

/// Errors are compared by kind and by what they name, not by their words.
fn alike(storage: &Kind, model: &Kind) -> bool {
    match (storage, model) {
        (Kind::InvalidQuery(storage), Kind::InvalidQuery(model)) => {
            let fields = [storage, model].map(|invalid| {
                let problems = invalid.problems().iter();
                problems
                    .map(|problem| problem.field().to_owned())
                    .collect::<Vec<_>>()
            });
            fields[0] == fields[1]
        }
        (storage, model) => storage == model,
    }
}
