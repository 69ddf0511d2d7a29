//! Answers of receivers: any bytes give one judgement, and what cannot be read as declared is no success.

use crate::config::{instance, plain_destination};
use destination::config::ServerConfig;
use destination::message::{Answer, Design, Instance, Judgement, RetryStatuses, Slice, SliceOutcome, TargetProfile};
use serde_json::{Value as Json, json};
use std::sync::{Arc, OnceLock};

const STATUSES: &[u16] = &[100, 200, 204, 207, 302, 400, 404, 409, 413, 429, 500, 501, 503];

/// Ways to read an answer that the built-in destinations and the manual use.
fn declared() -> Vec<Json> {
    let entry_id = json!({"templatingStrategy": "PEBBLE_V1", "value": "{{ entry.identityMap.email[0].id }}"});
    vec![
        json!({"type": "STATUS_LIST", "list": "$.results[*]", "state": "$.status", "success": ["ok", 200],
            "retry": ["slow"], "message": "$.error.message", "error": "$.error"}),
        json!({"type": "STATUS_LIST", "list": "$[*]", "state": "$.errors[0].statusCode", "success": [null],
            "retry": ["LOCKED"], "message": "$.errors[0].message", "error": "$[0].message", "statuses": ["2xx", "4xx"]}),
        json!({"type": "FAILED_INDEXES", "list": "$.errors", "index": "$.index", "message": "$.reason"}),
        json!({"type": "FAILED_INDEXES", "list": "$.errors[*]['at']", "firstIndex": 1, "statuses": [200, 400]}),
        json!({"type": "FAILED_IDS", "list": "$.invalid[*].email", "id": "$", "entryId": entry_id}),
        json!({"type": "FAILED_IDS", "list": "$.invalid", "id": "$.email", "entryId": entry_id, "state": "$.code",
            "success": ["done"], "retry": [429, "slow"]}),
        json!({"type": "COUNTS", "failed": "$.num_invalid_entries", "error": "$.error.message"}),
        json!({"type": "COUNTS", "succeeded": "$.accepted"}),
    ]
}

struct World {
    instances: Vec<Instance>,
    slices: Vec<Slice>,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let server = |outcome: &Json| {
            let json = json!({
                "name": "s", "destinationServerType": "URL_BASED", "responseOutcome": outcome,
                "urlBasedDestination": {"url": {"templatingStrategy": "NONE", "value": "https://example.com/"}},
                "httpTemplate": {"httpMethod": "POST", "contentType": "application/json",
                    "requestBody": {"templatingStrategy": "PEBBLE_V1", "value": "{{ input.profiles }}"}},
            });
            let server = ServerConfig::parse(&json).expect("a server");
            instance(Design::new(plain_destination(), &server).expect("a design"), &Json::Null)
        };
        let instances: Vec<Instance> = declared().iter().map(server).collect();
        let slice = |email: &str| {
            let json = json!({
                "identityMap": {"email": [{"id": email}]}, "attributes": {"tier": "gold"},
                "segmentMembership": {"ups": {"segmentid1": {"status": "realized"}}},
            });
            let profile = TargetProfile::from_json(&json, instances[0].design().times()).expect("a profile");
            instances[0].slices(&Arc::new(profile))
        };
        let slices = ["a@x.de", "b@x.de", "a@x.de"].iter().flat_map(|email| slice(email)).collect::<Vec<_>>();
        assert_eq!(slices.len(), 3, "one slice for each profile");
        World { instances, slices }
    })
}

/// One body with every status, read in every declared way.
pub fn judge(body: &[u8]) {
    let world = world();
    let slices: Vec<&Slice> = world.slices.iter().collect();
    let is_json = serde_json::from_slice::<Json>(body).is_ok();
    for instance in &world.instances {
        for &status in STATUSES {
            let answer = Answer { status, body };
            for statuses in [RetryStatuses::Default, RetryStatuses::Aep] {
                let judgement = instance.judge(&answer, &slices, statuses);
                assert_eq!(judgement, instance.judge(&answer, &slices, statuses));
                let success = (200..300).contains(&status);
                match &judgement {
                    Judgement::AllDelivered => {
                        assert!(success, "{status} is no success");
                        assert!(status == 204 || is_json || !declares(instance, status), "unreadable, yet delivered");
                    }
                    Judgement::AllRetry { reason } | Judgement::AllRejected { reason, .. } => assert_bounded(reason),
                    Judgement::PerSlice(each) => {
                        assert_eq!(each.len(), slices.len());
                        each.iter().for_each(|outcome| match outcome {
                            SliceOutcome::Delivered => {}
                            SliceOutcome::Retry { reason } | SliceOutcome::Rejected { reason } => {
                                assert_bounded(reason)
                            }
                        });
                    }
                }
            }
            // One entry alone is judged, too.
            let _ = instance.judge(&answer, &slices[..1], RetryStatuses::Default);
        }
    }
}

fn declares(instance: &Instance, status: u16) -> bool {
    instance.design().outcome().is_some_and(|outcome| outcome.applies(status))
}

fn assert_bounded(reason: &str) {
    assert!(!reason.is_empty());
    assert!(reason.chars().count() < 700, "{} characters: {reason}", reason.chars().count());
}
