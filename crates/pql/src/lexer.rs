//! Text to tokens (pql.md §2, §4).
//!
//! In: any text of at most `TEXT_BYTES_MAX` bytes. Out: tokens ending with `End`, and what was wrong.
//! Signs of other languages (`==`, `&&`, single quotes) are reported with a hint and read as what was
//! meant, so that the parser can go on and report more.

use crate::diagnostic::{Diagnostic, Kind};
use crate::token::{Sign, Spanned, Token};
use model::SmolStr;

/// The longest query text.
pub(crate) const TEXT_BYTES_MAX: usize = 1 << 20;

/// Reads all tokens.
pub(crate) fn tokens(text: &str) -> (Vec<Spanned>, Vec<Diagnostic>) {
    let mut lexer = Lexer { text, at: 0, out: Vec::new(), faults: Vec::new() };
    while lexer.faults.len() < 20 && lexer.token() {}
    lexer.out.push(Spanned { token: Token::End, span: text.len()..text.len() });
    (lexer.out, lexer.faults)
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    out: Vec<Spanned>,
    faults: Vec<Diagnostic>,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn push(&mut self, start: usize, token: Token) {
        self.out.push(Spanned { token, span: start..self.at });
    }

    fn fault(&mut self, start: usize, message: impl Into<String>) -> &mut Diagnostic {
        self.faults.push(Diagnostic::new(Kind::Syntax, start..self.at, message));
        self.faults.last_mut().expect("just pushed")
    }

    /// Reads one token; false at the end of the text.
    fn token(&mut self) -> bool {
        self.at = self.text.len() - self.rest().trim_start().len();
        let start = self.at;
        let Some(first) = self.rest().chars().next() else { return false };
        match first {
            'A'..='Z' | 'a'..='z' | '_' => {
                let name = SmolStr::new(self.take_while(is_name_char));
                self.push(start, Token::Name(name));
            }
            '0'..='9' => self.number(start),
            '"' => self.string(start),
            '`' => self.enclosed(start, '`', Token::Quoted),
            '\'' => self.single_quoted(start),
            '$' => self.position(start),
            '@' => {
                if self.rest().starts_with("@{") {
                    self.at += 1;
                    self.enclosed(start, '}', Token::Context);
                } else {
                    self.at += 1;
                    self.fault(start, "`@` begins a context entity: `@{class;version=1}`");
                }
            }
            _ => self.sign(start, first),
        }
        true
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let length = rest.find(|c| !keep(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn number(&mut self, start: usize) {
        self.take_while(|c| c.is_ascii_digit());
        let mut whole = true;
        let mut rest = self.rest().bytes();
        if rest.next() == Some(b'.') && rest.next().is_some_and(|b| b.is_ascii_digit()) {
            whole = false;
            self.at += 1;
            self.take_while(|c| c.is_ascii_digit());
        }
        let exponent = self.rest().as_bytes();
        if let [b'e' | b'E', after @ ..] = exponent {
            let signed = usize::from(matches!(after.first(), Some(b'+' | b'-')));
            if after.get(signed).is_some_and(u8::is_ascii_digit) {
                whole = false;
                self.at += 1 + signed;
                self.take_while(|c| c.is_ascii_digit());
            }
        }
        let digits = &self.text[start..self.at];
        let suffix = self.take_while(is_name_char);
        let token = match (suffix, whole, digits.parse::<i64>(), digits.parse::<f64>()) {
            ("" | "L" | "l", true, Ok(n), _) => Token::Int(n),
            ("", _, _, Ok(n)) if n.is_finite() => Token::Double(n),
            _ => {
                self.fault(start, format!("`{}` is not a number", &self.text[start..self.at]));
                Token::Int(0)
            }
        };
        self.push(start, token);
    }

    fn string(&mut self, start: usize) {
        self.at += 1;
        let mut out = String::new();
        loop {
            out.push_str(self.take_while(|c| c != '"' && c != '\\'));
            match self.rest().chars().next() {
                Some('"') => {
                    self.at += 1;
                    break;
                }
                Some('\\') => self.escape(&mut out),
                _ => {
                    self.fault(start, "this string has no closing quote");
                    break;
                }
            }
        }
        self.push(start, Token::Text(SmolStr::new(out)));
    }

    fn escape(&mut self, out: &mut String) {
        let start = self.at;
        self.at += 1;
        let Some(escaped) = self.rest().chars().next() else { return };
        self.at += escaped.len_utf8();
        match escaped {
            '"' | '\\' | '/' => out.push(escaped),
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'u' => match self.unicode_escape() {
                Some(c) => out.push(c),
                None => {
                    self.fault(start, "`\\u` needs four hexadecimal digits that make a character");
                }
            },
            _ => {
                self.fault(start, format!("`\\{escaped}` is not an escape of PQL strings")).hint =
                    Some(format!("in a regular expression write the backslash twice: `\\\\{escaped}`"));
            }
        }
    }

    fn unicode_escape(&mut self) -> Option<char> {
        let high = self.four_digits()?;
        if !(0xD800..0xDC00).contains(&high) {
            return char::from_u32(high);
        }
        self.at += if self.rest().starts_with("\\u") { 2 } else { return None };
        let low = self.four_digits().filter(|low| (0xDC00..0xE000).contains(low))?;
        char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
    }

    fn four_digits(&mut self) -> Option<u32> {
        let digits = self.rest().get(..4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
        self.at += 4;
        u32::from_str_radix(digits, 16).ok()
    }

    fn enclosed(&mut self, start: usize, end: char, make: fn(SmolStr) -> Token) {
        self.at += 1;
        let inside = self.take_while(|c| c != end && c != '\n');
        if self.rest().starts_with(end) {
            self.at += 1;
            if inside.is_empty() {
                self.fault(start, "a name needs at least one character");
            }
        } else {
            self.fault(start, format!("the closing `{end}` is missing"));
        }
        self.push(start, make(SmolStr::new(inside)));
    }

    fn single_quoted(&mut self, start: usize) {
        self.at += 1;
        let inside = self.take_while(|c| c != '\'' && c != '\n');
        if self.rest().starts_with('\'') {
            self.at += 1;
        }
        self.fault(start, "strings stand in double quotes").hint = Some(format!("write \"{inside}\""));
        self.push(start, Token::Text(SmolStr::new(inside)));
    }

    fn position(&mut self, start: usize) {
        self.at += 1;
        let digits = self.take_while(|c| c.is_ascii_digit());
        match digits.parse() {
            Ok(n) if n > 0 => self.push(start, Token::Position(n)),
            _ => {
                self.fault(start, "`$` is followed by the number of a parameter, from 1");
                self.push(start, Token::Position(1));
            }
        }
    }

    fn sign(&mut self, start: usize, first: char) {
        const FOREIGN: [(&str, &str); 4] = [("==", "="), ("<>", "!="), ("&&", "and"), ("||", "or")];
        if let Some((foreign, ours)) = FOREIGN.into_iter().find(|(f, _)| self.rest().starts_with(f)) {
            self.at += foreign.len();
            self.fault(start, format!("`{foreign}` is not an operator of PQL")).hint = Some(format!("write `{ours}`"));
            let token = match ours {
                "=" => Token::Sign(Sign::Equal),
                "!=" => Token::Sign(Sign::NotEqual),
                word => Token::Name(SmolStr::new_static(word)),
            };
            return self.push(start, token);
        }
        const SIGNS: [Sign; 23] = [
            Sign::Arrow,
            Sign::NotEqual,
            Sign::LessEqual,
            Sign::GreaterEqual,
            Sign::OpenParen,
            Sign::CloseParen,
            Sign::OpenBracket,
            Sign::CloseBracket,
            Sign::OpenBrace,
            Sign::CloseBrace,
            Sign::Comma,
            Sign::Dot,
            Sign::Colon,
            Sign::Equal,
            Sign::Less,
            Sign::Greater,
            Sign::Plus,
            Sign::Minus,
            Sign::Star,
            Sign::Slash,
            Sign::Percent,
            Sign::Bang,
            Sign::Caret,
        ];
        match SIGNS.into_iter().find(|s| self.rest().starts_with(s.text())) {
            Some(sign) => {
                self.at += sign.text().len();
                self.push(start, Token::Sign(sign));
            }
            None => {
                self.at += first.len_utf8();
                self.fault(start, format!("`{first}` has no meaning in PQL"));
            }
        }
    }
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
