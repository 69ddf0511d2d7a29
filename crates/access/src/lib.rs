//! Who may call, and how secrets are kept.
//!
//! Floor 5. Decides: which API client a bearer token stands for, whether a client's secret is right,
//! what the organisation and its sandboxes are. In: documents, texts, the time. Out: document changes,
//! tokens, sealed texts. Only [`Keyring::open_or_create`] touches the disk and only [`fresh`] draws chance.
//!
//! Always: a plain secret leaves this room once, when it is made; documents hold its keyed hash only.
//! Nothing here prints a secret, a token or a key.

mod client;
mod keyring;
mod oauth;
mod organisation;
mod secret;
mod token;

pub use client::{Client, ClientError, Credentials, SCOPES, client, clients, create, revoke, rotate};
pub use keyring::{Keyring, KeyringError, UnsealError, fresh};
pub use oauth::{TokenAnswer, answer_token_request};
pub use organisation::{Organisation, OrganisationError, Sandbox, bootstrap, organisation, sandbox, sandboxes};
pub use secret::Secret;
pub use token::{EXPIRES_MS, TokenError, issue, verify};
