//! A registry in a temporary folder, with a clock that the test moves, and bytes to put into it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use holdfast::blob::settings::{BackendSettings, BlobSettings};
use holdfast::domain::condition::WriteCondition;
use holdfast::domain::digest::{ChecksumAlgorithm, DigestClaims};
use holdfast::domain::file::{FileRecord, ObjectAttributes};
use holdfast::domain::ids::{PackageId, Timestamp};
use holdfast::domain::lock::LockRequest;
use holdfast::domain::name::{ObjectKey, PackageName};
use holdfast::domain::package::WriteMode;
use holdfast::domain::version::VersionRef;
use holdfast::registry::audit::{AuditReport, audit};
use holdfast::registry::error::{Error, Result};
use holdfast::registry::files::IngestFile;
use holdfast::registry::handle::Registry;
use holdfast::registry::packages::CreatePackage;
use holdfast::registry::removal::{RemoveFile, RemoveFiles, Removed};
use holdfast::registry::settings::RegistrySettings;
use holdfast::registry::source::{ByteSource, SourceError};
use tempfile::TempDir;

pub struct House {
    pub registry: Registry,
    pub folder: TempDir,
    clock: Arc<AtomicI64>,
    settings: RegistrySettings,
    blobs: BlobSettings,
}

impl House {
    pub async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    pub async fn open_with(change: impl FnOnce(&mut RegistrySettings)) -> Self {
        Self::open_on(&[], change).await
    }

    /// With further backends, each in the folder of its name beside the data.
    pub async fn open_on(backends: &[&str], change: impl FnOnce(&mut RegistrySettings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let backend = |id: &&str| BackendSettings {
            id: (*id).to_owned(),
            kind: "local".to_owned(),
            path: folder.path().join(id),
        };
        let blobs = BlobSettings {
            backends: backends.iter().map(backend).collect(),
            ..BlobSettings::default()
        };
        let mut settings = RegistrySettings {
            data_dir: folder.path().to_owned(),
            ..RegistrySettings::default()
        };
        change(&mut settings);
        let clock = Arc::new(AtomicI64::new(1_700_000_000_000_000));
        let registry = open(&settings, &blobs, &clock).await;
        Self {
            registry,
            folder,
            clock,
            settings,
            blobs,
        }
    }

    /// Closes and opens again, as a restart does.
    pub async fn reopen(&mut self) {
        self.registry.close().await;
        self.registry = open(&self.settings, &self.blobs, &self.clock).await;
    }

    pub fn move_clock(&self, micros: i64) {
        self.clock.fetch_add(micros, Ordering::SeqCst);
    }

    pub async fn create(&self, bucket: &str) -> PackageId {
        self.registry
            .create_package(create(bucket))
            .await
            .unwrap()
            .id
    }

    pub async fn put(
        &self,
        package: PackageId,
        key: &str,
        bytes: &[u8],
    ) -> Result<Arc<FileRecord>> {
        self.put_if(package, key, bytes, WriteCondition::Always)
            .await
    }

    pub async fn put_if(
        &self,
        package: PackageId,
        key: &str,
        bytes: &[u8],
        condition: WriteCondition,
    ) -> Result<Arc<FileRecord>> {
        let command = IngestFile {
            package_id: package,
            key: ObjectKey::parse(key).unwrap(),
            media_type: "application/octet-stream".into(),
            attributes: ObjectAttributes::default(),
            condition,
            lock: LockRequest::default(),
            actor: "tester".into(),
        };
        self.registry
            .ingest_file(command, &mut Source::of(bytes))
            .await
    }

    pub async fn remove(&self, package: PackageId, key: &str) -> Result<Removed> {
        self.remove_version(package, key, None, false).await
    }

    pub async fn remove_version(
        &self,
        package: PackageId,
        key: &str,
        version: Option<VersionRef>,
        bypasses: bool,
    ) -> Result<Removed> {
        let command = RemoveFile {
            key: ObjectKey::parse(key).unwrap(),
            version,
        };
        let outcomes = self
            .registry
            .remove_files(RemoveFiles {
                package_id: package,
                commands: vec![command],
                bypasses,
                actor: "tester".into(),
            })
            .await?;
        outcomes.into_iter().next().unwrap()
    }

    /// The bytes of a key, read back with every check.
    pub async fn read(&self, package: PackageId, key: &str) -> Result<Option<Vec<u8>>> {
        let key = ObjectKey::parse(key).unwrap();
        let Some(file) = self.registry.find_file(package, &key).await? else {
            return Ok(None);
        };
        let mut stream = self.registry.open_file(&file, 0..file.size_bytes).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk?);
        }
        Ok(Some(bytes))
    }

    /// Closes and holds the views against a replay of the log.
    pub async fn audit(&mut self) -> AuditReport {
        self.registry.close().await;
        let report = audit(self.folder.path(), &mut |_, _| {}).await.unwrap();
        self.registry = open(&self.settings, &self.blobs, &self.clock).await;
        report
    }
}

async fn open(
    settings: &RegistrySettings,
    blobs: &BlobSettings,
    clock: &Arc<AtomicI64>,
) -> Registry {
    let clock = clock.clone();
    // Every look at the clock moves it, so that no two instants are equal.
    let clock = Arc::new(move || Timestamp(clock.fetch_add(1, Ordering::SeqCst)));
    Registry::open_with_clock(settings.clone(), blobs, clock)
        .await
        .unwrap()
}

pub fn create(bucket: &str) -> CreatePackage {
    CreatePackage {
        bucket: PackageName::parse(bucket).unwrap(),
        name: None,
        producer: None,
        subject: None,
        retention_class: None,
        metadata: None,
        metadata_schema: None,
        write_mode: Some(WriteMode::VersionedByRequest),
        tags: std::collections::BTreeMap::new(),
        object_lock: false,
        actor: "tester".into(),
    }
}

/// Bytes in small chunks, with claims that a test may falsify.
pub struct Source {
    chunks: Vec<Bytes>,
    pub claims: DigestClaims,
    pub breaks_off: bool,
}

impl Source {
    pub fn of(bytes: &[u8]) -> Self {
        let mut chunks: Vec<_> = bytes.chunks(70_000).map(Bytes::copy_from_slice).collect();
        chunks.reverse();
        Self {
            chunks,
            claims: DigestClaims::default(),
            breaks_off: false,
        }
    }
}

#[async_trait]
impl ByteSource for Source {
    async fn next_chunk(&mut self) -> std::result::Result<Option<Bytes>, SourceError> {
        match self.chunks.pop() {
            None if self.breaks_off => Err(SourceError::Incomplete),
            chunk => Ok(chunk),
        }
    }

    fn claims(&self) -> DigestClaims {
        self.claims.clone()
    }

    fn algorithms(&self) -> Vec<ChecksumAlgorithm> {
        Vec::new()
    }

    fn size_hint(&self) -> Option<u64> {
        None
    }
}

/// Bytes that differ for every seed.
pub fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut reader = blake3::Hasher::new();
    reader.update(&seed.to_le_bytes());
    let mut bytes = vec![0; length];
    reader.finalize_xof().fill(&mut bytes);
    bytes
}

pub fn rejection<T: std::fmt::Debug>(result: Result<T>) -> holdfast::domain::package::Rejection {
    match result {
        Err(Error::Rejected(rejection)) => rejection,
        other => panic!("expected a rejection, got {other:?}"),
    }
}
