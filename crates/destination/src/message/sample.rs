//! Invented profiles, customer data and a first template, for authors who start (destination-sdk.md §2.8–2.10).
//!
//! In: a configuration or a flow, the instant, a source of numbers. Out: JSON or template text. Always: equal input
//! gives equal output; the two forms of profiles are not interchangeable.

use super::instance::Instance;
use super::mapping::Source;
use super::random::Random;
use crate::config::{AggregationKind, CustomerDataField, DestinationConfig, FieldKind};
use model::{SmolStr, Timestamp};
use serde_json::{Map, Value as Json, json};

/// The most sample profiles that one may ask for.
pub const PROFILES_MAX: u32 = 1000;

/// How many sample profiles there are unless the caller says: a message full, where that is known.
pub fn default_count(config: &DestinationConfig) -> u32 {
    match config.aggregation.as_ref().map(|a| a.kind) {
        Some(AggregationKind::BestEffort { max_users_per_request }) => max_users_per_request.min(PROFILES_MAX),
        _ => 1,
    }
}

/// Profiles in the target schema of a destination.
pub fn target_profiles(
    config: &DestinationConfig,
    count: u32,
    now: Timestamp,
    numbers: &mut dyn FnMut() -> u32,
) -> Vec<Json> {
    let mut random = Random(numbers);
    let segments = [("segmentid1", "realized"), ("segmentid3", "exited"), ("segmentid2", "realized")];
    let profile = |_| {
        let mut memberships = Map::new();
        for (id, status) in segments {
            memberships.insert(id.to_owned(), membership(status, now, &mut random));
        }
        let names = config.identity_namespaces.iter().map(|(name, _)| name);
        let identities = identity_map(names, &mut random);
        json!({
            "segmentMembership": {"ups": memberships},
            "identityMap": identities,
            "attributes": target_attributes(config),
        })
    };
    (0..count.min(PROFILES_MAX)).map(profile).collect()
}

fn target_attributes(config: &DestinationConfig) -> Json {
    let fields = &config.schema.profile_fields;
    if fields.is_empty() {
        return json!({"key": {"value": "string"}});
    }
    fields.iter().map(|field| (field.name.to_string(), example(field))).collect::<Map<_, _>>().into()
}

fn example(field: &CustomerDataField) -> Json {
    match &field.kind {
        FieldKind::String => json!("string"),
        FieldKind::Integer => json!(1),
        FieldKind::Object(fields) => {
            fields.iter().map(|field| (field.name.to_string(), example(field))).collect::<Map<_, _>>().into()
        }
    }
}

/// Profiles in the source schema of a flow: what it maps, nothing else.
pub fn source_profiles(instance: &Instance, count: u32, now: Timestamp, numbers: &mut dyn FnMut() -> u32) -> Vec<Json> {
    let mut random = Random(numbers);
    (0..count.min(PROFILES_MAX)).map(|_| source_profile(instance, now, &mut random)).collect()
}

fn source_profile(instance: &Instance, now: Timestamp, random: &mut Random<'_>) -> Json {
    let mut memberships = Map::new();
    for audience in instance.aliases().audiences() {
        let namespace = memberships.entry(audience.namespace.to_string()).or_insert_with(|| json!({}));
        namespace[audience.id.as_str()] = membership("realized", now, random);
    }
    let mut namespaces: Vec<&SmolStr> = Vec::new();
    let mut attributes = model::Value::Object(Vec::new());
    for source in instance.sources() {
        match source {
            Source::Namespace(code) if !namespaces.contains(&code) => namespaces.push(code),
            Source::Attribute(path) => {
                let names: Vec<&str> = path.iter().map(SmolStr::as_str).collect();
                attributes.set(&names, model::Value::Str(SmolStr::new(attribute(&names, random))));
            }
            _ => {}
        }
    }
    let mut profile = Map::new();
    profile.insert("segmentMembership".to_owned(), memberships.into());
    profile.insert("identityMap".to_owned(), identity_map(namespaces.into_iter(), random));
    if let Json::Object(fields) = attributes.to_json() {
        profile.extend(fields);
    }
    profile.into()
}

