//! Leads and times for the cases: numbered, so that a failure says which.

use crate::lead::{Lead, LeadId, LeadStatus, Money, NewLead, Problems};
use chrono::{DateTime, TimeDelta, Utc};

/// So many seconds after the beginning of 2026.
pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_767_225_600 + seconds)
}

/// The id of the lead with this number: in the order of the numbers, and a UUIDv7 to whoever looks.
pub(crate) fn id(number: u64) -> LeadId {
    let version_and_variant = 0x019b_76da_a800_7000_8000_0000_0000_0000u128;
    LeadId::from_bytes((version_and_variant | u128::from(number)).to_be_bytes())
}

/// The number of a lead.
pub(crate) fn number(id: LeadId) -> u64 {
    let low = id.as_uuid().as_u128() & 0xffff_ffff;
    u64::try_from(low).unwrap()
}

/// The numbers of leads, in their order.
pub(crate) fn numbers<'a>(leads: impl IntoIterator<Item = &'a Lead>) -> Vec<u64> {
    leads.into_iter().map(|lead| number(lead.id)).collect()
}

/// A new lead with a name and an e-mail, created as many seconds after the beginning of 2026 as
/// its number.
pub(crate) fn lead(number: u64) -> Lead {
    let new = NewLead::unnamed()
        .first_name(format!("First{number}"))
        .last_name(format!("Last{number}"))
        .email(format!("lead{number}@example.com"));
    drafted(number, &new)
}

/// A new lead of which only a company is known, which no search should be for.
pub(crate) fn plain(number: u64) -> Lead {
    drafted(number, &NewLead::unnamed().company("Zzyzx"))
}

fn drafted(number: u64, new: &NewLead) -> Lead {
    let created = at(i64::try_from(number).unwrap());
    let mut problems = Problems::default();
    let lead = new.draft(id(number), LeadStatus::NEW, created, &mut problems);
    problems.finish().unwrap();
    lead
}

/// A new lead, changed.
pub(crate) fn lead_with(number: u64, change: impl FnOnce(&mut Lead)) -> Lead {
    let mut lead = lead(number);
    change(&mut lead);
    lead.check().unwrap();
    lead
}

/// A lead of which only a company is known, changed.
pub(crate) fn plain_with(number: u64, change: impl FnOnce(&mut Lead)) -> Lead {
    let mut lead = plain(number);
    change(&mut lead);
    lead.check().unwrap();
    lead
}

/// The lead as it will be after a change made a second after the last one.
pub(crate) fn changed(before: &Lead, change: impl FnOnce(&mut Lead)) -> Lead {
    let mut after = before.clone();
    after.updated_at = before.updated_at + TimeDelta::seconds(1);
    change(&mut after);
    if after.status != before.status {
        after.status_changed_at = after.updated_at;
    }
    after.version = before.version.next();
    after
}

pub(crate) fn usd(cents: i64) -> Option<Money> {
    Some(Money::new(cents, "USD").unwrap())
}

/// Sixty leads of which nearly everything is also true of others: every filter finds some of them,
/// every sort has ties and missing values, every third or so is archived.
pub(crate) fn village() -> Vec<Lead> {
    let pick = |from: &[&str], number: u64, salt: u64| {
        let place = number.wrapping_mul(salt).wrapping_add(number / 7);
        let place = usize::try_from(place).unwrap() % (from.len() + 1);
        from.get(place).map(|text| (*text).to_owned())
    };
    let first_names = ["Anna", "Ánna", "Annabel", "Bob", "Zoë"];
    let last_names = ["Doe", "doe", "Do", "Müller", "O’Brien"];
    let companies = ["Acme", "ACME", "Ac", "Bobs & Sons", "Ärzte GmbH"];
    let emails = ["anna@example.com", "Anna@Example.com", "bob@example.org"];
    let phones = ["+263 77 123 4567", "771234567", "(020) 555-0199"];
    let users = ["u", "u2", "user 456 with a long id"];
    let sources = ["website", "event", "trade_fair"];
    let statuses = ["new", "contacted", "qualified", "proposal", "won", "lost"];
    let tags = ["VIP", "Renewal", "Grüße"];
    (1..=60)
        .map(|number| {
            let mut lead = plain(number);
            lead.first_name = pick(&first_names, number, 3);
            lead.last_name = pick(&last_names, number, 5);
            lead.company = pick(&companies, number, 7);
            lead.email = pick(&emails, number, 11).map(|text| text.parse().unwrap());
            lead.phone = pick(&phones, number, 13).map(|text| text.parse().unwrap());
            lead.assigned_to = pick(&users, number, 17).map(|text| text.parse().unwrap());
            lead.source = pick(&sources, number, 19).map(|text| text.parse().unwrap());
            let status = usize::try_from(number * 23 + number / 5).unwrap() % statuses.len();
            lead.status = statuses[status].parse().unwrap();
            let first = pick(&tags, number, 29);
            let second = pick(&tags, number, 31).filter(|tag| Some(tag) != first.as_ref());
            let both = first.into_iter().chain(second);
            lead.tags = both.map(|tag| tag.parse().unwrap()).collect();
            let amount = i64::try_from(number % 4).unwrap() * 50;
            lead.value = match number % 5 {
                0 => None,
                1 => Some(Money::new(amount, "EUR").unwrap()),
                _ => usd(amount),
            };
            let tick = |of: u64| at(i64::try_from(number / of).unwrap());
            lead.created_at = tick(3);
            lead.updated_at = tick(4);
            lead.status_changed_at = tick(6);
            lead.archived_at = number.is_multiple_of(4).then(|| at(500));
            if !lead.is_identified() {
                lead.company = Some("Zzyzx".to_owned());
            }
            lead.check().unwrap();
            lead
        })
        .collect()
}

/// A row of numbers that looks random and is the same in every run.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(2).wrapping_add(1))
    }

    /// A number below this one (splitmix64).
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    pub(crate) fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let length = u64::try_from(from.len()).unwrap();
        &from[usize::try_from(self.below(length)).unwrap()]
    }
}

/// The stated count of a long run, or a tenth of it; `CRM_TEST_LONG=1` asks for the long run.
pub(crate) fn scaled(count: usize) -> usize {
    if std::env::var_os("CRM_TEST_LONG").is_some_and(|long| long == "1") {
        count
    } else {
        count / 10
    }
}
