//! Properties: nothing panics, what is printed parses to the same tree, flips are sound and exact.

use model::{SmolStr, Timestamp, Value};
use pql::{EventView, Kind, Query, Schema, World, compile, parse};
use proptest::prelude::*;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn query(text: &str) -> Query {
    compile(text, &Schema::untyped()).unwrap_or_else(|faults| panic!("{}", faults.render(text)))
}

fn eval(query: &Query, events: &[EventView], now: i64) -> (bool, Option<i64>) {
    let profile = Value::Object(Vec::new());
    let world = World { profile: &profile, events, is_member: &|_| false, now: Timestamp(now) };
    let pql::Truth { holds: value, flips_at, .. } = query.eval_bool(&world);
    (value, flips_at.map(|t| t.0))
}

fn event(timestamp: i64) -> EventView {
    let body = Value::Object(vec![(SmolStr::new("eventType"), Value::Str(SmolStr::new("a")))]);
    EventView { timestamp: Timestamp(timestamp), id: SmolStr::new("e"), body }
}

/// A tree without its places.
fn shape(text: &str) -> String {
    let tree = format!("{:?}", parse(text).unwrap_or_else(|faults| panic!("{}", faults.render(text))).root);
    let mut out = String::new();
    let mut rest = tree.as_str();
    while let Some(at) = rest.find("span: ") {
        out.push_str(&rest[..at]);
        let end = rest[at..].find([',', ' ']).map_or(at, |_| at + 6);
        rest = rest[end..].trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    }
    out.push_str(rest);
    out
}

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "a",
        "xEvent",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ".",
        ":",
        "=>",
        "=",
        "!=",
        "<",
        "<=",
        ">",
        "+",
        "-",
        "*",
        "/",
        "%",
        "!",
        "^",
        "$1",
        "and",
        "or",
        "not",
        "in",
        "notIn",
        "like",
        "occurs",
        "true",
        "null",
        "select",
        "from",
        "where",
        "exists",
        "forall",
        "let",
        "over",
        "if",
        "chain",
        "WHAT",
        "WHEN",
        "between",
        "before",
        "after",
        "on",
        "this",
        "last",
        "now",
        "today",
        "days",
        "month",
        "1",
        "2.5",
        "\"s\"",
        "`q r`",
        "sum",
        "count",
        "date",
        "E",
        "matches",
        "\"(\"",
        "map",
        "groupBy",
        "timestamp",
        "@{c;version=1}",
        "'x'",
        "\"\\",
        "==",
        "&&",
        "é",
    ])
    .prop_map(str::to_owned)
}

fn window() -> impl Strategy<Value = String> {
    let unit = || {
        prop::sample::select(vec![
            "milliseconds",
            "minutes",
            "hours",
            "days",
            "weeks",
            "months",
            "years",
            "decades",
            "century",
        ])
    };
    let anchor = || {
        prop_oneof![
            3 => Just("now".to_owned()),
            1 => Just("today".to_owned()),
            1 => Just("yesterday".to_owned()),
            1 => Just("tomorrow".to_owned()),
            2 => (prop::sample::select(vec!["this", "last", "next"]), unit()).prop_map(|(w, u)| format!("{w} {u}")),
            1 => (2000i64..2040, 1i64..13, 1i64..29).prop_map(|(y, m, d)| format!("date({y}, {m}, {d})")),
        ]
    };
    let distance = (
        prop::sample::select(vec!["<", "<=", ">", ">=", "=", "!="]),
        prop_oneof![0i64..4, 0i64..100, Just(40_000i64), Just(i64::MAX)],
        unit(),
        prop::sample::select(vec!["before", "after", "from"]),
        anchor(),
    );
    prop_oneof![
        4 => distance.prop_map(|(op, n, unit, side, anchor)| format!("{op} {n} {unit} {side} {anchor}")),
        1 => anchor().prop_map(|a| format!("before {a}")),
        1 => anchor().prop_map(|a| format!("after {a}")),
        1 => anchor().prop_map(|a| format!("on {a}")),
        1 => (anchor(), anchor()).prop_map(|(a, b)| format!("between {a} and {b}")),
    ]
}

fn atom(time: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![
        4 => window().prop_map(move |w| format!("{time} occurs {w}")),
        1 => prop::sample::select(vec!["<", "<=", ">", ">=", "=", "!="]).prop_map(move |op| format!("{time} {op} now")),
    ]
}

