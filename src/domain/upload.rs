//! Multipart uploads: part order, sizes, the composite ETag.

use md5::{Digest as _, Md5};

use crate::domain::digest::{Checksum, ChecksumAlgorithm, ContentAddress};
use crate::domain::file::{ChecksumKind, ObjectAttributes};
use crate::domain::ids::{PackageId, Timestamp, UploadId};
use crate::domain::lock::LockRequest;
use crate::domain::name::ObjectKey;

/// The most parts an upload may have, and the highest part number.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
pub const MAX_PARTS: u32 = 10_000;

/// The least bytes of a part that is not the last.
pub const MIN_PART_BYTES: u64 = 5 * 1024 * 1024;

/// An open upload.
#[derive(Debug, Clone, PartialEq)]
pub struct UploadRecord {
    /// The identifier.
    pub id: UploadId,
    /// The package.
    pub package_id: PackageId,
    /// The key it will complete to.
    pub key: ObjectKey,
    /// `Content-Type` of the object.
    pub media_type: String,
    /// What the client attaches to the object.
    pub attributes: ObjectAttributes,
    /// The checksum every part carries, and what the object's will cover.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    /// What shall keep the object.
    pub lock: LockRequest,
    /// When it was opened.
    pub initiated_at: Timestamp,
    /// Who opened it.
    pub initiated_by: String,
}

/// A part that has been uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartRecord {
    /// 1 to [`MAX_PARTS`].
    pub number: u32,
    /// The length in bytes.
    pub size_bytes: u64,
    /// MD5 of its bytes: the ETag in hex.
    pub md5: [u8; 16],
    /// The address of its bytes.
    pub address: ContentAddress,
    /// The store of its blob.
    pub backend_id: String,
    /// The name of its blob in that store.
    pub object_key: String,
    /// The checksum of the upload's algorithm, or of the one the client sent.
    pub checksum: Option<Checksum>,
    /// When it arrived.
    pub created_at: Timestamp,
}

/// One line of a completion's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartClaim {
    /// The part number.
    pub number: u32,
    /// Its ETag without quotes.
    pub etag: String,
    /// Its checksum, if the client repeats it.
    pub checksum: Option<Checksum>,
}

/// Why a list of parts cannot be completed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartsError {
    /// The list is empty or has too many parts.
    #[error("a completion names 1 to {MAX_PARTS} parts")]
    Count,
    /// Part numbers do not ascend.
    #[error("the list of parts was not in ascending order")]
    Order,
    /// A part was not uploaded, or its ETag or checksum differs.
    #[error("part {0} could not be found, or its ETag or checksum does not match")]
    Invalid(u32),
    /// A part other than the last is under [`MIN_PART_BYTES`].
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

/// Picks the claimed parts from those uploaded, in order, and checks what S3 checks.
///
/// `uploaded` is ascending by number; parts that the list leaves out are left out.
pub fn select_parts(
    claims: &[PartClaim],
    uploaded: &[PartRecord],
) -> Result<Vec<PartRecord>, PartsError> {
    if claims.is_empty() || claims.len() > MAX_PARTS as usize {
        return Err(PartsError::Count);
    }
    if claims
        .windows(2)
        .any(|pair| pair[0].number >= pair[1].number)
    {
        return Err(PartsError::Order);
    }
    let mut selected = Vec::with_capacity(claims.len());
    for claim in claims {
        let part = uploaded
            .binary_search_by_key(&claim.number, |part| part.number)
            .ok()
            .map(|index| &uploaded[index])
            .filter(|part| hex::encode(part.md5) == claim.etag)
            .filter(|part| claim.checksum.is_none() || claim.checksum == part.checksum)
            .ok_or(PartsError::Invalid(claim.number))?;
        selected.push(part.clone());
    }
    let all_but_last = &selected[..selected.len() - 1];
    if let Some(small) = all_but_last
        .iter()
        .find(|part| part.size_bytes < MIN_PART_BYTES)
    {
        return Err(PartsError::TooSmall {
            number: small.number,
            size_bytes: small.size_bytes,
            minimum_bytes: MIN_PART_BYTES,
        });
    }
    Ok(selected)
}

/// The ETag of an object made of parts: the MD5 of their MD5s, and how many they are.
pub fn composite_etag(parts: &[PartRecord]) -> String {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(part.md5);
    }
    format!("{}-{}", hex::encode(md5.finalize()), parts.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: u32, size_bytes: u64) -> PartRecord {
        PartRecord {
            number,
            size_bytes,
            md5: [number as u8; 16],
            address: ContentAddress([number as u8; 32]),
            backend_id: "local".into(),
            object_key: String::new(),
            checksum: Some(Checksum {
                algorithm: ChecksumAlgorithm::Crc32,
                digest: vec![0, 0, 0, number as u8],
            }),
            created_at: Timestamp(0),
        }
    }

    fn claim(number: u32) -> PartClaim {
        PartClaim {
            number,
            etag: hex::encode([number as u8; 16]),
            checksum: None,
        }
    }

    #[test]
    fn a_list_of_parts_is_checked_as_s3_checks_it() {
        let uploaded = [
            part(1, MIN_PART_BYTES),
            part(3, 1),
            part(4, MIN_PART_BYTES),
            part(9, 1),
        ];
        let wrong_etag = PartClaim {
            etag: "0".repeat(32),
            ..claim(1)
        };
        let wrong_sum = PartClaim {
            checksum: part(3, 1).checksum,
            ..claim(1)
        };
        let small = PartsError::TooSmall {
            number: 3,
            size_bytes: 1,
            minimum_bytes: MIN_PART_BYTES,
        };
        let cases = [
            (vec![], Err(PartsError::Count)),
            (vec![claim(4), claim(1)], Err(PartsError::Order)),
            (vec![claim(1), claim(1)], Err(PartsError::Order)),
            (vec![claim(1), claim(2)], Err(PartsError::Invalid(2))),
            (vec![wrong_etag], Err(PartsError::Invalid(1))),
            (vec![wrong_sum], Err(PartsError::Invalid(1))),
            (vec![claim(1), claim(3), claim(4)], Err(small)),
            (vec![claim(3)], Ok(vec![3])),
            (vec![claim(1), claim(4), claim(9)], Ok(vec![1, 4, 9])),
        ];
        for (claims, expected) in cases {
            let numbers = select_parts(&claims, &uploaded)
                .map(|parts| parts.iter().map(|part| part.number).collect::<Vec<_>>());
            assert_eq!(numbers, expected, "{claims:?}");
        }
    }

    #[test]
    fn the_composite_etag_is_the_md5_of_md5s() {
        // md5(b"\x01" * 16 + b"\x02" * 16), by Python's hashlib.
        let etag = composite_etag(&[part(1, 1), part(2, 1)]);
        assert_eq!(etag, "a2178117d5e9ed5f7660ab3e6719c6a2-2");
    }
}
