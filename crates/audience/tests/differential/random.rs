//! Random audiences, events and attributes. Values are few, so that they meet.

use audience::Audience;
use model::time::DAY_MS;
use model::{AudienceNo, SmolStr, Timestamp, Value};
use pql::{EventView, Schema};
use std::sync::Arc;

/// 2026-01-20: a month end, a leap-free February and a change of month lie ahead.
pub(crate) const START: i64 = 1_768_867_200_000;

/// splitmix64
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as u64) as usize]
    }
}

pub(crate) fn audiences(random: &mut Random, first_no: u32, count: usize) -> Vec<Arc<Audience>> {
    more(random, &[], first_no, count, 1)
}

/// More audiences, which may ask for the membership of those before them.
pub(crate) fn more(
    random: &mut Random,
    known: &[Arc<Audience>],
    first: u32,
    count: usize,
    n: u64,
) -> Vec<Arc<Audience>> {
    let mut made: Vec<Arc<Audience>> = Vec::new();
    while made.len() < count {
        let before: Vec<SmolStr> = known.iter().chain(&made).map(|a| a.id.clone()).collect();
        let text = rule(random, &before, 2);
        let query = match pql::compile_segment(&text, &Schema::untyped()) {
            Ok(query) => query,
            Err(faults) => panic!("{text}: {faults:?}"),
        };
        let no = first + made.len() as u32 + 1;
        made.push(Arc::new(Audience {
            no: AudienceNo(no),
            id: SmolStr::new(format!("a{no}")),
            name: "".into(),
            query,
            changed_n: n,
            policy: 0,
            exclude_opt_out: random.below(3) > 0,
            created: Timestamp(0),
            updated: Timestamp(0),
        }));
    }
    made
}

/// The text of a rule, which may ask for the membership of known audiences.
pub(crate) fn rule(random: &mut Random, known: &[SmolStr], depth: u32) -> String {
    if depth > 0 {
        let part = |random: &mut Random| rule(random, known, depth - 1);
        match random.below(8) {
            0 => return format!("({} and {})", part(random), part(random)),
            1 => return format!("({} or {})", part(random), part(random)),
            2 => return format!("not ({})", part(random)),
            3 if random.below(3) == 0 => {
                return format!("if({}, {}, {})", part(random), part(random), part(random));
            }
            _ => {}
        }
    }
    match random.below(18) {
        0 => attribute(random),
        1 if !known.is_empty() => format!("inSegment(\"{}\")", known[random.below(known.len() as u64) as usize]),
        2..=5 => format!("({}.count() {} {})", filtered(random), op(random), random.below(5)),
        6 => folded(random),
        7 => filtered(random),
        8 => sequence(random),
        9 => quantified(random),
        10 => projected(random),
        11 => whole(random),
        12 => mixed(random),
        13 => comprehension(random),
        14 | 15 => pair(random),
        _ => format!("({}.count() >= {})", filtered(random), 1 + random.below(3)),
    }
}

fn op(random: &mut Random) -> &'static str {
    random.pick(&[">=", ">", "<", "<=", "=", "!="])
}

fn local(random: &mut Random) -> String {
    if random.below(8) == 0 {
        return format!("({} and {})", local(random), local(random));
    }
    let condition = random.pick(&[
        r#"eventType = "a""#,
        r#"eventType = "b""#,
        r#"eventType in ["a", "c"]"#,
        r#"(eventType = "b" or eventType = "c")"#,
        "n > 2",
        r#"s = "x""#,
        r#"not (s = "y")"#,
        r#"items.sku = "p""#,
        "items.q.sum() >= 3",
        "(exists I from items where I.q >= 2)",
        r#"s.contains("X", false)"#,
        "timestamp occurs after date(2026, 2, 1)",
        "timestamp.getMonth() = 2",
        "n.isNull()",
        "items[q > 1]",
        "n in [1, 2.5]",
    ]);
    condition.to_owned()
}

const WINDOWS: &[&str] = &[
    "<= 3 days before now",
    "< 12 hours before now",
    "<= 1 month before now",
    "<= 2 weeks before now",
    ">= 2 days before now",
    "> 1 month before now",
    "today",
    "yesterday",
    "this week",
    "last month",
    "this month",
    "next week",
    "between yesterday and now",
    "between last week and tomorrow",
    "before today",
    "after yesterday",
    "= 2 days before now",
    "= 1 month before now",
    "<= 2 days after now",
    ">= 1 day after now",
    "<= 1 day before today",
    "before now",
    "after this month",
    "!= 1 day before now",
    "<= 5 days before date(2026, 2, 10)",
];