/// Instants near each other and near the edges of the calendar, where windows change.
fn instant() -> impl Strategy<Value = i64> {
    let base = 1_772_323_200_000; // 2026-03-01T00:00:00Z
    prop_oneof![
        (-40i64..70, prop::sample::select(vec![0, 1, HOUR, DAY - 1, 12 * HOUR]))
            .prop_map(move |(d, ms)| base + d * DAY + ms),
        (-4000i64..4000).prop_map(move |d| base + d * DAY),
        (-40 * DAY..70 * DAY).prop_map(move |ms| base + ms),
    ]
}

fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("a".to_owned()),
        Just("a.b.`c d`".to_owned()),
        Just("`in`".to_owned()),
        Just("^name".to_owned()),
        Just("\"t\\\"e\\u0001\"".to_owned()),
        (-9i64..9).prop_map(|n| n.to_string()),
        Just("2.5e-3".to_owned()),
        Just("null".to_owned()),
        Just("$1.x".to_owned()),
        Just("now".to_owned()),
        Just("tomorrow".to_owned()),
        Just("@{c;version=1}.x".to_owned()),
    ];
    leaf.prop_recursive(5, 60, 4, |inner| {
        let op = prop::sample::select(vec!["=", "<=", "+", "*", "-", "%", "in", "notIn", "like", "and", "or"]);
        prop_oneof![
            3 => (inner.clone(), op, inner.clone()).prop_map(|(a, op, b)| format!("(({a}) {op} ({b}))")),
            1 => inner.clone().prop_map(|a| format!("not ({a})")),
            1 => inner.clone().prop_map(|a| format!("-({a})")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})[{b}].f({b}, (X, Y) => {a})")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("f({a}, [{b}, {a}])")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}).filter({b}).topN({a}, 2).sum((X) => {b})")),
            1 => inner.clone().prop_map(|a| format!("in(`=`({a}), `a b`({a}).like({a})).map(upperCase)")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("(let x = ({a}) in {b})")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("(exists E from ({a}) where {b} : {a}, F from E.z where {b})")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("(sum E.x over E from ({a}) where {b})")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{\"k k\": {a}, l: (select E from ({b}))}}")),
            1 => (inner.clone(), window()).prop_map(|(a, w)| format!("(({a}) occurs {w})")),
            1 => (inner.clone(), window()).prop_map(|(a, w)| format!("chain(xEvent, timestamp, [A: WHAT({a}), B: WHAT({a}) WHEN({w})])")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_panics(text in "\\PC{0,60}") {
        if let Err(faults) = compile(&text, &Schema::untyped()) {
            prop_assert!(!faults.render(&text).is_empty());
        }
    }

    #[test]
    fn no_words_panic(words in prop::collection::vec(word(), 0..25), events in prop::collection::vec(instant(), 0..3)) {
        let text = words.join(" ");
        match compile(&text, &Schema::untyped()) {
            Ok(query) => {
                let events: Vec<EventView> = events.into_iter().map(event).collect();
                eval(&query, &events, 1_772_323_200_000);
            }
            Err(faults) => {
                for fault in faults.iter() {
                    prop_assert!(fault.span.end <= text.len() && fault.span.start <= fault.span.end);
                }
                prop_assert!(!faults.render(&text).is_empty());
            }
        }
    }

    #[test]
    fn what_is_printed_parses_to_the_same_tree(text in expression()) {
        let ast = parse(&text);
        prop_assume!(ast.is_ok());
        let printed = ast.expect("just checked").to_string();
        prop_assert_eq!(shape(&text), shape(&printed), "{} printed as {}", text, printed);
    }

    #[test]
    fn expressions_evaluate_without_panic(text in expression(), now in instant()) {
        if let Ok(query) = compile(&text, &Schema::untyped()) {
            eval(&query, &[event(now), event(now + 5)], now);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// One atom over one event: the flip is the first instant with another value.
    #[test]
    fn the_flip_of_an_atom_is_exact(atom in atom("timestamp"), time in instant(), now in instant(), part in 0.0..1.0f64) {
        let query = query(&format!("xEvent[{atom}]"));
        let events = [event(time)];
        let (value, flips_at) = eval(&query, &events, now);
        let last = flips_at.map_or(now + 500 * 365 * DAY, |t| t - 1);
        prop_assert!(last >= now);
        let between = now + ((last - now) as f64 * part) as i64;
        prop_assert_eq!(eval(&query, &events, last).0, value, "{} before its flip", atom);
        prop_assert_eq!(eval(&query, &events, between.min(last)).0, value, "{} on the way to its flip", atom);
        if let Some(flip) = flips_at {
            prop_assert_ne!(eval(&query, &events, flip).0, value, "{} at its flip", atom);
        }
    }

    /// Whatever the query: until the flip nothing changes.
    #[test]
    fn no_value_changes_before_its_flip(
        a in atom("timestamp"), b in atom("timestamp"), c in atom("now"), shape in 0usize..7,
        times in prop::collection::vec(instant(), 0..5), now in instant(), part in 0.0..1.0f64,
    ) {
        let text = match shape {
            0 => format!("xEvent[{a} and not ({b})].count() >= 2"),
            1 => format!("xEvent[{a}] or ({c})"),
            2 => format!("not (exists E from xEvent, F from xEvent where E.timestamp < F.timestamp and E.{a} and F.{b})"),
            3 => {
                let (a, b) = (a.replace("timestamp occurs ", ""), b.replace("timestamp occurs ", ""));
                prop_assume!(!a.starts_with("timestamp") && !b.starts_with("timestamp"));
                format!("chain(xEvent, timestamp, [A: WHAT(true) WHEN({a}), B: WHAT(true) WHEN({b})])")
            }
            4 => format!("(currentMonth() + currentDayOfMonth()) % 2 = 0 and xEvent[{a}]"),
            5 => format!("({c}) and xEvent.timestamp.max() < tomorrow"),
            _ => format!("if({c}, xEvent[{a}], now.getMonth() = 4)"),
        };
        let query = query(&text);
        let mut times = times;
        times.sort_unstable();
        let events: Vec<EventView> = times.into_iter().map(event).collect();
        let (value, flips_at) = eval(&query, &events, now);
        let last = flips_at.map_or(now + 500 * 365 * DAY, |t| t - 1);
        let between = now + ((last - now) as f64 * part) as i64;
        for at in [last, between.min(last)] {
            prop_assert_eq!(eval(&query, &events, at).0, value, "{} at {} of {:?}", text, at, flips_at);
        }
    }
}

#[test]
fn limits_are_refused() {
    let kind = |text: &str| parse(text).err().map(|faults| faults.first().kind);
    for open in ["(", "[", "{\"a\":", "not ", "-", "f(", "a[", "let x = ", "exists X from a where ", "if(", "!", "x.f("]
    {
        for count in [80, 10_000] {
            assert_eq!(kind(&open.repeat(count)), Some(Kind::Limit), "{count} times {open}");
        }
    }
    assert_eq!(kind(&format!("a{}", ".f()".repeat(100))), Some(Kind::Limit));
    assert_eq!(kind(&format!("a{}", "[b]".repeat(10_000))), Some(Kind::Limit));
    assert_eq!(kind(&vec!["a = 1"; 300].join(" or ")), None);
    assert_eq!(kind(&vec!["a = 1"; 400].join(" or ")), Some(Kind::Limit));
    assert_eq!(kind(&format!("\"{}\" = a", "x".repeat(900_000))), None);
    assert_eq!(kind(&"x".repeat(1 << 21)), Some(Kind::Limit));
    assert_eq!(kind(""), Some(Kind::Syntax));
    let nested = format!("{}a{}", "not (".repeat(31), ")".repeat(31));
    assert_eq!(kind(&nested), None);
}

#[test]
fn a_hostile_chain_does_not_stall() {
    let steps: Vec<String> =
        (0..6).map(|i| format!("S{i}: WHAT(eventType = \"{}\")", if i == 5 { "b" } else { "a" })).collect();
    let events: Vec<EventView> = (0..400).map(|i| event(i * 1000)).collect();
    let free = query(&format!("chain(xEvent, timestamp, [{}])", steps.join(", ")));
    assert!(!eval(&free, &events, 500_000).0);
    let tied: Vec<String> = steps
        .iter()
        .enumerate()
        .map(|(i, s)| match i {
            0 => s.clone(),
            _ => format!("{s} WHEN(<= 1 hour after S{})", i - 1),
        })
        .collect();
    let tied = query(&format!("chain(xEvent, timestamp, [{}])", tied.join(", ")));
    assert!(!eval(&tied, &events, 500_000).0);
}

#[test]
fn queries_are_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&query("xEvent[eventType.matches(\"^a\")]"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_formatted_query_is_the_same_query(text in expression()) {
        let Ok(formatted) = pql::format(&text) else { return Ok(()) };
        prop_assert_eq!(shape(&text), shape(&formatted), "{}\nformatted as\n{}", text, formatted);
        prop_assert_eq!(pql::format(&formatted).expect("it parsed"), formatted);
    }

    #[test]
    fn the_json_form_holds_the_whole_tree(text in expression()) {
        let Ok(ast) = parse(&text) else { return Ok(()) };
        let json = pql::to_json(&ast);
        let again = pql::from_json(&json).unwrap_or_else(|faults| panic!("{text}\n{json}\n{faults}"));
        prop_assert_eq!(shape(&text), shape(&again.to_string()), "{}", json);
        prop_assert_eq!(pql::to_json(&again), json);
    }
}
