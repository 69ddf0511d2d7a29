//! Tree to text. What is printed parses to the same tree.
//!
//! Parentheses stand only where the grammar needs them; names that could be read as keywords stand in
//! backquotes. `format` breaks what is too long for a line.

mod layout;

pub use layout::format;

use crate::ast::{Anchor, Arithmetic, Ast, Direction, Expr, ExprKind as K, Generator, Ident, Step, Window};
use crate::token::{is_keyword, is_reserved};
use std::fmt::{Display, Formatter, Result, Write};

impl Display for Ast {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.root.fmt(f)
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.kind {
            K::Null => f.write_str("null"),
            K::Bool(b) => write!(f, "{b}"),
            K::Int(n) => write!(f, "{n}"),
            K::Double(n) => write!(f, "{n:?}"),
            K::Text(text) => quote(f, text),
            K::Name(name) => bare(f, name),
            K::Position(n) => write!(f, "${n}"),
            K::Context(text) => write!(f, "@{{{text}}}"),
            K::Up { levels, name } => write!(f, "{}{}", "^".repeat(*levels), Property(name)),
            K::Now => f.write_str("now"),
            K::Day(offset) => f.write_str(["yesterday", "today", "tomorrow"][(offset + 1).clamp(0, 2) as usize]),
            K::Member { of, names } => {
                at(f, of, Level::Postfix)?;
                names.iter().try_for_each(|name| write!(f, ".{}", Property(name)))
            }
            K::Call { name, args, method } => call(f, name, args, *method),
            K::Filter { of, condition } => {
                at(f, of, Level::Postfix)?;
                write!(f, "[{condition}]")
            }
            K::Lambda { params, body } => {
                f.write_char('(')?;
                list(f, params, |f, param| Variable(param).fmt(f))?;
                write!(f, ") => {body}")
            }
            K::Not(of) => {
                f.write_str("not ")?;
                at(f, of, Level::Not)
            }
            K::Negate(of) => {
                f.write_char('-')?;
                at(f, of, Level::Unary)
            }
            K::Arithmetic { first, rest } => arithmetic(f, first, rest),
            K::Compare { op, left, right } => infix(f, left, op.text(), right),
            K::In { negated, item, list } => infix(f, item, if *negated { "notIn" } else { "in" }, list),
            K::Like { text, pattern } => infix(f, text, "like", pattern),
            K::Occurs { time, window } => {
                at(f, time, Level::Sum)?;
                write!(f, " occurs {window}")
            }
            K::And(all) => joined(f, all, " and ", Level::Not),
            K::Or(any) => joined(f, any, " or ", Level::And),
            K::Let { name, value, body } => local(f, name, value, body),
            K::Quantifier { all, generators } => {
                f.write_str(if *all { "forall " } else { "exists " })?;
                list(f, generators, |f, g| g.fmt(f))
            }
            K::Select(generator) => write!(f, "select {generator}"),
            K::Fold { fold, value, generator } => fold_text(f, fold, value, generator),
            K::Array(items) => {
                f.write_char('[')?;
                list(f, items, |f, item| item.fmt(f))?;
                f.write_char(']')
            }
            K::Object(fields) => {
                f.write_char('{')?;
                list(f, fields, |f, (name, value)| {
                    quote(f, &name.text)?;
                    write!(f, ": {value}")
                })?;
                f.write_char('}')
            }
            K::Chain { items, time, steps } => {
                f.write_str("chain(")?;
                at(f, items, Level::Postfix)?;
                f.write_str(", ")?;
                at(f, time, Level::Postfix)?;
                f.write_str(", [")?;
                list(f, steps, |f, step| step.fmt(f))?;
                f.write_str("])")
            }
        }
    }
}

/// Looser forms than a sum could hold an `in` of their own.
fn local(f: &mut Formatter<'_>, name: &Ident, value: &Expr, body: &Expr) -> Result {
    write!(f, "let {} = ", Variable(name))?;
    at(f, value, Level::Sum)?;
    write!(f, " in {body}")
}

/// `sum (` would be a call: the value must not begin with a parenthesis.
fn fold_text(f: &mut Formatter<'_>, fold: &Ident, value: &Expr, generator: &Generator) -> Result {
    write!(f, "{} ", fold.text)?;
    at(f, value, Level::Sum)?;
    write!(f, " over {generator}")
}

impl Display for Generator {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} from ", Variable(&self.variable))?;
        at(f, &self.source, Level::Postfix)?;
        // A condition that extends as far right as possible would take what follows it.
        for (word, part) in [(" where ", &self.filter), (" : ", &self.condition)] {
            if let Some(part) = part {
                f.write_str(word)?;
                at(f, part, Level::Or)?;
            }
        }
        Ok(())
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}: WHAT({})", Variable(&self.name), self.what)?;
        self.when.iter().try_for_each(|when| write!(f, " WHEN({when})"))
    }
}

