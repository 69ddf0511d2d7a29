//! What the fuzz targets do with their bytes.
//!
//! In: bytes of the fuzzer. Out: nothing, or a panic that says which rule is broken. Always: one input does the same
//! each time; nothing here reads a clock, a file or the network.

pub mod answer;
pub mod config;
pub mod expression;
mod grammar;
pub mod json;
pub mod template;
