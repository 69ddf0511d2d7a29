//! Which evaluation methods a query may use, and what it reads (pql.md §16; profile.md §10.2).
//!
//! In: a compiled query. Out: for each method a reason against it, or none; the attributes, events and
//! memberships that are read. An event is "within 24 h" if a condition that must hold bounds its age.

use crate::ast::{Comparison, Direction};
use crate::calendar::{Grid, Shift};
use crate::compile::Compiled;
use crate::functions;
use crate::node::{Anchor, Chain, Each, Generator, Node, Window};
use model::SmolStr;
use model::time::DAY_MS;

/// A way of evaluating segments, slowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// All profiles, by schedule.
    Batch,
    /// On every record of a profile.
    Streaming,
    /// Within the request.
    Edge,
}

/// What a query reads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reads {
    /// Events.
    pub events: bool,
    /// The only event types that can matter; `None` if all can, or if no events are read.
    pub event_types: Option<Vec<SmolStr>>,
    /// Segments whose stored membership is read, sorted.
    pub memberships: Vec<SmolStr>,
    /// The instant of the run: the value may change with time alone.
    pub time: bool,
    /// Dotted paths of profile attributes, sorted; the empty path is the whole profile.
    pub profile_paths: Vec<SmolStr>,
}

impl Reads {
    /// Whether it reads what the service adds to attributes: memberships and identities as fields.
    pub fn service_fields(&self) -> bool {
        let mut roots = self.profile_paths.iter().filter_map(|path| path.split('.').next());
        roots.any(|root| matches!(root, "" | "identityMap" | "segmentMembership"))
    }
}

/// Reasons against the faster methods.
#[derive(Debug)]
pub(crate) struct Methods {
    streaming: Option<&'static str>,
    edge: Option<&'static str>,
}

impl Methods {
    pub(crate) fn best(&self) -> Method {
        match (self.streaming, self.edge) {
            (Some(_), _) => Method::Batch,
            (None, Some(_)) => Method::Streaming,
            (None, None) => Method::Edge,
        }
    }

    pub(crate) fn why_not(&self, method: Method) -> Option<String> {
        let reason = match method {
            Method::Batch => None,
            Method::Streaming => self.streaming,
            Method::Edge => self.streaming.or(self.edge),
        };
        reason.map(str::to_owned)
    }
}

/// Decides about a query that has no faults.
pub(crate) fn analyse(query: &Compiled) -> (Methods, Reads) {
    let mut survey = Survey::default();
    survey.condition(&query.node);
    let streaming = against_streaming(query, &survey);
    let edge = against_edge(&survey);
    memberships_as_fields(&query.node, &mut survey.memberships);
    survey.memberships.sort();
    survey.memberships.dedup();
    let reads = Reads {
        events: !survey.uses.is_empty(),
        event_types: survey.event_types(),
        memberships: survey.memberships,
        time: query.time,
        profile_paths: query.paths.clone(),
    };
    (Methods { streaming, edge }, reads)
}

/// What a node reads by itself.
pub(crate) fn reads(node: &Node) -> Reads {
    let mut survey = Survey::default();
    survey.condition(node);
    let mut reads = Reads { events: !survey.uses.is_empty(), event_types: survey.event_types(), ..Reads::default() };
    inputs(node, &mut reads);
    memberships_as_fields(node, &mut reads.memberships);
    for list in [&mut reads.profile_paths, &mut reads.memberships] {
        list.sort();
        list.dedup();
    }
    reads
}

/// The dotted path of an attribute; up to what holds it, where its own name has a dot.
pub(crate) fn dotted(path: &[SmolStr]) -> SmolStr {
    let plain = path.iter().take_while(|name| !name.contains('.')).count();
    SmolStr::from(path[..plain].join("."))
}

fn inputs(node: &Node, reads: &mut Reads) {
    match node {
        Node::Field { of, path } if matches!(**of, Node::Profile) => {
            return reads.profile_paths.push(dotted(path));
        }
        Node::Profile => reads.profile_paths.push(SmolStr::default()),
        Node::InSegment(id) => reads.memberships.push(id.clone()),
        Node::Now | Node::Day(_) => reads.time = true,
        Node::Call { name, .. } if reads_clock(name) => reads.time = true,
        Node::Occurs { window, .. } => reads.time |= moves(window),
        Node::Chain(chain) => reads.time |= chain.steps.iter().filter_map(|s| s.when.as_ref()).any(moves),
        _ => {}
    }
    node.each_child(&mut |child| inputs(child, reads));
}

