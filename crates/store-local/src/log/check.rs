//! Checks the segments of a log without changing anything: for backups and for operators.

use super::segment::{self, ReadError, SegmentReader, Tail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use store::{Result, StreamId};

/// What a check found in one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentReport {
    /// Its number.
    pub number: u64,
    /// Its file.
    pub path: PathBuf,
    /// Bytes of its valid frames.
    pub bytes: u64,
    /// Bytes behind them that were never acknowledged (only in the last segment).
    pub torn_bytes: u64,
    /// Its entries.
    pub entries: u64,
    /// Stamp of its last entry or, if it has none, of the last entry before it.
    pub last_stamp: i64,
    /// Last offset of every stream at its end.
    pub last: BTreeMap<StreamId, u64>,
}

/// The checked segments of a log, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segments(pub Vec<SegmentReport>);

impl Segments {
    /// Reads every byte of the log in `dir` and checks it. Damage is an error that names file and position.
    /// It may run beside a log that is being written; what is being written then counts as torn.
    pub fn check(dir: &Path) -> Result<Self> {
        let numbers = segment::list(dir)?;
        let mut reports: Vec<SegmentReport> = Vec::new();
        for &number in &numbers {
            let report = check(dir, number, Some(&number) == numbers.last(), reports.last())?;
            reports.push(report);
        }
        Ok(Self(reports))
    }
}

fn check(dir: &Path, number: u64, is_last: bool, before: Option<&SegmentReport>) -> Result<SegmentReport> {
    let mut reader = SegmentReader::open(dir, number)?;
    let path = segment::path(dir, number);
    let head = reader.read_head()?;
    if let Some(before) = before
        && (head.last_stamp != before.last_stamp
            || head.last.iter().copied().collect::<BTreeMap<_, _>>() != before.last)
    {
        return Err(segment::damaged(&path, 0, "the head does not continue the segment before it"));
    }
    let (mut entries, mut torn_bytes) = (0, 0);
    loop {
        let step = reader.next_batch(&mut |_, _, _, _| {
            entries += 1;
            true
        });
        match step {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(ReadError::Io(e)) => return Err(e),
            Err(ReadError::Fault { position, what }) => {
                let is_torn = is_last && position == reader.position();
                if !is_torn || matches!(segment::inspect_tail(&path, number, position)?, Tail::Damaged) {
                    return Err(segment::damaged(&path, position, what));
                }
                torn_bytes = reader.len() - position;
                break;
            }
        }
    }
    let last = reader.last().iter().map(|(stream, offset)| (*stream, *offset)).collect();
    let (bytes, last_stamp) = (reader.position(), reader.last_stamp());
    Ok(SegmentReport { number, path, bytes, torn_bytes, entries, last_stamp, last })
}
