//! Everything an operation can answer but success.

use crate::blob::store::BlobError;
use crate::db::error::DbError;
use crate::domain::consumer::ConsumerRejection;
use crate::domain::digest::ClaimMismatch;
use crate::domain::package::Rejection;
use crate::domain::upload::PartsError;
use crate::registry::source::SourceError;

/// The outcome of an operation.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an operation did not succeed. Nothing that it began is visible.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A rule said no.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// A rule about consumers of the log said no.
    #[error(transparent)]
    Consumer(#[from] ConsumerRejection),
    /// The bytes are not what the client said they were.
    #[error(transparent)]
    Claim(#[from] ClaimMismatch),
    /// The bytes did not arrive whole.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The list of parts of a completion is wrong.
    #[error(transparent)]
    Parts(#[from] PartsError),
    /// An argument is not acceptable; the message says which and why.
    #[error("{0}")]
    InvalidArgument(String),
    /// Too much work is waiting; try again shortly.
    #[error("too many requests are waiting")]
    Busy,
    /// A store or the database cannot be used now; the cause is for the log.
    #[error("storage is unavailable: {0}")]
    Unavailable(String),
    /// Stored bytes are damaged or missing; the cause is for the log.
    #[error("stored bytes are damaged: {0}")]
    Corrupt(String),
    /// A defect of this program; the cause is for the log.
    #[error("internal error: {0}")]
    Internal(String),
}

impl From<DbError> for Error {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Busy => Self::Busy,
            DbError::Unavailable(cause) => Self::Unavailable(cause),
            DbError::Corrupt(cause) => Self::Corrupt(cause),
        }
    }
}

impl From<BlobError> for Error {
    fn from(error: BlobError) -> Self {
        let cause = error.to_string();
        match error {
            BlobError::Unavailable { .. } | BlobError::Full { .. } => Self::Unavailable(cause),
            BlobError::Missing { .. } | BlobError::Corrupt { .. } => Self::Corrupt(cause),
        }
    }
}
