//! The body of a request: from hyper's frames to plain bytes and what is claimed of them.
//!
//! Nothing is read before the first `next_chunk`, and hyper sends `100 Continue` only then; a
//! refusal before that costs the client no body. Frames are passed on as they come, never gathered.

use async_trait::async_trait;
use bytes::Bytes;
use hyper::body::Incoming;

use crate::domain::digest::{ChecksumAlgorithm, DigestClaims};
use crate::registry::source::{ByteSource, SourceError};

/// The body of one request.
pub struct Payload {
    #[expect(dead_code, reason = "read by the body's decoder")]
    inbound: Option<Incoming>,
}

#[async_trait]
impl ByteSource for Payload {
    async fn next_chunk(&mut self) -> Result<Option<Bytes>, SourceError> {
        todo!()
    }

    fn claims(&self) -> DigestClaims {
        todo!()
    }

    fn algorithms(&self) -> Vec<ChecksumAlgorithm> {
        todo!()
    }

    fn size_hint(&self) -> Option<u64> {
        todo!()
    }
}
