//! The one place that folds text: what sorts alike, what a search finds, which e-mails and phones
//! are the same.
//!
//! Every backend compares the bytes made here, so all of them order and find alike, whatever the
//! collation of the database below. What is folded is only ever a key beside the text; the text
//! itself is stored and returned as it was typed.
//!
//! *Folding* is compatibility decomposition (NFKD, Unicode Standard Annex 15), dropping of accents
//! and points, and full case folding (Unicode Standard, section 3.13), so `Straße`, `STRASSE` and
//! `strasse` are one, and so are `José` and `jose`. Marks that carry meaning of their own stay: the
//! vowel signs of Indic scripts, the voicing marks of Japanese.
//!
//! ```
//! use crm_core::text;
//!
//! assert_eq!(text::fold("Łukasz JOSÉ Straße"), "łukasz jose strasse");
//! assert_eq!(text::words("O’Brien & Sons").collect::<Vec<_>>(), ["o", "brien", "sons"]);
//! ```

use caseless::Caseless as _;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};

/// The version of the rules in this module.
///
/// A backend stores it beside its indexes; when the stored number differs from this one, the
/// indexes must be rebuilt before they are used.
pub const FOLDING_VERSION: u32 = 1;

/// The longest sort key, in bytes. Longer ones are cut on a character boundary; leads that differ
/// only beyond it are ordered by id.
pub const MAX_SORT_KEY: usize = 128;

/// The longest search word, in bytes. Longer ones are cut on a character boundary.
pub const MAX_WORD: usize = 64;

/// The shortest suffix of a phone number that a search finds, in digits.
pub const MIN_PHONE_SUFFIX: usize = 6;

/// Separates the last from the first name in a sort key: below every character a name may hold, so
/// `Smith, Zoe` comes before `Smithson, Anna`.
const NAME_SEPARATOR: char = '\u{1}';

/// Folds a text: what is equal after folding is the same to a search and to a sort.
///
/// Folding is idempotent: `fold(&fold(x)) == fold(x)`.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // Case folding can give characters that decompose further, so the two steps run twice; a third
    // round changes nothing (`folding_twice_is_folding_once`).
    fold_once(&fold_once(text))
}

fn fold_once(text: &str) -> String {
    text.nfkd()
        .default_case_fold()
        .nfkd()
        .filter(|c| !is_accent(*c))
        .collect()
}

/// Accents and points, by canonical combining class: 10–36 are Hebrew and Arabic points, 200 and
/// up are what stands above, below or through a letter. Classes 0 and 7–9 (vowel signs, nukta,
/// kana voicing, virama) and 84–132 (South-East Asian signs) make another letter or tone.
fn is_accent(c: char) -> bool {
    matches!(canonical_combining_class(c), 10..=36 | 200..=240)
}

/// The key by which a text sorts: folded, white space collapsed, at most [`MAX_SORT_KEY`] bytes.
#[must_use]
pub fn sort_key(text: &str) -> String {
    let mut key = collapse(&fold(text));
    cut(&mut key, MAX_SORT_KEY);
    key
}

/// The key by which people sort: last name, then first name. A missing last name is replaced by
/// the first. `None` if there is neither.
#[must_use]
pub fn name_key(first: Option<&str>, last: Option<&str>) -> Option<String> {
    let mut key = match (last, first) {
        (Some(last), Some(first)) => {
            let mut key = collapse(&fold(last));
            key.push(NAME_SEPARATOR);
            key.push_str(&collapse(&fold(first)));
            key
        }
        (Some(only), None) | (None, Some(only)) => collapse(&fold(only)),
        (None, None) => return None,
    };
    cut(&mut key, MAX_SORT_KEY);
    Some(key)
}

/// The words of a text, folded: runs of letters, digits and their marks, each at most
/// [`MAX_WORD`] bytes, in order, repeated ones included.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    let folded = fold(text);
    let mut words = Vec::new();
    for word in folded
        .split(|c: char| !is_word(c))
        .filter(|word| !word.is_empty())
    {
        let mut word = word.to_owned();
        cut(&mut word, MAX_WORD);
        words.push(word);
    }
    words.into_iter()
}

