//! Which queries can be kept incrementally, and which atoms they share.

use pql::incremental::AtomKind;
use pql::{Schema, compile_segment};

fn kinds(text: &str) -> String {
    let query = compile_segment(text, &Schema::untyped()).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
    let kind = |kind: &AtomKind| match kind {
        AtomKind::Threshold(_) => "threshold",
        AtomKind::Sequence(_) => "sequence",
        AtomKind::Expression(e) if e.has_aggregates() => "aggregates",
        AtomKind::Expression(_) => "expression",
        AtomKind::Whole(_) => "whole",
    };
    query.split().atoms.iter().map(|a| kind(a.kind())).collect::<Vec<_>>().join(" ")
}

#[test]
fn sample_queries() {
    for (text, expected) in [
        (r#"homeAddress.countryISO in ["US", "CA"] and personalEmail.address.isNotNull()"#, "expression expression"),
        (r#"xEvent[eventType = "a" and timestamp occurs <= 1 hours before now]"#, "threshold"),
        (r#"loyalty.points > 500 and xEvent[eventType = "a"]"#, "expression threshold"),
        (
            r#"chain(xEvent, timestamp, [C0: WHAT(eventType = "a") WHEN(<= 24 hours before now), C1: WHAT(eventType = "b")])"#,
            "sequence",
        ),
        (
            r#"exists A from xEvent where A.eventType = "a" and not (exists B from xEvent where B.timestamp > A.timestamp)"#,
            "whole",
        ),
        (r#"xEvent[eventType = "a" and timestamp occurs <= 30 days before now].count() >= 3"#, "threshold"),
        (
            r#"xEvent[eventType = "a" and timestamp occurs <= 3 months before now].sum(commerce.order.priceTotal) > 500"#,
            "threshold",
        ),
        (
            r#"exists E from xEvent, I from E.productListItems where E.eventType = "a" and I.SKU in ["PS", "XB"]"#,
            "threshold",
        ),
        (
            r#"(exists E from xEvent where E.timestamp occurs last week) and not (exists F from xEvent, I from F.productListItems where F.timestamp occurs last week and I.SKU = "PS")"#,
            "threshold threshold",
        ),
        (r#"inSegment("a") and not inSegment("b")"#, "expression expression"),
        (r#"xEvent.max(n.lowerCase()) = "b""#, "threshold"),
        (r#"xEvent.max(n.replace("a", "aaaaaaaa").replace("a", "aaaaaaaa")) = "b""#, "whole"),
        (r#"xEvent[eventType = "a"].topN(timestamp, 3).average(n) > 80"#, "whole"),
        (
            r#"xEvent.timestamp.min() occurs before date(2024,1,1) and xEvent[timestamp occurs this year]"#,
            "aggregates threshold",
        ),
        (
            r#"exists C from xEvent, B from xEvent where C.eventType = "a" and B.timestamp occurs <= 2 days after C.timestamp"#,
            "whole",
        ),
        (
            r#"chain(xEvent, timestamp, [V: WHAT(eventType = "a"), P: WHAT(SKU = V.SKU) WHEN(<= 7 days after V)])"#,
            "whole",
        ),
        (r#"(Profile) => Profile.xEvent[eventType = "a"].count() > 1"#, "threshold"),
        (r#"$1.xEvent[eventType = "a"].count() > 1"#, "threshold"),
        (
            r#"chain(xEvent, timestamp, [A: WHAT(eventType = "a"), B: WHAT(eventType = "b") WHEN(<= 2 days after A), C: WHAT(n > 1) WHEN(between A and B)])"#,
            "sequence",
        ),
        (
            r#"chain(xEvent, timestamp, [A: WHAT(eventType = "a"), B: WHAT(eventType = "b") WHEN(between A and now)])"#,
            "whole",
        ),
        ("xEvent.commerce.abandons.value > 0", "threshold"),
        (r#"forall E from xEvent where E.eventType = "a" : E.total >= 45"#, "threshold"),
        (r#"xEvent[eventType = "a"].count() > loyalty.points"#, "aggregates"),
        (r#"xEvent[order.total > ^loyalty.points]"#, "whole"),
        (r#"select E from xEvent where E.eventType = "a""#, "threshold"),
    ] {
        assert_eq!(kinds(text), expected, "{text}");
    }
}

#[test]
fn the_same_condition_is_the_same_series() {
    let key = |text: &str| {
        let query = compile_segment(text, &Schema::untyped()).expect("a query");
        let split = query.split();
        split.atoms[0].series()[0].key().to_owned()
    };
    let one = key(r#"xEvent[eventType = "a" and n > 2].count() >= 3"#);
    for other in [
        r#"xEvent[n > 2 and eventType = "a" and timestamp occurs <= 3 days before now].count() < 7"#,
        r#"exists E from xEvent where E.eventType = "a" and E.n > 2"#,
        r#"xEvent[eventType = "a"][n > 2]"#,
        r#"chain(xEvent, timestamp, [A: WHAT(eventType = "a" and n > 2), B: WHAT(eventType = "b")])"#,
    ] {
        assert_eq!(key(other), one, "{other}");
    }
    assert_ne!(key(r#"xEvent[eventType = "a" and n >= 2].count() >= 3"#), one);
}
