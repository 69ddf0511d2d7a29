//! Tree to compiled form: resolves names, checks types, prepares literals, patterns and windows.
//!
//! In: a tree and the schema. Out: a `Node` and its type, and every fault found on the way; after a
//! fault the expression counts as a value of any type, so that it causes no further ones.

mod calls;
mod scope;
mod windows;

use crate::ast::{Arithmetic, Ast, Comparison, Expr, ExprKind, Generator, Ident};
use crate::calendar::read_instant;
use crate::check::nearest;
use crate::diagnostic::{Diagnostic, Kind};
use crate::functions;
use crate::node::{self, Each, Fold, Node};
use crate::query::Schema;
use crate::types::{self, Class, Ty, incomparable};
use model::{SmolStr, Type};
use scope::{Bound, Scope};
use std::ops::Range;

/// What compiling gives.
pub(crate) struct Compiled {
    pub(crate) node: Node,
    pub(crate) ty: Ty,
    pub(crate) slots: usize,
    /// Dotted attribute paths, as they were written.
    pub(crate) paths: Vec<SmolStr>,
    pub(crate) time: bool,
    pub(crate) ignores_year: bool,
    pub(crate) multi_entity: bool,
    pub(crate) faults: Vec<Diagnostic>,
    /// The types of names, calls and calculations, by their places.
    pub(crate) types: Vec<(Range<usize>, Ty)>,
}

/// Compiles a tree.
pub(crate) fn compile(ast: &Ast, schema: &Schema) -> Compiled {
    let (profile, event) = types::complete(&schema.profile, &schema.event);
    let mut compiler = Compiler {
        scope: Scope::new(),
        profile,
        event,
        paths: Vec::new(),
        time: false,
        ignores_year: false,
        multi_entity: false,
        faults: Vec::new(),
        types: Vec::new(),
    };
    let (node, ty) = compiler.query(&ast.root);
    compiler.paths.sort();
    compiler.paths.dedup();
    Compiled {
        node,
        ty,
        slots: compiler.scope.slots(),
        paths: compiler.paths,
        time: compiler.time,
        ignores_year: compiler.ignores_year,
        multi_entity: compiler.multi_entity,
        faults: compiler.faults,
        types: compiler.types,
    }
}

type Typed = (Node, Ty);
/// What stands on one side: its compiled form, its type, and as it was written.
type Side<'s> = (&'s mut Node, &'s Ty, &'s Expr);

/// What stands for an expression that has a fault.
const FAULTY: Typed = (Node::Null, Ty::ANY);

struct Compiler {
    scope: Scope,
    profile: Type,
    event: Type,
    paths: Vec<SmolStr>,
    time: bool,
    ignores_year: bool,
    multi_entity: bool,
    faults: Vec<Diagnostic>,
    types: Vec<(Range<usize>, Ty)>,
}

impl Compiler {
    fn fault(&mut self, kind: Kind, span: &Range<usize>, message: impl Into<String>) -> &mut Diagnostic {
        self.faults.push(Diagnostic::new(kind, span.clone(), message));
        self.faults.last_mut().expect("just pushed")
    }

    fn query(&mut self, root: &Expr) -> Typed {
        let ExprKind::Lambda { params, body } = &root.kind else { return self.lower(root) };
        for extra in &params[1..] {
            self.fault(Kind::Arity, &extra.span, "a query has one parameter, the profile");
        }
        self.scope.bind(params[0].text.clone(), Bound::Profile);
        self.lower(body)
    }

    /// An expression whose value is used as it is: groups are not.
    fn lower(&mut self, expr: &Expr) -> Typed {
        let (node, ty) = self.lower_any(expr);
        if ty.class() == Class::Groups {
            let fault = self.fault(Kind::Type, &expr.span, "groups are no value of their own");
            fault.hint = Some("continue with `.map((K, G) => mapEntry(K, …))`".into());
            return FAULTY;
        }
        (node, ty)
    }

    /// An expression that must be true or false; an array is true if it has an item.
    fn condition(&mut self, expr: &Expr) -> Node {
        let (node, ty) = self.lower(expr);
        if !matches!(ty.class(), Class::Any | Class::Boolean | Class::Array) {
            let message = format!("a condition is true or false, this is {}", ty.describe());
            self.fault(Kind::Type, &expr.span, message);
        }
        node
    }

