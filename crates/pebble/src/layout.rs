//! Layout of template code: one space inside delimiters and around operators, none inside brackets.
//!
//! In: a source that compiles. Out: the same template, spaced evenly. Always: only white space between the words of
//! code changes; text, comments, strings and line breaks stay, so every render stays the same.

use crate::error::{Error, Phase};
use crate::java::is_whitespace;
use crate::lexer::{self, Kind, Token};
use crate::template::{Options, Template};

/// Spaces the code of a template evenly.
///
/// # Errors
/// What is wrong with a source that does not compile.
pub fn format_source(name: &str, source: &str, options: &Options) -> Result<String, Error> {
    Template::compile(name, source, options)?;
    let tokens = lexer::tokens(source, options).map_err(|f| f.finish(Phase::Parse, name, source))?;
    let mut out = String::with_capacity(source.len() + 64);
    let mut copied = 0;
    let mut at = 0;
    while at < tokens.len() {
        if matches!(tokens[at].kind, Kind::PrintStart | Kind::TagStart) {
            let mut code = Code { source, tokens: &tokens, at, atoms: Vec::new(), bracketed: false };
            code.read();
            out.push_str(&source[copied..tokens[at].span.start as usize]);
            code.write(&mut out);
            at = code.at;
            copied = code.atoms.last().map_or(copied, |a| a.end);
        } else {
            at += 1;
        }
    }
    out.push_str(&source[copied..]);
    Ok(out)
}

/// One word of code: a token, or a whole interpolated string.
struct Atom {
    start: usize,
    end: usize,
    role: Role,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Role {
    Open,
    Close,
    /// A word that a value follows: `if`, `in`, `and`.
    Keyword,
    Value,
    Operator,
    /// A sign in front of a value.
    Sign,
    /// `.` and `..`, and `=` inside brackets.
    Tight,
    /// `(` and `[` of calls and subscripts.
    OpenTight,
    OpenBracket,
    CloseBracket,
    Comma,
    /// `:` of a map.
    Colon,
}

const KEYWORDS: [&str; 16] = [
    "if",
    "elseif",
    "in",
    "set",
    "for",
    "filter",
    "with",
    "include",
    "extends",
    "embed",
    "import",
    "from",
    "cache",
    "as",
    "autoescape",
    "block",
];

struct Code<'s> {
    source: &'s str,
    tokens: &'s [Token],
    at: usize,
    atoms: Vec<Atom>,
    /// Has there been a bracket yet?
    bracketed: bool,
}

impl Code<'_> {
    /// Reads from an opening delimiter to its closing one.
    fn read(&mut self) {
        // The brackets that are open, each with its ternaries that wait for their `:`.
        let mut open: Vec<(u8, usize)> = vec![(0, 0)];
        loop {
            let token = &self.tokens[self.at];
            let (start, mut end) = (token.span.start as usize, token.span.end as usize);
            let role = match &token.kind {
                Kind::PrintStart | Kind::TagStart => Role::Open,
                Kind::PrintEnd | Kind::TagEnd | Kind::End => Role::Close,
                Kind::Long => {
                    end += usize::from(self.source[end..].starts_with('L'));
                    Role::Value
                }
                kind if self.is_piece(kind, start, end) => {
                    end = self.interpolated_end();
                    self.atoms.push(Atom { start: start - 1, end, role: Role::Value });
                    continue;
                }
                Kind::Name => self.name_role(&self.source[start..end]),
                Kind::Operator("..") => Role::Tight,
                Kind::Operator(sign) if sign.starts_with(|c: char| c.is_alphabetic()) => Role::Keyword,
                Kind::Operator("+" | "-") if self.expects_value() => Role::Sign,
                Kind::Operator(_) => Role::Operator,
                Kind::Punctuation(sign) => self.punctuation(*sign, &mut open),
                _ => Role::Value,
            };
            self.atoms.push(Atom { start, end, role });
            self.bracketed |= matches!(role, Role::OpenTight | Role::OpenBracket);
            self.at += 1;
            if role == Role::Close || self.at >= self.tokens.len() {
                return;
            }
        }
    }

    /// Is this part of an interpolated string? Other strings have got their quotes with them.
    fn is_piece(&self, kind: &Kind, start: usize, end: usize) -> bool {
        match kind {
            Kind::Str(text) => self.source[start..end] == **text,
            kind => *kind == Kind::InterpolationStart,
        }
    }

    fn name_role(&self, name: &str) -> Role {
        let attribute = self.atoms.last().is_some_and(|a| a.role == Role::Tight);
        if !attribute && !self.bracketed && KEYWORDS.contains(&name) { Role::Keyword } else { Role::Value }
    }

    /// Does the word before ask for a value?
    fn expects_value(&self) -> bool {
        !self.atoms.last().is_some_and(|a| matches!(a.role, Role::Value | Role::CloseBracket))
    }

    fn punctuation(&self, sign: u8, open: &mut Vec<(u8, usize)>) -> Role {
        let inner = open.last_mut();
        match sign {
            b'(' | b'[' | b'{' => {
                open.push((sign, 0));
                if sign != b'{' && !self.expects_value() { Role::OpenTight } else { Role::OpenBracket }
            }
            b')' | b']' | b'}' => {
                open.pop();
                Role::CloseBracket
            }
            b',' => Role::Comma,
            b'?' => {
                if let Some(inner) = inner {
                    inner.1 += 1;
                }
                Role::Operator
            }
            b':' => match inner {
                Some((_, waiting @ 1..)) => {
                    *waiting -= 1;
                    Role::Operator
                }
                _ => Role::Colon,
            },
            b'=' if open.len() > 1 => Role::Tight,
            b'=' => Role::Operator,
            _ => Role::Tight,
        }
    }

    /// Skips the pieces of an interpolated string; gives the place after its closing quote.
    fn interpolated_end(&mut self) -> usize {
        loop {
            let mut depth = 0;
            loop {
                match self.tokens[self.at].kind {
                    Kind::InterpolationStart => depth += 1,
                    Kind::InterpolationEnd => depth -= 1,
                    _ => {}
                }
                self.at += 1;
                if depth == 0 || self.at + 1 >= self.tokens.len() {
                    break;
                }
            }
            let end = self.tokens[self.at - 1].span.end as usize;
            if self.source[end..].starts_with('"') || self.at + 1 >= self.tokens.len() {
                return end + 1;
            }
        }
    }

    fn write(&self, out: &mut String) {
        for (i, atom) in self.atoms.iter().enumerate() {
            if i > 0 {
                let before = &self.atoms[i - 1];
                let gap = self.source.get(before.end..atom.start).unwrap_or(" ");
                let breaks = gap.contains(['\n', '\r']) && gap.chars().all(is_whitespace);
                out.push_str(if breaks { gap } else { space(before.role, atom.role) });
            }
            out.push_str(&self.source[atom.start..atom.end]);
        }
    }
}

fn space(before: Role, after: Role) -> &'static str {
    use Role::*;
    match (before, after) {
        (Open, _) | (_, Close) => " ",
        (_, Comma | Colon | CloseBracket | OpenTight) => "",
        (OpenBracket | OpenTight | Sign, _) => "",
        (Tight, _) | (_, Tight) => "",
        _ => " ",
    }
}
