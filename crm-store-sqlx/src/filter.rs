//! What a filter is in SQL: the keys of a way, the leads among them, the conditions on these.

use crate::lead_row::{end_of_prefix, in_words};
use crate::plan::{Keys, Parts, Way};
use crate::statement::Statement;
use crate::value::Value;
use crm_core::query::{Archived, Assignee, LeadFilter};

impl<'a> Statement<'a> {
    /// The keys of a way: `FROM … WHERE …`.
    pub(crate) fn keys_of(&mut self, way: Way, filter: &'a LeadFilter) -> &mut Self {
        match way.keys {
            Keys::Index(index) => {
                self.push("FROM ").by_index("crm_leads", index);
                self.push(" WHERE tenant = ").tenant();
                self.and_shelves(filter.archived);
                self.and_filtered(filter, way.covers, way.keys)
            }
            Keys::Tag(place) => {
                self.push("FROM crm_tags WHERE tenant = ").tenant();
                self.and_shelves(filter.archived);
                self.and_tag(filter, place);
                self.and_filtered(filter, way.covers.within(Parts::CREATED), way.keys)
            }
            Keys::Word(place) => {
                let word = filter.words.iter().nth(place).unwrap_or_default();
                self.push("FROM crm_words WHERE tenant = ").tenant();
                self.and_shelves(filter.archived);
                let prefix = Value::bytes(Some(word.as_bytes()));
                self.push(" AND word >= ").bind(prefix);
                self.push(" AND word < ").bytes(end_of_prefix(word))
            }
        }
    }

    /// The leads of a way that pass the whole filter: `FROM … WHERE …`.
    pub(crate) fn leads_of(&mut self, way: Way, filter: &'a LeadFilter) -> &mut Self {
        match way.keys {
            Keys::Index(index) => {
                self.push("FROM ").by_index("crm_leads", index);
                self.push(" WHERE tenant = ").tenant();
                self.and_shelves(filter.archived);
            }
            Keys::Tag(_) | Keys::Word(_) => {
                // A lead may have several words that begin with what was typed.
                self.push("FROM (SELECT DISTINCT id AS found ");
                self.keys_of(way, filter);
                self.push(") AS keyed").join_leads("found");
                self.push(" WHERE true");
            }
        }
        self.and_filtered(filter, Parts::of(filter), way.keys)
    }

    /// The tag at a place among those of a filter.
    pub(crate) fn and_tag(&mut self, filter: &'a LeadFilter, place: usize) -> &mut Self {
        let tag = filter.tags.iter().nth(place);
        self.push(" AND tag = ")
            .bind(Value::text(tag.map(|tag| tag.as_str())))
    }

    /// Nobody's leads, or a user's.
    pub(crate) fn and_assignee(&mut self, filter: &'a LeadFilter) -> &mut Self {
        match &filter.assignee {
            Some(Assignee::User(user)) => self.push(" AND assigned_to = ").text(user.as_str()),
            Some(Assignee::Nobody) => self.push(" AND assigned_to IS NULL"),
            None => self,
        }
    }

    fn and_shelves(&mut self, archived: Archived) -> &mut Self {
        match archived {
            Archived::Exclude => self.and_archived(false),
            Archived::Only => self.and_archived(true),
            Archived::Include => self.push(" AND archived IN (false, true)"),
        }
    }

    /// The filters of these parts, each as ` AND …`, but for the tag or word that the keys are of.
    pub(crate) fn and_filtered(
        &mut self,
        filter: &'a LeadFilter,
        parts: Parts,
        keys: Keys,
    ) -> &mut Self {
        let has = |part| parts.contains(part);
        if has(Parts::STATUS) {
            let slugs = filter.statuses.iter();
            let slugs = slugs.map(|slug| Value::text(Some(slug.as_str())));
            self.push(" AND status").is_among(slugs);
        }
        if has(Parts::ASSIGNEE) {
            self.and_assignee(filter);
        }
        if has(Parts::SOURCE) {
            let slugs = filter.sources.iter();
            let slugs = slugs.map(|slug| Value::text(Some(slug.as_str())));
            self.push(" AND source").is_among(slugs);
        }
        if has(Parts::EMAIL) {
            let key = filter.email.as_ref().map(|key| key.as_str());
            self.push(" AND email_key = ").bind(Value::text(key));
        }
        if has(Parts::CREATED) {
            self.and_between("created_at", filter.created.micros());
        }
        if has(Parts::UPDATED) {
            self.and_between("updated_at", filter.updated.micros());
        }
        if has(Parts::SINCE)
            && let Some(since) = filter.in_status_since
        {
            self.push(" AND status_changed_at <= ")
                .number(since.timestamp_micros());
        }
        if has(Parts::TAGS) {
            let others = filter.tags.iter().enumerate();
            let others = others.filter(|(place, _)| keys != Keys::Tag(*place));
            let others: Vec<Value<'_>> = others
                .map(|(_, tag)| Value::text(Some(tag.as_str())))
                .collect();
            if !others.is_empty() {
                let count = others.len().to_string();
                self.push(" AND (").push(TAGS_AMONG).is_among(others);
                self.push(") = ").push(&count);
            }
        }
        if has(Parts::WORDS) {
            let others = filter.words.iter().enumerate();
            for (_, word) in others.filter(|(place, _)| keys != Keys::Word(*place)) {
                let (before, after) = self.dialect.in_words;
                self.push(" AND ").push(before).bytes(in_words(word));
                self.push(after).push(" > 0");
            }
        }
        self
    }
}

/// How many of some tags a lead has. One subquery for all: of as many as there are tags SQLite
/// makes a join, and takes seconds to plan it.
const TAGS_AMONG: &str = "SELECT count(*) FROM crm_tags AS other
    WHERE other.tenant = crm_leads.tenant
        AND other.archived = crm_leads.archived
        AND other.created_at = crm_leads.created_at
        AND other.id = crm_leads.id
        AND other.tag";
