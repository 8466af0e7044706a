//! Every event: its type, its subject and what it says. `payload.rs` encodes them.
//!
//! An event once released is never changed; a new meaning is a new type. Payloads are canonical
//! CBOR maps with text keys (`docs/events.md` lists them); `manifest` bytes are the payload of
//! `v1.package.finalized`.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::domain::digest::ContentAddress;
use crate::domain::file::{FileRecord, Location, ObjectAttributes};
use crate::domain::ids::{FileId, PackageId, Sequence, Timestamp};
use crate::domain::name::{ObjectKey, PackageName};
use crate::domain::package::WriteMode;

/// A fact about a package.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// `v1.package.created`
    PackageCreated(PackageCreated),
    /// `v1.retention.default_applied`
    RetentionDefaultApplied(RetentionDefaultApplied),
    /// `v1.file.ingested`
    FileIngested(Box<FileIngested>),
    /// `v1.file.superseded`
    FileSuperseded(FileSuperseded),
    /// `v1.file.removed`
    FileRemoved(FileRemoved),
    /// `v1.package.finalized`
    PackageFinalized(PackageFinalized),
    /// `v1.package.deleted`
    PackageDeleted(PackageDeleted),
}

/// A package came to be.
#[derive(Debug, Clone, PartialEq)]
pub struct PackageCreated {
    /// The subject.
    pub package_id: PackageId,
    /// The bucket's name.
    pub bucket: PackageName,
    /// The package's name.
    pub name: String,
    /// Who makes the content.
    pub producer: String,
    /// What it is about.
    pub subject: String,
    /// The retention class.
    pub retention_class: String,
    /// A JSON object that JCS can carry.
    pub metadata: serde_json::Value,
    /// The metadata schema's identifier.
    pub metadata_schema_id: Option<String>,
    /// How writes behave.
    pub write_mode: WriteMode,
    /// Plain bucket tags.
    pub tags: BTreeMap<String, String>,
}

impl PackageCreated {
    /// The event's type.
    pub const TYPE: &'static str = "v1.package.created";
}

/// A new package's retention.
#[derive(Debug, Clone, PartialEq)]
pub struct RetentionDefaultApplied {
    /// The subject.
    pub package_id: PackageId,
    /// The class.
    pub retention_class: String,
    /// The class's duration; `None` never expires.
    pub default_duration_seconds: Option<u64>,
    /// When retention ends.
    pub expires_at: Option<Timestamp>,
    /// Whether the package may already be ended.
    pub is_eligible_for_deletion: bool,
}

impl RetentionDefaultApplied {
    /// The event's type.
    pub const TYPE: &'static str = "v1.retention.default_applied";
}

/// A file came to be, and is the current one of its key.
#[derive(Debug, Clone, PartialEq)]
pub struct FileIngested {
    /// The subject.
    pub package_id: PackageId,
    /// The file.
    pub file_id: FileId,
    /// Its key.
    pub key: ObjectKey,
    /// `Content-Type`.
    pub media_type: String,
    /// The length in bytes.
    pub size_bytes: u64,
    /// BLAKE3 of the bytes.
    pub address: ContentAddress,
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
    /// The ETag without quotes.
    pub etag: String,
    /// What clients attached.
    pub attributes: ObjectAttributes,
    /// Where the bytes are.
    pub location: Location,
    /// The file it was copied from.
    pub copied_from: Option<(PackageId, FileId)>,
}

impl FileIngested {
    /// The event's type.
    pub const TYPE: &'static str = "v1.file.ingested";

    /// The file as the views hold it, once this is recorded.
    pub fn to_record(&self, recorded: &Recorded) -> FileRecord {
        FileRecord {
            id: self.file_id,
            package_id: self.package_id,
            key: self.key.clone(),
            media_type: self.media_type.clone(),
            size_bytes: self.size_bytes,
            address: self.address,
            sha256: self.sha256,
            etag: self.etag.clone(),
            created_at: recorded.created_at,
            sequence: recorded.sequence,
            ingested_by: recorded.actor.clone(),
            attributes: self.attributes.clone(),
            location: self.location.clone(),
        }
    }
}

