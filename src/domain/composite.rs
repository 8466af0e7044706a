//! The checksum of a multipart object, made from the checksums of its parts without their bytes.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;

use crate::domain::digest::{Checksum, ChecksumAlgorithm};
use crate::domain::file::{ChecksumKind, StoredChecksum};
use crate::domain::hashers::checksum_of;

/// The stored form of a checksum over the plain bytes of an object.
pub fn full_object(checksum: &Checksum) -> StoredChecksum {
    StoredChecksum {
        algorithm: checksum.algorithm,
        kind: ChecksumKind::FullObject,
        value: STANDARD.encode(&checksum.digest),
    }
}

/// The COMPOSITE checksum: the checksum of the parts' digests, and `-N`. The digests come in the
/// order of the parts.
pub fn composite<'a>(
    algorithm: ChecksumAlgorithm,
    part_digests: impl IntoIterator<Item = &'a [u8]>,
) -> StoredChecksum {
    let (mut joined, mut parts) = (Vec::new(), 0_usize);
    for digest in part_digests {
        joined.extend_from_slice(digest);
        parts += 1;
    }
    let digest = checksum_of(algorithm, &joined).digest;
    StoredChecksum {
        algorithm,
        kind: ChecksumKind::Composite,
        value: format!("{}-{parts}", STANDARD.encode(digest)),
    }
}

/// The FULL_OBJECT checksum of an object whose parts have these digests and sizes in bytes, in
/// their order. `None` for algorithms that cannot be merged (all but the CRCs), for a digest of the
/// wrong length, and without parts.
pub fn combine<'a>(
    algorithm: ChecksumAlgorithm,
    parts: impl IntoIterator<Item = (&'a [u8], u64)>,
) -> Option<Checksum> {
    let crc = crc(algorithm)?;
    let mut whole: Option<u64> = None;
    for (digest, size_bytes) in parts {
        if digest.len() != algorithm.digest_bytes() {
            return None;
        }
        let part = digest
            .iter()
            .fold(0, |sum, &byte| sum << 8 | u64::from(byte));
        whole = Some(match whole {
            None => part,
            Some(before) => crc_fast::checksum_combine(crc, before, part, size_bytes),
        });
    }
    Some(Checksum {
        algorithm,
        digest: crc_bytes(algorithm, whole?),
    })
}

fn crc(algorithm: ChecksumAlgorithm) -> Option<CrcAlgorithm> {
    match algorithm {
        ChecksumAlgorithm::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
        ChecksumAlgorithm::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
        ChecksumAlgorithm::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
        _ => None,
    }
}

fn crc_bytes(algorithm: ChecksumAlgorithm, value: u64) -> Vec<u8> {
    value.to_be_bytes()[8 - algorithm.digest_bytes()..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn digest(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Vec<u8> {
        checksum_of(algorithm, bytes).digest
    }

    #[test]
    fn what_cannot_be_merged_is_not() {
        let none: [(&[u8], u64); 0] = [];
        assert_eq!(combine(ChecksumAlgorithm::Crc32, none), None);
        assert_eq!(combine(ChecksumAlgorithm::Crc32, [(&[1][..], 1)]), None);
        for algorithm in ChecksumAlgorithm::ALL
            .into_iter()
            .filter(|a| crc(*a).is_none())
        {
            let part = digest(algorithm, b"a");
            assert_eq!(combine(algorithm, [(&part[..], 1)]), None);
        }
    }

    #[test]
    fn the_check_value_of_each_crc_is_right() {
        // The CRC catalogue's check values, over "123456789".
        let cases = [
            (ChecksumAlgorithm::Crc32, "cbf43926"),
            (ChecksumAlgorithm::Crc32c, "e3069283"),
            (ChecksumAlgorithm::Crc64Nvme, "ae8b14860a799888"),
        ];
        for (algorithm, expected) in cases {
            let (one, two) = (digest(algorithm, b"1234"), digest(algorithm, b"56789"));
            let whole = combine(algorithm, [(&one[..], 4), (&two[..], 5)]).unwrap();
            assert_eq!(hex::encode(whole.digest), expected);
        }
    }

    #[test]
    fn a_composite_hashes_the_digests_and_counts_the_parts() {
        let parts = [[0, 0, 0, 1], [0, 0, 0, 2]];
        let stored = composite(ChecksumAlgorithm::Crc32, parts.iter().map(|p| &p[..]));
        // Python: base64.b64encode(zlib.crc32(bytes([0,0,0,1,0,0,0,2])).to_bytes(4, "big"))
        assert_eq!(stored.value, "tkyX9Q==-2");
        assert_eq!(stored.kind, ChecksumKind::Composite);
        let sha = digest(ChecksumAlgorithm::Sha256, b"a");
        let stored = composite(ChecksumAlgorithm::Sha256, [&sha[..]]);
        // Python: base64.b64encode(sha256(sha256(b"a").digest()).digest())
        assert_eq!(
            stored.value,
            "v106/7c+/S7Gw2rTES3ZM+/tY8Thy//PqI4nWcFE8tg=-1"
        );
    }

    proptest! {
        #[test]
        fn merged_parts_equal_the_whole(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..6)) {
            let whole = parts.concat();
            for algorithm in ChecksumAlgorithm::ALL.into_iter().filter(|a| crc(*a).is_some()) {
                let digests: Vec<_> = parts.iter().map(|p| (digest(algorithm, p), p.len() as u64)).collect();
                let merged = combine(algorithm, digests.iter().map(|(d, size)| (&d[..], *size)));
                prop_assert_eq!(merged.unwrap().digest, digest(algorithm, &whole));
            }
        }
    }
}
