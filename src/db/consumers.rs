//! Named readers of the log: a working table outside the log.

use std::sync::LazyLock;

use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, Executor};

use crate::db::codec::{Columns, to_int};
use crate::db::error::Result;
use crate::domain::consumer::{Consumer, ConsumerName};
use crate::domain::type_filter::TypeFilter;

const CONSUMER: &str = "SELECT name, owner, types, package_id, acked_sequence, created_at, \
    updated_at FROM consumers ";

/// Adds a consumer, or changes the one of its name.
pub async fn put(connection: &mut AnyConnection, consumer: &Consumer) -> Result<()> {
    sqlx::query(
        "INSERT INTO consumers (name, owner, types, package_id, acked_sequence, created_at, \
         updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (name) DO UPDATE SET types = excluded.types, \
         package_id = excluded.package_id, acked_sequence = excluded.acked_sequence, \
         updated_at = excluded.updated_at",
    )
    .bind(consumer.name.as_str().to_owned())
    .bind(consumer.owner.clone())
    .bind(consumer.types.patterns().join(","))
    .bind(consumer.package_id.map(|id| id.as_bytes().to_vec()))
    .bind(to_int(consumer.acked.0))
    .bind(consumer.created_at.0)
    .bind(consumer.updated_at.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// The consumer of a name.
pub async fn find<'e, E>(executor: E, name: &ConsumerName) -> Result<Option<Consumer>>
where
    E: Executor<'e, Database = Any>,
{
    static TEXT: LazyLock<String> = LazyLock::new(|| format!("{CONSUMER} WHERE name = $1"));
    let row = sqlx::query(TEXT.as_str())
        .bind(name.as_str().to_owned())
        .fetch_optional(executor)
        .await?;
    row.map(|row| consumer(&row)).transpose()
}

/// Consumers after a name, in the order of names; with an owner, only theirs.
pub async fn list<'e, E>(
    executor: E,
    owner: Option<&str>,
    after: &str,
    limit: usize,
) -> Result<Vec<Consumer>>
where
    E: Executor<'e, Database = Any>,
{
    static ALL: LazyLock<String> =
        LazyLock::new(|| format!("{CONSUMER} WHERE name > $1 ORDER BY name LIMIT $2"));
    static OF_OWNER: LazyLock<String> = LazyLock::new(|| {
        format!("{CONSUMER} WHERE name > $1 AND owner = $3 ORDER BY name LIMIT $2")
    });
    let text: &'static str = if owner.is_some() { &OF_OWNER } else { &ALL };
    let mut query = sqlx::query(text).bind(after.to_owned()).bind(limit as i64);
    if let Some(owner) = owner {
        query = query.bind(owner.to_owned());
    }
    let rows = query.fetch_all(executor).await?;
    rows.iter().map(consumer).collect()
}

/// How many consumers an owner has, and how many there are.
pub async fn count(connection: &mut AnyConnection, owner: &str) -> Result<(u64, u64)> {
    let row = sqlx::query(
        "SELECT CAST(COALESCE(SUM(CASE WHEN owner = $1 THEN 1 ELSE 0 END), 0) AS BIGINT), \
         CAST(COUNT(*) AS BIGINT) FROM consumers",
    )
    .bind(owner.to_owned())
    .fetch_one(connection)
    .await?;
    let mut columns = Columns::new(&row);
    Ok((columns.unsigned()?, columns.unsigned()?))
}

/// Removes a consumer.
pub async fn remove(connection: &mut AnyConnection, name: &ConsumerName) -> Result<()> {
    sqlx::query("DELETE FROM consumers WHERE name = $1")
        .bind(name.as_str().to_owned())
        .execute(connection)
        .await?;
    Ok(())
}

fn consumer(row: &AnyRow) -> Result<Consumer> {
    let mut columns = Columns::new(row);
    Ok(Consumer {
        name: columns.word(ConsumerName::parse)?,
        owner: columns.text()?,
        types: columns.word(|text| TypeFilter::parse(text).ok())?,
        package_id: columns.package_id_or_null()?,
        acked: columns.sequence()?,
        created_at: columns.time()?,
        updated_at: columns.time()?,
    })
}
