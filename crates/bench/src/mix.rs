//! The realistic mix: audiences as marketers write them, people and events that turn them.
//!
//! Deterministic: the same number gives the same audience, person or event in every run and section. Of 20 audiences
//! 4 read attributes, 4 count events in windows from an hour to 90 days, 3 add up, average or take extremes, 2 ask
//! whether an event exists, 2 are sequences, 2 ask for memberships of others, 3 are combinations.

use model::time::DAY_MS;
use model::{SmolStr, Timestamp, Value};
use pql::EventView;

/// Only so many of the oldest audiences are asked for their members, so that chains stay short.
pub(crate) const REFERRED: usize = 100;

/// Kinds of audiences, in an order in which every prefix is about the mix.
const ORDER: [Kind; 20] = {
    use Kind::{Attribute as A, Combined as B, Count as C, Exists as E, Member as M, Sequence as Q, Sum as S};
    [A, C, S, A, C, E, B, Q, M, C, A, S, B, C, A, S, Q, E, M, B]
};

#[derive(Clone, Copy)]
enum Kind {
    Attribute,
    Count,
    Sum,
    Exists,
    Sequence,
    Member,
    Combined,
}

/// Event types, the frequent ones first. The first eight tell of a page, the next eight of goods.
const EVENT_TYPES: [&str; 24] = [
    "web.webpagedetails.pageViews",
    "web.webinteraction.linkClicks",
    "web.formFilledOut",
    "search.results",
    "media.play",
    "content.download",
    "support.article",
    "web.chat",
    "commerce.productViews",
    "commerce.productListAdds",
    "commerce.checkouts",
    "commerce.purchases",
    "commerce.productListRemovals",
    "commerce.saveForLaters",
    "commerce.returns",
    "commerce.quotes",
    "directMarketing.emailOpened",
    "directMarketing.emailClicked",
    "directMarketing.emailSent",
    "pushTracking.applicationOpened",
    "application.launch",
    "inappmessageTracking.interact",
    "loyalty.earned",
    "leadOperation.newLead",
];
const PAGES: usize = 8;
const GOODS: usize = 16;
const PAGE_NAMES: u64 = 20;
const SKUS: u64 = 40;
const CITIES: u64 = 40;
const COUNTRIES: [&str; 8] = ["DE", "FR", "GB", "US", "NL", "ES", "IT", "SE"];
const GENDERS: [&str; 3] = ["female", "male", "not_specified"];
const STATES: [&str; 3] = ["married", "single", "divorced"];
/// Most live events are at most so old.
const LIVE_MS: u64 = 10 * 60 * 1000;
const WINDOWS: [&str; 9] =
    ["1 hour", "6 hours", "24 hours", "3 days", "7 days", "14 days", "30 days", "60 days", "90 days"];

/// splitmix64
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bf0_3635)
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

    /// Below `n`, small numbers far more often.
    fn skewed(&mut self, n: u64) -> usize {
        (self.below(n) * (1 + self.below(n)) / n) as usize
    }
}

/// The query of an audience, by number; `ids` are those of the audiences before it.
pub(crate) fn audience(number: usize, ids: &[String]) -> String {
    let random = &mut Random::new(0x00a0_d1e0 + number as u64);
    match ORDER[number % ORDER.len()] {
        Kind::Attribute => attribute(random),
        Kind::Count => count(random),
        Kind::Sum => sum(random),
        Kind::Exists => exists(random),
        Kind::Sequence => sequence(random),
        Kind::Member => member(random, ids),
        Kind::Combined => combined(random),
    }
}

fn attribute(random: &mut Random) -> String {
    let city = random.below(CITIES);
    match random.below(6) {
        0 => format!("person.gender = \"{}\" and homeAddress.city = \"City {city}\"", random.pick(&GENDERS)),
        1 => format!("homeAddress.city = \"City {city}\""),
        2 => format!("homeAddress.countryCode in [\"{}\", \"{}\"]", random.pick(&COUNTRIES), random.pick(&COUNTRIES)),
        3 => {
            let year = 1940 + random.below(60);
            format!("person.birthYear >= {year} and person.birthYear < {}", year + 10)
        }
        4 => format!(
            "person.maritalStatus = \"{}\" and homeAddress.countryCode = \"{}\"",
            random.pick(&STATES),
            random.pick(&COUNTRIES)
        ),
        _ => format!("person.name.lastName.startsWith(\"Name {}\")", random.below(100)),
    }
}

/// A condition on one event.
fn event_filter(random: &mut Random, variable: &str) -> String {
    let kind = random.skewed(EVENT_TYPES.len() as u64);
    let base = format!("{variable}eventType = \"{}\"", EVENT_TYPES[kind]);
    match (kind, random.below(3)) {
        (..PAGES, 0) => format!("{base} and {variable}web.webPageDetails.name = \"page-{}\"", random.below(PAGE_NAMES)),
        (PAGES..GOODS, 0) => format!("{base} and {variable}productListItems.SKU = \"SKU-{}\"", random.below(SKUS)),
        (PAGES..GOODS, 1) => {
            format!(
                "{base} and {variable}commerce.order.priceTotal >= {}",
                [20, 50, 100, 200][random.below(4) as usize]
            )
        }
        _ => base,
    }
}

