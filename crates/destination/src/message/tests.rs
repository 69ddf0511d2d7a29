//! Properties of grouping against a literal reading of the specification, and cases of mapping, composing, judging.

use super::random::test_numbers;
use super::render::json_of;
use super::*;
use crate::config::{DestinationConfig, ServerConfig, Transformation};
use model::{SmolStr, Status, Timestamp};
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;

fn destination(aggregation: Json) -> DestinationConfig {
    let json = json!({
        "name": "Lumen",
        "customerDataFields": [
            {"name": "region", "type": "string", "pattern": "^(eu|us)-[a-z]{3}$"},
            {"name": "plan", "type": "string", "enum": ["free", "paid"]},
            {"name": "label", "type": "string"},
        ],
        "schemaConfig": {
            "segmentRequired": true, "identityRequired": true, "profileRequired": true,
            "segmentNamespaceDenyList": [],
        },
        "identityNamespaces": {
            "email": {"acceptedGlobalNamespaces": {"Email": {"requiredTransformation": "sha256(lower($))"}}},
            "phone": {"acceptsCustomNamespaces": true},
            "GAID": {"acceptsCustomNamespaces": true},
            "ecid": {"acceptsCustomNamespaces": true},
        },
        "destinationDelivery": [{"authenticationRule": "NONE", "destinationServerId": "s"}],
        "aggregation": aggregation,
    });
    DestinationConfig::parse(&json).expect("a destination")
}

fn best_effort(max: u32) -> Json {
    json!({"aggregationType": "BEST_EFFORT",
           "bestEffortAggregation": {"maxUsersPerRequest": max, "splitUserById": false}})
}

fn server(url: &str, body: &str, more: Json) -> ServerConfig {
    let mut json = json!({
        "name": "Lumen",
        "destinationServerType": "URL_BASED",
        "urlBasedDestination": {"url": {"templatingStrategy": "PEBBLE_V1", "value": url}},
        "httpTemplate": {
            "httpMethod": "POST",
            "requestBody": {"templatingStrategy": "PEBBLE_V1", "value": body},
            "contentType": "application/json",
        },
    });
    for (path, value) in more.as_object().expect("an object") {
        match path.strip_prefix("httpTemplate.") {
            Some(name) => json["httpTemplate"][name] = value.clone(),
            None => json[path] = value.clone(),
        }
    }
    ServerConfig::parse(&json).expect("a server")
}

fn audience(namespace: &str, id: &str) -> MappedAudience {
    MappedAudience {
        namespace: namespace.into(),
        id: id.into(),
        name: format!("name of {id}").into(),
        alias: (id == "a1").then(|| "ALIAS-1".into()),
        partner_name: None,
        created_at: Timestamp(1000),
        updated_at: Timestamp(2000),
        mapping_created_at: Timestamp(3000),
        mapping_updated_at: Timestamp(4000),
    }
}

fn identity(source: &str, target: &str) -> IdentityMap {
    IdentityMap { source: Source::Namespace(source.into()), target: target.into(), transform: None, mandatory: false }
}

fn attribute(source: &str, target: &str) -> AttributeMap {
    let source = Source::path(source).expect("a path");
    AttributeMap { source, target: target.into(), transform: None, predefined: false, mandatory: false }
}

fn mapping() -> Mapping {
    Mapping {
        identities: vec![identity("GAID", "GAID"), identity("phone", "phone"), identity("ecid", "ecid")],
        attributes: vec![attribute("person.city", "city"), attribute("tier", "tier")],
    }
}

fn instance_of(aggregation: Json, server: &ServerConfig, mapping: Mapping) -> Instance {
    let design = Design::new(&destination(aggregation), server).expect("a design");
    let audiences = [audience("ups", "a1"), audience("ups", "a2"), audience("ext", "a1")];
    let setup = Setup {
        id: "flow".into(),
        customer_data: &json!({"region": "eu"}),
        auth_data: &json!({"accessToken": "t"}),
        mapping,
        aliases: Aliases::new(audiences),
        facts: &json!({"name": "Lumen"}),
    };
    Instance::new(Arc::new(design), setup)
}

fn instance(aggregation: Json) -> Instance {
    instance_of(aggregation, &server("https://ex.test/", "{{ input.profiles }}", json!({})), mapping())
}

fn membership(namespace: &str, id: &str, status: Status, changed: bool) -> SourceMembership {
    SourceMembership { namespace: namespace.into(), id: id.into(), status, since: Timestamp(0), changed }
}

