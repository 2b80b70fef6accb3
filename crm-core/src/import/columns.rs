//! What each column of a file is: recognised by its name, or said by the caller.

use super::error::ImportErrorKind;
use super::names::{looks_like_a_value, plain, recognised, shown};
use crate::lead::{CustomKey, Field, slug_of};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// What a column is read as.
///
/// A [`Field`] is a target of its own: `Field::Email.into()`. [`Field::Value`] is the amount,
/// [`Field::Custom`] keeps the cell's text, the others are read as their fields are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// A field.
    Field(Field),
    /// First and last name in one cell: `Doe, John`, or the last word is the last name. It counts
    /// in rows that have neither in columns of their own.
    FullName,
    /// When the lead was created.
    CreatedAt,
    /// The currency of the amount.
    Currency,
    /// Nothing.
    Ignore,
}

impl From<Field> for Target {
    fn from(field: Field) -> Self {
        Self::Field(field)
    }
}

/// A column of an imported file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    name: Arc<str>,
    target: Option<Target>,
}

impl Column {
    /// Its name in the file, at most 100 characters of it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is read as; `None` if it was not recognised.
    #[must_use]
    pub const fn target(&self) -> Option<&Target> {
        self.target.as_ref()
    }

    pub(super) fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }
}

/// What happens to columns that are not recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Extra {
    #[default]
    Drop,
    Keep,
}

/// One target, and the columns it is read from: the first that is not blank.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) target: Target,
    pub(super) columns: Vec<usize>,
}

/// The columns of a file.
#[derive(Debug, Default)]
pub(super) struct Columns {
    pub(super) all: Vec<Column>,
    pub(super) slots: Vec<Slot>,
}

impl Columns {
    /// Takes the header's cells, what the caller said of them, and recognises the rest.
    pub(super) fn resolve(
        names: &[&str],
        wanted: &[(String, Target)],
        extra: Extra,
        line: u64,
    ) -> Result<Self, ImportErrorKind> {
        let mut targets: Vec<Option<(Target, usize)>> = vec![None; names.len()];
        let all_shown = || names.iter().map(|name| shown(name).to_string()).collect();
        let looks_like_values = names.iter().all(|name| name.trim().is_empty())
            || names.iter().any(|name| looks_like_a_value(name));
        for (column, target) in wanted {
            let found = find(names, column);
            match found.as_slice() {
                [index] => {
                    if let Some(place) = targets.get_mut(*index) {
                        *place = Some((target.clone(), 0));
                    }
                }
                [] if looks_like_values => return Err(ImportErrorKind::NoHeader { line }),
                [] => {
                    return Err(ImportErrorKind::UnknownColumn {
                        column: column.clone(),
                        columns: all_shown(),
                    });
                }
                _ => {
                    return Err(ImportErrorKind::AmbiguousColumn {
                        column: column.clone(),
                    });
                }
            }
        }
        for (name, place) in names.iter().zip(&mut targets) {
            if place.is_none() {
                let is_taken = |target: &Target| wanted.iter().any(|(_, taken)| taken == target);
                *place = recognised(name).filter(|(target, _)| !is_taken(target));
            }
        }
        let identifies = |place: &Option<(Target, usize)>| {
            place
                .as_ref()
                .is_some_and(|(target, _)| is_identifying(target))
        };
        if !targets.iter().any(identifies) {
            // Not one known name: more likely a row than a header, and then its cells are personal.
            let is_known = |name: &&str| {
                name.split([';', '\t', '|'])
                    .any(|part| recognised(part).is_some())
            };
            let is_unknown = targets.iter().all(Option::is_none) && !names.iter().any(is_known);
            return Err(if looks_like_values || is_unknown {
                ImportErrorKind::NoHeader { line }
            } else {
                ImportErrorKind::NoUsableColumn {
                    columns: all_shown(),
                }
            });
        }
        if extra == Extra::Keep {
            keep_extra(names, &mut targets);
        }
        Ok(Self::new(names, &targets))
    }

