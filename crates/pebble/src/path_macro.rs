//! Dotted paths of audience templates, with hyphens and indices: `headers.X-Request-Id`, `body.lists[0].id`.
//!
//! In: a path that the lexer found sound. Out: an expression. Always: header names are compared without case.

use crate::error::Span;
use crate::statements::root;
use crate::tree::{Expr, PathMacro, Step};

pub(crate) fn expression(path: &str, span: Span) -> Expr {
    let mut names = Vec::new();
    for part in path.split('.') {
        let mut pieces = part.split('[');
        names.push(Step::Name(pieces.next().unwrap_or_default().into()));
        names.extend(pieces.filter_map(|p| p.trim_end_matches(']').parse().ok()).map(Step::Index));
    }
    let mut names = names.into_iter();
    let first = match names.next() {
        Some(Step::Name(name)) => name,
        _ => Default::default(),
    };
    let rest: Vec<Step> = names.collect();
    let second = |name: &str| matches!(rest.first(), Some(Step::Name(n)) if n == name);
    let headers_from = match first.as_str() {
        "headers" => Some(0),
        "response" if second("headers") => Some(1),
        _ => None,
    };
    Expr::PathMacro(Box::new(PathMacro { root: root(&first, span), rest, span, headers_from }))
}
