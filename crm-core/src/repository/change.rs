//! What is written: a bounded set of changes, all of which happen or none.

use crate::event::{CommitId, LeadEvent, digest};
use crate::lead::{Invalid, Lead, LeadId, ProblemKind, Version};
use crate::lifecycle::Lifecycle;
use crate::repository::{Document, DocumentChange, DocumentKey};
use std::collections::HashSet;
use std::fmt;

/// The most changes in one set.
pub const MAX_CHANGES: usize = 1_000;

/// One thing to write.
///
/// Growing: a backend answers [`Unsupported`](crate::repository::RepositoryErrorKind::Unsupported)
/// to a change that it does not know, and then applies nothing of the set.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Change {
    /// Store a lead that does not exist, at version 1.
    Create {
        /// The lead.
        lead: Lead,
        /// Its event.
        event: LeadEvent,
    },
    /// Replace a lead, if it is at the version before this one's.
    Update {
        /// The lead as it will be; its version is one above the stored one.
        lead: Lead,
        /// The lead as it was when this was planned, which a backend may work from once it has
        /// checked that the stored one is at that version and was updated at that time: once its
        /// tenant was erased, another lead may have the same id and version.
        before: Box<Lead>,
        /// Its event.
        event: LeadEvent,
    },
    /// Delete a lead for good, if it is at this version: its record and index entries go, its
    /// events are [erased](LeadEvent::erase), and the tombstone is appended to them.
    Delete {
        /// The lead.
        lead: LeadId,
        /// The version it must be at.
        expected: Version,
        /// The lead as it was when this was planned: see [`Update`](Self::Update).
        before: Box<Lead>,
        /// The tombstone.
        event: LeadEvent,
    },
    /// Store a lifecycle, if the stored one is at the version before this one's. Earlier versions
    /// are kept.
    ReplaceLifecycle {
        /// The version that must be stored; `None` if there must be none.
        expected: Option<Version>,
        /// The lifecycle as it will be.
        lifecycle: Lifecycle,
    },
    /// Store a document, if the stored one is at this version.
    PutDocument {
        /// The version that must be stored; `None` if there must be none.
        expected: Option<Version>,
        /// The document as it will be.
        document: Document,
    },
    /// Remove a document, if it is at this version.
    RemoveDocument {
        /// Its key.
        key: DocumentKey,
        /// The version it must be at.
        expected: Version,
    },
}

/// What tells two payloads under one commit id apart, without holding any of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// From its 16 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Of the parts of a request. The caller's idempotency key must be among them: it keeps what
    /// was typed from being guessed back from the digest.
    pub(crate) fn of(parts: &[&[u8]]) -> Self {
        Self(digest(parts))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(…)")
    }
}

/// A checked set of changes under one commit id: at most [`MAX_CHANGES`], all of which happen or
/// none.
///
/// Made by [`Crm`](crate::crm::Crm), which has checked every rule; there is no other way to make
/// one, but for [documents](Self::of_documents), so what reaches a backend is right.
#[derive(Clone, PartialEq, Debug)]
pub struct ChangeSet {
    commit: CommitId,
    fingerprint: Fingerprint,
    checked_against: Option<Version>,
    changes: Vec<Change>,
}

impl ChangeSet {
    /// Takes changes that belong together.
    ///
    /// # Errors
    ///
    /// None or too many changes, one lead or document twice, a lead that is not valid.
    pub(crate) fn new(
        commit: CommitId,
        checked_against: Option<Version>,
        changes: Vec<Change>,
    ) -> Result<Self, Invalid> {
        if changes.is_empty() || changes.len() > MAX_CHANGES {
            let max = i64::try_from(MAX_CHANGES).unwrap_or(i64::MAX);
            return Err(Invalid::one(
                "changes",
                ProblemKind::OutOfRange { min: 1, max },
            ));
        }
        let twice = || Invalid::one("changes", ProblemKind::Duplicate);
        let mut identity: Vec<u8> = Vec::with_capacity(changes.len() * 25);
        let mut leads = HashSet::new();
        let mut documents = HashSet::new();
        let mut lifecycles = 0;
        let several = changes.len() > 1;
        for change in &changes {
            let (kind, lead, version) = match change {
                Change::Create { lead, .. } => (b'c', lead.id, lead.version),
                Change::Update { lead, .. } => (b'u', lead.id, lead.version),
                Change::Delete { lead, expected, .. } => (b'd', *lead, expected.next()),
                Change::ReplaceLifecycle { lifecycle, .. } => {
                    lifecycles += 1;
                    identity.push(b'l');
                    identity.extend(lifecycle.version().get().to_be_bytes());
                    continue;
                }
                Change::PutDocument {
                    document: Document { key, version, .. },
                    ..
                }
                | Change::RemoveDocument {
                    key,
                    expected: version,
                } => {
                    identity.push(b'p');
                    identity.extend(key.as_str().bytes());
                    identity.push(0);
                    identity.extend(version.get().to_be_bytes());
                    if !documents.insert(key) {
                        return Err(twice());
                    }
                    continue;
                }
            };
            if let Change::Create { lead, .. } | Change::Update { lead, .. } = change {
                lead.check()?;
            }
            if several && !leads.insert(lead) {
                return Err(twice());
            }
            identity.push(kind);
            identity.extend(lead.as_bytes());
            identity.extend(version.get().to_be_bytes());
        }
        if lifecycles > 1 {
            return Err(twice());
        }
        let fingerprint = Fingerprint::of(&[&identity]);
        Ok(Self {
            commit,
            fingerprint,
            checked_against,
            changes,
        })
    }

