//! Change sets for the cases, written down change by change.

use super::leads::{at, changed};
use crate::event::{CommitId, LeadEvent, Stamp};
use crate::lead::{Lead, LeadStatus, Version};
use crate::lifecycle::Lifecycle;
use crate::repository::{Change, ChangeSet, Document, DocumentKey, Fingerprint};
use chrono::{DateTime, Utc};

/// A change set being written.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    stamp: Stamp,
    checked_against: Option<Version>,
    fingerprint: Option<Fingerprint>,
    changes: Vec<Change>,
}

impl Draft {
    /// Under an id never used before.
    pub(crate) fn new() -> Self {
        Self::under(CommitId::random())
    }

    pub(crate) const fn under(commit: CommitId) -> Self {
        let stamp = Stamp {
            at: DateTime::UNIX_EPOCH,
            actor: None,
            commit,
        };
        Self {
            stamp,
            checked_against: None,
            fingerprint: None,
            changes: Vec::new(),
        }
    }

    pub(crate) fn by(mut self, actor: &str) -> Self {
        self.stamp.actor = Some(actor.parse().unwrap());
        self
    }

    /// When its events happened; by default whenever the lead says it was changed.
    pub(crate) const fn at(mut self, time: DateTime<Utc>) -> Self {
        self.stamp.at = time;
        self
    }

    pub(crate) const fn checked(mut self, version: u64) -> Self {
        self.checked_against = Some(Version::new(version));
        self
    }

    pub(crate) fn told_apart_by(mut self, payload: &str) -> Self {
        self.fingerprint = Some(Fingerprint::of(&[payload.as_bytes()]));
        self
    }

    pub(crate) fn create(mut self, lead: &Lead) -> Self {
        let event = LeadEvent::created(lead, &self.stamp_for(lead));
        let lead = lead.clone();
        self.changes.push(Change::Create { lead, event });
        self
    }

    pub(crate) fn create_all<'a>(self, leads: impl IntoIterator<Item = &'a Lead>) -> Self {
        leads.into_iter().fold(self, Self::create)
    }

    pub(crate) fn update(mut self, before: &Lead, after: &Lead) -> Self {
        let fields = before.differences(after);
        let event = LeadEvent::changed(before, after, fields, &self.stamp_for(after));
        self.changes.push(Change::Update {
            lead: after.clone(),
            before: Box::new(before.clone()),
            event,
        });
        self
    }

    pub(crate) fn move_to(self, lead: &Lead, status: &LeadStatus) -> Self {
        let after = changed(lead, |lead| lead.status = status.clone());
        self.update(lead, &after)
    }

    pub(crate) fn delete(mut self, last: &Lead) -> Self {
        let event = LeadEvent::deleted(last, &self.stamp_for(last));
        self.changes.push(Change::Delete {
            lead: last.id,
            expected: last.version,
            before: Box::new(last.clone()),
            event,
        });
        self
    }

    /// The next version of a lifecycle, or the first.
    pub(crate) fn lifecycle(self, before: Option<&Lifecycle>, after: &Lifecycle) -> Self {
        let expected = before.map(Lifecycle::version);
        self.lifecycle_if(expected, after)
    }

    pub(crate) fn lifecycle_if(mut self, expected: Option<Version>, after: &Lifecycle) -> Self {
        self.checked_against = Some(after.version());
        self.changes.push(Change::ReplaceLifecycle {
            expected,
            lifecycle: after.clone(),
        });
        self
    }

    /// A document at the version after the expected one.
    pub(crate) fn put(mut self, key: &str, expected: Option<u64>, bytes: &[u8]) -> Self {
        let expected = expected.map(Version::new);
        let version = expected.map_or(Version::FIRST, Version::next);
        let document = Document::new(key.parse().unwrap(), version, bytes.to_vec()).unwrap();
        self.changes
            .push(Change::PutDocument { expected, document });
        self
    }

    pub(crate) fn remove(mut self, key: &str, expected: u64) -> Self {
        let key: DocumentKey = key.parse().unwrap();
        let expected = Version::new(expected);
        self.changes.push(Change::RemoveDocument { key, expected });
        self
    }

    /// Whether nothing was written down yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The finished set.
    pub(crate) fn set(&self) -> ChangeSet {
        let changes = self.changes.clone();
        let set = ChangeSet::new(self.stamp.commit, self.checked_against, changes).unwrap();
        match self.fingerprint {
            Some(fingerprint) => set.with_fingerprint(fingerprint),
            None => set,
        }
    }

    fn stamp_for(&self, lead: &Lead) -> Stamp {
        let mut stamp = self.stamp.clone();
        if stamp.at == DateTime::UNIX_EPOCH {
            stamp.at = lead.updated_at.max(at(0));
        }
        stamp
    }
}