    fn lower_any(&mut self, expr: &Expr) -> Typed {
        let typed = self.lower_kind(expr);
        use ExprKind as K;
        if let K::Name(_)
        | K::Member { .. }
        | K::Up { .. }
        | K::Call { .. }
        | K::Filter { .. }
        | K::Arithmetic { .. }
        | K::Select(_)
        | K::Fold { .. } = expr.kind
        {
            self.types.push((expr.span.clone(), typed.1.clone()));
        }
        typed
    }

    fn lower_kind(&mut self, expr: &Expr) -> Typed {
        match &expr.kind {
            ExprKind::Null => (Node::Null, Ty::Null),
            ExprKind::Bool(b) => (Node::Bool(*b), Ty::BOOLEAN),
            ExprKind::Int(n) => (Node::Int(*n), Ty::INTEGER),
            ExprKind::Double(n) => (Node::Double(*n), Ty::NUMBER),
            ExprKind::Text(text) => (Node::Text(text.clone()), Ty::TEXT),
            ExprKind::Name(_) | ExprKind::Member { .. } | ExprKind::Up { .. } => self.path(expr, &[]),
            ExprKind::Position(1) => self.whole_profile(),
            ExprKind::Position(n) => {
                self.fault(Kind::Scope, &expr.span, format!("a query has one parameter, so there is no `${n}`"));
                FAULTY
            }
            ExprKind::Context(_) => {
                self.multi_entity = true;
                (Node::Null, Ty::ANY)
            }
            ExprKind::Now => {
                self.time = true;
                (Node::Now, Ty::TIME)
            }
            ExprKind::Day(offset) => {
                self.time = true;
                (Node::Day(*offset), Ty::TIME)
            }
            ExprKind::Call { name, args, .. } => self.call(expr, name, args),
            ExprKind::Filter { of, condition } => self.filter(of, condition),
            ExprKind::Lambda { .. } => {
                self.fault(Kind::Arity, &expr.span, "a lambda can only be the argument of a function over items");
                FAULTY
            }
            ExprKind::Not(of) => (Node::Not(Box::new(self.condition(of))), Ty::BOOLEAN),
            ExprKind::Negate(of) => self.negate(of),
            ExprKind::Arithmetic { first, rest } => self.arithmetic(first, rest),
            ExprKind::Compare { op, left, right } => self.compare(*op, left, right, &expr.span),
            ExprKind::In { negated, item, list } => self.membership(*negated, item, list),
            ExprKind::Like { text, pattern } => self.like(text, pattern),
            ExprKind::Occurs { time, window } => self.occurs(time, window),
            ExprKind::And(all) => (Node::And(all.iter().map(|e| self.condition(e)).collect()), Ty::BOOLEAN),
            ExprKind::Or(any) => (Node::Or(any.iter().map(|e| self.condition(e)).collect()), Ty::BOOLEAN),
            ExprKind::Let { name, value, body } => self.let_in(name, value, body),
            ExprKind::Quantifier { all, generators } => self.quantifier(*all, generators),
            ExprKind::Select(generator) => self.select(generator),
            ExprKind::Fold { fold, value, generator } => self.comprehension(fold, value, generator),
            ExprKind::Array(items) => self.array(items),
            ExprKind::Object(fields) => {
                let lowered = fields.iter().map(|(name, value)| (name.text.clone(), self.lower(value).0)).collect();
                (Node::Object(lowered), Ty::Of(Type::Map(Type::Any.into())))
            }
            ExprKind::Chain { items, time, steps } => self.chain(items, time, steps, &expr.span),
        }
    }

    fn array(&mut self, items: &[Expr]) -> Typed {
        let lowered: Vec<Typed> = items.iter().map(|item| self.lower(item)).collect();
        let item = lowered.iter().map(|(_, ty)| ty.clone()).reduce(|a, b| a.or(&b));
        let item = item.map_or(Type::Any, |ty| ty.known());
        (Node::Array(lowered.into_iter().map(|(node, _)| node).collect()), Ty::array(item))
    }

    fn let_in(&mut self, name: &Ident, value: &Expr, body: &Expr) -> Typed {
        let (value, ty) = self.lower(value);
        if matches!(value, Node::Profile) {
            self.scope.bind(name.text.clone(), Bound::Profile);
            let result = self.lower(body);
            self.scope.unbind(1);
            return result;
        }
        let slot = self.scope.slot();
        self.scope.bind(name.text.clone(), Bound::Slot(slot, ty.known()));
        let (body, ty) = self.lower(body);
        self.scope.unbind(1);
        (Node::Let { slot, parts: Box::new([value, body]) }, ty)
    }

