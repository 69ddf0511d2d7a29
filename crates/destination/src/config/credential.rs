//! Credentials of the platform in the receiving system (`/authoring/credentials`).

use super::fault::Fault;
use super::read::{At, Object, Reading, not_among};
use serde_json::Value as Json;
use std::fmt;

/// Text that is never shown: not in faults, not in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A credential: exactly one way to authenticate. Its `Debug` shows no secret.
#[derive(Clone)]
pub struct CredentialConfig {
    /// Its name, if one was given.
    pub name: Option<String>,
    /// The authentication and its data.
    pub auth: CredentialAuth,
    /// The document in the form in which it is stored, with the derived `type`.
    pub json: Json,
}

impl fmt::Debug for CredentialConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("CredentialConfig");
        shown.field("name", &self.name).field("auth", &self.auth).finish_non_exhaustive()
    }
}

/// The authentication of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialAuth {
    /// `basicAuthentication`.
    Basic {
        /// Where it is used, if that was given.
        url: Option<String>,
        /// User name.
        username: String,
        /// Password.
        password: Secret,
    },
    /// `s3Authentication`.
    S3 {
        /// Access key id.
        access_id: String,
        /// Secret key.
        secret_key: Secret,
    },
    /// `sshAuthentication`.
    Ssh {
        /// User name.
        username: String,
        /// Private key.
        ssh_key: Secret,
    },
    /// `azureAuthentication` (Data Lake Storage).
    Azure {
        /// URL of the store.
        url: String,
        /// Tenant.
        tenant: String,
        /// Service principal.
        service_principal_id: String,
        /// Its key.
        service_principal_key: Secret,
    },
    /// `azureConnectionStringAuthentication` (Blob).
    AzureConnectionString {
        /// The connection string, which holds a key.
        connection_string: Secret,
    },
}

/// Every authentication object: its field, the type that answers show, and how it is read.
type Read = fn(&Object<'_>) -> Option<CredentialAuth>;
const OBJECTS: &[(&str, &str, Read)] = &[
    ("basicAuthentication", "basic", basic),
    ("s3Authentication", "s3Authentication", s3),
    ("sshAuthentication", "sshAuthentication", ssh),
    ("azureAuthentication", "azureAuthentication", azure),
    ("azureConnectionStringAuthentication", "azureConnectionStringAuthentication", azure_connection_string),
];

impl CredentialConfig {
    /// Reads a credential, or says everything that is wrong with it.
    pub fn parse(json: &Json) -> Result<CredentialConfig, Vec<Fault>> {
        let reading = Reading::default();
        let read = reading.top(json).object(credential);
        let ((name, kind, auth), mut json) = reading.close(json, read)?;
        if let Json::Object(map) = &mut json {
            map.insert("type".to_owned(), Json::from(kind));
        }
        Ok(CredentialConfig { name, auth, json })
    }
}

fn credential(object: &Object<'_>) -> Option<(Option<String>, &'static str, CredentialAuth)> {
    ["instanceId", "createdDate", "lastModifiedDate", "imsOrg", "sandboxName", "sandboxId"]
        .iter()
        .for_each(|name| object.server_set(name));
    let name = object.string("name");
    let given: Vec<_> =
        OBJECTS.iter().filter_map(|(field, kind, read)| Some((*kind, object.get(field)?, read))).collect();
    let declared = object.get("type").and_then(|at| Some((at.text()?, at)));
    let fields: Vec<&str> = OBJECTS.iter().map(|(field, ..)| *field).collect();
    let auths: Vec<_> = given.into_iter().map(|(kind, at, read)| (kind, at.clone(), at.object(read))).collect();
    let mut auths = auths.into_iter();
    let Some((kind, _, auth)) = auths.next() else {
        object.at.fault(format!("needs exactly one of {}", fields.join(", ")));
        return None;
    };
    for (_, at, _) in auths {
        at.fault("a credential holds exactly one authentication object; another one is given before");
    }
    if let Some((text, at)) = declared {
        let names: &[&str] = if kind == "basic" { &["basic", "BASIC"] } else { &[kind] };
        if !names.contains(&text) {
            at.fault(not_among(text, names));
        }
    }
    Some((name, kind, auth?))
}

/// A secret text. What was given is not repeated.
pub(crate) fn secret(at: &At<'_>) -> Option<Secret> {
    match at.json {
        Json::String(text) if !text.is_empty() => Some(Secret(text.clone())),
        Json::String(_) => {
            at.fault("must not be empty");
            None
        }
        _ => {
            at.fault("must be a string");
            None
        }
    }
}

fn filled(object: &Object<'_>, name: &'static str) -> Option<String> {
    object.need(name)?.filled().map(str::to_owned)
}

fn hidden(object: &Object<'_>, name: &'static str) -> Option<Secret> {
    secret(&object.need(name)?)
}

fn basic(object: &Object<'_>) -> Option<CredentialAuth> {
    let (url, username, password) = (object.string("url"), filled(object, "username"), hidden(object, "password"));
    Some(CredentialAuth::Basic { url, username: username?, password: password? })
}

fn s3(object: &Object<'_>) -> Option<CredentialAuth> {
    let (access_id, secret_key) = (filled(object, "accessId"), hidden(object, "secretKey"));
    Some(CredentialAuth::S3 { access_id: access_id?, secret_key: secret_key? })
}

fn ssh(object: &Object<'_>) -> Option<CredentialAuth> {
    let (username, ssh_key) = (filled(object, "username"), hidden(object, "sshKey"));
    Some(CredentialAuth::Ssh { username: username?, ssh_key: ssh_key? })
}

fn azure(object: &Object<'_>) -> Option<CredentialAuth> {
    let (url, tenant) = (filled(object, "url"), filled(object, "tenant"));
    let (id, key) = (filled(object, "servicePrincipalId"), hidden(object, "servicePrincipalKey"));
    let (url, tenant) = (url?, tenant?);
    Some(CredentialAuth::Azure { url, tenant, service_principal_id: id?, service_principal_key: key? })
}

fn azure_connection_string(object: &Object<'_>) -> Option<CredentialAuth> {
    Some(CredentialAuth::AzureConnectionString { connection_string: hidden(object, "connectionString")? })
}
