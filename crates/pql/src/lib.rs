//! The Profile Query Language: text → tokens → tree → checked, compiled form → value.
//!
//! Floor 1; depends on `model` alone. Pure: no clock, no I/O; `now` and memberships come with the world.
//! `parse` gives the tree, `compile` and `compile_segment` a `Query` that is shared between threads and
//! evaluated over one profile and its events; every evaluation tells when time alone may change it.
//! Always: no text makes it panic or recurse without bound; every refusal names bytes of the text.

mod advice;
pub mod anatomy;
pub mod ast;
mod calendar;
mod check;
mod compile;
mod diagnostic;
mod eval;
pub mod exact_sum;
mod explain;
pub mod functions;
pub mod incremental;
pub mod json;
mod lexer;
mod method;
mod node;
mod occurs;
mod output;
mod parser;
mod person;
mod print;
mod query;
mod token;
pub mod turns;
mod types;
mod value;

pub use advice::warnings;
pub use ast::Ast;
pub use diagnostic::{Diagnostic, Diagnostics, Kind};
pub use eval::{MADE_BYTES_MAX, WORK_MAX};
pub use explain::{Cost, Explanation, explain};
pub use functions::pattern::stopped as matches_stopped;
pub use json::{from_json, to_json};
pub use method::{Method, Reads};
pub use output::value_to_json;
pub use parser::parse;
pub use person::Person;
pub use print::format;
pub use query::{Outcome, Query, Schema, Truth, World, compile, compile_segment, exhausted};
pub use value::EventView;
