//! API clients: who may ask for tokens. Documents of the organisation, `SandboxId(0)`.
//!
//! In: the documents and what is wanted. Out: one document change, and the plain secret when one is made.
//!
//! Always: a document holds the keyed hash of the secret and a version that grows with each rotation;
//! tokens name the version, so rotating or revoking ends them at once.

use crate::keyring::Keyring;
use crate::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::{Collection, Doc, DocChange, DocSet, SandboxId, SmolStr, Timestamp};
use serde_json::{Value as Json, json};
use smol_str::format_smolstr;

/// The scopes that a client has unless it is made with fewer: those that AEP projects get.
pub const SCOPES: &[&str] =
    &["openid", "AdobeID", "session", "read_organizations", "additional_info.projectedProductContext"];

pub(crate) const ORGANISATION: SandboxId = SandboxId(0);
const NAME_CHARS_MAX: usize = 255;

/// An API client as the gateway sees it: no secret in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The id, 32 hexadecimal digits; also the API key.
    pub id: SmolStr,
    /// What people call it.
    pub name: SmolStr,
    /// Grows with each rotation.
    pub secret_version: u64,
    /// The organisation.
    pub org_id: SmolStr,
    /// The account that its changes are shown under.
    pub technical_account_id: SmolStr,
    /// What its tokens may carry.
    pub scopes: Vec<SmolStr>,
    /// When it was made.
    pub created: Timestamp,
    secret_hash: SmolStr,
}

/// What a new client, or one with a new secret, needs to log in. The only place of the plain secret.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The organisation.
    pub org_id: SmolStr,
    /// The client.
    pub client_id: SmolStr,
    /// Its secret, in plain.
    pub client_secret: Secret,
    /// Its scopes.
    pub scopes: Vec<SmolStr>,
    /// Its account.
    pub technical_account_id: SmolStr,
}

impl Credentials {
    /// The content of `credentials.json`, in the members that AEP client libraries read. Plain secret inside.
    pub fn to_json(&self) -> Json {
        json!({
            "org_id": self.org_id.as_str(),
            "client_id": self.client_id.as_str(),
            "client_secret": self.client_secret.reveal(),
            "scopes": self.scopes.iter().map(SmolStr::as_str).collect::<Vec<_>>(),
            "technical_account_id": self.technical_account_id.as_str(),
        })
    }
}

/// Why a change of clients is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// There is no such client.
    #[error("there is no API client `{0}`")]
    Unknown(String),
    /// A name that is empty or too long.
    #[error("name: must have 1 to {NAME_CHARS_MAX} characters, has {0}")]
    Name(usize),
    /// A scope that this server does not give.
    #[error("scopes: `{0}` is not a scope of this server")]
    Scope(String),
}

/// One client.
pub fn client(docs: &DocSet, id: &str) -> Option<Client> {
    docs.get(ORGANISATION, Collection::Client, id).map(|doc| Client::read(doc))
}

/// All clients, by id.
pub fn clients(docs: &DocSet) -> impl Iterator<Item = Client> + '_ {
    docs.iter(ORGANISATION, Collection::Client).map(|doc| Client::read(doc))
}

/// A new client of organisation `org_id`; without `scopes` it has all. `by` is who asks.
pub fn create(
    keys: &Keyring,
    fresh: &dyn Fn() -> [u8; 16],
    org_id: &str,
    name: &str,
    scopes: Option<&[&str]>,
    by: &str,
) -> Result<(DocChange, Credentials), ClientError> {
    let chars = name.trim().chars().count();
    if !(1..=NAME_CHARS_MAX).contains(&chars) {
        return Err(ClientError::Name(chars));
    }
    let scopes = scopes.unwrap_or(SCOPES);
    if let Some(unknown) = scopes.iter().find(|scope| !SCOPES.contains(scope)) {
        return Err(ClientError::Scope((*unknown).to_owned()));
    }
    let credentials = Credentials {
        org_id: org_id.into(),
        client_id: hex(&fresh(), false).into(),
        client_secret: new_secret(fresh),
        scopes: scopes.iter().map(SmolStr::new).collect(),
        technical_account_id: format_smolstr!("{}@techacct.adobe.com", &hex(&fresh(), true)[..24]),
    };
    let id = credentials.client_id.as_str();
    let body = json!({
        "client_id": id,
        "name": name.trim(),
        "secret_hash": keys.hash_client_secret(id, credentials.client_secret.reveal()),
        "secret_version": 1,
        "org_id": org_id,
        "technical_account_id": credentials.technical_account_id.as_str(),
        "scopes": scopes,
    });
    Ok((DocChange::put(ORGANISATION, Collection::Client, id, body, by), credentials))
}

