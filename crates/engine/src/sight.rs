//! A profile as queries and look-ups see it: merged attributes, and beside them what the service adds.

use crate::plan::SandboxPlan;
use model::{SmolStr, Value};
use profile::{MergePolicy, Profile};

/// The parts of a profile that no record writes.
pub(crate) struct ServiceFields {
    identities: Value,
    memberships: Value,
}

impl ServiceFields {
    pub(crate) fn of(profile: &Profile, plan: &SandboxPlan) -> ServiceFields {
        let identities = profile.identities.iter().map(|known| &known.identity);
        ServiceFields {
            identities: profile::identity_map(identities, &|id| plan.namespaces.code(id)),
            memberships: membership_map(profile, plan),
        }
    }

    pub(crate) fn add_to(&self, view: &mut Value) {
        view.set(&["identityMap"], self.identities.clone());
        view.set(&["segmentMembership"], self.memberships.clone());
    }
}

impl SandboxPlan {
    /// All that queries can read of a profile under a merge policy, but for its events.
    pub fn view(&self, profile: &Profile, policy: &MergePolicy) -> Value {
        let mut view = profile::attributes(profile, policy, None);
        ServiceFields::of(profile, self).add_to(&mut view);
        view
    }
}

/// `segmentMembership` as queries and look-ups see it (profile.md §4.2).
pub fn membership_map(profile: &Profile, plan: &SandboxPlan) -> Value {
    let (mut ups, mut uploaded) = (Vec::new(), Vec::new());
    for (no, membership) in profile.memberships.iter() {
        if let Some(audience) = plan.audiences.by_no(no) {
            let text = |t: &str| Value::Str(SmolStr::new(t));
            let mut entry = vec![
                (SmolStr::new_static("lastQualificationTime"), text(&membership.since.to_seconds_text())),
                (SmolStr::new_static("status"), text(membership.status.as_str())),
            ];
            match crate::uploaded::row(profile, no) {
                Some(row) => {
                    entry.extend(crate::uploaded::members(row));
                    uploaded.push((audience.id.clone(), Value::Object(entry)));
                }
                None => ups.push((audience.id.clone(), Value::Object(entry))),
            }
        }
    }
    let named = [("ups", ups), (model::membership::UPLOADED_NAMESPACE, uploaded)];
    let named = named.into_iter().filter(|(_, entries)| !entries.is_empty());
    let map: Vec<_> = named.map(|(name, entries)| (SmolStr::new_static(name), Value::Object(entries))).collect();
    if map.is_empty() { Value::Null } else { Value::Object(map) }
}
