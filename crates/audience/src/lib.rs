//! Audiences of one sandbox, and their evaluation over one profile.
//!
//! Floor 2, pure: (audiences, profile, what is kept of its events, what changed, now) → membership changes and the
//! next instant at which time alone could change one.
//!
//! The cost of a change follows what it changes: an event is offered to the series that its type can belong to, an
//! audience is looked at only when one of its atoms turned, an attribute it reads changed, or its time came.
//!
//! Always: audiences are evaluated in an order in which a referenced audience comes before the one
//! that refers to it, so chains settle in one pass (profile.md §10.5).

mod evaluate;
mod program;
mod state;
mod table;

pub use evaluate::{Changed, Evaluation, Flip, Input, Scratch, evaluate, is_opted_out};
pub use state::State;
pub use table::{Audiences, OPT_OUT};

use model::{AudienceNo, SmolStr, Timestamp};

/// Exited memberships are kept this long (profile.md §10.4).
pub const EXITED_KEPT_MS: i64 = 30 * model::time::DAY_MS;

/// One audience, compiled.
pub struct Audience {
    /// Its number in rows.
    pub no: AudienceNo,
    /// Its id.
    pub id: SmolStr,
    /// Its name.
    pub name: SmolStr,
    /// The rule.
    pub query: pql::Query,
    /// The control position at which the rule or its policy last changed.
    pub changed_n: u64,
    /// Index into the sandbox's merge policies.
    pub policy: usize,
    /// True when profiles with a general opt-out are left out (profile.md §10.5, §11.2).
    pub exclude_opt_out: bool,
    /// When the definition was created.
    pub created: Timestamp,
    /// When it was last updated.
    pub updated: Timestamp,
}
