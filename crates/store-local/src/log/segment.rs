//! Segment files: their names, and reading one from front to back while checking everything.
//!
//! Always: reading checks checksums, places, dense offsets and stamps that do not decrease. What does
//! not fit is a fault with its position. A fault with a valid frame behind it is damage; one without is
//! a torn tail, which only the last segment may have: a frame is written only after the one before it
//! was synced, so at most the last frame can be incomplete.

use super::frame::{self, Frame, HEADER_BYTES, Head};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use store::{Error, ErrorKind, Result, StreamId};

const SUFFIX: &str = ".seg";
/// A segment under construction; removed when the log is opened.
pub(crate) const SUFFIX_NEW: &str = ".new";

/// The file of a segment: twenty digits, so that names sort like numbers.
pub(crate) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:020}{SUFFIX}"))
}

/// The numbers of the segments in a directory, ascending and without a gap.
pub(crate) fn list(dir: &Path) -> Result<Vec<u64>> {
    let failed = |e| Error::from_io(format_args!("listing {}", dir.display()), e);
    let mut numbers = Vec::new();
    for item in fs::read_dir(dir).map_err(failed)? {
        let name = item.map_err(failed)?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
        numbers.extend(digits.and_then(|digits| digits.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    for pair in numbers.windows(2) {
        if pair[1] != pair[0] + 1 {
            return Err(damaged(&path(dir, pair[0] + 1), 0, "the segment is missing"));
        }
    }
    Ok(numbers)
}

/// An error that names file and position.
pub(crate) fn damaged(path: &Path, position: u64, what: &str) -> Error {
    Error::new(ErrorKind::Damaged, format!("{} is damaged at byte {position}: {what}", path.display()))
}

/// Sees each entry: stream, offset, stamp, payload; `false` ends reading.
pub(crate) type VisitEntry<'a> = dyn FnMut(StreamId, u64, i64, &[u8]) -> bool + 'a;

/// Reads one segment frame by frame.
pub(crate) struct SegmentReader {
    path: PathBuf,
    number: u64,
    file: BufReader<File>,
    /// Bytes that may be read: what was durable when reading began.
    limit: u64,
    position: u64,
    body: Vec<u8>,
    last: HashMap<StreamId, u64>,
    last_stamp: i64,
}

/// A frame that cannot be read.
pub(crate) enum ReadError {
    /// The bytes at this position are no frame.
    Fault { position: u64, what: &'static str },
    /// The file could not be read.
    Io(Error),
}

impl SegmentReader {
    /// Opens a segment to read the whole file.
    pub(crate) fn open(dir: &Path, number: u64) -> Result<Self> {
        let path = path(dir, number);
        let opened = File::open(&path).and_then(|file| file.metadata().map(|metadata| (file, metadata.len())));
        let (file, limit) = opened.map_err(|e| Error::from_io(format_args!("opening {}", path.display()), e))?;
        Ok(Self::new(dir, number, file, limit))
    }

    /// Reads an open segment up to `limit`.
    pub(crate) fn new(dir: &Path, number: u64, file: File, limit: u64) -> Self {
        Self {
            path: path(dir, number),
            number,
            file: BufReader::with_capacity(1 << 16, file),
            limit,
            position: 0,
            body: Vec::new(),
            last: HashMap::new(),
            last_stamp: i64::MIN,
        }
    }

    /// Reads the head, which must come first. It is written before the segment has its name,
    /// so a segment without one is damaged.
    pub(crate) fn read_head(&mut self) -> Result<Head> {
        let header = match self.read_body() {
            Ok(Some(header)) => header,
            Ok(None) => return Err(damaged(&self.path, 0, "the head is missing")),
            Err(ReadError::Fault { what, .. }) => return Err(damaged(&self.path, 0, what)),
            Err(ReadError::Io(e)) => return Err(e),
        };
        match frame::decode(header, &self.body, self.number, 0) {
            Ok(Frame::Head(head)) => {
                self.last = head.last.iter().copied().collect();
                self.last_stamp = head.last_stamp;
                self.position = (HEADER_BYTES + self.body.len()) as u64;
                Ok(head)
            }
            Ok(Frame::Batch(_)) => Err(damaged(&self.path, 0, "the head is missing")),
            Err(what) => Err(damaged(&self.path, 0, what)),
        }
    }

    /// Reads the next batch and visits its entries; `Ok(None)` at the end, `Ok(Some(false))` when the
    /// visitor ended early.
    pub(crate) fn next_batch(&mut self, visit: &mut VisitEntry<'_>) -> std::result::Result<Option<bool>, ReadError> {
        let position = self.position;
        let fault = |what| ReadError::Fault { position, what };
        let Some(header) = self.read_body()? else { return Ok(None) };
        let Frame::Batch(groups) = frame::decode(header, &self.body, self.number, position).map_err(fault)? else {
            return Err(fault("a head stands inside the segment"));
        };
        self.position += (HEADER_BYTES + self.body.len()) as u64;
        let (last, last_stamp) = (&mut self.last, &mut self.last_stamp);
        let went_on = groups.visit(|stream, offset, stamp, payload| {
            let expected = last.entry(stream).or_default();
            *expected += 1;
            if offset != *expected {
                return Err("an offset is not the next of its stream");
            }
            if stamp < *last_stamp {
                return Err("a stamp goes back");
            }
            *last_stamp = stamp;
            Ok(visit(stream, offset, stamp, payload))
        });
        went_on.map(Some).map_err(fault)
    }

    /// Reads the frame at the present position into `body` and gives its header; `None` at the end.
    fn read_body(&mut self) -> std::result::Result<Option<[u8; HEADER_BYTES]>, ReadError> {
        let position = self.position;
        let fault = |what| ReadError::Fault { position, what };
        let left = self.limit.saturating_sub(position);
        if left == 0 {
            return Ok(None);
        }
        if left < HEADER_BYTES as u64 {
            return Err(fault("the header is incomplete"));
        }
        let mut header = [0; HEADER_BYTES];
        self.file.read_exact(&mut header).map_err(|e| self.failed(position, e))?;
        let len = frame::body_len(header).map_err(fault)?;
        if left < (HEADER_BYTES + len) as u64 {
            return Err(fault("the frame is incomplete"));
        }
        self.body.resize(len, 0);
        self.file.read_exact(&mut self.body).map_err(|e| self.failed(position, e))?;
        Ok(Some(header))
    }

    fn failed(&self, position: u64, e: io::Error) -> ReadError {
        if e.kind() == io::ErrorKind::UnexpectedEof {
            return ReadError::Fault { position, what: "the file is shorter than it was" };
        }
        ReadError::Io(Error::from_io(format_args!("reading {} at byte {position}", self.path.display()), e))
    }

    /// Where the next frame begins. After a fault of the bytes, where the faulty one does; when a sound
    /// frame holds what cannot be, behind it.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Bytes that may be read.
    pub(crate) fn len(&self) -> u64 {
        self.limit
    }

    /// Last offset per stream after what was read.
    pub(crate) fn last(&self) -> &HashMap<StreamId, u64> {
        &self.last
    }

    /// Last stamp after what was read.
    pub(crate) fn last_stamp(&self) -> i64 {
        self.last_stamp
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// What the last segment holds behind its last good frame.
pub(crate) enum Tail {
    /// Nothing, or a torn frame that was never acknowledged.
    Cut,
    /// A valid frame: what stands before it was acknowledged and is lost.
    Damaged,
}

/// Looks for a valid frame behind a fault at `position`.
pub(crate) fn inspect_tail(path: &Path, number: u64, position: u64) -> Result<Tail> {
    let failed = |e| Error::from_io(format_args!("reading {} at byte {position}", path.display()), e);
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(failed)?;
    file.seek(SeekFrom::Start(position)).map_err(failed)?;
    file.read_to_end(&mut bytes).map_err(failed)?;
    let found = (1..bytes.len()).any(|at| frame::is_frame(&bytes[at..], number, position + at as u64));
    Ok(if found { Tail::Damaged } else { Tail::Cut })
}
