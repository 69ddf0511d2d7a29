//! Calls against real receivers on loopback.

mod bad_answers;
mod login;
mod lookups;
mod metadata;
mod tokens;
mod world;
