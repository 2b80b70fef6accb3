//! A lifecycle as JSON: what is stored, shown, and read back.

use super::check::check;
use super::definition::{ReasonRule, StatusDefinition, StatusId, StatusKind};
use super::{Colour, Lifecycle, Parts, Policy};
use crate::lead::{Field, LeadStatus, Version};
use chrono::TimeDelta;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The number of the format written here. Whoever adds, drops or changes the meaning of anything
/// below raises it, and keeps reading the ones before.
const FORMAT: u32 = 1;

/// `format` is written first, so that a reader who is too old says so before it meets anything it
/// does not know.
#[derive(Serialize)]
struct Written<'a> {
    format: u32,
    version: Version,
    initial: &'a LeadStatus,
    next_id: StatusId,
    policy: &'a Policy,
    statuses: &'a [StatusDefinition],
}

impl Serialize for Lifecycle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written {
            format: FORMAT,
            version: self.0.version,
            initial: &self.0.initial,
            next_id: self.0.next_id,
            policy: &self.0.policy,
            statuses: &self.0.statuses,
        }
        .serialize(serializer)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "Lifecycle")]
struct Read {
    #[serde(rename = "format")]
    _format: Known,
    version: Version,
    initial: LeadStatus,
    next_id: StatusId,
    policy: Policy,
    statuses: Vec<ReadStatus>,
}

/// A format that is read here.
struct Known;

impl<'de> Deserialize<'de> for Known {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            FORMAT => Ok(Self),
            0 => Err(serde::de::Error::custom("there is no lifecycle format 0")),
            newer => Err(serde::de::Error::custom(format_args!(
                "this lifecycle was written in format {newer}, and only format {FORMAT} is known: \
                 update crm-core"
            ))),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "StatusDefinition")]
struct ReadStatus {
    id: StatusId,
    slug: LeadStatus,
    name: String,
    colour: Colour,
    kind: StatusKind,
    probability: u8,
    stuck_after_seconds: Option<i64>,
    required: Vec<Field>,
    reason: ReasonRule,
    retiring: Option<LeadStatus>,
}

impl From<ReadStatus> for StatusDefinition {
    fn from(read: ReadStatus) -> Self {
        Self {
            id: read.id,
            slug: read.slug,
            name: read.name.trim().to_owned(),
            colour: read.colour,
            kind: read.kind,
            probability: read.probability,
            // What no TimeDelta holds is out of range either way.
            stuck_after: read
                .stuck_after_seconds
                .map(|seconds| TimeDelta::try_seconds(seconds).unwrap_or(TimeDelta::MAX)),
            required: read.required,
            reason: read.reason,
            retiring: read.retiring,
        }
    }
}