impl Display for Window {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Window::Distance { op, count, unit, direction, anchor } => {
                let unit = if *count == 1 { unit.singular() } else { unit.plural() };
                write!(f, "{} {count} {unit} {direction} {anchor}", op.text())
            }
            Window::Side(direction, anchor) => write!(f, "{direction} {anchor}"),
            Window::On(anchor) => write!(f, "on {anchor}"),
            Window::Between(from, to) => write!(f, "between {from} and {to}"),
        }
    }
}

impl Display for Direction {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(if *self == Direction::Before { "before" } else { "after" })
    }
}

impl Display for Anchor {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Anchor::Period(offset, unit) => {
                let word = ["last", "this", "next"][(offset + 1).clamp(0, 2) as usize];
                write!(f, "{word} {}", unit.singular())
            }
            Anchor::At(expr) => at(f, expr, Level::Sum),
        }
    }
}

/// How tightly a form binds, loosest first.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Level {
    Open,
    Or,
    And,
    Not,
    Comparison,
    Sum,
    Product,
    Unary,
    Postfix,
}

fn level(expr: &Expr) -> Level {
    match &expr.kind {
        K::Lambda { .. } | K::Let { .. } | K::Quantifier { .. } | K::Select(_) | K::Fold { .. } => Level::Open,
        K::Or(_) => Level::Or,
        K::And(_) => Level::And,
        K::Not(_) => Level::Not,
        K::Compare { .. } | K::In { .. } | K::Like { .. } | K::Occurs { .. } => Level::Comparison,
        K::Arithmetic { rest, .. } => match rest.first() {
            Some((Arithmetic::Add | Arithmetic::Subtract, _)) => Level::Sum,
            _ => Level::Product,
        },
        K::Negate(_) => Level::Unary,
        _ => Level::Postfix,
    }
}

/// Prints an expression where one of at least `least` must stand.
fn at(f: &mut Formatter<'_>, expr: &Expr, least: Level) -> Result {
    if level(expr) < least { write!(f, "({expr})") } else { expr.fmt(f) }
}

fn infix(f: &mut Formatter<'_>, left: &Expr, op: &str, right: &Expr) -> Result {
    at(f, left, Level::Sum)?;
    write!(f, " {op} ")?;
    at(f, right, Level::Sum)
}

fn arithmetic(f: &mut Formatter<'_>, first: &Expr, rest: &[(Arithmetic, Expr)]) -> Result {
    let sums = matches!(rest.first(), Some((Arithmetic::Add | Arithmetic::Subtract, _)));
    let operand = if sums { Level::Product } else { Level::Unary };
    at(f, first, operand)?;
    rest.iter().try_for_each(|(op, expr)| {
        write!(f, " {} ", op.text())?;
        at(f, expr, operand)
    })
}

fn joined(f: &mut Formatter<'_>, all: &[Expr], word: &str, least: Level) -> Result {
    all.iter().enumerate().try_for_each(|(i, expr)| {
        f.write_str(if i > 0 { word } else { "" })?;
        at(f, expr, least)
    })
}

fn call(f: &mut Formatter<'_>, name: &Ident, args: &[Expr], method: bool) -> Result {
    let args = match args {
        [receiver, args @ ..] if method => {
            at(f, receiver, Level::Postfix)?;
            write!(f, ".{}", Property(name))?;
            args
        }
        args => {
            called(f, name)?;
            args
        }
    };
    f.write_char('(')?;
    list(f, args, |f, arg| arg.fmt(f))?;
    f.write_char(')')
}

/// The name of a function before its parenthesis.
fn called(f: &mut Formatter<'_>, name: &Ident) -> Result {
    let special = is_reserved(&name.text) && !matches!(&*name.text, "in" | "notIn" | "like");
    let quoted = special || name.text.eq_ignore_ascii_case("chain") || !is_plain(&name.text);
    if quoted { write!(f, "`{}`", name.text) } else { f.write_str(&name.text) }
}

fn list<T>(f: &mut Formatter<'_>, items: &[T], print: impl Fn(&mut Formatter<'_>, &T) -> Result) -> Result {
    items.iter().enumerate().try_for_each(|(i, item)| {
        f.write_str(if i > 0 { ", " } else { "" })?;
        print(f, item)
    })
}

fn quote(f: &mut Formatter<'_>, text: &str) -> Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            '\r' => f.write_str("\\r")?,
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

fn is_plain(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn bare(f: &mut Formatter<'_>, name: &str) -> Result {
    if is_plain(name) && !is_keyword(name) { f.write_str(name) } else { write!(f, "`{name}`") }
}

/// A name that introduces a variable.
struct Variable<'e>(&'e Ident);

impl Display for Variable<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        bare(f, &self.0.text)
    }
}

/// A name after `.` or `^`, where reserved words need no quotes.
struct Property<'e>(&'e Ident);

impl Display for Property<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let name = &self.0.text;
        if is_plain(name) { f.write_str(name) } else { write!(f, "`{name}`") }
    }
}
