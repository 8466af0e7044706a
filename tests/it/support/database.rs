//! The database of a server that has ended, edited behind its back.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection as _};

use crate::support::server::Server;

/// Runs a statement with one parameter, a blob, that changes one row.
pub fn edit(server: &Server, statement: &'static str, parameter: &[u8]) {
    assert_eq!(change(server, statement, parameter), 1);
}

/// Runs a statement with one parameter, a blob, and answers how many rows it changes.
pub fn change(server: &Server, statement: &'static str, parameter: &[u8]) -> u64 {
    let path = server.data().join("holdfast.db");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let changed = runtime.expect("a runtime").block_on(async {
        let options = SqliteConnectOptions::new().filename(path);
        let mut connection = options.connect().await?;
        let query = sqlx::query(statement).bind(parameter.to_vec());
        let changed = query.execute(&mut connection).await?.rows_affected();
        connection.close().await?;
        Ok::<_, sqlx::Error>(changed)
    });
    changed.expect("it is edited")
}

/// What a query of one number answers.
pub fn count(server: &Server, query: &'static str) -> i64 {
    let path = server.data().join("holdfast.db");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let counted = runtime.expect("a runtime").block_on(async {
        let options = SqliteConnectOptions::new().filename(path);
        let mut connection = options.connect().await?;
        let counted = sqlx::query_scalar(query).fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok::<i64, sqlx::Error>(counted)
    });
    counted.expect("it is counted")
}

/// The texts of the first column that a query answers, also of a server that runs.
pub fn texts(server: &Server, query: &'static str) -> Vec<String> {
    let path = server.data().join("holdfast.db");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let found = runtime.expect("a runtime").block_on(async {
        let options = SqliteConnectOptions::new().filename(path);
        let mut connection = options.connect().await?;
        let found = sqlx::query_scalar(query).fetch_all(&mut connection).await?;
        connection.close().await?;
        Ok::<Vec<String>, sqlx::Error>(found)
    });
    found.expect("it is read")
}
