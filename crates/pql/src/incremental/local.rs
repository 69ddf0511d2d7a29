//! What of a condition on events can be decided by the event alone, and what by its time and the clock.

use crate::ast::Comparison;
use crate::method::{is_field, moves, reads_clock};
use crate::node::{Anchor, Node, Window};
use crate::occurs::{Moment, Span};

/// A condition on the item of a slot, taken apart.
#[derive(Debug, Clone, Default)]
pub(super) struct Local {
    /// Conditions that the event alone decides.
    pub(super) conditions: Vec<Node>,
    /// Windows that its time must lie in.
    pub(super) windows: Vec<Span>,
}

impl Local {
    /// Takes a condition in. `false`: it can not be decided so, and what was taken in means nothing.
    #[must_use]
    pub(super) fn take(&mut self, condition: &Node, slot: usize) -> bool {
        match condition {
            Node::And(all) => all.iter().all(|c| self.take(c, slot)),
            Node::Bool(true) => true,
            Node::Occurs { time, window } if is_field(time, slot, "timestamp") => match self::span(window) {
                Some(span) if span.moves() => {
                    self.windows.push(span);
                    true
                }
                _ => self.take_local(condition, slot),
            },
            _ => self.take_local(condition, slot),
        }
    }

    /// Makes it a condition on the item of another slot.
    pub(super) fn move_to(&mut self, from: usize, to: usize) {
        let rename = |slot: &mut usize| {
            if *slot == from {
                *slot = to;
            }
        };
        self.conditions.iter_mut().for_each(|condition| condition.each_slot(&mut { rename }));
    }

    fn take_local(&mut self, condition: &Node, slot: usize) -> bool {
        let local = is_local(condition, slot);
        if local {
            self.conditions.push(condition.clone());
        }
        local
    }
}

/// Whether a node reads nothing but the item of the slot and constants.
pub(super) fn is_local(node: &Node, slot: usize) -> bool {
    let mut inner = vec![slot];
    local(node, &mut inner)
}

fn local(node: &Node, slots: &mut Vec<usize>) -> bool {
    match node {
        Node::Profile | Node::Events | Node::InSegment(_) | Node::Now | Node::Day(_) | Node::Kept(_) => return false,
        Node::Slot(slot) => return slots.contains(slot),
        Node::Call { name, .. } if reads_clock(name) => return false,
        Node::Occurs { window, .. } if moves(window) => return false,
        Node::Chain(_) => return false,
        _ => {}
    }
    // What a node binds, its parts may read.
    let before = slots.len();
    match node {
        Node::Filter(each) | Node::Map(each) | Node::MapNamed { each, .. } | Node::GroupBy(each) => {
            slots.push(each.slot);
        }
        Node::Rank { each, .. } => slots.push(each.slot),
        Node::MapGroups(map) => slots.extend([map.key_slot, map.items_slot]),
        Node::Fold { value: Some(value), source, .. } => {
            slots.push(value.0);
            // A comprehension reads the variable of its source.
            if let Node::Filter(each) = &**source {
                slots.push(each.slot);
            }
        }
        Node::Let { slot, .. } => slots.push(*slot),
        Node::Quantifier { generators, .. } => slots.extend(generators.iter().map(|g| g.slot)),
        _ => {}
    }
    let mut all = true;
    node.each_child(&mut |child| all = all && local(child, slots));
    slots.truncate(before);
    all
}

/// Whether a node is a constant.
pub(super) fn is_constant(node: &Node) -> bool {
    local(node, &mut Vec::new())
}

/// Whether a node, or what is below it, reads events.
pub(super) fn reads_events(node: &Node) -> bool {
    if matches!(node, Node::Events) {
        return true;
    }
    // The profile as a whole holds its events; a path below it names them as `Events`.
    if let Node::Field { of, path } = node
        && matches!(**of, Node::Profile)
    {
        return path.first().is_some_and(|name| name == "xEvent");
    }
    if matches!(node, Node::Profile) {
        return true;
    }
    let mut found = false;
    node.each_child(&mut |child| found = found || reads_events(child));
    found
}

/// A window whose anchors are constants or move with the clock; `!=` is none.
pub(super) fn span(window: &Window) -> Option<Span> {
    Some(match window {
        Window::Distance { op: Comparison::NotEqual, .. } => return None,
        Window::Distance { op, shift, unit, direction, anchor } => {
            Span::Distance { op: *op, shift: *shift, unit: *unit, direction: *direction, anchor: moment(anchor)? }
        }
        Window::Side(direction, anchor) => Span::Side(*direction, moment(anchor)?),
        Window::On(anchor) => Span::On(moment(anchor)?),
        Window::Between(from, to) => Span::Between(moment(from)?, moment(to)?),
    })
}

fn moment(anchor: &Anchor) -> Option<Moment> {
    Some(match anchor {
        Anchor::Now => Moment::Now,
        Anchor::Day(offset) => Moment::Day(*offset),
        Anchor::Period(offset, grid) => Moment::Period(*offset, *grid),
        Anchor::At(Node::Time(ms)) => Moment::Instant(crate::calendar::clamp(*ms)),
        Anchor::At(Node::Date(ms)) => Moment::Date(crate::calendar::clamp(*ms)),
        Anchor::At(_) => return None,
    })
}
