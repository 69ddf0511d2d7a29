//! Flows whose changes travel together: grouped, batched, composed by templates (destination-sdk.md §5, §7).
//!
//! In: profile exports of the outbox, an [`Instance`] that knows how to say them. Out: requests of many
//! profiles, and one outcome per export. Declared in reading order.

mod line;

mod gather;

mod target;

mod attempt;

mod flow;

mod trial;

pub(crate) use flow::run;
pub(crate) use target::Target;
pub use target::{Access, AccessFuture, Authorize, Batching, Refusal};
pub(crate) use trial::run as try_out;
pub use trial::{Call, Trial};
