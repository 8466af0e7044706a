//! The one parser for a resource name: bucket and key, out of a URL path or a copy source.
//!
//! Decodes once. Names never become paths, so no segment is special.

use crate::domain::name::{InvalidName, ObjectKey, PackageName};
use crate::wire::uri::{UriError, percent_decode};

/// A bucket, or an object in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The bucket.
    pub bucket: PackageName,
    /// The key; `None` when the bucket itself is meant.
    pub key: Option<ObjectKey>,
}

/// Why a text names no resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResourceError {
    /// The percent coding is broken.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// The bucket or the key breaks the rules for names.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// There is no leading slash, or nothing after it.
    #[error("no bucket is named")]
    NoBucket,
}

impl Resource {
    /// The resource of a path-style path, `/bucket[/key]`, still encoded. `/bucket/` is the bucket.
    pub fn from_path(raw_path: &str) -> Result<Self, ResourceError> {
        let rest = raw_path.strip_prefix('/').ok_or(ResourceError::NoBucket)?;
        if rest.is_empty() {
            return Err(ResourceError::NoBucket);
        }
        // Split before decoding: the slash between bucket and key is a slash on the wire.
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let bucket = percent_decode(bucket)?;
        let bucket = std::str::from_utf8(&bucket).map_err(|_| InvalidName::Bucket)?;
        Self::of(bucket, key)
    }

    /// The resource of a virtual-host-style path, `/[key]`, still encoded, in the bucket that the
    /// host names.
    pub fn in_bucket(bucket: &str, raw_path: &str) -> Result<Self, ResourceError> {
        Self::of(bucket, raw_path.strip_prefix('/').unwrap_or(raw_path))
    }

    fn of(bucket: &str, raw_key: &str) -> Result<Self, ResourceError> {
        let bucket = PackageName::parse(bucket)?;
        let key = if raw_key.is_empty() {
            None
        } else {
            Some(ObjectKey::from_bytes(&percent_decode(raw_key)?)?)
        };
        Ok(Self { bucket, key })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const LONG: &str = concat!("aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa");

    type Named = Result<(&'static str, String), ResourceError>;

    /// Names that are tried on every door through which a name comes in: `bucket/key` as encoded
    /// on the wire, without a leading slash.
    pub(crate) fn inputs() -> Vec<(String, Named)> {
        let key = |raw: &str, key: &str| (format!("pkg/{raw}"), Ok(("pkg", key.to_owned())));
        let err = |raw: &str, error| (raw.to_owned(), Err(error));
        let bucket = ResourceError::Name(InvalidName::Bucket);
        vec![
            err("", ResourceError::NoBucket),
            err("/", bucket),
            err("//key", bucket),
            err("../pkg/key", bucket),
            err("PKG/key", bucket),
            err("p%2Fkg/key", bucket),
            err("pkg%2Fkey", bucket),
            err("pk%FF/key", bucket),
            err("pk%/key", ResourceError::Uri(UriError::BadEscape)),
            err("pkg/%zz", ResourceError::Uri(UriError::BadEscape)),
            err("pkg/a%2", ResourceError::Uri(UriError::BadEscape)),
            err("pkg/%FF", ResourceError::Name(InvalidName::KeyNotUtf8)),
            err(
                &format!("pkg/{}", LONG.repeat(33)),
                ResourceError::Name(InvalidName::LongKey),
            ),
            key(&LONG.repeat(32), &LONG.repeat(32)),
            key("..", ".."),
            key("../other/key", "../other/key"),
            key("%2e%2e/other", "../other"),
            key("/key", "/key"),
            key("a//b/", "a//b/"),
            key("a%2Fb", "a/b"),
            key("a%252Fb", "a%2Fb"),
            key("a+b%2B%20c", "a+b+ c"),
            key("%C3%A9%00", "é\0"),
            key("a%3FversionId%3Dx", "a?versionId=x"),
            ("p%6bg/key".to_owned(), Ok(("pkg", "key".to_owned()))),
        ]
    }

    #[test]
    fn a_path_names_bucket_and_key() {
        for (raw, expected) in inputs() {
            let found = Resource::from_path(&format!("/{raw}"))
                .map(|r| (r.bucket.to_string(), r.key.unwrap().to_string()));
            let expected = expected.map(|(bucket, key)| (bucket.to_owned(), key));
            assert_eq!(found, expected, "{raw}");
        }
        for path in ["/pkg", "/pkg/"] {
            assert_eq!(Resource::from_path(path).unwrap().key, None);
        }
        assert_eq!(Resource::from_path(""), Err(ResourceError::NoBucket));
        assert_eq!(Resource::from_path("pkg/a"), Err(ResourceError::NoBucket));
        let key = |path| Resource::in_bucket("pkg", path).unwrap().key;
        assert_eq!(key("/"), None);
        assert_eq!(key("//a").unwrap().as_str(), "/a");
        assert_eq!(key("/a%2Fb").unwrap().as_str(), "a/b");
    }
}
