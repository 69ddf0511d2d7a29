//! From a compiled query to its rule over atoms.

use super::atom::{Aggregate, Atom, AtomKind, Expression, Sequence, Step, Threshold, Tie, age_max};
use super::local::{Local, is_constant, is_local, reads_events, span};
use super::series::{Keep, Sample, Sampled, SeriesSpec, type_condition};
use crate::ast::Comparison;
use crate::method::{self, Reads};
use crate::node::{self, Anchor, Each, Fold, Generator, Node, Window};
use crate::occurs::Span;
use crate::query::Query;
use model::SmolStr;
use std::sync::Arc;

/// A rule over numbered atoms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// Always so.
    Constant(bool),
    /// The atom of this number.
    Atom(usize),
    /// The contrary.
    Not(Box<Rule>),
    /// All of them, none skipped by an earlier one being false but to save work.
    All(Box<[Rule]>),
    /// Any of them.
    Any(Box<[Rule]>),
    /// The second or the third, as the first is true or false.
    If(Box<[Rule; 3]>),
}

impl Rule {
    /// The truth, given that of atoms; asks for no more atoms than needed, in order.
    pub fn holds(&self, atom: &mut dyn FnMut(usize) -> bool) -> bool {
        match self {
            Rule::Constant(truth) => *truth,
            Rule::Atom(number) => atom(*number),
            Rule::Not(of) => !of.holds(atom),
            Rule::All(all) => all.iter().all(|r| r.holds(atom)),
            Rule::Any(any) => any.iter().any(|r| r.holds(atom)),
            Rule::If(parts) => {
                let [condition, then, otherwise] = &**parts;
                if condition.holds(atom) { then.holds(atom) } else { otherwise.holds(atom) }
            }
        }
    }
}

/// A query taken apart.
#[derive(Debug, Clone)]
pub struct Split {
    /// The rule.
    pub rule: Rule,
    /// Its atoms, each once.
    pub atoms: Vec<Arc<Atom>>,
}

/// Takes a query apart.
pub(crate) fn split(query: &Query) -> Split {
    let (root, slots) = query.parts();
    let mut splitter = Splitter { slots, atoms: Vec::new() };
    let rule = splitter.rule(root);
    Split { rule, atoms: splitter.atoms }
}

struct Splitter {
    slots: usize,
    atoms: Vec<Arc<Atom>>,
}

/// An atom under construction.
#[derive(Default)]
struct Parts {
    series: Vec<SeriesSpec>,
    keep: Vec<Keep>,
}

impl Splitter {
    fn rule(&mut self, node: &Node) -> Rule {
        match node {
            Node::Bool(truth) => Rule::Constant(*truth),
            Node::And(all) => Rule::All(all.iter().map(|n| self.rule(n)).collect()),
            Node::Or(any) => Rule::Any(any.iter().map(|n| self.rule(n)).collect()),
            Node::Not(of) => Rule::Not(Box::new(self.rule(of))),
            Node::If(parts) => Rule::If(Box::new(parts.each_ref().map(|n| self.rule(n)))),
            leaf => self.leaf(leaf),
        }
    }

    fn leaf(&mut self, node: &Node) -> Rule {
        if let Some((aggregate, parts, negated)) = existence(node) {
            let one = threshold(aggregate, Comparison::GreaterEqual, Sample::Int(1), true);
            let atom = self.add(parts, AtomKind::Threshold(one));
            return if negated { Rule::Not(Box::new(atom)) } else { atom };
        }
        if let Some((threshold, parts)) = comparison(node) {
            return self.add(parts, AtomKind::Threshold(threshold));
        }
        if let Some((sequence, parts)) = sequence(node) {
            return self.add(parts, AtomKind::Sequence(sequence));
        }
        let mut parts = Parts::default();
        let mut aggregates = Vec::new();
        let mut own = node.clone();
        if reads_events(node) {
            keep_aggregates(&mut own, &mut parts, &mut aggregates);
        }
        if reads_events(&own) {
            let whole = Expression { node: node.clone(), slots: self.slots, aggregates: Box::new([]) };
            return self.add(Parts::default(), AtomKind::Whole(whole));
        }
        let expression = Expression { node: own, slots: self.slots, aggregates: aggregates.into() };
        self.add(parts, AtomKind::Expression(expression))
    }

