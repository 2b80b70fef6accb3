//! The rows that leads are found by beside their own: words and tags.

use super::sql::Sql;
use super::write::{Writer, insert};
use crate::effect::{Difference, TagRow, WordRow};
use crate::error::Result;
use crate::value::Value;

/// How many rows one statement removes.
const REMOVED_AT_ONCE: usize = 5_000;

impl Writer<'_> {
    pub(super) async fn words(&mut self, words: &Difference<WordRow>) -> Result<()> {
        for rows in words.remove.chunks(REMOVED_AT_ONCE) {
            let rows = rows.iter().map(|row| {
                (
                    i32::from(row.archived),
                    hex(row.word.as_bytes()),
                    hex(row.id.as_bytes()),
                )
            });
            let mut sql = Sql::new("DELETE crm_words FROM JSON_TABLE(");
            sql.bind(serde_json::to_string(&rows.collect::<Vec<_>>())?);
            sql.push(
                ", '$[*]' COLUMNS (
                    archived INT PATH '$[0]',
                    word VARCHAR(128) CHARACTER SET ascii PATH '$[1]',
                    id CHAR(32) CHARACTER SET ascii PATH '$[2]'
                )) AS old
                STRAIGHT_JOIN crm_words
                    ON crm_words.archived = old.archived
                    AND crm_words.word = UNHEX(old.word)
                    AND crm_words.id = UNHEX(old.id)
                WHERE crm_words.tenant = ",
            );
            sql.bind(self.tenant);
            sql.execute(self.connection).await?;
        }
        let rows = words.put.iter().map(|row| {
            [
                Value::Number(Some(self.tenant)),
                Value::Number(Some(row.archived.into())),
                Value::bytes(Some(row.word.as_bytes())),
                Value::bytes(Some(row.id.as_bytes())),
            ]
        });
        let sql = "INSERT INTO crm_words (tenant, archived, word, id) VALUES ";
        insert(sql, rows, "").execute(self.connection).await
    }

    pub(super) async fn tags(&mut self, tags: &Difference<TagRow>) -> Result<()> {
        for rows in tags.remove.chunks(REMOVED_AT_ONCE) {
            let rows = rows.iter().map(|row| {
                (
                    i32::from(row.archived),
                    hex(row.tag.as_str().as_bytes()),
                    row.created_at,
                    hex(row.id.as_bytes()),
                )
            });
            let mut sql = Sql::new("DELETE crm_tags FROM JSON_TABLE(");
            sql.bind(serde_json::to_string(&rows.collect::<Vec<_>>())?);
            sql.push(
                ", '$[*]' COLUMNS (
                    archived INT PATH '$[0]',
                    tag VARCHAR(256) CHARACTER SET ascii PATH '$[1]',
                    created_at BIGINT PATH '$[2]',
                    id CHAR(32) CHARACTER SET ascii PATH '$[3]'
                )) AS old
                STRAIGHT_JOIN crm_tags
                    ON crm_tags.archived = old.archived
                    AND crm_tags.tag = UNHEX(old.tag)
                    AND crm_tags.created_at = old.created_at
                    AND crm_tags.id = UNHEX(old.id)
                WHERE crm_tags.tenant = ",
            );
            sql.bind(self.tenant);
            sql.execute(self.connection).await?;
        }
        let rows = tags.put.iter().map(|row| {
            [
                Value::Number(Some(self.tenant)),
                Value::Number(Some(row.archived.into())),
                Value::bytes(Some(row.tag.as_str().as_bytes())),
                Value::Number(Some(row.created_at)),
                Value::bytes(Some(row.id.as_bytes())),
            ]
        });
        let sql = "INSERT INTO crm_tags (tenant, archived, tag, created_at, id) VALUES ";
        insert(sql, rows, "").execute(self.connection).await
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
