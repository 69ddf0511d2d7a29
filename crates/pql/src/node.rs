//! The compiled form of a query: names are slots and paths, literals and patterns are ready to use.
//!
//! Every variable and every item scope has a slot of its own, so evaluation needs no environment.

use crate::ast::{Arithmetic, Comparison, Direction};
use crate::calendar::{Grid, Shift};
use crate::functions::Plain;
use crate::functions::pattern::{Like, Regex};
use model::SmolStr;

/// A compiled expression.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(SmolStr),
    Time(i64),
    Date(i64),
    Now,
    /// `yesterday` … `tomorrow` as the instant it begins.
    Day(i64),
    Profile,
    Events,
    Slot(usize),
    Field {
        of: Box<Node>,
        path: Box<[SmolStr]>,
    },
    /// A stored text that the schema calls a date or date-time.
    AsTime(Box<Node>),
    Filter(Box<Each>),
    Map(Box<Each>),
    /// `A.map(f)` where `f` is a function unless the item has such a field.
    MapNamed {
        each: Box<Each>,
        name: SmolStr,
    },
    Rank {
        each: Box<Each>,
        descending: bool,
        count: Box<Node>,
    },
    GroupBy(Box<Each>),
    MapGroups(Box<MapGroups>),
    Fold {
        fold: Fold,
        source: Box<Node>,
        value: Option<Box<(usize, Node)>>,
    },
    And(Box<[Node]>),
    Or(Box<[Node]>),
    Not(Box<Node>),
    Negate(Box<Node>),
    Arithmetic {
        first: Box<Node>,
        rest: Box<[(Arithmetic, Node)]>,
    },
    Compare {
        op: Comparison,
        sides: Box<[Node; 2]>,
    },
    In {
        negated: bool,
        sides: Box<[Node; 2]>,
    },
    If(Box<[Node; 3]>),
    Let {
        slot: usize,
        parts: Box<[Node; 2]>,
    },
    Like {
        text: Box<Node>,
        pattern: Box<Like>,
    },
    Matches {
        text: Box<Node>,
        regex: Box<Regex>,
    },
    RegexGroup {
        text: Box<Node>,
        regex: Box<Regex>,
        group: Box<Node>,
    },
    Quantifier {
        all: bool,
        generators: Box<[Generator]>,
    },
    Occurs {
        time: Box<Node>,
        window: Box<Window>,
    },
    Chain(Box<Chain>),
    InSegment(SmolStr),
    Call {
        name: &'static str,
        code: Plain,
        args: Box<[Node]>,
    },
    Array(Box<[Node]>),
    Object(Box<[(SmolStr, Node)]>),
    /// An aggregate of events that is kept incrementally: its number among those of the expression.
    Kept(usize),
}

/// An expression that is evaluated for each item, which stands in a slot.
#[derive(Debug, Clone)]
pub(crate) struct Each {
    pub(crate) source: Node,
    pub(crate) slot: usize,
    pub(crate) body: Node,
}

/// `G.map((K, V) => mapEntry(key, value))`
#[derive(Debug, Clone)]
pub(crate) struct MapGroups {
    pub(crate) source: Node,
    pub(crate) key_slot: usize,
    pub(crate) items_slot: usize,
    pub(crate) key: Node,
    pub(crate) value: Node,
}

/// An aggregation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fold {
    Count,
    CountWithNull,
    CountOnlyNull,
    Sum,
    Average,
    Min,
    Max,
}

#[derive(Debug, Clone)]
pub(crate) struct Generator {
    pub(crate) slot: usize,
    pub(crate) source: Node,
    pub(crate) filter: Option<Node>,
    pub(crate) condition: Option<Node>,
}

#[derive(Debug, Clone)]
pub(crate) enum Window {
    Distance { op: Comparison, shift: Shift, unit: Grid, direction: Direction, anchor: Anchor },
    Side(Direction, Anchor),
    On(Anchor),
    Between(Anchor, Anchor),
}

#[derive(Debug, Clone)]
pub(crate) enum Anchor {
    Now,
    Day(i64),
    Period(i64, Grid),
    At(Node),
}

