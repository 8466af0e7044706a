//! The `aws-chunked` framing of a body: bytes in, data and trailers out.
//!
//! Fed bytes, never awaits, gathers no chunk. Data comes out before its chunk's signature has been
//! checked, so whoever takes it publishes nothing until [`Step::End`].
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>

use bytes::Bytes;
use http::HeaderMap;

use crate::wire::sigv4::chunk::ChunkChain;

/// Why a framed body is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// Not the framing that was announced (InvalidRequest).
    #[error("the chunked body is malformed: {0}")]
    Malformed(&'static str),
    /// A chunk's or the trailer's signature is wrong (SignatureDoesNotMatch).
    #[error("the signature of a chunk does not match")]
    SignatureMismatch,
    /// A trailer is malformed, missing or not announced (MalformedTrailerError).
    #[error("the trailer of the body is malformed: {0}")]
    MalformedTrailer(&'static str),
    /// The body ended, or its final chunk came, before all announced bytes (IncompleteBody).
    #[error("the body is shorter than announced")]
    Incomplete,
    /// More data than `x-amz-decoded-content-length` says (IncompleteBody, as S3 answers).
    #[error("the body is longer than announced")]
    TooLong,
}

/// What a decoder has for its caller.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// All that was fed is used up: feed more, or finish.
    More,
    /// The next bytes of the plain body.
    Data(Bytes),
    /// The end: every signature and the length are right. Checksums in the trailers are the
    /// caller's to compare.
    End(HeaderMap),
}

/// How the body is framed.
#[derive(Debug, Default)]
pub struct Framing {
    /// The chain that the chunks' signatures continue; `None` for unsigned chunks.
    pub chain: Option<ChunkChain>,
    /// Whether trailers follow the final chunk.
    pub has_trailers: bool,
    /// The names that `x-amz-trailer` announces, all of which must come and no other may.
    pub announced: Vec<http::HeaderName>,
    /// `x-amz-decoded-content-length`.
    pub decoded_bytes: Option<u64>,
}

/// Decodes one body.
#[derive(Debug)]
pub struct Decoder {
    framing: Framing,
}

impl Decoder {
    /// A decoder at the start of a body.
    pub fn new(framing: Framing) -> Self {
        Self { framing }
    }

    /// Hands over the next bytes of the body. Call only at the start or after [`Step::More`].
    pub fn feed(&mut self, bytes: Bytes) {
        let _ = (bytes, &self.framing);
        todo!()
    }

    /// The next piece. After an error or [`Step::End`] the decoder is spent.
    pub fn step(&mut self) -> Result<Step, ChunkError> {
        todo!()
    }

    /// The input has ended. An error unless [`Step::End`] was reached.
    pub fn finish(&self) -> Result<(), ChunkError> {
        todo!()
    }
}

/// The names in an `x-amz-trailer` header.
pub fn announced_trailers(headers: &HeaderMap) -> Result<Vec<http::HeaderName>, ChunkError> {
    let _ = headers;
    todo!()
}
