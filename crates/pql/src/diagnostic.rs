//! What is wrong with a query, and where: a byte span, a kind, a sentence and sometimes a remedy.
//!
//! In: spans of the query text. Out: text for people, with the source line underlined.
//! Always: a span lies inside the text it was made for; rendering never panics, whatever text it gets.

use std::fmt;
use std::ops::Range;

/// The rule that a query breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The text is not in the grammar.
    Syntax,
    /// The schema has no such field.
    UnknownField,
    /// The language has no such function.
    UnknownFunction,
    /// The language has no such unit of time.
    UnknownUnit,
    /// Wrong count or shape of arguments.
    Arity,
    /// A value of one type stands where another is needed.
    Type,
    /// A variable, `^` or position that does not exist here, or one that is defined twice.
    Scope,
    /// A constant that can not be: a date that does not exist, a negative duration.
    Constant,
    /// A regular expression that does not compile.
    Regex,
    /// Known, but not supported.
    Unsupported,
    /// Larger than a query may be.
    Limit,
    /// A warning: legal, but dear to evaluate.
    Costly,
}

impl Kind {
    /// True for what should be told, but refuses nothing.
    pub fn is_warning(self) -> bool {
        self == Kind::Costly
    }

    /// The name of the rule for programs.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Syntax => "syntax",
            Kind::UnknownField => "unknown-field",
            Kind::UnknownFunction => "unknown-function",
            Kind::UnknownUnit => "unknown-unit",
            Kind::Arity => "arity",
            Kind::Type => "type",
            Kind::Scope => "scope",
            Kind::Constant => "constant",
            Kind::Regex => "regex",
            Kind::Unsupported => "unsupported",
            Kind::Limit => "limit",
            Kind::Costly => "costly",
        }
    }
}

/// One fault of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Bytes of the query text that are at fault.
    pub span: Range<usize>,
    /// The broken rule.
    pub kind: Kind,
    /// What is wrong.
    pub message: String,
    /// What to write instead, where that is known.
    pub hint: Option<String>,
}

/// At most this many characters of a source line are shown.
const SHOWN_CHARS: usize = 100;

impl Diagnostic {
    pub(crate) fn new(kind: Kind, span: Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic { span, kind, message: message.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Diagnostic {
        self.hint = Some(hint.into());
        self
    }

    /// Line and column of the fault, both from 1; columns count characters.
    pub fn line_column(&self, text: &str) -> (usize, usize) {
        let before = &text[..floor_boundary(text, self.span.start)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// The fault for people: position and message, the source line, an underline, the hint.
    pub fn render(&self, text: &str) -> String {
        let (line, column) = self.line_column(text);
        let start = floor_boundary(text, self.span.start);
        let end = floor_boundary(text, self.span.end).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let skipped = (column - 1).saturating_sub(SHOWN_CHARS * 3 / 5);
        let source: String = text[line_start..line_end].chars().skip(skipped).take(SHOWN_CHARS).map(blank).collect();
        let width = text[start..end.min(line_end)].chars().count().clamp(1, SHOWN_CHARS * 2 / 5);
        let mut out = format!("line {line}, column {column}: {}\n  {}\n  ", self.message, source.trim_end());
        out.extend(std::iter::repeat_n(' ', column - 1 - skipped));
        out.extend(std::iter::repeat_n('^', width));
        if let Some(hint) = &self.hint {
            out.push_str("\n  hint: ");
            out.push_str(hint);
        }
        out
    }
}

fn blank(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Every fault found in one query, in the order of the text; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

/// More faults than this are not reported.
pub(crate) const REPORTED_MAX: usize = 20;

impl Diagnostics {
    pub(crate) fn new(mut faults: Vec<Diagnostic>) -> Diagnostics {
        faults.sort_by_key(|d| (d.span.start, d.span.end));
        faults.dedup();
        faults.truncate(REPORTED_MAX);
        Diagnostics(faults)
    }

    /// The faults.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// The first fault.
    pub fn first(&self) -> &Diagnostic {
        self.0.first().expect("diagnostics are made from at least one fault")
    }

    /// All faults for people, a blank line between two.
    pub fn render(&self, text: &str) -> String {
        self.0.iter().map(|d| d.render(text)).collect::<Vec<_>>().join("\n\n")
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, d) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{} (at byte {})", d.message, d.span.start)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}
