//! One tenant of the repository under test, with what the cases do to it over and over.

use super::draft::Draft;
use super::leads::{changed, id, numbers};
use super::naive;
use crate::event::{EventCursor, LeadEvent};
use crate::lead::{Lead, LeadId, LeadStatus, TenantId, UserId};
use crate::lifecycle::Lifecycle;
use crate::query::{
    Archived, Assignee, Direction, LeadFilter, LeadQuery, Limit, Page, Sort, SortBy, Total,
    search_words,
};
use crate::repository::{
    Aggregate, Aggregated, Applied, Committed, Document, HistoryQuery, Repository, RepositoryError,
    RepositoryErrorKind, StatusTotals,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// One tenant's data. Clones count the same events.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    pub(crate) repository: Arc<dyn Repository>,
    pub(crate) tenant: TenantId,
    /// How many events were acknowledged: as many the feed has to show in the end.
    events: Arc<AtomicUsize>,
}

/// Everything that can be read of a tenant.
#[derive(Debug, PartialEq)]
pub(crate) struct Snapshot {
    leads: Vec<Lead>,
    histories: Vec<Vec<LeadEvent>>,
    feed: Vec<LeadEvent>,
    totals: Vec<StatusTotals>,
    counts: [u64; 3],
    lifecycle: Option<Lifecycle>,
    document: Option<Document>,
}

/// The document that a snapshot looks at.
pub(crate) const KEY: &str = "note";

/// All three states of the archive filter.
pub(crate) const SHELVES: [Archived; 3] = [Archived::Exclude, Archived::Only, Archived::Include];

/// All sorts in both directions.
pub(crate) fn all_sorts() -> impl Iterator<Item = Sort> {
    SortBy::ALL.into_iter().flat_map(|by| {
        let sort = |direction| Sort { by, direction };
        [sort(Direction::Ascending), sort(Direction::Descending)]
    })
}

impl Desk {
    pub(crate) fn new(repository: Arc<dyn Repository>, tenant: &str) -> Self {
        Self {
            repository,
            tenant: tenant.parse().unwrap(),
            events: Arc::default(),
        }
    }

    /// The same tenant in a repository that was opened again.
    pub(crate) fn moved_to(&self, repository: Arc<dyn Repository>) -> Self {
        Self {
            repository,
            tenant: self.tenant.clone(),
            events: Arc::clone(&self.events),
        }
    }

    /// Stores the lifecycle of a sales team.
    pub(crate) async fn begin(self) -> Self {
        self.commit(&Draft::new().lifecycle(None, &Lifecycle::sales()))
            .await;
        self
    }

    pub(crate) async fn try_commit(&self, draft: &Draft) -> Result<Committed, RepositoryError> {
        let set = draft.set();
        let done = self.repository.commit(&self.tenant, &set).await?;
        if done.applied == Applied::Now {
            self.events
                .fetch_add(set.events().count(), Ordering::SeqCst);
        }
        Ok(done)
    }

    pub(crate) async fn commit(&self, draft: &Draft) -> Committed {
        match self.try_commit(draft).await {
            Ok(done) => done,
            Err(error) => panic!("a right change set was refused: {error:?}"),
        }
    }

    /// Commits a set that has to be refused, and to change nothing.
    pub(crate) async fn refused(&self, draft: &Draft) -> RepositoryErrorKind {
        let before = self.snapshot().await;
        let kind = self.error(draft).await;
        let after = self.snapshot().await;
        assert_eq!(before, after, "a refused change set changed something");
        kind
    }

    /// Commits a set that has to be refused.
    pub(crate) async fn error(&self, draft: &Draft) -> RepositoryErrorKind {
        match self.try_commit(draft).await {
            Ok(done) => panic!("a wrong change set was accepted: {done:?}"),
            Err(error) => error.kind().clone(),
        }
    }

    /// Events that were written by other means than this desk.
    pub(crate) fn expect_events(&self, more: usize) {
        self.events.fetch_add(more, Ordering::SeqCst);
    }

