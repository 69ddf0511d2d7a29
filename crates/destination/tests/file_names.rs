//! Names of exported files: the published examples, and what a name never is.

use destination::config::{
    BatchConfig, DestinationConfig, FileNameContext, Macro, MergePolicy, Segment, Templated, expand_path, file_name,
    part_name,
};
use model::Timestamp;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

fn batch(filename: Json, grouping: bool) -> BatchConfig {
    let document = json!({
        "name": "LumenStore",
        "batchConfig": {"filenameConfig": filename, "segmentGroupingEnabled": grouping},
        "destinationDelivery": [{
            "authenticationRule": "NONE", "destinationServerId": "s",
            "deliveryMatchers": [{"type": "SOURCE", "value": ["batch"]}],
        }],
    });
    DestinationConfig::parse(&document).expect("a sound destination").batch.expect("a batch configuration")
}

fn fixed(name: &str, allowed: &[&str]) -> BatchConfig {
    let config = json!({
        "allowedFilenameAppendOptions": allowed, "defaultFilenameAppendOptions": [], "defaultFilename": name,
    });
    batch(config, false)
}

fn context() -> FileNameContext {
    FileNameContext {
        destination: "LumenStore".to_owned(),
        segment: Some(Segment { id: "seg-harbor".to_owned(), name: "Harbor visitors".to_owned() }),
        instance_id: "i-1".to_owned(),
        instance_name: "Nightly".to_owned(),
        organization: "Org".to_owned(),
        sandbox: "prod".to_owned(),
        now: Timestamp::parse("2024-05-02T08:04:09Z").expect("a time"),
        custom_text: None,
        merge_policy: None,
    }
}

#[test]
fn a_fixed_name_and_its_parts() {
    let batch = fixed("%DESTINATION%_%SEGMENT_ID%", &["DATETIME", "TIMESTAMP"]);
    let name = file_name(&batch, &context(), &[]).expect("a name");
    let parts: Vec<String> = (1..=3).map(|part| part_name(&name, part, "csv").expect("a short name")).collect();
    assert_eq!(parts, ["LumenStore_seg-harbor.csv", "LumenStore_seg-harbor_2.csv", "LumenStore_seg-harbor_3.csv"]);
    let dated = file_name(&batch, &context(), &[Macro::Datetime]);
    assert_eq!(dated.as_deref(), Ok("LumenStore_seg-harbor_20240502_080409"));
    let stamped = file_name(&batch, &context(), &[Macro::Timestamp]);
    assert_eq!(stamped.as_deref(), Ok("LumenStore_seg-harbor_1714637049"));
}

#[test]
fn appended_macros_stand_in_their_usual_order() {
    let batch = fixed("", &["CUSTOM_TEXT", "SEGMENT_NAME", "DESTINATION", "SANDBOX_NAME"]);
    let context = FileNameContext { custom_text: Some("a/b\\c".to_owned()), ..context() };
    let appended = [Macro::CustomText, Macro::SandboxName, Macro::SegmentName, Macro::Destination];
    let name = file_name(&batch, &context, &appended);
    assert_eq!(name.as_deref(), Ok("LumenStore_Harbor visitors_prod_a_b_c"));
}

#[test]
fn the_usual_name_without_settings() {
    let name = file_name(&BatchConfig::default(), &context(), &[]);
    assert_eq!(name.as_deref(), Ok("LumenStore_seg-harbor_20240502_080409"));
}

#[test]
fn one_file_for_a_merge_policy() {
    let config = json!({
        "allowedFilenameAppendOptions": ["MERGE_POLICY_ID"], "defaultFilenameAppendOptions": [],
        "defaultFilename": "%MERGE_POLICY_NAME%",
    });
    let merge_policy = Some(MergePolicy { id: "mp-1".to_owned(), name: "Time ordered".to_owned() });
    let context = FileNameContext { merge_policy, segment: None, ..context() };
    let name = file_name(&batch(config, true), &context, &[Macro::MergePolicyId]);
    assert_eq!(name.as_deref(), Ok("Time ordered_mp-1"));
    let fault = file_name(&fixed("%SEGMENT_ID%", &[]), &context, &[]).expect_err("there is no one audience");
    assert_eq!(fault.to_string(), "filename: SEGMENT_ID has no value: the file holds all audiences of a merge policy");
}

