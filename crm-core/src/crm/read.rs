//! Reading: leads, lists, histories, the feed, reports. Each read keeps to the handle's scope.

use super::scope::Sight;
use super::{Crm, CrmError};
use crate::event::{EventCursor, LeadEvent};
use crate::lead::{Lead, LeadId};
use crate::query::{Assignee, LeadFilter, LeadQuery, Limit, Page, Total, TotalCount};
use crate::report::{Pipeline, StuckLead, StuckQuery};
use crate::repository::{Aggregate, Aggregated, EventPage, HistoryQuery};
use std::collections::HashSet;

impl Crm {
    /// A lead, archived or not.
    ///
    /// # Errors
    ///
    /// [`NotFound`](CrmError::NotFound); a failing storage.
    pub async fn get(&self, id: LeadId) -> Result<Lead, CrmError> {
        self.ready()?;
        self.visible(id).await
    }

    /// A page of leads: see [`LeadQuery`].
    ///
    /// # Errors
    ///
    /// [`Invalid`](CrmError::Invalid) with every problem of the query, an unknown status included,
    /// whose message lists the known ones; a cursor that is not of this query; a failing storage.
    pub async fn list(&self, mut query: LeadQuery) -> Result<Page<Lead>, CrmError> {
        self.ready()?;
        self.check_query(&query).await?;
        if !self.narrow(query.filter_mut()) {
            let mut page = Page::empty();
            page.total = match query.wanted_total() {
                Total::Skip => None,
                Total::Exact | Total::UpTo(_) => Some(TotalCount::exact(0)),
            };
            return Ok(page);
        }
        Ok(self.shared.repository.find(&self.tenant, &query).await?)
    }

    /// How many leads match the filters of a query; its sort, limit and cursor do not matter.
    ///
    /// # Errors
    ///
    /// As [`list`](Self::list).
    pub async fn count(&self, query: &LeadQuery) -> Result<u64, CrmError> {
        self.ready()?;
        self.check_query(query).await?;
        match self.narrowed(query.filter()) {
            Some(filter) => Ok(self.shared.repository.count(&self.tenant, &filter).await?),
            None => Ok(0),
        }
    }

    /// The timeline of a lead. An unrestricted handle also reads that of a deleted lead, without
    /// what was typed.
    ///
    /// # Errors
    ///
    /// [`NotFound`](CrmError::NotFound); a limit that is none; a cursor that is not of this
    /// timeline; a failing storage.
    pub async fn history(
        &self,
        id: LeadId,
        query: &HistoryQuery,
    ) -> Result<Page<LeadEvent>, CrmError> {
        self.ready()?;
        query.page_limit()?;
        if !self.sight.is_all() {
            self.visible(id).await?;
        }
        let page = self
            .shared
            .repository
            .history(&self.tenant, id, query)
            .await?;
        if page.items.is_empty()
            && query
                .position(&self.tenant, id)
                .is_ok_and(|at| at.is_none())
        {
            return Err(CrmError::NotFound(id));
        }
        Ok(page)
    }

    /// The change feed: every event of the tenant, in an order that is the same for every reader,
    /// from the first one or after a cursor. Nothing is skipped or repeated.
    ///
    /// A restricted handle gets the events of the leads that are its user's by now; the cursor
    /// moves past the others, so a page may hold fewer than `limit`.
    ///
    /// # Errors
    ///
    /// A failing storage.
    pub async fn events(
        &self,
        after: Option<&EventCursor>,
        limit: Limit,
    ) -> Result<EventPage, CrmError> {
        self.ready()?;
        let mut page = self
            .shared
            .repository
            .events(&self.tenant, after, limit)
            .await?;
        if !self.sight.is_all() {
            let ids: HashSet<LeadId> = page.events.iter().map(|event| event.lead).collect();
            let ids: Vec<LeadId> = ids.into_iter().collect();
            let leads = self.shared.repository.get(&self.tenant, &ids).await?;
            let seen = leads.iter().filter(|lead| self.sight.sees(lead));
            let seen: HashSet<LeadId> = seen.map(|lead| lead.id).collect();
            page.events.retain(|event| seen.contains(&event.lead));
        }
        Ok(page)
    }

    /// Leads that have been in their status for as long as its threshold or longer, the most
    /// overdue first. Archived leads and statuses without a threshold do not count.
    ///
    /// # Errors
    ///
    /// A limit that is none; an unknown status; a cursor of another query, or from before an edit
    /// of the lifecycle; a failing storage.
    pub async fn stuck(&self, query: StuckQuery) -> Result<Page<StuckLead>, CrmError> {
        self.ready()?;
        let known = self.fresh_rules().await?;
        let lifecycle = &known.rules().lifecycle;
        let narrow = |filter: &LeadFilter| self.narrowed(filter);
        let search = query.start(&self.tenant, lifecycle, self.now(), narrow)?;
        let Some(mut search) = search else {
            return Ok(Page::empty());
        };
        for part in search.parts() {
            let page = self
                .shared
                .repository
                .find(&self.tenant, &part.query)
                .await?;
            search.take(&part, page);
        }
        Ok(search.finish())
    }

    /// How many leads are in each status, what they are worth, and how many of them are stuck.
    /// Archived leads do not count.
    ///
    /// Numbers and values come from counters, whatever the number of leads; the stuck ones are
    /// counted, which reads an index key for each of them. Totals and stuck ones are of two
    /// moments, however close.
    ///
    /// # Errors
    ///
    /// A failing storage.
    pub async fn pipeline(&self) -> Result<Pipeline, CrmError> {
        self.ready()?;
        let known = self.fresh_rules().await?;
        let lifecycle = &known.rules().lifecycle;
        let mut pipeline = Pipeline::new(lifecycle, self.now());
        let Some(filter) = self.narrowed(&LeadFilter::default()) else {
            return Ok(pipeline);
        };
        let assigned_to = match &filter.assignee {
            Some(Assignee::User(user)) => Some(user.clone()),
            _ => None,
        };
        let what = Aggregate::StatusTotals { assigned_to };
        let Aggregated::StatusTotals(totals) = self
            .shared
            .repository
            .aggregate(&self.tenant, &what)
            .await?;
        pipeline.add(totals);
        for stage in &mut pipeline.stages {
            if let Some(overdue) = stage.overdue(&filter, pipeline.as_of) {
                stage.stuck = self.shared.repository.count(&self.tenant, &overdue).await?;
            }
        }
        Ok(pipeline)
    }

    /// A filter within the handle's scope; `None` if nothing can match.
    pub(super) fn narrowed(&self, filter: &LeadFilter) -> Option<LeadFilter> {
        let mut filter = filter.clone();
        self.narrow(&mut filter).then_some(filter)
    }

    /// Narrows a filter to the handle's scope; false if nothing can match.
    fn narrow(&self, filter: &mut LeadFilter) -> bool {
        match &self.sight {
            Sight::All => true,
            Sight::Nothing => false,
            Sight::Of(user) => match &filter.assignee {
                None => {
                    filter.assignee = Some(Assignee::User(user.clone()));
                    true
                }
                Some(wanted) => *wanted == Assignee::User(user.clone()),
            },
        }
    }

    async fn check_query(&self, query: &LeadQuery) -> Result<(), CrmError> {
        if query.filter().statuses.is_empty() && query.unresolved_statuses().is_empty() {
            return Ok(query.check()?);
        }
        let known = self.known_rules().await?;
        match query.check_with(&known.rules().order()) {
            Err(_) if !known.is_fresh() => {
                Ok(query.check_with(&self.fresh_rules().await?.rules().order())?)
            }
            checked => Ok(checked?),
        }
    }
}
