//! A small HTTP receiver that plays a destination: for the demo, for tests, for benchmarks.
//!
//! In: [`Options`], and scripted behaviour ([`Script`]). Out: recorded requests, counts.
//!
//! `POST` (or any method) on any path is a delivery. Of its own are `POST /token`,
//! `GET|DELETE /received`, `GET /received/count`, `GET /received/last?by=NAMESPACE`, `PUT /script`.
//!
//! Always: what authorizes is recorded as a hash only.

mod options;

mod script;

mod serve;

mod ledger;

mod token;

mod connection;

pub use ledger::{Counts, Record};
#[cfg(feature = "cli")]
pub use options::Args;
pub use options::{Options, StartError, TokenOptions};
pub use script::{Random, Script, Step};
pub use serve::{Running, serve};
pub use token::TokenRequest;
