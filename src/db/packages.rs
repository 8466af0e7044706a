//! Reads of packages.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, Executor};

use crate::db::codec::{Columns, to_int};
use crate::db::error::Result;
use crate::db::rows::ForRows;
use crate::db::script::Script;
use crate::domain::ids::{PackageId, Sequence, Timestamp};
use crate::domain::lock::ObjectLockConfig;
use crate::domain::name::PackageName;
use crate::domain::package::{Package, PackageRecord, PackageStatus, WriteMode};
use crate::domain::version::Versioning;

const RECORD: &str = "SELECT p.id, p.bucket, p.name, p.producer, p.subject, p.retention_class, \
    p.metadata, p.metadata_schema_id, p.tags, p.write_mode, p.owner, p.status, p.created_at, \
    p.finalized_at, r.current_expires_at, p.manifest_address, p.last_sequence, p.file_count, \
    p.total_bytes, p.archive_backend, p.versioning, p.object_lock, p.noncurrent_count \
    FROM packages p LEFT JOIN retention_state r ON r.package_id = p.id ";

/// The state that decisions read, and until when a finalize has closed the package for writes.
#[derive(Debug, Clone)]
pub struct PackageState {
    /// The state; `is_sealing` is yet to be judged by the clock.
    pub package: Package,
    /// When the sealing mark falls by itself.
    pub sealing_until: Option<Timestamp>,
}

const STATE_COLUMNS: &str = "p.id, p.bucket, p.owner, p.write_mode, p.status, \
    p.manifest_address, p.file_count, p.versioning, p.object_lock, p.noncurrent_count, \
    s.expires_at FROM packages p \
    LEFT JOIN sealing_marks s ON s.package_id = p.id ";

static STATES: LazyLock<ForRows> = LazyLock::new(|| ForRows {
    before: Box::leak(format!("SELECT {STATE_COLUMNS} WHERE p.id IN (VALUES").into()),
    columns: 1,
    after: ")",
});

/// The states of packages; those that do not exist are left out.
pub async fn load_states(
    connection: &mut AnyConnection,
    ids: &[PackageId],
) -> Result<Vec<PackageState>> {
    let mut script = Script::default();
    STATES.add(&mut script, ids, |values, id| {
        values.bind(id.as_bytes().to_vec())
    });
    let rows = script.fetch(connection).await?;
    rows.iter().map(state).collect()
}

/// The state of the package that holds a bucket's name, whatever its status but deleted.
pub async fn load_state_of_bucket(
    connection: &mut AnyConnection,
    bucket: &PackageName,
) -> Result<Option<PackageState>> {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        format!("SELECT {STATE_COLUMNS} WHERE p.bucket = $1 AND p.status <> 'deleted'")
    });
    let row = sqlx::query(TEXT.as_str())
        .bind(bucket.to_string())
        .fetch_optional(connection)
        .await?;
    row.map(|row| state(&row)).transpose()
}

/// The package that holds a bucket's name.
pub async fn find_by_bucket<'e, E>(
    executor: E,
    bucket: &PackageName,
) -> Result<Option<PackageRecord>>
where
    E: Executor<'e, Database = Any>,
{
    static TEXT: LazyLock<String> =
        LazyLock::new(|| format!("{RECORD} WHERE p.bucket = $1 AND p.status <> 'deleted'"));
    let row = sqlx::query(TEXT.as_str())
        .bind(bucket.to_string())
        .fetch_optional(executor)
        .await?;
    row.map(|row| record(&row)).transpose()
}

/// A package by id, ended ones too.
pub async fn find<'e, E>(executor: E, id: PackageId) -> Result<Option<PackageRecord>>
where
    E: Executor<'e, Database = Any>,
{
    static TEXT: LazyLock<String> = LazyLock::new(|| format!("{RECORD} WHERE p.id = $1"));
    let row = sqlx::query(TEXT.as_str())
        .bind(id.as_bytes().to_vec())
        .fetch_optional(executor)
        .await?;
    row.map(|row| record(&row)).transpose()
}

