//! Functions of arrays (pql.md §11.1–§11.3, §21).

mod average;
mod bottom_n;
mod count;
mod count_only_null;
mod count_with_null;
mod distinct;
mod distinct_count_with_null;
mod filter;
mod group_by;
mod head;
mod includes;
mod intersection;
mod intersects;
mod is_in;
mod map;
mod max;
mod min;
mod not_in;
mod subset_of;
mod sum;
mod superset_of;
mod top_n;

use super::Group;
use crate::eval::{Run, keys};
use crate::value::V;
use std::collections::HashSet;

pub(super) const GROUP: Group = Group {
    name: "array",
    summary: "A null array is an empty one, except for membership and for the subset functions, which are false on null. Expressions for each item read its fields by their bare names, or are lambdas `(X) => …`.",
    functions: &[
        is_in::FUNCTION,
        not_in::FUNCTION,
        includes::FUNCTION,
        intersects::FUNCTION,
        intersection::FUNCTION,
        subset_of::FUNCTION,
        superset_of::FUNCTION,
        distinct::FUNCTION,
        head::FUNCTION,
        filter::FUNCTION,
        map::FUNCTION,
        top_n::FUNCTION,
        bottom_n::FUNCTION,
        group_by::FUNCTION,
        count::FUNCTION,
        count_with_null::FUNCTION,
        count_only_null::FUNCTION,
        distinct_count_with_null::FUNCTION,
        sum::FUNCTION,
        average::FUNCTION,
        min::FUNCTION,
        max::FUNCTION,
    ],
};

fn distinct_of<'a>(run: &mut Run<'a>, items: impl Iterator<Item = V<'a>>) -> V<'a> {
    let mut found = Vec::new();
    for item in items.filter(|item| !item.is_null()) {
        // Beside the item a key of it, which is also kept among those that are known.
        if !run.makes_items(3) {
            return V::Null;
        }
        found.push(item);
    }
    run.pay_each(found.len());
    if let Some(keys) = keys(run, found.iter()) {
        let (mut known, mut keys) = (HashSet::new(), keys.into_iter());
        found.retain(|_| keys.next().is_some_and(|key| known.insert(key)));
        return V::set(found);
    }
    let mut kept: Vec<V<'a>> = Vec::new();
    for item in found {
        if run.is_exhausted() {
            break;
        }
        if !kept.iter().any(|known| run.same(known, &item)) {
            kept.push(item);
        }
    }
    V::set(kept)
}

fn subset<'a>(run: &mut Run<'a>, part: &V<'a>, whole: &V<'a>) -> V<'a> {
    let arrays = part.array_len().is_some() && whole.array_len().is_some();
    V::Bool(arrays && run.contains_all(whole, part))
}
