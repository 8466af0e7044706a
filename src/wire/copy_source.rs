//! The `x-amz-copy-source` header.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>

use http::HeaderValue;

use crate::domain::name::{ObjectKey, PackageName};
use crate::wire::resource::{Resource, ResourceError};
use crate::wire::uri::{UriError, percent_decode};

/// The object that a copy reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopySource {
    /// The bucket.
    pub bucket: PackageName,
    /// The key.
    pub key: ObjectKey,
    /// The version, if one is named.
    pub version_id: Option<String>,
}

/// Why a copy source names no object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CopySourceError {
    /// The header is not text.
    #[error("the copy source is not valid UTF-8")]
    NotText,
    /// The bucket or the key is wrong.
    #[error(transparent)]
    Resource(#[from] ResourceError),
    /// A bucket without a key.
    #[error("the copy source must name a bucket and a key")]
    NoKey,
    /// `versionId=` without a value.
    #[error("the version id of the copy source is empty")]
    EmptyVersion,
}

impl CopySource {
    /// Reads the header: `[/]bucket/key[?versionId=id]`, percent-encoded.
    pub fn parse(header: &HeaderValue) -> Result<Self, CopySourceError> {
        let text = std::str::from_utf8(header.as_bytes()).map_err(|_| CopySourceError::NotText)?;
        // Split before decoding: an encoded `?` is part of the key.
        let (name, version) = match text.rsplit_once("?versionId=") {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        let path = name.strip_prefix('/').unwrap_or(name);
        let resource = Resource::from_path(&format!("/{path}"))?;
        let version_id = version.map(decode_version).transpose()?;
        Ok(Self {
            bucket: resource.bucket,
            key: resource.key.ok_or(CopySourceError::NoKey)?,
            version_id,
        })
    }
}

fn decode_version(raw: &str) -> Result<String, CopySourceError> {
    let bytes = percent_decode(raw).map_err(ResourceError::Uri)?;
    let text =
        String::from_utf8(bytes.into_owned()).map_err(|_| ResourceError::Uri(UriError::NotUtf8))?;
    if text.is_empty() {
        return Err(CopySourceError::EmptyVersion);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::resource::tests::inputs;

    fn parse(text: &str) -> Result<CopySource, CopySourceError> {
        CopySource::parse(&HeaderValue::from_bytes(text.as_bytes()).unwrap())
    }

    #[test]
    fn a_copy_source_names_what_the_same_url_names() {
        for (raw, expected) in inputs() {
            // Without a slash of its own, one that begins with a slash would lose it.
            for slash in ["", "/"] {
                if slash.is_empty() && raw.starts_with('/') {
                    continue;
                }
                let found = parse(&format!("{slash}{raw}"))
                    .map(|source| (source.bucket.to_string(), source.key.to_string()));
                let expected = expected
                    .clone()
                    .map(|(bucket, key)| (bucket.to_owned(), key))
                    .map_err(CopySourceError::Resource);
                assert_eq!(found, expected, "{slash}{raw}");
            }
        }
    }

    #[test]
    fn a_version_is_split_off_before_decoding() {
        assert_eq!(parse("pkg"), Err(CopySourceError::NoKey));
        assert_eq!(parse("pkg/"), Err(CopySourceError::NoKey));
        assert_eq!(
            parse("pkg/k?versionId="),
            Err(CopySourceError::EmptyVersion)
        );
        assert!(parse("pkg/k?versionId=%").is_err());
        let bytes = HeaderValue::from_bytes(b"pkg/\xff").unwrap();
        assert_eq!(CopySource::parse(&bytes), Err(CopySourceError::NotText));
        let cases = [
            ("pkg/k", "k", None),
            ("pkg/k?versionId=a%2Fb", "k", Some("a/b")),
            ("pkg/k?x=1", "k?x=1", None),
            ("pkg/k?versionId=1?versionId=2", "k?versionId=1", Some("2")),
            ("pkg/k%3FversionId=1", "k?versionId=1", None),
            ("pkg/é", "é", None),
        ];
        for (text, key, version) in cases {
            let source = parse(text).unwrap();
            assert_eq!(source.key.as_str(), key, "{text}");
            assert_eq!(source.version_id.as_deref(), version, "{text}");
        }
    }
}
