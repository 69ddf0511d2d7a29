//! A streaming destination, ready for messages: how profiles are grouped, and what a request is made of.
//!
//! In: the configurations of a destination and of its server. Out: [`Design`], or why no messages can be made.

use super::mapping::{Source, required_transformation};
use super::outcome::Outcome;
use super::profile::TimeText;
use crate::config::{
    Aggregation, AggregationKind, DestinationConfig, Fault, HttpTemplate, IdentityNamespace, ServerConfig,
    ServerTarget, Templated, Transformation,
};
use model::SmolStr;
use pebble::Reads;
use std::sync::Arc;

/// A streaming destination, ready for messages.
#[derive(Debug, Clone)]
pub struct Design {
    grouping: Grouping,
    namespaces: Vec<(SmolStr, IdentityNamespace)>,
    /// Absent where only templates are tried.
    request: Option<RequestTemplate>,
    outcome: Option<Outcome>,
    /// What the templates read of an entry of `input.profiles`.
    reads: Reads,
}

/// What a request is rendered from.
#[derive(Debug, Clone)]
pub(crate) struct RequestTemplate {
    pub(crate) url: Templated,
    pub(crate) http: HttpTemplate,
}

/// How profiles are put together (destination-sdk.md §3.10, §5.5).
#[derive(Debug, Clone)]
pub struct Grouping {
    /// When a message is sent, and how many users it has.
    pub kind: AggregationKind,
    /// The most users of a message.
    pub max_users: u32,
    /// Whether templates have `input.aggregationKey`.
    pub keyed: bool,
    /// By audience.
    pub by_segment: bool,
    /// By status in the audience.
    pub by_status: bool,
    /// By identity namespace.
    pub identities: IdentityGroups,
    /// One entry for each identity.
    pub split: bool,
}

/// How identities are put into groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityGroups {
    /// They are not.
    Any,
    /// Each namespace is its own group.
    Each,
    /// All namespaces are one group: `groups` is empty (B.8).
    All,
    /// The configured groups. Identities of other namespaces are not sent (B.8).
    Listed(Vec<Arc<[SmolStr]>>),
}

impl Grouping {
    /// Reads the policy.
    pub fn new(aggregation: &Aggregation) -> Grouping {
        let max_users = match aggregation.kind {
            AggregationKind::BestEffort { max_users_per_request } => max_users_per_request,
            AggregationKind::Configurable { max_num_events_in_batch, .. } => max_num_events_in_batch,
        };
        let key = aggregation.key.clone().unwrap_or_default();
        let identities = match (key.include_identity, key.one_identity_per_group, key.groups) {
            (false, ..) => IdentityGroups::Any,
            (true, true, _) => IdentityGroups::Each,
            (true, false, groups) if groups.is_empty() => IdentityGroups::All,
            (true, false, groups) => IdentityGroups::Listed(groups.into_iter().map(Arc::from).collect()),
        };
        Grouping {
            kind: aggregation.kind,
            max_users,
            keyed: key.include_segment_id || key.include_identity,
            by_segment: key.include_segment_id,
            by_status: key.include_segment_id && key.include_segment_status,
            identities,
            split: aggregation.split_user_by_id,
        }
    }

    /// How old a group may become before it is sent, in seconds; zero: it is not held back.
    pub fn max_age_secs(&self) -> u32 {
        match self.kind {
            AggregationKind::BestEffort { .. } => 0,
            AggregationKind::Configurable { max_batch_age_secs, .. } => max_batch_age_secs,
        }
    }
}

