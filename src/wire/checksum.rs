//! Checksum headers and values: names, base64, and what is claimed of a body.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>
//!
//! Computes nothing: `domain/hashers.rs` and `domain/composite.rs` do.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::domain::digest::{Checksum, ChecksumAlgorithm};
use crate::domain::file::{ChecksumKind, StoredChecksum};

/// Why a checksum header is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChecksumError {
    /// `Content-MD5` is no base64 of 16 bytes (InvalidDigest).
    #[error("the Content-MD5 you specified was invalid")]
    InvalidMd5,
    /// The value is no base64 of the right length (InvalidRequest).
    #[error("value for {0} header is invalid")]
    InvalidValue(String),
    /// An algorithm that is not computed here (InvalidRequest).
    #[error(
        "checksum algorithm '{0}' is not supported; use CRC32, CRC32C, CRC64NVME, SHA1 or SHA256"
    )]
    Unsupported(String),
    /// More than one checksum for one body (InvalidRequest).
    #[error("expecting a single x-amz-checksum- header; multiple checksum types are not allowed")]
    Multiple,
    /// `x-amz-sdk-checksum-algorithm` names another algorithm than the checksum that comes
    /// (InvalidRequest).
    #[error("value for x-amz-sdk-checksum-algorithm header is invalid")]
    Contradiction,
    /// `x-amz-checksum-type` is neither COMPOSITE nor FULL_OBJECT (InvalidRequest).
    #[error("value for x-amz-checksum-type header is invalid")]
    InvalidType,
}

/// What the headers of a request with a body say of checksums.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BodyChecksums {
    /// `Content-MD5`.
    pub content_md5: Option<[u8; 16]>,
    /// The value of an `x-amz-checksum-*` header.
    pub value: Option<Checksum>,
    /// The algorithm whose value `x-amz-trailer` announces after the body.
    pub trailer: Option<ChecksumAlgorithm>,
    /// `x-amz-sdk-checksum-algorithm`.
    pub algorithm: Option<ChecksumAlgorithm>,
}

impl BodyChecksums {
    /// Reads the headers.
    pub fn parse(headers: &HeaderMap) -> Result<Self, ChecksumError> {
        let mut found = Self {
            content_md5: content_md5(headers)?,
            algorithm: named_algorithm(headers, "x-amz-sdk-checksum-algorithm")?,
            ..Self::default()
        };
        for (name, value) in headers {
            let Some(algorithm) = algorithm_of(name.as_str())? else {
                continue;
            };
            if found.value.is_some() {
                return Err(ChecksumError::Multiple);
            }
            found.value = Some(parse_value(algorithm, text_of(name, value)?)?);
        }
        for value in headers.get_all("x-amz-trailer") {
            for name in value.to_str().unwrap_or_default().split(',') {
                let Some(algorithm) = algorithm_of(&name.trim().to_ascii_lowercase())? else {
                    continue;
                };
                if found.value.is_some() || found.trailer.is_some() {
                    return Err(ChecksumError::Multiple);
                }
                found.trailer = Some(algorithm);
            }
        }
        let carried = found.value.as_ref().map(|value| value.algorithm);
        let carried = carried.or(found.trailer);
        match (carried, found.algorithm) {
            (Some(carried), Some(named)) if carried != named => Err(ChecksumError::Contradiction),
            (_, _) => Ok(found),
        }
    }

    /// The algorithm that must be computed over the body, if any.
    pub fn wanted(&self) -> Option<ChecksumAlgorithm> {
        self.value
            .as_ref()
            .map(|value| value.algorithm)
            .or(self.trailer)
            .or(self.algorithm)
    }
}

/// The header (or trailer) that carries a checksum: `x-amz-checksum-crc32`.
pub fn header_name(algorithm: ChecksumAlgorithm) -> HeaderName {
    HeaderName::from_static(match algorithm {
        ChecksumAlgorithm::Crc32 => "x-amz-checksum-crc32",
        ChecksumAlgorithm::Crc32c => "x-amz-checksum-crc32c",
        ChecksumAlgorithm::Crc64Nvme => "x-amz-checksum-crc64nvme",
        ChecksumAlgorithm::Sha1 => "x-amz-checksum-sha1",
        ChecksumAlgorithm::Sha256 => "x-amz-checksum-sha256",
        ChecksumAlgorithm::Sha512 => "x-amz-checksum-sha512",
        ChecksumAlgorithm::Md5 => "x-amz-checksum-md5",
        ChecksumAlgorithm::XxHash64 => "x-amz-checksum-xxhash64",
        ChecksumAlgorithm::XxHash3 => "x-amz-checksum-xxhash3",
        ChecksumAlgorithm::XxHash128 => "x-amz-checksum-xxhash128",
    })
}

/// The algorithm that a header (or trailer) of this lower-case name carries; `None` if the name is
/// none of a checksum. An error for a checksum that is not computed here: it must not be ignored,
/// or a client would believe that it was verified.
pub fn algorithm_of(name: &str) -> Result<Option<ChecksumAlgorithm>, ChecksumError> {
    match name.strip_prefix("x-amz-checksum-") {
        None | Some("algorithm" | "mode" | "type") => Ok(None),
        Some(algorithm) => known_algorithm(algorithm).map(Some),
    }
}

