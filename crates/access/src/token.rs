//! Bearer tokens: compact JWTs, HS256, of one key of this server.
//!
//! A token names its client and the version of the secret it was got with. It is good while it is
//! signed by us, young enough, of a client that exists, and of that client's present secret.
//!
//! Always: only the exact header that [`issue`] writes is read, so no other algorithm can be asked for.

use crate::client::{Client, client};
use crate::keyring::Keyring;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::{DocSet, SmolStr, Timestamp};
use serde_json::{Value as Json, json};

/// How long a token is good: 24 hours.
pub const EXPIRES_MS: i64 = 86_400_000;

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
const TOKEN_BYTES_MAX: usize = 4096;

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token of this server.
    #[error("the token is not one of this server")]
    Invalid,
    /// Too old.
    #[error("the token has expired")]
    Expired,
    /// Its client is gone.
    #[error("the token's API client was revoked")]
    Revoked,
    /// Its client has another secret now.
    #[error("the token was got with a client secret that was rotated")]
    Rotated,
}

/// A token for a client with `scopes`, made at `now`.
pub fn issue(keys: &Keyring, client: &Client, scopes: &[SmolStr], now: Timestamp) -> String {
    let claims = json!({
        "type": "access_token",
        "client_id": client.id.as_str(),
        "secret_version": client.secret_version,
        "org": client.org_id.as_str(),
        "created_at": now.0.to_string(),
        "expires_in": EXPIRES_MS.to_string(),
        "scope": scopes.join(","),
    });
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = URL_SAFE_NO_PAD.encode(keys.sign_token(&signed).as_ref());
    format!("{signed}.{signature}")
}

/// The client that a token stands for at `now`.
pub fn verify(keys: &Keyring, docs: &DocSet, token: &str, now: Timestamp) -> Result<Client, TokenError> {
    let claims = signed_claims(keys, token).ok_or(TokenError::Invalid)?;
    let number = |name: &str| claims[name].as_str().and_then(|text| text.parse::<i64>().ok());
    let created = number("created_at").ok_or(TokenError::Invalid)?;
    let expires_in = number("expires_in").ok_or(TokenError::Invalid)?;
    if now.0 >= created.saturating_add(expires_in) {
        return Err(TokenError::Expired);
    }
    let id = claims["client_id"].as_str().ok_or(TokenError::Invalid)?;
    let client = client(docs, id).ok_or(TokenError::Revoked)?;
    if claims["secret_version"].as_u64() != Some(client.secret_version) {
        return Err(TokenError::Rotated);
    }
    Ok(client)
}

fn signed_claims(keys: &Keyring, token: &str) -> Option<Json> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    if !keys.token_signature_is_right(signed, &signature) || URL_SAFE_NO_PAD.decode(header).ok()? != HEADER.as_bytes() {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Secret, create, fresh, revoke, rotate};

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn server() -> (Keyring, DocSet, Client) {
        let keys = Keyring::from_master(&[1; 32], Secret::new("x"));
        let mut docs = DocSet::default();
        let (change, credentials) = create(&keys, &fresh, "A@AdobeOrg", "shop", None, "me").expect("made");
        docs.apply(1, NOW, &change);
        let client = client(&docs, &credentials.client_id).expect("stored");
        (keys, docs, client)
    }

    #[test]
    fn a_token_is_good_for_a_day() {
        let (keys, docs, client) = server();
        let token = issue(&keys, &client, &client.scopes, NOW);
        assert_eq!(verify(&keys, &docs, &token, NOW), Ok(client));
        assert!(verify(&keys, &docs, &token, Timestamp(NOW.0 + EXPIRES_MS - 1)).is_ok());
        assert_eq!(verify(&keys, &docs, &token, Timestamp(NOW.0 + EXPIRES_MS)), Err(TokenError::Expired));
    }

    #[test]
    fn rotation_and_revocation_end_tokens() {
        let (keys, mut docs, client) = server();
        let token = issue(&keys, &client, &client.scopes, NOW);
        let (change, _) = rotate(&keys, &docs, &fresh, &client.id, "me").expect("rotated");
        docs.apply(2, NOW, &change);
        assert_eq!(verify(&keys, &docs, &token, NOW), Err(TokenError::Rotated));
        docs.apply(3, NOW, &revoke(&docs, &client.id, "me").expect("there"));
        assert_eq!(verify(&keys, &docs, &token, NOW), Err(TokenError::Revoked));
    }

    #[test]
    fn changed_or_foreign_tokens_are_refused() {
        let (keys, docs, client) = server();
        let token = issue(&keys, &client, &client.scopes, NOW);
        let other = Keyring::from_master(&[2; 32], Secret::new("x"));
        assert_eq!(verify(&other, &docs, &token, NOW), Err(TokenError::Invalid));
        // The last character of a part may carry unused bits; strict base64 refuses those as well.
        for i in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[i] = if changed[i] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert_eq!(verify(&keys, &docs, &changed, NOW), Err(TokenError::Invalid), "character {i}");
        }
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        let claims = token.split('.').nth(1).expect("claims");
        for text in ["", ".", "..", "a.b.c", &format!("{none}.{claims}."), &"x".repeat(9000)] {
            assert_eq!(verify(&keys, &docs, text, NOW), Err(TokenError::Invalid), "{text}");
        }
    }
}
