//! Long queries over several lines, in one canonical form.
//!
//! In: a text that parses. Out: the text of its tree; what fits stays on one line, else the loosest form is
//! broken first: operands of `and` and `or`, parts of quantifiers, arguments, items. Always: the result parses
//! to the same tree, and formatting it again changes nothing, for only the tree decides.

use super::{Level, Property, Variable, level, quote};
use crate::ast::{Ast, Expr, ExprKind as K, Generator, Step};
use crate::diagnostic::Diagnostics;
use crate::parser::parse;
use std::fmt::{Display, Formatter};

/// Longest line, where the text allows it.
const LINE_CHARS_MAX: usize = 100;
const STEP: usize = 2;

/// The canonical text of a query, without a line break at its end.
pub fn format(text: &str) -> Result<String, Diagnostics> {
    Ok(parse(text)?.pretty())
}

impl Ast {
    /// The tree as text, broken into lines where it is long.
    pub fn pretty(&self) -> String {
        let mut layout = Layout { out: String::new(), indent: 0 };
        layout.put(&self.root);
        layout.out
    }
}

struct Layout {
    out: String,
    indent: usize,
}

impl Layout {
    fn fits(&self, text: &str) -> bool {
        let line = self.out.rfind('\n').map_or(0, |at| at + 1);
        self.out[line..].chars().count() + text.chars().count() <= LINE_CHARS_MAX
    }

