//! A template of a small grammar, or any template with a context of JSON, rendered.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::template::render(data));