/// The checksum of a header's base64 value.
pub fn parse_value(algorithm: ChecksumAlgorithm, text: &str) -> Result<Checksum, ChecksumError> {
    match STANDARD.decode(text.trim()) {
        Ok(digest) if digest.len() == algorithm.digest_bytes() => {
            Ok(Checksum { algorithm, digest })
        }
        Ok(_) | Err(_) => Err(invalid_value(algorithm)),
    }
}

/// The checksum of a whole object, as CompleteMultipartUpload claims it: base64, and `-N` for a
/// composite of N parts.
pub fn parse_object_value(
    algorithm: ChecksumAlgorithm,
    text: &str,
) -> Result<StoredChecksum, ChecksumError> {
    let text = text.trim();
    let (digest, parts) = match text.split_once('-') {
        Some((digest, parts)) => (digest, Some(parts)),
        None => (text, None),
    };
    parse_value(algorithm, digest)?;
    let is_count = |parts: &str| {
        (1..=5).contains(&parts.len())
            && !parts.starts_with('0')
            && parts.bytes().all(|b| b.is_ascii_digit())
    };
    let kind = match parts {
        None => ChecksumKind::FullObject,
        Some(parts) if is_count(parts) => ChecksumKind::Composite,
        Some(_) => return Err(invalid_value(algorithm)),
    };
    Ok(StoredChecksum {
        algorithm,
        kind,
        value: text.to_owned(),
    })
}

/// A digest as headers and XML give it: base64, with `-N` for a composite of N parts.
pub fn format_value(checksum: &Checksum, parts: Option<u32>) -> String {
    let digest = STANDARD.encode(&checksum.digest);
    match parts {
        None => digest,
        Some(parts) => format!("{digest}-{parts}"),
    }
}

/// `x-amz-checksum-algorithm` and `x-amz-checksum-type`, as CreateMultipartUpload, CopyObject and
/// CompleteMultipartUpload take them.
pub fn parse_upload_checksum(
    headers: &HeaderMap,
) -> Result<(Option<ChecksumAlgorithm>, Option<ChecksumKind>), ChecksumError> {
    let algorithm = named_algorithm(headers, "x-amz-checksum-algorithm")?;
    let kind = match headers.get("x-amz-checksum-type") {
        None => None,
        Some(value) => {
            let kind = value.to_str().ok().and_then(ChecksumKind::from_name);
            Some(kind.ok_or(ChecksumError::InvalidType)?)
        }
    };
    Ok((algorithm, kind))
}

fn content_md5(headers: &HeaderMap) -> Result<Option<[u8; 16]>, ChecksumError> {
    let mut values = headers
        .get_all(http::header::HeaderName::from_static("content-md5"))
        .iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(ChecksumError::InvalidMd5);
    }
    STANDARD
        .decode(value.as_bytes().trim_ascii())
        .ok()
        .and_then(|digest| digest.try_into().ok())
        .map(Some)
        .ok_or(ChecksumError::InvalidMd5)
}

fn named_algorithm(
    headers: &HeaderMap,
    name: &str,
) -> Result<Option<ChecksumAlgorithm>, ChecksumError> {
    let value = headers.get(name).map(HeaderValue::as_bytes);
    value
        .map(|value| known_algorithm(&String::from_utf8_lossy(value)))
        .transpose()
}

fn known_algorithm(name: &str) -> Result<ChecksumAlgorithm, ChecksumError> {
    ChecksumAlgorithm::from_name(name)
        .ok_or_else(|| ChecksumError::Unsupported(name.chars().take(32).collect()))
}

fn text_of<'a>(name: &HeaderName, value: &'a HeaderValue) -> Result<&'a str, ChecksumError> {
    value
        .to_str()
        .map_err(|_| ChecksumError::InvalidValue(name.to_string()))
}

