//! Why the database did not answer.

/// The outcome of a query.
pub type Result<T> = std::result::Result<T, DbError>;

/// Why the database did not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DbError {
    /// It cannot be used now: locked, full, gone.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// It answered, but what it holds cannot be right.
    #[error("the database is damaged: {0}")]
    Corrupt(String),
    /// The committer's queue is full.
    #[error("too many writes are waiting")]
    Busy,
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                Self::Corrupt(error.to_string())
            }
            _ => Self::Unavailable(error.to_string()),
        }
    }
}
