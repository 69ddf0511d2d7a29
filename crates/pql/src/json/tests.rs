//! The published shapes, every shape of ours, scopes, refusals and limits of the JSON form.

use super::*;
use crate::parse;
use serde_json::{Value as Json, json};

fn written(text: &str) -> Json {
    to_json(&parse(text).unwrap_or_else(|faults| panic!("{}", faults.render(text))))
}

fn read(json: &Json) -> String {
    from_json(json).map_or_else(|faults| format!("refused {faults}"), |ast| ast.to_string())
}

#[test]
fn published_shapes_are_exact() {
    let text = r#"{"nodeType":"fnApply","fnName":"=","params":[{"nodeType":"fieldLookup","fieldName":"countryISO","object":{"nodeType":"fieldLookup","fieldName":"homeAddress","object":{"nodeType":"parameterReference","position":1}}},{"nodeType":"literal","literalType":"String","value":"US"}]}"#;
    let json: Json = serde_json::from_str(text).expect("JSON");
    assert_eq!(written(r#"homeAddress.countryISO = "US""#), json);
    assert_eq!(read(&json), r#"homeAddress.countryISO = "US""#);
    assert_eq!(
        written(r#"x in ["female"]"#),
        json!({"nodeType": "fnApply", "fnName": "in", "params": [
            {"nodeType": "fieldLookup", "fieldName": "x", "object": {"nodeType": "parameterReference", "position": 1}},
            {"nodeType": "literal", "literalType": "List", "value": ["female"]},
        ]})
    );
}

#[test]
fn every_shape_reads_as_what_was_written() {
    for (_, query) in SHAPES {
        let json = written(query);
        let ast = from_json(&json).unwrap_or_else(|faults| panic!("{query}: {faults}"));
        assert_eq!(to_json(&ast), json, "{query}");
        assert_eq!(ast.to_string(), parse(query).expect("parsed").to_string(), "{query}");
    }
}

#[test]
fn names_mean_the_same_in_every_scope() {
    let parameter = json!({"nodeType": "parameterReference", "position": 1});
    let field = |name: &str, object: &Json| json!({"nodeType": "fieldLookup", "fieldName": name, "object": object});
    let filter =
        |condition: Json| json!({"nodeType": "filter", "array": field("orders", &parameter), "condition": condition});
    assert_eq!(read(&filter(field("price", &json!({"nodeType": "item"})))), "orders[price]");
    assert_eq!(read(&filter(field("price", &parameter))), "orders[$1.price]");
    assert_eq!(read(&filter(field("xEvent", &parameter))), "orders[xEvent]");
    let hidden =
        json!({"nodeType": "let", "name": "a", "value": field("b", &parameter), "body": field("a", &parameter)});
    assert_eq!(read(&hidden), "let a = b in $1.a");
    assert_eq!(
        read(&json!({"nodeType": "literal", "literalType": "List", "value": [-1, 1.0, -2.5]})),
        "[-1, 1.0, -2.5]"
    );
    assert_eq!(read(&json!({"nodeType": "literal", "literalType": "XDMObject", "value": "profile"})), "$1");
}

#[test]
fn quantifiers_are_read_as_functions_too() {
    let parameter = json!({"nodeType": "parameterReference", "position": 1});
    let of = |object: Json, name: &str| json!({"nodeType": "fieldLookup", "fieldName": name, "object": object});
    let apply = |name: &str, params: Json| json!({"nodeType": "fnApply", "fnName": name, "params": params});
    let e = || json!({"nodeType": "variable", "name": "E"});
    let lambda = |names: Json, body: Json| json!({"nodeType": "lambda", "parameters": names, "body": body});
    let body = apply("=", json!([of(e(), "a"), {"nodeType": "literal", "literalType": "Integer", "value": 1}]));
    let events = of(parameter, "xEvent");
    let given = apply("exists", json!([events, lambda(json!(["E"]), body.clone())]));
    assert_eq!(read(&given), "exists E from xEvent : E.a = 1");
    let given = apply("forall", json!([events, lambda(json!(["E"]), body.clone())]));
    assert_eq!(read(&given), "forall E from xEvent : E.a = 1");
    for refused in [
        apply("exists", json!([events])),
        apply("exists", json!([events, body])),
        apply("exists", json!([events, lambda(json!(["E", "F"]), body)])),
    ] {
        assert!(read(&refused).starts_with("refused"), "{}", read(&refused));
    }
}

#[test]
fn refusals_name_the_place() {
    let literal = json!({"nodeType": "literal", "literalType": "Integer", "value": 1});
    for (json, message) in [
        (json!(7), "at the top: a node is needed, given a number"),
        (json!({}), "at the top: the member `nodeType` is missing"),
        (json!({"nodeType": "fnAply"}), "at the top: there is no nodeType `fnAply`; did you mean `fnApply`?"),
        (
            json!({"nodeType": "fnApply", "fnName": "=", "params": [literal, {"nodeType": "literal", "literalType": "String", "value": 1}]}),
            "at /params/1: a literal of type String can not have the value 1",
        ),
        (json!({"nodeType": "fnApply", "fnName": "=", "params": [literal]}), "at the top: `=` does not take 1 params"),
        (json!({"nodeType": "variable", "name": "E"}), "at the top: there is no variable `E` here"),
        (
            json!({"nodeType": "fieldLookup", "fieldName": "a", "object": {"nodeType": "fieldLookup", "fieldName": "", "object": literal}}),
            "at /object: \"\" is not a name",
        ),
        (
            json!({"nodeType": "literal", "literalType": "Integer", "value": 1, "x": 2}),
            "the member `x` has no meaning here",
        ),
        (
            json!({"nodeType": "occurs", "time": literal, "window": {"windowType": "distance", "operator": "<=", "count": -1}}),
            "at /window: `count` is a whole number from 0",
        ),
    ] {
        let given = read(&json);
        assert!(given.starts_with("refused") && given.contains(message), "{given}\n  expected {message}");
    }
}

#[test]
fn size_and_depth_are_bounded() {
    // The macro copies what is nested; this moves it.
    let node = |pairs: Vec<(&str, Json)>| Json::Object(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect());
    let mut deep = json!({"nodeType": "literal", "literalType": "Boolean", "value": true});
    let mut path = json!({"nodeType": "parameterReference", "position": 1});
    for _ in 0..2000 {
        let params = Json::Array(vec![deep]);
        deep = node(vec![("nodeType", "fnApply".into()), ("fnName", "not".into()), ("params", params)]);
        path = node(vec![("nodeType", "fieldLookup".into()), ("fieldName", "a".into()), ("object", path)]);
    }
    assert!(read(&deep).contains("64 levels"));
    assert!(read(&path).contains("1000 nodes"));
    let long = json!({"nodeType": "literal", "literalType": "List", "value": vec![1; 2000]});
    assert!(read(&long).contains("more than 1000 items"));
    // Dropping nested values of JSON recurses: not our limit, but that of who made them.
    std::mem::forget((deep, path));
}

#[test]
fn what_the_text_allows_comes_back_from_the_document() {
    let deep = |begin: &str, end: &str, times: usize| format!("{}a{}", begin.repeat(times), end.repeat(times));
    for query in [
        deep("not ", "", 60),
        vec!["a"; 900].join("."),
        format!("a{}{}", "[b".repeat(60), "]".repeat(60)),
        deep("if(a, ", ", 2)", 60),
        deep("[", "]", 60),
        deep("let a = 1 in ", "", 60),
        format!("{}E.b", "exists E from a where ".repeat(31)),
        format!("{}{}", "[".repeat(30), vec!["a"; 900].join(".")) + &"]".repeat(30),
    ] {
        let tree = parse(&query).unwrap_or_else(|faults| panic!("{}", faults.render(&query)));
        let text = to_json(&tree).to_string();
        let read = document(&text).unwrap_or_else(|e| panic!("{query}: {e}"));
        let back = from_json(&read).unwrap_or_else(|faults| panic!("{query}: {faults}"));
        assert_eq!(back.to_string(), tree.to_string());
    }
}

#[test]
fn documents_are_read_as_json_and_bounded() {
    let nested = |within: &str| format!("{}{within}{}", "[ ".repeat(200), " ]".repeat(200));
    for within in [r#"{"a":[1,-2.5e3,"x\u00e9\"]"],"b":{},"a":null}"#, "[]", "true , \"[[[\"", "1, [2], {\"c\" : 3}"] {
        let mut read = document(&nested(within)).unwrap_or_else(|e| panic!("{within}: {e}"));
        for _ in 0..199 {
            read = read[0].take();
        }
        assert_eq!(read, serde_json::from_str::<Json>(&format!("[{within}]")).expect("JSON"), "{within}");
    }
    for within in ["1,", "{\"a\"}", "{a:1}", "{\"a\":1,}", "nul", "1 2", "\"", "[1]]", "01"] {
        assert!(document(&nested(within)).is_err(), "{within}");
    }
    assert!(document(&format!("{}x", nested("1"))).is_err());
    for depth in [5_000, 1_000_000] {
        assert!(document(&"[".repeat(depth)).is_err_and(|e| e.contains("levels deep")));
        assert!(document(&"{\"a\":".repeat(depth)).is_err_and(|e| e.contains("levels deep")));
    }
}
