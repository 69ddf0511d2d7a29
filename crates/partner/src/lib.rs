//! Calls to a receiving system that are no exports: tokens, live lookups, audience metadata.
//!
//! In: the typed configuration of a destination, what a customer entered, a way out ([`Line`]). Out: access, choices
//! and target fields, mapping ids. Declared in reading order.
//!
//! Always: requests leave through delivery's guarded client only; time and size of every call are bounded; no redirect
//! is followed; no secret is in a message, a log line or `Debug`; garbage is a failure that says what was expected.

mod line;

mod failure;

mod select;

mod regex;

mod context;

mod draft;

pub mod oauth;

mod account;

mod login;

pub mod lookup;

pub mod metadata;

pub use account::{Account, Authorization, StaticKind};
pub use failure::Failure;
pub use line::Line;
pub use login::{LOGIN_MS_MAX, LOGINS_MAX, Logins, PendingLogins, new_state};
pub use lookup::{Lookup, LookupError, Lookups};
pub use oauth::{Access, Grant, Keeping, Sink, TokenSet, Tokens, UserContext};
