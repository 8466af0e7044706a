//! Reads of metadata schemas.

use std::sync::LazyLock;

use sqlx::any::AnyRow;
use sqlx::{Any, Executor};

use crate::db::codec::{Columns, to_int};
use crate::db::error::Result;
use crate::domain::ids::SchemaId;
use crate::domain::schema::{SchemaRecord, SchemaReference, SchemaSlug, SchemaVersion};

const RECORD: &str = "SELECT schema_id, slug, version, json_schema, sequence, created_at, \
    created_by FROM metadata_schemas ";

/// The versions of a slug, in order.
pub async fn versions<'e, E>(executor: E, slug: &SchemaSlug) -> Result<Vec<SchemaVersion>>
where
    E: Executor<'e, Database = Any>,
{
    let rows = sqlx::query(
        "SELECT version, schema_id, digest FROM metadata_schemas WHERE slug = $1 ORDER BY version",
    )
    .bind(slug.to_string())
    .fetch_all(executor)
    .await?;
    let version = |row: &AnyRow| {
        let mut columns = Columns::new(row);
        Ok(SchemaVersion {
            version: columns.unsigned()?,
            id: columns.schema_id()?,
            digest: columns.address()?,
        })
    };
    rows.iter().map(version).collect()
}

/// The schema that a reference means.
pub async fn find<'e, E>(executor: E, reference: &SchemaReference) -> Result<Option<SchemaRecord>>
where
    E: Executor<'e, Database = Any>,
{
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        format!(
            "{RECORD} WHERE slug = $1 AND (CAST($2 AS BIGINT) IS NULL OR version = $2) \
             ORDER BY version DESC LIMIT 1"
        )
    });
    let row = sqlx::query(TEXT.as_str())
        .bind(reference.slug.to_string())
        .bind(reference.version.map(to_int))
        .fetch_optional(executor)
        .await?;
    row.map(|row| record(&row)).transpose()
}

/// A schema by its id.
pub async fn find_by_id<'e, E>(executor: E, id: SchemaId) -> Result<Option<SchemaRecord>>
where
    E: Executor<'e, Database = Any>,
{
    static TEXT: LazyLock<String> = LazyLock::new(|| format!("{RECORD} WHERE schema_id = $1"));
    let row = sqlx::query(TEXT.as_str())
        .bind(id.as_bytes().to_vec())
        .fetch_optional(executor)
        .await?;
    row.map(|row| record(&row)).transpose()
}

/// Schemas in the order of (slug, version), after one.
pub async fn list<'e, E>(
    executor: E,
    after: Option<(&str, u64)>,
    limit: usize,
) -> Result<Vec<SchemaRecord>>
where
    E: Executor<'e, Database = Any>,
{
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        format!(
            "{RECORD} WHERE slug > $1 OR (slug = $1 AND version > $2) \
             ORDER BY slug, version LIMIT $3"
        )
    });
    let (slug, version) = after.unwrap_or_default();
    let rows = sqlx::query(TEXT.as_str())
        .bind(slug.to_owned())
        .bind(to_int(version))
        .bind(limit as i64)
        .fetch_all(executor)
        .await?;
    rows.iter().map(record).collect()
}

fn record(row: &AnyRow) -> Result<SchemaRecord> {
    let mut columns = Columns::new(row);
    Ok(SchemaRecord {
        id: columns.schema_id()?,
        slug: columns.word(|text| SchemaSlug::parse(text).ok())?,
        version: columns.unsigned()?,
        json_schema: columns.word(|text| serde_json::from_str(text).ok())?,
        sequence: columns.sequence()?,
        created_at: columns.time()?,
        created_by: columns.text()?,
    })
}