/// `chain(source, time, steps)`
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    pub(crate) source: Node,
    /// Where the item stands while its time is read.
    pub(crate) slot: usize,
    pub(crate) time: Node,
    pub(crate) steps: Box<[Step]>,
}

#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) item_slot: usize,
    pub(crate) time_slot: usize,
    pub(crate) what: Node,
    pub(crate) when: Option<Window>,
    /// Bit `i`: this step or a later one reads step `i`.
    pub(crate) reads: u8,
}

impl Node {
    /// True where items can be had one by one without making an array first.
    pub(crate) fn streams(&self) -> bool {
        match self {
            Node::Events | Node::Filter(_) | Node::Map(_) => true,
            Node::Field { of, .. } | Node::AsTime(of) => of.streams(),
            _ => false,
        }
    }

    /// Calls `f` for every direct child.
    pub(crate) fn each_child<'n>(&'n self, f: &mut dyn FnMut(&'n Node)) {
        use Node as N;
        match self {
            N::Null | N::Bool(_) | N::Int(_) | N::Double(_) | N::Text(_) | N::Time(_) | N::Date(_) | N::Now => {}
            N::Day(_) | N::Profile | N::Events | N::Slot(_) | N::InSegment(_) | N::Kept(_) => {}
            N::Field { of, .. } | N::AsTime(of) | N::Not(of) | N::Negate(of) => f(of),
            N::Like { text, .. } | N::Matches { text, .. } => f(text),
            N::RegexGroup { text, group, .. } => [text, group].into_iter().for_each(|n| f(n)),
            N::Filter(each) | N::Map(each) | N::MapNamed { each, .. } | N::GroupBy(each) => each.each_child(f),
            N::Rank { each, count, .. } => {
                each.each_child(f);
                f(count);
            }
            N::MapGroups(map) => [&map.source, &map.key, &map.value].into_iter().for_each(f),
            N::Fold { source, value, .. } => {
                f(source);
                value.iter().for_each(|v| f(&v.1));
            }
            N::And(all) | N::Or(all) | N::Array(all) | N::Call { args: all, .. } => all.iter().for_each(f),
            N::Arithmetic { first, rest } => {
                f(first);
                rest.iter().for_each(|(_, n)| f(n));
            }
            N::Compare { sides, .. } | N::In { sides, .. } | N::Let { parts: sides, .. } => sides.iter().for_each(f),
            N::If(parts) => parts.iter().for_each(f),
            N::Quantifier { generators, .. } => {
                for g in generators {
                    f(&g.source);
                    g.filter.iter().chain(&g.condition).for_each(&mut *f);
                }
            }
            N::Occurs { time, window } => {
                f(time);
                window.each_child(f);
            }
            N::Chain(chain) => {
                f(&chain.source);
                f(&chain.time);
                for step in &chain.steps {
                    f(&step.what);
                    step.when.iter().for_each(|w| w.each_child(f));
                }
            }
            N::Object(fields) => fields.iter().for_each(|(_, n)| f(n)),
        }
    }
}

impl Node {
    /// Calls `f` for every place that names a slot, here and below.
    pub(crate) fn each_slot(&mut self, f: &mut dyn FnMut(&mut usize)) {
        use Node as N;
        match self {
            N::Slot(slot) => f(slot),
            N::Filter(each) | N::Map(each) | N::MapNamed { each, .. } | N::GroupBy(each) | N::Rank { each, .. } => {
                f(&mut each.slot);
            }
            N::MapGroups(map) => {
                f(&mut map.key_slot);
                f(&mut map.items_slot);
            }
            N::Fold { value: Some(value), .. } => f(&mut value.0),
            N::Let { slot, .. } => f(slot),
            N::Quantifier { generators, .. } => generators.iter_mut().for_each(|g| f(&mut g.slot)),
            N::Chain(chain) => {
                f(&mut chain.slot);
                for step in &mut chain.steps {
                    f(&mut step.item_slot);
                    f(&mut step.time_slot);
                }
            }
            _ => {}
        }
        self.each_child_mut(&mut |child| child.each_slot(f));
    }