/// A value that looks like what the path names.
fn attribute(path: &[&str], random: &mut Random<'_>) -> String {
    let mail = path.iter().any(|name| name.to_ascii_lowercase().contains("mail"));
    if mail { format!("{}@example.com", random.letters(5).to_lowercase()) } else { "string".to_owned() }
}

fn membership(status: &str, now: Timestamp, random: &mut Random<'_>) -> Json {
    json!({"lastQualificationTime": micros(now, random), "status": status})
}

/// The instant with invented microseconds.
fn micros(now: Timestamp, random: &mut Random<'_>) -> String {
    let seconds = now.to_seconds_text();
    format!("{}.{:03}{:03}Z", seconds.trim_end_matches('Z'), now.0.rem_euclid(1000), random.below(1000))
}

fn identity_map<'a>(namespaces: impl Iterator<Item = &'a SmolStr>, random: &mut Random<'_>) -> Json {
    let identities = namespaces.map(|name| {
        let id = format!("{name}-{}", random.alphanumeric(5));
        (name.to_string(), json!([{"id": id}]))
    });
    identities.collect::<Map<_, _>>().into()
}

/// Invented customer data: a choice where there are choices, a text that matches where there is a pattern, otherwise
/// five letters and the name of the field.
pub fn customer_data(config: &DestinationConfig, numbers: &mut dyn FnMut() -> u32) -> Json {
    fields(&config.customer_data_fields, &mut Random(numbers))
}

fn fields(of: &[CustomerDataField], random: &mut Random<'_>) -> Json {
    of.iter().map(|field| (field.name.to_string(), field_value(field, random))).collect::<Map<_, _>>().into()
}

fn field_value(field: &CustomerDataField, random: &mut Random<'_>) -> Json {
    if let Some(choices) = field.fixed_choices().filter(|choices| !choices.is_empty()) {
        return choices[random.below(choices.len() as u32) as usize].clone();
    }
    match &field.kind {
        FieldKind::Object(inner) => fields(inner, random),
        FieldKind::Integer => json!(random.below(1000)),
        FieldKind::String => {
            let matching = field.pattern.as_ref().and_then(|pattern| random.matching(pattern));
            matching.unwrap_or_else(|| format!("{}-{}", random.letters(5), field.name)).into()
        }
    }
}

/// A first template for a destination (destination-sdk.md §2.9): for one profile where a message holds one, for
/// several otherwise.
pub fn template(config: &DestinationConfig) -> String {
    let one = matches!(
        config.aggregation.as_ref().map(|a| a.kind),
        Some(AggregationKind::BestEffort { max_users_per_request: 1 })
    );
    if one {
        return TEMPLATE.replace("PROFILE", "input.profile");
    }
    let profile = TEMPLATE.replace("PROFILE", "profile").replace('\n', "\n        ");
    format!(
        "{{#- One message for several profiles -#}}\n{{\n    \"profiles\": [\n        {{%- for profile in input.profiles -%}}\n        \
         {profile}{{%- if not loop.last -%}},{{%- endif -%}}\n        {{%- endfor -%}}\n    ]\n}}"
    )
}

const TEMPLATE: &str = r#"{
    "identities": [
        {%- for namespace in PROFILE.identityMap -%}
        {%- for identity in namespace.value -%}
        {
            "type": "{{ namespace.key }}",
            "id": "{{ identity.id }}"
        }{%- if not loop.last -%},{%- endif -%}
        {%- endfor -%}{%- if not loop.last -%},{%- endif -%}
        {%- endfor -%}
    ],
    "AdobeExperiencePlatformSegments": {
        "add": [
            {%- for segment in PROFILE.segmentMembership.ups | added -%}
            "{{ segment.key }}"{%- if not loop.last -%},{%- endif -%}
            {%- endfor -%}
        ],
        "remove": [
            {#- The function does what the filter `removed` does -#}
            {%- for segment in removedSegments(PROFILE.segmentMembership.ups) -%}
            "{{ segment.key }}"{%- if not loop.last -%},{%- endif -%}
            {%- endfor -%}
        ]
    }
}"#;
