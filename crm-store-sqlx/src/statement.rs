//! Statements that are put together from parts: fixed texts, and parameters for all that was typed.
//! Where databases differ is said by a [`Dialect`], one for each.

use crate::value::Value;
use crm_core::lead::{LeadId, TenantId};
use crm_core::query::Direction;

/// What a database wants otherwise than others.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// What stands before the number of a parameter, which may then stand in several places. None
    /// where parameters are `?` and go by their order.
    pub(crate) numbered: Option<&'static str>,
    /// Whether a list is one parameter, an array; or each of it one.
    pub(crate) has_arrays: bool,
    /// Around the name of the index by which to read a table, if that can be said.
    pub(crate) by_index: Option<(&'static str, &'static str)>,
    /// The index of the table's key.
    pub(crate) by_id: &'static str,
    /// Whether it is apart from the leads, in an order of its own, as any other index is.
    pub(crate) is_id_apart: bool,
    /// Joins leads to keys, reading the keys first.
    pub(crate) join: &'static str,
    /// Whether the parts of a `UNION ALL` that are each in order are merged, and no more is read of
    /// each than is needed. Else a page of each is read, and these are sorted.
    pub(crate) merges: bool,
    /// Whether `(a, b) > (c, d)` begins at a place of an index.
    pub(crate) compares_rows: bool,
    /// Whether a column that is NULL in all rows must be named in their order.
    pub(crate) orders_by_null: bool,
    /// Whether `IS NOT NULL` begins at a place of an index.
    pub(crate) begins_after_null: bool,
    /// Around what is looked for in the words of a lead.
    pub(crate) in_words: (&'static str, &'static str),
    /// The tables whose sums are the counters.
    pub(crate) counters: &'static [&'static str],
    /// What a column of numbers is called, and one of text, in a `CAST`.
    pub(crate) number: &'static str,
    pub(crate) text: &'static str,
}

/// What is bound to a place in a text.
pub(crate) enum Parameter<'a> {
    One(Value<'a>),
    /// An array, of values of one kind.
    All(Vec<Value<'a>>),
}

/// A statement about a tenant.
pub(crate) struct Statement<'a> {
    pub(crate) dialect: &'static Dialect,
    pub(crate) text: String,
    pub(crate) parameters: Vec<Parameter<'a>>,
    /// Whether it has a list of so many parameters that the same is seldom asked again.
    pub(crate) is_rare: bool,
    tenant: Value<'a>,
    is_named: bool,
}

/// Statements whose lists are longer are not kept prepared: those of any length would push out
/// all others.
const KEPT: usize = 4;

impl<'a> Statement<'a> {
    pub(crate) fn of(dialect: &'static Dialect, tenant: &'a TenantId) -> Self {
        Self::new(dialect, Value::text(Some(tenant.as_str())), true)
    }

    /// By its number.
    pub(crate) fn about(dialect: &'static Dialect, tenant: i64) -> Self {
        Self::new(dialect, Value::Number(Some(tenant)), false)
    }

    fn new(dialect: &'static Dialect, tenant: Value<'a>, is_named: bool) -> Self {
        let parameters = match dialect.numbered {
            Some(_) => vec![Parameter::One(tenant.clone())],
            None => Vec::new(),
        };
        Self {
            dialect,
            text: String::with_capacity(1_024),
            parameters,
            is_rare: false,
            tenant,
            is_named,
        }
    }

    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// The tenant's number. There may be none, and then nothing is found.
    pub(crate) fn tenant(&mut self) -> &mut Self {
        if self.is_named {
            self.push("(SELECT tenant FROM crm_tenants WHERE name = ");
        }
        match self.dialect.numbered {
            Some(sign) => self.push(sign).push("1"),
            None => self.bind(self.tenant.clone()),
        };
        if self.is_named {
            self.push(")");
        }
        self
    }

    /// A parameter, where the text ends at the moment.
    pub(crate) fn bind(&mut self, value: Value<'a>) -> &mut Self {
        self.push_parameter(Parameter::One(value))
    }

    pub(crate) fn text(&mut self, text: &'a str) -> &mut Self {
        self.bind(Value::text(Some(text)))
    }

    pub(crate) fn number(&mut self, number: i64) -> &mut Self {
        self.bind(Value::Number(Some(number)))
    }

    pub(crate) fn bytes(&mut self, bytes: Vec<u8>) -> &mut Self {
        self.bind(Value::Bytes(Some(bytes.into())))
    }

    fn push_parameter(&mut self, parameter: Parameter<'a>) -> &mut Self {
        self.parameters.push(parameter);
        match self.dialect.numbered {
            Some(sign) => {
                let number = self.parameters.len().to_string();
                self.push(sign).push(&number)
            }
            None => self.push("?"),
        }
    }

