//! The janitor: what crashes and deletions leave behind.
//!
//! Removes staging left by a crash, uploads that nobody completes, and blobs that no file and no
//! part refers to. A blob goes only after it was seen unreferenced twice, a grace time apart, and
//! was asked about once more when no new reference can come: so whoever has just read a file's row
//! still finds its bytes.

use std::time::Duration;

use async_trait::async_trait;

use crate::blob::blobs::Deletion;
use crate::blob::store::{Receipt, StoredObject};
use crate::db::commit::Unit;
use crate::db::tx::{UnitResult, WriteTx};
use crate::db::{blobs, uploads};
use crate::domain::digest::ContentAddress;
use crate::domain::event::{BlobReclaimed, Event};
use crate::domain::file::INLINE_BACKEND;
use crate::domain::ids::Timestamp;
use crate::domain::package::Rejection;
use crate::registry::error::{Error, Result};
use crate::registry::handle::Registry;
use crate::registry::uploads::AbortUnit;

/// How many rows or blobs are looked at in one go.
const PAGE: usize = 500;

/// The actor of what the janitor does.
pub const JANITOR: &str = "janitor";

const UNREFERENCED: &str = "unreferenced";

/// What a run of the janitor did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reclaimed {
    /// Leftovers of writers that died.
    pub staging: u64,
    /// Uploads that nobody completed in time.
    pub uploads: u64,
    /// Blobs that nothing refers to.
    pub blobs: u64,
}

impl Registry {
    /// One run of the janitor. Safe at any time, beside any work; may be stopped anywhere.
    pub async fn run_janitor(&self) -> Result<Reclaimed> {
        let settings = &self.inner.settings.janitor;
        let grace = Duration::from_secs(settings.grace_seconds);
        let mut done = Reclaimed {
            uploads: self.expire_uploads(settings.upload_expiry_seconds).await?,
            ..Reclaimed::default()
        };
        for backend_id in self.inner.blobs.backend_ids() {
            // A backend out of reach keeps what it has until a later run; the others do not wait.
            if let Err(error) = self.tend_store(&backend_id, grace, &mut done).await {
                tracing::warn!(%error, backend_id, "the janitor could not finish on a backend");
            }
        }
        done.blobs += self.reclaim_inline(grace).await?;
        Ok(done)
    }

    async fn tend_store(
        &self,
        backend_id: &str,
        grace: Duration,
        done: &mut Reclaimed,
    ) -> Result<()> {
        let blobs = &self.inner.blobs;
        done.staging += blobs.sweep_staging(backend_id, grace.as_secs()).await?;
        done.blobs += self.reclaim_stored(backend_id, grace).await?;
        Ok(())
    }

    async fn expire_uploads(&self, expiry_seconds: u64) -> Result<u64> {
        let expiry_micros = expiry_seconds.saturating_mul(1_000_000);
        let before = Timestamp(self.now().0.saturating_sub_unsigned(expiry_micros));
        let mut expired = 0;
        loop {
            let ids = uploads::opened_before(&self.inner.db.readers, before, PAGE).await?;
            let count = ids.len();
            for id in ids {
                self.pass("reclaim.upload");
                match self.commit(AbortUnit(id)).await {
                    // Somebody completed or aborted it meanwhile.
                    Ok(()) | Err(Error::Rejected(Rejection::NoSuchUpload)) => expired += 1,
                    Err(error) => return Err(error),
                }
                self.inner.chasers.forget(id);
            }
            if count < PAGE {
                self.commit(ForgetUnit { before }).await?;
                return Ok(expired);
            }
        }
    }

    async fn reclaim_stored(&self, backend_id: &str, grace: Duration) -> Result<u64> {
        let mut reclaimed = 0;
        let mut after: Option<String> = None;
        loop {
            let page = self
                .inner
                .blobs
                .list_blobs(backend_id, after.as_deref(), PAGE)
                .await?;
            for object in &page {
                if self.reclaim_object(backend_id, object, grace).await? {
                    reclaimed += 1;
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.object_key.clone()),
                _ => return Ok(reclaimed),
            }
        }
    }

