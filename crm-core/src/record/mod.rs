//! What durable backends store: versioned records, apart from the shapes of the API.
//!
//! A record's bytes are one version byte, then [postcard](https://postcard.jamesmunns.com/wire-format)
//! of the plain fields below. A new field makes a new version; older versions stay readable. The
//! JSON of the API may change without touching a stored byte, and the other way round.
//!
//! SQL backends store the same plain fields as columns; key-value backends store the bytes. A
//! lifecycle is stored as its JSON, which has a format version of its own.

mod event;
mod lead;

pub use event::{ChangeRecord, EventRecord, KindRecord, ValueRecord};
pub use lead::LeadRecord;

use crate::event::{CommitId, LeadEvent};
use crate::lead::{Lead, LeadId, Version};
use crate::repository::{Committed, Fingerprint};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use uuid::Uuid;

/// The version of the records written here.
pub const RECORD_VERSION: u8 = 1;

/// A record that cannot be read: damaged, or written by a newer version.
///
/// It says what, never the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The bytes are not a record of this kind.
    #[error("a stored {0} is damaged")]
    Damaged(&'static str),
    /// The record has a version that is not known here.
    #[error("a stored {what} has version {found}, this one reads up to {RECORD_VERSION}")]
    Newer {
        /// What kind of record.
        what: &'static str,
        /// Its version.
        found: u8,
    },
}

fn text<T: AsRef<str> + ?Sized>(text: &T) -> Cow<'_, str> {
    Cow::Borrowed(text.as_ref())
}

fn time(micros: i64, damaged: RecordError) -> Result<DateTime<Utc>, RecordError> {
    DateTime::from_timestamp_micros(micros).ok_or(damaged)
}

fn parse<T: std::str::FromStr>(text: &str, damaged: RecordError) -> Result<T, RecordError> {
    text.parse().map_err(|_| damaged)
}

fn parse_some<T: std::str::FromStr>(
    text: Option<&str>,
    damaged: RecordError,
) -> Result<Option<T>, RecordError> {
    text.map(|text| parse(text, damaged)).transpose()
}

#[derive(Serialize, Deserialize)]
struct CommitRecord {
    commit: [u8; 16],
    fingerprint: Option<[u8; 16]>,
    leads: Vec<([u8; 16], u64)>,
}

/// A lead's bytes.
#[must_use]
pub fn encode_lead(lead: &Lead) -> Vec<u8> {
    encode(&LeadRecord::from(lead))
}

/// A lead from its bytes.
///
/// # Errors
///
/// Bytes that are damaged or of a newer version.
pub fn decode_lead(bytes: &[u8]) -> Result<Lead, RecordError> {
    decode::<LeadRecord<'_>>(bytes, "lead")?.try_into()
}

/// An event's bytes.
#[must_use]
pub fn encode_event(event: &LeadEvent) -> Vec<u8> {
    encode(&EventRecord::from(event))
}

/// An event from its bytes.
///
/// # Errors
///
/// Bytes that are damaged or of a newer version.
pub fn decode_event(bytes: &[u8]) -> Result<LeadEvent, RecordError> {
    decode::<EventRecord<'_>>(bytes, "event")?.try_into()
}

/// The bytes of a commit's outcome.
#[must_use]
pub fn encode_commit(committed: &Committed) -> Vec<u8> {
    encode(&CommitRecord {
        commit: *committed.commit.as_uuid().as_bytes(),
        fingerprint: committed
            .fingerprint
            .map(|fingerprint| *fingerprint.as_bytes()),
        leads: committed
            .leads
            .iter()
            .map(|(id, version)| (*id.as_bytes(), version.get()))
            .collect(),
    })
}

/// A commit's outcome from its bytes, as of the call that made it.
///
/// # Errors
///
/// Bytes that are damaged or of a newer version.
pub fn decode_commit(bytes: &[u8]) -> Result<Committed, RecordError> {
    let record: CommitRecord = decode(bytes, "commit")?;
    let leads = record
        .leads
        .into_iter()
        .map(|(id, version)| (LeadId::from_bytes(id), Version::new(version)))
        .collect();
    let commit = CommitId::from_uuid(Uuid::from_bytes(record.commit));
    Ok(Committed::new(
        commit,
        record.fingerprint.map(Fingerprint::from_bytes),
        leads,
    ))
}

fn encode<T: Serialize>(record: &T) -> Vec<u8> {
    let mut bytes = vec![RECORD_VERSION];
    // Plain fields into growing memory: postcard has no way to fail here. Were there one, the
    // bytes would not decode, which every reader reports as damaged.
    if let Ok(encoded) = postcard::to_allocvec(record) {
        bytes.extend(encoded);
    }
    bytes
}

fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8], what: &'static str) -> Result<T, RecordError> {
    match bytes.split_first() {
        Some((&RECORD_VERSION, rest)) => match postcard::take_from_bytes(rest) {
            Ok((record, [])) => Ok(record),
            _ => Err(RecordError::Damaged(what)),
        },
        Some((&found, _)) if found > RECORD_VERSION => Err(RecordError::Newer { what, found }),
        _ => Err(RecordError::Damaged(what)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Stamp;
    use crate::lead::{CustomFields, LeadStatus, Money, NewLead, Problems};
    use proptest::prelude::*;
    use serde_json::json;

    fn lead() -> Lead {
        let new = NewLead::new("José", "O’Brien", "jose@example.com")
            .unwrap()
            .company("株式会社")
            .phone("+263 77 123 4567")
            .source("trade_show")
            .assigned_to("user 7")
            .notes("line\n\tline \"quoted\"")
            .value(Money::new(1_250_050, "USD").unwrap())
            .tag("VIP")
            .custom("deep", json!({"b": [1, 2.5, null], "a": "é"}))
            .status_reason("because");
        let id = LeadId::from_bytes([7; 16]);
        let at = DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap();
        let mut problems = Problems::default();
        let lead = new.draft(id, LeadStatus::NEW, at, &mut problems);
        problems.finish().unwrap();
        lead
    }

    fn event() -> LeadEvent {
        let before = lead();
        let mut after = before.clone();
        after.status = LeadStatus::LOST;
        after.value = None;
        after.tags = Vec::new();
        after.custom = CustomFields::default();
        after.version = before.version.next();
        let commit = CommitId::of(&[b"a commit"]);
        let actor = Some("user_456".parse().unwrap());
        let stamp = Stamp {
            at: after.updated_at,
            actor,
            commit,
        };
        LeadEvent::changed(&before, &after, before.differences(&after), &stamp)
    }

    #[test]
    fn everything_comes_back_as_it_was() {
        assert_eq!(decode_lead(&encode_lead(&lead())).unwrap(), lead());
        let mut event = event();
        assert_eq!(decode_event(&encode_event(&event)).unwrap(), event);
        event.erase();
        assert_eq!(decode_event(&encode_event(&event)).unwrap(), event);
        let fingerprint = Some(Fingerprint::from_bytes([9; 16]));
        let commit = Committed::new(event.commit, fingerprint, vec![(event.lead, event.version)]);
        assert_eq!(decode_commit(&encode_commit(&commit)).unwrap(), commit);
    }

    // A store written today must be readable for good: these bytes never change. A new field makes
    // a new version and a second sample.
    #[test]
    fn the_bytes_of_version_1_stay_what_they_are() {
        let hex: String = encode_lead(&lead())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(hex, SAMPLE_1);
    }

    const SAMPLE_1: &str = concat!(
        "010707070707070707070707070707070701054a6f73c3a901094fe28099427269656e01106a6f73",
        "65406578616d706c652e636f6d010ce6a0aae5bc8fe4bc9ae7a4be036e6577010675736572203780",
        "8981828389850601102b323633203737203132332034353637010a74726164655f73686f7701136c",
        "696e650a096c696e65202271756f746564220184cc980103555344010356495001247b2264656570",
        "223a7b2261223a22c3a9222c2262223a5b312c322e352c6e756c6c5d7d7d01076265636175736580",
        "8981828389850680898182838985060001",
    );

    #[test]
    fn debug_output_holds_no_personal_data() {
        let (lead, event) = (lead(), event());
        let shown = format!(
            "{:?} {:?}",
            LeadRecord::from(&lead),
            EventRecord::from(&event)
        );
        assert!(
            !shown.contains("jose") && !shown.contains("because"),
            "{shown}"
        );
        let value = ValueRecord::Text("secret".into());
        let change = ChangeRecord {
            field: "notes".into(),
            values: Some((value.clone(), value)),
        };
        assert!(!format!("{change:?} {:?}", KindRecord::from(&event.kind)).contains("secret"));
    }

    #[test]
    fn a_stored_address_is_not_judged_by_the_syntax_of_today() {
        let lead = lead();
        let mut record = LeadRecord::from(&lead);
        record.email = Some("jose@localhost".into());
        let read = decode_lead(&encode(&record)).unwrap();
        assert_eq!(read.email.unwrap(), "jose@localhost");
    }

    #[test]
    fn a_newer_record_says_so() {
        let mut bytes = encode_lead(&lead());
        bytes[0] = RECORD_VERSION + 1;
        assert!(matches!(
            decode_lead(&bytes),
            Err(RecordError::Newer { what: "lead", .. })
        ));
        assert_eq!(decode_lead(&[]), Err(RecordError::Damaged("lead")));
        assert_eq!(decode_lead(&[0]), Err(RecordError::Damaged("lead")));
    }

    proptest! {
        #[test]
        fn damaged_bytes_are_refused_or_make_a_valid_lead(
            at: prop::sample::Index,
            byte: u8,
            cut: prop::sample::Index,
        ) {
            let mut bytes = encode_lead(&lead());
            let place = at.index(bytes.len());
            bytes[place] = byte;
            if let Ok(lead) = decode_lead(&bytes) {
                prop_assert!(lead.check().is_ok());
            }
            let short = &bytes[..cut.index(bytes.len())];
            prop_assert!(decode_lead(short).is_err());
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes: Vec<u8>) {
            let _ = decode_lead(&bytes);
            let _ = decode_event(&bytes);
            let _ = decode_commit(&bytes);
        }
    }
}