    /// Takes changes of documents that belong together: what an application keeps beside its
    /// leads. Everything else is written by [`Crm`](crate::crm::Crm), which knows the rules.
    ///
    /// ```
    /// use crm_core::event::CommitId;
    /// use crm_core::lead::TenantId;
    /// use crm_core::memory::MemoryRepository;
    /// use crm_core::repository::{ChangeSet, DocumentChange, DocumentKey, Repository};
    ///
    /// # pollster::block_on(async {
    /// let repository = MemoryRepository::new();
    /// let key: DocumentKey = "import/checkpoint".parse()?;
    /// let first = DocumentChange::put(key.clone(), None, b"row 7".to_vec())?;
    /// let changes = ChangeSet::of_documents(CommitId::random(), [first])?;
    /// repository.commit(&TenantId::DEFAULT, &changes).await?;
    ///
    /// let stored = repository.document(&TenantId::DEFAULT, &key).await?;
    /// assert_eq!(stored.map(|document| document.bytes), Some(b"row 7".to_vec()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// None or more than [`MAX_CHANGES`], or one document twice.
    pub fn of_documents(
        commit: CommitId,
        changes: impl IntoIterator<Item = DocumentChange>,
    ) -> Result<Self, Invalid> {
        let changes = changes.into_iter().map(Change::from).collect();
        Self::new(commit, None, changes)
    }

    /// The same set, whose payload is told apart by this fingerprint instead of by its ids and
    /// versions: a repeated request makes new ids.
    #[must_use]
    pub(crate) fn with_fingerprint(mut self, fingerprint: Fingerprint) -> Self {
        self.fingerprint = fingerprint;
        self
    }

    /// The id under which the set is applied once.
    #[must_use]
    pub const fn commit(&self) -> CommitId {
        self.commit
    }

    /// What tells this set from another under the same id.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The version of the lifecycle whose rules the changes keep; `None` if no rule reads what
    /// they change. If the set replaces the lifecycle, this is the new one's version.
    #[must_use]
    pub const fn checked_against(&self) -> Option<Version> {
        self.checked_against
    }

    /// The changes, in the order in which they happen.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The lifecycle that the set stores, if it does.
    #[must_use]
    pub fn lifecycle(&self) -> Option<&Lifecycle> {
        self.changes.iter().find_map(|change| match change {
            Change::ReplaceLifecycle { lifecycle, .. } => Some(lifecycle),
            _ => None,
        })
    }

    /// The leads as they will be, in order; deleted ones are not among them.
    pub fn leads(&self) -> impl Iterator<Item = &Lead> {
        self.changes.iter().filter_map(|change| match change {
            Change::Create { lead, .. } | Change::Update { lead, .. } => Some(lead),
            _ => None,
        })
    }

    /// The leads that are changed or deleted as they were when this was planned, in order. Once a
    /// backend has checked that the stored ones are at these versions and were updated at these
    /// times, they are the stored ones.
    pub fn leads_before(&self) -> impl Iterator<Item = &Lead> {
        self.changes.iter().filter_map(|change| match change {
            Change::Update { before, .. } | Change::Delete { before, .. } => Some(&**before),
            _ => None,
        })
    }

    /// The events, in order.
    pub fn events(&self) -> impl Iterator<Item = &LeadEvent> {
        self.changes.iter().filter_map(|change| match change {
            Change::Create { event, .. }
            | Change::Update { event, .. }
            | Change::Delete { event, .. } => Some(event),
            _ => None,
        })
    }

    /// What committing it reports: the leads and their versions afterwards, in order.
    #[must_use]
    pub fn outcome(&self) -> Committed {
        let leads = self
            .events()
            .map(|event| (event.lead, event.version))
            .collect();
        Committed::new(self.commit, Some(self.fingerprint), leads)
    }
}

/// What a commit did: ids and versions only, so it can be kept for good.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Committed {
    /// The commit.
    pub commit: CommitId,
    /// What tells its payload from another; `None` once a lead of it was deleted.
    pub fingerprint: Option<Fingerprint>,
    /// The leads it wrote, in order, and their versions after it.
    pub leads: Vec<(LeadId, Version)>,
    /// Whether this very call wrote them, or the commit had been made before.
    pub applied: Applied,
}

/// Whether a commit was made by this call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Applied {
    /// By this call.
    Now,
    /// By an earlier call under the same id; this one changed nothing.
    Before,
}

impl Committed {
    /// The outcome of a commit made just now.
    #[must_use]
    pub fn new(
        commit: CommitId,
        fingerprint: Option<Fingerprint>,
        leads: Vec<(LeadId, Version)>,
    ) -> Self {
        Self {
            commit,
            fingerprint,
            leads,
            applied: Applied::Now,
        }
    }

    /// The same outcome, reported again.
    #[must_use]
    pub fn repeated(mut self) -> Self {
        self.applied = Applied::Before;
        self
    }

    /// Whether this outcome may be that of a change set with this fingerprint.
    #[must_use]
    pub fn is_of(&self, fingerprint: Fingerprint) -> bool {
        self.fingerprint.is_none_or(|known| known == fingerprint)
    }
}