fn profile(identities: &[(&str, &str)]) -> SourceProfile {
    SourceProfile {
        memberships: vec![
            membership("ups", "a1", Status::Realized, true),
            membership("ups", "unmapped", Status::Realized, true),
        ],
        identities: identities.iter().map(|(n, v)| (SmolStr::new(n), SmolStr::new(v))).collect(),
        attributes: model::Value::from(&json!({"person": {"city": "Ghent"}, "other": 1})),
    }
}

fn entries(instance: &Instance, slices: &[Slice]) -> Vec<Json> {
    instance.entries(&slices.iter().collect::<Vec<_>>()).iter().map(json_of).collect()
}

#[test]
fn a_target_profile_holds_what_is_mapped() {
    let mut mapping = mapping();
    mapping.identities.push(identity("Email", "email"));
    mapping.identities.push(IdentityMap {
        source: Source::Attribute(vec!["mails".into()]),
        target: "email".into(),
        transform: Some(Transformation::Sha256Lower),
        mandatory: false,
    });
    mapping.attributes.push(AttributeMap { predefined: true, ..attribute("other", "plain") });
    mapping.attributes.push(AttributeMap { predefined: true, ..attribute("none", "absent") });
    let server = server("https://ex.test/", "{{ input.profile | raw }}", json!({}));
    let instance = instance_of(best_effort(1), &server, mapping);
    let mut source =
        profile(&[("email", "Odile@Ex.Test"), ("GAID", "g1"), ("idfa", "no"), ("GAID", "g1"), ("GAID", "g2")]);
    source.attributes.set(&["mails"], model::Value::from(&json!(["odile@ex.test", "x"])));
    let slices = instance.slices(&instance.target(source.clone()));
    let hash = "9a42fc80ac0eb640d483e0b77a6e1071139d052d1340882007088128c9055093";
    let x = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    let expected = json!({
        "segmentMembership": {"ups": {"a1": {"lastQualificationTime": "1970-01-01T00:00:00.000Z", "status": "realized"}}},
        "identityMap": {"email": [{"id": hash}, {"id": x}], "GAID": [{"id": "g1"}, {"id": "g2"}]},
        "attributes": {"city": {"value": "Ghent"}, "tier": {}, "plain": 1},
    });
    assert_eq!(entries(&instance, &slices), std::slice::from_ref(&expected));
    assert_eq!((slices[0].users, slices[0].identities), (1, 4));
    let request = instance.compose(&slices[0].group, &[&slices[0]]).expect("composes");
    assert_eq!(request.body, Some(expected.to_string()), "a profile prints as compact JSON");
    assert_eq!(request.headers, [("Content-Type".to_owned(), "application/json".to_owned())]);
}

#[test]
fn profiles_are_withheld_for_a_reason() {
    let instance = instance(json!({"aggregationType": "BEST_EFFORT", "bestEffortAggregation": {
        "maxUsersPerRequest": 9, "splitUserById": false, "aggregationKey": {"includeSegmentId": true}}}));
    let without = |change: fn(&mut SourceProfile)| {
        let mut source = profile(&[("GAID", "g1")]);
        change(&mut source);
        let target = instance.target(source.clone());
        assert_eq!(instance.slices(&target).is_empty(), instance.withheld(&target).is_some());
        instance.withheld(&target)
    };
    assert_eq!(without(|_| ()), None);
    assert_eq!(without(|p| p.identities.clear()), Some(Withheld::NoIdentity));
    assert_eq!(without(|p| p.memberships.clear()), Some(Withheld::NotAMember));
    assert_eq!(
        without(|p| p.memberships = vec![membership("ups", "a1", Status::Exited, false)]),
        Some(Withheld::NotAMember)
    );
}

#[test]
fn a_mandatory_attribute_is_needed() {
    let mut mapping = mapping();
    mapping.attributes[1].mandatory = true;
    let instance = instance_of(best_effort(1), &server("https://ex.test/", "x", json!({})), mapping);
    let target = instance.target(profile(&[("GAID", "g1")]));
    assert_eq!(target.withheld(), Some(&Withheld::Mandatory("tier".into())));
    assert!(instance.slices(&target).is_empty());
}

