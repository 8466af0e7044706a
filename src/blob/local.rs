//! Durable files under the data directory.
//!
//! ```text
//! blobs/<aa>/<64 hex>   exactly the bytes: `b3sum` of the file is its name
//! trees/<aa>/<64 hex>   the hash tree of a blob of more than one group; may be deleted at any time
//! staging/<random>      what is being written
//! ```
//!
//! Names come from digests and the random source only, never from a client; symbolic links are not
//! followed. The order of the steps is that of the durability recipe: write, sync the file, rename,
//! sync the directory. A rename replaces what has the name, even when it looks the same: an existing
//! file proves nothing, it may be damaged or not yet synced.
//!
//! Blocking work goes to the blocking pool in steps of [`STEP_BYTES`].

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rustix::io::Errno;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::blob::disk::{
    DIRECT_ALIGNMENT, Disk, Draft, address_of_key, open_to_read, read_at, stored_object,
};
#[cfg(test)]
use crate::blob::faults::{Faults, Strike};
use crate::blob::mark::StoreMark;
use crate::blob::store::{
    BlobError, BlobStore, BlobWriter, Patience, RawBlob, Receipt, StoredObject,
};
use crate::domain::digest::ContentAddress;

/// How much goes to the blocking pool at once. A writer holds two such buffers: one being filled,
/// one being written.
pub const STEP_BYTES: usize = 256 * 1024;

/// The files under one data directory. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LocalStore {
    disk: Arc<Disk>,
}

impl LocalStore {
    /// Opens a store that bears a mark. Where it is new, the directory is made, unless it is another's;
    /// otherwise what is missing is made only where the mark is. After an error the store is out of
    /// reach until the mark is there.
    pub async fn open_marked(
        root: &Path,
        mark: StoreMark,
        is_new: bool,
    ) -> (Self, Result<(), BlobError>) {
        let backend_id = mark.backend_id.clone();
        let disk = Arc::new(Disk::new(&backend_id, root, Some(mark)));
        let opened = on_disk(&disk, move |disk| {
            let opened = if is_new {
                disk.found()
            } else {
                disk.check_mark().and_then(|()| disk.lay_out())
            };
            opened.map_err(|error| disk.error(error))
        })
        .await;
        (Self { disk }, opened)
    }

    /// Opens a store without a mark under a directory, making and syncing what is missing.
    pub async fn open(backend_id: &str, data_dir: &Path) -> Result<Self, BlobError> {
        let disk = Arc::new(Disk::new(backend_id, data_dir, None));
        on_disk(&disk, |disk| {
            disk.lay_out().map_err(|error| disk.error(error))
        })
        .await?;
        Ok(Self { disk })
    }

    #[cfg(test)]
    pub(super) fn faults(&self) -> &Faults {
        &self.disk.faults
    }
}

#[async_trait]
impl BlobStore for LocalStore {
    fn backend_id(&self) -> &str {
        &self.disk.backend_id
    }

    async fn begin(&self, size_hint: Option<u64>) -> Result<Box<dyn BlobWriter>, BlobError> {
        self.disk.refuse_when_broken()?;
        Ok(Box::new(LocalWriter {
            disk: Arc::clone(&self.disk),
            filling: Filling::new(size_hint),
            state: State::Idle(Draft::default()),
        }))
    }

    fn open(&self, object_key: &str, patience: Patience) -> Result<Box<dyn RawBlob>, BlobError> {
        let missing = || self.disk.missing(object_key);
        let address = address_of_key(object_key).ok_or_else(missing)?;
        let file = open_to_read(&self.disk.blob_path(address), patience).map_err(|error| {
            if error.kind() != ErrorKind::NotFound {
                return self.disk.read_error(address, error);
            }
            // It may be on a disk that is not mounted, or not wholly there.
            match self.disk.check_mark() {
                Ok(()) if self.disk.fan_out("blobs", address).is_dir() => missing(),
                Ok(()) => self.disk.error(error),
                Err(unmarked) => self.disk.error(unmarked),
            }
        })?;
        Ok(Box::new(LocalBlob {
            disk: Arc::clone(&self.disk),
            address,
            patience,
            file,
            tree: None,
        }))
    }

