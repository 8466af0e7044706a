//! The one parser for a resource name: bucket and key, out of a URL path or a copy source.
//!
//! Decodes once. Names never become paths, so no segment is special.

use crate::domain::name::{InvalidName, ObjectKey, PackageName};
use crate::wire::uri::UriError;

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
        let _ = raw_path;
        todo!()
    }

    /// The resource of a virtual-host-style path, `/[key]`, still encoded, in the bucket that the
    /// host names.
    pub fn in_bucket(bucket: &str, raw_path: &str) -> Result<Self, ResourceError> {
        let _ = (bucket, raw_path);
        todo!()
    }
}
