//! Reads of files: by key, by id, listing pages.

use std::sync::LazyLock;

use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, Executor};

use crate::db::codec::Columns;
use crate::db::dialect::Dialect;
use crate::db::error::{DbError, Result};
use crate::db::rows::ForRows;
use crate::db::script::Script;
use crate::domain::file::{FileRecord, FileSummary, Location, ObjectAttributes};
use crate::domain::ids::{FileId, PackageId, Timestamp};
use crate::domain::name::ObjectKey;
use crate::domain::package::CurrentFile;
use crate::domain::payload::decode_attributes;

/// What [`read_record`] reads, of a file `f` and its location `l`.
pub(super) const RECORD_COLUMNS: &str = "f.id, f.package_id, f.relative_path, f.media_type, \
    f.size_bytes, f.address, f.sha256, f.etag, f.created_at, f.sequence, f.ingested_by, \
    f.attributes, l.id, l.backend_id, l.object_key, f.copied_from_package, \
    f.copied_from_file, f.is_versioned, f.lock_mode, f.retain_until, f.legal_hold";

/// The bytes just above every key: UTF-8 never holds 0xff.
const ABOVE_ALL_KEYS: u8 = 0xff;

/// The current file of a key.
pub async fn find_current<'e, E>(
    executor: E,
    package: PackageId,
    key: &ObjectKey,
) -> Result<Option<FileRecord>>
where
    E: Executor<'e, Database = Any>,
{
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {RECORD_COLUMNS} FROM objects o JOIN files f ON f.id = o.file_id \
             JOIN storage_locations l ON l.file_id = f.id \
             WHERE o.package_id = $1 AND o.relative_path = $2 ORDER BY l.id LIMIT 1"
        )
    });
    let row = sqlx::query(TEXT.as_str())
        .bind(package.as_bytes().to_vec())
        .bind(key.as_bytes().to_vec())
        .fetch_optional(executor)
        .await?;
    row.map(|row| record(&row)).transpose()
}

/// A file by its id.
pub async fn find<'e, E>(executor: E, id: FileId) -> Result<Option<FileRecord>>
where
    E: Executor<'e, Database = Any>,
{
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {RECORD_COLUMNS} FROM files f JOIN storage_locations l ON l.file_id = f.id \
             WHERE f.id = $1 ORDER BY l.id LIMIT 1"
        )
    });
    let row = sqlx::query(TEXT.as_str())
        .bind(id.as_bytes().to_vec())
        .fetch_optional(executor)
        .await?;
    row.map(|row| record(&row)).transpose()
}

/// Full records of current files after a key, in key order.
pub async fn list_records<'e, E>(
    executor: E,
    package: PackageId,
    after: Option<&ObjectKey>,
    limit: usize,
) -> Result<Vec<FileRecord>>
where
    E: Executor<'e, Database = Any>,
{
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {RECORD_COLUMNS} FROM objects o JOIN files f ON f.id = o.file_id \
             JOIN storage_locations l ON l.file_id = f.id AND l.id = \
             (SELECT MIN(m.id) FROM storage_locations m WHERE m.file_id = f.id) \
             WHERE o.package_id = $1 AND o.relative_path > $2 ORDER BY o.relative_path LIMIT $3"
        )
    });
    let rows = sqlx::query(TEXT.as_str())
        .bind(package.as_bytes().to_vec())
        .bind(after.map(|key| key.as_bytes().to_vec()).unwrap_or_default())
        .bind(limit as i64)
        .fetch_all(executor)
        .await?;
    rows.iter().map(record).collect()
}

/// A range of keys: above `after` and below `below`, both exclusive.
#[derive(Debug, Clone)]
pub struct KeyRange {
    /// The lower bound.
    pub after: Vec<u8>,
    /// The upper bound.
    pub below: Vec<u8>,
}

