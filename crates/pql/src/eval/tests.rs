//! Evaluations end: every loop over items is cut off when nothing is left to spend.

use super::{Run, WORK_MAX};
use crate::query::{Outcome, Query, Schema, Truth, World, compile};
use crate::value::EventView;
use model::{SmolStr, Timestamp, Value};

const EVENTS: i64 = 300;

fn events() -> Vec<EventView> {
    let event = |n: i64| EventView {
        timestamp: Timestamp(n),
        id: SmolStr::new(format!("e{n}")),
        body: Value::Object(vec![
            (SmolStr::new("n"), Value::Int(n)),
            (SmolStr::new("text"), Value::Str(SmolStr::new("a".repeat(40)))),
        ]),
    };
    (0..EVENTS).map(event).collect()
}

fn with<T>(text: &str, work: u32, look: impl for<'a> FnOnce(&'a Query, Run<'a>) -> T) -> T {
    let query = compile(text, &Schema::untyped()).unwrap_or_else(|faults| panic!("{}", faults.render(text)));
    let (profile, events) = (Value::Null, events());
    let world = World { profile: &profile, events: &events, is_member: &|_| false, now: Timestamp(EVENTS) };
    look(&query, Run::new(&world, query.parts().1).with_work(work))
}

fn outcome(text: &str, work: u32) -> Outcome {
    with(text, work, |query, mut run| {
        let value = run.value(query.parts().0);
        let value = run.settle(value);
        Outcome::of(&run, &value, Timestamp(EVENTS))
    })
}

#[test]
fn what_takes_the_square_of_all_events_is_cut_off() {
    for text in [
        "exists A from xEvent, B from xEvent where A.n = B.n + 1000",
        "forall A from xEvent: exists B from xEvent where B.n > A.n - 1",
        "count xEvent.n over X from xEvent where exists B from xEvent where B.n = X.n + 1000",
        "(select A from xEvent where (select B from xEvent where B.n > A.n).count() > 1000).count()",
        "xEvent[n in (select B from xEvent where B.n < 0 - 1).n or xEvent.n.includes(0 - n - 1)].count()",
        "xEvent.distinctCountWithNull()",
        "xEvent.map((X) => [X.n]).subsetOf(xEvent.map((X) => [0 - X.n - 1]).distinct())",
        "chain(xEvent, timestamp, [A: WHAT(n > 0), B: WHAT(n > A.n), C: WHAT(n = A.n + B.n + 1000)])",
        "xEvent[text.matches(\"^(a*)*\\\\1!$\")].count()",
    ] {
        let cut = outcome(text, 20_000);
        assert_eq!(cut, Outcome { value: Value::Null, flips_at: None, exhausted: true }, "{text}");
    }
}

#[test]
fn what_looks_at_each_event_a_few_times_is_not() {
    for (text, value) in [
        ("count(xEvent[n > 10 and n < 20])", Value::Int(9)),
        ("exists A from xEvent where A.n = 299", Value::Bool(true)),
        ("chain(xEvent, timestamp, [A: WHAT(n = 1), B: WHAT(n = 298), C: WHAT(n > 298)])", Value::Bool(true)),
        ("sum(xEvent.topN(n, 2).n)", Value::Int(299 + 298)),
        ("xEvent.n.distinct().count()", Value::Int(EVENTS)),
        ("xEvent.groupBy(n).map((K, G) => mapEntry(K, G.count())).get(\"7\")", Value::Int(1)),
        ("xEvent.n.intersection(xEvent.map(n + 10)).count()", Value::Int(EVENTS - 10)),
        ("xEvent.timestamp.subsetOf(xEvent.timestamp)", Value::Bool(true)),
        ("xEvent._id.intersects(xEvent.text)", Value::Bool(false)),
        ("xEvent._id = xEvent._id.distinct()", Value::Bool(true)),
    ] {
        assert_eq!(outcome(text, 3_000), Outcome { value, flips_at: None, exhausted: false }, "{text}");
    }
}

