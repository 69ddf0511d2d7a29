//! Configurations: any document is accepted or refused with faults; what is accepted is stored in a form that reads
//! as itself, and then works without a panic, whatever it holds.

use destination::Fault;
use destination::case::{self, Case, Subject};
use destination::config::{
    AudienceTemplateConfig, CredentialConfig, DestinationConfig, ServerConfig, check_customer_data, check_links,
};
use destination::folder::{Folder, yaml};
use destination::message::{Aliases, Design, Instance, MappedAudience, Mapping, Setup, TargetProfile, sample};
use model::Timestamp;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

const NOW: Timestamp = Timestamp(1_773_828_000_000);

fn read(data: &[u8]) -> Option<Json> {
    serde_json::from_slice(data).ok()
}

/// Reads a document, and its stored form again.
fn accepted<T>(json: &Json, parse: fn(&Json) -> Result<T, Vec<Fault>>, stored: fn(&T) -> &Json) -> Option<T> {
    match parse(json) {
        Ok(config) => {
            let form = stored(&config);
            match parse(form) {
                Ok(again) => assert_eq!(form, stored(&again), "the stored form reads as itself, from {json}"),
                Err(faults) => panic!("{} from {json}: the stored form {form} is refused", shown(&faults)),
            }
            Some(config)
        }
        Err(faults) => {
            assert!(!faults.is_empty(), "refused without a fault: {json}");
            assert!(faults.iter().all(|fault| !fault.message.is_empty()), "{}", shown(&faults));
            None
        }
    }
}

fn shown(faults: &[Fault]) -> String {
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("; ")
}

/// Any JSON as a destination; what is accepted makes messages.
pub fn destination(data: &[u8]) {
    let Some(json) = read(data) else { return };
    let Some(config) = accepted(&json, DestinationConfig::parse, |config| &config.json) else { return };
    let _ = format!("{config:?}");
    let _ = check_links(&config, &|_, _| None);
    let numbers = &mut (0..).step_by(7);
    let numbers = &mut || numbers.next().unwrap_or(0);
    let customer = sample::customer_data(&config, numbers);
    let _ = check_customer_data(&config.customer_data_fields, &customer, &|_| None);
    let _ = check_customer_data(&config.customer_data_fields, &json, &|_| Some(vec!["a".to_owned()]));
    static SERVER: OnceLock<ServerConfig> = OnceLock::new();
    let server = SERVER.get_or_init(|| {
        ServerConfig::parse(&json!({
            "name": "s", "destinationServerType": "URL_BASED",
            "urlBasedDestination": {"url": {"templatingStrategy": "NONE", "value": "https://example.com/"}},
            "httpTemplate": {"httpMethod": "POST", "contentType": "application/json",
                "requestBody": {"templatingStrategy": "PEBBLE_V1", "value": "{{ input.profiles | toJson | raw }}"}},
        }))
        .expect("a server")
    });
    if config.aggregation.is_some() {
        compose(&config, server, &customer, numbers);
    }
    // The first template that an author is offered is one that the destination may use.
    let first = sample::template(&config);
    if let Err(error) = pebble::Template::compile("sample", &first, &pebble::Options::destination()) {
        panic!("the sample template does not compile: {error}");
    }
}

/// Any JSON as a server; what is accepted makes messages.
pub fn server(data: &[u8]) {
    let Some(json) = read(data) else { return };
    let Some(config) = accepted(&json, ServerConfig::parse, |config| &config.json) else { return };
    let _ = format!("{config:?}");
    let numbers = &mut (0..).step_by(7);
    compose(plain_destination(), &config, &json!({"region": "eu", "bucket": "b"}), &mut || numbers.next().unwrap_or(0));
}

/// A destination whose messages hold up to three profiles.
pub(crate) fn plain_destination() -> &'static DestinationConfig {
    static DESTINATION: OnceLock<DestinationConfig> = OnceLock::new();
    DESTINATION.get_or_init(|| {
        DestinationConfig::parse(&json!({
            "name": "d",
            "identityNamespaces": {"email": {"acceptsCustomNamespaces": true}},
            "schemaConfig": {"profileFields": [{"name": "tier", "title": "T", "type": "string"}],
                "profileRequired": true, "segmentRequired": true, "identityRequired": true},
            "destinationDelivery": [{"authenticationRule": "NONE", "destinationServerId": "s"}],
            "aggregation": {"aggregationType": "BEST_EFFORT",
                "bestEffortAggregation": {"maxUsersPerRequest": 3, "splitUserById": false}},
        }))
        .expect("a destination")
    })
}