/// Windows that later times leave later: sequences need no search back in them.
fn filtered(random: &mut Random) -> String {
    let mut parts = Vec::new();
    for _ in 0..random.below(3) {
        parts.push(local(random));
    }
    if random.below(3) > 0 {
        parts.push(format!("timestamp occurs {}", random.pick(WINDOWS)));
    }
    if random.below(12) == 0 {
        parts.push(format!("timestamp occurs {}", random.pick(WINDOWS)));
    }
    match (parts.len(), random.below(8)) {
        (0, _) => "xEvent".to_owned(),
        (n, 0) if n > 1 => format!("xEvent[{}][{}]", parts[0], parts[1..].join(" and ")),
        _ => format!("xEvent[{}]", parts.join(" and ")),
    }
}

fn folded(random: &mut Random) -> String {
    let (source, op) = (filtered(random), op(random));
    let bound = random.pick(&["0", "2", "2.5", "-1", "7.25"]);
    match random.below(10) {
        0 => format!("({source}.average(n) {op} {bound})"),
        1 => format!("({source}.min(n) {op} {bound})"),
        2 => format!("({source}.max(n) {op} {bound})"),
        3 => format!("({source}.max(s) {op} \"x\")"),
        4 => format!("({source}.max(timestamp) occurs {})", random.pick(WINDOWS)),
        5 => format!("({source}.items.q.sum() {op} {bound})"),
        6 => format!("({source}.n.count() {op} {bound})"),
        7 => format!("({source}.map(n).countOnlyNull() {op} 1)"),
        8 => format!("({bound} {op} {source}.sum(n))"),
        _ => format!("({source}.sum(n) {op} {bound})"),
    }
}

fn sequence(random: &mut Random) -> String {
    let mut steps = Vec::new();
    for name in ["A", "B", "C"].iter().take(1 + random.below(3) as usize) {
        let what = local(random);
        let when = match random.below(3) {
            0 => String::new(),
            1 if !steps.is_empty() => {
                let earlier = ["A", "B"][random.below(steps.len() as u64) as usize];
                let window =
                    random.pick(&["<= 2 days after", "> 1 day after", "< 6 hours after", "= 1 day after", "after"]);
                format!(" WHEN({window} {earlier})")
            }
            _ => format!(" WHEN({})", random.pick(WINDOWS)),
        };
        steps.push(format!("{name}: WHAT({what}){when}"));
    }
    let source = if random.below(4) == 0 { filtered(random) } else { "xEvent".to_owned() };
    format!("chain({source}, timestamp, [{}])", steps.join(", "))
}

/// Two steps, the second bound to the first alone.
fn pair(random: &mut Random) -> String {
    let first =
        random.pick(&["", " WHEN(<= 3 days before now)", " WHEN(< 1 week before now)", " WHEN(<= 2 hours before now)"]);
    let then = random.pick(&["", " WHEN(<= 2 days after A)", " WHEN(< 6 hours after A)", " WHEN(<= 30 days after A)"]);
    format!("chain(xEvent, timestamp, [A: WHAT({}){first}, B: WHAT({}){then}])", local(random), local(random))
}

fn quantified(random: &mut Random) -> String {
    let window = random.pick(WINDOWS);
    let kind = random.pick(&["\"a\"", "\"b\"", "\"c\""]);
    match random.below(6) {
        0 => format!("(exists E from xEvent where E.eventType = {kind} and E.timestamp occurs {window})"),
        1 => format!("(exists E from xEvent, I from E.items where E.eventType = {kind} and I.q > 1)"),
        2 => format!("(exists E from xEvent, I from E.items where E.timestamp occurs {window} and I.sku = \"p\")"),
        3 => format!("(forall E from xEvent where E.eventType = {kind} : E.n > 1)"),
        4 => format!("(forall E from xEvent where E.timestamp occurs {window} : E.n > 1)"),
        _ => format!("(select E from xEvent where E.eventType = {kind} and E.timestamp occurs {window})"),
    }
}

fn projected(random: &mut Random) -> String {
    match random.below(5) {
        0 => format!("(xEvent.n {} 2)", op(random)),
        1 => format!("({}.s = \"x\")", filtered(random)),
        2 => format!("(xEvent.timestamp occurs {})", random.pick(WINDOWS)),
        3 => format!("({}.items.sku = \"q\")", filtered(random)),
        _ => format!("(xEvent.timestamp.max() occurs {})", random.pick(WINDOWS)),
    }
}

/// What needs whole histories.
fn whole(random: &mut Random) -> String {
    match random.below(5) {
        0 => "(exists A from xEvent, B from xEvent where A.eventType = \"a\" and B.eventType = \"b\" and B.timestamp > A.timestamp)".to_owned(),
        1 => "(xEvent[eventType = \"a\"].topN(timestamp, 2).sum(n) > 3)".to_owned(),
        2 => "(xEvent[n > ^pts].count() >= 1)".to_owned(),
        3 => "(xEvent[eventType = \"a\"].map(s).distinct().count() >= 2)".to_owned(),
        _ => format!("(exists A from xEvent where A.eventType = \"a\" and A.timestamp occurs {} and not (exists B from xEvent where B.eventType = \"b\" and B.timestamp > A.timestamp))", random.pick(WINDOWS)),
    }
}

