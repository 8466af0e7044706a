//! `Db`: the read pool, the writer's connection, migrations, health.

use std::path::Path;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions, AnyRow};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, ConnectOptions, Connection, Executor, Row};

use crate::db::dialect::Dialect;
use crate::db::error::{DbError, Result};
use crate::db::sealing;

/// How long a reader waits for a connection before it is told to come back.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the database is and how it is read. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Db {
    /// Connections that cannot write.
    pub readers: AnyPool,
    /// Which database it is.
    pub dialect: Dialect,
    url: String,
}

impl Db {
    /// Opens the SQLite database of a folder, making or migrating it, and checks it when the last
    /// stop was unclean. The caller holds the folder's lock.
    pub async fn open(folder: &Path, read_connections: u32) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let dialect = Dialect::Sqlite;
        let path = folder.join("holdfast.db");
        let was_unclean = path
            .with_extension("db-wal")
            .metadata()
            .is_ok_and(|wal| wal.len() > 0);
        let url = sqlite_url(&path)?;
        let mut writer = connect(dialect, &url).await?;
        if was_unclean {
            quick_check(&mut writer).await?;
        }
        dialect
            .migrations()
            .run(&mut writer)
            .await
            .map_err(|error| DbError::Unavailable(format!("migration: {error}")))?;
        sealing::unmark_all(&mut writer).await?;
        writer.close().await?;
        let readers = AnyPoolOptions::new()
            .max_connections(read_connections.max(1))
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    let settings = [dialect.connection_settings(), dialect.reader_settings()];
                    for statement in settings.concat() {
                        connection.execute(statement).await?;
                    }
                    Ok(())
                })
            })
            .connect_with(options(&url)?)
            .await?;
        Ok(Self {
            readers,
            dialect,
            url,
        })
    }

    /// A connection of its own, for the committer or a checkpoint.
    pub async fn connect(&self) -> Result<AnyConnection> {
        connect(self.dialect, &self.url).await
    }

    /// A reading connection, for several statements.
    pub async fn reader(&self) -> Result<PoolConnection<Any>> {
        Ok(self.readers.acquire().await?)
    }

    /// Whether the database answers.
    pub async fn probe(&self) -> Result<()> {
        sqlx::query("SELECT last_sequence FROM log_head WHERE id = 1")
            .fetch_optional(&self.readers)
            .await?;
        Ok(())
    }

    /// Closes the read pool.
    pub async fn close(&self) {
        self.readers.close().await;
    }
}

fn sqlite_url(path: &Path) -> Result<String> {
    let text = path
        .to_str()
        .ok_or_else(|| DbError::Unavailable("the data directory's path is not UTF-8".into()))?;
    let encoded: String =
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
            .to_string()
            .replace("%2F", "/");
    Ok(format!("sqlite://{encoded}?mode=rwc"))
}

/// Statements are not logged: a batch is one text of many pages, and the committer tells of slow ones.
fn options(url: &str) -> Result<AnyConnectOptions> {
    Ok(url
        .parse::<AnyConnectOptions>()?
        .disable_statement_logging())
}

async fn connect(dialect: Dialect, url: &str) -> Result<AnyConnection> {
    let mut connection = AnyConnection::connect_with(&options(url)?).await?;
    for &statement in dialect.connection_settings() {
        connection.execute(statement).await?;
    }
    let level: AnyRow = connection.fetch_one("PRAGMA synchronous").await?;
    if level.try_get::<i64, _>(0)? != 2 {
        return Err(DbError::Unavailable(
            "SQLite did not accept synchronous=FULL".into(),
        ));
    }
    Ok(connection)
}

async fn quick_check(connection: &mut AnyConnection) -> Result<()> {
    let row: AnyRow = connection.fetch_one("PRAGMA quick_check(1)").await?;
    match row.try_get::<String, _>(0)?.as_str() {
        "ok" => Ok(()),
        found => Err(DbError::Corrupt(format!(
            "quick_check found: {found}. Restore the database from a backup before starting again"
        ))),
    }
}
