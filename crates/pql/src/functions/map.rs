//! Functions of maps and objects (pql.md §11.4).

mod get;
mod keys;
mod map_entry;
mod values;

use super::Group;
use crate::eval::{Run, field_count, fields};
use crate::value::V;

pub(super) const GROUP: Group = Group {
    name: "map",
    summary: "Keys are text. A key whose value is null is no key. `map.count()` is among the functions of arrays.",
    functions: &[get::FUNCTION, keys::FUNCTION, values::FUNCTION, map_entry::FUNCTION],
};

/// The entries of a map or object that are not null.
fn entries<'a>(run: &mut Run<'a>, map: &V<'a>, pick: impl Fn(V<'a>, V<'a>) -> V<'a>) -> Vec<V<'a>> {
    let count = field_count(map).unwrap_or(0);
    if !(run.pay_each(2 * count) && run.makes_items(2 * count)) {
        return Vec::new();
    }
    fields(map).into_iter().flatten().map(|(name, value)| pick(V::Own(name), value)).collect()
}
