//! What is measured, for every database the same: ours and what one would write by hand, in turns.

use crm_core::chrono::{DateTime, Utc};
use crm_core::crm::Crm;
use crm_core::lead::{Lead, LeadId, LeadStatus, Money, NewLead, TenantId};
use crm_core::query::{LeadQuery, Sort};
use crm_core::repository::{ChangeSet, Repository};
use crm_core::serde_json::Value;
use crm_core::uuid::Uuid;
use std::time::{Duration, Instant};

/// What is written by hand.
pub(crate) trait ByHand {
    async fn get(&self, id: LeadId) -> Plain;

    /// The newest fifty, and a look at whether there are more.
    async fn page(&self) -> Vec<Plain>;

    /// Leads that are new.
    async fn create(&self, leads: &[Lead]);

    /// A lead moves to another status.
    async fn transition(&self, before: &Lead, after: &Lead);
}

/// A lead as a struct of ordinary types, which are believed what they hold.
#[allow(dead_code, reason = "it is read to be decoded")]
pub(crate) struct Plain {
    pub(crate) id: Uuid,
    pub(crate) version: i64,
    pub(crate) status: String,
    pub(crate) assigned_to: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) status_changed_at: DateTime<Utc>,
    pub(crate) archived_at: Option<DateTime<Utc>>,
    pub(crate) value: Option<(String, i64)>,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) company: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) status_reason: Option<String>,
    pub(crate) notes: Option<String>,
    pub(crate) custom: Option<Value>,
}

/// Reads a row, texts by a function of its own.
macro_rules! plain {
    ($row:expr, $text:ident) => {{
        let row = $row;
        let text = |column: usize| row.$text::<Option<String>, _>(column).unwrap();
        let json = |column: usize| row.$text::<Option<&str>, _>(column).unwrap();
        let at = |column: usize| {
            let micros: Option<i64> = row.try_get(column).unwrap();
            micros.map(|micros| DateTime::from_timestamp_micros(micros).unwrap())
        };
        let currency = text(9);
        let minor: Option<i64> = row.try_get(10).unwrap();
        Plain {
            id: Uuid::from_slice(row.try_get(0).unwrap()).unwrap(),
            version: row.try_get(1).unwrap(),
            status: text(2).unwrap(),
            assigned_to: text(3),
            source: text(4),
            created_at: at(5).unwrap(),
            updated_at: at(6).unwrap(),
            status_changed_at: at(7).unwrap(),
            archived_at: at(8),
            value: currency.zip(minor),
            first_name: text(11),
            last_name: text(12),
            email: text(13),
            company: text(14),
            phone: text(15),
            tags: json(16).map_or_else(Vec::new, |tags| {
                crm_core::serde_json::from_str(tags).unwrap()
            }),
            status_reason: text(17),
            notes: text(18),
            custom: json(19).map(|custom| crm_core::serde_json::from_str(custom).unwrap()),
        }
    }};
}
pub(crate) use plain;

fn numbered(number: usize) -> NewLead {
    let mixed = number.wrapping_mul(2_654_435_761) % 1_000_003;
    let email = format!("p{number}@example{}.com", mixed % 300);
    NewLead::new(
        format!("First{}", mixed % 997),
        format!("Last{}", mixed % 4_999),
        &email,
    )
    .unwrap()
    .company(format!("Company {}", mixed % 5_000))
    .phone(format!("+26377{mixed:07}"))
    .source(["website", "event", "cold_call"][mixed % 3])
    .assigned_to(format!("user_{}", mixed % 1_000))
    .tag(["VIP", "hot", "cold"][mixed % 3])
    .value(Money::new(i64::try_from(mixed).unwrap(), "USD").unwrap())
}

/// The leads that there are before: as many thousands as the command says, or ten.
pub(crate) async fn filled(crm: &Crm) {
    let count = std::env::args().filter_map(|arg| arg.parse().ok()).next();
    for start in (0..count.unwrap_or(10_000)).step_by(1_000) {
        let batch: Vec<_> = (start..start + 1_000).map(numbered).collect();
        crm.create_many(&batch).await.unwrap();
    }
}

fn median<T: Copy + PartialOrd>(mut values: Vec<T>) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap());
    values[values.len() / 2]
}

fn report(name: &str, times: &[(Duration, Duration)], limit: f64) {
    let ours = median(times.iter().map(|(ours, _)| *ours).collect());
    let hand = median(times.iter().map(|(_, hand)| *hand).collect());
    let ratio = |(ours, hand): &(Duration, Duration)| ours.as_secs_f64() / hand.as_secs_f64();
    let ratio = median(times.iter().map(ratio).collect());
    println!(
        "{name:12} ours {ours:>12.1?}   by hand {hand:>12.1?}   {ratio:.2}x  (goal {limit:.2}x)"
    );
}

