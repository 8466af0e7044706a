//! Blobs in anything that `object_store` reaches.
//!
//! Small objects are named by their address, so that equal content is one object; larger ones, whose
//! address is not known when their upload starts, get a random name. Hash trees lie beside them.
//! Makes no use of listings for correctness.

use std::fmt;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutPayload};
use tokio::runtime::Handle;

use crate::blob::store::{
    BlobError, BlobStore, BlobWriter, Patience, RawBlob, Receipt, StoredObject,
};
use crate::domain::digest::ContentAddress;

/// How much is sent at once; S3 asks for at least 5 MiB in each part but the last. A writer holds
/// one such buffer, and the part under way.
const PART_BYTES: usize = 8 << 20;

/// A store behind `object_store`.
#[derive(Clone)]
pub struct RemoteStore {
    remote: Arc<Remote>,
}

struct Remote {
    backend_id: String,
    objects: Arc<dyn ObjectStore>,
    /// Reads come from the blocking pool and wait here for the network.
    runtime: Handle,
}

impl RemoteStore {
    /// Wraps a store that this process may fill. Must be called inside the runtime.
    pub fn new(backend_id: &str, objects: Arc<dyn ObjectStore>) -> Self {
        Self {
            remote: Arc::new(Remote {
                backend_id: backend_id.to_owned(),
                objects,
                runtime: Handle::current(),
            }),
        }
    }
}

impl fmt::Debug for RemoteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteStore")
            .field("backend_id", &self.remote.backend_id)
            .finish_non_exhaustive()
    }
}

impl Remote {
    fn error(&self, object_key: &str, cause: object_store::Error) -> BlobError {
        let backend_id = self.backend_id.clone();
        match cause {
            object_store::Error::NotFound { .. } => BlobError::Missing {
                backend_id,
                object_key: object_key.to_owned(),
            },
            cause => BlobError::Unavailable {
                backend_id,
                cause: io::Error::other(cause),
            },
        }
    }
}

fn blob_path(object_key: &str) -> Path {
    Path::from("blobs").join(object_key)
}

fn tree_path(object_key: &str) -> Path {
    Path::from("trees").join(object_key)
}

/// Whether a key is one that this store makes: 64 hex digits, or `o-` and 32.
fn is_own_key(object_key: &str) -> bool {
    let digits = object_key.strip_prefix("o-");
    let length = if digits.is_some() { 32 } else { 64 };
    let digits = digits.unwrap_or(object_key);
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    digits.len() == length && digits.bytes().all(is_hex)
}

fn stored_object(meta: &ObjectMeta) -> Option<StoredObject> {
    let object_key = meta.location.filename().filter(|key| is_own_key(key))?;
    Some(StoredObject {
        object_key: object_key.to_owned(),
        address: format!("{}:{object_key}", ContentAddress::ALGORITHM)
            .parse()
            .ok(),
        size_bytes: meta.size,
        modified_at: meta.last_modified.into(),
    })
}

#[async_trait]
impl BlobStore for RemoteStore {
    fn backend_id(&self) -> &str {
        &self.remote.backend_id
    }

    async fn begin(&self, _size_hint: Option<u64>) -> Result<Box<dyn BlobWriter>, BlobError> {
        Ok(Box::new(RemoteWriter {
            remote: Arc::clone(&self.remote),
            filling: BytesMut::new(),
            upload: None,
        }))
    }

    fn open(&self, object_key: &str, patience: Patience) -> Result<Box<dyn RawBlob>, BlobError> {
        if patience == Patience::AtHand {
            return Err(BlobError::Unavailable {
                backend_id: self.remote.backend_id.clone(),
                cause: io::ErrorKind::WouldBlock.into(),
            });
        }
        if !is_own_key(object_key) {
            return Err(BlobError::Missing {
                backend_id: self.remote.backend_id.clone(),
                object_key: object_key.to_owned(),
            });
        }
        Ok(Box::new(RemoteBlob {
            remote: Arc::clone(&self.remote),
            object_key: object_key.to_owned(),
        }))
    }

    async fn stat(&self, object_key: &str) -> Result<Option<StoredObject>, BlobError> {
        if !is_own_key(object_key) {
            return Ok(None);
        }
        match self.remote.objects.head(&blob_path(object_key)).await {
            Ok(meta) => Ok(stored_object(&meta)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.remote.error(object_key, error)),
        }
    }

    async fn delete(&self, object_key: &str) -> Result<(), BlobError> {
        if !is_own_key(object_key) {
            return Ok(());
        }
        for path in [tree_path(object_key), blob_path(object_key)] {
            match self.remote.objects.delete(&path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(self.remote.error(object_key, error)),
            }
        }
        Ok(())
    }

