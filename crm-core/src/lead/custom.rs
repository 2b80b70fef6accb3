//! Fields that an application adds: JSON values by key.

use super::limits::{MAX_CUSTOM, MAX_CUSTOM_DEPTH, MAX_CUSTOM_KEY};
use super::{Invalid, ProblemKind, Problems};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// Custom fields: JSON values by key, sorted by key.
///
/// A key is 1 to 64 characters, without control characters; a value nests at most 32 levels, the
/// field itself counted; all of it as canonical JSON is at most 16 KiB; U+0000 is in neither keys
/// nor strings. A field that is JSON `null` is not there.
#[derive(Clone, PartialEq, Default, Serialize)]
#[serde(transparent)]
pub struct CustomFields(BTreeMap<String, Value>);

impl CustomFields {
    /// Takes fields that keep the limits.
    ///
    /// # Errors
    ///
    /// Every problem, each under `custom` or `custom.KEY`.
    pub fn new(fields: impl IntoIterator<Item = (String, Value)>) -> Result<Self, Invalid> {
        let fields: BTreeMap<String, Value> = fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .collect();
        let mut problems = Problems::default();
        for (key, value) in &fields {
            if let Err(kind) = check_key(key) {
                // The key is not repeated: it may be megabytes long, or not printable.
                problems.add("custom", kind);
            } else if let Err(kind) = check_value(value, 1) {
                problems.add(format!("custom.{key}"), kind);
            }
        }
        problems.finish()?;
        let custom = Self(fields);
        if custom.to_canonical_json().len() > MAX_CUSTOM {
            return Err(Invalid::one(
                "custom",
                ProblemKind::TooLong {
                    max: MAX_CUSTOM,
                    unit: "bytes of JSON",
                },
            ));
        }
        Ok(custom)
    }

    /// The value of a field.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// All fields, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The one JSON text of these fields: keys sorted at every level, no white space.
    #[must_use]
    pub fn to_canonical_json(&self) -> String {
        let mut text = String::from("{");
        for (index, (key, value)) in self.0.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            write_text(key, &mut text);
            text.push(':');
            write_value(value, &mut text);
        }
        text.push('}');
        text
    }
}

pub(crate) fn check_key(key: &str) -> Result<(), ProblemKind> {
    if key.trim().is_empty() {
        Err(ProblemKind::Blank)
    } else if key.len() > MAX_CUSTOM_KEY * 4 || key.chars().count() > MAX_CUSTOM_KEY {
        Err(ProblemKind::TooLong {
            max: MAX_CUSTOM_KEY,
            unit: "characters in a key",
        })
    } else if key.contains('\0') {
        Err(ProblemKind::Nul)
    } else if key.chars().any(char::is_control) {
        Err(ProblemKind::ControlCharacter)
    } else {
        Ok(())
    }
}

fn check_value(value: &Value, depth: usize) -> Result<(), ProblemKind> {
    if depth > MAX_CUSTOM_DEPTH {
        return Err(ProblemKind::TooLong {
            max: MAX_CUSTOM_DEPTH,
            unit: "levels",
        });
    }
    match value {
        Value::String(text) if text.contains('\0') => Err(ProblemKind::Nul),
        Value::Array(items) => items
            .iter()
            .try_for_each(|item| check_value(item, depth + 1)),
        Value::Object(fields) => fields.iter().try_for_each(|(key, value)| {
            if key.contains('\0') {
                Err(ProblemKind::Nul)
            } else {
                check_value(value, depth + 1)
            }
        }),
        _ => Ok(()),
    }
}

/// JSON with sorted keys. `serde_json` sorts them too, unless some crate of the application turns on
/// its `preserve_order` feature; what is stored must not depend on that.
pub(crate) fn write_value(value: &Value, text: &mut String) {
    match value {
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_value(item, text);
            }
            text.push(']');
        }
        Value::Object(fields) => {
            let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
            text.push('{');
            for (index, (key, value)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_text(key, text);
                text.push(':');
                write_value(value, text);
            }
            text.push('}');
        }
        Value::String(string) => write_text(string, text),
        scalar => text.push_str(&scalar.to_string()),
    }
}

fn write_text(string: &str, text: &mut String) {
    text.push_str(&Value::from(string).to_string());
}

impl<'de> Deserialize<'de> for CustomFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = BTreeMap::<String, Value>::deserialize(deserializer)?;
        Self::new(fields).map_err(serde::de::Error::custom)
    }
}

/// Values may be personal: only the keys are shown.
impl fmt::Debug for CustomFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(value: Value) -> Result<CustomFields, Invalid> {
        let Value::Object(map) = value else {
            panic!("an object")
        };
        CustomFields::new(map)
    }

    #[test]
    fn the_text_is_the_same_whatever_the_order() {
        let one = fields(json!({"b": {"z": 1, "a": [true, "x\"y"]}, "a": 1.5})).unwrap();
        assert_eq!(
            one.to_canonical_json(),
            r#"{"a":1.5,"b":{"a":[true,"x\"y"],"z":1}}"#
        );
        let back: CustomFields = serde_json::from_str(&one.to_canonical_json()).unwrap();
        assert_eq!(back, one);
    }

    #[test]
    fn limits_hold() {
        let mut deep = json!(1);
        for _ in 0..MAX_CUSTOM_DEPTH - 1 {
            deep = json!([deep]);
        }
        assert!(fields(json!({"a": deep.clone()})).is_ok());
        assert!(fields(json!({"a": [deep]})).is_err());
        assert!(fields(json!({"a": "x".repeat(MAX_CUSTOM)})).is_err());
        assert!(fields(json!({"a": "nul\0"})).is_err());
        assert!(fields(json!({"a": {"\0": 1}})).is_err());
        assert!(fields(json!({"": 1})).is_err());
        assert!(fields(json!({"k".repeat(65): 1})).is_err());
        assert_eq!(fields(json!({"a": null})).unwrap().len(), 0);
    }

    #[test]
    fn every_problem_is_told() {
        let refused = fields(json!({"a": "\0", "b": ["\0"]})).unwrap_err();
        let names: Vec<_> = refused
            .problems()
            .iter()
            .map(|problem| problem.field())
            .collect();
        assert_eq!(names, ["custom.a", "custom.b"]);
    }
}
