//! A dataflow, compiled: which audiences and attributes it maps, and what makes it export.

use model::{AudienceNo, FlowNo, SmolStr, Timestamp};

/// Kinds of change on which a flow exports ("When to activate", activation.md §3.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Triggers {
    /// A mapped attribute was written.
    pub attribute: bool,
    /// A mapped audience of this system changed.
    pub segmentation: bool,
    /// The identities changed.
    pub identity: bool,
}

/// One mapped audience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedAudience {
    /// The audience.
    pub no: AudienceNo,
    /// Its id, as exports name it.
    pub id: SmolStr,
    /// Its name.
    pub name: SmolStr,
    /// The control position at which this flow mapped this audience for the first time.
    pub mapped_n: u64,
    /// When the definition was created and updated.
    pub created: Timestamp,
    /// When the definition was updated.
    pub updated: Timestamp,
    /// When the mapping was made.
    pub mapping_created: Timestamp,
    /// When the mapping was changed.
    pub mapping_updated: Timestamp,
}

/// One dataflow to a streaming profile destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowPlan {
    /// Its number in rows.
    pub no: FlowNo,
    /// Its id.
    pub id: SmolStr,
    /// Its name.
    pub name: SmolStr,
    /// False while it exports nothing.
    pub enabled: bool,
    /// Mapped audiences, sorted by number.
    pub audiences: Vec<MappedAudience>,
    /// Mapped attribute paths, split at the dots.
    pub attributes: Vec<Vec<SmolStr>>,
    /// What makes it export.
    pub triggers: Triggers,
    /// Print audience names.
    pub include_names: bool,
    /// Print the four times of definition and mapping.
    pub include_timestamps: bool,
    /// Print `existing` for members whose entry is not part of the change (seed vocabulary).
    pub legacy_status: bool,
}

impl FlowPlan {
    /// The mapping of an audience.
    pub fn mapping(&self, no: AudienceNo) -> Option<&MappedAudience> {
        self.audiences.binary_search_by_key(&no, |m| m.no).ok().map(|i| &self.audiences[i])
    }
}
