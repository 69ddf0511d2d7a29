//! The one place that knows the query language: checks the text of an audience.

use crate::evaluation::Obstacles;
use model::SmolStr;
use pql::Method;

/// What a good query tells about itself.
pub(crate) struct Checked {
    /// What in its shape stands against the faster methods.
    pub(crate) obstacles: Obstacles,
    /// The audiences that it names in `inSegment`.
    pub(crate) references: Vec<SmolStr>,
    /// True if it reads events itself.
    pub(crate) reads_events: bool,
}

/// Checks a text; each fault is rendered with its position.
pub(crate) type Check<'a> = dyn Fn(&str) -> Result<Checked, Vec<String>> + 'a;

/// Compiles `text` as a query of profiles of this schema.
pub(crate) fn check(text: &str, schema: &pql::Schema) -> Result<Checked, Vec<String>> {
    let query = pql::compile_segment(text, schema).map_err(|faults| {
        let rendered = |fault: &pql::Diagnostic| {
            let (line, column) = fault.line_column(text);
            format!("expression.value, line {line}, column {column}: {}\n{}", fault.message, fault.render(text))
        };
        faults.iter().map(rendered).collect::<Vec<_>>()
    })?;
    let reads = query.reads();
    Ok(Checked {
        obstacles: Obstacles { streaming: query.why_not(Method::Streaming), edge: query.why_not(Method::Edge) },
        references: reads.memberships.clone(),
        reads_events: reads.events,
    })
}
