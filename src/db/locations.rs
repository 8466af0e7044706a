//! Where the bytes of files are: pages for verification, other copies of the same bytes, and what
//! is known to be damaged.

use std::sync::LazyLock;

use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, Executor};

use crate::db::codec::Columns;
use crate::db::error::{DbError, Result};
use crate::db::files::{RECORD_COLUMNS, read_record};
use crate::db::rows::ForRows;
use crate::db::script::Script;
use crate::domain::digest::ContentAddress;
use crate::domain::file::FileRecord;
use crate::domain::ids::{FileId, LocationId, PackageId};
use crate::domain::name::ObjectKey;
use crate::domain::scrub::LocationStatus;

/// A file with one of its locations, and what is known of the bytes there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocationRow {
    /// The file; its location is the one meant.
    pub file: FileRecord,
    /// What is known.
    pub status: LocationStatus,
}

/// A location's place in the order of verification: locations of the same content follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocationCursor {
    /// The content.
    pub address: ContentAddress,
    /// The backend.
    pub backend_id: String,
    /// The file.
    pub file_id: FileId,
    /// The location.
    pub location_id: LocationId,
}

impl LocationCursor {
    /// The place of a location.
    pub fn of(file: &FileRecord) -> Self {
        Self {
            address: file.address,
            backend_id: file.location.backend_id.clone(),
            file_id: file.id,
            location_id: file.location.id,
        }
    }

    /// As a run keeps it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.address.0.to_vec();
        bytes.extend_from_slice(self.file_id.as_bytes());
        bytes.extend_from_slice(self.location_id.as_bytes());
        bytes.extend_from_slice(self.backend_id.as_bytes());
        bytes
    }

    /// What [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let read = || {
            let (address, rest) = bytes.split_at_checked(32)?;
            let (file, rest) = rest.split_at_checked(16)?;
            let (location, backend) = rest.split_at_checked(16)?;
            Some(Self {
                address: ContentAddress::from_slice(address)?,
                backend_id: std::str::from_utf8(backend).ok()?.to_owned(),
                file_id: FileId::from_slice(file)?,
                location_id: LocationId::from_slice(location)?,
            })
        };
        read().ok_or_else(|| DbError::Corrupt("a run holds no cursor".into()))
    }
}

/// Which locations: of the files of a package, older versions too, of a backend, or all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocationScope {
    /// Only of this package.
    pub package_id: Option<PackageId>,
    /// Only on this backend.
    pub backend_id: Option<String>,
}

/// The order of verification. Both databases find it in an index.
const ORDER: &str = "l.content_address, l.backend_id, l.file_id, l.id";

/// Locations behind a place, in the order of verification.
pub async fn page<'e, E>(
    executor: E,
    scope: &LocationScope,
    after: Option<&LocationCursor>,
    limit: usize,
) -> Result<Vec<LocationRow>>
where
    E: Executor<'e, Database = Any>,
{
    static ALL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {RECORD_COLUMNS}, l.status FROM storage_locations l CROSS JOIN files f \
             WHERE f.id = l.file_id AND ({ORDER}) > ($1, $2, $3, $4) \
             AND ($5 = '' OR l.backend_id = $5) ORDER BY {ORDER} LIMIT $6"
        )
    });
    // The whole of the package is sorted for each page, by its keys alone.
    static OF_PACKAGE: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {RECORD_COLUMNS}, l.status FROM (SELECT l.file_id AS file_id, l.id AS id \
             FROM (SELECT file_id FROM objects WHERE package_id = $7 UNION ALL \
             SELECT id FROM versions WHERE package_id = $7 AND is_marker = 0) o \
             CROSS JOIN storage_locations l WHERE l.file_id = o.file_id AND ({ORDER}) > ($1, $2, $3, $4) \
             AND ($5 = '' OR l.backend_id = $5) ORDER BY {ORDER} LIMIT $6) k \
             CROSS JOIN storage_locations l CROSS JOIN files f \
             WHERE l.file_id = k.file_id AND l.id = k.id AND f.id = k.file_id ORDER BY {ORDER}"
        )
    });
    let text = match scope.package_id {
        None => ALL.as_str(),
        Some(_) => OF_PACKAGE.as_str(),
    };
    let query = match after {
        None => sqlx::query(text)
            .bind(Vec::<u8>::new())
            .bind(String::new())
            .bind(Vec::<u8>::new())
            .bind(Vec::<u8>::new()),
        Some(after) => sqlx::query(text)
            .bind(after.address.0.to_vec())
            .bind(after.backend_id.clone())
            .bind(after.file_id.as_bytes().to_vec())
            .bind(after.location_id.as_bytes().to_vec()),
    };
    let backend = scope.backend_id.clone().unwrap_or_default();
    let mut query = query.bind(backend).bind(limit as i64);
    if let Some(package) = scope.package_id {
        query = query.bind(package.as_bytes().to_vec());
    }
    let rows = query.fetch_all(executor).await?;
    rows.iter().map(location).collect()
}