    fn filter(&mut self, of: &Expr, condition: &Expr) -> Typed {
        let (source, ty) = self.array_source(of);
        if let ExprKind::Int(_) = condition.kind {
            let fault = self.fault(Kind::Unsupported, &condition.span, "brackets hold a condition, not an index");
            fault.hint = Some("`.head()` gives the first item".into());
            return FAULTY;
        }
        let slot = self.scope.enter(ty.item());
        let body = self.condition(condition);
        self.scope.leave();
        let item = ty.item();
        (Node::Filter(Box::new(Each { source, slot, body })), Ty::array(item))
    }

    /// An expression over which items are taken.
    fn array_source(&mut self, expr: &Expr) -> Typed {
        let (node, ty) = self.lower(expr);
        if !matches!(ty.class(), Class::Any | Class::Array) {
            self.fault(Kind::Type, &expr.span, format!("items are taken from an array, this is {}", ty.describe()));
        }
        (node, ty)
    }

    fn negate(&mut self, of: &Expr) -> Typed {
        let (node, ty) = self.number(of, "-");
        match node {
            Node::Int(n) if n != i64::MIN => (Node::Int(-n), ty),
            Node::Double(n) => (Node::Double(-n), ty),
            node => (Node::Negate(Box::new(node)), ty),
        }
    }

    fn number(&mut self, expr: &Expr, op: &str) -> Typed {
        let (node, ty) = self.lower(expr);
        if !matches!(ty.class(), Class::Any | Class::Number) {
            let text = ty.class() == Class::Text && op == "+";
            let fault = self.fault(Kind::Type, &expr.span, format!("`{op}` takes numbers, this is {}", ty.describe()));
            fault.hint = text.then(|| "`concat(a, b)` joins text".into());
            return FAULTY;
        }
        (node, ty)
    }

    fn arithmetic(&mut self, first: &Expr, rest: &[(Arithmetic, Expr)]) -> Typed {
        let op = rest.first().map_or("+", |(op, _)| op.text());
        let (first, mut ty) = self.number(first, op);
        let mut lowered = Vec::with_capacity(rest.len());
        for (op, operand) in rest {
            let (node, other) = self.number(operand, op.text());
            let whole = ty == Ty::INTEGER && other == Ty::INTEGER && *op != Arithmetic::Divide;
            ty = if whole { Ty::INTEGER } else { Ty::NUMBER };
            lowered.push((*op, node));
        }
        (Node::Arithmetic { first: Box::new(first), rest: lowered.into() }, ty)
    }

    fn compare(&mut self, op: Comparison, left: &Expr, right: &Expr, span: &Range<usize>) -> Typed {
        let (mut a, a_ty) = self.lower(left);
        let (mut b, b_ty) = self.lower(right);
        if let Some(message) = incomparable(op, &a_ty, &b_ty) {
            self.fault(Kind::Type, span, message);
        }
        self.time_literals((&mut a, &a_ty, left), (&mut b, &b_ty, right));
        (Node::Compare { op, sides: Box::new([a, b]) }, Ty::BOOLEAN)
    }

    /// Literals beside dates or instants, alone or in an array, must be some in ISO form.
    fn time_literals(&mut self, (a, a_ty, left): Side<'_>, (b, b_ty, right): Side<'_>) {
        for (node, expr, beside) in [(b, right, a_ty), (a, left, b_ty)] {
            if !types::is_time(&beside.known()) {
                continue;
            }
            match (node, &expr.kind) {
                (Node::Array(nodes), ExprKind::Array(exprs)) => {
                    for (node, expr) in nodes.iter_mut().zip(exprs) {
                        *node = self.time_literal(std::mem::replace(node, Node::Null), &expr.span);
                    }
                }
                (node, _) => *node = self.time_literal(std::mem::replace(node, Node::Null), &expr.span),
            }
        }
    }

    /// A literal beside a date or instant must be one in ISO form; it is read once, here.
    fn time_literal(&mut self, node: Node, span: &Range<usize>) -> Node {
        let Node::Text(text) = &node else { return node };
        match read_instant(text) {
            Some(at) => Node::Time(at.0),
            None => {
                let fault = self.fault(Kind::Type, span, "this string is not a date or time");
                fault.hint = Some("write \"2026-03-18\" or \"2026-03-18T10:30:00Z\"".into());
                node
            }
        }
    }

