//! The data directory: `log/ store/ snapshots/ keys/` under one root, held by one process.
//!
//! Always: the directories are readable by their owner only. The lock goes with the process,
//! however it ends, so a crash leaves nothing to clean up.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use store::{Error, ErrorKind, Result};

const LOCK: &str = "lock";
const PARTS: [&str; 4] = ["log", "store", "snapshots", "keys"];

/// An open data directory. Keep it as long as anything in it is open: dropping it gives the lock back.
#[derive(Debug)]
pub struct DataDir {
    root: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Opens or creates the directory and takes its lock. [`Error::is_locked`] if another process has it.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        make(&root)?;
        let lock = lock(&root)?;
        for part in PARTS {
            let path = root.join(part);
            make(&path)?;
            restrict(&path)?;
        }
        sync_dir(&root)?;
        Ok(Self { root, _lock: lock })
    }

    /// Whether there is a data directory at `root`, without touching it.
    pub fn exists(root: &Path) -> bool {
        root.join("log").is_dir()
    }

    /// The root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the log lives.
    pub fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    /// Where the rows live.
    pub fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    /// Where snapshots of the rows live.
    pub fn snapshots(&self) -> PathBuf {
        self.root.join("snapshots")
    }

    /// Where the keys live that seal secrets.
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// Removes the rows, which must not be open, so that they can be rebuilt from snapshot and log.
    pub fn remove_store(&self) -> Result<()> {
        let path = self.store();
        fs::remove_dir_all(&path).map_err(|e| Error::from_io(format_args!("removing {}", path.display()), e))?;
        make(&path)?;
        restrict(&path)?;
        sync_dir(&self.root)
    }
}

fn make(path: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|e| Error::from_io(format_args!("creating directory {}", path.display()), e))
}

#[cfg(unix)]
fn restrict(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
        .map_err(|e| Error::from_io(format_args!("restricting {} to its owner", path.display()), e))
}

#[cfg(not(unix))]
fn restrict(_path: &Path) -> Result<()> {
    Ok(())
}

fn lock(root: &Path) -> Result<File> {
    let path = root.join(LOCK);
    let failed = |e| Error::from_io(format_args!("locking {}", path.display()), e);
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let known = file.read_to_string(&mut holder).is_ok() && !holder.trim().is_empty();
            let holder = if known { format!(" (process {})", holder.trim()) } else { String::new() };
            let message = format!("the data directory {} is in use by another process{holder}", root.display());
            return Err(Error::new(ErrorKind::Locked, message));
        }
        Err(TryLockError::Error(e)) => return Err(failed(e)),
    }
    // The number is for people only; the lock itself is what counts.
    file.set_len(0).and_then(|()| file.rewind()).map_err(failed)?;
    writeln!(file, "{}", std::process::id()).map_err(failed)?;
    Ok(file)
}

pub(crate) fn sync_dir(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .map_err(|e| Error::from_io(format_args!("syncing directory {}", path.display()), e))
}