    fn new(names: &[&str], targets: &[Option<(Target, usize)>]) -> Self {
        let all = names.iter().zip(targets).map(|(name, target)| Column {
            name: shown(name),
            target: target.as_ref().map(|(target, _)| target.clone()),
        });
        let mut ranked: Vec<(usize, usize, &Target)> = targets
            .iter()
            .enumerate()
            .filter_map(|(index, target)| {
                target.as_ref().map(|(target, rank)| (*rank, index, target))
            })
            .filter(|(.., target)| **target != Target::Ignore)
            .collect();
        ranked.sort_by_key(|(rank, index, _)| (*rank, *index));
        let mut slots: Vec<Slot> = Vec::new();
        for (_, index, target) in ranked {
            // Custom keys are unique, and there may be thousands of them.
            let known = match target {
                Target::Field(Field::Custom(_)) => None,
                _ => slots.iter_mut().find(|slot| slot.target == *target),
            };
            match known {
                Some(slot) => slot.columns.push(index),
                None => slots.push(Slot {
                    target: target.clone(),
                    columns: vec![index],
                }),
            }
        }
        Self {
            all: all.collect(),
            slots,
        }
    }

    pub(super) fn slot(&self, target: &Target) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.target == *target)
    }
}

/// The columns that a caller means: by the exact name, otherwise by its letters and digits.
fn find(names: &[&str], wanted: &str) -> Vec<usize> {
    let by = |is_it: &dyn Fn(&str) -> bool| {
        let found = names.iter().enumerate().filter(|(_, name)| is_it(name));
        found.map(|(index, _)| index).collect::<Vec<_>>()
    };
    let exact = by(&|name| name.trim() == wanted.trim());
    let folded = plain(wanted);
    if !exact.is_empty() || folded.is_empty() {
        return exact;
    }
    by(&|name| plain(name) == folded)
}

fn is_identifying(target: &Target) -> bool {
    matches!(
        target,
        Target::FullName
            | Target::Field(
                Field::FirstName | Field::LastName | Field::Email | Field::Phone | Field::Company
            )
    )
}

