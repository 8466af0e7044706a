//! What a package is and what it allows.
//!
//! A rule is decided here, inside the commit, on state that the log head's lock keeps still.

use std::collections::BTreeMap;

use crate::domain::condition::{ConditionFailed, WriteCondition};
use crate::domain::description::InvalidDescription;
use crate::domain::digest::ContentAddress;
use crate::domain::ids::{FileId, PackageId, Sequence, Timestamp, UploadId};
use crate::domain::lock::{ObjectLockConfig, VersionRefused};
use crate::domain::name::PackageName;
use crate::domain::version::Versioning;

/// How writes to an open package behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WriteMode {
    /// The rules of S3: overwrite replaces, DELETE removes.
    #[default]
    VersionedByRequest,
    /// The registry's rule: a key is written once and not removed.
    WriteOnce,
}

impl WriteMode {
    /// The word in events, headers and settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VersionedByRequest => "versioned-by-request",
            Self::WriteOnce => "write-once",
        }
    }

    /// The mode of a word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::VersionedByRequest, Self::WriteOnce]
            .into_iter()
            .find(|mode| mode.as_str() == text)
    }
}

/// Where a package is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageStatus {
    /// Open for writes.
    Created,
    /// Frozen, described by its manifest.
    Finalized,
    /// Ended; the log and the manifest stay.
    Deleted,
}

impl PackageStatus {
    /// The word in views, events and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Finalized => "finalized",
            Self::Deleted => "deleted",
        }
    }

    /// The status of a word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Created, Self::Finalized, Self::Deleted]
            .into_iter()
            .find(|s| s.as_str() == text)
    }
}

/// A package as the views hold it.
#[derive(Debug, Clone, PartialEq)]
pub struct PackageRecord {
    /// The identifier.
    pub id: PackageId,
    /// The bucket's name.
    pub bucket: PackageName,
    /// The package's own name; the bucket's unless given.
    pub name: String,
    /// Who made the content.
    pub producer: String,
    /// What the content is about.
    pub subject: String,
    /// The retention class.
    pub retention_class: String,
    /// Free metadata: a JSON object.
    pub metadata: serde_json::Value,
    /// The metadata schema's identifier.
    pub metadata_schema_id: Option<String>,
    /// Bucket tags.
    pub tags: BTreeMap<String, String>,
    /// How writes behave.
    pub write_mode: WriteMode,
    /// The actor who created it.
    pub owner: String,
    /// Where it is in its life.
    pub status: PackageStatus,
    /// When its first event was recorded.
    pub created_at: Timestamp,
    /// When it was finalized.
    pub finalized_at: Option<Timestamp>,
    /// When its retention ends.
    pub expires_at: Option<Timestamp>,
    /// The address of its manifest, once finalized.
    pub manifest_address: Option<ContentAddress>,
    /// The position of its last event.
    pub last_sequence: Sequence,
    /// How many current files it has.
    pub file_count: u64,
    /// The bytes of its current files.
    pub total_bytes: u64,
    /// The backend that keeps the files of a package that has ended.
    pub archive_backend: Option<String>,
    /// Whether it keeps versions; `None` when it never did.
    pub versioning: Option<Versioning>,
    /// Its Object Lock, once enabled.
    pub object_lock: Option<ObjectLockConfig>,
    /// How many versions it has that are not current, and delete markers.
    pub noncurrent_count: u64,
}

