//! Freeze a package into its manifest.

use bytes::Bytes;

use crate::domain::digest::ContentAddress;
use crate::domain::ids::{PackageId, Sequence, Timestamp};
use crate::registry::error::Result;
use crate::registry::handle::Registry;

/// Finalizes a package.
#[derive(Debug, Clone, Default)]
pub struct FinalizePackage {
    /// Abort open multipart uploads instead of being refused by them.
    pub abort_uploads: bool,
    /// Refuse unless the content digest is this one.
    pub expect_content_digest: Option<ContentAddress>,
    /// `source_commits`, `tool_versions` and `environment`: a JSON object of JSON objects.
    pub provenance: Option<serde_json::Value>,
    /// The request's body, given back by a later read of the action key.
    pub request_body: Bytes,
    /// Who acts.
    pub actor: String,
}

/// The outcome of a finalize, the same for every repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finalized {
    /// The manifest's address.
    pub manifest_address: ContentAddress,
    /// The position of the event.
    pub sequence: Sequence,
    /// When.
    pub finalized_at: Timestamp,
}

/// A stored special object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDocument {
    /// The bytes.
    pub bytes: Bytes,
    /// When it was written.
    pub created_at: Timestamp,
}

impl Registry {
    /// Freezes a package: its manifest is built, recorded and from then on readable. Idempotent.
    /// Rejects with `OpenUploads`, `ContentDigestMismatch`; `Sealing` while another is under way
    /// and does not end in time.
    pub async fn finalize_package(
        &self,
        id: PackageId,
        command: FinalizePackage,
    ) -> Result<Finalized> {
        let _ = (id, command);
        todo!()
    }

    /// The manifest's canonical CBOR; `None` until the package is finalized.
    pub async fn find_manifest(&self, id: PackageId) -> Result<Option<StoredDocument>> {
        let _ = id;
        todo!()
    }

    /// The manifest's JSON projection (RFC 8785); `None` until the package is finalized.
    pub async fn find_manifest_json(&self, id: PackageId) -> Result<Option<StoredDocument>> {
        let _ = id;
        todo!()
    }

    /// The body of the request that finalized the package; `None` until then.
    pub async fn find_finalize_request(&self, id: PackageId) -> Result<Option<StoredDocument>> {
        let _ = id;
        todo!()
    }
}
