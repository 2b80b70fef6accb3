//! Checks of plain text fields, shared by new leads and by patches.

use super::limits::{MAX_NOTES, MAX_REASON};
use super::{Invalid, ProblemKind};

/// One line of text: trimmed, not blank, at most `max` characters, no control characters.
pub(crate) fn line(field: &'static str, typed: &str, max: usize) -> Result<String, Invalid> {
    trimmed_line(field, typed, max).map(str::to_owned)
}

/// The same without a copy, for what is only checked.
pub(crate) fn trimmed_line<'t>(
    field: &'static str,
    typed: &'t str,
    max: usize,
) -> Result<&'t str, Invalid> {
    let text = typed.trim();
    let kind = if text.is_empty() {
        ProblemKind::Blank
    // The byte count first: it refuses megabytes without walking them.
    } else if text.len() > max * 4 || text.len() > max && text.chars().count() > max {
        ProblemKind::TooLong {
            max,
            unit: "characters",
        }
    } else if text.contains('\0') {
        ProblemKind::Nul
    } else if text.chars().any(char::is_control) {
        ProblemKind::ControlCharacter
    } else {
        return Ok(text);
    };
    Err(Invalid::one(field, kind))
}

/// Notes: kept as typed, line breaks and tabs allowed.
pub(crate) fn notes(typed: &str) -> Result<String, Invalid> {
    checked_notes(typed).map(str::to_owned)
}

/// The same without a copy, for what is only checked.
pub(crate) fn checked_notes(typed: &str) -> Result<&str, Invalid> {
    let kind = if typed.len() > MAX_NOTES {
        ProblemKind::TooLong {
            max: MAX_NOTES,
            unit: "bytes",
        }
    } else if typed.trim().is_empty() {
        ProblemKind::Blank
    } else if typed.contains('\0') {
        ProblemKind::Nul
    } else if typed
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    {
        ProblemKind::ControlCharacter
    } else {
        return Ok(typed);
    };
    Err(Invalid::one("notes", kind))
}

/// The reason given with a status.
pub(crate) fn reason(typed: &str) -> Result<String, Invalid> {
    line("status_reason", typed, MAX_REASON)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_trimmed_and_holds_one_line() {
        assert_eq!(
            line("company", "  Acme\u{a0}Corp ", 20).unwrap(),
            "Acme\u{a0}Corp"
        );
        for wrong in ["", " \t\n", "a\nb", "a\0b", "a\u{85}b", &"é".repeat(21)] {
            assert!(line("company", wrong, 20).is_err(), "{wrong:?}");
        }
        assert!(line("company", &"é".repeat(20), 20).is_ok());
        assert!(line("company", &"x".repeat(10 << 20), 20).is_err());
    }

    #[test]
    fn notes_may_have_lines() {
        assert_eq!(notes("one\r\n\ttwo\n").unwrap(), "one\r\n\ttwo\n");
        assert!(notes("bell\u{7}").is_err());
        assert!(notes(&"x".repeat(MAX_NOTES + 1)).is_err());
    }
}
