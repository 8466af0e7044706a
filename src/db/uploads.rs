//! Multipart uploads: working tables outside the log.

use std::sync::LazyLock;

use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, Executor};

use crate::db::codec::{Columns, to_int};
use crate::db::error::Result;
use crate::db::files::{KeyRange, attributes};
use crate::db::version_views::hold_word;
use crate::domain::digest::{Checksum, ChecksumAlgorithm};
use crate::domain::file::ChecksumKind;
use crate::domain::ids::{FileId, PackageId, Timestamp, UploadId};
use crate::domain::lock::LockRequest;
use crate::domain::name::ObjectKey;
use crate::domain::payload::encode_attributes;
use crate::domain::upload::{PartRecord, UploadRecord};

const UPLOAD: &str = "SELECT id, package_id, relative_path, media_type, attributes, \
    checksum_algorithm, checksum_kind, initiated_at, initiated_by, lock_mode, retain_until, \
    legal_hold FROM uploads ";

const PART: &str = "SELECT number, size_bytes, md5, address, backend_id, object_key, \
    checksum_algorithm, checksum_digest, created_at FROM upload_parts ";

/// Opens an upload.
pub async fn insert(connection: &mut AnyConnection, upload: &UploadRecord) -> Result<()> {
    let (algorithm, kind) = upload.checksum.map(|(a, k)| (a.name(), k.name())).unzip();
    sqlx::query(
        "INSERT INTO uploads (id, package_id, relative_path, media_type, attributes, \
         checksum_algorithm, checksum_kind, initiated_at, initiated_by, lock_mode, retain_until, \
         legal_hold) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(upload.id.as_bytes().to_vec())
    .bind(upload.package_id.as_bytes().to_vec())
    .bind(upload.key.as_bytes().to_vec())
    .bind(upload.media_type.clone())
    .bind(encode_attributes(&upload.attributes))
    .bind(algorithm)
    .bind(kind)
    .bind(upload.initiated_at.0)
    .bind(upload.initiated_by.clone())
    .bind(upload.lock.retention.map(|kept| kept.mode.as_str()))
    .bind(upload.lock.retention.map(|kept| kept.retain_until.0))
    .bind(upload.lock.legal_hold.map(hold_word))
    .execute(connection)
    .await?;
    Ok(())
}

/// An open upload.
pub async fn find<'e, E>(executor: E, id: UploadId) -> Result<Option<UploadRecord>>
where
    E: Executor<'e, Database = Any>,
{
    static TEXT: LazyLock<String> = LazyLock::new(|| format!("{UPLOAD} WHERE id = $1"));
    let row = sqlx::query(TEXT.as_str())
        .bind(id.as_bytes().to_vec())
        .fetch_optional(executor)
        .await?;
    row.map(|row| upload(&row)).transpose()
}

/// Whether an upload is open.
pub async fn is_open(connection: &mut AnyConnection, id: UploadId) -> Result<bool> {
    let row = sqlx::query("SELECT CAST(1 AS BIGINT) FROM uploads WHERE id = $1")
        .bind(id.as_bytes().to_vec())
        .fetch_optional(connection)
        .await?;
    Ok(row.is_some())
}

/// The ids of a package's open uploads, at most `limit`.
pub async fn open_of_package<'e, E>(
    executor: E,
    package: PackageId,
    limit: usize,
) -> Result<Vec<UploadId>>
where
    E: Executor<'e, Database = Any>,
{
    let rows = sqlx::query("SELECT id FROM uploads WHERE package_id = $1 LIMIT $2")
        .bind(package.as_bytes().to_vec())
        .bind(limit as i64)
        .fetch_all(executor)
        .await?;
    rows.iter()
        .map(|row| Columns::new(row).upload_id())
        .collect()
}

