//! Everything that must be known of a stream of bytes, computed while it passes by once.
//!
//! Compares nothing: `digest.rs` holds the claims against the outcome.

use std::fmt;

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use xxhash_rust::xxh3::Xxh3;
use xxhash_rust::xxh64::Xxh64;

use crate::domain::digest::{Checksum, ChecksumAlgorithm, ContentAddress, Digests};
use crate::domain::hash_tree::TreeBuilder;

/// What is computed besides BLAKE3, the identity, which always is. MD5 costs about three times as
/// much as SHA-256 and seven times as much as BLAKE3, so each is computed only where it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashPlan {
    /// The checksums that the client claims or asks for.
    pub checksums: Vec<ChecksumAlgorithm>,
    /// SHA-256, which every file has; a part of an upload needs it only against a claim.
    pub sha256: bool,
    /// MD5, for the ETag.
    pub md5: bool,
}

impl HashPlan {
    /// The plan for a whole file: SHA-256 and MD5, and these checksums.
    pub fn file(checksums: Vec<ChecksumAlgorithm>) -> Self {
        Self {
            checksums,
            sha256: true,
            md5: true,
        }
    }

    /// The plan for a part of an upload: MD5 and these checksums. Set `sha256` where the signature
    /// covers the payload.
    pub fn part(checksums: Vec<ChecksumAlgorithm>) -> Self {
        Self {
            checksums,
            sha256: false,
            md5: true,
        }
    }
}

/// Computes digests in one pass.
pub struct Hashers {
    tree: TreeBuilder,
    sha256: Option<Sha256>,
    sha256_is_planned: bool,
    md5: Option<Md5>,
    checksums: Vec<Summing>,
}

/// A checksum on its way.
enum Summing {
    Crc(ChecksumAlgorithm, Box<crc_fast::Digest>),
    Sha1(Sha1),
    /// The hasher of the plan is shared.
    Sha256,
    Sha512(Sha512),
    Md5(Md5),
    XxHash64(Xxh64),
    XxHash3(Box<Xxh3>),
    XxHash128(Box<Xxh3>),
}

/// The checksum of bytes that are at hand as a whole.
pub fn checksum_of(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Checksum {
    let mut sum = Summing::new(algorithm);
    sum.update(bytes);
    sum.finish(Some(Sha256::digest(bytes).into()))
}

impl Hashers {
    /// Hashers that have seen nothing. A checksum that is asked for twice is computed once.
    pub fn new(plan: &HashPlan) -> Self {
        let mut asked = plan.checksums.clone();
        let mut seen = Vec::new();
        asked.retain(|algorithm| {
            let is_new = !seen.contains(algorithm);
            seen.push(*algorithm);
            is_new
        });
        let wants_sha256 = plan.sha256 || asked.contains(&ChecksumAlgorithm::Sha256);
        Self {
            tree: TreeBuilder::new(),
            sha256: wants_sha256.then(Sha256::new),
            sha256_is_planned: plan.sha256,
            md5: plan.md5.then(Md5::new),
            checksums: asked.into_iter().map(Summing::new).collect(),
        }
    }

    /// How many bytes came so far.
    pub fn size_bytes(&self) -> u64 {
        self.tree.size_bytes()
    }

    /// Takes the next bytes. Costs about 2 ms for a MiB with MD5, so callers on async threads feed
    /// it at most some 64 KiB at once.
    pub fn update(&mut self, bytes: &[u8]) {
        self.tree.update(bytes);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        for checksum in &mut self.checksums {
            checksum.update(bytes);
        }
    }

    /// The digests, and the stored form of the hash tree (see `hash_tree.rs`), which is empty for a
    /// single group.
    pub fn finish(self) -> (Digests, Vec<u8>) {
        let size_bytes = self.tree.size_bytes();
        let (address, tree) = self.tree.finish();
        let sha256: Option<[u8; 32]> = self.sha256.map(|hasher| hasher.finalize().into());
        let checksums = self.checksums.into_iter();
        let digests = Digests {
            size_bytes,
            address,
            sha256: sha256.filter(|_| self.sha256_is_planned),
            md5: self.md5.map(|hasher| hasher.finalize().into()),
            checksums: checksums.map(|sum| sum.finish(sha256)).collect(),
        };
        (digests, tree)
    }
}

impl fmt::Debug for Hashers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hashers")
            .field("size_bytes", &self.size_bytes())
            .finish_non_exhaustive()
    }
}