/// How many locations there are.
pub async fn count<'e, E>(executor: E, scope: &LocationScope) -> Result<u64>
where
    E: Executor<'e, Database = Any>,
{
    let text = match scope.package_id {
        None => {
            "SELECT CAST(COUNT(*) AS BIGINT) FROM storage_locations l \
             WHERE ($1 = '' OR l.backend_id = $1)"
        }
        Some(_) => {
            "SELECT CAST(COUNT(*) AS BIGINT) FROM (SELECT file_id FROM objects \
             WHERE package_id = $2 UNION ALL SELECT id FROM versions WHERE package_id = $2 \
             AND is_marker = 0) o JOIN storage_locations l ON l.file_id = o.file_id \
             WHERE ($1 = '' OR l.backend_id = $1)"
        }
    };
    let mut query = sqlx::query(text).bind(scope.backend_id.clone().unwrap_or_default());
    if let Some(package) = scope.package_id {
        query = query.bind(package.as_bytes().to_vec());
    }
    Columns::new(&query.fetch_one(executor).await?).unsigned()
}

/// The locations whose bytes a blob holds, wholly or in part, behind a place in the order of files.
pub async fn of_blob<'e, E>(
    executor: E,
    address: ContentAddress,
    backend_id: &str,
    after: Option<(FileId, LocationId)>,
    limit: usize,
) -> Result<Vec<LocationRow>>
where
    E: Executor<'e, Database = Any>,
{
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {RECORD_COLUMNS}, l.status FROM (SELECT file_id FROM storage_locations \
             WHERE content_address = $1 AND backend_id = $2 UNION SELECT file_id \
             FROM part_references WHERE content_address = $1 AND backend_id = $2) k \
             CROSS JOIN storage_locations l CROSS JOIN files f \
             WHERE l.file_id = k.file_id AND f.id = k.file_id AND (l.file_id, l.id) > ($3, $4) \
             ORDER BY l.file_id, l.id LIMIT $5"
        )
    });
    let (file, id) = after.map_or_else(Default::default, |(file, id)| {
        (file.as_bytes().to_vec(), id.as_bytes().to_vec())
    });
    let rows = sqlx::query(TEXT.as_str())
        .bind(address.0.to_vec())
        .bind(backend_id.to_owned())
        .bind(file)
        .bind(id)
        .bind(limit as i64)
        .fetch_all(executor)
        .await?;
    rows.iter().map(location).collect()
}

/// Other places of the same content: on other backends, or in other objects of the same. Some of
/// them, when there are very many.
pub async fn other_copies<'e, E>(
    executor: E,
    address: ContentAddress,
    backend_id: &str,
    object_key: &str,
) -> Result<Vec<FileRecord>>
where
    E: Executor<'e, Database = Any>,
{
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {RECORD_COLUMNS} FROM (SELECT file_id, id FROM storage_locations \
             WHERE content_address = $1 AND backend_id < $2 UNION ALL \
             SELECT file_id, id FROM storage_locations \
             WHERE content_address = $1 AND backend_id > $2 UNION ALL \
             SELECT file_id, id FROM (SELECT file_id, id FROM storage_locations \
             WHERE content_address = $1 AND backend_id = $2 LIMIT 1000) s) k \
             CROSS JOIN storage_locations l CROSS JOIN files f \
             WHERE l.file_id = k.file_id AND l.id = k.id AND f.id = k.file_id \
             AND (l.backend_id <> $2 OR l.object_key <> $3) LIMIT 8"
        )
    });
    let rows = sqlx::query(TEXT.as_str())
        .bind(address.0.to_vec())
        .bind(backend_id.to_owned())
        .bind(object_key.to_owned())
        .fetch_all(executor)
        .await?;
    rows.iter()
        .map(|row| read_record(&mut Columns::new(row)))
        .collect()
}

/// Current files of a package, behind a key, that are not whole and sound on a backend.
pub async fn page_not_on<'e, E>(
    executor: E,
    package: PackageId,
    backend_id: &str,
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
             WHERE o.package_id = $1 AND o.relative_path > $2 AND NOT EXISTS ({SOUND_AND_WHOLE} \
             AND a.file_id = o.file_id AND a.backend_id = $3) \
             ORDER BY o.relative_path LIMIT $4"
        )
    });
    let rows = sqlx::query(TEXT.as_str())
        .bind(package.as_bytes().to_vec())
        .bind(after.map(|key| key.as_bytes().to_vec()).unwrap_or_default())
        .bind(backend_id.to_owned())
        .bind(limit as i64)
        .fetch_all(executor)
        .await?;
    rows.iter()
        .map(|row| read_record(&mut Columns::new(row)))
        .collect()
}

/// Locations whose object holds a whole file and is not known to be damaged.
const SOUND_AND_WHOLE: &str = "SELECT 1 FROM storage_locations a WHERE a.object_key <> 'parts' \
    AND a.status <> 'failed'";

