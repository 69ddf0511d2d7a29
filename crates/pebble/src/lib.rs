//! The Pebble template language: text → tokens → tree → text.
//!
//! Floor 1, usable alone. [`Template::compile`] checks a source once; [`Template::render`] writes what it gives
//! for a context of [`Value`]s into the caller's buffer. Templates and values may be shared between threads.
//! Pure: no I/O, and no output depends on a clock; what a render may use is bounded by [`Limits`].
//! Always: no source and no context makes it panic or recurse without bound; an error leaves no output.

mod adobe;
mod analysis;
mod budget;
mod chain;
mod error;
mod escape;
mod eval;
mod few;
mod filters;
mod functions;
mod java;
mod json;
mod layout;
mod lexer;
mod methods;
mod operators;
mod parser;
mod path_macro;
mod pipe;
mod predicates;
mod print;
mod reads;
mod render;
mod resolve;
mod scope;
mod statements;
mod template;
mod tree;
mod value;

pub use budget::RENDER_TIME;
pub use error::{Error, Phase};
pub use layout::format_source;
pub use reads::{Parts, Reads};
pub use template::{Limits, Options, Profile, Template, Templates};
pub use value::{Big, Key, List, Map, Opaque, Value};
