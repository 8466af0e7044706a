//! Open files: checked bytes, whole or a range.

use std::collections::VecDeque;
use std::ops::Range;
use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};

use crate::blob::read::{BlobReader, BlobRef};
use crate::blob::store::BlobError;
use crate::db::blobs as inline;
use crate::db::commit::Unit;
use crate::db::tx::{UnitResult, WriteTx};
use crate::domain::digest::ContentAddress;
use crate::domain::event::FileIngested;
use crate::domain::file::{
    FileRecord, INLINE_BACKEND, Location, ObjectAttributes, PARTS_OBJECT_KEY,
};
use crate::domain::package::Rejection;
use crate::registry::error::{Error, Result};
use crate::registry::handle::Registry;

/// Checked bytes of a file, in order. An item is an error only when the stored bytes are damaged
/// or cannot be read; nothing after it may be sent.
pub type FileStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

impl Registry {
    /// The bytes `range` of a file, checked. The first chunk is read and checked before this
    /// returns, so that damage at the start is an error instead of a broken stream.
    pub async fn open_file(&self, file: &FileRecord, range: Range<u64>) -> Result<FileStream> {
        if range.is_empty() {
            return Ok(Box::pin(stream::empty()));
        }
        if file.location.backend_id == INLINE_BACKEND {
            let bytes = self.open_inline(file.address).await?;
            let range = range.start as usize..(range.end as usize).min(bytes.len());
            return Ok(Box::pin(stream::once(std::future::ready(Ok(
                bytes.slice(range)
            )))));
        }
        let mut segments = segments_of(file, range);
        let Some((blob, range)) = segments.pop_front() else {
            return Err(Error::Corrupt(format!(
                "file {} has fewer bytes than its size",
                file.id
            )));
        };
        let reader = self.open_blob(&blob, range).await?;
        let reading = Reading {
            registry: self.clone(),
            segments,
            current: Some((blob, reader)),
        };
        Ok(Box::pin(stream::try_unfold(reading, Reading::next)))
    }

    /// Small content whole: from memory, or from the database and checked.
    pub(super) async fn open_inline(&self, address: ContentAddress) -> Result<Bytes> {
        if let Some(bytes) = self.inner.content.find(address) {
            return Ok(bytes);
        }
        let bytes = inline::find_inline(&self.inner.db.readers, address).await?;
        let bytes = Bytes::from(bytes.ok_or_else(|| {
            Error::Corrupt(format!(
                "the database has no content {address}, though a file refers to it"
            ))
        })?);
        if let Err(error) = self.inner.blobs.verify_inline(address, &bytes) {
            self.record_fault(address, INLINE_BACKEND, &error);
            return Err(error.into());
        }
        self.inner.content.put(address, bytes.clone());
        Ok(bytes)
    }

    async fn open_blob(&self, blob: &BlobRef, range: Range<u64>) -> Result<BlobReader> {
        match self.inner.blobs.read(blob, range).await {
            Ok(reader) => Ok(reader),
            Err(error) => {
                self.record_fault(blob.address, &blob.backend_id, &error);
                Err(error.into())
            }
        }
    }

    /// Remembers damage, beside the request that found it.
    fn record_fault(&self, address: ContentAddress, backend_id: &str, error: &BlobError) {
        if !matches!(error, BlobError::Missing { .. } | BlobError::Corrupt { .. }) {
            return;
        }
        tracing::error!(%address, backend_id, %error, "stored bytes are damaged");
        let unit = FaultUnit {
            address,
            backend_id: backend_id.to_owned(),
            detail: error.to_string(),
        };
        let registry = self.clone();
        tokio::spawn(async move {
            if let Err(error) = registry.commit(unit).await {
                tracing::warn!(%error, "the damage could not be recorded");
            }
        });
    }
}

/// A file being read, blob after blob.
struct Reading {
    registry: Registry,
    segments: VecDeque<(BlobRef, Range<u64>)>,
    current: Option<(BlobRef, BlobReader)>,
}

impl Reading {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>> {
        loop {
            if let Some((blob, reader)) = &mut self.current {
                match reader.next().await {
                    Some(Ok(bytes)) => return Ok(Some((bytes, self))),
                    Some(Err(error)) => {
                        self.registry
                            .record_fault(blob.address, &blob.backend_id, &error);
                        return Err(error.into());
                    }
                    None => self.current = None,
                }
            }
            let Some((blob, range)) = self.segments.pop_front() else {
                return Ok(None);
            };
            let reader = self.registry.open_blob(&blob, range).await?;
            self.current = Some((blob, reader));
        }
    }
}

/// The blobs that hold a file's bytes, in order.
pub(super) fn blobs_of(file: &FileRecord) -> Vec<BlobRef> {
    blobs_at(
        &file.location,
        &file.attributes,
        file.address,
        file.size_bytes,
    )
}

/// The blobs that hold the bytes of a file about to be recorded, in order.
pub(super) fn blobs_of_event(file: &FileIngested) -> Vec<BlobRef> {
    blobs_at(
        &file.location,
        &file.attributes,
        file.address,
        file.size_bytes,
    )
}

fn blobs_at(
    location: &Location,
    attributes: &ObjectAttributes,
    address: ContentAddress,
    size_bytes: u64,
) -> Vec<BlobRef> {
    if location.object_key != PARTS_OBJECT_KEY {
        return vec![BlobRef {
            backend_id: location.backend_id.clone(),
            object_key: location.object_key.clone(),
            address,
            size_bytes,
        }];
    }
    let blob = |part: &crate::domain::file::FilePart| BlobRef {
        backend_id: part.backend_id.clone(),
        object_key: part.object_key.clone(),
        address: part.address,
        size_bytes: part.size_bytes,
    };
    attributes.parts.iter().map(blob).collect()
}

/// Which ranges of which blobs make a range of a file.
fn segments_of(file: &FileRecord, range: Range<u64>) -> VecDeque<(BlobRef, Range<u64>)> {
    let mut segments = VecDeque::new();
    let mut start = 0;
    for blob in blobs_of(file) {
        let end = start + blob.size_bytes;
        let (from, to) = (range.start.max(start), range.end.min(end));
        if from < to {
            segments.push_back((blob, from - start..to - start));
        }
        start = end;
    }
    segments
}

struct FaultUnit {
    address: ContentAddress,
    backend_id: String,
    detail: String,
}

#[async_trait]
impl Unit for FaultUnit {
    type Output = ();
    type Refusal = Rejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<(), Rejection> {
        let now = tx.now();
        inline::record_fault(
            tx.connection,
            self.address,
            &self.backend_id,
            &self.detail,
            now,
        )
        .await?;
        Ok(Ok(()))
    }
}
