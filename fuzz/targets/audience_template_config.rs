//! Any JSON as an audience template, and as credentials.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    fuzz::json::mutate(data, size, max_size, seed)
});

fuzz_target!(|data: &[u8]| fuzz::config::audience_template(data));
