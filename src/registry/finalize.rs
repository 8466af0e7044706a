//! Freeze a package into its manifest.
//!
//! Two steps, so that the manifest of many files is not built under the lock of the log: a sealing
//! mark closes the package for writes, the manifest is built beside the committer, and a second
//! commit records it if the mark still stands. Nothing can slip in between. A long manifest is
//! never whole in memory, and goes into the database piece by piece, before the event that refers
//! to the pieces: so memory and the time under the lock do not grow with the package.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::timeout;

use crate::db::commit::Unit;
use crate::db::pieces::{InPieces, PIECE_BYTES};
use crate::db::tx::{Footprint, UnitResult, WriteTx};
use crate::db::{files, packages, pieces, sealing, uploads, versions};
use crate::domain::digest::ContentAddress;
use crate::domain::event::{Event, PackageFinalized, RetentionDefaultApplied};
use crate::domain::file::{FileRecord, INLINE_BACKEND};
use crate::domain::ids::{PackageId, Sequence, Timestamp};
use crate::domain::manifest::{ManifestHead, ManifestWriter, NoncurrentVersion, WrongCount};
use crate::domain::name::ObjectKey;
use crate::domain::package::{PackageRecord, PackageStatus, Rejection};
use crate::domain::retention::{Anchor, Retention};
use crate::registry::error::{Error, Result};
use crate::registry::handle::Registry;
use crate::registry::open::blobs_of;
use crate::registry::packages::NAMED_UPLOADS;

/// Finalizes a package.
#[derive(Debug, Clone, Default)]
pub struct FinalizePackage {
    /// Abort open multipart uploads instead of being refused by them.
    pub abort_uploads: bool,
    /// Refuse unless the content digest is this one.
    pub expect_content_digest: Option<ContentAddress>,
    /// `source_commits`, `tool_versions` and `environment`: a JSON object of JSON objects that JSON
    /// readers can carry, as `forms.rs` checks.
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

/// How many files are read at a time while a manifest is built.
const PAGE_FILES: usize = 1000;

/// How long a finalize waits for another one of the same package.
const FINALIZE_WAIT: Duration = Duration::from_secs(300);

/// How often a manifest is built whose package did not stay as the manifest says: a hold or an
/// extension came, or the mark fell.
const FINALIZE_ATTEMPTS: usize = 3;

impl Registry {
    /// Freezes a package: its manifest is built, recorded and from then on readable. Idempotent.
    /// Rejects with `OpenUploads`, `ContentDigestMismatch`; `Sealing` while another is under way
    /// and does not end in time.
    ///
    /// Runs to its end even if the future is dropped, so that no package stays sealed because a
    /// client went away.
    pub async fn finalize_package(
        &self,
        id: PackageId,
        command: FinalizePackage,
    ) -> Result<Finalized> {
        let registry = self.clone();
        let work = tokio::spawn(async move {
            let lock = registry.inner.finalizing.of(id);
            let held = timeout(FINALIZE_WAIT, lock.lock()).await;
            let _held = held.map_err(|_| Rejection::Sealing)?;
            for _ in 1..FINALIZE_ATTEMPTS {
                match registry.seal_and_record(id, &command).await {
                    Err(Error::Rejected(Rejection::Sealing)) => {}
                    outcome => return outcome,
                }
            }
            registry.seal_and_record(id, &command).await
        });
        work.await
            .map_err(|error| Error::Internal(format!("finalize: {error}")))?
    }

    async fn seal_and_record(&self, id: PackageId, command: &FinalizePackage) -> Result<Finalized> {
        let token = *self.new_id().as_bytes();
        let timeout_micros = self
            .inner
            .settings
            .sealing_timeout_seconds
            .saturating_mul(1_000_000);
        let seal = SealUnit {
            id,
            token,
            expires_at: Timestamp(self.now().0.saturating_add_unsigned(timeout_micros)),
            abort_uploads: command.abort_uploads,
        };
        if self.commit(seal).await? == Sealed::Already {
            return self.find_finalized(id).await;
        }
        self.pass("finalize.sealed");
        match self.record_manifest(id, token, command).await {
            Ok(()) => self.find_finalized(id).await,
            Err(error) => {
                // What failed is said whether or not the package can be opened again right now: the
                // mark falls by itself.
                if let Err(unseal) = self.commit(UnsealUnit { id, token }).await {
                    tracing::warn!(error = %unseal, package = %id, "the sealing mark stays");
                }
                Err(error)
            }
        }
    }

