//! The `x-amz-copy-source` header.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>

use http::HeaderValue;

use crate::domain::name::{ObjectKey, PackageName};
use crate::wire::resource::ResourceError;

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
        let _ = header;
        todo!()
    }
}
