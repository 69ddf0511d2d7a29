//! Source to tokens: text pieces already trimmed, code as words with their places.
//!
//! In: the source and the line-break rule. Out: a flat list of tokens. Always: every token's span lies inside
//! the source on character boundaries; what lies between tokens is white space or trimmed text.

use crate::error::{Raised, Span, fault};
use crate::java::{is_name_part, is_name_start, is_whitespace};
use crate::template::{Options, Profile};

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Text,
    PrintStart,
    PrintEnd,
    TagStart,
    TagEnd,
    /// `{{ a.b-c }}` or `{{{ a.b }}}`, when path macros are on.
    PathMacro(String),
    Operator(&'static str),
    Name,
    Long,
    Number,
    Punctuation(u8),
    /// A whole string, or a piece of an interpolated one; the text is unescaped.
    Str(String),
    InterpolationStart,
    InterpolationEnd,
    End,
}

#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

/// Longest first, so that the first match is the right one.
const OPERATORS: [&str; 21] = [
    "contains", "is not", "equals", "and", "not", "or", "is", "..", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%",
    "~", "|", "<", ">",
];

pub(crate) struct Lexer<'s> {
    source: &'s str,
    at: usize,
    tokens: Vec<Token>,
    brackets: Vec<(u8, usize)>,
    newline_trim: bool,
    path_macros: bool,
    /// The tag `verbatim` is part of the language.
    verbatim: bool,
    /// The next text loses its leading white space.
    trim_next: bool,
    /// Depth of interpolations inside strings.
    nesting: usize,
}

const NESTING_MAX: usize = 32;

#[derive(Clone, Copy, PartialEq)]
enum Until {
    Print,
    Tag,
    Interpolation,
}

pub(crate) fn tokens(source: &str, options: &Options) -> Raised<Vec<Token>> {
    let mut lexer = Lexer {
        source,
        at: 0,
        tokens: Vec::new(),
        brackets: Vec::new(),
        newline_trim: options.newline_trim,
        path_macros: options.path_macros,
        verbatim: options.profile == Profile::Full,
        trim_next: false,
        nesting: 0,
    };
    lexer.run()?;
    Ok(lexer.tokens)
}