    async fn record_manifest(
        &self,
        id: PackageId,
        token: [u8; 16],
        command: &FinalizePackage,
    ) -> Result<()> {
        let readers = &self.inner.db.readers;
        let missing = files::count_without_content(readers, id).await?;
        if missing > 0 {
            return Err(Error::Corrupt(format!(
                "{missing} files of package {id} have no content"
            )));
        }
        let mut package = PackageRecord::clone(
            &*self
                .find_package(id)
                .await?
                .ok_or(Rejection::NoSuchPackage)?,
        );
        // It was checked whenever it changed; a final package is checked again.
        let schema = package.metadata_schema_id.as_deref();
        self.check_described(schema, &package.metadata).await?;
        let retention = self
            .find_retention(id)
            .await?
            .ok_or(Rejection::NoSuchPackage)?;
        let finalized_at = self.now();
        if retention.class.anchor == Anchor::Finalized {
            package.expires_at = retention.class.expiry(finalized_at);
        }
        let active_holds: Vec<_> = retention.holds.iter().map(|hold| hold.id).collect();
        let head = ManifestHead {
            package: &package,
            active_holds: &active_holds,
            finalized_at,
            finalized_by: &command.actor,
            provenance: command.provenance.as_ref(),
            last_retention_sequence: packages::last_retention_sequence(readers, id).await?,
        };
        let manifest = self.write_manifest(token, &head, command).await?;
        self.pass("finalize.built");
        self.commit(FinalizeUnit {
            id,
            token,
            manifest,
            finalized_at,
            retention,
            request_body: command.request_body.clone(),
            actor: command.actor.clone(),
        })
        .await?;
        self.pass("finalize.recorded");
        Ok(())
    }

    /// Writes the manifest from the files of a sealed package: twice over them, page by page, and
    /// piece by piece into the database.
    async fn write_manifest(
        &self,
        token: [u8; 16],
        head: &ManifestHead<'_>,
        command: &FinalizePackage,
    ) -> Result<WrittenManifest> {
        let id = head.package.id;
        let mut draft = Draft {
            registry: self,
            id,
            token,
            writer: ManifestWriter::new(head.package.file_count, head.package.noncurrent_count),
            pieces: 0,
        };
        let mut after: Option<ObjectKey> = None;
        while let Some(page) = self.next_files(id, &mut after).await? {
            for file in &page {
                self.check_stored(file).await?;
                draft.writer.push_file(file);
            }
            draft.keep_full_pieces().await?;
        }
        let actual = draft.writer.content_digest();
        if command
            .expect_content_digest
            .is_some_and(|expected| expected != actual)
        {
            return Err(Rejection::ContentDigestMismatch { actual }.into());
        }
        draft.writer.end_files(head).map_err(miscounted)?;
        let mut after: Option<ObjectKey> = None;
        while let Some(page) = self.next_files(id, &mut after).await? {
            for file in &page {
                draft.writer.push_receipt(file);
            }
            draft.keep_full_pieces().await?;
        }
        draft.writer.end(head).map_err(miscounted)?;
        self.write_noncurrent(&mut draft).await?;
        draft.finish().await
    }

    /// Writes the versions that are not current, and the delete markers.
    async fn write_noncurrent(&self, draft: &mut Draft<'_>) -> Result<()> {
        let mut after = None;
        loop {
            let readers = &self.inner.db.readers;
            let page =
                versions::list_noncurrent(readers, draft.id, after.as_ref(), PAGE_FILES).await?;
            for version in &page {
                if let NoncurrentVersion::File(file) = version {
                    self.check_stored(file).await?;
                }
                draft.writer.push_noncurrent(version);
            }
            draft.keep_full_pieces().await?;
            let Some(last) = page.last() else {
                return draft.writer.check_noncurrent().map_err(miscounted);
            };
            after = Some(match last {
                NoncurrentVersion::File(file) => (file.key.clone(), file.sequence),
                NoncurrentVersion::Marker(key, found) => (key.clone(), found.sequence),
            });
        }
    }

