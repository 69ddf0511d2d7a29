//! Comma-separated rows (RFC 4180): quotes, line ends within quotes, a byte order mark at the start.
//!
//! Always: a row is bounded in bytes; a fault names its line.

use std::io::BufRead;

/// The longest row that is read.
const ROW_BYTES_MAX: usize = 1 << 20;

/// Reads rows.
pub(super) struct Csv<R> {
    input: R,
    /// Lines read so far.
    pub(super) line: u64,
}

impl<R: BufRead> Csv<R> {
    pub(super) fn new(input: R) -> Csv<R> {
        Csv { input, line: 0 }
    }

    /// The cells of the next row; `None` at the end. Empty lines are no rows.
    pub(super) fn row(&mut self) -> Result<Option<Vec<String>>, String> {
        loop {
            let Some(text) = self.text()? else { return Ok(None) };
            if !text.is_empty() {
                return self.cells(&text).map(Some);
            }
        }
    }

    /// The text of a row: whole lines, until all quotes are closed.
    fn text(&mut self) -> Result<Option<String>, String> {
        let mut bytes = Vec::new();
        let first = self.line == 0;
        loop {
            let before = bytes.len();
            let mut bounded = std::io::Read::take(&mut self.input, (ROW_BYTES_MAX - before) as u64 + 1);
            let read = bounded.read_until(b'\n', &mut bytes).map_err(|e| format!("line {}: {e}", self.line + 1))?;
            if bytes.len() > ROW_BYTES_MAX {
                return Err(format!("line {}: the row has more than {ROW_BYTES_MAX} bytes", self.line + 1));
            }
            let open = bytes.iter().filter(|byte| **byte == b'"').count() % 2 == 1;
            if read == 0 {
                return match (before, open) {
                    (0, _) => Ok(None),
                    (_, true) => Err(format!("line {}: a quote is not closed", self.line)),
                    (_, false) => self.decoded(bytes, first).map(Some),
                };
            }
            self.line += 1;
            if !open {
                return self.decoded(bytes, first).map(Some);
            }
        }
    }

    fn decoded(&self, bytes: Vec<u8>, first: bool) -> Result<String, String> {
        let text = String::from_utf8(bytes).map_err(|_| format!("line {}: is not UTF-8", self.line))?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        Ok(if first { text.trim_start_matches('\u{feff}').to_owned() } else { text.to_owned() })
    }

    fn cells(&self, text: &str) -> Result<Vec<String>, String> {
        let (mut cells, mut cell) = (Vec::new(), String::new());
        let mut chars = text.chars().peekable();
        let (mut quoted, mut closed) = (false, false);
        while let Some(c) = chars.next() {
            match c {
                '"' if quoted && chars.peek() == Some(&'"') => {
                    chars.next();
                    cell.push('"');
                }
                '"' if quoted => (quoted, closed) = (false, true),
                c if quoted => cell.push(c),
                ',' => {
                    cells.push(std::mem::take(&mut cell));
                    closed = false;
                }
                '"' if cell.is_empty() && !closed => quoted = true,
                _ if closed => return Err(format!("line {}: text behind a closing quote", self.line)),
                '"' => return Err(format!("line {}: a quote within a cell that has none at its start", self.line)),
                c => cell.push(c),
            }
        }
        cells.push(cell);
        Ok(cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Result<Vec<Vec<String>>, String> {
        let mut csv = Csv::new(text.as_bytes());
        let mut rows = Vec::new();
        while let Some(row) = csv.row()? {
            rows.push(row);
        }
        Ok(rows)
    }

    #[test]
    fn rows_are_cut_at_commas_outside_quotes() {
        let cases: &[(&str, &[&[&str]])] = &[
            ("", &[]),
            ("a,b\r\n1,2\r\n", &[&["a", "b"], &["1", "2"]]),
            ("a\n\n\nb", &[&["a"], &["b"]]),
            ("\u{feff}a,b", &[&["a", "b"]]),
            ("\"a,b\",\"say \"\"hi\"\"\"", &[&["a,b", "say \"hi\""]]),
            ("\"two\nlines\",x\ny,z\n", &[&["two\nlines", "x"], &["y", "z"]]),
            (",\n", &[&["", ""]]),
            ("\"\",\"\"", &[&["", ""]]),
        ];
        for (text, expected) in cases {
            assert_eq!(rows(text).unwrap_or_else(|e| panic!("{text:?}: {e}")), *expected, "{text:?}");
        }
    }

    #[test]
    fn faults_name_their_line() {
        let long = "x".repeat(ROW_BYTES_MAX + 1);
        let cases = [
            ("a\n\"b", "line 2: a quote is not closed"),
            ("\"a\"b", "line 1: text behind a closing quote"),
            ("a\"b\"", "line 1: a quote within a cell that has none at its start"),
            (&long, "line 1: the row has more than 1048576 bytes"),
        ];
        for (text, message) in cases {
            assert_eq!(rows(text).expect_err(message), message);
        }
        assert_eq!(Csv::new(&b"\xff\n"[..]).row().expect_err("not text"), "line 1: is not UTF-8");
    }
}
