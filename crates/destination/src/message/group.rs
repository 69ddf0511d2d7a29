//! What one profile contributes to which group of messages (destination-sdk.md §5.5; design, §11.12).
//!
//! Always: each selected membership and each identity of a group is in exactly the slices that the specification
//! says; a slice has at most as many users as a message may have.

use super::context::{node, node_list};
use super::design::IdentityGroups;
use super::instance::Instance;
use super::mapping::{Source, transform};
use super::profile::{Identities, Member, TargetProfile, Withheld};
use super::slice::{GroupKey, GroupStatus, Slice};
use model::{SmolStr, Status};
use pebble::{Key, Value};
use std::sync::Arc;

const MEMBERSHIP_KEY: SmolStr = SmolStr::new_static("segmentMembership");
const IDENTITY_KEY: SmolStr = SmolStr::new_static("identityMap");
const ATTRIBUTES_KEY: SmolStr = SmolStr::new_static("attributes");

impl Instance {
    /// What the profile contributes to which group (destination-sdk.md §5.5; design, §11.12). Nothing if it is
    /// withheld; [`Instance::withheld`] says why.
    pub fn slices(&self, profile: &TargetProfile) -> Vec<Slice> {
        if profile.withheld.is_some() {
            return Vec::new();
        }
        let grouping = self.parts.design.grouping();
        let parts = self.identity_parts(profile);
        let plain = profile.of_audience.is_empty().then(|| profile.attributes.clone().map(node));
        let mut slices = Vec::with_capacity(parts.len());
        if grouping.by_segment {
            for member in profile.selected() {
                let memberships = memberships([member]);
                let attributes = plain.clone().unwrap_or_else(|| self.with_audience(profile, Some(member)));
                for part in &parts {
                    let group = self.group(Some(member), part);
                    self.add_slices(group, &memberships, part, attributes.as_ref(), &mut slices);
                }
            }
        } else {
            let memberships = memberships(&profile.members);
            let attributes = plain.unwrap_or_else(|| self.with_audience(profile, profile.only_member()));
            for part in &parts {
                let group = self.group(None, part);
                self.add_slices(group, &memberships, part, attributes.as_ref(), &mut slices);
            }
        }
        slices
    }

    /// Why a profile is not sent, if it is not.
    pub fn withheld(&self, profile: &TargetProfile) -> Option<Withheld> {
        if let Some(withheld) = &profile.withheld {
            return Some(withheld.clone());
        }
        if self.parts.design.grouping().by_segment && profile.selected().next().is_none() {
            return Some(Withheld::NotAMember);
        }
        self.identity_parts(profile).is_empty().then_some(Withheld::NoIdentity)
    }

    /// The identity maps of the entries, by group of namespaces.
    fn identity_parts(&self, profile: &TargetProfile) -> Vec<IdentityPart> {
        let grouping = self.parts.design.grouping();
        let present = || profile.identities.iter();
        let part = |namespaces: Option<Arc<[SmolStr]>>, identities: &mut dyn Iterator<Item = &Identities>| {
            IdentityPart::new(namespaces, identities, grouping.split)
        };
        let mut parts = match &grouping.identities {
            IdentityGroups::Any => vec![part(None, &mut present())],
            IdentityGroups::All => vec![part(Some(self.parts.all.clone()), &mut present())],
            IdentityGroups::Each => {
                present().map(|i| part(Some([i.namespace.clone()].into()), &mut std::iter::once(i))).collect()
            }
            IdentityGroups::Listed(groups) => {
                let of = |group: &Arc<[SmolStr]>| {
                    part(Some(group.clone()), &mut present().filter(|i| group.contains(&i.namespace)))
                };
                groups.iter().map(of).collect()
            }
        };
        parts.retain(|p| !p.entries.is_empty() && (p.identities > 0 || p.namespaces.is_none()));
        parts
    }

    fn group(&self, member: Option<&Member>, part: &IdentityPart) -> Arc<GroupKey> {
        if member.is_none() && part.namespaces.is_none() {
            return self.parts.common.clone();
        }
        let by_status = self.parts.design.grouping().by_status;
        Arc::new(GroupKey {
            segment: member.map(|m| (m.namespace.clone(), m.id.clone())),
            status: member.filter(|_| by_status).map(|m| GroupStatus::from(m.status)),
            identity_namespaces: part.namespaces.clone(),
        })
    }

