//! What a change set is about, and its outcome as it is stored.

use crate::error::{Error, Result};
#[cfg(any(feature = "mysql", feature = "postgres"))]
use crate::value::id;
#[cfg(any(feature = "mysql", feature = "postgres"))]
use crm_core::event::CommitId;
use crm_core::index::{Counter, IndexKey, Measure, Shelf};
#[cfg(any(feature = "mysql", feature = "postgres"))]
use crm_core::lead::Version;
use crm_core::lead::{LeadId, LeadStatus};
use crm_core::repository::{Change, ChangeSet, DocumentKey};
#[cfg(any(feature = "mysql", feature = "postgres"))]
use crm_core::repository::{Committed, Fingerprint};

/// What a change set is about.
pub(crate) struct About<'a> {
    /// The leads that it creates.
    pub(crate) created: Vec<LeadId>,
    /// The leads that it updates or deletes.
    pub(crate) changed: Vec<LeadId>,
    pub(crate) documents: Vec<&'a DocumentKey>,
}

impl<'a> About<'a> {
    pub(crate) fn of(changes: &'a ChangeSet) -> Self {
        let mut about = Self {
            created: Vec::new(),
            changed: Vec::new(),
            documents: Vec::new(),
        };
        for change in changes.changes() {
            match change {
                Change::Create { lead, .. } => about.created.push(lead.id),
                Change::Update { lead, .. } => about.changed.push(lead.id),
                Change::Delete { lead, .. } => about.changed.push(*lead),
                Change::PutDocument { document, .. } => about.documents.push(&document.key),
                Change::RemoveDocument { key, .. } => about.documents.push(key),
                _ => {}
            }
        }
        about
    }
}

/// The keys of the counters of leads in each of these statuses, archived ones included.
pub(crate) fn counters_of(statuses: &[LeadStatus]) -> Vec<IndexKey> {
    let mut keys = Vec::with_capacity(statuses.len() * 2);
    for status in statuses {
        for shelf in [Shelf::Active, Shelf::Archived] {
            let counter = Counter {
                shelf,
                assignee: None,
                status: Some(status.clone()),
                measure: Measure::Leads,
            };
            keys.push(counter.key());
        }
    }
    keys
}

/// Statuses from their slugs.
pub(crate) fn statuses(slugs: &[String]) -> Result<Vec<LeadStatus>> {
    let statuses = slugs.iter().map(|slug| slug.parse());
    statuses
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| Error::Damaged("a status"))
}

/// The leads and versions that a commit makes: 16 and 8 bytes each.
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(crate) fn outcome_bytes(changes: &ChangeSet) -> Vec<u8> {
    let mut bytes = Vec::new();
    for event in changes.events() {
        bytes.extend_from_slice(event.lead.as_bytes());
        bytes.extend_from_slice(&event.version.get().to_be_bytes());
    }
    bytes
}

/// An outcome as it is stored.
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(crate) fn committed(
    commit: CommitId,
    fingerprint: Option<&[u8]>,
    outcome: &[u8],
) -> Result<Committed> {
    let (leads, []) = outcome.as_chunks::<24>() else {
        return Err(Error::Damaged("the outcome of a commit"));
    };
    let leads = leads.iter().map(|bytes| {
        let lead = LeadId::from_bytes(*bytes.first_chunk().unwrap_or(&[0; 16]));
        let version = u64::from_be_bytes(*bytes.last_chunk().unwrap_or(&[0; 8]));
        (lead, Version::new(version))
    });
    let fingerprint = fingerprint.map(id).transpose()?;
    let fingerprint = fingerprint.map(Fingerprint::from_bytes);
    Ok(Committed::new(commit, fingerprint, leads.collect()))
}