/// The key by which two e-mail addresses are the same: composed (NFKC) and case-folded, accents
/// kept, because they tell mailboxes apart.
#[must_use]
pub fn email_key(email: &str) -> String {
    if email.is_ascii() {
        return email.to_ascii_lowercase();
    }
    let folded: String = email
        .nfkd()
        .default_case_fold()
        .nfkd()
        .default_case_fold()
        .nfkc()
        .collect();
    folded
}

/// The key by which two phone numbers are the same: their digits, without the `+` or `00` that
/// introduces a country code. Separators and letters do not count.
///
/// ```
/// use crm_core::text::phone_key;
///
/// assert_eq!(phone_key("+263 (77) 123-4567"), "263771234567");
/// assert_eq!(phone_key("00263 771 234 567"), "263771234567");
/// ```
#[must_use]
pub fn phone_key(phone: &str) -> String {
    let digits: String = phone.nfkd().filter(|c| c.is_numeric()).collect();
    match digits.strip_prefix("00") {
        Some(rest) => rest.to_owned(),
        None => digits,
    }
}

/// The search words of a phone number: its digits, and each suffix of [`MIN_PHONE_SUFFIX`] digits
/// or more, so that it is found with or without its country and area code.
pub fn phone_words(phone: &str) -> impl Iterator<Item = String> {
    let digits = phone_key(phone);
    let starts: Vec<usize> = digits.char_indices().map(|(at, _)| at).collect();
    let count = starts.len();
    let mut words = Vec::new();
    for (index, start) in starts.into_iter().enumerate() {
        if index == 0 || count - index >= MIN_PHONE_SUFFIX {
            let mut word = digits.get(start..).unwrap_or_default().to_owned();
            cut(&mut word, MAX_WORD);
            words.push(word);
        }
    }
    words.into_iter()
}

/// The words a query asks for, folded, each once.
///
/// A phone number among them is one word, so it is found however it was typed and stored: seven
/// digits or more in one piece (`660-485-0224`), in pieces that begin with `+`, `(` or `00`, or in
/// three pieces or more of at most four digits each (`660 485 0224`).
///
/// ```
/// use crm_core::text::query_words;
///
/// assert_eq!(query_words("Acme  +263 77 123-4567"), ["acme", "263771234567"]);
/// ```
#[must_use]
pub fn query_words(query: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut add = |word: String| {
        if !word.is_empty() && !found.contains(&word) {
            found.push(word);
        }
    };
    for run in phone_runs(query) {
        match run {
            Run::Phone(text) => {
                let mut word = phone_key(text);
                cut(&mut word, MAX_WORD);
                add(word);
            }
            Run::Text(text) => words(text).for_each(&mut add),
        }
    }
    found
}

enum Run<'a> {
    Phone(&'a str),
    Text(&'a str),
}

/// Splits a query into what reads as a phone number and what does not, at white space.
fn phone_runs(query: &str) -> Vec<Run<'_>> {
    const MIN_DIGITS: usize = 7;
    let is_phone = |token: &str| {
        token.chars().any(|c| c.is_ascii_digit())
            && token
                .chars()
                .all(|c| c.is_ascii_digit() || "+-./()".contains(c))
    };
    let start_of = |token: &str| token.as_ptr() as usize - query.as_ptr() as usize;
    let mut runs = Vec::new();
    let mut tokens = query.split_whitespace().peekable();
    while let Some(token) = tokens.next() {
        if !is_phone(token) {
            runs.push(Run::Text(token));
            continue;
        }
        let start = start_of(token);
        let mut end = start + token.len();
        let mut parts = vec![token];
        while let Some(next) = tokens.next_if(|next| is_phone(next)) {
            end = start_of(next) + next.len();
            parts.push(next);
        }
        let whole = query.get(start..end).unwrap_or(token);
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).count();
        // Numbers side by side are not yet a phone number: a house number and a year, two years.
        let is_grouped = parts.len() == 1
            || whole.starts_with(['+', '('])
            || whole.starts_with("00")
            || (parts.len() > 2 && parts.iter().all(|part| digits(part) <= 4));
        if is_grouped && digits(whole) >= MIN_DIGITS {
            runs.push(Run::Phone(whole));
        } else {
            runs.extend(parts.into_iter().map(Run::Text));
        }
    }
    runs
}