fn goods(random: &mut Random) -> &'static str {
    EVENT_TYPES[PAGES + random.below((GOODS - PAGES) as u64) as usize]
}

fn count(random: &mut Random) -> String {
    let (filter, window) = (event_filter(random, ""), random.pick(&WINDOWS));
    let bound = [1, 2, 3, 5, 10][random.below(5) as usize];
    format!("xEvent[{filter} and timestamp occurs <= {window} before now].count() >= {bound}")
}

fn sum(random: &mut Random) -> String {
    let (kind, window) = (goods(random), random.pick(&WINDOWS[2..]));
    let source = format!("xEvent[eventType = \"{kind}\" and timestamp occurs <= {window} before now]");
    let bound = [50, 100, 250, 500][random.below(4) as usize];
    match random.below(8) {
        0 => format!("{source}.average(commerce.order.priceTotal) >= {bound}"),
        1 => format!("{source}.min(commerce.order.priceTotal) < {bound}"),
        2 => format!("{source}.max(commerce.order.priceTotal) >= {bound}"),
        _ => format!("{source}.sum(commerce.order.priceTotal) >= {bound}"),
    }
}

fn exists(random: &mut Random) -> String {
    let (filter, window) = (event_filter(random, "E."), random.pick(&WINDOWS));
    let not = if random.below(3) == 0 { "not " } else { "" };
    format!("{not}(exists E from xEvent where {filter} and E.timestamp occurs <= {window} before now)")
}

fn sequence(random: &mut Random) -> String {
    let (first, then) = (event_filter(random, ""), event_filter(random, ""));
    let window = random.pick(&WINDOWS[3..]);
    let within = random.pick(&["1 hour", "1 day", "3 days"]);
    format!(
        "chain(xEvent, timestamp, [A: WHAT({first}) WHEN(<= {window} before now), B: WHAT({then}) WHEN(<= {within} after A)])"
    )
}

fn member(random: &mut Random, ids: &[String]) -> String {
    let mut id = || &ids[random.below(ids.len().min(REFERRED) as u64) as usize];
    let (one, other) = (id(), id());
    match random.below(3) {
        0 => format!("inSegment(\"{one}\") and not inSegment(\"{other}\")"),
        1 => format!("inSegment(\"{one}\") and ({})", attribute(random)),
        _ => format!("inSegment(\"{one}\") or inSegment(\"{other}\")"),
    }
}

fn combined(random: &mut Random) -> String {
    match random.below(4) {
        0 => format!("({}) and ({})", count(random), attribute(random)),
        1 => format!("({}) or ({})", count(random), sum(random)),
        2 => format!("({}) and not ({})", count(random), exists(random)),
        _ => format!("(({}) or ({})) and not ({})", attribute(random), count(random), sum(random)),
    }
}

/// The attributes of a person, as members of a JSON object.
pub(crate) fn person(number: u64) -> String {
    let random = &mut Random::new(0x00e0_0000 + number);
    format!(
        r#""person":{{"name":{{"firstName":"First","lastName":"Name {}"}},"gender":"{}","birthYear":{},"maritalStatus":"{}"}},"homeAddress":{{"city":"City {}","countryCode":"{}"}}"#,
        random.below(1000),
        random.pick(&GENDERS),
        1940 + random.below(65),
        random.pick(&STATES),
        random.below(CITIES),
        random.pick(&COUNTRIES)
    )
}

/// The body of an event, as members of a JSON object.
pub(crate) fn event(random: &mut Random) -> String {
    let kind = random.skewed(EVENT_TYPES.len() as u64);
    let base = format!(r#""eventType":"{}""#, EVENT_TYPES[kind]);
    match kind {
        ..PAGES => {
            format!(r#"{base},"web":{{"webPageDetails":{{"name":"page-{}"}}}}"#, random.below(PAGE_NAMES))
        }
        PAGES..GOODS => {
            let (price, quantity) = (random.below(25_000) as f64 / 100.0, 1 + random.below(4));
            format!(
                r#"{base},"commerce":{{"order":{{"priceTotal":{price},"currencyCode":"EUR"}}}},"productListItems":[{{"SKU":"SKU-{}","quantity":{quantity}}}]"#,
                random.below(SKUS)
            )
        }
        _ => base,
    }
}

/// When an event of a live stream happened: mostly just now, one of 20 late by up to 30 days.
pub(crate) fn live_time(random: &mut Random, now: Timestamp) -> Timestamp {
    let back = if random.below(20) == 0 { random.below(30 * DAY_MS as u64) } else { random.below(LIVE_MS) };
    Timestamp(now.0 - back as i64)
}

/// When a stored event happened: in the last 90 days.
pub(crate) fn stored_time(random: &mut Random, now: Timestamp) -> Timestamp {
    Timestamp(now.0 - random.below(90 * DAY_MS as u64) as i64)
}

/// JSON of our own as a value.
pub(crate) fn value(members: &str) -> Value {
    Value::from_json(format!("{{{members}}}").as_bytes()).expect("our own JSON")
}

/// An event as the evaluator sees it.
pub(crate) fn view(random: &mut Random, id: &str, timestamp: Timestamp) -> EventView {
    EventView { timestamp, id: SmolStr::new(id), body: value(&event(random)) }
}
