//! Settings of the registry: where its data is, the committer's limits, the janitor, retention
//! classes and the rules for new packages.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use crate::domain::retention::{Anchor, DeletionStrategy, LockMode, RetentionClass};
use crate::registry::crash_point::CrashPoint;

/// Settings of the registry (`[registry]` in the file, and the tables of classes and rules).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistrySettings {
    /// The folder that holds the database and the local blobs. Set from the top of the file.
    #[serde(skip)]
    pub data_dir: PathBuf,
    /// The write mode of a new package that asks for none: `versioned-by-request` or `write-once`.
    pub write_mode: String,
    /// How many connections read the database at once.
    pub read_connections: u32,
    /// How many units of work may wait for the committer before further ones are told to come back.
    pub commit_queue: usize,
    /// The most units of work in one transaction.
    pub commit_batch: usize,
    /// How many current files and packages are remembered, so that a read asks no database.
    pub record_cache_entries: u64,
    /// How long a finalize may hold a package sealed before another may take over, in seconds.
    pub sealing_timeout_seconds: u64,
    /// What is cleaned up, and when.
    #[serde(skip)]
    pub janitor: JanitorSettings,
    /// How stored bytes are read again.
    #[serde(skip)]
    pub verification: VerificationSettings,
    /// The retention classes that the settings define, besides those defined by the API and
    /// `default`, which never expires unless it is defined otherwise.
    #[serde(skip)]
    pub retention_classes: Vec<RetentionClassSettings>,
    /// Which backend takes the bytes of which packages, in order: the first that matches wins; the one
    /// under the data directory takes the rest.
    #[serde(skip)]
    pub backend_rules: Vec<BackendRule>,
    /// The backend that `archive_then_purge` copies to.
    #[serde(skip)]
    pub archive_backend: Option<String>,
    /// Rules for new packages, in order; of several that match, the first that names a value wins.
    #[serde(skip)]
    pub package_rules: Vec<PackageRule>,
    /// Test equipment: where the process ends by itself.
    #[serde(skip)]
    pub crash_point: Option<Arc<CrashPoint>>,
}

/// What is cleaned up, and when (`[janitor]`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JanitorSettings {
    /// How often the janitor runs, in seconds.
    pub interval_seconds: u64,
    /// How long a blob without a file, and staging left by a crash, is kept, in seconds. Longer
    /// than the longest upload.
    pub grace_seconds: u64,
    /// How long a multipart upload may stay open, in seconds.
    pub upload_expiry_seconds: u64,
    /// How often packages are declared eligible for deletion, and ended where their class says so,
    /// in seconds.
    pub sweep_interval_seconds: u64,
}

/// How stored bytes are read again (`[verification]`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VerificationSettings {
    /// How often a run over everything begins, in seconds; 0: only when asked.
    pub interval_seconds: u64,
    /// The most bytes that all runs together read in a second; 0: without bound.
    pub bytes_per_second: u64,
    /// How many blobs are read at once.
    pub parallel_reads: u64,
    /// What is an event: `changes`, or `each` location of each run.
    pub events: String,
}

/// The words of [`VerificationSettings::events`].
pub const VERIFICATION_EVENTS: [&str; 2] = ["changes", "each"];

/// One `[[retention_classes]]` entry.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionClassSettings {
    /// The name that packages ask for.
    pub id: String,
    /// How long a package is kept, in seconds; absent means for ever.
    pub duration_seconds: Option<u64>,
    /// What happens at the end: `manual`, `purge` or `archive_then_purge`.
    #[serde(default = "manual")]
    pub deletion_strategy: String,
    /// Whether a package may end earlier: `none`, `governance` or `compliance`.
    #[serde(default = "governance")]
    pub lock_mode: String,
    /// When the duration begins: `created` or `finalized`.
    #[serde(default = "created")]
    pub anchor: String,
    /// How long after it became eligible a package is ended, in seconds.
    #[serde(default)]
    pub grace_seconds: u64,
}

impl RetentionClassSettings {
    /// The class; the word that is none, if one is not.
    pub fn to_class(&self) -> Result<RetentionClass, String> {
        let wrong = |what: &str, word: &str| format!("'{word}' is no {what}");
        Ok(RetentionClass {
            id: self.id.clone(),
            default_duration_seconds: self.duration_seconds,
            deletion_strategy: DeletionStrategy::parse(&self.deletion_strategy).ok_or_else(
                || {
                    let what = "deletion strategy; they are manual, purge and archive_then_purge";
                    wrong(what, &self.deletion_strategy)
                },
            )?,
            lock_mode: LockMode::parse(&self.lock_mode).ok_or_else(|| {
                wrong(
                    "lock mode; they are none, governance and compliance",
                    &self.lock_mode,
                )
            })?,
            anchor: Anchor::parse(&self.anchor)
                .ok_or_else(|| wrong("anchor; they are created and finalized", &self.anchor))?,
            grace_seconds: self.grace_seconds,
        })
    }
}

/// One `[[backend_rules]]` entry: where the bytes of new files are placed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendRule {
    /// A pattern of producers, with `*` and `?`; absent: any.
    pub producer: Option<String>,
    /// A pattern of retention classes; absent: any.
    pub retention_class: Option<String>,
    /// The backend.
    pub backend: String,
}

/// What happens at the end of packages (`[retention]`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EndSettings {
    /// The backend that `archive_then_purge` copies to; absent: no class may ask for it.
    pub archive_backend: Option<String>,
}

/// One `[[package_rules]]` entry: what a new package gets when its request does not say.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PackageRule {
    /// Patterns of bucket names, with `*` and `?`; any of them suffices.
    pub buckets: Vec<String>,
    /// Who makes the content.
    pub producer: Option<String>,
    /// What it is about.
    pub subject: Option<String>,
    /// The retention class.
    pub retention_class: Option<String>,
    /// The metadata schema: `slug` or `slug@version`.
    pub metadata_schema: Option<String>,
    /// The write mode.
    pub write_mode: Option<String>,
    /// Metadata, added to what the request gives.
    pub metadata: BTreeMap<String, serde_json::Value>,
}

impl Default for RegistrySettings {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./holdfast-data"),
            write_mode: "versioned-by-request".to_owned(),
            read_connections: 4,
            commit_queue: 1024,
            commit_batch: 256,
            record_cache_entries: 25_000,
            sealing_timeout_seconds: 600,
            janitor: JanitorSettings::default(),
            verification: VerificationSettings::default(),
            retention_classes: Vec::new(),
            backend_rules: Vec::new(),
            archive_backend: None,
            package_rules: Vec::new(),
            crash_point: None,
        }
    }
}

impl VerificationSettings {
    /// Whether each location of each run is an event.
    pub fn each_event(&self) -> bool {
        self.events == VERIFICATION_EVENTS[1]
    }
}

impl Default for VerificationSettings {
    fn default() -> Self {
        Self {
            interval_seconds: 0,
            bytes_per_second: 100 << 20,
            parallel_reads: 2,
            events: VERIFICATION_EVENTS[0].to_owned(),
        }
    }
}

impl Default for JanitorSettings {
    fn default() -> Self {
        Self {
            interval_seconds: 600,
            grace_seconds: 86_400,
            upload_expiry_seconds: 7 * 86_400,
            sweep_interval_seconds: 60,
        }
    }
}

fn manual() -> String {
    DeletionStrategy::Manual.as_str().to_owned()
}

fn governance() -> String {
    LockMode::Governance.as_str().to_owned()
}

fn created() -> String {
    Anchor::Created.as_str().to_owned()
}