    async fn stat(&self, object_key: &str) -> Result<Option<StoredObject>, BlobError> {
        let Some(address) = address_of_key(object_key) else {
            return Ok(None);
        };
        on_disk(&self.disk, move |disk| {
            match disk.blob_path(address).symlink_metadata() {
                Ok(metadata) => Ok(stored_object(address, &metadata)),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    let marked = disk.check_mark().map_err(|error| disk.error(error));
                    marked.map(|()| None)
                }
                Err(error) => Err(disk.error(error)),
            }
        })
        .await
    }

    async fn delete(&self, object_key: &str) -> Result<(), BlobError> {
        let Some(address) = address_of_key(object_key) else {
            return Ok(());
        };
        self.disk.refuse_when_broken()?;
        on_disk(&self.disk, move |disk| {
            disk.delete(address).map_err(|error| disk.error(error))
        })
        .await
    }

    async fn list(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<StoredObject>, BlobError> {
        let after = after.map(str::to_owned);
        on_disk(&self.disk, move |disk| {
            disk.list(after.as_deref(), limit)
                .map_err(|error| disk.error(error))
        })
        .await
    }

    async fn sweep_staging(&self, age_seconds: u64) -> Result<u64, BlobError> {
        on_disk(&self.disk, move |disk| {
            disk.sweep_staging(Duration::from_secs(age_seconds))
                .map_err(|error| disk.error(error))
        })
        .await
    }

    async fn probe(&self) -> Result<(), BlobError> {
        self.disk.refuse_when_broken()?;
        on_disk(&self.disk, |disk| {
            let mut draft = Draft::default();
            draft
                .write(disk, b"probe")
                .map_err(|error| disk.error(error))
        })
        .await
    }
}

/// Runs blocking work on the pool.
async fn on_disk<T: Send + 'static>(
    disk: &Arc<Disk>,
    work: impl FnOnce(&Disk) -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    let at_work = Arc::clone(disk);
    let outcome = spawn_blocking(move || work(&at_work)).await;
    outcome.unwrap_or_else(|failure| Err(disk.error(io::Error::other(failure))))
}

/// The bytes of a step; aligned, when it is a whole one, for writes past the page cache.
struct Filling {
    buffer: Vec<u8>,
    /// Where the bytes begin in the buffer.
    start: usize,
}

impl Filling {
    /// Room for a whole step, or for less when no more is expected.
    fn new(expected: Option<u64>) -> Self {
        if let Some(expected) = expected.filter(|expected| *expected < STEP_BYTES as u64) {
            let buffer = Vec::with_capacity(expected as usize);
            return Self { buffer, start: 0 };
        }
        let mut buffer = Vec::<u8>::with_capacity(STEP_BYTES + DIRECT_ALIGNMENT);
        let start = buffer.as_ptr().align_offset(DIRECT_ALIGNMENT);
        buffer.resize(start, 0);
        Self { buffer, start }
    }

    fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Takes what there is room for from the front.
    fn take_from(&mut self, bytes: &mut Bytes) {
        let room = STEP_BYTES - self.bytes().len();
        let head = bytes.split_to(room.min(bytes.len()));
        self.buffer.extend_from_slice(&head);
    }
}

/// A blob being written.
struct LocalWriter {
    disk: Arc<Disk>,
    filling: Filling,
    state: State,
}

enum State {
    Idle(Draft),
    Writing(JoinHandle<io::Result<Draft>>),
    /// A step failed, or its future was dropped midway: there is nothing left to publish.
    Failed,
}

impl LocalWriter {
    /// Waits for the step under way and gives the draft.
    async fn settle(&mut self) -> Result<Draft, BlobError> {
        let outcome = match &mut self.state {
            State::Writing(step) => step.await.unwrap_or_else(|f| Err(io::Error::other(f))),
            State::Idle(draft) => Ok(std::mem::take(draft)),
            State::Failed => Err(io::Error::other("an earlier write failed")),
        };
        self.state = State::Failed;
        outcome.map_err(|error| self.disk.error(error))
    }

    async fn flush(&mut self) -> Result<(), BlobError> {
        let mut draft = self.settle().await?;
        let full = std::mem::replace(&mut self.filling, Filling::new(None));
        let disk = Arc::clone(&self.disk);
        self.state = State::Writing(spawn_blocking(move || {
            draft.write(&disk, full.bytes())?;
            Ok(draft)
        }));
        Ok(())
    }
}

#[async_trait]
impl BlobWriter for LocalWriter {
    async fn write(&mut self, mut bytes: Bytes) -> Result<(), BlobError> {
        // Copied, not collected: a client that sends single bytes must not pin a network buffer
        // with each of them.
        while !bytes.is_empty() {
            self.filling.take_from(&mut bytes);
            if self.filling.bytes().len() == STEP_BYTES {
                self.flush().await?;
            }
        }
        Ok(())
    }

    async fn publish(
        mut self: Box<Self>,
        address: ContentAddress,
        tree: Vec<u8>,
    ) -> Result<Receipt, BlobError> {
        let mut draft = self.settle().await?;
        self.disk.refuse_when_broken()?;
        let rest = std::mem::replace(&mut self.filling, Filling::new(Some(0)));
        on_disk(&self.disk, move |disk| {
            let published = match draft.write(disk, rest.bytes()) {
                Ok(()) => draft.publish(disk, address, &tree),
                Err(error) => Err(error),
            };
            published.map_err(|error| disk.error(error))
        })
        .await?;
        Ok(Receipt {
            backend_id: self.disk.backend_id.clone(),
            object_key: address.to_hex(),
        })
    }
}