/// Why a rule says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no such package, or no longer.
    #[error("the package does not exist")]
    NoSuchPackage,
    /// The bucket's name is taken by `owner`.
    #[error("the bucket name is taken")]
    NameTaken {
        /// Who holds it.
        owner: String,
    },
    /// The package is finalized.
    #[error("the package is finalized; its manifest is {manifest}")]
    Finalized {
        /// The manifest's address.
        manifest: ContentAddress,
    },
    /// The package is being finalized right now.
    #[error("the package is being finalized; try again")]
    Sealing,
    /// The condition of a write does not hold.
    #[error("at least one of the preconditions you specified did not hold")]
    PreconditionFailed,
    /// `If-Match` on a key that is not there, or any act on an absent file.
    #[error("the specified key does not exist")]
    NoSuchFile,
    /// A write-once package keeps what it has.
    #[error("the package is write-once: a key is not removed")]
    WriteOnce,
    /// A write-once package already has the key.
    #[error("the package is write-once and already has this key")]
    DuplicatePath,
    /// The bucket still has keys.
    #[error("the bucket you tried to delete is not empty")]
    NotEmpty,
    /// Multipart uploads are open.
    #[error("multipart uploads are open")]
    OpenUploads(Vec<UploadId>),
    /// Retention forbids its end.
    #[error("the package is finalized and kept: {}", until(*.expires_at))]
    Retained {
        /// When retention ends; `None` never.
        expires_at: Option<Timestamp>,
    },
    /// Holds forbid its end.
    #[error("{holds} hold(s) keep the package; release them first")]
    Held {
        /// How many stand.
        holds: usize,
    },
    /// Retention without an end is not extended.
    #[error("the package never expires, so its retention cannot be extended")]
    NeverExpires,
    /// Retention is only ever extended.
    #[error("retention lasts until {} already; a new end must be later", .current.to_isoformat())]
    NotLater {
        /// When it ends.
        current: Timestamp,
    },
    /// A package has a bounded number of holds.
    #[error("the package has as many holds as it may have")]
    TooManyHolds,
    /// Only a finalized package has what is asked for.
    #[error("the package is not finalized yet")]
    NotFinalized,
    /// No such hold, or no longer.
    #[error("the package has no such hold")]
    NoSuchHold,
    /// A finalized package had the name, and ended.
    #[error("the bucket name belonged to a finalized package and is not used again")]
    NameRetired,
    /// A package asks for a metadata schema that is not registered.
    #[error("there is no metadata schema '{0}'")]
    NoSuchSchema(String),
    /// A slug has another metadata schema.
    #[error("the metadata schema '{slug}' cannot be registered so: {reason}")]
    SchemaConflict {
        /// The slug.
        slug: String,
        /// What there is, and what to ask for.
        reason: String,
    },
    /// A package cannot say this of itself.
    #[error(transparent)]
    Description(#[from] InvalidDescription),
    /// A package asks for a class that is not defined.
    #[error("there is no retention class '{0}'")]
    UnknownRetentionClass(String),
    /// No such upload, or no longer.
    #[error("the specified multipart upload does not exist")]
    NoSuchUpload,
    /// A part was replaced while its upload was being completed.
    #[error("a part was replaced while the upload was being completed")]
    PartsChanged,
    /// A rule of versions and their locks.
    #[error(transparent)]
    Version(#[from] VersionRefused),
    /// What finalize was told to expect is not what is there.
    #[error("the package's content digest is {actual}, not the one expected")]
    ContentDigestMismatch {
        /// The digest of the content as it is.
        actual: ContentAddress,
    },
}

fn until(expires_at: Option<Timestamp>) -> String {
    match expires_at {
        Some(at) => format!("its retention ends at {}", at.to_isoformat()),
        None => "its retention has no end".to_owned(),
    }
}

impl From<ConditionFailed> for Rejection {
    fn from(failed: ConditionFailed) -> Self {
        match failed {
            ConditionFailed::Precondition => Self::PreconditionFailed,
            ConditionFailed::MissingKey => Self::NoSuchFile,
        }
    }
}

/// The current file of a key, as far as a decision needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentFile {
    /// Its identifier.
    pub id: FileId,
    /// Its ETag without quotes.
    pub etag: String,
    /// The address of its bytes.
    pub address: ContentAddress,
    /// Its length in bytes.
    pub size_bytes: u64,
}

/// What a write to a key amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IngestDecision {
    /// The key is new.
    Add,
    /// The key's current file is replaced.
    Replace(FileId),
    /// The package is finalized and the key holds the same bytes: nothing happens, which is a
    /// success.
    AlreadyThere(FileId),
}

