//! Reads of versions: of one key for a decision, by name, and pages of a listing.

use std::sync::LazyLock;

use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, Executor};

use crate::db::codec::{Columns, to_int};
use crate::db::error::Result;
use crate::db::files::{KeyRange, RECORD_COLUMNS, read_record};
use crate::db::rows::ForRows;
use crate::db::script::Script;
use crate::domain::file::FileRecord;
use crate::domain::ids::{FileId, PackageId, Sequence, Timestamp};
use crate::domain::key_versions::Version;
use crate::domain::manifest::NoncurrentVersion;
use crate::domain::name::ObjectKey;
use crate::domain::package::CurrentFile;
use crate::domain::version::{Marker, MarkerRecord, VersionRef};

/// What [`read_version`] reads, of a version `v` that may be a file `f`.
const VERSION_COLUMNS: &str = "v.id, v.recency, v.is_marker, v.is_versioned, f.lock_mode, \
    f.retain_until, f.legal_hold, f.etag, f.address, f.size_bytes";

/// The current file of a key, as a version.
const CURRENT: &str = "SELECT f.id, 0 - f.sequence, 0, f.is_versioned, f.lock_mode, \
    f.retain_until, f.legal_hold, f.etag, f.address, f.size_bytes FROM objects o \
    JOIN files f ON f.id = o.file_id WHERE o.package_id = ? AND o.relative_path = ?";

static NEWEST: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {VERSION_COLUMNS} FROM versions v LEFT JOIN files f ON f.id = v.id \
         WHERE v.package_id = ? AND v.relative_path = ? ORDER BY v.recency LIMIT ?"
    )
});

static NULL: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {VERSION_COLUMNS} FROM versions v LEFT JOIN files f ON f.id = v.id \
         WHERE v.package_id = ? AND v.relative_path = ? AND v.is_versioned = 0"
    )
});

static NAMED: LazyLock<ForRows> = LazyLock::new(|| ForRows {
    before: Box::leak(
        format!(
            "SELECT {VERSION_COLUMNS} FROM versions v LEFT JOIN files f ON f.id = v.id \
             WHERE (v.id, v.package_id, v.relative_path) IN (VALUES"
        )
        .into(),
    ),
    columns: 3,
    after: ")",
});

/// Versions of a key: the current file, the newest of the others, and those that are named. One may
/// come twice.
pub async fn of_key(
    connection: &mut AnyConnection,
    package: PackageId,
    key: &ObjectKey,
    newest: usize,
    named: &[VersionRef],
) -> Result<Vec<Version>> {
    let mut script = Script::default();
    script.add(CURRENT, |values| {
        values
            .bind(package.as_bytes().to_vec())
            .bind(key.as_bytes().to_vec())
    });
    script.add(&NEWEST, |values| {
        values
            .bind(package.as_bytes().to_vec())
            .bind(key.as_bytes().to_vec())
            .bind(to_int(newest as u64))
    });
    if named.contains(&VersionRef::Null) {
        script.add(&NULL, |values| {
            values
                .bind(package.as_bytes().to_vec())
                .bind(key.as_bytes().to_vec())
        });
    }
    let ids: Vec<FileId> = named
        .iter()
        .filter_map(|name| match name {
            VersionRef::Id(id) => Some(*id),
            VersionRef::Null => None,
        })
        .collect();
    NAMED.add(&mut script, &ids, |values, id| {
        values
            .bind(id.as_bytes().to_vec())
            .bind(package.as_bytes().to_vec())
            .bind(key.as_bytes().to_vec())
    });
    let rows = script.fetch(connection).await?;
    rows.iter().map(read_version).collect()
}

fn read_version(row: &AnyRow) -> Result<Version> {
    let mut columns = Columns::new(row);
    let id = columns.file_id()?;
    let sequence = sequence(columns.int()?);
    let is_marker = columns.int()? != 0;
    let is_versioned = columns.int()? != 0;
    let lock = columns.lock();
    let file = if is_marker {
        None
    } else {
        Some(CurrentFile {
            id,
            etag: columns.text()?,
            address: columns.address()?,
            size_bytes: columns.unsigned()?,
        })
    };
    Ok(Version {
        id,
        sequence,
        is_versioned,
        lock,
        file,
    })
}

/// The position of a version from its place among the versions of its key.
fn sequence(recency: i64) -> Sequence {
    Sequence(recency.unsigned_abs())
}

