//! The storage contract as code: each function takes any store and checks one promise. A new kind of
//! storage is finished when it passes.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::memory::InMemory;
use tokio::task::spawn_blocking;

use crate::blob::blobs::{Blobs, Deletion, Placement, Published};
use crate::blob::local::LocalStore;
use crate::blob::read::BlobRef;
use crate::blob::remote::RemoteStore;
use crate::blob::settings::BlobSettings;
use crate::blob::store::{
    BlobError, BlobStore, BlobWriter, Patience, RawBlob, Receipt, StoredObject,
};
use crate::domain::digest::ContentAddress;
use crate::domain::hash_tree::GROUP_BYTES;
use crate::domain::hashers::{HashPlan, Hashers};

/// Content that differs at every position and with every seed.
pub fn content(seed: u32, size: usize) -> Vec<u8> {
    let words = (seed..).map(|word| word.wrapping_mul(2_654_435_761).rotate_left(word % 31));
    words.flat_map(u32::to_le_bytes).take(size).collect()
}

/// The sizes at which a store or a reader changes its ways.
const SIZES: [usize; 9] = [
    0,
    1,
    4096,
    64 << 10,
    (64 << 10) + 1,
    (256 << 10) - 1,
    (1 << 20) + 5,
    8 << 20,
    (9 << 20) + 77,
];

struct Put {
    receipt: Receipt,
    address: ContentAddress,
    bytes: Vec<u8>,
    tree: Vec<u8>,
}

async fn put(store: &dyn BlobStore, bytes: Vec<u8>) -> Result<Put, BlobError> {
    let mut hashers = Hashers::new(&HashPlan::part(Vec::new()));
    let mut writer = store.begin(Some(bytes.len() as u64)).await?;
    for chunk in bytes.chunks(50_000) {
        hashers.update(chunk);
        writer.write(Bytes::copy_from_slice(chunk)).await?;
    }
    let (digests, tree) = hashers.finish();
    let receipt = writer.publish(digests.address, tree.clone()).await?;
    Ok(Put {
        receipt,
        address: digests.address,
        bytes,
        tree,
    })
}

type Opened = (u64, Vec<u8>, Vec<u8>);

/// Reads a range of an object and its tree as they are stored.
async fn raw(
    store: &Arc<dyn BlobStore>,
    key: &str,
    range: Range<u64>,
    tree: Range<u64>,
) -> Result<Opened, BlobError> {
    let (store, key) = (Arc::clone(store), key.to_owned());
    let reading = spawn_blocking(move || {
        let mut blob = store.open(&key, Patience::Wait)?;
        let size_bytes = blob.size_bytes()?;
        let mut bytes = vec![0; (range.end - range.start) as usize];
        let count = blob.read(range.start, &mut bytes)?;
        bytes.truncate(count);
        let mut pairs = vec![0; (tree.end - tree.start) as usize];
        let count = blob.read_tree(tree.start, &mut pairs)?;
        pairs.truncate(count);
        Ok((size_bytes, bytes, pairs))
    });
    reading.await.unwrap()
}

async fn listed(store: &dyn BlobStore) -> Vec<String> {
    let page = store.list(None, 1000).await.unwrap();
    page.into_iter().map(|object| object.object_key).collect()
}

async fn what_is_published_is_read_back(store: Arc<dyn BlobStore>) {
    for size in SIZES {
        let put = put(&*store, content(1, size)).await.unwrap();
        assert_eq!(put.receipt.backend_id, store.backend_id());
        let key = &put.receipt.object_key;
        let end = size as u64;
        let tree_end = put.tree.len() as u64;
        let (found_size, bytes, tree) = raw(&store, key, 0..end, 0..tree_end).await.unwrap();
        assert_eq!(found_size, end);
        assert!(bytes == put.bytes, "{size}");
        assert_eq!(tree, put.tree, "{size}");
        let (_, middle, _) = raw(&store, key, end / 3..end / 2, 0..0).await.unwrap();
        assert!(middle == put.bytes[size / 3..size / 2], "{size}");
        let stat = store.stat(key).await.unwrap().unwrap();
        assert_eq!(stat.size_bytes, end);
        assert_eq!(&stat.object_key, key);
        assert!(stat.address.is_none_or(|address| address == put.address));
        assert!(stat.modified_at.elapsed().unwrap_or_default() < Duration::from_mins(5));
    }
}

