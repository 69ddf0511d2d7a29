//! The compiled form of a template: names hashed, attribute chains joined, constants folded.
//!
//! In: what the parser read. Out: a tree that the renderer walks. Always: shared between threads; the only
//! thing that changes are guesses where a key stands in its map.

use crate::error::Span;
use crate::escape::Strategy;
use crate::filters::Filter;
use crate::functions::Function;
use crate::predicates::Predicate;
use crate::value::Value;
use smol_str::SmolStr;
use std::collections::HashMap;
use std::sync::atomic::AtomicU32;

/// A name with its hash; hashes are compared first.
#[derive(Debug, Clone)]
pub(crate) struct Name {
    pub(crate) text: SmolStr,
    pub(crate) hash: u64,
}

impl Name {
    pub(crate) fn new(text: &str) -> Name {
        Name { text: text.into(), hash: hash(text) }
    }
}

/// FNV-1a: short names, computed when a template is compiled.
pub(crate) const fn hash(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let (mut hash, mut at) = (0xcbf2_9ce4_8422_2325_u64, 0);
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    hash
}

pub(crate) const LOOP_HASH: u64 = hash("loop");

#[derive(Debug)]
pub(crate) struct Var {
    pub(crate) name: Name,
    pub(crate) near: AtomicU32,
    pub(crate) slot: Slot,
    pub(crate) span: Span,
}

/// Where a variable stands; loops count from the innermost one that has a place of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Wherever its name is found.
    #[default]
    Named,
    /// In the context: the template never gives the name a value.
    Context,
    /// What a `set` fills, in the context as long as none has.
    Place(u32),
    /// The variable of a loop.
    Item(u32),
    /// `loop`
    Loop(u32),
    /// `loop.first`
    First(u32),
    /// `loop.last`
    Last(u32),
}

/// A static attribute: `.name` or `['name']`.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) name: SmolStr,
    pub(crate) part: Part,
    pub(crate) near: AtomicU32,
    pub(crate) span: Span,
}

/// What a name means for an entry of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Key,
    Value,
    Other,
}

impl Part {
    /// The part of an entry that a name means.
    #[inline]
    pub(crate) fn of(self, entry: &(Value, Value)) -> Option<&Value> {
        match self {
            Part::Key => Some(&entry.0),
            Part::Value => Some(&entry.1),
            Part::Other => None,
        }
    }
}

/// A variable (or any value) and names that lead on from it.
#[derive(Debug)]
pub(crate) struct Path {
    pub(crate) base: Expr,
    pub(crate) segments: Vec<Segment>,
    /// Where the renderer remembers what a shared prefix of context names leads to.
    pub(crate) memo: Memo,
    /// Of the base, if it is a variable.
    pub(crate) slot: Slot,
    /// It starts at the variable of a loop, and others there start with the same name: that is found once a pass.
    pub(crate) shares: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Range,
    Multiply,
    Divide,
    Modulo,
    Add,
    Subtract,
    Equal,
    NotEqual,
    Less,
    Greater,
    LessEqual,
    GreaterEqual,
    Contains,
    And,
    Or,
}

impl Op {
    #[inline]
    pub(crate) fn compares(self) -> bool {
        matches!(self, Op::Equal | Op::NotEqual | Op::Less | Op::Greater | Op::LessEqual | Op::GreaterEqual)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    Not,
    Plus,
    Minus,
}

#[derive(Debug)]
#[repr(u8)] // A tag of its own is told apart in one step; one packed into a value takes several.
pub(crate) enum Expr {
    Const(Value),
    Var(Box<Var>),
    Path(Box<Path>),
    Index(Box<(Expr, Expr, Span)>),
    Method(Box<Method>),
    List(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    Concat(Vec<Expr>),
    Binary(Box<Binary>),
    Unary(Box<(Sign, Expr, Span)>),
    Ternary(Box<(Expr, Expr, Expr, Span)>),
    Filter(Box<FilterCall>),
    Test(Box<TestCall>),
    Call(Box<Call>),
    /// `block('n')`
    Block(Box<(Expr, Span)>),
    /// `parent()`, with the block it stands in.
    Parent(Option<SmolStr>, Span),
    Escape(Box<(Strategy, Expr, Span)>),
    /// The body of a `filter` tag.
    Body(Vec<Node>),
    /// A dotted path with hyphens.
    PathMacro(Box<PathMacro>),
}

impl Expr {
    /// Its place in the source, as far as it is known: constants have none.
    #[cold]
    pub(crate) fn span(&self) -> Option<Span> {
        /// How far to look for a place.
        const DEPTH_MAX: usize = 16;
        self.span_within(DEPTH_MAX)
    }

