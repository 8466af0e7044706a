//! The events of versions and their locks. `version_payload.rs` encodes them.

use crate::domain::ids::{FileId, PackageId};
use crate::domain::lock::{ObjectLockConfig, ObjectRetention};
use crate::domain::name::ObjectKey;
use crate::domain::version::{Marker, Versioning};

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
    /// Whether it stays as an older version.
    pub is_kept: bool,
}

impl FileSuperseded {
    /// The event's type.
    pub const TYPE: &'static str = "v1.file.superseded";
}

/// A key was removed: it has no current file. With a marker the file that was current, if there was
/// one, stays as an older version; without one it is gone.
#[derive(Debug, Clone, PartialEq)]
pub struct FileRemoved {
    /// The subject.
    pub package_id: PackageId,
    /// The file that was current; only with a marker may there be none.
    pub file_id: Option<FileId>,
    /// The key.
    pub key: ObjectKey,
    /// The marker that is current now.
    pub marker: Option<Marker>,
}

impl FileRemoved {
    /// The event's type.
    pub const TYPE: &'static str = "v1.file.removed";
}

/// A delete marker is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkerRemoved {
    /// The subject.
    pub package_id: PackageId,
    /// The marker.
    pub marker_id: FileId,
    /// The key.
    pub key: ObjectKey,
    /// The file that is current by it.
    pub restored: Option<FileId>,
}

impl MarkerRemoved {
    /// The event's type.
    pub const TYPE: &'static str = "v1.file.marker_removed";
}

/// A version of a key is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionPurged {
    /// The subject.
    pub package_id: PackageId,
    /// The file.
    pub file_id: FileId,
    /// The key.
    pub key: ObjectKey,
    /// Why.
    pub reason: String,
    /// The file that is current by it.
    pub restored: Option<FileId>,
}

impl VersionPurged {
    /// The event's type.
    pub const TYPE: &'static str = "v1.file.version_purged";
}

/// A package keeps versions from now on, or makes no further ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersioningSet {
    /// The subject.
    pub package_id: PackageId,
    /// What holds now.
    pub state: Versioning,
}

impl VersioningSet {
    /// The event's type.
    pub const TYPE: &'static str = "v1.package.versioning_set";
}

/// A package has Object Lock, with this default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectLockConfigured {
    /// The subject.
    pub package_id: PackageId,
    /// The configuration.
    pub config: ObjectLockConfig,
}

impl ObjectLockConfigured {
    /// The event's type.
    pub const TYPE: &'static str = "v1.package.object_lock_configured";
}

/// A version has another retention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRetentionSet {
    /// The subject.
    pub package_id: PackageId,
    /// The file.
    pub file_id: FileId,
    /// The key.
    pub key: ObjectKey,
    /// What holds now; `None` when it was taken away.
    pub retention: Option<ObjectRetention>,
    /// Whether governance was bypassed.
    pub is_bypassed: bool,
}

impl FileRetentionSet {
    /// The event's type.
    pub const TYPE: &'static str = "v1.file.retention_set";
}

/// The legal hold was put on a version, or taken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileLegalHoldSet {
    /// The subject.
    pub package_id: PackageId,
    /// The file.
    pub file_id: FileId,
    /// The key.
    pub key: ObjectKey,
    /// Whether it stands.
    pub is_on: bool,
}

impl FileLegalHoldSet {
    /// The event's type.
    pub const TYPE: &'static str = "v1.file.legal_hold_set";
}
