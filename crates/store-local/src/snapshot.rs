//! Checked copies of all rows in one file each, so that the log can be trimmed and the rows rebuilt.
//!
//! In: a [`Snapshot`] and its number. Out: `<20 digits>.snap`; back: the newest valid one into an empty
//! store. The format is in `docs/log-format.md`.
//!
//! Always: a file has its final name only after it was written, synced, and read back. The two newest
//! stay. Rows of `Meta` come last, in one batch: a store with other rows but none of `Meta` is one whose
//! restore did not end, and must be removed and restored again ([`is_unfinished`]).

use crate::data_dir::sync_dir;
use model::codec::{Reader, put_bytes};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::ops::{Bound, ControlFlow};
use std::path::{Path, PathBuf};
use store::{Batch, Error, ErrorKind, Keyspace, Result, Snapshot, Store};

const MAGIC: &[u8; 8] = b"RMSNAP\x00\x01";
const SUFFIX: &str = "snap";
const SUFFIX_NEW: &str = "new";
/// Snapshots that stay.
const KEPT: usize = 2;
/// A block is closed when it has reached this length.
const BLOCK_BYTES: usize = 64 << 10;
/// A block holds at most one row beyond that; a row's value has at most 4 GiB, in practice far less.
const BLOCK_BYTES_MAX: usize = 1 << 30;
/// Rows go to the store in batches of this size.
const BATCH_BYTES: usize = 1 << 20;
/// Keyspaces in the order of the file; `Meta` last.
const ORDER: [Keyspace; 5] = [Keyspace::Identity, Keyspace::Profile, Keyspace::Event, Keyspace::Queue, Keyspace::Meta];

const ROWS: u8 = 1;
const FOOTER: u8 = 2;
/// Tag, length, checksum.
const HEADER_BYTES: usize = 9;
const FOOTER_BYTES: usize = 5 * 8 + 8 + 4;

/// A snapshot file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// The number it was given.
    pub seq: u64,
    /// Its file.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// Rows of each keyspace, in the order of [`Keyspace::ALL`].
    pub rows: [u64; 5],
}

