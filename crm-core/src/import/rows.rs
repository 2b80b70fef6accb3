//! The rows of a CSV stream, one at a time, in bounded memory, each with the line it starts in.
//!
//! The parser is `csv_core`, which leaves the buffers to its caller. That is what makes it possible
//! to stop in the middle of a field that never ends, and to know where its quote was opened.

use std::io::{ErrorKind, Read};

/// The longest cell, in bytes. Ten times what any field may hold: beyond it, a quote was not
/// closed.
pub(super) const MAX_CELL: usize = 1 << 20;
/// The longest row, in bytes, its separators not counted.
pub(super) const MAX_ROW: usize = 4 << 20;
/// The most cells of a row: as many as spreadsheets have columns.
pub(super) const MAX_CELLS: usize = 16_384;

const BUFFER: usize = 64 << 10;
/// How much of the file is looked at before anything of it is read.
const HEAD: usize = 8 << 10;
const QUOTE: u8 = b'"';

/// Why there are no further rows.
#[derive(Debug)]
pub(super) enum Broken {
    Empty,
    Utf16,
    Binary { line: u64 },
    UnclosedQuote { line: u64 },
    TooLong { line: u64 },
    Read { line: u64, source: std::io::Error },
}

/// One row, as bytes.
#[derive(Debug, Default)]
pub(super) struct RawRow {
    bytes: Vec<u8>,
    /// Where each cell ends.
    ends: Vec<usize>,
    /// The line it starts in; the first is 1.
    pub(super) line: u64,
}

impl RawRow {
    pub(super) fn cells(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, end)| self.bytes.get(start..*end).unwrap_or_default())
    }

    /// How many cells it has.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// How many bytes its cells hold.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is nothing in any of its cells.
    pub(super) fn is_blank(&self) -> bool {
        self.bytes.iter().all(u8::is_ascii_whitespace)
    }
}

/// Reads rows.
pub(super) struct Rows<R> {
    input: R,
    parser: csv_core::Reader,
    buffer: Box<[u8]>,
    /// What of the buffer is not yet consumed.
    at: usize,
    filled: usize,
    ended: bool,
    bytes: u64,
    line: u64,
    /// The last byte consumed was a carriage return: a line feed now belongs to the same line.
    after_return: bool,
    has_mark: bool,
}

