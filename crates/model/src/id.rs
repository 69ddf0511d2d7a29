//! Ids are types, never bare numbers or strings.
//!
//! A `…No` is dense and deterministic: it is the control-stream position at which the document
//! was created, so rows can name a data set or an audience in four bytes.

use std::fmt;

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id!(
    /// A sandbox. `prod` is 1.
    SandboxId(u32)
);
number_id!(
    /// A virtual partition, `0..partitions`.
    PartitionNo(u16)
);
number_id!(
    /// A data set, by the position of its creation.
    DatasetNo(u32)
);
number_id!(
    /// An audience (segment definition), by the position of its creation.
    AudienceNo(u32)
);
number_id!(
    /// A dataflow, by the position of its creation.
    FlowNo(u32)
);
number_id!(
    /// An identity namespace: the numeric id that the API shows (profile.md §5.1).
    NamespaceId(u32)
);

/// The opaque, deterministic name of one identity (profile.md §5.2): 128 bits of SHA-256 over
/// sandbox, namespace and value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Xid(pub [u8; 16]);

/// A profile is named by the XID of the identity that was resolved first (design, §11.2).
pub type ProfileId = Xid;

impl Xid {
    /// Parses the 32 hexadecimal digits that [`fmt::Display`] prints.
    pub fn parse(text: &str) -> Option<Xid> {
        let bytes = text.as_bytes();
        if bytes.len() != 32 {
            return None;
        }
        let mut out = [0u8; 16];
        for (slot, pair) in out.iter_mut().zip(bytes.chunks_exact(2)) {
            let high = (pair[0] as char).to_digit(16)?;
            let low = (pair[1] as char).to_digit(16)?;
            *slot = (high * 16 + low) as u8;
        }
        Some(Xid(out))
    }

    /// The partition that keeps the profile of this id.
    pub fn partition(self, sandbox: SandboxId, partitions: u16) -> PartitionNo {
        let mut word = [0u8; 8];
        word.copy_from_slice(&self.0[..8]);
        let mixed = u64::from_be_bytes(word) ^ u64::from(sandbox.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        PartitionNo((mixed % u64::from(partitions.max(1))) as u16)
    }
}

impl fmt::Display for Xid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Xid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Xid({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_xid_reads_what_it_prints() {
        let xid = Xid([0, 1, 2, 3, 250, 251, 252, 253, 4, 5, 6, 7, 8, 9, 10, 255]);
        assert_eq!(Xid::parse(&xid.to_string()), Some(xid));
        assert_eq!(Xid::parse("zz"), None);
    }
}
