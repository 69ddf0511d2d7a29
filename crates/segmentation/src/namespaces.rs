//! Identity namespaces: the standard ones, which every sandbox has, and a sandbox's own.
//!
//! In: a code or numeric id. Out: the namespace. Own namespaces are documents whose id is their number.
//!
//! Always: a number never changes its meaning, since identities on disk are made of it. Standard codes
//! are found in any case (`ECID`, `ecid`); own codes only as they were given. Nothing is ever removed.

mod error;
mod standard;
#[cfg(test)]
mod tests;

pub use error::NamespaceError;

use model::{Caller, Collection, Doc, DocChange, DocSet, NamespaceId, SandboxId, SmolStr, Timestamp};
use serde_json::{Value as Json, json};
use standard::{STANDARD, Standard};

/// Own namespaces are numbered from here, plus the position of their creation.
const OWN_FROM: u64 = 10_000_000;
const CODE_CHARS_MAX: usize = 255;
/// Types that a namespace may be made with.
const ID_TYPES: &[&str] = &["COOKIE", "CROSS_DEVICE", "DEVICE", "EMAIL", "MOBILE", "NON_PEOPLE", "PHONE"];

/// One identity namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Its number.
    pub id: NamespaceId,
    /// Its symbol, as identity maps and mappings name it.
    pub code: SmolStr,
    /// What people call it.
    pub name: SmolStr,
    /// What it is for.
    pub description: SmolStr,
    /// `COOKIE`, `EMAIL` …
    pub id_type: SmolStr,
    /// True for a sandbox's own.
    pub custom: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
}

impl Namespace {
    fn read(doc: &Doc) -> Option<Namespace> {
        let text = |name: &str| SmolStr::new(doc.body[name].as_str().unwrap_or_default());
        Some(Namespace {
            id: NamespaceId(doc.id.parse().ok()?),
            code: text("code"),
            name: text("name"),
            description: text("description"),
            id_type: text("idType"),
            custom: true,
            created: doc.created_at,
            updated: doc.updated_at,
        })
    }

    /// Non-people and partner identities link nobody (profile.md §5.1).
    pub fn takes_part_in_graph(&self) -> bool {
        !matches!(self.id_type.as_str(), "NON_PEOPLE" | "PARTNER_ID")
    }

    /// Cross-device, e-mail and phone identities stand for a person.
    pub fn is_person(&self) -> bool {
        matches!(self.id_type.as_str(), "CROSS_DEVICE" | "EMAIL" | "PHONE")
    }

    /// Which kind leaves an overfull graph first (profile.md §5.4): 0 cookie, 1 device, 2 what stands for a person.
    pub fn graph_rank(&self) -> u8 {
        match self.id_type.as_str() {
            "COOKIE" => 0,
            "DEVICE" | "MOBILE" => 1,
            _ => 2,
        }
    }

    fn to_json(&self) -> Json {
        json!({
            "updateTime": self.updated.0,
            "code": self.code.as_str(),
            "status": "ACTIVE",
            "createTime": self.created.0,
            "description": self.description.as_str(),
            "idType": self.id_type.as_str(),
            "name": self.name.as_str(),
            "id": self.id.0,
            "custom": self.custom,
        })
    }
}

/// All namespaces of a sandbox: the standard ones, then its own, by number.
pub fn namespaces(docs: &DocSet, sandbox: SandboxId) -> Vec<Namespace> {
    let own = docs.iter(sandbox, Collection::Namespace).filter_map(|doc| Namespace::read(doc));
    let mut all: Vec<_> = STANDARD.iter().map(Standard::namespace).chain(own).collect();
    all.sort_by_key(|namespace| namespace.id);
    all
}

/// The namespace of a number.
pub fn by_id(docs: &DocSet, sandbox: SandboxId, id: NamespaceId) -> Option<Namespace> {
    match STANDARD.iter().find(|standard| standard.id == id.0) {
        Some(standard) => Some(standard.namespace()),
        None => docs.get(sandbox, Collection::Namespace, &id.to_string()).and_then(|doc| Namespace::read(doc)),
    }
}

/// The namespace of a code.
pub fn by_code(docs: &DocSet, sandbox: SandboxId, code: &str) -> Option<Namespace> {
    match STANDARD.iter().find(|standard| standard.code.eq_ignore_ascii_case(code)) {
        Some(standard) => Some(standard.namespace()),
        None => docs
            .iter(sandbox, Collection::Namespace)
            .find(|doc| doc.body["code"].as_str() == Some(code))
            .and_then(|doc| Namespace::read(doc)),
    }
}

/// The number that a code, or else a number written out, stands for.
pub fn lookup(docs: &DocSet, sandbox: SandboxId, code_or_id: &str) -> Option<NamespaceId> {
    let by_number = || by_id(docs, sandbox, NamespaceId(code_or_id.parse().ok()?));
    by_code(docs, sandbox, code_or_id).or_else(by_number).map(|namespace| namespace.id)
}

/// The code of a number.
pub fn code_of(docs: &DocSet, sandbox: SandboxId, id: NamespaceId) -> Option<SmolStr> {
    by_id(docs, sandbox, id).map(|namespace| namespace.code)
}

