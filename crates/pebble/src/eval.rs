//! Expressions to values.
//!
//! In: the tree of an expression. Out: a value that borrows from the context as long as it can. Always: in strict
//! mode a missing name is a fault that only `default` and `is defined` may catch.

use crate::error::{Fault, Raised, Span, fault, nearest};
use crate::filters::Run;
use crate::operators;
use crate::predicates::Predicate;
use crate::render::Renderer;
use crate::scope::{Held, NULL, Near, Pass, Val, follow};
use crate::tree::*;
use crate::value::{Thing, Value};
use crate::{filters, functions, methods, predicates};

/// Longer texts are compared where steps are counted.
const QUICK_MAX: usize = 1024;

#[cold]
fn missing(what: &str, name: &str, span: Span) -> Box<Fault> {
    let mut fault = fault(format!("{what} `{name}` does not exist")).at(span);
    fault.missing = true;
    fault
}

impl<'a> Renderer<'a> {
    /// The value of an expression; entries, loops and views stay what they are.
    pub(crate) fn eval(&mut self, expr: &'a Expr) -> Raised<Val<'a>> {
        match expr {
            Expr::Const(value) => Ok(Val::Ref(value)),
            Expr::Var(var) => self.variable(var),
            Expr::Path(path) => self.path(path),
            Expr::Index(index) => {
                let base = self.eval(&index.0)?;
                let key = self.value(&index.1)?;
                self.attribute(base, &key, index.2)
            }
            Expr::Method(method) => self.method(method),
            Expr::List(items) => self.list(items),
            Expr::Map(entries) => self.map(entries),
            Expr::Concat(parts) => self.concat(parts),
            Expr::Binary(binary) => self.binary(binary),
            Expr::Unary(unary) => self.unary(unary.0, &unary.1, unary.2),
            Expr::Ternary(ternary) => {
                let yes = self.choose(ternary)?;
                self.eval(if yes { &ternary.1 } else { &ternary.2 })
            }
            Expr::Filter(call) => self.filter(call),
            Expr::Test(test) => Ok(Val::Own(Value::Bool(self.test(test)?))),
            Expr::Call(call) => self.call(call).map_err(|f| f.at(call.span)),
            Expr::PathMacro(path) => self.path_macro(path),
            Expr::Block(..) | Expr::Parent(..) | Expr::Body(..) | Expr::Escape(..) => self.rendered(expr),
        }
    }

    /// The value of an expression that is a plain walk through variables, read in place.
    /// `None` says nothing: the full evaluation decides.
    pub(crate) fn peek(&self, expr: &'a Expr) -> Option<&Value> {
        match expr {
            Expr::Path(path) => self.peek_path(path),
            Expr::Const(value) => Some(value),
            Expr::Var(var) => self.peek_variable(var),
            _ => None,
        }
    }

    #[inline(always)]
    pub(crate) fn peek_path(&self, path: &'a Path) -> Option<&Value> {
        let segments = path.segments.as_slice();
        let (start, rest) = match path.slot {
            Slot::Item(level) => {
                let pass = self.scopes.pass(level)?;
                match &pass.item {
                    Val::Own(value) => (value, segments),
                    _ => self.of_pass(pass, path)?,
                }
            }
            _ => match (self.memos[path.memo.slot].get(), segments.get(path.memo.names..)) {
                (Some(start), Some(rest)) if path.slot == Slot::Context => (start, rest),
                _ => return self.peek_far(path),
            },
        };
        follow(start, rest, !self.strict)
    }

    /// Where a walk from the variable of a loop starts, and the names that are left.
    #[inline(always)]
    fn of_pass(&self, pass: &Pass<'a>, path: &'a Path) -> Option<(&'a Value, &'a [Segment])> {
        match (&pass.item, path.segments.as_slice()) {
            (Val::Ref(value), [first, rest @ ..]) if path.shares => match pass.shared.get() {
                Some(start) => Some((start, rest)),
                None => Some((self.share(value, pass, first)?, rest)),
            },
            (Val::Ref(value), segments) => Some((value, segments)),
            (Val::Entry(entry), [first, rest @ ..]) => Some((first.part.of(entry)?, rest)),
            _ => None,
        }
    }

    /// Remembers for the rest of a pass where its shared name leads.
    #[inline(never)]
    fn share(&self, value: &'a Value, pass: &Pass<'a>, name: &'a Segment) -> Option<&'a Value> {
        let found = follow(value, std::slice::from_ref(name), !self.strict)?;
        pass.shared.set(Some(found));
        Some(found)
    }

    /// As `peek_path`, for paths that start elsewhere than at the variable of a loop or where a walk has been.
    #[inline(never)]
    fn peek_far(&self, path: &'a Path) -> Option<&Value> {
        let start = match path.slot {
            Slot::Context if self.alone => return self.context_path(path),
            Slot::Item(_) | Slot::Loop(_) | Slot::First(_) | Slot::Last(_) => return None,
            Slot::Place(place) if self.alone => match self.scopes.placed(place) {
                Some(value) => value.near()?,
                None => return self.context_path(path),
            },
            Slot::Named | Slot::Context | Slot::Place(_) => {
                let Expr::Var(var) = &path.base else { return None };
                self.scopes.near(&var.name, &var.near)?
            }
        };
        start.walk(&path.segments, !self.strict)
    }

    fn peek_variable(&self, var: &'a Var) -> Option<&Value> {
        let near = match var.slot {
            Slot::Item(level) => self.scopes.pass(level)?.item.near()?,
            Slot::Loop(_) | Slot::First(_) | Slot::Last(_) => return None,
            Slot::Context if self.alone => return self.scopes.context(&var.name.text, &var.near),
            Slot::Place(place) if self.alone => match self.scopes.placed(place) {
                Some(value) => value.near()?,
                None => return self.scopes.context(&var.name.text, &var.near),
            },
            Slot::Named | Slot::Context | Slot::Place(_) => self.scopes.near(&var.name, &var.near)?,
        };
        if let Near::Value(value) = near { Some(value) } else { None }
    }

    /// Walks a path that starts in the context, which never changes; a shared prefix only once.
    #[inline]
    fn context_path(&self, path: &'a Path) -> Option<&'a Value> {
        let Expr::Var(var) = &path.base else { return None };
        let Memo { slot, names } = path.memo;
        let lenient = !self.strict;
        if slot == NO_MEMO {
            return follow(self.scopes.context(&var.name.text, &var.near)?, &path.segments, lenient);
        }
        let (prefix, rest) = path.segments.split_at(names);
        let slot = &self.memos[slot];
        let start = match slot.get() {
            Some(start) => start,
            None => {
                let found = follow(self.scopes.context(&var.name.text, &var.near)?, prefix, lenient)?;
                slot.set(Some(found));
                found
            }
        };
        follow(start, rest, lenient)
    }

    /// As `peek`, for what is borrowed from the context.
    pub(crate) fn reach(&self, expr: &'a Expr) -> Option<&'a Value> {
        if let Expr::Path(path) = expr
            && let Slot::Item(level) = path.slot
        {
            let (start, rest) = self.of_pass(self.scopes.pass(level)?, path)?;
            return follow(start, rest, !self.strict);
        }
        self.reach_far(expr)
    }

    /// As `reach`, for what starts elsewhere than at the variable of a loop.
    #[inline(never)]
    fn reach_far(&self, expr: &'a Expr) -> Option<&'a Value> {
        let (near, segments) = match expr {
            Expr::Path(path) => match (path.slot, &path.base) {
                (Slot::Context, _) if self.alone => return self.context_path(path),
                (Slot::Place(place), _) if self.alone => match self.scopes.placed(place) {
                    Some(value) => (value.borrowed()?, path.segments.as_slice()),
                    None => return self.context_path(path),
                },
                (Slot::Named | Slot::Context | Slot::Place(_), Expr::Var(var)) => {
                    (self.scopes.borrowed(&var.name, &var.near)?, path.segments.as_slice())
                }
                _ => return None,
            },
            Expr::Const(value) => return Some(value),
            Expr::Var(var) => match var.slot {
                Slot::Item(level) => (self.scopes.pass(level)?.item.borrowed()?, &[][..]),
                Slot::Loop(_) | Slot::First(_) | Slot::Last(_) => return None,
                Slot::Context if self.alone => return self.scopes.context(&var.name.text, &var.near),
                Slot::Place(place) if self.alone => match self.scopes.placed(place) {
                    Some(value) => (value.borrowed()?, &[][..]),
                    None => return self.scopes.context(&var.name.text, &var.near),
                },
                Slot::Named | Slot::Context | Slot::Place(_) => (self.scopes.borrowed(&var.name, &var.near)?, &[][..]),
            },
            _ => return None,
        };
        near.walk(segments, !self.strict)
    }

    /// As `eval`, as a plain value.
    #[inline]
    pub(crate) fn value(&mut self, expr: &'a Expr) -> Raised<Held<'a>> {
        if let Some(value) = self.reach(expr) {
            return Ok(Held::Ref(value));
        }
        self.made(expr)
    }

    fn made(&mut self, expr: &'a Expr) -> Raised<Held<'a>> {
        match self.eval(expr)? {
            Val::Ref(value) => Ok(Held::Ref(value)),
            Val::Own(value) => Ok(Held::Own(value)),
            other => Ok(self.held(other)),
        }
    }

    /// What is rendered rather than computed, as text.
    fn rendered(&mut self, expr: &'a Expr) -> Raised<Val<'a>> {
        let mut text = self.scratch.pop().unwrap_or_default();
        self.nested(true, |r| r.print(expr, &mut text))?;
        self.charge(text.len())?;
        let safe = matches!(expr, Expr::Escape(..));
        let result = if safe { Value::Safe(text.as_str().into()) } else { Value::Str(text.as_str().into()) };
        self.give_back(text);
        Ok(Val::Own(result))
    }

    #[inline]
    fn variable(&mut self, var: &'a Var) -> Raised<Val<'a>> {
        let found = match var.slot {
            Slot::Item(level) => self.scopes.pass(level).map(|pass| pass.item.clone()),
            Slot::Loop(level) => self.scopes.pass(level).map(|pass| Val::Loop(pass.at)),
            Slot::Place(place) if self.alone => match self.scopes.placed(place) {
                Some(value) => Some(value.clone()),
                None => self.scopes.context(&var.name.text, &var.near).map(Val::Ref),
            },
            _ => self.scopes.get(&var.name, &var.near),
        };
        match found {
            Some(value) => Ok(value),
            None => self.global(&var.name.text, var.span),
        }
    }

    #[cold]
    fn global(&mut self, name: &'a str, span: Span) -> Raised<Val<'a>> {
        let known = if self.scopes.in_macro() { None } else { self.engine_variable(name) };
        match known {
            Some(value) => Ok(value),
            None if self.strict => Err(missing("variable", name, span)),
            None => Ok(Val::Ref(&NULL)),
        }
    }

    /// What the engine puts before every template.
    fn engine_variable(&self, name: &str) -> Option<Val<'a>> {
        match name {
            "_context" => Some(self.scopes.view()),
            "locale" => Some(Val::Own(Value::thing(Thing::Locale))),
            "template" => Some(Val::Own(Value::thing(Thing::Template(self.main.clone())))),
            _ => None,
        }
    }

    /// A variable that `_context` shows; null if there is none.
    fn shown_variable(&self, frame: usize, name: &str) -> Val<'a> {
        let found = self.scopes.get_of_view(frame, name);
        found.or_else(|| self.engine_variable(name)).unwrap_or(Val::Ref(&NULL))
    }

    #[inline]
    fn path(&mut self, path: &'a Path) -> Raised<Val<'a>> {
        let mut value = match &path.base {
            Expr::Var(var) => self.variable(var)?,
            base => self.eval(base)?,
        };
        for segment in &path.segments {
            value = match value {
                Val::Ref(Value::Map(map)) => match map.get_near(&segment.name, &segment.near) {
                    Some(found) => Val::Ref(found),
                    None if self.strict => return Err(missing("attribute", &segment.name, segment.span)),
                    None => return Ok(Val::Ref(&NULL)),
                },
                Val::Entry(entry) if segment.part == Part::Value => Val::Ref(&entry.1),
                Val::Entry(entry) if segment.part == Part::Key => Val::Ref(&entry.0),
                other => self.named_attribute(other, segment)?,
            };
        }
        Ok(value)
    }

    fn named_attribute(&mut self, base: Val<'a>, segment: &'a Segment) -> Raised<Val<'a>> {
        let name = segment.name.as_str();
        let found = match base {
            Val::Loop(at) if let Some(field) = at.field(name) => Some(Val::Own(field)),
            Val::Macros(_) => return Err(fault("an imported template has macros only").at(segment.span)),
            Val::View(_) if self.strict => return Err(fault("`_context` is not for strict mode").at(segment.span)),
            Val::View(frame) => return Ok(self.shown_variable(frame, name)),
            Val::Own(Value::Map(map)) => map.get(name).cloned().map(Val::Own),
            Val::Own(Value::Entry(entry)) => match name {
                "key" => Some(Val::Own(entry.0.clone())),
                "value" => Some(Val::Own(entry.1.clone())),
                _ => None,
            },
            Val::Ref(Value::Null) | Val::Own(Value::Null) => None,
            other => {
                let key = Value::Str(segment.name.clone());
                return self.attribute(other, &key, segment.span);
            }
        };
        match found {
            Some(value) => Ok(value),
            None if self.strict => Err(missing("attribute", name, segment.span)),
            None => Ok(Val::Ref(&NULL)),
        }
    }

    /// `a[key]`, with any key.
    fn attribute(&mut self, base: Val<'a>, key: &Value, span: Span) -> Raised<Val<'a>> {
        if let (Val::View(_), true) = (&base, self.strict) {
            return Err(fault("`_context` is not for strict mode").at(span));
        }
        if let Val::View(frame) = &base
            && !key.is_number()
        {
            let name = self.shown(key);
            self.read(name.len()).map_err(|f| f.at(span))?;
            return Ok(self.shown_variable(*frame, &name));
        }
        if let (Val::Ref(Value::Map(map)), Value::Str(name)) = (&base, key)
            && name.len() <= QUICK_MAX
            && let Some(found) = map.get(name)
        {
            return Ok(Val::Ref(found));
        }
        self.changed.spend(crate::print::reading(key.text().map_or(0, str::len)));
        let held = self.held(base);
        let name = key.text().unwrap_or_default();
        if let Some(text) = held.text() {
            let bytes = text.len().saturating_add(methods::result_bytes(&held, name, &[]));
            self.charge(bytes).map_err(|f| f.at(span))?;
        }
        let printed = methods::is_printed(&held, name, &[]) && !matches!(*held, Value::Map(_));
        let found = match (&held, self.changed.is_empty()) {
            (Held::Ref(value), true) => operators::attribute(value, key, &self.changed).map(|f| f.map(Held::val)),
            (value, _) => operators::attribute(value, key, &self.changed).map(|f| f.map(|h| Val::Own(h.owned()))),
        };
        match found.map_err(|f| f.at(span))? {
            Some(value) => self.paid(value, printed).map_err(|f| f.at(span)),
            None if self.strict => Err(missing("attribute", &self.shown(key), span)),
            None => Ok(Val::Ref(&NULL)),
        }
    }

    fn path_macro(&mut self, path: &'a PathMacro) -> Raised<Val<'a>> {
        let mut value = self.variable(&path.root)?;
        for (i, step) in path.rest.iter().enumerate() {
            value = match step {
                Step::Name(name) if path.headers_from.is_some_and(|from| i >= from) => {
                    let held = self.held(value);
                    let Value::Map(map) = &*held else {
                        return self.attribute(held.val(), &Value::Str(name.clone()), path.span);
                    };
                    let same = |k: &Value| matches!(k, Value::Str(s) if s.eq_ignore_ascii_case(name));
                    match map.entries.iter().find(|(k, _)| same(k)) {
                        Some((_, found)) => Val::Own(found.clone()),
                        None if self.strict => return Err(missing("header", name, path.span)),
                        None => return Ok(Val::Ref(&NULL)),
                    }
                }
                Step::Name(name) => self.attribute(value, &Value::Str(name.clone()), path.span)?,
                Step::Index(index) => self.attribute(value, &Value::Long(*index as i64), path.span)?,
            };
        }
        Ok(value)
    }

    fn list(&mut self, items: &'a [Expr]) -> Raised<Val<'a>> {
        self.charge(size_of::<Value>() * (items.len() + 2))?;
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            values.push(self.value(item)?.owned());
        }
        operators::list(values).map(Val::Own)
    }

    fn map(&mut self, entries: &'a [(Expr, Expr)]) -> Raised<Val<'a>> {
        self.charge(2 * size_of::<Value>() * (entries.len() + 2))?;
        let mut values: Vec<(Value, Value)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let key = self.value(key)?.owned();
            let value = self.value(value)?.owned();
            values.push((key, value));
        }
        operators::literal_map(values, &self.changed).map(Val::Own)
    }

    fn concat(&mut self, parts: &'a [Expr]) -> Raised<Val<'a>> {
        let mut text = self.scratch.pop().unwrap_or_default();
        for part in parts {
            let value = self.eval(part)?;
            let before = text.len();
            self.print_val(&value, &mut text)?;
            self.charge(text.len() - before)?;
        }
        let result = Value::Str(text.as_str().into());
        self.give_back(text);
        Ok(Val::Own(result))
    }

    /// Sums, differences and products of whole numbers that can be read in place.
    #[inline]
    pub(crate) fn whole(&self, binary: &'a Binary) -> Option<i64> {
        if !matches!(binary.op, Op::Add | Op::Subtract | Op::Multiply) {
            return None;
        }
        let right = match &binary.right {
            Expr::Const(value) => value,
            other => self.peek(other)?,
        };
        let (Value::Long(a), Value::Long(b)) = (self.peek(&binary.left)?, right) else { return None };
        Some(match binary.op {
            Op::Add => a.wrapping_add(*b),
            Op::Subtract => a.wrapping_sub(*b),
            _ => a.wrapping_mul(*b),
        })
    }

    fn binary(&mut self, binary: &'a Binary) -> Raised<Val<'a>> {
        if let Some(whole) = self.whole(binary) {
            return Ok(Val::Own(Value::Long(whole)));
        }
        match binary.op {
            Op::And | Op::Or | Op::Contains => self.verdict(binary).map(|b| Val::Own(Value::Bool(b))),
            Op::Equal | Op::NotEqual | Op::Less | Op::Greater | Op::LessEqual | Op::GreaterEqual => {
                self.verdict(binary).map(|b| Val::Own(Value::Bool(b)))
            }
            Op::Range => {
                let args = vec![Some(self.value(&binary.left)?), Some(self.value(&binary.right)?), None];
                functions::range(self, args).map(Val::Own).map_err(|f| f.at(binary.span))
            }
            Op::Add => {
                let (left, right) = self.operands(binary)?;
                operators::add(self, left, right).map(Val::Own).map_err(|f| f.at(binary.span))
            }
            op => {
                let (left, right) = self.operands(binary)?;
                if let (Op::Subtract, Value::List(list)) = (op, &*left) {
                    return operators::remove(self, list, &right).map(Val::Own).map_err(|f| f.at(binary.span));
                }
                operators::arithmetic(op, &left, &right, &self.changed).map(Val::Own).map_err(|f| f.at(binary.span))
            }
        }
    }

    fn operands(&mut self, binary: &'a Binary) -> Raised<(Held<'a>, Held<'a>)> {
        let left = self.value(&binary.left).map_err(Fault::uncatchable)?;
        let right = self.value(&binary.right).map_err(Fault::uncatchable)?;
        Ok((left, right))
    }

    /// `and`, `or`: the right side is asked only if the left one decides nothing.
    fn either(&mut self, binary: &'a Binary) -> Raised<bool> {
        let mut holds = false;
        for side in [&binary.left, &binary.right] {
            holds = self.holds(side, binary.span)?;
            if holds == (binary.op == Op::Or) {
                break;
            }
        }
        Ok(holds)
    }

    /// As `truth`, the quickest conditions first; faults without a place get this one.
    #[inline(always)]
    pub(crate) fn holds(&mut self, condition: &'a Expr, span: Span) -> Raised<bool> {
        if let Expr::Binary(binary) = condition {
            if matches!(binary.op, Op::And | Op::Or) {
                return self.either(binary).map_err(|f| f.at(span));
            }
            if binary.op.compares()
                && let Some(holds) = self.compared(binary)
            {
                return Ok(holds);
            }
        }
        self.truth(condition).map_err(|f| f.at(span))
    }

    /// The operators that say yes or no.
    fn verdict(&mut self, binary: &'a Binary) -> Raised<bool> {
        if binary.op.compares()
            && let Some(verdict) = self.compared(binary)
        {
            return Ok(verdict);
        }
        match binary.op {
            Op::And | Op::Or => self.either(binary),
            Op::Contains => {
                let left = self.value(&binary.left)?;
                if matches!(*left, Value::Null) {
                    return Ok(false);
                }
                let right = self.value(&binary.right)?;
                let verdict = operators::contains(&left, &right, &self.changed).map_err(|f| f.at(binary.span))?;
                self.step(1).map_err(|f| f.at(binary.span))?;
                Ok(verdict)
            }
            Op::Equal | Op::NotEqual => {
                let (left, right) = self.operands(binary)?;
                let same = operators::same(&left, &right, &self.changed);
                self.step(1).map_err(|f| f.at(binary.span))?;
                Ok(same == (binary.op == Op::Equal))
            }
            op => {
                let (left, right) = self.operands(binary)?;
                operators::compare(op, &left, &right).map_err(|f| f.at(binary.span))
            }
        }
    }

    /// Comparisons of what can be read in place.
    pub(crate) fn compared(&self, binary: &'a Binary) -> Option<bool> {
        let left = match &binary.left {
            Expr::Path(path) => self.peek_path(path)?,
            other => self.peek(other)?,
        };
        let right = match &binary.right {
            Expr::Const(value) => value,
            other => self.peek(other)?,
        };
        if let (Value::Str(a), Value::Str(b)) = (left, right)
            && matches!(binary.op, Op::Equal | Op::NotEqual)
        {
            if a.len() > QUICK_MAX && a.len() == b.len() {
                return None;
            }
            return Some((a == b) == (binary.op == Op::Equal));
        }
        if let (Value::Long(a), Value::Long(b)) = (left, right) {
            return Some(operators::ordered(binary.op, *a as f64, *b as f64));
        }
        match (binary.op, left, right) {
            (_, Value::List(_) | Value::Array(_) | Value::Map(_) | Value::Entry(_), _) => None,
            (Op::Equal, a, b) => Some(operators::same(a, b, &self.changed)),
            (Op::NotEqual, a, b) => Some(!operators::same(a, b, &self.changed)),
            (op, a, b) => operators::compare(op, a, b).ok(),
        }
    }

    /// The truth of a condition; null is refused in strict mode.
    pub(crate) fn truth(&mut self, expr: &'a Expr) -> Raised<bool> {
        if let Expr::Binary(binary) = expr {
            match binary.op {
                Op::And | Op::Or => return self.either(binary),
                op if op.compares() => {
                    if let Some(verdict) = self.compared(binary) {
                        return Ok(verdict);
                    }
                }
                _ => {}
            }
        }
        match expr {
            Expr::Binary(binary)
                if !matches!(
                    binary.op,
                    Op::Range | Op::Add | Op::Subtract | Op::Multiply | Op::Divide | Op::Modulo
                ) =>
            {
                self.verdict(binary)
            }
            Expr::Test(test) => self.test(test),
            Expr::Unary(unary) if unary.0 == Sign::Not => Ok(!self.truth(&unary.1).map_err(|f| f.at(unary.2))?),
            expr => {
                if let Some(last) = self.loop_flag(expr) {
                    return Ok(last);
                }
                let value = self.value(expr)?;
                match (&*value, self.strict) {
                    (Value::Null, true) => Err(fault("null is neither true nor false in strict mode")),
                    (value, _) => operators::truth(value).map_err(|f| f.given(&self.shown(value))),
                }
            }
        }
    }

    /// Where a loop stands that has a place of its own.
    #[inline]
    pub(crate) fn flag(&self, flag: Flag) -> Option<bool> {
        let at = self.scopes.pass(flag.level)?.at;
        Some((if flag.last { at.is_last() } else { at.is_first() }) != flag.negated)
    }

    /// `loop.last` and `loop.first`, the conditions of nearly every list.
    #[inline]
    fn loop_flag(&self, expr: &'a Expr) -> Option<bool> {
        let Expr::Path(path) = expr else { return None };
        match path.slot {
            Slot::Last(level) => Some(self.scopes.pass(level)?.at.is_last()),
            Slot::First(level) => Some(self.scopes.pass(level)?.at.is_first()),
            Slot::Named => {
                let (Expr::Var(var), [segment]) = (&path.base, path.segments.as_slice()) else { return None };
                let at = self.scopes.loop_at(&var.name)?;
                match segment.name.as_str() {
                    "last" => Some(at.is_last()),
                    "first" => Some(at.is_first()),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    pub(crate) fn choose(&mut self, ternary: &'a (Expr, Expr, Expr, Span)) -> Raised<bool> {
        if let Expr::Binary(binary) = &ternary.0
            && binary.op.compares()
        {
            return self.verdict(binary);
        }
        if let Some(flag) = self.loop_flag(&ternary.0) {
            return Ok(flag);
        }
        let value = self.value(&ternary.0)?;
        operators::truth(&value).map_err(|f| f.at(ternary.3))
    }

    fn unary(&mut self, sign: Sign, child: &'a Expr, span: Span) -> Raised<Val<'a>> {
        if sign == Sign::Not {
            return Ok(Val::Own(Value::Bool(!self.truth(child).map_err(|f| f.at(span))?)));
        }
        let value = self.value(child)?;
        let factor = Value::Int(if sign == Sign::Minus { -1 } else { 1 });
        if matches!(*value, Value::List(_)) {
            return Err(fault("a list has no sign").at(span));
        }
        operators::arithmetic(Op::Multiply, &value, &factor, &self.changed).map(Val::Own).map_err(|f| f.at(span))
    }

    fn test(&mut self, test: &'a TestCall) -> Raised<bool> {
        let predicate = match &test.test {
            Ok(predicate) => *predicate,
            Err(name) => {
                let mut fault = fault(format!("there is no test `{name}`")).at(test.span);
                fault.suggestion = nearest(name, predicates::NAMES.iter().map(|(n, _)| *n));
                return Err(fault);
            }
        };
        for arg in &test.args {
            self.value(arg)?;
        }
        if let Some(value) = self.peek(&test.input) {
            return Ok(predicate.holds(value, &self.changed).map_err(|f| f.at(test.span))? != test.negated);
        }
        let passes = self.scopes.passes();
        let value = match self.eval(&test.input) {
            Ok(value) => value,
            Err(fault) if fault.missing && predicate == Predicate::Defined => {
                self.scopes.leave_passes(passes);
                Val::Ref(&NULL)
            }
            Err(fault) => return Err(fault),
        };
        let holds = match &value {
            Val::Ref(value) => predicate.holds(value, &self.changed),
            Val::Own(value) => predicate.holds(value, &self.changed),
            other => predicate.holds(&self.held(other.clone()), &self.changed),
        };
        Ok(holds.map_err(|f| f.at(test.span))? != test.negated)
    }

    fn call(&mut self, call: &'a Call) -> Raised<Val<'a>> {
        if let Some((function, bound)) = &call.function {
            let args = self.bound(bound)?;
            self.step(1 + args.len() as u64)?;
            return (function.run)(self, args).map(Val::Own);
        }
        match self.find_macro(&call.name, None)? {
            Some(called) => self.invoke(called, &call.args),
            None => {
                let mut fault = fault(format!("there is no function or macro `{}`", call.name));
                let mut known: Vec<&str> = functions::names(&self.template.options).collect();
                known.extend(self.template.macros.keys().map(|name| name.as_str()));
                fault.suggestion = nearest(&call.name, known);
                Err(fault)
            }
        }
    }

    fn method(&mut self, method: &'a Method) -> Raised<Val<'a>> {
        let base = match self.method_base(method)? {
            Ok(base) => base,
            Err(imported) => return self.call_imported(imported, method).map_err(|f| f.at(method.span)),
        };
        let mut args = Vec::with_capacity(method.args.positional.len());
        for arg in &method.args.positional {
            args.push(self.value(arg)?);
        }
        let given: usize = args.iter().map(|a| a.text().map_or(0, str::len)).sum();
        self.read(given).map_err(|f| f.at(method.span))?;
        let made = methods::result_bytes(&base, &method.name, &args);
        self.charge(base.text().map_or(0, str::len).saturating_add(made)).map_err(|f| f.at(method.span))?;
        let found = match methods::with_pattern(self, &base, &method.name, &args) {
            Ok(None) => methods::method(&base, &method.name, &args, &self.changed),
            done => done,
        };
        match found.map_err(|f| f.at(method.span))? {
            Some(value) => {
                let printed = methods::is_printed(&base, &method.name, &args);
                self.paid(Val::Own(value), printed).map_err(|f| f.at(method.span))
            }
            None if self.strict => Err(missing("method", &method.name, method.span)),
            None => Ok(Val::Ref(&NULL)),
        }
    }

    /// What a method has made, once its work is paid for; what was printed is counted here.
    fn paid(&mut self, value: Val<'a>, printed: bool) -> Raised<Val<'a>> {
        match &value {
            Val::Own(Value::Str(text)) if printed => self.charge(text.len())?,
            _ if self.changed.is_exhausted() => return Err(self.too_many_steps()),
            _ => {}
        }
        Ok(value)
    }

    /// Evaluates arguments that are laid out by name.
    fn bound(&mut self, bound: &'a Bound) -> Raised<Vec<Option<Held<'a>>>> {
        let args = bound.as_ref().map_err(|message| fault(message.as_str()))?;
        let mut values = Vec::with_capacity(args.len());
        for arg in args {
            values.push(match arg {
                Some(arg) => Some(self.value(arg)?),
                None => None,
            });
        }
        Ok(values)
    }

    fn filter(&mut self, call: &'a FilterCall) -> Raised<Val<'a>> {
        if call.is_text {
            let mut text = self.scratch.pop().unwrap_or_default();
            let some = self.pipe(call, &mut text)?;
            let result = if some {
                self.charge(text.len()).map_err(|f| f.at(call.span))?;
                Val::Own(Value::Str(text.as_str().into()))
            } else {
                Val::Ref(&NULL)
            };
            self.give_back(text);
            return Ok(result);
        }
        let filter = call.filter.as_ref().map_err(|name| self.unknown_filter(name, call.span))?;
        let args = self.bound(&call.args).map_err(|f| f.at(call.span))?;
        let passes = self.scopes.passes();
        let input = match self.value(&call.input) {
            Ok(input) => input,
            Err(fault) if fault.missing && matches!(filter.run, Run::Default) => {
                self.scopes.leave_passes(passes);
                Held::Ref(&NULL)
            }
            Err(fault) => return Err(fault),
        };
        self.step(1).map_err(|f| f.at(call.span))?;
        match filter.run {
            Run::Value(run) => run(self, input, args).map(Held::val).map_err(|f| f.at(call.span)),
            Run::Default => filters::default(self, input, args).map(Held::val),
            // Text filters with arguments that count for nothing.
            Run::Text { any, grows, run } => {
                let mut text = String::new();
                let some = self.text_of(&input, any, filter.name, &mut text).map_err(|f| f.at(call.span))?;
                let mut done = String::new();
                if !some {
                    return Ok(Val::Ref(&NULL));
                }
                self.before_text(&text, grows).map_err(|f| f.at(call.span))?;
                run(&text, &mut done).map_err(|f| f.at(call.span))?;
                self.charge(done.len()).map_err(|f| f.at(call.span))?;
                Ok(Val::Own(Value::Str(done.into())))
            }
        }
    }

    #[cold]
    fn unknown_filter(&self, name: &str, span: Span) -> Box<Fault> {
        let mut fault = fault(format!("there is no filter `{name}`")).at(span);
        fault.suggestion = nearest(name, filters::names(&self.template.options));
        fault
    }
}
