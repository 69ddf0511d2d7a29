//! How answers of these services name the sandbox.

use model::{Caller, Collection, DocSet, SandboxId};
use serde_json::{Value as Json, json};

/// `{"sandboxId","sandboxName","type","default"}` of the caller's sandbox.
pub(crate) fn shown(docs: &DocSet, caller: &Caller<'_>) -> Json {
    let doc = docs.get(SandboxId(0), Collection::Sandbox, caller.sandbox_name);
    let member = |name: &str| doc.map_or(Json::Null, |doc| doc.body[name].clone());
    json!({
        "sandboxId": member("id"),
        "sandboxName": caller.sandbox_name,
        "type": member("type"),
        "default": member("isDefault"),
    })
}
