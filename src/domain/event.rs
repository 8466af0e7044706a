//! Every event: its type, its subject and what it says. `payload.rs` encodes them.
//!
//! An event once released is never changed; a new meaning is a new type. Payloads are canonical
//! CBOR maps with text keys (`docs/events.md` lists them); `manifest` bytes are the payload of
//! `v1.package.finalized`.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::domain::configuration::ConfigurationKind;
use crate::domain::digest::ContentAddress;
use crate::domain::file::{FileRecord, Location, ObjectAttributes};
use crate::domain::hashers::WholeDigests;
use crate::domain::ids::{
    FileId, HoldId, LocationId, PackageId, RunId, SchemaId, Sequence, Timestamp,
};
use crate::domain::lock::FileLock;
use crate::domain::name::{ObjectKey, PackageName};
use crate::domain::package::{CurrentFile, WriteMode};
use crate::domain::retention::{HoldKind, RetentionClass};
use crate::domain::schema::SchemaSlug;
use crate::domain::subject::Subject;
use crate::domain::version_event::{
    FileLegalHoldSet, FileRemoved, FileRetentionSet, FileSuperseded, MarkerRemoved,
    ObjectLockConfigured, VersionPurged, VersioningSet,
};

/// A fact.
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
    /// `v1.retention_class.defined`
    RetentionClassDefined(RetentionClass),
    /// `v1.retention.extended`
    RetentionExtended(RetentionExtended),
    /// `v1.retention.hold_applied`
    HoldApplied(HoldApplied),
    /// `v1.retention.hold_released`
    HoldReleased(HoldReleased),
    /// `v1.retention.deletion_eligible`
    DeletionEligible(DeletionEligible),
    /// `v1.retention.eligibility_revoked`
    EligibilityRevoked(EligibilityRevoked),
    /// `v1.storage.blob_reclaimed`
    BlobReclaimed(BlobReclaimed),
    /// `v1.metadata_schema.registered`
    MetadataSchemaRegistered(MetadataSchemaRegistered),
    /// `v1.package.metadata_updated`
    PackageMetadataUpdated(PackageMetadataUpdated),
    /// `v1.storage.location_verified`
    LocationVerified(LocationVerified),
    /// `v1.storage.location_added`
    LocationAdded(LocationAdded),
    /// `v1.storage.verification_completed`
    VerificationCompleted(VerificationCompleted),
    /// `v1.package.configuration_set`
    ConfigurationSet(ConfigurationSet),
    /// `v1.package.versioning_set`
    VersioningSet(VersioningSet),
    /// `v1.package.object_lock_configured`
    ObjectLockConfigured(ObjectLockConfigured),
    /// `v1.file.marker_removed`
    MarkerRemoved(MarkerRemoved),
    /// `v1.file.version_purged`
    VersionPurged(VersionPurged),
    /// `v1.file.retention_set`
    FileRetentionSet(FileRetentionSet),
    /// `v1.file.legal_hold_set`
    FileLegalHoldSet(FileLegalHoldSet),
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
    /// Whether versioning was enabled; otherwise it is its key's null version.
    pub is_versioned: bool,
    /// What keeps it.
    pub lock: FileLock,
}

impl FileIngested {
    /// The event's type.
    pub const TYPE: &'static str = "v1.file.ingested";

    /// The file as decisions see it.
    pub fn to_current(&self) -> CurrentFile {
        CurrentFile {
            id: self.file_id,
            etag: self.etag.clone(),
            address: self.address,
            size_bytes: self.size_bytes,
        }
    }

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
            copied_from: self.copied_from,
            is_versioned: self.is_versioned,
            lock: self.lock,
        }
    }
}

/// A package was frozen.
#[derive(Debug, Clone, PartialEq)]
pub struct PackageFinalized {
    /// The subject.
    pub package_id: PackageId,
    /// The manifest's canonical CBOR: the payload itself. Empty where the log keeps it in pieces.
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
    /// The backend that keeps copies of its files.
    pub archive_backend: Option<String>,
}

impl PackageDeleted {
    /// The event's type.
    pub const TYPE: &'static str = "v1.package.deleted";
}

impl RetentionClass {
    /// The type of the event that defines a class.
    pub const TYPE: &'static str = "v1.retention_class.defined";
}

/// A package is kept for longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionExtended {
    /// The subject.
    pub package_id: PackageId,
    /// When retention was to end.
    pub previous_expires_at: Timestamp,
    /// When it ends now.
    pub new_expires_at: Timestamp,
    /// Why.
    pub reason: String,
}

impl RetentionExtended {
    /// The event's type.
    pub const TYPE: &'static str = "v1.retention.extended";
}

