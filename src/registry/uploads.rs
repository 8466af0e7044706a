//! Multipart uploads: working state until completion, which is one fact.

use std::sync::Arc;

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};

use crate::blob::blobs::Placement;
use crate::db::commit::Unit;
use crate::db::files::KeyRange;
use crate::db::tx::{Footprint, UnitResult, WriteTx};
use crate::db::uploads::{self, Completion};
use crate::domain::composite::{combine, composite, full_object};
use crate::domain::condition::WriteCondition;
use crate::domain::digest::{Checksum, ChecksumAlgorithm, Digests};
use crate::domain::event::FileIngested;
use crate::domain::file::{
    ChecksumKind, FilePart, FileRecord, INLINE_BACKEND, Location, ObjectAttributes,
    PARTS_OBJECT_KEY, StoredChecksum,
};
use crate::domain::hashers::HashPlan;
use crate::domain::ids::{FileId, LocationId, PackageId, UploadId};
use crate::domain::lock::{FileLock, LockRequest};
use crate::domain::name::ObjectKey;
use crate::domain::package::Rejection;
use crate::domain::upload::{
    MAX_PARTS, PartClaim, PartRecord, PartsError, UploadRecord, composite_etag, select_parts,
};
use crate::registry::error::{Error, Result};
use crate::registry::files::{FileWrite, Written, take_in};
use crate::registry::handle::Registry;
use crate::registry::listing::common_prefix;
use crate::registry::range_source::RangeSource;
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
    /// What shall keep the object.
    pub lock: LockRequest,
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
    /// Go on after this key, or within it after `after_upload`; after a group's last key, if this
    /// is a group.
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
    Upload(Box<UploadRecord>),
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
        command.lock.check(self.now()).map_err(Rejection::from)?;
        let upload = UploadRecord {
            id: UploadId(self.new_id()),
            package_id: command.package_id,
            key: command.key,
            media_type: command.media_type,
            attributes: command.attributes,
            checksum: command.checksum,
            lock: command.lock,
            initiated_at: self.now(),
            initiated_by: command.actor,
        };
        self.retry_while_sealing(|| OpenUnit(upload.clone()))
            .await?;
        Ok(upload)
    }

    /// An open upload of this package and key. Rejects with `NoSuchUpload`.
    pub async fn find_upload(
        &self,
        package_id: PackageId,
        key: &ObjectKey,
        upload_id: UploadId,
    ) -> Result<UploadRecord> {
        let upload = uploads::find(&self.inner.db.readers, upload_id).await?;
        Ok(upload
            .filter(|upload| upload.package_id == package_id && upload.key == *key)
            .ok_or(Rejection::NoSuchUpload)?)
    }

    /// Streams a part into the store; replaces an earlier part of the same number. Durable when it
    /// returns. `number` is 1 to [`MAX_PARTS`], checked by the caller.
    pub async fn upload_part(
        &self,
        upload: &UploadRecord,
        number: u32,
        source: &mut dyn ByteSource,
    ) -> Result<PartRecord> {
        self.check_open(upload.package_id).await?;
        let wanted = upload.checksum.map(|(algorithm, _)| algorithm);
        let mut algorithms = source.algorithms();
        if let Some(wanted) = wanted.filter(|wanted| !algorithms.contains(wanted)) {
            algorithms.push(wanted);
        }
        let mut plan = HashPlan::part(algorithms);
        plan.sha256 = source.claims().payload_sha256.is_some();
        let backend = self.backend_of_package(upload.package_id).await?;
        let ingest = self.inner.blobs.begin_stored(&plan, source.size_hint());
        let ingest = ingest.on(&backend)?;
        let staged = take_in(ingest, source).await?;
        self.pass("part.staged");
        let published = staged.publish().await?;
        self.pass("part.published");
        let Placement::Stored(receipt) = published.placement else {
            return Err(Error::Internal("a part was not stored".into()));
        };
        self.heal(&receipt.backend_id, published.digests.address);
        let Digests {
            size_bytes,
            address,
            md5,
            checksums,
            ..
        } = published.digests;
        let part = PartRecord {
            number,
            size_bytes,
            md5: md5.ok_or_else(|| Error::Internal("MD5 was not computed".into()))?,
            address,
            backend_id: receipt.backend_id,
            object_key: receipt.object_key,
            checksum: pick_checksum(checksums, wanted),
            created_at: self.now(),
        };
        let part = self.record_part(upload, part, published.pin).await?;
        self.pass("part.recorded");
        Ok(part)
    }

    /// Makes a part of a range of an existing file.
    pub async fn copy_part(
        &self,
        upload: &UploadRecord,
        number: u32,
        source: &FileRecord,
        range: std::ops::Range<u64>,
    ) -> Result<PartRecord> {
        if let Some(part) = self.part_by_reference(upload, number, source, &range) {
            let pin = self.inner.blobs.pin(part.address).await?;
            return self.record_part(upload, part, pin).await;
        }
        let size_bytes = range.end - range.start;
        let stream = self.open_file(source, range).await?;
        let mut source = RangeSource::new(stream, size_bytes);
        self.upload_part(upload, number, &mut source).await
    }

    /// A part that is a whole stored blob already: no byte needs to move.
    fn part_by_reference(
        &self,
        upload: &UploadRecord,
        number: u32,
        source: &FileRecord,
        range: &std::ops::Range<u64>,
    ) -> Option<PartRecord> {
        let is_whole = *range == (0..source.size_bytes);
        let is_one_blob = !source.is_in_parts() && source.location.backend_id != INLINE_BACKEND;
        if !is_whole || !is_one_blob || upload.checksum.is_some() {
            return None;
        }
        let mut md5 = [0; 16];
        hex::decode_to_slice(&source.etag, &mut md5).ok()?;
        Some(PartRecord {
            number,
            size_bytes: source.size_bytes,
            md5,
            address: source.address,
            backend_id: source.location.backend_id.clone(),
            object_key: source.location.object_key.clone(),
            checksum: None,
            created_at: self.now(),
        })
    }

    async fn record_part(
        &self,
        upload: &UploadRecord,
        part: PartRecord,
        pin: crate::blob::pins::Pin,
    ) -> Result<PartRecord> {
        let unit = PartUnit {
            upload: upload.clone(),
            part: part.clone(),
            _pin: pin,
        };
        self.commit(unit).await?;
        self.inner
            .chasers
            .landed(&self.inner.blobs, upload.id, part.clone());
        Ok(part)
    }

    /// Parts of an upload after a number, ascending; at most `limit`, and whether more follow.
    pub async fn list_parts(
        &self,
        upload: &UploadRecord,
        after: u32,
        limit: usize,
    ) -> Result<(Vec<PartRecord>, bool)> {
        let mut parts =
            uploads::list_parts(&self.inner.db.readers, upload.id, after, limit + 1).await?;
        let more = parts.len() > limit;
        parts.truncate(limit);
        Ok((parts, more))
    }

    /// A page of open uploads.
    pub async fn list_uploads(
        &self,
        package_id: PackageId,
        query: &ListUploads,
    ) -> Result<UploadPage> {
        let mut range = KeyRange::of_prefix(query.prefix.as_bytes());
        let mut after_upload = None;
        if let Some(after) = &query.after_key {
            let is_group = after.starts_with(&query.prefix)
                && common_prefix(after, &query.prefix, &query.delimiter) == Some(after.as_str());
            range = if is_group {
                range.above_prefix(after.as_bytes())
            } else {
                range.above(after.as_bytes())
            };
            after_upload = query
                .after_upload
                .and_then(|id| ObjectKey::parse(after).ok().map(|key| (key, id)));
        }
        let mut page = UploadPage::default();
        if query.limit == 0 {
            return Ok(page);
        }
        loop {
            let wanted = query.limit + 1 - page.entries.len();
            let after = after_upload.take();
            let after = after.as_ref().map(|(key, id)| (key, *id));
            let readers = &self.inner.db.readers;
            let found = uploads::list(readers, package_id, &range, after, wanted).await?;
            let is_last = found.len() < wanted;
            let mut group = None;
            for upload in found {
                match common_prefix(upload.key.as_str(), &query.prefix, &query.delimiter) {
                    Some(prefix) if group.as_deref() == Some(prefix) => {}
                    Some(prefix) => {
                        group = Some(prefix.to_owned());
                        page.entries.push(UploadEntry::Prefix(prefix.to_owned()));
                        range = range.above_prefix(prefix.as_bytes());
                    }
                    None => {
                        range = range.above(upload.key.as_bytes());
                        after_upload = Some((upload.key.clone(), upload.id));
                        page.entries.push(UploadEntry::Upload(Box::new(upload)));
                    }
                }
            }
            if is_last || page.entries.len() > query.limit {
                page.is_truncated = page.entries.len() > query.limit;
                page.entries.truncate(query.limit);
                return Ok(page);
            }
        }
    }

    /// Makes the parts one file. Idempotent: a repeat with the same list answers the same file.
    pub async fn complete_upload(&self, command: CompleteUpload) -> Result<Arc<FileRecord>> {
        let (package_id, upload_id) = (command.package_id, command.upload_id);
        let parts_digest = digest_of_claims(&command.parts);
        let upload = match self.find_upload(package_id, &command.key, upload_id).await {
            Err(Error::Rejected(Rejection::NoSuchUpload)) => {
                return self.find_completed(&command, parts_digest).await;
            }
            upload => upload?,
        };
        let work = self
            .prepare_completion(&command, upload, parts_digest)
            .await?;
        let work = Arc::new(work);
        self.pass("complete.hashed");
        let outcome = self
            .retry_while_sealing(|| CompleteUnit(work.clone()))
            .await;
        match outcome {
            Ok(Written::Recorded(file)) => {
                self.pass("complete.recorded");
                self.inner.chasers.forget(upload_id);
                Ok(file)
            }
            Ok(Written::AlreadyThere(id)) => Ok(self
                .find_file_by_id(id)
                .await?
                .ok_or(Rejection::NoSuchFile)?),
            Err(Error::Rejected(Rejection::NoSuchUpload)) => {
                self.find_completed(&command, parts_digest).await
            }
            Err(error) => Err(error),
        }
    }

    /// Checks what a completion names and computes what its event says; decides nothing.
    async fn prepare_completion(
        &self,
        command: &CompleteUpload,
        upload: UploadRecord,
        parts_digest: [u8; 32],
    ) -> Result<CompleteWork> {
        self.check_writable(command.package_id, &command.key, &command.condition)
            .await?;
        let (package_id, readers) = (command.package_id, &self.inner.db.readers);
        let landed = uploads::list_parts(readers, upload.id, 0, MAX_PARTS as usize).await?;
        let parts = select_parts(&command.parts, &landed)?;
        let actual = parts.iter().map(|part| part.size_bytes).sum();
        if let Some(claimed) = command.size_bytes.filter(|claimed| *claimed != actual) {
            return Err(PartsError::Size { claimed, actual }.into());
        }
        let checksum = whole_checksum(upload.checksum, command.checksum.as_ref(), &parts)?;
        let digests = self
            .inner
            .chasers
            .finish(&self.inner.blobs, upload.id, &parts)
            .await?;
        let mut attributes = upload.attributes.clone();
        attributes.checksum = checksum;
        attributes.parts = parts
            .iter()
            .map(|part| file_part(part, upload.checksum))
            .collect();
        let event = FileIngested {
            package_id,
            file_id: FileId(self.new_id()),
            key: command.key.clone(),
            media_type: upload.media_type.clone(),
            size_bytes: digests.size_bytes,
            address: digests.address,
            sha256: digests.sha256,
            etag: composite_etag(&parts),
            attributes,
            location: Location {
                id: LocationId(self.new_id()),
                backend_id: parts[0].backend_id.clone(),
                object_key: PARTS_OBJECT_KEY.to_owned(),
            },
            copied_from: None,
            is_versioned: false,
            lock: FileLock::default(),
        };
        let write = FileWrite {
            event,
            inline: None,
            must_be_referenced: false,
            condition: command.condition.clone(),
            lock: upload.lock,
            actor: command.actor.clone(),
            _pins: Vec::new(),
        };
        Ok(CompleteWork {
            upload,
            parts,
            write,
            parts_digest,
        })
    }

    /// What an earlier completion with the same list answered.
    async fn find_completed(
        &self,
        command: &CompleteUpload,
        parts_digest: [u8; 32],
    ) -> Result<Arc<FileRecord>> {
        let completion =
            uploads::find_completion(&self.inner.db.readers, command.upload_id).await?;
        let same = completion.filter(|completion| {
            completion.package_id == command.package_id
                && completion.key == command.key
                && completion.parts_digest == parts_digest
        });
        let Some(same) = same else {
            return Err(Rejection::NoSuchUpload.into());
        };
        Ok(self
            .find_file_by_id(same.file_id)
            .await?
            .ok_or(Rejection::NoSuchUpload)?)
    }

    /// Drops an upload and its parts. Rejects with `NoSuchUpload`.
    pub async fn abort_upload(
        &self,
        package_id: PackageId,
        key: &ObjectKey,
        upload_id: UploadId,
    ) -> Result<()> {
        self.find_upload(package_id, key, upload_id).await?;
        self.commit(AbortUnit(upload_id)).await?;
        self.inner.chasers.forget(upload_id);
        Ok(())
    }

    /// The early no for what needs an open package; a part may still land while it closes.
    async fn check_open(&self, package_id: PackageId) -> Result<()> {
        let package = self
            .find_stable_package(package_id)
            .await?
            .ok_or(Rejection::NoSuchPackage)?;
        match package.manifest_address {
            Some(manifest) => Err(Rejection::Finalized { manifest }.into()),
            None => Ok(()),
        }
    }
}

