//! A range of an existing file as the source of a new part.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::Mutex;

use crate::domain::digest::{ChecksumAlgorithm, DigestClaims};
use crate::registry::open::FileStream;
use crate::registry::source::{ByteSource, SourceError};

/// Checked bytes of a file; nothing is claimed of them but their number.
pub struct RangeSource {
    /// Behind a lock only because a stream may not be shared between threads.
    stream: Mutex<FileStream>,
    size_bytes: u64,
}

impl RangeSource {
    /// The bytes of a stream that gives `size_bytes`.
    pub fn new(stream: FileStream, size_bytes: u64) -> Self {
        Self {
            stream: Mutex::new(stream),
            size_bytes,
        }
    }
}

#[async_trait]
impl ByteSource for RangeSource {
    async fn next_chunk(&mut self) -> Result<Option<Bytes>, SourceError> {
        match self.stream.get_mut().next().await {
            None => Ok(None),
            Some(Ok(bytes)) => Ok(Some(bytes)),
            Some(Err(error)) => Err(SourceError::Unreadable(error.to_string())),
        }
    }

    fn claims(&self) -> DigestClaims {
        DigestClaims {
            size_bytes: Some(self.size_bytes),
            ..DigestClaims::default()
        }
    }

    fn algorithms(&self) -> Vec<ChecksumAlgorithm> {
        Vec::new()
    }

    fn size_hint(&self) -> Option<u64> {
        Some(self.size_bytes)
    }
}