/// How many current files of a package are not whole and sound on a backend.
pub async fn count_not_on<'e, E>(executor: E, package: PackageId, backend_id: &str) -> Result<u64>
where
    E: Executor<'e, Database = Any>,
{
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT CAST(COUNT(*) AS BIGINT) FROM (SELECT file_id FROM objects \
             WHERE package_id = $1 UNION ALL SELECT id FROM versions WHERE package_id = $1 \
             AND is_marker = 0) o WHERE NOT EXISTS ({SOUND_AND_WHOLE} AND a.file_id = o.file_id AND a.backend_id = $2)"
        )
    });
    let row = sqlx::query(TEXT.as_str())
        .bind(package.as_bytes().to_vec())
        .bind(backend_id.to_owned())
        .fetch_one(executor)
        .await?;
    Columns::new(&row).unsigned()
}

/// Whether a file has a location on a backend that holds all of it.
pub async fn is_on<'e, E>(executor: E, file: FileId, backend_id: &str) -> Result<bool>
where
    E: Executor<'e, Database = Any>,
{
    let row = sqlx::query(
        "SELECT id FROM storage_locations WHERE file_id = $1 AND backend_id = $2 \
         AND object_key <> 'parts' LIMIT 1",
    )
    .bind(file.as_bytes().to_vec())
    .bind(backend_id.to_owned())
    .fetch_optional(executor)
    .await?;
    Ok(row.is_some())
}

/// An object that should hold this content on a backend, of a file or of an archived one.
pub async fn find_object<'e, E>(
    executor: E,
    address: ContentAddress,
    backend_id: &str,
) -> Result<Option<String>>
where
    E: Executor<'e, Database = Any>,
{
    let row = sqlx::query(
        "SELECT object_key FROM storage_locations WHERE content_address = $1 \
         AND backend_id = $2 AND object_key <> 'parts' AND status <> 'failed' UNION ALL \
         SELECT object_key FROM archived_files WHERE content_address = $1 AND backend_id = $2 \
         LIMIT 1",
    )
    .bind(address.0.to_vec())
    .bind(backend_id.to_owned())
    .fetch_optional(executor)
    .await?;
    row.map(|row| Columns::new(&row).text()).transpose()
}

/// Some of the files that have this content as a part on another backend.
pub async fn files_with_part<'e, E>(
    executor: E,
    address: ContentAddress,
    not_on: &str,
) -> Result<Vec<FileId>>
where
    E: Executor<'e, Database = Any>,
{
    let rows = sqlx::query(
        "SELECT file_id FROM part_references WHERE content_address = $1 AND backend_id <> $2 \
         LIMIT 8",
    )
    .bind(address.0.to_vec())
    .bind(not_on.to_owned())
    .fetch_all(executor)
    .await?;
    rows.iter().map(|row| Columns::new(row).file_id()).collect()
}

const STATUSES: ForRows = ForRows {
    before: "SELECT l.file_id, l.id, l.status FROM (VALUES",
    columns: 2,
    after: ") v JOIN storage_locations l ON l.file_id = v.column1 AND l.id = v.column2",
};

/// What is known of locations; those that are gone are left out.
pub async fn statuses(
    connection: &mut AnyConnection,
    locations: &[(FileId, LocationId)],
) -> Result<Vec<((FileId, LocationId), LocationStatus)>> {
    let mut script = Script::default();
    STATUSES.add(&mut script, locations, |values, (file, id)| {
        values
            .bind(file.as_bytes().to_vec())
            .bind(id.as_bytes().to_vec())
    });
    let rows = script.fetch(connection).await?;
    let status = |row: &AnyRow| {
        let mut columns = Columns::new(row);
        let key = (columns.file_id()?, columns.location_id()?);
        Ok((key, columns.word(LocationStatus::parse)?))
    };
    rows.iter().map(status).collect()
}

/// How many locations of each backend have failed.
pub async fn count_failed<'e, E>(executor: E) -> Result<Vec<(String, u64)>>
where
    E: Executor<'e, Database = Any>,
{
    let rows = sqlx::query(
        "SELECT backend_id, CAST(COUNT(*) AS BIGINT) FROM storage_locations \
         WHERE status = 'failed' GROUP BY backend_id",
    )
    .fetch_all(executor)
    .await?;
    let count = |row| {
        let mut columns = Columns::new(row);
        Ok((columns.text()?, columns.unsigned()?))
    };
    rows.iter().map(count).collect()
}

fn location(row: &AnyRow) -> Result<LocationRow> {
    let mut columns = Columns::new(row);
    Ok(LocationRow {
        file: read_record(&mut columns)?,
        status: columns.word(LocationStatus::parse)?,
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let cursor = LocationCursor {
            address: ContentAddress([7; 32]),
            backend_id: "locál".to_owned(),
            file_id: FileId(Uuid::from_u128(1)),
            location_id: LocationId(Uuid::from_u128(2)),
        };
        let bytes = cursor.to_bytes();
        assert_eq!(LocationCursor::from_bytes(&bytes).unwrap(), cursor);
        for length in [0, 31, 32, 63] {
            assert!(LocationCursor::from_bytes(&bytes[..length]).is_err());
        }
    }
}
