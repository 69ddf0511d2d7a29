//! Trying a destination: sample profiles, a first template, renderings, the names of files.
//!
//! Nothing is sent from here. Chance comes from the caller; what was drawn decides every invented value.

use crate::catalog::{Catalog, CatalogEntry};
use crate::error::{Error, Result};
use crate::kind::{Kind, Parsed};
use crate::objects::find;
use destination::config::{
    DestinationConfig, FileNameContext, Segment, ServerTarget, Templated, expand_path, file_name, part_name,
};
use destination::message::{
    Aliases, Design, Instance, MappedAudience, Setup, render_fields as fields, render_results, sample,
};
use flows::{FlowSpec, SdkTarget, Target};
use model::{Caller, Collection, DocSet, SandboxId, SmolStr, Timestamp};
use serde_json::{Value as Json, json};
use std::sync::Arc;

pub use destination::message::sample::PROFILES_MAX;

/// `GET /authoring/sample-profiles`.
pub fn sample_profiles(
    docs: &DocSet,
    caller: &Caller<'_>,
    catalog: &Catalog,
    pairs: &[(String, String)],
) -> Result<Json> {
    let known = ["destinationId", "destinationInstanceId", "count"];
    if let Some((name, _)) = pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        return Err(Error::field(name, format!("is not known here; known: {}", known.join(", "))));
    }
    let given = |name: &str| pairs.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str());
    // Some clients always send both ids, one of them perhaps empty.
    let id_of = |name: &str| given(name).filter(|id| !id.is_empty());
    let count = given("count").map(read_count).transpose()?;
    let mut numbers = numbers(caller);
    match (id_of("destinationId"), id_of("destinationInstanceId")) {
        (Some(id), None) => {
            let config = config_of(docs, caller, catalog, id)?;
            let count = count.unwrap_or_else(|| sample::default_count(&config));
            Ok(Json::Array(sample::target_profiles(&config, count, caller.now, &mut numbers)))
        }
        (destination, Some(id)) => {
            let parts = instance(docs, caller.sandbox, catalog, id)?;
            let of = parts.entry.destination_id.as_str();
            if let Some(other) = destination.filter(|other| *other != of) {
                let rule = format!("destination instance {id} is of destination {of}; given {other}");
                return Err(Error::field("destinationId", rule));
            }
            let count = count.unwrap_or_else(|| sample::default_count(&parts.entry.config));
            Ok(Json::Array(sample::source_profiles(&parts.instance, count, caller.now, &mut numbers)))
        }
        (None, None) => {
            Err(Error::refused("give destinationId (target schema) or destinationInstanceId (source schema)"))
        }
    }
}

fn read_count(text: &str) -> Result<u32> {
    let count = text.parse::<u32>().ok().filter(|count| (1..=PROFILES_MAX).contains(count));
    count.ok_or_else(|| Error::field("count", format!("must be 1 to {PROFILES_MAX}; given {text:?}")))
}

/// `GET /authoring/testing/template/sample/{destinationId}`: the text of a first template.
pub fn sample_template(docs: &DocSet, caller: &Caller<'_>, catalog: &Catalog, id: &str) -> Result<String> {
    let config = streaming_config(docs, caller, catalog, id)?;
    Ok(sample::template(&config))
}

/// `POST /authoring/testing/template/render`.
pub fn render(docs: &DocSet, caller: &Caller<'_>, catalog: &Catalog, body: &Json) -> Result<Json> {
    check_members(body, &["destinationId", "template", "profiles"])?;
    let config = streaming_config(docs, caller, catalog, text(body, "destinationId")?)?;
    let profiles = match &body["profiles"] {
        Json::Null => None,
        Json::Array(profiles) if profiles.len() <= PROFILES_MAX as usize => Some(profiles.as_slice()),
        Json::Array(profiles) => {
            return Err(Error::field("profiles", format!("at most {PROFILES_MAX}; given {}", profiles.len())));
        }
        _ => return Err(Error::field("profiles", "must be an array of profiles in the target schema")),
    };
    let mut numbers = numbers(caller);
    render_results(&config, text(body, "template")?, profiles, caller.now, &mut numbers).map_err(Error::Invalid)
}

