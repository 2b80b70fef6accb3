//! A storage that fails at any call of any write of `Crm`, and what is to be seen afterwards.

use super::desk::Desk;
use super::leads::{at, id, lead_with};
use super::setup::Setup;
use super::{Fault, FaultyRepository, ManualClock};
use crate::crm::{Crm, CrmError};
use crate::lead::{Field, Lead, LeadPatch, LeadStatus, NewLead, Version};
use crate::lifecycle::Lifecycle;
use crate::repository::Repository;
use std::pin::Pin;
use std::sync::Arc;

pub(crate) type Faulty = FaultyRepository<Arc<dyn Repository>>;
type Done<'a> = Pin<Box<dyn Future<Output = Result<Told, CrmError>> + 'a>>;
/// A write, with its name.
pub(crate) type Step = (&'static str, for<'a> fn(&'a Crm) -> Done<'a>);

/// What a write says is stored now.
#[derive(Debug, Default)]
pub(crate) struct Told {
    leads: Vec<Lead>,
    lifecycle: Option<Lifecycle>,
}

impl From<Lead> for Told {
    fn from(lead: Lead) -> Self {
        let leads = vec![lead];
        Self {
            leads,
            ..Self::default()
        }
    }
}

impl From<Lifecycle> for Told {
    fn from(lifecycle: Lifecycle) -> Self {
        let lifecycle = Some(lifecycle);
        Self {
            lifecycle,
            ..Self::default()
        }
    }
}

impl Told {
    /// Checks that it is as was said.
    pub(crate) async fn is_true(&self, desk: &Desk, case: &str) {
        let ids: Vec<_> = self.leads.iter().map(|lead| lead.id).collect();
        assert_eq!(
            desk.get_all(&ids).await,
            self.leads,
            "{case}: shown, and not stored"
        );
        if self.lifecycle.is_some() {
            assert_eq!(
                desk.lifecycle().await,
                self.lifecycle,
                "{case}: shown, and not stored"
            );
        }
    }
}

/// What goes wrong, from the `nth` call of a step on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trouble {
    /// This call does not reach the storage.
    Lost,
    /// The answer to this call does not come back.
    Unanswered,
    /// No call from this one on reaches the storage.
    Dead,
    /// The answer does not come back, and from then on the storage is gone.
    UnansweredThenDead,
}

pub(crate) const TROUBLES: [Trouble; 4] = [
    Trouble::Lost,
    Trouble::Unanswered,
    Trouble::Dead,
    Trouble::UnansweredThenDead,
];

impl Trouble {
    pub(crate) fn befall(self, storage: &Faulty, nth: u64) {
        match self {
            Self::Lost => storage.fail(nth, Fault::Before),
            Self::Unanswered => storage.fail(nth, Fault::After),
            Self::Dead => storage.fail_from(nth),
            Self::UnansweredThenDead => {
                storage.fail(nth, Fault::After);
                storage.fail_from(nth + 1);
            }
        }
    }

    const fn is_for_good(self) -> bool {
        matches!(self, Self::Dead | Self::UnansweredThenDead)
    }
}

pub(crate) fn anna() -> NewLead {
    NewLead::new("Anna", "Doe", "anna@example.com").unwrap()
}

macro_rules! step {
    ($name:literal, |$crm:ident| $write:expr) => {
        ($name, |$crm| {
            Box::pin(async move { $write.await.map(Told::from) })
        })
    };
}

async fn create_many(crm: &Crm) -> Result<Told, CrmError> {
    let answers = crm.create_many(&[anna(), anna(), anna()]).await?;
    let leads = answers.into_iter().collect::<Result<Vec<Lead>, _>>()?;
    Ok(Told {
        leads,
        ..Told::default()
    })
}

async fn delete(crm: &Crm, number: u64) -> Result<Told, CrmError> {
    crm.delete(id(number)).await?;
    Ok(Told::default())
}

/// Every write there is, on a tenant that has lead 1, worked by a user, and lead 2 in the archive.
/// Removing a status in use takes several commits, and has cases of its own.
pub(crate) const STEPS: [Step; 17] = [
    step!("create", |crm| crm.create(anna())),
    step!("update", |crm| crm.update(
        id(1),
        LeadPatch::new().company("Acme").clear(Field::Phone)
    )),
    step!("update and move", |crm| crm.update(
        id(1),
        LeadPatch::new().status("qualified").notes("called")
    )),
    step!("update at a version", |crm| {
        let pinned = crm.if_version(Version::FIRST);
        async move { pinned.update(id(1), LeadPatch::new().notes("called")).await }
    }),
    step!("transition", |crm| crm.transition(id(1), "won")),
    step!("transition with a reason", |crm| crm.transition_because(
        id(1),
        "lost",
        "too dear"
    )),
    step!("assign", |crm| crm.assign(id(1), "bob")),
    step!("unassign", |crm| crm.unassign(id(1))),
    step!("archive", |crm| crm.archive(id(1))),
    step!("restore", |crm| crm.restore(id(2))),
    step!("delete", |crm| delete(crm, 1)),
    step!("delete from the archive", |crm| delete(crm, 2)),
    step!("create many", |crm| create_many(crm)),
    step!("edit the lifecycle", |crm| crm
        .edit_lifecycle(|edit| edit.add("Demo"))),
    step!("edit the lifecycle at a version", |crm| {
        let pinned = crm.if_version(Version::FIRST);
        async move { pinned.edit_lifecycle(|edit| edit.add("Demo")).await }
    }),
    step!("remove a status", |crm| {
        let unused: LeadStatus = "proposal".parse().unwrap();
        async move { crm.remove_status(&unused).await }
    }),
    step!("remove a status into another", |crm| {
        let unused: LeadStatus = "proposal".parse().unwrap();
        async move { crm.remove_status_into(&unused, &LeadStatus::WON).await }
    }),
];

