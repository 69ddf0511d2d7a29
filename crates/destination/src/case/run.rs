//! What trying a case gives.

use super::file::{Case, GivenAnswer};
use super::{audience, messages};
use crate::config::{AudienceTemplateConfig, DestinationConfig, Fault, ServerConfig};
use crate::folder::Configs;
use crate::message::{ComposeError, Design, Request, SliceOutcome};
use pebble::Value;
use serde_json::Value as Json;
use std::sync::Arc;

/// A destination ready to be tried.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The destination.
    pub destination: Arc<DestinationConfig>,
    /// What messages are made of; none for a destination of files.
    pub design: Option<Arc<Design>>,
    /// Its audience templates by name.
    pub audience_templates: Vec<(String, Arc<AudienceTemplateConfig>)>,
}

impl Subject {
    /// The destination of a folder.
    ///
    /// # Errors
    /// Why no messages can be made of a streaming destination.
    pub fn of(configs: &Configs) -> Result<Subject, Vec<Fault>> {
        let delivery = configs.destination.deliveries.first();
        let server = delivery.and_then(|delivery| configs.servers.get(delivery.destination_server_id.as_str()));
        let templates = configs.audience_templates.iter().map(|(name, template)| (name.clone(), template.clone()));
        Subject::new(configs.destination.clone(), server.map(|server| &**server), templates.collect())
    }

    /// A destination with the server that it delivers to and its audience templates.
    ///
    /// # Errors
    /// Why no messages can be made of a streaming destination.
    pub fn new(
        destination: Arc<DestinationConfig>,
        server: Option<&ServerConfig>,
        audience_templates: Vec<(String, Arc<AudienceTemplateConfig>)>,
    ) -> Result<Subject, Vec<Fault>> {
        let design = match server {
            Some(server) if !server.is_file() => Some(Arc::new(Design::new(&destination, server)?)),
            _ => None,
        };
        Ok(Subject { destination, design, audience_templates })
    }
}

/// What a case gave.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// The requests with their answers, in order.
    pub exchanges: Vec<Exchange>,
    /// What became of each profile.
    pub outcomes: Vec<ProfileOutcome>,
    /// The mapping id that an event of an audience template gave.
    pub alias: Option<String>,
    /// The message with which it failed.
    pub error: Option<String>,
    /// Whether the case cannot be tried: the mismatches say why.
    pub refused: bool,
    /// Where it is not as the case expects.
    pub mismatches: Vec<Mismatch>,
}

impl Run {
    /// Whether all is as expected.
    pub fn passed(&self) -> bool {
        self.mismatches.is_empty()
    }
}

/// One request and its answer.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// `input.aggregationKey`, where the destination has one.
    pub key: Option<Json>,
    /// The profiles of the case that it carries, by their place.
    pub profiles: Vec<usize>,
    /// What has to arrive in order: person and lane, with the profile of the case.
    pub lanes: Vec<((usize, u64), usize)>,
    /// The entries of `input.profiles`.
    pub entries: Vec<Value>,
    /// The request, or why there is none.
    pub request: Result<Request, ComposeError>,
    /// What the receiver said.
    pub answer: GivenAnswer,
    /// What that means for all of it, in words.
    pub judgement: String,
    /// Whether it was refused as a whole, and its halves are sent next.
    pub halved: bool,
}

/// What became of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProfileOutcome {
    /// The receiver took all of it.
    Delivered,
    /// Some of it is to be sent again.
    Retry(String),
    /// Some of it was refused for good, or cannot be composed.
    Rejected(String),
    /// It is not sent.
    Withheld(String),
}

impl ProfileOutcome {
    pub(crate) const WORDS: [&'static str; 4] = ["delivered", "retry", "rejected", "withheld"];

    /// The word of case files.
    pub fn word(&self) -> &'static str {
        match self {
            ProfileOutcome::Delivered => "delivered",
            ProfileOutcome::Retry(_) => "retry",
            ProfileOutcome::Rejected(_) => "rejected",
            ProfileOutcome::Withheld(_) => "withheld",
        }
    }

    /// Why.
    pub fn reason(&self) -> Option<&str> {
        match self {
            ProfileOutcome::Delivered => None,
            ProfileOutcome::Retry(why) | ProfileOutcome::Rejected(why) | ProfileOutcome::Withheld(why) => Some(why),
        }
    }

    pub(crate) fn text(&self) -> String {
        match self.reason() {
            Some(why) => format!("{}: {why}", self.word()),
            None => self.word().to_owned(),
        }
    }

    /// Of two outcomes of one profile the one that decides, as delivery has it.
    pub(crate) fn worse(self, other: &SliceOutcome) -> ProfileOutcome {
        let rank = |o: &ProfileOutcome| match o {
            ProfileOutcome::Delivered => 0,
            ProfileOutcome::Withheld(_) | ProfileOutcome::Rejected(_) => 1,
            ProfileOutcome::Retry(_) => 2,
        };
        let other = match other {
            SliceOutcome::Delivered => ProfileOutcome::Delivered,
            SliceOutcome::Retry { reason } => ProfileOutcome::Retry(reason.clone()),
            SliceOutcome::Rejected { reason } => ProfileOutcome::Rejected(reason.clone()),
        };
        if rank(&other) > rank(&self) { other } else { self }
    }
}

/// A difference from what is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// What differs.
    pub what: String,
    /// The difference, line by line.
    pub diff: Option<String>,
}

impl Mismatch {
    pub(crate) fn new(what: impl Into<String>) -> Mismatch {
        Mismatch { what: what.into(), diff: None }
    }
}

/// Tries a case.
pub fn run(subject: &Subject, case: &Case) -> Run {
    match &case.event {
        None => messages::run(subject, case),
        Some(event) => audience::run(subject, case, event),
    }
}
