//! Ingest, find, copy and remove files.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::{Instant, timeout};

use crate::blob::blobs::{Ingest, Placement, Published, Staged};
use crate::blob::pins::Pin;
use crate::blob::store::Receipt;
use crate::db::commit::Unit;
use crate::db::tx::{Footprint, UnitResult, WriteTx};
use crate::db::{blobs, files};
use crate::domain::composite::full_object;
use crate::domain::condition::WriteCondition;
use crate::domain::digest::{ChecksumAlgorithm, ContentAddress};
use crate::domain::event::{Event, FileIngested};
use crate::domain::file::{FileRecord, INLINE_BACKEND, Location, ObjectAttributes, StoredChecksum};
use crate::domain::hashers::{HashPlan, Hashers};
use crate::domain::ids::{FileId, LocationId, PackageId};
use crate::domain::lock::{FileLock, LockRequest};
use crate::domain::name::ObjectKey;
use crate::domain::package::{IngestDecision, PackageStatus, Rejection, WriteMode};
use crate::domain::version::Versioning;
use crate::domain::version_event::FileSuperseded;
use crate::registry::error::{Error, Result};
use crate::registry::handle::Registry;
use crate::registry::open::{blobs_of, blobs_of_event};
use crate::registry::removal::{find_replaced, purge_replaced};
use crate::registry::source::ByteSource;

/// How long a write waits for a finalize to end before it is told to come back.
const SEALING_WAIT: Duration = Duration::from_secs(30);

/// How long it waits at a time: a finalize that is given up moves nothing that could be watched.
const SEALING_LOOK: Duration = Duration::from_millis(50);

/// Writes bytes to a key.
#[derive(Debug, Clone)]
pub struct IngestFile {
    /// The package.
    pub package_id: PackageId,
    /// The key.
    pub key: ObjectKey,
    /// `Content-Type`.
    pub media_type: String,
    /// What the client attaches. A checksum algorithm asked by the source is added by the ingest.
    pub attributes: ObjectAttributes,
    /// What must hold of the current file.
    pub condition: WriteCondition,
    /// What shall keep it.
    pub lock: LockRequest,
    /// Who acts.
    pub actor: String,
}

/// Makes a key hold the bytes of another file, by reference.
#[derive(Debug, Clone)]
pub struct CopyFile {
    /// The source, already found and allowed.
    pub source: Arc<FileRecord>,
    /// The destination's package.
    pub package_id: PackageId,
    /// The destination's key.
    pub key: ObjectKey,
    /// `Some` replaces media type and attributes (REPLACE); `None` keeps the source's (COPY). The
    /// parts of the source always stay with the bytes.
    pub replace: Option<(String, ObjectAttributes)>,
    /// A checksum to compute for the copy if the source does not have it.
    pub checksum: Option<ChecksumAlgorithm>,
    /// What must hold of the destination's current file.
    pub condition: WriteCondition,
    /// What shall keep it; the source's lock is not copied.
    pub lock: LockRequest,
    /// Who acts.
    pub actor: String,
}

impl Registry {
    /// Streams bytes into the store and records them under a key: durable and visible when it
    /// returns, and invisible if it fails. A write of the same bytes to the same key of a finalized
    /// package succeeds without an event.
    pub async fn ingest_file(
        &self,
        command: IngestFile,
        source: &mut dyn ByteSource,
    ) -> Result<Arc<FileRecord>> {
        command.lock.check(self.now()).map_err(Rejection::from)?;
        self.check_writable(command.package_id, &command.key, &command.condition)
            .await?;
        let backend = self
            .backend_of_write(command.package_id, &command.key)
            .await?;
        let plan = HashPlan::file(source.algorithms());
        let ingest = self.inner.blobs.begin(&plan, source.size_hint());
        let ingest = ingest.on(&backend)?;
        let staged = take_in(ingest, source).await?;
        if let Some(same) = self
            .find_frozen_same(&command, staged.digests.address)
            .await?
        {
            if self.is_damaged(&same) {
                self.take_back(staged).await?;
            }
            return Ok(same);
        }
        self.pass("ingest.staged");
        let published = staged.publish().await?;
        self.pass("ingest.published");
        if let Placement::Stored(receipt) = &published.placement {
            self.heal(&receipt.backend_id, published.digests.address);
        }
        let write = FileWrite::of_ingest(self, command, published)?;
        let file = self.record_write(write).await?;
        self.pass("ingest.recorded");
        Ok(file)
    }