async fn a_writer_is_invisible_until_published_and_leaves_nothing(store: Arc<dyn BlobStore>) {
    let before = listed(&*store).await;
    for size in SIZES {
        let mut writer = store.begin(None).await.unwrap();
        writer.write(content(2, size).into()).await.unwrap();
        assert_eq!(listed(&*store).await, before);
        drop(writer);
        assert_eq!(listed(&*store).await, before);
    }
}

async fn publishing_again_gives_the_same_bytes(store: Arc<dyn BlobStore>) {
    for size in [4096, 9 << 20] {
        let first = put(&*store, content(3, size)).await.unwrap();
        let second = put(&*store, content(3, size)).await.unwrap();
        assert_eq!(first.address, second.address);
        for receipt in [first.receipt, second.receipt] {
            let range = 0..size as u64;
            let (_, bytes, _) = raw(&store, &receipt.object_key, range, 0..0).await.unwrap();
            assert!(bytes == second.bytes);
        }
    }
}

async fn what_is_deleted_is_gone(store: Arc<dyn BlobStore>) {
    let put = put(&*store, content(4, 100_000)).await.unwrap();
    let key = &put.receipt.object_key;
    store.delete(key).await.unwrap();
    store.delete(key).await.unwrap();
    assert_eq!(store.stat(key).await.unwrap(), None);
    assert!(!listed(&*store).await.contains(key));
    let error = raw(&store, key, 0..1, 0..0).await.unwrap_err();
    assert!(
        matches!(&error, BlobError::Missing { object_key, .. } if object_key == key),
        "{error}"
    );
}

async fn a_foreign_key_is_no_object(store: Arc<dyn BlobStore>) {
    let put = put(&*store, content(5, 5000)).await.unwrap();
    let key = put.receipt.object_key;
    let foreign = [
        String::new(),
        ".".to_owned(),
        format!("../{}/{key}", &key[..2]),
        format!("{key}/"),
        key.to_uppercase(),
        key[..63].to_owned(),
        format!("{key}\0"),
        "staging".to_owned(),
    ];
    for foreign in foreign {
        assert_eq!(store.stat(&foreign).await.unwrap(), None, "{foreign}");
        store.delete(&foreign).await.unwrap();
        let opened = raw(&store, &foreign, 0..1, 0..0).await;
        assert!(
            matches!(opened, Err(BlobError::Missing { .. })),
            "{foreign}"
        );
    }
    assert!(store.stat(&key).await.unwrap().is_some());
}

async fn a_listing_is_complete_and_in_order(store: Arc<dyn BlobStore>) {
    for seed in 100..120 {
        put(&*store, content(seed, 3000)).await.unwrap();
    }
    let all = listed(&*store).await;
    assert!(all.len() >= 20 && all.is_sorted());
    for limit in [1, 7, all.len(), all.len() + 1] {
        let mut found = Vec::new();
        loop {
            let after = found.last().map(String::as_str);
            let page = store.list(after, limit).await.unwrap();
            let is_last = page.len() < limit;
            found.extend(page.into_iter().map(|object| object.object_key));
            if is_last {
                break;
            }
        }
        assert_eq!(found, all, "{limit}");
    }
}

async fn a_lost_tree_is_no_error_and_can_be_replaced(store: Arc<dyn BlobStore>) {
    let mut hashers = Hashers::new(&HashPlan::part(Vec::new()));
    let bytes = content(6, 3 * GROUP_BYTES as usize);
    hashers.update(&bytes);
    let (digests, tree) = hashers.finish();
    let mut writer = store.begin(None).await.unwrap();
    writer.write(bytes.into()).await.unwrap();
    let receipt = writer.publish(digests.address, Vec::new()).await.unwrap();
    let key = receipt.object_key;
    let (_, _, none) = raw(&store, &key, 0..0, 0..64).await.unwrap();
    assert!(none.is_empty());
    let replacing = spawn_blocking({
        let (store, key, tree) = (Arc::clone(&store), key.clone(), tree.clone());
        move || {
            let mut blob = store.open(&key, Patience::Wait)?;
            blob.replace_tree(&tree)
        }
    });
    replacing.await.unwrap().unwrap();
    let (_, _, found) = raw(&store, &key, 0..0, 0..128).await.unwrap();
    assert_eq!(found, tree);
}

