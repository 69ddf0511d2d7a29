//! An identity: a value in a namespace, and its XID.

use crate::id::{NamespaceId, SandboxId, Xid};
use sha2::{Digest, Sha256};
use smol_str::SmolStr;

/// One identity of a person: `Email` = `a@b.example`. The value is case-sensitive (profile.md §5.4).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The namespace.
    pub namespace: NamespaceId,
    /// The value, as given: never trimmed, folded or hashed.
    pub value: SmolStr,
}

impl Identity {
    /// The XID of this identity within a sandbox.
    pub fn xid(&self, sandbox: SandboxId) -> Xid {
        let mut hash = Sha256::new();
        hash.update(sandbox.0.to_be_bytes());
        hash.update(self.namespace.0.to_be_bytes());
        hash.update(self.value.as_bytes());
        let digest = hash.finalize();
        let mut out = [0u8; 16];
        out.copy_from_slice(&digest[..16]);
        Xid(out)
    }
}