    async fn list(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<StoredObject>, BlobError> {
        let prefix = Path::from("blobs");
        let objects = &self.remote.objects;
        let mut found = match after {
            Some(after) => objects.list_with_offset(Some(&prefix), &blob_path(after)),
            None => objects.list(Some(&prefix)),
        };
        let mut page = Vec::new();
        while page.len() < limit {
            let next = found.try_next().await;
            let Some(meta) = next.map_err(|error| self.remote.error("", error))? else {
                break;
            };
            page.extend(stored_object(&meta));
        }
        Ok(page)
    }

    async fn sweep_staging(&self, _age_seconds: u64) -> Result<u64, BlobError> {
        // `object_store` cannot list open uploads; a lifecycle rule of the bucket ends them.
        Ok(0)
    }

    async fn probe(&self) -> Result<(), BlobError> {
        let path = Path::from("probe");
        let written = self
            .remote
            .objects
            .put(&path, PutPayload::from_static(b"probe"))
            .await;
        written.map_err(|error| self.remote.error("probe", error))?;
        Ok(())
    }
}

/// An object being sent.
struct RemoteWriter {
    remote: Arc<Remote>,
    filling: BytesMut,
    /// Begun with the first full part.
    upload: Option<(String, Box<dyn MultipartUpload>)>,
}

impl RemoteWriter {
    async fn send_part(&mut self) -> Result<(), BlobError> {
        if self.upload.is_none() {
            let mut random = [0; 16];
            getrandom::fill(&mut random).map_err(|error| BlobError::Unavailable {
                backend_id: self.remote.backend_id.clone(),
                cause: error.into(),
            })?;
            let key = format!("o-{}", hex::encode(random));
            let begun = self.remote.objects.put_multipart(&blob_path(&key)).await;
            let upload = begun.map_err(|error| self.remote.error(&key, error))?;
            self.upload = Some((key, upload));
        }
        let part = self.filling.split().freeze();
        if let Some((key, upload)) = &mut self.upload {
            let sent = upload.put_part(part.into()).await;
            sent.map_err(|error| self.remote.error(key, error))?;
        }
        Ok(())
    }
}

#[async_trait]
impl BlobWriter for RemoteWriter {
    async fn write(&mut self, mut bytes: Bytes) -> Result<(), BlobError> {
        while !bytes.is_empty() {
            let room = PART_BYTES - self.filling.len();
            let head = bytes.split_to(room.min(bytes.len()));
            self.filling.extend_from_slice(&head);
            if self.filling.len() == PART_BYTES {
                self.send_part().await?;
            }
        }
        Ok(())
    }

    async fn publish(
        mut self: Box<Self>,
        address: ContentAddress,
        tree: Vec<u8>,
    ) -> Result<Receipt, BlobError> {
        let objects = Arc::clone(&self.remote.objects);
        if self.upload.is_some() && !self.filling.is_empty() {
            self.send_part().await?;
        }
        let object_key = if let Some((key, upload)) = &mut self.upload {
            let done = upload.complete().await;
            done.map_err(|error| self.remote.error(key, error))?;
            key.clone()
        } else {
            let key = address.to_hex();
            let bytes = self.filling.split().freeze();
            let done = objects.put(&blob_path(&key), bytes.into()).await;
            done.map_err(|error| self.remote.error(&key, error))?;
            key
        };
        self.upload = None;
        if !tree.is_empty()
            && let Err(error) = objects.put(&tree_path(&object_key), tree.into()).await
        {
            tracing::warn!(%address, %error, "hash tree not written");
        }
        Ok(Receipt {
            backend_id: self.remote.backend_id.clone(),
            object_key,
        })
    }
}

impl Drop for RemoteWriter {
    fn drop(&mut self) {
        if let Some((_, mut upload)) = self.upload.take() {
            // An error leaves it to the lifecycle rule of the bucket.
            drop(
                self.remote
                    .runtime
                    .spawn(async move { upload.abort().await }),
            );
        }
    }
}

/// An object open for reading: nothing but its name.
struct RemoteBlob {
    remote: Arc<Remote>,
    object_key: String,
}

impl RemoteBlob {
    fn read_from(
        &self,
        path: &Path,
        start: u64,
        into: &mut [u8],
    ) -> Result<usize, object_store::Error> {
        if into.is_empty() {
            return Ok(0);
        }
        let range = start..start + into.len() as u64;
        let runtime = &self.remote.runtime;
        let bytes = runtime.block_on(self.remote.objects.get_range(path, range))?;
        let count = bytes.len().min(into.len());
        into[..count].copy_from_slice(&bytes[..count]);
        Ok(count)
    }
}

impl RawBlob for RemoteBlob {
    fn size_bytes(&mut self) -> Result<u64, BlobError> {
        let path = blob_path(&self.object_key);
        let head = self
            .remote
            .runtime
            .block_on(self.remote.objects.head(&path));
        let meta = head.map_err(|error| self.remote.error(&self.object_key, error))?;
        Ok(meta.size)
    }

    fn read(&mut self, start: u64, into: &mut [u8]) -> Result<usize, BlobError> {
        let read = self.read_from(&blob_path(&self.object_key), start, into);
        read.map_err(|error| self.remote.error(&self.object_key, error))
    }

    fn read_tree(&mut self, start: u64, into: &mut [u8]) -> Result<usize, BlobError> {
        match self.read_from(&tree_path(&self.object_key), start, into) {
            Err(object_store::Error::NotFound { .. }) => Ok(0),
            read => read.map_err(|error| self.remote.error(&self.object_key, error)),
        }
    }

    fn replace_tree(&mut self, tree: &[u8]) -> Result<(), BlobError> {
        let path = tree_path(&self.object_key);
        let payload = PutPayload::from(Bytes::copy_from_slice(tree));
        let put = self
            .remote
            .runtime
            .block_on(self.remote.objects.put(&path, payload));
        put.map_err(|error| self.remote.error(&self.object_key, error))?;
        Ok(())
    }
}
