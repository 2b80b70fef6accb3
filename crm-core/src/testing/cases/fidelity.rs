//! What is stored comes back as it was.

use super::prelude::*;
use crate::lead::{CustomFields, limits};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

/// Stores leads and reads them one by one and in a list.
async fn kept(setup: &Setup, leads: &[Lead]) {
    let desk = setup.desk().await;
    desk.create(leads).await;
    for lead in leads {
        assert_eq!(
            desk.get_all(&[lead.id]).await.first(),
            Some(lead),
            "by its id"
        );
    }
    let query = LeadQuery::new()
        .sort(Sort::created())
        .archived(Archived::Include);
    let mut listed = desk.list(&query).await;
    listed.sort_by_key(|lead| lead.id);
    assert_eq!(listed, leads, "in a list");
}

/// Texts that are changed on their way by storages that know better.
const TEXTS: [&str; 18] = [
    "plain",
    "\u{e9} composed",
    "e\u{301} decomposed",
    "\u{212b} \u{c5} A\u{30a}",
    "日本語 汉字 한국어",
    "العربية עברית",
    "हिन्दी ไทย",
    "👩\u{200d}👩\u{200d}👧\u{200d}👦 🏳\u{fe0f}\u{200d}🌈",
    "𝄞 \u{10ffff} \u{1f600}",
    "\u{fdfa}\u{fdfa}",
    "right\u{202e}left",
    "zero\u{200b}width \u{feff}mark",
    "a\u{308}\u{323}\u{301}stack",
    "'; DROP TABLE leads; --",
    "\"quotes\" \\ back\\slash %s $1 ? :name {}",
    "NULL",
    "0x00 \\0 &#0;",
    "ﬁ ² ½ ™ ſ ß ẞ ı İ",
];

pub(crate) async fn every_text_comes_back_as_the_same_characters(setup: &Setup) {
    let leads: Vec<Lead> = (1..)
        .zip(TEXTS)
        .map(|(number, text)| {
            lead_with(number, |lead| {
                lead.first_name = Some(text.into());
                lead.last_name = Some(text.into());
                lead.company = Some(text.into());
                lead.notes = Some(format!(" {text}\n\t{text} \r\n"));
                lead.status_reason = Some(text.into());
                let tag: String = text.chars().take(limits::MAX_TAG).collect();
                lead.tags = vec![tag.trim().parse().unwrap()];
                lead.assigned_to = text.trim().parse().ok();
                let key: String = text.chars().take(limits::MAX_CUSTOM_KEY).collect();
                let fields = [(key, json!({ text: [text, text] }))];
                lead.custom = CustomFields::new(fields).unwrap();
            })
        })
        .collect();
    kept(setup, &leads).await;
}

pub(crate) async fn every_character_comes_back(setup: &Setup) {
    // All of the first two blocks, and of the others every tenth; in the long run every one.
    let apart = u32::try_from(10 / scaled(10)).unwrap();
    let characters = (1..=0x0010_ffff_u32).filter(|code| *code < 0x180 || code % apart == 0);
    let allowed = characters
        .filter_map(char::from_u32)
        .filter(|c| !c.is_control());
    let text: Vec<char> = allowed.collect();
    let leads: Vec<Lead> = (1..)
        .zip(text.chunks(4_000))
        .map(|(number, part)| {
            lead_with(number, |lead| {
                lead.notes = Some(format!("<{}>", String::from_iter(part)));
            })
        })
        .collect();
    assert!(leads.len() > 15);
    kept(setup, &leads).await;
}

pub(crate) async fn times_come_back_to_the_microsecond(setup: &Setup) {
    let times = [
        "0001-01-01T00:00:00Z",
        "1582-10-10T00:00:00.000001Z",
        "1969-12-31T23:59:59.999999Z",
        "1970-01-01T00:00:00Z",
        "2024-02-29T23:59:59.123457Z",
        "2026-03-29T01:30:00.000009Z",
        "2038-01-19T03:14:08.5Z",
        "9999-12-31T23:59:59.999999Z",
    ];
    let leads: Vec<Lead> = (1..)
        .zip(times)
        .map(|(number, time)| {
            let time: DateTime<Utc> = time.parse().unwrap();
            lead_with(number, |lead| {
                (lead.created_at, lead.updated_at, lead.status_changed_at) = (time, time, time);
                lead.archived_at = Some(time);
            })
        })
        .collect();
    kept(setup, &leads).await;
}

pub(crate) async fn what_is_not_there_stays_so(setup: &Setup) {
    let bare = plain(1);
    let empties = plain_with(2, |lead| {
        lead.custom = CustomFields::new([
            ("empty".to_owned(), json!("")),
            ("none".to_owned(), json!([])),
        ])
        .unwrap();
    });
    let by_phone = plain_with(3, |lead| {
        lead.company = None;
        lead.phone = "112".parse().ok();
    });
    kept(setup, &[bare, empties, by_phone]).await;
}

