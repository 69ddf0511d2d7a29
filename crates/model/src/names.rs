//! Numbers of common XDM field names, so that rows need not spell them.
//!
//! The table is part of the disk format: entries are only ever added at the end. Number 0 means
//! "spelled inline".

use std::collections::HashMap;
use std::sync::OnceLock;

#[rustfmt::skip]
const NAMES: &[&str] = &[
    "_id", "timestamp", "eventType", "identityMap", "id", "primary", "authenticatedState", "commerce", "order",
    "priceTotal", "currencyCode", "purchases", "value", "productListItems", "SKU", "quantity", "name", "person",
    "firstName", "lastName", "fullName", "birthDate", "gender", "personalEmail", "address", "workEmail",
    "mobilePhone", "homePhone", "number", "homeAddress", "workAddress", "city", "country", "countryCode",
    "stateProvince", "postalCode", "street1", "street2", "region", "web", "webPageDetails", "webReferrer", "URL",
    "pageViews", "environment", "device", "browserDetails", "userAgent", "placeContext", "geo", "latitude",
    "longitude", "marketing", "campaignName", "channel", "directMarketing", "consents", "val", "metadata", "time",
    "personalize", "collect", "share", "email", "push", "sms", "any", "preferred", "loyalty", "tier", "points",
    "status", "type", "subscriptions", "productAddMethod", "price", "purchaseID", "payments", "producedBy",
    "eventMergeId", "Email", "ECID", "Phone", "CRMID", "productViews", "productListAdds", "checkouts", "_type",
    "label", "code", "description", "testProfile", "userActivityRegions", "timeZone", "language",
];

/// The number of a name, from 1.
pub(crate) fn number(name: &str) -> Option<u32> {
    static INDEX: OnceLock<HashMap<&'static str, u32>> = OnceLock::new();
    INDEX.get_or_init(|| NAMES.iter().zip(1..).map(|(n, i)| (*n, i)).collect()).get(name).copied()
}

/// The text of a number.
pub(crate) fn text(number: u64) -> Option<&'static str> {
    usize::try_from(number).ok().and_then(|n| n.checked_sub(1)).and_then(|i| NAMES.get(i)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_one_number() {
        for name in NAMES {
            let n = number(name).expect("in the table");
            assert_eq!(text(u64::from(n)), Some(*name), "listed twice: {name}");
        }
    }
}