    fn add_slices(
        &self,
        group: Arc<GroupKey>,
        memberships: &Value,
        part: &IdentityPart,
        attributes: Option<&Value>,
        out: &mut Vec<Slice>,
    ) {
        let lane = group.lane();
        let each = if self.parts.design.grouping().split { 1 } else { part.identities };
        for chunk in part.entries.chunks(self.parts.design.grouping().max_users.max(1) as usize) {
            let entry = |identity_map: &Value| {
                let sections = [
                    Some((Key::from(MEMBERSHIP_KEY), memberships.clone())),
                    Some((Key::from(IDENTITY_KEY), identity_map.clone())),
                    attributes.map(|attributes| (Key::from(ATTRIBUTES_KEY), attributes.clone())),
                ];
                node(sections.into_iter().flatten())
            };
            let entries: Vec<Value> = chunk.iter().map(entry).collect();
            let users = entries.len() as u32;
            out.push(Slice { group: group.clone(), lane, users, identities: users * each, entries });
        }
    }

    /// The attributes with those that depend on the audience of the message.
    fn with_audience(&self, profile: &TargetProfile, member: Option<&Member>) -> Option<Value> {
        let mut fields = profile.attributes.clone()?;
        let mut absent = Vec::new();
        for (place, number) in &profile.of_audience {
            let map = &self.parts.attributes[*number].map;
            let value = member.map(|m| match &map.source {
                Source::ByStatus { status, then, otherwise } => {
                    if m.status == *status {
                        then.clone()
                    } else {
                        otherwise.clone()
                    }
                }
                _ => {
                    let at = self.parts.aliases.position(&m.namespace, &m.id);
                    at.map_or(&m.id, |at| self.parts.aliases.audiences()[at].alias()).clone()
                }
            });
            match map.shown(value.map(|v| Value::string(transform(map.transform, &v)))) {
                Some(shown) => fields[*place].1 = shown,
                None => absent.push(*place),
            }
        }
        absent.into_iter().rev().for_each(|place| drop(fields.remove(place)));
        Some(node(fields))
    }
}

/// What a profile has for one group of namespaces.
struct IdentityPart {
    namespaces: Option<Arc<[SmolStr]>>,
    /// One identity map for each entry.
    entries: Vec<Value>,
    /// How many identities there are in all.
    identities: u32,
}

impl IdentityPart {
    fn new(
        namespaces: Option<Arc<[SmolStr]>>,
        identities: &mut dyn Iterator<Item = &Identities>,
        split: bool,
    ) -> IdentityPart {
        let mut count = 0;
        let mut entries = Vec::new();
        let mut whole = Vec::new();
        for of in identities {
            count += of.ids.len() as u32;
            let name = || Key::from(of.namespace.clone());
            if split {
                entries.extend(of.ids.iter().map(|id| node([(name(), node_list(vec![id.clone()]))])));
            } else {
                whole.push((name(), node_list(of.ids.clone())));
            }
        }
        if !split {
            entries.push(node(whole));
        }
        IdentityPart { namespaces, entries, identities: count }
    }
}

impl TargetProfile {
    /// The memberships that messages by audience are about: those of the change, or else those that hold.
    fn selected(&self) -> impl Iterator<Item = &Member> {
        let any_changed = self.members.iter().any(|m| m.changed);
        self.members.iter().filter(move |m| if any_changed { m.changed } else { m.status == Status::Realized })
    }

    /// The membership that a message without audience in its key is about, if there is only one.
    fn only_member(&self) -> Option<&Member> {
        let mut selected = self.selected();
        selected.next().filter(|_| selected.next().is_none())
    }
}

/// `segmentMembership` of an entry.
fn memberships<'a>(members: impl IntoIterator<Item = &'a Member>) -> Value {
    let mut namespaces: Vec<(&SmolStr, Vec<(Key, Value)>)> = Vec::new();
    for member in members {
        let entry = (Key::from(member.id.clone()), member.entry.clone());
        match namespaces.iter_mut().find(|(namespace, _)| *namespace == &member.namespace) {
            Some((_, entries)) => entries.push(entry),
            None => namespaces.push((&member.namespace, vec![entry])),
        }
    }
    node(namespaces.into_iter().map(|(namespace, entries)| (Key::from(namespace.clone()), node(entries))))
}
