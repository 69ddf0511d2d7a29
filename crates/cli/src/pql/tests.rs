//! What the command answers and prints; the pages that people read are snapshots.

use super::*;
use model::Timestamp;

fn now() -> Timestamp {
    Timestamp::parse("2026-03-18T10:30:00Z").expect("a time")
}

fn answered(line: &str) -> String {
    eval::answer(line.as_bytes(), &Schema::untyped(), now()).to_string()
}

#[test]
fn every_line_has_an_answer() {
    for (line, expected) in [
        (r#"{"id":"a","expr":"x / 2","profile":{"x":6}}"#, r#"{"id":"a","value":3}"#),
        (
            r#"{"id":7,"expr":"xEvent[timestamp occurs today]._id","now":"2026-01-02T12:00:00Z","profile":{"xEvent":[{"_id":"b","timestamp":"2026-01-02T01:00:00Z"},{"_id":"a","timestamp":"2026-01-02T01:00:00Z"},{"_id":"c","timestamp":"2026-01-01T01:00:00Z"}]}}"#,
            r#"{"id":7,"value":["a","b"]}"#,
        ),
        (
            r#"{"id":"m","expr":"inSegment(\"s\")","profile":{"segmentMembership":{"ups":{"s":{"status":"realized"}}}}}"#,
            r#"{"id":"m","value":true}"#,
        ),
        (r#"{"id":"n","expr":"now","now":0}"#, r#"{"id":"n","value":"1970-01-01T00:00:00Z"}"#),
        (
            r#"{"id":"e","expr":"a = "}"#,
            r#"{"id":"e","error":{"kind":"syntax","message":"expected an expression, found the end of the query","line":1,"column":5}}"#,
        ),
        (r#"{"id":"f"}"#, r#"{"id":"f","error":{"kind":"input","message":"/expr: a string is needed"}}"#),
        (
            r#"{"id":"g","expr":"1","profile":{"xEvent":[7]}}"#,
            r#"{"id":"g","error":{"kind":"input","message":"/profile/xEvent/0: an event is an object"}}"#,
        ),
        (
            r#"{"id":"u","expr":"xEvent.map(timestamp.isNull() and _id.isNull() and a = 1)","profile":{"xEvent":[{"a":1,"timestamp":"soon","_id":7}]}}"#,
            r#"{"id":"u","value":[true]}"#,
        ),
        (
            r#"{"id":"h","expr":"1","now":"soon"}"#,
            r#"{"id":"h","error":{"kind":"input","message":"/now: a date-time is needed"}}"#,
        ),
        ("[]", r#"{"id":null,"error":{"kind":"input","message":"a case is a JSON object"}}"#),
    ] {
        assert_eq!(answered(line), expected, "{line}");
    }
    assert!(answered("{").contains(r#""kind":"input""#));
    let several = answered(r#"{"id":"s","expr":"a.startWith(\"x\") and b.endWith(\"y\")"}"#);
    assert!(several.contains(r#""hint":"did you mean `startsWith`?","all":[{"#), "{several}");
}

const SCHEMAS: &str = r#"[
    {"type":"object","meta:extends":["https://ns.adobe.com/xdm/data/record"],
     "properties":{"city":{"type":"string"},"points":{"type":"integer"},
       "orders":{"type":"array","items":{"type":"object","properties":{"price":{"type":"number"}}}}}},
    {"type":"object","meta:extends":["https://ns.adobe.com/xdm/data/time-series"],
     "properties":{"eventType":{"type":"string"}}}]"#;

#[test]
fn schemas_of_events_are_known_by_their_class() {
    let schema = schema_of(
        r#"{"type":"object","meta:class":"https://ns.adobe.com/xdm/context/experienceevent",
            "properties":{"total":{"type":"number"}}}"#,
    );
    let refused = checked("xEvent[total = \"x\"]", &schema.expect("a schema"), true);
    assert!(refused.is_err_and(|faults| faults.contains("can not be compared")));
}

#[test]
fn a_mark_before_the_first_line_is_no_part_of_it() {
    let line = "\u{FEFF}{\"id\":1,\"expr\":\"2\"}";
    let answer = eval::answer(eval::unmarked(line.as_bytes()), &Schema::untyped(), now());
    assert_eq!(answer.to_string(), r#"{"id":1,"value":2}"#);
    assert_eq!(eval::unmarked(b"{}"), b"{}");
}

#[test]
fn what_people_read() {
    let schema = schema_of(SCHEMAS).expect("schemas");
    let mut pages = String::new();
    for query in [
        "citty = \"Rome\" and points = \"many\"\nand orders.sum(prize) > 3",
        "exists E form xEvent where E.eventType = \"a\"",
        "city = \"Rome\" adn points > 3",
        "points occurs <= 3 dais before now",
        "xEvent[timestamp occurs last mont]",
        "city.matches(\"(\") or city.beginsWith(\"a\") or city.lowercase() = \"b\"",
        "orders.count() + orders.sum(price) + orders.max(price) + orders.min(price) > 5",
        "points > 3",
    ] {
        let told = checked(query, &schema, true).unwrap_or_else(|faults| format!("error: {faults}\n"));
        pages.push_str(&format!("── check {query}\n{told}\n"));
    }
    for query in [
        "city = \"Rome\" and points > 3",
        "points > 3 and exists E from xEvent where E.eventType = \"a\" and E.timestamp occurs <= 30 days before now",
        "exists A from xEvent, B from xEvent where A.eventType = \"a\" and B.timestamp > A.timestamp and inSegment(\"s\")",
        "orders.map(price * 2)",
    ] {
        let told =
            pql::explain(query, &schema, false).map_or_else(|faults| faults.render(query), |told| told.to_string());
        pages.push_str(&format!("── explain {query}\n{told}\n"));
    }
    for query in [
        "exists  E from xEvent where ( E.eventType=\"commerce.purchases\" and E.timestamp occurs<=1 days before now and E.order.total>100) or E.x.isNull()",
        "chain(xEvent,timestamp,[C0:WHAT(eventType=\"commerce.productViews\") WHEN(<= 24 hours before now),C1:WHAT(eventType=\"commerce.productListAdds\")])",
        "let top=orders.max(price) in top=120",
    ] {
        pages.push_str(&format!("── fmt {query}\n{}\n\n", pql::format(query).expect("a query")));
    }
    insta::assert_snapshot!(pages);
}

#[test]
fn help() {
    let mut command = command().term_width(100);
    let mut pages = command.render_long_help().to_string();
    for name in ["check", "explain", "fmt", "eval"] {
        let page = command.find_subcommand_mut(name).expect("a command").clone().term_width(100).render_long_help();
        pages.push_str(&format!("\n── {name}\n{page}"));
    }
    insta::assert_snapshot!(pages);
}

#[test]
fn the_commands_do_what_they_say() {
    let run = |args: &[&str]| {
        let all = ["pql"].iter().chain(args);
        super::run(&command().try_get_matches_from(all).expect("arguments"))
    };
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("q.pql");
    let path = file.to_str().expect("a path");
    std::fs::write(&file, "a=1 and b=2").expect("written");
    assert!(run(&["check", "--file", path]).is_ok());
    let marked = directory.path().join("marked.pql");
    std::fs::write(&marked, "\u{FEFF}a = 1\n").expect("written");
    run(&["check", "--file", marked.to_str().expect("a path")]).expect("a mark is no part of the text");
    assert!(run(&["check", "a ="]).expect_err("a fault").contains("line 1, column 4"));
    assert!(run(&["check", "--audience", "1 + 1"]).expect_err("a fault").contains("a segment is true or false"));
    assert!(run(&["fmt", "--check", "--file", path]).expect_err("not formatted").contains("a = 1 and b = 2"));
    run(&["fmt", "--write", "--file", path]).expect("written");
    assert_eq!(std::fs::read_to_string(&file).expect("read"), "a = 1 and b = 2\n");
    run(&["fmt", "--check", "--file", path]).expect("formatted");
    run(&["explain", "a = 1"]).expect("explained");
    std::fs::write(&file, r#"{"a":1}"#).expect("written");
    run(&["eval", "--profile", path, "--now", "2026-03-18T10:30:00Z", "a = 1"]).expect("evaluated");
    assert!(run(&["eval", "--now", "soon", "1"]).is_err());
    std::fs::write(&file, "{\"id\":1,\"expr\":\"1\"}\nnot json\n").expect("written");
    run(&["eval", "--jsonl", "--file", path]).expect("every line answered");
}