impl Design {
    /// Takes a streaming destination and the server that it delivers to.
    pub fn new(destination: &DestinationConfig, server: &ServerConfig) -> Result<Design, Vec<Fault>> {
        let mut faults = Vec::new();
        if destination.aggregation.is_none() {
            faults.push(Fault::new("aggregation", "is needed for a destination that sends messages"));
        }
        let request = request(server).map_err(|fault| faults.push(fault)).ok();
        let outcome = server.response_outcome.as_ref().map(Outcome::parse).transpose();
        let outcome = outcome.map_err(|found| faults.extend(found.into_iter().map(within_outcome))).ok();
        match (&destination.aggregation, request, outcome) {
            (Some(aggregation), Some(request), Some(outcome)) => Ok(Design {
                grouping: Grouping::new(aggregation),
                namespaces: destination.identity_namespaces.clone(),
                reads: entry_reads(&request, outcome.as_ref()),
                request: Some(request),
                outcome,
            }),
            _ => Err(faults),
        }
    }

    /// A destination of which only templates are tried.
    pub(crate) fn without_server(destination: &DestinationConfig) -> Result<Design, Vec<Fault>> {
        let Some(aggregation) = &destination.aggregation else {
            let message = "is needed to render messages; this destination exports files";
            return Err(vec![Fault::new("aggregation", message)]);
        };
        let namespaces = destination.identity_namespaces.clone();
        let grouping = Grouping::new(aggregation);
        Ok(Design { grouping, namespaces, request: None, outcome: None, reads: Reads::Whole })
    }

    /// How profiles are put together.
    pub fn grouping(&self) -> &Grouping {
        &self.grouping
    }

    /// How records of an answer are told apart, if the server declares it.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// How instants of memberships are printed.
    pub fn times(&self) -> TimeText {
        times(self.grouping.kind)
    }

    /// What the destination does in any case to identities of a source that go to a target namespace.
    pub fn required_transformation(&self, target: &str, source: &Source) -> Option<Transformation> {
        let (_, namespace) = self.namespaces.iter().find(|(name, _)| name == target)?;
        required_transformation(namespace, source)
    }

    pub(crate) fn namespaces(&self) -> &[(SmolStr, IdentityNamespace)] {
        &self.namespaces
    }

    pub(crate) fn reads(&self) -> &Reads {
        &self.reads
    }

    pub(crate) fn request(&self) -> Option<&RequestTemplate> {
        self.request.as_ref()
    }
}

/// What all templates of a server read of an entry.
fn entry_reads(request: &RequestTemplate, outcome: Option<&Outcome>) -> Reads {
    let http = &request.http;
    let headers = http.headers.iter().map(|(_, value)| value);
    let mut entry = Reads::nothing();
    for templated in std::iter::once(&request.url).chain(&http.query).chain(headers).chain(&http.body) {
        let Templated::Template { template, .. } = templated else { continue };
        let Some(input) = template.reads().child("input").map(|reads| reads.into_owned()) else { continue };
        if let Some(profiles) = input.child("profiles")
            && let Some(each) = profiles.item()
        {
            entry.merge(each);
        }
        if let Some(profile) = input.child("profile") {
            entry.merge(&profile);
        }
    }
    if let Some(read) =
        outcome.and_then(Outcome::entry_id).and_then(|t| t.reads().child("entry").map(|r| r.into_owned()))
    {
        entry.merge(&read);
    }
    entry
}

/// The printed form of instants differs by aggregation (destination-sdk.md §2.10).
fn times(kind: AggregationKind) -> TimeText {
    match kind {
        AggregationKind::BestEffort { .. } => TimeText::Zulu,
        AggregationKind::Configurable { .. } => TimeText::Offset,
    }
}

fn within_outcome(fault: Fault) -> Fault {
    let dot = if fault.path.is_empty() { "" } else { "." };
    Fault::new(format!("responseOutcome{dot}{}", fault.path), fault.message)
}

/// The request of a server of messages.
fn request(server: &ServerConfig) -> Result<RequestTemplate, Fault> {
    match &server.target {
        ServerTarget::Url { url, http: Some(http), .. } => Ok(RequestTemplate { url: url.clone(), http: http.clone() }),
        ServerTarget::Url { http: None, .. } => {
            Err(Fault::new("httpTemplate", "is needed for a server that messages are sent to"))
        }
        ServerTarget::File(_) => Err(Fault::new("destinationServerType", "URL_BASED is needed for messages")),
    }
}