async fn a_fresh_store_is_well(store: Arc<dyn BlobStore>) {
    store.probe().await.unwrap();
    assert_eq!(store.sweep_staging(3600).await.unwrap(), 0);
    assert_eq!(listed(&*store).await, Vec::<String>::new());
}

async fn conforms(store: Arc<dyn BlobStore>) {
    a_fresh_store_is_well(Arc::clone(&store)).await;
    what_is_published_is_read_back(Arc::clone(&store)).await;
    a_writer_is_invisible_until_published_and_leaves_nothing(Arc::clone(&store)).await;
    publishing_again_gives_the_same_bytes(Arc::clone(&store)).await;
    what_is_deleted_is_gone(Arc::clone(&store)).await;
    a_foreign_key_is_no_object(Arc::clone(&store)).await;
    a_listing_is_complete_and_in_order(Arc::clone(&store)).await;
    a_lost_tree_is_no_error_and_can_be_replaced(store).await;
}

async fn local() -> (tempfile::TempDir, Arc<dyn BlobStore>) {
    let data_dir = tempfile::tempdir().unwrap();
    let store = LocalStore::open("local", data_dir.path()).await.unwrap();
    (data_dir, Arc::new(store))
}

fn in_memory() -> Arc<dyn BlobStore> {
    Arc::new(RemoteStore::new("memory", Arc::new(InMemory::new())))
}

#[tokio::test]
async fn the_local_store_conforms() {
    let (_data_dir, store) = local().await;
    conforms(store).await;
}

#[tokio::test]
async fn the_remote_store_conforms_over_memory() {
    conforms(in_memory()).await;
}

/// A store whose n-th call fails.
#[derive(Debug)]
struct Failing {
    inner: Arc<dyn BlobStore>,
    calls: Arc<Calls>,
}

#[derive(Debug)]
struct Calls {
    until_failure: AtomicUsize,
}

impl Calls {
    fn count(&self) -> Result<(), BlobError> {
        let left = self.until_failure.fetch_sub(1, Ordering::SeqCst);
        if left == 0 {
            return Err(BlobError::Full {
                backend_id: "failing".to_owned(),
            });
        }
        Ok(())
    }
}

struct FailingWriter(Box<dyn BlobWriter>, Arc<Calls>);
struct FailingBlob(Box<dyn RawBlob>, Arc<Calls>);

#[async_trait]
impl BlobStore for Failing {
    fn backend_id(&self) -> &str {
        self.inner.backend_id()
    }

    async fn begin(&self, size_hint: Option<u64>) -> Result<Box<dyn BlobWriter>, BlobError> {
        self.calls.count()?;
        let writer = self.inner.begin(size_hint).await?;
        Ok(Box::new(FailingWriter(writer, Arc::clone(&self.calls))))
    }

    fn open(&self, object_key: &str, patience: Patience) -> Result<Box<dyn RawBlob>, BlobError> {
        self.calls.count()?;
        let blob = self.inner.open(object_key, patience)?;
        Ok(Box::new(FailingBlob(blob, Arc::clone(&self.calls))))
    }

    async fn stat(&self, object_key: &str) -> Result<Option<StoredObject>, BlobError> {
        self.calls.count()?;
        self.inner.stat(object_key).await
    }

    async fn delete(&self, object_key: &str) -> Result<(), BlobError> {
        self.calls.count()?;
        self.inner.delete(object_key).await
    }

    async fn list(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<StoredObject>, BlobError> {
        self.calls.count()?;
        self.inner.list(after, limit).await
    }

    async fn sweep_staging(&self, age_seconds: u64) -> Result<u64, BlobError> {
        self.calls.count()?;
        self.inner.sweep_staging(age_seconds).await
    }

    async fn probe(&self) -> Result<(), BlobError> {
        self.calls.count()?;
        self.inner.probe().await
    }
}

#[async_trait]
impl BlobWriter for FailingWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.1.count()?;
        self.0.write(bytes).await
    }

    async fn publish(
        self: Box<Self>,
        address: ContentAddress,
        tree: Vec<u8>,
    ) -> Result<Receipt, BlobError> {
        self.1.count()?;
        self.0.publish(address, tree).await
    }
}

