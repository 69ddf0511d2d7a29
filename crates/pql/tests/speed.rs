//! Not a benchmark: a floor under the speed of evaluation, so that a slip by ten is seen.

#![expect(clippy::disallowed_methods, reason = "measures speed")]

use model::{SmolStr, Timestamp, Value};
use pql::{EventView, Schema, World, compile_segment};
use std::time::Instant;

#[test]
#[ignore = "timing"]
fn small_histories_are_fast() {
    let profile = Value::from_json(br#"{"homeAddress":{"countryISO":"DE"},"loyalty":{"points":1200,"tier":"Gold"}}"#)
        .expect("JSON");
    let body = Value::from_json(br#"{"eventType":"commerce.purchases","commerce":{"order":{"priceTotal":12.5}},"productListItems":[{"SKU":"PS"}]}"#).expect("JSON");
    let now = 1_773_830_000_000;
    let events: Vec<EventView> = (0..20)
        .map(|i| EventView {
            timestamp: Timestamp(now - (20 - i) * 3_600_000),
            id: SmolStr::new(i.to_string()),
            body: body.clone(),
        })
        .collect();
    let world = World { profile: &profile, events: &events, is_member: &|_| false, now: Timestamp(now) };
    let mut times = Vec::new();
    for text in [
        r#"homeAddress.countryISO in ["US", "CA"] and loyalty.points > 500"#,
        r#"xEvent[eventType = "commerce.productListAdds" and timestamp occurs <= 1 hours before now]"#,
        r#"xEvent[eventType = "commerce.purchases" and timestamp occurs <= 30 days before now].count() >= 3"#,
        r#"xEvent[eventType = "commerce.purchases" and timestamp occurs <= 3 months before now].sum(commerce.order.priceTotal) > 500"#,
        r#"exists E from xEvent, I from E.productListItems where E.eventType = "commerce.purchases" and I.SKU in ["XB"]"#,
        r#"chain(xEvent, timestamp, [A: WHAT(eventType = "commerce.purchases") WHEN(<= 24 hours before now), B: WHAT(eventType = "x")])"#,
    ] {
        let query = compile_segment(text, &Schema::untyped()).expect("a query");
        let begin = Instant::now();
        for _ in 0..20_000 {
            std::hint::black_box(query.eval_bool(std::hint::black_box(&world)));
        }
        times.push((begin.elapsed().as_nanos() / 20_000, text));
    }
    let limit = std::env::var("PQL_NS_MAX").ok().and_then(|ns| ns.parse().ok()).unwrap_or(30_000);
    assert!(times.iter().all(|(ns, _)| *ns < limit), "ns per evaluation: {times:#?}");
}

/// Texts of 16 bytes, doubled so often.
fn doubled(times: usize) -> String {
    let steps: String = (0..times).map(|n| format!("let a{} = concat(a{n}, a{n}) in ", n + 1)).collect();
    format!("let a0 = \"aaaaaaaaaaaaaaaa\" in {steps}")
}

#[test]
#[ignore = "timing"]
fn what_is_cut_off_ends_soon() {
    let event = |n: i64| EventView {
        timestamp: Timestamp(n),
        id: SmolStr::new(n.to_string()),
        body: Value::from_json(format!(r#"{{"n":{n},"t":"{}","o":{{"a":[1,2,3]}}}}"#, "ab".repeat(20)).as_bytes())
            .expect("JSON"),
    };
    let events: Vec<EventView> = (0..2_000).map(event).collect();
    let wide: String = (0..5_000).map(|n| format!("\"k{n}\":{n},")).collect();
    let profile =
        Value::from_json(format!("{{\"w\":{{{wide}\"z\":1}},\"v\":{{{wide}\"z\":1}}}}").as_bytes()).expect("JSON");
    let world = World { profile: &profile, events: &events, is_member: &|_| false, now: Timestamp(10_000) };
    let (large, long, pairs) = (doubled(19), doubled(8), "exists A from xEvent, B from xEvent where ");
    let many = vec!["A.n + B.n = 0 - 1"; 80].join(" or ");
    let mut times = Vec::new();
    for text in [
        format!("{large}xEvent.map((A) => concat(a19, A._id)).distinct().count() > 0"),
        format!("{large}{pairs}md5(a19) = \"x\""),
        format!("{large}{pairs}sha256(a19) = \"x\""),
        format!("{large}{pairs}a19.upperCase() = \"x\""),
        format!("{large}{pairs}a19.replace(\"a\", \"b\") = \"x\""),
        format!("{large}{pairs}urlEncode(a19) = \"x\""),
        format!("{large}{pairs}a19.split(\"a\").count() = 5"),
        format!("{large}{pairs}a19 like concat(a19, \"b%\")"),
        format!("{large}{pairs}a19 like \"%aaaaaaaaaaaaaaaaaab%\""),
        format!("{large}{pairs}a19.contains(\"ab\", false)"),
        format!("{large}{pairs}a19 > a19"),
        format!("{large}{pairs}a19.matches(\"(a|b)*a(a|b){{20}}c\")"),
        format!("{large}{pairs}a19.matches(\"(?=a)b\")"),
        format!("{large}{pairs}a19.replaceAll(\"(?<=a)b|aa\", \"c\") = \"x\""),
        format!("{large}xEvent.topN(a19, 1).count() > 5"),
        format!("{large}xEvent.max(a19) = \"x\""),
        format!("{long}{pairs}a8.matches(\"^(a*)*\\\\1!$\")"),
        format!("{pairs}A.t.matches(\"^(?=.*b)(a|b)*c\")"),
        format!("{pairs}A.t.matches(\"(a|b)*a(a|b){{10}}c\")"),
        format!("{pairs}A.t.matches(concat(A._id, B._id))"),
        format!("{pairs}$1.w != $1.v"),
        format!("{pairs}$1.w.z = 2"),
        format!("{pairs}$1.w.keys().count() = 2"),
        format!("{pairs}({many})"),
        format!("{pairs}A.t.split(\"a\").map(upperCase).distinct().count() = 7"),
        "xEvent.map((A) => xEvent)".to_owned(),
    ] {
        let query = pql::compile(&text, &Schema::untyped()).unwrap_or_else(|faults| panic!("{}", faults.render(&text)));
        let begin = Instant::now();
        let exhausted = query.eval(&world).exhausted;
        times.push((begin.elapsed().as_millis(), exhausted, text.split(" in ").last().unwrap_or_default().to_owned()));
    }
    let limit = std::env::var("PQL_MS_MAX").ok().and_then(|ms| ms.parse().ok()).unwrap_or(5_000);
    assert!(times.iter().all(|(ms, _, _)| *ms < limit), "ms per evaluation: {times:#?}");
}
