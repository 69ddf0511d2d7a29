//! What an answer of the receiver means for each slice of the message.
//!
//! In: status and body of an answer, the slices that were sent, what the server declares about its answers.
//! Out: a [`Judgement`]. Always: any bytes give a judgement; an answer that cannot be read as declared never counts as
//! success, and is worth another attempt, so that nothing is lost and the retry policy ends it.

use super::instance::Instance;
use super::outcome::{Outcome, Reading};
use super::slice::Slice;
use crate::config::AggregationKind;
use std::cell::OnceCell;

/// An answer, as far as judging it needs.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The body, or its beginning if it was longer than what is read.
    pub body: &'a [u8],
}

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// The receiver took everything.
    AllDelivered,
    /// It took nothing, and another attempt could do better.
    AllRetry {
        /// Why.
        reason: String,
    },
    /// It refused the message for good.
    AllRejected {
        /// Why.
        reason: String,
        /// Nothing says which entries are at fault: a message of several slices is sent again in halves.
        whole_batch: bool,
    },
    /// One outcome for each slice, in their order.
    PerSlice(Vec<SliceOutcome>),
}

/// What became of one slice (or of one entry of it).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SliceOutcome {
    /// Taken.
    Delivered,
    /// Not taken; another attempt could do better.
    Retry {
        /// Why.
        reason: String,
    },
    /// Refused for good.
    Rejected {
        /// Why.
        reason: String,
    },
}

impl SliceOutcome {
    /// Of two outcomes the one that decides. A retry outranks a refusal: what may still succeed is tried until the
    /// policy ends it, and the refusal comes back then.
    pub(crate) fn worse(self, other: SliceOutcome) -> SliceOutcome {
        let rank = |o: &SliceOutcome| match o {
            SliceOutcome::Delivered => 0,
            SliceOutcome::Rejected { .. } => 1,
            SliceOutcome::Retry { .. } => 2,
        };
        if rank(&other) > rank(&self) { other } else { self }
    }
}

/// Which statuses are worth another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RetryStatuses {
    /// 408, 425, 429 and 5xx.
    #[default]
    Default,
    /// Those that the original documents ([`retried`]).
    Aep,
}

/// Whether the original sends again after this status (destination-sdk.md §7.1).
///
/// Its best effort excludes 501 and 505 by name; its configurable aggregation takes "every code greater than 500".
pub fn retried(kind: &AggregationKind, status: u16) -> bool {
    match kind {
        AggregationKind::BestEffort { .. } => matches!(status, 403 | 408 | 409 | 429 | 500 | 502 | 503 | 504),
        AggregationKind::Configurable { .. } => matches!(status, 420 | 429) || status > 500,
    }
}

impl Instance {
    /// Judges the answer to a message of `slices`, with the given statuses worth a retry.
    pub fn judge(&self, answer: &Answer<'_>, slices: &[&Slice], statuses: RetryStatuses) -> Judgement {
        let entries = slices.iter().map(|s| s.users as usize).sum();
        let declared = self.design().outcome().filter(|o| o.applies(answer.status) && !bodiless(answer.status));
        let Some(outcome) = declared else { return self.by_status(answer, statuses) };
        match self.read(outcome, answer, slices, entries) {
            Ok(Reading::Suspect(reason)) => Judgement::AllRejected { reason, whole_batch: true },
            Ok(Reading::Each(each)) => match per_slice(each, slices) {
                Judgement::AllDelivered if !success(answer.status) => self.by_status(answer, statuses),
                judgement => judgement,
            },
            Err(why) if success(answer.status) => {
                let reason = format!("the answer (status {}) is not as `responseOutcome` says: {why}", answer.status);
                Judgement::AllRetry { reason }
            }
            Err(_) => self.by_status(answer, statuses),
        }
    }

    fn read(
        &self,
        outcome: &Outcome,
        answer: &Answer<'_>,
        slices: &[&Slice],
        entries: usize,
    ) -> Result<Reading, String> {
        let flat = OnceCell::new();
        outcome.read(answer.body, entries, &|template, at| {
            let entries: &Vec<_> = flat.get_or_init(|| self.entries_read(slices));
            self.print_id(template, entries.get(at).ok_or("no such entry")?)
        })
    }

    fn by_status(&self, answer: &Answer<'_>, statuses: RetryStatuses) -> Judgement {
        let status = answer.status;
        if success(status) {
            return Judgement::AllDelivered;
        }
        let words = self.design().outcome().and_then(|o| o.error(answer.body)).map(|w| format!(": {w}"));
        let redirect = if (300..400).contains(&status) { ", redirects are not followed" } else { "" };
        let reason = format!("status {status}{redirect}{}", words.unwrap_or_default());
        let again = match statuses {
            RetryStatuses::Default => matches!(status, 408 | 425 | 429) || (500..600).contains(&status),
            RetryStatuses::Aep => retried(&self.design().grouping().kind, status),
        };
        match again {
            true => Judgement::AllRetry { reason },
            false => Judgement::AllRejected { reason, whole_batch: about_content(status) },
        }
    }
}

fn success(status: u16) -> bool {
    (200..300).contains(&status)
}

/// Answers that cannot have a body.
fn bodiless(status: u16) -> bool {
    matches!(status, 204 | 205)
}

/// Statuses by which a receiver refuses what the message holds, so that a part of it may be taken. All others refuse
/// the place, the method or the caller, whatever is sent.
fn about_content(status: u16) -> bool {
    matches!(status, 400 | 406 | 409 | 413 | 414 | 415 | 422 | 424 | 431)
}

fn per_slice(each: Vec<SliceOutcome>, slices: &[&Slice]) -> Judgement {
    let mut each = each.into_iter();
    let mut outcomes = Vec::with_capacity(slices.len());
    for slice in slices {
        let entries = each.by_ref().take(slice.users as usize);
        outcomes.push(entries.fold(SliceOutcome::Delivered, SliceOutcome::worse));
    }
    match outcomes.iter().all(|o| *o == SliceOutcome::Delivered) {
        true => Judgement::AllDelivered,
        false => Judgement::PerSlice(outcomes),
    }
}