/// Equalities that a listing of packages asks for.
#[derive(Debug, Clone, Default)]
pub struct PackageQuery {
    /// Equal producer.
    pub producer: Option<String>,
    /// Equal subject.
    pub subject: Option<String>,
    /// Equal retention class.
    pub retention_class: Option<String>,
    /// Equal status; without it, all but deleted ones.
    pub status: Option<String>,
    /// Equal owner.
    pub owner: Option<String>,
}

/// Packages in the order of (bucket name, id), after a name.
pub async fn list<'e, E>(
    executor: E,
    query: &PackageQuery,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<PackageRecord>>
where
    E: Executor<'e, Database = Any>,
{
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        format!(
            "{RECORD} WHERE p.bucket > $1 AND ($2 IS NULL OR p.producer = $2) \
             AND ($3 IS NULL OR p.subject = $3) AND ($4 IS NULL OR p.retention_class = $4) \
             AND (p.status = $5 OR ($5 IS NULL AND p.status <> 'deleted')) \
             AND ($6 IS NULL OR p.owner = $6) ORDER BY p.bucket, p.id LIMIT $7"
        )
    });
    let rows = sqlx::query(TEXT.as_str())
        .bind(after.unwrap_or_default().to_owned())
        .bind(query.producer.clone())
        .bind(query.subject.clone())
        .bind(query.retention_class.clone())
        .bind(query.status.clone())
        .bind(query.owner.clone())
        .bind(limit as i64)
        .fetch_all(executor)
        .await?;
    rows.iter().map(record).collect()
}

/// The bytes of a package's current files.
pub async fn total_bytes(connection: &mut AnyConnection, id: PackageId) -> Result<u64> {
    let row = sqlx::query("SELECT total_bytes FROM packages WHERE id = $1")
        .bind(id.as_bytes().to_vec())
        .fetch_optional(connection)
        .await?;
    row.map_or(Ok(0), |row| Columns::new(&row).unsigned())
}

/// Whether a finalized package that has ended held a bucket's name: such a name is not used again.
pub async fn is_retired(connection: &mut AnyConnection, bucket: &PackageName) -> Result<bool> {
    let row = sqlx::query(
        "SELECT id FROM packages WHERE bucket = $1 AND status = 'deleted' \
         AND manifest_address IS NOT NULL LIMIT 1",
    )
    .bind(bucket.to_string())
    .fetch_optional(connection)
    .await?;
    Ok(row.is_some())
}

/// The position of a package's last retention event.
pub async fn last_retention_sequence<'e, E>(executor: E, id: PackageId) -> Result<Option<Sequence>>
where
    E: Executor<'e, Database = Any>,
{
    let row = sqlx::query("SELECT last_sequence FROM retention_state WHERE package_id = $1")
        .bind(id.as_bytes().to_vec())
        .fetch_optional(executor)
        .await?;
    row.map(|row| Columns::new(&row).sequence()).transpose()
}

/// When and where a package was finalized, without its manifest.
pub async fn find_finalized<'e, E>(
    executor: E,
    id: PackageId,
) -> Result<Option<(Sequence, Timestamp)>>
where
    E: Executor<'e, Database = Any>,
{
    let row = sqlx::query(
        "SELECT manifest_sequence, finalized_at FROM packages \
         WHERE id = $1 AND manifest_sequence IS NOT NULL",
    )
    .bind(id.as_bytes().to_vec())
    .fetch_optional(executor)
    .await?;
    row.map(|row| {
        let mut columns = Columns::new(&row);
        Ok((columns.sequence()?, columns.time()?))
    })
    .transpose()
}

/// Keeps the body of the request that finalized a package.
pub async fn keep_finalize_request(
    connection: &mut AnyConnection,
    id: PackageId,
    body: &[u8],
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO finalize_requests (package_id, body, created_at) VALUES ($1, $2, $3) \
         ON CONFLICT (package_id) DO UPDATE SET body = excluded.body, \
         created_at = excluded.created_at",
    )
    .bind(id.as_bytes().to_vec())
    .bind(body.to_vec())
    .bind(now.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// The body of the request that finalized a package.
pub async fn find_finalize_request<'e, E>(
    executor: E,
    id: PackageId,
) -> Result<Option<(Vec<u8>, Timestamp)>>
where
    E: Executor<'e, Database = Any>,
{
    let row = sqlx::query("SELECT body, created_at FROM finalize_requests WHERE package_id = $1")
        .bind(id.as_bytes().to_vec())
        .fetch_optional(executor)
        .await?;
    row.map(|row| {
        let mut columns = Columns::new(&row);
        Ok((columns.bytes()?, columns.time()?))
    })
    .transpose()
}

