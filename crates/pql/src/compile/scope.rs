//! Names (pql.md §5): variables, item scopes, `^`, properties; and the paths they begin.

use super::{Compiler, FAULTY, Typed};
use crate::ast::{Expr, ExprKind, Ident};
use crate::check::nearest;
use crate::diagnostic::Kind;
use crate::method::dotted;
use crate::node::Node;
use crate::types::{self, Ty};
use model::{SmolStr, Type};

/// What a variable stands for.
#[derive(Debug, Clone)]
pub(super) enum Bound {
    /// The first parameter.
    Profile,
    Slot(usize, Type),
    /// A step of a chain: its number, the slots of its item and time, the type of the item.
    Step {
        chain: usize,
        step: usize,
        item: usize,
        time: usize,
        ty: Type,
    },
}

/// Variables and item scopes in force.
pub(super) struct Scope {
    variables: Vec<(SmolStr, Bound)>,
    items: Vec<(usize, Type)>,
    slots: usize,
    pub(super) chains: usize,
    /// Which steps of which chains were read: (chain, step).
    pub(super) steps_read: Vec<(usize, usize)>,
}

impl Scope {
    pub(super) fn new() -> Scope {
        Scope { variables: Vec::new(), items: Vec::new(), slots: 0, chains: 0, steps_read: Vec::new() }
    }

    pub(super) fn slots(&self) -> usize {
        self.slots
    }

    pub(super) fn slot(&mut self) -> usize {
        self.slots += 1;
        self.slots - 1
    }

    pub(super) fn bind(&mut self, name: SmolStr, bound: Bound) {
        self.variables.push((name, bound));
    }

    pub(super) fn unbind(&mut self, count: usize) {
        self.variables.truncate(self.variables.len() - count);
    }

    /// Opens an item scope on a new slot.
    pub(super) fn enter(&mut self, item: Type) -> usize {
        let slot = self.slot();
        self.enter_at(slot, item);
        slot
    }

    pub(super) fn enter_at(&mut self, slot: usize, item: Type) {
        self.items.push((slot, item));
    }

    pub(super) fn leave(&mut self) {
        self.items.pop();
    }

    pub(super) fn variable(&self, name: &str) -> Option<&Bound> {
        self.variables.iter().rev().find(|(known, _)| known == name).map(|(_, bound)| bound)
    }
}

impl Compiler {
    pub(super) fn whole_profile(&mut self) -> Typed {
        (Node::Profile, Ty::Of(self.profile.clone()))
    }

    /// A name, `^name` or member access, followed by `more` names.
    pub(super) fn path(&mut self, expr: &Expr, more: &[Ident]) -> Typed {
        match &expr.kind {
            ExprKind::Member { of, names } => {
                let all: Vec<Ident> = names.iter().chain(more).cloned().collect();
                match of.kind {
                    ExprKind::Name(_) | ExprKind::Up { .. } => self.path(of, &all),
                    _ => {
                        let base = self.lower(of);
                        self.fields(base, &all)
                    }
                }
            }
            ExprKind::Up { levels, name } => match self.outer(*levels, expr) {
                Some(base) => self.property(base, name, more),
                None => FAULTY,
            },
            ExprKind::Name(text) => self.name(&Ident { text: text.clone(), span: expr.span.clone() }, more),
            _ => self.lower(expr),
        }
    }

    fn name(&mut self, name: &Ident, more: &[Ident]) -> Typed {
        let base = match self.scope.variable(&name.text) {
            Some(Bound::Profile) => self.whole_profile(),
            Some(Bound::Slot(slot, ty)) => (Node::Slot(*slot), Ty::Of(ty.clone())),
            Some(Bound::Step { chain, step, item, ty, .. }) => {
                let base = (Node::Slot(*item), Ty::Of(ty.clone()));
                let read = (*chain, *step);
                self.scope.steps_read.push(read);
                base
            }
            None if name.text == "xEvent" => {
                let base = self.events();
                return self.fields(base, more);
            }
            None => {
                let base = match self.scope.items.last() {
                    Some((slot, ty)) => (Node::Slot(*slot), Ty::Of(ty.clone())),
                    None => self.whole_profile(),
                };
                return self.property(base, name, more);
            }
        };
        self.fields(base, more)
    }

    fn events(&self) -> Typed {
        (Node::Events, Ty::array(self.event.clone()))
    }

    /// The object so many item scopes out.
    fn outer(&mut self, levels: usize, expr: &Expr) -> Option<Typed> {
        let depth = self.scope.items.len();
        if levels > depth {
            let message = format!("`^` climbs {levels} levels out, but only {depth} item scopes are open here");
            self.fault(Kind::Scope, &expr.span, message);
            return None;
        }
        match (depth - levels).checked_sub(1) {
            None => Some(self.whole_profile()),
            Some(at) => {
                let (slot, ty) = &self.scope.items[at];
                Some((Node::Slot(*slot), Ty::Of(ty.clone())))
            }
        }
    }

    fn property(&mut self, base: Typed, name: &Ident, more: &[Ident]) -> Typed {
        let all: Vec<Ident> = std::iter::once(name).chain(more).cloned().collect();
        self.fields(base, &all)
    }

    /// Properties of a value, one below the other.
    pub(super) fn fields(&mut self, (node, ty): Typed, names: &[Ident]) -> Typed {
        let Some((first, rest)) = names.split_first() else {
            if matches!(node, Node::Profile) {
                self.paths.push(SmolStr::default());
            }
            return (node, ty);
        };
        if matches!(node, Node::Profile) && first.text == "xEvent" {
            let events = self.events();
            return self.fields(events, rest);
        }
        let mut known = ty.known();
        for name in names {
            known = match types::member(&known, &name.text) {
                Some(next) => next,
                None => return self.unknown_field(&known, name),
            };
        }
        let path: Box<[SmolStr]> = names.iter().map(|name| name.text.clone()).collect();
        if matches!(node, Node::Profile) {
            self.paths.push(dotted(&path));
        }
        let is_time = types::is_time(&known);
        let node = match node {
            Node::Field { of, path: before } => Node::Field { of, path: before.iter().chain(&path).cloned().collect() },
            of => Node::Field { of: Box::new(of), path },
        };
        (if is_time { Node::AsTime(Box::new(node)) } else { node }, Ty::Of(known))
    }

    fn unknown_field(&mut self, of: &Type, name: &Ident) -> Typed {
        let near = nearest(&name.text, types::members(of).into_iter()).map(|near| format!("did you mean `{near}`?"));
        let message = match of {
            Type::Object(_) | Type::Array(_) => format!("the schema has no field `{}` here", name.text),
            _ => format!("{} has no fields, so there is no `{}`", Ty::Of(of.clone()).describe(), name.text),
        };
        self.fault(Kind::UnknownField, &name.span, message).hint = near;
        FAULTY
    }
}