    fn membership(&mut self, negated: bool, item: &Expr, list: &Expr) -> Typed {
        let (mut item_node, item_ty) = self.lower(item);
        let (mut list_node, list_ty) = self.array_source(list);
        self.can_hold((&mut list_node, &list_ty, list), (&mut item_node, &item_ty, item));
        (Node::In { negated, sides: Box::new([item_node, list_node]) }, Ty::BOOLEAN)
    }

    /// Refuses an item that no array of that type holds.
    fn can_hold(&mut self, list: Side<'_>, item: Side<'_>) {
        if item.1.class() != Class::Array
            && let Some(message) = incomparable(Comparison::Equal, item.1, &Ty::Of(list.1.item()))
        {
            self.fault(Kind::Type, &item.2.span, message);
        }
        self.time_literals(list, item);
    }

    fn quantifier(&mut self, all: bool, generators: &[Generator]) -> Typed {
        let mut lowered = Vec::with_capacity(generators.len());
        for (i, generator) in generators.iter().enumerate() {
            let name = &generator.variable;
            if generators[..i].iter().any(|g| g.variable.text == name.text) {
                let message = format!("the variable `{}` is defined twice in this quantifier", name.text);
                self.fault(Kind::Scope, &name.span, message);
            }
            lowered.push(self.generator(generator).0);
        }
        self.scope.unbind(generators.len());
        (Node::Quantifier { all, generators: lowered.into() }, Ty::BOOLEAN)
    }

    /// Compiles a generator and leaves its variable bound.
    fn generator(&mut self, generator: &Generator) -> (node::Generator, Type) {
        let (source, ty) = self.array_source(&generator.source);
        let slot = self.scope.slot();
        self.scope.bind(generator.variable.text.clone(), Bound::Slot(slot, ty.item()));
        let filter = generator.filter.as_ref().map(|c| self.condition(c));
        let condition = generator.condition.as_ref().map(|c| self.condition(c));
        (node::Generator { slot, source, filter, condition }, ty.item())
    }

    /// A generator as a filter; its variable stays bound.
    fn selection(&mut self, generator: &Generator) -> (Node, usize, Type) {
        let (lowered, item) = self.generator(generator);
        let node::Generator { slot, source, filter, condition } = lowered;
        let body = match (filter, condition) {
            (Some(a), Some(b)) => Node::And(Box::new([a, b])),
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => Node::Bool(true),
        };
        (Node::Filter(Box::new(Each { source, slot, body })), slot, item)
    }

    fn select(&mut self, generator: &Generator) -> Typed {
        let (node, _, item) = self.selection(generator);
        self.scope.unbind(1);
        (node, Ty::array(item))
    }

    fn comprehension(&mut self, name: &Ident, value: &Expr, generator: &Generator) -> Typed {
        let (source, slot, _) = self.selection(generator);
        let (body, ty) = self.lower(value);
        self.scope.unbind(1);
        let fold = match name.text.as_str() {
            "sum" => Fold::Sum,
            "average" => Fold::Average,
            "min" => Fold::Min,
            "max" => Fold::Max,
            _ => Fold::Count,
        };
        let result = self.fold_type(fold, &ty, &value.span);
        (Node::Fold { fold, source: Box::new(source), value: Some(Box::new((slot, body))) }, result)
    }

    /// The type of an aggregation of values of a type.
    fn fold_type(&mut self, fold: Fold, of: &Ty, span: &Range<usize>) -> Ty {
        match fold {
            Fold::Count | Fold::CountWithNull | Fold::CountOnlyNull => Ty::INTEGER,
            Fold::Min | Fold::Max => of.clone(),
            Fold::Sum | Fold::Average => {
                if !matches!(of.class(), Class::Any | Class::Number) {
                    self.fault(Kind::Type, span, format!("numbers are added up, this is {}", of.describe()));
                }
                if fold == Fold::Sum && *of == Ty::INTEGER { Ty::INTEGER } else { Ty::NUMBER }
            }
        }
    }

    fn unknown_function(&mut self, name: &Ident) -> Typed {
        let near = functions::by_another_name(&name.text)
            .or_else(|| nearest(&name.text, functions::functions().map(|f| f.name)));
        let fault = self.fault(Kind::UnknownFunction, &name.span, format!("there is no function `{}`", name.text));
        fault.hint = near.map(|near| format!("did you mean `{near}`?"));
        FAULTY
    }
}
