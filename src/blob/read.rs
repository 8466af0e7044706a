//! Checked reads: every byte is held against the content address before it is given.
//!
//! One way for whole objects and ranges. A blob of one group is read and hashed whole; of a larger
//! one only the groups that the range touches, against the hash tree beside it. The tree is a cache:
//! when it is missing or wrong, the blob is hashed once and the tree written anew.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, Stream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::blob::buffers::{BUFFER_BYTES, Buffers};
use crate::blob::store::{BlobError, BlobStore, Patience, RawBlob};
use crate::domain::digest::ContentAddress;
use crate::domain::hash_tree::{Damage, PAIR_BYTES, TreeBuilder, Walk, tree_bytes};

/// How much is read and checked at once: large enough that the trip to the blocking pool (some
/// 20 µs) disappears beside the hashing (45 µs), small enough to stay in a core's cache between the
/// two.
const CHUNK_BYTES: u64 = BUFFER_BYTES as u64;

/// Ranges up to this length are checked whole before their first byte is given, so that damage is a
/// clean error and not a broken connection.
const WHOLE_BYTES: u64 = 1 << 20;

/// Ranges up to this length are read on the caller's thread when they are in memory anyway: the trip
/// to the blocking pool would cost as much as the rest.
const AT_HAND_BYTES: u64 = 128 * 1024;

/// How much of the hash tree is read at once: the nodes under 64 groups lie together.
const WINDOW_BYTES: u64 = 4096;

/// What all readers of a process share.
#[derive(Debug)]
pub struct Reading {
    buffers: Buffers,
    /// How many lost hash trees may be computed anew at a time: each costs a core.
    rebuilds: Semaphore,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            buffers: Buffers::default(),
            rebuilds: Semaphore::new(1),
        }
    }
}

/// A stored blob, as a row describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobRef {
    /// The store that has it.
    pub backend_id: String,
    /// Its key there.
    pub object_key: String,
    /// The identity of its bytes.
    pub address: ContentAddress,
    /// How many there are.
    pub size_bytes: u64,
}

/// The checked bytes of a range, in chunks of at most 256 KiB, the next of which is read while the
/// last is on its way. Ends after the first error; what was given before it is good.
pub struct BlobReader {
    ready: VecDeque<Bytes>,
    ahead: Option<BoxFuture<'static, Step>>,
    shared: Arc<Shared>,
}

/// What the chunks of one reader share.
struct Shared {
    store: Arc<dyn BlobStore>,
    blob: BlobRef,
    reading: Arc<Reading>,
}

/// Chunks, and where to go on.
type Step = Result<(Session, VecDeque<Bytes>), BlobError>;

impl BlobReader {
    /// Opens a range and checks all of it, or its first chunk if it is long.
    pub async fn open(
        store: Arc<dyn BlobStore>,
        reading: Arc<Reading>,
        blob: BlobRef,
        range: Range<u64>,
    ) -> Result<Self, BlobError> {
        assert!(
            range.start <= range.end && range.end <= blob.size_bytes,
            "the range lies in the blob"
        );
        let shared = Arc::new(Shared {
            store,
            blob,
            reading,
        });
        let mut reader = Self {
            ready: VecDeque::new(),
            ahead: None,
            shared: Arc::clone(&shared),
        };
        if range.is_empty() && shared.blob.size_bytes > 0 {
            return Ok(reader);
        }
        if range.end - range.start <= AT_HAND_BYTES {
            match Session::begin(&shared, range.clone(), Patience::AtHand, None) {
                Ok((_, ready)) => {
                    reader.ready = ready;
                    return Ok(reader);
                }
                Err(ReadError::Store(error)) if !error.is_would_wait() => return Err(error),
                Err(_) => {}
            }
        }
        let step = spawn_blocking({
            let (shared, range) = (Arc::clone(&shared), range.clone());
            move || Session::begin(&shared, range, Patience::Wait, None)
        });
        let (session, ready) = settle(shared, step, range).await?;
        reader.ready = ready;
        reader.read_ahead(session);
        Ok(reader)
    }