/// Writes a snapshot, checks it by reading it back, and removes all but the two newest. `seq` must be
/// above that of the newest; the caller keeps in `Meta` rows what log offsets the rows stand for.
pub fn write(dir: &Path, seq: u64, snapshot: &dyn Snapshot) -> Result<SnapshotInfo> {
    if let Some(newest) = list(dir)?.last().filter(|(newest, _)| *newest >= seq) {
        let message = format!("snapshot {seq} must be above the newest, {}", newest.0);
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    let path = dir.join(format!("{seq:020}.{SUFFIX}"));
    let new = path.with_extension(SUFFIX_NEW);
    let written = write_file(&new, seq, snapshot).and_then(|()| check_file(&new, seq));
    let info = written.inspect_err(|_| {
        // The next successful write removes it if this does not.
        drop(fs::remove_file(&new));
    })?;
    fs::rename(&new, &path).map_err(|e| Error::from_io(format_args!("renaming {}", new.display()), e))?;
    sync_dir(dir)?;
    prune(dir)?;
    Ok(SnapshotInfo { path, ..info })
}

/// The snapshots in a directory by number, ascending.
pub fn list(dir: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for path in files(dir)? {
        let seq = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        if let (Some(seq), true) = (seq, path.extension().is_some_and(|ext| ext == SUFFIX)) {
            found.push((seq, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Reads every byte of a snapshot and checks it. Damage is an error that names file and position.
pub fn check(path: &Path) -> Result<SnapshotInfo> {
    let seq = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
    let seq =
        seq.ok_or_else(|| Error::new(ErrorKind::Invalid, format!("{} is not named like a snapshot", path.display())))?;
    check_file(path, seq)
}

/// Loads the newest valid snapshot into an empty store and gives its number; `None` when there is none.
/// A damaged one is passed over for the one before it; when all are damaged that is an error, since the
/// log no longer reaches back to the beginning.
pub fn restore_latest(dir: &Path, store: &dyn Store) -> Result<Option<u64>> {
    if !is_empty(store, &Keyspace::ALL)? {
        return Err(Error::new(ErrorKind::Invalid, "a snapshot can only be restored into an empty store"));
    }
    let mut refused = None;
    for (seq, path) in list(dir)?.into_iter().rev() {
        // All is checked before the first row is written.
        match check_file(&path, seq) {
            Ok(_) => return load(&path, seq, store).map(|()| Some(seq)),
            Err(e) if e.is_damaged() => refused = refused.or(Some(e)),
            Err(e) => return Err(e),
        }
    }
    refused.map_or(Ok(None), Err)
}

/// Whether a restore into this store began and did not end. Such a store must be removed.
pub fn is_unfinished(store: &dyn Store) -> Result<bool> {
    Ok(is_empty(store, &[Keyspace::Meta])? && !is_empty(store, &ORDER)?)
}

fn is_empty(store: &dyn Store, keyspaces: &[Keyspace]) -> Result<bool> {
    let mut empty = true;
    for &ks in keyspaces {
        store.scan(ks, Bound::Unbounded, Bound::Unbounded, &mut |_, _| {
            empty = false;
            ControlFlow::Break(())
        })?;
    }
    Ok(empty)
}

fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let items = fs::read_dir(dir).and_then(|items| items.map(|item| Ok(item?.path())).collect());
    items.map_err(|e| Error::from_io(format_args!("listing {}", dir.display()), e))
}

fn prune(dir: &Path) -> Result<()> {
    let known = list(dir)?;
    let old = known.into_iter().rev().skip(KEPT).map(|(_, path)| path);
    let unfinished = files(dir)?.into_iter().filter(|path| path.extension().is_some_and(|ext| ext == SUFFIX_NEW));
    for path in old.chain(unfinished) {
        fs::remove_file(&path).map_err(|e| Error::from_io(format_args!("removing {}", path.display()), e))?;
    }
    Ok(())
}

/// Counts of what a file holds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Counts {
    rows: [u64; 5],
    /// Bytes of keys and values.
    bytes: u64,
}

struct FileWriter {
    out: BufWriter<File>,
    block: Vec<u8>,
    sum: u32,
    counts: Counts,
}

fn write_file(path: &Path, seq: u64, snapshot: &dyn Snapshot) -> Result<()> {
    let failed = |e| Error::from_io(format_args!("writing {}", path.display()), e);
    let out = BufWriter::with_capacity(1 << 18, File::create(path).map_err(failed)?);
    let mut writer = FileWriter { out, block: Vec::new(), sum: 0, counts: Counts::default() };
    writer.write_head(seq).map_err(failed)?;
    for ks in ORDER {
        let mut result = Ok(());
        snapshot.scan(ks, Bound::Unbounded, Bound::Unbounded, &mut |key, value| {
            result = writer.put(ks, key, value);
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        result.and_then(|()| writer.end_block(ROWS)).map_err(failed)?;
    }
    writer.write_footer().map_err(failed)
}

impl FileWriter {
    fn write_head(&mut self, seq: u64) -> io::Result<()> {
        let mut head = MAGIC.to_vec();
        head.extend_from_slice(&seq.to_le_bytes());
        self.write(&head)
    }

    fn put(&mut self, ks: Keyspace, key: &[u8], value: &[u8]) -> io::Result<()> {
        if self.block.is_empty() {
            self.block.push(ks as u8);
        }
        put_bytes(&mut self.block, key);
        put_bytes(&mut self.block, value);
        self.counts.rows[ks as usize] += 1;
        self.counts.bytes += (key.len() + value.len()) as u64;
        if self.block.len() < BLOCK_BYTES { Ok(()) } else { self.end_block(ROWS) }
    }

    fn end_block(&mut self, tag: u8) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        if self.block.len() > BLOCK_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a row is too large for a snapshot"));
        }
        let block = std::mem::take(&mut self.block);
        let mut head = [0; HEADER_BYTES];
        head[0] = tag;
        head[1..5].copy_from_slice(&(block.len() as u32).to_le_bytes());
        head[5..].copy_from_slice(&block_sum(tag, &block).to_le_bytes());
        self.write(&head)?;
        self.write(&block)?;
        self.block = block;
        self.block.clear();
        Ok(())
    }

    fn write_footer(mut self) -> io::Result<()> {
        for count in self.counts.rows.into_iter().chain([self.counts.bytes]) {
            self.block.extend_from_slice(&count.to_le_bytes());
        }
        self.block.extend_from_slice(&self.sum.to_le_bytes());
        self.end_block(FOOTER)?;
        self.out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum = crc32c::crc32c_append(self.sum, bytes);
        self.out.write_all(bytes)
    }
}

fn block_sum(tag: u8, block: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&[tag]), block)
}

fn load(path: &Path, seq: u64, store: &dyn Store) -> Result<()> {
    let mut batch = Batch::new();
    read_file(path, seq, &mut |ks, key, value| {
        batch.put(ks, key, value);
        // The rows of `Meta`, which come last, are one batch whatever their size.
        if batch.bytes() < BATCH_BYTES || ks == Keyspace::Meta {
            return Ok(());
        }
        store.commit(&batch)?;
        batch.clear();
        Ok(())
    })?;
    store.commit(&batch)?;
    store.sync()
}

fn check_file(path: &Path, seq: u64) -> Result<SnapshotInfo> {
    let (counts, bytes) = read_file(path, seq, &mut |_, _, _| Ok(()))?;
    Ok(SnapshotInfo { seq, path: path.to_path_buf(), bytes, rows: counts.rows })
}

type VisitRow<'a> = dyn FnMut(Keyspace, &[u8], &[u8]) -> Result<()> + 'a;

/// Reads and checks a whole file; gives its counts and its length.
fn read_file(path: &Path, seq: u64, visit: &mut VisitRow<'_>) -> Result<(Counts, u64)> {
    let file = File::open(path).map_err(|e| Error::from_io(format_args!("opening {}", path.display()), e))?;
    let input = BufReader::with_capacity(1 << 18, file);
    let mut reader = FileReader { path, input, position: 0, sum: 0, block: Vec::new(), counts: Counts::default() };
    let head = reader.read_array::<16>()?;
    if head[..8] != MAGIC[..] || head[8..] != seq.to_le_bytes() {
        return Err(reader.damaged("the head is not that of this snapshot"));
    }
    while reader.read_block(visit)? {}
    Ok((reader.counts, reader.position))
}

struct FileReader<'a> {
    path: &'a Path,
    input: BufReader<File>,
    position: u64,
    /// Checksum of all bytes read so far.
    sum: u32,
    block: Vec<u8>,
    counts: Counts,
}

impl FileReader<'_> {
    /// Reads one block; `false` after the footer.
    fn read_block(&mut self, visit: &mut VisitRow<'_>) -> Result<bool> {
        let sum_before = self.sum;
        let [tag, l0, l1, l2, l3, s0, s1, s2, s3] = self.read_array::<HEADER_BYTES>()?;
        let len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if len > BLOCK_BYTES_MAX {
            return Err(self.damaged("the length of a block is impossible"));
        }
        self.block.clear();
        // Memory grows with what is there, not with what the length claims.
        let mut taken = (&mut self.input).take(len as u64);
        let read = taken.read_to_end(&mut self.block);
        self.counted(read, len)?;
        if block_sum(tag, &self.block) != u32::from_le_bytes([s0, s1, s2, s3]) {
            return Err(self.damaged("the checksum of a block does not match"));
        }
        self.sum = crc32c::crc32c_append(self.sum, &self.block);
        match tag {
            ROWS => self.read_rows(visit).map(|()| true),
            FOOTER => self.read_footer(sum_before).map(|()| false),
            _ => Err(self.damaged("a block has an unknown tag")),
        }
    }

    fn read_rows(&mut self, visit: &mut VisitRow<'_>) -> Result<()> {
        let block = std::mem::take(&mut self.block);
        let mut reader = Reader::new(&block);
        let number = reader.u8().map_err(|_| self.damaged("a block is malformed"))?;
        let ks = Keyspace::from_number(number).ok_or_else(|| self.damaged("a block has an unknown keyspace"))?;
        while !reader.is_empty() {
            let key = reader.bytes().map_err(|_| self.damaged("a row is malformed"))?;
            let value = reader.bytes().map_err(|_| self.damaged("a row is malformed"))?;
            self.counts.rows[ks as usize] += 1;
            self.counts.bytes += (key.len() + value.len()) as u64;
            visit(ks, key, value)?;
        }
        self.block = block;
        Ok(())
    }

    fn read_footer(&mut self, sum: u32) -> Result<()> {
        let mut expected = Vec::with_capacity(FOOTER_BYTES);
        for count in self.counts.rows.into_iter().chain([self.counts.bytes]) {
            expected.extend_from_slice(&count.to_le_bytes());
        }
        expected.extend_from_slice(&sum.to_le_bytes());
        if self.block != expected {
            return Err(self.damaged("the footer does not match what was read"));
        }
        let more = self.input.read(&mut [0]);
        match more.map_err(|e| Error::from_io(format_args!("reading {}", self.path.display()), e))? {
            0 => Ok(()),
            _ => Err(self.damaged("bytes follow the footer")),
        }
    }

    fn read_array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        let read = self.input.read_exact(&mut bytes).map(|()| N);
        self.counted(read, N)?;
        self.sum = crc32c::crc32c_append(self.sum, &bytes);
        Ok(bytes)
    }

    fn counted(&mut self, read: io::Result<usize>, wanted: usize) -> Result<()> {
        match read {
            Ok(read) if read == wanted => {
                self.position += read as u64;
                Ok(())
            }
            Err(e) if e.kind() != io::ErrorKind::UnexpectedEof => {
                Err(Error::from_io(format_args!("reading {}", self.path.display()), e))
            }
            _ => Err(self.damaged("the file ends early")),
        }
    }

    fn damaged(&self, what: &str) -> Error {
        let message = format!("{} is damaged near byte {}: {what}", self.path.display(), self.position);
        Error::new(ErrorKind::Damaged, message)
    }
}