/// A blob open for reading.
struct LocalBlob {
    disk: Arc<Disk>,
    address: ContentAddress,
    patience: Patience,
    file: File,
    /// Opened when it is first asked for.
    tree: Option<File>,
}

impl RawBlob for LocalBlob {
    fn size_bytes(&mut self) -> Result<u64, BlobError> {
        let metadata = self.file.metadata();
        match metadata {
            Ok(metadata) if metadata.is_file() => Ok(metadata.len()),
            Ok(_) => Err(BlobError::Corrupt {
                backend_id: self.disk.backend_id.clone(),
                address: self.address,
                detail: "it is no regular file".to_owned(),
            }),
            Err(error) => Err(self.disk.read_error(self.address, error)),
        }
    }

    fn read(&mut self, start: u64, into: &mut [u8]) -> Result<usize, BlobError> {
        #[cfg(test)]
        let struck = self.disk.faults.strike(Strike::Read);
        #[cfg(not(test))]
        let struck = Ok(());
        struck
            .and_then(|()| read_at(&self.file, start, into, self.patience))
            .map_err(|error| self.disk.read_error(self.address, error))
    }

    fn read_tree(&mut self, start: u64, into: &mut [u8]) -> Result<usize, BlobError> {
        let read = match &self.tree {
            Some(file) => read_at(file, start, into, self.patience),
            None => open_to_read(&self.disk.tree_path(self.address), self.patience)
                .and_then(|file| read_at(self.tree.insert(file), start, into, self.patience)),
        };
        read.or_else(|error| self.excuse_tree(error))
    }

    fn replace_tree(&mut self, tree: &[u8]) -> Result<(), BlobError> {
        self.tree = None;
        let written = self.disk.write_tree(self.address, tree);
        written.map_err(|error| self.disk.error(error))
    }
}