    fn span_within(&self, depth: usize) -> Option<Span> {
        let inner = |expr: &Expr| expr.span_within(depth.checked_sub(1)?);
        let around = |exprs: &mut dyn Iterator<Item = &Expr>| exprs.filter_map(inner).reduce(Span::to);
        match self {
            Expr::Const(_) | Expr::Body(_) => None,
            Expr::Var(var) => Some(var.span),
            Expr::Path(path) => match path.segments.last() {
                Some(last) => Some(inner(&path.base).map_or(last.span, |base| base.to(last.span))),
                None => inner(&path.base),
            },
            Expr::Index(index) => Some(index.2),
            Expr::Method(method) => Some(method.span),
            Expr::List(items) => around(&mut items.iter()),
            Expr::Map(entries) => around(&mut entries.iter().flat_map(|(key, value)| [key, value])),
            Expr::Concat(parts) => around(&mut parts.iter()),
            Expr::Binary(binary) => Some(binary.span),
            Expr::Unary(unary) => Some(unary.2),
            Expr::Ternary(ternary) => Some(ternary.3),
            Expr::Filter(call) => Some(call.span),
            Expr::Test(test) => Some(test.span),
            Expr::Call(call) => Some(call.span),
            Expr::Block(block) => Some(block.1),
            Expr::Parent(_, span) => Some(*span),
            Expr::Escape(escape) => Some(escape.2),
            Expr::PathMacro(path) => Some(path.span),
        }
    }
}

/// Paths of one template often start alike; the first `names` names are walked once a render.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memo {
    pub(crate) slot: usize,
    pub(crate) names: usize,
}

/// The slot that stays empty: nothing is remembered.
pub(crate) const NO_MEMO: usize = MEMOS_MAX;

impl Default for Memo {
    fn default() -> Self {
        Memo { slot: NO_MEMO, names: 0 }
    }
}

/// How many prefixes a render remembers.
pub(crate) const MEMOS_MAX: usize = 8;

#[derive(Debug)]
pub(crate) struct PathMacro {
    pub(crate) root: Var,
    pub(crate) rest: Vec<Step>,
    pub(crate) span: Span,
    /// From this step on names are compared without case.
    pub(crate) headers_from: Option<usize>,
}

#[derive(Debug)]
pub(crate) enum Step {
    Name(SmolStr),
    Index(usize),
}

#[derive(Debug)]
pub(crate) struct Method {
    pub(crate) base: Expr,
    pub(crate) name: SmolStr,
    pub(crate) args: Args,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) struct Binary {
    pub(crate) op: Op,
    pub(crate) left: Expr,
    pub(crate) right: Expr,
    pub(crate) span: Span,
}

#[derive(Debug, Default)]
pub(crate) struct Args {
    pub(crate) positional: Vec<Expr>,
    pub(crate) named: Vec<(SmolStr, Expr)>,
}

/// Arguments laid out by declared name; `Err` is what is wrong with them, told when the call is evaluated.
pub(crate) type Bound = Result<Vec<Option<Expr>>, String>;

#[derive(Debug)]
pub(crate) struct FilterCall {
    pub(crate) filter: Result<&'static Filter, SmolStr>,
    pub(crate) input: Expr,
    pub(crate) args: Bound,
    /// The constant pairs of `replace`.
    pub(crate) pairs: Option<Vec<(String, String)>>,
    /// It turns text into text, with nothing to evaluate.
    pub(crate) is_text: bool,
    /// It is `trim`, whose result is part of its input.
    pub(crate) trims: bool,
    /// Its result holds nothing that HTML must escape.
    pub(crate) is_plain: bool,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) struct TestCall {
    pub(crate) test: Result<Predicate, SmolStr>,
    pub(crate) negated: bool,
    pub(crate) input: Expr,
    pub(crate) args: Vec<Expr>,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: SmolStr,
    pub(crate) function: Option<(&'static Function, Bound)>,
    pub(crate) args: Args,
    pub(crate) span: Span,
}

#[derive(Debug)]
#[repr(u8)] // As `Expr`.
pub(crate) enum Node {
    Text(Box<str>),
    Print(Expr),
    If(Box<If>),
    For(Box<For>),
    Set(Box<Set>),
    /// `autoescape` and `parallel`: their bodies in place.
    Group(Vec<Node>),
    Block(SmolStr, Span),
    Include(Box<Include>),
    Extends(Box<(Expr, Span)>),
    Import(Box<Import>),
    Cache(Box<(Expr, Vec<Node>, Span)>),
}

#[derive(Debug)]
pub(crate) struct Set {
    pub(crate) name: Name,
    pub(crate) value: Expr,
    /// See [`Slot::Place`].
    pub(crate) place: Option<u32>,
}

#[derive(Debug)]
pub(crate) struct If {
    pub(crate) branches: Vec<Branch>,
    pub(crate) otherwise: Vec<Node>,
    /// All of it, if it does no more than write a text between the passes of a loop.
    pub(crate) separator: Option<(Flag, Box<str>)>,
}

#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) condition: Expr,
    pub(crate) span: Span,
    /// The condition again, if it asks no more than where a loop stands.
    pub(crate) flag: Option<Flag>,
    pub(crate) body: Vec<Node>,
}

/// `loop.first`, `loop.last` or its opposite, where the loop has a place of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flag {
    pub(crate) level: u32,
    pub(crate) last: bool,
    pub(crate) negated: bool,
}

#[derive(Debug)]
pub(crate) struct For {
    pub(crate) var: Name,
    pub(crate) over: Expr,
    pub(crate) body: Vec<Node>,
    pub(crate) otherwise: Vec<Node>,
    /// Its variables are found by their slots, never by name.
    pub(crate) placed: bool,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) struct Include {
    pub(crate) template: Expr,
    pub(crate) with: Vec<(Expr, Expr)>,
    /// `embed`: the blocks that replace those of the template.
    pub(crate) blocks: Option<Blocks>,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) template: Expr,
    pub(crate) form: ImportForm,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) enum ImportForm {
    All,
    As(SmolStr),
    /// Pairs of name and alias.
    Names(Vec<(SmolStr, SmolStr)>),
}

pub(crate) type Blocks = HashMap<SmolStr, Vec<Node>>;

#[derive(Debug)]
pub(crate) struct Macro {
    pub(crate) name: SmolStr,
    pub(crate) params: Vec<(Name, Option<Expr>)>,
    pub(crate) body: Vec<Node>,
}