/// Cuts a text to at most `max` bytes, on a character boundary.
pub fn cut(text: &mut String, max: usize) {
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max));
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c)
}

fn collapse(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn accents_case_and_compatibility_forms_fold_away() {
        for (typed, folded) in [
            ("José", "jose"),
            ("Jose\u{301}", "jose"),
            ("STRASSE", "strasse"),
            ("Straße", "strasse"),
            ("İstanbul", "istanbul"),
            ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
            ("ﬁn", "fin"),
            ("ＡＢＣ１２", "abc12"),
            ("Ёлка", "елка"),
        ] {
            assert_eq!(fold(typed), folded, "{typed}");
        }
    }

    #[test]
    fn marks_that_make_another_letter_stay() {
        assert_ne!(fold("が"), fold("か"));
        assert_ne!(fold("कि"), fold("क"));
        assert_eq!(
            words("がぎ").count(),
            1,
            "a voicing mark does not end a word"
        );
    }

    #[test]
    fn names_sort_by_last_then_first() {
        let key = |first, last| name_key(Some(first), Some(last));
        assert!(key("Zoe", "Smith") < key("Anna", "Smithson"));
        assert!(key("Anna", "Smith") < key("Zoe", "smith"));
        assert_eq!(name_key(None, Some("Smith")), Some("smith".into()));
        assert_eq!(name_key(None, None), None);
    }

    #[test]
    fn a_phone_is_found_by_its_end_and_however_it_is_typed() {
        let words: Vec<_> = phone_words("+263 77 123 4567").collect();
        assert_eq!(words[0], "263771234567");
        assert!(words.contains(&"1234567".to_owned()));
        assert!(words.iter().all(|word| word.len() >= MIN_PHONE_SUFFIX));
        assert_eq!(query_words("660-485-0224"), ["6604850224"]);
        assert_eq!(query_words("660 485 0224"), ["6604850224"]);
        assert_eq!(query_words("00263 771234567"), ["263771234567"]);
        assert_eq!(query_words("room 12 floor 3"), ["room", "12", "floor", "3"]);
        assert_eq!(query_words("1234567 2020"), ["1234567", "2020"]);
        assert_eq!(query_words("2024 2025"), ["2024", "2025"]);
        assert_eq!(phone_words("911").collect::<Vec<_>>(), ["911"]);
    }

    #[test]
    fn keys_are_cut_on_a_character_boundary() {
        // U+FDFA folds to 33 bytes, so a short text can make a long key.
        let key = sort_key(&"\u{FDFA}".repeat(200));
        assert!(key.len() <= MAX_SORT_KEY && key.len() > MAX_SORT_KEY - 4);
    }

    proptest! {
        #[test]
        fn folding_twice_is_folding_once(text in "\\PC{0,40}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }

        #[test]
        fn case_and_composition_do_not_matter(text in "[\\p{Latin}\\p{Greek}\\p{Cyrillic} ]{0,20}") {
            let decomposed: String = text.nfd().collect();
            prop_assert_eq!(fold(&decomposed), fold(&text));
            // Upper case is not stable for a few characters outside folding (ı, ŉ), so compare by
            // lower case, which folding must absorb.
            let folded_lower = fold(&text.to_lowercase());
            prop_assert_eq!(fold(&folded_lower), folded_lower);
        }

        #[test]
        fn every_word_is_short_folded_and_not_empty(text in "\\PC{0,200}") {
            for word in words(&text) {
                prop_assert!(!word.is_empty() && word.len() <= MAX_WORD);
                prop_assert!(word.chars().all(is_word));
            }
        }

        #[test]
        fn sort_keys_never_hold_the_byte_that_ends_them(text in "[^\\x00]{0,60}") {
            prop_assert!(!sort_key(&text).contains('\0'));
        }

        #[test]
        fn email_keys_are_stable(text in "\\PC{0,40}") {
            let once = email_key(&text);
            prop_assert_eq!(email_key(&once), once);
        }
    }
}
