//! Change sets made of edits, and what they are answered with.

use super::interpreter::{Interpreter, Outcome, commit_id, differ};
use super::look::{apply, edited, newborn};
use super::{Base, Edit, Rule, Rules, Set};
use crate::event::LeadEvent;
use crate::lead::{Lead, Version};
use crate::lifecycle::Lifecycle;
use crate::repository::{
    Change, ChangeSet, DocumentKey, HistoryQuery, Repository, RepositoryErrorKind as Kind,
};
use crate::testing::draft::Draft;
use crate::testing::leads::{at, changed, id};
use std::collections::BTreeSet;

impl Interpreter<'_> {
    /// The set of these edits; `None` if nothing is left of them.
    pub(super) async fn set(&self, number: u8, rules: Rules, edits: &[Edit]) -> Option<ChangeSet> {
        let stored = self.lifecycle().await;
        let mut draft = Draft::under(commit_id(number)).by("u");
        if let Some(version) = checked(rules, stored.as_ref()) {
            draft = draft.checked(version);
        }
        let mut once = BTreeSet::new();
        for edit in edits {
            let what = match edit {
                Edit::Create(lead, _) | Edit::Update(lead, ..) | Edit::Delete(lead, _) => {
                    format!("lead {lead}")
                }
                Edit::PutNew(key, _) | Edit::PutOver(key, ..) | Edit::Remove(key, _) => {
                    format!("document {key}")
                }
                Edit::Begin | Edit::Edit(..) => String::from("lifecycle"),
            };
            if once.insert(what) {
                draft = self.edit(draft, edit, stored.as_ref()).await;
            }
        }
        (!draft.is_empty()).then(|| draft.set())
    }

    async fn edit(&self, draft: Draft, edit: &Edit, stored: Option<&Lifecycle>) -> Draft {
        match edit {
            Edit::Begin => draft.lifecycle(None, &Lifecycle::sales()),
            Edit::Create(number, values) => {
                let mut lead = newborn(*number);
                apply(&mut lead, values);
                draft.create(&lead)
            }
            Edit::Update(number, base, values) => {
                let before = self.based(*number, *base).await;
                draft.update(&before, &self.after(&before, values))
            }
            Edit::Delete(number, base) => draft.delete(&self.based(*number, *base).await),
            Edit::PutNew(key, length) => draft.put(key, None, &vec![7; usize::from(*length)]),
            Edit::PutOver(key, base, length) => {
                let version = off(self.document_version(key).await, *base);
                draft.put(key, Some(version.get()), &vec![8; usize::from(*length)])
            }
            Edit::Remove(key, base) => {
                let version = off(self.document_version(key).await, *base);
                draft.remove(key, version.get())
            }
            Edit::Edit(base, rule) => {
                let Some(stored) = stored else { return draft };
                match self.rules_after(stored, *base, rule).await {
                    Some([before, after]) => draft.lifecycle(Some(&before), &after),
                    None => draft,
                }
            }
        }
    }

    /// A lead to change, as whoever read it at that version saw it; one that is not there as
    /// somebody may remember it.
    async fn based(&self, number: u8, base: Base) -> Lead {
        let ids = [id(u64::from(number))];
        let found = self.model.get(&self.tenant().id, &ids).await;
        let mut lead = found.unwrap_or_default().pop();
        let mut lead = lead.take().unwrap_or_else(|| newborn(number));
        lead.version = off(lead.version, base);
        lead
    }

    fn after(&self, before: &Lead, values: &[Set]) -> Lead {
        changed(before, |lead| {
            // Several changes in a second.
            lead.updated_at = at(4 + self.taken / 3);
            apply(lead, values);
        })
    }

    async fn document_version(&self, key: &str) -> Version {
        let key: DocumentKey = key.parse().unwrap();
        let found = self.model.document(&self.tenant().id, &key).await;
        let found = found.ok().flatten();
        found.map_or(Version::FIRST, |document| document.version)
    }

    /// A lifecycle before and after an edit.
    async fn rules_after(
        &self,
        stored: &Lifecycle,
        base: Base,
        rule: &Rule,
    ) -> Option<[Lifecycle; 2]> {
        let before = match base {
            Base::Latest => stored.clone(),
            Base::Newer => edited(stored, &Rule::RenameStatus("new", "Not stored"))?,
            Base::Older => {
                let version = Version::new(stored.version().get() - 1);
                let older = self.model.lifecycle_at(&self.tenant().id, version).await;
                older.ok()??
            }
        };
        let after = edited(&before, rule)?;
        Some([before, after])
    }

    async fn lifecycle(&self) -> Option<Lifecycle> {
        self.model.lifecycle(&self.tenant().id).await.ok()?
    }

    /// Commits on both sides.
    pub(super) async fn commit(&self, set: &ChangeSet) -> Outcome {
        let tenant = &self.tenant().id;
        let mistakes = self.mistakes(set).await;
        let storage = self.storage().commit(tenant, set).await;
        let model = self.model.commit(tenant, set).await;
        match (&storage, &model) {
            (Ok(storage), Ok(model)) if storage == model => Ok(()),
            (Err(storage), Err(model)) if storage.kind() == model.kind() => Ok(()),
            // Of several mistakes any may be named.
            (Err(storage), Err(model))
                if mistakes.contains(storage.kind()) && mistakes.contains(model.kind()) =>
            {
                Ok(())
            }
            _ => Err(differ(&storage, &model)),
        }
    }

    /// Everything that is wrong with the leads and documents of a set.
    async fn mistakes(&self, set: &ChangeSet) -> Vec<Kind> {
        let in_force = match set.lifecycle() {
            Some(lifecycle) => Some(lifecycle.clone()),
            None => self.lifecycle().await,
        };
        let mut mistakes = Vec::new();
        for change in set.changes() {
            if let Change::Create { lead, .. } | Change::Update { lead, .. } = change {
                let status = lead.status.clone();
                if in_force
                    .as_ref()
                    .is_none_or(|known| known.get(&status).is_none())
                {
                    mistakes.push(Kind::UnknownStatus { status });
                }
            }
            mistakes.extend(self.mistake(change).await);
        }
        mistakes
    }

    async fn mistake(&self, change: &Change) -> Option<Kind> {
        let (lead, expected) = match change {
            Change::Create { lead, .. } => (lead.id, None),
            Change::Update { event, .. } | Change::Delete { event, .. } => {
                (event.lead, Some(Version::new(event.version.get() - 1)))
            }
            Change::PutDocument { expected, document } => {
                return self.document_mistake(&document.key, *expected).await;
            }
            Change::RemoveDocument { key, expected } => {
                return self.document_mistake(key, Some(*expected)).await;
            }
            _ => return None,
        };
        let tenant = &self.tenant().id;
        let found = self.model.get(tenant, &[lead]).await.ok()?.pop();
        let past = HistoryQuery::new();
        let past: Vec<LeadEvent> = self.model.history(tenant, lead, &past).await.ok()?.items;
        match (found, expected) {
            (Some(_), None) => Some(Kind::AlreadyExists { lead }),
            (Some(found), Some(expected)) => {
                let found = found.version;
                (found != expected).then_some(Kind::Conflict {
                    lead,
                    expected,
                    found,
                })
            }
            (None, _) if !past.is_empty() => Some(Kind::Gone { lead }),
            (None, Some(_)) => Some(Kind::NotFound { lead }),
            (None, None) => None,
        }
    }

    async fn document_mistake(&self, key: &DocumentKey, expected: Option<Version>) -> Option<Kind> {
        let stored = self.model.document(&self.tenant().id, key).await.ok()?;
        let found = stored.map(|document| document.version);
        let key = key.clone();
        (found != expected).then_some(Kind::DocumentConflict { key, found })
    }
}

/// The version of the lifecycle that a commit says it was checked against.
fn checked(rules: Rules, stored: Option<&Lifecycle>) -> Option<u64> {
    let stored = stored.map_or(1, |lifecycle| lifecycle.version().get());
    match rules {
        Rules::InForce => Some(stored),
        Rules::Unread => None,
        Rules::Replaced => Some(stored.saturating_sub(1).max(1)),
        Rules::Unborn => Some(stored + 1),
    }
}

/// There is no version before the first.
fn off(stored: Version, base: Base) -> Version {
    match base {
        Base::Latest => stored,
        Base::Older => Version::new(stored.get().saturating_sub(1).max(1)),
        Base::Newer => stored.next(),
    }
}
