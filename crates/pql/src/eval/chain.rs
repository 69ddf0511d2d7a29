//! Sequences (pql.md §14): a complete search for items in strictly increasing time.
//!
//! Where no later step looks back at an earlier one, taking the earliest fitting item is exact. Else
//! the search goes back, and remembers the states from which it failed: the step, the first item it may
//! take, and those earlier items that later steps read. That bounds the work by the number of states.

use super::{Run, instant};
use crate::node::{Chain, Node, Step};
use crate::value::V;
use std::collections::HashSet;
use std::ops::ControlFlow;

/// What a state costs that the search remembers, in items: it bounds their memory.
const STATE_COST: u32 = 96;
/// The most steps of a chain (pql.md §16).
pub(crate) const STEPS_MAX: usize = 6;

type State = (usize, usize, [usize; STEPS_MAX]);

struct Search<'a> {
    steps: &'a [Step],
    /// Items with their time, ascending.
    items: Vec<(V<'a>, i64)>,
    chosen: [usize; STEPS_MAX],
    failed: HashSet<State>,
}

impl<'a> Run<'a> {
    pub(super) fn chain(&mut self, chain: &'a Chain) -> bool {
        let mut items = Vec::new();
        let mark = self.mark();
        let _ = self.each(&chain.source, &mut |run, item| {
            run.slots[chain.slot] = item.clone();
            let time = run.value(&chain.time);
            let time = run.settle(time);
            items.extend(instant(&time).map(|ms| (item, ms)));
            run.retain();
            if run.makes_items(2) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        self.retained(&mark);
        self.slots[chain.slot] = V::Null;
        if !matches!(chain.source, Node::Events) {
            items.sort_by_key(|(_, ms)| *ms);
        }
        let chosen = [usize::MAX; STEPS_MAX];
        let found = Search { steps: &chain.steps, items, chosen, failed: HashSet::new() }.from(self, 0, 0);
        for step in &chain.steps {
            self.slots[step.item_slot] = V::Null;
        }
        found
    }
}

impl<'a> Search<'a> {
    /// Assigns the steps from `at` on to items from `first` on.
    fn from(&mut self, run: &mut Run<'a>, at: usize, first: usize) -> bool {
        let Some(step) = self.steps.get(at) else { return true };
        let mut read = [usize::MAX; STEPS_MAX];
        for (i, slot) in read.iter_mut().enumerate().take(at) {
            if step.reads & 1 << i != 0 {
                *slot = self.chosen[i];
            }
        }
        let state = (at, first, read);
        if step.reads != 0 && self.failed.contains(&state) {
            return false;
        }
        for i in first..self.items.len() {
            if !run.pay(1) {
                return false;
            }
            let (item, ms) = self.items[i].clone();
            run.slots[step.item_slot] = item;
            run.slots[step.time_slot] = V::Time(ms);
            let mark = run.mark();
            let fits = run.truth(&step.what) && step.when.as_ref().is_none_or(|w| run.in_window(&V::Time(ms), w));
            run.release(&mark);
            if !fits {
                continue;
            }
            self.chosen[at] = i;
            let next = i + self.items[i..].iter().take_while(|(_, other)| *other == ms).count();
            if self.from(run, at + 1, next) {
                return true;
            }
            // No later step looks at this one: a later item leaves them only fewer items to take.
            if self.steps.get(at + 1).is_none_or(|later| later.reads & 1 << at == 0) {
                break;
            }
        }
        if step.reads != 0 && run.pay(STATE_COST) {
            self.failed.insert(state);
        }
        false
    }
}