impl Summing {
    fn new(algorithm: ChecksumAlgorithm) -> Self {
        let crc = match algorithm {
            ChecksumAlgorithm::Crc32 => crc_fast::CrcAlgorithm::Crc32IsoHdlc,
            ChecksumAlgorithm::Crc32c => crc_fast::CrcAlgorithm::Crc32Iscsi,
            ChecksumAlgorithm::Crc64Nvme => crc_fast::CrcAlgorithm::Crc64Nvme,
            ChecksumAlgorithm::Sha1 => return Self::Sha1(Sha1::new()),
            ChecksumAlgorithm::Sha256 => return Self::Sha256,
            ChecksumAlgorithm::Sha512 => return Self::Sha512(Sha512::new()),
            ChecksumAlgorithm::Md5 => return Self::Md5(Md5::new()),
            ChecksumAlgorithm::XxHash64 => return Self::XxHash64(Xxh64::new(0)),
            ChecksumAlgorithm::XxHash3 => return Self::XxHash3(Box::default()),
            ChecksumAlgorithm::XxHash128 => return Self::XxHash128(Box::default()),
        };
        Self::Crc(algorithm, Box::new(crc_fast::Digest::new(crc)))
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(_, crc) => crc.update(bytes),
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Sha256 => {}
            Self::Sha512(hasher) => hasher.update(bytes),
            Self::Md5(hasher) => hasher.update(bytes),
            Self::XxHash64(hasher) => hasher.update(bytes),
            Self::XxHash3(hasher) | Self::XxHash128(hasher) => hasher.update(bytes),
        }
    }

    fn finish(self, sha256: Option<[u8; 32]>) -> Checksum {
        let (algorithm, digest) = match self {
            Self::Crc(algorithm, crc) => {
                let digest = crc.finalize().to_be_bytes();
                (algorithm, digest[8 - algorithm.digest_bytes()..].to_vec())
            }
            Self::Sha1(hasher) => (ChecksumAlgorithm::Sha1, hasher.finalize().to_vec()),
            Self::Sha256 => {
                let digest = sha256.expect("SHA-256 runs when it is asked for");
                (ChecksumAlgorithm::Sha256, digest.to_vec())
            }
            Self::Sha512(hasher) => (ChecksumAlgorithm::Sha512, hasher.finalize().to_vec()),
            Self::Md5(hasher) => (ChecksumAlgorithm::Md5, hasher.finalize().to_vec()),
            Self::XxHash64(hasher) => (
                ChecksumAlgorithm::XxHash64,
                hasher.digest().to_be_bytes().to_vec(),
            ),
            Self::XxHash3(hasher) => (
                ChecksumAlgorithm::XxHash3,
                hasher.digest().to_be_bytes().to_vec(),
            ),
            Self::XxHash128(hasher) => (
                ChecksumAlgorithm::XxHash128,
                hasher.digest128().to_be_bytes().to_vec(),
            ),
        };
        Checksum { algorithm, digest }
    }
}

/// The identity and the SHA-256 of a whole object whose parts landed one by one: fed the parts in
/// order, as far as they are there, and kept in memory in between.
#[derive(Clone, Default)]
pub struct WholeHasher {
    blake3: blake3::Hasher,
    sha256: Sha256,
}

/// What [`WholeHasher`] computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WholeDigests {
    /// How many bytes there were.
    pub size_bytes: u64,
    /// BLAKE3-256: the identity.
    pub address: ContentAddress,
    /// SHA-256.
    pub sha256: [u8; 32],
}