impl LocalBlob {
    /// A tree that cannot be read counts as missing, but for want of patience or of descriptors: then
    /// the blob could not be hashed anew either.
    fn excuse_tree(&self, error: io::Error) -> Result<usize, BlobError> {
        let is_passing = [Errno::AGAIN, Errno::MFILE, Errno::NFILE, Errno::NOMEM]
            .iter()
            .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()));
        if is_passing || error.kind() == ErrorKind::WouldBlock {
            return Err(self.disk.error(error));
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::super::conformance::{assert_staging_is_empty, content};
    use super::*;
    use crate::domain::hash_tree::TreeBuilder;

    async fn store() -> (tempfile::TempDir, LocalStore) {
        let data_dir = tempfile::tempdir().unwrap();
        let store = LocalStore::open("local", data_dir.path()).await.unwrap();
        (data_dir, store)
    }

    async fn put(store: &LocalStore, bytes: &[u8]) -> Result<ContentAddress, BlobError> {
        let mut builder = TreeBuilder::new();
        builder.update(bytes);
        let (address, tree) = builder.finish();
        let mut writer = store.begin(None).await?;
        writer.write(Bytes::copy_from_slice(bytes)).await?;
        writer.publish(address, tree).await?;
        Ok(address)
    }

    #[tokio::test]
    async fn a_blob_is_a_private_file_of_exactly_its_bytes() {
        let (data_dir, store) = store().await;
        let bytes = content(1, 300_000);
        let address = put(&store, &bytes).await.unwrap();
        let hex = address.to_hex();
        let path = data_dir.path().join("blobs").join(&hex[..2]).join(&hex);
        assert!(fs::read(&path).unwrap() == bytes);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_staging_is_empty(data_dir.path()).await;
        // Opening again changes nothing.
        let again = LocalStore::open("local", data_dir.path()).await.unwrap();
        assert_eq!(again.list(None, 9).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_name_is_given_to_synced_bytes_only_and_is_synced_itself() {
        let (_data_dir, store) = store().await;
        let bytes = content(3, 2 * STEP_BYTES);
        // The second time the name exists, which proves nothing and saves nothing.
        for _ in 0..2 {
            store.faults().passed();
            put(&store, &bytes).await.unwrap();
            let mut steps = store.faults().passed();
            steps.dedup();
            let tree = [Strike::Create, Strike::Write];
            let before = [Strike::Create, Strike::Write, Strike::SyncFile];
            let after = [Strike::Rename, Strike::SyncDirectory];
            assert_eq!(steps, [&before[..], &tree, &after].concat());
        }
    }

    #[tokio::test]
    async fn a_full_disk_leaves_nothing_and_the_store_usable() {
        let (data_dir, store) = store().await;
        let bytes = content(2, 3 * STEP_BYTES + 5);
        let kinds = [Strike::Create, Strike::Write, Strike::Rename];
        for kind in kinds {
            for skip in 0.. {
                store.faults().plan(kind, skip, Errno::NOSPC);
                let outcome = put(&store, &bytes).await;
                let has_struck = !store.faults().clear();
                assert_staging_is_empty(data_dir.path()).await;
                let stored = store.list(None, 9).await.unwrap();
                match outcome {
                    // A tree that finds no room is no loss.
                    Ok(address) => {
                        assert_eq!(stored.len(), 1);
                        store.delete(&address.to_hex()).await.unwrap();
                    }
                    Err(error) => {
                        assert!(matches!(error, BlobError::Full { .. }), "{error}");
                        assert_eq!(stored, []);
                    }
                }
                if !has_struck {
                    assert!(skip > 0, "the step was reached");
                    break;
                }
            }
        }
    }

    #[tokio::test]
    async fn a_failed_sync_is_final_until_the_next_start() {
        for kind in [Strike::SyncFile, Strike::SyncDirectory] {
            let (data_dir, store) = store().await;
            let kept = put(&store, b"kept").await.unwrap();
            let mut under_way = store.begin(None).await.unwrap();
            under_way.write(Bytes::from_static(b"more")).await.unwrap();
            store.faults().plan(kind, 0, Errno::IO);
            let refused = put(&store, b"lost").await;
            assert!(matches!(refused, Err(BlobError::Unavailable { .. })));
            // Nothing is written any more, not even what was under way; reads go on.
            let address = ContentAddress(*blake3::hash(b"more").as_bytes());
            assert!(under_way.publish(address, Vec::new()).await.is_err());
            assert!(store.begin(None).await.is_err());
            assert!(store.probe().await.is_err());
            assert!(store.delete(&kept.to_hex()).await.is_err());
            assert!(store.open(&kept.to_hex(), Patience::Wait).is_ok());
            assert_staging_is_empty(data_dir.path()).await;
            let restarted = LocalStore::open("local", data_dir.path()).await.unwrap();
            put(&restarted, b"lost").await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_medium_that_gives_no_bytes_is_damage() {
        let (_data_dir, store) = store().await;
        let key = put(&store, b"bytes").await.unwrap().to_hex();
        let read = |errno| {
            let mut blob = store.open(&key, Patience::Wait).unwrap();
            store.faults().plan(Strike::Read, 0, errno);
            blob.read(0, &mut [0; 5]).unwrap_err()
        };
        assert!(matches!(read(Errno::IO), BlobError::Corrupt { .. }));
        assert!(matches!(read(Errno::NOMEM), BlobError::Unavailable { .. }));
    }

    #[tokio::test]
    async fn staging_is_swept_by_age_and_nothing_else_is_touched() {
        let (data_dir, store) = store().await;
        let address = put(&store, b"kept").await.unwrap();
        let staging = data_dir.path().join("staging");
        let outside = data_dir.path().join("outside");
        fs::write(&outside, b"kept").unwrap();
        fs::write(staging.join("left"), b"left").unwrap();
        fs::create_dir(staging.join("folder")).unwrap();
        std::os::unix::fs::symlink(&outside, staging.join("link")).unwrap();
        assert_eq!(store.sweep_staging(3600).await.unwrap(), 0);
        assert_eq!(store.sweep_staging(0).await.unwrap(), 2);
        assert!(outside.exists() && staging.join("folder").exists());
        assert!(store.stat(&address.to_hex()).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn what_is_no_blob_is_not_listed() {
        let (data_dir, store) = store().await;
        let hex = put(&store, b"blob").await.unwrap().to_hex();
        let folder = data_dir.path().join("blobs").join(&hex[..2]);
        let like = |end: &str| folder.join(format!("{}{end}", &hex[..62]));
        fs::write(folder.join("notes.txt"), b"").unwrap();
        fs::create_dir(like("00")).unwrap();
        std::os::unix::fs::symlink(folder.join(&hex), like("01")).unwrap();
        // In the wrong folder it would not be found by its name.
        let elsewhere = data_dir.path().join("blobs").join("00").join(&hex);
        fs::copy(folder.join(&hex), elsewhere).unwrap();
        let listed = store.list(None, 9).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].object_key, hex);
        assert_eq!(
            store.stat(&format!("{}01", &hex[..62])).await.unwrap(),
            None
        );
    }

    #[tokio::test]
    async fn a_directory_that_cannot_be_made_is_one_clear_error() {
        let data_dir = tempfile::tempdir().unwrap();
        fs::write(data_dir.path().join("blobs"), b"in the way").unwrap();
        let refused = LocalStore::open("local", data_dir.path())
            .await
            .unwrap_err();
        assert!(
            matches!(refused, BlobError::Unavailable { .. }),
            "{refused}"
        );
    }
}
