//! Which fields of an authored object are secrets. They are stored sealed and shown as a placeholder;
//! the placeholder sent back keeps what is stored.

use crate::error::{Error, Result};
use crate::kind::Kind;
use serde_json::{Value as Json, json};

/// Stands for a secret in answers.
pub const REDACTED: &str = "<redacted>";

const CREDENTIAL_SECRETS: [&str; 5] = [
    "/basicAuthentication/password",
    "/s3Authentication/secretKey",
    "/sshAuthentication/sshKey",
    "/azureAuthentication/servicePrincipalKey",
    "/azureConnectionStringAuthentication/connectionString",
];

/// Where a document holds secret texts, as JSON pointers.
pub(crate) fn pointers(kind: Kind, body: &Json) -> Vec<String> {
    let all = match kind {
        Kind::Credential => CREDENTIAL_SECRETS.iter().map(|pointer| (*pointer).to_owned()).collect(),
        Kind::Destination => destination_pointers(body),
        Kind::Server | Kind::AudienceTemplate => Vec::new(),
    };
    all.into_iter().filter(|pointer: &String| body.pointer(pointer).is_some_and(Json::is_string)).collect()
}

fn destination_pointers(body: &Json) -> Vec<String> {
    let mut found = Vec::new();
    let list = "customerAuthenticationConfigurations";
    for (i, authentication) in body[list].as_array().into_iter().flatten().enumerate() {
        found.push(format!("/{list}/{i}/clientSecret"));
        let fields = authentication["authenticationDataFields"].as_array().into_iter().flatten();
        for (j, _) in fields.enumerate().filter(|(_, field)| field["format"] == "password") {
            found.push(format!("/{list}/{i}/authenticationDataFields/{j}/value"));
        }
    }
    found
}

/// Seals the secrets of `body`; `old` is the stored document that it replaces.
pub(crate) fn seal(kind: Kind, body: &mut Json, old: Option<&Json>, seal: &dyn Fn(&str) -> String) -> Result<()> {
    for pointer in pointers(kind, body) {
        let Some(value) = body.pointer_mut(&pointer) else { continue };
        let given = value.as_str().unwrap_or_default();
        *value = match (given == REDACTED, old.and_then(|old| old.pointer(&pointer))) {
            (false, _) => json!(seal(given)),
            (true, Some(kept)) => kept.clone(),
            (true, None) => {
                let path = pointer[1..].replace('/', ".");
                return Err(Error::field(&path, "is the shown placeholder; give the secret itself"));
            }
        };
    }
    Ok(())
}

/// Puts the placeholder in the place of every secret.
pub(crate) fn redact(kind: Kind, body: &mut Json) {
    for pointer in pointers(kind, body) {
        if let Some(value) = body.pointer_mut(&pointer) {
            *value = json!(REDACTED);
        }
    }
}