impl KeyRange {
    /// Every key with a prefix.
    pub fn of_prefix(prefix: &[u8]) -> Self {
        // A key equal to the prefix belongs to it: the bound below is the greatest text under it.
        let mut below = prefix.to_vec();
        below.push(ABOVE_ALL_KEYS);
        let after = match prefix.split_last() {
            None => Vec::new(),
            Some((&last, init)) => match last.checked_sub(1) {
                // Above every text that begins with the predecessor of the prefix's last byte.
                Some(smaller) => {
                    let mut after = init.to_vec();
                    after.push(smaller);
                    after.extend([ABOVE_ALL_KEYS; 2]);
                    after
                }
                None => init.to_vec(),
            },
        };
        Self { after, below }
    }

    /// The same range, but only above a key.
    #[must_use]
    pub fn above(mut self, key: &[u8]) -> Self {
        if key > self.after.as_slice() {
            self.after = key.to_vec();
        }
        self
    }

    /// The same range, but only above every key that begins with a prefix.
    #[must_use]
    pub fn above_prefix(self, prefix: &[u8]) -> Self {
        let mut key = prefix.to_vec();
        key.push(ABOVE_ALL_KEYS);
        self.above(&key)
    }
}

/// Current files in a range of keys, in order. Reads `limit` rows of one clustered table, whatever
/// the size of the package.
pub async fn list_page<'e, E>(
    executor: E,
    dialect: Dialect,
    package: PackageId,
    range: &KeyRange,
    limit: usize,
) -> Result<Vec<FileSummary>>
where
    E: Executor<'e, Database = Any>,
{
    let row = sqlx::query(dialect.listing_page())
        .bind(package.as_bytes().to_vec())
        .bind(range.after.clone())
        .bind(range.below.clone())
        .bind(limit as i64)
        .fetch_one(executor)
        .await?;
    let Some(page) = Columns::new(&row).text_or_null()? else {
        return Ok(Vec::new());
    };
    let mut files: Vec<FileSummary> = Vec::with_capacity(limit.min(1024));
    let mut rest = page.as_str();
    while !rest.is_empty() {
        let (file, after) =
            listed_file(rest).ok_or_else(|| DbError::Corrupt("a listing is garbled".into()))?;
        rest = after;
        if files.last().is_some_and(|last| last.key >= file.key) {
            return Err(DbError::Corrupt("a listing is out of order".into()));
        }
        files.push(file);
    }
    Ok(files)
}

/// The first key of a range, for skipping over groups.
pub async fn first_key<'e, E>(
    executor: E,
    package: PackageId,
    range: &KeyRange,
) -> Result<Option<Vec<u8>>>
where
    E: Executor<'e, Database = Any>,
{
    let row = sqlx::query(
        "SELECT relative_path FROM objects WHERE package_id = $1 AND relative_path > $2 \
         AND relative_path < $3 ORDER BY relative_path LIMIT 1",
    )
    .bind(package.as_bytes().to_vec())
    .bind(range.after.clone())
    .bind(range.below.clone())
    .fetch_optional(executor)
    .await?;
    row.map(|row| Columns::new(&row).bytes()).transpose()
}

const CURRENT: ForRows = ForRows {
    before: "SELECT o.package_id, o.relative_path, o.file_id, o.etag, o.address, o.size_bytes \
             FROM (VALUES",
    columns: 2,
    after: ") v JOIN objects o ON o.package_id = v.column1 AND o.relative_path = v.column2",
};

/// The current files of many keys; absent keys are left out. Runs a script first, which answers no
/// rows of its own.
pub async fn load_current(
    connection: &mut AnyConnection,
    mut after: Script,
    keys: &[(PackageId, ObjectKey)],
) -> Result<Vec<((PackageId, ObjectKey), CurrentFile)>> {
    CURRENT.add(&mut after, keys, |values, (package, key)| {
        values
            .bind(package.as_bytes().to_vec())
            .bind(key.as_bytes().to_vec())
    });
    let rows = after.fetch(connection).await?;
    let file = |row: &AnyRow| {
        let mut columns = Columns::new(row);
        let key = (columns.package_id()?, columns.key()?);
        let file = CurrentFile {
            id: columns.file_id()?,
            etag: columns.text()?,
            address: columns.address()?,
            size_bytes: columns.unsigned()?,
        };
        Ok((key, file))
    };
    rows.iter().map(file).collect()
}

