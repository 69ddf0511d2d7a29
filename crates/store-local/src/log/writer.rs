//! The writer thread: takes what waits, writes it as one frame, syncs, then tells everyone.

use super::frame;
use super::queue::Group;
use super::{LogOptions, Shared, open, segment};
use crate::files::SegmentFile;
use std::collections::HashMap;
use std::sync::Arc;
use store::{Appended, Entry, Error, ErrorKind, Result, StreamId};

pub(crate) struct Writer {
    shared: Arc<Shared>,
    options: LogOptions,
    file: Box<dyn SegmentFile>,
    /// The file may be longer than what is durable, by a write that failed.
    needs_cut: bool,
    frame: Vec<u8>,
}

/// What a batch adds to the index once it is durable.
#[derive(Default)]
struct Batch {
    last: HashMap<StreamId, u64>,
    last_stamp: i64,
    appended: Vec<Appended>,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, options: LogOptions, file: Box<dyn SegmentFile>) -> Self {
        Self { shared, options, file, needs_cut: false, frame: Vec::new() }
    }

    pub(crate) fn run(mut self) {
        let stop = StopOnExit(Arc::clone(&self.shared));
        while let Some(groups) = stop.0.queue.take() {
            self.serve(groups);
        }
    }

    fn serve(&mut self, groups: Vec<Group>) {
        // After a failed sync nothing more is written; who still waits gets the reason.
        let result = match self.shared.queue.failure() {
            Some(reason) if !is_orderly(&reason) => Err(reason),
            _ => self.write(&groups),
        };
        match result {
            Ok(batch) => self.announce(groups, batch),
            Err(error) => groups.into_iter().for_each(|group| (group.done)(Err(error.clone()))),
        }
    }

    fn write(&mut self, groups: &[Group]) -> Result<Batch> {
        if groups.iter().all(|group| group.entries.is_empty()) {
            return Ok(self.encode(groups, 0));
        }
        self.cut()?;
        self.roll()?;
        let position = self.position();
        // A segment begins a new file long before its positions leave 32 bits.
        let batch = self.encode(groups, position as u32);
        self.put(position)?;
        let mut index = self.shared.index();
        index.last.extend(&batch.last);
        index.last_stamp = batch.last_stamp;
        if let Some(segment) = index.segments.last_mut() {
            segment.bytes = position + self.frame.len() as u64;
            segment.max.extend(&batch.last);
        }
        Ok(batch)
    }

    /// Encodes the groups as one frame, giving them offsets and stamps.
    fn encode(&mut self, groups: &[Group], position: u32) -> Batch {
        let index = self.shared.index();
        let number = index.segments.last().map_or(0, |segment| segment.number);
        let mut batch = Batch { last_stamp: index.last_stamp, ..Batch::default() };
        frame::begin_batch(&mut self.frame, position);
        for group in groups {
            let mut offsets = Vec::with_capacity(group.entries.len());
            if !group.entries.is_empty() {
                batch.last_stamp = batch.last_stamp.max(group.now);
                frame::put_group(&mut self.frame, batch.last_stamp, group.entries.len());
            }
            for (stream, payload) in &group.entries {
                let durable = || index.last.get(stream).copied().unwrap_or(0);
                let offset = batch.last.entry(*stream).or_insert_with(durable);
                *offset += 1;
                frame::put_entry(&mut self.frame, *stream, *offset, payload);
                offsets.push(*offset);
            }
            batch.appended.push(Appended { offsets, stamp: batch.last_stamp });
        }
        frame::finish(&mut self.frame, number);
        batch
    }

    /// Writes and syncs the frame. A failed write is cut off again; a failed sync closes the log.
    fn put(&mut self, position: u64) -> Result<()> {
        if let Err(e) = self.file.write_at(position, &self.frame) {
            self.needs_cut = true;
            // The write's error is what the caller needs; a failed cut is tried again before the next write.
            drop(self.cut());
            return Err(Error::from_io(format_args!("appending to {}", self.path().display()), e));
        }
        let synced = self.file.sync();
        synced.map_err(|e| self.close("a sync", Error::from_io(format_args!("syncing {}", self.path().display()), e)))
    }

    /// Closes the log, since nobody knows what the disk holds.
    fn close(&self, what: &str, cause: Error) -> Error {
        let message = format!("{what} failed, so the log is closed until it is opened again: {cause}");
        let reason = Error::caused(ErrorKind::Closed, message, cause);
        self.shared.queue.close(reason.clone());
        reason
    }

    /// Cuts off what a failed write left behind.
    fn cut(&mut self) -> Result<()> {
        if self.needs_cut {
            self.file
                .truncate(self.position())
                .map_err(|e| Error::from_io(format_args!("cutting {}", self.path().display()), e))?;
            self.needs_cut = false;
        }
        Ok(())
    }

    /// Begins a new segment when this one is full.
    fn roll(&mut self) -> Result<()> {
        let (number, head) = {
            let index = self.shared.index();
            match index.segments.last() {
                Some(last) if last.bytes >= self.options.segment_bytes && !last.max.is_empty() => {
                    (last.number + 1, index.head())
                }
                _ => return Ok(()),
            }
        };
        let created = open::create(&self.shared.dir, number, &head, &*self.shared.files);
        let (segment, file) =
            created.map_err(|e| if e.is_uncertain { self.close("creating a segment", e.error) } else { e.error })?;
        self.shared.index().segments.push(segment);
        self.file = file;
        Ok(())
    }

    /// Shows the durable entries to the observer, then answers the groups.
    fn announce(&self, groups: Vec<Group>, batch: Batch) {
        let observer = self.shared.observer();
        for (group, appended) in groups.into_iter().zip(batch.appended) {
            if let Some(observer) = &observer {
                for ((stream, payload), &offset) in group.entries.into_iter().zip(&appended.offsets) {
                    observer(&Entry { stream, offset, stamp: appended.stamp, payload: payload.into() });
                }
            }
            (group.done)(Ok(appended));
        }
    }

    fn position(&self) -> u64 {
        self.shared.index().segments.last().map_or(0, |segment| segment.bytes)
    }

    fn path(&self) -> std::path::PathBuf {
        let number = self.shared.index().segments.last().map_or(0, |segment| segment.number);
        segment::path(&self.shared.dir, number)
    }
}

fn is_orderly(reason: &Error) -> bool {
    // A log that is dropped still writes what is queued; only a failed sync has a cause.
    std::error::Error::source(reason).is_none()
}

/// However the writer ends, nobody waits for it forever.
struct StopOnExit(Arc<Shared>);

impl Drop for StopOnExit {
    fn drop(&mut self) {
        let reason = Error::new(ErrorKind::Closed, "the log's writer has stopped");
        self.0.queue.close(reason.clone());
        for group in self.0.queue.drain() {
            (group.done)(Err(reason.clone()));
        }
    }
}