impl<'s> Lexer<'s> {
    fn rest(&self) -> &'s str {
        &self.source[self.at..]
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize) {
        self.tokens.push(Token { kind, span: Span::new(start, end) });
    }

    fn run(&mut self) -> Raised<()> {
        if self.source.len() > u32::MAX as usize / 2 {
            return Err(fault("a template must be shorter than 2 GiB"));
        }
        while let Some(open) = next_open(self.rest()) {
            let open = self.at + open;
            let second = self.source.as_bytes()[open + 1];
            let after = &self.source[open + 2..];
            let trims = after.starts_with('-') && after[1..].starts_with(is_blank);
            self.text(open, trims);
            self.at = open + 2 + usize::from(trims);
            match second {
                b'{' => self.print(open)?,
                b'%' => self.tag(open)?,
                _ => {
                    if trims {
                        // The marker takes its blanks along, so it cannot stand before a closing marker.
                        self.at = self.source.len() - after_blanks(self.rest()).len();
                    }
                    // At the very end nobody looks whether it is closed.
                    if self.at < self.source.len() {
                        self.comment(open)?;
                    }
                }
            }
        }
        self.text(self.source.len(), false);
        self.push(Kind::End, self.source.len(), self.source.len());
        Ok(())
    }

    /// Emits the text up to `end`.
    fn text(&mut self, end: usize, trim_end: bool) {
        let (mut from, mut to) = (self.at, end);
        if std::mem::take(&mut self.trim_next) {
            from = end - self.source[from..end].trim_start_matches(is_whitespace).len();
        }
        if trim_end {
            to = from + self.source[from..end].trim_end_matches(is_whitespace).len();
        }
        if from < to {
            self.push(Kind::Text, from, to);
        }
    }

    /// After a closing delimiter: the one line break that goes with it.
    fn line_break(&mut self) {
        if self.newline_trim {
            self.at += line_break_len(self.rest());
        }
    }

    fn comment(&mut self, open: usize) -> Raised<()> {
        let Some(close) = self.rest().find("#}") else {
            return Err(fault("this comment is not closed").at(Span::new(open, open + 2)));
        };
        let body = &self.rest()[..close];
        self.trim_next = body.strip_suffix('-').is_some_and(|b| b.ends_with(is_blank));
        self.at += close + 2;
        self.line_break();
        Ok(())
    }

    fn print(&mut self, open: usize) -> Raised<()> {
        if self.path_macros
            && let Some((path, len)) = path_macro(&self.source[open..])
        {
            self.at = open + len;
            self.push(Kind::PathMacro(path), open, open + len);
            self.line_break();
            return Ok(());
        }
        self.push(Kind::PrintStart, open, self.at);
        self.code(Until::Print, open)
    }

    fn tag(&mut self, open: usize) -> Raised<()> {
        if let Some(len) = verbatim_start(self.rest()) {
            if !self.verbatim {
                return Err(crate::statements::not_of_destinations("verbatim").at(Span::new(open, self.at + len)));
            }
            self.at += len;
            self.line_break();
            return self.verbatim(open);
        }
        self.push(Kind::TagStart, open, self.at);
        self.code(Until::Tag, open)
    }

    fn verbatim(&mut self, open: usize) -> Raised<()> {
        let start = self.at;
        let mut search = start;
        while let Some(found) = self.source[search..].find("{%") {
            let end = search + found;
            if let Some((len, trims_before, trims_after)) = verbatim_end(&self.source[end + 2..]) {
                self.trim_next = true;
                self.text(end, trims_before);
                self.at = end + 2 + len;
                self.trim_next = trims_after;
                self.line_break();
                return Ok(());
            }
            search = end + 2;
        }
        Err(fault("`verbatim` is not closed").at(Span::new(open, start)))
    }

    fn skip_whitespace(&mut self) {
        self.at = self.source.len() - self.rest().trim_start_matches(is_whitespace).len();
    }

    /// Reads code up to the closing delimiter.
    fn code(&mut self, until: Until, open: usize) -> Raised<()> {
        let floor = self.brackets.len();
        loop {
            if self.brackets.len() == floor && self.close(until) {
                return Ok(());
            }
            self.skip_whitespace();
            if self.at == self.source.len() {
                let span = self.brackets.last().map_or(Span::new(open, open + 2), |b| Span::new(b.1, b.1 + 1));
                return Err(fault("the template ends inside this").at(span));
            }
            self.word(floor)?;
        }
    }

    /// Reads the closing delimiter; before it there are blanks at most, while all of Java's white space may stand
    /// between words.
    fn close(&mut self, until: Until) -> bool {
        let rest = after_blanks(self.rest());
        let start = self.source.len() - rest.len();
        let (delimiter, kind) = match until {
            Until::Print => ("}}", Kind::PrintEnd),
            Until::Tag => ("%}", Kind::TagEnd),
            Until::Interpolation => ("}", Kind::InterpolationEnd),
        };
        let trims = until != Until::Interpolation && rest.strip_prefix('-').is_some_and(|r| r.starts_with(delimiter));
        if !trims && !rest.starts_with(delimiter) {
            return false;
        }
        let end = start + usize::from(trims) + delimiter.len();
        self.push(kind, start, end);
        self.at = end;
        if until != Until::Interpolation {
            self.trim_next = trims;
            self.line_break();
        }
        true
    }

    fn word(&mut self, floor: usize) -> Raised<()> {
        let (rest, start) = (self.rest(), self.at);
        if let Some(operator) = operator(rest) {
            self.at += operator.len();
            self.push(Kind::Operator(operator), start, self.at);
            return Ok(());
        }
        let first = rest.chars().next().unwrap_or('\0');
        if is_name_start(first) {
            let len = rest.find(|c| !is_name_part(c)).unwrap_or(rest.len());
            self.at += len;
            self.push(Kind::Name, start, self.at);
        } else if first.is_ascii_digit() {
            self.number();
        } else if b"()[]{}?:.,|=".contains(&(first as u32).min(255).try_into().unwrap_or(0)) {
            self.punctuation(first as u8, floor)?;
        } else if first == '"' || first == '\'' {
            self.string(first)?;
        } else {
            return Err(fault(format!("`{first}` has no meaning here")).at(Span::new(start, start + first.len_utf8())));
        }
        Ok(())
    }

    fn number(&mut self) {
        let (bytes, start) = (self.source.as_bytes(), self.at);
        let digits = |mut at: usize| {
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            at
        };
        let whole = digits(start);
        if bytes.get(whole) == Some(&b'L') {
            self.at = whole + 1;
            self.push(Kind::Long, start, whole);
            return;
        }
        let fraction = if bytes.get(whole) == Some(&b'.') { digits(whole + 1) } else { 0 };
        let (kind, end) = if fraction > whole + 1 { (Kind::Number, fraction) } else { (Kind::Long, whole) };
        self.at = end;
        self.push(kind, start, end);
    }

    fn punctuation(&mut self, sign: u8, floor: usize) -> Raised<()> {
        let start = self.at;
        match sign {
            b'(' | b'[' | b'{' => self.brackets.push((sign, start)),
            b')' | b']' | b'}' => {
                let opener = match sign {
                    b')' => b'(',
                    b']' => b'[',
                    _ => b'{',
                };
                let fits = self.brackets.len() > floor && self.brackets.last().is_some_and(|b| b.0 == opener);
                if !fits {
                    let message = format!("`{}` closes nothing that is open here", sign as char);
                    return Err(fault(message).at(Span::new(start, start + 1)));
                }
                self.brackets.pop();
            }
            _ => {}
        }
        self.at += 1;
        self.push(Kind::Punctuation(sign), start, self.at);
        Ok(())
    }

    fn string(&mut self, quote: char) -> Raised<()> {
        let start = self.at;
        let body = &self.source[start + 1..];
        if let Some(len) = plain_string(body, quote) {
            self.at = start + len + 2;
            let text = body[..len].replace(&format!("\\{quote}"), if quote == '"' { "\"" } else { "'" });
            self.push(Kind::Str(text), start, self.at);
            return Ok(());
        }
        if quote == '\'' {
            return Err(fault("this string is not closed").at(Span::new(start, start + 1)));
        }
        self.interpolated(start)
    }

    /// Emits a piece of an interpolated string, up to here.
    fn piece(&mut self, start: usize) {
        if start < self.at {
            self.push(Kind::Str(self.source[start..self.at].to_owned()), start, self.at);
        }
    }

    fn interpolated(&mut self, start: usize) -> Raised<()> {
        self.nesting += 1;
        if self.nesting > NESTING_MAX {
            return Err(fault("strings are nested too deeply").at(Span::new(start, start + 1)));
        }
        self.at = start + 1;
        let mut piece = self.at;
        loop {
            let bytes = self.source.as_bytes();
            match bytes.get(self.at) {
                None => return Err(fault("this string is not closed").at(Span::new(start, start + 1))),
                Some(b'"') => {
                    self.piece(piece);
                    self.at += 1;
                    self.nesting -= 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    let escaped = self.source[self.at + 1..].chars().next().map_or(0, char::len_utf8);
                    self.at += 1 + escaped;
                }
                Some(b'#') if bytes.get(self.at + 1) == Some(&b'{') => {
                    let open = self.at;
                    self.piece(piece);
                    self.at += 2;
                    self.push(Kind::InterpolationStart, open, self.at);
                    self.code(Until::Interpolation, open)?;
                    piece = self.at;
                }
                Some(_) => self.at += 1,
            }
        }
    }
}