/// `POST /authoring/testing/template/render/destination`.
pub fn render_fields(docs: &DocSet, caller: &Caller<'_>, catalog: &Catalog, body: &Json) -> Result<Json> {
    check_members(body, &["destinationId", "templates"])?;
    let config = config_of(docs, caller, catalog, text(body, "destinationId")?)?;
    let templates = body["templates"].as_object();
    let templates = templates.ok_or_else(|| Error::field("templates", "must be an object of named templates"))?;
    fields(&config, templates, &mut numbers(caller)).map_err(Error::Invalid)
}

/// A flow to an authored destination, made ready without its secrets.
pub struct InstanceParts {
    /// The destination.
    pub entry: Arc<CatalogEntry>,
    /// The flow.
    pub flow: FlowSpec,
    /// The same for messages. Secrets of the customer data are sealed in it, and it has no `authData`.
    pub instance: Instance,
}

/// The flow of an id, if it goes to an authored destination that sends messages.
pub fn instance(docs: &DocSet, sandbox: SandboxId, catalog: &Catalog, id: &str) -> Result<InstanceParts> {
    let unknown = || Error::NotFound(format!("there is no destination instance {id:?} in this sandbox"));
    let flow = flows::compile(docs, sandbox, &catalog.flows).into_iter().find(|flow| flow.id == id);
    let flow = flow.ok_or_else(unknown)?;
    let Target::Sdk(target) = &flow.target else {
        return Err(Error::refused(format!(
            "destination instance {id} is of a destination that was not authored here"
        )));
    };
    let entry = catalog.entry(&target.connection_spec_id).ok_or_else(unknown)?.clone();
    let design = Design::new(&entry.config, &entry.server).map_err(Error::Invalid)?;
    let setup = Setup {
        id: flow.id.clone(),
        customer_data: &target.customer_data,
        auth_data: &Json::Null,
        mapping: target.mapping.clone(),
        aliases: aliases(docs, sandbox, &flow, target),
        facts: &json!({ "name": entry.config.name }),
    };
    let instance = Instance::new(Arc::new(design), setup);
    Ok(InstanceParts { entry, instance, flow })
}

fn aliases(docs: &DocSet, sandbox: SandboxId, flow: &FlowSpec, target: &SdkTarget) -> Aliases {
    Aliases::new(flow.audiences.iter().filter_map(|mapped| {
        let doc = docs.get(sandbox, Collection::Audience, &mapped.audience_id)?;
        let entered = target.mapping_ids.iter().find(|(id, _)| *id == mapped.audience_id);
        Some(MappedAudience {
            namespace: flows::SEGMENTATION_SERVICE.into(),
            id: mapped.audience_id.clone(),
            name: SmolStr::new(doc.body["name"].as_str().unwrap_or_default()),
            alias: entered.map(|(_, alias)| alias.clone()),
            partner_name: None,
            created_at: doc.created_at,
            updated_at: doc.updated_at,
            mapping_created_at: Timestamp(mapped.created_ms),
            mapping_updated_at: Timestamp(mapped.updated_ms),
        })
    }))
}

