//! The log on disk: append-only segment files, one writer thread, group commit.
//!
//! In: groups of entries. Out: the same, durable, in one order. The format is in `docs/log-format.md`.
//! Submitters queue groups; the writer takes all that wait, writes them as one frame with one write, and
//! syncs once; then the observer and the callbacks run.
//!
//! Always: nothing is shown to anyone before it is durable. A write that fails leaves no trace: the file
//! is cut back, and the log goes on when space returns. After a failed sync nobody knows what the disk
//! holds, so the log closes itself and must be opened again.

mod check;
mod frame;
mod index;
mod open;
mod queue;
mod segment;
#[cfg(test)]
mod tests;
mod writer;

pub use check::{SegmentReport, Segments};
pub use frame::{FRAME_BYTES_MAX, decode_frame};

use crate::files::{DiskFiles, Files};
use index::Index;
use queue::{Group, Queue};
use segment::{ReadError, SegmentReader};
use std::collections::HashMap;
use std::fs::File;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use store::{Done, Entry, Error, ErrorKind, Log, Observer, Result, StreamId};

/// Largest sum of the payloads of one group.
pub const GROUP_BYTES_MAX: usize = 32 << 20;
/// Most entries of one group: with the payloads they stay below the largest frame.
const GROUP_ENTRIES_MAX: usize = 1 << 20;

/// How the log uses the disk.
#[derive(Debug, Clone, Copy)]
pub struct LogOptions {
    /// A segment that has reached this length is followed by a new one.
    pub segment_bytes: u64,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20 }
    }
}

/// A log in a directory. Its process must hold the lock of the data directory. Dropping it writes what is
/// queued, then stops the writer.
pub struct LocalLog {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

/// One segment file, for a backup that copies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its number.
    pub number: u64,
    /// Its file.
    pub path: PathBuf,
    /// Its durable bytes; a copy of the last segment must not go beyond.
    pub bytes: u64,
}

pub(crate) struct Shared {
    dir: PathBuf,
    files: Box<dyn Files>,
    queue: Queue,
    index: Mutex<Index>,
    observer: Mutex<Option<Arc<Observer>>>,
}

impl LocalLog {
    /// Opens or creates the log in a directory. A torn last frame is cut off; damage of the last segment
    /// before its last frame, or of any segment's head, is an error ([`Error::is_damaged`]) that names
    /// file and position. Damage deeper in older segments is found by `replay` and [`Segments::check`].
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self> {
        Self::open_with(dir, LogOptions::default(), DiskFiles)
    }