/// Where the next `{{`, `{%` or `{#` stands.
fn next_open(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(found) = bytes[from..].iter().position(|b| *b == b'{') {
        let at = from + found;
        if matches!(bytes.get(at + 1), Some(b'{' | b'%' | b'#')) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

fn line_break_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    match bytes {
        [b'\r', b'\n', ..] | [b'\n', b'\r', ..] => 2,
        [b'\r' | b'\n', ..] => 1,
        _ => text.chars().next().filter(|c| matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}')).map_or(0, char::len_utf8),
    }
}

fn operator(text: &str) -> Option<&'static str> {
    let bytes = text.as_bytes();
    OPERATORS.into_iter().find(|op| {
        let word = op.as_bytes()[0].is_ascii_alphabetic();
        let open = || bytes.get(op.len()).is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b'_');
        text.starts_with(op) && (!word || open())
    })
}

/// Length of the body of a string without interpolation, if it is closed.
fn plain_string(body: &str, quote: char) -> Option<usize> {
    let mut chars = body.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                chars.next()?;
            }
            '#' if quote == '"' => return None,
            c if c == quote => return Some(at),
            _ => {}
        }
    }
    None
}

/// `\s` of a regular expression.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0B' | '\x0C' | '\r')
}

fn after_blanks(text: &str) -> &str {
    text.trim_start_matches(is_blank)
}

fn verbatim_start(text: &str) -> Option<usize> {
    let rest = after_blanks(after_blanks(text).strip_prefix("verbatim")?);
    let rest = rest.strip_prefix('-').unwrap_or(rest).strip_prefix("%}")?;
    Some(text.len() - rest.len())
}

/// Length after `{%`, and whether the text before and after loses its white space.
fn verbatim_end(text: &str) -> Option<(usize, bool, bool)> {
    let (before, rest) = text.strip_prefix('-').map_or((false, text), |r| (true, r));
    let rest = after_blanks(after_blanks(rest).strip_prefix("endverbatim")?);
    let (after, rest) = rest.strip_prefix('-').map_or((false, rest), |r| (true, r));
    let rest = rest.strip_prefix("%}")?;
    Some((text.len() - rest.len(), before, after))
}

/// A print that is only a dotted path: the path and the length of the whole print.
fn path_macro(text: &str) -> Option<(String, usize)> {
    let triple = text.starts_with("{{{");
    let body = &text[if triple { 3 } else { 2 }..];
    let close = if triple { "}}}" } else { "}}" };
    let len = body.find(close)?;
    let path = body[..len].trim_matches(is_whitespace);
    let starts = path.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let ends = path.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == ']');
    let clean = path.chars().all(|c| c.is_ascii_alphanumeric() || "_-.[]".contains(c));
    let indexed = path.split('[').skip(1).all(|part| {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        digits > 0 && part[digits..].strip_prefix(']').is_some_and(|r| r.is_empty() || r.starts_with('.'))
    });
    let sound = starts
        && ends
        && clean
        && indexed
        && !path.contains("..")
        && path.matches(']').count() == path.matches('[').count();
    let constant = matches!(path, "true" | "TRUE" | "false" | "FALSE" | "null" | "NULL" | "none" | "NONE");
    (sound && !constant).then(|| (path.to_owned(), text.len() - body.len() + len + close.len()))
}
