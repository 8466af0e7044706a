//! All that differs between the databases besides their migrations.

use std::borrow::Cow;

use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Which database answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite: one process, one file.
    Sqlite,
}

/// The steps of SQLite's schema: version, name, statements. A released step is never changed.
const SQLITE_MIGRATIONS: [(i64, &str, &str); 2] = [
    (
        1,
        "log and views",
        include_str!("migrations/sqlite/0001_log_and_views.sql"),
    ),
    (
        2,
        "working tables",
        include_str!("migrations/sqlite/0002_working_tables.sql"),
    ),
];

impl Dialect {
    /// What every connection must be told. Neither the durability nor the journal mode may be left
    /// to a default: `synchronous=FULL` is what makes an acknowledged commit survive a power cut.
    pub fn connection_settings(self) -> &'static [&'static str] {
        match self {
            Self::Sqlite => &[
                "PRAGMA journal_mode = WAL",
                "PRAGMA synchronous = FULL",
                "PRAGMA foreign_keys = ON",
                "PRAGMA busy_timeout = 5000",
                "PRAGMA trusted_schema = OFF",
                "PRAGMA temp_store = MEMORY",
                // The committer decides when to checkpoint, so that no commit waits for one.
                "PRAGMA wal_autocheckpoint = 0",
                "PRAGMA journal_size_limit = 268435456",
                "PRAGMA cache_size = -16384",
            ],
        }
    }

    /// What a reading connection must be told besides.
    pub fn reader_settings(self) -> &'static [&'static str] {
        match self {
            Self::Sqlite => &["PRAGMA query_only = ON"],
        }
    }

    /// Whether this process alone writes: then what one transaction knew holds in the next.
    pub fn is_exclusive(self) -> bool {
        match self {
            Self::Sqlite => true,
        }
    }

    /// Begins a transaction that writes: the head of the log is locked from its first statement.
    pub fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
        }
    }

    /// The steps from an empty database to the present schema.
    pub fn migrations(self) -> Migrator {
        let steps = match self {
            Self::Sqlite => SQLITE_MIGRATIONS,
        };
        Migrator::with_migrations(
            steps
                .into_iter()
                .map(|(version, name, text)| {
                    let (name, text) = (Cow::Borrowed(name), SqlStr::from_static(text));
                    Migration::new(version, name, MigrationType::Simple, text, false)
                })
                .collect(),
        )
    }

    /// A page of a listing as one row of one text column: the length of the key, the size, the
    /// time, the ETag and the key on each line, in order.
    ///
    /// A row costs about 5 µs on its way through the connection's thread; a page of 1,000 keys as
    /// one row costs a sixth of 1,000 rows.
    pub fn listing_page(self) -> &'static str {
        match self {
            Self::Sqlite => {
                // The length of a BLOB is in bytes, and casting it changes none of them.
                "SELECT group_concat(concat_ws(' ', length(relative_path), size_bytes, created_at, \
                 etag, CAST(relative_path AS TEXT)), char(10)) \
                 FROM (SELECT relative_path, size_bytes, created_at, etag \
                 FROM objects WHERE package_id = $1 AND relative_path > $2 AND relative_path < $3 \
                 ORDER BY relative_path LIMIT $4)"
            }
        }
    }
}
