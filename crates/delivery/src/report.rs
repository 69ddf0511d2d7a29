//! Brings outcomes to the outbox, many at a time.
//!
//! In: outcomes of all flows. Out: [`Outbox::report`] with up to [`BATCH_MAX`] words, at most
//! [`LINGER`] after the first of them, on a blocking thread.
//!
//! Always: outcomes of a flow are reported in the order in which they came; all are reported
//! before the task ends, which is when the last [`Reporter`] is dropped.

use crate::flow::Handle;
use crate::port::{ExportKey, Outbox, Outcome};
use model::FlowNo;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

const BATCH_MAX: usize = 4_096;
const LINGER: Duration = Duration::from_millis(5);

/// Something to bring to the outbox.
pub(crate) enum Word {
    Outcome(Arc<Handle>, ExportKey, Outcome),
    /// Outcomes that are reported together.
    Outcomes(Arc<Handle>, Vec<(ExportKey, Outcome)>),
    /// A batch has ended; its outcomes came before.
    BatchEnded(FlowNo, u64),
}

impl Word {
    /// How many outcomes it holds.
    fn len(&self) -> usize {
        match self {
            Word::Outcome(..) => 1,
            Word::Outcomes(_, together) => together.len(),
            Word::BatchEnded(..) => 0,
        }
    }
}

/// Where flows leave their outcomes.
#[derive(Clone)]
pub(crate) struct Reporter(mpsc::UnboundedSender<Word>);

impl Reporter {
    /// The reporter and the listening end for [`run`].
    pub(crate) fn new() -> (Reporter, mpsc::UnboundedReceiver<Word>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Reporter(sender), receiver)
    }

    pub(crate) fn report(&self, handle: &Arc<Handle>, key: ExportKey, outcome: Outcome) {
        handle.unreported.fetch_add(1, Ordering::AcqRel);
        // No listener: delivery was dropped; the export stays waiting in the outbox.
        let _ = self.0.send(Word::Outcome(handle.clone(), key, outcome));
    }

    /// Reports outcomes in one call of the outbox.
    pub(crate) fn report_all(&self, handle: &Arc<Handle>, outcomes: Vec<(ExportKey, Outcome)>) {
        if outcomes.is_empty() {
            return;
        }
        handle.unreported.fetch_add(outcomes.len(), Ordering::AcqRel);
        // No listener: as above.
        let _ = self.0.send(Word::Outcomes(handle.clone(), outcomes));
    }

    pub(crate) fn batch_ended(&self, flow: FlowNo, id: u64) {
        // No listener: the record stays and is found useless after the next start.
        let _ = self.0.send(Word::BatchEnded(flow, id));
    }
}

/// Reports until all reporters are gone.
pub(crate) async fn run(mut words: mpsc::UnboundedReceiver<Word>, outbox: Arc<dyn Outbox>) {
    let mut batch = Vec::new();
    while words.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let end = Instant::now() + LINGER;
        while batch.len() < BATCH_MAX {
            let room = BATCH_MAX - batch.len();
            if !matches!(timeout_at(end, words.recv_many(&mut batch, room)).await, Ok(n) if n > 0) {
                break;
            }
        }
        let count = batch.iter().map(Word::len).sum();
        let (mut handles, mut outcomes, mut ended) = (Vec::new(), Vec::with_capacity(count), Vec::new());
        for word in batch.drain(..) {
            match word {
                Word::Outcome(handle, key, outcome) => {
                    handles.push((handle, 1));
                    outcomes.push((key, outcome));
                }
                Word::Outcomes(handle, together) => {
                    handles.push((handle, together.len()));
                    outcomes.extend(together);
                }
                Word::BatchEnded(flow, id) => ended.push((flow, id)),
            }
        }
        let outbox = outbox.clone();
        let report = move || {
            if !outcomes.is_empty() {
                outbox.report(outcomes);
            }
            if !ended.is_empty() {
                outbox.drop_batches(&ended);
            }
        };
        if tokio::task::spawn_blocking(report).await.is_err() {
            tracing::error!("reporting outcomes failed; these exports will be delivered again after a restart");
        }
        for (handle, count) in &handles {
            handle.unreported.fetch_sub(*count, Ordering::AcqRel);
        }
        handles.dedup_by(|a, b| Arc::ptr_eq(&a.0, &b.0));
        handles.iter().for_each(|(handle, _)| handle.notify.notify_one());
    }
}