    /// The next page of a walk over the files of a package; `None` after the last.
    async fn next_files(
        &self,
        id: PackageId,
        after: &mut Option<ObjectKey>,
    ) -> Result<Option<Vec<Arc<FileRecord>>>> {
        let page = self
            .list_file_records(id, after.as_ref(), PAGE_FILES)
            .await?;
        *after = page.last().map(|last| last.key.clone());
        Ok(after.is_some().then_some(page))
    }

    /// A final package has no hole: every stored blob is there with its length.
    async fn check_stored(&self, file: &FileRecord) -> Result<()> {
        if file.location.backend_id == INLINE_BACKEND {
            return Ok(());
        }
        for blob in blobs_of(file) {
            let size_bytes = self.inner.blobs.stored_size(&blob).await?;
            if size_bytes != Some(blob.size_bytes) {
                return Err(Error::Corrupt(format!(
                    "'{}' cannot be finalized: the blob {} has {size_bytes:?} bytes instead of {}",
                    file.key, blob.address, blob.size_bytes
                )));
            }
        }
        Ok(())
    }

    async fn find_finalized(&self, id: PackageId) -> Result<Finalized> {
        let package = self
            .find_package(id)
            .await?
            .ok_or(Rejection::NoSuchPackage)?;
        let found = packages::find_finalized(&self.inner.db.readers, id).await?;
        match (package.manifest_address, found) {
            (Some(manifest_address), Some((sequence, finalized_at))) => Ok(Finalized {
                manifest_address,
                sequence,
                finalized_at,
            }),
            _ => Err(Rejection::NoSuchPackage.into()),
        }
    }

    /// The body of the request that finalized the package; `None` until then.
    pub async fn find_finalize_request(&self, id: PackageId) -> Result<Option<StoredDocument>> {
        let found = packages::find_finalize_request(&self.inner.db.readers, id).await?;
        Ok(found.map(|(bytes, created_at)| StoredDocument {
            bytes: bytes.into(),
            created_at,
        }))
    }
}

/// What a seal found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sealed {
    /// The package is closed for writes now.
    Now,
    /// It is finalized already.
    Already,
}

struct SealUnit {
    id: PackageId,
    token: [u8; 16],
    expires_at: Timestamp,
    abort_uploads: bool,
}

#[async_trait]
impl Unit for SealUnit {
    type Output = Sealed;
    type Refusal = Rejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<Sealed, Rejection> {
        let Some(package) = tx.package(self.id).await? else {
            return Ok(Err(Rejection::NoSuchPackage));
        };
        if package.status == PackageStatus::Finalized {
            return Ok(Ok(Sealed::Already));
        }
        if let Err(rejection) = package.check_open() {
            return Ok(Err(rejection));
        }
        let open = uploads::open_of_package(&mut *tx.connection, self.id, NAMED_UPLOADS).await?;
        if !open.is_empty() && !self.abort_uploads {
            return Ok(Err(Rejection::OpenUploads(open)));
        }
        sealing::mark(tx.connection, self.id, self.token, self.expires_at).await?;
        tx.set_sealing(self.id, Some(self.expires_at));
        Ok(Ok(Sealed::Now))
    }
}

struct UnsealUnit {
    id: PackageId,
    token: [u8; 16],
}

#[async_trait]
impl Unit for UnsealUnit {
    type Output = ();
    type Refusal = Rejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<(), Rejection> {
        if sealing::is_marked(tx.connection, self.id, self.token).await? {
            pieces::remove(tx.connection, self.token).await?;
            sealing::unmark(tx.connection, self.id, self.token).await?;
            tx.set_sealing(self.id, None);
        }
        Ok(Ok(()))
    }
}

/// A manifest on its way into the log.
struct Draft<'r> {
    registry: &'r Registry,
    id: PackageId,
    token: [u8; 16],
    writer: ManifestWriter,
    /// How many pieces are kept.
    pieces: u64,
}

/// A manifest that the log has yet to refer to.
enum WrittenManifest {
    /// A short one.
    Whole(Bytes),
    /// One whose pieces are kept under the token of the sealing mark.
    InPieces(InPieces),
}