#[test]
fn mappings_may_depend_on_the_audience_of_the_message() {
    let mut mapping = mapping();
    let of_audience = |source, target: &str, predefined| AttributeMap {
        source,
        target: target.into(),
        transform: None,
        predefined,
        mandatory: false,
    };
    let left = Source::ByStatus { status: Status::Exited, then: "1".into(), otherwise: "0".into() };
    mapping.attributes.insert(1, of_audience(Source::Alias, "list", true));
    mapping.attributes.push(of_audience(left, "left", false));
    let aggregation = json!({"aggregationType": "BEST_EFFORT", "bestEffortAggregation": {
        "maxUsersPerRequest": 9, "splitUserById": false, "aggregationKey": {"includeSegmentId": true}}});
    let instance = instance_of(aggregation, &server("https://ex.test/", "x", json!({})), mapping);
    let mut source = profile(&[("GAID", "g1")]);
    source.memberships.push(membership("ext", "a1", Status::Exited, true));
    let shown: Vec<Json> = entries(&instance, &instance.slices(&instance.target(source.clone())))
        .into_iter()
        .map(|entry| entry["attributes"].clone())
        .collect();
    let expected = |list, left| json!({"city": {"value": "Ghent"}, "list": list, "tier": {}, "left": {"value": left}});
    assert_eq!(shown, [expected("ALIAS-1", "0"), expected("ALIAS-1", "1")]);
}