/// What can be the first write of a tenant.
pub(crate) const FIRST_STEPS: [Step; 3] = [STEPS[0], STEPS[12], STEPS[13]];

/// Whether a caller's key tells a repetition of it.
pub(crate) fn takes_a_key(name: &str) -> bool {
    name != "create many" && !name.contains("lifecycle") && !name.contains("status")
}

/// What is to be seen of a tenant. Ids are left out, because those of new leads are random, and
/// times, because waiting between tries moves the clock.
#[derive(Debug, PartialEq, Clone)]
pub(crate) struct State {
    pub(crate) leads: Vec<String>,
    pub(crate) events: [usize; 2],
    pub(crate) lifecycle: Option<Lifecycle>,
}

impl State {
    pub(crate) async fn of(desk: &Desk) -> Self {
        let mut leads: Vec<String> = desk
            .all()
            .await
            .into_iter()
            .map(|mut lead| {
                if ![id(1), id(2)].contains(&lead.id) {
                    lead.id = id(99);
                }
                (lead.created_at, lead.updated_at, lead.status_changed_at) = (at(0), at(0), at(0));
                lead.archived_at = lead.archived_at.map(|_| at(0));
                serde_json::to_string(&lead).unwrap()
            })
            .collect();
        leads.sort_unstable();
        Self {
            leads,
            events: [desk.history(1).await.len(), desk.history(2).await.len()],
            lifecycle: desk.lifecycle().await,
        }
    }
}

/// A `Crm` on a storage that will fail.
async fn beside(setup: &Setup, tenant: &str) -> (Faulty, Crm) {
    let storage: Faulty = FaultyRepository::new(setup.repository());
    let builder = Crm::builder(storage.clone()).clock(ManualClock::at(at(1_000)));
    (storage, builder.open().await.unwrap().tenant(tenant))
}

/// A tenant to do a step on, and a `Crm` on a storage that will fail.
pub(crate) async fn prepared(setup: &Setup, tenant: &str) -> (Desk, Faulty, Crm) {
    let desk = setup.desk_of(tenant).await;
    let worked = lead_with(1, |lead| lead.assigned_to = "anna".parse().ok());
    let archived = lead_with(2, |lead| lead.archived_at = Some(at(9)));
    desk.create(&[worked, archived]).await;
    let (storage, crm) = beside(setup, tenant).await;
    (desk, storage, crm)
}

/// A tenant of which nothing is stored.
pub(crate) async fn empty(setup: &Setup, tenant: &str) -> (Desk, Faulty, Crm) {
    let (storage, crm) = beside(setup, tenant).await;
    (setup.empty(tenant), storage, crm)
}

/// One step that something went wrong with.
pub(crate) struct Befallen<'a> {
    pub(crate) case: String,
    pub(crate) step: Step,
    /// The state before the step, and the one it should lead to.
    pub(crate) states: &'a [State; 2],
    pub(crate) outcome: Result<Told, CrmError>,
    pub(crate) desk: Desk,
    /// On a storage that works again.
    pub(crate) crm: Crm,
}

/// Does every step with every trouble at every call, until it is done before the trouble comes.
pub(crate) async fn everywhere(
    setup: &Setup,
    steps: &[Step],
    prepare: impl AsyncFn(&Setup, &str) -> (Desk, Faulty, Crm),
    key: Option<&str>,
    mut check: impl AsyncFnMut(Befallen<'_>),
) {
    for (name, step) in steps.iter().copied() {
        let (desk, _, crm) = prepare(setup, &format!("{name}, right")).await;
        let before = State::of(&desk).await;
        step(&crm).await.unwrap().is_true(&desk, name).await;
        let states = [before, State::of(&desk).await];
        assert_ne!(states[0], states[1]);
        for trouble in TROUBLES {
            let mut told = 0;
            for nth in 1.. {
                let case = format!("{name}, {trouble:?} at call {nth}");
                let (desk, storage, crm) = prepare(setup, &case).await;
                let crm = key.map_or(crm.clone(), |key| crm.with_idempotency_key(key));
                let calls_before = storage.calls();
                trouble.befall(&storage, nth);
                let outcome = step(&crm).await;
                let is_over = storage.calls() < calls_before + nth;
                storage.heal();
                assert!(outcome.is_ok() || !is_over, "{case}: failed by itself");
                told += u64::from(outcome.is_err());
                check(Befallen {
                    case: case.clone(),
                    step: (name, step),
                    states: &states,
                    outcome,
                    desk,
                    crm,
                })
                .await;
                if is_over {
                    break;
                }
                assert!(nth < 200, "{case}: no end in sight");
            }
            assert!(
                told > 0 || !trouble.is_for_good(),
                "{name}: nobody was told of {trouble:?}"
            );
        }
    }
}
