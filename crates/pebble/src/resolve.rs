//! Where the variables of a compiled template will stand, so that rendering looks few of them up by name.
//!
//! In: the tree of a template that runs no nodes of other templates. Out: the same tree with a [`Slot`] at every
//! variable. Always: what a slot leads to is what a search by name would find; where that is not certain, the
//! variable stays [`Slot::Named`].

use crate::tree::*;
use smol_str::SmolStr;
use std::collections::{BTreeSet, HashMap};

/// Gives every variable its slot; tells how many places the `set`s of the body fill. A template that may show its
/// variables by name (`_context`, blocks) keeps names.
pub(crate) fn resolve(body: &mut [Node], macros: &mut HashMap<SmolStr, Macro>) -> usize {
    let mut names = Names::default();
    names.nodes(body);
    macros.values_mut().for_each(|called| called_parts(called, &mut names));
    if names.shown {
        return 0;
    }
    let places = names.set.iter().filter(|name| *name != "loop" && !names.looped.contains(*name)).cloned().collect();
    let mut slots = Slots { set: names.set, places, loops: Vec::new(), in_macro: false };
    slots.nodes(body);
    slots.in_macro = true;
    macros.values_mut().for_each(|called| called_parts(called, &mut slots));
    slots.places.len()
}

fn called_parts(called: &mut Macro, visit: &mut impl Visit) {
    called.params.iter_mut().filter_map(|(_, default)| default.as_mut()).for_each(|e| visit.expr(e));
    visit.nodes(&mut called.body);
}

/// A walk over all nodes and expressions.
trait Visit: Sized {
    fn node(&mut self, node: &mut Node);
    fn expr(&mut self, expr: &mut Expr);

    fn nodes(&mut self, nodes: &mut [Node]) {
        nodes.iter_mut().for_each(|node| self.node(node));
    }

    fn pairs(&mut self, pairs: &mut [(Expr, Expr)]) {
        for (key, value) in pairs {
            self.expr(key);
            self.expr(value);
        }
    }

    fn args(&mut self, args: &mut Args) {
        args.positional.iter_mut().for_each(|e| self.expr(e));
        args.named.iter_mut().for_each(|(_, e)| self.expr(e));
    }

    fn bound(&mut self, bound: &mut Bound) {
        bound.iter_mut().flatten().flatten().for_each(|e| self.expr(e));
    }

    fn inside_node(&mut self, node: &mut Node) {
        match node {
            Node::Text(_) | Node::Block(..) => {}
            Node::Print(expr) => self.expr(expr),
            Node::If(branches) => {
                for branch in &mut branches.branches {
                    self.expr(&mut branch.condition);
                    self.nodes(&mut branch.body);
                }
                self.nodes(&mut branches.otherwise);
            }
            Node::For(each) => {
                self.expr(&mut each.over);
                self.nodes(&mut each.body);
                self.nodes(&mut each.otherwise);
            }
            Node::Set(set) => self.expr(&mut set.value),
            Node::Group(body) => self.nodes(body),
            Node::Include(include) => {
                self.expr(&mut include.template);
                self.pairs(&mut include.with);
            }
            Node::Extends(extends) => self.expr(&mut extends.0),
            Node::Import(import) => self.expr(&mut import.template),
            Node::Cache(cache) => {
                self.expr(&mut cache.0);
                self.nodes(&mut cache.1);
            }
        }
    }

    fn inside_expr(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Const(_) | Expr::Parent(..) | Expr::Var(_) | Expr::PathMacro(_) => {}
            Expr::Path(path) => self.expr(&mut path.base),
            Expr::Index(index) => {
                self.expr(&mut index.0);
                self.expr(&mut index.1);
            }
            Expr::Method(method) => {
                self.expr(&mut method.base);
                self.args(&mut method.args);
            }
            Expr::List(items) | Expr::Concat(items) => items.iter_mut().for_each(|e| self.expr(e)),
            Expr::Map(entries) => self.pairs(entries),
            Expr::Binary(binary) => {
                self.expr(&mut binary.left);
                self.expr(&mut binary.right);
            }
            Expr::Unary(unary) => self.expr(&mut unary.1),
            Expr::Ternary(ternary) => {
                self.expr(&mut ternary.0);
                self.expr(&mut ternary.1);
                self.expr(&mut ternary.2);
            }
            Expr::Filter(call) => {
                self.expr(&mut call.input);
                self.bound(&mut call.args);
            }
            Expr::Test(test) => {
                self.expr(&mut test.input);
                test.args.iter_mut().for_each(|e| self.expr(e));
            }
            Expr::Call(call) => {
                self.args(&mut call.args);
                call.function.iter_mut().for_each(|(_, bound)| self.bound(bound));
            }
            Expr::Block(block) => self.expr(&mut block.0),
            Expr::Escape(escape) => self.expr(&mut escape.1),
            Expr::Body(nodes) => self.nodes(nodes),
        }
    }
}

/// What a template sets, and whether anything in it sees variables without naming them.
#[derive(Default)]
struct Names {
    set: BTreeSet<SmolStr>,
    /// The variables of its loops.
    looped: BTreeSet<SmolStr>,
    shown: bool,
}

