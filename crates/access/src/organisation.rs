//! The organisation, its sandboxes, and what a first start makes of nothing.
//!
//! Organisation: one document `org` with its id (`…@AdobeOrg`) and tenant name. Sandbox: one document
//! per name; its number is the `SandboxId` that every other document, key and plan carries.

use crate::client::{self, Credentials, ORGANISATION, hex};
use crate::keyring::Keyring;
use model::{Collection, Doc, DocChange, DocSet, SandboxId, SmolStr};
use serde_json::json;

const ORGANISATION_DOC: &str = "org";
const TENANT_CHARS_MAX: usize = 32;

/// The organisation of this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organisation {
    /// `<24 hexadecimal digits>@AdobeOrg`.
    pub org_id: SmolStr,
    /// Tenant name without the leading underscore.
    pub tenant: SmolStr,
}

/// One sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    /// Its number; `prod` is 1.
    pub id: SandboxId,
    /// Its name, as in `x-sandbox-name`.
    pub name: SmolStr,
    /// Its UUID, as in `x-sandbox-id`.
    pub uuid: SmolStr,
    /// What people call it.
    pub title: SmolStr,
    /// `production` or `development`.
    pub kind: SmolStr,
    /// `active` and such.
    pub state: SmolStr,
    /// True for the one that requests mean when they name none.
    pub is_default: bool,
}

/// Why an organisation cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrganisationError {
    /// A tenant name that cannot stand in field paths and URIs.
    #[error("tenant: must be 1 to {TENANT_CHARS_MAX} characters of a-z and 0-9, the first a letter, is `{0}`")]
    Tenant(String),
}

/// The organisation, once bootstrapped.
pub fn organisation(docs: &DocSet) -> Option<Organisation> {
    let doc = docs.get(ORGANISATION, Collection::Organisation, ORGANISATION_DOC)?;
    Some(Organisation { org_id: text(doc, "org_id"), tenant: text(doc, "tenant") })
}

/// The sandbox of a name.
pub fn sandbox(docs: &DocSet, name: &str) -> Option<Sandbox> {
    docs.get(ORGANISATION, Collection::Sandbox, name).map(|doc| Sandbox::read(doc))
}

/// All sandboxes, by name.
pub fn sandboxes(docs: &DocSet) -> impl Iterator<Item = Sandbox> + '_ {
    docs.iter(ORGANISATION, Collection::Sandbox).map(|doc| Sandbox::read(doc))
}

/// The first documents of a server: organisation, sandbox `prod`, one client with its credentials.
pub fn bootstrap(
    keys: &Keyring,
    fresh: &dyn Fn() -> [u8; 16],
    tenant: &str,
) -> Result<(Vec<DocChange>, Credentials), OrganisationError> {
    const BY: &str = "bootstrap";
    let letters = tenant.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if !letters || !tenant.starts_with(|c: char| c.is_ascii_lowercase()) || tenant.len() > TENANT_CHARS_MAX {
        return Err(OrganisationError::Tenant(tenant.to_owned()));
    }
    let org_id = format!("{}@AdobeOrg", &hex(&fresh(), true)[..24]);
    let organisation = json!({ "org_id": org_id, "tenant": tenant });
    let prod = json!({
        "no": 1,
        "id": uuid(fresh()),
        "name": "prod",
        "title": "Production",
        "type": "production",
        "state": "active",
        "isDefault": true,
    });
    let (first_client, credentials) = client::create(keys, fresh, &org_id, "First client", None, BY)
        .expect("a fixed name and the default scopes break no rule");
    let changes = vec![
        DocChange::put(ORGANISATION, Collection::Organisation, ORGANISATION_DOC, organisation, BY),
        DocChange::put(ORGANISATION, Collection::Sandbox, "prod", prod, BY),
        first_client,
    ];
    Ok((changes, credentials))
}

impl Sandbox {
    fn read(doc: &Doc) -> Sandbox {
        let no = doc.body["no"].as_u64().and_then(|no| u32::try_from(no).ok());
        Sandbox {
            id: SandboxId(no.unwrap_or(doc.no)),
            name: doc.id.clone(),
            uuid: text(doc, "id"),
            title: text(doc, "title"),
            kind: text(doc, "type"),
            state: text(doc, "state"),
            is_default: doc.body["isDefault"].as_bool().unwrap_or_default(),
        }
    }
}

fn text(doc: &Doc, name: &str) -> SmolStr {
    SmolStr::new(doc.body[name].as_str().unwrap_or_default())
}

fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = hex(&bytes, false);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;
    use model::Timestamp;

    #[test]
    fn a_first_start_makes_an_organisation_a_sandbox_and_a_client() {
        let keys = Keyring::from_master(&[1; 32], Secret::new("x"));
        let (changes, credentials) = bootstrap(&keys, &crate::fresh, "rivermouth").expect("a good tenant");
        let mut docs = DocSet::default();
        for (n, change) in (1..).zip(&changes) {
            docs.apply(n, Timestamp(0), change);
        }
        let org = organisation(&docs).expect("made");
        assert_eq!((org.org_id.len(), org.tenant.as_str()), ("0123456789ABCDEF01234567@AdobeOrg".len(), "rivermouth"));
        let prod = sandbox(&docs, "prod").expect("made");
        assert_eq!((prod.id, prod.kind.as_str(), prod.is_default), (SandboxId(1), "production", true));
        assert_eq!(sandboxes(&docs).count(), 1);
        let first = crate::client(&docs, &credentials.client_id).expect("made");
        assert_eq!(first.org_id, org.org_id);
        let json = credentials.to_json();
        let members: Vec<_> = json.as_object().expect("an object").keys().collect();
        assert_eq!(members, ["org_id", "client_id", "client_secret", "scopes", "technical_account_id"]);
    }

    #[test]
    fn tenants_must_fit_field_paths() {
        let keys = Keyring::from_master(&[1; 32], Secret::new("x"));
        for tenant in ["", "_river", "River", "9river", "river mouth", "river-mouth", &"a".repeat(33)] {
            assert!(bootstrap(&keys, &crate::fresh, tenant).is_err(), "{tenant}");
        }
    }
}
