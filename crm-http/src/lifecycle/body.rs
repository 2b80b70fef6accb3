//! What callers send of a status.

use super::change::StatusChange;
use super::listing::Listing;
use crate::error::FieldErrors;
use crate::extract::{Body, Kind};
use crm_core::chrono::TimeDelta;
use crm_core::lead::Field;
use crm_core::lifecycle::{MAX_STATUSES, ReasonRule, StatusDefinition};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

/// A lifecycle has no place beyond it.
const LAST_PLACE: i64 = 100;
const _: () = assert!(
    MAX_STATUSES == 100,
    "the last place is that of the last status"
);

/// A status: to be created, a name is enough; of one to be changed, what is not there stays.
#[derive(Debug, Default, Clone, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = LeadStatusChange)]
pub(super) struct StatusBody {
    /// What people see: 1 to 50 characters, and no other status's.
    #[schema(max_length = 50, example = "Demo held")]
    pub(super) name: Option<String>,
    /// What leads have as their status; made from the name if it is not given. It never changes.
    #[schema(max_length = 40, example = "demo_held")]
    pub(super) slug: Option<String>,
    /// `#RRGGBB`; a new status without one is grey.
    #[schema(pattern = "^#[0-9A-Fa-f]{6}$", example = "#28B8DA")]
    pub(super) colour: Option<String>,
    /// The place among the statuses; the first is 1, beyond the end is the end, and the others make
    /// room. A new open status without one goes before the first closed one, a closed one to the
    /// end.
    #[schema(minimum = 1, maximum = 100)]
    pub(super) order: Option<i64>,
    /// open, won or lost; a new status without one is open.
    #[schema(example = "open")]
    pub(super) kind: Option<String>,
    /// In percent. That of a won status is 100, that of a lost one 0.
    #[schema(minimum = 0, maximum = 100)]
    pub(super) probability: Option<i64>,
    /// How long a lead may stay before it is stuck, up to 3,650 days; null: for ever.
    #[schema(minimum = 1, maximum = 315_360_000)]
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<i64>)]
    pub(super) stuck_after_seconds: Option<Option<i64>>,
    /// The fields that a lead must have to enter: names of fields, or `custom.KEY`.
    #[schema(max_items = 64)]
    pub(super) required: Option<Vec<String>>,
    /// Whether entering needs a reason: optional or required.
    pub(super) reason: Option<String>,
    /// true: new leads start in it. It cannot be set to false: set it on another.
    pub(super) initial: Option<bool>,
    /// Every status that may be entered from it, by slugs. If that is not what the kinds say, the
    /// policy becomes explicit.
    pub(super) transitions: Option<Vec<String>>,
    /// null takes the removal of the status back.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub(super) retiring: Option<Option<String>>,
}

/// A field that is there, be it null.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl Body for StatusBody {
    const FIELDS: &'static [(&'static str, Kind)] = &[
        ("name", Kind::Text),
        ("slug", Kind::Text),
        ("colour", Kind::Text),
        ("order", Kind::Integer),
        ("kind", Kind::Text),
        ("probability", Kind::Integer),
        ("stuck_after_seconds", Kind::Integer),
        ("required", Kind::Texts),
        ("reason", Kind::Text),
        ("initial", Kind::Flag),
        ("transitions", Kind::Texts),
        ("retiring", Kind::Text),
    ];
}

impl StatusBody {
    /// What is wanted, as far as it can be read.
    pub(super) fn read(&self, errors: &mut FieldErrors) -> StatusChange {
        StatusChange {
            name: self.name.clone(),
            slug: None,
            colour: self.colour.clone(),
            place: self
                .order
                .and_then(|order| within("order", order, 1, LAST_PLACE, errors)),
            kind: self
                .kind
                .as_deref()
                .and_then(|typed| Listing::kind(typed, errors)),
            probability: self
                .probability
                .and_then(|percent| within("probability", percent, 0, 100, errors)),
            stuck_after: self.stuck_after_seconds.map(|seconds| {
                // What no TimeDelta holds is out of range either way.
                seconds.map(|seconds| TimeDelta::try_seconds(seconds).unwrap_or(TimeDelta::MAX))
            }),
            required: self.required.as_ref().map(|names| required(names, errors)),
            reason: self
                .reason
                .as_deref()
                .and_then(|typed| reason(typed, errors)),
            becomes_initial: self.initial == Some(true),
            transitions: self.transitions.clone().filter(|wanted| {
                let is_few = wanted.len() <= MAX_STATUSES;
                if !is_few {
                    let what = format!("is too long: at most {MAX_STATUSES}");
                    errors.add("transitions", what);
                }
                is_few
            }),
            stays: self.retiring == Some(None),
        }
    }

    /// A status to be created.
    pub(super) fn read_new(&self, errors: &mut FieldErrors) -> StatusChange {
        if self.name.is_none() {
            errors.add("name", "is required");
        }
        if let Some(Some(_)) = self.retiring {
            errors.add("retiring", "cannot be said of a new status");
        }
        StatusChange {
            slug: self.slug.clone(),
            stays: false,
            ..self.read(errors)
        }
    }

    /// What of it cannot be said of a status that is there.
    pub(super) fn check_against(
        &self,
        status: &StatusDefinition,
        is_initial: bool,
        errors: &mut FieldErrors,
    ) {
        if self.slug.as_ref().is_some_and(|slug| status.slug != **slug) {
            errors.add("slug", "never changes");
        }
        if self.initial == Some(false) && is_initial {
            errors.add(
                "initial",
                "cannot be set to false: set it on another status",
            );
        }
        let into = status.retiring.as_ref().map(|into| into.as_str());
        if let Some(Some(wanted)) = &self.retiring
            && into != Some(wanted)
        {
            errors.add("retiring", "cannot be set: delete the status with move_to");
        }
    }
}

fn within<T: TryFrom<i64>>(
    field: &'static str,
    number: i64,
    min: i64,
    max: i64,
    errors: &mut FieldErrors,
) -> Option<T> {
    let fits = (min..=max).contains(&number);
    if !fits {
        let what = format!("is out of range: must be between {min} and {max}");
        errors.add(field, what);
    }
    T::try_from(number).ok().filter(|_| fits)
}

fn required(names: &[String], errors: &mut FieldErrors) -> Vec<Field> {
    let mut fields = Vec::with_capacity(names.len());
    for name in names {
        match name.parse::<Field>() {
            Ok(field) => fields.push(field),
            Err(invalid) => {
                for problem in invalid.problems() {
                    errors.add("required", problem.kind().to_string());
                }
            }
        }
    }
    fields
}

fn reason(typed: &str, errors: &mut FieldErrors) -> Option<ReasonRule> {
    match typed {
        "optional" => Some(ReasonRule::Optional),
        "required" => Some(ReasonRule::Required),
        _ => {
            errors.add("reason", "is unknown: must be one of optional, required");
            None
        }
    }
}