/// A hold keeps the package, whatever its expiry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldApplied {
    /// The subject.
    pub package_id: PackageId,
    /// The hold.
    pub hold_id: HoldId,
    /// What kind it is.
    pub kind: HoldKind,
    /// Why.
    pub reason: String,
}

impl HoldApplied {
    /// The event's type.
    pub const TYPE: &'static str = "v1.retention.hold_applied";
}

/// A hold stands no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldReleased {
    /// The subject.
    pub package_id: PackageId,
    /// The hold.
    pub hold_id: HoldId,
    /// Why.
    pub reason: String,
}

impl HoldReleased {
    /// The event's type.
    pub const TYPE: &'static str = "v1.retention.hold_released";
}

/// The package may be ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletionEligible {
    /// The subject.
    pub package_id: PackageId,
    /// When retention ended.
    pub expires_at: Option<Timestamp>,
    /// Why now.
    pub reason: String,
}

impl DeletionEligible {
    /// The event's type.
    pub const TYPE: &'static str = "v1.retention.deletion_eligible";
}

/// The package may no longer be ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EligibilityRevoked {
    /// The subject.
    pub package_id: PackageId,
    /// When retention ends now.
    pub expires_at: Option<Timestamp>,
    /// Why.
    pub reason: String,
    /// The event that is the cause.
    pub cause_sequence: Sequence,
}

impl EligibilityRevoked {
    /// The event's type.
    pub const TYPE: &'static str = "v1.retention.eligibility_revoked";
}

/// Stored bytes that nothing refers to are gone from a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobReclaimed {
    /// Where they were.
    pub backend_id: String,
    /// Their name there.
    pub object_key: String,
    /// Their address: the subject.
    pub address: ContentAddress,
    /// How many.
    pub size_bytes: u64,
    /// Why.
    pub reason: String,
}

impl BlobReclaimed {
    /// The event's type.
    pub const TYPE: &'static str = "v1.storage.blob_reclaimed";
}

/// A metadata schema is there for packages to ask for.
#[derive(Debug, Clone, PartialEq)]
pub struct MetadataSchemaRegistered {
    /// The subject: this version.
    pub schema_id: SchemaId,
    /// The slug.
    pub slug: SchemaSlug,
    /// The version of the slug.
    pub version: u64,
    /// A JSON Schema that JCS can carry.
    pub json_schema: serde_json::Value,
}

impl MetadataSchemaRegistered {
    /// The event's type.
    pub const TYPE: &'static str = "v1.metadata_schema.registered";
}

/// An open package says something else of itself: all of it as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct PackageMetadataUpdated {
    /// The subject.
    pub package_id: PackageId,
    /// A JSON object that JCS can carry.
    pub metadata: serde_json::Value,
    /// The metadata schema's identifier.
    pub metadata_schema_id: Option<String>,
    /// Plain bucket tags.
    pub tags: BTreeMap<String, String>,
}

impl PackageMetadataUpdated {
    /// The event's type.
    pub const TYPE: &'static str = "v1.package.metadata_updated";
}

/// The bytes at a location were read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocationVerified {
    /// The package of the file.
    pub package_id: PackageId,
    /// The file: the subject.
    pub file_id: FileId,
    /// The location.
    pub location_id: LocationId,
    /// Its backend.
    pub backend_id: String,
    /// Whose bytes should be there.
    pub address: ContentAddress,
    /// How they differ, in one word; `None` when they are right.
    pub mismatch: Option<String>,
    /// What is there, if it could be read to its end.
    pub actual: Option<WholeDigests>,
}

impl LocationVerified {
    /// The event's type.
    pub const TYPE: &'static str = "v1.storage.location_verified";
}

/// The bytes of a file are in a further place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocationAdded {
    /// The package of the file.
    pub package_id: PackageId,
    /// The file: the subject.
    pub file_id: FileId,
    /// The location.
    pub location_id: LocationId,
    /// Its backend.
    pub backend_id: String,
    /// The name of the object there, which holds the whole file.
    pub object_key: String,
    /// Whose bytes they are: the file's own address.
    pub address: ContentAddress,
    /// How many.
    pub size_bytes: u64,
}

impl LocationAdded {
    /// The event's type.
    pub const TYPE: &'static str = "v1.storage.location_added";
}

/// A verification run came to its end. Counts are of locations, but for `bytes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerificationCompleted {
    /// The run: the subject.
    pub run_id: RunId,
    /// The package it was over; `None` for all.
    pub package_id: Option<PackageId>,
    /// The backend it was over; `None` for all.
    pub backend_id: Option<String>,
    /// How many were looked at.
    pub checked: u64,
    /// How many were right.
    pub verified: u64,
    /// How many were wrong or gone.
    pub mismatched: u64,
    /// How many could not be read.
    pub unreachable: u64,
    /// How many bytes were read.
    pub bytes: u64,
}