/// True if identities of this namespace link profiles. An unknown number links nothing.
pub fn takes_part_in_graph(docs: &DocSet, sandbox: SandboxId, id: NamespaceId) -> bool {
    by_id(docs, sandbox, id).is_some_and(|namespace| namespace.takes_part_in_graph())
}

/// `GET /idnamespace/identities`.
pub fn list(docs: &DocSet, caller: &Caller<'_>) -> Json {
    namespaces(docs, caller.sandbox).iter().map(Namespace::to_json).collect()
}

/// `GET /idnamespace/identities/{id}`.
pub fn get(docs: &DocSet, caller: &Caller<'_>, id: &str) -> Result<Json, NamespaceError> {
    find(docs, caller, id).map(|namespace| namespace.to_json())
}

fn find(docs: &DocSet, caller: &Caller<'_>, id: &str) -> Result<Namespace, NamespaceError> {
    let number = id.parse().ok().map(NamespaceId);
    number.and_then(|number| by_id(docs, caller.sandbox, number)).ok_or_else(|| NamespaceError::not_found(caller, id))
}

/// `POST /idnamespace/identities`: the change, and the id under which [`get`] shows it.
pub fn create(docs: &DocSet, caller: &Caller<'_>, body: &Json) -> Result<(Vec<DocChange>, SmolStr), NamespaceError> {
    let wanted = Wanted::read(body, caller.now)?;
    check_code(wanted.code, caller.now)?;
    if by_code(docs, caller.sandbox, wanted.code).is_some() {
        return Err(NamespaceError::code_conflict(caller.now));
    }
    // One accepted change per position, so no two own namespaces can get one number.
    let number = u32::try_from(OWN_FROM + docs.n + 1)
        .map_err(|_| NamespaceError::invalid(caller.now, "no more namespaces can be numbered"))?;
    let id = SmolStr::new(number.to_string());
    let put = DocChange::put(caller.sandbox, Collection::Namespace, id.clone(), wanted.document(), caller.client);
    Ok((vec![put], id))
}

/// `PUT /idnamespace/identities/{id}`: name and description; code and type stay.
pub fn update(
    docs: &DocSet,
    caller: &Caller<'_>,
    id: &str,
    body: &Json,
) -> Result<(Vec<DocChange>, SmolStr), NamespaceError> {
    let old = find(docs, caller, id)?;
    if !old.custom {
        return Err(NamespaceError::invalid(caller.now, "standard namespaces are non editable"));
    }
    let wanted = Wanted::read(body, caller.now)?;
    if wanted.code != old.code || wanted.id_type != old.id_type {
        return Err(NamespaceError::invalid(caller.now, "code and idType are non editable fields"));
    }
    let id = SmolStr::new(old.id.to_string());
    let put = DocChange::put(caller.sandbox, Collection::Namespace, id.clone(), wanted.document(), caller.client);
    Ok((vec![put], id))
}

/// What a body asks for.
struct Wanted<'a> {
    name: &'a str,
    code: &'a str,
    id_type: String,
    description: &'a str,
}

impl Wanted<'_> {
    fn read(body: &Json, now: Timestamp) -> Result<Wanted<'_>, NamespaceError> {
        // What the service itself adds may be sent back to it.
        const KNOWN: &[&str] =
            &["name", "code", "idType", "description", "id", "status", "custom", "createTime", "updateTime"];
        let invalid = |message: String| NamespaceError::invalid(now, &message);
        let members = body.as_object().ok_or_else(|| invalid("the body must be a JSON object".into()))?;
        if let Some(unknown) = members.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            return Err(invalid(format!("{unknown}: is not a supported member")));
        }
        let text = |name: &str| match &body[name] {
            Json::Null => Ok(None),
            Json::String(text) => Ok(Some(text.as_str())),
            other => Err(invalid(format!("{name}: must be a string, is {}", crate::fields::shown(other)))),
        };
        let required = |name: &str| {
            text(name)?.filter(|t| !t.trim().is_empty()).ok_or_else(|| invalid(format!("{name}: is required")))
        };
        let id_type = required("idType")?;
        let upper = id_type.to_ascii_uppercase();
        if !ID_TYPES.contains(&upper.as_str()) {
            let valid = ID_TYPES.join(", ");
            let message =
                format!("Please provide a valid value of idType. Valid values are: [{valid}], given is `{id_type}`");
            return Err(invalid(message));
        }
        Ok(Wanted {
            name: required("name")?,
            code: required("code")?,
            id_type: upper,
            description: text("description")?.unwrap_or_default(),
        })
    }

    fn document(&self) -> Json {
        json!({
            "name": self.name,
            "code": self.code,
            "idType": self.id_type,
            "description": self.description,
        })
    }
}

fn check_code(code: &str, now: Timestamp) -> Result<(), NamespaceError> {
    if code.len() > CODE_CHARS_MAX || !code.bytes().all(|b| b.is_ascii_alphanumeric()) {
        let message = format!("code: must be 1 to {CODE_CHARS_MAX} letters and digits, is `{code}`");
        return Err(NamespaceError::invalid(now, &message));
    }
    Ok(())
}
