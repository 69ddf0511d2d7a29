//! Drives the core with real time and real storage: partition workers, the identity worker, control.
//!
//! In: entries of the log. Out: rows, exports in the outbox, effects on other streams. One thread
//! per worker; each applies its streams in log order and commits many entries at once.
//!
//! Always: an entry is applied exactly once; state is a function of the log; an export is in the
//! outbox in the batch of the change that caused it (design, §4).

mod batches;
mod census;
mod command;
mod control;
mod dead;
mod emit;
mod error;
mod fill;
mod identity_worker;
mod key;
mod ledger;
mod outbox;
mod partition;
mod plan;
mod progress;
mod running;
mod sight;
mod survey;
mod tail;
mod uploaded;
mod views;

pub use census::{Census, Members, Stock};
pub use command::Outcome;
pub use control::{ChangeError, Control, Current};
pub use dead::DeadLetter;
pub use error::{Error, Result};
pub use fill::Fill;
pub use identity_worker::linking_xids;
pub use ledger::Ledger;
pub use partition::ExportObserver;
pub use plan::{Compiler, DatasetPlan, IdentityPath, InletPlan, Namespace, Namespaces, Plan, SandboxPlan};
pub use running::{Engine, Options, Placed};
pub use sight::membership_map;
pub use views::{Quarantined, StoredEvent, StoredProfile, Waiting, applied_offsets};
