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