pub(crate) async fn e_mails_and_phones_come_back_as_typed(setup: &Setup) {
    let emails = [
        "John.DOE+tag@Example.COM",
        "o'brien@example.com",
        "ñandú@exämple.com",
        "\"quoted@local\"@example.com",
    ];
    let phones = [
        "+263 (77) 123-4567",
        "00263771234567",
        "tel. 555 0199 x3",
        "٠١٢٣٤٥",
    ];
    let leads: Vec<Lead> = (1..)
        .zip(emails.into_iter().zip(phones))
        .map(|(number, (email, phone))| {
            lead_with(number, |lead| {
                lead.email = Some(email.parse().unwrap());
                lead.phone = Some(phone.parse().unwrap());
            })
        })
        .collect();
    kept(setup, &leads).await;
}

pub(crate) async fn values_come_back_to_the_minor_unit(setup: &Setup) {
    let amounts = [
        0,
        1,
        255,
        256,
        i64::from(u32::MAX) + 1,
        limits::MAX_MINOR_UNITS,
    ];
    let codes = ["USD", "EUR", "JPY", "KWD", "ZWG", "XAF"];
    let leads: Vec<Lead> = (1..)
        .zip(amounts.into_iter().zip(codes))
        .map(|(number, (minor, code))| {
            lead_with(number, |lead| {
                lead.value = Some(Money::new(minor, code).unwrap());
            })
        })
        .collect();
    kept(setup, &leads).await;
}

pub(crate) async fn custom_fields_come_back_as_the_same_json(setup: &Setup) {
    let mut deep = json!(1);
    for level in 0..limits::MAX_CUSTOM_DEPTH - 1 {
        deep = if level % 2 == 0 {
            json!([deep])
        } else {
            json!({ "k": deep })
        };
    }
    let values = [
        json!(true),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(0.1),
        json!(1e300),
        json!(-1.5e-300),
        json!("1"),
        json!({ "b": 1, "a": { "d": null, "c": [] } }),
        json!(["x", 1, null, { "": "" }]),
        deep,
    ];
    let fields = values
        .into_iter()
        .enumerate()
        .map(|(place, value): (usize, Value)| (format!("field {place}"), value));
    let lead = lead_with(1, |lead| lead.custom = CustomFields::new(fields).unwrap());
    kept(setup, &[lead]).await;
}

pub(crate) async fn tags_keep_their_order_and_spelling(setup: &Setup) {
    let tags = ["zeta", "Alpha", "VIP 2", "Ünï", "alpha beta"];
    let lead = lead_with(1, |lead| {
        lead.tags = tags.map(|tag| tag.parse().unwrap()).to_vec();
    });
    kept(setup, &[lead]).await;
}

/// A lead with as much in every field as it may hold.
fn largest(number: u64) -> Lead {
    lead_with(number, |lead| {
        // What folds to most bytes, and what takes most of them.
        lead.first_name = Some("\u{fdfa}".repeat(limits::MAX_NAME));
        lead.last_name = Some("𝄞".repeat(limits::MAX_NAME));
        lead.company = Some("\u{fdfa}".repeat(limits::MAX_COMPANY));
        let labels = [63, 63, 57].map(|length| "a".repeat(length)).join(".");
        let local = "l".repeat(limits::MAX_EMAIL - labels.len() - 5);
        lead.email = Some(format!("{local}@{labels}.com").parse().unwrap());
        lead.phone = Some("1".repeat(limits::MAX_PHONE).parse().unwrap());
        lead.source = Some("s".repeat(limits::MAX_SLUG).parse().unwrap());
        lead.assigned_to = Some("𝄞".repeat(limits::MAX_ID / 4).parse().unwrap());
        lead.notes = Some("𝄞".repeat(limits::MAX_NOTES / 4));
        lead.status_reason = Some("𝄞".repeat(limits::MAX_REASON));
        lead.value = usd(limits::MAX_MINOR_UNITS);
        let tag = |letter: char| letter.to_string().repeat(limits::MAX_TAG - 2);
        lead.tags = (0..limits::MAX_TAGS)
            .map(|place| {
                format!(
                    "{}{place:02}",
                    tag(if place == 0 { '\u{fdfa}' } else { 't' })
                )
            })
            .map(|tag| tag.parse().unwrap())
            .collect();
        let text = "x".repeat(limits::MAX_CUSTOM - 10);
        lead.custom = CustomFields::new([("k".to_owned(), json!(text))]).unwrap();
    })
}

