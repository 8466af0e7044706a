//! Makes damaged bytes good from another copy of the same bytes.
//!
//! A copy is the same content on another backend or in another object, a part that is the same
//! content, or, for a part, its range of another copy of the whole. What is written has been held
//! against the address, so a copy that is damaged too does no harm.

use std::ops::Range;
use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};

use crate::blob::blobs::{Placement, Staged};
use crate::blob::read::BlobRef;
use crate::blob::settings::INLINE_LIMIT_BYTES;
use crate::db::commit::Unit;
use crate::db::tx::{UnitResult, WriteTx};
use crate::db::{blobs as inline, files, locations};
use crate::domain::digest::ContentAddress;
use crate::domain::file::{FileRecord, INLINE_BACKEND, PARTS_OBJECT_KEY};
use crate::domain::package::Rejection;
use crate::registry::error::{Error, Result};
use crate::registry::handle::Registry;
use crate::registry::open::{FileStream, blobs_of};

/// Where the bytes of a damaged blob may be found.
enum Copy {
    /// In memory.
    Bytes(Bytes),
    /// In a range of a file.
    Range(Box<FileRecord>, Range<u64>),
    /// In another blob.
    Blob(BlobRef),
}

impl Registry {
    /// Makes damaged blobs of a file good; false when one of them could not be.
    pub(super) async fn repair(
        &self,
        file: &FileRecord,
        blobs: &[BlobRef],
        damaged: impl Iterator<Item = usize>,
    ) -> bool {
        let mut are_all_good = true;
        for number in damaged {
            let start: u64 = blobs[..number].iter().map(|blob| blob.size_bytes).sum();
            are_all_good &= self.repair_blob(file, &blobs[number], start).await;
        }
        are_all_good
    }

    async fn repair_blob(&self, file: &FileRecord, blob: &BlobRef, start: u64) -> bool {
        let copies = match self.copies_of(file, blob, start).await {
            Ok(copies) => copies,
            Err(error) => {
                tracing::warn!(%error, address = %blob.address, "no copy could be looked for");
                return false;
            }
        };
        for copy in copies {
            self.pass("repair.writing");
            match self.write_anew(blob, copy).await {
                Ok(()) => {
                    self.pass("repair.written");
                    let (address, backend_id) = (blob.address, &blob.backend_id);
                    tracing::info!(%address, backend_id, "damaged bytes were written anew");
                    return true;
                }
                Err(error) => {
                    tracing::warn!(%error, address = %blob.address, "a copy is of no use");
                }
            }
        }
        false
    }

    /// The copies of a blob that begins at `start` of a file, those nearest first.
    async fn copies_of(&self, file: &FileRecord, blob: &BlobRef, start: u64) -> Result<Vec<Copy>> {
        let readers = &self.inner.db.readers;
        let address = blob.address;
        let mut copies = Vec::new();
        copies.extend(self.inner.content.find(address).map(Copy::Bytes));
        if blob.backend_id != INLINE_BACKEND {
            let bytes = inline::find_inline(readers, address).await?;
            copies.extend(bytes.map(|bytes| Copy::Bytes(bytes.into())));
        }
        let same =
            locations::other_copies(readers, address, &blob.backend_id, &blob.object_key).await?;
        let whole = |other: FileRecord| {
            let range = 0..other.size_bytes;
            Copy::Range(Box::new(other), range)
        };
        copies.extend(same.into_iter().map(whole));
        for id in locations::files_with_part(readers, address, &blob.backend_id).await? {
            let Some(other) = files::find(readers, id).await? else {
                continue;
            };
            let part = other
                .attributes
                .parts
                .into_iter()
                .find(|part| part.address == address && part.backend_id != blob.backend_id);
            copies.extend(part.map(|part| {
                Copy::Blob(BlobRef {
                    backend_id: part.backend_id,
                    object_key: part.object_key,
                    address,
                    size_bytes: part.size_bytes,
                })
            }));
        }
        if file.is_in_parts() {
            let backend_id = &file.location.backend_id;
            let wholes =
                locations::other_copies(readers, file.address, backend_id, PARTS_OBJECT_KEY)
                    .await?;
            let range = start..start + blob.size_bytes;
            let part = |other| Copy::Range(Box::new(other), range.clone());
            copies.extend(wholes.into_iter().map(part));
        }
        Ok(copies)
    }

    async fn write_anew(&self, blob: &BlobRef, copy: Copy) -> Result<()> {
        let source: FileStream = match copy {
            Copy::Bytes(bytes) => Box::pin(stream::iter([Ok(bytes)])),
            Copy::Range(file, range) => self.open_stored(&file, range).await?,
            Copy::Blob(copy) => {
                let reader = self.inner.blobs.read(&copy, 0..copy.size_bytes).await?;
                Box::pin(reader.map(|bytes| bytes.map_err(Error::from)))
            }
        };
        if blob.backend_id == INLINE_BACKEND {
            let bytes = collect(source).await?;
            self.inner.blobs.verify_inline(blob.address, &bytes)?;
            return self.keep_inline(blob.address, bytes).await;
        }
        self.inner.blobs.rewrite(blob, source).await
    }

    /// Whether fresh bytes of a file would make its own location good.
    pub(super) fn is_damaged(&self, file: &FileRecord) -> bool {
        let blobs = blobs_of(file);
        !file.is_in_parts()
            && blobs
                .iter()
                .any(|blob| self.inner.quarantine.is_blocked(blob))
    }

    /// Writes the bytes that a client has sent again over damaged ones, which no new file refers to.
    pub(super) async fn take_back(&self, staged: Staged) -> Result<()> {
        let published = staged.publish().await?;
        let address = published.digests.address;
        match published.placement {
            Placement::Inline(bytes) => {
                self.keep_inline(address, bytes).await?;
                self.heal(INLINE_BACKEND, address);
            }
            Placement::Stored(receipt) => self.heal(&receipt.backend_id, address),
        }
        Ok(())
    }

    async fn keep_inline(&self, address: ContentAddress, bytes: Bytes) -> Result<()> {
        self.commit(KeepUnit { address, bytes }).await
    }
}

/// All bytes of a small source.
async fn collect(mut source: Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>) -> Result<Bytes> {
    let mut collected = Vec::new();
    while let Some(bytes) = source.next().await {
        collected.extend_from_slice(&bytes?);
        if collected.len() as u64 > INLINE_LIMIT_BYTES {
            let message = "the copy of small content is large".to_owned();
            return Err(Error::Corrupt(message));
        }
    }
    Ok(collected.into())
}

/// Writes small content over what is there.
struct KeepUnit {
    address: ContentAddress,
    bytes: Bytes,
}

#[async_trait]
impl Unit for KeepUnit {
    type Output = ();
    type Refusal = Rejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<(), Rejection> {
        tx.keep_inline(self.address, self.bytes.clone());
        Ok(Ok(()))
    }
}
