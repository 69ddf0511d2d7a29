//! Warnings: what a query may do, but should not (pql.md §16).
//!
//! In: a tree. Out: diagnostics that refuse nothing.

use crate::ast::{Ast, Expr, ExprKind as K, Generator};
use crate::diagnostic::{Diagnostic, Kind};
use crate::functions::{self, Code, Form, Takes};
use std::ops::Range;

/// Aggregations that a query should not exceed.
const AGGREGATIONS_MAX: usize = 3;
/// Levels of arrays and maps within each other that a query should not exceed.
const LEVELS_MAX: usize = 2;

/// What should be told about a query that may be saved.
pub fn warnings(ast: &Ast) -> Vec<Diagnostic> {
    let mut survey = Survey { aggregations: Vec::new(), deep: None, variables: Vec::new() };
    survey.level(&ast.root, 0);
    let mut warnings = Vec::new();
    if let Some(first_beyond) = survey.aggregations.get(AGGREGATIONS_MAX) {
        let count = survey.aggregations.len();
        let message = format!("{count} aggregations: more than {AGGREGATIONS_MAX} make a query slow");
        warnings.push(Diagnostic::new(Kind::Costly, first_beyond.clone(), message));
    }
    if let Some((span, levels)) = survey.deep {
        let message = format!("{levels} levels of arrays or maps: more than {LEVELS_MAX} make a query slow");
        warnings.push(Diagnostic::new(Kind::Costly, span, message));
    }
    warnings
}

struct Survey<'e> {
    aggregations: Vec<Range<usize>>,
    /// The deepest place beyond the limit.
    deep: Option<(Range<usize>, usize)>,
    /// Variables and the level of what they stand for.
    variables: Vec<(&'e str, usize)>,
}

impl<'e> Survey<'e> {
    /// How many arrays and maps lead to a value; bare names are on the level `scope`.
    fn level(&mut self, expr: &'e Expr, scope: usize) -> usize {
        match &expr.kind {
            K::Name(name) => {
                self.variables.iter().rev().find(|(known, _)| known == name).map_or(scope, |(_, level)| *level)
            }
            K::Member { of, .. } => self.level(of, scope),
            K::Up { levels, .. } => scope.saturating_sub(*levels),
            K::Filter { of, condition } => {
                let level = self.level(of, scope);
                self.inside(condition, level + 1);
                level
            }
            K::Call { name, args, .. } => self.call(expr, &name.text, args, scope),
            K::Quantifier { generators, .. } => {
                let known = self.variables.len();
                generators.iter().for_each(|g| self.generator(g, scope));
                self.variables.truncate(known);
                0
            }
            K::Select(generator) => {
                let known = self.variables.len();
                self.generator(generator, scope);
                self.variables.truncate(known);
                scope
            }
            K::Fold { value, generator, .. } => {
                self.aggregations.push(expr.span.clone());
                let known = self.variables.len();
                self.generator(generator, scope);
                self.level(value, scope);
                self.variables.truncate(known);
                0
            }
            K::Let { name, value, body } => {
                let level = self.level(value, scope);
                self.variables.push((&name.text, level));
                let level = self.level(body, scope);
                self.variables.pop();
                level
            }
            K::Chain { items, steps, .. } => {
                let level = self.level(items, scope);
                let known = self.variables.len();
                for step in steps {
                    self.inside(&step.what, level + 1);
                    self.variables.push((&step.name.text, level + 1));
                }
                self.variables.truncate(known);
                0
            }
            kind => {
                kind.each_child(&mut |child| {
                    self.level(child, scope);
                });
                0
            }
        }
    }

    fn call(&mut self, expr: &'e Expr, name: &str, args: &'e [Expr], scope: usize) -> usize {
        let function = functions::find(name);
        if function.is_some_and(|f| matches!(f.code, Code::Form(Form::Fold(_)))) {
            self.aggregations.push(expr.span.clone());
        }
        let mut first = 0;
        for (at, arg) in args.iter().enumerate() {
            let per_item = function.and_then(|f| f.params.get(at)).is_some_and(|p| p.takes == Takes::PerItem);
            match &arg.kind {
                K::Lambda { params, body } => {
                    let known = self.variables.len();
                    self.variables.extend(params.iter().map(|p| (p.text.as_str(), first + 1)));
                    self.inside(body, scope);
                    self.variables.truncate(known);
                }
                _ if per_item => self.inside(arg, first + 1),
                _ => {
                    let level = self.level(arg, scope);
                    first = if at == 0 { level } else { first };
                }
            }
        }
        if name == "get" {
            self.note(&expr.span, first + 1);
            return first + 1;
        }
        first
    }

    fn generator(&mut self, generator: &'e Generator, scope: usize) {
        let level = self.level(&generator.source, scope) + 1;
        self.note(&generator.source.span, level);
        self.variables.push((&generator.variable.text, level));
        generator.filter.iter().chain(&generator.condition).for_each(|part| {
            self.level(part, scope);
        });
    }

    /// An expression for items of that level.
    fn inside(&mut self, expr: &'e Expr, level: usize) {
        self.note(&expr.span, level);
        self.level(expr, level);
    }

    fn note(&mut self, span: &Range<usize>, level: usize) {
        if level > LEVELS_MAX && self.deep.as_ref().is_none_or(|(_, deepest)| *deepest < level) {
            self.deep = Some((span.clone(), level));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warns_beyond_the_limits_only() {
        let told = |text: &str| {
            let ast = crate::parse(text).unwrap_or_else(|faults| panic!("{}", faults.render(text)));
            warnings(&ast).iter().map(|w| (text[w.span.clone()].to_owned(), w.message.clone())).collect::<Vec<_>>()
        };
        for fine in [
            "a.count() > 1 and a.sum(x) > 2 and (max X.y over X from a) > 3",
            "xEvent[items[SKU = \"a\"]]",
            "a[b = 1][c = 2][d = 3].e",
            "exists E from xEvent, I from E.items where I.x = 1",
            "segmentMembership.get(\"ups\").get(\"a\").status = \"x\"",
            "exists A from a where exists B from b where exists C from c where A.x = C.x",
        ] {
            assert_eq!(told(fine), [], "{fine}");
        }
        let many = told("a.count() + b.count() + c.sum() + d.max() + e.min() > 1");
        assert_eq!(many, [("d.max()".into(), "5 aggregations: more than 3 make a query slow".into())]);
        for (query, place) in [
            ("a[b[c[d = 1]]]", "d = 1"),
            ("exists E from a, I from E.b, J from I.c where J.x", "I.c"),
            ("m.get(\"a\").get(\"b\").get(\"c\") = 1", "m.get(\"a\").get(\"b\").get(\"c\")"),
            ("a.map((X) => X.b.filter(c.sum(d) > 1))", "d"),
        ] {
            assert_eq!(
                told(query),
                [(place.into(), "3 levels of arrays or maps: more than 2 make a query slow".into())],
                "{query}"
            );
        }
    }
}
