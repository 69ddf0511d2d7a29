//! A batching destination in use.

use super::gather::Caps;
use crate::egress::Egress;
use crate::http::{self, Answer, Failure};
use crate::retry::RetryPolicy;
use clock::Clock;
use destination::config::AggregationKind;
use destination::message::{Instance, RetryStatuses};
use parking_lot::Mutex;
use reqwest::Client;
use reqwest::header::HeaderValue;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// How long the head of a receiver's answer may take by default: batches take longer than single profiles.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Changes of one flow that are kept in memory at most.
const OPEN_MAX: usize = 32_768;
/// And at least.
const OPEN_MIN: usize = 2_048;

/// How a batching destination lets requests in.
pub trait Authorize: Send + Sync + 'static {
    /// What the next request needs. `refused`: the number of the access that was answered by 401.
    fn access(&self, refused: Option<u64>) -> AccessFuture<'_>;

    /// How many tokens were fetched so far.
    fn fetched(&self) -> u64;
}

/// See [`Authorize::access`].
pub type AccessFuture<'a> = Pin<Box<dyn Future<Output = Result<Access, Refusal>> + Send + 'a>>;

/// What a request needs to be let in.
#[derive(Clone)]
pub struct Access {
    /// `Authorization`, unless a template sets it.
    pub header: Option<HeaderValue>,
    /// Which of the fetched tokens this is; none for what cannot be fetched anew.
    pub number: Option<u64>,
    /// `authData` of the templates.
    pub auth_data: Arc<serde_json::Value>,
}

/// Why there is no access.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Why; holds no secret.
    pub reason: String,
    /// Whether another attempt could do better.
    pub retry: bool,
    /// What the token endpoint asked for.
    pub retry_after_ms: Option<i64>,
}

/// One batching destination of one flow.
#[derive(Clone)]
pub struct Batching {
    /// Composes requests and judges answers.
    pub instance: Instance,
    /// Lets requests in.
    pub authorize: Arc<dyn Authorize>,
    /// The documented retries instead of ours.
    pub retry_aep: bool,
    /// Most requests at the same time, at least 1.
    pub concurrency_max: usize,
    /// How long the head of an answer may take.
    pub timeout: Duration,
}

impl Batching {
    /// With our retries and default limits.
    pub fn new(instance: Instance, authorize: Arc<dyn Authorize>) -> Batching {
        Batching { instance, authorize, retry_aep: false, concurrency_max: 32, timeout: ANSWER_TIMEOUT }
    }
}

/// A destination with the way out.
pub(crate) struct Target {
    pub(crate) batching: Batching,
    pub(crate) client: Client,
    pub(crate) egress: Egress,
    pub(crate) clock: Clock,
    /// The flow with the `authData` that was used last.
    authorized: Mutex<Option<(Arc<serde_json::Value>, Instance)>>,
}

/// What is read of an answer that tells of single records.
const RECORDS_BYTES_MAX: usize = 8 << 20;
/// What is read of any other.
const ANSWER_BYTES_MAX: usize = 64 << 10;

impl Target {
    pub(crate) fn new(batching: Batching, client: Client, egress: Egress, clock: Clock) -> Target {
        Target { batching, client, egress, clock, authorized: Mutex::default() }
    }

    /// The flow with this `authData`.
    pub(crate) fn instance(&self, auth_data: &Arc<serde_json::Value>) -> Instance {
        let mut authorized = self.authorized.lock();
        match &*authorized {
            Some((known, instance)) if Arc::ptr_eq(known, auth_data) => instance.clone(),
            _ => {
                let instance = self.batching.instance.with_auth_data(auth_data);
                *authorized = Some((auth_data.clone(), instance.clone()));
                instance
            }
        }
    }

    pub(crate) async fn send(&self, request: reqwest::Request) -> Result<Answer, Failure> {
        let body_max = match self.batching.instance.design().outcome() {
            Some(_) => RECORDS_BYTES_MAX,
            None => ANSWER_BYTES_MAX,
        };
        http::send_for(&self.client, &self.egress, &self.clock, request, self.batching.timeout, body_max).await
    }

    pub(crate) fn caps(&self) -> Caps {
        let design = self.batching.instance.design();
        let grouping = design.grouping();
        Caps {
            users_max: grouping.max_users.max(1),
            age_ms: i64::from(grouping.max_age_secs()) * 1000,
            one_per_lane: design.outcome().is_some(),
            open_max: self.open_max(),
        }
    }

    /// What waits for nothing but a turn need not be read long before it: twice what can be under way.
    fn open_max(&self) -> usize {
        let grouping = self.batching.instance.design().grouping();
        match grouping.kind {
            AggregationKind::Configurable { .. } => OPEN_MAX,
            AggregationKind::BestEffort { .. } => {
                let under_way = self.batching.concurrency_max.saturating_mul(grouping.max_users as usize);
                under_way.saturating_mul(2).clamp(OPEN_MIN, OPEN_MAX)
            }
        }
    }

    pub(crate) fn retry(&self) -> RetryPolicy {
        match (self.batching.retry_aep, self.batching.instance.design().grouping().kind) {
            (false, _) => RetryPolicy::Default,
            (true, AggregationKind::BestEffort { .. }) => RetryPolicy::AepBestEffort,
            (true, AggregationKind::Configurable { .. }) => RetryPolicy::AepConfigurable,
        }
    }

    pub(crate) fn statuses(&self) -> RetryStatuses {
        if self.batching.retry_aep { RetryStatuses::Aep } else { RetryStatuses::Default }
    }
}
