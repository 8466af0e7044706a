//! What the registry does with bytes: take them in, publish them, read them back checked, delete
//! what nothing refers to.

use std::path::Path;

use bytes::Bytes;
use std::ops::Range;

use super::pins::Pin;
use super::read::{BlobReader, BlobRef};
use super::settings::BlobSettings;
use super::store::{BlobError, Receipt, StoredObject};
use crate::domain::digest::{ContentAddress, Digests};
use crate::domain::hashers::HashPlan;

/// The backend id of content that is kept in the metadata database.
pub const INLINE_BACKEND: &str = "inline";

/// The backend id of the files under the data directory.
pub const LOCAL_BACKEND: &str = "local";

/// The stores of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Blobs {}

impl Blobs {
    /// Opens the local store under the data directory, making what is missing. The caller holds the
    /// lock of the directory.
    pub async fn open(_data_dir: &Path, _settings: BlobSettings) -> Result<Self, BlobError> {
        todo!()
    }

    /// Starts to take in bytes, for the default store. Small content stays in memory and becomes
    /// [`Placement::Inline`].
    pub fn begin(&self, _plan: &HashPlan, _size_hint: Option<u64>) -> Ingest {
        todo!()
    }

    /// As [`Self::begin`], but even small content goes to the store.
    pub fn begin_stored(&self, _plan: &HashPlan, _size_hint: Option<u64>) -> Ingest {
        todo!()
    }

    /// Opens a range of a blob (`0..size_bytes` for all of it) and checks its first chunk, up to
    /// 1 MiB: damage found there is an error here, before anything is answered. Every further chunk
    /// is checked before it is given.
    pub async fn read(&self, _blob: &BlobRef, _range: Range<u64>) -> Result<BlobReader, BlobError> {
        todo!()
    }

    /// Checks content that came out of the database against its address.
    pub fn verify_inline(&self, _address: ContentAddress, _bytes: &[u8]) -> Result<(), BlobError> {
        todo!()
    }

    /// Deletes a blob unless something refers to it or is about to. `is_referenced` is first polled
    /// when no new write can come to rely on the stored bytes, and its answer decides.
    pub async fn delete_unreferenced<E: From<BlobError>>(
        &self,
        _receipt: &Receipt,
        _address: ContentAddress,
        _is_referenced: impl Future<Output = Result<bool, E>>,
    ) -> Result<Deletion, E> {
        todo!()
    }

    /// Pins an address whose bytes are already stored and referred to, while another row that
    /// refers to them is on its way (a copy, a completed upload). Waits, within bounds, until a
    /// deletion of it has ended; the caller must see the reference *after* this answers.
    pub async fn pin(&self, _address: ContentAddress) -> Result<Pin, BlobError> {
        todo!()
    }

    /// The ids of all stores, the default first.
    pub fn backend_ids(&self) -> Vec<String> {
        todo!()
    }

    /// A page of what a store holds, in ascending order of the keys; see `BlobStore::list`.
    pub async fn list_blobs(
        &self,
        _backend_id: &str,
        _after: Option<&str>,
        _limit: usize,
    ) -> Result<Vec<StoredObject>, BlobError> {
        todo!()
    }

    /// Removes what writers that died have left in any store; see `BlobStore::sweep_staging`.
    pub async fn sweep_staging(&self, _age_seconds: u64) -> Result<u64, BlobError> {
        todo!()
    }

    /// Whether a store can be written and read now.
    pub async fn probe(&self, _backend_id: &str) -> Result<(), BlobError> {
        todo!()
    }
}

/// Bytes being taken in. Dropped, it leaves nothing.
#[derive(Debug)]
pub struct Ingest {}

impl Ingest {
    /// Takes the next bytes: hashes them and hands them to the store. After an error only dropping
    /// makes sense.
    pub async fn write(&mut self, _bytes: Bytes) -> Result<(), BlobError> {
        todo!()
    }

    /// How many bytes came so far.
    pub fn size_bytes(&self) -> u64 {
        todo!()
    }

    /// Ends the content. Nothing is published yet: the claims are to be compared first.
    pub fn finish(self) -> Staged {
        todo!()
    }
}

/// Bytes that are complete, but neither visible nor durable. Dropped, they leave nothing.
#[derive(Debug)]
pub struct Staged {
    /// What was computed while they passed.
    pub digests: Digests,
}

impl Staged {
    /// Makes the bytes durable under their address. Content that stays in the database is only
    /// handed back: it becomes durable with its row.
    pub async fn publish(self) -> Result<Published, BlobError> {
        todo!()
    }
}

/// Durable bytes that nothing refers to yet.
#[derive(Debug)]
pub struct Published {
    /// What was computed while they passed.
    pub digests: Digests,
    /// Where they are.
    pub placement: Placement,
    /// Hold this until the row that refers to the bytes is committed.
    pub pin: Pin,
}

/// Where bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// In the row that the caller is about to write.
    Inline(Bytes),
    /// In a store.
    Stored(Receipt),
}

/// What became of an attempt to delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// The blob is gone.
    Deleted,
    /// Something refers to it or is about to.
    Kept,
}
