//! What callers send of a status.

use super::form::Form;
use super::item::retiring_into;
use crate::error::{ApiError, FieldErrors};
use crate::lifecycle::change::StatusChange;
use crate::lifecycle::listing::Listing;
use crm_core::lead::LeadStatus;
use crm_core::lifecycle::{Colour, MAX_STATUSES, StatusDefinition, StatusKind};
use serde::Deserialize;
use utoipa::ToSchema;

/// The colour of a new status that gives none.
const NEW_COLOUR: Colour = Colour::rgb(0x28, 0xB8, 0xDA);
/// The largest place that may be typed: what the family keeps in a column of 32 bits.
const LAST_PLACE: u32 = i32::MAX.unsigned_abs();

const NEW: &[&str] = &[
    "name",
    "statusorder",
    "color",
    "isdefault",
    "slug",
    "kind",
    "probability",
];
const CHANGED: &[&str] = &[
    "id",
    "name",
    "statusorder",
    "color",
    "isdefault",
    "slug",
    "kind",
    "probability",
    "retiring_into",
];

/// What core calls a field of a status, as this API calls it.
pub(super) fn field_name(_: &LeadStatus, field: &str) -> String {
    if field == "colour" { "color" } else { field }.to_owned()
}

/// A status: to be added, a name is enough; of one to be updated, what is not there stays. Numbers
/// may be sent as numbers or as strings.
#[derive(Deserialize, ToSchema)]
#[schema(as = StatusFields)]
#[expect(dead_code, reason = "describes what is read field by field")]
pub(super) struct FieldsBody {
    /// 1 to 50 characters, and no other status's.
    #[schema(min_length = 1, max_length = 50, example = "Demo held")]
    name: Option<String>,
    /// The place in the order: 1 is the first, beyond the end is the end.
    #[schema(pattern = "^[0-9]{1,9}$", example = "5")]
    statusorder: Option<String>,
    /// `#RRGGBB`: `#28B8DA` for a new status if it is not there, `#757575` if it is empty.
    #[schema(pattern = "^(#[0-9A-Fa-f]{6})?$", example = "#28B8DA")]
    color: Option<String>,
    /// 1 where leads become customers.
    #[schema(pattern = "^[01]$", example = "0")]
    isdefault: Option<String>,
    /// For a new status, if it should not be made from the name.
    #[schema(pattern = "^[a-z0-9][a-z0-9_]{0,39}$", example = "demo_held")]
    slug: Option<String>,
    /// open, won or lost.
    #[schema(pattern = "^(open|won|lost)$", example = "open")]
    kind: Option<String>,
    /// In percent.
    #[schema(pattern = "^[0-9]{1,2}$", example = "40")]
    probability: Option<String>,
}

/// What was sent, as far as it can be read without looking at the status.
#[derive(Debug, Clone)]
pub(super) struct Fields {
    change: StatusChange,
    is_won: Option<bool>,
    id: Option<String>,
    slug: Option<String>,
    retiring_into: Option<String>,
}

impl Fields {
    /// A status to be added.
    pub(super) fn new_status(form: Form) -> Result<StatusChange, ApiError> {
        let mut errors = FieldErrors::default();
        let mut fields = Self::read(form, NEW, &mut errors);
        if fields.change.name.is_none() {
            errors.add("name", "is required");
        }
        if fields.change.colour.is_none() {
            fields.change.colour = Some(NEW_COLOUR.to_string());
        }
        fields.change.slug = fields.slug.take().filter(|slug| !slug.is_empty());
        fields.change.kind = fields.kind(StatusKind::Open, &mut errors);
        errors.finish()?;
        Ok(fields.change)
    }

    /// What a status that is there is to be.
    pub(super) fn changes(form: Form) -> Result<Self, ApiError> {
        let mut errors = FieldErrors::default();
        let fields = Self::read(form, CHANGED, &mut errors);
        errors.finish()?;
        Ok(fields)
    }

    fn read(form: Form, known: &[&'static str], errors: &mut FieldErrors) -> Self {
        let mut texts = form.read(known, errors);
        let mut digits = |name: &'static str, most: u32| {
            let typed = texts.remove(name)?;
            let typed = typed.trim();
            if typed.is_empty() {
                return None;
            }
            let number = typed.parse::<u32>().ok();
            let is_plain = typed.bytes().all(|byte| byte.is_ascii_digit());
            let number = number.filter(|number| is_plain && *number <= most);
            if number.is_none() {
                let what = format!("must be a whole number between 0 and {most}");
                errors.add(name, what);
            }
            number
        };
        let place = digits("statusorder", LAST_PLACE);
        let probability = digits("probability", 100);
        let is_won = texts.remove("isdefault").and_then(|typed| {
            match typed.trim().to_ascii_lowercase().as_str() {
                "1" | "true" => Some(true),
                "0" | "false" | "" => Some(false),
                _ => {
                    errors.add("isdefault", "must be 0 or 1");
                    None
                }
            }
        });
        let colour = texts.remove("color").map(|typed| match typed.trim() {
            "" => Colour::default().to_string(),
            typed => typed.to_owned(),
        });
        let kind = texts.remove("kind").filter(|typed| !typed.is_empty());
        Self {
            change: StatusChange {
                name: texts.remove("name"),
                colour,
                // Beyond the end is the end, so that a larger one means the same.
                place: place.map(|place| {
                    usize::try_from(place)
                        .unwrap_or(MAX_STATUSES)
                        .clamp(1, MAX_STATUSES)
                }),
                kind: kind.and_then(|typed| Listing::kind(&typed, errors)),
                probability: probability.and_then(|percent| u8::try_from(percent).ok()),
                ..StatusChange::default()
            },
            is_won,
            id: texts.remove("id"),
            slug: texts.remove("slug"),
            retiring_into: texts.remove("retiring_into"),
        }
    }

    /// The kind that is meant for a status of this kind.
    fn kind(&self, before: StatusKind, errors: &mut FieldErrors) -> Option<StatusKind> {
        match (self.change.kind, self.is_won) {
            (Some(kind), Some(is_won)) if (kind == StatusKind::Won) != is_won => {
                errors.add("isdefault", "contradicts kind: 1 is won, 0 is open or lost");
                None
            }
            (Some(kind), _) => Some(kind),
            (None, Some(true)) => Some(StatusKind::Won),
            (None, Some(false)) if before == StatusKind::Won => Some(StatusKind::Open),
            (None, _) => None,
        }
    }

    /// The change of this status.
    pub(super) fn of(&self, status: &StatusDefinition) -> Result<StatusChange, ApiError> {
        let mut errors = FieldErrors::default();
        let mut change = self.change.clone();
        change.kind = self.kind(status.kind, &mut errors);
        let id = status.id.to_string();
        if self.id.as_ref().is_some_and(|typed| *typed != id) {
            errors.add("id", "never changes");
        }
        if self
            .slug
            .as_ref()
            .is_some_and(|typed| status.slug != **typed)
        {
            errors.add("slug", "never changes");
        }
        match self.retiring_into.as_deref() {
            None => {}
            Some("") => change.stays = true,
            Some(into) if into == retiring_into(status) => {}
            Some(_) => errors.add(
                "retiring_into",
                "cannot be set: delete the status with move_to",
            ),
        }
        errors.finish()?;
        Ok(change)
    }
}
