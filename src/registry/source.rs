//! `ByteSource`: bytes, then what is claimed of them.

use async_trait::async_trait;
use bytes::Bytes;

use crate::domain::digest::{ChecksumAlgorithm, DigestClaims};

/// Where the bytes of an ingest come from.
///
/// The claims are complete only after `next_chunk` has answered `None`: a trailer is a claim too.
#[async_trait]
pub trait ByteSource: Send {
    /// The next bytes; `None` at the end. Not called again after an error or the end.
    async fn next_chunk(&mut self) -> Result<Option<Bytes>, SourceError>;

    /// What the client says of the bytes it sent.
    fn claims(&self) -> DigestClaims;

    /// The checksum algorithms to compute, known before the first byte.
    fn algorithms(&self) -> Vec<ChecksumAlgorithm>;

    /// The announced length in bytes of the plain body, if any.
    fn size_hint(&self) -> Option<u64>;
}

/// Why bytes did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The body ended before its announced length, or the connection broke.
    #[error("the body ended before the announced length")]
    Incomplete,
    /// The client sent nothing, or too little, for too long.
    #[error("the client sent no data for too long")]
    Stalled,
    /// The framing or a trailer is malformed.
    #[error("malformed body: {0}")]
    Malformed(String),
    /// A chunk or trailer signature is wrong.
    #[error("a chunk signature does not match")]
    Signature,
    /// The bytes of an existing file could not be read; the cause is for the log.
    #[error("the source could not be read: {0}")]
    Unreadable(String),
    /// More bytes than the limit.
    #[error("the body is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// Fewer bytes than wanted.
    #[error("the body has {size_bytes} bytes and must have at least {minimum_bytes}")]
    TooSmall {
        /// How many there are.
        size_bytes: u64,
        /// The least.
        minimum_bytes: u64,
    },
}
