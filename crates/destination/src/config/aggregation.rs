//! How profiles are put together into requests (`aggregation`, streaming destinations).

use super::read::{At, Object};
use smol_str::SmolStr;

/// The aggregation policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aggregation {
    /// When a request is sent.
    pub kind: AggregationKind,
    /// Whether a message has one entry per identity instead of one per profile.
    pub split_user_by_id: bool,
    /// What profiles of one request have in common; any profiles when absent.
    pub key: Option<AggregationKey>,
}

/// When a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AggregationKind {
    /// At once, with what is there.
    BestEffort {
        /// At most so many profiles in a request.
        max_users_per_request: u32,
    },
    /// When a group is full or old enough, whichever is first.
    Configurable {
        /// Age of the oldest profile of a group, in seconds.
        max_batch_age_secs: u32,
        /// Profiles in a group.
        max_num_events_in_batch: u32,
    },
}

/// What the profiles of one group have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AggregationKey {
    /// The audience (id and namespace).
    pub include_segment_id: bool,
    /// The membership status; only with `include_segment_id`.
    pub include_segment_status: bool,
    /// The identity namespace.
    pub include_identity: bool,
    /// Every namespace is a group of its own; `groups` is not read then.
    pub one_identity_per_group: bool,
    /// Namespaces that form a group together; empty: all in one group (destination-sdk.md, B.8).
    pub groups: Vec<Vec<SmolStr>>,
}

const TYPES: &[(&str, bool)] = &[("BEST_EFFORT", false), ("CONFIGURABLE_AGGREGATION", true)];
const BEST: &str = "bestEffortAggregation";
const CONFIGURABLE: &str = "configurableAggregation";

/// Reads the policy. For data sets, which are exported as files, only the type is given: nothing is aggregated.
pub(crate) fn aggregation(at: &At<'_>, datasets: bool) -> Option<Aggregation> {
    at.object(|object| {
        let configurable = object.need("aggregationType").and_then(|at| at.one_of(TYPES));
        match configurable {
            Some(true) if datasets => {
                object.at.fault("a destination of DATASETS takes aggregationType BEST_EFFORT only");
                object.echo(CONFIGURABLE);
                object.echo(BEST);
                None
            }
            Some(true) => {
                object.refuse(BEST, "is for aggregationType BEST_EFFORT; given CONFIGURABLE_AGGREGATION");
                object.need(CONFIGURABLE)?.object(configurable_aggregation)
            }
            Some(false) => {
                object.refuse(CONFIGURABLE, "is for aggregationType CONFIGURABLE_AGGREGATION; given BEST_EFFORT");
                if datasets {
                    return object.get(BEST)?.object(best_effort);
                }
                object.need(BEST)?.object(best_effort)
            }
            None => {
                _ = object.get(BEST).and_then(|at| at.object(best_effort));
                _ = object.get(CONFIGURABLE).and_then(|at| at.object(configurable_aggregation));
                None
            }
        }
    })
}

fn best_effort(object: &Object<'_>) -> Option<Aggregation> {
    let max = object.need("maxUsersPerRequest").and_then(|at| at.integer(1, u64::from(u32::MAX)));
    let split_user_by_id = object.flag("splitUserById").unwrap_or(false);
    let key = object.get("aggregationKey").and_then(|at| at.object(key));
    Some(Aggregation { kind: AggregationKind::BestEffort { max_users_per_request: max? }, split_user_by_id, key })
}

fn configurable_aggregation(object: &Object<'_>) -> Option<Aggregation> {
    let age = object.need("maxBatchAgeInSecs").and_then(|at| at.integer(301, 3600));
    let events = object.need("maxNumEventsInBatch").and_then(|at| at.integer(1000, 10_000));
    let split_user_by_id = object.flag("splitUserById").unwrap_or(false);
    let key = object.get("aggregationKey").and_then(|at| at.object(key));
    object.echo("aggregationPolicyId");
    let kind = AggregationKind::Configurable { max_batch_age_secs: age?, max_num_events_in_batch: events? };
    Some(Aggregation { kind, split_user_by_id, key })
}

fn key(object: &Object<'_>) -> Option<AggregationKey> {
    let key = AggregationKey {
        include_segment_id: object.flag("includeSegmentId").unwrap_or(false),
        include_segment_status: object.flag("includeSegmentStatus").unwrap_or(false),
        include_identity: object.flag("includeIdentity").unwrap_or(false),
        one_identity_per_group: object.flag("oneIdentityPerGroup").unwrap_or(false),
        groups: object.get("groups").and_then(|at| groups(&at)).unwrap_or_default(),
    };
    if let Some(at) = object.get("includeSegmentStatus")
        && key.include_segment_status
        && !key.include_segment_id
    {
        at.fault("needs includeSegmentId true as well");
    }
    Some(key)
}

fn groups(at: &At<'_>) -> Option<Vec<Vec<SmolStr>>> {
    at.list(|group| {
        group.object(|object| {
            let at = object.need("namespaces")?;
            let names = at.list(|name| name.filled().map(SmolStr::new))?;
            if names.is_empty() {
                at.fault("must name at least one namespace");
            }
            Some(names)
        })
    })
}