impl WholeHasher {
    /// A hasher that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many bytes came so far.
    pub fn size_bytes(&self) -> u64 {
        self.blake3.count()
    }

    /// Takes the next bytes: about 0.8 ms for a MiB.
    pub fn update(&mut self, bytes: &[u8]) {
        self.blake3.update(bytes);
        self.sha256.update(bytes);
    }

    /// The digests of what came so far; more may follow.
    pub fn digests(&self) -> WholeDigests {
        WholeDigests {
            size_bytes: self.blake3.count(),
            address: ContentAddress(*self.blake3.finalize().as_bytes()),
            sha256: self.sha256.clone().finalize().into(),
        }
    }
}

impl fmt::Debug for WholeHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WholeHasher")
            .field("size_bytes", &self.size_bytes())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(plan: &HashPlan, bytes: &[u8], step: usize) -> Digests {
        let mut hashers = Hashers::new(plan);
        for chunk in bytes.chunks(step) {
            hashers.update(chunk);
        }
        hashers.finish().0
    }

    #[test]
    fn the_digests_are_those_of_the_standards() {
        let plan = HashPlan::file(ChecksumAlgorithm::ALL.to_vec());
        let found = digests(&plan, b"123456789", 2);
        assert_eq!(found.size_bytes, 9);
        assert_eq!(
            found.address.to_hex(),
            "b7d65b48420d1033cb2595293263b6f72eabee20d55e699d0df1973b3c9deed1"
        );
        assert_eq!(
            hex::encode(found.md5.unwrap()),
            "25f9e794323b453885f5181f1b624d0b"
        );
        let sha256 = "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225";
        assert_eq!(hex::encode(found.sha256.unwrap()), sha256);
        let expected = [
            "cbf43926",
            "e3069283",
            "ae8b14860a799888",
            "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
            sha256,
            // hashlib.sha512, hashlib.md5; xxh64, xxh3_64 and xxh3_128 of Python's xxhash.
            "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274ad27fcd5811b313d681f7e55ec02\
             d73d499c95455b6b5bb503acf574fba8ffe85",
            "25f9e794323b453885f5181f1b624d0b",
            "8cb841db40e6ae83",
            "72dcb18b67a17dff",
            "33119477ede5dcd5e9716427681d5860",
        ];
        assert_eq!(found.checksums.len(), expected.len());
        for ((checksum, algorithm), expected) in found
            .checksums
            .iter()
            .zip(ChecksumAlgorithm::ALL)
            .zip(expected)
        {
            assert_eq!(checksum.algorithm, algorithm);
            assert_eq!(hex::encode(&checksum.digest), expected);
            assert_eq!(checksum.digest.len(), algorithm.digest_bytes());
            assert_eq!(checksum, &checksum_of(algorithm, b"123456789"));
        }
    }

    #[test]
    fn only_what_is_planned_is_given() {
        let plan = HashPlan {
            checksums: vec![ChecksumAlgorithm::Sha256, ChecksumAlgorithm::Sha256],
            sha256: false,
            md5: false,
        };
        let found = digests(&plan, b"abc", 1);
        assert_eq!((found.sha256, found.md5), (None, None));
        assert_eq!(found.checksums.len(), 1);
        assert_eq!(found.checksums[0].digest.len(), 32);
        assert!(HashPlan::part(Vec::new()).md5 && !HashPlan::part(Vec::new()).sha256);
    }

    #[test]
    fn a_whole_is_the_same_as_its_parts_in_order() {
        let bytes = vec![7; 300_000];
        let whole = digests(&HashPlan::file(Vec::new()), &bytes, 100_000);
        let mut hasher = WholeHasher::new();
        let mut halfway = WholeHasher::new();
        for part in bytes.chunks(70_001) {
            hasher.update(part);
            halfway = hasher.clone();
            halfway.digests();
        }
        let found = halfway.digests();
        assert_eq!(found.size_bytes, 300_000);
        assert_eq!(found.address, whole.address);
        assert_eq!(Some(found.sha256), whole.sha256);
    }
}