macro_rules! rounds {
    ($rounds:expr, |$round:ident| $ours:expr, $hand:expr) => {{
        let mut times = Vec::new();
        for $round in 0..$rounds {
            let ours = async {
                let begin = Instant::now();
                $ours;
                begin.elapsed()
            };
            let hand = async {
                let begin = Instant::now();
                $hand;
                begin.elapsed()
            };
            // Whoever comes second finds the caches warm, so they take turns at that, too.
            times.push(if $round % 2 == 0 {
                let ours = ours.await;
                (ours, hand.await)
            } else {
                let hand = hand.await;
                (ours.await, hand)
            });
        }
        times
    }};
}

/// New leads as they would be stored, and the sets that store their likes.
async fn planned(crm: &Crm, from: usize, count: usize) -> (Vec<ChangeSet>, Vec<Lead>) {
    let mut sets = Vec::new();
    let mut leads = Vec::new();
    for number in from..from + count {
        sets.push(crm.plan_create(numbered(number)).await.unwrap());
        let by_hand = crm.plan_create(numbered(number + 7_777_777)).await.unwrap();
        leads.extend(by_hand.leads().cloned());
    }
    (sets, leads)
}

/// How many leads are created and moved one by one.
const SINGLE: usize = 400;

/// Prints the median of each arm and the median of the ratios of neighbouring rounds.
pub(crate) async fn measure(leads: &impl Repository, crm: &Crm, hand: &impl ByHand) {
    let tenant = &TenantId::DEFAULT;
    let query = LeadQuery::new().sort(Sort::created().descending());
    let some = crm.list(query.clone().limit(1_000)).await.unwrap().items;
    let id = |round: usize| some[round * 7 % some.len()].id;

    let times = rounds!(
        20_000,
        |round| {
            assert_eq!(leads.get(tenant, &[id(round)]).await.unwrap().len(), 1);
        },
        {
            let plain = hand.get(id(round)).await;
            assert_eq!(plain.id, *id(round).as_uuid());
        }
    );
    report("get", &times, 1.10);

    let times = rounds!(
        4_000,
        |round| {
            assert_eq!(leads.find(tenant, &query).await.unwrap().items.len(), 50);
        },
        {
            let plain = hand.page().await;
            assert_eq!((plain.len(), plain[round % 50].tags.len()), (50, 1));
        }
    );
    report("page of 50", &times, 1.10);

    let (sets, by_hand) = planned(crm, 1_000_000, SINGLE).await;
    let times = rounds!(
        SINGLE,
        |round| {
            leads.commit(tenant, &sets[round]).await.unwrap();
        },
        {
            hand.create(&by_hand[round..=round]).await;
        }
    );
    report("create", &times, 1.10);

    let (mut moves, mut by_hand) = (Vec::new(), Vec::new());
    for (lead, before) in some.iter().zip(&some[SINGLE..]).take(SINGLE) {
        let set = crm.plan_transition(lead.id, "contacted").await.unwrap();
        let mut after = before.clone();
        after.status = LeadStatus::CONTACTED;
        after.version = before.version.next();
        // Now, as is that of ours: it moves to the end of the lists by time.
        after.updated_at = set.leads().next().unwrap().updated_at;
        after.status_changed_at = after.updated_at;
        moves.push(set);
        by_hand.push((before, after));
    }
    let times = rounds!(
        SINGLE,
        |round| {
            leads.commit(tenant, &moves[round]).await.unwrap();
        },
        {
            let (before, after) = &by_hand[round];
            hand.transition(before, after).await;
        }
    );
    report("transition", &times, 1.10);

    let memory = Crm::open(crm_core::memory::MemoryRepository::new())
        .await
        .unwrap();
    let (mut new, mut made) = (Vec::new(), Vec::new());
    for round in 0..15 {
        let batch = |from: usize| -> Vec<NewLead> { (from..from + 1_000).map(numbered).collect() };
        new.push(batch(2_000_000 + round * 1_000));
        let others = memory.create_many(&batch(4_000_000 + round * 1_000)).await;
        made.push(
            others
                .unwrap()
                .into_iter()
                .map(Result::unwrap)
                .collect::<Vec<Lead>>(),
        );
    }
    // Ours checks and plans them, too; those by hand are ready to be written.
    let times = rounds!(
        new.len(),
        |round| {
            assert_eq!(crm.create_many(&new[round]).await.unwrap().len(), 1_000);
        },
        {
            hand.create(&made[round]).await;
        }
    );
    report("bulk of 1000", &times, 1.15);
}
