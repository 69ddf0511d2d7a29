//! A compiled query: what it reads, which methods may evaluate it, and its evaluation.

use crate::compile as compiler;
use crate::diagnostic::{Diagnostic, Diagnostics, Kind};
use crate::eval::{MADE_BYTES_MAX, Run};
use crate::incremental::Split;
use crate::method::{Method, Methods, Reads};
use crate::node::Node;
use crate::parser::parse;
use crate::types::Class;
use crate::value::{EventView, V};
use model::{Timestamp, Type, Value};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is known of profiles and events; `Type::Any` where nothing is.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// The type of the merged profile.
    pub profile: Type,
    /// The type of an event.
    pub event: Type,
}

impl Schema {
    /// Nothing is known: every path is legal.
    pub fn untyped() -> Schema {
        Schema { profile: Type::Any, event: Type::Any }
    }
}

/// What a query is evaluated over.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// The merged profile, without its events.
    pub profile: &'a Value,
    /// Its events, ascending by timestamp, then by id.
    pub events: &'a [EventView],
    /// Whether the profile is stored as a member of a segment.
    pub is_member: &'a dyn Fn(&str) -> bool,
    /// The instant of the run.
    pub now: Timestamp,
}

impl World<'static> {
    /// A world in which there is nothing.
    pub fn nothing() -> World<'static> {
        World { profile: &Value::Null, events: &[], is_member: &|_| false, now: Timestamp(0) }
    }
}

static EXHAUSTED: AtomicU64 = AtomicU64::new(0);

/// How many evaluations were cut off in this process because they took too much work.
pub fn exhausted() -> u64 {
    EXHAUSTED.load(Ordering::Relaxed)
}

/// The result of an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The value.
    pub value: Value,
    /// The first millisecond after `now` at which it could differ with nothing but time passing.
    pub flips_at: Option<Timestamp>,
    /// The evaluation was cut off after [`WORK_MAX`](crate::WORK_MAX) items or
    /// [`MADE_BYTES_MAX`](crate::MADE_BYTES_MAX) bytes: the value is null and tells nothing.
    pub exhausted: bool,
}

impl Outcome {
    pub(crate) fn of(run: &Run<'_>, value: &V<'_>, now: Timestamp) -> Outcome {
        let owned = if run.is_exhausted() { None } else { value.to_value(now.0, MADE_BYTES_MAX) };
        match owned {
            Some(value) => Outcome { value, flips_at: run.flips_at(), exhausted: false },
            None => {
                EXHAUSTED.fetch_add(1, Ordering::Relaxed);
                Outcome { value: Value::Null, flips_at: None, exhausted: true }
            }
        }
    }
}

/// Whether something holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truth {
    /// Whether it does; false where the evaluation was cut off.
    pub holds: bool,
    /// The first millisecond after `now` at which that could differ with nothing but time passing.
    pub flips_at: Option<Timestamp>,
    /// A condition was cut off after [`WORK_MAX`](crate::WORK_MAX) items or
    /// [`MADE_BYTES_MAX`](crate::MADE_BYTES_MAX) bytes.
    pub exhausted: bool,
}

impl Truth {
    /// What time alone does not turn.
    pub fn lasting(holds: bool) -> Truth {
        Truth { holds, flips_at: None, exhausted: false }
    }

    pub(crate) fn of(run: &Run<'_>, holds: bool) -> Truth {
        if run.is_exhausted() {
            EXHAUSTED.fetch_add(1, Ordering::Relaxed);
            return Truth { holds: false, flips_at: None, exhausted: true };
        }
        Truth { holds, flips_at: run.flips_at(), exhausted: false }
    }
}

/// A checked query, ready for evaluation; immutable.
#[derive(Debug)]
pub struct Query {
    text: String,
    root: Node,
    slots: usize,
    result: Type,
    reads: Reads,
    methods: Methods,
    split: OnceLock<Split>,
}

/// Compiles a query of any result type.
pub fn compile(text: &str, schema: &Schema) -> Result<Query, Diagnostics> {
    compile_checked(text, schema, false)
}

/// Compiles a query that must be true or false; an array counts as true if it has an item.
pub fn compile_segment(text: &str, schema: &Schema) -> Result<Query, Diagnostics> {
    compile_checked(text, schema, true)
}

fn compile_checked(text: &str, schema: &Schema, segment: bool) -> Result<Query, Diagnostics> {
    let ast = parse(text)?;
    let mut compiled = compiler::compile(&ast, schema);
    if segment
        && compiled.faults.is_empty()
        && !matches!(compiled.ty.class(), Class::Any | Class::Boolean | Class::Array)
    {
        let message = format!("a segment is true or false, this query gives {}", compiled.ty.describe());
        compiled.faults.push(Diagnostic::new(Kind::Type, ast.root.span.clone(), message));
    }
    if !compiled.faults.is_empty() {
        return Err(Diagnostics::new(compiled.faults));
    }
    let (methods, reads) = crate::method::analyse(&compiled);
    let (root, slots, result) = (compiled.node, compiled.slots, compiled.ty.known());
    Ok(Query { text: text.to_owned(), root, slots, result, reads, methods, split: OnceLock::new() })
}

impl Query {
    /// The text it was compiled from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the two are compiled to the same tree: equal values over every world.
    pub fn means_the_same(&self, other: &Query) -> bool {
        format!("{:?}", self.root) == format!("{:?}", other.root)
    }

    /// The query taken apart for incremental evaluation; made once.
    pub fn split(&self) -> &Split {
        self.split.get_or_init(|| crate::incremental::split(self))
    }

    /// The compiled tree, and how many variables it has.
    pub(crate) fn parts(&self) -> (&Node, usize) {
        (&self.root, self.slots)
    }

    /// The static type of its value.
    pub fn result(&self) -> &Type {
        &self.result
    }

    /// What it reads.
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    /// The fastest method that may evaluate it.
    pub fn method(&self) -> Method {
        self.methods.best()
    }

    /// Why a method may not evaluate it; `None` if it may.
    pub fn why_not(&self, method: Method) -> Option<String> {
        self.methods.why_not(method)
    }

    /// Its value.
    pub fn eval(&self, world: &World<'_>) -> Outcome {
        let mut run = Run::new(world, self.slots);
        let value = match &self.root {
            Node::And(_) | Node::Or(_) | Node::Not(_) => V::Bool(run.rule(&self.root)),
            root => run.value(root),
        };
        let value = run.settle(value);
        Outcome::of(&run, &value, world.now)
    }

    /// Its truth: an array is true if it has an item, null is false.
    pub fn eval_bool(&self, world: &World<'_>) -> Truth {
        let mut run = Run::new(world, self.slots);
        let holds = run.rule(&self.root);
        Truth::of(&run, holds)
    }
}
