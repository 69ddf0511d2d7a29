//! Walks the tree and writes the output.
//!
//! In: nodes, variables, limits. Out: text in the caller's buffer. Always: what the template makes is counted
//! against the limits before it is made.

use crate::budget::Budget;
use crate::error::{Fault, Phase, Raised, Span, fault};
use crate::escape::Strategy;
use crate::java;
use crate::print::Changed;
use crate::scope::{Held, LoopAt, Scopes, Val};
use crate::template::{Limits, Template, Templates};
use crate::tree::*;
use crate::value::{Map, Value};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One template of an inheritance chain; an `embed` puts its blocks in front.
#[derive(Clone, Copy)]
struct Layer<'a> {
    template: &'a Template,
    blocks: &'a Blocks,
    /// Blocks of an `embed`: the layer has no macros and no body of its own.
    embed: bool,
}

/// Child, parent, grandparent …, and which of them is rendered.
#[derive(Default)]
struct Chain<'a> {
    layers: Vec<Layer<'a>>,
    current: usize,
}

pub(crate) struct Renderer<'a> {
    pub(crate) template: &'a Template,
    set: &'a Templates,
    pub(crate) scopes: Scopes<'a>,
    pub(crate) changed: Changed,
    pub(crate) strict: bool,
    pub(crate) limits: Limits<'a>,
    pub(crate) budget: Budget,
    passes_left: u64,
    pub(crate) out_max: usize,
    pub(crate) depth: usize,
    chain: Chain<'a>,
    imported: Vec<&'a Template>,
    aliases: Vec<(&'a str, &'a Template)>,
    /// Macros copied by `from … import`: into which template, under which name.
    copied: Vec<(*const Template, &'a str, &'a Macro)>,
    /// Made when first needed, as are the lists of `Changed`: most renders cache nothing.
    cached: Option<BTreeMap<String, String>>,
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
            chain: Chain::default(),
            imported: Vec::new(),
            aliases: Vec::new(),
            copied: Vec::new(),
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
        self.chain.layers.push(Layer { template, blocks: &template.blocks, embed: false });
        self.layer(out)?;
        self.end(out)
    }

    fn end(&self, out: &str) -> Raised<()> {
        if self.changed.is_exhausted() {
            return Err(self.too_many_steps());
        }
        self.room(out)
    }

    /// Renders the current layer, then its parent if it has got one.
    fn layer(&mut self, out: &mut String) -> Raised<()> {
        let layer = self.chain.layers[self.chain.current];
        let outer = std::mem::replace(&mut self.template, layer.template);
        if !layer.embed {
            for node in &layer.template.body {
                let child = self.chain.current + 1 < self.chain.layers.len();
                if !child || matches!(node, Node::Set(_) | Node::Import(_)) {
                    self.node(node, out).map_err(|f| self.named(f))?;
                }
            }
        }
        self.template = outer;
        if self.chain.current + 1 < self.chain.layers.len() {
            self.chain.current += 1;
            self.deeper(false, |r| r.layer(out))?;
            self.chain.current -= 1;
        }
        Ok(())
    }

    #[cold]
    fn named(&self, fault: Box<crate::error::Fault>) -> Box<crate::error::Fault> {
        fault.within(Phase::Render, &self.template.name, &self.template.source)
    }

    fn deeper<T>(&mut self, text: bool, work: impl FnOnce(&mut Self) -> Raised<T>) -> Raised<T> {
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
    fn node(&mut self, node: &'a Node, out: &mut String) -> Raised<()> {
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
        let key = self.value(&cache.0)?;
        if matches!(*key, Value::Null) {
            return Err(fault("the key of `cache` is null").at(cache.2));
        }
        let key = self.shown(&key);
        if let Some(done) = self.cached.as_ref().and_then(|cached| cached.get(&key)) {
            out.push_str(done);
            return Ok(());
        }
        let start = out.len();
        self.nodes(&cache.1, out)?;
        let done = out[start..].to_owned();
        self.charge(done.len() + key.len())?;
        self.cached.get_or_insert_default().insert(key, done);
        Ok(())
    }

    /// A template by the printed form of its name.
    fn named_template(&mut self, name: &'a Expr) -> Raised<Option<&'a Template>> {
        let name = self.value(name)?;
        if matches!(*name, Value::Null) {
            return Ok(None);
        }
        let name = self.shown(&name);
        match self.set.get(&name) {
            Some(Ok(template)) => Ok(Some(template)),
            Some(Err(error)) => {
                let mut fault = fault(error.message.clone());
                fault.done = Some(crate::error::Error { phase: Phase::Render, ..error });
                Err(fault)
            }
            None => {
                let mut fault = fault(format!("there is no template `{}`", crate::error::shorten(&name)));
                fault.suggestion = crate::error::nearest(&name, self.set.names());
                Err(fault)
            }
        }
    }

    fn include(&mut self, include: &'a Include, out: &mut String) -> Raised<()> {
        let Some(template) = self.named_template(&include.template)? else {
            return Err(fault("the name of the template is null"));
        };
        let mut with = Vec::with_capacity(include.with.len());
        for (key, value) in &include.with {
            let key = self.value(key)?;
            let key = if matches!(*key, Value::Null) { String::new() } else { self.shown(&key) };
            with.push((key, self.value(value)?.owned()));
        }
        let mut layers = Vec::new();
        if let Some(blocks) = &include.blocks {
            layers.push(Layer { template: self.template, blocks, embed: true });
        }
        layers.push(Layer { template, blocks: &template.blocks, embed: false });
        let mark = self.scopes.mark();
        // An empty name of no variable keeps the scope's place.
        self.scopes.push("", 0, Val::Ref(&crate::scope::NULL));
        for (key, value) in with {
            let hash = hash(&key);
            self.scopes.push(key, hash, Val::Own(value));
        }
        let outer = std::mem::replace(&mut self.chain, Chain { layers, current: 0 });
        let done = self.deeper(false, |r| r.layer(out));
        self.chain = outer;
        self.scopes.release(mark);
        done
    }

    fn extends(&mut self, parent: &'a Expr) -> Raised<()> {
        if let Some(template) = self.named_template(parent)? {
            if self.chain.layers.len() > self.limits.depth {
                return Err(fault("templates extend each other without end"));
            }
            self.chain.layers.truncate(self.chain.current + 1);
            self.chain.layers.push(Layer { template, blocks: &template.blocks, embed: false });
        }
        Ok(())
    }

    fn import(&mut self, import: &'a Import) -> Raised<()> {
        let Some(template) = self.named_template(&import.template)? else {
            return Err(fault("the name of the template is null"));
        };
        // What is imported stays, so every import makes the next search longer.
        self.charge(64)?;
        match &import.form {
            ImportForm::All => self.imported.push(template),
            ImportForm::As(alias) => self.aliases.push((alias, template)),
            ImportForm::Names(names) => {
                for (name, alias) in names {
                    let Some(found) = template.macros.get(name) else {
                        return Err(fault(format!("`{}` has no macro `{name}`", template.name)));
                    };
                    self.copied.push((std::ptr::from_ref(self.template), alias, found));
                }
            }
        }
        Ok(())
    }

    /// Renders a block: the version of the youngest template that has one.
    pub(crate) fn block(&mut self, name: &str, out: &mut String) -> Raised<()> {
        let has = |layer: &Layer<'a>| layer.blocks.contains_key(name);
        // The youngest template decides; a block that only a parent has is still found.
        let found = self.chain.layers.iter().position(has);
        found.map_or(Ok(()), |at| self.block_at(at, name, out))
    }

    pub(crate) fn parent_block(&mut self, name: &str, out: &mut String) -> Raised<()> {
        let from = self.chain.current + 1;
        if from >= self.chain.layers.len() {
            return Err(fault("`parent()` stands in a template that extends nothing"));
        }
        let has = |layer: &Layer<'a>| layer.blocks.contains_key(name);
        let found = self.chain.layers[from..].iter().position(has);
        found.map_or(Ok(()), |at| self.block_at(from + at, name, out))
    }

    fn block_at(&mut self, at: usize, name: &str, out: &mut String) -> Raised<()> {
        let layer = self.chain.layers[at];
        let Some(body) = layer.blocks.get(name) else { return Ok(()) };
        let outer = std::mem::replace(&mut self.chain.current, at);
        let template = std::mem::replace(&mut self.template, layer.template);
        let done = self.deeper(false, |r| r.nodes(body, out));
        let done = done.map_err(|f| if f.span.is_some() { self.named(f) } else { f });
        self.chain.current = outer;
        self.template = template;
        done
    }

    /// The macro of a name: of the youngest template of the chain, an imported one, or a parent's.
    pub(crate) fn find_macro(&self, name: &str) -> Option<(&'a Template, &'a Macro)> {
        let own = |template: &'a Template| {
            let copied = self.copied.iter().rev().find(|c| std::ptr::eq(c.0, template) && c.1 == name);
            copied.map(|c| c.2).or_else(|| template.macros.get(name)).map(|m| (template, m))
        };
        if self.chain.layers.is_empty() {
            return own(self.template).or_else(|| self.imported_macro(name));
        }
        let mut layers = self.chain.layers.iter().filter(|l| !l.embed).map(|l| l.template);
        let youngest = layers.next().and_then(own);
        youngest.or_else(|| self.imported_macro(name)).or_else(|| layers.find_map(own))
    }

    fn imported_macro(&self, name: &str) -> Option<(&'a Template, &'a Macro)> {
        self.changed.spend((self.imported.len() + self.copied.len()) as u64);
        self.imported.iter().rev().find_map(|t| t.macros.get(name).map(|m| (*t, m)))
    }

    pub(crate) fn alias(&self, name: &str) -> Option<&'a Template> {
        self.changed.spend(self.aliases.len() as u64);
        self.aliases.iter().rev().find(|(alias, _)| *alias == name).map(|(_, t)| *t)
    }

    /// Calls a macro with arguments that are already evaluated.
    pub(crate) fn call_macro(
        &mut self,
        template: &'a Template,
        called: &'a Macro,
        positional: Vec<Val<'a>>,
        named: Vec<(&'a str, Val<'a>)>,
    ) -> Raised<Value> {
        // As all callables without declared names, a macro without parameters ignores what it gets.
        let ignores = called.params.is_empty();
        let known = |name: &str| ignores || called.params.iter().any(|(p, _)| p.text == name);
        if positional.len() > called.params.len() && !ignores {
            let message = format!("macro `{}` takes {} arguments", called.name, called.params.len());
            return Err(fault(format!("{message}, {} given", positional.len())));
        }
        if let Some((name, _)) = named.iter().find(|(n, _)| !known(n)) {
            return Err(fault(format!("macro `{}` has no parameter `{name}`", called.name)));
        }
        let chain = std::mem::take(&mut self.chain);
        let outer = std::mem::replace(&mut self.template, template);
        self.scopes.enter_frame();
        let mut text = self.scratch.pop().unwrap_or_default();
        let done = self.deeper(true, |r| {
            r.macro_body(called, positional, named, &mut text)?;
            r.room(&text)
        });
        // Without a place in the macro, the fault belongs to the call.
        let done = done.map_err(|f| if f.span.is_some() { self.named(f) } else { f });
        self.scopes.leave_frame();
        self.template = outer;
        self.chain = chain;
        done?;
        self.charge(text.len())?;
        let result = Value::Safe(text.as_str().into());
        self.give_back(text);
        Ok(result)
    }

    fn macro_body(
        &mut self,
        called: &'a Macro,
        positional: Vec<Val<'a>>,
        named: Vec<(&'a str, Val<'a>)>,
        text: &mut String,
    ) -> Raised<()> {
        let base = self.scopes.mark();
        for (param, default) in &called.params {
            if let Some(default) = default {
                let value = self.eval(default)?;
                self.scopes.set(param, value);
            }
        }
        for (i, (param, default)) in called.params.iter().enumerate() {
            let by_name = named.iter().find(|(n, _)| *n == param.text).map(|(_, v)| v.clone());
            match by_name.or_else(|| positional.get(i).cloned()) {
                Some(value) => self.scopes.set(param, value),
                None if default.is_none() => self.scopes.set(param, Val::Ref(&crate::scope::NULL)),
                None => {}
            }
        }
        debug_assert!(self.scopes.mark() >= base);
        self.nodes(&called.body, text)
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

    pub(crate) fn print_block(&mut self, block: &'a (Option<Expr>, Span), out: &mut String) -> Raised<()> {
        let name = match &block.0 {
            Some(name) => self.value(name)?,
            None => return Err(fault("`block` needs a name").at(block.1)),
        };
        let name = self.shown(&name);
        self.block(&name, out).map_err(|f| f.at(block.1))
    }

    pub(crate) fn print_parent(&mut self, name: Option<&str>, span: Span, out: &mut String) -> Raised<()> {
        let name = name.ok_or_else(|| fault("`parent()` stands outside any block").at(span))?;
        self.parent_block(name, out).map_err(|f| f.at(span))
    }

    /// A plain value of what may be a view or a loop.
    pub(crate) fn held(&self, value: Val<'a>) -> Held<'a> {
        match value {
            Val::Ref(value) => Held::Ref(value),
            Val::Own(value) => Held::Own(value),
            Val::Entry(entry) => Held::Own(Value::Entry(Arc::new(entry.clone()))),
            Val::Loop(at) => Held::Own(at.map()),
            Val::View(frame) => {
                let names = self.scopes.names_of_view(frame);
                self.changed.spend((names.len() * names.len()) as u64 >> 3);
                let of = |name: &str| match self.scopes.get_of_view(frame, name) {
                    Some(Val::View(_)) | None => Value::Null,
                    Some(value) => self.held(value).owned(),
                };
                let entries = names.into_iter().map(|n| (Value::Str(n.into()), of(n))).collect();
                Held::Own(Value::Map(Arc::new(Map::of(entries, false))))
            }
        }
    }
}
