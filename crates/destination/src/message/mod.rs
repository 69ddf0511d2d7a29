//! From a changed profile to requests, and from answers back to what became of each profile.
//!
//! [`Design`] is a destination made ready, [`Instance`] one flow to it. A [`SourceProfile`] becomes a
//! [`TargetProfile`] (selected, transformed, renamed), that becomes [`Slice`]s, one or more for each group that the
//! profile belongs to ([`GroupKey`]); [`chunk`] fills messages with the slices of one group; [`Instance::compose`]
//! renders the [`Request`] of a message, and [`Instance::judge`] reads the answer to it.
//!
//! Always: pure; equal input gives equal bytes; nothing here fails without saying which field is at fault.

mod alias;
mod compose;
mod context;
mod design;
mod entry;
mod group;
mod instance;
mod judge;
mod mapping;
mod outcome;
mod path;
mod profile;
mod random;
mod render;
pub mod sample;
mod selector;
mod slice;
mod target;

pub use alias::{Aliases, MappedAudience};
pub use compose::{ComposeError, ComposeFault, Request};
pub use design::{Design, Grouping, IdentityGroups};
pub use instance::{Instance, Setup};
pub use judge::{Answer, Judgement, RetryStatuses, SliceOutcome, retried};
pub use mapping::{AttributeMap, IdentityMap, Mapping, Source};
pub use outcome::Outcome;
pub use path::kind;
pub use profile::{SourceMembership, SourceProfile, TargetProfile, TimeText, Withheld};
pub use render::{GroupMessages, render_fields, render_results};
pub use slice::{GroupKey, GroupStatus, Slice, chunk};

#[cfg(test)]
mod tests;
