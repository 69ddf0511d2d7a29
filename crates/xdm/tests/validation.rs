//! What each broken rule is reported as: one line per violation.

use model::Value;
use serde_json::{Value as Json, json};
use xdm::{Behavior, Schema, validate};

fn schema() -> Schema {
    Schema::from_json(&json!({
        "$id": "https://ns.adobe.com/acme/schemas/1",
        "meta:class": "https://ns.adobe.com/xdm/context/profile",
        "meta:extends": ["https://ns.adobe.com/xdm/data/record"],
        "type": "object",
        "required": ["id"],
        "properties": {
            "id": {"type": "string", "minLength": 2, "maxLength": 4},
            "tier": {"type": "string", "enum": ["gold", "silver"]},
            "suggested": {"type": "string", "meta:enum": {"a": "A"}},
            "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
            "age": {"type": "integer", "meta:xdmType": "byte", "minimum": -128, "maximum": 128},
            "long": {"type": "integer", "meta:xdmType": "long"},
            "ratio": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
            "active": {"type": "boolean"},
            "born": {"type": "string", "format": "date"},
            "seen": {"type": "string", "format": "date-time"},
            "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2, "uniqueItems": true},
            "orders": {"type": "array", "items": {"type": "object", "properties": {"sku/no": {"type": "string"}}}},
            "labels": {"type": "object", "additionalProperties": {"type": "integer", "meta:xdmType": "int"}},
            "person": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
            "free": {"type": "object"},
        },
    }))
    .expect("compiles")
}

fn lines(value: Json) -> String {
    let found = validate(&schema(), &Value::from(&value));
    found.iter().map(|v| format!("{} | {} | {}: {}\n", v.pointer, v.schema_pointer, v.keyword, v.message)).collect()
}

#[test]
fn a_valid_record_has_no_violation() {
    let valid = json!({
        "id": "x1", "tier": "gold", "suggested": "anything", "currency": "EUR", "age": 7, "long": 9_007_199_254_740_993_i64,
        "ratio": 0.5, "active": false, "born": "2000-02-29", "seen": "2026-03-18T10:30:00+01:00", "tags": ["a", "b"],
        "orders": [{"sku/no": "1"}], "labels": {"any key": 3.0}, "person": {"name": "Ann"}, "free": {"a": [1]},
    });
    assert_eq!(lines(valid), "");
}

#[test]
fn each_rule_has_its_message() {
    let cases = [
        json!({}),
        json!({"id": "é", "tier": "bronze", "currency": "eur", "age": 300, "ratio": 1}),
        json!({"id": "abcde", "ratio": -0.1, "active": "true", "born": "2001-02-29", "seen": "2001-02-28"}),
        json!({"id": "abc", "tags": ["a", "a", "b"], "orders": [{"sku/no": 1}], "labels": {"k": "v"}}),
        json!({"id": "abc", "tags": [], "person": {}, "free": {"x": null}}),
        json!({"id": "abc", "Person": {"name": "A"}, "person": {"nam": "A"}, "orders": {"sku": "1"}}),
        json!({"id": null, "age": 1.5, "long": 1e300, "labels": [1]}),
    ];
    let all: Vec<String> = cases.into_iter().map(|value| format!("{value}\n{}", lines(value.clone()))).collect();
    insta::assert_snapshot!("violations", all.join("\n"));
}

#[test]
fn validation_stops_after_five() {
    let found =
        validate(&schema(), &Value::from(&json!({"id": "abc", "a": 1, "b": 1, "c": 1, "d": 1, "e": 1, "f": 1})));
    assert_eq!(found.len(), xdm::VIOLATIONS_MAX);
}

#[test]
fn events_are_known_by_their_class() {
    for (class, extends, behavior) in [
        ("https://ns.adobe.com/xdm/context/experienceevent", None, Behavior::TimeSeries),
        ("https://ns.adobe.com/xdm/context/profile", None, Behavior::Record),
        ("https://ns.adobe.com/acme/classes/1", None, Behavior::Record),
        (
            "https://ns.adobe.com/acme/classes/1",
            Some("https://ns.adobe.com/xdm/data/time-series"),
            Behavior::TimeSeries,
        ),
        (
            "https://ns.adobe.com/xdm/context/experienceevent",
            Some("https://ns.adobe.com/xdm/data/adhoc"),
            Behavior::Adhoc,
        ),
    ] {
        let mut document = json!({"$id": "https://ns.adobe.com/acme/schemas/1", "meta:class": class, "type": "object"});
        if let Some(extends) = extends {
            document["meta:extends"] = json!([extends]);
        }
        assert_eq!(Schema::from_json(&document).expect("compiles").behavior, behavior, "{class} {extends:?}");
    }
}