    fn read_ahead(&mut self, session: Session) {
        let range = session.range.clone();
        if range.is_empty() {
            return;
        }
        // Started here and not at the first poll: the disk works while the socket does.
        let step = spawn_blocking({
            let shared = Arc::clone(&self.shared);
            move || session.go_on(&shared)
        });
        self.ahead = Some(settle(Arc::clone(&self.shared), step, range).boxed());
    }
}

impl Stream for BlobReader {
    type Item = Result<Bytes, BlobError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ready.is_empty()
            && let Some(ahead) = &mut self.ahead
        {
            let Poll::Ready(step) = ahead.poll_unpin(context) else {
                return Poll::Pending;
            };
            self.ahead = None;
            match step {
                Ok((session, ready)) => {
                    self.ready = ready;
                    self.read_ahead(session);
                }
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        Poll::Ready(self.ready.pop_front().map(Ok))
    }
}

impl fmt::Debug for BlobReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobReader")
            .field("blob", &self.shared.blob)
            .finish_non_exhaustive()
    }
}

/// Waits for chunks; when the hash tree is of no use, computes it anew and reads again.
async fn settle(
    shared: Arc<Shared>,
    step: JoinHandle<Result<(Session, VecDeque<Bytes>), ReadError>>,
    range: Range<u64>,
) -> Step {
    match joined(&shared, step).await {
        Ok(step) => return Ok(step),
        Err(ReadError::Store(error)) => return Err(error),
        Err(ReadError::Tree) => {}
    }
    let _permit = shared.reading.rebuilds.acquire().await;
    let again = spawn_blocking({
        let shared = Arc::clone(&shared);
        move || {
            // Another reader may have repaired it while this one waited.
            match Session::begin(&shared, range.clone(), Patience::Wait, None) {
                Err(ReadError::Tree) => {}
                settled => return settled,
            }
            let tree = rebuild_tree(&shared)?;
            Session::begin(&shared, range, Patience::Wait, Some(tree))
        }
    });
    joined(&shared, again).await.map_err(|error| match error {
        ReadError::Store(error) => error,
        ReadError::Tree => shared.damaged("the computed hash tree does not fit"),
    })
}

async fn joined<T>(
    shared: &Shared,
    task: JoinHandle<Result<T, ReadError>>,
) -> Result<T, ReadError> {
    task.await.unwrap_or_else(|failure| {
        Err(ReadError::Store(BlobError::Unavailable {
            backend_id: shared.blob.backend_id.clone(),
            cause: io::Error::other(failure),
        }))
    })
}

enum ReadError {
    Store(BlobError),
    /// The hash tree is missing or wrong; nothing is known of the bytes.
    Tree,
}

impl From<BlobError> for ReadError {
    fn from(error: BlobError) -> Self {
        Self::Store(error)
    }
}

impl Shared {
    fn damaged(&self, detail: impl Into<String>) -> BlobError {
        BlobError::Corrupt {
            backend_id: self.blob.backend_id.clone(),
            address: self.blob.address,
            detail: detail.into(),
        }
    }

    /// Opens the object and looks at its length.
    fn open(&self, patience: Patience) -> Result<Box<dyn RawBlob>, BlobError> {
        let mut raw = self.store.open(&self.blob.object_key, patience)?;
        let stored = raw.size_bytes()?;
        if stored != self.blob.size_bytes {
            let expected = self.blob.size_bytes;
            return Err(self.damaged(format!("it has {stored} bytes and should have {expected}")));
        }
        Ok(raw)
    }
}

/// An open blob and how far the reading has come.
struct Session {
    raw: Box<dyn RawBlob>,
    walk: Walk,
    /// What is still to be given.
    range: Range<u64>,
    tree: TreeWindow,
}