    async fn reclaim_object(
        &self,
        backend_id: &str,
        object: &StoredObject,
        grace: Duration,
    ) -> Result<bool> {
        let Some(address) = object.address else {
            return Ok(false);
        };
        let readers = &self.inner.db.readers;
        if blobs::is_referenced(readers, address, backend_id).await? {
            self.inner
                .candidates
                .lock()
                .await
                .forget(backend_id, address);
            return Ok(false);
        }
        if !self
            .inner
            .candidates
            .lock()
            .await
            .is_due(backend_id, address, grace)
        {
            return Ok(false);
        }
        let receipt = Receipt {
            backend_id: backend_id.to_owned(),
            object_key: object.object_key.clone(),
        };
        let is_referenced =
            async { Ok::<_, Error>(blobs::is_referenced(readers, address, backend_id).await?) };
        self.pass("reclaim.deleting");
        let outcome = self
            .inner
            .blobs
            .delete_unreferenced(&receipt, address, is_referenced)
            .await?;
        self.inner
            .candidates
            .lock()
            .await
            .forget(backend_id, address);
        if outcome != Deletion::Deleted {
            return Ok(false);
        }
        self.pass("reclaim.deleted");
        let event = BlobReclaimed {
            backend_id: backend_id.to_owned(),
            object_key: object.object_key.clone(),
            address,
            size_bytes: object.size_bytes,
            reason: UNREFERENCED.to_owned(),
        };
        self.commit(ReclaimedUnit { event }).await?;
        self.pass("reclaim.recorded");
        Ok(true)
    }

    async fn reclaim_inline(&self, grace: Duration) -> Result<u64> {
        let mut reclaimed = 0;
        let mut after: Option<ContentAddress> = None;
        loop {
            let readers = &self.inner.db.readers;
            let page = blobs::list_unreferenced_inline(readers, after, PAGE).await?;
            let mut due = Vec::new();
            {
                let mut candidates = self.inner.candidates.lock().await;
                for &address in &page {
                    if candidates.is_due(INLINE_BACKEND, address, grace) {
                        candidates.forget(INLINE_BACKEND, address);
                        due.push(address);
                    }
                }
            }
            if !due.is_empty() {
                self.pass("reclaim.inline");
                reclaimed += self.commit(InlineUnit { due }).await?;
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(*last),
                _ => return Ok(reclaimed),
            }
        }
    }
}

/// Records that a blob is gone.
struct ReclaimedUnit {
    event: BlobReclaimed,
}

#[async_trait]
impl Unit for ReclaimedUnit {
    type Output = ();
    type Refusal = Rejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<(), Rejection> {
        tx.append(JANITOR, Event::BlobReclaimed(self.event.clone()));
        Ok(Ok(()))
    }
}

/// Forgets what completions answered long ago.
struct ForgetUnit {
    before: Timestamp,
}

#[async_trait]
impl Unit for ForgetUnit {
    type Output = ();
    type Refusal = Rejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<(), Rejection> {
        uploads::forget_completions(tx.connection, self.before).await?;
        Ok(Ok(()))
    }
}

/// Removes small content that still has no reference, in the writer's transaction, so that no
/// reference can come between the look and the removal.
struct InlineUnit {
    due: Vec<ContentAddress>,
}

#[async_trait]
impl Unit for InlineUnit {
    type Output = u64;
    type Refusal = Rejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<u64, Rejection> {
        let mut removed = 0;
        for &address in &self.due {
            let is_wanted = tx.keeps_inline(address)
                || blobs::is_referenced(&mut *tx.connection, address, INLINE_BACKEND).await?;
            if is_wanted {
                continue;
            }
            let Some(size_bytes) = blobs::remove_inline(tx.connection, address).await? else {
                continue;
            };
            let event = BlobReclaimed {
                backend_id: INLINE_BACKEND.to_owned(),
                object_key: address.to_hex(),
                address,
                size_bytes,
                reason: UNREFERENCED.to_owned(),
            };
            tx.append(JANITOR, Event::BlobReclaimed(event));
            removed += 1;
        }
        Ok(Ok(removed))
    }
}
