//! Ids, times, digests and documents to columns and back. The only converter.
//!
//! Columns are BIGINT, TEXT and BLOB only: ids are 16 bytes, times are microseconds, keys are
//! bytes, documents are canonical bytes.

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::db::error::{DbError, Result};
use crate::domain::digest::ContentAddress;
use crate::domain::ids::{FileId, LocationId, PackageId, SchemaId, Sequence, Timestamp, UploadId};
use crate::domain::lock::{FileLock, ObjectRetention, RetentionMode};
use crate::domain::name::{ObjectKey, PackageName};

/// Reads the columns of a row, by position, into domain types.
pub struct Columns<'r> {
    row: &'r AnyRow,
    next: usize,
}

impl<'r> Columns<'r> {
    /// Begins at the first column.
    pub fn new(row: &'r AnyRow) -> Self {
        Self { row, next: 0 }
    }

    fn position(&mut self) -> usize {
        let position = self.next;
        self.next += 1;
        position
    }

    /// A BIGINT.
    pub fn int(&mut self) -> Result<i64> {
        let position = self.position();
        Ok(self.row.try_get(position)?)
    }

    /// A BIGINT that cannot be negative.
    pub fn unsigned(&mut self) -> Result<u64> {
        let value = self.int()?;
        u64::try_from(value).map_err(|_| self.corrupt("a negative number"))
    }

    /// A BIGINT or NULL.
    pub fn int_or_null(&mut self) -> Result<Option<i64>> {
        let position = self.position();
        Ok(self.row.try_get(position)?)
    }

    /// A TEXT.
    pub fn text(&mut self) -> Result<String> {
        let position = self.position();
        Ok(self.row.try_get(position)?)
    }

    /// A TEXT or NULL.
    pub fn text_or_null(&mut self) -> Result<Option<String>> {
        let position = self.position();
        Ok(self.row.try_get(position)?)
    }

    /// A BLOB.
    pub fn bytes(&mut self) -> Result<Vec<u8>> {
        let position = self.position();
        Ok(self.row.try_get(position)?)
    }

    /// A BLOB or NULL.
    pub fn bytes_or_null(&mut self) -> Result<Option<Vec<u8>>> {
        let position = self.position();
        Ok(self.row.try_get(position)?)
    }

