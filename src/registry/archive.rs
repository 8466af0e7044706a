//! Copies the bytes of packages that are about to end to the archive backend.
//!
//! Each file becomes one blob there, parts and content of the database too, so that its name is the
//! address of the whole. A copy is written down as a location of its file as soon as it is durable:
//! what a crash cuts off goes on behind the last of them. The unit that ends the package looks once
//! more whether every file has its copy.

use async_trait::async_trait;
use futures_util::{StreamExt, stream};

use crate::blob::pins::Pin;
use crate::blob::read::BlobRef;
use crate::blob::store::Receipt;
use crate::db::commit::Unit;
use crate::db::locations;
use crate::db::tx::{UnitResult, WriteTx};
use crate::domain::event::{Event, LocationAdded};
use crate::domain::file::FileRecord;
use crate::domain::ids::{LocationId, PackageId};
use crate::domain::name::ObjectKey;
use crate::domain::package::Rejection;
use crate::registry::error::{Error, Result};
use crate::registry::handle::Registry;
use crate::registry::sweep::{EndCause, may_end};

/// How many files are copied at once.
const PARALLEL: usize = 4;

/// How many files are read from the database at once: one in very many parts is large.
const PAGE: usize = 64;

/// Copies are written down after so many files,
const SAVE_FILES: usize = 32;

/// or after so many bytes.
const SAVE_BYTES: u64 = 64 << 20;

/// A durable copy that is not written down yet.
struct Copied {
    event: LocationAdded,
    /// Keeps the copy from being deleted until then.
    _pin: Pin,
}

impl Registry {
    /// Copies every file of a package that has no copy on the archive backend yet. Rejects as the end of
    /// the package would. Idempotent; of several at once one works.
    pub(super) async fn archive_package(
        &self,
        id: PackageId,
        cause: EndCause,
        backend_id: &str,
        actor: &str,
    ) -> Result<()> {
        let lock = self.inner.archiving.of(id);
        let _turn = lock.lock().await;
        // A package that may not end is not copied.
        self.write_down(id, cause, actor, Vec::new()).await?;
        self.inner.blobs.probe(backend_id).await?;
        let mut after: Option<ObjectKey> = None;
        loop {
            let readers = &self.inner.db.readers;
            let page =
                locations::page_not_on(readers, id, backend_id, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = Some(last.key.clone());
            self.archive_files(id, cause, backend_id, actor, page)
                .await?;
        }
    }

    async fn archive_files(
        &self,
        id: PackageId,
        cause: EndCause,
        backend_id: &str,
        actor: &str,
        files: Vec<FileRecord>,
    ) -> Result<()> {
        let copies = stream::iter(files).map(|file| self.archive_file(file, backend_id));
        let mut copies = std::pin::pin!(copies.buffer_unordered(PARALLEL));
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let mut failed = None;
        while let Some(copied) = copies.next().await {
            let copied = match copied {
                Ok(copied) => copied,
                // What was copied beside it counts all the same.
                Err(error) => {
                    failed.get_or_insert(error);
                    continue;
                }
            };
            bytes += copied.event.size_bytes;
            batch.push(copied);
            if batch.len() >= SAVE_FILES || bytes >= SAVE_BYTES {
                let batch = std::mem::take(&mut batch);
                self.write_down(id, cause, actor, batch).await?;
                bytes = 0;
            }
        }
        if !batch.is_empty() {
            self.write_down(id, cause, actor, batch).await?;
        }
        failed.map_or(Ok(()), Err)
    }

    /// Makes a file's bytes durable on a backend, unless they are there already.
    async fn archive_file(&self, file: FileRecord, backend_id: &str) -> Result<Copied> {
        // Held first: what is found from now on stays.
        let pin = self.inner.blobs.pin(file.address).await?;
        let object_key = match self.find_archived(&file, backend_id).await? {
            Some(object_key) => object_key,
            None => self.copy_to(&file, backend_id).await?.object_key,
        };
        let event = LocationAdded {
            package_id: file.package_id,
            file_id: file.id,
            location_id: LocationId(self.new_id()),
            backend_id: backend_id.to_owned(),
            object_key,
            address: file.address,
            size_bytes: file.size_bytes,
        };
        Ok(Copied { event, _pin: pin })
    }

    /// The object that has these bytes on a backend because of another file.
    async fn find_archived(&self, file: &FileRecord, backend_id: &str) -> Result<Option<String>> {
        let readers = &self.inner.db.readers;
        let found = locations::find_object(readers, file.address, backend_id).await?;
        let Some(object_key) = found else {
            return Ok(None);
        };
        let blob = BlobRef {
            backend_id: backend_id.to_owned(),
            object_key,
            address: file.address,
            size_bytes: file.size_bytes,
        };
        let is_there = !self.inner.quarantine.is_blocked(&blob)
            && self.inner.blobs.stored_size(&blob).await? == Some(file.size_bytes);
        Ok(is_there.then_some(blob.object_key))
    }

    async fn copy_to(&self, file: &FileRecord, backend_id: &str) -> Result<Receipt> {
        let source = self.open_file(file, 0..file.size_bytes).await?;
        let blobs = &self.inner.blobs;
        let copied = blobs.copy_in(backend_id, file.address, file.size_bytes, source);
        let (receipt, sha256) = copied.await?;
        if sha256 != file.sha256 {
            return Err(Error::Corrupt(format!(
                "the bytes of file {} have another SHA-256 than it was recorded with",
                file.id
            )));
        }
        self.heal(backend_id, file.address);
        Ok(receipt)
    }

    async fn write_down(
        &self,
        id: PackageId,
        cause: EndCause,
        actor: &str,
        copies: Vec<Copied>,
    ) -> Result<()> {
        self.commit(AddUnit {
            id,
            cause,
            actor: actor.to_owned(),
            copies,
        })
        .await
    }
}

/// Writes copies down, for as long as the package may end.
struct AddUnit {
    id: PackageId,
    cause: EndCause,
    actor: String,
    copies: Vec<Copied>,
}

#[async_trait]
impl Unit for AddUnit {
    type Output = ();
    type Refusal = Rejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<(), Rejection> {
        if let Err(rejection) = may_end(tx, self.id, self.cause).await? {
            return Ok(Err(rejection));
        }
        for copy in &self.copies {
            let (file, backend) = (copy.event.file_id, &copy.event.backend_id);
            // Damaged, and written anew: it has its location.
            if locations::is_on(&mut *tx.connection, file, backend).await? {
                continue;
            }
            tx.append(&self.actor, Event::LocationAdded(copy.event.clone()));
        }
        Ok(Ok(()))
    }
}
