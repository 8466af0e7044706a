//! The marks of local stores: which directory belongs to which backend.

use sqlx::Connection as _;

use crate::db::codec::Columns;
use crate::db::error::Result;
use crate::db::pool::Db;

/// The store of a backend, and whether its mark has been written; `fresh` becomes its identifier when it
/// has none yet. Before the committer runs.
pub async fn find_or_insert(db: &Db, backend_id: &str, fresh: &str) -> Result<(String, bool)> {
    let mut connection = db.connect().await?;
    sqlx::query(
        "INSERT INTO stores (backend_id, store_id, is_marked) VALUES ($1, $2, 0) \
         ON CONFLICT (backend_id) DO NOTHING",
    )
    .bind(backend_id.to_owned())
    .bind(fresh.to_owned())
    .execute(&mut connection)
    .await?;
    let row = sqlx::query("SELECT store_id, is_marked FROM stores WHERE backend_id = $1")
        .bind(backend_id.to_owned())
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    let mut columns = Columns::new(&row);
    Ok((columns.text()?, columns.int()? != 0))
}

/// Remembers that the mark of a backend's store is written. Before the committer runs.
pub async fn set_marked(db: &Db, backend_id: &str) -> Result<()> {
    let mut connection = db.connect().await?;
    sqlx::query("UPDATE stores SET is_marked = 1 WHERE backend_id = $1")
        .bind(backend_id.to_owned())
        .execute(&mut connection)
        .await?;
    Ok(connection.close().await?)
}
