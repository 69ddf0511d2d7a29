//! Membership of a profile in an audience: the two stored statuses (design, §11.10).

use crate::time::Timestamp;

/// A stored status. `existing` is derived where a surface asks for it, never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// The profile is a member.
    Realized,
    /// The profile was a member; kept for 30 days.
    Exited,
}

impl Status {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Realized => "realized",
            Status::Exited => "exited",
        }
    }
}

/// One entry of the membership map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// The status now.
    pub status: Status,
    /// When the status became what it is (`lastQualificationTime`).
    pub since: Timestamp,
}

/// The field of a profile in which loads of external audiences keep, per audience `nNUMBER`, until when the
/// membership is valid (`validUntil`) and the other columns of the row (`fields`).
pub const UPLOADED_FIELD: &str = "_externalAudiences";

/// The namespace of memberships that were uploaded.
pub const UPLOADED_NAMESPACE: &str = "CustomerAudienceUpload";
