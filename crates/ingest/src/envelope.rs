//! The envelope of one message: header, schema references, data set (profile.md §7.2).
//!
//! Unknown members are refused by name, so that none is silently without effect.

use crate::Fault;
use engine::{DatasetPlan, SandboxPlan};
use model::Value;
use serde::Deserialize;
use std::borrow::Cow;

/// Message text of the original for what is no XDM message.
pub const UNKNOWN_FORMAT: &str = "Message has unknown xdm format";
/// Message text of the original for a wrong organisation.
pub const ORG_MISSING: &str = "Message has an absent or wrong ims org in the header";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message<'a> {
    #[serde(borrow)]
    header: Object<Header<'a>>,
    #[serde(borrow)]
    body: Object<Body<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Header<'a> {
    #[serde(borrow)]
    schema_ref: Object<SchemaRef<'a>>,
    #[serde(borrow)]
    ims_org_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    dataset_id: Option<Cow<'a, str>>,
    /// Tracing members of the sender: checked for their type, kept nowhere, as in the original.
    #[serde(borrow)]
    #[serde(default, rename = "flowId")]
    _flow_id: Option<Cow<'a, str>>,
    #[serde(default, rename = "createdAt")]
    _created_at: Option<NumberOrText>,
    #[serde(borrow)]
    #[serde(default, rename = "source")]
    _source: Option<Object<Source<'a>>>,
    #[serde(borrow)]
    #[serde(default, rename = "msgType")]
    _message_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    #[serde(default, rename = "msgVersion")]
    _message_version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    #[serde(default, rename = "xactionid")]
    _xaction_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    #[serde(default, rename = "msgId")]
    _message_id: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(#[allow(dead_code)] f64),
    Text(#[allow(dead_code)] String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source<'a> {
    #[serde(borrow)]
    #[serde(default, rename = "name")]
    _name: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SchemaRef<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    content_type: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body<'a> {
    #[serde(borrow)]
    #[serde(default)]
    xdm_meta: Option<Object<XdmMeta<'a>>>,
    xdm_entity: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct XdmMeta<'a> {
    #[serde(borrow)]
    schema_ref: Object<SchemaRef<'a>>,
}

/// A JSON object that holds a `T`: an array of its members in order, which serde would take as well,
/// is refused.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Object<T>, D::Error> {
        struct Members<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for Members<T> {
            type Value = Object<T>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(Members(std::marker::PhantomData))
    }
}

impl<T> std::ops::Deref for Object<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

/// A decoded message.
pub struct Envelope<'a> {
    schema_id: Cow<'a, str>,
    org: Option<Cow<'a, str>>,
    dataset_id: Option<Cow<'a, str>>,
    /// The record.
    pub entity: Value,
}

impl<'a> Envelope<'a> {
    /// Decodes a message and checks it against itself.
    pub fn decode(message: &'a [u8]) -> Result<Envelope<'a>, Fault> {
        let decoded: Object<Message<'a>> =
            serde_json::from_slice(message).map_err(|e| Fault::bad(format!("{UNKNOWN_FORMAT}: {e}")))?;
        let Message { header: Object(header), body: Object(body) } = decoded.0;
        check_content_type(&header.schema_ref, "header.schemaRef")?;
        if let Some(meta) = &body.xdm_meta {
            check_content_type(&meta.schema_ref, "body.xdmMeta.schemaRef")?;
            if meta.schema_ref.id != header.schema_ref.id {
                return Err(Fault::bad(format!(
                    "body.xdmMeta.schemaRef.id is {:?}, header.schemaRef.id is {:?}; they must be equal",
                    meta.schema_ref.id, header.schema_ref.id
                )));
            }
        }
        if !matches!(body.xdm_entity, Value::Object(_)) {
            return Err(Fault::bad(format!("{UNKNOWN_FORMAT}: body.xdmEntity must be an object")));
        }
        Ok(Envelope {
            schema_id: header.schema_ref.0.id,
            org: header.ims_org_id,
            dataset_id: header.dataset_id,
            entity: body.xdm_entity,
        })
    }

    /// The data set that the message names, if it and its schema are what the plan knows.
    pub(crate) fn dataset<'p>(&self, org: &str, plan: &'p SandboxPlan) -> Result<&'p DatasetPlan, Fault> {
        if self.org.as_deref() != Some(org) {
            return Err(Fault::bad(ORG_MISSING));
        }
        let Some(id) = self.dataset_id.as_deref() else {
            return Err(Fault::bad("header.datasetId is missing"));
        };
        let Some(dataset) = plan.datasets.get(id) else {
            return Err(Fault::bad(format!("header.datasetId: there is no data set {id:?}")));
        };
        if dataset.schema_id != *self.schema_id {
            return Err(Fault::bad(format!(
                "header.schemaRef.id is {:?}, the schema of data set {id} is {:?}",
                self.schema_id, dataset.schema_id
            )));
        }
        if !dataset.profile_enabled {
            return Err(Fault::bad(format!(
                "header.datasetId: data set {id} is not enabled for Profile (tag unifiedProfile), and records are kept nowhere else"
            )));
        }
        Ok(dataset)
    }
}

fn check_content_type(reference: &SchemaRef<'_>, field: &str) -> Result<(), Fault> {
    match reference.content_type.as_deref() {
        None => Ok(()),
        Some(kind) if kind.starts_with("application/vnd.adobe.xed") => Ok(()),
        Some(kind) => Err(Fault::bad(format!(
            "{field}.contentType is {kind:?}, must be application/vnd.adobe.xed-full+json;version=1"
        ))),
    }
}