    /// Creates leads under the lifecycle in force.
    pub(crate) async fn create<'a>(&self, leads: impl IntoIterator<Item = &'a Lead>) {
        let leads: Vec<&Lead> = leads.into_iter().collect();
        let version = self.lifecycle().await.unwrap().version().get();
        for part in leads.chunks(crate::repository::MAX_CHANGES) {
            let draft = Draft::new().checked(version);
            self.commit(&draft.create_all(part.iter().copied())).await;
        }
    }

    pub(crate) async fn update(&self, before: &Lead, change: impl FnOnce(&mut Lead)) -> Lead {
        let after = changed(before, change);
        self.commit(&Draft::new().update(before, &after)).await;
        after
    }

    pub(crate) async fn delete(&self, last: &Lead) {
        self.commit(&Draft::new().delete(last)).await;
    }

    pub(crate) async fn edit(
        &self,
        edit: impl FnOnce(crate::lifecycle::LifecycleEdit) -> crate::lifecycle::LifecycleEdit,
    ) -> Lifecycle {
        let before = self.lifecycle().await.unwrap();
        let after = edit(before.edit()).apply().unwrap();
        self.commit(&Draft::new().lifecycle(Some(&before), &after))
            .await;
        after
    }

    pub(crate) async fn lifecycle(&self) -> Option<Lifecycle> {
        self.repository.lifecycle(&self.tenant).await.unwrap()
    }

    pub(crate) async fn order(&self) -> Vec<LeadStatus> {
        let lifecycle = self.lifecycle().await;
        lifecycle.map_or_else(Vec::new, |known| known.order().cloned().collect())
    }

    pub(crate) async fn get(&self, number: u64) -> Option<Lead> {
        self.get_all(&[id(number)]).await.pop()
    }

    pub(crate) async fn get_all(&self, ids: &[LeadId]) -> Vec<Lead> {
        self.repository.get(&self.tenant, ids).await.unwrap()
    }

    pub(crate) async fn page(&self, query: &LeadQuery) -> Page<Lead> {
        self.repository.find(&self.tenant, query).await.unwrap()
    }

    pub(crate) async fn page_error(&self, query: &LeadQuery) -> RepositoryErrorKind {
        let page = self.repository.find(&self.tenant, query).await;
        page.unwrap_err().kind().clone()
    }

    /// All pages of a list, whatever is done between them.
    pub(crate) async fn pages(
        &self,
        query: &LeadQuery,
        limit: u32,
        mut between: impl AsyncFnMut(usize),
    ) -> Vec<Lead> {
        let mut query = query.clone().limit(limit);
        let mut found = Vec::new();
        for page_number in 0.. {
            let page = self.page(&query).await;
            let is_last = page.next.is_none();
            let held = page.items.len();
            assert!(held <= query.page_limit().as_usize(), "too much on a page");
            assert!(is_last || held > 0, "a page before others is empty");
            found.extend(page.items);
            let Some(next) = page.next else { break };
            assert_ne!(Some(&next), query.cursor(), "a page ends where it began");
            // As it comes back from a URL.
            query = query.after(next.to_string().parse().unwrap());
            between(page_number).await;
        }
        found
    }

    /// All leads of a list.
    pub(crate) async fn list(&self, query: &LeadQuery) -> Vec<Lead> {
        self.pages(query, 1_000, async |_| {}).await
    }

    /// The numbers of all leads of a list.
    pub(crate) async fn numbers(&self, query: &LeadQuery) -> Vec<u64> {
        numbers(&self.list(query).await)
    }

    /// Every lead, archived ones included, oldest first.
    pub(crate) async fn all(&self) -> Vec<Lead> {
        let query = LeadQuery::new().archived(Archived::Include);
        self.list(&query.sort(Sort::created())).await
    }

    pub(crate) async fn count(&self, query: &LeadQuery) -> u64 {
        let filter = query.filter();
        self.repository.count(&self.tenant, filter).await.unwrap()
    }

    pub(crate) async fn totals(&self, assigned_to: Option<&str>) -> Vec<StatusTotals> {
        let assigned_to: Option<UserId> = assigned_to.map(|user| user.parse().unwrap());
        let what = Aggregate::StatusTotals { assigned_to };
        let Aggregated::StatusTotals(totals) = self
            .repository
            .aggregate(&self.tenant, &what)
            .await
            .unwrap();
        totals
    }

    pub(crate) async fn document(&self, key: &str) -> Option<Document> {
        let key = key.parse().unwrap();
        self.repository.document(&self.tenant, &key).await.unwrap()
    }

    pub(crate) async fn history_page(&self, number: u64, query: &HistoryQuery) -> Page<LeadEvent> {
        let page = self.repository.history(&self.tenant, id(number), query);
        page.await.unwrap()
    }

    /// The whole history of a lead, which is numbered without gaps.
    pub(crate) async fn history(&self, number: u64) -> Vec<LeadEvent> {
        let mut query = HistoryQuery::new().limit(1_000);
        let mut events = Vec::new();
        loop {
            let page = self.history_page(number, &query).await;
            events.extend(page.items);
            let Some(next) = page.next else { break };
            let following = query.clone().after(next);
            assert_ne!(following, query, "a page ends where it began");
            query = following;
        }
        for (event, version) in events.iter().zip(1..) {
            assert_eq!(event.version.get(), version, "a gap in a history");
            assert_eq!(event.lead, id(number));
        }
        events
    }

    /// The feed from the first event, in pieces of this size, until every acknowledged event is
    /// there.
    pub(crate) async fn feed_by(&self, limit: u32) -> Vec<LeadEvent> {
        let mut reader = FeedReader::default();
        // It may lag, so it is given time, but not for ever.
        for _ in 0..1_000 {
            reader.read_on(self, limit).await;
            if reader.events.len() >= self.events.load(Ordering::SeqCst) {
                return reader.events;
            }
            futures_timer::Delay::new(Duration::from_millis(10)).await;
        }
        panic!("acknowledged events are missing from the feed");
    }

    pub(crate) async fn feed(&self) -> Vec<LeadEvent> {
        self.feed_by(1_000).await
    }

    pub(crate) async fn snapshot(&self) -> Snapshot {
        let leads = self.all().await;
        let mut histories = Vec::new();
        for number in numbers(&leads) {
            histories.push(self.history(number).await);
        }
        let mut counts = [0; 3];
        for (count, shelf) in counts.iter_mut().zip(SHELVES) {
            *count = self.count(&LeadQuery::new().archived(shelf)).await;
        }
        Snapshot {
            leads,
            histories,
            feed: self.feed().await,
            totals: self.totals(None).await,
            counts,
            lifecycle: self.lifecycle().await,
            document: self.document(KEY).await,
        }
    }

    /// Checks that one query is answered as these leads ask for: pages, total, count.
    pub(crate) async fn answers(&self, leads: &[Lead], order: &[LeadStatus], query: &LeadQuery) {
        let expected = naive::found(leads, query, order);
        let total = naive::count(leads, query.filter());
        let query = query.clone().total(Total::Exact);
        let page = self.page(&query.clone().limit(1_000)).await;
        assert_eq!(
            numbers(&page.items),
            numbers(expected.iter().copied().take(1_000)),
            "{query:?}"
        );
        let told = page.total.map(|total| total.count());
        assert_eq!(told, Some(total), "total of {query:?}");
        assert_eq!(self.count(&query).await, total, "count of {query:?}");
    }

    /// Checks that records, lists in every order, totals and look-ups agree with these leads, and
    /// hold no others.
    pub(crate) async fn holds(&self, leads: &[Lead]) {
        let order = self.order().await;
        let mut by_number = leads.to_vec();
        by_number.sort_by_key(|lead| lead.id);
        let ids: Vec<LeadId> = by_number.iter().map(|lead| lead.id).collect();
        assert_eq!(self.get_all(&ids).await, by_number);
        for shelf in SHELVES {
            for sort in all_sorts() {
                let query = LeadQuery::new().archived(shelf).sort(sort);
                self.answers(leads, &order, &query).await;
            }
        }
        for query in questions(leads, &order) {
            self.answers(leads, &order, &query).await;
        }
        assert_eq!(self.totals(None).await, naive::totals(leads, None));
        let users = leads.iter().filter_map(|lead| lead.assigned_to.as_ref());
        for user in users.collect::<BTreeSet<_>>().into_iter().take(20) {
            assert_eq!(
                self.totals(Some(user.as_str())).await,
                naive::totals(leads, Some(user))
            );
        }
    }
}