impl Draft<'_> {
    /// Keeps what is written in commits of one piece each, between which others write.
    async fn keep_full_pieces(&mut self) -> Result<()> {
        while self.writer.pending_bytes() > PIECE_BYTES {
            self.keep_piece().await?;
        }
        Ok(())
    }

    async fn keep_piece(&mut self) -> Result<()> {
        let unit = KeepPieceUnit {
            id: self.id,
            token: self.token,
            number: self.pieces,
            bytes: self.writer.take(PIECE_BYTES),
        };
        self.registry.commit(unit).await?;
        self.registry.pass("finalize.piece");
        self.pieces += 1;
        Ok(())
    }

    async fn finish(mut self) -> Result<WrittenManifest> {
        self.keep_full_pieces().await?;
        if self.pieces == 0 {
            return Ok(WrittenManifest::Whole(self.writer.take(PIECE_BYTES).into()));
        }
        self.keep_piece().await?;
        let (digest, length) = self.writer.taken();
        let id = self.token;
        Ok(WrittenManifest::InPieces(InPieces { id, digest, length }))
    }
}

/// Under the mark the files do not change, so this is trouble with the database, or the mark fell.
fn miscounted(error: WrongCount) -> Error {
    Error::Unavailable(format!("{error}; finalize again"))
}

struct KeepPieceUnit {
    id: PackageId,
    token: [u8; 16],
    number: u64,
    bytes: Vec<u8>,
}

#[async_trait]
impl Unit for KeepPieceUnit {
    type Output = ();
    type Refusal = Rejection;

    fn footprint(&self) -> Footprint {
        Footprint {
            bytes: self.bytes.len(),
            ..Footprint::default()
        }
    }

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<(), Rejection> {
        // Without the mark nobody would remove it.
        if !sealing::is_marked(tx.connection, self.id, self.token).await? {
            return Ok(Err(Rejection::Sealing));
        }
        pieces::keep(tx.connection, self.token, self.number, self.bytes.clone()).await?;
        Ok(Ok(()))
    }
}

struct FinalizeUnit {
    id: PackageId,
    token: [u8; 16],
    manifest: WrittenManifest,
    finalized_at: Timestamp,
    /// As the manifest says.
    retention: Retention,
    request_body: Bytes,
    actor: String,
}

#[async_trait]
impl Unit for FinalizeUnit {
    type Output = ();
    type Refusal = Rejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<(), Rejection> {
        let is_marked = sealing::is_marked(tx.connection, self.id, self.token).await?;
        // The mark fell because its time was over: files may have come since the manifest was built.
        let is_still_sealed = tx
            .package(self.id)
            .await?
            .is_some_and(|package| package.is_sealing);
        if !is_marked || !is_still_sealed {
            return Ok(Err(Rejection::Sealing));
        }
        // Retention that moved while the manifest was built would make the manifest untrue.
        if tx.retention(self.id).await?.as_ref() != Some(&self.retention) {
            return Ok(Err(Rejection::Sealing));
        }
        let class = &self.retention.class;
        if class.anchor == Anchor::Finalized {
            let event = RetentionDefaultApplied {
                package_id: self.id,
                retention_class: class.id.clone(),
                default_duration_seconds: class.default_duration_seconds,
                expires_at: class.expiry(self.finalized_at),
                is_eligible_for_deletion: false,
            };
            let event = Event::RetentionDefaultApplied(event);
            tx.append_at(&self.actor, event, self.finalized_at);
        }
        let (actor, at) = (&self.actor, self.finalized_at);
        let event = |manifest| {
            Event::PackageFinalized(PackageFinalized {
                package_id: self.id,
                manifest,
            })
        };
        // The manifest names its instant; the event says the same.
        match &self.manifest {
            WrittenManifest::Whole(bytes) => tx.append_at(actor, event(bytes.clone()), at),
            WrittenManifest::InPieces(payload) => {
                tx.append_in_pieces(actor, event(Bytes::new()), at, *payload)
            }
        };
        // Not before: a finalize that fails aborts nothing.
        uploads::remove_of_package(tx.connection, self.id).await?;
        sealing::unmark(tx.connection, self.id, self.token).await?;
        let (body, now) = (&self.request_body, tx.now());
        packages::keep_finalize_request(tx.connection, self.id, body, now).await?;
        Ok(Ok(()))
    }
}