    /// A BLOB of a fixed length.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let bytes = self.bytes()?;
        bytes
            .as_slice()
            .try_into()
            .map_err(|_| self.corrupt("bytes of the wrong length"))
    }

    /// A content address.
    pub fn address(&mut self) -> Result<ContentAddress> {
        Ok(ContentAddress(self.array()?))
    }

    /// A content address or NULL.
    pub fn address_or_null(&mut self) -> Result<Option<ContentAddress>> {
        let bytes = self.bytes_or_null()?;
        bytes
            .map(|bytes| {
                ContentAddress::from_slice(&bytes).ok_or_else(|| self.corrupt("no address"))
            })
            .transpose()
    }

    /// An instant.
    pub fn time(&mut self) -> Result<Timestamp> {
        self.int().map(Timestamp)
    }

    /// An instant or NULL.
    pub fn time_or_null(&mut self) -> Result<Option<Timestamp>> {
        Ok(self.int_or_null()?.map(Timestamp))
    }

    /// A position in the log.
    pub fn sequence(&mut self) -> Result<Sequence> {
        self.unsigned().map(Sequence)
    }

    /// A package's id.
    pub fn package_id(&mut self) -> Result<PackageId> {
        let bytes = self.bytes()?;
        PackageId::from_slice(&bytes).ok_or_else(|| self.corrupt("no package id"))
    }

    /// A package's id or NULL.
    pub fn package_id_or_null(&mut self) -> Result<Option<PackageId>> {
        let bytes = self.bytes_or_null()?;
        bytes
            .map(|bytes| PackageId::from_slice(&bytes).ok_or_else(|| self.corrupt("no id")))
            .transpose()
    }

    /// A file's id.
    pub fn file_id(&mut self) -> Result<FileId> {
        let bytes = self.bytes()?;
        FileId::from_slice(&bytes).ok_or_else(|| self.corrupt("no file id"))
    }

    /// A file's id or NULL.
    pub fn file_id_or_null(&mut self) -> Result<Option<FileId>> {
        let bytes = self.bytes_or_null()?;
        bytes
            .map(|bytes| FileId::from_slice(&bytes).ok_or_else(|| self.corrupt("no file id")))
            .transpose()
    }

    /// A schema's id.
    pub fn schema_id(&mut self) -> Result<SchemaId> {
        let bytes = self.bytes()?;
        SchemaId::from_slice(&bytes).ok_or_else(|| self.corrupt("no schema id"))
    }

    /// A location's id.
    pub fn location_id(&mut self) -> Result<LocationId> {
        let bytes = self.bytes()?;
        LocationId::from_slice(&bytes).ok_or_else(|| self.corrupt("no location id"))
    }

    /// An upload's id.
    pub fn upload_id(&mut self) -> Result<UploadId> {
        let bytes = self.bytes()?;
        UploadId::from_slice(&bytes).ok_or_else(|| self.corrupt("no upload id"))
    }

    /// A key.
    pub fn key(&mut self) -> Result<ObjectKey> {
        let bytes = self.bytes()?;
        ObjectKey::from_bytes(&bytes).map_err(|_| self.corrupt("no key"))
    }

    /// A bucket's name.
    pub fn package_name(&mut self) -> Result<PackageName> {
        let text = self.text()?;
        PackageName::parse(&text).map_err(|_| self.corrupt("no bucket name"))
    }

    /// A text that a parser understands.
    pub fn word<T>(&mut self, parse: impl Fn(&str) -> Option<T>) -> Result<T> {
        let text = self.text()?;
        parse(&text).ok_or_else(|| self.corrupt(&format!("the word '{text}'")))
    }

    /// A text that a parser understands, or NULL.
    pub fn word_or_null<T>(&mut self, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>> {
        let Some(text) = self.text_or_null()? else {
            return Ok(None);
        };
        let word = parse(&text).ok_or_else(|| self.corrupt(&format!("the word '{text}'")))?;
        Ok(Some(word))
    }

    /// The lock of a version, from mode, end and legal hold. What cannot be understood is a lock
    /// all the same, so that it forbids what a lock forbids.
    pub fn lock(&mut self) -> FileLock {
        let mode = self.lenient(Self::text_or_null);
        let until = self.lenient(Self::time_or_null);
        let hold = self.lenient(Self::text_or_null);
        let retention = match (mode, until) {
            (Ok(None), Ok(None)) => Ok(None),
            (Ok(Some(mode)), Ok(Some(retain_until))) => RetentionMode::parse(&mode)
                .map(|mode| Some(ObjectRetention { mode, retain_until }))
                .ok_or(()),
            _ => Err(()),
        };
        let legal_hold = match hold.as_ref().map(Option::as_deref) {
            Ok(None) => Ok(None),
            Ok(Some("on")) => Ok(Some(true)),
            Ok(Some("off")) => Ok(Some(false)),
            _ => Err(()),
        };
        FileLock {
            retention: retention.unwrap_or_default(),
            legal_hold: legal_hold.unwrap_or_default(),
            is_unreadable: retention.is_err() || legal_hold.is_err(),
        }
    }

    fn lenient<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> std::result::Result<T, ()> {
        read(self).map_err(|_| ())
    }

    /// The error for the column just read.
    pub fn corrupt(&self, what: &str) -> DbError {
        DbError::Corrupt(format!("column {} holds {what}", self.next - 1))
    }
}

/// A number as a BIGINT. Numbers that do not fit do not occur: sizes and positions are below 2^63.
pub fn to_int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
