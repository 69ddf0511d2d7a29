//! What a destination points to: whether it exists, and whether it is of use there.
//!
//! In: a destination and a way to look up servers, audience templates and credentials. Out: faults.

use super::audience_template::{AudienceTemplateConfig, EXTERNAL_AUDIENCE_ID, Event, RestTemplate};
use super::auth::CustomerAuthentication;
use super::credential::{CredentialAuth, CredentialConfig};
use super::data_field::{Choices, CustomerDataField};
use super::delivery::AuthenticationRule;
use super::destination::{DestinationConfig, Source};
use super::fault::Fault;
use super::http::HttpMethod;
use super::presentation::Frequency;
use super::server::{FileServerKind, ServerConfig, ServerTarget};
use std::sync::Arc;

/// What is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A destination server.
    Server,
    /// An audience template.
    AudienceTemplate,
    /// A credential.
    Credential,
}

/// What was found.
#[derive(Clone, Debug)]
pub enum Linked {
    /// A destination server.
    Server(Arc<ServerConfig>),
    /// An audience template.
    AudienceTemplate(Arc<AudienceTemplateConfig>),
    /// A credential.
    Credential(Arc<CredentialConfig>),
}

/// How things are looked up by kind and id.
type Find<'f> = &'f dyn Fn(Kind, &str) -> Option<Linked>;

/// Faults of what the destination points to.
pub fn check_links(destination: &DestinationConfig, find: Find<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut files = Vec::new();
    for (index, delivery) in destination.deliveries.iter().enumerate() {
        let path = format!("destinationDelivery[{index}]");
        let id_path = format!("{path}.destinationServerId");
        if let Some(server) = server(find, &delivery.destination_server_id, &id_path, &mut faults) {
            let fault = |name: &str, message: String| Fault::new(format!("{path}.{name}"), message);
            faults.extend(delivery_faults(destination, &server).into_iter().map(|m| fault("destinationServerId", m)));
            if server.is_file() && !delivery.takes_batches() {
                let message = "is required for files: [{\"type\": \"SOURCE\", \"value\": [\"batch\"]}]";
                faults.push(fault("deliveryMatchers", message.to_owned()));
            }
            files.push(server.is_file());
        }
        if delivery.authentication_rule == AuthenticationRule::Platform
            && let Some(id) = &delivery.authentication_id
        {
            let id_path = format!("{path}.authenticationId");
            faults.extend(credential_fault(find, id, &id_path, files.last().copied()));
        }
    }
    if files.contains(&true) && files.contains(&false) {
        let message = "must all be of one kind: streaming servers and servers of files are mixed";
        faults.push(Fault::new("destinationDelivery", message));
    }
    let has_files = files.contains(&true);
    if destination.deliveries.len() > 1 && !has_files && !files.is_empty() {
        let given = destination.deliveries.len();
        let message = format!("a streaming destination delivers to one server: must hold one entry; given {given}");
        faults.push(Fault::new("destinationDelivery[1]", message));
    }
    if !files.is_empty() {
        kind_faults(destination, has_files, &mut faults);
    }
    lookup_faults(destination, find, &mut faults);
    template_faults(destination, find, (!files.is_empty()).then_some(has_files), &mut faults);
    faults
}

fn server(find: Find<'_>, id: &str, path: &str, faults: &mut Vec<Fault>) -> Option<Arc<ServerConfig>> {
    match find(Kind::Server, id) {
        Some(Linked::Server(server)) => Some(server),
        _ => {
            faults.push(Fault::new(path, format!("no destination server has the id {id:?}")));
            None
        }
    }
}

/// What keeps a server from being the target of this destination.
fn delivery_faults(destination: &DestinationConfig, server: &ServerConfig) -> Vec<String> {
    let mut faults = Vec::new();
    match &server.target {
        ServerTarget::Url { http, .. } => {
            if http.is_none() {
                faults.push(format!("the server {:?} has no httpTemplate: there is nothing to send", server.name));
            }
            if destination.says_files() {
                let message = format!("the server {:?} takes requests; this destination exports files", server.name);
                faults.push(message);
            }
        }
        ServerTarget::File(file) => {
            let asks: Vec<&CustomerAuthentication> = destination.customer_authentications.iter().collect();
            if file.kind == FileServerKind::Dlz && !asks.is_empty() {
                let message = "a Data Landing Zone takes no customer authentication: the platform owns it";
                faults.push(message.to_owned());
            }
            for authentication in asks.iter().filter(|authentication| !fits(authentication, file.kind)) {
                let kind = authentication.auth_type();
                faults.push(format!("the server {:?} cannot be reached with authType {kind}", server.name));
            }
        }
    }
    faults
}

