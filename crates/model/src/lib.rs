//! The words that every room shares: ids, values, time, identities, memberships, documents.
//!
//! Floor 0. Pure data: no I/O, no clock, no threads, no domain rule. Declared in reading order.
//!
//! Always: encodings here are deterministic (equal values give equal bytes) and versioned by the
//! row that embeds them; decoding untrusted bytes gives an error, never a panic.

pub mod caller;
pub mod codec;
pub mod doc;
pub mod id;
pub mod identity;
pub mod membership;
mod names;
pub mod time;
pub mod types;
pub mod value;

pub use caller::Caller;
pub use doc::{Collection, Doc, DocChange, DocSet};
pub use id::{AudienceNo, DatasetNo, FlowNo, NamespaceId, PartitionNo, ProfileId, SandboxId, Xid};
pub use identity::Identity;
pub use membership::{Membership, Status};
pub use smol_str::SmolStr;
pub use time::Timestamp;
pub use types::Type;
pub use value::{Name, Value};
