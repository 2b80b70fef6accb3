//! Text search: the words a search asks for, and the words a lead is found by.

use crate::lead::{EmailAddress, Invalid, Lead, PhoneNumber, ProblemKind};
use crate::text;
use serde::Serialize;
use std::fmt;

/// The longest text of a search, in characters.
pub const MAX_SEARCH: usize = 200;

/// The words of a search, folded: each must be the beginning of some word of a lead.
///
/// ```
/// use crm_core::query::SearchWords;
///
/// let words = SearchWords::parse("Acme JOSÉ jo")?;
/// assert_eq!(words.iter().collect::<Vec<_>>(), ["acme", "jose"], "who begins with jose does with jo");
/// assert!(SearchWords::parse("—").is_err());
/// # Ok::<(), crm_core::lead::Invalid>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct SearchWords(Vec<String>);

impl SearchWords {
    /// The words of a text.
    ///
    /// # Errors
    ///
    /// A text over [`MAX_SEARCH`] characters, or without any letter or digit (field `q`).
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        // The byte count first: it refuses megabytes without walking them.
        if text.len() > MAX_SEARCH * 4 || text.chars().count() > MAX_SEARCH {
            let kind = ProblemKind::TooLong {
                max: MAX_SEARCH,
                unit: "characters",
            };
            return Err(Invalid::one("q", kind));
        }
        let mut words = text::query_words(text);
        words.sort_unstable();
        // Sorted, a word stands directly before the words that begin with it and imply it.
        let mut kept: Vec<String> = Vec::with_capacity(words.len());
        for word in words {
            match kept.last_mut() {
                Some(last) if word.starts_with(last.as_str()) => *last = word,
                _ => kept.push(word),
            }
        }
        if kept.is_empty() {
            let kind = ProblemKind::Malformed {
                expected: "a text with at least one letter or digit",
            };
            return Err(Invalid::one("q", kind));
        }
        Ok(Self(kept))
    }

    /// Whether nothing is searched for, so that every lead matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The words, sorted; none is the beginning of another.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether each word is the beginning of one of [`search_words`].
    #[must_use]
    pub fn find(&self, lead: &Lead) -> bool {
        self.iter().all(|word| {
            let in_text = texts(lead).any(|text| has_word(text, word));
            // A phone's words are made of digits.
            in_text || (word.starts_with(char::is_numeric) && has_phone(lead, word))
        })
    }
}

/// What people search for are often names: only the number of words is shown.
impl fmt::Debug for SearchWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SearchWords({})", self.0.len())
    }
}

fn texts(lead: &Lead) -> impl Iterator<Item = &str> {
    let texts = [
        lead.first_name.as_deref(),
        lead.last_name.as_deref(),
        lead.email.as_ref().map(EmailAddress::as_str),
        lead.company.as_deref(),
    ];
    texts.into_iter().flatten()
}

fn has_word(text: &str, prefix: &str) -> bool {
    if !text.is_ascii() {
        return text::words(text).any(|word| word.starts_with(prefix));
    }
    // Most texts are ASCII, where folding is only the case, and searches look at many leads.
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter_map(|word| word.get(..prefix.len()))
        .any(|start| start.eq_ignore_ascii_case(prefix))
}

fn has_phone(lead: &Lead, prefix: &str) -> bool {
    let phone = lead.phone.as_ref().map(PhoneNumber::as_str);
    let mut words = phone.into_iter().flat_map(text::phone_words);
    words.any(|word| word.starts_with(prefix))
}

/// The words a lead is found by: of its name, e-mail and company, and what
/// [`text::phone_words`] makes of its phone. Folded, sorted, each once.
///
/// A backend indexes exactly these.
#[must_use]
pub fn search_words(lead: &Lead) -> Vec<String> {
    let mut words: Vec<String> = texts(lead).flat_map(text::words).collect();
    if let Some(phone) = &lead.phone {
        words.extend(text::phone_words(phone.as_str()));
    }
    words.sort_unstable();
    words.dedup();
    words
}

/// The first of sorted words that begins with a prefix.
pub(crate) fn first_with_prefix<'a>(words: &'a [String], prefix: &str) -> Option<&'a str> {
    let at = words.partition_point(|word| word.as_str() < prefix);
    words
        .get(at)
        .map(String::as_str)
        .filter(|word| word.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::testing::lead;
    use proptest::prelude::*;

    fn finds(text: &str) -> bool {
        let mut lead = lead(1);
        lead.first_name = Some("José".into());
        lead.last_name = Some("O’Brien".into());
        lead.email = Some("jose.obrien@example.com".parse().unwrap());
        lead.company = Some("Straße & Söhne".into());
        lead.phone = Some("+263 77 123 4567".parse().unwrap());
        SearchWords::parse(text).unwrap().find(&lead)
    }

    #[test]
    fn every_word_must_begin_a_word_of_the_lead() {
        for text in [
            "jose",
            "JOSÉ brien",
            "o’br",
            "strasse",
            "sohn",
            "jose.obrien@example.com",
            "exam",
            "77 123 4567 jose",
            "1234567",
            "+263 (77) 123-4567",
        ] {
            assert!(finds(text), "{text}");
        }
        for text in ["osé", "jose smith", "rien", "7654321", "josef"] {
            assert!(!finds(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_search_finds_what_the_words_of_a_lead_begin_with(
            first in "[a-cA-C .\u{301}é1٢-]{0,12}",
            company in "\\PC{0,20}|[aß]{60,70}",
            phone in "(00|[+])?[1-9][0-9٢]{2,11}",
            search in "[a-cA-C éß12]{1,8}|[0-9٢]{1,12}|[aß]{60,70}|\\PC{1,6}",
        ) {
            let mut lead = lead(1);
            lead.first_name = Some(first);
            lead.company = Some(company);
            lead.phone = Some(phone.parse().unwrap());
            let Ok(search) = SearchWords::parse(&search) else { return Ok(()) };
            let words = search_words(&lead);
            let every = search.iter().all(|prefix| words.iter().any(|word| word.starts_with(prefix)));
            prop_assert_eq!(search.find(&lead), every);
        }
    }

    #[test]
    fn a_search_has_words_and_not_too_many_characters() {
        let long = "x".repeat(10 << 20);
        for wrong in ["", "  \t", "—!?", &"é".repeat(201), &long] {
            let refused = SearchWords::parse(wrong).unwrap_err();
            assert_eq!(refused.problems()[0].field(), "q");
            assert!(refused.to_string().len() < 100);
        }
        assert!(SearchWords::parse(&"é".repeat(200)).is_ok());
    }

    #[test]
    fn a_word_that_another_implies_is_dropped() {
        let words = SearchWords::parse("b a abc ab abd").unwrap();
        assert_eq!(words.iter().collect::<Vec<_>>(), ["abc", "abd", "b"]);
    }

    #[test]
    fn debug_output_holds_no_personal_data() {
        let words = SearchWords::parse("jose").unwrap();
        assert!(!format!("{words:?}").contains("jose"));
    }
}
