//! CDNOW as request bodies: the messages of the demo, in lanes that keep the order per customer.

use crate::now;
use flate2::read::GzDecoder;
use model::Timestamp;
use model::time::{DAY_MS, days_from_civil};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::Arc;
use testkit::World;

static DATA: &[u8] = include_bytes!("../../cli/data/cdnow.txt.gz");
const BODY_BYTES: usize = 950_000;

/// One body.
#[derive(Clone)]
pub(crate) struct Body {
    pub(crate) bytes: Arc<Vec<u8>>,
    pub(crate) messages: usize,
}

/// The first instant of yesterday.
pub(crate) fn yesterday() -> String {
    Timestamp((now().0.div_euclid(DAY_MS) - 1) * DAY_MS).to_string()
}

/// All messages: events by day, each customer's record after their last event.
pub(crate) fn lanes(world: &World, lanes: usize) -> Vec<Vec<Body>> {
    let mut text = String::new();
    GzDecoder::new(DATA).read_to_string(&mut text).expect("readable data");
    let mut rows: Vec<(i64, usize, &str, u32, f64)> = Vec::new();
    for (line, row) in text.lines().skip(1).enumerate() {
        let fields: Vec<&str> = row.split_whitespace().collect();
        let [customer, date, cds, dollars] = fields[..] else { continue };
        let date: i64 = date.parse().expect("a date");
        let day = days_from_civil(date / 10_000, date / 100 % 100, date % 100);
        rows.push((day, line + 1, customer, cds.parse().expect("CDs"), dollars.parse().expect("dollars")));
    }
    let last = rows.iter().map(|r| r.0).max().expect("rows");
    let shift = now().0.div_euclid(DAY_MS) - 1 - last;
    let mut totals: BTreeMap<&str, usize> = BTreeMap::new();
    rows.iter().for_each(|r| *totals.entry(r.2).or_default() += 1);
    rows.sort_by_key(|r| (r.0, r.1));
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut bodies = vec![Vec::new(); lanes];
    let mut open = vec![(Vec::new(), 0usize); lanes];
    for (day, line, customer, cds, dollars) in rows {
        let nth = seen.entry(customer).or_default();
        *nth += 1;
        let (nth, of) = (*nth, totals[customer]);
        let (email, crm) = (format!("customer-{customer}@cdnow.example"), format!("C{customer}"));
        let mut identities = Vec::new();
        if nth != 1 || of == 1 {
            identities.push(("CRMID", crm.as_str()));
        }
        if nth != 2 || of == 1 {
            identities.push(("Email", email.as_str()));
        }
        let at = Timestamp((day + shift) * DAY_MS).to_string();
        let body = json!({
            "commerce": { "order": { "priceTotal": dollars } },
            "productListItems": [{ "SKU": "CD", "quantity": cds }],
        });
        let lane = customer.parse::<usize>().expect("a number") % lanes;
        let event = world.event(&format!("cdnow-{line}"), &identities, &at, "commerce.purchases", body);
        push(&mut open[lane], &mut bodies[lane], &event.to_string());
        if nth == of {
            let record = world.record(
                &[("CRMID", &crm), ("Email", &email)],
                json!({ "person": { "name": { "firstName": "Customer", "lastName": customer } }, "personalEmail": { "address": email } }),
            );
            push(&mut open[lane], &mut bodies[lane], &record.to_string());
        }
    }
    for (open, bodies) in open.iter_mut().zip(&mut bodies) {
        close(open, bodies);
    }
    bodies
}

fn push(open: &mut (Vec<u8>, usize), bodies: &mut Vec<Body>, message: &str) {
    if open.0.len() + message.len() > BODY_BYTES {
        close(open, bodies);
    }
    open.0.extend_from_slice(if open.1 == 0 { b"{\"messages\":[" } else { b"," });
    open.0.extend_from_slice(message.as_bytes());
    open.1 += 1;
}

fn close(open: &mut (Vec<u8>, usize), bodies: &mut Vec<Body>) {
    let (mut bytes, messages) = std::mem::take(open);
    if messages > 0 {
        bytes.extend_from_slice(b"]}");
        bodies.push(Body { bytes: Arc::new(bytes), messages });
    }
}