/// Open uploads in a range of keys, by key and then by id, which is the order of opening. With
/// `after_upload`, those of the range's lower bound itself that come later are in it as well.
pub async fn list<'e, E>(
    executor: E,
    package: PackageId,
    range: &KeyRange,
    after_upload: Option<(&ObjectKey, UploadId)>,
    limit: usize,
) -> Result<Vec<UploadRecord>>
where
    E: Executor<'e, Database = Any>,
{
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        format!(
            "{UPLOAD} WHERE package_id = $1 AND relative_path < $3 AND (relative_path > $2 \
             OR (relative_path = $4 AND id > $5)) ORDER BY relative_path, id LIMIT $6"
        )
    });
    let (key, id) = after_upload.unzip();
    let rows = sqlx::query(TEXT.as_str())
        .bind(package.as_bytes().to_vec())
        .bind(range.after.clone())
        .bind(range.below.clone())
        .bind(key.map(|key| key.as_bytes().to_vec()))
        .bind(id.map(|id| id.as_bytes().to_vec()))
        .bind(limit as i64)
        .fetch_all(executor)
        .await?;
    rows.iter().map(upload).collect()
}

/// Records a part, in place of an earlier one of the same number.
pub async fn put_part(
    connection: &mut AnyConnection,
    upload: UploadId,
    part: &PartRecord,
) -> Result<()> {
    let checksum = part.checksum.as_ref();
    sqlx::query(
        "INSERT INTO upload_parts (upload_id, number, size_bytes, md5, address, backend_id, \
         object_key, checksum_algorithm, checksum_digest, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         ON CONFLICT (upload_id, number) DO UPDATE SET size_bytes = excluded.size_bytes, \
         md5 = excluded.md5, address = excluded.address, backend_id = excluded.backend_id, \
         object_key = excluded.object_key, checksum_algorithm = excluded.checksum_algorithm, \
         checksum_digest = excluded.checksum_digest, created_at = excluded.created_at",
    )
    .bind(upload.as_bytes().to_vec())
    .bind(i64::from(part.number))
    .bind(to_int(part.size_bytes))
    .bind(part.md5.to_vec())
    .bind(part.address.0.to_vec())
    .bind(part.backend_id.clone())
    .bind(part.object_key.clone())
    .bind(checksum.map(|checksum| checksum.algorithm.name()))
    .bind(checksum.map(|checksum| checksum.digest.clone()))
    .bind(part.created_at.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// The parts of an upload after a number, ascending.
pub async fn list_parts<'e, E>(
    executor: E,
    upload: UploadId,
    after: u32,
    limit: usize,
) -> Result<Vec<PartRecord>>
where
    E: Executor<'e, Database = Any>,
{
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        format!("{PART} WHERE upload_id = $1 AND number > $2 ORDER BY number LIMIT $3")
    });
    let rows = sqlx::query(TEXT.as_str())
        .bind(upload.as_bytes().to_vec())
        .bind(i64::from(after))
        .bind(limit as i64)
        .fetch_all(executor)
        .await?;
    rows.iter().map(part).collect()
}

