//! A file: one version of one key, with what S3 clients attach to it.

use std::collections::BTreeMap;

use crate::domain::digest::{ChecksumAlgorithm, ContentAddress};
use crate::domain::ids::{FileId, LocationId, PackageId, Sequence, Timestamp};
use crate::domain::lock::FileLock;
use crate::domain::name::ObjectKey;

/// The backend of blobs that live in the metadata database.
pub const INLINE_BACKEND: &str = "inline";

/// The object key of a location whose bytes are those of the file's parts, in order.
pub const PARTS_OBJECT_KEY: &str = "parts";

/// What a listing shows of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSummary {
    /// The key.
    pub key: ObjectKey,
    /// The ETag without quotes.
    pub etag: String,
    /// The length in bytes.
    pub size_bytes: u64,
    /// `LastModified`.
    pub created_at: Timestamp,
}

/// What a checksum of a multipart object covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChecksumKind {
    /// The plain bytes of the whole object.
    FullObject,
    /// The concatenated checksums of the parts; its text ends in `-N`.
    Composite,
}

impl ChecksumKind {
    /// `FULL_OBJECT` or `COMPOSITE`.
    pub fn name(self) -> &'static str {
        match self {
            Self::FullObject => "FULL_OBJECT",
            Self::Composite => "COMPOSITE",
        }
    }

    /// The kind of a name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::FullObject, Self::Composite]
            .into_iter()
            .find(|kind| kind.name().eq_ignore_ascii_case(name))
    }
}

/// A checksum as it is kept and returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredChecksum {
    /// Which algorithm.
    pub algorithm: ChecksumAlgorithm,
    /// What it covers.
    pub kind: ChecksumKind,
    /// The header's text: base64, with `-N` for a composite.
    pub value: String,
}

/// One part of a file that was uploaded in parts. Its bytes are a blob of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePart {
    /// The part number of the upload, 1 to 10,000, ascending but not always dense.
    pub number: u32,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// The address of its bytes.
    pub address: ContentAddress,
    /// The store of its blob.
    pub backend_id: String,
    /// The name of its blob in that store.
    pub object_key: String,
    /// The part's checksum in base64, if the upload has an algorithm.
    pub checksum: Option<String>,
}

/// What S3 clients attach to an object besides its bytes and media type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectAttributes {
    /// `Content-Encoding`, without the token `aws-chunked`.
    pub content_encoding: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Expires`, kept as it came.
    pub expires: Option<String>,
    /// `x-amz-website-redirect-location`.
    pub website_redirect: Option<String>,
    /// `x-amz-meta-*`, by lowercase name without the prefix.
    pub user_metadata: BTreeMap<String, String>,
    /// The checksum that the client gave or asked for.
    pub checksum: Option<StoredChecksum>,
    /// The parts, if the object was uploaded in parts.
    pub parts: Vec<FilePart>,
}

/// Where a file's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The location's own identifier.
    pub id: LocationId,
    /// [`INLINE_BACKEND`] or the name of a store.
    pub backend_id: String,
    /// The name of the blob in that store; [`PARTS_OBJECT_KEY`] when the parts hold the bytes.
    pub object_key: String,
}

/// A file as the views hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRecord {
    /// The identifier, and the S3 version id.
    pub id: FileId,
    /// The package it belongs to.
    pub package_id: PackageId,
    /// The relative path, which is the S3 key.
    pub key: ObjectKey,
    /// `Content-Type`.
    pub media_type: String,
    /// The length in bytes.
    pub size_bytes: u64,
    /// BLAKE3 of the bytes.
    pub address: ContentAddress,
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
    /// The ETag without quotes: MD5 in hex, or MD5 of MD5s and `-N`.
    pub etag: String,
    /// When its event was recorded: `Last-Modified`.
    pub created_at: Timestamp,
    /// The position of its event.
    pub sequence: Sequence,
    /// The actor of its event.
    pub ingested_by: String,
    /// What clients attached.
    pub attributes: ObjectAttributes,
    /// Where the bytes are.
    pub location: Location,
    /// The file that it was copied from.
    pub copied_from: Option<(PackageId, FileId)>,
    /// Whether versioning was enabled; otherwise it is its key's null version.
    pub is_versioned: bool,
    /// What keeps it.
    pub lock: FileLock,
}

impl FileRecord {
    /// Whether the bytes are those of the parts.
    pub fn is_in_parts(&self) -> bool {
        self.location.object_key == PARTS_OBJECT_KEY
    }
}
