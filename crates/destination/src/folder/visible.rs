//! What a template sees, by where it stands (destination-sdk.md §4.6), and which of the names that it reads are none
//! of these.

use super::{Configs, Part};
use crate::config::{CustomerDataField, FieldKind, ServerTarget};
use pebble::Reads;

/// What is known of a value.
pub(crate) enum Shape<'c> {
    /// Nothing.
    Any,
    /// The names of its values.
    Fields(Vec<(&'c str, Shape<'c>)>),
    /// What its items are.
    List(Box<Shape<'c>>),
}

/// Where a template stands.
pub(crate) struct Sight<'c> {
    configs: &'c Configs,
    place: Place,
}

enum Place {
    /// The request of a server.
    Request,
    /// A field that is read from the answer of a lookup.
    LookupAnswer,
    /// A record of a message that is judged.
    Entry,
    File,
    /// A token request and what is read of its answer.
    Token,
    /// An audience call before it is made.
    AudienceCall,
    /// The answer of an audience call, whose own keys are names: nothing is known but what the customer fills in.
    AudienceAnswer,
    Unknown,
}

impl<'c> Sight<'c> {
    pub(crate) fn of(configs: &'c Configs, part: Part, name: &str, path: &str) -> Sight<'c> {
        let in_answer = || path.contains(".responseFields[") || path.contains(".responseErrorFields[");
        let place = match part {
            Part::Servers if path.starts_with("responseFields") => Place::LookupAnswer,
            Part::Servers if path.starts_with("responseOutcome") => Place::Entry,
            Part::Servers => match configs.servers.get(name).map(|server| &server.target) {
                Some(ServerTarget::Url { .. }) => Place::Request,
                Some(ServerTarget::File(_)) => Place::File,
                None => Place::Unknown,
            },
            Part::Destination if path.starts_with("customerAuthenticationConfigurations") => Place::Token,
            Part::AudienceTemplates if in_answer() => Place::AudienceAnswer,
            Part::AudienceTemplates => Place::AudienceCall,
            Part::Destination | Part::Credentials | Part::Cases => Place::Unknown,
        };
        Sight { configs, place }
    }

    /// What stands at the top; none: it cannot be known.
    pub(crate) fn shape(&self) -> Option<Shape<'c>> {
        let customer = || ("customerData", customer_data(&self.configs.destination.customer_data_fields));
        let any = |name| (name, Shape::Any);
        let roots = match self.place {
            Place::Request => vec![("input", input()), customer(), any("destination"), any("authData")],
            Place::LookupAnswer => vec![any("response"), customer(), any("authData")],
            Place::Entry => vec![any("entry"), customer()],
            Place::File => vec![customer()],
            Place::Token => vec![any("authData"), any("response"), any("userContext")],
            Place::AudienceCall => {
                let segment = named(["id", "name", "alias", "description", "metadata"]);
                let destination = named(["name", "id", "imsOrgId", "sandboxName", "enrichmentAttributes"]);
                let rest = ["authData", "segmentEnrichmentAttributes", "oauth2ServiceAccessToken", "validations"];
                let mut roots = vec![("segment", segment), ("destination", destination), customer()];
                roots.extend(rest.map(any));
                roots
            }
            Place::AudienceAnswer | Place::Unknown => return None,
        };
        Some(fields(roots))
    }
}

fn fields<'c>(fields: Vec<(&'c str, Shape<'c>)>) -> Shape<'c> {
    Shape::Fields(fields)
}

fn named<'c, const N: usize>(names: [&'static str; N]) -> Shape<'c> {
    fields(names.map(|name| (name, Shape::Any)).into())
}

/// Destination-sdk.md §5.4, §5.6.
fn input<'c>() -> Shape<'c> {
    let profile = || named(["segmentMembership", "identityMap", "attributes"]);
    let key = ["segmentId", "segmentNamespace", "segmentAlias", "segmentStatus", "identityNamespaces"];
    let profiles = Shape::List(Box::new(profile()));
    fields(vec![("profile", profile()), ("profiles", profiles), ("aggregationKey", named(key))])
}

fn customer_data(given: &[CustomerDataField]) -> Shape<'_> {
    fn one(field: &CustomerDataField) -> (&str, Shape<'_>) {
        match &field.kind {
            FieldKind::Object(properties) => (&field.name, customer_data(properties)),
            FieldKind::String | FieldKind::Integer => (&field.name, Shape::Any),
        }
    }
    fields(given.iter().map(one).collect())
}

/// The paths that are read and are nowhere, each with what is known at its place.
pub(crate) fn unknown_paths<'s>(reads: &Reads, shape: &'s Shape<'_>) -> Vec<(Vec<String>, Vec<&'s str>)> {
    let mut found = Vec::new();
    walk(reads, shape, &mut Vec::new(), &mut found);
    found
}

fn walk<'s>(reads: &Reads, shape: &'s Shape<'_>, path: &mut Vec<String>, found: &mut Vec<(Vec<String>, Vec<&'s str>)>) {
    let Reads::Parts(parts) = reads else { return };
    match shape {
        Shape::Any => {}
        Shape::List(item) => {
            if let Some(reads) = &parts.items {
                walk(reads, item, path, found);
            }
        }
        Shape::Fields(fields) => {
            for (name, reads) in &parts.named {
                path.push(name.to_string());
                match fields.iter().find(|(known, _)| *known == name.as_str()) {
                    Some((_, shape)) => walk(reads, shape, path, found),
                    None => found.push((path.clone(), fields.iter().map(|(known, _)| *known).collect())),
                }
                path.pop();
            }
        }
    }
}
