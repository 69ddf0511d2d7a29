//! What a query is made of: types, inputs, the fastest method and what stands against it, estimated cost.
//!
//! In: a text and a schema. Out: an `Explanation`, for programs by its fields and for people by `Display`.

use crate::advice::warnings;
use crate::compile as compiler;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::method::{Method, Reads};
use crate::node::{Chain, Generator, Node};
use crate::parser::parse;
use crate::query::{Query, Schema, compile, compile_segment};
use crate::types;
use std::collections::HashSet;
use std::fmt::{Display, Formatter};
use std::ops::Range;

/// Items that an array of a profile is taken to have.
const ITEMS: f64 = 4.0;
/// Events that a profile is taken to have.
const EVENTS: f64 = 100.0;

/// What a query is made of.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The type of its value.
    pub result: String,
    /// Parts of the text with their types: names, calls, calculations; in the order of the text.
    pub types: Vec<(Range<usize>, String, String)>,
    /// What it reads.
    pub reads: Reads,
    /// The fastest method that may evaluate it.
    pub method: Method,
    /// The faster methods, and why they may not.
    pub against: Vec<(Method, String)>,
    /// What an evaluation costs.
    pub cost: Cost,
    /// What should be told about it.
    pub warnings: Vec<Diagnostic>,
}

/// Estimated cost of an evaluation, in steps (a comparison is about three).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// Once for a profile.
    pub profile: f64,
    /// For each event: what is decided by one event alone.
    pub event: f64,
    /// For each pair of events: what needs the whole history.
    pub pair: f64,
    /// For three and more events that are looked at together.
    pub more: f64,
}

impl Cost {
    const fn once(profile: f64) -> Cost {
        Cost { profile, event: 0.0, pair: 0.0, more: 0.0 }
    }

    /// Steps for a profile with 100 events.
    pub fn total(&self) -> f64 {
        self.profile + EVENTS * (self.event + EVENTS * (self.pair + EVENTS * self.more))
    }

    fn plus(self, other: Cost) -> Cost {
        Cost {
            profile: self.profile + other.profile,
            event: self.event + other.event,
            pair: self.pair + other.pair,
            more: self.more + other.more,
        }
    }

    fn times(self, n: f64) -> Cost {
        Cost { profile: self.profile * n, event: self.event * n, pair: self.pair * n, more: self.more * n }
    }

    /// The same for every event.
    fn for_each_event(self) -> Cost {
        Cost { profile: 0.0, event: self.profile, pair: self.event, more: self.pair + self.more * EVENTS }
    }
}

/// Explains a query; with `segment` it must be true or false, as that of an audience.
pub fn explain(text: &str, schema: &Schema, segment: bool) -> Result<Explanation, Diagnostics> {
    let query = if segment { compile_segment(text, schema)? } else { compile(text, schema)? };
    let ast = parse(text)?;
    let mut types: Vec<(Range<usize>, String, String)> = compiler::compile(&ast, schema)
        .types
        .into_iter()
        .map(|(span, ty)| (span.clone(), text[span].to_owned(), types::name(&ty.known())))
        .collect();
    types.sort_by_key(|(span, ..)| (span.start, std::cmp::Reverse(span.end)));
    types.dedup();
    let faster = [Method::Streaming, Method::Edge];
    let against = faster.into_iter().filter_map(|m| query.why_not(m).map(|reason| (m, reason))).collect();
    Ok(Explanation {
        result: types::name(query.result()),
        types,
        reads: query.reads().clone(),
        method: query.method(),
        against,
        cost: cost(&query),
        warnings: warnings(&ast),
    })
}

/// The estimated cost of an evaluation.
fn cost(query: &Query) -> Cost {
    Estimate { of_events: HashSet::new() }.cost(query.parts().0)
}

struct Estimate {
    /// Variables that stand for arrays of events.
    of_events: HashSet<usize>,
}

impl Estimate {
    /// True for an array of events, or of a part of each.
    fn is_events(&self, node: &Node) -> bool {
        match node {
            Node::Events => true,
            Node::Slot(slot) => self.of_events.contains(slot),
            Node::Filter(each) | Node::Map(each) | Node::MapNamed { each, .. } => self.is_events(&each.source),
            Node::Field { of, .. } | Node::AsTime(of) => self.is_events(of),
            _ => false,
        }
    }

    fn for_each(&self, source: &Node, body: Cost) -> Cost {
        if self.is_events(source) { body.for_each_event() } else { body.times(ITEMS) }
    }