impl Session {
    /// Opens the blob and reads the range, or its first chunk if it is long.
    fn begin(
        shared: &Shared,
        range: Range<u64>,
        patience: Patience,
        tree: Option<Vec<u8>>,
    ) -> Result<(Self, VecDeque<Bytes>), ReadError> {
        let size_bytes = shared.blob.size_bytes;
        let mut session = Self {
            raw: shared.open(patience)?,
            walk: Walk::new(shared.blob.address, size_bytes, &range),
            range: range.clone(),
            tree: TreeWindow {
                start: 0,
                bytes: tree.unwrap_or_default(),
                tree_bytes: tree_bytes(size_bytes),
            },
        };
        let mut ready = VecDeque::from([session.next_chunk(shared)?]);
        while range.end - range.start <= WHOLE_BYTES && !session.range.is_empty() {
            ready.push_back(session.next_chunk(shared)?);
        }
        ready.retain(|chunk| !chunk.is_empty());
        Ok((session, ready))
    }

    /// Reads one chunk more.
    fn go_on(mut self, shared: &Shared) -> Result<(Self, VecDeque<Bytes>), ReadError> {
        let chunk = self.next_chunk(shared)?;
        Ok((self, VecDeque::from([chunk])))
    }

    fn next_chunk(&mut self, shared: &Shared) -> Result<Bytes, ReadError> {
        let groups = self.walk.remaining();
        let end = (groups.start + 1)
            .next_multiple_of(CHUNK_BYTES)
            .min(groups.end);
        let length = (end - groups.start) as usize;
        let mut buffer = shared.reading.buffers.take(length);
        let bytes = &mut buffer.bytes_mut()[..length];
        if self.raw.read(groups.start, bytes)? != length {
            return Err(shared.damaged("it ends early").into());
        }
        let (tree, raw) = (&mut self.tree, self.raw.as_mut());
        let checked = self.walk.check(bytes, |number| tree.pair(number, raw));
        checked.map_err(|error| match error {
            CheckError::Damage(Damage::Tree) => ReadError::Tree,
            CheckError::Damage(damage @ Damage::Bytes) => shared.damaged(damage.to_string()).into(),
            CheckError::Store(error) => ReadError::Store(error),
        })?;
        let from = self.range.start - groups.start;
        let to = self.range.end.min(end) - groups.start;
        self.range.start += to - from;
        Ok(buffer.freeze().slice(from as usize..to as usize))
    }
}

enum CheckError {
    Damage(Damage),
    Store(BlobError),
}

