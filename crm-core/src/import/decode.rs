//! From the bytes of a row to text.

use super::rows::RawRow;
use std::borrow::Cow;

/// In which encoding a file is written.
///
/// Whatever is chosen, a file that begins with the byte order mark of UTF-8 is UTF-8, and one that
/// is UTF-16 is refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// UTF-8, with or without byte order mark. A row that is not rejects itself.
    #[default]
    Utf8,
    /// ISO 8859-1, read as Windows-1252, which has the same letters and adds `€`, `“` and others
    /// where ISO 8859-1 has control characters. Any bytes are text in it.
    Latin1,
    /// UTF-8, and a row that is not is read as [`Latin1`](Self::Latin1): for files that were put
    /// together from several.
    Utf8OrLatin1,
}

/// A cell that is not written in the encoding of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotText;

pub(super) type Cell<'a> = Result<Cow<'a, str>, NotText>;

/// The cells of a row as text.
pub(super) fn decoded(row: &RawRow, encoding: Encoding) -> Vec<Cell<'_>> {
    let latin1 = |bytes| {
        let (text, _) = encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes);
        Ok(text)
    };
    if encoding == Encoding::Latin1 {
        return row.cells().map(latin1).collect();
    }
    let utf8 = |bytes| {
        std::str::from_utf8(bytes)
            .map(Cow::Borrowed)
            .map_err(|_| NotText)
    };
    let cells: Vec<Cell<'_>> = row.cells().map(utf8).collect();
    if encoding == Encoding::Utf8OrLatin1 && cells.iter().any(Result::is_err) {
        return row.cells().map(latin1).collect();
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::super::rows::Rows;
    use super::*;

    fn decode(bytes: &[u8], encoding: Encoding) -> Vec<Option<String>> {
        let mut row = RawRow::default();
        Rows::open(bytes, b',').unwrap().read(&mut row).unwrap();
        let cells = decoded(&row, encoding).into_iter();
        cells.map(|cell| cell.ok().map(Cow::into_owned)).collect()
    }

    fn texts(cells: &[&str]) -> Vec<Option<String>> {
        cells.iter().map(|cell| Some((*cell).to_owned())).collect()
    }

    #[test]
    fn each_encoding_reads_its_bytes() {
        assert_eq!(
            decode("José,x".as_bytes(), Encoding::Utf8),
            texts(&["José", "x"])
        );
        assert_eq!(
            decode(b"Jos\xe9,\x80", Encoding::Latin1),
            texts(&["José", "€"])
        );
        assert_eq!(
            decode(b"Jos\xe9,\x81", Encoding::Utf8OrLatin1),
            texts(&["José", "\u{81}"])
        );
        assert_eq!(
            decode("José,x".as_bytes(), Encoding::Utf8OrLatin1),
            texts(&["José", "x"])
        );
    }

    #[test]
    fn only_the_cell_that_is_no_text_is_blamed() {
        assert_eq!(
            decode(b"Jos\xe9,x", Encoding::Utf8),
            [None, Some("x".to_owned())]
        );
        // Together these two would be one letter.
        assert_eq!(decode(b"\xc3,\xa9", Encoding::Utf8), [None, None]);
    }
}
