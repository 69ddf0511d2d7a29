//! Walks the tree and writes the output.
//!
//! In: nodes, variables, limits. Out: text in the caller's buffer. Always: what the template makes is counted
//! against the limits before it is made.

use crate::budget::Budget;
use crate::chain::Links;
use crate::error::{Fault, Raised, Span, fault};
use crate::escape::Strategy;
use crate::java;
use crate::print::Changed;
use crate::scope::{Held, LoopAt, Scopes, Val};
use crate::template::{Limits, Template, Templates};
use crate::tree::*;
use crate::value::{Map, Thing, Value};
use smol_str::SmolStr;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A `cache` tag and its key.
type CacheKey = (usize, Option<SmolStr>);

pub(crate) struct Renderer<'a> {
    pub(crate) template: &'a Template,
    pub(crate) set: &'a Templates,
    pub(crate) scopes: Scopes<'a>,
    pub(crate) changed: Changed,
    pub(crate) strict: bool,
    pub(crate) limits: Limits<'a>,
    pub(crate) budget: Budget,
    passes_left: u64,
    pub(crate) out_max: usize,
    pub(crate) depth: usize,
    pub(crate) links: Links<'a>,
    /// The name of the template that the render started with.
    pub(crate) main: &'a SmolStr,
    /// Made when first needed, as are the lists of `Changed`: most renders cache nothing.
    cached: Option<BTreeMap<CacheKey, Option<String>>>,
    pub(crate) scratch: Vec<String>,
    /// What prefixes of paths lead to, in the template that the render started with.
    pub(crate) memos: [Cell<Option<&'a Value>>; MEMOS_MAX + 1],
    /// The template uses no others, so that nothing but itself hides a name of the context.
    pub(crate) alone: bool,
}

impl<'a> Renderer<'a> {
    pub(crate) fn new(
        template: &'a Template,
        set: &'a Templates,
        context: &'a Map,
        limits: &Limits<'a>,
        start: usize,
    ) -> Self {
        Self {
            template,
            set,
            scopes: Scopes::new(context, if template.alone { template.places } else { 0 }),
            changed: Changed::bounded(start.saturating_add(limits.output_bytes.max(limits.memory_bytes)), limits.steps),
            strict: template.options.strict,
            limits: *limits,
            budget: Budget::new(limits.steps),
            passes_left: limits.loop_passes,
            out_max: start.saturating_add(limits.output_bytes),
            depth: 0,
            links: Links::default(),
            main: &template.name,
            cached: None,
            scratch: Vec::new(),
            memos: [const { Cell::new(None) }; MEMOS_MAX + 1],
            alone: template.alone,
        }
    }

    pub(crate) fn run(&mut self, out: &mut String) -> Raised<()> {
        let template = self.template;
        if template.alone {
            self.nodes(&template.body, out).map_err(|f| self.named(f))?;
            return self.end(out);
        }
        self.run_linked(out)?;
        self.end(out)
    }

    fn end(&self, out: &str) -> Raised<()> {
        if self.changed.is_exhausted() {
            return Err(self.too_many_steps());
        }
        self.room(out)
    }

    pub(crate) fn deeper<T>(&mut self, text: bool, work: impl FnOnce(&mut Self) -> Raised<T>) -> Raised<T> {
        self.depth += 1;
        if self.depth > self.limits.depth {
            return Err(fault(format!("macros and templates call each other more than {} deep", self.limits.depth)));
        }
        self.step(1)?;
        let done = self.nested(text, work);
        self.depth -= 1;
        done
    }

    pub(crate) fn nodes(&mut self, nodes: &'a [Node], out: &mut String) -> Raised<()> {
        let mut rest = nodes.iter();
        while let Some(node) = rest.next() {
            // Texts and other nodes take turns nearly always.
            let node = match (node, rest.as_slice()) {
                (Node::Text(text), []) => {
                    out.push_str(text);
                    break;
                }
                (Node::Text(text), [next, after @ ..]) => {
                    out.push_str(text);
                    rest = after.iter();
                    next
                }
                (node, _) => node,
            };
            match node {
                Node::Text(text) => out.push_str(text),
                Node::Print(expr) => self.print_node(expr, out)?,
                Node::If(branches) => {
                    if let Some((flag, text)) = &branches.separator
                        && let Some(holds) = self.flag(*flag)
                    {
                        out.push_str(if holds { text } else { "" });
                        continue;
                    }
                    match self.branch(branches)? {
                        [] => {}
                        [Node::Text(text)] => out.push_str(text),
                        body => self.nodes(body, out)?,
                    }
                }
                Node::For(each) => self.for_each(each, out)?,
                Node::Set(set) => self.set(set)?,
                node => self.node(node, out)?,
            }
        }
        Ok(())
    }

