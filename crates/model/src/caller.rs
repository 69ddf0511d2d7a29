//! Who asks for a change, when, and where fresh ids come from.
//!
//! Control rooms are pure: they get a [`Caller`] instead of reading a clock or drawing chance.

use crate::id::SandboxId;
use crate::time::Timestamp;
use smol_str::{SmolStr, format_smolstr};

/// The authenticated caller of one API request.
pub struct Caller<'a> {
    /// Organisation id, `…@AdobeOrg`.
    pub org: &'a str,
    /// Tenant name without the leading underscore; tenant fields live under `_TENANT`.
    pub tenant: &'a str,
    /// The sandbox of the request.
    pub sandbox: SandboxId,
    /// Its name.
    pub sandbox_name: &'a str,
    /// The API client's id.
    pub client: &'a str,
    /// The instant of the request.
    pub now: Timestamp,
    /// Draws 16 random bytes.
    pub fresh: &'a dyn Fn() -> [u8; 16],
}

impl Caller<'_> {
    /// A fresh UUID, version 4, in its usual text form.
    pub fn uuid(&self) -> SmolStr {
        let mut b = (self.fresh)();
        b[6] = (b[6] & 0x0f) | 0x40;
        b[8] = (b[8] & 0x3f) | 0x80;
        let hex = hex(&b);
        format_smolstr!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    /// A fresh id of 24 hexadecimal digits (data sets).
    pub fn hex24(&self) -> SmolStr {
        SmolStr::new(&hex(&(self.fresh)())[..24])
    }

    /// A fresh id of 32 hexadecimal digits.
    pub fn hex32(&self) -> SmolStr {
        SmolStr::new(hex(&(self.fresh)()))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