/// The checksum a part keeps: the upload's algorithm before any other.
fn pick_checksum(checksums: Vec<Checksum>, wanted: Option<ChecksumAlgorithm>) -> Option<Checksum> {
    let at = checksums
        .iter()
        .position(|checksum| Some(checksum.algorithm) == wanted)
        .unwrap_or(0);
    checksums.into_iter().nth(at)
}

fn file_part(part: &PartRecord, upload: Option<(ChecksumAlgorithm, ChecksumKind)>) -> FilePart {
    let checksum = part
        .checksum
        .as_ref()
        .filter(|checksum| upload.is_some_and(|(algorithm, _)| algorithm == checksum.algorithm));
    FilePart {
        number: part.number,
        size_bytes: part.size_bytes,
        address: part.address,
        backend_id: part.backend_id.clone(),
        object_key: part.object_key.clone(),
        checksum: checksum.map(|checksum| full_object(checksum).value),
    }
}

/// The checksum of the whole object, from those of its parts, and as the client claims it.
fn whole_checksum(
    upload: Option<(ChecksumAlgorithm, ChecksumKind)>,
    claimed: Option<&StoredChecksum>,
    parts: &[PartRecord],
) -> Result<Option<StoredChecksum>> {
    let (algorithm, kind) = match (upload, claimed) {
        (Some(upload), _) => upload,
        // The upload named no algorithm, but every part may carry the claimed one all the same.
        (None, Some(claimed)) => (claimed.algorithm, claimed.kind),
        (None, None) => return Ok(None),
    };
    let digest = |part: &PartRecord| {
        part.checksum
            .as_ref()
            .filter(|checksum| checksum.algorithm == algorithm)
            .map(|checksum| checksum.digest.clone())
            .ok_or(PartsError::Checksum)
    };
    let digests = parts
        .iter()
        .map(digest)
        .collect::<std::result::Result<Vec<_>, _>>()?;
    let actual = match kind {
        ChecksumKind::Composite => composite(algorithm, digests.iter().map(Vec::as_slice)),
        ChecksumKind::FullObject => {
            let sized = digests
                .iter()
                .zip(parts)
                .map(|(d, part)| (d.as_slice(), part.size_bytes));
            full_object(&combine(algorithm, sized).ok_or(PartsError::Checksum)?)
        }
    };
    match claimed {
        Some(claimed) if *claimed != actual => Err(PartsError::Checksum.into()),
        _ => Ok(Some(actual)),
    }
}

