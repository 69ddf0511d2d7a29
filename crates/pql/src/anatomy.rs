//! A rule taken apart for people: the clauses between its `and`, `or`, `not` and `if`, as they were written.
//!
//! In: the text of a query that must be true or false. Out: a tree whose leaves are queries of their own, each with
//! further queries that tell which events speak for it and what its calculations come to.
//! Always: the tree, evaluated over its leaves, is as true as the query; what cannot stand alone stays in one clause
//! with what it needs. Events are chosen one by one: a query over a profile that has this event alone.

mod choose;

use crate::ast::{Ast, Expr, ExprKind as K};
use crate::diagnostic::Diagnostics;
use crate::incremental::{AtomKind, Rule};
use crate::parser::parse;
use crate::query::{Query, Schema, World, compile, compile_segment};
use crate::value::EventView;

/// A part of a rule.
#[derive(Debug)]
pub enum Part {
    /// True if all of them are.
    All(Vec<Part>),
    /// True if one of them is.
    Any(Vec<Part>),
    /// True if it is not.
    Not(Box<Part>),
    /// The second if the first is true, else the third.
    If(Box<[Part; 3]>),
    /// A leaf.
    Clause(Box<Clause>),
}

/// A part that is asked as one.
#[derive(Debug)]
pub struct Clause {
    /// What it asks, in canonical form.
    pub text: String,
    /// The same as a query of its own.
    pub query: Query,
    /// Its calculations, for what they come to.
    pub measures: Vec<(String, Query)>,
    /// True for events that speak for it, or are counted.
    counts: Vec<Query>,
    /// True for events that speak against it.
    against: Vec<Query>,
}

/// Takes a query apart.
pub fn take_apart(text: &str, schema: &Schema) -> Result<Part, Diagnostics> {
    let ast = parse(text)?;
    let query = compile_segment(text, schema)?;
    let mut knife = Knife { schema, around: Vec::new() };
    Ok(knife.part(&ast.root).unwrap_or_else(|| Part::Clause(Box::new(knife.clause_of(&ast.root, query)))))
}

impl Part {
    /// Its truth, given that of clauses.
    pub fn holds(&self, clause: &mut dyn FnMut(&Clause) -> bool) -> bool {
        match self {
            Part::All(all) => all.iter().all(|part| part.holds(clause)),
            Part::Any(any) => any.iter().any(|part| part.holds(clause)),
            Part::Not(of) => !of.holds(clause),
            Part::If(parts) => {
                let [condition, then, otherwise] = &**parts;
                if condition.holds(clause) { then.holds(clause) } else { otherwise.holds(clause) }
            }
            Part::Clause(leaf) => clause(leaf),
        }
    }
}

impl Clause {
    /// How it is answered when events come one by one: `threshold`, `sequence`, `expression`, `whole` (over all
    /// events), or `constant`.
    pub fn form(&self) -> &'static str {
        let split = self.query.split();
        match (&split.rule, split.atoms.as_slice()) {
            (Rule::Constant(_), _) => "constant",
            (_, [atom]) => match atom.kind() {
                AtomKind::Threshold(_) => "threshold",
                AtomKind::Sequence(_) => "sequence",
                AtomKind::Expression(_) => "expression",
                AtomKind::Whole(_) => "whole",
            },
            _ => "expression",
        }
    }

    /// Whether an event of the world is one that the clause, being true or false as told, is about.
    pub fn is_about(&self, event: &EventView, holds: bool, world: &World<'_>) -> bool {
        let alone = World { events: std::slice::from_ref(event), ..*world };
        let chosen = if !holds && !self.against.is_empty() { &self.against } else { &self.counts };
        chosen.iter().any(|query| query.eval_bool(&alone).holds)
    }
}

struct Knife<'s> {
    schema: &'s Schema,
    /// The `let`s and parameters that names may refer to, outermost first.
    around: Vec<Expr>,
}

impl Knife<'_> {
    /// `None`: some part cannot stand alone.
    fn part(&mut self, expr: &Expr) -> Option<Part> {
        let taken = match &expr.kind {
            K::And(all) => self.parts(all).map(Part::All),
            K::Or(any) => self.parts(any).map(Part::Any),
            K::Not(of) => self.part(of).map(|part| Part::Not(Box::new(part))),
            K::Call { name, args, .. } if name.text == "if" => {
                let parts = self.parts(args).and_then(|parts| <[Part; 3]>::try_from(parts).ok());
                parts.map(|parts| Part::If(Box::new(parts)))
            }
            K::Let { body, .. } | K::Lambda { body, .. } => {
                self.around.push(expr.clone());
                let part = self.part(body);
                self.around.pop();
                part
            }
            _ => None,
        };
        taken.or_else(|| {
            let query = compile_segment(&self.wrapped(expr).to_string(), self.schema).ok()?;
            Some(Part::Clause(Box::new(self.clause_of(expr, query))))
        })
    }

    fn parts(&mut self, exprs: &[Expr]) -> Option<Vec<Part>> {
        exprs.iter().map(|expr| self.part(expr)).collect()
    }

    /// The expression within what its names refer to.
    fn wrapped(&self, expr: &Expr) -> Ast {
        let mut root = expr.clone();
        for outer in self.around.iter().rev() {
            let mut outer = outer.clone();
            if let K::Let { body, .. } | K::Lambda { body, .. } = &mut outer.kind {
                **body = root;
            }
            root = outer;
        }
        Ast { root }
    }

    fn clause_of(&self, expr: &Expr, query: Query) -> Clause {
        let segment = |expr: &Expr| compile_segment(&self.wrapped(expr).to_string(), self.schema).ok();
        // The first way of asking that can stand alone.
        let ask = |ways: Vec<Vec<Expr>>| ways.iter().filter_map(|ways| ways.iter().find_map(segment)).collect();
        let (mut counts, mut against) = (Vec::new(), Vec::new());
        choose::events(expr, &mut counts, &mut against);
        for outer in &self.around {
            if let K::Let { value, .. } = &outer.kind {
                choose::events(value, &mut counts, &mut against);
            }
        }
        let mut measures = Vec::new();
        for side in choose::measures(expr) {
            if let Ok(query) = compile(&self.wrapped(side).to_string(), self.schema) {
                measures.push((side.to_string(), query));
            }
        }
        Clause { text: expr.to_string(), query, measures, counts: ask(counts), against: ask(against) }
    }
}

#[cfg(test)]
mod tests;