impl<R: Read> Rows<R> {
    /// Looks at the beginning of the input: what is no text is refused before anything is done.
    pub(super) fn open(input: R, delimiter: u8) -> Result<Self, Broken> {
        let mut rows = Self {
            input,
            parser: csv_core::ReaderBuilder::new().delimiter(delimiter).build(),
            buffer: vec![0; BUFFER].into_boxed_slice(),
            at: 0,
            filled: 0,
            ended: false,
            bytes: 0,
            line: 1,
            after_return: false,
            has_mark: false,
        };
        while rows.filled < HEAD && !rows.ended {
            rows.fill()?;
        }
        let head = rows.pending();
        let head = head.get(..HEAD).unwrap_or(head);
        if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
            return Err(Broken::Utf16);
        }
        if let Some(at) = head.iter().position(|byte| *byte == 0) {
            let before = head.get(..at).unwrap_or_default();
            let breaks = before.iter().filter(|byte| **byte == b'\n').count();
            let line = 1 + u64::try_from(breaks).unwrap_or(0);
            return Err(Broken::Binary { line });
        }
        rows.has_mark = head.starts_with(&[0xef, 0xbb, 0xbf]);
        if rows.has_mark {
            rows.at = 3;
        }
        if !rows.seek_row()? {
            return Err(Broken::Empty);
        }
        Ok(rows)
    }

    /// Whether the input began with the byte order mark of UTF-8.
    pub(super) const fn has_utf8_mark(&self) -> bool {
        self.has_mark
    }

    /// Bytes read from the input so far. Up to 64 KiB of them are not yet rows.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads the next row; `false` if there is none.
    pub(super) fn read(&mut self, row: &mut RawRow) -> Result<bool, Broken> {
        row.bytes.clear();
        row.ends.clear();
        if !self.seek_row()? {
            return Ok(false);
        }
        row.line = self.line;
        while !self.read_cell(row)? {}
        Ok(true)
    }

    /// Reads a cell; `true` if it is the last of its row.
    fn read_cell(&mut self, row: &mut RawRow) -> Result<bool, Broken> {
        let line = self.line;
        let is_quoted = self.peek()? == Some(QUOTE);
        let start = row.bytes.len();
        let too_long = |bytes: usize| {
            if is_quoted && bytes - start > MAX_CELL {
                Err(Broken::UnclosedQuote { line })
            } else if bytes > MAX_ROW || bytes - start > MAX_CELL {
                Err(Broken::TooLong { line })
            } else {
                Ok(())
            }
        };
        let mut output = [0; 4 << 10];
        loop {
            // What ends the file ends its last row. Within a quote a line break is text, and that
            // is how an open quote is told from a closed one.
            let is_final = self.peek()?.is_none();
            let pending = self.buffer.get(self.at..self.filled).unwrap_or_default();
            let input = if is_final { b"\n" } else { pending };
            let (result, read, written) = self.parser.read_field(input, &mut output);
            row.bytes
                .extend_from_slice(output.get(..written).unwrap_or_default());
            if !is_final {
                self.consume(read);
            }
            match result {
                csv_core::ReadFieldResult::Field { record_end } => {
                    too_long(row.bytes.len())?;
                    if row.ends.len() == MAX_CELLS {
                        return Err(Broken::TooLong { line });
                    }
                    row.ends.push(row.bytes.len());
                    return Ok(record_end);
                }
                csv_core::ReadFieldResult::End => return Ok(true),
                _ if is_final => return Err(Broken::UnclosedQuote { line }),
                _ => too_long(row.bytes.len())?,
            }
        }
    }

    /// Goes to where the next row starts, over empty lines; `false` if there is none.
    fn seek_row(&mut self) -> Result<bool, Broken> {
        while let Some(byte) = self.peek()? {
            if !matches!(byte, b'\r' | b'\n') {
                return Ok(true);
            }
            self.consume(1);
        }
        Ok(false)
    }

    fn peek(&mut self) -> Result<Option<u8>, Broken> {
        while self.at == self.filled && !self.ended {
            self.at = 0;
            self.filled = 0;
            self.fill()?;
        }
        Ok(self.pending().first().copied())
    }

    fn pending(&self) -> &[u8] {
        self.buffer.get(self.at..self.filled).unwrap_or_default()
    }

    fn consume(&mut self, count: usize) {
        let pending = self.buffer.get(self.at..self.filled).unwrap_or_default();
        for byte in pending.iter().take(count) {
            let same_line = *byte == b'\n' && self.after_return;
            if matches!(byte, b'\r' | b'\n') && !same_line {
                self.line += 1;
            }
            self.after_return = *byte == b'\r';
        }
        self.at = self.filled.min(self.at.saturating_add(count));
    }

    fn fill(&mut self) -> Result<(), Broken> {
        let space = self.buffer.get_mut(self.filled..).unwrap_or_default();
        let read = match self.input.read(space) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            read => read.map_err(|source| Broken::Read {
                line: self.line,
                source,
            })?,
        };
        let read = read.min(space.len());
        self.ended = read == 0;
        self.filled += read;
        self.bytes = self.bytes.saturating_add(u64::try_from(read).unwrap_or(0));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives a byte at a time: whatever depends on where a buffer ends, breaks.
    struct Dripping<'a>(&'a [u8]);

    impl Read for Dripping<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(&mut buffer[..1])
        }
    }

    fn all<R: Read>(input: R) -> Result<Vec<(u64, Vec<String>)>, Broken> {
        let mut rows = Rows::open(input, b',')?;
        let mut row = RawRow::default();
        let mut found = Vec::new();
        while rows.read(&mut row)? {
            let cells = row
                .cells()
                .map(|cell| String::from_utf8_lossy(cell).into_owned());
            found.push((row.line, cells.collect()));
        }
        Ok(found)
    }

    fn of(lines: &[(u64, &[&str])]) -> Vec<(u64, Vec<String>)> {
        let owned = |cells: &[&str]| cells.iter().map(ToString::to_string).collect();
        lines
            .iter()
            .map(|(line, cells)| (*line, owned(cells)))
            .collect()
    }

    #[test]
    fn rows_know_their_lines_whatever_ends_them() {
        let expected = of(&[(1, &["a", "b"]), (3, &["c", "d"]), (4, &["e", ""])]);
        for end in ["\n", "\r\n", "\r"] {
            let text = format!("a,b{end}{end}c,d{end}e,");
            assert_eq!(all(text.as_bytes()).unwrap(), expected, "{end:?}");
            assert_eq!(all(Dripping(text.as_bytes())).unwrap(), expected, "{end:?}");
            let ended = format!("{text}{end}{end}");
            assert_eq!(all(ended.as_bytes()).unwrap(), expected, "{end:?}");
        }
    }

    #[test]
    fn quoted_cells_hold_line_breaks_delimiters_and_quotes() {
        let text = "\u{feff}a,\"x\r\ny\nz\",\"p,\"\"q\"\"\"\r\nb,\"\",\"end\"";
        let expected = of(&[(1, &["a", "x\r\ny\nz", "p,\"q\""]), (4, &["b", "", "end"])]);
        assert_eq!(all(text.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn an_open_quote_is_told_with_its_line() {
        for text in [
            "a,b\nc,\"d\ne\",\"f\ng,h\n",
            "a,b\nc,\"d\ne\",\"f",
            "a,b\n\n\n\"",
            "a,b\n1,\"\n2\",\"closed\"\"\n",
        ] {
            let lines = |broken| match broken {
                Broken::UnclosedQuote { line } => line,
                other => panic!("{other:?}"),
            };
            let line = lines(all(text.as_bytes()).unwrap_err());
            assert_eq!(
                line,
                lines(all(Dripping(text.as_bytes())).unwrap_err()),
                "{text:?}"
            );
            assert_eq!(line, if text.contains("\n\n") { 4 } else { 3 }, "{text:?}");
        }
    }

    #[test]
    fn a_field_without_end_is_given_up_early() {
        let read_of = |start: &str, text: &'static [u8]| {
            let mut taken = 0_u64;
            let endless = std::io::repeat(text[0]).take(10 << 30);
            let input = start.as_bytes().chain(endless);
            let mut rows = Rows::open(input, b',').unwrap();
            let mut row = RawRow::default();
            let broken = loop {
                match rows.read(&mut row) {
                    Ok(more) => assert!(more),
                    Err(broken) => break broken,
                }
                taken += 1;
            };
            assert!(
                rows.bytes() < 10 << 20,
                "{} bytes after {taken} rows",
                rows.bytes()
            );
            assert!(row.bytes.capacity() <= 2 * MAX_ROW + BUFFER);
            broken
        };
        assert!(matches!(
            read_of("a\nb,\"", b"x"),
            Broken::UnclosedQuote { line: 2 }
        ));
        assert!(matches!(
            read_of("a\n\nb,", b"x"),
            Broken::TooLong { line: 3 }
        ));
        assert!(matches!(
            read_of("a\n", b"\""),
            Broken::UnclosedQuote { line: 2 }
        ));
        assert!(matches!(read_of("a\n", b","), Broken::TooLong { line: 2 }));
    }

    #[test]
    fn what_is_no_text_is_refused_at_once() {
        assert!(matches!(all(&b""[..]), Err(Broken::Empty)));
        assert!(matches!(
            all(&b"\xef\xbb\xbf\r\n\r\n"[..]),
            Err(Broken::Empty)
        ));
        assert!(matches!(all(&b"\xff\xfea\0,\0"[..]), Err(Broken::Utf16)));
        assert!(matches!(all(&b"\xfe\xff\0a\0,"[..]), Err(Broken::Utf16)));
        assert!(matches!(
            all(&b"PK\n\x03\0"[..]),
            Err(Broken::Binary { line: 2 })
        ));
    }

    #[test]
    fn a_failing_input_is_told_with_its_line() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("unplugged"))
            }
        }
        let long = "a,b\n".repeat(HEAD);
        let mut rows = Rows::open(long.as_bytes().chain(Failing), b',').unwrap();
        let mut row = RawRow::default();
        let broken = loop {
            match rows.read(&mut row) {
                Ok(more) => assert!(more),
                Err(broken) => break broken,
            }
        };
        assert!(matches!(broken, Broken::Read { line, .. } if line > 8_000));
    }

    proptest! {
        #[test]
        fn cells_written_by_the_rules_are_read_back(
            table in prop::collection::vec(prop::collection::vec("[a-z,\"\r\n é]{0,6}", 2..4), 1..8),
        ) {
            let quoted = |cell: &String| format!("\"{}\"", cell.replace('"', "\"\""));
            let line = |row: &Vec<String>| row.iter().map(quoted).collect::<Vec<_>>().join(",");
            let text = table.iter().map(line).collect::<Vec<_>>().join("\r\n");
            let read = all(Dripping(text.as_bytes())).unwrap();
            let cells: Vec<_> = read.into_iter().map(|(_, cells)| cells).collect();
            prop_assert_eq!(cells, table);
        }

        #[test]
        fn any_bytes_end_in_rows_or_in_a_reason(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let whole = all(&bytes[..]).map_err(|broken| format!("{broken:?}"));
            let dripping = all(Dripping(&bytes)).map_err(|broken| format!("{broken:?}"));
            prop_assert_eq!(whole, dripping);
        }
    }
}
