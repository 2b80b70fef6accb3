//! Made-up leads, mixed as those of a sales team are: the same ones in every run.

use crm_kit::chrono::{DateTime, TimeDelta, Utc};
use crm_kit::lead::{Money, NewLead};
use fastrand::Rng;

/// What somebody typed into a form.
#[derive(Clone)]
pub(crate) struct Typed {
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) email: String,
    pub(crate) company: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) status: &'static str,
    pub(crate) source: &'static str,
    pub(crate) assigned_to: Option<String>,
    pub(crate) notes: Option<String>,
    /// Minor units and currency.
    pub(crate) value: Option<(i64, &'static str)>,
    pub(crate) tags: Vec<&'static str>,
    pub(crate) budget: Option<u32>,
    pub(crate) created_at: DateTime<Utc>,
}

/// How many users share the leads.
pub(crate) const USERS: u32 = 20;

const FIRST: [&str; 24] = [
    "Anna", "José", "Liam", "Olivia", "Noah", "Zoë", "Tendai", "Rudo", "Wei", "Yuki", "Fatima",
    "Omar", "Chloe", "Lucas", "Mia", "Łukasz", "Priya", "Arjun", "Ivan", "Elena", "Grace",
    "Samuel", "Hannah", "Peter",
];
const LAST: [&str; 24] = [
    "Smith",
    "Müller",
    "Moyo",
    "Garcia",
    "Nguyen",
    "Kim",
    "Ivanova",
    "Okafor",
    "Rossi",
    "Silva",
    "Johnson",
    "Brown",
    "O’Brien",
    "Dubois",
    "Kowalski",
    "Sato",
    "Haddad",
    "Patel",
    "Novak",
    "Andersson",
    "Ncube",
    "Fischer",
    "Lopez",
    "Walker",
];
const COMPANY: [&str; 12] = [
    "Acme",
    "Globex",
    "Initech",
    "Umbrella",
    "Hooli",
    "Stark",
    "Wayne",
    "Soylent",
    "Vandelay",
    "Massive",
    "Cyberdyne",
    "Tyrell",
];
const KIND: [&str; 6] = ["Corp", "Ltd", "GmbH", "Logistics", "Foods", "Energy"];
const TAGS: [&str; 6] = [
    "vip",
    "renewal",
    "newsletter",
    "partner",
    "trade fair",
    "inbound",
];
const NOTE: &str = "Asked for a quote, wants to see a demo with their own data first. Decision in \
                    the next quarter, the head of operations signs. Call back after lunch.";

/// The lead with this number.
pub(crate) fn typed(number: u32) -> Typed {
    let mut random = Rng::with_seed(u64::from(number) + 1);
    let mut one_in = |chances: u32| random.u32(..chances) == 0;
    let (has_phone, has_company) = (!one_in(5), !one_in(4));
    let (has_notes, has_value) = (one_in(3), one_in(2));
    let (is_tagged, is_tagged_twice, has_budget) = (one_in(4), one_in(16), one_in(8));
    let is_assigned = !one_in(20);
    let pick = |random: &mut Rng, from: &[&'static str]| -> &'static str {
        random.choice(from).copied().unwrap_or_default()
    };
    let (first, last) = (pick(&mut random, &FIRST), pick(&mut random, &LAST));
    let company = pick(&mut random, &COMPANY);
    let ascii = |name: &str| -> String {
        let letters = name.chars().filter(char::is_ascii_alphabetic);
        letters.collect::<String>().to_lowercase()
    };
    let status = match random.u32(..100) {
        0..40 => "new",
        40..65 => "contacted",
        65..80 => "qualified",
        80..90 => "converted",
        _ => "lost",
    };
    let mut tags = Vec::new();
    if is_tagged {
        tags.push(pick(&mut random, &TAGS));
    }
    if is_tagged_twice {
        tags.push(pick(&mut random, &TAGS));
    }
    let sources = ["website", "referral", "cold_call", "event", "other"];
    let three_years = 3 * 365 * 24 * 3_600;
    let age = TimeDelta::seconds(i64::from(random.u32(..three_years)));
    Typed {
        first_name: first.to_owned(),
        // Names are not drawn from a short list: people differ.
        last_name: format!("{last}-{}", letters(random.u32(..20_000))),
        email: format!(
            "{}.{}{number}@{}.example",
            ascii(first),
            ascii(last),
            ascii(company)
        ),
        company: has_company.then(|| {
            let kind = pick(&mut random, &KIND);
            format!("{company} {kind} {}", letters(random.u32(..2_000)))
        }),
        phone: has_phone.then(|| {
            format!(
                "+263 77 {:03} {:04}",
                random.u32(..1_000),
                random.u32(..10_000)
            )
        }),
        status,
        source: pick(&mut random, &sources),
        assigned_to: is_assigned.then(|| format!("user_{}", random.u32(..USERS))),
        notes: has_notes.then(|| NOTE.chars().take(random.usize(40..NOTE.len())).collect()),
        value: has_value.then(|| {
            let currency = pick(&mut random, &["USD", "USD", "EUR"]);
            (i64::from(random.u32(..5_000_000)), currency)
        }),
        tags,
        budget: has_budget.then(|| random.u32(..100_000)),
        created_at: DateTime::from_timestamp_nanos(1_760_000_000_000_000_000) - age,
    }
}

/// A number as a syllable or two.
fn letters(mut number: u32) -> String {
    let mut name = String::new();
    for letters in ["bdfgklmnprst", "aeiou", "lmnrst", "aeiou"] {
        let count = u32::try_from(letters.len()).unwrap_or(1);
        let place = usize::try_from(number % count).unwrap_or_default();
        name.extend(letters.chars().nth(place));
        number /= count;
    }
    name
}

/// The same, as our crate takes it.
pub(crate) fn new_lead(typed: &Typed) -> NewLead {
    let mut new = NewLead::unnamed()
        .first_name(&typed.first_name)
        .last_name(&typed.last_name)
        .email(&typed.email)
        .status(typed.status)
        .source(typed.source)
        .created_at(typed.created_at);
    if let Some(company) = &typed.company {
        new = new.company(company);
    }
    if let Some(phone) = &typed.phone {
        new = new.phone(phone);
    }
    if let Some(user) = &typed.assigned_to {
        new = new.assigned_to(user);
    }
    if let Some(notes) = &typed.notes {
        new = new.notes(notes);
    }
    if let Some((minor, currency)) = typed.value
        && let Ok(value) = Money::new(minor, currency)
    {
        new = new.value(value);
    }
    for tag in &typed.tags {
        new = new.tag(*tag);
    }
    if let Some(budget) = typed.budget {
        new = new.custom("budget", budget);
    }
    new
}