    fn print_node(&mut self, expr: &'a Expr, out: &mut String) -> Raised<()> {
        let found = match expr {
            Expr::Path(path) => self.peek_path(path),
            Expr::Filter(_) | Expr::Escape(_) => None,
            other => self.peek(other),
        };
        match found {
            Some(Value::Str(text)) => out.push_str(text),
            Some(Value::Null) => {}
            Some(value) => self.changed.print(value, out),
            None => self.print_made(expr, out)?,
        }
        if out.len() > self.out_max { Err(self.too_long_after(expr)) } else { Ok(()) }
    }

    #[cold]
    fn too_long_after(&self, expr: &Expr) -> Box<Fault> {
        self.too_long().at_expression(expr)
    }

    /// Prints what cannot be read in place.
    #[inline(never)]
    fn print_made(&mut self, expr: &'a Expr, out: &mut String) -> Raised<()> {
        self.statement(out.len());
        self.print(expr, out).map_err(|f| f.at_expression(expr))
    }

    #[inline(never)]
    fn set(&mut self, set: &'a Set) -> Raised<()> {
        let value = match &set.value {
            Expr::Binary(binary) if let Some(whole) = self.whole(binary) => Val::Own(Value::Long(whole)),
            expr => {
                self.statement(0);
                self.eval(expr).map_err(|f| f.at_expression(expr))?
            }
        };
        match set.place {
            Some(place) if self.alone => self.scopes.fill(place, &set.name.text, value),
            _ => self.scopes.set(&set.name, value),
        }
        Ok(())
    }