#[test]
fn what_is_made_is_paid_for_by_the_byte() {
    let texts: String = (0..19).map(|n| format!("let a{} = concat(a{n}, a{n}) in ", n + 1)).collect();
    let texts = format!("let a0 = \"aaaaaaaaaaaaaaaa\" in {texts}");
    let lists: String = (0..20).map(|n| format!("let b{} = [b{n}, b{n}, b{n}, b{n}] in ", n + 1)).collect();
    let lists = format!("let b0 = [1, 2, 3, 4] in {lists}");
    let cut = Outcome { value: Value::Null, flips_at: None, exhausted: true };
    for body in [
        "xEvent.map((A) => concat(a19, A._id)).distinct().count() > 0",
        "xEvent.max(concat(a19, _id)) = \"b\"",
        "xEvent.topN(concat(a19, _id), 1)",
        "xEvent.groupBy(concat(_id, a19)).map((K, G) => mapEntry(K, G.count()))",
        "a19.split(\"\").count()",
        "[a19, a19, a19, a19, a19, a19, a19, a19, a19]",
    ] {
        assert!(outcome(&format!("{texts}{body}"), WORK_MAX) == cut, "{body}");
    }
    for body in ["b20", "xEvent.map((A) => b8)", "{\"a\": b20}"] {
        assert!(outcome(&format!("{lists}{body}"), WORK_MAX) == cut, "{body}");
    }
    assert_eq!(outcome(&format!("{lists}b20.count()"), WORK_MAX).value, Value::Int(4));
    // What a loop does not keep is gone with each item.
    let gone = "xEvent[concat(text, text, text, text).split(\"\").count() > 1].count()";
    let gone = format!("(select A from xEvent where {gone} > 0).count()");
    assert_eq!(outcome(&gone, WORK_MAX).value, Value::Int(EVENTS));
}

#[test]
fn what_is_read_is_paid_for_by_the_byte() {
    let texts: String = (0..12).map(|n| format!("let a{} = concat(a{n}, a{n}) in ", n + 1)).collect();
    let cut = Outcome { value: Value::Null, flips_at: None, exhausted: true };
    for condition in [
        "md5(a12) = A.text",
        "sha256(a12) = A.text",
        "a12 like A.text",
        "a12 like concat(\"%\", A._id, \"%\")",
        "a12 != concat(a12, \"\")",
        "a12 > a12",
        "{\"a\": a12} != {\"a\": concat(a12, \"\")}",
        "a12.upperCase() = A.text",
        "a12.contains(\"b\")",
        "a12.startsWith(\"AB\", false)",
        "a12.equals(\"AB\", false)",
        "a12.matches(\"^b\")",
        "a12.matches(concat(A._id, \"$\"))",
        "a12.replaceAll(\"b\", A.text) = A.text",
        "a12.regexGroup(\"(b)\", 1) = A.text",
        "urlEncode(a12) = A.text",
        "a12 in [concat(\"b\", a12)]",
        "[a12].distinct() = [A.text]",
        "A.text.matches(concat(A._id, \"x\"))",
    ] {
        let text = format!("let a0 = \"aaaaaaaaaaaaaaaa\" in {texts}exists A from xEvent where {condition}");
        assert_eq!(outcome(&text, 50_000), cut, "{condition}");
    }
}

#[test]
fn each_condition_of_a_rule_may_spend_all_and_one_that_was_cut_off_decides() {
    let truth = |text: &str, work: u32| {
        with(text, work, |query, mut run| {
            let holds = run.rule(query.parts().0);
            Truth::of(&run, holds)
        })
    };
    let twice = "exists A from xEvent where A.n = 299 and exists B from xEvent where B.n = 299";
    assert_eq!(truth(twice, 2 * EVENTS as u32 + 10), Truth { holds: true, flips_at: None, exhausted: false });
    let cut = Truth { holds: false, flips_at: None, exhausted: true };
    assert_eq!(truth("not (exists A from xEvent, B from xEvent where A.n = B.n + 1000)", 20_000), cut);
    assert_eq!(truth("not (exists A from xEvent, B from xEvent where A.n = B.n + 1000) or 1 = 1", 20_000), cut);
}
