//! The tree of a query as it was written: nothing is resolved yet, every node knows its bytes.
//!
//! Always: a tree that the parser returns has at most `NODES_MAX` nodes and is at most `DEPTH_MAX`
//! deep, so every later pass may recurse. Chains of `and`, `or`, `+`, `*` and `.name` are flat.

use model::SmolStr;
use std::ops::Range;

/// The most nodes of a query (pql.md §16).
pub const NODES_MAX: usize = 1000;
/// The deepest nesting of a query (pql.md §16).
pub const DEPTH_MAX: usize = 64;

/// A parsed query.
#[derive(Debug, Clone, PartialEq)]
pub struct Ast {
    /// The whole query; a `Lambda` where it was written as one.
    pub root: Expr,
}

/// A node and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What the node is.
    pub kind: ExprKind,
    /// The bytes it was read from.
    pub span: Range<usize>,
    pub(crate) depth: usize,
}

/// A name and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Ident {
    /// The name without backquotes.
    pub text: SmolStr,
    /// The bytes it was read from.
    pub span: Range<usize>,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// `42`
    Int(i64),
    /// `2.5`
    Double(f64),
    /// `"text"`
    Text(SmolStr),
    /// A bare name.
    Name(SmolStr),
    /// `$1`
    Position(u32),
    /// `@{class;version=1}`
    Context(SmolStr),
    /// `^name`, `^^name`: a property of an outer item.
    Up {
        /// How many item scopes to climb.
        levels: usize,
        /// The property.
        name: Ident,
    },
    /// `now`
    Now,
    /// `yesterday` (-1), `today` (0), `tomorrow` (1)
    Day(i64),
    /// `of.name.name`
    Member {
        /// The object.
        of: Box<Expr>,
        /// The properties, outermost first.
        names: Vec<Ident>,
    },
    /// `f(a, b)` or `a.f(b)`; the receiver is the first argument.
    Call {
        /// The function.
        name: Ident,
        /// Receiver first.
        args: Vec<Expr>,
        /// Written as `a.f(b)`.
        method: bool,
    },
    /// `of[condition]`
    Filter {
        /// The array.
        of: Box<Expr>,
        /// Evaluated with an item as scope.
        condition: Box<Expr>,
    },
    /// `(X, Y) => body`: as argument of a function, or the whole query.
    Lambda {
        /// The parameters.
        params: Vec<Ident>,
        /// The result.
        body: Box<Expr>,
    },
    /// `not a`
    Not(Box<Expr>),
    /// `-a`
    Negate(Box<Expr>),
    /// `a + b - c` or `a * b / c`, left to right.
    Arithmetic {
        /// The first operand.
        first: Box<Expr>,
        /// Operators of one level with their right operands.
        rest: Vec<(Arithmetic, Expr)>,
    },
    /// `a < b`
    Compare {
        /// The operator.
        op: Comparison,
        /// Left operand.
        left: Box<Expr>,
        /// Right operand.
        right: Box<Expr>,
    },
    /// `a in b`, `a notIn b`
    In {
        /// `notIn`.
        negated: bool,
        /// The item.
        item: Box<Expr>,
        /// The array.
        list: Box<Expr>,
    },
    /// `a like "pattern"`
    Like {
        /// The text.
        text: Box<Expr>,
        /// The pattern.
        pattern: Box<Expr>,
    },
    /// `t occurs …`
    Occurs {
        /// The instant or the array of instants.
        time: Box<Expr>,
        /// The window.
        window: Window,
    },
    /// `a and b and c`
    And(Vec<Expr>),
    /// `a or b or c`
    Or(Vec<Expr>),
    /// `let name = value in body`
    Let {
        /// The variable.
        name: Ident,
        /// Its value.
        value: Box<Expr>,
        /// Where it can be used.
        body: Box<Expr>,
    },
    /// `exists …`, `forall …`
    Quantifier {
        /// `forall`.
        all: bool,
        /// Left to right; later ones see earlier variables.
        generators: Vec<Generator>,
    },
    /// `select V from A where C`
    Select(Box<Generator>),
    /// `sum X.f over X from A where C`
    Fold {
        /// The aggregation.
        fold: Ident,
        /// What is aggregated.
        value: Box<Expr>,
        /// Over what.
        generator: Box<Generator>,
    },
    /// `[a, b]`
    Array(Vec<Expr>),
    /// `{"a": b}`
    Object(Vec<(Ident, Expr)>),
    /// `chain(items, time, [steps])`
    Chain {
        /// The array.
        items: Box<Expr>,
        /// The time of an item, in item scope.
        time: Box<Expr>,
        /// In order of time.
        steps: Vec<Step>,
    },
}

/// `V from A where C : D`
#[derive(Debug, Clone, PartialEq)]
pub struct Generator {
    /// The variable.
    pub variable: Ident,
    /// The array.
    pub source: Expr,
    /// What follows `where`.
    pub filter: Option<Expr>,
    /// What follows `:`.
    pub condition: Option<Expr>,
}

/// `ID: WHAT(C) WHEN(W)`
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The name of the step.
    pub name: Ident,
    /// What the item must be.
    pub what: Expr,
    /// When it must be.
    pub when: Option<Window>,
}

/// The tail of `occurs` (pql.md §13).
#[derive(Debug, Clone, PartialEq)]
pub enum Window {
    /// `<= 3 days before now`
    Distance {
        /// The comparison of the distance.
        op: Comparison,
        /// How many units.
        count: i64,
        /// The unit.
        unit: Unit,
        /// Before or after.
        direction: Direction,
        /// From where the distance is taken.
        anchor: Anchor,
    },
    /// `before today`, `after today`
    Side(Direction, Anchor),
    /// `on today`, `today`
    On(Anchor),
    /// `between a and b`
    Between(Anchor, Anchor),
}