/// A new secret for a client. The old secret and all tokens made with it end when the change is applied.
pub fn rotate(
    keys: &Keyring,
    docs: &DocSet,
    fresh: &dyn Fn() -> [u8; 16],
    id: &str,
    by: &str,
) -> Result<(DocChange, Credentials), ClientError> {
    let unknown = || ClientError::Unknown(id.to_owned());
    let doc = docs.get(ORGANISATION, Collection::Client, id).ok_or_else(unknown)?;
    let old = Client::read(doc);
    let client_secret = new_secret(fresh);
    let mut body = doc.body.clone();
    body["secret_hash"] = keys.hash_client_secret(id, client_secret.reveal()).into();
    body["secret_version"] = (old.secret_version + 1).into();
    let credentials = Credentials {
        org_id: old.org_id,
        client_id: old.id,
        client_secret,
        scopes: old.scopes,
        technical_account_id: old.technical_account_id,
    };
    Ok((DocChange::put(ORGANISATION, Collection::Client, id, body, by), credentials))
}

/// Removes a client; its tokens end when the change is applied.
pub fn revoke(docs: &DocSet, id: &str, by: &str) -> Result<DocChange, ClientError> {
    match client(docs, id) {
        Some(_) => Ok(DocChange::delete(ORGANISATION, Collection::Client, id, by)),
        None => Err(ClientError::Unknown(id.to_owned())),
    }
}

impl Client {
    fn read(doc: &Doc) -> Client {
        let text = |name: &str| SmolStr::new(doc.body[name].as_str().unwrap_or_default());
        let scopes = doc.body["scopes"].as_array().into_iter().flatten();
        Client {
            id: doc.id.clone(),
            name: text("name"),
            secret_version: doc.body["secret_version"].as_u64().unwrap_or_default(),
            org_id: text("org_id"),
            technical_account_id: text("technical_account_id"),
            scopes: scopes.filter_map(Json::as_str).map(SmolStr::new).collect(),
            created: doc.created_at,
            secret_hash: text("secret_hash"),
        }
    }

    /// True if `secret` is this client's present secret.
    pub fn secret_is_right(&self, keys: &Keyring, secret: &str) -> bool {
        keys.client_secret_is_right(&self.id, secret, &self.secret_hash)
    }
}

/// 256 bits of chance; the prefix lets secret scanners find a leaked one.
fn new_secret(fresh: &dyn Fn() -> [u8; 16]) -> Secret {
    let bytes = [fresh(), fresh()].concat();
    Secret::new(format!("rms-{}", URL_SAFE_NO_PAD.encode(bytes)))
}

pub(crate) fn hex(bytes: &[u8], upper: bool) -> String {
    bytes.iter().map(|b| if upper { format!("{b:02X}") } else { format!("{b:02x}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fresh;

    fn keys() -> Keyring {
        Keyring::from_master(&[1; 32], Secret::new("x"))
    }

    #[test]
    fn a_client_lives_rotates_and_dies() {
        let keys = keys();
        let mut docs = DocSet::default();
        let (change, first) = create(&keys, &fresh, "A@AdobeOrg", " shop ", None, "me").expect("made");
        assert!(!change.body.as_ref().expect("a body").to_string().contains(first.client_secret.reveal()));
        docs.apply(1, Timestamp(5), &change);
        let made = client(&docs, &first.client_id).expect("stored");
        assert_eq!(
            (made.name.as_str(), made.secret_version, made.id.len(), made.created),
            ("shop", 1, 32, Timestamp(5))
        );
        assert!(made.secret_is_right(&keys, first.client_secret.reveal()) && !made.secret_is_right(&keys, ""));

        let (change, second) = rotate(&keys, &docs, &fresh, &made.id, "me").expect("rotated");
        docs.apply(2, Timestamp(6), &change);
        let rotated = client(&docs, &made.id).expect("stored");
        assert_eq!(rotated.secret_version, 2);
        assert!(!rotated.secret_is_right(&keys, first.client_secret.reveal()));
        assert!(rotated.secret_is_right(&keys, second.client_secret.reveal()));

        docs.apply(3, Timestamp(7), &revoke(&docs, &made.id, "me").expect("there"));
        assert_eq!(clients(&docs).count(), 0);
        assert_eq!(revoke(&docs, "nobody", "me"), Err(ClientError::Unknown("nobody".into())));
    }

    #[test]
    fn bad_names_and_scopes_are_refused() {
        let make = |name: &str, scopes| create(&keys(), &fresh, "A@AdobeOrg", name, scopes, "me").map(|_| ());
        assert_eq!(make("  ", None), Err(ClientError::Name(0)));
        assert_eq!(make(&"x".repeat(256), None), Err(ClientError::Name(256)));
        assert_eq!(make("x", Some(&["openid", "root"])), Err(ClientError::Scope("root".into())));
    }
}
