//! Sends given profiles at once and shows what was said and answered: the test of an instance
//! (destination-sdk.md §2.12). Nothing of it touches the outbox.

use super::attempt::{self, Trouble};
use super::target::Target;
use crate::http::Answer;
use destination::message::{self, GroupKey, Slice, TargetProfile, chunk};
use std::collections::HashMap;
use std::sync::Arc;

/// What one group led to.
pub struct Trial {
    /// The group.
    pub group: Arc<GroupKey>,
    /// One call per message, in order.
    pub calls: Vec<Call>,
}

/// One request and its answer.
pub struct Call {
    /// What was sent; none if the templates failed.
    pub request: Option<message::Request>,
    /// Status, headers and body of the answer, or why there is none.
    pub answer: Result<Answer, String>,
}

pub(crate) async fn run(target: &Target, profiles: &[TargetProfile], id: impl Fn() -> [u8; 16]) -> Vec<Trial> {
    let instance = &target.batching.instance;
    let mut order: Vec<Arc<GroupKey>> = Vec::new();
    let mut groups: HashMap<Arc<GroupKey>, Vec<Slice>> = HashMap::new();
    for slice in profiles.iter().flat_map(|profile| instance.slices(profile)) {
        let group = groups.entry(slice.group.clone()).or_insert_with(|| {
            order.push(slice.group.clone());
            Vec::new()
        });
        group.push(slice);
    }
    let users_max = target.caps().users_max;
    let mut trials = Vec::new();
    for group in order {
        let slices = groups.remove(&group).unwrap_or_default();
        let mut calls = Vec::new();
        for range in chunk(slices.iter().map(|s| s.users), users_max) {
            let slices: Vec<&Slice> = slices[range].iter().collect();
            calls.push(match attempt::exchange(target, &group, &slices, id()).await {
                Ok(exchange) => Call { request: Some(exchange.request), answer: Ok(exchange.answer) },
                Err(Trouble::Failed(failure)) => {
                    Call { request: instance.compose(&group, &slices).ok(), answer: Err(failure.reason) }
                }
                Err(Trouble::Unsaid(reason)) => Call { request: None, answer: Err(reason) },
            });
        }
        trials.push(Trial { group, calls });
    }
    trials
}
