//! Chains of filters that turn text into text.
//!
//! In: the calls of a chain and the text that goes into it. Out: text, appended. Always: a chain makes no values in
//! between; only filters in the middle get a buffer, and the last one writes where the chain is to end.

use crate::error::{Raised, fault};
use crate::filters::{self, Filter, Run};
use crate::render::Renderer;
use crate::tree::{Expr, FilterCall};
use crate::value::Value;

impl<'a> Renderer<'a> {
    /// Runs the text filters that end with this call; false for null.
    pub(crate) fn pipe(&mut self, call: &'a FilterCall, out: &mut String) -> Raised<bool> {
        self.piped(call, out, false)
    }

    /// `asked`: nothing can be read in place, as is known from the call around.
    fn piped(&mut self, call: &'a FilterCall, out: &mut String, asked: bool) -> Raised<bool> {
        if !asked && let Some(text) = self.lead(&call.input)? {
            return self.apply(call, text, out).map(|()| true);
        }
        let mut made = self.scratch.pop().unwrap_or_default();
        let some = match &call.input {
            Expr::Filter(inner) if inner.is_text => self.piped(inner, &mut made, inner.trims)?,
            input => self.taken(call, input, &mut made)?,
        };
        if some {
            self.apply(call, &made, out)?;
        }
        self.give_back(made);
        Ok(some)
    }

    /// Text that can be read in place, trimmed or not.
    fn lead(&mut self, input: &'a Expr) -> Raised<Option<&'a str>> {
        if let Expr::Filter(call) = input
            && call.trims
        {
            let Some(text) = self.lead(&call.input)? else { return Ok(None) };
            let text = filters::trimmed(text);
            self.read(text.len()).map_err(|f| f.at(call.span))?;
            return Ok(Some(text));
        }
        Ok(if let Some(Value::Str(text)) = self.reach(input) { Some(text) } else { None })
    }

    /// Appends the value at the start of a chain as text; false for null.
    fn taken(&mut self, call: &'a FilterCall, input: &'a Expr, out: &mut String) -> Raised<bool> {
        let value = self.value(input)?;
        if let Some(text) = value.text() {
            out.push_str(text);
            return Ok(true);
        }
        self.text_of(&value, call.takes_any(), call.name(), out).map_err(|f| f.at(call.span))
    }

    fn apply(&mut self, call: &'a FilterCall, text: &str, out: &mut String) -> Raised<()> {
        let done = match (&call.pairs, &call.filter) {
            (Some(pairs), _) => filters::replace_pairs(self, text, pairs, out),
            (None, Ok(Filter { run: Run::Text { grows, run, .. }, .. })) => {
                self.before_text(text, *grows).and_then(|()| run(text, out))
            }
            (None, _) => Ok(()),
        };
        done.map_err(|f| f.at(call.span))
    }

    /// Counts what a text filter reads, and what it may make of a long text.
    pub(crate) fn before_text(&mut self, text: &str, grows: usize) -> Raised<()> {
        /// What is made of shorter texts stays small whatever the filter.
        const SHORT_MAX: usize = 1 << 16;
        if text.len() > SHORT_MAX {
            self.charge(text.len().saturating_mul(grows))?;
        }
        self.read(text.len())
    }

    /// Appends the text that a filter needs; false for null.
    pub(crate) fn text_of(&self, value: &Value, any: bool, filter: &str, out: &mut String) -> Raised<bool> {
        match value {
            Value::Null => return Ok(false),
            Value::Str(s) => out.push_str(s),
            Value::Safe(s) => out.push_str(s),
            value if any => self.changed.print(value, out),
            other => {
                let message = format!("`{filter}` needs a string, not {}", other.kind());
                return Err(fault(message).given(&self.shown(other)));
            }
        }
        Ok(true)
    }
}

impl FilterCall {
    fn takes_any(&self) -> bool {
        self.pairs.is_some() || matches!(&self.filter, Ok(f) if matches!(f.run, Run::Text { any: true, .. }))
    }

    fn name(&self) -> &str {
        match &self.filter {
            Ok(filter) => filter.name,
            Err(name) => name,
        }
    }
}