#[test]
fn what_is_refused() {
    let batch = fixed("%DATETIME%", &["TIMESTAMP", "CUSTOM_TEXT"]);
    let fault = |appended: &[Macro]| file_name(&batch, &context(), appended).expect_err("a fault").message;
    assert_eq!(fault(&[Macro::SegmentId]), "SEGMENT_ID cannot be appended; allowed: TIMESTAMP, CUSTOM_TEXT");
    assert_eq!(fault(&[Macro::Timestamp]), "DATETIME and TIMESTAMP exclude each other");
    assert_eq!(fault(&[Macro::CustomText]), "CUSTOM_TEXT has no value: no text is given");
    let long = FileNameContext { destination: "x".repeat(256), ..context() };
    let fault = file_name(&fixed("%DESTINATION%", &[]), &long, &[]).expect_err("too long");
    assert_eq!(fault.message, "must have at most 255 characters; this name would have 256");
    assert!(part_name(&"x".repeat(252), 1, "csv").is_err());
}

#[test]
fn macros_in_a_path() {
    let path = expand_path("exports/%SEGMENT_NAME%/100%/%SEGMENT_ID%%20", &context());
    assert_eq!(path.as_deref(), Ok("exports/Harbor visitors/100%/seg-harbor%20"));
}

#[test]
fn a_null_safe_option_of_files() {
    const TEMPLATE: &str = "{% if customerData contains 'compression' and customerData.compression is not empty %}\
                            {{customerData.compression}}{% else %}NONE{% endif %}";
    let server = json!({
        "name": "store",
        "destinationServerType": "FILE_BASED_S3",
        "fileBasedS3Destination": {
            "bucket": {"templatingStrategy": "NONE", "value": "b"}, "path": {"templatingStrategy": "NONE", "value": "p"},
        },
        "fileConfigurations": {"compression": {"templatingStrategy": "PEBBLE_V1", "value": TEMPLATE}},
    });
    let server = destination::config::ServerConfig::parse(&server).expect("a sound server");
    let destination::config::ServerTarget::File(file) = server.target else { panic!("a server of files") };
    let compression: Templated = file.file_configurations.compression.expect("a compression");
    for (data, expected) in [(json!({"bucket": "b"}), "NONE"), (json!({"compression": "GZIP"}), "GZIP")] {
        let context = pebble::Value::from(&json!({"customerData": data}));
        let text = compression.render(&context, &pebble::Limits::default()).expect("a text");
        assert_eq!(text, expected);
        assert_eq!(destination::config::check_option("compression", &text), None);
    }
    assert!(destination::config::check_option("compression", "rar").is_some());
}

#[test]
fn options_of_files_are_not_escaped() {
    let value = json!({"templatingStrategy": "PEBBLE_V1", "value": "{{ customerData.quote }}"});
    let server = json!({
        "name": "landing",
        "destinationServerType": "FILE_BASED_DLZ",
        "fileBasedDlzDestination": {"path": value, "useCase": "dlz_destination"},
        "fileConfigurations": {"csvOptions": {"quote": value}},
    });
    let server = destination::config::ServerConfig::parse(&server).expect("a sound server");
    let destination::config::ServerTarget::File(file) = server.target else { panic!("a server of files") };
    let context = pebble::Value::from(&json!({"customerData": {"quote": "\""}}));
    for template in [file.field("path"), file.file_configurations.csv.quote.as_ref()] {
        let text = template.expect("a template").render(&context, &pebble::Limits::default());
        assert_eq!(text.expect("a text"), "\"");
    }
}

proptest! {
    /// A name of any parts has no path separator, is not too long and not empty; or it is refused.
    #[test]
    fn names_are_names(destination in "\\PC{0,300}", segment in "\\PC{0,40}", text in "\\PC{0,40}") {
        let batch = fixed("%DESTINATION%-%SEGMENT_NAME%", &["CUSTOM_TEXT"]);
        let segment = Some(Segment { id: "s".to_owned(), name: segment });
        let context = FileNameContext { destination, segment, custom_text: Some(text), ..context() };
        if let Ok(name) = file_name(&batch, &context, &[Macro::CustomText]) {
            prop_assert!(!name.contains(['/', '\\']) && !name.is_empty() && name.chars().count() <= 255);
        }
    }

    #[test]
    fn any_path_is_expanded(path in "[a-z%/]{0,20}(%SEGMENT_ID%)?[%a-z]{0,5}") {
        prop_assert!(expand_path(&path, &context()).is_ok());
    }
}