/// A side of an anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// `before`
    Before,
    /// `after`, `from`
    After,
}

/// The point or period that a window refers to.
#[derive(Debug, Clone, PartialEq)]
pub enum Anchor {
    /// `last month` (-1), `this month` (0), `next month` (1)
    Period(i64, Unit),
    /// Any instant or date, the day words among them.
    At(Box<Expr>),
}

/// `=`, `!=`, `<`, `<=`, `>`, `>=`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// `+`, `-`, `*`, `/`, `%`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Comparison {
    /// The sign of the operator.
    pub fn text(self) -> &'static str {
        match self {
            Comparison::Equal => "=",
            Comparison::NotEqual => "!=",
            Comparison::Less => "<",
            Comparison::LessEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterEqual => ">=",
        }
    }

    /// The operator with its operands exchanged.
    pub(crate) fn mirrored(self) -> Comparison {
        match self {
            Comparison::Less => Comparison::Greater,
            Comparison::LessEqual => Comparison::GreaterEqual,
            Comparison::Greater => Comparison::Less,
            Comparison::GreaterEqual => Comparison::LessEqual,
            same => same,
        }
    }

    /// True for `=` and `!=`.
    pub(crate) fn is_equality(self) -> bool {
        matches!(self, Comparison::Equal | Comparison::NotEqual)
    }
}

impl Arithmetic {
    /// The sign of the operator.
    pub fn text(self) -> &'static str {
        match self {
            Arithmetic::Add => "+",
            Arithmetic::Subtract => "-",
            Arithmetic::Multiply => "*",
            Arithmetic::Divide => "/",
            Arithmetic::Remainder => "%",
        }
    }
}

macro_rules! units {
    ($($name:ident $one:literal $many:literal),+ $(,)?) => {
        /// A unit of time (pql.md §4).
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the names say it")]
        pub enum Unit { $($name),+ }

        impl Unit {
            /// The unit of a word, singular or plural; keywords compare without case.
            pub fn from_word(word: &str) -> Option<Unit> {
                $(if word.eq_ignore_ascii_case($one) || word.eq_ignore_ascii_case($many) { return Some(Unit::$name); })+
                None
            }

            /// The singular.
            pub fn singular(self) -> &'static str {
                match self { $(Unit::$name => $one),+ }
            }

            /// The plural.
            pub fn plural(self) -> &'static str {
                match self { $(Unit::$name => $many),+ }
            }

            /// The words of all units, for suggestions.
            pub(crate) const WORDS: &'static [&'static str] = &[$($one, $many),+];
        }
    };
}

units! {
    Millisecond "millisecond" "milliseconds", Second "second" "seconds", Minute "minute" "minutes",
    Hour "hour" "hours", Day "day" "days", Week "week" "weeks", Month "month" "months", Year "year" "years",
    Decade "decade" "decades", Century "century" "centuries", Millennium "millennium" "millennia",
}

impl Expr {
    pub(crate) fn new(kind: ExprKind, span: Range<usize>) -> Expr {
        let mut depth = 0;
        kind.each_child(&mut |child| depth = depth.max(child.depth));
        Expr { kind, span, depth: depth + 1 }
    }
}

impl ExprKind {
    /// Calls `f` for every direct child, left to right.
    pub(crate) fn each_child<'e>(&'e self, f: &mut dyn FnMut(&'e Expr)) {
        use ExprKind as K;
        match self {
            K::Null | K::Bool(_) | K::Int(_) | K::Double(_) | K::Text(_) | K::Name(_) | K::Position(_) => {}
            K::Context(_) | K::Up { .. } | K::Now | K::Day(_) => {}
            K::Member { of, .. } => f(of),
            K::Call { args, .. } | K::And(args) | K::Or(args) | K::Array(args) => args.iter().for_each(f),
            K::Lambda { body, .. } => f(body),
            K::Not(a) | K::Negate(a) => f(a),
            K::Arithmetic { first, rest } => {
                f(first);
                rest.iter().for_each(|(_, operand)| f(operand));
            }
            K::Filter { of: a, condition: b }
            | K::Compare { left: a, right: b, .. }
            | K::In { item: a, list: b, .. }
            | K::Like { text: a, pattern: b }
            | K::Let { value: a, body: b, .. } => {
                f(a);
                f(b);
            }
            K::Occurs { time, window } => {
                f(time);
                window.each_child(f);
            }
            K::Quantifier { generators, .. } => generators.iter().for_each(|g| g.each_child(f)),
            K::Select(generator) => generator.each_child(f),
            K::Fold { value, generator, .. } => {
                f(value);
                generator.each_child(f);
            }
            K::Object(fields) => fields.iter().for_each(|(_, value)| f(value)),
            K::Chain { items, time, steps } => {
                f(items);
                f(time);
                for step in steps {
                    f(&step.what);
                    step.when.iter().for_each(|w| w.each_child(f));
                }
            }
        }
    }
}

impl Generator {
    fn each_child<'e>(&'e self, f: &mut dyn FnMut(&'e Expr)) {
        f(&self.source);
        self.filter.iter().chain(&self.condition).for_each(f);
    }
}

impl Window {
    fn each_child<'e>(&'e self, f: &mut dyn FnMut(&'e Expr)) {
        let (first, second) = match self {
            Window::Distance { anchor, .. } | Window::Side(_, anchor) | Window::On(anchor) => (anchor, None),
            Window::Between(a, b) => (a, Some(b)),
        };
        for anchor in std::iter::once(first).chain(second) {
            if let Anchor::At(expr) = anchor {
                f(expr);
            }
        }
    }
}