/// What makes two completions the same: part numbers and ETags, in order.
fn digest_of_claims(parts: &[PartClaim]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.number.to_le_bytes());
        hasher.update((part.etag.len() as u64).to_le_bytes());
        hasher.update(part.etag.as_bytes());
    }
    hasher.finalize().into()
}

struct OpenUnit(UploadRecord);

#[async_trait]
impl Unit for OpenUnit {
    type Output = ();
    type Refusal = Rejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<(), Rejection> {
        let Some(package) = tx.package(self.0.package_id).await? else {
            return Ok(Err(Rejection::NoSuchPackage));
        };
        if let Err(rejection) = package.check_open() {
            return Ok(Err(rejection));
        }
        let lock = self.0.lock.decide(package.object_lock.as_ref(), tx.now());
        if let Err(refused) = lock {
            return Ok(Err(refused.into()));
        }
        uploads::insert(tx.connection, &self.0).await?;
        Ok(Ok(()))
    }
}

struct PartUnit {
    upload: UploadRecord,
    part: PartRecord,
    /// Keeps the part's blob from being deleted until its row is there.
    _pin: crate::blob::pins::Pin,
}

#[async_trait]
impl Unit for PartUnit {
    type Output = ();
    type Refusal = Rejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<(), Rejection> {
        if !uploads::is_open(tx.connection, self.upload.id).await? {
            return Ok(Err(Rejection::NoSuchUpload));
        }
        uploads::put_part(tx.connection, self.upload.id, &self.part).await?;
        Ok(Ok(()))
    }
}

