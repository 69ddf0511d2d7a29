//! Stable ids that follow from other ids.

use model::SmolStr;
use sha2::{Digest, Sha256};

/// The UUID that belongs to `what` of `id`: the same for ever, version 8.
pub(crate) fn derived(what: &str, id: &str) -> SmolStr {
    let hash = Sha256::digest(format!("rivermouth/authoring/{what}/{id}"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    SmolStr::new(parts.join("-"))
}
