//! Verification runs: working state, so that a run goes on where it was. Only what it finds is in the
//! log.

use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, Executor};

use crate::db::codec::{Columns, to_int};
use crate::db::error::Result;
use crate::db::locations::{LocationCursor, LocationScope};
use crate::domain::ids::{FileId, LocationId, PackageId, RunId, Timestamp};
use crate::domain::name::ObjectKey;
use crate::domain::scrub::{Mismatch, Tally};

/// The most faults that are kept with a run.
pub const MAX_FAULTS: usize = 100;

/// How many runs that have ended are kept.
const KEPT_RUNS: i64 = 100;

/// A run as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    /// Its identifier; later runs have greater ones.
    pub id: RunId,
    /// What it covers.
    pub scope: LocationScope,
    /// Who asked for it.
    pub actor: String,
    /// Whether it still runs.
    pub is_running: bool,
    /// The last location it has done.
    pub cursor: Option<LocationCursor>,
    /// How many locations there were when it began.
    pub total: u64,
    /// What it has counted.
    pub tally: Tally,
    /// When it began.
    pub started_at: Timestamp,
    /// When it last got on.
    pub updated_at: Timestamp,
}

/// A location whose bytes a run found wrong, or could not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFault {
    /// The location.
    pub location_id: LocationId,
    /// The file.
    pub file_id: FileId,
    /// Its package.
    pub package_id: PackageId,
    /// Its key.
    pub key: ObjectKey,
    /// The backend.
    pub backend_id: String,
    /// How the bytes differ; `None` when they could not be read.
    pub mismatch: Option<Mismatch>,
    /// In words.
    pub detail: String,
    /// Whether the bytes were made good from another copy.
    pub is_repaired: bool,
}