pub(crate) async fn the_largest_lead_is_stored_found_and_changed(setup: &Setup) {
    let desk = setup.desk().await;
    let before = largest(1);
    desk.create(&[before.clone(), lead(2)]).await;
    assert_eq!(desk.get(1).await.as_ref(), Some(&before));
    for sort in all_sorts() {
        let both = desk
            .pages(&LeadQuery::new().sort(sort), 1, async |_| {})
            .await;
        assert_eq!(both.len(), 2, "{sort}");
        assert!(both.contains(&before), "{sort}");
    }
    let found = [
        LeadQuery::new().search("\u{fdfa}".repeat(100)),
        LeadQuery::new().search("1".repeat(limits::MAX_PHONE)),
        LeadQuery::new().tag("t".repeat(limits::MAX_TAG - 2) + "07"),
        LeadQuery::new().email(before.email.as_ref().unwrap().as_str()),
        LeadQuery::new().assigned_to("𝄞".repeat(limits::MAX_ID / 4)),
        LeadQuery::new().source("s".repeat(limits::MAX_SLUG)),
    ];
    for query in &found {
        assert_eq!(desk.numbers(query).await, [1], "{query:?}");
    }
    let after = desk
        .update(&before, |lead| {
            lead.first_name = Some("𝄞".repeat(limits::MAX_NAME));
            lead.notes = Some("ä".repeat(limits::MAX_NOTES / 2));
            lead.custom = CustomFields::default();
            lead.tags.truncate(1);
        })
        .await;
    assert_eq!(desk.get(1).await.as_ref(), Some(&after));
    let written = Draft::new().update(&before, &after).set();
    let changes = &written.events().next().unwrap().changes;
    assert_eq!(&desk.history(1).await[1].changes, changes);
    desk.delete(&after).await;
    for query in &found {
        assert_eq!(desk.numbers(query).await, NOBODY, "{query:?}");
    }
    desk.holds(&[lead(2)]).await;
}

pub(crate) async fn a_set_of_large_leads_is_stored(setup: &Setup) {
    let desk = setup.desk().await;
    // As many as a set may hold, in the long run.
    let count = if scaled(10) == 10 { 1_000 } else { 30 };
    let leads: Vec<Lead> = (1..=count).map(largest).collect();
    desk.create(&leads).await;
    assert_eq!(
        desk.list(&LeadQuery::new().sort(Sort::created())).await,
        leads
    );
    let (before, rest) = leads.split_first().unwrap();
    desk.delete(before).await;
    let found = LeadQuery::new().search("1".repeat(limits::MAX_PHONE));
    assert_eq!(desk.count(&found).await, rest.len() as u64);
}

pub(crate) async fn any_sixteen_bytes_are_an_id(setup: &Setup) {
    let desk = setup.desk().await;
    let ids = [
        [0; 16],
        [0xff; 16],
        *b"0123456789abcdef",
        [0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0],
    ];
    let mut leads: Vec<Lead> = ids
        .iter()
        .map(|bytes| plain_with(1, |lead| lead.id = crate::lead::LeadId::from_bytes(*bytes)))
        .collect();
    desk.create(&leads).await;
    for lead in &leads {
        assert_eq!(desk.get_all(&[lead.id]).await.first(), Some(lead));
    }
    leads.sort_by_key(|lead| lead.id);
    assert_eq!(
        desk.list(&LeadQuery::new().sort(Sort::created())).await,
        leads
    );
}

pub(crate) async fn leads_come_in_the_order_asked(setup: &Setup) {
    let desk = setup.desk().await;
    desk.create(&(1..=5).map(lead).collect::<Vec<_>>()).await;
    desk.update(&lead(4), |lead| lead.archived_at = Some(at(9)))
        .await;
    desk.delete(&lead(2)).await;
    let asked = [5, 9, 1, 4, 1, 2, 5].map(id);
    assert_eq!(numbers(&desk.get_all(&asked).await), [5, 1, 4, 1, 5]);
    assert_eq!(desk.get_all(&[]).await, []);
}

pub(crate) async fn many_leads_come_in_the_order_asked(setup: &Setup) {
    let desk = setup.desk().await;
    let leads: Vec<Lead> = (1..=1_200).map(plain).collect();
    desk.create(&leads).await;
    let asked: Vec<_> = (0..2_400)
        .rev()
        .map(|number| id(number / 2 * 2 % 1_301))
        .collect();
    let expected = asked
        .iter()
        .filter(|id| (1..=1_200).contains(&number(**id)));
    let expected: Vec<u64> = expected.map(|id| number(*id)).collect();
    assert_eq!(numbers(&desk.get_all(&asked).await), expected);
}

pub(crate) async fn a_version_may_be_any_number(setup: &Setup) {
    let desk = setup.desk().await;
    let mut known = lead(1);
    desk.create([&known]).await;
    for round in 0..300 {
        known = desk.update(&known, |lead| lead.value = usd(round)).await;
    }
    assert_eq!(desk.get(1).await.unwrap().version, Version::new(301));
    assert_eq!(desk.history(1).await.len(), 301);
}