fn fits(authentication: &CustomerAuthentication, kind: FileServerKind) -> bool {
    match authentication {
        CustomerAuthentication::S3 => kind == FileServerKind::S3,
        CustomerAuthentication::AzureConnectionString => kind == FileServerKind::AzureBlob,
        CustomerAuthentication::AzureServicePrincipal => kind == FileServerKind::AdlsGen2,
        CustomerAuthentication::SftpWithPassword | CustomerAuthentication::SftpWithSshKey => {
            kind == FileServerKind::Sftp
        }
        CustomerAuthentication::GoogleCloudStorage => kind == FileServerKind::GoogleCloud,
        // Said once per destination, by `kind_faults`.
        CustomerAuthentication::Basic | CustomerAuthentication::Bearer | CustomerAuthentication::OAuth2(_) => true,
    }
}

/// Settings that do not belong to what the servers say the destination is.
fn kind_faults(destination: &DestinationConfig, files: bool, faults: &mut Vec<Fault>) {
    let mut fault = |path: &str, message: &str| faults.push(Fault::new(path, message));
    if files {
        if destination.aggregation.is_some() && destination.source != Some(Source::Datasets) {
            fault("aggregation", "is for streaming destinations; the server takes files");
        }
        if !destination.says_files() && destination.customer_authentications.iter().any(|a| a.is_streaming()) {
            fault(
                "customerAuthenticationConfigurations",
                "BASIC, BEARER and OAUTH2 are for streaming; the server takes files",
            );
        }
        if !destination.says_files() && destination.ui.frequency == Some(Frequency::Streaming) {
            fault("uiAttributes.frequency", "must be \"Batch\": the server takes files");
        }
    } else {
        if destination.batch.is_some() {
            fault("batchConfig", "is for files; the server takes requests");
        }
        if destination.source == Some(Source::Prospects) {
            fault("sources", "prospects are exported as files only; the server takes requests");
        }
        if destination.aggregation.is_none() && destination.source != Some(Source::Datasets) {
            fault("aggregation", "is required for a streaming destination");
        }
        if destination.customer_authentications.iter().any(|a| !a.is_streaming()) {
            fault("customerAuthenticationConfigurations", "holds an authType of files; the server takes requests");
        }
        if destination.ui.frequency == Some(Frequency::Batch) {
            fault("uiAttributes.frequency", "must be \"Streaming\": the server takes requests");
        }
    }
}

fn credential_fault(find: Find<'_>, id: &str, path: &str, file: Option<bool>) -> Option<Fault> {
    let Some(Linked::Credential(credential)) = find(Kind::Credential, id) else {
        return Some(Fault::new(path, format!("no credential has the id {id:?}")));
    };
    let basic = matches!(credential.auth, CredentialAuth::Basic { .. });
    match file {
        Some(false) if !basic => {
            Some(Fault::new(path, "requests are authenticated with basicAuthentication; this credential is another"))
        }
        _ => None,
    }
}

fn lookup_faults(destination: &DestinationConfig, find: Find<'_>, faults: &mut Vec<Fault>) {
    for (path, id, rule, needs) in lookups(destination) {
        let id_path = format!("{path}.destinationServerId");
        if let Some(server) = server(find, id, &id_path, faults) {
            faults.extend(lookup_fault(&server, needs).map(|message| Fault::new(id_path, message)));
        }
        let rule_path = format!("{path}.authenticationRule");
        if rule == AuthenticationRule::Customer && destination.customer_authentications.is_empty() {
            faults.push(Fault::new(
                rule_path,
                "needs customerAuthenticationConfigurations: customers authenticate with nothing",
            ));
        } else if rule == AuthenticationRule::Platform
            && !destination.deliveries.iter().any(|delivery| delivery.authentication_id.is_some())
        {
            faults.push(Fault::new(
                rule_path,
                "needs a destinationDelivery with an authenticationId: it names the credential",
            ));
        }
    }
}

