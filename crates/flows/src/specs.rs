//! The catalog: which connection specs and flow specs are served, and their fixed ids.
//!
//! A spec is a JSON file beside this one; its `authSpec` and `targetSpec` schemas are what
//! parameters are checked against, so the catalog shows exactly what is accepted.
//! Documented specs that are not served are known by name, so that the refusal can say so.

use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::listing::{self, Query};
use crate::schema;
use serde_json::{Value as Json, json};
use std::sync::LazyLock;

/// Profile store: the source side of every audience flow. Published id.
pub const PROFILE_STORE: &str = "8a9c3494-9708-43d7-ae3f-cda01e5030e1";
/// HTTP streaming inlet. Published id.
pub const STREAMING_INLET: &str = "bc7b00d6-623a-4dfc-9fdb-f1240aeadaeb";
/// HTTP API streaming destination. AEP does not publish an id: this one is ours, stable.
pub const HTTP_API: &str = "c2f7d9a4-3b0e-4c58-9d61-7a1e5b0f4c92";
/// Flow spec of audience flows into [`HTTP_API`]. Ours, stable.
pub const HTTP_API_FLOW: &str = "d4b8e1f6-52a7-4f3c-8e90-1c6d2a7b9e35";
/// Provider of the specs that are ours. Ours, stable.
pub const PROVIDER: &str = "7d0c5e2b-91f4-4a36-b8d2-3e6f0a9c1b57";

/// Version of every spec.
pub(crate) const VERSION: &str = "1.0";

/// Documented specs (connection and flow) that are not served.
const NOT_SERVED: &[(&str, &str)] = &[
    ("23598e46-f560-407b-88d5-ea6207e49db0", "Data lake source"),
    ("c604ff05-7f1a-43c0-8e18-33bf874cb11c", "Data lake target"),
    ("4fce964d-3f37-408f-9778-e597338a21ee", "Amazon S3"),
    ("1a0514a6-33d4-4c7f-aff8-594799c47549", "Amazon S3"),
    ("269ba276-16fc-47db-92b0-c1049a3c131f", "Amazon S3 data sets"),
    ("4890fc95-5a1f-4983-94bb-e060c08e3f81", "Amazon S3 (legacy)"),
    ("71471eba-b620-49e4-90fd-23f1fa0174d8", "legacy audience export"),
    ("36965a81-b1c6-401b-99f8-22508f1e6a26", "SFTP"),
    ("fd36aaa4-bf2b-43fb-9387-43785eeeb799", "SFTP"),
    ("354d6aad-4754-46e4-a576-1b384561c440", "SFTP data sets"),
    ("64ef4b8b-a6e0-41b5-9677-3805d1ee5dd0", "SFTP (legacy)"),
    ("6d6b59bf-fb58-4107-9064-4d246c0e5bb2", "Azure Blob"),
    ("752d422f-b16f-4f0d-b1c6-26e448e3b388", "Azure Blob"),
    ("95bd8965-fc8a-4119-b9c3-944c2c2df6d2", "Azure Blob data sets"),
    ("be2c3209-53bc-47e7-ab25-145db8b873e1", "Azure Data Lake Gen2"),
    ("db060570-a155-418a-a6d3-b4d97698e5dc", "Azure Data Lake Gen2"),
    ("17be2013-2549-41ce-96e7-a70363bec293", "Azure Data Lake Gen2 data sets"),
    ("10440537-2a7b-4583-ac39-ed38d4b848e8", "Data Landing Zone"),
    ("7e635b9f-e59b-4546-8ba8-fce6496693c8", "Data Landing Zone"),
    ("cd2fc47e-e838-4f38-a581-8fff2f99b63a", "Data Landing Zone data sets"),
    ("c5d93acb-ea8b-4b14-8f53-02138444ae99", "Google Cloud Storage"),
    ("976d663b-80b4-4193-be6b-2d0487516623", "Google Cloud Storage"),
    ("585c15c4-6cbf-4126-8f87-e26bff78b657", "Google Cloud Storage data sets"),
    ("86043421-563b-46ec-8e6c-e23184711bf6", "Amazon Kinesis"),
    ("bf9f5905-92b7-48bf-bf20-455bc6b60a4e", "Azure Event Hubs"),
    ("0b23e41a-cb4a-4321-a78f-3b654f5d7d97", "Adobe Campaign"),
    ("c1e44b6b-e7c8-404b-9031-58f0ef760604", "Oracle Eloqua"),
    ("a5e28ddf-e265-426e-83a1-9d03a3a6822b", "Oracle Responsys"),
    ("51d675ce-e270-408d-91fc-22717bdf2148", "Oracle Responsys"),
    ("f599a5b3-60a7-4951-950a-cc4115c7ea27", "Salesforce Marketing Cloud"),
    ("493b2bd6-26e4-4167-ab3b-5e910bba44f0", "Salesforce Marketing Cloud"),
    ("ecadc60c-7455-4d87-84dc-2a0e293d997b", "Amazon S3 source"),
    ("4c10e202-c428-4796-9208-5f1f5732b1cf", "Azure Blob source"),
    ("b3ba5556-48be-44b7-8b85-ff2b69b46dc4", "Azure Data Lake Gen2 source"),
    ("be5ec48c-5b78-49d5-b8fa-7c89ec4569b8", "Azure File source"),
    ("32e8f412-cdf7-464c-9885-78184cb113fd", "Google Cloud Storage source"),
    ("54e221aa-d342-4707-bcff-7a4bceef0001", "HDFS source"),
    ("c85f9425-fb21-426c-ad0b-405e9bd8a46c", "Oracle Object source"),
    ("bf367b0d-3d9b-4060-b67b-0d3d9bd06094", "SFTP source"),
    ("9753525b-82c7-4dce-8a9b-5ccfce2b9876", "CloudStorageToAEP"),
];