    /// Calls `f` for every direct child.
    pub(crate) fn each_child_mut(&mut self, f: &mut dyn FnMut(&mut Node)) {
        use Node as N;
        match self {
            N::Field { of, .. } | N::AsTime(of) | N::Not(of) | N::Negate(of) => f(of),
            N::Like { text, .. } | N::Matches { text, .. } => f(text),
            N::RegexGroup { text, group, .. } => [text, group].into_iter().for_each(|n| f(n)),
            N::Filter(each) | N::Map(each) | N::MapNamed { each, .. } | N::GroupBy(each) => each.each_child_mut(f),
            N::Rank { each, count, .. } => {
                each.each_child_mut(f);
                f(count);
            }
            N::MapGroups(map) => [&mut map.source, &mut map.key, &mut map.value].into_iter().for_each(f),
            N::Fold { source, value, .. } => {
                f(source);
                value.iter_mut().for_each(|v| f(&mut v.1));
            }
            N::And(all) | N::Or(all) | N::Array(all) | N::Call { args: all, .. } => all.iter_mut().for_each(f),
            N::Arithmetic { first, rest } => {
                f(first);
                rest.iter_mut().for_each(|(_, n)| f(n));
            }
            N::Compare { sides, .. } | N::In { sides, .. } | N::Let { parts: sides, .. } => {
                sides.iter_mut().for_each(f);
            }
            N::If(parts) => parts.iter_mut().for_each(f),
            N::Quantifier { generators, .. } => {
                for g in generators {
                    f(&mut g.source);
                    g.filter.iter_mut().chain(&mut g.condition).for_each(&mut *f);
                }
            }
            N::Occurs { time, window } => {
                f(time);
                window.each_child_mut(f);
            }
            N::Chain(chain) => {
                f(&mut chain.source);
                f(&mut chain.time);
                for step in &mut chain.steps {
                    f(&mut step.what);
                    step.when.iter_mut().for_each(|w| w.each_child_mut(f));
                }
            }
            N::Object(fields) => fields.iter_mut().for_each(|(_, n)| f(n)),
            N::Null | N::Bool(_) | N::Int(_) | N::Double(_) | N::Text(_) | N::Time(_) | N::Date(_) | N::Now => {}
            N::Day(_) | N::Profile | N::Events | N::Slot(_) | N::InSegment(_) | N::Kept(_) => {}
        }
    }
}

impl Each {
    fn each_child_mut(&mut self, f: &mut dyn FnMut(&mut Node)) {
        f(&mut self.source);
        f(&mut self.body);
    }

    fn each_child<'n>(&'n self, f: &mut dyn FnMut(&'n Node)) {
        f(&self.source);
        f(&self.body);
    }
}

impl Window {
    pub(crate) fn anchors(&self) -> impl Iterator<Item = &Anchor> {
        let (first, second) = match self {
            Window::Distance { anchor, .. } | Window::Side(_, anchor) | Window::On(anchor) => (anchor, None),
            Window::Between(a, b) => (a, Some(b)),
        };
        std::iter::once(first).chain(second)
    }

    pub(crate) fn each_anchor_mut(&mut self, f: &mut dyn FnMut(&mut Anchor)) {
        let (first, second) = match self {
            Window::Distance { anchor, .. } | Window::Side(_, anchor) | Window::On(anchor) => (anchor, None),
            Window::Between(a, b) => (a, Some(b)),
        };
        std::iter::once(first).chain(second).for_each(f);
    }

    fn each_child_mut(&mut self, f: &mut dyn FnMut(&mut Node)) {
        self.each_anchor_mut(&mut |anchor| {
            if let Anchor::At(node) = anchor {
                f(node);
            }
        });
    }

    fn each_child<'n>(&'n self, f: &mut dyn FnMut(&'n Node)) {
        self.anchors().for_each(|anchor| {
            if let Anchor::At(node) = anchor {
                f(node);
            }
        });
    }
}
