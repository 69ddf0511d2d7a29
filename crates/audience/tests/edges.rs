//! Histories at the edges of what is kept of them: zeros, nested arrays, sums beyond doubles, equal instants.

use audience::{Audience, Audiences, Changed, Input, Scratch, State, evaluate};
use model::{AudienceNo, SmolStr, Timestamp, Value};
use pql::{EventView, World};
use profile::Profile;
use std::sync::Arc;

const NOW: i64 = 1_770_000_000_000;

fn all(rules: &[&str]) -> Audiences {
    Audiences::new(
        (1u32..)
            .zip(rules)
            .map(|(no, rule)| {
                Arc::new(Audience {
                    no: AudienceNo(no),
                    id: SmolStr::new(format!("a{no}")),
                    name: "".into(),
                    query: pql::compile_segment(rule, &pql::Schema::untyped()).expect("given well"),
                    changed_n: 1,
                    policy: 0,
                    exclude_opt_out: false,
                    created: Timestamp(0),
                    updated: Timestamp(0),
                })
            })
            .collect(),
    )
}

/// Feeds events one by one in the order given; compares with naive after each.
fn check(rule: &str, events: &[(i64, &str)]) {
    let all = all(&[rule]);
    let mut state = State::new(&all);
    let mut profile = Profile::default();
    let mut held: Vec<EventView> = Vec::new();
    let attributes = [Value::Object(Vec::new())];
    for (n, (at, body)) in events.iter().enumerate() {
        let e = EventView {
            timestamp: Timestamp(NOW + at),
            id: format!("e{n}").into(),
            body: Value::from_json(body.as_bytes()).expect("given well"),
        };
        let place = held.partition_point(|x| x.order() <= e.order());
        held.insert(place, e.clone());
        let input = Input {
            attributes: &attributes,
            events: &held,
            changed: Changed { event: Some(&e), new: n == 0, ..Changed::default() },
            previous_n: 1,
            plan_n: 1,
            now: Timestamp(NOW),
        };
        evaluate(&all, &mut profile, &mut state, &input, &mut Scratch::default());
        let world = World { profile: &attributes[0], events: &held, is_member: &|_| false, now: Timestamp(NOW) };
        let naive = all.iter().next().expect("given well").query.eval_bool(&world).holds;
        assert_eq!(profile.is_member(AudienceNo(1)), naive, "{rule} after event {n}");
    }
}

#[test]
fn least_of_a_window_with_a_negative_zero() {
    let rule = r#"xEvent[timestamp occurs <= 3 days before now].min(n).toString() = "0""#;
    check(rule, &[(-2000, r#"{"n": 0.0, "k": 1}"#), (-1000, r#"{"n": -0.0}"#)]);
}

#[test]
fn texts_in_nested_arrays() {
    for rule in
        [r#"xEvent[s = "x"].count() >= 1"#, r#"xEvent[a.s = "x"].count() >= 1"#, r#"xEvent[a.b.s = "x"].count() >= 2"#]
    {
        check(
            rule,
            &[
                (-9, r#"{"s": [["x"], "y"]}"#),
                (-8, r#"{"s": ["x", "x"], "a": [{"s": "x"}, {"s": ["x", ["x"]]}]}"#),
                (-7, r#"{"a": [[{"s": "x"}]]}"#),
                (-6, r#"{"a": {"b": [{"s": "x"}]}}"#),
                (-5, r#"{"a": [{"b": [[{"s": ["y", "x"]}]]}, {"b": {"s": "x"}}]}"#),
            ],
        );
    }
}

#[test]
fn types_in_arrays() {
    for rule in [
        r#"xEvent[eventType = "x"].count() >= 2"#,
        r#"xEvent[eventType in ["x", "z"] and s = "q"].count() >= 1"#,
        r#"xEvent[eventType = "x" and eventType = "y"].count() >= 1"#,
    ] {
        check(
            rule,
            &[
                (-9, r#"{"eventType": ["x", "y"]}"#),
                (-8, r#"{"eventType": [["x"]], "s": "q"}"#),
                (-7, r#"{"eventType": "x", "s": ["q", "q"]}"#),
                (-6, r#"{"eventType": "x"}"#),
            ],
        );
    }
}

#[test]
fn huge_sums() {
    for op in ["> 0", "= 0", "< 0", ">= 9223372036854775807", "> 9223372036854775807"] {
        for window in ["", "[timestamp occurs <= 3 days before now]", "[timestamp occurs <= 1 month before now]"] {
            check(
                &format!("xEvent{window}.sum(n) {op}"),
                &[
                    (-9, r#"{"n": 1e308}"#),
                    (-8, r#"{"n": 1e308}"#),
                    (-7, r#"{"n": -1e308}"#),
                    (-6, r#"{"n": -1e308}"#),
                    (-5, r#"{"n": 9223372036854775807}"#),
                    (-4, r#"{"n": 9223372036854775807}"#),
                    (-5, r#"{"n": 5e-324}"#),
                    (-3, r#"{"n": -9223372036854775808}"#),
                    (-3, r#"{"n": -9223372036854775808}"#),
                    (-400000000, r#"{"n": 1e308}"#),
                    (1000, r#"{"n": 1e308}"#),
                ],
            );
        }
    }
}

#[test]
fn pairs_of_one_series_and_one_instant() {
    for rule in [
        r#"chain(xEvent, timestamp, [A: WHAT(s = "x") WHEN(<= 3 days before now), B: WHAT(s = "x") WHEN(<= 2 days after A)])"#,
        r#"chain(xEvent, timestamp, [A: WHAT(s = "x"), B: WHAT(s = "y") WHEN(< 5 milliseconds after A)])"#,
        r#"chain(xEvent, timestamp, [A: WHAT(s = "x"), B: WHAT(s = "y")])"#,
    ] {
        check(
            rule,
            &[
                (-9, r#"{"s": ["x", "y"]}"#),
                (-9, r#"{"s": "x"}"#),
                (-9, r#"{"s": "y"}"#),
                (-9, r#"{"s": ["x", "y"]}"#),
                (100, r#"{"s": ["x", "y"]}"#),
                (-20, r#"{"s": "x"}"#),
                (-4, r#"{"s": "y"}"#),
                (-5, r#"{"s": "y"}"#),
            ],
        );
    }
}
