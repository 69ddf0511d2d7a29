//! Rules and histories in, trees with truths, events and values out.

use super::*;
use model::{Timestamp, Type, Value};

fn schema() -> Schema {
    Schema { profile: Type::Any, event: Type::Any }
}

/// Events with a type, a price and a day of January 2026.
fn events(all: &[(&str, i64, i64)]) -> Vec<EventView> {
    let one = |(at, (kind, price, day)): (usize, &(&str, i64, i64))| EventView {
        timestamp: Timestamp::parse(&format!("2026-01-{day:02}T00:00:00Z")).expect("a time"),
        id: format!("e{at}").into(),
        body: Value::from_json(format!(r#"{{"eventType":"{kind}","price":{price}}}"#).as_bytes()).expect("JSON"),
    };
    all.iter().enumerate().map(one).collect()
}

/// The tree with the truth of each clause and the events it is about.
fn shown(part: &Part, world: &World<'_>) -> String {
    let join = |parts: &[Part]| parts.iter().map(|p| shown(p, world)).collect::<Vec<_>>().join(", ");
    match part {
        Part::All(all) => format!("all({})", join(all)),
        Part::Any(any) => format!("any({})", join(any)),
        Part::Not(of) => format!("not({})", shown(of, world)),
        Part::If(parts) => format!("if({})", join(&**parts)),
        Part::Clause(clause) => {
            let holds = clause.query.eval_bool(world).holds;
            let about = world.events.iter().filter(|e| clause.is_about(e, holds, world));
            let about: Vec<&str> = about.map(|e| e.id.as_str()).collect();
            let values = clause.measures.iter().map(|(_, query)| query.eval(world).value.to_json().to_string());
            format!("{}:{holds}{about:?}{:?}", clause.form(), values.collect::<Vec<_>>())
        }
    }
}

#[test]
fn rules_come_apart_where_they_are_joined() {
    let profile = Value::from_json(br#"{"age":30,"city":"Basel","tags":["a"]}"#).expect("JSON");
    let events = events(&[("buy", 10, 1), ("see", 0, 2), ("buy", 30, 9), ("buy", 5, 10)]);
    let now = Timestamp::parse("2026-01-12T00:00:00Z").expect("a time");
    let is_member = |id: &str| id == "in";
    let world = World { profile: &profile, events: &events, is_member: &is_member, now };
    let cases = [
        ("age > 18", r#"expression:true[][]"#),
        (
            r#"age > 18 and (city = "Bern" or city = "Basel")"#,
            "all(expression:true[][], any(expression:false[][], expression:true[][]))",
        ),
        (r#"xEvent[eventType = "buy"].count() >= 3"#, r#"threshold:true["e0", "e2", "e3"]["3"]"#),
        (
            r#"not (xEvent[eventType = "buy" and timestamp occurs <= 7 days before now].count() > 5)"#,
            r#"not(threshold:false["e2", "e3"]["2"])"#,
        ),
        (r#"exists E from xEvent where E.eventType = "buy" and E.price > 20"#, r#"threshold:true["e2"][]"#),
        (r#"forall E from xEvent where E.eventType = "buy" : E.price > 7"#, r#"threshold:false["e3"][]"#),
        (
            r#"(sum E.price over E from xEvent where E.eventType = "buy") > 40"#,
            r#"threshold:true["e0", "e2", "e3"]["45"]"#,
        ),
        (
            r#"chain(xEvent, timestamp, [A: WHAT(eventType = "see"), B: WHAT(eventType = "buy") WHEN(<= 7 days before now)])"#,
            r#"sequence:true["e1", "e2", "e3"][]"#,
        ),
        (
            r#"exists A from xEvent, B from xEvent where A.eventType = "see" and B.price > A.price"#,
            r#"whole:true["e0", "e1", "e2", "e3"][]"#,
        ),
        (r#"let old = age > 65 in old or inSegment("in")"#, "any(expression:false[][], expression:true[][])"),
        (r#"let B = xEvent[eventType = "buy"] in B.count() > 1"#, r#"whole:true["e0", "e2", "e3"]["3"]"#),
        (
            r#"if(age > 18, xEvent.count() = 4, false)"#,
            r#"if(expression:true[][], threshold:true["e0", "e1", "e2", "e3"]["4"], constant:false[][])"#,
        ),
        (
            r#"(P) => P.age > 18 and P.xEvent[price > 20].count() = 1"#,
            r#"all(expression:true[][], threshold:true["e2"]["1"])"#,
        ),
        (r#"xEvent[price > 20]"#, r#"threshold:true["e2"][]"#),
    ];
    for (text, wanted) in cases {
        let part = take_apart(text, &schema()).unwrap_or_else(|e| panic!("{text}: {}", e.render(text)));
        let whole = compile_segment(text, &schema()).expect("compiled before").eval_bool(&world).holds;
        assert_eq!(part.holds(&mut |clause| clause.query.eval_bool(&world).holds), whole, "{text}");
        assert_eq!(shown(&part, &world), wanted, "{text}");
    }
}

#[test]
fn a_fault_is_told_of_the_whole() {
    let faults = take_apart("age > ", &schema()).expect_err("no operand");
    assert_eq!(faults.iter().count(), 1);
}
