//! What is wrong with an input: every problem at once, each naming its field.
//!
//! Messages name the field and the rule, never the value, which may be personal.

use std::borrow::Cow;
use std::fmt;

/// An input that was refused, with everything that is wrong with it.
///
/// ```
/// use crm_core::lead::NewLead;
///
/// let refused = NewLead::new("", "Doe", "john@").unwrap_err();
/// let fields: Vec<_> = refused.problems().iter().map(|problem| problem.field()).collect();
/// assert_eq!(fields, ["first_name", "email"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Invalid {
    problems: Vec<Problem>,
}

impl Invalid {
    /// A refusal for a single problem.
    #[must_use]
    pub fn one(field: impl Into<Cow<'static, str>>, kind: ProblemKind) -> Self {
        Self {
            problems: vec![Problem::new(field, kind)],
        }
    }

    /// Everything that is wrong, in the order of the fields; never empty.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The same problems, of a field that holds this one: `code` becomes `value.code`.
    #[must_use]
    pub(crate) fn within(mut self, parent: &str) -> Self {
        for problem in &mut self.problems {
            problem.field = format!("{parent}.{}", problem.field).into();
        }
        self
    }

    /// The same problems, all said of another field.
    #[must_use]
    pub(crate) fn renamed(mut self, field: &str) -> Self {
        for problem in &mut self.problems {
            problem.field = field.to_owned().into();
        }
        self
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

/// One thing wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    field: Cow<'static, str>,
    kind: ProblemKind,
}

impl Problem {
    /// A problem of a field.
    #[must_use]
    pub fn new(field: impl Into<Cow<'static, str>>, kind: ProblemKind) -> Self {
        Self {
            field: field.into(),
            kind,
        }
    }

    /// The field as it is called in JSON: `first_name`, `custom.budget`, `limit`.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> &ProblemKind {
        &self.kind
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.kind)
    }
}

/// What may be wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProblemKind {
    /// It is not there, and must be.
    #[error("is required")]
    Missing,
    /// It is there and holds nothing but white space.
    #[error("must not be blank: give a value, or leave it out")]
    Blank,
    /// It is longer than `max`, counted in `unit`.
    #[error("is too long: at most {max} {unit}")]
    TooLong {
        /// The limit.
        max: usize,
        /// What the limit counts: `characters`, `bytes`, `tags`, `levels`.
        unit: &'static str,
    },
    /// It holds U+0000, which no field may.
    #[error("must not contain U+0000")]
    Nul,
    /// It holds a control character, such as a line break in a name.
    #[error("must not contain control characters")]
    ControlCharacter,
    /// It is not written as such a field is.
    #[error("is malformed: expected {expected}")]
    Malformed {
        /// What would be right.
        expected: &'static str,
    },
    /// It is a number outside of `min..=max`.
    #[error("is out of range: must be between {min} and {max}")]
    OutOfRange {
        /// The smallest value allowed.
        min: i64,
        /// The largest value allowed.
        max: i64,
    },
    /// It names something that does not exist.
    #[error("is unknown: must be one of {}", known.join(", "))]
    Unknown {
        /// What does exist.
        known: Vec<String>,
    },
    /// It is there twice.
    #[error("is given more than once")]
    Duplicate,
    /// The lead's status needs it.
    #[error("is required in status \"{status}\"")]
    RequiredByStatus {
        /// The status that needs it.
        status: String,
    },
    /// It names a status that is being removed, which nothing may enter.
    #[error("is being retired: use \"{destination}\" instead")]
    Retiring {
        /// Where its leads go.
        destination: String,
    },
    /// It is a time that is yet to come.
    #[error("must not be in the future")]
    Future,
    /// A lead must be known by something.
    #[error("must have a name, an e-mail, a phone or a company")]
    Unidentified,
    /// A time that cannot be: the end of a range before its start, a change before the creation.
    #[error("must not be before {other}")]
    Before {
        /// The field that must come first.
        other: &'static str,
    },
}

/// Collects problems while a whole input is looked at.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    pub(crate) fn add(&mut self, field: impl Into<Cow<'static, str>>, kind: ProblemKind) {
        self.0.push(Problem::new(field, kind));
    }

    /// Keeps what is right, notes what is wrong.
    pub(crate) fn keep<T>(&mut self, result: Result<T, Invalid>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(invalid) => {
                self.0.extend(invalid.problems);
                None
            }
        }
    }

    /// Adds what is wrong with fields that have no problem yet: a field whose value is wrong is
    /// not missing as well.
    pub(crate) fn add_new(&mut self, invalid: Invalid) {
        let known: Vec<String> = self.0.iter().map(|known| known.field.to_string()).collect();
        let is_new = |problem: &Problem| {
            let part = format!("{}.", problem.field);
            !known
                .iter()
                .any(|known| *known == problem.field || known.starts_with(&part))
        };
        self.0.extend(invalid.problems.into_iter().filter(is_new));
    }

    pub(crate) fn finish(self) -> Result<(), Invalid> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Invalid { problems: self.0 })
        }
    }
}
