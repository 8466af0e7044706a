//! Bucket names and object keys, checked once at the edge and trusted afterwards.

use std::fmt;

/// The most bytes a key may have.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>
pub const MAX_KEY_BYTES: usize = 1024;

/// The prefix under which special objects stand in every bucket.
pub const RESERVED_PREFIX: &str = ".holdfast/";

/// The manifest of a finalized package, on which Object Lock acts.
pub const MANIFEST_KEY: &str = ".holdfast/manifest.cbor";

/// Why a text is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Not a bucket name by the rules of S3.
    #[error("a bucket name is 3 to 63 lowercase letters, digits, hyphens and dots")]
    Bucket,
    /// A key must have at least one byte.
    #[error("an object key must not be empty")]
    EmptyKey,
    /// A key may have at most [`MAX_KEY_BYTES`] bytes.
    #[error("an object key has at most {MAX_KEY_BYTES} bytes in UTF-8")]
    LongKey,
    /// Keys are UTF-8.
    #[error("an object key must be valid UTF-8")]
    KeyNotUtf8,
}

/// The name of a bucket, by the rules for general purpose buckets.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageName(Box<str>);

impl PackageName {
    /// Checks a text against the rules.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let edge = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = text.as_bytes();
        let legal = (3..=63).contains(&bytes.len())
            && bytes.iter().all(|&b| edge(b) || b == b'-' || b == b'.')
            && edge(bytes[0])
            && edge(bytes[bytes.len() - 1])
            && !text.contains("..")
            && !looks_like_ipv4(text)
            && !RESERVED_PREFIXES
                .iter()
                .any(|prefix| text.starts_with(prefix))
            && !RESERVED_SUFFIXES
                .iter()
                .any(|suffix| text.ends_with(suffix));
        if legal {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName::Bucket)
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

const RESERVED_PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
const RESERVED_SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

fn looks_like_ipv4(text: &str) -> bool {
    let mut labels = 0;
    for label in text.split('.') {
        labels += 1;
        if label.is_empty() || label.len() > 3 || !label.bytes().all(|b| b.is_ascii_digit()) {
            return false;
        }
    }
    labels == 4
}

/// The key of an object, which is also the relative path of a file: 1 to 1024 bytes of UTF-8, kept
/// byte for byte. `a`, `a/`, `a//b`, `..` and `%2F` are all plain keys; a key never becomes a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(Box<str>);

impl ObjectKey {
    /// Checks a text against the limits.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        match text.len() {
            0 => Err(InvalidName::EmptyKey),
            1..=MAX_KEY_BYTES => Ok(Self(text.into())),
            _ => Err(InvalidName::LongKey),
        }
    }

    /// Checks bytes, as they come out of a percent-decoded path or the database.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidName> {
        Self::parse(std::str::from_utf8(bytes).map_err(|_| InvalidName::KeyNotUtf8)?)
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key as the database keeps it; its order is the order of listings.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Whether the key lies under [`RESERVED_PREFIX`].
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with(RESERVED_PREFIX)
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_follow_the_rules_of_s3() {
        let wrong = [
            "",
            "ab",
            "Abc",
            "a_b",
            "-abc",
            "abc-",
            ".abc",
            "abc.",
            "a..b",
            "192.168.5.4",
            "xn--abc",
            "abc-s3alias",
            "_holdfast",
            "a b",
            "abc\n",
            "bücket",
            &"a".repeat(64),
        ];
        for name in wrong {
            assert_eq!(PackageName::parse(name), Err(InvalidName::Bucket), "{name}");
        }
        let right = [
            "abc",
            "a-b.c",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.4444",
            "0ab",
            &"a".repeat(63),
        ];
        for name in right {
            assert_eq!(PackageName::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn keys_are_one_to_1024_bytes_of_anything() {
        assert_eq!(ObjectKey::parse(""), Err(InvalidName::EmptyKey));
        assert_eq!(
            ObjectKey::parse(&"k".repeat(1025)),
            Err(InvalidName::LongKey)
        );
        assert_eq!(
            ObjectKey::parse(&"é".repeat(513)),
            Err(InvalidName::LongKey)
        );
        assert_eq!(
            ObjectKey::from_bytes(b"a\xff"),
            Err(InvalidName::KeyNotUtf8)
        );
        for key in [
            "a",
            "a/",
            "/",
            "//",
            "..",
            "../x",
            "%2F",
            "a\0b",
            "+ é",
            &"k".repeat(1024),
        ] {
            assert_eq!(ObjectKey::from_bytes(key.as_bytes()).unwrap().as_str(), key);
        }
        assert!(ObjectKey::parse(".holdfast/x").unwrap().is_reserved());
        assert!(!ObjectKey::parse(".holdfast").unwrap().is_reserved());
    }
}