/// How many files of a package should have their bytes in the database and do not.
pub async fn count_without_content<'e, E>(executor: E, package: PackageId) -> Result<u64>
where
    E: Executor<'e, Database = Any>,
{
    let row = sqlx::query(
        "SELECT CAST(COUNT(*) AS BIGINT) FROM (SELECT file_id FROM objects WHERE package_id = $1 \
         UNION ALL SELECT id FROM versions WHERE package_id = $1 AND is_marker = 0) o \
         JOIN storage_locations l ON l.file_id = o.file_id \
         WHERE l.backend_id = 'inline' AND NOT EXISTS \
         (SELECT 1 FROM inline_blobs b WHERE b.address = l.content_address)",
    )
    .bind(package.as_bytes().to_vec())
    .fetch_one(executor)
    .await?;
    Columns::new(&row).unsigned()
}

/// The first line of a page, and the lines behind it. A key may hold blanks and line feeds.
fn listed_file(page: &str) -> Option<(FileSummary, &str)> {
    let mut fields = page.splitn(5, ' ');
    let key_length: usize = fields.next()?.parse().ok()?;
    let size_bytes = fields.next()?.parse().ok()?;
    let created_at = Timestamp(fields.next()?.parse().ok()?);
    let etag = fields.next()?.to_owned();
    let (key, rest) = fields.next()?.split_at_checked(key_length)?;
    let file = FileSummary {
        key: ObjectKey::parse(key).ok()?,
        etag,
        size_bytes,
        created_at,
    };
    let rest = rest
        .strip_prefix('\n')
        .or(rest.is_empty().then_some(rest))?;
    Some((file, rest))
}

fn record(row: &AnyRow) -> Result<FileRecord> {
    read_record(&mut Columns::new(row))
}

/// A file with one of its locations, from the columns of [`RECORD_COLUMNS`].
pub(super) fn read_record(columns: &mut Columns<'_>) -> Result<FileRecord> {
    Ok(FileRecord {
        id: columns.file_id()?,
        package_id: columns.package_id()?,
        key: columns.key()?,
        media_type: columns.text()?,
        size_bytes: columns.unsigned()?,
        address: columns.address()?,
        sha256: columns.array()?,
        etag: columns.text()?,
        created_at: columns.time()?,
        sequence: columns.sequence()?,
        ingested_by: columns.text()?,
        attributes: attributes(columns)?,
        location: Location {
            id: columns.location_id()?,
            backend_id: columns.text()?,
            object_key: columns.text()?,
        },
        copied_from: columns
            .package_id_or_null()?
            .zip(columns.file_id_or_null()?),
        is_versioned: columns.int()? != 0,
        lock: columns.lock(),
    })
}

/// What clients attached, from a column that is NULL when there is nothing.
pub fn attributes(columns: &mut Columns<'_>) -> Result<ObjectAttributes> {
    match columns.bytes_or_null()? {
        None => Ok(ObjectAttributes::default()),
        Some(bytes) => {
            decode_attributes(&bytes).map_err(|error| DbError::Corrupt(error.to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_of_a_prefix_holds_exactly_its_keys() {
        let prefixes = ["", "a", "a/", "\0", "é", "a\0", "\u{80}"];
        let keys = [
            "\0",
            "\0\0",
            "a",
            "a\0",
            "a\0b",
            "a/",
            "a/b",
            "a/\u{10ffff}",
            "a0",
            "b",
            "`\u{10ffff}",
            "`",
            "é",
            "éa",
            "ê",
            "\u{80}",
            "\u{7f}",
            "\u{10ffff}",
            "A",
        ];
        for prefix in prefixes {
            let range = KeyRange::of_prefix(prefix.as_bytes());
            for key in keys {
                let inside = key.as_bytes() > range.after.as_slice()
                    && key.as_bytes() < range.below.as_slice();
                assert_eq!(inside, key.starts_with(prefix), "{prefix:?} {key:?}");
            }
        }
    }
}
