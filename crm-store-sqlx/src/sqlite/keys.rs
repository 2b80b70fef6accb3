//! The rows that leads are found by beside their own: words and tags.

use super::write::{NARROW_ROWS, Text, Writer};
use crate::effect::{Difference, TagRow, WordRow};
use crate::error::Result;
use crm_core::lead::LeadId;
use std::collections::BTreeMap;

/// How many leads one statement takes keys from: each is a search of its own in the plan.
const LEADS: usize = 250;

/// The words of a lead, which is archived or not.
type WordsOf<'a> = ((LeadId, bool), Vec<&'a str>);

/// The tags of a lead, which is archived or not, and was created at that time.
type TagsOf<'a> = ((LeadId, bool, i64), Vec<&'a str>);

/// The most parameters of such a statement, of the 32,766 that SQLite takes.
const PARAMETERS: usize = 8_000;

impl Writer<'_> {
    pub(super) async fn words(&mut self, words: &Difference<WordRow>) -> Result<()> {
        let mut gone: BTreeMap<(LeadId, bool), Vec<&str>> = BTreeMap::new();
        for row in &words.remove {
            let lead = gone.entry((row.id, row.archived)).or_default();
            lead.push(&row.word);
        }
        let gone: Vec<_> = gone.into_iter().collect();
        for leads in chunks(&gone, |(_, words)| words.len() + 2) {
            self.remove_words(leads).await?;
        }
        for rows in words.put.chunks(NARROW_ROWS) {
            self.insert_words(rows).await?;
        }
        Ok(())
    }

    /// Words of several leads at once. A list of rows would be one condition, for which SQLite
    /// looks through all words of the tenant; said lead by lead it looks up each. Of one lead they
    /// are one parameter, so that the text is always the same; for many that takes longer.
    async fn remove_words(&mut self, leads: &[WordsOf<'_>]) -> Result<()> {
        let tenant = self.tenant;
        let text = Text::of(leads.len(), usize::MAX);
        let query = self.statement(leads.len(), text).await?;
        query.push("DELETE FROM crm_words WHERE ");
        for (place, ((id, archived), words)) in leads.iter().enumerate() {
            query.push(if place > 0 { " OR " } else { "" });
            query.push("(tenant = ").push_bind(tenant);
            query.push(" AND archived = ").push_bind(*archived);
            query.push(" AND id = ").push_bind(id.as_bytes().to_vec());
            query.push(" AND word IN (");
            if leads.len() == 1 {
                query.push("SELECT CAST(value AS BLOB) FROM json_each(");
                query.push_bind(serde_json::to_string(words)?).push(")))");
                continue;
            }
            let mut list = query.separated(", ");
            for word in words {
                list.push_bind(word.as_bytes());
            }
            list.push_unseparated("))");
        }
        Ok(())
    }

    async fn insert_words(&mut self, rows: &[WordRow]) -> Result<()> {
        let tenant = self.tenant;
        if let Some((lead, words)) = of_one(rows, |row| (row.id, row.archived), |row| &*row.word) {
            let (id, archived) = lead;
            let query = self.statement(1, Text::Usual).await?;
            query.push("INSERT INTO crm_words (tenant, archived, word, id) SELECT ");
            query.push_bind(tenant).push(", ").push_bind(archived);
            query.push(", CAST(value AS BLOB), ");
            query.push_bind(id.as_bytes().to_vec());
            query
                .push(" FROM json_each(")
                .push_bind(serde_json::to_string(&words)?);
            query.push(")");
            return Ok(());
        }
        let text = Text::of(rows.len(), NARROW_ROWS);
        let query = self.statement(rows.len(), text).await?;
        query.push("INSERT INTO crm_words (tenant, archived, word, id) ");
        query.push_values(rows, |mut values, row| {
            values
                .push_bind(tenant)
                .push_bind(row.archived)
                .push_bind(row.word.as_bytes())
                .push_bind(row.id.as_bytes().as_slice());
        });
        Ok(())
    }

    pub(super) async fn tags(&mut self, tags: &Difference<TagRow>) -> Result<()> {
        let mut gone: BTreeMap<(LeadId, bool, i64), Vec<&str>> = BTreeMap::new();
        for row in &tags.remove {
            let lead = gone.entry((row.id, row.archived, row.created_at));
            lead.or_default().push(row.tag.as_str());
        }
        let gone: Vec<_> = gone.into_iter().collect();
        for leads in chunks(&gone, |(_, tags)| tags.len() + 3) {
            self.remove_tags(leads).await?;
        }
        for rows in tags.put.chunks(NARROW_ROWS) {
            self.insert_tags(rows).await?;
        }
        Ok(())
    }

    async fn remove_tags(&mut self, leads: &[TagsOf<'_>]) -> Result<()> {
        let tenant = self.tenant;
        let text = Text::of(leads.len(), usize::MAX);
        let query = self.statement(leads.len(), text).await?;
        query.push("DELETE FROM crm_tags WHERE ");
        for (place, ((id, archived, created_at), tags)) in leads.iter().enumerate() {
            query.push(if place > 0 { " OR " } else { "" });
            query.push("(tenant = ").push_bind(tenant);
            query.push(" AND archived = ").push_bind(*archived);
            query.push(" AND created_at = ").push_bind(*created_at);
            query.push(" AND id = ").push_bind(id.as_bytes().to_vec());
            query.push(" AND tag IN (");
            if leads.len() == 1 {
                query.push("SELECT value FROM json_each(");
                query.push_bind(serde_json::to_string(tags)?).push(")))");
                continue;
            }
            let mut list = query.separated(", ");
            for tag in tags {
                list.push_bind(*tag);
            }
            list.push_unseparated("))");
        }
        Ok(())
    }

    async fn insert_tags(&mut self, rows: &[TagRow]) -> Result<()> {
        let tenant = self.tenant;
        let lead = |row: &TagRow| (row.id, row.archived, row.created_at);
        if let Some((lead, tags)) = of_one(rows, lead, |row| row.tag.as_str()) {
            let (id, archived, created_at) = lead;
            let query = self.statement(1, Text::Usual).await?;
            query.push("INSERT INTO crm_tags (tenant, archived, tag, created_at, id) SELECT ");
            query.push_bind(tenant).push(", ").push_bind(archived);
            query.push(", value, ").push_bind(created_at).push(", ");
            query.push_bind(id.as_bytes().to_vec());
            query
                .push(" FROM json_each(")
                .push_bind(serde_json::to_string(&tags)?);
            query.push(")");
            return Ok(());
        }
        let text = Text::of(rows.len(), NARROW_ROWS);
        let query = self.statement(rows.len(), text).await?;
        query.push("INSERT INTO crm_tags (tenant, archived, tag, created_at, id) ");
        query.push_values(rows, |mut values, row| {
            values
                .push_bind(tenant)
                .push_bind(row.archived)
                .push_bind(row.tag.as_str())
                .push_bind(row.created_at)
                .push_bind(row.id.as_bytes().as_slice());
        });
        Ok(())
    }
}

/// The keys of rows that are all of one lead: as a list they are one parameter, so that their
/// number is not in the text of the statement.
fn of_one<'r, R, L: PartialEq>(
    rows: &'r [R],
    lead: impl Fn(&R) -> L,
    key: impl Fn(&'r R) -> &'r str,
) -> Option<(L, Vec<&'r str>)> {
    let of_first = lead(rows.first()?);
    let is_only = rows.iter().all(|row| lead(row) == of_first);
    is_only.then(|| (of_first, rows.iter().map(key).collect()))
}

/// Cuts leads into pieces that one statement takes.
fn chunks<T>(leads: &[T], parameters: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let mut pieces = Vec::new();
    let mut rest = leads;
    while !rest.is_empty() {
        let mut sum = 0;
        let fits = rest.iter().take(LEADS).take_while(|lead| {
            sum += parameters(lead);
            sum <= PARAMETERS
        });
        let length = fits.count().max(1);
        let (piece, others) = rest.split_at(length);
        pieces.push(piece);
        rest = others;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_bounded_by_leads_and_by_parameters() {
        let few = vec![1; 600];
        let lengths = |leads: &[usize]| -> Vec<usize> {
            let pieces = chunks(leads, |parameters| *parameters);
            pieces.iter().map(|piece| piece.len()).collect()
        };
        assert_eq!(lengths(&few), [250, 250, 100]);
        assert_eq!(lengths(&[3_000, 3_000, 3_000]), [2, 1]);
        assert_eq!(lengths(&[9_000, 1]), [1, 1], "one lead is never cut");
        assert_eq!(lengths(&[]), [0; 0]);
    }
}
