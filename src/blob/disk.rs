//! The files and directories of the local store, and every step on them. All of it blocks: `local.rs`
//! takes it to the blocking pool.
//!
//! Knows names and syncs; what a blob, a writer and a reader promise stands in `local.rs`.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, ReadWriteFlags};

#[cfg(test)]
use super::faults::{Faults, Strike};
use crate::blob::mark::StoreMark;
use crate::blob::store::{BlobError, Patience, StoredObject};
use crate::domain::digest::ContentAddress;

/// Where a buffer must begin in memory, and what its length must be a multiple of, to be written past
/// the page cache. A large object's bytes are written once and must reach the disk at once: copying
/// them to the page cache first took a quarter of the time of an upload.
pub(super) const DIRECT_ALIGNMENT: usize = 4096;

/// Owner only: the bytes are as private as the database that names them.
const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;

/// One data directory.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) backend_id: String,
    root: PathBuf,
    /// What the directory must bear; see `mark.rs`.
    mark: Option<StoreMark>,
    /// Set when a sync failed. The kernel has dropped the dirty pages and a second sync would
    /// succeed without them, so nothing can be promised any more until the next start.
    is_broken: AtomicBool,
    #[cfg(test)]
    pub(super) faults: Faults,
}

/// The address in an object key, which is its 64 hex digits.
pub(super) fn address_of_key(object_key: &str) -> Option<ContentAddress> {
    format!("{}:{object_key}", ContentAddress::ALGORITHM)
        .parse()
        .ok()
}

/// What is known of a blob without reading it; `None` when it is no regular file.
pub(super) fn stored_object(address: ContentAddress, metadata: &Metadata) -> Option<StoredObject> {
    metadata.is_file().then(|| StoredObject {
        object_key: address.to_hex(),
        address: Some(address),
        size_bytes: metadata.len(),
        modified_at: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
    })
}

/// Opens a file without following a link in its place.
pub(super) fn open_to_read(path: &Path, patience: Patience) -> io::Result<File> {
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

fn create_new(path: &Path, flags: OFlags) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .custom_flags((OFlags::NOFOLLOW | flags).bits().cast_signed())
        .open(path)
}

