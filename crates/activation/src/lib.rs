//! Which flows care about a change, and what they export (activation.md §3.4–§3.8).
//!
//! Floor 2, pure: (flows, profile, change) → exports and what was filtered, by reason.
//!
//! Always: an export holds the state at its instant; equal inputs give equal bytes.

mod decide;
mod export;
mod flow;
mod payload;

pub use decide::{Change, Draft, Subject, Verdict, decide};
pub use export::{Export, ExportedMembership, Reasons};
pub use flow::{FlowPlan, MappedAudience, Triggers};
pub use payload::{Names, payload};

/// Why an entry of the ledger was not sent (design, §11.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Filtered {
    /// The profile is a member of no mapped audience.
    NotAMember,
    /// The flow does not export on this kind of change.
    TriggerOff,
    /// No identity that the flow maps.
    NoMappedIdentity,
    /// Consent.
    Consent,
    /// The flow is disabled.
    FlowDisabled,
    /// The audience is no longer mapped.
    AudienceUnmapped,
    /// A later entry took its place.
    Superseded,
}

impl Filtered {
    /// All reasons; the index is the place in ledger rows.
    pub const ALL: [Filtered; 7] = [
        Filtered::NotAMember,
        Filtered::TriggerOff,
        Filtered::NoMappedIdentity,
        Filtered::Consent,
        Filtered::FlowDisabled,
        Filtered::AudienceUnmapped,
        Filtered::Superseded,
    ];

    /// The word in metrics, runs and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Filtered::NotAMember => "not_a_member",
            Filtered::TriggerOff => "trigger_off",
            Filtered::NoMappedIdentity => "no_mapped_identity",
            Filtered::Consent => "consent",
            Filtered::FlowDisabled => "flow_disabled",
            Filtered::AudienceUnmapped => "audience_unmapped",
            Filtered::Superseded => "superseded",
        }
    }
}