fn state(row: &AnyRow) -> Result<PackageState> {
    let mut columns = Columns::new(row);
    Ok(PackageState {
        package: Package {
            id: columns.package_id()?,
            bucket: columns.package_name()?,
            owner: columns.text()?,
            write_mode: columns.word(WriteMode::parse)?,
            status: columns.word(PackageStatus::parse)?,
            manifest: columns.address_or_null()?,
            file_count: columns.unsigned()?,
            is_sealing: false,
            versioning: columns.word_or_null(Versioning::parse)?,
            object_lock: columns.word_or_null(ObjectLockConfig::parse)?,
            noncurrent_count: columns.unsigned()?,
        },
        sealing_until: columns.time_or_null()?,
    })
}

fn record(row: &AnyRow) -> Result<PackageRecord> {
    let mut columns = Columns::new(row);
    Ok(PackageRecord {
        id: columns.package_id()?,
        bucket: columns.package_name()?,
        name: columns.text()?,
        producer: columns.text()?,
        subject: columns.text()?,
        retention_class: columns.text()?,
        metadata: columns.word(|text| serde_json::from_str(text).ok())?,
        metadata_schema_id: columns.text_or_null()?,
        tags: columns.word(|text| serde_json::from_str::<BTreeMap<_, _>>(text).ok())?,
        write_mode: columns.word(WriteMode::parse)?,
        owner: columns.text()?,
        status: columns.word(PackageStatus::parse)?,
        created_at: columns.time()?,
        finalized_at: columns.time_or_null()?,
        expires_at: columns.time_or_null()?,
        manifest_address: columns.address_or_null()?,
        last_sequence: columns.sequence()?,
        file_count: columns.unsigned()?,
        total_bytes: columns.unsigned()?,
        archive_backend: columns.text_or_null()?,
        versioning: columns.word_or_null(Versioning::parse)?,
        object_lock: columns.word_or_null(ObjectLockConfig::parse)?,
        noncurrent_count: columns.unsigned()?,
    })
}

/// The number of packages, deleted ones too: for the audit's progress.
pub async fn count<'e, E>(executor: E) -> Result<u64>
where
    E: Executor<'e, Database = Any>,
{
    let row = sqlx::query("SELECT CAST(COUNT(*) AS BIGINT) FROM packages")
        .fetch_one(executor)
        .await?;
    Columns::new(&row).unsigned()
}

/// How many packages, current files and bytes there are in each status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusCount {
    /// The status.
    pub status: String,
    /// Packages.
    pub packages: u64,
    /// Their files.
    pub files: u64,
    /// The bytes of these.
    pub bytes: u64,
}

/// What there is in each status: one pass over the packages.
pub async fn count_by_status<'e, E>(executor: E) -> Result<Vec<StatusCount>>
where
    E: Executor<'e, Database = Any>,
{
    let rows = sqlx::query(
        "SELECT status, CAST(COUNT(*) AS BIGINT), CAST(SUM(file_count) AS BIGINT), \
         CAST(SUM(total_bytes) AS BIGINT) FROM packages GROUP BY status ORDER BY status",
    )
    .fetch_all(executor)
    .await?;
    let count = |row: &AnyRow| {
        let mut columns = Columns::new(row);
        Ok(StatusCount {
            status: columns.text()?,
            packages: columns.unsigned()?,
            files: columns.unsigned()?,
            bytes: columns.unsigned()?,
        })
    };
    rows.iter().map(count).collect()
}

/// A limit on a number of rows as a BIGINT.
pub fn limit(rows: usize) -> i64 {
    to_int(rows as u64)
}
