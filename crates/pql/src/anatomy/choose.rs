//! Which events a clause is about, as queries over one event alone; and what it calculates.
//!
//! In: the tree of a clause. Out: expressions, for each use of events the ways of asking, the most exact one first:
//! one that refers to what stands outside may not compile.

use crate::ast::{Expr, ExprKind as K, Generator};

/// Ways of asking, the best first.
type Ways = Vec<Expr>;

/// Finds the uses of events: `counts` for those that speak for a clause or are counted, `against` for those that
/// make a `forall` false.
pub(super) fn events(expr: &Expr, counts: &mut Vec<Ways>, against: &mut Vec<Ways>) {
    if is_events(expr) {
        return counts.push(vec![expr.clone()]);
    }
    match &expr.kind {
        K::Quantifier { all, generators } => quantifier(expr, *all, generators, counts, against),
        K::Select(generator) | K::Fold { generator, .. } if is_events(&generator.source) => {
            let bare = Generator { filter: None, condition: None, ..(**generator).clone() };
            counts.push(vec![exists((**generator).clone(), expr), exists(bare, expr)]);
        }
        K::Chain { items, time, steps } if is_events(items) => {
            for step in steps {
                let what = filtered(items, step.what.clone());
                let when = step.when.as_ref().map(|window| {
                    let occurs = K::Occurs { time: time.clone(), window: window.clone() };
                    let both = K::And(vec![step.what.clone(), Expr::new(occurs, expr.span.clone())]);
                    filtered(items, Expr::new(both, expr.span.clone()))
                });
                counts.push(when.into_iter().chain([what, (**items).clone()]).collect());
            }
        }
        kind => kind.each_child(&mut |child| events(child, counts, against)),
    }
}

fn quantifier(expr: &Expr, all: bool, generators: &[Generator], counts: &mut Vec<Ways>, against: &mut Vec<Ways>) {
    let of_events: Vec<&Generator> = generators.iter().filter(|g| is_events(&g.source)).collect();
    match of_events.as_slice() {
        [] => expr.kind.each_child(&mut |child| events(child, counts, against)),
        [_] if !all => counts.push(vec![expr.clone()]),
        several => {
            for generator in several {
                // Without its condition: what a `forall` looks at.
                let looked_at = Generator { condition: None, ..(*generator).clone() };
                let bare = Generator { filter: None, ..looked_at.clone() };
                counts.push(vec![exists(looked_at, expr), exists(bare, expr)]);
            }
            if all && several.len() == 1 {
                against.push(vec![Expr::new(K::Not(Box::new(expr.clone())), expr.span.clone())]);
            }
        }
    }
}

fn exists(generator: Generator, at: &Expr) -> Expr {
    Expr::new(K::Quantifier { all: false, generators: vec![generator] }, at.span.clone())
}

fn filtered(items: &Expr, condition: Expr) -> Expr {
    let kind = K::Filter { of: Box::new(items.clone()), condition: Box::new(condition) };
    Expr::new(kind, items.span.clone())
}

/// `xEvent`, of the profile or of a parameter, and what was filtered out of it.
fn is_events(expr: &Expr) -> bool {
    match &expr.kind {
        K::Name(name) => name == "xEvent",
        K::Member { of, names } => {
            matches!(of.kind, K::Name(_)) && matches!(&names[..], [only] if only.text == "xEvent")
        }
        K::Filter { of, .. } => is_events(of),
        _ => false,
    }
}

/// The sides of a comparison that are calculated.
pub(super) fn measures(expr: &Expr) -> Vec<&Expr> {
    let sides: Vec<&Expr> = match &expr.kind {
        K::Compare { left, right, .. } => vec![left, right],
        K::In { item, .. } => vec![item],
        _ => Vec::new(),
    };
    sides
        .into_iter()
        .filter(|side| matches!(side.kind, K::Call { .. } | K::Fold { .. } | K::Arithmetic { .. }))
        .collect()
}
