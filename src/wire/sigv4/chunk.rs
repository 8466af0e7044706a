//! The chain of chunk signatures of a streamed body.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>

use sha2::{Digest as _, Sha256};

use crate::wire::sigv4::key::{SigningKey, is_equal};
use crate::wire::sigv4::verify::Claim;

/// Verifies chunk after chunk, each signature covering the one before it. Hashes a chunk as it
/// passes and keeps nothing of it.
#[derive(Debug, Clone)]
pub struct ChunkChain {
    key: SigningKey,
    /// The lines that all strings to sign share: date and scope.
    context: String,
    previous: String,
    hasher: Sha256,
}

impl ChunkChain {
    /// The chain that begins with the signature of the request's head.
    pub fn new(key: SigningKey, claim: &Claim<'_>) -> Self {
        Self {
            key,
            context: format!("{}\n{}", claim.date, claim.scope),
            previous: claim.signature.to_owned(),
            hasher: Sha256::new(),
        }
    }

    /// Takes the next bytes of the chunk.
    pub fn update(&mut self, data: &[u8]) {
        self.hasher.update(data);
    }

    /// Ends the chunk: whether this is its signature.
    pub fn end_chunk(&mut self, claimed: &[u8]) -> bool {
        let expected = self.sign_chunk();
        is_equal(expected.as_bytes(), claimed)
    }

    /// Ends the chunk and signs it, as a client does.
    pub fn sign_chunk(&mut self) -> String {
        let digest = hex::encode(self.hasher.finalize_reset());
        self.sign(
            "AWS4-HMAC-SHA256-PAYLOAD",
            &format!("{EMPTY_SHA256}\n{digest}"),
        )
    }

    /// Whether this is the signature of the trailers, given in canonical form: `name:value` and a
    /// line feed for each, sorted by name.
    pub fn end_trailers(&mut self, canonical: &[u8], claimed: &[u8]) -> bool {
        let expected = self.sign_trailers(canonical);
        is_equal(expected.as_bytes(), claimed)
    }

    /// Signs the trailers, as a client does.
    pub fn sign_trailers(&mut self, canonical: &[u8]) -> String {
        let digest = hex::encode(Sha256::digest(canonical));
        self.sign("AWS4-HMAC-SHA256-TRAILER", &digest)
    }

    fn sign(&mut self, algorithm: &str, digests: &str) -> String {
        let (context, previous) = (&self.context, &self.previous);
        let string_to_sign = format!("{algorithm}\n{context}\n{previous}\n{digests}");
        let signature = self.key.sign(string_to_sign.as_bytes());
        // The expected one, whatever was claimed: after a mismatch nothing may match again.
        self.previous.clone_from(&signature);
        signature
    }
}

/// SHA-256 of nothing.
pub const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