impl<'de> Deserialize<'de> for Lifecycle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = Read::deserialize(deserializer)?;
        if read.version < Version::FIRST {
            return Err(serde::de::Error::custom("lifecycle versions begin at 1"));
        }
        let parts = Parts {
            version: read.version,
            statuses: read.statuses.into_iter().map(Into::into).collect(),
            initial: Some(read.initial),
            policy: read.policy,
            next_id: read.next_id,
        };
        check(parts, Vec::new()).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::StatusDraft;

    const SMALL: &str = concat!(
        r#"{"format":1,"version":1,"initial":"new","next_id":3,"#,
        r#""policy":{"explicit":[["new","won"]]},"statuses":["#,
        r##"{"id":1,"slug":"new","name":"New","colour":"#28B8DA","kind":"open","probability":50,"##,
        r#""stuck_after_seconds":86400,"required":["company"],"reason":"optional","retiring":null},"#,
        r##"{"id":2,"slug":"won","name":"Won","colour":"#757575","kind":"won","probability":100,"##,
        r#""stuck_after_seconds":null,"required":[],"reason":"required","retiring":null}]}"#,
    );

    fn refusal(json: &str) -> String {
        serde_json::from_str::<Lifecycle>(json)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn the_format_is_this() {
        let lifecycle = Lifecycle::builder()
            .status(
                StatusDraft::new("New")
                    .colour("#28b8da")
                    .stuck_after_days(1)
                    .require(Field::Company),
            )
            .status(
                StatusDraft::new("Won")
                    .kind(StatusKind::Won)
                    .reason_required(),
            )
            .allow("new", "won")
            .build()
            .unwrap();
        assert_eq!(serde_json::to_string(&lifecycle).unwrap(), SMALL);
        assert_eq!(serde_json::from_str::<Lifecycle>(SMALL).unwrap(), lifecycle);
        let sales = serde_json::to_value(Lifecycle::sales()).unwrap();
        assert_eq!(sales["policy"], "forward");
    }

    #[test]
    fn a_newer_format_is_said_to_be_newer() {
        let newer = SMALL.replace(r#""format":1"#, r#""format":2,"board":{}"#);
        let refused = refusal(&newer);
        assert!(refused.contains("written in format 2"), "{refused}");
        assert!(refusal(&SMALL.replace(r#""format":1"#, r#""format":0"#)).contains("format 0"));
        assert!(refusal(&SMALL.replace(r#""format":1,"#, "")).contains("missing field `format`"));
    }

    #[test]
    fn unknown_fields_are_an_error() {
        let refused = refusal(&SMALL.replace(r#""version":1"#, r#""version":1,"board":1"#));
        assert!(refused.contains("unknown field `board`"), "{refused}");
        let refused = refusal(&SMALL.replace(r#""id":2"#, r#""id":2,"icon":"x""#));
        assert!(refused.contains("unknown field `icon`"), "{refused}");
        let refused = refusal(&SMALL.replace("explicit", "random"));
        assert!(refused.contains("unknown variant `random`"), "{refused}");
    }

    #[test]
    fn what_is_read_is_checked() {
        for (right, wrong, fault) in [
            (r#""version":1"#, r#""version":0"#, "versions begin at 1"),
            (r#""id":2"#, r#""id":1"#, "the same id as \"new\""),
            (r#""id":2"#, r#""id":0"#, "ids begin at 1"),
            (r#""next_id":3"#, r#""next_id":2"#, "the next one is 2"),
            (r#""slug":"won""#, r#""slug":"new""#, "two statuses"),
            (r#""slug":"won""#, r#""slug":"W""#, "slug"),
            (r#""name":"Won""#, r#""name":" NEW""#, "same name"),
            (r#""probability":50"#, r#""probability":101"#, "0 and 100"),
            (
                r#""probability":100"#,
                r#""probability":99"#,
                "expected 100",
            ),
            ("86400", "-9223372036854775808", "stuck_after_seconds"),
            ("86400", "315360001", "stuck_after_seconds"),
            (
                r#"["company"]"#,
                r#"["company","company"]"#,
                "more than once",
            ),
            (r#"["company"]"#, r#"["status"]"#, "people fill in"),
            (r#"["company"]"#, r#"["surname"]"#, "must be one of"),
            (r#""initial":"new""#, r#""initial":"won""#, "it is closed"),
            (
                r#""initial":"new""#,
                r#""initial":"old""#,
                "no status \"old\"",
            ),
            (r#"[["new","won"]]"#, "[]", "cannot be reached"),
            (r#"[["new","won"]]"#, r#"[["new","x"]]"#, "no status \"x\""),
            (
                r#""required","retiring":null"#,
                r#""required","retiring":"won""#,
                "into itself",
            ),
            (
                r#""required","retiring":null"#,
                r#""required","retiring":"x""#,
                "named as a destination",
            ),
        ] {
            let json = SMALL.replace(right, wrong);
            assert_ne!(json, SMALL, "{right}");
            let refused = refusal(&json);
            assert!(refused.contains(fault), "{wrong}: {refused}");
        }
    }

    #[test]
    fn a_lifecycle_of_the_wrong_shape_is_an_error_and_no_panic() {
        for wrong in [
            "",
            "{}",
            "[]",
            "null",
            "1",
            "\"new\"",
            "{\"format\":1}",
            "{\"format\":-1}",
        ] {
            assert!(serde_json::from_str::<Lifecycle>(wrong).is_err(), "{wrong}");
        }
    }
}