/// What these leads are found by, each question once.
fn questions(leads: &[Lead], order: &[LeadStatus]) -> Vec<LeadQuery> {
    let mut questions: BTreeMap<String, LeadQuery> = BTreeMap::new();
    let mut ask = |query: LeadQuery| {
        let filter = serde_json::to_string(query.filter()).unwrap();
        questions.entry(filter).or_insert(query);
    };
    for status in order {
        ask(LeadQuery::new().status(status.clone()));
    }
    for lead in leads.iter().take(100) {
        let mut filter = LeadFilter {
            assignee: Some(Assignee::of(lead)),
            ..LeadFilter::default()
        };
        ask(filter.clone().into());
        filter.statuses.insert(lead.status.clone());
        ask(filter.into());
        if let Some(source) = &lead.source {
            ask(LeadQuery::new().source(source.as_str()));
        }
        if let Some(email) = &lead.email {
            ask(LeadQuery::new().email(email.as_str()));
        }
        for tag in lead.tags.iter().take(2) {
            ask(LeadQuery::new().tag(tag.as_str()));
        }
        for word in search_words(lead) {
            ask(LeadQuery::new().search(word));
        }
    }
    questions.into_values().collect()
}

/// A reader of the feed, with how far it has come.
#[derive(Debug, Default)]
pub(crate) struct FeedReader {
    pub(crate) cursor: Option<EventCursor>,
    pub(crate) events: Vec<LeadEvent>,
}

impl FeedReader {
    /// Reads until there is nothing more.
    pub(crate) async fn read_on(&mut self, desk: &Desk, limit: u32) {
        let limit = Limit::new(limit).unwrap();
        loop {
            let read = desk
                .repository
                .events(&desk.tenant, self.cursor.as_ref(), limit);
            let page = read.await.unwrap();
            assert!(page.events.len() <= limit.as_usize());
            if page.events.is_empty() {
                assert_eq!(page.cursor, self.cursor, "at the end the cursor stays");
                return;
            }
            assert_ne!(page.cursor, self.cursor, "the cursor moves with the events");
            // As it comes back from where the reader keeps it.
            self.cursor = page
                .cursor
                .map(|cursor| cursor.to_string().parse().unwrap());
            self.events.extend(page.events);
        }
    }
}