fn invalid_value(algorithm: ChecksumAlgorithm) -> ChecksumError {
    ChecksumError::InvalidValue(header_name(algorithm).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&'static str, &str)]) -> Result<BodyChecksums, ChecksumError> {
        let mut headers = HeaderMap::new();
        for &(name, value) in pairs {
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        BodyChecksums::parse(&headers)
    }

    #[test]
    fn what_cannot_be_verified_is_refused() {
        let invalid = |name: &str| ChecksumError::InvalidValue(name.to_owned());
        let unsupported = |name: &str| ChecksumError::Unsupported(name.to_owned());
        let crc = "x-amz-checksum-crc32";
        let cases: &[(&[(&'static str, &str)], ChecksumError)] = &[
            (&[("content-md5", "")], ChecksumError::InvalidMd5),
            (&[("content-md5", "AAAA")], ChecksumError::InvalidMd5),
            (
                &[("content-md5", "d41d8cd98f00b204e9800998ecf8427e")],
                ChecksumError::InvalidMd5,
            ),
            (&[(crc, "")], invalid(crc)),
            (&[(crc, "AAAAAAA")], invalid(crc)),
            (&[(crc, "AAAAAAA=")], invalid(crc)),
            (&[(crc, "é")], invalid(crc)),
            (
                &[("x-amz-checksum-sha256", "AAAAAA==")],
                invalid("x-amz-checksum-sha256"),
            ),
            (&[("x-amz-checksum-sha384", "AAAA")], unsupported("sha384")),
            (&[("x-amz-checksum-blake3", "AAAA")], unsupported("blake3")),
            (
                &[("x-amz-trailer", "x-amz-checksum-xxhash32")],
                unsupported("xxhash32"),
            ),
            (
                &[("x-amz-sdk-checksum-algorithm", "XXHASH")],
                unsupported("XXHASH"),
            ),
            (
                &[(crc, "AAAAAA=="), (crc, "AAAAAA==")],
                ChecksumError::Multiple,
            ),
            (
                &[(crc, "AAAAAA=="), ("x-amz-checksum-crc32c", "AAAAAA==")],
                ChecksumError::Multiple,
            ),
            (
                &[(crc, "AAAAAA=="), ("x-amz-trailer", crc)],
                ChecksumError::Multiple,
            ),
            (
                &[("x-amz-trailer", "x-amz-checksum-crc32, x-amz-checksum-sha1")],
                ChecksumError::Multiple,
            ),
            (
                &[(crc, "AAAAAA=="), ("x-amz-sdk-checksum-algorithm", "SHA1")],
                ChecksumError::Contradiction,
            ),
            (
                &[
                    ("x-amz-trailer", crc),
                    ("x-amz-sdk-checksum-algorithm", "SHA1"),
                ],
                ChecksumError::Contradiction,
            ),
        ];
        for (pairs, expected) in cases {
            assert_eq!(parse(pairs).as_ref(), Err(expected), "{pairs:?}");
        }
    }

    #[test]
    fn a_body_has_at_most_one_checksum_and_an_md5() {
        assert_eq!(
            parse(&[("x-amz-checksum-mode", "ENABLED")]),
            Ok(BodyChecksums::default())
        );
        let found = parse(&[
            ("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="),
            ("x-amz-checksum-crc32c", "AAAAAQ=="),
            ("x-amz-sdk-checksum-algorithm", "crc32c"),
        ])
        .unwrap();
        assert_eq!(found.content_md5.unwrap()[..2], [0xd4, 0x1d]);
        assert_eq!(found.wanted(), Some(ChecksumAlgorithm::Crc32c));
        assert_eq!(found.value.unwrap().digest, [0, 0, 0, 1]);
        let trailer = parse(&[("x-amz-trailer", "X-Amz-Checksum-CRC64NVME")]).unwrap();
        assert_eq!(trailer.wanted(), Some(ChecksumAlgorithm::Crc64Nvme));
        let named = parse(&[("x-amz-sdk-checksum-algorithm", "SHA256")]).unwrap();
        assert_eq!(named.wanted(), Some(ChecksumAlgorithm::Sha256));
    }

    #[test]
    fn a_value_is_written_as_it_is_read() {
        for algorithm in ChecksumAlgorithm::ALL {
            let digest = (0..).take(algorithm.digest_bytes()).collect();
            let checksum = Checksum { algorithm, digest };
            let text = format_value(&checksum, None);
            assert_eq!(parse_value(algorithm, &text), Ok(checksum.clone()));
            assert_eq!(
                algorithm_of(header_name(algorithm).as_str()),
                Ok(Some(algorithm))
            );
            let kind = |text: &str| parse_object_value(algorithm, text).map(|c| c.kind);
            assert_eq!(kind(&text), Ok(ChecksumKind::FullObject));
            let text = format_value(&checksum, Some(12));
            assert_eq!(kind(&text), Ok(ChecksumKind::Composite));
            for wrong in ["-", "-0", "-x", "-1-2", "-123456"] {
                let text = format_value(&checksum, None) + wrong;
                assert_eq!(kind(&text), Err(invalid_value(algorithm)), "{wrong}");
            }
        }
    }

    #[test]
    fn an_upload_names_algorithm_and_type() {
        let parse = |pairs: &[(&'static str, &'static str)]| {
            let map = pairs.iter().map(|&(name, value)| {
                let (name, value) = (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                );
                (name, value)
            });
            parse_upload_checksum(&map.collect())
        };
        let kind = ("x-amz-checksum-type", "WHOLE");
        assert_eq!(parse(&[kind]), Err(ChecksumError::InvalidType));
        let name = ("x-amz-checksum-algorithm", "MD4");
        assert_eq!(
            parse(&[name]),
            Err(ChecksumError::Unsupported("MD4".to_owned()))
        );
        let both = [
            ("x-amz-checksum-algorithm", "CRC64NVME"),
            ("x-amz-checksum-type", "FULL_OBJECT"),
        ];
        let expected = (
            Some(ChecksumAlgorithm::Crc64Nvme),
            Some(ChecksumKind::FullObject),
        );
        assert_eq!(parse(&both), Ok(expected));
        assert_eq!(parse(&[]), Ok((None, None)));
    }
}
