//! Opens a log: lists its segments, reads their heads, checks the last one and cuts its torn tail.
//!
//! Older segments are not read: the head of each segment says what the one before it reached.

use super::frame::{self, Head};
use super::index::{Index, Segment, moved};
use super::segment::{self, ReadError, SUFFIX_NEW, SegmentReader, Tail};
use crate::files::{Files, SegmentFile};
use std::fs;
use std::path::Path;
use store::{Error, Result};

/// The first segment's number.
const FIRST: u64 = 1;

/// The index of the log in `dir` and its last segment, ready to be written to.
pub(crate) fn open(dir: &Path, files: &dyn Files) -> Result<(Index, Box<dyn SegmentFile>)> {
    remove_unfinished(dir, files)?;
    let numbers = segment::list(dir)?;
    let Some(&newest) = numbers.last() else { return create_first(dir, files) };
    let mut heads = Vec::new();
    for &number in &numbers {
        let mut reader = SegmentReader::open(dir, number)?;
        heads.push((number, reader.read_head()?));
    }
    let mut segments = Vec::new();
    for pair in heads.windows(2) {
        let [(number, head), (_, next)] = pair else { continue };
        let path = segment::path(dir, *number);
        let bytes = fs::metadata(&path).map_err(|e| Error::from_io(format_args!("reading {}", path.display()), e))?;
        let max = moved(head, &next.last.iter().copied().collect());
        segments.push(Segment { number: *number, bytes: bytes.len(), max });
    }
    let (mut index, file) = open_last(dir, newest, files)?;
    segments.append(&mut index.segments);
    index.segments = segments;
    Ok((index, file))
}

/// A segment gets its name when it is complete; what has no name yet was never part of the log.
fn remove_unfinished(dir: &Path, files: &dyn Files) -> Result<()> {
    let failed = |e| Error::from_io(format_args!("listing {}", dir.display()), e);
    for item in fs::read_dir(dir).map_err(failed)? {
        let path = item.map_err(failed)?.path();
        if path.extension().is_some_and(|ext| ext == &SUFFIX_NEW[1..]) {
            files.remove(&path).map_err(|e| Error::from_io(format_args!("removing {}", path.display()), e))?;
        }
    }
    Ok(())
}

fn create_first(dir: &Path, files: &dyn Files) -> Result<(Index, Box<dyn SegmentFile>)> {
    let head = Head { last_stamp: i64::MIN, last: Vec::new() };
    let (segment, file) = create(dir, FIRST, &head, files).map_err(|e| e.error)?;
    Ok((Index { last_stamp: i64::MIN, segments: vec![segment], ..Index::default() }, file))
}

/// A segment that could not be created.
pub(crate) struct CreateError {
    pub(crate) error: Error,
    /// Nobody knows whether the segment will be there when the log is next opened. The one before it
    /// must then not be written to, or the new one's head would be wrong.
    pub(crate) is_uncertain: bool,
}

/// Creates a segment: its head is durable before the file has its name, its name before this returns.
pub(crate) fn create(
    dir: &Path,
    number: u64,
    head: &Head,
    files: &dyn Files,
) -> std::result::Result<(Segment, Box<dyn SegmentFile>), CreateError> {
    let path = segment::path(dir, number);
    let new = path.with_extension(&SUFFIX_NEW[1..]);
    let bytes = frame::encode_head(number, head);
    let failed = |is_uncertain| {
        let doing = format!("creating {}", path.display());
        move |e| CreateError { error: Error::from_io(doing, e), is_uncertain }
    };
    let written = files.create(&new).and_then(|mut file| file.write_at(0, &bytes).map(|()| file));
    let mut file = written.map_err(|e| {
        // If it cannot be removed now, it is when the log is next opened; it never counts as a segment.
        drop(files.remove(&new));
        failed(false)(e)
    })?;
    let named = file.sync().and_then(|()| files.rename(&new, &path)).and_then(|()| files.sync_dir(dir));
    named.map_err(failed(true))?;
    Ok((Segment { number, bytes: bytes.len() as u64, max: Default::default() }, file))
}

fn open_last(dir: &Path, number: u64, files: &dyn Files) -> Result<(Index, Box<dyn SegmentFile>)> {
    let mut reader = SegmentReader::open(dir, number)?;
    let path = segment::path(dir, number);
    let head = reader.read_head()?;
    let mut torn = None;
    loop {
        match reader.next_batch(&mut |_, _, _, _| true) {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(ReadError::Io(e)) => return Err(e),
            Err(ReadError::Fault { position, what }) => {
                torn = Some((position, what));
                break;
            }
        }
    }
    let failed = |e| Error::from_io(format_args!("opening {}", path.display()), e);
    let mut file = files.open(&path).map_err(failed)?;
    if let Some((position, what)) = torn {
        if position < reader.position() || matches!(segment::inspect_tail(&path, number, position)?, Tail::Damaged) {
            return Err(segment::damaged(&path, position, what));
        }
        file.truncate(position).map_err(failed)?;
    }
    // What was read may still be on its way to the disk if a process died; from now on it is durable.
    file.sync().map_err(failed)?;
    files.sync_dir(dir).map_err(failed)?;
    let last = reader.last().clone();
    let segment = Segment { number, bytes: reader.position(), max: moved(&head, &last) };
    Ok((Index { last, last_stamp: reader.last_stamp(), segments: vec![segment] }, file))
}
