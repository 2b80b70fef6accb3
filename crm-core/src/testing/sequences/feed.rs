//! A reader of the feed, that knows what the contract lets it see.

use super::interpreter::Outcome;
use crate::event::{EventCursor, LeadEvent};
use crate::lead::{LeadId, TenantId, Version};
use crate::memory::MemoryRepository;
use crate::query::Limit;
use crate::repository::{HistoryQuery, Repository};
use std::collections::HashMap;
use std::time::Duration;

#[derive(Default)]
pub(super) struct Feed {
    cursor: Option<EventCursor>,
    /// The last version seen of each lead.
    versions: HashMap<LeadId, u64>,
    order: Vec<(LeadId, Version)>,
}

impl Feed {
    /// Reads a piece. The events of a lead must come in the order of their versions, and each be as
    /// the model has it in the lead's history; the feed may lag behind it.
    pub(super) async fn read(
        &mut self,
        storage: &dyn Repository,
        model: &MemoryRepository,
        tenant: &TenantId,
        limit: Limit,
    ) -> Result<usize, String> {
        let read = storage.events(tenant, self.cursor.as_ref(), limit).await;
        let page = read.map_err(|error| format!("the storage says {error:?}"))?;
        if page.events.len() > limit.as_usize() {
            return Err(format!("{} events were read", page.events.len()));
        }
        for event in &page.events {
            self.check(event, model, tenant).await?;
        }
        if page.events.is_empty() != (page.cursor == self.cursor) {
            return Err(format!("{:?} follows {:?}", page.cursor, self.cursor));
        }
        self.cursor = page.cursor;
        Ok(page.events.len())
    }

    async fn check(
        &mut self,
        event: &LeadEvent,
        model: &MemoryRepository,
        tenant: &TenantId,
    ) -> Outcome {
        let last = self.versions.entry(event.lead).or_default();
        if event.version.get() != *last + 1 {
            return Err(format!("{event:?} follows version {last} of its lead"));
        }
        *last += 1;
        self.order.push((event.lead, event.version));
        let before = HistoryQuery::new().limit(1);
        let before = match event.version {
            Version::FIRST => before,
            version => {
                let last = Version::new(version.get() - 1);
                let cursor = before.cursor_after(tenant, event.lead, last);
                before.after(cursor)
            }
        };
        let known = model.history(tenant, event.lead, &before).await;
        let known = known.map_err(|error| error.to_string())?.items.pop();
        if known.as_ref() == Some(event) {
            return Ok(());
        }
        Err(format!(
            "the storage says\n    {event:?}\nand the model\n    {known:?}"
        ))
    }

    /// Reads to the end: what the model has must be there, and again in the same order for another
    /// reader.
    pub(super) async fn drain(
        &mut self,
        storage: &dyn Repository,
        model: &MemoryRepository,
        tenant: &TenantId,
        patience: u32,
    ) -> Outcome {
        let expected = model.events(tenant, None, Limit::MAX).await;
        let expected = expected.map_err(|error| error.to_string())?.events.len();
        self.read_until(expected, storage, model, tenant, patience)
            .await?;
        let mut other = Self::default();
        other
            .read_until(expected, storage, model, tenant, patience)
            .await?;
        if other.order == self.order {
            return Ok(());
        }
        Err(String::from("two readers saw the feed in two orders"))
    }

    async fn read_until(
        &mut self,
        count: usize,
        storage: &dyn Repository,
        model: &MemoryRepository,
        tenant: &TenantId,
        patience: u32,
    ) -> Outcome {
        // It may lag, so it is given time, but not for ever.
        for _ in 0..patience {
            while self.read(storage, model, tenant, Limit::DEFAULT).await? > 0 {}
            if self.order.len() >= count {
                return Ok(());
            }
            futures_timer::Delay::new(Duration::from_millis(10)).await;
        }
        let seen = self.order.len();
        Err(format!("the feed shows {seen} of {count} events"))
    }
}
