//! Reads of retention: classes, states, holds, and who is to be swept.

use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, Executor};

use crate::db::codec::{Columns, to_int};
use crate::db::error::Result;
use crate::domain::ids::{HoldId, PackageId, Sequence, Timestamp};
use crate::domain::retention::{
    Anchor, DeletionStrategy, Hold, HoldKind, LockMode, Retention, RetentionClass,
};

const CLASS: &str = "SELECT id, default_duration_seconds, deletion_strategy, lock_mode, anchor, \
    grace_seconds FROM retention_classes ";

/// A class with when it was last defined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinedClass {
    /// The class.
    pub class: RetentionClass,
    /// When.
    pub defined_at: Timestamp,
    /// By which event.
    pub sequence: Sequence,
}

/// A class by its name.
pub async fn find_class<'e, E>(executor: E, id: &str) -> Result<Option<RetentionClass>>
where
    E: Executor<'e, Database = Any>,
{
    static TEXT: std::sync::LazyLock<String> =
        std::sync::LazyLock::new(|| format!("{CLASS} WHERE id = $1"));
    let row = sqlx::query(TEXT.as_str())
        .bind(id.to_owned())
        .fetch_optional(executor)
        .await?;
    row.map(|row| class(&mut Columns::new(&row))).transpose()
}

/// Classes after a name, in the order of names.
pub async fn list_classes<'e, E>(
    executor: E,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<DefinedClass>>
where
    E: Executor<'e, Database = Any>,
{
    let rows = sqlx::query(
        "SELECT id, default_duration_seconds, deletion_strategy, lock_mode, anchor, \
         grace_seconds, defined_at, sequence FROM retention_classes \
         WHERE id > $1 ORDER BY id LIMIT $2",
    )
    .bind(after.unwrap_or_default().to_owned())
    .bind(to_int(limit as u64))
    .fetch_all(executor)
    .await?;
    let defined = |row: &AnyRow| {
        let mut columns = Columns::new(row);
        Ok(DefinedClass {
            class: class(&mut columns)?,
            defined_at: columns.time()?,
            sequence: columns.sequence()?,
        })
    };
    rows.iter().map(defined).collect()
}

/// The retention of a package that has not ended.
pub async fn load(connection: &mut AnyConnection, id: PackageId) -> Result<Option<Retention>> {
    let row = sqlx::query(
        "SELECT effective_class, default_duration_seconds, deletion_strategy, lock_mode, anchor, \
         grace_seconds, current_expires_at, eligible_since FROM retention_state \
         WHERE package_id = $1",
    )
    .bind(id.as_bytes().to_vec())
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let mut columns = Columns::new(&row);
    let class = class(&mut columns)?;
    let (expires_at, eligible_since) = (columns.time_or_null()?, columns.time_or_null()?);
    let rows = sqlx::query(
        "SELECT id, kind, reason, applied_at, applied_by FROM holds WHERE package_id = $1 \
         ORDER BY sequence, id",
    )
    .bind(id.as_bytes().to_vec())
    .fetch_all(connection)
    .await?;
    Ok(Some(Retention {
        class,
        expires_at,
        eligible_since,
        holds: rows.iter().map(hold).collect::<Result<_>>()?,
    }))
}

/// Packages whose retention has ended and that are not declared eligible yet, nor held: the oldest
/// expiry first.
pub async fn list_expired<'e, E>(
    executor: E,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<PackageId>>
where
    E: Executor<'e, Database = Any>,
{
    let rows = sqlx::query(
        "SELECT r.package_id FROM retention_state r WHERE r.eligible_since IS NULL \
         AND r.current_expires_at IS NOT NULL AND r.current_expires_at <= $1 \
         AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.package_id = r.package_id) \
         ORDER BY r.current_expires_at, r.package_id LIMIT $2",
    )
    .bind(now.0)
    .bind(to_int(limit as u64))
    .fetch_all(executor)
    .await?;
    rows.iter()
        .map(|row| Columns::new(row).package_id())
        .collect()
}

/// Finalized packages that their class lets the executor end, after a package, in the order of ids.
pub async fn list_due<'e, E>(
    executor: E,
    now: Timestamp,
    after: Option<PackageId>,
    limit: usize,
) -> Result<Vec<PackageId>>
where
    E: Executor<'e, Database = Any>,
{
    let rows = sqlx::query(
        "SELECT r.package_id FROM retention_state r JOIN packages p ON p.id = r.package_id \
         WHERE r.eligible_since IS NOT NULL AND r.deletion_strategy IN ('purge', 'archive_then_purge') \
         AND p.status = 'finalized' AND r.eligible_since + r.grace_seconds * 1000000 <= $1 \
         AND r.package_id > $2 ORDER BY r.package_id LIMIT $3",
    )
    .bind(now.0)
    .bind(after.map(|id| id.as_bytes().to_vec()).unwrap_or_default())
    .bind(to_int(limit as u64))
    .fetch_all(executor)
    .await?;
    rows.iter()
        .map(|row| Columns::new(row).package_id())
        .collect()
}

fn class(columns: &mut Columns<'_>) -> Result<RetentionClass> {
    Ok(RetentionClass {
        id: columns.text()?,
        default_duration_seconds: match columns.int_or_null()? {
            None => None,
            Some(seconds) => {
                Some(u64::try_from(seconds).map_err(|_| columns.corrupt("a negative duration"))?)
            }
        },
        deletion_strategy: columns.word(DeletionStrategy::parse)?,
        lock_mode: columns.word(LockMode::parse)?,
        anchor: columns.word(Anchor::parse)?,
        grace_seconds: columns.unsigned()?,
    })
}

fn hold(row: &AnyRow) -> Result<Hold> {
    let mut columns = Columns::new(row);
    let id = columns.bytes()?;
    Ok(Hold {
        id: HoldId::from_slice(&id).ok_or_else(|| columns.corrupt("no hold id"))?,
        kind: columns.word(HoldKind::parse)?,
        reason: columns.text()?,
        applied_at: columns.time()?,
        applied_by: columns.text()?,
    })
}
