//! The rows that leads are found by beside their own: words and tags.

use super::sql::Sql;
use super::write::Parts;
use crate::effect::{Difference, TagRow, WordRow};
use crate::value::Value;

impl Parts {
    pub(super) fn words(&mut self, words: &Difference<WordRow>) {
        if !words.remove.is_empty() {
            let sql = self.begin();
            sql.push("DELETE FROM crm_words USING ");
            push_words(sql, &words.remove);
            sql.push(
                " AS old (archived, word, id)
                WHERE crm_words.tenant = (SELECT tenant FROM ready)
                    AND crm_words.archived = (old.archived = 1)
                    AND crm_words.word = old.word
                    AND crm_words.id = old.id",
            );
        }
        if !words.put.is_empty() {
            let sql = self.begin();
            sql.push("INSERT INTO crm_words (tenant, archived, word, id) ");
            sql.push("SELECT ready.tenant, archived = 1, word, id FROM ready, ");
            push_words(sql, &words.put);
            sql.push(" AS new (archived, word, id)");
        }
    }

    pub(super) fn tags(&mut self, tags: &Difference<TagRow>) {
        if !tags.remove.is_empty() {
            let sql = self.begin();
            sql.push("DELETE FROM crm_tags USING ");
            push_tags(sql, &tags.remove);
            sql.push(
                " AS old (archived, tag, created_at, id)
                WHERE crm_tags.tenant = (SELECT tenant FROM ready)
                    AND crm_tags.archived = (old.archived = 1)
                    AND crm_tags.tag = old.tag
                    AND crm_tags.created_at = old.created_at
                    AND crm_tags.id = old.id",
            );
        }
        if !tags.put.is_empty() {
            let sql = self.begin();
            sql.push("INSERT INTO crm_tags (tenant, archived, tag, created_at, id) ");
            sql.push("SELECT ready.tenant, archived = 1, tag, created_at, id FROM ready, ");
            push_tags(sql, &tags.put);
            sql.push(" AS new (archived, tag, created_at, id)");
        }
    }
}

fn push_words(sql: &mut Sql, rows: &[WordRow]) {
    sql.rows(rows, 3, |row, column| match column {
        0 => Value::Number(Some(row.archived.into())),
        1 => Value::bytes(Some(row.word.as_bytes())),
        _ => Value::bytes(Some(row.id.as_bytes())),
    });
}

fn push_tags(sql: &mut Sql, rows: &[TagRow]) {
    sql.rows(rows, 4, |row, column| match column {
        0 => Value::Number(Some(row.archived.into())),
        1 => Value::text(Some(row.tag.as_str())),
        2 => Value::Number(Some(row.created_at)),
        _ => Value::bytes(Some(row.id.as_bytes())),
    });
}