/// A marker of a key: the one that is named, or the newest version if that is a marker.
pub async fn find_marker<'e, E>(
    executor: E,
    package: PackageId,
    key: &ObjectKey,
    name: Option<VersionRef>,
) -> Result<Option<MarkerRecord>>
where
    E: Executor<'e, Database = Any>,
{
    let text = match name {
        None => {
            "SELECT id, is_versioned, created_at, recency, is_marker FROM versions \
             WHERE package_id = $1 AND relative_path = $2 ORDER BY recency LIMIT 1"
        }
        Some(VersionRef::Null) => {
            "SELECT id, is_versioned, created_at, recency, is_marker FROM versions \
             WHERE package_id = $1 AND relative_path = $2 AND is_versioned = 0"
        }
        Some(VersionRef::Id(_)) => {
            "SELECT id, is_versioned, created_at, recency, is_marker FROM versions \
             WHERE package_id = $1 AND relative_path = $2 AND id = $3"
        }
    };
    let mut query = sqlx::query(text)
        .bind(package.as_bytes().to_vec())
        .bind(key.as_bytes().to_vec());
    if let Some(VersionRef::Id(id)) = name {
        query = query.bind(id.as_bytes().to_vec());
    }
    let Some(row) = query.fetch_optional(executor).await? else {
        return Ok(None);
    };
    let mut columns = Columns::new(&row);
    let record = MarkerRecord {
        marker: Marker {
            id: columns.file_id()?,
            is_versioned: columns.int()? != 0,
        },
        created_at: columns.time()?,
        sequence: sequence(columns.int()?),
    };
    Ok((columns.int()? != 0).then_some(record))
}

/// The null version of a key that is a file and not current.
pub async fn find_null_file<'e, E>(
    executor: E,
    package: PackageId,
    key: &ObjectKey,
) -> Result<Option<FileRecord>>
where
    E: Executor<'e, Database = Any>,
{
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {RECORD_COLUMNS} FROM versions v JOIN files f ON f.id = v.id \
             JOIN storage_locations l ON l.file_id = f.id WHERE v.package_id = $1 \
             AND v.relative_path = $2 AND v.is_versioned = 0 ORDER BY l.id LIMIT 1"
        )
    });
    let row = sqlx::query(TEXT.as_str())
        .bind(package.as_bytes().to_vec())
        .bind(key.as_bytes().to_vec())
        .fetch_optional(executor)
        .await?;
    row.map(|row| read_record(&mut Columns::new(&row)))
        .transpose()
}

/// What a listing shows of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionSummary {
    /// The key.
    pub key: ObjectKey,
    /// The file's or the marker's identifier.
    pub id: FileId,
    /// The position of its event.
    pub sequence: Sequence,
    /// Whether versioning was enabled; otherwise it is the null version.
    pub is_versioned: bool,
    /// Whether it is the current one.
    pub is_latest: bool,
    /// `LastModified`.
    pub created_at: Timestamp,
    /// ETag without quotes and length; `None` for a marker.
    pub file: Option<(String, u64)>,
}

/// Versions of keys in a range, by key and then from the newest. With `older_than`, the versions of
/// the range's lower bound that are older are in it as well.
pub async fn page<'e, E>(
    executor: E,
    package: PackageId,
    range: &KeyRange,
    older_than: Option<Sequence>,
    limit: usize,
) -> Result<Vec<VersionSummary>>
where
    E: Executor<'e, Database = Any>,
{
    // A current file of the lower bound itself is newer than all others of its key, and was shown.
    const TEXT: &str = "SELECT relative_path, id, recency, is_versioned, is_latest, created_at, \
        etag, size_bytes FROM (SELECT * FROM (SELECT o.relative_path AS relative_path, \
        o.file_id AS id, 0 - f.sequence AS recency, f.is_versioned AS is_versioned, \
        1 AS is_latest, o.created_at AS created_at, o.etag AS etag, o.size_bytes AS size_bytes \
        FROM objects o CROSS JOIN files f WHERE f.id = o.file_id AND o.package_id = $1 \
        AND o.relative_path > $2 AND o.relative_path < $3 ORDER BY o.relative_path LIMIT $5) a \
        UNION ALL SELECT * FROM (SELECT v.relative_path AS relative_path, v.id AS id, \
        v.recency AS recency, v.is_versioned AS is_versioned, CASE WHEN v.is_marker = 1 \
        AND NOT EXISTS (SELECT 1 FROM objects o WHERE o.package_id = v.package_id \
        AND o.relative_path = v.relative_path) AND NOT EXISTS (SELECT 1 FROM versions w \
        WHERE w.package_id = v.package_id AND w.relative_path = v.relative_path \
        AND w.recency < v.recency) THEN 1 ELSE 0 END AS is_latest, \
        v.created_at AS created_at, f.etag AS etag, f.size_bytes AS size_bytes \
        FROM versions v LEFT JOIN files f ON f.id = v.id WHERE v.package_id = $1 \
        AND (v.relative_path, v.recency) > ($2, $4) AND v.relative_path < $3 \
        ORDER BY v.relative_path, v.recency LIMIT $5) b) c \
        ORDER BY relative_path, recency LIMIT $5";
    // Without one, above every recency of the lower bound itself.
    let recency = older_than.map_or(i64::MAX, |sequence| -to_int(sequence.0));
    let rows = sqlx::query(TEXT)
        .bind(package.as_bytes().to_vec())
        .bind(range.after.clone())
        .bind(range.below.clone())
        .bind(recency)
        .bind(to_int(limit as u64))
        .fetch_all(executor)
        .await?;
    let summary = |row: &AnyRow| {
        let mut columns = Columns::new(row);
        Ok(VersionSummary {
            key: columns.key()?,
            id: columns.file_id()?,
            sequence: sequence(columns.int()?),
            is_versioned: columns.int()? != 0,
            is_latest: columns.int()? != 0,
            created_at: columns.time()?,
            file: match columns.text_or_null()? {
                None => None,
                Some(etag) => Some((etag, columns.unsigned()?)),
            },
        })
    };
    rows.iter().map(summary).collect()
}

