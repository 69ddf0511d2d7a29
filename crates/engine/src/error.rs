//! What can go wrong below: storage and damaged rows. Bad input never gets here.

/// An error of the engine.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(Kind);

#[derive(Debug, thiserror::Error)]
enum Kind {
    #[error("{0}")]
    Store(#[from] store::Error),
    #[error("{0}")]
    Row(#[from] model::codec::DecodeError),
    #[error("{0}")]
    Layout(String),
    #[error("the server is stopping")]
    Stopped,
}

impl Error {
    pub(crate) fn stopped() -> Error {
        Error(Kind::Stopped)
    }

    pub(crate) fn layout(text: impl Into<String>) -> Error {
        Error(Kind::Layout(text.into()))
    }

    /// True when the disk is full: the caller may try again later.
    pub fn is_full(&self) -> bool {
        matches!(&self.0, Kind::Store(e) if e.is_full())
    }
}

impl From<store::Error> for Error {
    fn from(e: store::Error) -> Error {
        Error(Kind::Store(e))
    }
}

impl From<model::codec::DecodeError> for Error {
    fn from(e: model::codec::DecodeError) -> Error {
        Error(Kind::Row(e))
    }
}

/// Result of the engine.
pub type Result<T> = std::result::Result<T, Error>;
