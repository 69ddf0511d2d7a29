//! Functions of maps and objects (pql.md §11.4).

mod get;
mod keys;
mod map_entry;
mod values;

use super::Group;
use crate::value::V;

pub(super) const GROUP: Group = Group {
    name: "map",
    summary: "Keys are text. A key whose value is null is no key. `map.count()` is among the functions of arrays.",
    functions: &[get::FUNCTION, keys::FUNCTION, values::FUNCTION, map_entry::FUNCTION],
};

/// The entries of a map or object that are not null.
fn entries<'a>(map: &V<'a>, pick: impl Fn(V<'a>, V<'a>) -> V<'a>) -> Vec<V<'a>> {
    match map {
        V::Fields(fields) => {
            fields.iter().filter(|(_, v)| !v.is_null()).map(|(name, v)| pick(V::Str(name), V::of(v))).collect()
        }
        V::Record(fields) => {
            let present = fields.iter().filter(|(_, v)| !v.is_null());
            present.map(|(name, v)| pick(V::Own(name.clone()), v.clone())).collect()
        }
        _ => Vec::new(),
    }
}