/// Aggregates beside attributes.
fn mixed(random: &mut Random) -> String {
    let source = filtered(random);
    match random.below(4) {
        0 => format!("({source}.count() > pts)"),
        1 => format!("({source}.sum(n) / {source}.count() {} 2)", op(random)),
        2 => format!("({source}.sum(n) + pts > 4)"),
        _ => format!("(let C = {source}.count() in C > 1 and C < 4)"),
    }
}

fn comprehension(random: &mut Random) -> String {
    let kind = random.pick(&["\"a\"", "\"b\""]);
    let window = random.pick(WINDOWS);
    match random.below(3) {
        0 => format!("((sum X.n over X from xEvent where X.eventType = {kind} and X.timestamp occurs {window}) > 2)"),
        1 => format!("((count X.n over X from xEvent where X.eventType = {kind}) >= 2)"),
        _ => format!("((max X.timestamp over X from xEvent where X.eventType = {kind}) occurs {window})"),
    }
}

fn attribute(random: &mut Random) -> String {
    let condition = random.pick(&[
        "pts > 5",
        r#"tier = "g""#,
        r#"tier != "g""#,
        "tier.isNull()",
        "birth.getMonth() = currentMonth()",
        "joined occurs <= 5 days before now",
        "joined occurs this month",
        "joined < now",
        "not (joined occurs after now)",
        "tags = \"x\"",
    ]);
    condition.to_owned()
}

pub(crate) fn event(random: &mut Random, now: Timestamp, number: usize) -> EventView {
    let spread = [3_600_000, DAY_MS, 4 * DAY_MS, 45 * DAY_MS][random.below(4) as usize];
    let back = random.below(spread as u64) as i64;
    let at = match random.below(8) {
        0 | 5 => now.0 + back,
        // Whole seconds and days meet more often.
        1 => (now.0 - back) / DAY_MS * DAY_MS,
        2 => (now.0 - back) / 3_600_000 * 3_600_000,
        3 => now.0,
        _ => now.0 - back,
    };
    let text = |random: &mut Random, of: &[&'static str]| match random.below(20) {
        0 => Value::Array((0..random.below(4)).map(|_| Value::Str(random.pick(of).into())).collect()),
        _ => Value::Str(random.pick(of).into()),
    };
    let mut fields = vec![(SmolStr::new("eventType"), text(random, &["a", "b", "c", "d"]))];
    match random.below(6) {
        0 => {}
        1 => fields.push((SmolStr::new("n"), Value::Double(random.below(50) as f64 / 10.0))),
        2 => fields.push((SmolStr::new("n"), Value::Str("text".into()))),
        _ => fields.push((SmolStr::new("n"), Value::Int(random.below(6) as i64 - 1))),
    }
    if random.below(2) == 0 {
        fields.push((SmolStr::new("s"), text(random, &["x", "y", "xy"])));
    }
    let items = (0..random.below(3)).map(|_| {
        Value::Object(vec![
            (SmolStr::new("sku"), Value::Str(random.pick(&["p", "q"]).into())),
            (SmolStr::new("q"), Value::Int(random.below(4) as i64)),
        ])
    });
    let items: Vec<Value> = items.collect();
    if !items.is_empty() {
        fields.push((SmolStr::new("items"), Value::Array(items)));
    }
    EventView {
        timestamp: Timestamp(at),
        id: SmolStr::new(format!("e{number}-{}", random.below(1000))),
        body: Value::Object(fields),
    }
}

pub(crate) fn attributes(random: &mut Random) -> Value {
    let mut fields: Vec<(SmolStr, Value)> = Vec::new();
    let mut add = |name: &str, value: Value| fields.push((SmolStr::new(name), value));
    if random.below(3) > 0 {
        add("pts", Value::Int(random.below(10) as i64));
    }
    if random.below(2) > 0 {
        add("tier", Value::Str(random.pick(&["g", "s"]).into()));
    }
    if random.below(2) > 0 {
        add("birth", Value::Str(random.pick(&["1990-02-10", "1990-03-01"]).into()));
    }
    if random.below(2) > 0 {
        let at = START + random.below(80 * DAY_MS as u64) as i64;
        add("joined", Value::Str(Timestamp(at).to_string().into()));
    }
    if random.below(3) == 0 {
        add("tags", Value::Array(vec![Value::Str(random.pick(&["x", "y"]).into())]));
    }
    if random.below(6) == 0 {
        let entry = Value::from_json(br#"{"privacyOptOuts":[{"optOutType":"general_opt_out","optOutValue":"out"}]}"#);
        add("optOutConsentLevel", entry.expect("JSON"));
    }
    Value::Object(fields)
}