    /// The early no: refuses what the commit would refuse, before any body is read. The decision
    /// is still the commit's.
    pub async fn check_writable(
        &self,
        package_id: PackageId,
        key: &ObjectKey,
        condition: &WriteCondition,
    ) -> Result<()> {
        let package = self
            .find_stable_package(package_id)
            .await?
            .ok_or(Rejection::NoSuchPackage)?;
        let is_open = package.status == PackageStatus::Created;
        let is_write_once = package.write_mode == WriteMode::WriteOnce;
        if is_open && *condition == WriteCondition::Always && !is_write_once {
            return Ok(());
        }
        let current = self.find_file(package_id, key).await?;
        if !is_open {
            // The same bytes may come, which is a success: only an absent key is surely refused.
            return match (current, package.manifest_address) {
                (Some(_), Some(_)) => Ok(()),
                (None, Some(manifest)) => Err(Rejection::Finalized { manifest }.into()),
                (_, None) => Err(Rejection::NoSuchPackage.into()),
            };
        }
        condition
            .check(current.as_ref().map(|file| file.etag.as_str()))
            .map_err(Rejection::from)?;
        if is_write_once && current.is_some() {
            return Err(Rejection::DuplicatePath.into());
        }
        Ok(())
    }

    /// The current file of a key.
    pub async fn find_file(
        &self,
        package_id: PackageId,
        key: &ObjectKey,
    ) -> Result<Option<Arc<FileRecord>>> {
        let ticket = match self.inner.records.find_file(package_id, key) {
            Ok(record) => return Ok(Some(record)),
            Err(ticket) => ticket,
        };
        let record = files::find_current(&self.inner.db.readers, package_id, key).await?;
        let record = record.map(Arc::new);
        if let Some(record) = &record {
            self.inner.records.put_file(ticket, record);
        }
        Ok(record)
    }

    /// A file by its id, whatever its key holds now.
    pub async fn find_file_by_id(&self, id: FileId) -> Result<Option<Arc<FileRecord>>> {
        Ok(files::find(&self.inner.db.readers, id).await?.map(Arc::new))
    }

    /// Records a copy by reference; no byte moves unless a checksum must be computed.
    pub async fn copy_file(&self, command: CopyFile) -> Result<Arc<FileRecord>> {
        command.lock.check(self.now()).map_err(Rejection::from)?;
        self.check_writable(command.package_id, &command.key, &command.condition)
            .await?;
        let source = command.source.clone();
        let (media_type, mut attributes) = command
            .replace
            .unwrap_or_else(|| (source.media_type.clone(), source.attributes.clone()));
        attributes.parts.clone_from(&source.attributes.parts);
        attributes.checksum = match command.checksum {
            None => source.attributes.checksum.clone(),
            Some(algorithm) => Some(self.checksum_for_copy(&source, algorithm).await?),
        };
        let mut pins = Vec::new();
        if source.location.backend_id != INLINE_BACKEND {
            for blob in blobs_of(&source) {
                pins.push(self.inner.blobs.pin(blob.address).await?);
            }
        }
        let event = FileIngested {
            package_id: command.package_id,
            file_id: FileId(self.new_id()),
            key: command.key,
            media_type,
            size_bytes: source.size_bytes,
            address: source.address,
            sha256: source.sha256,
            etag: source.etag.clone(),
            attributes,
            location: Location {
                id: LocationId(self.new_id()),
                ..source.location.clone()
            },
            copied_from: Some((source.package_id, source.id)),
            is_versioned: false,
            lock: FileLock::default(),
        };
        self.record_write(FileWrite {
            event,
            inline: None,
            must_be_referenced: true,
            condition: command.condition,
            lock: command.lock,
            actor: command.actor,
            _pins: pins,
        })
        .await
    }

