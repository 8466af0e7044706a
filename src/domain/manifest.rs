//! Build and encode a manifest.

use crate::domain::digest::ContentAddress;
use crate::domain::file::FileRecord;
use crate::domain::ids::{Sequence, Timestamp};
use crate::domain::package::PackageRecord;

/// What a manifest says besides its files.
#[derive(Debug, Clone)]
pub struct ManifestHead<'a> {
    /// The package as it stands just before it is finalized.
    pub package: &'a PackageRecord,
    /// The instant of the finalize.
    pub finalized_at: Timestamp,
    /// Who finalizes.
    pub finalized_by: &'a str,
    /// `source_commits`, `tool_versions`, `environment`: a JSON object of JSON objects.
    pub provenance: Option<&'a serde_json::Value>,
    /// The position of the package's last retention event.
    pub last_retention_sequence: Option<Sequence>,
}

/// Gathers files in key order and encodes the manifest. Memory: the encoded entries only.
pub struct ManifestBuilder {}

impl ManifestBuilder {
    /// An empty manifest.
    pub fn new() -> Self {
        todo!()
    }

    /// Adds the next file; files come in ascending byte order of their keys.
    pub fn push(&mut self, file: &FileRecord) {
        let _ = file;
        todo!()
    }

    /// The digest over (path, size, digests, media type) of every file, and nothing else, so that
    /// equal content has an equal digest.
    pub fn content_digest(&self) -> ContentAddress {
        todo!()
    }

    /// The canonical CBOR.
    pub fn finish(self, head: &ManifestHead<'_>) -> Vec<u8> {
        let _ = head;
        todo!()
    }
}
