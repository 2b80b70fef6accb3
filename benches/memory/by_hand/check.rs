//! What may be typed, as the hand-written arm checks it: every problem at once, with its field.

use super::lead::{Lead, Money, Source, Status};
use crate::common::leads::Typed;
use crm_kit::chrono::{DateTime, Utc};
use crm_kit::serde_json::Value;
use crm_kit::uuid::Uuid;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Debug)]
#[expect(dead_code, reason = "what an application would show")]
pub(crate) struct Problem {
    field: &'static str,
    message: &'static str,
}

#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, field: &'static str, message: &'static str) {
        self.0.push(Problem { field, message });
    }

    /// One line of text: trimmed in place, so that nothing is copied.
    fn line(&mut self, field: &'static str, mut text: String, max: usize) -> Option<String> {
        let end = text.trim_end().len();
        text.truncate(end);
        let start = text.len() - text.trim_start().len();
        text.drain(..start);
        if text.is_empty() {
            self.add(field, "must not be blank");
        } else if text.len() > max * 4 || text.chars().count() > max {
            self.add(field, "is too long");
        } else if text.chars().any(char::is_control) {
            self.add(field, "must not contain control characters");
        } else {
            return Some(text);
        }
        None
    }

    fn email(&mut self, text: String) -> Option<String> {
        let email = self.line("email", text, 254)?;
        let options = email_address::Options::default()
            .without_display_text()
            .with_required_tld();
        if email.len() > 254
            || email_address::EmailAddress::parse_with_options(&email, options).is_err()
        {
            self.add("email", "is no e-mail address");
            return None;
        }
        Some(email)
    }

    fn phone(&mut self, text: String) -> Option<String> {
        let phone = self.line("phone", text, 40)?;
        if phone.chars().filter(|c| c.is_numeric()).count() < 3 {
            self.add("phone", "is no phone number");
            return None;
        }
        Some(phone)
    }

    fn notes(&mut self, text: String) -> Option<String> {
        let is_control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        if text.len() > 16 * 1024 || text.trim().is_empty() || text.chars().any(is_control) {
            self.add("notes", "is not a text of at most 16 KiB");
            return None;
        }
        Some(text)
    }

    fn source(&mut self, text: &str) -> Option<Source> {
        const WELL_KNOWN: [&str; 5] = ["website", "referral", "cold_call", "event", "other"];
        if let Some(known) = WELL_KNOWN.into_iter().find(|known| *known == text) {
            return Some(Source::WellKnown(known));
        }
        let is_slug = |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_');
        if text.is_empty() || text.len() > 40 || !text.bytes().all(is_slug) {
            self.add("source", "is no slug");
            return None;
        }
        Some(Source::Other(text.into()))
    }

    fn user(&mut self, text: &str) -> Option<Arc<str>> {
        let is_id = !text.is_empty() && text.len() <= 128 && text.trim() == text;
        if !is_id || text.chars().any(char::is_control) {
            self.add("assigned_to", "is no user");
            return None;
        }
        Some(text.into())
    }

    fn tags(&mut self, typed: &[&str]) -> Vec<Arc<str>> {
        let mut tags: Vec<Arc<str>> = Vec::with_capacity(typed.len());
        for text in typed {
            let text = text.trim();
            if text.is_empty() || text.chars().count() > 50 || text.chars().any(char::is_control) {
                self.add("tags", "is no tag");
            } else if !tags
                .iter()
                .any(|known| known.to_lowercase() == text.to_lowercase())
            {
                tags.push(text.into());
            }
        }
        tags
    }

    fn custom(&mut self, budget: Option<u32>) -> BTreeMap<String, Value> {
        let mut custom = BTreeMap::new();
        if let Some(budget) = budget {
            custom.insert("budget".to_owned(), Value::from(budget));
            let size = crm_kit::serde_json::to_vec(&custom).map_or(0, |json| json.len());
            if size > 16 * 1024 {
                self.add("custom", "is too long");
            }
        }
        custom
    }
}

/// The lead that somebody typed, or everything that is wrong with it.
pub(super) fn checked(typed: Typed, id: Uuid, now: DateTime<Utc>) -> Result<Lead, Vec<Problem>> {
    let mut problems = Problems::default();
    let status = Status::named(typed.status);
    if status.is_none() {
        problems.add("status", "is unknown");
    }
    let value = typed.value.and_then(|(minor_units, code)| {
        let currency = code.as_bytes().try_into().ok();
        if currency.is_none() || minor_units < 0 {
            problems.add("value", "is no amount of money");
        }
        currency.map(|currency| Money {
            currency,
            minor_units,
        })
    });
    let lead = Lead {
        id,
        first_name: problems.line("first_name", typed.first_name, 100),
        last_name: problems.line("last_name", typed.last_name, 100),
        email: problems.email(typed.email),
        company: typed
            .company
            .and_then(|text| problems.line("company", text, 200)),
        status: status.unwrap_or(Status(0)),
        assigned_to: typed.assigned_to.and_then(|text| problems.user(&text)),
        created_at: typed.created_at,
        phone: typed.phone.and_then(|text| problems.phone(text)),
        source: problems.source(typed.source),
        notes: typed.notes.and_then(|text| problems.notes(text)),
        value,
        tags: problems.tags(&typed.tags),
        custom: problems.custom(typed.budget),
        status_reason: None,
        updated_at: now,
        status_changed_at: typed.created_at,
        archived_at: None,
        version: 1,
    };
    if let Some(field) = lead.lacks() {
        problems.add(field, "is required");
    }
    if problems.0.is_empty() {
        Ok(lead)
    } else {
        Err(problems.0)
    }
}