/// The segments whose membership is read as a field (pql.md §11.6): `segmentMembership.get("ups").get("ID")`, or the
/// same as a path.
fn memberships_as_fields(node: &Node, found: &mut Vec<SmolStr>) {
    match way(node).as_slice() {
        ["segmentMembership", "ups", id, ..] => found.push(SmolStr::new(id)),
        _ => node.each_child(&mut |child| memberships_as_fields(child, found)),
    }
}

/// The names from the profile to what a node gives, as far as they are known; empty for all else.
fn way(node: &Node) -> Vec<&str> {
    match node {
        Node::Field { of, path } if matches!(**of, Node::Profile) => path.iter().map(SmolStr::as_str).collect(),
        Node::Field { of, path } => {
            let mut names = way(of);
            if !names.is_empty() {
                names.extend(path.iter().map(SmolStr::as_str));
            }
            names
        }
        Node::Call { name: "get", args, .. } => match &**args {
            [of, Node::Text(key)] => {
                let mut names = way(of);
                if !names.is_empty() {
                    names.push(key);
                }
                names
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// Whether a window moves with the clock.
pub(crate) fn moves(window: &Window) -> bool {
    window.anchors().any(|anchor| !matches!(anchor, Anchor::At(_)))
}

/// Whether a function looks at the instant of the run by itself.
pub(crate) fn reads_clock(function: &str) -> bool {
    functions::find(function).is_some_and(|f| f.clock)
}

fn against_streaming(query: &Compiled, survey: &Survey) -> Option<&'static str> {
    let uses = &survey.uses;
    Some(match () {
        () if query.multi_entity => "it reads another entity than the profile",
        () if query.ignores_year => "it reads the month or day of a date without the year",
        () if uses.is_empty() => return None,
        () if !survey.memberships.is_empty() => "it joins `inSegment` with a condition on events",
        () if uses.iter().any(|u| u.shape == Shape::Whole) => "it counts, aggregates or lists events",
        () if uses.len() > 1 => "it has several conditions on events that are no sequence",
        () if !uses[0].within_day => "its events are not bounded to the last 24 hours",
        () => return None,
    })
}

fn against_edge(survey: &Survey) -> Option<&'static str> {
    if survey.uses.iter().any(|u| u.shape == Shape::Sequence) {
        return Some("it is a sequence of events");
    }
    (!survey.memberships.is_empty())
        .then_some("whether the segment in `inSegment` reads the profile only is not known here")
}

/// How events are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Whether there is one.
    Existence,
    /// Whether there are several in order.
    Sequence,
    /// Any other use.
    Whole,
}

#[derive(Debug)]
struct Use {
    shape: Shape,
    within_day: bool,
    types: Option<Vec<SmolStr>>,
}

#[derive(Default)]
struct Survey {
    uses: Vec<Use>,
    memberships: Vec<SmolStr>,
}

impl Survey {
    fn event_types(&self) -> Option<Vec<SmolStr>> {
        let mut all = Vec::new();
        for one in &self.uses {
            all.extend(one.types.clone()?);
        }
        all.sort();
        all.dedup();
        (!all.is_empty()).then_some(all)
    }

    /// A node of which only the truth matters.
    fn condition(&mut self, node: &Node) {
        match node {
            Node::And(all) | Node::Or(all) => all.iter().for_each(|n| self.condition(n)),
            Node::Not(of) => self.condition(of),
            Node::If(parts) => parts.iter().for_each(|n| self.condition(n)),
            Node::Let { parts, .. } => {
                self.value(&parts[0]);
                self.condition(&parts[1]);
            }
            Node::Filter(each) if each.of_events() => self.filter(each, Shape::Existence),
            Node::Quantifier { all, generators } => self.quantifier(*all, generators),
            Node::Chain(chain) => self.chain(chain),
            other => self.value(other),
        }
    }

    /// A node whose value matters.
    fn value(&mut self, node: &Node) {
        match node {
            Node::Events | Node::Profile => self.uses.push(Use { shape: Shape::Whole, within_day: false, types: None }),
            Node::Field { of, .. } if matches!(**of, Node::Profile) => {}
            Node::Filter(each) if each.of_events() => self.filter(each, Shape::Whole),
            Node::Filter(each) => {
                self.value(&each.source);
                self.condition(&each.body);
            }
            Node::InSegment(id) => self.memberships.push(id.clone()),
            Node::And(_) | Node::Or(_) | Node::Not(_) | Node::Quantifier { .. } | Node::Chain(_) => {
                self.condition(node)
            }
            other => other.each_child(&mut |child| self.value(child)),
        }
    }

    fn filter(&mut self, each: &Each, shape: Shape) {
        let mut conditions = Vec::new();
        each.conditions(&mut conditions);
        self.push(shape, &conditions);
    }

    /// Notes a use of events under conditions, and looks into those.
    fn push(&mut self, shape: Shape, conditions: &[(usize, &Node)]) {
        let within_day = conditions.iter().any(|(slot, c)| bounds_age(c, *slot));
        let types = conditions.iter().find_map(|(slot, c)| types(c, *slot));
        self.uses.push(Use { shape, within_day, types });
        conditions.iter().for_each(|(_, c)| self.condition(c));
    }

    fn quantifier(&mut self, all: bool, generators: &[Generator]) {
        for (i, generator) in generators.iter().enumerate() {
            let mut conditions = Vec::new();
            let of_events = match &generator.source {
                Node::Events => true,
                Node::Filter(each) if each.of_events() => {
                    each.conditions(&mut conditions);
                    true
                }
                source => {
                    self.value(source);
                    false
                }
            };
            if of_events {
                // In `forall`, `where` selects only if a condition follows it.
                let selecting = generators[i..].iter().flat_map(|g| match (all, &g.condition) {
                    (false, condition) => g.filter.iter().chain(condition),
                    (true, Some(_)) => g.filter.iter().chain(&None),
                    (true, None) => None.iter().chain(&None),
                });
                conditions.extend(selecting.map(|c| (generator.slot, c)));
                let within_day = conditions.iter().any(|(slot, c)| bounds_age(c, *slot));
                let types = conditions.iter().find_map(|(slot, c)| types(c, *slot));
                self.uses.push(Use { shape: Shape::Existence, within_day, types });
            }
            generator.filter.iter().chain(&generator.condition).for_each(|c| self.condition(c));
        }
    }

    fn chain(&mut self, chain: &Chain) {
        let mut conditions = Vec::new();
        match &chain.source {
            Node::Events => {}
            Node::Filter(each) if each.of_events() => each.conditions(&mut conditions),
            other => self.value(other),
        }
        let first = &chain.steps[0];
        // Later steps are younger than the first one.
        let windowed = first.when.as_ref().and_then(age_max).is_some_and(|age| age <= DAY_MS);
        let bounded =
            bounds_age(&first.what, first.item_slot) || conditions.iter().any(|(slot, c)| bounds_age(c, *slot));
        let of_steps: Option<Vec<Vec<SmolStr>>> = chain.steps.iter().map(|s| types(&s.what, s.item_slot)).collect();
        let types = conditions.iter().find_map(|(slot, c)| types(c, *slot)).or(of_steps.map(|all| all.concat()));
        let shape = if chain.steps.len() == 1 { Shape::Existence } else { Shape::Sequence };
        if chain.of_events() {
            self.uses.push(Use { shape, within_day: windowed || bounded, types });
        }
        conditions.iter().for_each(|(_, c)| self.condition(c));
        for step in &chain.steps {
            self.condition(&step.what);
            for anchor in step.when.iter().flat_map(Window::anchors) {
                if let Anchor::At(node) = anchor {
                    self.value(node);
                }
            }
        }
    }
}

impl Each {
    /// True for a filter of all events, or a filter of such a filter.
    fn of_events(&self) -> bool {
        match &self.source {
            Node::Events => true,
            Node::Filter(inner) => inner.of_events(),
            _ => false,
        }
    }

    /// The conditions of this filter and of those below it, with the slots of their items.
    fn conditions<'n>(&'n self, all: &mut Vec<(usize, &'n Node)>) {
        all.push((self.slot, &self.body));
        if let Node::Filter(inner) = &self.source {
            inner.conditions(all);
        }
    }
}

impl Chain {
    fn of_events(&self) -> bool {
        match &self.source {
            Node::Events => true,
            Node::Filter(each) => each.of_events(),
            _ => false,
        }
    }
}

/// True for a property of the item in a slot.
pub(crate) fn is_field(node: &Node, slot: usize, name: &str) -> bool {
    match node {
        Node::AsTime(of) => is_field(of, slot, name),
        Node::Field { of, path } => matches!(**of, Node::Slot(s) if s == slot) && path.len() == 1 && path[0] == name,
        _ => false,
    }
}

/// True if the condition holds only for events of the last 24 hours.
fn bounds_age(condition: &Node, slot: usize) -> bool {
    let is_time = |node: &Node| is_field(node, slot, "timestamp");
    match condition {
        Node::And(all) => all.iter().any(|c| bounds_age(c, slot)),
        Node::Or(any) => any.iter().all(|c| bounds_age(c, slot)),
        Node::Occurs { time, window } => is_time(time) && age_max(window).is_some_and(|age| age <= DAY_MS),
        Node::Compare { op, sides } => {
            let (bound, op) = match &**sides {
                [time, bound] if is_time(time) => (bound, *op),
                [bound, time] if is_time(time) => (bound, op.mirrored()),
                _ => return false,
            };
            let above = matches!(op, Comparison::Greater | Comparison::GreaterEqual | Comparison::Equal);
            above && matches!(bound, Node::Now | Node::Day(0 | 1))
        }
        _ => false,
    }
}

/// The event types for which the condition can hold.
pub(crate) fn types(condition: &Node, slot: usize) -> Option<Vec<SmolStr>> {
    let is_type = |node: &Node| is_field(node, slot, "eventType");
    match condition {
        Node::And(all) => all.iter().find_map(|c| types(c, slot)),
        Node::Or(any) => any.iter().map(|c| types(c, slot)).collect::<Option<Vec<_>>>().map(|all| all.concat()),
        Node::Compare { op: Comparison::Equal, sides } => match &**sides {
            [field, Node::Text(text)] | [Node::Text(text), field] if is_type(field) => Some(vec![text.clone()]),
            _ => None,
        },
        Node::In { negated: false, sides } => match &**sides {
            [field, Node::Array(items)] if is_type(field) => items.iter().map(literal_text).collect(),
            _ => None,
        },
        _ => None,
    }
}

fn literal_text(node: &Node) -> Option<SmolStr> {
    match node {
        Node::Text(text) => Some(text.clone()),
        _ => None,
    }
}

/// The greatest age in ms at which a window still holds; `None` if that is unbounded or months.
fn age_max(window: &Window) -> Option<i64> {
    match window {
        Window::Side(Direction::Before, _) => None,
        Window::Side(Direction::After, Anchor::Period(offset, grid)) => period_age(offset + 1, *grid),
        Window::Side(Direction::After, anchor) | Window::On(anchor) | Window::Between(anchor, _) => start_age(anchor),
        Window::Distance { op, shift, unit, direction, anchor } => {
            let distance = match shift {
                Shift::Millis(ms) => -ms,
                Shift::Months(_) => return None,
            };
            let start = start_age(anchor)?;
            match (op, direction) {
                (Comparison::NotEqual, _) => None,
                (Comparison::Equal, _) => Some(start + distance + width(*unit)?),
                (Comparison::Less | Comparison::LessEqual, Direction::Before) => Some(start + distance),
                (Comparison::Greater | Comparison::GreaterEqual, Direction::Before) => None,
                (Comparison::Less | Comparison::LessEqual, Direction::After) => Some(start),
                (Comparison::Greater | Comparison::GreaterEqual, Direction::After) => Some((start + distance).max(0)),
            }
        }
    }
}

fn start_age(anchor: &Anchor) -> Option<i64> {
    match anchor {
        Anchor::Now => Some(0),
        Anchor::Day(offset) => period_age(*offset, Grid::DAY),
        Anchor::Period(offset, grid) => period_age(*offset, *grid),
        Anchor::At(_) => None,
    }
}

fn period_age(offset: i64, grid: Grid) -> Option<i64> {
    Some(((1 - offset) * width(grid)?).max(0))
}

fn width(grid: Grid) -> Option<i64> {
    match grid {
        Grid::Fixed { width, .. } => Some(width),
        Grid::Months(_) => None,
    }
}
