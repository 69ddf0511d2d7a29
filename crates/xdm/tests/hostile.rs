//! Any JSON may be given as a schema and as a record: nothing panics, nothing runs away.

use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};
use xdm::{Schema, annotate, compatible, resolve, validate};

fn member() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "$id",
        "$ref",
        "allOf",
        "properties",
        "definitions",
        "items",
        "additionalProperties",
        "required",
        "type",
        "enum",
        "format",
        "pattern",
        "minimum",
        "maximum",
        "minItems",
        "meta:xdmType",
        "meta:refProperty",
        "xdm:a",
        "@id",
        "a",
        "b:c",
    ])
    .prop_map(str::to_owned)
}

fn scalar() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(|f| json!(f)),
        prop::sample::select(vec![
            "string",
            "integer",
            "object",
            "array",
            "number",
            "#",
            "#/properties/a",
            "doc",
            "/a",
            "(",
            "date"
        ])
        .prop_map(Json::from),
    ]
}

fn tree() -> impl Strategy<Value = Json> {
    scalar().prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            prop::collection::vec((member(), inner), 0..6)
                .prop_map(|m| Json::Object(m.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn no_schema_and_no_record_panics(doc in tree(), record in tree()) {
        let mut doc = compatible(&doc);
        annotate(&mut doc);
        if let Ok(schema) = resolve(&doc, &|_| Some(&doc)).map_err(drop).and_then(|f| Schema::from_json(&f).map_err(drop)) {
            prop_assert!(validate(&schema, &model::Value::from(&record)).len() <= xdm::VIOLATIONS_MAX);
        }
    }
}
