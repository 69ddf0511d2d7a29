//! Chains of filters that turn text into text.
//!
//! In: the calls of a chain and the text that goes into it. Out: text, appended. Always: a chain makes no values in
//! between; only filters that change bytes get a buffer, and the last one writes where the chain is to end.

use crate::error::{Raised, fault};
use crate::filters::{self, Run};
use crate::render::Renderer;
use crate::tree::{Expr, FilterCall};
use crate::value::Value;

/// Calls that are run in one go; longer chains are cut.
const CHAIN_MAX: usize = 8;

impl<'a> Renderer<'a> {
    /// Runs the text filters that end with this call; false for null.
    pub(crate) fn pipe(&mut self, call: &'a FilterCall, out: &mut String) -> Raised<bool> {
        let mut chain = [call; CHAIN_MAX];
        let (mut length, mut first) = (1, call);
        while let Expr::Filter(inner) = &first.input
            && inner.is_text
            && length < CHAIN_MAX
        {
            chain[length] = inner;
            first = inner;
            length += 1;
        }
        let chain = &chain[..length];
        if let Some(Value::Str(text)) = self.reach(&first.input) {
            return self.chain(chain, text, out).map(|()| true);
        }
        let value = self.value(&first.input)?;
        if let Some(text) = value.text() {
            return self.chain(chain, text, out).map(|()| true);
        }
        let mut text = String::new();
        let some = self.text_of(&value, first.takes_any(), first.name(), &mut text).map_err(|f| f.at(first.span))?;
        if some {
            self.chain(chain, &text, out)?;
        }
        Ok(some)
    }

    /// The calls stand in the order of the tree: the last one is run first.
    fn chain(&mut self, calls: &[&'a FilterCall], text: &str, out: &mut String) -> Raised<()> {
        let Some((call, rest)) = calls.split_last() else {
            out.push_str(text);
            return Ok(());
        };
        if call.trims {
            let text = filters::trimmed(text);
            self.step(1 + (text.len() as u64 >> 6))?;
            return self.chain(rest, text, out);
        }
        if rest.is_empty() {
            let start = out.len();
            call.apply(text, out).map_err(|f| f.at(call.span))?;
            return self.step(1 + ((out.len() - start) as u64 >> 6));
        }
        let mut made = self.scratch.pop().unwrap_or_default();
        call.apply(text, &mut made).map_err(|f| f.at(call.span))?;
        self.step(1 + (made.len() as u64 >> 6))?;
        let done = self.chain(rest, &made, out);
        self.give_back(made);
        done
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
