//! The life of an audience: `draft → published ⇄ inactive`, `archived` at the end (profile.md §9.7).
//!
//! Only published audiences are evaluated. Always: a draft is never returned to, and nothing returns
//! from the archive.

use crate::error::Error;
use model::Doc;

pub(crate) const PUBLISHED: &str = "published";

/// Each state with those that may follow it.
const STATES: [(&str, &[&str]); 4] = [
    ("draft", &["published", "archived"]),
    (PUBLISHED, &["inactive", "archived"]),
    ("inactive", &["published", "archived"]),
    ("archived", &[]),
];

/// The state of a stored audience; those of older versions were all published.
pub(crate) fn state(doc: &Doc) -> &str {
    doc.body["lifecycleState"].as_str().unwrap_or(PUBLISHED)
}

/// True if the audience is evaluated.
pub(crate) fn is_published(doc: &Doc) -> bool {
    state(doc) == PUBLISHED
}

/// A new audience is a draft or published.
pub(crate) fn check_first(given: &str) -> Result<(), Error> {
    match given {
        "draft" | PUBLISHED => Ok(()),
        other => Err(Error::field(
            "lifecycleState",
            format_args!("a new audience is draft or published, `{other}` was given"),
        )),
    }
}

/// Whether an audience in the state `from` may be set to `to`.
pub(crate) fn check_step(from: &str, to: &str) -> Result<(), Error> {
    const FIELD: &str = "lifecycleState";
    if !STATES.iter().any(|(state, _)| *state == to) {
        let rule = format!("must be {}, is `{to}`", STATES.map(|(state, _)| state).join(", "));
        return Err(Error::field(FIELD, rule));
    }
    let next = STATES.iter().find(|(state, _)| *state == from).map_or(&[][..], |(_, next)| *next);
    if from == to || next.contains(&to) {
        return Ok(());
    }
    let rule = match next {
        [] => format!("an audience in the state {from} cannot change its state; `{to}` was given"),
        next => format!("an audience in the state {from} can become {}; `{to}` was given", next.join(" or ")),
    };
    Err(Error::field(FIELD, rule))
}
