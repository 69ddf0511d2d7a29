//! The words of a query, each with its place in the text.

use model::SmolStr;
use std::ops::Range;

/// A word.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    /// An identifier or keyword; which of both, the parser decides by place.
    Name(SmolStr),
    /// An identifier in backquotes; never a keyword.
    Quoted(SmolStr),
    /// A whole number.
    Int(i64),
    /// A number with a fraction, an exponent, or more than 64 bits.
    Double(f64),
    /// A string literal, escapes resolved.
    Text(SmolStr),
    /// `$1`.
    Position(u32),
    /// What stands between `@{` and `}`.
    Context(SmolStr),
    /// Punctuation.
    Sign(Sign),
    /// The end of the text.
    End,
}

/// A token and the bytes it was read from.
#[derive(Debug, Clone)]
pub(crate) struct Spanned {
    pub(crate) token: Token,
    pub(crate) span: Range<usize>,
}

macro_rules! signs {
    ($($name:ident $text:literal),+ $(,)?) => {
        /// Punctuation and operators.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Sign { $($name),+ }

        impl Sign {
            /// The characters of the sign.
            pub(crate) fn text(self) -> &'static str {
                match self { $(Sign::$name => $text),+ }
            }
        }
    };
}

signs! {
    OpenParen "(", CloseParen ")", OpenBracket "[", CloseBracket "]", OpenBrace "{", CloseBrace "}",
    Comma ",", Dot ".", Colon ":", Arrow "=>", Equal "=", NotEqual "!=", Less "<", LessEqual "<=",
    Greater ">", GreaterEqual ">=", Plus "+", Minus "-", Star "*", Slash "/", Percent "%", Bang "!", Caret "^",
}

impl Token {
    /// The token as an error message names it.
    pub(crate) fn describe(&self) -> String {
        match self {
            Token::Name(name) => format!("`{name}`"),
            Token::Quoted(name) => format!("the name `{name}`"),
            Token::Int(n) => format!("the number {n}"),
            Token::Double(n) => format!("the number {n}"),
            Token::Text(_) => "a string".into(),
            Token::Position(n) => format!("`${n}`"),
            Token::Context(_) => "a context entity".into(),
            Token::Sign(sign) => format!("`{}`", sign.text()),
            Token::End => "the end of the query".into(),
        }
    }
}

/// Words that can not stand alone as a name (pql.md §2); in backquotes they can.
const RESERVED: [&str; 16] = [
    "and", "or", "not", "true", "false", "null", "in", "notIn", "like", "occurs", "select", "exists", "forall", "let",
    "now", "today",
];

/// True for words that can not stand alone as a name.
pub(crate) fn is_reserved(word: &str) -> bool {
    RESERVED.iter().chain(&["yesterday", "tomorrow"]).any(|r| r.eq_ignore_ascii_case(word))
}

/// True for reserved words and for those that are keywords in some place only.
pub(crate) fn is_keyword(word: &str) -> bool {
    const CONTEXTUAL: [&str; 16] = [
        "from", "where", "over", "if", "chain", "what", "when", "between", "before", "after", "on", "this", "last",
        "next", "date", "mapEntry",
    ];
    const FOLDS: [&str; 5] = ["sum", "count", "average", "min", "max"];
    is_reserved(word) || CONTEXTUAL.iter().chain(&FOLDS).any(|k| k.eq_ignore_ascii_case(word))
}
