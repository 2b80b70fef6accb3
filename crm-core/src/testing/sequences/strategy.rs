//! Where random sequences come from: few leads, few values, so that they meet.

use super::{Ask, Base, Edit, Order, Rule, Rules, Set, Step};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use proptest::sample::select;

const NAMES: [&str; 5] = ["Anna", "Ánna", "Annabel", "doe", "Zoë"];
const COMPANIES: [&str; 4] = ["Acme", "ACME Ärzte", "Ac", "Bobs & Sons"];
const EMAILS: [&str; 3] = ["anna@example.com", "Anna@Example.com", "bob@example.org"];
const PHONES: [&str; 3] = ["+263 77 123 4567", "771234567", "(020) 555-0199"];
const USERS: [&str; 3] = ["u", "u2", "user 456"];
const SOURCES: [&str; 3] = ["website", "event", "trade_fair"];
const STATUSES: [&str; 7] = [
    "new",
    "contacted",
    "qualified",
    "proposal",
    "won",
    "lost",
    "demo",
];
const TAGS: [&str; 3] = ["VIP", "Renewal", "Grüße"];
pub(super) const KEYS: [&str; 2] = ["note", "note/2"];
const SEARCHES: [&str; 8] = [
    "ann",
    "ANNA acme",
    "zoe",
    "4567",
    "bob",
    "acme arzte",
    "nobody",
    "example.com",
];
pub(super) const SORTS: [&str; 16] = [
    "created_at",
    "-created_at",
    "updated_at",
    "-updated_at",
    "status_changed_at",
    "-status_changed_at",
    "name",
    "-name",
    "company",
    "-company",
    "email",
    "-email",
    "status",
    "-status",
    "value",
    "-value",
];

/// The first step: mostly a lifecycle and a lead.
pub(super) fn first() -> impl Strategy<Value = Step> {
    let begin = vec(set(), 0..4).prop_map(|values| {
        let edits = vec![Edit::Begin, Edit::Create(0, values)];
        Step::Commit(0, Rules::InForce, edits)
    });
    prop_oneof![9 => begin, 1 => step(false)]
}

/// Any step. Some storages are reopened now and then.
pub(super) fn step(reopening: bool) -> impl Strategy<Value = Step> {
    let reads = prop_oneof![
        2 => commit_id().prop_map(Step::Committed),
        3 => vec(lead(), 0..5).prop_map(Step::Get),
        8 => (0..3u8, asks()).prop_map(|(list, asks)| Step::Find(list, asks)),
        6 => (0..3u8).prop_map(Step::Next),
        1 => (0..3u8, asks()).prop_map(|(list, asks)| Step::Misplace(list, asks)),
        4 => asks().prop_map(Step::Count),
        3 => option::of(select(&USERS[..])).prop_map(Step::Totals),
        3 => (lead(), order(), 1..5u32).prop_map(|(lead, order, limit)| {
            Step::History(lead, order, limit)
        }),
        3 => (1..9u32).prop_map(Step::Events),
        1 => Just(Step::Lifecycle),
        1 => (0..6u64).prop_map(Step::LifecycleAt),
        2 => select(&KEYS[..]).prop_map(Step::Document),
        1 => Just(Step::Tenants),
    ];
    prop_oneof![
        46 => (commit_id(), rules(), vec(edit(), 1..5)).prop_map(|(id, rules, edits)| {
            Step::Commit(id, rules, edits)
        }),
        5 => commit_id().prop_map(Step::Repeat),
        41 => reads,
        5 => (0..2u8).prop_map(Step::Enter),
        1 => Just(Step::Erase),
        if reopening { 4 } else { 0 } => Just(Step::Reopen),
    ]
}

fn lead() -> impl Strategy<Value = u8> {
    0..10u8
}

/// Mostly one that was not used before.
fn commit_id() -> impl Strategy<Value = u8> {
    prop_oneof![3 => any::<u8>(), 1 => 0..8u8]
}

fn rules() -> impl Strategy<Value = Rules> {
    prop_oneof![
        16 => Just(Rules::InForce),
        3 => Just(Rules::Unread),
        1 => Just(Rules::Replaced),
        1 => Just(Rules::Unborn),
    ]
}

fn base() -> impl Strategy<Value = Base> {
    prop_oneof![
        30 => Just(Base::Latest),
        1 => Just(Base::Older),
        1 => Just(Base::Newer),
    ]
}

