//! Sends given profiles at once and shows what was said and answered: the test of an instance
//! (destination-sdk.md §2.12). Nothing of it touches the outbox.
//!
//! Always: a bounded number of calls; messages past it are counted, not sent. Of a long answer the beginning is
//! kept, as of every answer to a delivery, and [`Answer::cut`] says so.

use super::attempt::{self, Trouble};
use super::target::Target;
use crate::http::Answer;
use destination::message::{self, GroupKey, Slice, TargetProfile, chunk};
use std::collections::HashMap;
use std::sync::Arc;

/// Calls of one test at most.
const CALLS_MAX: usize = 100;

/// What one group led to.
pub struct Trial {
    /// The group.
    pub group: Arc<GroupKey>,
    /// One call per message, in order.
    pub calls: Vec<Call>,
    /// Messages that were not sent, since a test makes so many calls and no more.
    pub not_sent: usize,
}

/// One request and its answer.
pub struct Call {
    /// What was sent; none if the templates failed.
    pub request: Option<message::Request>,
    /// Status, headers and body of the answer, or why there is none.
    pub answer: Result<Answer, String>,
}

pub(crate) async fn run(target: &Target, profiles: &[Arc<TargetProfile>], id: impl Fn() -> [u8; 16]) -> Vec<Trial> {
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
    let mut calls_left = CALLS_MAX;
    for group in order {
        let slices = groups.remove(&group).unwrap_or_default();
        let mut calls = Vec::new();
        let mut not_sent = 0;
        for range in chunk(slices.iter().map(|s| s.users), users_max) {
            if calls_left == 0 {
                not_sent += 1;
                continue;
            }
            calls_left -= 1;
            let slices: Vec<&Slice> = slices[range].iter().collect();
            // What was not sent is shown all the same, where it can be composed.
            let unsent = |reason| Call { request: instance.compose(&group, &slices).ok(), answer: Err(reason) };
            calls.push(match attempt::exchange(target, &group, &slices, id()).await {
                Ok(exchange) => Call { request: Some(exchange.request), answer: Ok(exchange.answer) },
                Err(Trouble::Failed(failure)) => unsent(failure.reason),
                Err(Trouble::Unsaid(reason)) => unsent(reason),
            });
        }
        trials.push(Trial { group, calls, not_sent });
    }
    trials
}
