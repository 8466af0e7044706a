//! Small content that lives in the database, and what refers to blobs.

use sqlx::{Any, AnyConnection, Executor};

use crate::db::codec::Columns;
use crate::db::error::Result;
use crate::db::rows::InsertRows;
use crate::db::script::Script;
use crate::domain::digest::ContentAddress;
use crate::domain::ids::Timestamp;

const INSERT_INLINE: InsertRows = InsertRows {
    into: "inline_blobs (address, bytes, created_at)",
    columns: 3,
    // Fresh bytes replace the stored ones, which heals damage.
    on_conflict: "ON CONFLICT (address) DO UPDATE SET bytes = excluded.bytes, \
                  created_at = excluded.created_at",
};

/// Adds what keeps small content, in the transaction of the events that refer to it. The addresses
/// differ.
pub fn keep_inline(script: &mut Script, blobs: &[(ContentAddress, bytes::Bytes)], now: Timestamp) {
    INSERT_INLINE.add(script, blobs, |values, (address, bytes)| {
        values
            .bind(address.0.to_vec())
            .bind(bytes.to_vec())
            .bind(now.0)
    });
}

/// Small content by its address; unchecked.
pub async fn find_inline<'e, E>(executor: E, address: ContentAddress) -> Result<Option<Vec<u8>>>
where
    E: Executor<'e, Database = Any>,
{
    let row = sqlx::query("SELECT bytes FROM inline_blobs WHERE address = $1")
        .bind(address.0.to_vec())
        .fetch_optional(executor)
        .await?;
    row.map(|row| Columns::new(&row).bytes()).transpose()
}

/// Whether any file, those of archived packages too, or any part of an open upload refers to a blob.
pub async fn is_referenced<'e, E>(
    executor: E,
    address: ContentAddress,
    backend_id: &str,
) -> Result<bool>
where
    E: Executor<'e, Database = Any>,
{
    let row = sqlx::query(
        "SELECT CAST(EXISTS (SELECT 1 FROM storage_locations WHERE content_address = $1 \
         AND backend_id = $2) OR EXISTS (SELECT 1 FROM part_references WHERE content_address = $1 \
         AND backend_id = $2) OR EXISTS (SELECT 1 FROM upload_parts WHERE address = $1 \
         AND backend_id = $2) OR EXISTS (SELECT 1 FROM archived_files WHERE content_address = $1 \
         AND backend_id = $2) AS BIGINT)",
    )
    .bind(address.0.to_vec())
    .bind(backend_id.to_owned())
    .fetch_one(executor)
    .await?;
    Ok(Columns::new(&row).int()? != 0)
}

/// Addresses of small content that nothing refers to, after an address, ascending.
pub async fn list_unreferenced_inline<'e, E>(
    executor: E,
    after: Option<ContentAddress>,
    limit: usize,
) -> Result<Vec<ContentAddress>>
where
    E: Executor<'e, Database = Any>,
{
    let rows = sqlx::query(
        "SELECT b.address FROM inline_blobs b WHERE b.address > $1 AND NOT EXISTS \
         (SELECT 1 FROM storage_locations l WHERE l.content_address = b.address \
         AND l.backend_id = 'inline') ORDER BY b.address LIMIT $2",
    )
    .bind(after.map(|address| address.0.to_vec()).unwrap_or_default())
    .bind(limit as i64)
    .fetch_all(executor)
    .await?;
    rows.iter().map(|row| Columns::new(row).address()).collect()
}

/// Removes small content; answers its length in bytes, or `None` if it was not there.
pub async fn remove_inline(
    connection: &mut AnyConnection,
    address: ContentAddress,
) -> Result<Option<u64>> {
    let row = sqlx::query(
        "DELETE FROM inline_blobs WHERE address = $1 RETURNING CAST(length(bytes) AS BIGINT)",
    )
    .bind(address.0.to_vec())
    .fetch_optional(connection)
    .await?;
    row.map(|row| Columns::new(&row).unsigned()).transpose()
}

/// Remembers that the bytes of a blob are wrong or gone.
pub async fn record_fault(
    connection: &mut AnyConnection,
    address: ContentAddress,
    backend_id: &str,
    detail: &str,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO blob_faults (address, backend_id, detail, found_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (address, backend_id) DO UPDATE SET detail = excluded.detail, \
         found_at = excluded.found_at",
    )
    .bind(address.0.to_vec())
    .bind(backend_id.to_owned())
    .bind(detail.to_owned())
    .bind(now.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets what was wrong with a blob.
pub async fn clear_fault(
    connection: &mut AnyConnection,
    address: ContentAddress,
    backend_id: &str,
) -> Result<()> {
    sqlx::query("DELETE FROM blob_faults WHERE address = $1 AND backend_id = $2")
        .bind(address.0.to_vec())
        .bind(backend_id.to_owned())
        .execute(connection)
        .await?;
    Ok(())
}

/// Every blob whose bytes are known to be wrong or gone.
pub async fn list_faults<'e, E>(executor: E) -> Result<Vec<(ContentAddress, String)>>
where
    E: Executor<'e, Database = Any>,
{
    let rows = sqlx::query("SELECT address, backend_id FROM blob_faults")
        .fetch_all(executor)
        .await?;
    let fault = |row| {
        let mut columns = Columns::new(row);
        Ok((columns.address()?, columns.text()?))
    };
    rows.iter().map(fault).collect()
}