/// Creates a file that is written past the page cache, where the file system can do that: see
/// [`DIRECT_ALIGNMENT`].
fn create_new_direct(path: &Path) -> io::Result<File> {
    match create_new(path, OFlags::DIRECT) {
        // The file may be there now: Linux looks at the flag after it has made the name.
        Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
            remove_if_there(path)?;
            create_new(path, OFlags::empty())
        }
        created => created,
    }
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
    /// The disk under a data directory, before anything is made on it.
    pub(super) fn new(backend_id: &str, data_dir: &Path, mark: Option<StoreMark>) -> Self {
        Self {
            backend_id: backend_id.to_owned(),
            root: data_dir.to_owned(),
            mark,
            is_broken: AtomicBool::new(false),
            #[cfg(test)]
            faults: Faults::default(),
        }
    }

    /// Makes the directory a store that bears the mark, unless it is another's.
    pub(super) fn found(&self) -> io::Result<()> {
        let Some(mark) = &self.mark else {
            return self.lay_out();
        };
        make_directory(&self.root)?;
        mark.may_take(&self.root)?;
        self.lay_out()?;
        mark.write(&self.root)
    }

    /// Refuses when the directory is not the store: nothing is said of what is not there, and nothing
    /// is written to a mount point without its disk.
    pub(super) fn check_mark(&self) -> io::Result<()> {
        let mark = self.mark.as_ref();
        mark.map_or(Ok(()), |mark| mark.check(&self.root))
    }

    /// Makes and syncs what is missing.
    pub(super) fn lay_out(&self) -> io::Result<()> {
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

    /// The directory that holds what belongs to an address.
    pub(super) fn fan_out(&self, folder: &str, address: ContentAddress) -> PathBuf {
        self.root.join(folder).join(hex::encode(&address.0[..1]))
    }

    /// Where the bytes of an address are.
    pub(super) fn blob_path(&self, address: ContentAddress) -> PathBuf {
        self.fan_out("blobs", address).join(address.to_hex())
    }

    /// Where the hash tree of an address is.
    pub(super) fn tree_path(&self, address: ContentAddress) -> PathBuf {
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

    /// Refuses to write after a failed sync.
    pub(super) fn refuse_when_broken(&self) -> Result<(), BlobError> {
        if self.is_broken.load(Ordering::SeqCst) {
            return Err(self.error(io::Error::other(
                "a sync to disk failed, so nothing is written until the next start",
            )));
        }
        Ok(())
    }

    /// Removes the bytes and the tree of an address, durably.
    pub(super) fn delete(&self, address: ContentAddress) -> io::Result<()> {
        #[cfg(test)]
        self.faults.strike(Strike::Unlink)?;
        self.check_mark()?;
        remove_if_there(&self.tree_path(address))?;
        remove_if_there(&self.blob_path(address))?;
        self.sync_directory(&self.fan_out("blobs", address))
    }

    /// A page of what is a blob by its name and its kind.
    pub(super) fn list(&self, after: Option<&str>, limit: usize) -> io::Result<Vec<StoredObject>> {
        let first = after.and_then(|after| after.get(..2)).unwrap_or_default();
        let mut page = Vec::new();
        self.check_mark()?;
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

    /// Removes what nobody has touched in staging for so long.
    pub(super) fn sweep_staging(&self, age: Duration) -> io::Result<u64> {
        let mut swept = 0;
        self.check_mark()?;
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
    pub(super) fn write_tree(&self, address: ContentAddress, tree: &[u8]) -> io::Result<()> {
        let mut draft = Draft::default();
        draft.write(self, tree)?;
        draft.rename(&self.tree_path(address))
    }

    /// What a failed step says of the store.
    pub(super) fn error(&self, cause: io::Error) -> BlobError {
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
    pub(super) fn read_error(&self, address: ContentAddress, cause: io::Error) -> BlobError {
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

    /// There is no such object.
    pub(super) fn missing(&self, object_key: &str) -> BlobError {
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
pub(super) struct Draft {
    open: Option<(File, PathBuf)>,
    /// Whether the file is written past the page cache.
    is_direct: bool,
}

impl Draft {
    fn file(&mut self, disk: &Disk) -> io::Result<&File> {
        if self.open.is_none() {
            #[cfg(test)]
            disk.faults.strike(Strike::Create)?;
            disk.check_mark()?;
            let mut random = [0; 16];
            getrandom::fill(&mut random)?;
            let path = disk.staging().join(hex::encode(random));
            let file = if self.is_direct {
                create_new_direct(&path)?
            } else {
                create_new(&path, OFlags::empty())?
            };
            self.open = Some((file, path));
        }
        let (file, _) = self.open.as_ref().expect("it is open now");
        Ok(file)
    }

    /// Appends bytes, making the file first. When the first bytes are aligned and their length is
    /// too, they and their like go past the page cache.
    pub(super) fn write(&mut self, disk: &Disk, mut bytes: &[u8]) -> io::Result<()> {
        if self.open.is_none() {
            self.is_direct = is_aligned(bytes);
        }
        self.file(disk)?;
        #[cfg(test)]
        disk.faults.strike(Strike::Write)?;
        while !bytes.is_empty() {
            if self.is_direct && !is_aligned(bytes) {
                self.go_through_cache(disk)?;
            }
            match rustix::io::write(self.file(disk)?, bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => bytes = &bytes[count..],
                Err(Errno::INTR) => {}
                // A device whose blocks are larger.
                Err(Errno::INVAL) if self.is_direct => self.go_through_cache(disk)?,
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    fn go_through_cache(&mut self, disk: &Disk) -> io::Result<()> {
        self.is_direct = false;
        let file = self.file(disk)?;
        let flags = rustix::fs::fcntl_getfl(file)?;
        Ok(rustix::fs::fcntl_setfl(file, flags - OFlags::DIRECT)?)
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
    pub(super) fn publish(
        mut self,
        disk: &Disk,
        address: ContentAddress,
        tree: &[u8],
    ) -> io::Result<()> {
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

fn is_aligned(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && bytes.len().is_multiple_of(DIRECT_ALIGNMENT)
        && bytes.as_ptr().align_offset(DIRECT_ALIGNMENT) == 0
}

/// Fills a buffer from a position on; less only where the file ends.
pub(super) fn read_at(
    file: &File,
    start: u64,
    into: &mut [u8],
    patience: Patience,
) -> io::Result<usize> {
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