    fn add(&mut self, parts: Parts, kind: AtomKind) -> Rule {
        let Parts { series, keep } = parts;
        let keys: Vec<&str> = series.iter().map(SeriesSpec::key).collect();
        let key = format!("{keys:?} {kind:?}");
        if let Some(known) = self.atoms.iter().position(|a| a.key == key) {
            return Rule::Atom(known);
        }
        let reads = match &kind {
            AtomKind::Expression(e) | AtomKind::Whole(e) => method::reads(&e.node),
            AtomKind::Threshold(_) | AtomKind::Sequence(_) => Reads::default(),
        };
        self.atoms.push(Arc::new(Atom { key, series, keep, kind, reads }));
        Rule::Atom(self.atoms.len() - 1)
    }
}

/// `never_null`: what is folded are samples of which each counts.
fn threshold(aggregate: Aggregate, op: Comparison, bound: Sample, never_null: bool) -> Threshold {
    let at_least = match (aggregate.fold, op, &bound) {
        _ if !never_null => None,
        (Fold::Count, Comparison::GreaterEqual, Sample::Int(n)) => Some((*n, false)),
        (Fold::Count, Comparison::Greater, Sample::Int(n)) => Some((n.saturating_add(1), false)),
        (Fold::Count, Comparison::Less, Sample::Int(n)) => Some((*n, true)),
        (Fold::Count, Comparison::LessEqual, Sample::Int(n)) => Some((n.saturating_add(1), true)),
        _ => None,
    };
    let at_least = at_least.map(|(n, negated)| (usize::try_from(n.max(0)).unwrap_or(usize::MAX), negated));
    Threshold { aggregate, op, bound, at_least }
}

impl Parts {
    /// Adds a series of events, and gives the aggregate that folds it.
    fn aggregate(&mut self, fold: Fold, local: Local, slot: usize, sampled: Sampled) -> Aggregate {
        let windows: Box<[Span]> = local.windows.into();
        let keep = if windows.is_empty() {
            Keep { totals: true, extremes: matches!(fold, Fold::Min | Fold::Max), ..Keep::default() }
        } else {
            let sums = matches!(fold, Fold::Sum | Fold::Average);
            let suffixes = matches!(fold, Fold::Min | Fold::Max) && !matches!(sampled, Sampled::Presence);
            Keep { age_max: Some(age_max(&windows).unwrap_or(i64::MAX)), sums, suffixes, ..Keep::default() }
        };
        let spec = spec(local.conditions, slot, sampled);
        Aggregate { series: self.series(spec, keep), windows, fold }
    }

    fn series(&mut self, spec: SeriesSpec, keep: Keep) -> usize {
        if let Some(known) = self.series.iter().position(|s| s.key == spec.key) {
            self.keep[known] = self.keep[known].or(keep);
            return known;
        }
        self.series.push(spec);
        self.keep.push(keep);
        self.series.len() - 1
    }
}

/// A spec in a form that is the same for the same conditions, whatever their order and their slots.
fn spec(conditions: Vec<Node>, slot: usize, sampled: Sampled) -> SeriesSpec {
    let types = conditions.iter().find_map(|c| method::types(c, slot)).map(|mut types| {
        types.sort();
        types.dedup();
        types
    });
    let mut slots = 1;
    let mut keyed: Vec<(String, Node)> = conditions
        .into_iter()
        .map(|mut node| {
            slots = slots.max(renumber(&mut node, slot));
            (format!("{node:?}"), node)
        })
        .collect();
    keyed.sort_by(|a, b| a.0.cmp(&b.0));
    keyed.dedup_by(|a, b| a.0 == b.0);
    let sampled = match sampled {
        Sampled::Presence => Sampled::Presence,
        Sampled::Value(mut node) => {
            slots = slots.max(renumber(&mut node, slot));
            Sampled::Value(node)
        }
        Sampled::Items(mut node) => {
            slots = slots.max(renumber(&mut node, slot));
            Sampled::Items(node)
        }
    };
    let (keys, conditions): (Vec<String>, Vec<Node>) = keyed.into_iter().unzip();
    let key = format!("{keys:?} {sampled:?}");
    let type_condition = type_condition(&conditions, types.as_deref());
    SeriesSpec { key, conditions: conditions.into(), sampled, slots, types, type_condition }
}