fn order() -> impl Strategy<Value = Order> {
    select(&[Order::OldestFirst, Order::NewestFirst][..])
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        8 => (lead(), vec(set(), 0..6)).prop_map(|(lead, values)| Edit::Create(lead, values)),
        12 => (lead(), base(), vec(set(), 0..4)).prop_map(|(lead, base, values)| {
            Edit::Update(lead, base, values)
        }),
        3 => (lead(), base()).prop_map(|(lead, base)| Edit::Delete(lead, base)),
        1 => (select(&KEYS[..]), 0..9u8).prop_map(|(key, bytes)| Edit::PutNew(key, bytes)),
        2 => (select(&KEYS[..]), base(), 0..9u8).prop_map(|(key, base, bytes)| {
            Edit::PutOver(key, base, bytes)
        }),
        1 => (select(&KEYS[..]), base()).prop_map(|(key, base)| Edit::Remove(key, base)),
        2 => (base(), rule()).prop_map(|(base, rule)| Edit::Edit(base, rule)),
        1 => Just(Edit::Begin),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    let status = || select(&STATUSES[..]);
    prop_oneof![
        3 => Just(Rule::AddStatus("Demo")),
        1 => status().prop_map(|status| Rule::RenameStatus(status, "Fresh")),
        3 => (status(), 0..7usize).prop_map(|(status, place)| Rule::MoveStatus(status, place)),
        1 => (status(), status()).prop_map(|(status, other)| Rule::RetireStatus(status, other)),
        3 => status().prop_map(Rule::RemoveStatus),
    ]
}

fn set() -> impl Strategy<Value = Set> {
    prop_oneof![
        2 => option::of(select(&NAMES[..])).prop_map(Set::FirstName),
        2 => option::of(select(&NAMES[..])).prop_map(Set::LastName),
        2 => option::of(select(&EMAILS[..])).prop_map(Set::Email),
        2 => option::of(select(&COMPANIES[..])).prop_map(Set::Company),
        2 => option::of(select(&PHONES[..])).prop_map(Set::Phone),
        4 => select(&STATUSES[..]).prop_map(Set::Status),
        2 => option::of(select(&SOURCES[..])).prop_map(Set::Source),
        3 => option::of(select(&USERS[..])).prop_map(Set::AssignedTo),
        1 => option::of(Just("private")).prop_map(Set::Notes),
        2 => option::of((0..3i64, select(&["EUR", "USD"][..])))
            .prop_map(|value| Set::Value(value.map(|(amount, code)| (amount * 50, code)))),
        2 => vec(select(&TAGS[..]), 0..3).prop_map(|tags| Set::Tags(distinct(tags))),
        1 => option::of(0..3i64).prop_map(Set::Custom),
        2 => any::<bool>().prop_map(Set::InArchive),
    ]
}

fn distinct(mut tags: Vec<&'static str>) -> Vec<&'static str> {
    tags.sort_unstable();
    tags.dedup();
    tags
}

fn asks() -> impl Strategy<Value = Vec<Ask>> {
    let seconds = || 0..20i64;
    let filter = prop_oneof![
        3 => select(&STATUSES[..]).prop_map(Ask::InStatus),
        2 => select(&USERS[..]).prop_map(Ask::WorkedBy),
        1 => Just(Ask::WorkedByNobody),
        1 => select(&SOURCES[..]).prop_map(Ask::FromSource),
        1 => select(&TAGS[..]).prop_map(Ask::Tagged),
        1 => (0..5i64).prop_map(Ask::CreatedFrom),
        1 => (0..5i64).prop_map(Ask::CreatedBefore),
        1 => seconds().prop_map(Ask::UpdatedFrom),
        1 => seconds().prop_map(Ask::UpdatedBefore),
        1 => seconds().prop_map(Ask::InStatusSince),
        1 => select(&EMAILS[..]).prop_map(Ask::WithEmail),
        2 => select(&SEARCHES[..]).prop_map(Ask::Matching),
    ];
    let rest = prop_oneof![
        2 => Just(Ask::OnlyArchived),
        4 => Just(Ask::AlsoArchived),
        8 => select(&SORTS[..]).prop_map(Ask::SortedBy),
        8 => prop_oneof![20 => 1..5u32, 1 => Just(0), 1 => Just(1_001)].prop_map(Ask::PerPage),
        2 => Just(Ask::Counted),
        1 => (0..4u64).prop_map(Ask::CountedUpTo),
    ];
    (vec(filter, 0..3), vec(rest, 0..4)).prop_map(|(filters, rest)| [filters, rest].concat())
}