impl RawBlob for FailingBlob {
    fn size_bytes(&mut self) -> Result<u64, BlobError> {
        self.1.count()?;
        self.0.size_bytes()
    }

    fn read(&mut self, start: u64, into: &mut [u8]) -> Result<usize, BlobError> {
        self.1.count()?;
        self.0.read(start, into)
    }

    fn read_tree(&mut self, start: u64, into: &mut [u8]) -> Result<usize, BlobError> {
        self.1.count()?;
        self.0.read_tree(start, into)
    }

    fn replace_tree(&mut self, tree: &[u8]) -> Result<(), BlobError> {
        self.1.count()?;
        self.0.replace_tree(tree)
    }
}

/// Takes content in as the registry does.
pub async fn ingest(blobs: &Blobs, bytes: &[u8]) -> Result<Published, BlobError> {
    let mut ingest = blobs.begin(&HashPlan::file(Vec::new()), None);
    for chunk in bytes.chunks(60_000) {
        ingest.write(Bytes::copy_from_slice(chunk)).await?;
    }
    ingest.finish().publish().await
}

/// Reads a range of what was published.
pub async fn read(
    blobs: &Blobs,
    published: &Published,
    range: Range<u64>,
) -> Result<Vec<u8>, BlobError> {
    let Placement::Stored(receipt) = &published.placement else {
        panic!("it is inline");
    };
    let blob = BlobRef {
        backend_id: receipt.backend_id.clone(),
        object_key: receipt.object_key.clone(),
        address: published.digests.address,
        size_bytes: published.digests.size_bytes,
    };
    let mut reader = blobs.read(&blob, range).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = reader.try_next().await? {
        assert!(!chunk.is_empty() && chunk.len() <= 256 << 10);
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

async fn each_call_fails_in_turn(inner: Arc<dyn BlobStore>) {
    let bytes = content(9, 2 << 20);
    let range = 70_000..1_900_000;
    for call in 0.. {
        let until_failure = AtomicUsize::new(call);
        let calls = Arc::new(Calls { until_failure });
        let failing = Failing {
            inner: Arc::clone(&inner),
            calls: Arc::clone(&calls),
        };
        let blobs = Blobs::new(&BlobSettings::default(), vec![Arc::new(failing)]);
        let before = listed(&*inner).await;
        let outcome = match ingest(&blobs, &bytes).await {
            Ok(published) => {
                let read = read(&blobs, &published, range.clone()).await;
                // Given whole and right, or not at all as a success.
                assert!(
                    read.as_ref()
                        .is_ok_and(|read| read == &bytes[70_000..1_900_000])
                        || read.is_err()
                );
                read.map(drop)
            }
            Err(error) => {
                assert_eq!(listed(&*inner).await, before, "call {call}");
                Err(error)
            }
        };
        if outcome.is_ok() {
            assert!(
                call > 40,
                "every call of a write and a read has failed once"
            );
            return;
        }
        assert!(
            matches!(outcome, Err(BlobError::Full { .. })),
            "call {call}"
        );
        // The failed call leaves the store usable.
        let well = Blobs::new(&BlobSettings::default(), vec![Arc::clone(&inner)]);
        let published = ingest(&well, &content(call as u32, 100_000)).await.unwrap();
        assert_eq!(
            read(&well, &published, 0..100_000).await.unwrap(),
            content(call as u32, 100_000)
        );
    }
}

#[tokio::test]
async fn a_store_that_fails_at_any_call_harms_nothing() {
    let (_data_dir, store) = local().await;
    each_call_fails_in_turn(store).await;
    each_call_fails_in_turn(in_memory()).await;
}

#[tokio::test]
async fn every_range_is_read_right_from_every_store() {
    let (_data_dir, local) = local().await;
    for store in [local, in_memory()] {
        let blobs = Blobs::new(&BlobSettings::default(), vec![store]);
        for size in SIZES.into_iter().filter(|size| *size > 16 << 10) {
            let bytes = content(11, size);
            let published = ingest(&blobs, &bytes).await.unwrap();
            let end = size as u64;
            let group = GROUP_BYTES.min(end);
            let ranges = [
                0..end,
                0..0,
                end..end,
                0..1,
                end - 1..end,
                group - 1..group,
                group..(group + 1).min(end),
                end / 3..end / 2,
                end / 5..end,
            ];
            for range in ranges {
                let expected = &bytes[range.start as usize..range.end as usize];
                let found = read(&blobs, &published, range.clone()).await.unwrap();
                assert!(found == expected, "{range:?} of {size}");
            }
        }
    }
}

#[tokio::test]
async fn small_content_stays_in_memory() {
    let (data_dir, store) = local().await;
    let blobs = Blobs::new(&BlobSettings::default(), vec![store]);
    for size in [0, 1, 16 << 10] {
        let bytes = content(12, size);
        let published = ingest(&blobs, &bytes).await.unwrap();
        let address = published.digests.address;
        let Placement::Inline(held) = published.placement else {
            panic!("{size} is not inline");
        };
        assert_eq!(held, bytes);
        blobs.verify_inline(address, &held).unwrap();
        let damaged = blobs.verify_inline(address, b"other");
        assert!(matches!(damaged, Err(BlobError::Corrupt { .. })));
    }
    let over = ingest(&blobs, &content(12, (16 << 10) + 1)).await.unwrap();
    assert!(matches!(over.placement, Placement::Stored(_)));
    for size in [0, 1] {
        let bytes = content(12, size);
        let mut ingest = blobs.begin_stored(&HashPlan::part(Vec::new()), Some(size as u64));
        ingest.write(bytes.clone().into()).await.unwrap();
        let stored = ingest.finish().publish().await.unwrap();
        assert_eq!(read(&blobs, &stored, 0..size as u64).await.unwrap(), bytes);
    }
    assert_staging_is_empty(data_dir.path()).await;
}

#[tokio::test]
async fn what_is_relied_on_is_not_deleted() {
    let (_data_dir, store) = local().await;
    let blobs = Blobs::new(&BlobSettings::default(), vec![store]);
    let bytes = content(13, 40_000);
    let published = ingest(&blobs, &bytes).await.unwrap();
    let Placement::Stored(receipt) = published.placement.clone() else {
        panic!("it is inline");
    };
    let address = published.digests.address;
    let delete = |is_referenced| {
        let (blobs, receipt) = (blobs.clone(), receipt.clone());
        async move {
            let answer = async move { Ok::<_, BlobError>(is_referenced) };
            blobs.delete_unreferenced(&receipt, address, answer).await
        }
    };
    // Between publication and commit.
    assert_eq!(delete(false).await.unwrap(), Deletion::Kept);
    // Referred to.
    let Published {
        digests,
        placement,
        pin,
    } = published;
    drop(pin);
    assert_eq!(delete(true).await.unwrap(), Deletion::Kept);
    // Neither; and a write that comes meanwhile waits and writes afresh.
    let (marked, is_marked) = tokio::sync::oneshot::channel();
    let (go_on, may_go_on) = tokio::sync::oneshot::channel::<()>();
    let deleting = tokio::spawn({
        let (blobs, receipt) = (blobs.clone(), receipt.clone());
        async move {
            let answer = async move {
                marked.send(()).unwrap();
                may_go_on.await.unwrap();
                Ok::<_, BlobError>(false)
            };
            blobs.delete_unreferenced(&receipt, address, answer).await
        }
    });
    is_marked.await.unwrap();
    let writing = tokio::spawn({
        let (blobs, bytes) = (blobs.clone(), bytes.clone());
        async move { ingest(&blobs, &bytes).await.unwrap() }
    });
    tokio::task::yield_now().await;
    go_on.send(()).unwrap();
    assert_eq!(deleting.await.unwrap().unwrap(), Deletion::Deleted);
    let again = writing.await.unwrap();
    assert_eq!(again.digests, digests);
    assert_eq!(again.placement, placement);
    assert_eq!(read(&blobs, &again, 0..40_000).await.unwrap(), bytes);
}

/// Waits until nothing is left in staging: abandoned files are removed in the background.
pub async fn assert_staging_is_empty(data_dir: &std::path::Path) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while data_dir.join("staging").read_dir().unwrap().count() > 0 {
        assert!(Instant::now() < deadline, "staging is not empty");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