/// Writes a new run.
pub async fn insert(connection: &mut AnyConnection, run: &RunRecord) -> Result<()> {
    sqlx::query(
        "INSERT INTO scrub_runs (id, package_id, backend_id, actor, state, total, checked, \
         verified, mismatched, missing, unreachable, repaired, bytes, started_at, updated_at) \
         VALUES ($1, $2, $3, $4, 'running', $5, 0, 0, 0, 0, 0, 0, 0, $6, $6)",
    )
    .bind(run.id.as_bytes().to_vec())
    .bind(run.scope.package_id.map(|id| id.as_bytes().to_vec()))
    .bind(run.scope.backend_id.clone())
    .bind(run.actor.clone())
    .bind(to_int(run.total))
    .bind(run.started_at.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// Moves a run on: its cursor, and what it has counted since.
pub async fn advance(
    connection: &mut AnyConnection,
    id: RunId,
    cursor: &LocationCursor,
    tally: &Tally,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "UPDATE scrub_runs SET cursor = $2, checked = checked + $3, verified = verified + $4, \
         mismatched = mismatched + $5, missing = missing + $6, unreachable = unreachable + $7, \
         repaired = repaired + $8, bytes = bytes + $9, updated_at = $10 WHERE id = $1",
    )
    .bind(id.as_bytes().to_vec())
    .bind(cursor.to_bytes())
    .bind(to_int(tally.checked))
    .bind(to_int(tally.verified))
    .bind(to_int(tally.mismatched))
    .bind(to_int(tally.missing))
    .bind(to_int(tally.unreachable))
    .bind(to_int(tally.repaired))
    .bind(to_int(tally.bytes))
    .bind(now.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// Keeps faults with a run, as long as it has not too many.
pub async fn add_faults(
    connection: &mut AnyConnection,
    run: RunId,
    faults: &[RunFault],
) -> Result<()> {
    for fault in faults {
        sqlx::query(
            "INSERT INTO scrub_faults (run_id, location_id, file_id, package_id, relative_path, \
             backend_id, mismatch, detail, is_repaired) \
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9 WHERE \
             (SELECT COUNT(*) FROM scrub_faults WHERE run_id = $1) < $10 \
             ON CONFLICT (run_id, location_id) DO NOTHING",
        )
        .bind(run.as_bytes().to_vec())
        .bind(fault.location_id.as_bytes().to_vec())
        .bind(fault.file_id.as_bytes().to_vec())
        .bind(fault.package_id.as_bytes().to_vec())
        .bind(fault.key.as_bytes().to_vec())
        .bind(fault.backend_id.clone())
        .bind(fault.mismatch.map(|kind| kind.as_str().to_owned()))
        .bind(fault.detail.clone())
        .bind(i64::from(fault.is_repaired))
        .bind(MAX_FAULTS as i64)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Ends a run, and forgets those that ended long ago.
pub async fn finish(connection: &mut AnyConnection, id: RunId, now: Timestamp) -> Result<()> {
    sqlx::query("UPDATE scrub_runs SET state = 'completed', updated_at = $2 WHERE id = $1")
        .bind(id.as_bytes().to_vec())
        .bind(now.0)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "DELETE FROM scrub_runs WHERE state = 'completed' AND id NOT IN \
         (SELECT id FROM scrub_runs ORDER BY id DESC LIMIT $1) AND id NOT IN \
         (SELECT MAX(id) FROM scrub_runs WHERE package_id IS NULL AND backend_id IS NULL)",
    )
    .bind(KEPT_RUNS)
    .execute(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM scrub_faults WHERE run_id NOT IN (SELECT id FROM scrub_runs)")
        .execute(connection)
        .await?;
    Ok(())
}

const COLUMNS: &str = "SELECT id, package_id, backend_id, actor, state, cursor, total, checked, \
    verified, mismatched, missing, unreachable, repaired, bytes, started_at, updated_at \
    FROM scrub_runs ";

/// A run.
pub async fn find<'e, E>(executor: E, id: RunId) -> Result<Option<RunRecord>>
where
    E: Executor<'e, Database = Any>,
{
    static TEXT: std::sync::LazyLock<String> =
        std::sync::LazyLock::new(|| format!("{COLUMNS} WHERE id = $1"));
    let row = sqlx::query(TEXT.as_str())
        .bind(id.as_bytes().to_vec())
        .fetch_optional(executor)
        .await?;
    row.map(|row| run(&row)).transpose()
}

/// The runs that have not ended.
pub async fn list_running<'e, E>(executor: E) -> Result<Vec<RunRecord>>
where
    E: Executor<'e, Database = Any>,
{
    static TEXT: std::sync::LazyLock<String> =
        std::sync::LazyLock::new(|| format!("{COLUMNS} WHERE state = 'running' ORDER BY id"));
    let rows = sqlx::query(TEXT.as_str()).fetch_all(executor).await?;
    rows.iter().map(run).collect()
}

/// Runs, the newest first, behind one.
pub async fn list<'e, E>(executor: E, after: Option<RunId>, limit: usize) -> Result<Vec<RunRecord>>
where
    E: Executor<'e, Database = Any>,
{
    static TEXT: std::sync::LazyLock<String> =
        std::sync::LazyLock::new(|| format!("{COLUMNS} WHERE id < $1 ORDER BY id DESC LIMIT $2"));
    let after = after.map_or_else(|| vec![0xff; 17], |id| id.as_bytes().to_vec());
    let rows = sqlx::query(TEXT.as_str())
        .bind(after)
        .bind(limit as i64)
        .fetch_all(executor)
        .await?;
    rows.iter().map(run).collect()
}

/// When the last run over everything began.
pub async fn last_start<'e, E>(executor: E) -> Result<Option<Timestamp>>
where
    E: Executor<'e, Database = Any>,
{
    let row = sqlx::query(
        "SELECT started_at FROM scrub_runs WHERE package_id IS NULL AND backend_id IS NULL \
         ORDER BY id DESC LIMIT 1",
    )
    .fetch_optional(executor)
    .await?;
    row.map(|row| Columns::new(&row).time()).transpose()
}

/// The faults that are kept with a run.
pub async fn list_faults<'e, E>(executor: E, id: RunId) -> Result<Vec<RunFault>>
where
    E: Executor<'e, Database = Any>,
{
    let rows = sqlx::query(
        "SELECT location_id, file_id, package_id, relative_path, backend_id, mismatch, detail, \
         is_repaired FROM scrub_faults WHERE run_id = $1 \
         ORDER BY package_id, relative_path, location_id",
    )
    .bind(id.as_bytes().to_vec())
    .fetch_all(executor)
    .await?;
    let fault = |row| {
        let mut columns = Columns::new(row);
        Ok(RunFault {
            location_id: columns.location_id()?,
            file_id: columns.file_id()?,
            package_id: columns.package_id()?,
            key: columns.key()?,
            backend_id: columns.text()?,
            mismatch: columns
                .text_or_null()?
                .and_then(|word| Mismatch::parse(&word)),
            detail: columns.text()?,
            is_repaired: columns.int()? != 0,
        })
    };
    rows.iter().map(fault).collect()
}

fn run(row: &AnyRow) -> Result<RunRecord> {
    let mut columns = Columns::new(row);
    let id = columns.bytes()?;
    let id = RunId::from_slice(&id).ok_or_else(|| columns.corrupt("no run id"))?;
    Ok(RunRecord {
        id,
        scope: LocationScope {
            package_id: columns.package_id_or_null()?,
            backend_id: columns.text_or_null()?,
        },
        actor: columns.text()?,
        is_running: columns.text()? == "running",
        cursor: match columns.bytes_or_null()? {
            None => None,
            Some(bytes) => Some(LocationCursor::from_bytes(&bytes)?),
        },
        total: columns.unsigned()?,
        tally: Tally {
            checked: columns.unsigned()?,
            verified: columns.unsigned()?,
            mismatched: columns.unsigned()?,
            missing: columns.unsigned()?,
            unreachable: columns.unsigned()?,
            repaired: columns.unsigned()?,
            bytes: columns.unsigned()?,
        },
        started_at: columns.time()?,
        updated_at: columns.time()?,
    })
}
