//! Reads of the documents that configure buckets.

use sqlx::{Any, Executor};

use crate::db::codec::Columns;
use crate::db::error::Result;
use crate::domain::configuration::{ConfigurationKind, Configurations};
use crate::domain::ids::PackageId;

/// The documents of a package's bucket.
pub async fn of_package<'e, E>(executor: E, id: PackageId) -> Result<Configurations>
where
    E: Executor<'e, Database = Any>,
{
    let rows =
        sqlx::query("SELECT kind, document FROM bucket_configurations WHERE package_id = $1")
            .bind(id.as_bytes().to_vec())
            .fetch_all(executor)
            .await?;
    rows.iter()
        .map(|row| {
            let mut columns = Columns::new(row);
            let kind = columns.word(ConfigurationKind::parse)?;
            Ok((kind, columns.text()?))
        })
        .collect()
}