impl From<Damage> for CheckError {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

/// The part of the stored hash tree that was read last.
struct TreeWindow {
    start: u64,
    bytes: Vec<u8>,
    tree_bytes: u64,
}

impl TreeWindow {
    fn pair(&mut self, number: u64, raw: &mut dyn RawBlob) -> Result<[u8; 64], CheckError> {
        let offset = number * PAIR_BYTES;
        if offset < self.start || offset + PAIR_BYTES > self.start + self.bytes.len() as u64 {
            self.start = offset / WINDOW_BYTES * WINDOW_BYTES;
            let end = (self.start + WINDOW_BYTES).min(self.tree_bytes);
            self.bytes.resize((end - self.start) as usize, 0);
            let read = raw.read_tree(self.start, &mut self.bytes);
            self.bytes.truncate(read.map_err(CheckError::Store)?);
        }
        let from = (offset - self.start) as usize;
        let pair = self.bytes.get(from..from + PAIR_BYTES as usize);
        let pair = pair.and_then(|pair| pair.try_into().ok());
        pair.ok_or(CheckError::Damage(Damage::Tree))
    }
}

/// Hashes the whole blob and, if it is good, writes its tree anew and gives it.
fn rebuild_tree(shared: &Shared) -> Result<Vec<u8>, BlobError> {
    let mut raw = shared.open(Patience::Wait)?;
    let mut builder = TreeBuilder::new();
    let mut buffer = shared.reading.buffers.take(BUFFER_BYTES);
    while builder.size_bytes() < shared.blob.size_bytes {
        match raw.read(builder.size_bytes(), buffer.bytes_mut())? {
            0 => return Err(shared.damaged("it ends early")),
            count => builder.update(&buffer.as_ref()[..count]),
        }
    }
    let (address, tree) = builder.finish();
    if address != shared.blob.address {
        return Err(shared.damaged(format!("they are those of {address}")));
    }
    tracing::info!(%address, "hash tree computed anew");
    if let Err(error) = raw.replace_tree(&tree) {
        // This read has the tree in memory; the next one tries again.
        tracing::warn!(%address, %error, "hash tree not written");
    }
    Ok(tree)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::FileExt;
    use std::path::PathBuf;

    use super::super::blobs::{Blobs, Published};
    use super::super::conformance::{content, ingest, read};
    use super::super::settings::BlobSettings;
    use super::*;
    use crate::domain::hash_tree::GROUP_BYTES;

    /// One group, a whole that is checked before its first byte, and a stream.
    const SIZES: [usize; 4] = [20_000, 70_000, 1 << 20, (3 << 20) + 12_345];

    struct House {
        data_dir: tempfile::TempDir,
        blobs: Blobs,
    }

    impl House {
        async fn new() -> Self {
            let data_dir = tempfile::tempdir().unwrap();
            let blobs = Blobs::open(data_dir.path(), &BlobSettings::default())
                .await
                .unwrap();
            Self { data_dir, blobs }
        }

        fn path(&self, folder: &str, published: &Published) -> PathBuf {
            let hex = published.digests.address.to_hex();
            self.data_dir.path().join(folder).join(&hex[..2]).join(hex)
        }

        async fn read(
            &self,
            published: &Published,
            range: Range<u64>,
        ) -> Result<Vec<u8>, BlobError> {
            read(&self.blobs, published, range).await
        }
    }

    fn flip(path: &PathBuf, at: u64) {
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 1], at).unwrap();
    }

    fn truncate(path: &PathBuf, size: u64) {
        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(size).unwrap();
    }

    /// Does some damage to a fresh blob of each size, checks what reads say of it, and that the same
    /// bytes written again make it good.
    async fn damaged(harm: impl Fn(&PathBuf, u64), is_expected: impl Fn(&BlobError) -> bool) {
        let house = House::new().await;
        for size in SIZES {
            let bytes = content(1, size);
            let end = size as u64;
            let published = ingest(&house.blobs, &bytes).await.unwrap();
            harm(&house.path("blobs", &published), end);
            let middle = end / 2;
            for range in [0..end, middle..middle + 1, end / 4..end] {
                match house.read(&published, range.clone()).await {
                    Ok(_) => panic!("{range:?} of a damaged blob of {size} bytes was given"),
                    Err(error) => assert!(is_expected(&error), "{error}"),
                }
            }
            let again = ingest(&house.blobs, &bytes).await.unwrap();
            assert!(house.read(&again, 0..end).await.unwrap() == bytes);
            let part = house.read(&published, middle..end).await.unwrap();
            assert!(part == bytes[middle as usize..]);
        }
    }

    fn is_corrupt(error: &BlobError) -> bool {
        matches!(error, BlobError::Corrupt { .. })
    }

    #[tokio::test]
    async fn a_flipped_bit_is_never_given() {
        damaged(|path, size| flip(path, size / 2), is_corrupt).await;
    }

    #[tokio::test]
    async fn a_truncated_blob_is_never_given() {
        damaged(|path, size| truncate(path, size - 1), is_corrupt).await;
        damaged(|path, _| truncate(path, 0), is_corrupt).await;
    }

    #[tokio::test]
    async fn a_lengthened_blob_is_never_given() {
        damaged(|path, size| truncate(path, size + 1), is_corrupt).await;
    }

    #[tokio::test]
    async fn a_deleted_blob_is_missing() {
        let is_missing = |error: &BlobError| matches!(error, BlobError::Missing { .. });
        damaged(|path, _| fs::remove_file(path).unwrap(), is_missing).await;
    }

    #[tokio::test]
    async fn other_bytes_of_the_same_length_are_never_given() {
        let swap = |path: &PathBuf, size: u64| fs::write(path, content(2, size as usize)).unwrap();
        damaged(swap, is_corrupt).await;
    }

    #[tokio::test]
    async fn a_link_in_place_of_a_blob_is_not_followed() {
        let link = |path: &PathBuf, _| {
            let aside = path.with_extension("good");
            fs::rename(path, &aside).unwrap();
            std::os::unix::fs::symlink(&aside, path).unwrap();
        };
        damaged(link, is_corrupt).await;
    }

    #[tokio::test]
    async fn damage_beyond_a_range_does_not_spoil_it() {
        let house = House::new().await;
        let bytes = content(1, 3 << 20);
        let published = ingest(&house.blobs, &bytes).await.unwrap();
        flip(&house.path("blobs", &published), 2 << 20);
        let good = 0..(2 << 20) - 2 * GROUP_BYTES;
        let found = house.read(&published, good.clone()).await.unwrap();
        assert!(found == bytes[..good.end as usize]);
    }

    #[tokio::test]
    async fn a_lost_or_damaged_tree_is_computed_anew() {
        type Harm = fn(&PathBuf);
        let harms: [(&str, Harm); 5] = [
            ("deleted", |path| fs::remove_file(path).unwrap()),
            ("emptied", |path| truncate(path, 0)),
            ("truncated", |path| truncate(path, 100)),
            ("flipped", |path| {
                flip(path, fs::metadata(path).unwrap().len() - 1);
            }),
            ("replaced", |path| {
                let size = fs::metadata(path).unwrap().len();
                fs::write(path, content(3, size as usize)).unwrap();
            }),
        ];
        let bytes = content(1, (3 << 20) + 12_345);
        let end = bytes.len() as u64;
        let house = House::new().await;
        for (name, harm) in harms {
            let published = ingest(&house.blobs, &bytes).await.unwrap();
            let tree_path = house.path("trees", &published);
            let good = fs::read(&tree_path).unwrap();
            assert_eq!(good.len() as u64, tree_bytes(end));
            for range in [0..end, 1_000_000..1_000_001, end - 1..end] {
                harm(&tree_path);
                let found = house.read(&published, range.clone()).await.unwrap();
                assert!(
                    found == bytes[range.start as usize..range.end as usize],
                    "{name}"
                );
                assert_eq!(fs::read(&tree_path).unwrap(), good, "{name}");
            }
            // With the bytes damaged as well, nothing is given and no tree is made.
            harm(&tree_path);
            flip(&house.path("blobs", &published), 5);
            let refused = house.read(&published, end - 1..end).await.unwrap_err();
            assert!(is_corrupt(&refused), "{refused}");
            fs::remove_file(house.path("blobs", &published)).unwrap();
        }
    }

    #[tokio::test]
    async fn many_readers_of_a_lost_tree_are_all_served() {
        let house = House::new().await;
        let bytes = content(1, 2 << 20);
        let published = ingest(&house.blobs, &bytes).await.unwrap();
        fs::remove_file(house.path("trees", &published)).unwrap();
        let reads = (0..32).map(|at| house.read(&published, at * 1000..at * 1000 + 500));
        for (at, found) in futures_util::future::join_all(reads)
            .await
            .iter()
            .enumerate()
        {
            let expected = &bytes[at * 1000..at * 1000 + 500];
            assert_eq!(found.as_ref().unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn a_blob_that_is_deleted_while_it_is_read_is_read_to_its_end() {
        let house = House::new().await;
        let bytes = content(1, 3 << 20);
        let published = ingest(&house.blobs, &bytes).await.unwrap();
        let blob = BlobRef {
            backend_id: "local".to_owned(),
            object_key: published.digests.address.to_hex(),
            address: published.digests.address,
            size_bytes: 3 << 20,
        };
        let mut reader = house.blobs.read(&blob, 0..3 << 20).await.unwrap();
        fs::remove_file(house.path("blobs", &published)).unwrap();
        let mut found = Vec::new();
        while let Some(chunk) = futures_util::StreamExt::next(&mut reader).await {
            found.extend_from_slice(&chunk.unwrap());
        }
        assert!(found == bytes);
    }
}
