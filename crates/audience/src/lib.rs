//! Audiences of one sandbox, and their evaluation over one profile.
//!
//! Floor 2, pure: (audiences, profile, events, what changed, now) → membership changes and the
//! next instant at which time alone could change one.
//!
//! Always: audiences are evaluated in an order in which a referenced audience comes before the one
//! that refers to it, so chains settle in one pass (profile.md §10.5).

mod evaluate;

pub use evaluate::{Changed, Evaluation, Flip, evaluate};

use model::{AudienceNo, SmolStr, Timestamp};
use std::collections::HashMap;
use std::sync::Arc;

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

/// All audiences of a sandbox, in evaluation order.
#[derive(Default)]
pub struct Audiences {
    ordered: Vec<Arc<Audience>>,
    by_id: HashMap<SmolStr, usize>,
    by_no: HashMap<AudienceNo, usize>,
}

impl Audiences {
    /// Takes audiences that are already in evaluation order.
    pub fn new(ordered: Vec<Arc<Audience>>) -> Audiences {
        let by_id = ordered.iter().enumerate().map(|(i, a)| (a.id.clone(), i)).collect();
        let by_no = ordered.iter().enumerate().map(|(i, a)| (a.no, i)).collect();
        Audiences { ordered, by_id, by_no }
    }

    /// In evaluation order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Audience>> {
        self.ordered.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ordered.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.ordered.is_empty()
    }

    /// By id.
    pub fn by_id(&self, id: &str) -> Option<&Arc<Audience>> {
        self.by_id.get(id).map(|i| &self.ordered[*i])
    }

    /// By number.
    pub fn by_no(&self, no: AudienceNo) -> Option<&Arc<Audience>> {
        self.by_no.get(&no).map(|i| &self.ordered[*i])
    }
}
