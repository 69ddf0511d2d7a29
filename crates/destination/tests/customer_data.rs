//! What customers fill in: the cases of `tests/customer_data`.

use destination::config::{CustomerDataField, DestinationConfig, check_customer_data};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::path::Path;

fn yaml(file: &str) -> Json {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/customer_data").join(file);
    let text = std::fs::read_to_string(&path).expect("the case file is there");
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(&text, options).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn fields() -> Vec<CustomerDataField> {
    let document = json!({
        "name": "Lumen",
        "customerDataFields": yaml("fields.yaml"),
        "destinationDelivery": [{"authenticationRule": "NONE", "destinationServerId": "s"}],
    });
    DestinationConfig::parse(&document).expect("sound fields").customer_data_fields
}

#[test]
fn cases() {
    let fields = fields();
    let mut wrong = Vec::new();
    for case in yaml("cases.yaml").as_array().expect("a list of cases") {
        let lists = &case["lists"];
        let list = |path: &str| {
            let values = lists[path].as_array()?;
            Some(values.iter().map(|value| value.as_str().expect("text").to_owned()).collect())
        };
        let result = check_customer_data(&fields, &case["data"], &list);
        let faults: Vec<String> = match &result {
            Ok(_) => Vec::new(),
            Err(found) => found.iter().map(|fault| format!("{}: {}", fault.path, fault.message)).collect(),
        };
        let expected: Vec<&str> =
            case["faults"].as_array().into_iter().flatten().map(|text| text.as_str().expect("text")).collect();
        if faults != expected || result.as_ref().ok() != case.get("completed") {
            wrong.push(format!("{}\n  given {result:#?}\n  expected {expected:#?}", case["case"]));
        }
    }
    assert!(wrong.is_empty(), "{} cases differ:\n{}", wrong.len(), wrong.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Completed data is complete: checking it again changes nothing.
    #[test]
    fn completed_data_stays_as_it_is(
        bucket in "[a-z.-]{0,10}",
        region in prop::option::of(prop_oneof![Just("US"), Just("EU"), Just("XX")]),
        kind in prop::option::of(prop_oneof![Just("CSV"), Just("JSON")]),
        parts in prop::option::of(any::<i64>()),
        sep in prop::option::of("[,\t]{0,1}"),
    ) {
        let fields = fields();
        let mut data = json!({"bucket": bucket, "region": region, "fileType": kind, "parts": parts});
        if let Some(sep) = sep {
            data["csv"] = json!({"sep": sep});
        }
        if let Ok(completed) = check_customer_data(&fields, &data, &|_| None) {
            prop_assert_eq!(check_customer_data(&fields, &completed, &|_| None), Ok(completed.clone()));
            prop_assert!(completed["region"].is_string());
        }
    }
}