/// The position of a version of a key, current or not.
pub async fn find_sequence<'e, E>(
    executor: E,
    package: PackageId,
    key: &ObjectKey,
    name: VersionRef,
) -> Result<Option<Sequence>>
where
    E: Executor<'e, Database = Any>,
{
    let (id, is_null) = match name {
        VersionRef::Null => (Vec::new(), 1_i64),
        VersionRef::Id(id) => (id.as_bytes().to_vec(), 0),
    };
    let row = sqlx::query(
        "SELECT 0 - f.sequence FROM objects o JOIN files f ON f.id = o.file_id \
         WHERE o.package_id = $1 AND o.relative_path = $2 \
         AND (f.id = $3 OR ($4 = 1 AND f.is_versioned = 0)) UNION ALL \
         SELECT v.recency FROM versions v WHERE v.package_id = $1 AND v.relative_path = $2 \
         AND (v.id = $3 OR ($4 = 1 AND v.is_versioned = 0)) LIMIT 1",
    )
    .bind(package.as_bytes().to_vec())
    .bind(key.as_bytes().to_vec())
    .bind(id)
    .bind(is_null)
    .fetch_optional(executor)
    .await?;
    row.map(|row| Ok(sequence(Columns::new(&row).int()?)))
        .transpose()
}

/// Whether a lock keeps any version of a package at an instant. A lock that is not understood does.
pub async fn has_locked(
    connection: &mut AnyConnection,
    package: PackageId,
    now: Timestamp,
) -> Result<bool> {
    let row = sqlx::query(
        "SELECT CAST(1 AS BIGINT) FROM files WHERE package_id = $1 \
         AND (lock_mode IS NOT NULL OR retain_until IS NOT NULL OR legal_hold IS NOT NULL) \
         AND NOT ((legal_hold IS NULL OR legal_hold = 'off') \
         AND ((lock_mode IS NULL AND retain_until IS NULL) \
         OR (lock_mode IN ('governance', 'compliance') AND retain_until IS NOT NULL \
         AND retain_until <= $2))) LIMIT 1",
    )
    .bind(package.as_bytes().to_vec())
    .bind(now.0)
    .fetch_optional(connection)
    .await?;
    Ok(row.is_some())
}

/// Versions of a package that are not current, and its markers, by key and then from the newest,
/// behind a place.
pub async fn list_noncurrent<'e, E>(
    executor: E,
    package: PackageId,
    after: Option<&(ObjectKey, Sequence)>,
    limit: usize,
) -> Result<Vec<NoncurrentVersion>>
where
    E: Executor<'e, Database = Any>,
{
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT v.is_marker, v.relative_path, v.id, v.is_versioned, v.created_at, v.recency, \
             {RECORD_COLUMNS} FROM versions v LEFT JOIN files f ON f.id = v.id \
             LEFT JOIN storage_locations l ON l.file_id = f.id AND l.id = \
             (SELECT MIN(m.id) FROM storage_locations m WHERE m.file_id = f.id) \
             WHERE v.package_id = $1 AND (v.relative_path, v.recency) > ($2, $3) \
             ORDER BY v.relative_path, v.recency LIMIT $4"
        )
    });
    let (key, recency) = after.map_or((Vec::new(), i64::MIN), |(key, sequence)| {
        (key.as_bytes().to_vec(), -to_int(sequence.0))
    });
    let rows = sqlx::query(TEXT.as_str())
        .bind(package.as_bytes().to_vec())
        .bind(key)
        .bind(recency)
        .bind(to_int(limit as u64))
        .fetch_all(executor)
        .await?;
    let record = |row: &AnyRow| {
        let mut columns = Columns::new(row);
        let is_marker = columns.int()? != 0;
        let key = columns.key()?;
        let marker = MarkerRecord {
            marker: Marker {
                id: columns.file_id()?,
                is_versioned: columns.int()? != 0,
            },
            created_at: columns.time()?,
            sequence: sequence(columns.int()?),
        };
        if is_marker {
            return Ok(NoncurrentVersion::Marker(key, marker));
        }
        Ok(NoncurrentVersion::File(Box::new(read_record(
            &mut columns,
        )?)))
    };
    rows.iter().map(record).collect()
}
