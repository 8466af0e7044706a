//! Reads stored bytes as they are, whatever they are: for verification, which wants to know what is
//! there, and for making damaged bytes good from others.
//!
//! Gives nothing out: `read.rs` gives bytes, and only good ones.

use std::io;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::task::spawn_blocking;

use crate::blob::blobs::Blobs;
use crate::blob::read::BlobRef;
use crate::blob::store::{BlobError, Patience, RawBlob, Receipt};
use crate::domain::digest::ContentAddress;
use crate::domain::hashers::{HashPlan, Hashers, WholeHasher};

/// How much is read and hashed at once: some 2 ms on the blocking pool.
pub const STEP_BYTES: u64 = 1 << 20;

/// A stored object being read to its end, step by step.
pub struct Rehash {
    backend_id: String,
    at: Option<Position>,
}

/// What a step moves to the blocking pool and back.
struct Position {
    raw: Box<dyn RawBlob>,
    buffer: Vec<u8>,
    offset: u64,
    /// Of this object alone, where the whole has several.
    own: Option<blake3::Hasher>,
}

/// What a step found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// So many bytes; there may be more.
    Read(u64),
    /// The end: the length of the object, and its address where it was asked for.
    End(u64, Option<ContentAddress>),
}

impl Blobs {
    /// Opens a stored object to hash what is there. `has_own_digest` asks for the address of the object
    /// itself, which the digest of the whole tells when the object is all of it.
    pub async fn rehash(&self, blob: &BlobRef, has_own_digest: bool) -> Result<Rehash, BlobError> {
        let store = self.store(&blob.backend_id)?.clone();
        let object_key = blob.object_key.clone();
        let opened = spawn_blocking(move || store.open(&object_key, Patience::Wait)).await;
        let raw = opened.unwrap_or_else(|failure| Err(panicked(&blob.backend_id, failure)))?;
        Ok(Rehash {
            backend_id: blob.backend_id.clone(),
            at: Some(Position {
                raw,
                buffer: Vec::new(),
                offset: 0,
                own: has_own_digest.then(blake3::Hasher::new),
            }),
        })
    }

