//! Multipart uploads: working state until completion, which is one fact.

use std::sync::Arc;

use crate::domain::condition::WriteCondition;
use crate::domain::digest::ChecksumAlgorithm;
use crate::domain::file::{ChecksumKind, FileRecord, ObjectAttributes, StoredChecksum};
use crate::domain::ids::{PackageId, UploadId};
use crate::domain::name::ObjectKey;
use crate::domain::upload::{PartClaim, PartRecord, UploadRecord};
use crate::registry::error::Result;
use crate::registry::handle::Registry;
use crate::registry::source::ByteSource;

/// Opens an upload.
#[derive(Debug, Clone)]
pub struct CreateUpload {
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
    /// Who acts.
    pub actor: String,
}

/// Completes an upload.
#[derive(Debug, Clone)]
pub struct CompleteUpload {
    /// The package.
    pub package_id: PackageId,
    /// The key; must be the upload's.
    pub key: ObjectKey,
    /// The upload.
    pub upload_id: UploadId,
    /// The parts, ascending by number.
    pub parts: Vec<PartClaim>,
    /// The checksum of the whole object that the client claims.
    pub checksum: Option<StoredChecksum>,
    /// The size that the client claims (`x-amz-mp-object-size`).
    pub size_bytes: Option<u64>,
    /// What must hold of the key's current file.
    pub condition: WriteCondition,
    /// Who acts.
    pub actor: String,
}

/// Which uploads to list; ordered by key, then by time of opening.
#[derive(Debug, Clone, Default)]
pub struct ListUploads {
    /// Only keys with this prefix.
    pub prefix: String,
    /// Groups keys as in a listing of files; empty means none.
    pub delimiter: String,
    /// Go on after this key, or within it after `after_upload`.
    pub after_key: Option<String>,
    /// Go on after this upload of `after_key`.
    pub after_upload: Option<UploadId>,
    /// At most so many entries.
    pub limit: usize,
}

/// One line of a listing of uploads.
#[derive(Debug, Clone, PartialEq)]
pub enum UploadEntry {
    /// An open upload.
    Upload(UploadRecord),
    /// A group of keys.
    Prefix(String),
}

/// A page of uploads, and whether more follow (after its last entry).
#[derive(Debug, Clone, Default)]
pub struct UploadPage {
    /// In order.
    pub entries: Vec<UploadEntry>,
    /// Whether more follow.
    pub is_truncated: bool,
}

impl Registry {
    /// Opens an upload. Durable when it returns.
    pub async fn create_upload(&self, command: CreateUpload) -> Result<UploadRecord> {
        let _ = command;
        todo!()
    }

    /// An open upload of this package and key. Rejects with `NoSuchUpload`.
    pub async fn find_upload(
        &self,
        package_id: PackageId,
        key: &ObjectKey,
        upload_id: UploadId,
    ) -> Result<UploadRecord> {
        let _ = (package_id, key, upload_id);
        todo!()
    }

    /// Streams a part into the store; replaces an earlier part of the same number. Durable when it
    /// returns. `number` is 1 to [`MAX_PARTS`], checked by the caller.
    pub async fn upload_part(
        &self,
        upload: &UploadRecord,
        number: u32,
        source: &mut dyn ByteSource,
    ) -> Result<PartRecord> {
        let _ = (upload, number, source);
        todo!()
    }

    /// Makes a part of a range of an existing file; by reference when the range is a whole blob.
    pub async fn copy_part(
        &self,
        upload: &UploadRecord,
        number: u32,
        source: &FileRecord,
        range: std::ops::Range<u64>,
    ) -> Result<PartRecord> {
        let _ = (upload, number, source, range);
        todo!()
    }

    /// Parts of an upload after a number, ascending; at most `limit`, and whether more follow.
    pub async fn list_parts(
        &self,
        upload: &UploadRecord,
        after: u32,
        limit: usize,
    ) -> Result<(Vec<PartRecord>, bool)> {
        let _ = (upload, after, limit);
        todo!()
    }

    /// A page of open uploads.
    pub async fn list_uploads(
        &self,
        package_id: PackageId,
        query: &ListUploads,
    ) -> Result<UploadPage> {
        let _ = (package_id, query);
        todo!()
    }

    /// Makes the parts one file. Idempotent: a repeat with the same list answers the same file.
    pub async fn complete_upload(&self, command: CompleteUpload) -> Result<Arc<FileRecord>> {
        let _ = command;
        todo!()
    }

    /// Drops an upload and its parts. Rejects with `NoSuchUpload`.
    pub async fn abort_upload(
        &self,
        package_id: PackageId,
        key: &ObjectKey,
        upload_id: UploadId,
    ) -> Result<()> {
        let _ = (package_id, key, upload_id);
        todo!()
    }
}
