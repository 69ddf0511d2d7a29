//! Everything that can be said about a Destination SDK destination without sending anything.
//!
//! In: the JSON of the Authoring API (destination, server, audience template, credentials), and changed profiles.
//! Out: typed configuration or precise faults, composed requests, file names, the judgement of an answer.
//! Always: no I/O, no clock, no threads; bad input is refused with a fault that names the field, and never panics.

pub mod case;
pub mod config;
pub mod folder;
mod json;
pub mod message;

pub use config::Fault;
pub use json::read_json;