impl Visit for Names {
    fn node(&mut self, node: &mut Node) {
        match node {
            Node::Set(set) => {
                self.set.insert(set.name.text.clone());
            }
            Node::For(each) => {
                self.looped.insert(each.var.text.clone());
            }
            Node::Block(..) | Node::Include(_) | Node::Extends(_) | Node::Import(_) => self.shown = true,
            _ => {}
        }
        self.inside_node(node);
    }

    fn expr(&mut self, expr: &mut Expr) {
        self.shown |= match expr {
            Expr::Var(var) => var.name.text == "_context",
            Expr::PathMacro(path) => path.root.name.text == "_context",
            Expr::Block(_) | Expr::Parent(..) => true,
            _ => false,
        };
        self.inside_expr(expr);
    }
}

/// The text and when it is written, if that is all.
fn separator(branches: &If) -> Option<(Flag, Box<str>)> {
    match (branches.branches.as_slice(), branches.otherwise.as_slice()) {
        ([Branch { flag: Some(flag), body, .. }], []) => match body.as_slice() {
            [Node::Text(text)] => Some((*flag, text.clone())),
            _ => None,
        },
        _ => None,
    }
}

/// The condition as a flag, if it is one; its slots are known.
fn flag(condition: &Expr) -> Option<Flag> {
    let (condition, negated) = match condition {
        Expr::Unary(unary) if unary.0 == Sign::Not => (&unary.1, true),
        condition => (condition, false),
    };
    let Expr::Path(path) = condition else { return None };
    match path.slot {
        Slot::First(level) => Some(Flag { level, last: false, negated }),
        Slot::Last(level) => Some(Flag { level, last: true, negated }),
        _ => None,
    }
}

struct Slots {
    /// All names that any `set` names.
    set: BTreeSet<SmolStr>,
    /// Those of them that no loop names too: outside macros, nothing but a `set` gives them values.
    places: Vec<SmolStr>,
    loops: Vec<Loop>,
    in_macro: bool,
}

/// A loop around.
struct Loop {
    var: SmolStr,
    /// Its variables have places of their own.
    placed: bool,
    /// The first name of its first long path, which others may share.
    shared: Option<SmolStr>,
}

impl Slots {
    fn slot(&self, name: &SmolStr) -> Slot {
        let mut level = 0;
        for each in self.loops.iter().rev() {
            match (each.var == *name, name == "loop", each.placed) {
                (false, false, true) => level += 1,
                (false, false, false) => {}
                (_, _, false) => return Slot::Named,
                (true, ..) => return Slot::Item(level),
                (false, true, true) => return Slot::Loop(level),
            }
        }
        match self.place(name) {
            Some(place) => Slot::Place(place),
            None if self.in_macro || self.set.contains(name) => Slot::Named,
            None => Slot::Context,
        }
    }

    fn place(&self, name: &SmolStr) -> Option<u32> {
        if self.in_macro {
            return None;
        }
        self.places.iter().position(|n| n == name).and_then(|place| place.try_into().ok())
    }
}

impl Visit for Slots {
    fn node(&mut self, node: &mut Node) {
        let each = match node {
            Node::For(each) => each,
            node => {
                self.inside_node(node);
                match node {
                    Node::Set(set) => set.place = self.place(&set.name.text),
                    Node::If(branches) => {
                        branches.branches.iter_mut().for_each(|b| b.flag = flag(&b.condition));
                        branches.separator = separator(branches);
                    }
                    _ => {}
                }
                return;
            }
        };
        self.expr(&mut each.over);
        self.nodes(&mut each.otherwise);
        let var = &each.var.text;
        each.placed = var != "loop" && !self.set.contains(var) && !self.set.contains("loop");
        self.loops.push(Loop { var: var.clone(), placed: each.placed, shared: None });
        self.nodes(&mut each.body);
        self.loops.pop();
    }

    fn expr(&mut self, expr: &mut Expr) {
        self.inside_expr(expr);
        match expr {
            Expr::Var(var) => var.slot = self.slot(&var.name.text),
            Expr::PathMacro(path) => path.root.slot = self.slot(&path.root.name.text),
            Expr::Path(path) => {
                let Expr::Var(var) = &path.base else { return };
                path.slot = match (var.slot, path.segments.as_slice()) {
                    (Slot::Loop(level), [one]) if one.name == "first" => Slot::First(level),
                    (Slot::Loop(level), [one]) if one.name == "last" => Slot::Last(level),
                    (slot, _) => slot,
                };
                if let (Slot::Item(level), [first, _, ..]) = (path.slot, path.segments.as_slice())
                    && first.part == Part::Other
                {
                    let mut placed = self.loops.iter_mut().rev().filter(|each| each.placed);
                    let name = placed.nth(level as usize).map(|each| each.shared.get_or_insert(first.name.clone()));
                    path.shares = name.is_some_and(|name| *name == first.name);
                }
            }
            _ => {}
        }
    }
}