impl VerificationCompleted {
    /// The event's type.
    pub const TYPE: &'static str = "v1.storage.verification_completed";
}

/// A bucket is configured in another way: the whole document of one kind, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigurationSet {
    /// The subject.
    pub package_id: PackageId,
    /// What the document is about.
    pub kind: ConfigurationKind,
    /// The document in its canonical form; `None` removes it.
    pub document: Option<String>,
}

impl ConfigurationSet {
    /// The event's type.
    pub const TYPE: &'static str = "v1.package.configuration_set";
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
            Self::RetentionClassDefined(_) => RetentionClass::TYPE,
            Self::RetentionExtended(_) => RetentionExtended::TYPE,
            Self::HoldApplied(_) => HoldApplied::TYPE,
            Self::HoldReleased(_) => HoldReleased::TYPE,
            Self::DeletionEligible(_) => DeletionEligible::TYPE,
            Self::EligibilityRevoked(_) => EligibilityRevoked::TYPE,
            Self::BlobReclaimed(_) => BlobReclaimed::TYPE,
            Self::MetadataSchemaRegistered(_) => MetadataSchemaRegistered::TYPE,
            Self::PackageMetadataUpdated(_) => PackageMetadataUpdated::TYPE,
            Self::LocationVerified(_) => LocationVerified::TYPE,
            Self::LocationAdded(_) => LocationAdded::TYPE,
            Self::VerificationCompleted(_) => VerificationCompleted::TYPE,
            Self::ConfigurationSet(_) => ConfigurationSet::TYPE,
            Self::VersioningSet(_) => VersioningSet::TYPE,
            Self::ObjectLockConfigured(_) => ObjectLockConfigured::TYPE,
            Self::MarkerRemoved(_) => MarkerRemoved::TYPE,
            Self::VersionPurged(_) => VersionPurged::TYPE,
            Self::FileRetentionSet(_) => FileRetentionSet::TYPE,
            Self::FileLegalHoldSet(_) => FileLegalHoldSet::TYPE,
        }
    }

    /// What it is about.
    pub fn subject(&self) -> Subject {
        match self {
            Self::PackageCreated(event) => Subject::Package(event.package_id),
            Self::RetentionDefaultApplied(event) => Subject::Retention(event.package_id),
            Self::FileIngested(event) => Subject::Package(event.package_id),
            Self::FileSuperseded(event) => Subject::Package(event.package_id),
            Self::FileRemoved(event) => Subject::Package(event.package_id),
            Self::PackageFinalized(event) => Subject::Package(event.package_id),
            Self::PackageDeleted(event) => Subject::Package(event.package_id),
            Self::RetentionClassDefined(class) => Subject::Class(class.id.clone()),
            Self::RetentionExtended(event) => Subject::Retention(event.package_id),
            Self::HoldApplied(event) => Subject::Retention(event.package_id),
            Self::HoldReleased(event) => Subject::Retention(event.package_id),
            Self::DeletionEligible(event) => Subject::Retention(event.package_id),
            Self::EligibilityRevoked(event) => Subject::Retention(event.package_id),
            Self::BlobReclaimed(event) => Subject::Blob(event.address),
            Self::MetadataSchemaRegistered(event) => Subject::Schema(event.schema_id),
            Self::PackageMetadataUpdated(event) => Subject::Package(event.package_id),
            Self::LocationVerified(event) => Subject::StoredFile(event.package_id, event.file_id),
            Self::LocationAdded(event) => Subject::StoredFile(event.package_id, event.file_id),
            Self::VerificationCompleted(event) => Subject::Run(event.run_id),
            Self::ConfigurationSet(event) => Subject::Package(event.package_id),
            Self::VersioningSet(event) => Subject::Package(event.package_id),
            Self::ObjectLockConfigured(event) => Subject::Package(event.package_id),
            Self::MarkerRemoved(event) => Subject::Package(event.package_id),
            Self::VersionPurged(event) => Subject::Package(event.package_id),
            Self::FileRetentionSet(event) => Subject::Package(event.package_id),
            Self::FileLegalHoldSet(event) => Subject::Package(event.package_id),
        }
    }

    /// The package it belongs to, if it belongs to one.
    pub fn package_id(&self) -> Option<PackageId> {
        match self.subject() {
            Subject::Package(id) | Subject::Retention(id) | Subject::StoredFile(id, _) => Some(id),
            Subject::Class(_) | Subject::Blob(_) | Subject::Run(_) | Subject::Schema(_) => None,
        }
    }
}
