//! Calls that announce audiences to the receiving system (`/authoring/audience-templates`).

use super::data_field::{Pattern, pattern};
use super::fault::Fault;
use super::http::{HttpMethod, METADATA_METHODS, header_name};
use super::read::{At, Object, Reading};
use super::template::{JsonTemplate, Templated, json_template, macros};
use serde_json::Value as Json;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// The calls, by what happened.
#[derive(Clone, Debug)]
pub struct AudienceTemplateConfig {
    /// Stands before the receiving system's errors when users see them.
    pub name: String,
    /// The call of each event.
    pub events: BTreeMap<Event, RestTemplate>,
    /// Checked before any call.
    pub validations: Vec<Validation>,
    /// The document in the form in which it is stored.
    pub json: Json,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// An audience is activated that the receiving system does not know.
    Create,
    /// An audience changed.
    Update,
    /// An audience is no longer activated.
    Delete,
    /// Entered data is checked before other calls.
    Validate,
    /// A file was exported.
    Notify,
    /// A dataflow was created.
    CreateDestination,
    /// A dataflow was changed.
    UpdateDestination,
    /// A dataflow was deleted.
    DeleteDestination,
}

/// Name of the response field of `create` that holds the mapping id.
pub(crate) const EXTERNAL_AUDIENCE_ID: &str = "externalAudienceId";

impl Event {
    /// Every event with its field.
    pub const ALL: &[(&str, Event)] = &[
        ("create", Event::Create),
        ("update", Event::Update),
        ("delete", Event::Delete),
        ("validate", Event::Validate),
        ("notify", Event::Notify),
        ("createDestination", Event::CreateDestination),
        ("updateDestination", Event::UpdateDestination),
        ("deleteDestination", Event::DeleteDestination),
    ];

    /// Its field.
    pub fn field(self) -> &'static str {
        Self::ALL.iter().find(|(_, event)| *event == self).map_or("", |(field, _)| field)
    }
}

/// One call.
#[derive(Clone, Debug)]
pub struct RestTemplate {
    /// Address.
    pub url: Templated,
    /// Method.
    pub method: HttpMethod,
    /// Headers in their order.
    pub headers: Vec<(String, Templated)>,
    /// The JSON body.
    pub body: Option<JsonTemplate>,
    /// What is taken from an answer of success; `externalAudienceId` is the mapping id.
    pub response_fields: Vec<(SmolStr, Templated)>,
    /// What is taken from an answer of failure; `message` is shown to the user.
    pub response_error_fields: Vec<(SmolStr, Templated)>,
    /// Checked before this call.
    pub validations: Vec<Validation>,
}

/// A value that must match before a call is made.
#[derive(Clone, Debug)]
pub struct Validation {
    /// What is checked.
    pub field: String,
    /// What it must match.
    pub regex: Pattern,
}

impl AudienceTemplateConfig {
    /// Reads an audience template, or says everything that is wrong with it.
    pub fn parse(json: &Json) -> Result<AudienceTemplateConfig, Vec<Fault>> {
        let reading = Reading::default();
        let read = reading.top(json).object(template);
        let (mut config, json) = reading.close(json, read)?;
        config.json = json;
        Ok(config)
    }
}

fn template(object: &Object<'_>) -> Option<AudienceTemplateConfig> {
    ["instanceId", "createdDate", "lastModifiedDate", "imsOrg", "sandboxName", "sandboxId"]
        .iter()
        .for_each(|name| object.server_set(name));
    let validations = object.get("validations").and_then(|at| validations(&at)).unwrap_or_default();
    let (name, events) = object.need("metadataTemplate")?.object(metadata_template)?;
    Some(AudienceTemplateConfig { name, events, validations, json: Json::Null })
}

fn metadata_template(object: &Object<'_>) -> Option<(String, BTreeMap<Event, RestTemplate>)> {
    let name = object.need("name").and_then(|at| at.filled().map(str::to_owned));
    let mut events = BTreeMap::new();
    let mut given = 0;
    for (field, event) in Event::ALL {
        let Some(at) = object.get(field) else { continue };
        given += 1;
        if let Some(call) = at.object(rest_template) {
            events.insert(*event, call);
        }
    }
    if given == 0 {
        let names: Vec<&str> = Event::ALL.iter().map(|(field, _)| *field).collect();
        object.at.fault(format!("must hold the call of at least one event: {}", names.join(", ")));
    }
    Some((name?, events))
}

fn rest_template(object: &Object<'_>) -> Option<RestTemplate> {
    let url = object.need("url").and_then(|at| url(&at));
    let method = object.need("httpMethod").and_then(|at| at.one_of(METADATA_METHODS));
    let headers = object.get("headers").and_then(|at| at.list(|item| item.object(header))).unwrap_or_default();
    let body = object.get("requestBody").and_then(|at| at.object(|body| json_template(&body.need("json")?)));
    let pairs = |name: &'static str| object.get(name).and_then(|at| at.list(|item| item.object(pair)));
    let response_fields = pairs("responseFields").unwrap_or_default();
    let response_error_fields = pairs("responseErrorFields").unwrap_or_default();
    let validations = object.get("validations").and_then(|at| validations(&at)).unwrap_or_default();
    Some(RestTemplate {
        url: url?,
        method: method?,
        headers,
        body,
        response_fields,
        response_error_fields,
        validations,
    })
}

fn url(at: &At<'_>) -> Option<Templated> {
    at.filled()?;
    let value = macros(at)?;
    if value.constant().is_some() {
        super::http::address(at)?;
    }
    Some(value)
}

fn header(object: &Object<'_>) -> Option<(String, Templated)> {
    let name = object.need("header").and_then(|at| header_name(&at));
    let value = object.need("value").and_then(|at| macros(&at));
    Some((name?, value?))
}

fn pair(object: &Object<'_>) -> Option<(SmolStr, Templated)> {
    let name = object.need("name").and_then(|at| at.filled().map(SmolStr::new));
    let value = object.need("value").and_then(|at| macros(&at));
    Some((name?, value?))
}

fn validations(at: &At<'_>) -> Option<Vec<Validation>> {
    at.list(|item| {
        item.object(|object| {
            let field = object.need("field").and_then(|at| at.filled().map(str::to_owned));
            let regex = object.need("regex").and_then(|at| pattern(&at));
            Some(Validation { field: field?, regex: regex? })
        })
    })
}