    fn line(&mut self) {
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n(' ', self.indent));
    }

    /// Something on lines of its own, one step in, between two signs.
    fn block(&mut self, open: &str, close: &str, inside: impl FnOnce(&mut Layout)) {
        self.out.push_str(open);
        self.indent += STEP;
        self.line();
        inside(self);
        self.indent -= STEP;
        self.line();
        self.out.push_str(close);
    }

    fn deeper(&mut self, inside: impl FnOnce(&mut Layout)) {
        self.indent += STEP;
        inside(self);
        self.indent -= STEP;
    }

    /// Items on lines of their own.
    fn items<T>(&mut self, items: &[T], put: impl Fn(&mut Layout, &T)) {
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.out.push(',');
                self.line();
            }
            put(self, item);
        }
    }

    fn put(&mut self, expr: &Expr) {
        let text = expr.to_string();
        if self.fits(&text) {
            self.out.push_str(&text);
        } else {
            self.broken(expr, text);
        }
    }

    /// An expression where one of at least `least` must stand.
    fn at(&mut self, expr: &Expr, least: Level) {
        if level(expr) >= least {
            return self.put(expr);
        }
        let text = format!("({expr})");
        if self.fits(&text) {
            self.out.push_str(&text);
        } else {
            self.block("(", ")", |l| l.put(expr));
        }
    }

    fn broken(&mut self, expr: &Expr, text: String) {
        match &expr.kind {
            K::And(all) => self.joined(all, "and ", Level::Not),
            K::Or(any) => self.joined(any, "or ", Level::And),
            K::Not(of) => {
                self.out.push_str("not ");
                self.at(of, Level::Not);
            }
            K::Negate(of) => {
                self.out.push('-');
                self.at(of, Level::Unary);
            }
            K::Compare { op, left, right } => self.infix(left, op.text(), right),
            K::In { negated, item, list } => self.infix(item, if *negated { "notIn" } else { "in" }, list),
            K::Like { text, pattern } => self.infix(text, "like", pattern),
            K::Occurs { time, window } => {
                self.at(time, Level::Sum);
                self.out.push_str(&format!(" occurs {window}"));
            }
            K::Member { of, names } => {
                self.at(of, Level::Postfix);
                names.iter().for_each(|name| self.out.push_str(&format!(".{}", Property(name))));
            }
            K::Filter { of, condition } => {
                self.at(of, Level::Postfix);
                self.block("[", "]", |l| l.put(condition));
            }
            K::Call { args, method: true, name } if !args.is_empty() => {
                self.at(&args[0], Level::Postfix);
                self.out.push_str(&format!(".{}", Property(name)));
                self.arguments(&args[1..]);
            }
            K::Call { args, .. } => {
                // The name in the quotes it may need is what stands before the first parenthesis.
                let name = Head(expr).to_string();
                self.out.push_str(&name);
                self.arguments(args);
            }
            K::Arithmetic { first, rest } => {
                let sums = level(expr) == Level::Sum;
                let operand = if sums { Level::Product } else { Level::Unary };
                self.at(first, operand);
                for (op, right) in rest {
                    self.out.push_str(&format!(" {} ", op.text()));
                    self.at(right, operand);
                }
            }
            _ => self.construct(expr, text),
        }
    }

    /// Forms that bring names or items with them.
    fn construct(&mut self, expr: &Expr, text: String) {
        match &expr.kind {
            K::Lambda { params, body } => {
                let names: Vec<String> = params.iter().map(|p| Variable(p).to_string()).collect();
                self.out.push_str(&format!("({}) =>", names.join(", ")));
                self.deeper(|l| {
                    l.line();
                    l.put(body);
                });
            }
            K::Let { name, value, body } => {
                self.out.push_str(&format!("let {} = ", Variable(name)));
                self.at(value, Level::Sum);
                self.out.push_str(" in");
                self.line();
                self.put(body);
            }
            K::Quantifier { all, generators } => {
                self.out.push_str(if *all { "forall " } else { "exists " });
                self.deeper(|l| l.items(generators, Layout::generator));
            }
            K::Select(generator) => {
                self.out.push_str("select ");
                self.deeper(|l| l.generator(generator));
            }
            K::Fold { fold, value, generator } => {
                self.out.push_str(&format!("{} ", fold.text));
                self.at(value, Level::Sum);
                self.out.push_str(" over ");
                self.deeper(|l| l.generator(generator));
            }
            K::Array(items) => self.block("[", "]", |l| l.items(items, |l, item| l.put(item))),
            K::Object(fields) => self.block("{", "}", |l| {
                l.items(fields, |l, (name, value)| {
                    l.out.push_str(&format!("{}: ", Quoted(&name.text)));
                    l.put(value);
                });
            }),
            K::Chain { items, time, steps } => {
                self.out.push_str("chain(");
                self.at(items, Level::Postfix);
                self.out.push_str(", ");
                self.at(time, Level::Postfix);
                self.block(", [", "])", |l| l.items(steps, Layout::step));
            }
            _ => self.out.push_str(&text),
        }
    }

    fn joined(&mut self, all: &[Expr], word: &str, least: Level) {
        for (at, operand) in all.iter().enumerate() {
            if at > 0 {
                self.line();
                self.out.push_str(word);
            }
            // What is joined by `and` within `or` is told apart where it takes several lines.
            if matches!(operand.kind, K::And(_)) && !self.fits(&operand.to_string()) {
                self.block("(", ")", |l| l.put(operand));
            } else {
                self.at(operand, least);
            }
        }
    }

    fn infix(&mut self, left: &Expr, op: &str, right: &Expr) {
        self.at(left, Level::Sum);
        self.out.push_str(&format!(" {op} "));
        self.at(right, Level::Sum);
    }

    fn arguments(&mut self, args: &[Expr]) {
        let text = args.iter().map(Expr::to_string).collect::<Vec<_>>().join(", ");
        if args.is_empty() || self.fits(&format!("({text})")) {
            self.out.push_str(&format!("({text})"));
        } else {
            self.block("(", ")", |l| l.items(args, |l, arg| l.put(arg)));
        }
    }

    fn generator(&mut self, generator: &Generator) {
        self.out.push_str(&format!("{} from ", Variable(&generator.variable)));
        self.at(&generator.source, Level::Postfix);
        for (word, part) in [("where ", &generator.filter), (": ", &generator.condition)] {
            if let Some(part) = part {
                self.line();
                self.out.push_str(word);
                self.at(part, Level::Or);
            }
        }
    }

    fn step(&mut self, step: &Step) {
        let text = step.to_string();
        if self.fits(&text) {
            return self.out.push_str(&text);
        }
        self.out.push_str(&Variable(&step.name).to_string());
        self.block(": WHAT(", ")", |l| l.put(&step.what));
        if let Some(when) = &step.when {
            self.out.push_str(&format!(" WHEN({when})"));
        }
    }
}

/// A call up to its parenthesis.
struct Head<'e>(&'e Expr);

impl Display for Head<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match &self.0.kind {
            K::Call { name, .. } => super::called(f, name),
            _ => Ok(()),
        }
    }
}

struct Quoted<'e>(&'e str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        quote(f, self.0)
    }
}
