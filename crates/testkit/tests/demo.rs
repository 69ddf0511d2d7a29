//! The demo's figures against an independent computation, straight over the rows of the file.

#![expect(clippy::disallowed_methods, reason = "the demo shifts its days to the real yesterday")]

use flate2::read::GzDecoder;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::io::Read as _;

const DAY: i64 = 86_400;

/// Day, CDs, cents.
type Purchase = (i64, u32, i64);
/// The purchases of each customer.
type Rows = BTreeMap<String, Vec<Purchase>>;

/// Days are counted by the julian day number, cents as whole numbers: nothing here is shared with
/// the code under test.
fn rows() -> Rows {
    let mut text = String::new();
    GzDecoder::new(&include_bytes!("../../cli/data/cdnow.txt.gz")[..]).read_to_string(&mut text).expect("readable");
    let mut rows = Rows::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [customer, date, cds, dollars] = fields[..] else { continue };
        let date: i64 = date.parse().expect("a date");
        let (y, m, d) = (date / 10_000, date / 100 % 100, date % 100);
        let julian = (1461 * (y + 4800 + (m - 14) / 12)) / 4 + (367 * (m - 2 - 12 * ((m - 14) / 12))) / 12
            - (3 * ((y + 4900 + (m - 14) / 12) / 100)) / 4
            + d
            - 32_075;
        let (whole, cents) = dollars.split_once('.').expect("dollars and cents");
        let cents = whole.parse::<i64>().expect("dollars") * 100 + cents.parse::<i64>().expect("cents");
        rows.entry(customer.into()).or_default().push((julian - 2_440_588, cds.parse().expect("CDs"), cents));
    }
    rows
}

#[test]
fn the_demo_counts_what_the_rows_say() {
    let today = |now: std::time::SystemTime| {
        now.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs() as i64 / DAY
    };
    let before = today(std::time::SystemTime::now());
    let output = std::process::Command::new(testkit::binary())
        .args(["demo", "--exit", "--output", "json"])
        .output()
        .expect("the demo runs");
    let after = today(std::time::SystemTime::now());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let stdout = String::from_utf8(output.stdout).expect("text");
    let found: Json = serde_json::from_str(stdout.lines().last().expect("a line")).expect("one object");
    let rows = rows();
    assert_eq!(found["events"], rows.values().map(Vec::len).sum::<usize>());
    assert_eq!(found["profiles"], rows.len());
    assert_eq!(found["ledger_balanced"], true);
    assert_eq!((&found["exports"]["waiting"], &found["exports"]["dead"]), (&0.into(), &0.into()));
    assert_eq!(found["wave"]["exactly_those_that_changed"], true, "{}", found["wave"]);
    // The day may turn while the demo runs: either day's counts are right.
    let counts: Vec<_> = [before, after].iter().map(|day| audiences(&rows, *day)).collect();
    assert!(counts.contains(&found["audiences"]), "{} is none of {counts:?}", found["audiences"]);
    let latency = &found["latency_ms"];
    assert!(latency["p50"].as_f64() <= latency["p99"].as_f64(), "{latency}");
}

/// The members of the five audiences on a day; "now" lies within it, purchases at its start.
fn audiences(rows: &Rows, today: i64) -> Json {
    let last = rows.values().flatten().map(|r| r.0).max().expect("rows");
    let shift = today - 1 - last;
    let age = |day: i64| today - (day + shift);
    let count = |is_member: &dyn Fn(&[Purchase]) -> bool| rows.values().filter(|v| is_member(v)).count();
    serde_json::json!({
        "repeat-buyers": count(&|v| v.len() >= 3),
        "big-spenders": count(&|v| v.iter().map(|r| r.2).sum::<i64>() >= 25_000),
        // 90 whole days ago at 00:00 is more than 90 days before any later instant of today.
        "active": count(&|v| v.iter().any(|r| age(r.0) < 90)),
        "lapsed": count(&|v| v.len() >= 2 && v.iter().all(|r| age(r.0) >= 180)),
        "bulk": count(&|v| v.iter().any(|r| r.1 >= 10)),
    })
}