/// The names and paths that files of a target connection would get: what can be tried of a file-based
/// destination while export runs are not served. `None`: the id is of no such connection.
pub fn preview_files(docs: &DocSet, caller: &Caller<'_>, catalog: &Catalog, id: &str) -> Result<Option<Json>> {
    let Some(target) = docs.get(caller.sandbox, Collection::TargetConnection, id) else { return Ok(None) };
    let spec = target.body["connectionSpec"]["id"].as_str().unwrap_or_default();
    let Some(entry) = catalog.entry(spec) else { return Ok(None) };
    let ServerTarget::File(server) = &entry.server.target else { return Ok(None) };
    let context =
        pebble::Value::map([(pebble::Key::from("customerData"), pebble::Value::from(&target.body["params"]))]);
    let print = |name: &str, templated: &Templated| {
        templated
            .render(&context, &pebble::Limits::default())
            .map_err(|error| Error::field(name, error.without_value().to_string()))
    };
    let file_type = server.file_configurations.file_type.as_ref();
    let extension =
        file_type.map_or_else(|| Ok("csv".into()), |templated| print("fileConfigurations.fileType", templated))?;
    let organization = docs.iter(SandboxId(0), Collection::Organisation).next();
    let mut files = Vec::new();
    for segment in [("segmentid1", "Sample audience 1"), ("segmentid2", "Sample audience 2")] {
        let context = FileNameContext {
            destination: entry.config.name.clone(),
            segment: Some(Segment { id: segment.0.into(), name: segment.1.into() }),
            instance_id: id.to_owned(),
            instance_name: target.body["name"].as_str().unwrap_or_default().to_owned(),
            organization: organization.map_or(caller.org, |doc| doc.body["name"].as_str().unwrap_or(caller.org)).into(),
            sandbox: caller.sandbox_name.to_owned(),
            now: caller.now,
            custom_text: None,
            merge_policy: None,
        };
        let mut fields = Vec::new();
        for (name, templated) in &server.fields {
            fields.push((name.to_string(), json!(expand(&print(name, templated)?, &context)?)));
        }
        let mut file =
            json!({ "segment": segment.0, "storage": fields.into_iter().collect::<serde_json::Map<_, _>>() });
        if let Some(batch) = &entry.config.batch {
            let appended = batch.filename.as_ref().map_or(&[][..], |names| &names.default_append);
            let name = file_name(batch, &context, appended).map_err(|fault| Error::Invalid(vec![fault]))?;
            let name = part_name(&name, 1, &extension).map_err(|fault| Error::Invalid(vec![fault]))?;
            file["fileName"] = json!(name);
        }
        files.push(file);
    }
    Ok(Some(json!({ "files": files, "activations": [], "inputProfiles": [] })))
}

fn expand(path: &str, context: &FileNameContext) -> Result<String> {
    expand_path(path, context).map_err(|fault| Error::Invalid(vec![fault]))
}

fn config_of(docs: &DocSet, caller: &Caller<'_>, catalog: &Catalog, id: &str) -> Result<Arc<DestinationConfig>> {
    match find(docs, caller, Kind::Destination, id) {
        Ok(doc) => match Kind::Destination.parse(&doc.body)? {
            Parsed::Destination(config) => Ok(config),
            _ => Err(Error::not_found("destination configuration", id)),
        },
        // A public or built-in destination can be tried too.
        Err(unknown) => {
            catalog.entries.iter().find(|e| e.destination_id == id).map(|e| e.config.clone()).ok_or(unknown)
        }
    }
}

fn streaming_config(docs: &DocSet, caller: &Caller<'_>, catalog: &Catalog, id: &str) -> Result<Arc<DestinationConfig>> {
    let config = config_of(docs, caller, catalog, id)?;
    match config.says_files() {
        true => Err(Error::refused(
            "a file-based destination has no message template; try its fields with render/destination",
        )),
        false => Ok(config),
    }
}

fn text<'j>(body: &'j Json, name: &str) -> Result<&'j str> {
    match &body[name] {
        Json::String(text) if !text.is_empty() => Ok(text),
        Json::Null => Err(Error::field(name, "is missing")),
        _ => Err(Error::field(name, "must be a string that is not empty")),
    }
}

fn check_members(body: &Json, known: &[&str]) -> Result<()> {
    let fields = body.as_object().ok_or_else(|| Error::refused("the body must be an object"))?;
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(Error::field(name, format!("is not known here; known: {}", known.join(", ")))),
        None => Ok(()),
    }
}

/// Numbers that follow from one draw of the caller's (xorshift).
fn numbers(caller: &Caller<'_>) -> impl FnMut() -> u32 {
    let drawn = (caller.fresh)();
    let mut state = drawn.iter().fold(0x9e37_79b9_7f4a_7c15_u64, |all, byte| all.rotate_left(8) ^ u64::from(*byte)) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u32
    }
}
