//! Patterns: `like`, and regular expressions with a limit on their work (pql.md §9).
//!
//! In: a pattern and a text. Out: whether it fits. Always: the work is bounded. A regular expression that goes
//! back too often counts as not matching, and `stopped` counts how often that happened in this process.

mod java;

use model::SmolStr;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Backtracking steps after which a text counts as not matching.
pub(crate) const STEPS_MAX: usize = 1_000_000;
/// Memory for one compiled expression.
const COMPILED_BYTES_MAX: usize = 1 << 20;
/// Longest expression.
const PATTERN_BYTES_MAX: usize = 1 << 16;
/// Expressions made of data that a thread keeps compiled.
const KEPT_MAX: usize = 64;

static STOPPED: AtomicU64 = AtomicU64::new(0);

/// How many matches were given up in this process because a regular expression took too many steps.
pub fn stopped() -> u64 {
    STOPPED.load(Ordering::Relaxed)
}

/// A compiled regular expression.
#[derive(Debug, Clone)]
pub(crate) struct Regex(fancy_regex::Regex);

impl Regex {
    /// Compiles; the error says what is wrong with the pattern.
    pub(crate) fn new(pattern: &str) -> Result<Regex, String> {
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(format!("it is longer than {PATTERN_BYTES_MAX} bytes"));
        }
        let built = fancy_regex::RegexBuilder::new(&java::translated(pattern))
            .backtrack_limit(STEPS_MAX)
            .delegate_size_limit(COMPILED_BYTES_MAX)
            .delegate_dfa_size_limit(COMPILED_BYTES_MAX)
            .build();
        built.map(Regex).map_err(|e| e.to_string().lines().last().unwrap_or_default().to_owned())
    }

    /// A pattern that is data: compiled once in a while; `None` if it does not compile.
    pub(crate) fn of_data(pattern: &str) -> Option<Rc<Regex>> {
        thread_local!(static KEPT: RefCell<HashMap<SmolStr, Option<Rc<Regex>>>> = RefCell::default());
        KEPT.with_borrow_mut(|kept| {
            if let Some(known) = kept.get(pattern) {
                return known.clone();
            }
            if kept.len() >= KEPT_MAX {
                kept.clear();
            }
            let compiled = Regex::new(pattern).ok().map(Rc::new);
            kept.insert(SmolStr::new(pattern), compiled.clone());
            compiled
        })
    }

    /// Whether some part of the text fits; `None` where that was given up.
    pub(crate) fn is_match(&self, text: &str) -> Option<bool> {
        let found = self.0.is_match(text);
        if found.is_err() {
            STOPPED.fetch_add(1, Ordering::Relaxed);
        }
        found.ok()
    }

    /// What a group took in the first match.
    pub(crate) fn group<'t>(&self, text: &'t str, group: usize) -> Option<&'t str> {
        match self.0.captures(text) {
            Ok(found) => found?.get(group).map(|part| part.as_str()),
            Err(_) => {
                STOPPED.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    /// The text with every match replaced by `by`, left to right; `None` beyond the limit of bytes.
    pub(crate) fn replace_all(&self, text: &str, by: &str, bytes_max: usize) -> Option<String> {
        let mut out = String::new();
        let mut copied = 0;
        for found in self.0.find_iter(text) {
            let Ok(found) = found else {
                STOPPED.fetch_add(1, Ordering::Relaxed);
                return Some(text.to_owned());
            };
            out.push_str(&text[copied..found.start()]);
            out.push_str(by);
            copied = found.end();
            if out.len() > bytes_max {
                return None;
            }
        }
        out.push_str(&text[copied..]);
        (out.len() <= bytes_max).then_some(out)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Part {
    Run,
    One,
    Char(char),
}

/// A pattern of `like`.
#[derive(Debug, Clone)]
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
        let before = stopped();
        let hostile = Regex::new("(a+)+(?=b)\\1$").expect("compiles");
        let text = "a".repeat(5000);
        assert_eq!(hostile.is_match(&text), None);
        assert_eq!(hostile.group(&text, 0), None);
        assert_eq!(hostile.replace_all(&text, "", 1 << 20).as_deref(), Some(text.as_str()));
        assert!(stopped() >= before + 3);
    }

    #[test]
    fn patterns_of_data_are_kept_within_bounds() {
        for n in 0..200 {
            assert!(Regex::of_data(&format!("^a{n}$")).is_some_and(|re| re.is_match(&format!("a{n}")) == Some(true)));
        }
        assert!(Regex::of_data("(").is_none());
    }
}