/// A file is no longer its key's current one. Stands in one transaction with the ingest of the file
/// that takes its place, and before it.
#[derive(Debug, Clone, PartialEq)]
pub struct FileSuperseded {
    /// The subject.
    pub package_id: PackageId,
    /// The file that was current.
    pub file_id: FileId,
    /// The file that is.
    pub superseded_by: FileId,
    /// The key.
    pub key: ObjectKey,
}

impl FileSuperseded {
    /// The event's type.
    pub const TYPE: &'static str = "v1.file.superseded";
}

/// A file was removed; its key has no current file.
#[derive(Debug, Clone, PartialEq)]
pub struct FileRemoved {
    /// The subject.
    pub package_id: PackageId,
    /// The file.
    pub file_id: FileId,
    /// The key.
    pub key: ObjectKey,
}

impl FileRemoved {
    /// The event's type.
    pub const TYPE: &'static str = "v1.file.removed";
}

/// A package was frozen.
#[derive(Debug, Clone, PartialEq)]
pub struct PackageFinalized {
    /// The subject.
    pub package_id: PackageId,
    /// The manifest's canonical CBOR: the payload itself.
    pub manifest: Bytes,
}

impl PackageFinalized {
    /// The event's type.
    pub const TYPE: &'static str = "v1.package.finalized";
}

/// A package ended.
#[derive(Debug, Clone, PartialEq)]
pub struct PackageDeleted {
    /// The subject.
    pub package_id: PackageId,
    /// Why.
    pub reason: String,
    /// The deletion strategy.
    pub strategy: String,
    /// The manifest's address, if it was finalized.
    pub manifest_address: Option<ContentAddress>,
    /// How many files it had.
    pub file_count: u64,
    /// Their bytes.
    pub total_bytes: u64,
    /// When its retention ended.
    pub expires_at: Option<Timestamp>,
}

impl PackageDeleted {
    /// The event's type.
    pub const TYPE: &'static str = "v1.package.deleted";
}

/// An event with its place in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// The position.
    pub sequence: Sequence,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// Who acted.
    pub actor: String,
    /// What happened.
    pub event: Event,
    /// BLAKE3 of the payload.
    pub payload_digest: ContentAddress,
}

/// A stored event that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event payload of type {event_type}: {reason}")]
pub struct UnreadableEvent {
    /// The type.
    pub event_type: String,
    /// What is wrong.
    pub reason: String,
}

impl Event {
    /// The type, such as `v1.file.ingested`.
    pub fn event_type(&self) -> &'static str {
        match self {
            Self::PackageCreated(_) => PackageCreated::TYPE,
            Self::RetentionDefaultApplied(_) => RetentionDefaultApplied::TYPE,
            Self::FileIngested(_) => FileIngested::TYPE,
            Self::FileSuperseded(_) => FileSuperseded::TYPE,
            Self::FileRemoved(_) => FileRemoved::TYPE,
            Self::PackageFinalized(_) => PackageFinalized::TYPE,
            Self::PackageDeleted(_) => PackageDeleted::TYPE,
        }
    }

    /// `package` or `retention`.
    pub fn subject_kind(&self) -> &'static str {
        match self {
            Self::RetentionDefaultApplied(_) => "retention",
            _ => "package",
        }
    }

    /// The package it belongs to, which is the subject of every event so far.
    pub fn package_id(&self) -> PackageId {
        match self {
            Self::PackageCreated(event) => event.package_id,
            Self::RetentionDefaultApplied(event) => event.package_id,
            Self::FileIngested(event) => event.package_id,
            Self::FileSuperseded(event) => event.package_id,
            Self::FileRemoved(event) => event.package_id,
            Self::PackageFinalized(event) => event.package_id,
            Self::PackageDeleted(event) => event.package_id,
        }
    }
}