    /// Full records of current files after a key, in order, for manifests and checksum lists.
    pub async fn list_file_records(
        &self,
        package_id: PackageId,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<Arc<FileRecord>>> {
        let records = files::list_records(&self.inner.db.readers, package_id, after, limit).await?;
        Ok(records.into_iter().map(Arc::new).collect())
    }

    /// Commits a write of a file, waiting while a finalize has the package closed: when it ends,
    /// the write is refused for good, or goes on.
    pub(super) async fn record_write(&self, write: FileWrite) -> Result<Arc<FileRecord>> {
        let write = Arc::new(write);
        match self
            .retry_while_sealing(|| WriteUnit(write.clone()))
            .await?
        {
            Written::Recorded(file) => {
                if let Some(bytes) = &write.inline {
                    self.heal(INLINE_BACKEND, file.address);
                    self.inner.content.put(file.address, bytes.clone());
                }
                Ok(file)
            }
            Written::AlreadyThere(id) => Ok(self
                .find_file_by_id(id)
                .await?
                .ok_or(Rejection::NoSuchFile)?),
        }
    }

    /// Runs a unit again for as long as a finalize has its package closed, within bounds.
    pub(super) async fn retry_while_sealing<U>(&self, unit: impl Fn() -> U) -> Result<U::Output>
    where
        U: Unit<Refusal = Rejection>,
    {
        let deadline = Instant::now() + SEALING_WAIT;
        let mut head = self.inner.committer.head();
        loop {
            head.mark_unchanged();
            match self.commit(unit()).await {
                Err(Error::Rejected(Rejection::Sealing)) if Instant::now() < deadline => {
                    // The seal is an event; a finalize that fails moves no head, hence the look now
                    // and then.
                    let _ = timeout(SEALING_LOOK, head.changed()).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// The file that makes a write to a finalized package a success: same key, same bytes.
    async fn find_frozen_same(
        &self,
        command: &IngestFile,
        address: ContentAddress,
    ) -> Result<Option<Arc<FileRecord>>> {
        let package = self.find_stable_package(command.package_id).await?;
        let Some(package) = package.filter(|p| p.status == PackageStatus::Finalized) else {
            return Ok(None);
        };
        let current = self.find_file(command.package_id, &command.key).await?;
        match (
            current.filter(|file| file.address == address),
            package.manifest_address,
        ) {
            (Some(same), _) => Ok(Some(same)),
            (None, Some(manifest)) => Err(Rejection::Finalized { manifest }.into()),
            (None, None) => Err(Rejection::NoSuchPackage.into()),
        }
    }

    /// The checksum a copy is asked for: the source's own if it is of this algorithm, or computed
    /// from its bytes.
    async fn checksum_for_copy(
        &self,
        source: &FileRecord,
        algorithm: ChecksumAlgorithm,
    ) -> Result<StoredChecksum> {
        let own = source.attributes.checksum.as_ref();
        if let Some(own) = own.filter(|own| own.algorithm == algorithm) {
            return Ok(own.clone());
        }
        let plan = HashPlan {
            checksums: vec![algorithm],
            sha256: false,
            md5: false,
        };
        let mut hashers = Hashers::new(&plan);
        let mut stream = self.open_file(source, 0..source.size_bytes).await?;
        while let Some(bytes) = stream.next().await {
            hashers.update(&bytes?);
        }
        let (digests, _) = hashers.finish();
        let checksum = digests
            .checksums
            .first()
            .ok_or_else(|| Error::Internal(format!("{} was not computed", algorithm.name())))?;
        Ok(full_object(checksum))
    }
}

/// Streams a source into an ingest and compares the claims. What is not taken in whole, or is not
/// what was claimed, leaves nothing.
pub(super) async fn take_in(mut ingest: Ingest, source: &mut dyn ByteSource) -> Result<Staged> {
    while let Some(bytes) = source.next_chunk().await? {
        ingest.write(bytes).await?;
    }
    let staged = ingest.finish();
    source.claims().check(&staged.digests)?;
    Ok(staged)
}

/// A write of a file on its way to the commit.
pub(super) struct FileWrite {
    /// What is recorded, but for what the state of the package adds: version and lock.
    pub event: FileIngested,
    /// The bytes, if they are kept in the database.
    pub inline: Option<Bytes>,
    /// The bytes are those of another file: something must still refer to them.
    pub must_be_referenced: bool,
    pub condition: WriteCondition,
    pub lock: LockRequest,
    pub actor: String,
    /// Keeps the bytes from being deleted until the write is recorded.
    pub _pins: Vec<Pin>,
}

impl FileWrite {
    fn of_ingest(registry: &Registry, command: IngestFile, published: Published) -> Result<Self> {
        let Published {
            digests,
            placement,
            pin,
        } = published;
        let (inline, backend_id, object_key) = match placement {
            Placement::Inline(bytes) => (
                Some(bytes),
                INLINE_BACKEND.to_owned(),
                digests.address.to_hex(),
            ),
            Placement::Stored(Receipt {
                backend_id,
                object_key,
            }) => (None, backend_id, object_key),
        };
        let missing = |what: &str| Error::Internal(format!("{what} was not computed"));
        let mut attributes = command.attributes;
        if let Some(checksum) = digests.checksums.first() {
            attributes.checksum = Some(full_object(checksum));
        }
        let event = FileIngested {
            package_id: command.package_id,
            file_id: FileId(registry.new_id()),
            key: command.key,
            media_type: command.media_type,
            size_bytes: digests.size_bytes,
            address: digests.address,
            sha256: digests.sha256.ok_or_else(|| missing("SHA-256"))?,
            etag: hex::encode(digests.md5.ok_or_else(|| missing("MD5"))?),
            attributes,
            location: Location {
                id: LocationId(registry.new_id()),
                backend_id,
                object_key,
            },
            copied_from: None,
            is_versioned: false,
            lock: FileLock::default(),
        };
        Ok(Self {
            event,
            inline,
            must_be_referenced: false,
            condition: command.condition,
            lock: command.lock,
            actor: command.actor,
            _pins: vec![pin],
        })
    }

    /// Decides and appends, in a unit.
    pub async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<Written, Rejection> {
        let event = &self.event;
        let Some(package) = tx.package(event.package_id).await? else {
            return Ok(Err(Rejection::NoSuchPackage));
        };
        let current = tx.current_file(event.package_id, &event.key).await?;
        let superseded = match package.ingest(current.as_ref(), &self.condition, event.address) {
            Err(rejection) => return Ok(Err(rejection)),
            Ok(IngestDecision::AlreadyThere(id)) => return Ok(Ok(Written::AlreadyThere(id))),
            Ok(IngestDecision::Replace(id)) => Some(id),
            Ok(IngestDecision::Add) => None,
        };
        if self.must_be_referenced && !self.is_referenced(tx).await? {
            return Ok(Err(Rejection::NoSuchFile));
        }
        let lock = match self.lock.decide(package.object_lock.as_ref(), tx.now()) {
            Ok(lock) => lock,
            Err(refused) => return Ok(Err(refused.into())),
        };
        let replaced = match package.versioning {
            None => None,
            Some(versioning) => {
                match find_replaced(tx, event.package_id, &event.key, versioning).await? {
                    Ok(replaced) => replaced,
                    Err(rejection) => return Ok(Err(rejection)),
                }
            }
        };
        if let Some(file_id) = superseded {
            let event = FileSuperseded {
                package_id: event.package_id,
                file_id,
                superseded_by: event.file_id,
                key: event.key.clone(),
                is_kept: package.versioning.is_some(),
            };
            tx.append(&self.actor, Event::FileSuperseded(event));
        }
        if let Some(bytes) = &self.inline {
            tx.keep_inline(event.address, bytes.clone());
        }
        let event = FileIngested {
            is_versioned: package.versioning == Some(Versioning::Enabled),
            lock,
            ..event.clone()
        };
        let recorded = tx.append(&self.actor, Event::FileIngested(Box::new(event.clone())));
        if let Some(replaced) = replaced {
            purge_replaced(tx, &self.actor, event.package_id, &event.key, &replaced);
        }
        Ok(Ok(Written::Recorded(Arc::new(event.to_record(&recorded)))))
    }

    async fn is_referenced(&self, tx: &mut WriteTx<'_>) -> crate::db::error::Result<bool> {
        let event = &self.event;
        if event.location.backend_id == INLINE_BACKEND {
            let found = blobs::find_inline(&mut *tx.connection, event.address).await?;
            return Ok(found.is_some() || tx.keeps_inline(event.address));
        }
        for blob in blobs_of_event(event) {
            let address = blob.address;
            if !blobs::is_referenced(&mut *tx.connection, address, &blob.backend_id).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// What became of a write.
pub(super) enum Written {
    /// It is recorded.
    Recorded(Arc<FileRecord>),
    /// A finalized package has this file already.
    AlreadyThere(FileId),
}

struct WriteUnit(Arc<FileWrite>);

#[async_trait]
impl Unit for WriteUnit {
    type Output = Written;
    type Refusal = Rejection;

    fn footprint(&self) -> Footprint {
        let event = &self.0.event;
        Footprint {
            packages: vec![event.package_id],
            keys: vec![(event.package_id, event.key.clone())],
            ..Footprint::default()
        }
    }

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<Written, Rejection> {
        self.0.run(tx).await
    }
}