struct CompleteWork {
    upload: UploadRecord,
    parts: Vec<PartRecord>,
    write: FileWrite,
    parts_digest: [u8; 32],
}

struct CompleteUnit(Arc<CompleteWork>);

#[async_trait]
impl Unit for CompleteUnit {
    type Output = Written;
    type Refusal = Rejection;

    fn footprint(&self) -> Footprint {
        let upload = &self.0.upload;
        Footprint {
            packages: vec![upload.package_id],
            keys: vec![(upload.package_id, upload.key.clone())],
            ..Footprint::default()
        }
    }

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<Written, Rejection> {
        let CompleteWork {
            upload,
            parts,
            write,
            parts_digest,
        } = &*self.0;
        if !uploads::is_open(tx.connection, upload.id).await? {
            return Ok(Err(Rejection::NoSuchUpload));
        }
        // A part replaced since the list was read must not lose its bytes to the janitor.
        let all = MAX_PARTS as usize;
        let now = uploads::list_parts(&mut *tx.connection, upload.id, 0, all).await?;
        if !parts.iter().all(|part| is_among(part, &now)) {
            return Ok(Err(Rejection::PartsChanged));
        }
        let written = match write.run(tx).await? {
            Ok(written) => written,
            Err(rejection) => return Ok(Err(rejection)),
        };
        uploads::remove(tx.connection, upload.id).await?;
        let file_id = match &written {
            Written::Recorded(file) => file.id,
            Written::AlreadyThere(id) => *id,
        };
        let completion = Completion {
            upload_id: upload.id,
            package_id: upload.package_id,
            key: upload.key.clone(),
            file_id,
            parts_digest: *parts_digest,
        };
        let now = tx.now();
        uploads::keep_completion(tx.connection, &completion, now).await?;
        Ok(Ok(written))
    }
}

/// Whether a part stands unchanged in a list that ascends by number.
fn is_among(part: &PartRecord, parts: &[PartRecord]) -> bool {
    parts
        .binary_search_by_key(&part.number, |p| p.number)
        .is_ok_and(|at| parts[at] == *part)
}

/// Drops an upload.
pub(super) struct AbortUnit(pub UploadId);

#[async_trait]
impl Unit for AbortUnit {
    type Output = ();
    type Refusal = Rejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<(), Rejection> {
        if !uploads::is_open(tx.connection, self.0).await? {
            return Ok(Err(Rejection::NoSuchUpload));
        }
        uploads::remove(tx.connection, self.0).await?;
        Ok(Ok(()))
    }
}