/// Gives each column that has no target a custom field, named like the column.
fn keep_extra(names: &[&str], targets: &mut [Option<(Target, usize)>]) {
    let mut taken: BTreeSet<String> = targets
        .iter()
        .flatten()
        .filter_map(|(target, _)| match target {
            Target::Field(Field::Custom(key)) => Some(key.as_str().to_owned()),
            _ => None,
        })
        .collect();
    // Where counting goes on for a name that thousands of columns have.
    let mut counts: HashMap<String, usize> = HashMap::new();
    for (index, (name, place)) in names.iter().zip(targets).enumerate() {
        if place.is_some() {
            continue;
        }
        let position = format!("column_{}", index + 1);
        // A name in another script has no slug, and is a key as it is.
        let own = || {
            CustomKey::new(name.trim())
                .is_ok()
                .then(|| name.trim().to_owned())
        };
        let key = slug_of(name).or_else(own).unwrap_or(position);
        let number = counts.entry(key.clone()).or_insert(1);
        let mut free = key.clone();
        while taken.contains(&free) {
            *number += 1;
            free = format!("{key}_{number}");
        }
        if let Ok(field) = Field::custom(&free) {
            taken.insert(free);
            *place = Some((Target::Field(field), 0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(names: &[&str], wanted: &[(&str, Target)]) -> Result<Columns, ImportErrorKind> {
        let wanted: Vec<_> = wanted
            .iter()
            .map(|(name, target)| ((*name).to_owned(), target.clone()))
            .collect();
        Columns::resolve(names, &wanted, Extra::Drop, 1)
    }

    fn targets(columns: &Columns) -> Vec<Option<&Target>> {
        columns.all.iter().map(Column::target).collect()
    }

    #[test]
    fn of_two_columns_for_one_field_the_more_usual_name_is_preferred() {
        let columns =
            resolved(&["Mobile", "E-mail", "Phone", "Work Email", "Mobile"], &[]).unwrap();
        let of = |field: Field| columns.slot(&field.into()).unwrap().columns.clone();
        assert_eq!(of(Field::Phone), [2, 0, 4]);
        assert_eq!(of(Field::Email), [1, 3]);
    }

    #[test]
    fn what_the_caller_says_replaces_what_is_recognised() {
        let columns = resolved(
            &["Name", "Cell", "Phone", "Score"],
            &[
                ("cell", Field::Phone.into()),
                ("Name", Field::Company.into()),
                ("SCORE ", Field::custom("score").unwrap().into()),
            ],
        )
        .unwrap();
        assert_eq!(
            targets(&columns),
            [
                Some(&Field::Company.into()),
                Some(&Field::Phone.into()),
                None,
                Some(&Field::custom("score").unwrap().into()),
            ]
        );
        let ignored = resolved(&["Phone", "Email"], &[("Phone", Target::Ignore)]).unwrap();
        assert_eq!(ignored.slots.len(), 1);
    }

    #[test]
    fn a_column_that_cannot_be_found_is_an_error_that_lists_those_there_are() {
        let refused = resolved(&["Name", "Cell"], &[("Handy", Field::Phone.into())]).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "there is no column \"Handy\" to map; the columns are \"Name\", \"Cell\""
        );
        let refused = resolved(&["Name", "x!", "X"], &[("x", Target::Ignore)]).unwrap_err();
        assert!(
            matches!(refused, ImportErrorKind::AmbiguousColumn { .. }),
            "{refused}"
        );
    }

    #[test]
    fn a_header_that_identifies_nobody_says_how_to_map() {
        let refused = resolved(&["Naam;Bedrijf", "Status"], &[]).unwrap_err();
        let told = refused.to_string();
        assert!(
            told.contains("\"Naam;Bedrijf\", \"Status\"") && told.contains("delimiter"),
            "{told}"
        );
    }

    #[test]
    fn a_file_without_header_is_told_without_repeating_its_values() {
        for (names, wanted) in [
            (&["Ann", "ann@example.com"][..], &[][..]),
            (&["Ann", "+263 77 123"], &[]),
            (
                &["Ann", "ann@example.com"],
                &[("E-mail", Field::Email.into())],
            ),
            (&["", " "], &[]),
        ] {
            let refused = resolved(names, wanted).unwrap_err();
            assert!(
                matches!(refused, ImportErrorKind::NoHeader { line: 1 }),
                "{refused}"
            );
            assert!(!refused.to_string().contains("Ann"));
        }
    }

    #[test]
    fn extra_columns_are_kept_under_keys_of_their_own() {
        let names = [
            "Email",
            "Zip Code",
            "zip-code",
            "Отрасль",
            "",
            "Score",
            "Ignored",
        ];
        let wanted = [
            (
                "Score".to_owned(),
                Field::custom("zip_code_2").unwrap().into(),
            ),
            ("Ignored".to_owned(), Target::Ignore),
        ];
        let columns = Columns::resolve(&names, &wanted, Extra::Keep, 1).unwrap();
        let keys: Vec<_> = columns
            .all
            .iter()
            .map(|column| match column.target() {
                Some(Target::Field(Field::Custom(key))) => key.as_str(),
                _ => "",
            })
            .collect();
        assert_eq!(
            keys,
            [
                "",
                "zip_code",
                "zip_code_3",
                "Отрасль",
                "column_5",
                "zip_code_2",
                ""
            ]
        );
        let same = vec!["x"; 16_000];
        let names: Vec<_> = std::iter::once("Email").chain(same).collect();
        assert_eq!(
            Columns::resolve(&names, &[], Extra::Keep, 1)
                .unwrap()
                .slots
                .len(),
            16_001
        );
    }
}
