//! The bytes of a projection against those of the value that it stands for.

use super::*;
use proptest::prelude::*;

fn any_path() -> impl Strategy<Value = Vec<SmolStr>> {
    prop::collection::vec(prop::sample::select(vec!["person", "name", "a", "b"]).prop_map(SmolStr::new_static), 0..4)
}

fn any_record() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(Value::Null), any::<i64>().prop_map(Value::Int), any::<bool>().prop_map(Value::Bool)];
    leaf.prop_recursive(4, 30, 4, |inner| {
        let name = prop::sample::select(vec!["person", "name", "a", "b"]);
        prop::collection::btree_map(name, inner, 0..4)
            .prop_map(|fields| Value::Object(fields.into_iter().map(|(n, v)| (SmolStr::new_static(n), v)).collect()))
    })
}

proptest! {
    #[test]
    fn a_projection_is_written_as_it_is_made(
        record in any_record(),
        paths in prop_oneof![prop::collection::vec(any_path(), 0..8), prop::collection::vec(any_path(), 60..70)],
    ) {
        let mut out = vec![7];
        put_projection(&mut out, &record, &paths);
        let mut expected = vec![7];
        codec::put_value(&mut expected, &project(&record, &paths));
        prop_assert_eq!(out, expected);
    }
}