pub(crate) fn instance(design: Design, customer: &Json) -> Instance {
    let audience = |id: &str, alias: Option<&str>| MappedAudience {
        namespace: "ups".into(),
        id: id.into(),
        name: format!("name of {id}").into(),
        alias: alias.map(Into::into),
        partner_name: None,
        created_at: NOW,
        updated_at: NOW,
        mapping_created_at: NOW,
        mapping_updated_at: NOW,
    };
    let setup = Setup {
        id: "flow".into(),
        customer_data: customer,
        auth_data: &json!({"accessToken": "t", "instanceUrl": "https://example.com"}),
        mapping: Mapping::default(),
        aliases: Aliases::new([audience("segmentid1", Some("A1")), audience("segmentid2", None)]),
        facts: &json!({"name": "Lumen"}),
    };
    Instance::new(Arc::new(design), setup)
}

/// Sample profiles of the destination, put into messages.
fn compose(config: &DestinationConfig, server: &ServerConfig, customer: &Json, numbers: &mut dyn FnMut() -> u32) {
    let Ok(design) = Design::new(config, server) else { return };
    let times = design.times();
    let profiles: Vec<Arc<TargetProfile>> = sample::target_profiles(config, 3, NOW, numbers)
        .iter()
        .map(|profile| Arc::new(TargetProfile::from_json(profile, times).expect("a sample is a profile")))
        .collect();
    let instance = instance(design, customer);
    for profile in &profiles {
        for slice in instance.slices(profile) {
            assert!(slice.users > 0 && !instance.entries(&[&slice]).is_empty(), "a slice without users");
            if let Ok(request) = instance.compose(&slice.group, &[&slice]) {
                let one_line = |text: &str| !text.contains(['\r', '\n']);
                assert!(request.headers.iter().all(|(name, value)| one_line(name) && one_line(value)));
                let scheme = request.url.split_once(':').map_or("", |(scheme, _)| scheme);
                assert!(["http", "https"].iter().any(|s| scheme.eq_ignore_ascii_case(s)), "{}", request.url);
            }
        }
    }
    let _ = instance.messages(&profiles);
}

/// Any JSON as an audience template, and as credentials.
pub fn audience_template(data: &[u8]) {
    let Some(json) = read(data) else { return };
    let _ = accepted(&json, AudienceTemplateConfig::parse, |config| &config.json).map(|c| format!("{c:?}"));
    if let Ok(config) = CredentialConfig::parse(&json) {
        let _ = format!("{config:?}");
        let again = CredentialConfig::parse(&config.json);
        assert!(again.is_ok(), "the stored form {} is refused, from {json}", config.json);
    }
}

/// Files as a folder, each after a line `=== NAME`; what is accepted runs its cases and survives the way to YAML.
pub fn folder(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut files = BTreeMap::new();
    for part in text.split("=== ").skip(1).take(16) {
        let (name, body) = part.split_once('\n').unwrap_or((part, ""));
        files.insert(name.to_owned(), body.to_owned());
    }
    if files.is_empty() {
        files.insert("destination.yaml".to_owned(), text.into_owned());
    }
    match Folder::read(&files) {
        Ok(folder) => {
            let written = yaml(&folder.destination);
            let alone = Folder::read(&BTreeMap::from([("destination.yaml".to_owned(), written.clone())]));
            let alone = alone.unwrap_or_else(|faults| panic!("{}: {written}", shown(&faults)));
            assert_eq!(alone.destination, folder.destination, "{written}");
            match folder.configs() {
                Ok(configs) => run_cases(&files, &Subject::of(&configs)),
                Err(faults) => assert!(!faults.is_empty()),
            }
        }
        Err(faults) => assert!(!faults.is_empty()),
    }
}

fn run_cases(files: &BTreeMap<String, String>, subject: &Result<Subject, Vec<Fault>>) {
    for (name, body) in files.iter().filter(|(name, _)| name.starts_with("cases/")) {
        if let (Ok(case), Ok(subject)) = (Case::parse(name, body), subject) {
            let done = case::run(subject, &case);
            let _ = case::check(subject, &case, &done);
            let _ = case::coverage(subject, &[(&case, &done)]);
            if let Some(text) = case::accept(body, &case, &done) {
                let again = Case::parse(name, &text).unwrap_or_else(|error| panic!("{error}: accepted as {text}"));
                let done = case::run(subject, &again);
                let twice = case::accept(&text, &again, &done);
                assert_eq!(twice.as_deref(), Some(&*text), "accepted once more");
            }
        }
    }
}
