//! Open files: checked bytes, whole or a range.
//!
//! Nothing is read from a blob that is known to be damaged. Where another copy of the content is, it
//! is read instead.

use std::collections::VecDeque;
use std::ops::Range;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};

use crate::blob::read::{BlobReader, BlobRef};
use crate::blob::store::BlobError;
use crate::db::blobs as inline;
use crate::db::locations;
use crate::domain::digest::ContentAddress;
use crate::domain::event::FileIngested;
use crate::domain::file::{
    FileRecord, INLINE_BACKEND, Location, ObjectAttributes, PARTS_OBJECT_KEY,
};
use crate::registry::error::{Error, Result};
use crate::registry::handle::Registry;
use crate::registry::quarantine::BlobKey;

/// Checked bytes of a file, in order. An item is an error only when the stored bytes are damaged
/// or cannot be read; nothing after it may be sent.
pub type FileStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

impl Registry {
    /// The bytes `range` of a file, checked. The first chunk is read and checked before this
    /// returns, so that damage at the start is an error instead of a broken stream, or the bytes of
    /// another copy.
    pub async fn open_file(&self, file: &FileRecord, range: Range<u64>) -> Result<FileStream> {
        match self.open_stored(file, range.clone()).await {
            Err(error @ (Error::Corrupt(_) | Error::Unavailable(_))) => {
                match self.open_copy(file, range).await {
                    Ok(Some(stream)) => Ok(stream),
                    _ => Err(error),
                }
            }
            opened => opened,
        }
    }

    async fn open_copy(&self, file: &FileRecord, range: Range<u64>) -> Result<Option<FileStream>> {
        let (readers, place) = (&self.inner.db.readers, &file.location);
        let copies =
            locations::other_copies(readers, file.address, &place.backend_id, &place.object_key);
        for copy in copies.await? {
            if let Ok(stream) = self.open_stored(&copy, range.clone()).await {
                return Ok(Some(stream));
            }
        }
        Ok(None)
    }

    /// As [`Self::open_file`], but only from the file's own location.
    pub(super) async fn open_stored(
        &self,
        file: &FileRecord,
        range: Range<u64>,
    ) -> Result<FileStream> {
        if range.is_empty() {
            return Ok(Box::pin(stream::empty()));
        }
        if file.location.backend_id == INLINE_BACKEND {
            let bytes = self.open_inline(file).await?;
            let range = range.start as usize..(range.end as usize).min(bytes.len());
            return Ok(Box::pin(stream::once(std::future::ready(Ok(
                bytes.slice(range)
            )))));
        }
        let mut segments = segments_of(file, range);
        // Refused at once, and not where the stream comes to it.
        for (blob, _) in &segments {
            self.refuse_when_blocked(blob)?;
        }
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
    async fn open_inline(&self, file: &FileRecord) -> Result<Bytes> {
        let address = file.address;
        if let Some(bytes) = self.inner.content.find(address) {
            return Ok(bytes);
        }
        for blob in blobs_of(file) {
            self.refuse_when_blocked(&blob)?;
        }
        let bytes = inline::find_inline(&self.inner.db.readers, address).await?;
        let bytes = bytes.map(Bytes::from).ok_or_else(|| BlobError::Missing {
            backend_id: INLINE_BACKEND.to_owned(),
            object_key: file.location.object_key.clone(),
        });
        let checked = bytes.and_then(|bytes| {
            self.inner.blobs.verify_inline(address, &bytes)?;
            Ok(bytes)
        });
        match checked {
            Ok(bytes) => {
                self.inner.content.put(address, bytes.clone());
                Ok(bytes)
            }
            Err(error) => {
                self.note_fault(address, INLINE_BACKEND, &error);
                Err(error.into())
            }
        }
    }

    async fn open_blob(&self, blob: &BlobRef, range: Range<u64>) -> Result<BlobReader> {
        self.refuse_when_blocked(blob)?;
        match self.inner.blobs.read(blob, range).await {
            Ok(reader) => Ok(reader),
            Err(error) => {
                self.note_fault(blob.address, &blob.backend_id, &error);
                Err(error.into())
            }
        }
    }

    fn refuse_when_blocked(&self, blob: &BlobRef) -> Result<()> {
        if self.inner.quarantine.is_blocked(blob) {
            let (address, backend_id) = (blob.address, &blob.backend_id);
            return Err(Error::Corrupt(format!(
                "the bytes of {address} in '{backend_id}' are known to be damaged"
            )));
        }
        Ok(())
    }

    /// Has damage that a reader met looked at as a whole, beside the request.
    fn note_fault(&self, address: ContentAddress, backend_id: &str, error: &BlobError) {
        if !matches!(error, BlobError::Missing { .. } | BlobError::Corrupt { .. }) {
            return;
        }
        tracing::error!(%address, backend_id, %error, "a reader met damaged bytes");
        self.suspect(BlobKey {
            backend_id: backend_id.to_owned(),
            address,
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
                            .note_fault(blob.address, &blob.backend_id, &error);
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
