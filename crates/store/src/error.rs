//! What can go wrong in storage, sorted by what a caller can do about it.

use std::fmt;
use std::io;
use std::sync::Arc;

/// Result of a storage call.
pub type Result<T> = std::result::Result<T, Error>;

/// What a caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The disk is full. Try again when space has returned.
    Full,
    /// Bytes on disk are not what was written. Restore or rebuild.
    Damaged,
    /// Another process holds the data directory.
    Locked,
    /// The device or the file system refused.
    Io,
    /// The engine closed itself (after a failed sync, or on shutdown). Open it again.
    Closed,
    /// The request itself cannot be served, such as an entry above the size limit.
    Invalid,
}

/// A failed storage call. Cheap to clone: one failed write answers many waiting groups.
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    message: Arc<str>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of this kind; `message` says what was attempted and on which file.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into().into(), source: None }
    }

    /// The same with the error that caused it.
    pub fn caused(
        kind: ErrorKind,
        message: impl Into<String>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self { kind, message: message.into().into(), source: Some(Arc::new(source)) }
    }

    /// An I/O error met while `doing` something; a full disk or quota becomes [`ErrorKind::Full`].
    pub fn from_io(doing: impl fmt::Display, source: io::Error) -> Self {
        let full = matches!(
            source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::WriteZero
        );
        let kind = if full { ErrorKind::Full } else { ErrorKind::Io };
        Self::caused(kind, format!("{doing}: {source}"), source)
    }

    /// The kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The disk or its quota is full.
    pub fn is_full(&self) -> bool {
        self.kind == ErrorKind::Full
    }

    /// Stored bytes are damaged.
    pub fn is_damaged(&self) -> bool {
        self.kind == ErrorKind::Damaged
    }

    /// Another process uses the directory.
    pub fn is_locked(&self) -> bool {
        self.kind == ErrorKind::Locked
    }

    /// The device refused.
    pub fn is_io(&self) -> bool {
        self.kind == ErrorKind::Io
    }

    /// The engine no longer takes writes until it is opened again.
    pub fn is_closed(&self) -> bool {
        self.kind == ErrorKind::Closed
    }

    /// The request can never succeed as given.
    pub fn is_invalid(&self) -> bool {
        self.kind == ErrorKind::Invalid
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}
