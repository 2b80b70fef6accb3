//! A lead is its own JSON: the documented fields first, in the documented order, then ours.
#![allow(clippy::unwrap_used, reason = "a panic here is a failed test")]

mod common;

use common::{Office, john, wait};
use crm_kit::prelude::*;
use crm_kit::serde_json::{self, Value};
use proptest::prelude::*;

#[test]
fn the_json_of_a_lead_has_the_documented_fields_first_and_in_order() {
    let office = Office::new();
    let lead = office.create(
        john()
            .assigned_to("user_456")
            .source(LeadSource::WEBSITE)
            .notes("line\nline")
            .value(Money::new(1_250_050, "USD").unwrap())
            .tag("VIP")
            .custom("budget", 1.5),
    );
    let lead = wait(
        office
            .crm
            .transition_because(lead.id, "contacted", "called"),
    )
    .unwrap();
    let expected = format!(
        "{{\"id\":\"{}\",\"first_name\":\"John\",\"last_name\":\"Doe\",\
         \"email\":\"john@example.com\",\"company\":\"Acme Corp\",\"status\":\"contacted\",\
         \"assigned_to\":\"user_456\",\"created_at\":\"2026-01-15T10:30:00Z\",\
         \"phone\":\"+263771234567\",\"source\":\"website\",\"notes\":\"line\\nline\",\
         \"value\":{{\"minor_units\":1250050,\"currency\":\"USD\"}},\"tags\":[\"VIP\"],\
         \"custom\":{{\"budget\":1.5}},\"status_reason\":\"called\",\
         \"updated_at\":\"2026-01-15T10:30:00Z\",\
         \"status_changed_at\":\"2026-01-15T10:30:00Z\",\"archived_at\":null,\"version\":2}}",
        lead.id
    );
    assert_eq!(serde_json::to_string(&lead).unwrap(), expected);
    assert_eq!(serde_json::from_str::<Lead>(&expected).unwrap(), lead);
}

#[test]
fn what_is_absent_is_null() {
    let office = Office::new();
    let lead = office.create(NewLead::new("A", "B", "a@example.com").unwrap());
    let json = serde_json::to_value(&lead).unwrap();
    for field in [
        "company",
        "assigned_to",
        "phone",
        "source",
        "notes",
        "value",
        "archived_at",
    ] {
        assert_eq!(json.get(field), Some(&Value::Null), "{field}");
    }
    assert_eq!(json.get("tags"), Some(&serde_json::json!([])));
    assert_eq!(json.get("custom"), Some(&serde_json::json!({})));
}

#[test]
fn the_documented_requests_are_taken_as_they_are() {
    let office = Office::new();
    let request = r#"{
        "first_name": "John", "last_name": "Doe", "email": "john@example.com",
        "company": "Acme Corp", "source": "website", "phone": "+263771234567"}"#;
    let lead = office.create(serde_json::from_str(request).unwrap());
    assert_eq!(lead.source, Some(LeadSource::WEBSITE));
    let request = r#"{"status": "qualified", "notes": "Interested in enterprise plan"}"#;
    let patch = serde_json::from_str(request).unwrap();
    let lead = wait(office.crm.update(lead.id, patch)).unwrap();
    assert_eq!(lead.status, LeadStatus::QUALIFIED);
    assert_eq!(lead.notes.as_deref(), Some("Interested in enterprise plan"));
}