/// The ids of everything that the destination names.
pub(crate) fn linked_ids(destination: &DestinationConfig) -> Vec<(Kind, &str)> {
    let mut ids = Vec::new();
    for delivery in &destination.deliveries {
        ids.push((Kind::Server, delivery.destination_server_id.as_str()));
        ids.extend(delivery.authentication_id.iter().map(|id| (Kind::Credential, id.as_str())));
    }
    ids.extend(destination.segment_mapping.audience_template_id.iter().map(|id| (Kind::AudienceTemplate, id.as_str())));
    ids.extend(lookups(destination).into_iter().map(|(_, id, ..)| (Kind::Server, id)));
    ids
}

/// Path, id of the server, rule, and what its answer must give.
type LookupLink<'d> = (String, &'d str, AuthenticationRule, Option<&'static str>);

/// Every look-up of the destination.
fn lookups(destination: &DestinationConfig) -> Vec<LookupLink<'_>> {
    let mut lookups = Vec::new();
    collect(&destination.customer_data_fields, "customerDataFields", &mut lookups);
    collect(&destination.schema.profile_fields, "schemaConfig.profileFields", &mut lookups);
    if let Some(dynamic) = &destination.schema.dynamic_schema {
        let path = "schemaConfig.dynamicSchemaConfig.dynamicEnum".to_owned();
        lookups.push((path, &dynamic.destination_server_id, dynamic.authentication_rule, Some("schema")));
    }
    lookups
}

fn collect<'d>(fields: &'d [CustomerDataField], path: &str, lookups: &mut Vec<LookupLink<'d>>) {
    for (index, field) in fields.iter().enumerate() {
        let path = format!("{path}[{index}]");
        if let Choices::Dynamic(dynamic) = &field.choices {
            let id = &dynamic.destination_server_id;
            lookups.push((format!("{path}.dynamicEnum"), id, dynamic.authentication_rule, None));
        }
        collect(field.properties(), &format!("{path}.properties"), lookups);
    }
}

fn lookup_fault(server: &ServerConfig, needs: Option<&str>) -> Option<String> {
    let name = &server.name;
    let ServerTarget::Url { http, response_fields, .. } = &server.target else {
        return Some(format!("the server {name:?} takes files; a lookup needs one of type URL_BASED"));
    };
    match http {
        None => return Some(format!("the server {name:?} has no httpTemplate: there is nothing to ask")),
        Some(http) if http.method != HttpMethod::Get => {
            return Some(format!("the server {name:?} asks with {}; a lookup needs GET", http.method.as_str()));
        }
        Some(_) => {}
    }
    if response_fields.is_empty() {
        return Some(format!("the server {name:?} has no responseFields: nothing is read from its answer"));
    }
    let needs = needs.filter(|needs| !response_fields.iter().any(|field| field.name == *needs))?;
    Some(format!("the server {name:?} has no response field named {needs:?}"))
}

fn template_faults(destination: &DestinationConfig, find: Find<'_>, files: Option<bool>, faults: &mut Vec<Fault>) {
    const PATH: &str = "audienceMetadataConfig.audienceTemplateId";
    let Some(id) = &destination.segment_mapping.audience_template_id else { return };
    let Some(Linked::AudienceTemplate(template)) = find(Kind::AudienceTemplate, id) else {
        faults.push(Fault::new(PATH, format!("no audience template has the id {id:?}")));
        return;
    };
    if files == Some(false) && template.events.contains_key(&Event::Notify) {
        let message = format!("the template {:?} has the event notify, which is for files", template.name);
        faults.push(Fault::new(PATH, message));
    }
    let gives_id = |create: &RestTemplate| create.response_fields.iter().any(|(name, _)| name == EXTERNAL_AUDIENCE_ID);
    if destination.segment_mapping.by.is_none() && template.events.get(&Event::Create).is_some_and(|c| !gives_id(c)) {
        let message = format!(
            "the create event of the template {:?} has no response field {EXTERNAL_AUDIENCE_ID}, which would give the \
             mapping id; add it, or set segmentMappingConfig.mapExperiencePlatformSegmentId true",
            template.name
        );
        faults.push(Fault::new(PATH, message));
    }
}
