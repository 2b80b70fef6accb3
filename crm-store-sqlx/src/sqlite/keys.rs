//! The rows that leads are found by beside their own: words and tags.

use super::write::{NARROW_ROWS, Writer};
use crate::effect::{Difference, TagRow, WordRow};
use crate::error::Result;
use crm_core::lead::LeadId;
use sqlx::{QueryBuilder, Sqlite};
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
    /// looks through all words of the tenant; said lead by lead it looks up each.
    async fn remove_words(&mut self, leads: &[WordsOf<'_>]) -> Result<()> {
        let mut query = QueryBuilder::<Sqlite>::new("DELETE FROM crm_words WHERE ");
        for (place, ((id, archived), words)) in leads.iter().enumerate() {
            query.push(if place > 0 { " OR " } else { "" });
            query.push("(tenant = ").push_bind(self.tenant);
            query.push(" AND archived = ").push_bind(*archived);
            query.push(" AND id = ").push_bind(id.as_bytes().to_vec());
            query.push(" AND word IN (");
            let mut list = query.separated(", ");
            for word in words {
                list.push_bind(word.as_bytes().to_vec());
            }
            list.push_unseparated("))");
        }
        let query = query.build().persistent(false);
        query.execute(&mut *self.connection).await?;
        Ok(())
    }

    async fn insert_words(&mut self, rows: &[WordRow]) -> Result<()> {
        let tenant = self.tenant;
        let mut query = QueryBuilder::new("INSERT INTO crm_words (tenant, archived, word, id) ");
        query.push_values(rows, |mut values, row| {
            values
                .push_bind(tenant)
                .push_bind(row.archived)
                .push_bind(row.word.as_bytes().to_vec())
                .push_bind(row.id.as_bytes().to_vec());
        });
        self.run(query, rows.len(), NARROW_ROWS).await
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
        let mut query = QueryBuilder::<Sqlite>::new("DELETE FROM crm_tags WHERE ");
        for (place, ((id, archived, created_at), tags)) in leads.iter().enumerate() {
            query.push(if place > 0 { " OR " } else { "" });
            query.push("(tenant = ").push_bind(self.tenant);
            query.push(" AND archived = ").push_bind(*archived);
            query.push(" AND created_at = ").push_bind(*created_at);
            query.push(" AND id = ").push_bind(id.as_bytes().to_vec());
            query.push(" AND tag IN (");
            let mut list = query.separated(", ");
            for tag in tags {
                list.push_bind((*tag).to_owned());
            }
            list.push_unseparated("))");
        }
        let query = query.build().persistent(false);
        query.execute(&mut *self.connection).await?;
        Ok(())
    }

    async fn insert_tags(&mut self, rows: &[TagRow]) -> Result<()> {
        let tenant = self.tenant;
        let mut query =
            QueryBuilder::new("INSERT INTO crm_tags (tenant, archived, tag, created_at, id) ");
        query.push_values(rows, |mut values, row| {
            values
                .push_bind(tenant)
                .push_bind(row.archived)
                .push_bind(row.tag.as_str().to_owned())
                .push_bind(row.created_at)
                .push_bind(row.id.as_bytes().to_vec());
        });
        self.run(query, rows.len(), NARROW_ROWS).await
    }
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
