//! Hash the parts of an upload in order while they land.
//!
//! The SHA-256 of a whole object cannot be merged from its parts: it takes one pass in order. That
//! pass follows behind the parts as they arrive, in any order, so that little is left to do when
//! the upload is completed. What is lost with a restart is hashed again at completion.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};

use futures_util::StreamExt;
use tokio::sync::Mutex;

use crate::blob::blobs::Blobs;
use crate::blob::read::BlobRef;
use crate::domain::digest::ContentAddress;
use crate::domain::hashers::{WholeDigests, WholeHasher};
use crate::domain::ids::UploadId;
use crate::domain::upload::PartRecord;
use crate::registry::error::Result;

/// The most uploads that are followed; of the others, all is hashed at completion.
const MAX_CHASES: usize = 1024;

/// The uploads that are followed.
#[derive(Default)]
pub struct Chasers {
    chases: SyncMutex<HashMap<UploadId, Arc<Chase>>>,
}

/// One upload as it is followed.
#[derive(Default)]
struct Chase {
    landed: SyncMutex<HashMap<u32, PartRecord>>,
    progress: Mutex<Progress>,
}

/// How far the hash has come.
#[derive(Default)]
struct Progress {
    hasher: WholeHasher,
    /// The parts in the hash, in order.
    hashed: Vec<(u32, ContentAddress)>,
}

impl Chasers {
    /// Takes note of a part and, if it is the next in order, hashes it and those behind it.
    pub fn landed(&self, blobs: &Blobs, upload: UploadId, part: PartRecord) {
        let chase = {
            let mut chases = self.chases.lock().unwrap_or_else(PoisonError::into_inner);
            if chases.len() >= MAX_CHASES && !chases.contains_key(&upload) {
                return;
            }
            chases.entry(upload).or_default().clone()
        };
        chase
            .landed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(part.number, part);
        let blobs = blobs.clone();
        tokio::spawn(async move {
            // Whoever follows this upload already will find the part.
            let Ok(mut progress) = chase.progress.try_lock() else {
                return;
            };
            while let Some(part) = chase.next(&progress) {
                if let Err(error) = progress.hash(&blobs, &part).await {
                    tracing::warn!(%error, part = part.number, "a part could not be followed");
                    *progress = Progress::default();
                    return;
                }
            }
        });
    }

    /// The digests of parts in order. Hashes what has not been hashed yet.
    pub async fn finish(
        &self,
        blobs: &Blobs,
        upload: UploadId,
        parts: &[PartRecord],
    ) -> Result<WholeDigests> {
        let chase = {
            let chases = self.chases.lock().unwrap_or_else(PoisonError::into_inner);
            chases.get(&upload).cloned().unwrap_or_default()
        };
        let mut progress = chase.progress.lock().await;
        if !progress.is_prefix_of(parts) {
            *progress = Progress::default();
        }
        for part in &parts[progress.hashed.len()..] {
            if let Err(error) = progress.hash(blobs, part).await {
                *progress = Progress::default();
                return Err(error);
            }
        }
        Ok(progress.hasher.digests())
    }

    /// Forgets an upload that is completed or aborted.
    pub fn forget(&self, upload: UploadId) {
        self.chases
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&upload);
    }
}

impl Chase {
    /// The part behind those in the hash, if it has landed. Part numbers are dense with the clients
    /// there are; a gap is left to the completion.
    fn next(&self, progress: &Progress) -> Option<PartRecord> {
        let number = progress.hashed.last().map_or(1, |(number, _)| number + 1);
        self.landed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&number)
            .cloned()
    }
}

impl Progress {
    fn is_prefix_of(&self, parts: &[PartRecord]) -> bool {
        self.hashed.len() <= parts.len()
            && self
                .hashed
                .iter()
                .zip(parts)
                .all(|(hashed, part)| *hashed == (part.number, part.address))
    }

    async fn hash(&mut self, blobs: &Blobs, part: &PartRecord) -> Result<()> {
        let blob = BlobRef {
            backend_id: part.backend_id.clone(),
            object_key: part.object_key.clone(),
            address: part.address,
            size_bytes: part.size_bytes,
        };
        let mut reader = blobs.read(&blob, 0..part.size_bytes).await?;
        while let Some(bytes) = reader.next().await {
            self.hasher.update(&bytes?);
        }
        self.hashed.push((part.number, part.address));
        Ok(())
    }
}
