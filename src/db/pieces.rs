//! Payloads too large for one row, such as the manifest of a hundred thousand files: kept in pieces.
//!
//! A finalize keeps the pieces one by one, in commits of their own, under the token of its sealing
//! mark, so that neither memory nor the lock of the log knows the whole; the event that is appended
//! at the end refers to them. Pieces whose mark falls before that are removed with it.

use sqlx::{Any, AnyConnection, AnyPool, Executor};

use crate::db::codec::{Columns, to_int};
use crate::db::error::{DbError, Result};
use crate::domain::digest::ContentAddress;
use crate::domain::ids::PackageId;

/// The length of every piece but the last.
pub const PIECE_BYTES: usize = 1 << 20;

/// What the pieces of one payload are kept under.
pub type PiecesId = [u8; 16];

/// A payload that is kept in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InPieces {
    /// Where.
    pub id: PiecesId,
    /// BLAKE3 of the payload.
    pub digest: ContentAddress,
    /// Its length.
    pub length: u64,
}

/// Keeps a piece. A unit may run twice.
pub async fn keep(
    connection: &mut AnyConnection,
    id: PiecesId,
    number: u64,
    bytes: Vec<u8>,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO payload_pieces (pieces_id, number, bytes) VALUES ($1, $2, $3) \
         ON CONFLICT (pieces_id, number) DO UPDATE SET bytes = excluded.bytes",
    )
    .bind(id.to_vec())
    .bind(to_int(number))
    .bind(bytes)
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes the pieces that a finalize kept.
pub async fn remove(connection: &mut AnyConnection, id: PiecesId) -> Result<()> {
    sqlx::query("DELETE FROM payload_pieces WHERE pieces_id = $1")
        .bind(id.to_vec())
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes the pieces under the mark of a package, or of every package.
pub async fn remove_of_marks(
    connection: &mut AnyConnection,
    package: Option<PackageId>,
) -> Result<()> {
    sqlx::query(
        "DELETE FROM payload_pieces WHERE pieces_id IN \
         (SELECT token FROM sealing_marks WHERE $1 IS NULL OR package_id = $1)",
    )
    .bind(package.map(|id| id.as_bytes().to_vec()))
    .execute(connection)
    .await?;
    Ok(())
}

/// One piece of a payload.
pub async fn read<'e, E>(executor: E, id: PiecesId, number: u64) -> Result<Option<Vec<u8>>>
where
    E: Executor<'e, Database = Any>,
{
    let row = sqlx::query("SELECT bytes FROM payload_pieces WHERE pieces_id = $1 AND number = $2")
        .bind(id.to_vec())
        .bind(to_int(number))
        .fetch_optional(executor)
        .await?;
    row.map(|row| Columns::new(&row).bytes()).transpose()
}

/// The whole payload. The caller bounds its length.
pub async fn read_whole(readers: &AnyPool, id: PiecesId, length: u64) -> Result<Vec<u8>> {
    let mut whole = Vec::with_capacity(length as usize);
    let mut number = 0;
    while let Some(piece) = read(readers, id, number).await? {
        whole.extend_from_slice(&piece);
        number += 1;
    }
    if whole.len() as u64 != length {
        return Err(DbError::Corrupt("a payload lacks pieces".into()));
    }
    Ok(whole)
}

/// BLAKE3 and length of what the pieces of a payload are now.
pub async fn hash(connection: &mut AnyConnection, id: PiecesId) -> Result<([u8; 32], u64)> {
    let (mut hasher, mut number) = (blake3::Hasher::new(), 0);
    while let Some(piece) = read(&mut *connection, id, number).await? {
        hasher.update(&piece);
        number += 1;
    }
    Ok((*hasher.finalize().as_bytes(), hasher.count()))
}
