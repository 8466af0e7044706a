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

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, ReadWriteFlags};
use tokio::task::{JoinHandle, spawn_blocking};

#[cfg(test)]
use super::faults::{Faults, Strike};
use super::store::{BlobError, BlobStore, BlobWriter, Patience, RawBlob, Receipt, StoredObject};
use crate::domain::digest::ContentAddress;

/// How much goes to the blocking pool at once. A writer holds two such buffers: one being filled,
/// one being written.
pub const STEP_BYTES: usize = 256 * 1024;

/// Owner only: the bytes are as private as the database that names them.
const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;

/// The files under one data directory. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LocalStore {
    disk: Arc<Disk>,
}

#[derive(Debug)]
struct Disk {
    backend_id: String,
    root: PathBuf,
    /// Set when a sync failed. The kernel has dropped the dirty pages and a second sync would
    /// succeed without them, so nothing can be promised any more until the next start.
    is_broken: AtomicBool,
    #[cfg(test)]
    faults: Faults,
}

impl LocalStore {
    /// Opens the store under a data directory, making and syncing what is missing.
    pub async fn open(backend_id: &str, data_dir: &Path) -> Result<Self, BlobError> {
        let disk = Arc::new(Disk {
            backend_id: backend_id.to_owned(),
            root: data_dir.to_owned(),
            is_broken: AtomicBool::new(false),
            #[cfg(test)]
            faults: Faults::default(),
        });
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

    async fn begin(&self, _size_hint: Option<u64>) -> Result<Box<dyn BlobWriter>, BlobError> {
        self.disk.refuse_when_broken()?;
        Ok(Box::new(LocalWriter {
            disk: Arc::clone(&self.disk),
            filling: Vec::new(),
            state: State::Idle(Draft::default()),
        }))
    }

    fn open(&self, object_key: &str, patience: Patience) -> Result<Box<dyn RawBlob>, BlobError> {
        let missing = || self.disk.missing(object_key);
        let address = address_of_key(object_key).ok_or_else(missing)?;
        let file = open_to_read(&self.disk.blob_path(address), patience).map_err(|error| {
            if error.kind() == ErrorKind::NotFound {
                missing()
            } else {
                self.disk.read_error(address, error)
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
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
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

/// The address in an object key, which is its 64 hex digits.
fn address_of_key(object_key: &str) -> Option<ContentAddress> {
    format!("{}:{object_key}", ContentAddress::ALGORITHM)
        .parse()
        .ok()
}

fn stored_object(address: ContentAddress, metadata: &Metadata) -> Option<StoredObject> {
    metadata.is_file().then(|| StoredObject {
        object_key: address.to_hex(),
        address: Some(address),
        size_bytes: metadata.len(),
        modified_at: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
    })
}

fn open_to_read(path: &Path, patience: Patience) -> io::Result<File> {
    // Without NONBLOCK a named pipe in a blob's place would hang the reader for ever.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match patience {
        Patience::Wait => Ok(rustix::fs::open(path, flags, Mode::empty())?.into()),
        Patience::AtHand => {
            // The kernel resolves the path from its caches or not at all. Where it does not know
            // how (before Linux 5.12, or in a sandbox), nothing is ever at hand.
            let resolve = ResolveFlags::CACHED;
            match rustix::fs::openat2(CWD, path, flags, Mode::empty(), resolve) {
                Ok(file) => Ok(file.into()),
                Err(Errno::NOSYS | Errno::INVAL | Errno::PERM) => Err(ErrorKind::WouldBlock.into()),
                Err(errno) => Err(errno.into()),
            }
        }
    }
}

fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
}

/// Makes a directory; says whether it was missing.
fn make_directory(path: &Path) -> io::Result<bool> {
    let made = fs::DirBuilder::new().mode(DIRECTORY_MODE).create(path);
    match made {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn fan_out_names() -> impl Iterator<Item = String> {
    (0..=u8::MAX).map(|byte| hex::encode([byte]))
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

impl Disk {
    fn lay_out(&self) -> io::Result<()> {
        let (blobs, trees) = (self.root.join("blobs"), self.root.join("trees"));
        for folder in [&trees, &self.staging()] {
            make_directory(folder)?;
        }
        for name in fan_out_names() {
            make_directory(&trees.join(name))?;
        }
        if !blobs.is_dir() {
            self.make_blobs(&blobs)?;
        }
        for name in fan_out_names() {
            let folder = blobs.join(name);
            if make_directory(&folder)? {
                sync(&folder)?;
            }
        }
        sync(&blobs)?;
        sync(&self.root)
    }

    /// Makes the fan-out under another name first, so that where `blobs` is, all of it is and is
    /// durable: later starts need not sync 256 directories.
    fn make_blobs(&self, blobs: &Path) -> io::Result<()> {
        let draft = self.root.join("blobs.new");
        make_directory(&draft)?;
        let folders: Vec<_> = fan_out_names().map(|name| draft.join(name)).collect();
        for folder in &folders {
            make_directory(folder)?;
        }
        // Each sync waits for the disk's cache, but those that wait together wait once.
        std::thread::scope(|scope| {
            let syncs = folders
                .chunks(8)
                .map(|some| scope.spawn(move || some.iter().try_for_each(|folder| sync(folder))));
            let syncs: Vec<_> = syncs.collect();
            syncs.into_iter().try_for_each(|thread| {
                let panicked = |_| Err(io::Error::other("a sync panicked"));
                thread.join().unwrap_or_else(panicked)
            })
        })?;
        sync(&draft)?;
        fs::rename(&draft, blobs)
    }

    fn staging(&self) -> PathBuf {
        self.root.join("staging")
    }

    fn fan_out(&self, folder: &str, address: ContentAddress) -> PathBuf {
        self.root.join(folder).join(hex::encode(&address.0[..1]))
    }

    fn blob_path(&self, address: ContentAddress) -> PathBuf {
        self.fan_out("blobs", address).join(address.to_hex())
    }

    fn tree_path(&self, address: ContentAddress) -> PathBuf {
        self.fan_out("trees", address).join(address.to_hex())
    }

    /// Makes entries of a directory durable. The error is final: see [`Self::is_broken`].
    fn sync_directory(&self, folder: &Path) -> io::Result<()> {
        #[cfg(test)]
        self.faults
            .strike(Strike::SyncDirectory)
            .inspect_err(|_| self.stop_writing())?;
        sync(folder).inspect_err(|_| self.stop_writing())
    }

    fn sync_file(&self, file: &File) -> io::Result<()> {
        #[cfg(test)]
        self.faults
            .strike(Strike::SyncFile)
            .inspect_err(|_| self.stop_writing())?;
        file.sync_all().inspect_err(|_| self.stop_writing())
    }

    fn stop_writing(&self) {
        self.is_broken.store(true, Ordering::SeqCst);
        tracing::error!(backend_id = self.backend_id, "sync failed, no more writes");
    }

    fn refuse_when_broken(&self) -> Result<(), BlobError> {
        if self.is_broken.load(Ordering::SeqCst) {
            return Err(self.error(io::Error::other(
                "a sync to disk failed, so nothing is written until the next start",
            )));
        }
        Ok(())
    }

    fn delete(&self, address: ContentAddress) -> io::Result<()> {
        #[cfg(test)]
        self.faults.strike(Strike::Unlink)?;
        remove_if_there(&self.tree_path(address))?;
        remove_if_there(&self.blob_path(address))?;
        self.sync_directory(&self.fan_out("blobs", address))
    }

    fn list(&self, after: Option<&str>, limit: usize) -> io::Result<Vec<StoredObject>> {
        let first = after.and_then(|after| after.get(..2)).unwrap_or_default();
        let mut page = Vec::new();
        for fan in fan_out_names().filter(|fan| fan.as_str() >= first) {
            let folder = self.root.join("blobs").join(&fan);
            let mut addresses = Vec::new();
            for entry in folder.read_dir()? {
                let name = entry?.file_name();
                let Some(name) = name.to_str().filter(|name| Some(*name) > after) else {
                    continue;
                };
                addresses.extend(address_of_key(name).filter(|_| name.starts_with(&fan)));
            }
            addresses.sort_unstable();
            for address in addresses {
                if page.len() == limit {
                    return Ok(page);
                }
                // What is gone meanwhile, or no file, is not listed.
                let metadata = folder.join(address.to_hex()).symlink_metadata();
                page.extend(
                    metadata
                        .ok()
                        .and_then(|found| stored_object(address, &found)),
                );
            }
        }
        Ok(page)
    }

    fn sweep_staging(&self, age: Duration) -> io::Result<u64> {
        let mut swept = 0;
        let now = SystemTime::now();
        for entry in self.staging().read_dir()? {
            let path = entry?.path();
            let Ok(metadata) = path.symlink_metadata() else {
                continue;
            };
            // A time in the future counts as new: clocks jump.
            let touched = metadata.modified().unwrap_or(now);
            let is_old = now.duration_since(touched).unwrap_or_default() >= age;
            if is_old && !metadata.is_dir() && remove_if_there(&path)? {
                swept += 1;
            }
        }
        Ok(swept)
    }

    /// Writes a hash tree. Not synced: what a power cut leaves of it is checked by every reader.
    fn write_tree(&self, address: ContentAddress, tree: &[u8]) -> io::Result<()> {
        let mut draft = Draft::default();
        draft.write(self, tree)?;
        draft.rename(&self.tree_path(address))
    }

    fn error(&self, cause: io::Error) -> BlobError {
        let backend_id = self.backend_id.clone();
        match cause.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                BlobError::Full { backend_id }
            }
            _ => BlobError::Unavailable { backend_id, cause },
        }
    }

    /// What a failed read says of the blob: that the medium gives no bytes, or that something else
    /// stands in its place, is damage and not a passing trouble.
    fn read_error(&self, address: ContentAddress, cause: io::Error) -> BlobError {
        let is_damage = [Errno::IO, Errno::ISDIR, Errno::LOOP, Errno::NXIO]
            .iter()
            .any(|errno| cause.raw_os_error() == Some(errno.raw_os_error()));
        if !is_damage {
            return self.error(cause);
        }
        BlobError::Corrupt {
            backend_id: self.backend_id.clone(),
            address,
            detail: cause.to_string(),
        }
    }

    fn missing(&self, object_key: &str) -> BlobError {
        BlobError::Missing {
            backend_id: self.backend_id.clone(),
            object_key: object_key.to_owned(),
        }
    }
}

fn remove_if_there(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// A file in staging, made by the first write and removed when it is dropped before its rename.
#[derive(Debug, Default)]
struct Draft {
    open: Option<(File, PathBuf)>,
}

impl Draft {
    fn file(&mut self, disk: &Disk) -> io::Result<&mut File> {
        if self.open.is_none() {
            #[cfg(test)]
            disk.faults.strike(Strike::Create)?;
            let mut random = [0; 16];
            getrandom::fill(&mut random)?;
            let path = disk.staging().join(hex::encode(random));
            self.open = Some((create_new(&path)?, path));
        }
        let (file, _) = self.open.as_mut().expect("it is open now");
        Ok(file)
    }

    fn write(&mut self, disk: &Disk, bytes: &[u8]) -> io::Result<()> {
        let file = self.file(disk)?;
        #[cfg(test)]
        disk.faults.strike(Strike::Write)?;
        file.write_all(bytes)
    }

    /// Gives the file its name, in place of whatever has it.
    fn rename(mut self, target: &Path) -> io::Result<()> {
        if let Some((_, path)) = &self.open {
            fs::rename(path, target)?;
            self.open = None;
        }
        Ok(())
    }

    /// Steps 5 to 7 of the recipe: sync the file, rename, sync the directory.
    fn publish(mut self, disk: &Disk, address: ContentAddress, tree: &[u8]) -> io::Result<()> {
        let file = self.file(disk)?;
        disk.sync_file(file)?;
        if !tree.is_empty()
            && let Err(error) = disk.write_tree(address, tree)
        {
            tracing::warn!(%address, %error, "hash tree not written");
        }
        #[cfg(test)]
        disk.faults.strike(Strike::Rename)?;
        self.rename(&disk.blob_path(address))?;
        disk.sync_directory(&disk.fan_out("blobs", address))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let Some((file, path)) = self.open.take() else {
            return;
        };
        let remove = move || {
            // An error leaves it to the sweeper.
            let _ = fs::remove_file(&path);
            drop(file);
        };
        // Giving up gigabytes takes the file system a while: not on an async thread.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

/// A blob being written.
struct LocalWriter {
    disk: Arc<Disk>,
    filling: Vec<u8>,
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
        let full = std::mem::replace(&mut self.filling, Vec::with_capacity(STEP_BYTES));
        let disk = Arc::clone(&self.disk);
        self.state = State::Writing(spawn_blocking(move || {
            draft.write(&disk, &full)?;
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
            let room = STEP_BYTES - self.filling.len();
            let head = bytes.split_to(room.min(bytes.len()));
            self.filling.extend_from_slice(&head);
            if self.filling.len() == STEP_BYTES {
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
        let rest = std::mem::take(&mut self.filling);
        on_disk(&self.disk, move |disk| {
            let published = match draft.write(disk, &rest) {
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

fn read_at(file: &File, start: u64, into: &mut [u8], patience: Patience) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        let offset = start + filled as u64;
        let rest = &mut into[filled..];
        let read = match patience {
            Patience::Wait => rustix::io::pread(file, rest, offset),
            Patience::AtHand => {
                let mut rest = [io::IoSliceMut::new(rest)];
                rustix::io::preadv2(file, &mut rest, offset, ReadWriteFlags::NOWAIT)
            }
        };
        match read {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            // File systems that cannot tell whether they would wait.
            Err(Errno::OPNOTSUPP) => return Err(ErrorKind::WouldBlock.into()),
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
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