#[test]
fn unknown_fields_are_an_error_where_a_person_wrote_them() {
    let new = serde_json::from_str::<NewLead>(r#"{"first_name": "J", "surname": "D"}"#);
    assert!(new.unwrap_err().to_string().contains("surname"));
    let patch = serde_json::from_str::<LeadPatch>(r#"{"version": 7}"#);
    assert!(patch.unwrap_err().to_string().contains("version"));
    let own = serde_json::from_str::<NewLead>(r#"{"created_at": "2020-01-01T00:00:00Z"}"#);
    assert!(
        own.is_err(),
        "who may write history is the application's decision"
    );
}

#[test]
fn json_that_no_lead_can_be_is_refused() {
    let office = Office::new();
    let good = serde_json::to_value(office.john()).unwrap();
    for (field, wrong) in [
        ("first_name", Value::from("a\0")),
        ("email", Value::from("john@")),
        ("created_at", Value::from("2026-01-15T10:30:00.1234567Z")),
        ("created_at", Value::from("+12026-01-15T10:30:00Z")),
        ("status", Value::from("Not A Slug")),
        (
            "value",
            serde_json::json!({"minor_units": -1, "currency": "USD"}),
        ),
        ("tags", serde_json::json!([""])),
        ("custom", serde_json::json!({"k": "\0"})),
        ("id", Value::from("lead_1")),
    ] {
        let mut json = good.clone();
        *json.get_mut(field).unwrap() = wrong.clone();
        let read = serde_json::from_value::<Lead>(json);
        assert!(read.is_err(), "{field} = {wrong}");
    }
}

fn word() -> impl Strategy<Value = String> {
    // Whatever people have in their names and keyboards; trimmed and not empty, as names are.
    "\\PC{0,20}[a-zA-Zé漢]\\PC{0,20}[a-z]"
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("\\PC{0,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn new_lead() -> impl Strategy<Value = NewLead> {
    let names = (word(), word(), prop::option::of(word()));
    let contact = (
        prop::option::of(("\\+?[ ()-]{0,5}", 100..=9_999_999_999u64)),
        prop::option::of("[a-z0-9]{1,10}[a-z0-9_]{0,10}"),
        prop::option::of("[!-~]{1,20}"),
    );
    let rest = (
        prop::option::of(word()),
        prop::option::of((0..=9_007_199_254_740_991i64, "USD|JPY|KWD|EUR")),
        prop::collection::vec("[a-zé]{1,8}", 0..5),
        prop::collection::btree_map("[a-z.é ]{0,8}[a-z]", json_value(), 0..4),
    );
    (names, contact, rest).prop_map(|((first, last, company), (phone, source, user), rest)| {
        let (notes, value, tags, custom) = rest;
        let mut new = NewLead::new(first, last, "john@example.com").unwrap();
        new = tags.into_iter().fold(new, NewLead::tag);
        new = custom
            .into_iter()
            .fold(new, |new, (key, value)| new.custom(key, value));
        new = company.into_iter().fold(new, NewLead::company);
        new = phone.into_iter().fold(new, |new, (prefix, number)| {
            new.phone(format!("{prefix}{number}"))
        });
        new = source.into_iter().fold(new, NewLead::source);
        new = user.into_iter().fold(new, NewLead::assigned_to);
        new = notes.into_iter().fold(new, NewLead::notes);
        value.into_iter().fold(new, |new, (minor, currency)| {
            new.value(Money::new(minor, &currency).unwrap())
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_lead_comes_back_from_its_json(new in new_lead(), nanos in 0i64..4_000_000_000_000_000_000) {
        let office = Office::new();
        office.clock.set(crm_kit::chrono::DateTime::from_timestamp_nanos(nanos));
        let lead = office.create(new.clone());
        let json = serde_json::to_string(&lead).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Lead>(&json).unwrap(), &lead, "{}", json);
        let value = serde_json::to_value(&lead).unwrap();
        prop_assert_eq!(&serde_json::from_value::<Lead>(value).unwrap(), &lead);
        let typed = serde_json::to_string(&new).unwrap();
        prop_assert_eq!(&serde_json::from_str::<NewLead>(&typed).unwrap(), &new, "{}", typed);
    }
}

#[test]
fn a_lead_that_no_constructor_makes_is_refused_from_json_too() {
    let office = Office::new();
    let json = serde_json::to_value(office.john()).unwrap();
    for (field, wrong) in [
        ("first_name", serde_json::json!(" John ")),
        ("tags", serde_json::json!(["vip", "VIP"])),
        ("version", serde_json::json!(0)),
    ] {
        let mut changed = json.clone();
        changed[field] = wrong;
        assert!(serde_json::from_value::<Lead>(changed).is_err(), "{field}");
    }
    assert!(serde_json::from_value::<Lead>(json).is_ok());
}
