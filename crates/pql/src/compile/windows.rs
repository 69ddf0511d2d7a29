//! `occurs` windows and chains (pql.md §13, §14).

use super::{Compiler, FAULTY, Typed};
use crate::ast::{self, Direction, Expr, ExprKind};
use crate::calendar::{Grid, Shift};
use crate::check::{takes, wanted};
use crate::compile::scope::Bound;
use crate::diagnostic::Kind;
use crate::eval::STEPS_MAX;
use crate::functions::Takes;
use crate::node::{Anchor, Chain, Node, Step, Window};
use crate::types::Ty;
use model::Type;
use std::ops::Range;

impl Compiler {
    pub(super) fn occurs(&mut self, time: &Expr, window: &ast::Window) -> Typed {
        let (node, ty) = self.lower(time);
        let scalar = match &ty {
            Ty::Of(Type::Array(item)) => Ty::Of((**item).clone()),
            other => other.clone(),
        };
        let node = self.moment(node, &scalar, &time.span);
        let window = Box::new(self.window(window));
        (Node::Occurs { time: Box::new(node), window }, Ty::BOOLEAN)
    }

    /// Checks that an expression is a date or instant; a literal is read here.
    fn moment(&mut self, node: Node, ty: &Ty, span: &Range<usize>) -> Node {
        if !takes(Takes::Time, ty) {
            let message = format!("`occurs` takes {}, this is {}", wanted(Takes::Time), ty.describe());
            self.fault(Kind::Type, span, message);
        }
        match &node {
            Node::Text(text) if text.len() == 10 => match self.time_literal(node, span) {
                Node::Time(ms) => Node::Date(ms),
                other => other,
            },
            _ => self.time_literal(node, span),
        }
    }

    pub(super) fn window(&mut self, window: &ast::Window) -> Window {
        match window {
            ast::Window::Distance { op, count, unit, direction, anchor } => {
                let signed = if *direction == Direction::Before { -*count } else { *count };
                let (shift, unit) = (Shift::of(signed, *unit), Grid::of(*unit));
                Window::Distance { op: *op, shift, unit, direction: *direction, anchor: self.anchor(anchor) }
            }
            ast::Window::Side(direction, anchor) => Window::Side(*direction, self.anchor(anchor)),
            ast::Window::On(anchor) => Window::On(self.anchor(anchor)),
            ast::Window::Between(from, to) => Window::Between(self.anchor(from), self.anchor(to)),
        }
    }

    fn anchor(&mut self, anchor: &ast::Anchor) -> Anchor {
        let expr = match anchor {
            ast::Anchor::Period(offset, unit) => {
                self.time = true;
                return Anchor::Period(*offset, Grid::of(*unit));
            }
            ast::Anchor::At(expr) => expr,
        };
        // The name of a chain step alone means the time of its item.
        if let ExprKind::Name(name) = &expr.kind
            && let Some(Bound::Step { chain, step, time, .. }) = self.scope.variable(name).cloned()
        {
            self.scope.steps_read.push((chain, step));
            return Anchor::At(Node::Slot(time));
        }
        let (node, ty) = self.lower(expr);
        match self.moment(node, &ty, &expr.span) {
            Node::Now => Anchor::Now,
            Node::Day(offset) => Anchor::Day(offset),
            node => Anchor::At(node),
        }
    }

    pub(super) fn chain(&mut self, items: &Expr, time: &Expr, steps: &[ast::Step], span: &Range<usize>) -> Typed {
        if steps.len() > STEPS_MAX {
            let message = format!("a chain has at most {STEPS_MAX} steps, this one has {}", steps.len());
            self.fault(Kind::Limit, span, message);
            return FAULTY;
        }
        let (source, ty) = self.array_source(items);
        let slot = self.scope.enter(ty.item());
        let (time_node, time_ty) = self.lower(time);
        let time_node = self.moment(time_node, &time_ty, &time.span);
        self.scope.leave();
        let chain = self.scope.chains;
        self.scope.chains += 1;
        let mut lowered = Vec::with_capacity(steps.len());
        for (i, step) in steps.iter().enumerate() {
            if steps[..i].iter().any(|earlier| earlier.name.text == step.name.text) {
                let message = format!("the step `{}` is defined twice in this chain", step.name.text);
                self.fault(Kind::Scope, &step.name.span, message);
            }
            lowered.push(self.step(chain, i, step, ty.item()));
        }
        self.scope.unbind(steps.len());
        // What a later step reads must stay chosen while the earlier ones are tried.
        for i in (1..lowered.len()).rev() {
            lowered[i - 1].reads |= lowered[i].reads & ((1 << (i - 1)) - 1);
        }
        (Node::Chain(Box::new(Chain { source, slot, time: time_node, steps: lowered.into() })), Ty::BOOLEAN)
    }

    fn step(&mut self, chain: usize, number: usize, step: &ast::Step, item: Type) -> Step {
        let (item_slot, time_slot) = (self.scope.slot(), self.scope.slot());
        self.scope.enter_at(item_slot, item.clone());
        let what = self.condition(&step.what);
        let when = step.when.as_ref().map(|window| self.window(window));
        self.scope.leave();
        let mut reads = 0;
        self.scope.steps_read.retain(|(of, step)| {
            reads |= u8::from(*of == chain) << step;
            *of != chain
        });
        let bound = Bound::Step { chain, step: number, item: item_slot, time: time_slot, ty: item };
        self.scope.bind(step.name.text.clone(), bound);
        Step { item_slot, time_slot, what, when, reads }
    }
}
