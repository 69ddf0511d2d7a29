//! Chains of filters that turn text into text.
//!
//! In: the calls of a chain and the text that goes into it. Out: text, appended. Always: a chain makes no values in
//! between; only filters in the middle get a buffer, and the last one writes where the chain is to end.

use crate::error::{Raised, fault};
use crate::filters::{self, Run};
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
            self.step(1 + (text.len() as u64 >> 6))?;
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
        let start = out.len();
        call.apply(text, out).map_err(|f| f.at(call.span))?;
        self.step(1 + ((out.len() - start) as u64 >> 6))
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

    fn apply(&self, text: &str, out: &mut String) -> Raised<()> {
        match (&self.pairs, &self.filter) {
            (Some(pairs), _) => {
                filters::replace_pairs(text, pairs, out);
                Ok(())
            }
            (None, Ok(filter)) => match filter.run {
                Run::Text { run, .. } => run(text, out),
                _ => Ok(()),
            },
            (None, Err(_)) => Ok(()),
        }
    }
}
