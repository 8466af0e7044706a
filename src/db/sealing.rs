//! Sealing marks: a finalize that builds its manifest keeps the package closed for writes.

use sqlx::AnyConnection;

use crate::db::codec::Columns;
use crate::db::error::Result;
use crate::db::pieces;
use crate::domain::ids::{PackageId, Timestamp};

/// Sets or replaces the mark of a package. What a finalize whose mark is replaced has kept, goes.
pub async fn mark(
    connection: &mut AnyConnection,
    package: PackageId,
    token: [u8; 16],
    expires_at: Timestamp,
) -> Result<()> {
    pieces::remove_of_marks(connection, Some(package)).await?;
    sqlx::query(
        "INSERT INTO sealing_marks (package_id, token, expires_at) VALUES ($1, $2, $3) \
         ON CONFLICT (package_id) DO UPDATE SET token = excluded.token, \
         expires_at = excluded.expires_at",
    )
    .bind(package.as_bytes().to_vec())
    .bind(token.to_vec())
    .bind(expires_at.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether the mark of a package is this one.
pub async fn is_marked(
    connection: &mut AnyConnection,
    package: PackageId,
    token: [u8; 16],
) -> Result<bool> {
    let row = sqlx::query("SELECT token FROM sealing_marks WHERE package_id = $1")
        .bind(package.as_bytes().to_vec())
        .fetch_optional(connection)
        .await?;
    match row {
        Some(row) => Ok(Columns::new(&row).bytes()? == token),
        None => Ok(false),
    }
}

/// Removes this mark of a package, and no other.
pub async fn unmark(
    connection: &mut AnyConnection,
    package: PackageId,
    token: [u8; 16],
) -> Result<()> {
    sqlx::query("DELETE FROM sealing_marks WHERE package_id = $1 AND token = $2")
        .bind(package.as_bytes().to_vec())
        .bind(token.to_vec())
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes every mark: where one process alone has the database, what an earlier one left open at
/// its end is open no more.
pub async fn unmark_all(connection: &mut AnyConnection) -> Result<()> {
    pieces::remove_of_marks(connection, None).await?;
    sqlx::query("DELETE FROM sealing_marks")
        .execute(connection)
        .await?;
    Ok(())
}
