//! Bytes to store, and what they are called once they are stored.

use std::path::PathBuf;

use md5::{Digest, Md5};

use crate::support::server::Server;

/// Bytes that no other seed gives, of any length.
pub fn content(seed: u64, length: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&random.next().to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// MD5 in hex.
pub fn md5(bytes: &[u8]) -> String {
    hex::encode(Md5::digest(bytes))
}

/// The ETag of an upload of these parts, with its quotes.
pub fn composite_etag(parts: &[&[u8]]) -> String {
    let joined: Vec<u8> = parts.iter().flat_map(Md5::digest).collect();
    format!("\"{}-{}\"", md5(&joined), parts.len())
}

/// Where a server keeps what it has for these bytes: the `blobs` themselves, or their `trees`.
pub fn stored_file(server: &Server, folder: &str, bytes: &[u8]) -> PathBuf {
    let hex = blake3::hash(bytes).to_hex();
    let folder = server.data().join(folder).join(&hex[..2]);
    folder.join(hex.as_str())
}

/// Numbers without a pattern (SplitMix64), the same for the same seed.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xD134_2543_DE82_EF95))
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// The next number below a bound.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}
