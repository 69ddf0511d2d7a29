//! The unified profile: its record, its fragments, and how fragments merge into one view.
//!
//! Floor 2, pure. In: stored rows and new records. Out: changed rows and what changed.
//!
//! Always: every write of a row is a function of (old row, record, stamp); merging is leaf by leaf
//! and does not depend on the order in which fragments are stored.

mod event;
mod fragment;
mod memberships;
mod merge;
mod record;
mod row;

pub use event::{Event, event_name};
pub use fragment::Fragment;
pub use memberships::Memberships;
pub use merge::{AttributeMerge, Graph, MergePolicy, attributes, identity_map};
pub use record::{AuthState, Record, RecordIdentity, RecordKind};
pub use row::{IDENTITIES_MAX, KnownIdentity, Link, Profile, Row};
