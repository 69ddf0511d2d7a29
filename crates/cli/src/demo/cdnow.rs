//! The purchases of CDNOW as records: 69,659 rows of 23,570 customers (MIT, see data/CDNOW-LICENSE.txt).
//!
//! Days are shifted so that the last purchase falls on yesterday (UTC). A customer's first event
//! carries only the e-mail, the second only the CRM id (customers of one purchase: both on it),
//! later ones and the profile record both: so profiles merge for real.

use flate2::read::GzDecoder;
use model::Timestamp;
use model::time::{DAY_MS, days_from_civil};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::io::Read as _;

static DATA: &[u8] = include_bytes!("../../data/cdnow.txt.gz");

/// Namespace of the CRM ids.
pub(super) const CRM: &str = "CRMID";

/// One row.
#[derive(Debug, Clone)]
pub(super) struct Purchase {
    pub(super) line: usize,
    pub(super) customer: String,
    pub(super) at: Timestamp,
    pub(super) cds: u32,
    pub(super) dollars: f64,
    /// The how-manieth purchase of this customer, from 1, and of how many.
    nth: usize,
    of: usize,
}

/// One message: to which data set, for whom, what.
pub(super) struct Item {
    pub(super) is_event: bool,
    pub(super) customer: u32,
    /// The record as JSON text.
    pub(super) entity: String,
}

/// All rows in the order of the file, shifted to end yesterday.
pub(super) fn purchases(now: Timestamp) -> Result<Vec<Purchase>, String> {
    let mut text = String::new();
    GzDecoder::new(DATA).read_to_string(&mut text).map_err(|e| format!("the shipped data is damaged: {e}"))?;
    let mut rows = Vec::new();
    for (i, row) in text.lines().skip(1).enumerate() {
        let fields: Vec<&str> = row.split_whitespace().collect();
        let [customer, date, cds, dollars] = fields[..] else { continue };
        let parsed = (|| {
            let date: i64 = date.parse().ok()?;
            let day = days_from_civil(date / 10_000, date / 100 % 100, date % 100);
            Some((day, cds.parse().ok()?, dollars.parse().ok()?))
        })();
        let (day, cds, dollars) = parsed.ok_or_else(|| format!("the shipped data is damaged at row {}", i + 1))?;
        let at = Timestamp(day * DAY_MS);
        rows.push(Purchase { line: i + 1, customer: customer.to_owned(), at, cds, dollars, nth: 0, of: 0 });
    }
    let last = rows.iter().map(|p| p.at.0).max().unwrap_or(0);
    let yesterday = (now.0.div_euclid(DAY_MS) - 1) * DAY_MS;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for row in &mut rows {
        row.at = Timestamp(row.at.0 + yesterday - last);
        let count = counts.entry(row.customer.clone()).or_default();
        *count += 1;
        row.nth = *count;
    }
    for row in &mut rows {
        row.of = counts.get(&row.customer).copied().unwrap_or(0);
    }
    Ok(rows)
}

fn email(customer: &str) -> String {
    format!("customer-{customer}@cdnow.example")
}

pub(super) fn crm(customer: &str) -> String {
    format!("C{customer}")
}

fn identity_map(customer: &str, with_email: bool, with_crm: bool) -> Json {
    let mut map = json!({});
    if with_email {
        map["Email"] = json!([{ "id": email(customer), "primary": !with_crm }]);
    }
    if with_crm {
        map[CRM] = json!([{ "id": crm(customer), "primary": true }]);
    }
    map
}

fn event(id: String, customer: &str, at: Timestamp, cds: u32, dollars: f64, identity_map: Json) -> Item {
    let entity = json!({
        "_id": id,
        "timestamp": at.to_string(),
        "eventType": "commerce.purchases",
        "identityMap": identity_map,
        "commerce": { "order": { "priceTotal": dollars } },
        "productListItems": [{ "SKU": "CD", "quantity": cds }],
    });
    Item { is_event: true, customer: customer.parse().unwrap_or(0), entity: entity.to_string() }
}

/// All messages: events by day, each customer's record after the last of their events.
pub(super) fn items(purchases: &[Purchase]) -> Vec<Item> {
    let mut ordered: Vec<&Purchase> = purchases.iter().collect();
    ordered.sort_by_key(|p| (p.at, p.line));
    let mut items = Vec::with_capacity(ordered.len() * 4 / 3);
    for p in ordered {
        let (with_email, with_crm) = (p.nth != 2 || p.of == 1, p.nth != 1 || p.of == 1);
        let identities = identity_map(&p.customer, with_email, with_crm);
        items.push(event(format!("cdnow-{}", p.line), &p.customer, p.at, p.cds, p.dollars, identities));
        if p.nth == p.of {
            items.push(record(&p.customer));
        }
    }
    items
}

fn record(customer: &str) -> Item {
    let entity = json!({
        "identityMap": identity_map(customer, true, true),
        "person": { "name": { "firstName": "Customer", "lastName": customer } },
        "personalEmail": { "address": email(customer) },
    });
    Item { is_event: false, customer: customer.parse().unwrap_or(0), entity: entity.to_string() }
}

/// Customers of two or more purchases, none within 180 days, computed straight over the rows.
pub(super) fn lapsed(purchases: &[Purchase], now: Timestamp, limit: usize) -> Vec<&str> {
    let mut by_customer: BTreeMap<&str, (usize, Timestamp)> = BTreeMap::new();
    for p in purchases {
        let entry = by_customer.entry(&p.customer).or_insert((0, p.at));
        entry.0 += 1;
        entry.1 = entry.1.max(p.at);
    }
    let bound = now.0 - 180 * DAY_MS;
    let lapsed = by_customer.into_iter().filter(|(_, (n, last))| *n >= 2 && last.0 < bound);
    lapsed.map(|(customer, _)| customer).take(limit).collect()
}

/// One purchase each, now.
pub(super) fn wave(customers: &[&str], now: Timestamp) -> Vec<Item> {
    let buy = |customer: &&str| {
        let identities = identity_map(customer, true, true);
        event(format!("wave-{customer}"), customer, Timestamp(now.0 - 1000), 1, 11.77, identities)
    };
    customers.iter().map(buy).collect()
}

/// The customer of an exported body.
pub(super) fn customer_of(body: &Json) -> Option<String> {
    let id = body["identityMap"][CRM][0]["id"].as_str()?;
    Some(id.trim_start_matches('C').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rows_are_there_and_end_yesterday() {
        let now = Timestamp::parse("2026-03-18T10:30:00Z").expect("valid");
        let rows = purchases(now).expect("readable");
        assert_eq!(rows.len(), 69_659);
        let last = rows.iter().map(|p| p.at).max().expect("rows");
        assert_eq!(last.to_string(), "2026-03-17T00:00:00Z");
        let items = items(&rows);
        assert_eq!(items.iter().filter(|i| !i.is_event).count(), 23_570);
        assert_eq!(items.len(), 69_659 + 23_570);
    }
}