static CONNECTION_SPECS: LazyLock<Vec<Json>> = LazyLock::new(|| {
    [
        include_str!("specs/http-api.json"),
        include_str!("specs/profile-store.json"),
        include_str!("specs/streaming-inlet.json"),
    ]
    .map(shipped)
    .into()
});
static FLOW_SPECS: LazyLock<Vec<Json>> = LazyLock::new(|| vec![shipped(include_str!("specs/http-api-flow.json"))]);

fn shipped(text: &str) -> Json {
    serde_json::from_str(text).expect("a shipped spec is JSON; the tests read them all")
}

const SPEC_FIELDS: &[&str] = &[
    "id",
    "name",
    "providerId",
    "version",
    "type",
    "attributes",
    "authSpec",
    "sourceSpec",
    "targetSpec",
    "sourceConnectionSpecIds",
    "targetConnectionSpecIds",
    "transformationSpecs",
];

/// `GET /connectionSpecs`.
pub fn list_connection_specs(catalog: &Catalog, query: &Query) -> Result<Json> {
    listing::page(catalog.connection_specs(), query, "/connectionSpecs", SPEC_FIELDS)
}

/// `GET /connectionSpecs/{id}`.
pub fn get_connection_spec(catalog: &Catalog, id: &str) -> Result<Json> {
    let spec = catalog.connection_spec(id).ok_or_else(|| Error::not_found("connectionSpecs", id))?;
    Ok(json!({ "items": [spec] }))
}

/// `GET /flowSpecs` and `POST /flowSpecs/search`.
pub fn list_flow_specs(catalog: &Catalog, query: &Query) -> Result<Json> {
    listing::page(catalog.flow_specs(), query, "/flowSpecs", SPEC_FIELDS)
}

/// `GET /flowSpecs/{id}`.
pub fn get_flow_spec(catalog: &Catalog, id: &str) -> Result<Json> {
    let spec = catalog.flow_spec(id).ok_or_else(|| Error::not_found("flowSpecs", id))?;
    Ok(json!({ "items": [spec] }))
}

/// The refusal of every write to a spec.
pub fn refuse_spec_write() -> Error {
    Error::new(1426, "connection specs and flow specs are fixed; they cannot be created or changed")
}

pub(crate) fn shipped_connection_specs() -> &'static [Json] {
    &CONNECTION_SPECS
}

pub(crate) fn shipped_flow_specs() -> &'static [Json] {
    &FLOW_SPECS
}

pub(crate) fn connection_spec<'c>(catalog: &'c Catalog, body: &Json) -> Result<&'c Json> {
    referenced(body, "connectionSpec", &|id| catalog.connection_spec(id))
}

pub(crate) fn flow_spec<'c>(catalog: &'c Catalog, body: &Json) -> Result<&'c Json> {
    referenced(body, "flowSpec", &|id| catalog.flow_spec(id))
}

/// Checks `{id, version}` of a body member (`connectionSpec`, `flowSpec`) and finds the spec.
fn referenced<'c>(body: &Json, member: &str, find: &dyn Fn(&str) -> Option<&'c Json>) -> Result<&'c Json> {
    let given = &body[member];
    let fields =
        given.as_object().ok_or_else(|| Error::invalid(format!("{member} must be an object {{id, version}}")))?;
    schema::members(fields, &["id", "version"], member).map_err(Error::invalid)?;
    let id = given["id"]
        .as_str()
        .ok_or_else(|| Error::new(1413, format!("Please provide a valid spec id: {member}.id is missing")))?;
    let version = match &given["version"] {
        Json::Null => return Err(Error::with_status(1425, 422, format!("{member}.version is missing"))),
        version => version.as_str().unwrap_or_default(),
    };
    let Some(spec) = find(id) else {
        let detail = match NOT_SERVED.iter().find(|(known, _)| *known == id) {
            Some((_, name)) => format!("{member}.id {id} ({name}) is not served yet"),
            None => format!("Please provide a valid spec id: {member}.id is {id}"),
        };
        return Err(Error::new(1413, detail));
    };
    if version != VERSION {
        return Err(Error::new(1413, format!("{member}.version must be \"{VERSION}\", not {}", given["version"])));
    }
    Ok(spec)
}

/// The parameter schema of one way to authenticate; `OAuth 2 …` is read as `OAuth2 …`.
pub(crate) fn auth_spec<'s>(spec: &'s Json, name: &str) -> Option<&'s Json> {
    let name = name.replacen("OAuth 2 ", "OAuth2 ", 1);
    spec["authSpec"].as_array()?.iter().find(|auth| auth["name"] == name.as_str())
}

/// The names of the parameters that a schema marks as secrets.
pub(crate) fn secrets(schema: &Json) -> impl Iterator<Item = &str> {
    let properties = schema["properties"].as_object();
    properties.into_iter().flatten().filter(|(_, rule)| rule["format"] == "password").map(|(name, _)| name.as_str())
}