/// Removes an upload and its parts' rows; the blobs are the janitor's.
pub async fn remove(connection: &mut AnyConnection, id: UploadId) -> Result<()> {
    for text in [
        "DELETE FROM upload_parts WHERE upload_id = $1",
        "DELETE FROM uploads WHERE id = $1",
    ] {
        sqlx::query(text)
            .bind(id.as_bytes().to_vec())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Removes every upload of a package.
pub async fn remove_of_package(connection: &mut AnyConnection, package: PackageId) -> Result<()> {
    for text in [
        "DELETE FROM upload_parts WHERE upload_id IN (SELECT id FROM uploads WHERE package_id = $1)",
        "DELETE FROM uploads WHERE package_id = $1",
    ] {
        sqlx::query(text)
            .bind(package.as_bytes().to_vec())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// The ids of uploads opened before an instant, oldest first.
pub async fn opened_before<'e, E>(
    executor: E,
    before: Timestamp,
    limit: usize,
) -> Result<Vec<UploadId>>
where
    E: Executor<'e, Database = Any>,
{
    let rows = sqlx::query(
        "SELECT id FROM uploads WHERE initiated_at < $1 ORDER BY initiated_at LIMIT $2",
    )
    .bind(before.0)
    .bind(limit as i64)
    .fetch_all(executor)
    .await?;
    rows.iter()
        .map(|row| Columns::new(row).upload_id())
        .collect()
}

/// What a completion made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The upload.
    pub upload_id: UploadId,
    /// Its package.
    pub package_id: PackageId,
    /// Its key.
    pub key: ObjectKey,
    /// The file.
    pub file_id: FileId,
    /// A digest of the list of parts.
    pub parts_digest: [u8; 32],
}

/// Remembers what a completion answered.
pub async fn keep_completion(
    connection: &mut AnyConnection,
    completion: &Completion,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO completed_uploads (upload_id, package_id, relative_path, file_id, \
         parts_digest, completed_at) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (upload_id) DO NOTHING",
    )
    .bind(completion.upload_id.as_bytes().to_vec())
    .bind(completion.package_id.as_bytes().to_vec())
    .bind(completion.key.as_bytes().to_vec())
    .bind(completion.file_id.as_bytes().to_vec())
    .bind(completion.parts_digest.to_vec())
    .bind(now.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// What a completion answered.
pub async fn find_completion<'e, E>(executor: E, id: UploadId) -> Result<Option<Completion>>
where
    E: Executor<'e, Database = Any>,
{
    let row = sqlx::query(
        "SELECT upload_id, package_id, relative_path, file_id, parts_digest \
         FROM completed_uploads WHERE upload_id = $1",
    )
    .bind(id.as_bytes().to_vec())
    .fetch_optional(executor)
    .await?;
    row.map(|row| {
        let mut columns = Columns::new(&row);
        Ok(Completion {
            upload_id: columns.upload_id()?,
            package_id: columns.package_id()?,
            key: columns.key()?,
            file_id: columns.file_id()?,
            parts_digest: columns.array()?,
        })
    })
    .transpose()
}

/// Forgets completions older than an instant.
pub async fn forget_completions(connection: &mut AnyConnection, before: Timestamp) -> Result<()> {
    sqlx::query("DELETE FROM completed_uploads WHERE completed_at < $1")
        .bind(before.0)
        .execute(connection)
        .await?;
    Ok(())
}

fn upload(row: &AnyRow) -> Result<UploadRecord> {
    let mut columns = Columns::new(row);
    Ok(UploadRecord {
        id: columns.upload_id()?,
        package_id: columns.package_id()?,
        key: columns.key()?,
        media_type: columns.text()?,
        attributes: attributes(&mut columns)?,
        checksum: {
            let algorithm = columns.text_or_null()?;
            let kind = columns.text_or_null()?;
            algorithm
                .zip(kind)
                .map(|(algorithm, kind)| {
                    ChecksumAlgorithm::from_name(&algorithm)
                        .zip(ChecksumKind::from_name(&kind))
                        .ok_or_else(|| columns.corrupt("no checksum"))
                })
                .transpose()?
        },
        initiated_at: columns.time()?,
        initiated_by: columns.text()?,
        lock: {
            let lock = columns.lock();
            if lock.is_unreadable {
                return Err(columns.corrupt("no lock"));
            }
            LockRequest {
                retention: lock.retention,
                legal_hold: lock.legal_hold,
            }
        },
    })
}

fn part(row: &AnyRow) -> Result<PartRecord> {
    let mut columns = Columns::new(row);
    Ok(PartRecord {
        number: u32::try_from(columns.int()?).map_err(|_| columns.corrupt("no part number"))?,
        size_bytes: columns.unsigned()?,
        md5: columns.array()?,
        address: columns.address()?,
        backend_id: columns.text()?,
        object_key: columns.text()?,
        checksum: {
            let algorithm = columns.text_or_null()?;
            let digest = columns.bytes_or_null()?;
            algorithm
                .zip(digest)
                .map(|(algorithm, digest)| {
                    ChecksumAlgorithm::from_name(&algorithm)
                        .map(|algorithm| Checksum { algorithm, digest })
                        .ok_or_else(|| columns.corrupt("no checksum"))
                })
                .transpose()?
        },
        created_at: columns.time()?,
    })
}