/// The state of a package that decisions read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// The identifier.
    pub id: PackageId,
    /// The bucket's name.
    pub bucket: PackageName,
    /// The actor who created it.
    pub owner: String,
    /// How writes behave.
    pub write_mode: WriteMode,
    /// Where it is in its life.
    pub status: PackageStatus,
    /// The manifest's address, once finalized.
    pub manifest: Option<ContentAddress>,
    /// How many current files it has.
    pub file_count: u64,
    /// Whether a finalize is under way.
    pub is_sealing: bool,
    /// Whether it keeps versions; `None` when it never did.
    pub versioning: Option<Versioning>,
    /// Its Object Lock, once enabled.
    pub object_lock: Option<ObjectLockConfig>,
    /// How many versions it has that are not current, and delete markers.
    pub noncurrent_count: u64,
}

impl Package {
    /// Whether anything may be written at all.
    pub fn check_open(&self) -> Result<(), Rejection> {
        match (self.status, self.manifest) {
            (PackageStatus::Finalized, Some(manifest)) => Err(Rejection::Finalized { manifest }),
            (PackageStatus::Deleted | PackageStatus::Finalized, _) => Err(Rejection::NoSuchPackage),
            (PackageStatus::Created, _) if self.is_sealing => Err(Rejection::Sealing),
            (PackageStatus::Created, _) => Ok(()),
        }
    }

    /// Decides a write of the bytes of `address` to a key whose current file is `current`.
    pub fn ingest(
        &self,
        current: Option<&CurrentFile>,
        condition: &WriteCondition,
        address: ContentAddress,
    ) -> Result<IngestDecision, Rejection> {
        if self.status == PackageStatus::Finalized
            && let Some(file) = current
            && file.address == address
        {
            return Ok(IngestDecision::AlreadyThere(file.id));
        }
        self.check_open()?;
        condition
            .check(current.map(|file| file.etag.as_str()))
            .map_err(|failed| match failed {
                ConditionFailed::Precondition => Rejection::PreconditionFailed,
                ConditionFailed::MissingKey => Rejection::NoSuchFile,
            })?;
        match (current, self.write_mode) {
            (None, _) => Ok(IngestDecision::Add),
            (Some(file), WriteMode::VersionedByRequest) => Ok(IngestDecision::Replace(file.id)),
            (Some(_), WriteMode::WriteOnce) => Err(Rejection::DuplicatePath),
        }
    }

    /// Decides the removal of a key: the file to remove, or `None` when the key is absent, which
    /// is a success too.
    pub fn remove(&self, current: Option<&CurrentFile>) -> Result<Option<FileId>, Rejection> {
        self.check_open()?;
        match (current, self.write_mode) {
            (None, _) => Ok(None),
            (Some(file), WriteMode::VersionedByRequest) => Ok(Some(file.id)),
            (Some(_), WriteMode::WriteOnce) => Err(Rejection::WriteOnce),
        }
    }

    /// Decides a change of versioning. A write-once package never overwrites, so it has no versions.
    pub fn set_versioning(&self, state: Versioning) -> Result<(), Rejection> {
        self.check_open()?;
        if self.write_mode == WriteMode::WriteOnce {
            return Err(Rejection::Version(VersionRefused::WriteOnceVersioning));
        }
        if state == Versioning::Suspended && self.object_lock.is_some() {
            return Err(Rejection::Version(VersionRefused::LockNeedsVersioning));
        }
        Ok(())
    }

    /// Decides another configuration of Object Lock, which needs versioning.
    pub fn configure_lock(&self) -> Result<(), Rejection> {
        self.check_open()?;
        if self.versioning == Some(Versioning::Enabled) {
            Ok(())
        } else {
            Err(Rejection::Version(VersionRefused::LockWithoutVersioning))
        }
    }

    /// Decides the end of an open, empty package. A finalized one is retained until its retention
    /// allows its end.
    pub fn delete(&self) -> Result<(), Rejection> {
        match self.status {
            PackageStatus::Finalized => Err(Rejection::Retained { expires_at: None }),
            _ => {
                self.check_open()?;
                if self.file_count == 0 && self.noncurrent_count == 0 {
                    Ok(())
                } else {
                    Err(Rejection::NotEmpty)
                }
            }
        }
    }
}
