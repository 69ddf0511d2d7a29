//! What one profile contributes to which group of messages (destination-sdk.md §5.5; design, §11.12).
//!
//! Always: each selected membership and each identity of a group is in exactly the slices that the specification
//! says; a slice has at most as many users as a message may have.

use super::design::IdentityGroups;
use super::instance::Instance;
use super::profile::{SourceMembership, TargetProfile, Withheld};
use super::slice::{GroupKey, GroupStatus, Slice};
use model::{SmolStr, Status};
use std::sync::Arc;

impl Instance {
    /// What the profile contributes to which group (destination-sdk.md §5.5; design, §11.12). Nothing if it is
    /// withheld; [`Instance::withheld`] says why.
    pub fn slices(&self, profile: &Arc<TargetProfile>) -> Vec<Slice> {
        let mut slices = Vec::new();
        self.each_slice(profile, &mut |slice| slices.push(slice));
        slices
    }

    /// [`Instance::slices`], one after the other.
    pub fn each_slice(&self, profile: &Arc<TargetProfile>, on: &mut dyn FnMut(Slice)) {
        if profile.withheld.is_some() {
            return;
        }
        if !self.parts.design.grouping().by_segment {
            self.each_part(profile, &mut |part| self.add_slices(profile, None, part, on));
            return;
        }
        for (at, member) in profile.selected() {
            self.each_part(profile, &mut |part| self.add_slices(profile, Some((at, member)), part, on));
        }
    }

    /// Why a profile is not sent, if it is not.
    pub fn withheld(&self, profile: &TargetProfile) -> Option<Withheld> {
        if let Some(withheld) = &profile.withheld {
            return Some(withheld.clone());
        }
        if self.parts.design.grouping().by_segment && profile.selected().next().is_none() {
            return Some(Withheld::NotAMember);
        }
        let mut parts = 0;
        self.each_part(profile, &mut |_| parts += 1);
        (parts == 0).then_some(Withheld::NoIdentity)
    }

    /// What the profile has for each group of namespaces.
    fn each_part(&self, profile: &TargetProfile, on: &mut dyn FnMut(IdentityPart)) {
        let grouping = self.parts.design.grouping();
        let mut part = |namespaces: Option<Arc<[SmolStr]>>| {
            let identities = self.identities_of(profile, namespaces.as_deref()).count() as u32;
            if identities > 0 || (namespaces.is_none() && !grouping.split) {
                on(IdentityPart { namespaces, identities });
            }
        };
        match &grouping.identities {
            IdentityGroups::Any => part(None),
            IdentityGroups::All => part(Some(self.parts.all.clone())),
            IdentityGroups::Each => {
                let of_one = profile.identities.chunk_by(|a, b| a.namespace == b.namespace);
                of_one.for_each(|ids| part(Some([self.namespace(profile, ids[0]).clone()].into())));
            }
            IdentityGroups::Listed(groups) => groups.iter().for_each(|group| part(Some(group.clone()))),
        }
    }

    fn group(&self, member: Option<&SourceMembership>, namespaces: Option<Arc<[SmolStr]>>) -> Arc<GroupKey> {
        if member.is_none() && namespaces.is_none() {
            return self.parts.common.clone();
        }
        let by_status = self.parts.design.grouping().by_status;
        Arc::new(GroupKey {
            segment: member.map(|m| (m.namespace.clone(), m.id.clone())),
            status: member.filter(|_| by_status).map(|m| GroupStatus::from(m.status)),
            identity_namespaces: namespaces,
        })
    }

    fn add_slices(
        &self,
        profile: &Arc<TargetProfile>,
        member: Option<(usize, &SourceMembership)>,
        part: IdentityPart,
        on: &mut dyn FnMut(Slice),
    ) {
        let group = self.group(member.map(|(_, m)| m), part.namespaces);
        let lane = group.lane();
        let member = member.map(|(at, _)| at as u32);
        let slice = |users: u32, identities: u32, split: Option<(u32, u32)>| Slice {
            group: group.clone(),
            lane,
            users,
            identities,
            profile: profile.clone(),
            member,
            split,
        };
        if !self.parts.design.grouping().split {
            return on(slice(1, part.identities, None));
        }
        let users_max = self.parts.design.grouping().max_users.max(1);
        for from in (0..part.identities).step_by(users_max as usize) {
            let to = part.identities.min(from.saturating_add(users_max));
            on(slice(to - from, to - from, Some((from, to))));
        }
    }
}

/// What a profile has for one group of namespaces.
struct IdentityPart {
    namespaces: Option<Arc<[SmolStr]>>,
    /// How many identities there are in all.
    identities: u32,
}

impl TargetProfile {
    /// The memberships that messages by audience are about, with their places in the source: those of the change, or else those
    /// that hold.
    fn selected(&self) -> impl Iterator<Item = (usize, &SourceMembership)> {
        let any_changed = self.members().any(|(_, m)| m.changed);
        let is_selected = move |m: &SourceMembership| match any_changed {
            true => m.changed,
            false => m.status == Status::Realized,
        };
        self.members().filter(move |(_, m)| is_selected(m))
    }

    /// The membership that a message without audience in its key is about, if there is only one.
    pub(crate) fn only_member(&self) -> Option<&SourceMembership> {
        let mut selected = self.selected();
        selected.next().filter(|_| selected.next().is_none()).map(|(_, member)| member)
    }
}
