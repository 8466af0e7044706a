//! Everything an operation can answer but success.

use crate::domain::digest::ClaimMismatch;
use crate::domain::package::Rejection;
use crate::registry::source::SourceError;

/// The outcome of an operation.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an operation did not succeed. Nothing that it began is visible.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A rule said no.
    #[error(transparent)]
    Rejected(#[from] Rejection),
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

/// Why a list of parts cannot be completed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartsError {
    /// The list is empty or has too many parts.
    #[error("a completion names 1 to 10000 parts")]
    Count,
    /// Part numbers do not ascend.
    #[error("the list of parts was not in ascending order")]
    Order,
    /// A part was not uploaded, or its ETag or checksum differs.
    #[error("part {0} could not be found, or its ETag or checksum does not match")]
    Invalid(u32),
    /// A part other than the last is under 5 MiB.
    #[error("part {number} has {size_bytes} bytes, less than the minimum of {minimum_bytes}")]
    TooSmall {
        /// Which part.
        number: u32,
        /// Its size.
        size_bytes: u64,
        /// The least a part other than the last may have.
        minimum_bytes: u64,
    },
    /// The whole object's claimed size differs.
    #[error("the object has {actual} bytes, not the {claimed} announced")]
    Size {
        /// What was announced.
        claimed: u64,
        /// The sum of the parts.
        actual: u64,
    },
    /// The whole object's claimed checksum differs.
    #[error("the checksum of the object does not match the one specified")]
    Checksum,
}