    /// Writes the bytes of an address anew under the key they have. Nothing changes unless the bytes
    /// that come are those of the address.
    pub async fn rewrite<E: From<BlobError>>(
        &self,
        blob: &BlobRef,
        source: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<(), E> {
        let (address, size_bytes) = (blob.address, blob.size_bytes);
        let copied = self.copy_in(&blob.backend_id, address, size_bytes, source);
        let (receipt, _) = copied.await?;
        if receipt.object_key != blob.object_key {
            let cause = io::Error::other("the store put the bytes under another key");
            let backend_id = blob.backend_id.clone();
            return Err(BlobError::Unavailable { backend_id, cause }.into());
        }
        Ok(())
    }

    /// Writes the bytes of an address to a store: durable when this answers, with where they are and
    /// their SHA-256. Nothing changes unless the bytes that come are those of the address.
    pub async fn copy_in<E: From<BlobError>>(
        &self,
        backend_id: &str,
        address: ContentAddress,
        size_bytes: u64,
        mut source: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<(Receipt, [u8; 32]), E> {
        let plan = HashPlan {
            checksums: Vec::new(),
            sha256: true,
            md5: false,
        };
        let mut hashers = Hashers::new(&plan);
        let store = self.store(backend_id)?;
        let mut writer = store.begin(Some(size_bytes)).await?;
        while let Some(bytes) = source.next().await {
            let bytes = bytes?;
            hashers.update(&bytes);
            writer.write(bytes).await?;
        }
        let (digests, tree) = hashers.finish();
        let sha256 = digests.sha256.unwrap_or_default();
        if digests.address != address {
            let error = BlobError::Corrupt {
                backend_id: backend_id.to_owned(),
                address,
                detail: format!("the copy's bytes are those of {}", digests.address),
            };
            return Err(error.into());
        }
        // A deletion under way would take the fresh bytes with it.
        let _pin = self.pin(address).await?;
        let receipt = writer.publish(address, tree).await?;
        Ok((receipt, sha256))
    }
}

impl Rehash {
    /// Reads and hashes the next bytes, into the hasher of the whole too. After an error or the end
    /// only dropping makes sense.
    pub async fn step(&mut self, whole: &mut WholeHasher) -> Result<Step, BlobError> {
        let Some(mut position) = self.at.take() else {
            let cause = io::Error::other("an earlier step failed");
            return Err(self.unavailable(cause));
        };
        let mut hasher = std::mem::take(whole);
        let stepped = spawn_blocking(move || {
            let step = position.step(&mut hasher);
            (position, hasher, step)
        });
        let (position, hasher, step) = stepped
            .await
            .map_err(|failure| panicked(&self.backend_id, failure))?;
        *whole = hasher;
        self.at = Some(position);
        step
    }

    fn unavailable(&self, cause: io::Error) -> BlobError {
        BlobError::Unavailable {
            backend_id: self.backend_id.clone(),
            cause,
        }
    }
}

impl Position {
    fn step(&mut self, whole: &mut WholeHasher) -> Result<Step, BlobError> {
        if self.buffer.is_empty() {
            // A small object does not need a large buffer; one byte more shows its end.
            let length = self.raw.size_bytes()?.saturating_add(1).min(STEP_BYTES);
            self.buffer.resize(length as usize, 0);
        }
        let count = self.raw.read(self.offset, &mut self.buffer)?;
        let bytes = &self.buffer[..count];
        whole.update(bytes);
        if let Some(own) = &mut self.own {
            own.update(bytes);
        }
        self.offset += count as u64;
        if count == self.buffer.len() {
            return Ok(Step::Read(count as u64));
        }
        let own = self.own.as_ref();
        let address = own.map(|own| ContentAddress(*own.finalize().as_bytes()));
        Ok(Step::End(self.offset, address))
    }
}

fn panicked(backend_id: &str, failure: tokio::task::JoinError) -> BlobError {
    BlobError::Unavailable {
        backend_id: backend_id.to_owned(),
        cause: io::Error::other(failure),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use futures_util::stream;

    use super::super::conformance::{content, ingest, read};
    use super::super::settings::BlobSettings;
    use super::*;
    use crate::domain::hashers::WholeDigests;

    struct House {
        data_dir: tempfile::TempDir,
        blobs: Blobs,
    }

    impl House {
        async fn new() -> Self {
            let data_dir = tempfile::tempdir().unwrap();
            let settings = BlobSettings::default();
            let blobs = Blobs::open(data_dir.path(), &settings).await.unwrap();
            Self { data_dir, blobs }
        }

        fn path(&self, address: ContentAddress) -> PathBuf {
            let hex = address.to_hex();
            self.data_dir.path().join("blobs").join(&hex[..2]).join(hex)
        }

        async fn digests(&self, blob: &BlobRef) -> Result<(WholeDigests, u64), BlobError> {
            let mut whole = WholeHasher::new();
            let mut rehash = self.blobs.rehash(blob, true).await?;
            loop {
                if let Step::End(length, own) = rehash.step(&mut whole).await? {
                    assert_eq!(own, Some(whole.digests().address));
                    return Ok((whole.digests(), length));
                }
            }
        }
    }

    fn local(address: ContentAddress, size_bytes: u64) -> BlobRef {
        BlobRef {
            backend_id: "local".to_owned(),
            object_key: address.to_hex(),
            address,
            size_bytes,
        }
    }

    #[tokio::test]
    async fn what_is_there_is_hashed_to_its_end() {
        let house = House::new().await;
        let step = STEP_BYTES as usize;
        for size in [20_000, step - 1, step, step + 1, 3 * step] {
            let bytes = content(1, size);
            let published = ingest(&house.blobs, &bytes).await.unwrap();
            let address = published.digests.address;
            let blob = local(address, size as u64);
            for there in [size, size - 1, 0, size + 70_000] {
                let mut wrong = bytes.clone();
                wrong.resize(there, 7);
                fs::write(house.path(address), &wrong).unwrap();
                let (found, length) = house.digests(&blob).await.unwrap();
                assert_eq!(length, there as u64);
                assert_eq!(found.address.0, *blake3::hash(&wrong).as_bytes());
            }
        }
    }

    #[tokio::test]
    async fn what_is_gone_is_missing_unless_its_place_is_gone_too() {
        let house = House::new().await;
        let published = ingest(&house.blobs, &content(1, 20_000)).await.unwrap();
        let address = published.digests.address;
        let path = house.path(address);
        fs::remove_file(&path).unwrap();
        let gone = house.digests(&local(address, 20_000)).await.unwrap_err();
        assert!(matches!(gone, BlobError::Missing { .. }), "{gone}");
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
        let away = house.digests(&local(address, 20_000)).await.unwrap_err();
        assert!(matches!(away, BlobError::Unavailable { .. }), "{away}");
    }

    #[tokio::test]
    async fn only_the_bytes_of_the_address_replace_what_is_there() {
        let house = House::new().await;
        let bytes = content(1, 3 << 20);
        let published = ingest(&house.blobs, &bytes).await.unwrap();
        let address = published.digests.address;
        let blob = local(address, bytes.len() as u64);
        fs::write(house.path(address), b"damaged").unwrap();
        let source = |bytes: &[u8]| {
            let chunks: Vec<_> = bytes
                .chunks(100_000)
                .map(|chunk| Ok::<_, BlobError>(Bytes::copy_from_slice(chunk)))
                .collect();
            stream::iter(chunks)
        };
        let refused = house.blobs.rewrite(&blob, source(b"others")).await;
        assert!(matches!(refused, Err(BlobError::Corrupt { .. })));
        assert_eq!(fs::read(house.path(address)).unwrap(), b"damaged");
        house.blobs.rewrite(&blob, source(&bytes)).await.unwrap();
        let whole = read(&house.blobs, &published, 0..blob.size_bytes).await;
        assert!(whole.unwrap() == bytes);
    }
}
