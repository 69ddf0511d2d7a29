//! Memberships that were uploaded: how a profile tells them from those that a query gave.
//!
//! A load writes a fragment whose data set has the number of the audience; that fragment says until when the
//! membership is valid.

use model::membership::UPLOADED_FIELD;
use model::{AudienceNo, SmolStr, Value};
use profile::Profile;

/// What the load of an audience wrote into a profile: `{validUntil, fields?}`. `None` for an audience that is evaluated.
pub(crate) fn row(profile: &Profile, audience: AudienceNo) -> Option<&Value> {
    let of_audience = profile.fragments.iter().filter(|fragment| fragment.dataset.0 == audience.0);
    let latest = of_audience.max_by_key(|fragment| fragment.written)?;
    let row = latest.body.get(UPLOADED_FIELD).get(&format!("n{}", audience.0));
    if row.is_null() { None } else { Some(row) }
}

/// The members of a membership that only uploaded ones have.
pub(crate) fn members(row: &Value) -> Vec<(SmolStr, Value)> {
    let mut members = vec![(SmolStr::new_static("validUntil"), row.get("validUntil").clone())];
    if !row.get("fields").is_null() {
        members.push((SmolStr::new_static("payload"), row.get("fields").clone()));
    }
    members
}