    /// The same with options and file operations.
    pub fn open_with(dir: impl Into<PathBuf>, options: LogOptions, files: impl Files) -> Result<Self> {
        if !(1024..=1 << 30).contains(&options.segment_bytes) {
            let message = format!("segment_bytes must be 1 KiB to 1 GiB, not {}", options.segment_bytes);
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let dir = dir.into();
        let (index, file) = open::open(&dir, &files)?;
        let shared = Arc::new(Shared {
            dir,
            files: Box::new(files),
            queue: Queue::default(),
            index: Mutex::new(index),
            observer: Mutex::new(None),
        });
        let writer = writer::Writer::new(Arc::clone(&shared), options, file);
        let thread = thread::Builder::new().name("log-writer".into()).spawn(move || writer.run());
        let thread = thread.map_err(|e| Error::from_io("starting the log's writer thread", e))?;
        shared.queue.set_writer(thread.thread().id());
        Ok(Self { shared, writer: Some(thread) })
    }

    /// The segment files, oldest first.
    pub fn segments(&self) -> Vec<SegmentInfo> {
        let index = self.shared.index();
        let info = |s: &index::Segment| SegmentInfo {
            number: s.number,
            path: segment::path(&self.shared.dir, s.number),
            bytes: s.bytes,
        };
        index.segments.iter().map(info).collect()
    }

    /// Why the log takes no more entries, if it has closed itself.
    pub fn failure(&self) -> Option<Error> {
        self.shared.queue.failure()
    }
}

impl Drop for LocalLog {
    fn drop(&mut self) {
        self.shared.queue.close(Error::new(ErrorKind::Closed, "the log was closed"));
        if let Some(writer) = self.writer.take()
            // A callback may hold the last handle; the writer cannot wait for itself.
            && writer.thread().id() != thread::current().id()
        {
            // The writer reports its failures to those who wait; there is nobody left to tell here.
            drop(writer.join());
        }
    }
}

impl Shared {
    pub(crate) fn index(&self) -> MutexGuard<'_, Index> {
        // The index changes only by steps that cannot panic half-way.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn observer(&self) -> Option<Arc<Observer>> {
        self.observer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Log for LocalLog {
    fn submit(&self, entries: Vec<(StreamId, Vec<u8>)>, now: i64, done: Done) {
        let bytes = entries.iter().map(|(_, payload)| payload.len()).sum::<usize>();
        if bytes > GROUP_BYTES_MAX || entries.len() > GROUP_ENTRIES_MAX {
            let message = format!(
                "a group of {} entries and {bytes} bytes is above the limits of {GROUP_ENTRIES_MAX} entries and \
                 {GROUP_BYTES_MAX} bytes",
                entries.len()
            );
            done(Err(Error::new(ErrorKind::Invalid, message)));
            return;
        }
        if let Err((error, done)) = self.shared.queue.push(Group { entries, now, done, bytes }) {
            done(Err(error));
        }
    }

    fn replay(&self, after: &dyn Fn(StreamId) -> u64, visit: &mut dyn FnMut(Entry) -> ControlFlow<()>) -> Result<()> {
        for mut reader in self.shared.readers(after)? {
            reader.read_head()?;
            let path = reader.path().to_path_buf();
            loop {
                let step = reader.next_batch(&mut |stream, offset, stamp, payload| {
                    offset <= after(stream)
                        || visit(Entry { stream, offset, stamp, payload: payload.into() }).is_continue()
                });
                match step {
                    Ok(Some(true)) => {}
                    Ok(Some(false)) => return Ok(()),
                    Ok(None) => break,
                    Err(ReadError::Io(e)) => return Err(e),
                    Err(ReadError::Fault { position, what }) => return Err(segment::damaged(&path, position, what)),
                }
            }
        }
        Ok(())
    }

    fn last(&self, stream: StreamId) -> u64 {
        self.shared.index().last.get(&stream).copied().unwrap_or(0)
    }

    fn last_stamp(&self) -> i64 {
        self.shared.index().last_stamp
    }

    fn set_observer(&self, observer: Observer) {
        *self.shared.observer.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(observer));
    }

    fn trim(&self, keep_after: &dyn Fn(StreamId) -> u64) -> Result<u64> {
        self.shared.trim(keep_after)
    }

    fn bytes(&self) -> u64 {
        self.shared.index().segments.iter().map(|segment| segment.bytes).sum()
    }
}

impl Shared {
    /// Readers of the segments that hold an entry above `after`. All files are opened at once, so that a
    /// trim meanwhile does not matter; `after` is called without a lock, since it may ask this log.
    fn readers(&self, after: &dyn Fn(StreamId) -> u64) -> Result<impl Iterator<Item = SegmentReader>> {
        let mut open = Vec::new();
        for s in &self.index().segments {
            let path = segment::path(&self.dir, s.number);
            let file = File::open(&path).map_err(|e| Error::from_io(format_args!("opening {}", path.display()), e))?;
            open.push((s.number, s.bytes, s.max.clone(), file));
        }
        open.retain(|(_, _, max, _)| max.iter().any(|(stream, max)| *max > after(*stream)));
        Ok(open.into_iter().map(|(number, bytes, _, file)| SegmentReader::new(&self.dir, number, file, bytes)))
    }

    /// Removes segments from the front, never the last: the log stays without gaps, and its head carries
    /// the offsets on.
    fn trim(&self, keep_after: &dyn Fn(StreamId) -> u64) -> Result<u64> {
        let known: Vec<_> = self.index().segments.iter().map(|s| (s.number, s.max.clone())).collect();
        let is_done = |(_, max): &&(u64, HashMap<StreamId, u64>)| max.iter().all(|(s, max)| *max <= keep_after(*s));
        let mut freed = 0;
        for (number, _) in known.iter().take(known.len().saturating_sub(1)).take_while(is_done) {
            let mut index = self.index();
            // Another trim may have been faster.
            if index.segments[0].number != *number {
                continue;
            }
            let path = segment::path(&self.dir, *number);
            self.files.remove(&path).map_err(|e| Error::from_io(format_args!("removing {}", path.display()), e))?;
            freed += index.segments.remove(0).bytes;
        }
        if freed > 0 {
            self.files
                .sync_dir(&self.dir)
                .map_err(|e| Error::from_io(format_args!("syncing directory {}", self.dir.display()), e))?;
        }
        Ok(freed)
    }
}
