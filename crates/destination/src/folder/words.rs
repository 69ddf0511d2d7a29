//! The words of a template's source, for messages that name a place in it.
//!
//! In: a source that compiles. Out: identifiers and string literals inside its delimiters, in order, each with what
//! stands around it. Always: this is no second reader of the language; who asks it decides nothing by it but whether
//! and where to warn.

/// An identifier or the text of a string literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word<'t> {
    pub(crate) text: &'t str,
    /// In bytes.
    pub(crate) at: usize,
    pub(crate) is_literal: bool,
    /// The mark before it inside its delimiters; none if a word stands there, or nothing.
    pub(crate) before: Option<char>,
    /// The mark behind it.
    pub(crate) after: Option<char>,
    /// It is the first word of its delimiters.
    pub(crate) is_first: bool,
}

/// The words of a source. `hyphens`: they may stand inside identifiers, as in path macros.
pub(crate) fn words(source: &str, hyphens: bool) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(open) = source[at..].find('{').map(|found| at + found) {
        at = match source[open + 1..].chars().next() {
            Some('#') => source[open..].find("#}").map_or(source.len(), |end| open + end + 2),
            Some('{') => inside(source, open + 2, "}}", hyphens, &mut words),
            Some('%') => inside(source, open + 2, "%}", hyphens, &mut words),
            _ => open + 1,
        };
    }
    words
}

/// Reads up to the closing delimiter; gives the place behind it.
fn inside<'t>(source: &'t str, from: usize, close: &str, hyphens: bool, words: &mut Vec<Word<'t>>) -> usize {
    let (mut at, mut before, mut braces, mut is_first) = (from, None, 0usize, true);
    let first = words.len();
    while let Some(c) = source[at..].chars().next() {
        if braces == 0 && source[at..].starts_with(close) {
            return at + close.len();
        }
        let (text, is_literal, end) = match c {
            '"' | '\'' => {
                let inner = literal_end(source, at + 1, c);
                (&source[at + 1..inner], true, (inner + 1).min(source.len()))
            }
            c if c.is_alphabetic() || c == '_' => {
                let rest = &source[at..];
                let part = |c: char| c.is_alphanumeric() || c == '_' || (hyphens && c == '-');
                let len = rest.find(|c| !part(c)).unwrap_or(rest.len());
                (rest[..len].trim_end_matches('-'), false, at + len)
            }
            c => {
                match c {
                    '{' => braces += 1,
                    '}' => braces = braces.saturating_sub(1),
                    _ => {}
                }
                if !c.is_whitespace() {
                    before = Some(c);
                    if let Some(last) = words[first..].last_mut() {
                        last.after = last.after.or(before);
                    }
                }
                at += c.len_utf8();
                continue;
            }
        };
        words.push(Word { text, at: if is_literal { at + 1 } else { at }, is_literal, before, after: None, is_first });
        // A mark that follows later is behind this word only if no other word stands between.
        (before, is_first, at) = (None, false, end);
    }
    source.len()
}

/// Where the closing quote of a literal stands, or the end of the source.
fn literal_end(source: &str, from: usize, quote: char) -> usize {
    let mut escaped = false;
    let close = source[from..].find(|c| {
        let closes = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        closes
    });
    close.map_or(source.len(), |found| from + found)
}

/// Line and column, in characters, from 1.
pub(crate) fn line_and_column(source: &str, at: usize) -> (usize, usize) {
    let before = &source[..at];
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    (line, before[start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_and_what_stands_around_them() {
        let source = "a {# b #} {{ c.d['e-f'] | g(\"h \\\" i\") }}\n{% if j(k) %}x{% endif %}{{ {'l': {'m': n}} }} o";
        let shown: Vec<String> = words(source, false)
            .iter()
            .map(|w| format!("{}{}{}", w.before.unwrap_or(' '), w.text, w.after.unwrap_or(' ')))
            .collect();
        let expected =
            [" c.", ".d[", "[e-f]", "|g(", "(h \\\" i)", " if ", " j(", "(k)", " endif ", "{l:", "{m:", ":n}"];
        assert_eq!(shown, expected);
        assert_eq!(words("{{ headers.X-Id }}", true)[1].text, "X-Id");
        assert_eq!(line_and_column("ä\nbcd", 4), (2, 2));
    }

    proptest! {
        #[test]
        fn any_source_has_words_in_order(source in "[{}%#'\"\\\\ a.|ä-]{0,40}", hyphens: bool) {
            let words = words(&source, hyphens);
            prop_assert!(words.windows(2).all(|pair| pair[0].at <= pair[1].at));
            prop_assert!(words.iter().all(|word| source[word.at..].starts_with(word.text)));
        }
    }
}