/// Makes `first` slot 0 and numbers the others by their first use; gives how many there are.
fn renumber(node: &mut Node, first: usize) -> usize {
    let mut known = vec![first];
    node.each_slot(&mut |slot| {
        let place = known.iter().position(|s| s == slot);
        *slot = place.unwrap_or_else(|| {
            known.push(*slot);
            known.len() - 1
        });
    });
    known.len()
}

/// Events, filtered any number of times, as a condition on the item of one slot.
fn filtered_events(node: &Node) -> Option<(Local, usize)> {
    match node {
        Node::Events => Some((Local::default(), EVENT_SLOT)),
        Node::Filter(each) => {
            let (mut local, inner) = filtered_events(&each.source)?;
            local.move_to(inner, each.slot);
            local.take(&each.body, each.slot).then_some((local, each.slot))
        }
        _ => None,
    }
}

/// A slot that no query has, for the event where the query names none.
const EVENT_SLOT: usize = usize::MAX;

/// What a node streams of filtered events: conditions, the slot of the event, and what is sampled.
fn stream(node: &Node) -> Option<(Local, usize, Sampled)> {
    if let Some((local, slot)) = filtered_events(node) {
        return Some((local, slot, Sampled::Presence));
    }
    match node {
        Node::Map(each) => {
            let (mut local, inner) = filtered_events(&each.source)?;
            local.move_to(inner, each.slot);
            let sampled = is_local(&each.body, each.slot) && !lengthens(&each.body);
            sampled.then(|| (local, each.slot, Sampled::Value(each.body.clone())))
        }
        Node::Field { of, path } => {
            let (local, slot) = filtered_events(of)?;
            let items = Node::Field { of: Box::new(one_item(slot)), path: path.clone() };
            Some((local, slot, Sampled::Items(items)))
        }
        Node::AsTime(of) => match stream(of)? {
            (local, slot, Sampled::Items(items)) => Some((local, slot, Sampled::Items(Node::AsTime(Box::new(items))))),
            (local, slot, Sampled::Value(value)) => Some((local, slot, Sampled::Value(Node::AsTime(Box::new(value))))),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a node can make a text that is longer than what it is made of: samples are kept, so they must be no longer
/// than what their events say.
fn lengthens(node: &Node) -> bool {
    const LENGTHENING: [&str; 5] = ["concat", "replace", "replaceAll", "encode64", "urlEncode"];
    let mut found = matches!(node, Node::Call { name, .. } if LENGTHENING.contains(name));
    node.each_child(&mut |child| found = found || lengthens(child));
    found
}

/// An array of the item of a slot alone, of which fields stream as they do of all events.
fn one_item(slot: usize) -> Node {
    let source = Node::Array(Box::new([Node::Slot(slot)]));
    Node::Filter(Box::new(Each { source, slot: slot.wrapping_sub(1), body: Node::Bool(true) }))
}

/// A node that is true if some event counts, or (negated) if none does.
fn existence(node: &Node) -> Option<(Aggregate, Parts, bool)> {
    let count = |local: Local, slot: usize, negated: bool| {
        let mut parts = Parts::default();
        let aggregate = parts.aggregate(Fold::Count, local, slot, Sampled::Presence);
        Some((aggregate, parts, negated))
    };
    match node {
        Node::Events | Node::Filter(_) => {
            let (local, slot) = filtered_events(node)?;
            count(local, slot, false)
        }
        Node::Compare { op, sides } => {
            let [left, right] = &**sides;
            let ((of, path), streamed, op, bound) = match (projected(left), projected(right)) {
                (Some(found), None) if is_scalar(right) => (found, left, *op, right),
                (None, Some(found)) if is_scalar(left) => (found, right, op.mirrored(), left),
                _ => return None,
            };
            let (mut local, slot) = filtered_events(of)?;
            let field = Node::Field { of: Box::new(one_item(slot)), path: path.into() };
            let field = if as_time(streamed) { Node::AsTime(Box::new(field)) } else { field };
            let sides = Box::new([field, bound.clone()]);
            local.conditions.push(Node::Compare { op, sides });
            count(local, slot, false)
        }
        Node::Occurs { time, window } => occurrence(time, window).and_then(|(local, slot)| count(local, slot, false)),
        Node::Quantifier { all: false, generators } => {
            let (local, slot) = some_of(generators)?;
            count(local, slot, false)
        }
        Node::Quantifier { all: true, generators } => {
            let (local, slot) = failing(generators)?;
            count(local, slot, true)
        }
        _ => None,
    }
}

/// A constant that is no array: with an array, all that events hold is compared as a whole.
fn is_scalar(node: &Node) -> bool {
    let scalar = matches!(node, Node::Bool(_) | Node::Null | Node::Negate(_) | Node::Arithmetic { .. });
    (scalar && is_constant(node)) || constant(node).is_some()
}

fn as_time(node: &Node) -> bool {
    matches!(node, Node::AsTime(_))
}

/// A field of events.
fn projected(node: &Node) -> Option<(&Node, &[SmolStr])> {
    match node {
        Node::AsTime(of) => projected(of),
        Node::Field { of, path } if matches!(**of, Node::Events | Node::Filter(_)) && of.streams() => {
            reads_events(of).then_some((&**of, &**path))
        }
        _ => None,
    }
}

/// `events.timestamp occurs …`
fn occurrence(time: &Node, window: &Window) -> Option<(Local, usize)> {
    let (of, path) = projected(time)?;
    let (mut local, slot) = filtered_events(of)?;
    let is_time = path.len() == 1 && path[0] == "timestamp";
    match span(window) {
        Some(span) if is_time => local.windows.push(span),
        Some(span) if !span.moves() => {
            let field = Node::AsTime(Box::new(Node::Field { of: Box::new(one_item(slot)), path: path.into() }));
            local.conditions.push(Node::Occurs { time: Box::new(field), window: Box::new(window.clone()) });
        }
        _ => return None,
    }
    Some((local, slot))
}

/// `exists E from events, …`: a condition on `E`, the rest being about what `E` holds.
fn some_of(generators: &[Generator]) -> Option<(Local, usize)> {
    let (first, rest) = generators.split_first()?;
    let (mut local, slot) = of_generator(first)?;
    for condition in first.filter.iter().chain(&first.condition) {
        if !local.take(condition, slot) {
            return None;
        }
    }
    if rest.is_empty() {
        return Some((local, slot));
    }
    let mut rest = rest.to_vec();
    // A condition of the last one that is about the event alone can be asked before.
    if let Some(last) = rest.last_mut() {
        for place in [&mut last.filter, &mut last.condition] {
            let Some(condition) = place.take() else { continue };
            let (about, others): (Vec<Node>, Vec<Node>) = conjuncts(condition).into_iter().partition(|c| {
                let mut alone = Local::default();
                alone.take(c, slot)
            });
            if !about.iter().all(|c| local.take(c, slot)) {
                return None;
            }
            *place = (!others.is_empty()).then(|| Node::And(others.into()));
        }
    }
    let inner = Node::Quantifier { all: false, generators: rest.into() };
    local.take(&inner, slot).then_some((local, slot))
}

fn conjuncts(node: Node) -> Vec<Node> {
    match node {
        Node::And(all) => all.into_vec().into_iter().flat_map(conjuncts).collect(),
        other => vec![other],
    }
}

/// `forall E from events where F : C`: the events that speak against it.
fn failing(generators: &[Generator]) -> Option<(Local, usize)> {
    let [only] = generators else { return None };
    let (mut local, slot) = of_generator(only)?;
    let condition = match (&only.filter, &only.condition) {
        (Some(filter), Some(condition)) => {
            if !local.take(filter, slot) {
                return None;
            }
            condition
        }
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => &Node::Bool(true),
    };
    let contrary = Node::Not(Box::new(condition.clone()));
    local.take(&contrary, slot).then_some((local, slot))
}

fn of_generator(generator: &Generator) -> Option<(Local, usize)> {
    let (mut local, inner) = filtered_events(&generator.source)?;
    local.move_to(inner, generator.slot);
    Some((local, generator.slot))
}

/// A fold of events.
fn fold(node: &Node, parts: &mut Parts) -> Option<Aggregate> {
    let Node::Fold { fold, source, value } = node else { return None };
    let (mut local, slot, sampled) = stream(source)?;
    let Some(value) = value else { return Some(parts.aggregate(*fold, local, slot, sampled)) };
    let (item, body) = &**value;
    if !matches!(sampled, Sampled::Presence) {
        return None;
    }
    local.move_to(slot, *item);
    let sampled = is_local(body, *item) && !lengthens(body);
    sampled.then(|| parts.aggregate(*fold, local, *item, Sampled::Value(body.clone())))
}

/// `aggregate op constant`, either way round.
fn comparison(node: &Node) -> Option<(Threshold, Parts)> {
    let Node::Compare { op, sides } = node else { return None };
    let mut parts = Parts::default();
    let (aggregate, op, bound) = match &**sides {
        [of, bound] if matches!(of, Node::Fold { .. }) => (fold(of, &mut parts)?, *op, constant(bound)?),
        [bound, of] if matches!(of, Node::Fold { .. }) => (fold(of, &mut parts)?, op.mirrored(), constant(bound)?),
        _ => return None,
    };
    let never_null = match &parts.series[aggregate.series].sampled {
        Sampled::Presence => true,
        Sampled::Items(items) => !as_time(items),
        Sampled::Value(_) => false,
    };
    Some((threshold(aggregate, op, bound, never_null), parts))
}

fn constant(node: &Node) -> Option<Sample> {
    Some(match node {
        Node::Int(n) => Sample::Int(*n),
        Node::Double(n) => Sample::Double(*n),
        Node::Text(s) => Sample::Text(s.clone()),
        Node::Time(ms) => Sample::Time(*ms),
        Node::Date(ms) => Sample::Date(*ms),
        Node::Negate(of) => match constant(of)? {
            Sample::Int(n) => Sample::Int(n.checked_neg()?),
            Sample::Double(n) => Sample::Double(-n),
            _ => return None,
        },
        _ => return None,
    })
}

/// A chain over events whose steps look at their own event, and of earlier steps at the time only.
fn sequence(node: &Node) -> Option<(Sequence, Parts)> {
    let Node::Chain(chain) = node else { return None };
    let (base, base_slot) = filtered_events(&chain.source)?;
    if !method::is_field(&chain.time, chain.slot, "timestamp") {
        return None;
    }
    let mut parts = Parts::default();
    let mut steps = Vec::with_capacity(chain.steps.len());
    // Later steps come after earlier ones, so what is too old for one of those is too old for them.
    let mut age = i64::MAX;
    for (number, step) in chain.steps.iter().enumerate() {
        let mut local = base.clone();
        local.move_to(base_slot, step.item_slot);
        if !local.take(&step.what, step.item_slot) {
            return None;
        }
        let mut tied = None;
        if let Some(window) = &step.when {
            match span(window) {
                Some(span) => local.windows.push(span),
                None => tied = Some(tie(window, &chain.steps[..number])?),
            }
        }
        let windows: Box<[Span]> = local.windows.into();
        let own = age_max(&windows).unwrap_or(i64::MAX);
        age = age.min(own);
        // Windows of its own tell instants, which must not depend on what was dropped for another step.
        let kept = if windows.is_empty() { age } else { own };
        let keep = Keep { age_max: Some(kept), ..Keep::default() };
        let series = parts.series(spec(local.conditions, step.item_slot, Sampled::Presence), keep);
        steps.push(Step { series, windows, tie: tied, reads: step.reads });
    }
    Some((Sequence { steps: steps.into() }, parts))
}

/// A window at the times of earlier steps; it must not move with the clock beside.
fn tie(window: &Window, earlier: &[node::Step]) -> Option<Tie> {
    let step = |anchor: &Anchor| match anchor {
        Anchor::At(Node::Slot(slot)) => earlier.iter().position(|s| s.time_slot == *slot),
        _ => None,
    };
    let steps: Vec<Option<usize>> = window.anchors().map(step).collect();
    let mut fixed = window.clone();
    fixed.each_anchor_mut(&mut |anchor| {
        if step(anchor).is_some() {
            *anchor = Anchor::At(Node::Time(0));
        }
    });
    let span = span(&fixed).filter(|span| !span.moves())?;
    Some(Tie { span, from: *steps.first()?, to: steps.get(1).copied().flatten() })
}

/// Puts what is kept in the place of every fold of events.
fn keep_aggregates(node: &mut Node, parts: &mut Parts, aggregates: &mut Vec<Aggregate>) {
    if let Some(aggregate) = fold(node, parts) {
        *node = Node::Kept(aggregates.len());
        aggregates.push(aggregate);
        return;
    }
    node.each_child_mut(&mut |child| keep_aggregates(child, parts, aggregates));
}
