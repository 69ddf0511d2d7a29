//! Patterns: `like`, and regular expressions with a limit on their work (pql.md §9).

use super::{Code, Form, Function, function};
use fancy_regex::{Regex, RegexBuilder};

pub(super) const FUNCTIONS: &[Function] = &[
    function!("like"(text: Text, pattern: Text) 2 => Boolean, Code::Form(Form::Like),
        "True if the whole text fits the pattern: `%` is any run, `_` one character.", r#""Dresden" like "Dres%""# => "true"),
    function!("matches"(text: Text, regex: Text) 2 => Boolean, Code::Form(Form::Matches),
        "True if some part of the text fits the regular expression.", r#""Dresden".matches("^D\\w+n$")"# => "true"),
    function!("regexGroup"(text: Text, regex: Text, group: Number) 2 => Text, Code::Form(Form::RegexGroup),
        "What a capture group (1 by default, 0 for all) took in the first match.",
        r#""a@b.test".regexGroup("@(\\w+)", 1)"# => r#""b""#),
];

/// Backtracking steps after which a text counts as not matching.
const STEPS_MAX: usize = 1_000_000;
/// Memory for one compiled expression.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// Compiles a regular expression.
pub(crate) fn regex(pattern: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(pattern)
        .backtrack_limit(STEPS_MAX)
        .delegate_size_limit(COMPILED_BYTES_MAX)
        .delegate_dfa_size_limit(COMPILED_BYTES_MAX)
        .build();
    built.map_err(|e| e.to_string().lines().last().unwrap_or_default().to_owned())
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Part {
    Run,
    One,
    Char(char),
}

/// A pattern of `like`.
#[derive(Debug)]
pub(crate) struct Like(Vec<Part>);

impl Like {
    /// Reads a pattern; the error names an escape that is none.
    pub(crate) fn new(pattern: &str) -> Result<Like, String> {
        let mut parts = Vec::new();
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            parts.push(match c {
                '%' => Part::Run,
                '_' => Part::One,
                '\\' => match chars.next() {
                    Some(escaped @ ('%' | '_' | '\\')) => Part::Char(escaped),
                    Some(other) => return Err(format!("`\\{other}` is not an escape of `like`")),
                    None => return Err("a pattern can not end with `\\`".into()),
                },
                c => Part::Char(c),
            });
        }
        parts.dedup_by(|a, b| *a == Part::Run && *b == Part::Run);
        Ok(Like(parts))
    }

    /// True if the whole text fits. A failed run only ever grows, so the work is text times pattern.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let mut rest = text.chars();
        let mut at = 0;
        let mut retry = None;
        loop {
            let before = rest.clone();
            match (self.0.get(at), rest.next()) {
                (Some(Part::Run), _) => {
                    rest = before.clone();
                    retry = Some((at + 1, before));
                    at += 1;
                }
                (Some(Part::One), Some(_)) => at += 1,
                (Some(Part::Char(c)), Some(d)) if *c == d => at += 1,
                (None, None) => return true,
                _ => {
                    let Some((part, from)) = &mut retry else { return false };
                    if from.next().is_none() {
                        return false;
                    }
                    (at, rest) = (*part, from.clone());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_fits_whole_texts() {
        let fits = |pattern, text| Like::new(pattern).expect("a pattern").matches(text);
        for (pattern, text) in
            [("%", ""), ("a%c", "abbc"), ("%a%b", "xaybab"), ("_%", "é"), ("100\\%", "100%"), ("a%%b", "ab")]
        {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("_", ""), ("a%c", "abcd"), ("a_c", "abbc"), ("A%", "abc")] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
        assert!(Like::new("a\\").is_err());
    }

    #[test]
    fn hostile_expressions_do_not_stall() {
        let hostile = regex("(a+)+(?=b)\\1$").expect("compiles");
        assert!(!hostile.is_match(&"a".repeat(5000)).unwrap_or(false));
    }
}
