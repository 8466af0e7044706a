//! Checked reads: every byte is held against the content address before it is given.
//!
//! One way for whole objects and ranges. A blob of one group is read and hashed whole; of a larger
//! one only the groups that the range touches, against the hash tree beside it. The tree is a cache:
//! when it is missing or wrong, the blob is hashed once and the tree written anew.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;

use super::store::BlobError;
use crate::domain::digest::ContentAddress;

/// A stored blob, as a row describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobRef {
    /// The store that has it.
    pub backend_id: String,
    /// Its key there.
    pub object_key: String,
    /// The identity of its bytes.
    pub address: ContentAddress,
    /// How many there are.
    pub size_bytes: u64,
}

/// The checked bytes of a range, in chunks of at most 1 MiB. Ends after the first error.
pub struct BlobReader {}

impl Stream for BlobReader {
    type Item = Result<Bytes, BlobError>;

    fn poll_next(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        todo!()
    }
}
