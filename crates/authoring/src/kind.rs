//! The four kinds of objects that are authored, and what differs between them.

use crate::error::{Error, Result};
use destination::config::{AudienceTemplateConfig, CredentialConfig, DestinationConfig, ServerConfig};
use model::Collection;
use serde_json::Value as Json;
use std::sync::Arc;

/// A kind of authored object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `/authoring/destinations`.
    Destination,
    /// `/authoring/destination-servers`.
    Server,
    /// `/authoring/audience-templates`.
    AudienceTemplate,
    /// `/authoring/credentials`.
    Credential,
}

/// A document that was read.
#[derive(Debug, Clone)]
pub(crate) enum Parsed {
    Destination(Arc<DestinationConfig>),
    Server(Arc<ServerConfig>),
    AudienceTemplate(Arc<AudienceTemplateConfig>),
    Credential(Arc<CredentialConfig>),
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 4] = [Kind::Destination, Kind::Server, Kind::AudienceTemplate, Kind::Credential];

    /// Where its documents are kept.
    pub fn collection(self) -> Collection {
        match self {
            Kind::Destination => Collection::AuthoringDestination,
            Kind::Server => Collection::AuthoringServer,
            Kind::AudienceTemplate => Collection::AudienceTemplate,
            Kind::Credential => Collection::Credential,
        }
    }

    /// The last part of its path.
    pub fn plural(self) -> &'static str {
        match self {
            Kind::Destination => "destinations",
            Kind::Server => "destination-servers",
            Kind::AudienceTemplate => "audience-templates",
            Kind::Credential => "credentials",
        }
    }

    /// GET by id answers a list of one (destination-sdk.md B.1).
    pub(crate) fn shown_in_list(self) -> bool {
        matches!(self, Kind::Destination | Kind::AudienceTemplate)
    }

    /// Reads a document, or names every fault.
    pub(crate) fn parse(self, body: &Json) -> Result<Parsed> {
        let parsed = match self {
            Kind::Destination => DestinationConfig::parse(body).map(|config| Parsed::Destination(Arc::new(config))),
            Kind::Server => ServerConfig::parse(body).map(|config| Parsed::Server(Arc::new(config))),
            Kind::AudienceTemplate => {
                AudienceTemplateConfig::parse(body).map(|config| Parsed::AudienceTemplate(Arc::new(config)))
            }
            Kind::Credential => CredentialConfig::parse(body).map(|config| Parsed::Credential(Arc::new(config))),
        };
        parsed.map_err(Error::Invalid)
    }
}

impl Parsed {
    /// The document in the form in which it is stored.
    pub(crate) fn json(&self) -> &Json {
        match self {
            Parsed::Destination(config) => &config.json,
            Parsed::Server(config) => &config.json,
            Parsed::AudienceTemplate(config) => &config.json,
            Parsed::Credential(config) => &config.json,
        }
    }
}
