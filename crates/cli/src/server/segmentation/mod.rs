//! Work over stored profiles that clients ask for beside the stream: segment jobs, exports, loads of external
//! audiences, previews, and the schedules that start some of it.
//!
//! Documents say what is to be done and how it stands. One loop per kind takes the oldest open document, does
//! its work on a blocking thread and writes down how it ended.
//!
//! Always: what was under way when the server stopped is begun again by the next process; a cancelled piece of
//! work ends within one page of profiles; a failure is written down with its reason.

mod csv;
mod evaluate;
mod exports;
mod jobs;
mod loads;
mod previews;
mod scheduler;
mod survey;

pub(super) use previews::PreviewRoom;

use clock::Clock;
use engine::{ChangeError, Engine};
use model::{Collection, Doc, DocChange, DocSet, SandboxId};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long a loop waits after the log took no change.
const PAUSE: Duration = Duration::from_secs(1);

/// What the loops work with.
pub(super) struct Room {
    engine: Arc<Engine>,
    clock: Clock,
    /// The data directory.
    root: PathBuf,
    /// The position of the newest document change.
    changed: watch::Receiver<u64>,
    stopping: AtomicBool,
}

/// Where files are taken from that members of external audiences are loaded from.
pub(super) fn landing_zone(root: &std::path::Path) -> PathBuf {
    root.join("landing-zone")
}

/// Starts the loops; they end after `stopped`.
pub(super) fn start(
    engine: &Arc<Engine>,
    clock: &Clock,
    root: &std::path::Path,
    stopped: &watch::Receiver<bool>,
) -> JoinHandle<()> {
    let (told, changed) = watch::channel(engine.control().current().docs.n);
    engine.control().on_change(Box::new(move |current| {
        told.send_replace(current.docs.n);
    }));
    loads::remove_left_uploads(root, &engine.control().current().docs);
    let room = Arc::new(Room {
        engine: engine.clone(),
        clock: clock.clone(),
        root: root.to_owned(),
        changed,
        stopping: AtomicBool::new(false),
    });
    let mut stopped = stopped.clone();
    tokio::spawn(async move {
        let loops = [
            tokio::spawn(jobs::run(room.clone(), stopped.clone())),
            tokio::spawn(exports::run(room.clone(), stopped.clone())),
            tokio::spawn(exports::follow_deletions(room.clone(), stopped.clone())),
            tokio::spawn(loads::run(room.clone(), stopped.clone())),
            tokio::spawn(scheduler::run(room.clone(), stopped.clone())),
        ];
        // An error means that the server is gone: stop as well.
        let _ = stopped.wait_for(|stopped| *stopped).await;
        room.stopping.store(true, Ordering::Release);
        for one in loops {
            if let Err(error) = one.await {
                tracing::error!(%error, "a loop of the segmentation service broke off");
            }
        }
    })
}

impl Room {
    fn docs(&self) -> DocSet {
        self.engine.control().current().docs.clone()
    }

    /// Makes a change durable, if there is one to make; the log may need more than one try.
    async fn write(&self, change: impl Fn(&DocSet) -> Option<DocChange>) {
        loop {
            let decide = |docs: &DocSet| Ok::<_, std::convert::Infallible>((change(docs).into_iter().collect(), ()));
            match self.engine.control().change(decide).await {
                Ok(()) => return,
                Err(ChangeError::Refused(never)) => match never {},
                Err(ChangeError::Failed(error)) => {
                    tracing::warn!(%error, "how a piece of work stands could not be written down yet");
                    pause().await;
                }
            }
            if self.is_stopping() {
                return;
            }
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire) || self.engine.is_stopping()
    }

    /// True when a piece of work is to end early: it was cancelled or forgotten, or the server stops.
    fn is_called_off(&self, sandbox: SandboxId, kind: Collection, id: &str) -> bool {
        let current = self.engine.control().current();
        let doc = current.docs.get(sandbox, kind, id);
        self.is_stopping() || doc.is_none_or(|doc| segmentation::jobs::is_cancelling(doc))
    }

    /// Blocks until what was accepted before the call is applied, with what it caused on the way.
    fn wait_for_the_stream(&self) {
        // A record takes up to three entries: its resolution, its application, a merge.
        for _ in 0..3 {
            let until = self.engine.applied_entries() + self.engine.backlog_entries();
            while self.engine.applied_entries() < until && self.engine.backlog_entries() > 0 && !self.is_stopping() {
                std::thread::park_timeout(Duration::from_millis(1));
            }
        }
    }
}

/// Does one piece of work after another until the server stops. `next` finds the oldest open one.
async fn work_off<F: Future<Output = ()>>(
    room: Arc<Room>,
    mut stopped: watch::Receiver<bool>,
    next: impl Fn(&DocSet) -> Option<(SandboxId, Arc<Doc>)>,
    process: impl Fn(Arc<Room>, SandboxId, Arc<Doc>) -> F,
) {
    let mut changed = room.changed.clone();
    while !room.is_stopping() {
        changed.mark_unchanged();
        match next(&room.docs()) {
            Some((sandbox, doc)) => process(room.clone(), sandbox, doc).await,
            None if !next_change(&mut changed, &mut stopped).await => return,
            None => {}
        }
    }
}

/// Lets the disk or the log recover.
#[expect(clippy::disallowed_methods, reason = "no clock of ours drives the disk")]
async fn pause() {
    tokio::time::sleep(PAUSE).await;
}

/// Waits for a document change, or the end; false at the end.
async fn next_change(changed: &mut watch::Receiver<u64>, stopped: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        result = changed.changed() => result.is_ok(),
        _ = stopped.wait_for(|stopped| *stopped) => false,
    }
}
