//! Digests, the content address, and what a client may claim about its bytes.
//!
//! Computes nothing: `hashers.rs` does, in one pass.

use std::fmt;
use std::str::FromStr;

/// The address of bytes: their BLAKE3-256 digest, written `blake3:` and 64 lowercase hex digits,
/// which is also a registered OCI digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentAddress(pub [u8; 32]);

impl ContentAddress {
    /// The algorithm's name, as events and manifests give it.
    pub const ALGORITHM: &'static str = "blake3";

    /// The 64 hex digits without the algorithm.
    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }

    /// The address of 32 bytes; `None` for any other length.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for ContentAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", Self::ALGORITHM, self.to_hex())
    }
}

impl fmt::Debug for ContentAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ContentAddress {
    type Err = InvalidAddress;

    /// Accepts exactly what `Display` writes.
    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let digits = text.strip_prefix("blake3:").ok_or(InvalidAddress)?;
        if digits.len() != 64 || digits.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(InvalidAddress);
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| InvalidAddress)?;
        Ok(Self(bytes))
    }
}

/// A text that is no content address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a content address is 'blake3:' and 64 lowercase hex digits")]
pub struct InvalidAddress;

/// A checksum that S3 clients send and ask for.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChecksumAlgorithm {
    /// CRC-32 (ISO-HDLC), four bytes.
    Crc32,
    /// CRC-32C (Castagnoli), four bytes.
    Crc32c,
    /// CRC-64/NVME, eight bytes.
    Crc64Nvme,
    /// SHA-1, twenty bytes.
    Sha1,
    /// SHA-256, thirty-two bytes.
    Sha256,
    /// SHA-512, sixty-four bytes.
    Sha512,
    /// MD5, sixteen bytes.
    Md5,
    /// XXH64 with seed 0, eight bytes.
    XxHash64,
    /// XXH3 with 64 bits and seed 0, eight bytes.
    XxHash3,
    /// XXH3 with 128 bits and seed 0, sixteen bytes.
    XxHash128,
}

impl ChecksumAlgorithm {
    /// Every algorithm that is computed.
    pub const ALL: [Self; 10] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
        Self::Sha512,
        Self::Md5,
        Self::XxHash64,
        Self::XxHash3,
        Self::XxHash128,
    ];

    /// The name in S3 headers and XML, such as `CRC64NVME`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
            Self::Md5 => "MD5",
            Self::XxHash64 => "XXHASH64",
            Self::XxHash3 => "XXHASH3",
            Self::XxHash128 => "XXHASH128",
        }
    }

    /// The algorithm of a name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// The length of the digest in bytes.
    pub fn digest_bytes(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme | Self::XxHash64 | Self::XxHash3 => 8,
            Self::Md5 | Self::XxHash128 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// A checksum over plain bytes: the algorithm and its big-endian digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    /// Which algorithm.
    pub algorithm: ChecksumAlgorithm,
    /// The digest, [`ChecksumAlgorithm::digest_bytes`] long.
    pub digest: Vec<u8>,
}

/// Everything one pass over the bytes computes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digests {
    /// How many bytes there were.
    pub size_bytes: u64,
    /// BLAKE3-256: the identity.
    pub address: ContentAddress,
    /// SHA-256, when it was planned: always for a file, for a part only against a claim.
    pub sha256: Option<[u8; 32]>,
    /// MD5, for the ETag, when it was planned.
    pub md5: Option<[u8; 16]>,
    /// The checksums that were asked for, in the order they were asked.
    pub checksums: Vec<Checksum>,
}

/// What a client says of the bytes it sends. All of it is compared before anything is published.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DigestClaims {
    /// The length in bytes.
    pub size_bytes: Option<u64>,
    /// `Content-MD5`.
    pub md5: Option<[u8; 16]>,
    /// The SHA-256 that the signature covers (`x-amz-content-sha256`).
    pub payload_sha256: Option<[u8; 32]>,
    /// A checksum header or trailer.
    pub checksum: Option<Checksum>,
}

/// Which claim the bytes do not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimMismatch {
    /// Fewer or more bytes than announced.
    #[error("the body has {actual} bytes, but {claimed} were announced")]
    Size {
        /// What was announced.
        claimed: u64,
        /// What came.
        actual: u64,
    },
    /// Content-MD5 differs.
    #[error("the Content-MD5 you specified did not match what we received")]
    Md5,
    /// The signed payload hash differs.
    #[error("the provided 'x-amz-content-sha256' header does not match what was computed")]
    PayloadSha256,
    /// A checksum header or trailer differs.
    #[error("the {} you specified did not match the calculated checksum", .0.name())]
    Checksum(ChecksumAlgorithm),
}

impl DigestClaims {
    /// Compares every claim with what was computed. A claim that nothing was computed for does not
    /// match.
    pub fn check(&self, digests: &Digests) -> Result<(), ClaimMismatch> {
        if let Some(claimed) = self.size_bytes
            && claimed != digests.size_bytes
        {
            return Err(ClaimMismatch::Size {
                claimed,
                actual: digests.size_bytes,
            });
        }
        if self
            .payload_sha256
            .is_some_and(|claimed| Some(claimed) != digests.sha256)
        {
            return Err(ClaimMismatch::PayloadSha256);
        }
        if self.md5.is_some_and(|claimed| Some(claimed) != digests.md5) {
            return Err(ClaimMismatch::Md5);
        }
        if let Some(claimed) = &self.checksum
            && !digests.checksums.contains(claimed)
        {
            return Err(ClaimMismatch::Checksum(claimed.algorithm));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_exactly_as_written() {
        let address = ContentAddress([0xab; 32]);
        let text = address.to_string();
        assert_eq!(text.parse(), Ok(address));
        let wrong = [
            text.to_uppercase(),
            text.replace("blake3", "sha256"),
            text[..70].to_owned(),
            text + "0",
        ];
        for text in wrong {
            assert_eq!(
                text.parse::<ContentAddress>(),
                Err(InvalidAddress),
                "{text}"
            );
        }
    }

    #[test]
    fn each_false_claim_is_named() {
        let crc = |digest: &[u8]| Checksum {
            algorithm: ChecksumAlgorithm::Crc32,
            digest: digest.to_vec(),
        };
        let digests = Digests {
            size_bytes: 3,
            address: ContentAddress([1; 32]),
            sha256: Some([2; 32]),
            md5: Some([3; 16]),
            checksums: vec![crc(&[0, 0, 0, 4])],
        };
        let claims = |size, md5, sha, checksum| DigestClaims {
            size_bytes: size,
            md5,
            payload_sha256: sha,
            checksum,
        };
        let cases = [
            (claims(None, None, None, None), Ok(())),
            (
                claims(
                    Some(3),
                    Some([3; 16]),
                    Some([2; 32]),
                    Some(crc(&[0, 0, 0, 4])),
                ),
                Ok(()),
            ),
            (
                claims(Some(4), None, None, None),
                Err(ClaimMismatch::Size {
                    claimed: 4,
                    actual: 3,
                }),
            ),
            (
                claims(None, Some([0; 16]), None, None),
                Err(ClaimMismatch::Md5),
            ),
            (
                claims(None, None, Some([0; 32]), None),
                Err(ClaimMismatch::PayloadSha256),
            ),
            (
                claims(None, None, None, Some(crc(&[1, 0, 0, 4]))),
                Err(ClaimMismatch::Checksum(ChecksumAlgorithm::Crc32)),
            ),
        ];
        for (claims, expected) in cases {
            assert_eq!(claims.check(&digests), expected, "{claims:?}");
        }
    }
}
