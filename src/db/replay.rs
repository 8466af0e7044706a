//! Rebuild the views from the log, and compare them with the live ones.

use futures_util::TryStreamExt;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Column, Connection, Executor, Row, TypeInfo, ValueRef};

use crate::db::error::{DbError, Result};
use crate::db::log::{self, LogHead, StoredEvent};
use crate::db::pieces::{self, PiecesId};
use crate::db::pool::Db;
use crate::db::script::Script;
use crate::db::views::{self, VIEW_TABLES};
use crate::domain::event::Recorded;
use crate::domain::ids::Sequence;

/// A page of events ends before the payload that would make it larger than this.
const MAX_PAGE_BYTES: u64 = 16 << 20;

/// A transaction that rewrites the views from the log, and is kept or dropped as a whole.
pub struct ReplayTx {
    connection: AnyConnection,
}

impl ReplayTx {
    /// Begins. Nobody else may write meanwhile.
    pub async fn begin(db: &Db) -> Result<Self> {
        let mut connection = db.connect().await?;
        connection.execute(db.dialect.begin()).await?;
        Ok(Self { connection })
    }

    /// Each view with the digest of its rows and their number.
    pub async fn digest_views(&mut self) -> Result<Vec<(&'static str, String, u64)>> {
        let mut digests = Vec::new();
        for table in VIEW_TABLES {
            let (digest, rows) = digest_view(&mut self.connection, table).await?;
            digests.push((table, digest, rows));
        }
        Ok(digests)
    }

    /// Empties the views.
    pub async fn empty_views(&mut self) -> Result<()> {
        for table in VIEW_TABLES {
            self.connection
                .execute(AssertSqlSafe(format!("DELETE FROM {table}")))
                .await?;
        }
        Ok(())
    }

    /// The end of the log.
    pub async fn head(&mut self) -> Result<LogHead> {
        log::read_head(&mut self.connection).await
    }

    /// Events after a position, in order: at most `limit`, and fewer where payloads are large.
    pub async fn read_events(&mut self, since: Sequence, limit: usize) -> Result<Vec<StoredEvent>> {
        log::read_events(&mut self.connection, since, limit, MAX_PAGE_BYTES).await
    }

    /// BLAKE3 and length of a payload that is kept in pieces.
    pub async fn hash_pieces(&mut self, id: PiecesId) -> Result<([u8; 32], u64)> {
        pieces::hash(&mut self.connection, id).await
    }

    /// Applies events to the views.
    pub async fn apply(&mut self, events: &[Recorded]) -> Result<()> {
        let mut script = Script::default();
        views::apply(&mut self.connection, &mut script, events).await?;
        script.run(&mut self.connection).await
    }

    /// Keeps what was written.
    pub async fn commit(mut self) -> Result<()> {
        self.connection.execute("COMMIT").await?;
        Ok(self.connection.close().await?)
    }

    /// Drops what was written.
    pub async fn roll_back(mut self) -> Result<()> {
        self.connection.execute("ROLLBACK").await?;
        Ok(self.connection.close().await?)
    }
}

/// A digest of every row of a view, in the order of its primary key, and how many there are.
/// Two views with equal digests hold the same rows.
async fn digest_view(connection: &mut AnyConnection, table: &str) -> Result<(String, u64)> {
    let order = match table {
        "packages" | "files" | "retention_classes" => "id",
        "retention_state" => "package_id",
        "holds" => "package_id, id",
        "metadata_schemas" => "slug, version",
        "bucket_configurations" => "package_id, kind",
        "objects" => "package_id, relative_path",
        "versions" => "package_id, relative_path, recency",
        "storage_locations" => "file_id, id",
        "archived_files" => "file_id",
        _ => "content_address, backend_id, file_id",
    };
    let text = format!("SELECT * FROM {table} ORDER BY {order}");
    let mut rows = connection.fetch(AssertSqlSafe(text));
    let mut hasher = blake3::Hasher::new();
    let mut count = 0;
    while let Some(row) = rows.try_next().await? {
        hash_row(&mut hasher, &row)?;
        count += 1;
    }
    Ok((hasher.finalize().to_hex().to_string(), count))
}

/// Feeds every column, with its name, type and length, to the hash.
fn hash_row(hasher: &mut blake3::Hasher, row: &AnyRow) -> Result<()> {
    for (position, column) in row.columns().iter().enumerate() {
        let bytes = column_bytes(row, position)?;
        hasher.update(column.name().as_bytes());
        match bytes {
            None => hasher.update(&[0]),
            Some(bytes) => hasher
                .update(&[1])
                .update(&(bytes.len() as u64).to_le_bytes())
                .update(&bytes),
        };
    }
    Ok(())
}

fn column_bytes(row: &AnyRow, position: usize) -> Result<Option<Vec<u8>>> {
    let value = row.try_get_raw(position)?;
    if value.is_null() {
        return Ok(None);
    }
    let bytes = match value.type_info().name() {
        "BIGINT" | "INTEGER" => row.try_get::<i64, _>(position)?.to_string().into_bytes(),
        "TEXT" => row.try_get::<String, _>(position)?.into_bytes(),
        "BLOB" => row.try_get::<Vec<u8>, _>(position)?,
        other => {
            return Err(DbError::Corrupt(format!(
                "a view holds a value of type {other}"
            )));
        }
    };
    Ok(Some(bytes))
}