    fn cost(&mut self, node: &Node) -> Cost {
        let own = match node {
            Node::Like { .. } => 5.0,
            Node::Matches { .. } | Node::RegexGroup { .. } => 20.0,
            Node::Occurs { .. } | Node::Call { .. } => 3.0,
            Node::And(_) | Node::Or(_) => 0.0,
            _ => 1.0,
        };
        let own = Cost::once(own);
        match node {
            Node::Filter(each) | Node::Map(each) | Node::MapNamed { each, .. } | Node::GroupBy(each) => {
                let (source, body) = (self.cost(&each.source), self.cost(&each.body));
                own.plus(source).plus(self.for_each(&each.source, body))
            }
            Node::Rank { each, count, .. } => {
                // Sorting looks at an item several times.
                let (source, body) = (self.cost(&each.source), self.cost(&each.body).times(3.0));
                own.plus(source).plus(self.for_each(&each.source, body)).plus(self.cost(count))
            }
            Node::Fold { source, value, .. } => {
                let body = value.as_ref().map_or(Cost::once(1.0), |value| self.cost(&value.1).plus(Cost::once(1.0)));
                own.plus(self.cost(source)).plus(self.for_each(source, body))
            }
            Node::Let { slot, parts } => {
                if self.is_events(&parts[0]) {
                    self.of_events.insert(*slot);
                }
                own.plus(self.cost(&parts[0])).plus(self.cost(&parts[1]))
            }
            Node::Quantifier { generators, .. } => own.plus(self.generators(generators)),
            Node::Chain(chain) => own.plus(self.chain(chain)),
            Node::Events | Node::Profile | Node::Slot(_) => Cost::once(0.0),
            other => {
                let mut sum = own;
                other.each_child(&mut |child| sum = sum.plus(self.cost(child)));
                sum
            }
        }
    }

    /// Each generator runs once for every item of those before it.
    fn generators(&mut self, generators: &[Generator]) -> Cost {
        let Some((first, rest)) = generators.split_first() else { return Cost::once(0.0) };
        let source = self.cost(&first.source);
        let mut body = Cost::once(0.0);
        for part in first.filter.iter().chain(&first.condition) {
            body = body.plus(self.cost(part));
        }
        let body = body.plus(self.generators(rest));
        source.plus(self.for_each(&first.source, body))
    }

    fn chain(&mut self, chain: &Chain) -> Cost {
        let mut body = self.cost(&chain.time);
        let mut pairs = Cost::once(0.0);
        for step in &chain.steps {
            let what = self.cost(&step.what).plus(Cost::once(if step.when.is_some() { 3.0 } else { 0.0 }));
            // What reads an earlier step is tried for pairs.
            if step.reads == 0 { body = body.plus(what) } else { pairs = pairs.plus(what) }
        }
        let each = self.for_each(&chain.source, body);
        let both = self.for_each(&chain.source, pairs);
        self.cost(&chain.source).plus(each).plus(self.for_each(&chain.source, both))
    }
}

impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "value    {}", self.result)?;
        let (mut told, mut first) = (HashSet::new(), true);
        for (_, text, ty) in self.types.iter().filter(|(_, text, ty)| told.insert((text, ty))) {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let first = std::mem::take(&mut first);
            writeln!(f, "{}  {text}: {ty}", if first { "types  " } else { "       " })?;
        }
        let reads = &self.reads;
        let list = |names: &[model::SmolStr]| names.join(", ");
        let mut inputs = Vec::new();
        if !reads.profile_paths.is_empty() {
            let names: Vec<&str> =
                reads.profile_paths.iter().map(|p| if p.is_empty() { "the whole profile" } else { p }).collect();
            inputs.push(format!("attributes {}", names.join(", ")));
        }
        if reads.events {
            inputs.push(match &reads.event_types {
                Some(types) => format!("events of type {}", list(types)),
                None => "events of every type".into(),
            });
        }
        if !reads.memberships.is_empty() {
            inputs.push(format!("memberships of {}", list(&reads.memberships)));
        }
        if reads.time {
            inputs.push("the time".into());
        }
        if inputs.is_empty() {
            inputs.push("nothing".into());
        }
        for (at, input) in inputs.iter().enumerate() {
            writeln!(f, "{}  {input}", if at == 0 { "reads  " } else { "       " })?;
        }
        writeln!(f, "method   {}", name(self.method))?;
        for (method, reason) in &self.against {
            writeln!(f, "         not {}: {reason}", name(*method))?;
        }
        let cost = &self.cost;
        writeln!(f, "cost     {:.0} steps for a profile with {EVENTS:.0} events", cost.total())?;
        let parts = [
            (cost.profile, "once"),
            (cost.event, "for each event, decided by that event alone"),
            (cost.pair, "for each pair of events, over the whole history"),
            (cost.more, "for three events together, over the whole history"),
        ];
        for (steps, what) in parts.into_iter().filter(|(steps, _)| *steps > 0.0) {
            writeln!(f, "         {steps:.0} {what}")?;
        }
        for warning in &self.warnings {
            writeln!(f, "warning  {}", warning.message)?;
        }
        Ok(())
    }
}

fn name(method: Method) -> &'static str {
    match method {
        Method::Batch => "batch",
        Method::Streaming => "streaming",
        Method::Edge => "edge",
    }
}
