//! OAuth 2: authorization code, password and client credentials, as a destination declares them.

mod answer;
mod grant;
mod set;
mod tokens;

pub use grant::{Grant, UserContext};
pub use set::TokenSet;
pub use tokens::{Access, Keeping, Sink, Tokens};