    /// Whether what stands before is one of these: ` IN (…)`.
    pub(crate) fn is_among(&mut self, values: impl IntoIterator<Item = Value<'a>>) -> &mut Self {
        let values: Vec<Value<'a>> = values.into_iter().collect();
        if values.is_empty() {
            // A list of nothing is no SQL, and an array of nothing has no type.
            return self.push(" IN (NULL)");
        }
        if self.dialect.has_arrays {
            self.push(" = ANY(");
            return self.push_parameter(Parameter::All(values)).push(")");
        }
        self.push(" IN (");
        for (place, value) in values.into_iter().enumerate() {
            self.push(if place > 0 { ", " } else { "" }).bind(value);
            self.is_rare |= place >= KEPT;
        }
        self.push(")")
    }

    pub(crate) fn is_among_ids(&mut self, ids: &'a [LeadId]) -> &mut Self {
        self.is_among(ids.iter().map(|id| Value::bytes(Some(id.as_bytes()))))
    }

    /// A table, to be read by an index.
    pub(crate) fn by_index(&mut self, table: &str, index: &str) -> &mut Self {
        self.push(table);
        if let Some((before, after)) = self.dialect.by_index {
            self.push(before).push(index).push(after);
        }
        self
    }

    /// Joins the leads whose ids are in a column of what stands before.
    pub(crate) fn join_leads(&mut self, ids: &str) -> &mut Self {
        let Dialect { join, by_id, .. } = *self.dialect;
        self.push("\n").push(join).push(" ");
        self.by_index("crm_leads", by_id);
        self.push(" ON tenant = ").tenant();
        self.push(" AND id = ").push(ids)
    }

    /// Joins the leads whose ids and times stand in columns of what stands before, in created order.
    /// Where ids are apart, they are looked up in that order, too: leads that are close to each
    /// other in the list are close there, and by their ids may be anywhere.
    pub(crate) fn join_leads_created(
        &mut self,
        ids: &str,
        times: &str,
        archived: bool,
    ) -> &mut Self {
        let Dialect {
            join, is_id_apart, ..
        } = *self.dialect;
        if !is_id_apart {
            return self.join_leads(ids);
        }
        self.push("\n").push(join).push(" ");
        self.by_index("crm_leads", "crm_leads_created");
        self.push(" ON tenant = ").tenant().and_archived(archived);
        self.push(" AND created_at = ").push(times);
        self.push(" AND id = ").push(ids)
    }

    /// Only what follows a place, in the order of some columns.
    pub(crate) fn and_beyond(
        &mut self,
        direction: Direction,
        place: impl IntoIterator<Item = (impl Into<String>, Value<'a>)>,
    ) -> &mut Self {
        let place = place.into_iter();
        let place: Vec<(String, Value<'a>)> = place
            .map(|(column, value)| (column.into(), value))
            .collect();
        let beyond = match direction {
            Direction::Ascending => " > ",
            Direction::Descending => " < ",
        };
        self.push(" AND ");
        if self.dialect.compares_rows && place.len() > 1 {
            let (columns, values): (Vec<String>, Vec<Value<'a>>) = place.into_iter().unzip();
            self.push("(").push(&columns.join(", ")).push(")");
            self.push(beyond).push("(");
            for (place, value) in values.into_iter().enumerate() {
                self.push(if place > 0 { ", " } else { "" }).bind(value);
            }
            return self.push(")");
        }
        // a >= 1 AND (a > 1 OR a = 1 AND (b > 2 OR b = 2 AND c > 3))
        let last = place.len().saturating_sub(1);
        for (number, (column, value)) in place.into_iter().enumerate() {
            if number == 0 && last > 0 {
                self.push(&column).push(beyond.trim_end()).push("= ");
                self.bind(value.clone()).push(" AND ");
            }
            if number < last {
                self.push("(").push(&column).push(beyond);
                self.bind(value.clone()).push(" OR ");
                self.push(&column).push(" = ").bind(value);
                self.push(" AND ");
            } else {
                self.push(&column).push(beyond).bind(value);
            }
        }
        self.push(&")".repeat(last))
    }

    /// Archived leads, or those that are not.
    pub(crate) fn and_archived(&mut self, archived: bool) -> &mut Self {
        self.push(match archived {
            true => " AND archived = true",
            false => " AND archived = false",
        })
    }

    /// A range of times: from the first on, before the second.
    pub(crate) fn and_between(
        &mut self,
        column: &str,
        (from, before): (Option<i64>, Option<i64>),
    ) -> &mut Self {
        if let Some(from) = from {
            self.push(" AND ").push(column).push(" >= ").number(from);
        }
        if let Some(before) = before {
            self.push(" AND ").push(column).push(" < ").number(before);
        }
        self
    }

    /// As a number, not a parameter: SQLite makes its plan anew whenever a parameter is bound that
    /// is a limit, and PostgreSQL one for a tenth of the rows.
    pub(crate) fn limit(&mut self, most: u64) -> &mut Self {
        // The largest number that any database takes.
        let most = most.min(i64::MAX.unsigned_abs());
        self.push("\nLIMIT ").push(&most.to_string())
    }

    #[cfg(test)]
    pub(crate) fn explained(mut self, explain: &str) -> Self {
        self.text.insert_str(0, explain);
        self
    }
}