#[test]
fn requests_are_rendered_whole_or_not_at_all() {
    let compose = |url: &str, body: &str, more: Json| {
        let instance = instance_of(best_effort(1), &server(url, body, more), mapping());
        let slices = instance.slices(&instance.target(profile(&[("GAID", "g1")])));
        instance.compose(&slices[0].group, &[&slices[0]])
    };
    let template = |value: &str| json!({"templatingStrategy": "PEBBLE_V1", "value": value});
    let request = compose(
        "https://{{ customerData.region }}.ex.test/v2?a=1",
        "{{ destination.name }}:{{ destination.segmentAliases.a1 }}:{{ destination.namespaceSegmentAliases.ext.a1 }}",
        json!({
            "httpTemplate.headers": [{"header": "X-Token", "value": template("k {{ authData.accessToken }}")}],
            "httpTemplate.queryParameters": template("?b={{ input.profile.identityMap.GAID[0].id }}"),
        }),
    );
    let request = request.expect("composes");
    assert_eq!(request.url, "https://eu.ex.test/v2?a=1&b=g1");
    assert_eq!(request.body.as_deref(), Some("Lumen:ALIAS-1:ALIAS-1"));
    assert_eq!(request.headers[1], ("X-Token".to_owned(), "k t".to_owned()));
    assert!(request.has_header("x-token") && !request.has_header("Authorization"));

    let faults = [
        ("https://ex.test/", "{# nothing #} ", json!({}), "httpTemplate.requestBody: the body is empty"),
        ("https://ex.test/", "{{ 1 / 0 }}", json!({}), "httpTemplate.requestBody: "),
        ("{{ customerData.no }}", "x", json!({}), "urlBasedDestination.url: no http or https address: "),
        ("file://{{ customerData.region }}/x", "x", json!({}), "urlBasedDestination.url: no http or https address: "),
        (
            "https://ex.test/{{ customerData.region }}\r\nx/{{ customerData.region }}",
            "x",
            json!({}),
            "urlBasedDestination.url: no http or https address: it holds a line break or another control character",
        ),
        (
            "https://ex.test/",
            "x",
            json!({"httpTemplate.queryParameters": template("a={{ 'b\nc' }}")}),
            "urlBasedDestination.url: no http or https address: it holds a line break or another control character",
        ),
        (
            "https://ex.test/",
            "x",
            json!({"httpTemplate.headers": [{"header": "X-A", "value": template("a\r\nB: {{ 1 }}")}]}),
            "httpTemplate.headers.X-A: a header is one line",
        ),
    ];
    for (url, body, more, expected) in faults {
        let error = compose(url, body, more).expect_err("does not compose").to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn retried_statuses_are_the_documented_ones() {
    let (best, configurable) = (destination(best_effort(1)), destination(configurable(json!({}), false)));
    let cases = [
        (429, true, true),
        (403, true, false),
        (400, false, false),
        (500, true, false),
        (503, true, true),
        (408, true, false),
        (409, true, false),
        (420, false, true),
        (501, false, true),
        (404, false, false),
    ];
    for (status, by_best, by_configurable) in cases {
        let retried = |d: &DestinationConfig| retried(&d.aggregation.as_ref().expect("given").kind, status);
        assert_eq!((retried(&best), retried(&configurable)), (by_best, by_configurable), "{status}");
    }
}

fn configurable(key: Json, split: bool) -> Json {
    json!({"aggregationType": "CONFIGURABLE_AGGREGATION", "configurableAggregation": {
        "splitUserById": split, "maxBatchAgeInSecs": 1800, "maxNumEventsInBatch": 1000, "aggregationKey": key}})
}

/// Statuses decide where nothing else is declared.
#[test]
fn statuses_decide() {
    let instance = instance(best_effort(9));
    let slices = instance.slices(&instance.target(profile(&[("GAID", "g1")])));
    let judge = |status, how| instance.judge(&Answer { status, body: b"{" }, &[&slices[0]], how);
    assert_eq!(judge(204, RetryStatuses::Default), Judgement::AllDelivered);
    let retry = |status, how| matches!(judge(status, how), Judgement::AllRetry { .. });
    assert!(retry(503, RetryStatuses::Default) && retry(425, RetryStatuses::Default));
    assert!(retry(403, RetryStatuses::Aep) && !retry(403, RetryStatuses::Default) && !retry(425, RetryStatuses::Aep));
    let whole = |status| match judge(status, RetryStatuses::Default) {
        Judgement::AllRejected { whole_batch, .. } => Some(whole_batch),
        _ => None,
    };
    assert_eq!([whole(400), whole(413), whole(404), whole(302)], [Some(true), Some(true), Some(false), Some(false)]);
}

fn judging(outcome: Json) -> (Instance, Vec<Slice>) {
    let aggregation = json!({"aggregationType": "BEST_EFFORT",
        "bestEffortAggregation": {"maxUsersPerRequest": 9, "splitUserById": true}});
    let server = server("https://ex.test/", "x", json!({"responseOutcome": outcome}));
    let instance = instance_of(aggregation, &server, mapping());
    let profiles = [profile(&[("GAID", "g1"), ("GAID", "g2")]), profile(&[("GAID", "g3")])];
    let slices = profiles.iter().flat_map(|p| instance.slices(&instance.target(p.clone()))).collect();
    (instance, slices)
}

#[test]
fn a_slice_ends_as_the_worst_of_its_entries() {
    let id = json!({"templatingStrategy": "PEBBLE_V1", "value": "{{ customerData.region }}:{{ entry.identityMap.GAID[0].id }}"});
    let (instance, slices) = judging(json!({"type": "FAILED_IDS", "statuses": ["2xx", 400], "list": "$.failed",
        "id": "$.id", "state": "$.code", "retry": ["later"], "error": "$.error", "entryId": id}));
    let refs: Vec<&Slice> = slices.iter().collect();
    let judge =
        |status, body: &str| instance.judge(&Answer { status, body: body.as_bytes() }, &refs, RetryStatuses::Default);
    let rejected = |reason: &str| SliceOutcome::Rejected { reason: reason.to_owned() };
    let retry = |reason: &str| SliceOutcome::Retry { reason: reason.to_owned() };
    use SliceOutcome::Delivered;
    let failed = |items: &str| format!("{{\"failed\": [{items}]}}");
    let (g1, g2) = (r#"{"id": "eu:g1", "code": "bad"}"#, r#"{"id": "eu:g2", "code": "later"}"#);
    assert_eq!(judge(200, &failed("")), Judgement::AllDelivered);
    assert_eq!(judge(200, &failed(g1)), Judgement::PerSlice(vec![rejected("state `bad`"), Delivered]));
    assert_eq!(
        judge(400, &failed(&format!("{g1},{g2}"))),
        Judgement::PerSlice(vec![retry("state `later`"), Delivered])
    );
    let unknown = judge(200, &failed(r#"{"id": "eu:zz", "code": "bad"}"#));
    assert!(matches!(unknown, Judgement::AllRejected { whole_batch: true, .. }), "{unknown:?}");
    for body in ["", "<html>", "[]", r#"{"failed": 7}"#] {
        assert!(matches!(judge(200, body), Judgement::AllRetry { .. }), "{body}");
    }
    assert_eq!(judge(204, ""), Judgement::AllDelivered);
    // A refusal that names no record is one of the whole message.
    let whole = |reason: &str| Judgement::AllRejected { reason: reason.to_owned(), whole_batch: true };
    assert_eq!(judge(400, r#"{"error": "wrong list"}"#), whole("status 400: wrong list"));
    assert_eq!(judge(422, "<html>"), whole("status 422"));
}

#[test]
fn sample_profiles_render_with_the_sample_template() {
    for max in [1, 3] {
        let config = destination(best_effort(max));
        let now = Timestamp::parse("2026-03-18T10:30:00.123Z").expect("valid");
        let template = sample::template(&config);
        assert_eq!(template.contains("input.profiles"), max > 1);
        let answer = render_results(&config, &template, None, now, &mut test_numbers(1)).expect("renders");
        let results = answer["results"].as_array().expect("a list");
        assert_eq!(results.len(), 1);
        let profiles = results[0]["profiles"].as_array().expect("a list");
        assert_eq!(profiles.len(), max as usize);
        let time = profiles[0]["segmentMembership"]["ups"]["segmentid1"]["lastQualificationTime"].as_str();
        assert!(time.is_some_and(|t| t.starts_with("2026-03-18T10:30:00.123") && t.len() == 27), "{time:?}");
        let output: Json = serde_json::from_str(results[0]["output"].as_str().expect("text")).expect("valid JSON");
        let one = if max == 1 { &output } else { &output["profiles"][2] };
        assert_eq!(one["identities"].as_array().map(Vec::len), Some(4));
        assert_eq!(one["AdobeExperiencePlatformSegments"]["add"], json!(["segmentid1", "segmentid2"]));
        assert_eq!(one["AdobeExperiencePlatformSegments"]["remove"], json!(["segmentid3"]));
    }
}

#[test]
fn rendering_groups_and_shows_the_key() {
    let key = json!({"includeSegmentId": true, "includeSegmentStatus": true, "includeIdentity": true,
        "oneIdentityPerGroup": false, "groups": [{"namespaces": ["GAID", "phone"]}, {"namespaces": ["email"]}]});
    let config = destination(configurable(key, true));
    let profiles = [json!({
        "segmentMembership": {"ups": {"s1": {"lastQualificationTime": "2026-03-18T10:30:55.947859Z", "status": "realized"}}},
        "identityMap": {"email": [{"id": "e"}], "GAID": [{"id": "g"}, {"id": "h"}], "out": [{"id": "o"}]},
        "attributes": {"first_name": {"value": "N"}},
    })];
    let render =
        |template: &str| render_results(&config, template, Some(&profiles), Timestamp(0), &mut test_numbers(5));
    let answer = render("{{ input.aggregationKey.segmentId }}{% for p in input.profiles %} {{ p | raw }}{% endfor %}");
    let answer = answer.expect("renders");
    let results = answer["results"].as_array().expect("a list");
    assert_eq!(results.len(), 2);
    let shown = &results[0];
    assert_eq!(shown["aggregationKey"]["identityNamespaces"], json!(["GAID", "phone"]));
    assert_eq!(shown["aggregationKey"]["segmentStatus"], "realized");
    assert_eq!(shown["aggregationKey"]["segmentAlias"], "s1");
    assert_eq!(shown["aggregationKey"]["destinationInstanceId"].as_str().map(str::len), Some(36));
    let entry = json!({
        "segmentMembership": {"ups": {"s1": {"lastQualificationTime": "2026-03-18T10:30:55.947+0000", "status": "realized"}}},
        "identityMap": {"GAID": [{"id": "g"}]},
        "attributes": {"first_name": {"value": "N"}},
    });
    assert_eq!(shown["profiles"][0], entry);
    assert_eq!(shown["profiles"].as_array().map(Vec::len), Some(2));
    assert!(shown["output"].as_str().is_some_and(|o| o.starts_with(&format!("s1 {entry} {{"))), "{}", shown["output"]);

    let faults = render("{{ 1 / 0 }}").expect_err("fails");
    assert!(faults[0].path == "template" && faults[0].message.contains("1:"), "{faults:?}");
    let faults = render_results(&config, "", Some(&[json!({"identityMap": {"a": [1]}})]), Timestamp(0), &mut || 0);
    assert_eq!(faults.expect_err("fails")[0].path, "profiles[0].identityMap.a[0]");
}

#[test]
fn fields_render_over_invented_customer_data() {
    let config = destination(best_effort(1));
    let templates =
        json!({"path": "/{{ customerData.region }}/{{ customerData.plan }}", "label": "{{customerData.label}}"});
    let answer = render_fields(&config, templates.as_object().expect("an object"), &mut test_numbers(2));
    let results = answer.expect("renders")["results"].clone();
    let path = results["path"].as_str().expect("text");
    assert!(path.starts_with("/eu-") || path.starts_with("/us-"), "{path}");
    assert!(path.ends_with("/free") || path.ends_with("/paid"), "{path}");
    assert!(results["label"].as_str().is_some_and(|l| l.len() == 11 && l.ends_with("-label")), "{results}");
    let wrong = json!({"a": "{{", "b": 1});
    let faults = render_fields(&config, wrong.as_object().expect("an object"), &mut || 0).expect_err("fails");
    assert_eq!(faults.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(), ["templates.a", "templates.b"]);
}

#[test]
fn all_renderings_of_an_answer_share_one_bound() {
    let config = destination(best_effort(1));
    let long = "x".repeat(12 << 20);
    let two = json!({"a": long, "b": long});
    assert!(render_fields(&config, two.as_object().expect("an object"), &mut || 0).is_ok());
    let three = json!({"a": long, "b": long, "c": long});
    let faults = render_fields(&config, three.as_object().expect("an object"), &mut || 0).expect_err("is too large");
    assert_eq!(faults[0].path, "templates.c");
    assert!(faults[0].message.contains("larger than 33554432 bytes"), "{faults:?}");
}

#[test]
fn source_samples_hold_what_the_flow_maps() {
    let instance = instance(best_effort(1));
    let profiles = sample::source_profiles(&instance, 2, Timestamp(0), &mut test_numbers(4));
    assert_eq!(profiles.len(), 2);
    assert_eq!(profiles[0]["segmentMembership"]["ups"]["a2"]["status"], "realized");
    assert_eq!(profiles[0]["person"], json!({"city": "string"}));
    assert_eq!(profiles[0]["identityMap"].as_object().map(Map::len), Some(3));
    let source = SourceProfile::from_json(&profiles[0]).expect("a source profile");
    assert_eq!(source.memberships.len(), 3);
    assert!(instance.withheld(&instance.target(source.clone())).is_none());
}

// --- grouping against the pseudo-code of the specification ---

#[derive(Debug, Clone)]
struct World {
    key: Json,
    split: bool,
    profiles: Vec<SourceProfile>,
}

fn world() -> impl Strategy<Value = World> {
    let group = prop::sample::subsequence(vec!["GAID", "phone", "ecid"], 1..=3);
    let groups = prop::collection::vec(group, 0..3);
    let key = (any::<[bool; 4]>(), groups).prop_map(|([segment, status, identity, one], mut groups)| {
        // At most two, which are refused if they are the same.
        groups.dedup();
        let groups: Vec<Json> = groups.into_iter().map(|names| json!({"namespaces": names})).collect();
        json!({"includeSegmentId": segment, "includeSegmentStatus": segment && status, "includeIdentity": identity,
               "oneIdentityPerGroup": one, "groups": groups})
    });
    let audiences = vec![("ups", "a1"), ("ups", "a2"), ("ext", "a1"), ("ups", "unmapped")];
    let memberships = prop::sample::subsequence(audiences, 0..=4).prop_flat_map(|audiences| {
        let flags = prop::collection::vec(any::<(bool, bool)>(), audiences.len());
        (Just(audiences), flags).prop_map(|(audiences, flags)| {
            let status = |exited| if exited { Status::Exited } else { Status::Realized };
            let pairs = audiences.into_iter().zip(flags);
            pairs.map(|((n, id), (exited, changed))| membership(n, id, status(exited), changed)).collect::<Vec<_>>()
        })
    });
    let value = prop::sample::select(vec!["1", "2", "3", "4"]);
    let identity = (prop::sample::select(vec!["GAID", "phone", "ecid", "unmapped"]), value);
    let profile = (memberships, prop::collection::vec(identity, 0..6))
        .prop_map(|(memberships, identities)| SourceProfile { memberships, ..profile(&identities) });
    (key, any::<bool>(), prop::collection::vec(profile, 0..5)).prop_map(|(key, split, profiles)| World {
        key,
        split,
        profiles,
    })
}

type Buckets = BTreeMap<String, Vec<Json>>;

/// The pseudo-code of destination-sdk.md §5.5 with S of design §11.12, word by word, over JSON.
fn naive(world: &World) -> Buckets {
    let key = |name: &str| world.key[name] == true;
    let mut buckets = Buckets::new();
    for source in &world.profiles {
        let p = naive_target(source);
        let mapped: Vec<_> = source.memberships.iter().filter(|m| m.id != "unmapped").collect();
        let changed: Vec<_> = mapped.iter().copied().filter(|m| m.changed).collect();
        let realized = mapped.iter().copied().filter(|m| m.status == Status::Realized).collect();
        let relevant = if changed.is_empty() { realized } else { changed };
        let s: Vec<Option<&SourceMembership>> = match key("includeSegmentId") {
            true => relevant.into_iter().map(Some).collect(),
            false => vec![None],
        };
        let present = || p["identityMap"].as_object().expect("a map").keys().cloned();
        let all = || ["phone", "GAID", "ecid"].map(str::to_owned).to_vec();
        let listed = world.key["groups"].as_array().expect("a list");
        let n: Vec<Option<Vec<String>>> = match (key("includeIdentity"), key("oneIdentityPerGroup")) {
            (false, _) => vec![None],
            (true, true) => present().map(|name| Some(vec![name])).collect(),
            (true, false) if listed.is_empty() => vec![Some(all())],
            (true, false) => {
                let names = |g: &Json| serde_json::from_value(g["namespaces"].clone()).expect("names");
                listed.iter().map(|g| Some(names(g))).collect()
            }
        };
        for s in &s {
            for n in &n {
                let mut q = p.clone();
                if let Some(s) = s {
                    let entry = p["segmentMembership"][s.namespace.as_str()][s.id.as_str()].clone();
                    q["segmentMembership"] = json!({s.namespace.as_str(): {s.id.as_str(): entry}});
                }
                let identities = q["identityMap"].as_object_mut().expect("a map");
                if let Some(n) = n {
                    identities.retain(|name, _| n.contains(name));
                }
                if identities.is_empty() {
                    continue;
                }
                let slices = if world.split { naive_split(&q) } else { vec![q] };
                let status = s.filter(|_| key("includeSegmentStatus")).map(|s| s.status.as_str());
                let name = json!([s.map(|s| (s.namespace.as_str(), s.id.as_str())), status, n]).to_string();
                buckets.entry(name).or_default().extend(slices);
            }
        }
    }
    buckets
}

fn naive_target(source: &SourceProfile) -> Json {
    let mut p = json!({"segmentMembership": {}, "identityMap": {},
        "attributes": {"city": {"value": "Ghent"}, "tier": {}}});
    for m in source.memberships.iter().filter(|m| m.id != "unmapped") {
        p["segmentMembership"][m.namespace.as_str()][m.id.as_str()] =
            json!({"lastQualificationTime": "1970-01-01T00:00:00.000+0000", "status": m.status.as_str()});
    }
    for target in ["phone", "GAID", "ecid"] {
        let mut ids: Vec<Json> = Vec::new();
        for (_, value) in source.identities.iter().filter(|(namespace, _)| namespace == target) {
            let id = json!({"id": value.as_str()});
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        if !ids.is_empty() {
            p["identityMap"][target] = ids.into();
        }
    }
    p
}

fn naive_split(q: &Json) -> Vec<Json> {
    let mut copies = Vec::new();
    for (namespace, ids) in q["identityMap"].as_object().expect("a map") {
        for id in ids.as_array().expect("a list") {
            let mut copy = q.clone();
            copy["identityMap"] = json!({namespace.as_str(): [id]});
            copies.push(copy);
        }
    }
    copies
}

/// Bodies that read more or less of entries.
const READING: &[&str] = &[
    "x{% for p in input.profiles %}{{ p.attributes.city.value }};{% endfor %}",
    "x{% for p in input.profiles %}{{ p.segmentMembership | raw }}{% endfor %}",
    "x{% for p in input.profiles %}{% for n in p.segmentMembership %}{% for s in n.value %}{{ s.key }}{{ s.value.status }}{% endfor %}{% endfor %}{% endfor %}",
    "x{% for p in input.profiles %}{{ p.segmentMembership.ups.a1.lastQualificationTime }}{% endfor %}",
    "x{% for p in input.profiles %}{% for s in p.segmentMembership.ups %}{{ s.value.lastQualificationTime }}{{ s.value.status }}{% endfor %}{% endfor %}",
    "x{% for p in input.profiles %}{% for part in p %}{{ part.key }}{% endfor %}{% for a in p.attributes %}{{ a.key }}{% endfor %}{% endfor %}",
    "x{{ input.profiles | length }}{{ input.profile.identityMap.GAID }}",
    "x{% if input.profile.attributes is empty %}none{% endif %}{{ input.profile.identityMap | length }}",
    "x{% set all = input.profiles %}{{ all }}",
    "x{% for p in input.profiles %}{{ p.attributes.list.value }}{% for i in p.identityMap.phone %}{{ i.id }}{% endfor %}{% endfor %}",
    "x{{ input.profile.segmentMembership.ups.a1 is null }}{{ input.profile.attributes.tier is empty }}",
];

proptest! {
    #[test]
    fn grouping_is_that_of_the_specification(world in world()) {
        let instance = instance(configurable(world.key.clone(), world.split));
        let targets: Vec<_> = world.profiles.iter().map(|p| instance.target(p.clone())).collect();
        let mut buckets = Buckets::new();
        for made in instance.messages(&targets) {
            let (group, slices) = (made.key, made.messages.concat());
            let segment = group.segment.as_ref().map(|(n, id)| (n.as_str(), id.as_str()));
            let namespaces = group.identity_namespaces.as_ref().map(|n| n.to_vec());
            let namespaces: Option<Vec<String>> = namespaces.map(|n| n.iter().map(SmolStr::to_string).collect());
            let name = json!([segment, group.status.map(GroupStatus::as_str), namespaces]).to_string();
            prop_assert!(slices.iter().all(|s| s.users as usize == instance.entries(&[s]).len() && s.lane == group.lane()));
            buckets.entry(name).or_default().extend(entries(&instance, &slices));
        }
        prop_assert_eq!(buckets, naive(&world));
        for target in &targets {
            prop_assert_eq!(instance.slices(target).is_empty(), instance.withheld(target).is_some());
        }
    }

    #[test]
    fn a_slice_has_at_most_the_users_of_a_message(max in 1u32..4, world in world()) {
        let instance = instance(json!({"aggregationType": "BEST_EFFORT", "bestEffortAggregation": {
            "maxUsersPerRequest": max, "splitUserById": true, "aggregationKey": world.key}}));
        let slices: Vec<_> = world.profiles.iter().flat_map(|p| instance.slices(&instance.target(p.clone()))).collect();
        for slice in &slices {
            prop_assert!((1..=max).contains(&slice.users) && slice.identities == slice.users);
        }
    }

    /// What templates do not read is left out of entries, and that must not show.
    #[test]
    fn what_is_left_out_is_not_missed(world in world(), which in 0..READING.len()) {
        let server = server("https://ex.test/{{ input.profile.attributes.tier.value }}", READING[which], json!({}));
        let mut mapping = mapping();
        mapping.attributes.push(AttributeMap { source: Source::Alias, ..attribute("x", "list") });
        let instance = instance_of(configurable(world.key.clone(), world.split), &server, mapping);
        let targets: Vec<_> = world.profiles.iter().map(|p| instance.target(p.clone())).collect();
        for made in instance.messages(&targets) {
            for slices in &made.messages {
                let slices: Vec<&Slice> = slices.iter().collect();
                let whole = instance.compose_entries(&made.key, instance.entries(&slices));
                prop_assert_eq!(instance.compose(&made.key, &slices), whole);
            }
        }
    }

    #[test]
    fn instants_have_milliseconds(ms in 0i64..250_000_000_000_000) {
        let (zulu, offset) = (TimeText::Zulu.print(Timestamp(ms)), TimeText::Offset.print(Timestamp(ms)));
        prop_assert_eq!(Timestamp::parse(&zulu), Some(Timestamp(ms)));
        prop_assert_eq!(offset.as_str(), zulu.replace('Z', "+0000"));
    }

    #[test]
    fn any_answer_is_judged(status in 100u16..600, body in prop::collection::vec(any::<u8>(), 0..48)) {
        let (instance, slices) = judging(json!({"type": "STATUS_LIST", "statuses": ["2xx", "4xx"], "list": "$", "success": [1]}));
        let refs: Vec<&Slice> = slices.iter().collect();
        match instance.judge(&Answer { status, body: &body }, &refs, RetryStatuses::Aep) {
            Judgement::PerSlice(each) => prop_assert_eq!(each.len(), refs.len()),
            Judgement::AllDelivered => prop_assert!((200..300).contains(&status)),
            _ => {}
        }
    }

    #[test]
    fn source_and_target_profiles_never_panic(text in "[\\[\\]{}\":,a-c0-9]{0,40}|\\PC{0,40}") {
        if let Ok(json) = serde_json::from_str::<Json>(&text) {
            for name in ["segmentMembership", "identityMap", "attributes"] {
                let profile = json!({name: json.clone()});
                let _ = SourceProfile::from_json(&profile);
                let _ = TargetProfile::from_json(&profile, TimeText::Offset);
            }
        }
    }
}
