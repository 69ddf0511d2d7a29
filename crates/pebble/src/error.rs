//! What is wrong with a template or a render, and where.
//!
//! In: a message, a place in the source, at times the value that failed. Out: an [`Error`] that shows the
//! source line underlined. Always: positions are counted in characters from 1; values are shortened.

use crate::tree::Expr;
use std::fmt;

/// When an error was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// While the source was compiled.
    Parse,
    /// While a template was rendered.
    Render,
}

impl Phase {
    /// `parse` or `render`.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Parse => "parse",
            Phase::Render => "render",
        }
    }
}

/// An error of a template; its `Display` shows the place underlined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// When it was found.
    pub phase: Phase,
    /// What is wrong, one sentence without a full stop.
    pub message: String,
    /// Name of the template.
    pub template: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// How many characters the fault covers.
    pub width: u32,
    /// The value that failed, shortened.
    pub value: Option<Box<str>>,
    /// A near name, if an unknown one was given.
    pub suggestion: Option<Box<str>>,
    /// The line of the source.
    pub source_line: Box<str>,
}

impl Error {
    /// The same without the value that failed and the name near it: both can be somebody's data.
    pub fn without_value(&self) -> Error {
        Error { value: None, suggestion: None, ..self.clone() }
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.template, self.line, self.column, self.message)?;
        if let Some(value) = &self.value {
            write!(f, " (value: {value})")?;
        }
        if let Some(name) = &self.suggestion {
            write!(f, "; did you mean `{name}`?")?;
        }
        let gutter = self.line.to_string().len();
        let marks = "^".repeat(self.width.max(1) as usize);
        let blank: String =
            (self.source_line.chars().take(self.column - 1)).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        write!(f, "\n{:gutter$} |\n{} | {}\n{:gutter$} | {blank}{marks}", "", self.line, self.source_line, "")
    }
}

/// A stretch of the source, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self { start: start.min(u32::MAX as usize) as u32, end: end.min(u32::MAX as usize) as u32 }
    }

    pub(crate) fn to(self, other: Span) -> Span {
        Span { start: self.start, end: other.end.max(self.end) }
    }
}

/// An error on its way to the surface: the place is filled in by whoever knows it first.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) value: Option<String>,
    pub(crate) suggestion: Option<String>,
    pub(crate) span: Option<Span>,
    /// A missing variable or attribute of strict mode, which `default` and `is defined` may catch.
    pub(crate) missing: bool,
    /// The finished error, once the template is known.
    pub(crate) done: Option<Error>,
}

pub(crate) type Raised<T> = Result<T, Box<Fault>>;

#[cold]
pub(crate) fn fault(message: impl Into<String>) -> Box<Fault> {
    let message = message.into();
    Box::new(Fault { message, value: None, suggestion: None, span: None, missing: false, done: None })
}

impl Fault {
    #[cold]
    pub(crate) fn at(mut self: Box<Self>, span: Span) -> Box<Self> {
        self.span.get_or_insert(span);
        self
    }

    /// As `at`, where only the whole expression is known.
    #[cold]
    pub(crate) fn at_expression(mut self: Box<Self>, expr: &Expr) -> Box<Self> {
        self.span = self.span.or_else(|| expr.span());
        self
    }

    #[cold]
    pub(crate) fn given(mut self: Box<Self>, text: &str) -> Box<Self> {
        self.value = Some(shorten(text));
        self
    }

    /// What has passed an arithmetic operator or a comparison can no longer be caught.
    #[cold]
    pub(crate) fn uncatchable(mut self: Box<Self>) -> Box<Self> {
        self.missing = false;
        self
    }

    /// Names the template; the innermost call wins.
    #[cold]
    pub(crate) fn within(mut self: Box<Self>, phase: Phase, template: &str, source: &str) -> Box<Self> {
        if self.done.is_none() {
            self.done = Some(self.finish(phase, template, source));
        }
        self
    }

    pub(crate) fn finish(&self, phase: Phase, template: &str, source: &str) -> Error {
        if let Some(done) = &self.done {
            return done.clone();
        }
        let span = self.span.unwrap_or_default();
        let start = floor_boundary(source, span.start as usize);
        let line_start = source[..start].rfind('\n').map_or(0, |i| i + 1);
        let rest = &source[line_start..];
        let full = rest.find('\n').map_or(rest, |i| &rest[..i]).trim_end_matches('\r');
        let column = source[line_start..start].chars().count() + 1;
        let end = floor_boundary(source, (span.end as usize).max(start)).min(line_start + full.len()).max(start);
        let (source_line, column, width) = window(full, column, source[start..end].chars().count().max(1));
        Error {
            phase,
            message: self.message.clone(),
            template: template.to_owned(),
            line: source[..start].matches('\n').count() + 1,
            column,
            width: width as u32,
            value: self.value.as_deref().map(Into::into),
            suggestion: self.suggestion.as_deref().map(Into::into),
            source_line: source_line.into(),
        }
    }
}

/// Lines are shown up to a length that fits a log; the column stays true.
fn window(line: &str, column: usize, width: usize) -> (String, usize, usize) {
    const SHOWN_MAX: usize = 400;
    let keep = SHOWN_MAX.max(column.saturating_add(40).min(4000));
    let shown: String = line.chars().take(keep).collect();
    (shown, column, width.min(SHOWN_MAX))
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// A value as it is shown in a message.
pub(crate) fn shorten(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    let mut short: String = text.chars().take(CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(CHARS_MAX).is_some() {
        short.push('…');
    }
    short
}

/// The name nearest to `given`, if one is near enough to be meant.
pub(crate) fn nearest<'n>(given: &str, names: impl IntoIterator<Item = &'n str>) -> Option<String> {
    if given.len() > 40 {
        return None;
    }
    let given_low = given.to_lowercase();
    (names.into_iter())
        .map(|name| (strsim::levenshtein(&given_low, &name.to_lowercase()), name))
        .filter(|(d, name)| *d <= 1 + name.len().max(given.len()) / 4 && *d < name.len())
        .min_by_key(|(d, _)| *d)
        .map(|(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_can_be_left_out() {
        let mut fault = fault("is no date").given("s3cret");
        fault.suggestion = Some("s3cret-2".to_owned());
        let error = fault.finish(Phase::Render, "body", "{{ x | date }}");
        assert!(error.to_string().contains("(value: s3cret)"));
        let shown = error.without_value().to_string();
        assert!(shown.contains("is no date") && !shown.contains("s3cret"), "{shown}");
    }
}