    /// The body of the first branch whose condition holds.
    #[inline]
    fn branch(&mut self, branches: &'a If) -> Raised<&'a [Node]> {
        for branch in &branches.branches {
            let known = match branch.flag {
                Some(flag) => self.flag(flag),
                None => None,
            };
            let holds = match known {
                Some(holds) => holds,
                None => self.holds(&branch.condition, branch.span)?,
            };
            if holds {
                return Ok(&branch.body);
            }
        }
        Ok(&branches.otherwise)
    }

    /// What the nodes loop leaves to others, and single nodes.
    pub(crate) fn node(&mut self, node: &'a Node, out: &mut String) -> Raised<()> {
        match node {
            Node::Text(_) | Node::Print(_) | Node::If(_) | Node::For(_) | Node::Set(_) => {
                self.nodes(std::slice::from_ref(node), out)?
            }
            Node::Group(body) => self.nodes(body, out)?,
            Node::Block(name, span) => self.block(name, out).map_err(|f| f.at(*span))?,
            Node::Include(include) => self.include(include, out).map_err(|f| f.at(include.span))?,
            Node::Extends(extends) => self.extends(&extends.0).map_err(|f| f.at(extends.1))?,
            Node::Import(import) => self.import(import).map_err(|f| f.at(import.span))?,
            Node::Cache(cache) => self.cache(cache, out)?,
        }
        Ok(())
    }

    #[inline(never)]
    fn for_each(&mut self, each: &'a For, out: &mut String) -> Raised<()> {
        let over = match self.reach(&each.over) {
            Some(value) => Val::Ref(value),
            None => {
                self.statement(out.len());
                self.eval(&each.over).map_err(|f| f.at(each.span))?
            }
        };
        match over {
            Val::Ref(Value::Null) | Val::Own(Value::Null) => Ok(()),
            Val::Ref(Value::List(list) | Value::Array(list)) if self.changed.is_empty() => {
                self.passes(each, list.items.len(), |i| Val::Ref(&list.items[i]), out)
            }
            Val::Ref(Value::Map(map)) => self.passes(each, map.len(), |i| Val::Entry(&map.entries[i]), out),
            other => match self.held(other).owned() {
                Value::List(list) | Value::Array(list) => {
                    let list = self.changed.now(&list);
                    self.nested(false, |r| r.passes(each, list.items.len(), |i| Val::Own(list.items[i].clone()), out))
                }
                Value::Map(map) => {
                    let entry = |i: usize| Val::Own(Value::Entry(Arc::new(map.entries[i].clone())));
                    self.nested(false, |r| r.passes(each, map.len(), entry, out))
                }
                other => {
                    let message = format!("`for` goes over lists and maps, not {}", other.kind());
                    Err(fault(message).at(each.span).given(&self.shown(&other)))
                }
            },
        }
    }

    fn passes(
        &mut self,
        each: &'a For,
        length: usize,
        item: impl Fn(usize) -> Val<'a>,
        out: &mut String,
    ) -> Raised<()> {
        if length == 0 {
            return self.nodes(&each.otherwise, out);
        }
        let mark = self.scopes.mark();
        // A long body takes steps of its own.
        let cost = 1 + (each.body.len() as u64 >> 6);
        let at = |index: usize| LoopAt { index: index as i32, length: length as i32 };
        let (around, filled) = (self.scopes.passes(), self.scopes.filled());
        if each.placed {
            self.scopes.enter_pass(item(0), at(0));
        } else {
            self.scopes.push("loop", LOOP_HASH, Val::Loop(at(0)));
            self.scopes.push(each.var.text.as_str(), each.var.hash, item(0));
        }
        for index in 0..length {
            if self.passes_left == 0 {
                return Err(self.too_many_passes().at(each.span));
            }
            self.passes_left -= 1;
            self.step(cost).map_err(|f| f.at(each.span))?;
            if index > 0 {
                match self.scopes.pass_now() {
                    Some(pass) if each.placed => {
                        pass.item = item(index);
                        pass.at.index = index as i32;
                        pass.shared.set(None);
                    }
                    _ => {
                        self.scopes.write(mark, Val::Loop(at(index)));
                        self.scopes.write(mark + 1, item(index));
                    }
                }
            }
            self.nodes(&each.body, out)?;
            self.room(out).map_err(|f| f.at(each.span))?;
        }
        self.scopes.leave_passes(around);
        self.scopes.empty(filled);
        self.scopes.release(mark);
        Ok(())
    }

    #[cold]
    fn too_many_passes(&self) -> Box<Fault> {
        fault(format!("the loops make more than {} passes", self.limits.loop_passes))
    }

    fn cache(&mut self, cache: &'a (Expr, Vec<Node>, Span), out: &mut String) -> Raised<()> {
        let key = match &*self.value(&cache.0)? {
            Value::Null => None,
            Value::Str(key) => Some(key.clone()),
            other => return Err(fault(format!("the key of `cache` is a string, not {}", other.kind())).at(cache.2)),
        };
        // Each tag has a cache of its own.
        let key = (std::ptr::from_ref(cache) as usize, key);
        match self.cached.as_ref().and_then(|cached| cached.get(&key)) {
            Some(Some(done)) => {
                out.push_str(done);
                return Ok(());
            }
            Some(None) => return Err(fault("a `cache` is filled from inside itself").at(cache.2)),
            None => {}
        }
        self.charge(size_of::<CacheKey>() + key.1.as_ref().map_or(0, |key| key.len()))?;
        self.cached.get_or_insert_default().insert(key.clone(), None);
        let start = out.len();
        let done = self.nodes(&cache.1, out);
        let cached = self.cached.get_or_insert_default();
        if done.is_err() {
            cached.remove(&key);
            return done;
        }
        cached.insert(key, Some(out[start..].to_owned()));
        self.charge(out.len() - start)
    }

    pub(crate) fn give_back(&mut self, mut text: String) {
        const KEPT_MAX: usize = 64 << 10;
        if text.capacity() <= KEPT_MAX && self.scratch.len() < 8 {
            text.clear();
            self.scratch.push(text);
        }
    }

    /// The printed form; null prints as `null`.
    pub(crate) fn shown(&self, value: &Value) -> String {
        let mut text = String::new();
        self.changed.print(value, &mut text);
        text
    }

    /// Writes a print.
    pub(crate) fn print(&mut self, expr: &'a Expr, out: &mut String) -> Raised<()> {
        match expr {
            Expr::Escape(escape) => self.print_escaped(&escape.0, &escape.1, out).map_err(|f| f.at(escape.2)),
            Expr::Ternary(ternary) => {
                let yes = self.choose(ternary)?;
                self.print_node(if yes { &ternary.1 } else { &ternary.2 }, out)
            }
            Expr::Filter(call) if call.is_text => {
                self.pipe(call, out)?;
                Ok(())
            }
            Expr::Concat(parts) => parts.iter().try_for_each(|part| {
                match self.peek(part) {
                    Some(Value::Str(text)) => out.push_str(text),
                    _ => self.print(part, out)?,
                }
                self.room(out)
            }),
            Expr::Block(block) => self.print_block(block, out),
            Expr::Binary(binary) if let Some(whole) = self.whole(binary) => {
                java::push_long(out, whole);
                Ok(())
            }
            Expr::Parent(name, span) => self.print_parent(name.as_deref(), *span, out),
            Expr::Body(nodes) => self.nodes(nodes, out),
            expr => {
                let value = self.eval(expr)?;
                self.print_val(&value, out)
            }
        }
    }

    #[inline]
    pub(crate) fn print_val(&mut self, value: &Val<'a>, out: &mut String) -> Raised<()> {
        match value {
            Val::Ref(Value::Str(s)) => out.push_str(s),
            Val::Ref(Value::Null) | Val::Own(Value::Null) => {}
            Val::Ref(value) => self.changed.print(value, out),
            Val::Own(value) => self.changed.print(value, out),
            Val::Entry(entry) => self.changed.print_entry(entry, out),
            other => {
                let held = self.held(other.clone());
                self.changed.print(&held, out);
            }
        }
        Ok(())
    }

    fn print_escaped(&mut self, strategy: &Strategy, expr: &'a Expr, out: &mut String) -> Raised<()> {
        let value = match expr {
            Expr::Filter(call) if call.is_plain && *strategy == Strategy::Html => {
                return self.pipe(call, out).map(drop);
            }
            Expr::Filter(call) if call.is_text => {
                let mut text = self.scratch.pop().unwrap_or_default();
                if self.pipe(call, &mut text)? {
                    self.escape_text(strategy, &text, out)?;
                }
                self.give_back(text);
                return Ok(());
            }
            expr => match self.peek(expr) {
                Some(Value::Str(text)) => return self.escape_text(strategy, text, out),
                Some(Value::Null) => return Ok(()),
                Some(value) if value.prints_plainly() && strategy.keeps_words() => {
                    self.changed.print(value, out);
                    return Ok(());
                }
                _ => self.eval(expr)?,
            },
        };
        match &value {
            Val::Ref(Value::Str(s)) => self.escape_text(strategy, s, out),
            Val::Ref(Value::Null) | Val::Own(Value::Null) => Ok(()),
            Val::Own(Value::Str(s)) => self.escape_text(strategy, s, out),
            Val::Ref(Value::Safe(s)) | Val::Own(Value::Safe(s)) => {
                out.push_str(s);
                Ok(())
            }
            Val::Ref(value) if value.prints_plainly() && strategy.keeps_words() => {
                self.changed.print(value, out);
                Ok(())
            }
            Val::Own(value) if value.prints_plainly() && strategy.keeps_words() => {
                self.changed.print(value, out);
                Ok(())
            }
            value => {
                let mut text = self.scratch.pop().unwrap_or_default();
                self.print_val(value, &mut text)?;
                self.escape_text(strategy, &text, out)?;
                self.give_back(text);
                Ok(())
            }
        }
    }

    /// No strategy makes a text shorter, so one that is too long is not even begun.
    #[inline]
    fn escape_text(&self, strategy: &Strategy, text: &str, out: &mut String) -> Raised<()> {
        self.room(text)?;
        strategy.escape(text, out)
    }

    pub(crate) fn print_block(&mut self, block: &'a (Expr, Span), out: &mut String) -> Raised<()> {
        match &*self.value(&block.0)? {
            Value::Null => Ok(()),
            Value::Str(name) => self.block(name, out).map_err(|f| f.at(block.1)),
            other => Err(fault(format!("the name of a block is a string, not {}", other.kind())).at(block.1)),
        }
    }

    pub(crate) fn print_parent(&mut self, name: Option<&str>, span: Span, out: &mut String) -> Raised<()> {
        self.parent_block(name, out).map_err(|f| f.at(span))
    }

    /// A plain value of what may be a view or a loop.
    pub(crate) fn held(&self, value: Val<'a>) -> Held<'a> {
        match value {
            Val::Ref(value) => Held::Ref(value),
            Val::Own(value) => Held::Own(value),
            Val::Entry(entry) => Held::Own(Value::Entry(Arc::new(entry.clone()))),
            Val::Loop(at) => Held::Own(Value::thing(Thing::Loop(at))),
            Val::Macros(_) => Held::Own(Value::thing(Thing::Macros)),
            Val::View(frame) => {
                let names = self.scopes.names_of_view(frame);
                self.changed.spend((names.len() * names.len()) as u64 >> 3);
                let of = |name: &str| match self.scopes.get_of_view(frame, name) {
                    Some(Val::View(_)) | None => Value::Null,
                    Some(value) => self.held(value).owned(),
                };
                let entries = names.into_iter().map(|n| (Value::Str(n.into()), of(n))).collect();
                Held::Own(Value::thing(Thing::View(Map::of(entries, false))))
            }
        }
    }
}
