//! The members of a submission that say what a row is and where rows come from.

use super::{FIELDS_MAX, TTL_DAYS_MAX};
use crate::audience_api::labels;
use crate::error::Error;
use crate::fields::{Fields, check_name, shown};
use crate::namespaces::by_code;
use model::{Caller, DocSet, SandboxId};
use serde_json::{Value as Json, json};

/// What the values of a column are.
const KINDS: [&str; 4] = ["string", "number", "integer", "boolean"];
/// How clients name the directory of files that the server can read.
const CONTAINER: &str = "dlz-user-container/";

/// The columns; exactly one is an identity.
pub(super) fn fields(docs: &DocSet, caller: &Caller<'_>, body: &Fields<'_>) -> Result<Json, Error> {
    let items = body.array("fields")?.ok_or_else(|| Error::field("fields", "is required"))?;
    if items.is_empty() || items.len() > FIELDS_MAX {
        return Err(Error::field("fields", format_args!("must have 1 to {FIELDS_MAX} fields, has {}", items.len())));
    }
    let (mut names, mut identities, mut stored) = (Vec::new(), Vec::new(), Vec::new());
    for (i, item) in items.iter().enumerate() {
        let field = field(docs, caller.sandbox, item).map_err(|error| error.within(&format!("fields[{i}].")))?;
        let name = field["name"].as_str().unwrap_or_default().to_owned();
        if names.contains(&name) {
            return Err(Error::field(format_args!("fields[{i}].name"), format_args!("`{name}` is given twice")));
        }
        if field.get("identityNs").is_some() {
            identities.push(name.clone());
        }
        names.push(name);
        stored.push(field);
    }
    match identities.len() {
        1 => Ok(Json::Array(stored)),
        0 => Err(Error::field("fields", "one field must have an identityNs: the column with the identities")),
        _ => {
            let rule = format!("only one field may have an identityNs, {} have one", identities.join(", "));
            Err(Error::field("fields", rule))
        }
    }
}

fn field(docs: &DocSet, sandbox: SandboxId, item: &Json) -> Result<Json, Error> {
    let field = Fields::of_body(item)?;
    field.only(&["name", "type", "identityNs", "labels"])?;
    let name = field.required_text("name")?;
    check_name("name", name)?;
    let kind = field.text("type")?.unwrap_or("string");
    if !KINDS.contains(&kind) {
        return Err(Error::field("type", format_args!("must be {}, is `{kind}`", KINDS.join(", "))));
    }
    let mut stored = json!({ "name": name, "type": kind });
    if let Some(code) = field.text("identityNs")? {
        let namespace = by_code(docs, sandbox, code)
            .ok_or_else(|| Error::field("identityNs", format_args!("there is no identity namespace `{code}`")))?;
        if kind != "string" {
            return Err(Error::field("type", format_args!("an identity is a string, `{kind}` was given")));
        }
        stored["identityNs"] = namespace.code.as_str().into();
    }
    if let Some(labels) = labels(&field)? {
        stored["labels"] = labels;
    }
    Ok(stored)
}

/// Where loads take files from: a path below the server's landing zone. Members may stand in `params`.
pub(super) fn source(body: &Fields<'_>) -> Result<Option<Json>, Error> {
    const KNOWN: [&str; 5] = ["path", "type", "sourceType", "cloudType", "baseConnectionId"];
    let known: Vec<&str> = [&["params"], &KNOWN[..]].concat();
    let Some(outer) = body.object("sourceSpec", "sourceSpec.", &known)? else { return Ok(None) };
    let fields = outer.object("params", "sourceSpec.params.", &KNOWN)?.unwrap_or(outer);
    fields.must_be("type", "file")?;
    fields.must_be("sourceType", "Cloud Storage")?;
    match fields.text("cloudType")? {
        Some("DLZ") => {}
        given => {
            let rule = format!(
                "must be `DLZ`, the landing zone of this server; files of other cloud storages are not read yet; {}",
                given.map_or("nothing was given".to_owned(), |given| format!("`{given}` was given"))
            );
            return Err(Error::field(fields.path("cloudType"), rule));
        }
    }
    if fields.get("baseConnectionId").is_some() {
        let rule = "the landing zone needs no account; leave it out";
        return Err(Error::field(fields.path("baseConnectionId"), rule));
    }
    let path = fields.required_text("path")?;
    let bare = path.strip_prefix(CONTAINER).unwrap_or(path);
    let is_name = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', '\0']);
    if !bare.trim_end_matches('/').split('/').all(is_name) {
        let rule = format!("must be a relative path of plain names, is {}", shown(&path.into()));
        return Err(Error::field(fields.path("path"), rule));
    }
    Ok(Some(json!({
        "params": { "path": path, "type": "file", "sourceType": "Cloud Storage", "cloudType": "DLZ" },
    })))
}

/// The path of a stored source below the landing zone.
pub(super) fn source_path(body: &Json) -> Option<&str> {
    let path = body["sourceSpec"]["params"]["path"].as_str()?;
    Some(path.strip_prefix(CONTAINER).unwrap_or(path).trim_end_matches('/'))
}

/// A number; client libraries send it as text.
pub(super) fn ttl_in_days(body: &Fields<'_>) -> Result<Option<u64>, Error> {
    let Some(value) = body.get("ttlInDays") else { return Ok(None) };
    match value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok())) {
        Some(days) if (1..=TTL_DAYS_MAX).contains(&days) => Ok(Some(days)),
        _ => {
            let rule = format!("must be a whole number from 1 to {TTL_DAYS_MAX}, is {}", shown(value));
            Err(Error::field("ttlInDays", rule))
        }
    }
}
