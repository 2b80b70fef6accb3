//! Tags: short labels that people put on leads.

use super::label::{Label, label_type};
use super::limits::{MAX_TAG, MAX_TAGS};
use super::{Invalid, ProblemKind, Problems};
use crate::text;

/// A label that people put on leads: 1 to 50 characters, no control characters, white space around
/// it dropped.
///
/// Two tags are the same when they fold alike ([`key`](Self::key)): a lead with `VIP` is found by
/// `vip`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Label);

label_type!(Tag, tag);

impl Tag {
    /// What is the same for two spellings of one tag: [`text::sort_key`].
    #[must_use]
    pub fn key(&self) -> String {
        text::sort_key(&self.0)
    }
}

fn tag(typed: &str) -> Result<Label, Invalid> {
    super::check::trimmed_line("tags", typed, MAX_TAG).map(Label::from)
}

/// Checks a lead's tags: their number, and that no two are the same.
pub(crate) fn check_tags<'a>(
    typed: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<Tag>, Invalid> {
    let mut problems = Problems::default();
    let mut tags: Vec<Tag> = Vec::new();
    let mut keys = std::collections::BTreeSet::new();
    for text in typed {
        if tags.len() == MAX_TAGS {
            problems.add(
                "tags",
                ProblemKind::TooLong {
                    max: MAX_TAGS,
                    unit: "tags",
                },
            );
            break;
        }
        if let Some(tag) = problems.keep(text.parse::<Tag>()) {
            // Said twice is said once.
            if keys.insert(tag.key()) {
                tags.push(tag);
            }
        }
    }
    problems.finish()?;
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_said_twice_is_kept_once() {
        let tags = check_tags(["VIP", "vip", " Renewal "]).unwrap();
        assert_eq!(
            tags,
            ["VIP".parse::<Tag>().unwrap(), "Renewal".parse().unwrap()]
        );
    }

    #[test]
    fn bad_tags_and_too_many_are_refused() {
        assert!(check_tags([""]).is_err());
        assert!(check_tags(["a\nb"]).is_err());
        assert!(check_tags([&*"x".repeat(51)]).is_err());
        let many: Vec<String> = (0..51).map(|n| n.to_string()).collect();
        assert!(check_tags(many.iter().map(String::as_str)).is_err());
    }
}
