//! Slices: what one changed profile contributes to one group of messages, and how slices fill messages.
//!
//! Always: a slice is delivered or fails as a whole; its entries go in one message. They are made when it is composed.

use super::profile::TargetProfile;
use model::{SmolStr, Status};
use std::ops::Range;
use std::sync::Arc;

/// What all profiles of one message have in common (destination-sdk.md §5.5). All absent without an aggregation key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct GroupKey {
    /// Namespace and id of the audience (`includeSegmentId`).
    pub segment: Option<(SmolStr, SmolStr)>,
    /// The status in it (`includeSegmentStatus`).
    pub status: Option<GroupStatus>,
    /// The target namespaces of the identities (`includeIdentity`).
    pub identity_namespaces: Option<Arc<[SmolStr]>>,
}

/// A status as part of a key; ordered, so that keys are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GroupStatus {
    /// Members.
    Realized,
    /// Those who left.
    Exited,
}

impl From<Status> for GroupStatus {
    fn from(status: Status) -> GroupStatus {
        match status {
            Status::Realized => GroupStatus::Realized,
            Status::Exited => GroupStatus::Exited,
        }
    }
}

impl GroupStatus {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            GroupStatus::Realized => Status::Realized.as_str(),
            GroupStatus::Exited => Status::Exited.as_str(),
        }
    }
}

impl GroupKey {
    /// The order lane: a number of the key without its status. What one profile sends in one lane has to arrive in
    /// order, so that an exit is not overtaken by the entry before it. Equal over restarts.
    pub fn lane(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        let mut feed = |text: &str| {
            for byte in text.bytes().chain([0xff]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        if let Some((namespace, id)) = &self.segment {
            feed(namespace);
            feed(id);
        }
        feed("");
        self.identity_namespaces.iter().flat_map(|names| names.iter()).for_each(|name| feed(name));
        hash
    }
}

/// What one profile contributes to the messages of one group.
#[derive(Debug, Clone)]
pub struct Slice {
    /// The group.
    pub group: Arc<GroupKey>,
    /// [`GroupKey::lane`] of the group.
    pub lane: u64,
    /// How many entries of `input.profiles` this is (design, §11.12); at least one.
    pub users: u32,
    /// How many identities they carry.
    pub identities: u32,
    pub(crate) profile: Arc<TargetProfile>,
    /// The place of the membership in the source that it is about, where messages are about one audience.
    pub(crate) member: Option<u32>,
    /// From which identity of the group's namespaces to before which, where each is an entry of its own.
    pub(crate) split: Option<(u32, u32)>,
}

/// Fills messages of at most `max` users with slices of one group, in order; each range is one message. A slice goes
/// into the message at hand if it fits there as a whole, and opens the next one otherwise. A slice of more than `max`
/// users, which [`Instance::slices`](super::Instance::slices) does not make, stands alone.
pub fn chunk(users: impl IntoIterator<Item = u32>, max: u32) -> Vec<Range<usize>> {
    let mut chunks: Vec<Range<usize>> = Vec::new();
    let mut filled = 0u32;
    for (at, users) in users.into_iter().enumerate() {
        match chunks.last_mut() {
            Some(last) if filled.saturating_add(users) <= max => {
                last.end = at + 1;
                filled += users;
            }
            _ => {
                chunks.push(at..at + 1);
                filled = users;
            }
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ten_by_seven_are_seven_and_three() {
        assert_eq!(chunk([1; 10], 7), [0..7, 7..10]);
        assert_eq!(chunk([3, 3, 3, 9, 1], 7), [0..2, 2..3, 3..4, 4..5]);
        assert!(chunk([], 7).is_empty());
    }

    proptest! {
        #[test]
        fn every_slice_is_in_one_message_in_order_and_caps_are_kept(users in prop::collection::vec(1u32..9, 0..40), max in 8u32..20) {
            let chunks = chunk(users.iter().copied(), max);
            prop_assert_eq!(chunks.iter().cloned().flatten().collect::<Vec<_>>(), (0..users.len()).collect::<Vec<_>>());
            for range in chunks {
                prop_assert!(users[range].iter().sum::<u32>() <= max);
            }
        }
    }
}
