//! Ingest, find, open, copy, remove and list files.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;

use crate::domain::condition::WriteCondition;
use crate::domain::file::{FileRecord, ObjectAttributes};
use crate::domain::ids::{FileId, PackageId, Timestamp};
use crate::domain::name::ObjectKey;
use crate::registry::error::{Error, Result};
use crate::registry::handle::Registry;
use crate::registry::source::ByteSource;

/// Checked bytes of a file, in order. An item is an error only when the stored bytes are damaged
/// or cannot be read; nothing after it may be sent.
pub type FileStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// Writes bytes to a key.
#[derive(Debug, Clone)]
pub struct IngestFile {
    /// The package.
    pub package_id: PackageId,
    /// The key.
    pub key: ObjectKey,
    /// `Content-Type`.
    pub media_type: String,
    /// What the client attaches. A checksum algorithm asked by the source is added by the ingest.
    pub attributes: ObjectAttributes,
    /// What must hold of the current file.
    pub condition: WriteCondition,
    /// Who acts.
    pub actor: String,
}

/// Makes a key hold the bytes of another file, by reference.
#[derive(Debug, Clone)]
pub struct CopyFile {
    /// The source, already found and allowed.
    pub source: Arc<FileRecord>,
    /// The destination's package.
    pub package_id: PackageId,
    /// The destination's key.
    pub key: ObjectKey,
    /// `Some` replaces media type and attributes (REPLACE); `None` keeps the source's (COPY). The
    /// parts of the source always stay with the bytes.
    pub replace: Option<(String, ObjectAttributes)>,
    /// A checksum to compute for the copy if the source does not have it.
    pub checksum: Option<crate::domain::digest::ChecksumAlgorithm>,
    /// What must hold of the destination's current file.
    pub condition: WriteCondition,
    /// Who acts.
    pub actor: String,
}

/// Removes the current file of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveFile {
    /// The key.
    pub key: ObjectKey,
    /// Only if this is the current file; another one stays, which is a success too.
    pub only: Option<FileId>,
}

/// Where a listing goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListPosition {
    /// After this key, which need not exist.
    AfterKey(String),
    /// After every key that begins with this prefix.
    AfterPrefix(String),
}

/// A page of a listing in UTF-8 byte order.
#[derive(Debug, Clone, Default)]
pub struct ListFiles {
    /// Only keys with this prefix.
    pub prefix: String,
    /// Keys are grouped by the first occurrence of this after the prefix; empty means none.
    pub delimiter: String,
    /// Where to go on.
    pub after: Option<ListPosition>,
    /// At most so many entries.
    pub limit: usize,
}

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListEntry {
    /// A key.
    File(FileSummary),
    /// A group of keys: the common prefix, which ends in the delimiter.
    Prefix(String),
}

/// What a listing shows of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSummary {
    /// The identifier.
    pub id: FileId,
    /// The key.
    pub key: ObjectKey,
    /// The ETag without quotes.
    pub etag: String,
    /// The length in bytes.
    pub size_bytes: u64,
    /// `LastModified`.
    pub created_at: Timestamp,
    /// The actor who wrote it.
    pub ingested_by: String,
}

/// A page and where the next begins; `None` when it is the last.
#[derive(Debug, Clone, Default)]
pub struct FilePage {
    /// In order; a group stands at the place of its first key.
    pub entries: Vec<ListEntry>,
    /// Where the next page begins.
    pub next: Option<ListPosition>,
}

impl Registry {
    /// Streams bytes into the store and records them under a key: durable and visible when it
    /// returns, and invisible if it fails. A write of the same bytes to the same key of a finalized
    /// package succeeds without an event.
    pub async fn ingest_file(
        &self,
        command: IngestFile,
        source: &mut dyn ByteSource,
    ) -> Result<Arc<FileRecord>> {
        let _ = (command, source);
        todo!()
    }

    /// The early no: refuses what the commit would refuse, before any body is read. The decision
    /// is still the commit's.
    pub async fn check_writable(
        &self,
        package_id: PackageId,
        key: &ObjectKey,
        condition: &WriteCondition,
    ) -> Result<()> {
        let _ = (package_id, key, condition);
        todo!()
    }

    /// The current file of a key.
    pub async fn find_file(
        &self,
        package_id: PackageId,
        key: &ObjectKey,
    ) -> Result<Option<Arc<FileRecord>>> {
        let _ = (package_id, key);
        todo!()
    }

    /// A file by its id, whatever its key holds now.
    pub async fn find_file_by_id(&self, id: FileId) -> Result<Option<Arc<FileRecord>>> {
        let _ = id;
        todo!()
    }

    /// The bytes `range` of a file, checked. The first chunk is read and checked before this
    /// returns, so that damage at the start is an error instead of a broken stream.
    pub async fn open_file(&self, file: &FileRecord, range: Range<u64>) -> Result<FileStream> {
        let _ = (file, range);
        Err(Error::Internal("todo".into()))
    }

    /// Records a copy by reference; no byte moves unless a checksum must be computed.
    pub async fn copy_file(&self, command: CopyFile) -> Result<Arc<FileRecord>> {
        let _ = command;
        todo!()
    }

    /// Removes files; an absent key is a success. One outcome for each command, in their order.
    pub async fn remove_files(
        &self,
        package_id: PackageId,
        commands: Vec<RemoveFile>,
        actor: &str,
    ) -> Result<Vec<Result<()>>> {
        let _ = (package_id, commands, actor);
        todo!()
    }

    /// A page of current files. Costs the same whatever the size of the package.
    pub async fn list_files(&self, package_id: PackageId, query: &ListFiles) -> Result<FilePage> {
        let _ = (package_id, query);
        todo!()
    }

    /// Full records of current files after a key, in order, for manifests and checksum lists.
    pub async fn list_file_records(
        &self,
        package_id: PackageId,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<Arc<FileRecord>>> {
        let _ = (package_id, after, limit);
        todo!()
    }
}
