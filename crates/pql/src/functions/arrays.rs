//! Functions of arrays (pql.md §11.1–§11.3, §21). A null array is an empty one, except for membership
//! and for the subset functions, which are false on null.

use super::{Code, Form, Function, function};
use crate::eval::Run;
use crate::node::Fold;
use crate::value::V;
use model::SmolStr;
use std::collections::HashSet;

pub(super) const FUNCTIONS: &[Function] = &[
    function!("in"(item: Any, array: Array) 2 => Boolean, Code::Plain(|run, a| V::Bool(run.is_in(&a[0], &a[1], false))),
        "True if some item of the array equals the value.", r#"in("a", ["a", "b"])"# => "true"),
    function!("notIn"(item: Any, array: Array) 2 => Boolean, Code::Plain(|run, a| V::Bool(run.is_in(&a[0], &a[1], true))),
        "True if neither is absent and no item equals the value.", r#"notIn("c", ["a", "b"])"# => "true"),
    function!("includes"(array: Array, item: Any) 2 => Boolean, Code::Plain(|run, a| V::Bool(run.is_in(&a[1], &a[0], false))),
        "True if some item of the array equals the value.", "[1, 2].includes(2)" => "true"),
    function!("intersects"(array: Array, other: Array) 2 => Boolean,
        Code::Plain(|run, a| V::Bool(a[0].items().any(|item| run.contains(&a[1], &item)))),
        "True if the arrays have an item in common.", "[1, 2].intersects([2, 3])" => "true"),
    function!("intersection"(array: Array, other: Array) 2 => First,
        Code::Plain(|run, a| {
            let common = a[0].items().filter(|item| run.contains(&a[1], item)).collect();
            distinct(run, common)
        }),
        "The distinct common items, in the order of the first array.", "[1, 2, 2].intersection([2, 3])" => "[2]"),
    function!("subsetOf"(array: Array, other: Array) 2 => Boolean, Code::Plain(|run, a| subset(run, &a[0], &a[1])),
        "True if every item of the array is in the other.", "[1, 1].subsetOf([1, 2])" => "true"),
    function!("supersetOf"(array: Array, other: Array) 2 => Boolean, Code::Plain(|run, a| subset(run, &a[1], &a[0])),
        "True if every item of the other array is in the array.", "[1, 2].supersetOf([])" => "true"),
    function!("distinct"(array: Array) 1 => First, Code::Plain(|run, a| distinct(run, a[0].items().collect())),
        "The items without nulls and repetitions.", "[1, 2, 1].distinct()" => "[1,2]"),
    function!("head"(array: Array) 1 => Item, Code::Plain(|_, a| a[0].item(0)),
        "The first item, or null.", "[7, 8].head()" => "7"),
    function!("filter"(array: Array, condition: PerItem) 2 => First, Code::Form(Form::Filter),
        "The items for which the condition holds.", "[1, 2, 3].filter((N) => N > 1)" => "[2,3]"),
    function!("map"(array: Array, expression: PerItem) 2 => Depends, Code::Form(Form::Map),
        "The value of the expression for every item.", "[1, 2].map((N) => N * 2)" => "[2,4]"),
    function!("topN"(array: Array, key: PerItem, n: Number) 3 => First, Code::Form(Form::TopN),
        "The first `n` items by descending key.", "[1, 3, 2].topN((N) => N, 2)" => "[3,2]"),
    function!("bottomN"(array: Array, key: PerItem, n: Number) 3 => First, Code::Form(Form::BottomN),
        "The first `n` items by ascending key.", "[1, 3, 2].bottomN((N) => N, 2)" => "[1,2]"),
    function!("groupBy"(array: Array, key: PerItem) 2 => Depends, Code::Form(Form::GroupBy),
        "The items in groups of one key each, for `.map((K, G) => mapEntry(K, …))`.",
        r#"["a", "b", "a"].groupBy((X) => X).map((K, G) => mapEntry(K, G.count()))"# => r#"{"a":2,"b":1}"#),
    function!("count"(array: Any) 1 => Integer, Code::Form(Form::Fold(Fold::Count)),
        "How many items are not null; of a map, how many keys it has.", "[1, null].count()" => "1"),
    function!("countWithNull"(array: Array) 1 => Integer, Code::Form(Form::Fold(Fold::CountWithNull)),
        "How many items there are, nulls among them.", "[1, null].countWithNull()" => "2"),
    function!("countOnlyNull"(array: Array) 1 => Integer, Code::Form(Form::Fold(Fold::CountOnlyNull)),
        "How many items are null.", "countOnlyNull([4, 0, null])" => "1"),
    function!("distinctCountWithNull"(array: Array) 1 => Integer, Code::Plain(|run, a| distinct_count_with_null(run, &a[0])),
        "How many distinct items there are; null counts as one.", "distinctCountWithNull([10, 2, 10, null])" => "3"),
    function!("sum"(array: Array, of: PerItem) 1 => Number, Code::Form(Form::Fold(Fold::Sum)),
        "The exact sum, rounded once; 0 of nothing.", "[0.1, 0.2, 0.3].sum()" => "0.6"),
    function!("average"(array: Array, of: PerItem) 1 => Number, Code::Form(Form::Fold(Fold::Average)),
        "The exact sum divided by the count; null of nothing.", "[1, 2].average()" => "1.5"),
    function!("min"(array: Array, of: PerItem) 1 => Item, Code::Form(Form::Fold(Fold::Min)),
        "The least number, text or instant; null of nothing.", "[2, 1].min()" => "1"),
    function!("max"(array: Array, of: PerItem) 1 => Item, Code::Form(Form::Fold(Fold::Max)),
        "The greatest number, text or instant; null of nothing.", "[2, 1].max()" => "2"),
];

fn distinct<'a>(run: &mut Run<'a>, mut items: Vec<V<'a>>) -> V<'a> {
    items.retain(|item| !item.is_null());
    if items.iter().all(|item| item.as_str().is_some()) {
        let mut known = HashSet::new();
        items.retain(|item| known.insert(SmolStr::new(item.as_str().unwrap_or_default())));
        return V::set(items);
    }
    let mut kept: Vec<V<'a>> = Vec::new();
    for item in items {
        if !kept.iter().any(|known| run.same(known, &item)) {
            kept.push(item);
        }
    }
    V::set(kept)
}

fn distinct_count_with_null<'a>(run: &mut Run<'a>, array: &V<'a>) -> V<'a> {
    let has_null = array.items().any(|item| item.is_null());
    let others = distinct(run, array.items().collect()).array_len().unwrap_or(0);
    V::Int(others as i64 + i64::from(has_null))
}

fn subset<'a>(run: &mut Run<'a>, part: &V<'a>, whole: &V<'a>) -> V<'a> {
    let arrays = part.array_len().is_some() && whole.array_len().is_some();
    V::Bool(arrays && run.contains_all(whole, part))
}
