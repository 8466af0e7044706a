//! Statements over many rows at once.
//!
//! A statement costs 60 to 80 µs on its way through the connection's thread, whatever it does, so a
//! batch is written in as few as possible: the rows are padded to a power of two by repeating the
//! last one, so that few texts exist and each connection's statement cache holds them all.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{LazyLock, Mutex, PoisonError};

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection};

use crate::db::error::Result;

/// The most rows of one statement.
const MAX_ROWS: usize = 64;

/// A statement about to run.
pub type Bound = Query<'static, Any, AnyArguments>;

/// A statement that inserts rows.
#[derive(Debug, Clone, Copy)]
pub struct InsertRows {
    /// The table and its columns, such as `files (id, size_bytes)`.
    pub into: &'static str,
    /// How many columns those are.
    pub columns: usize,
    /// What happens on a conflict, such as `ON CONFLICT DO NOTHING`, or nothing.
    pub on_conflict: &'static str,
}

/// A statement that looks rows up by a list, which may hold an entry twice:
/// `before ($1, $2), ($3, $4) after`.
#[derive(Debug, Clone, Copy)]
pub struct ForRows {
    /// What stands before the list and ends in `VALUES`.
    pub before: &'static str,
    /// How many columns an entry has.
    pub columns: usize,
    /// What stands after the list.
    pub after: &'static str,
}

impl InsertRows {
    /// Inserts rows; `bind` adds the columns of one, in order.
    pub async fn execute<T>(
        &self,
        connection: &mut AnyConnection,
        rows: &[T],
        bind: impl Fn(Bound, &T) -> Bound,
    ) -> Result<()> {
        for chunk in rows.chunks(MAX_ROWS) {
            // Each row begins with a mark that says whether it is one, or only fills up.
            let query = padded(chunk).fold(self.query(chunk.len()), |query, (row, is_row)| {
                bind(query.bind(i64::from(is_row)), row)
            });
            query.execute(&mut *connection).await?;
        }
        Ok(())
    }

    fn query(&self, rows: usize) -> Bound {
        let rows = rows.next_power_of_two();
        sqlx::query(text(self.into, rows, || {
            let columns: Vec<_> = (2..self.columns + 2)
                .map(|n| format!("column{n}"))
                .collect();
            format!(
                "INSERT INTO {} SELECT {} FROM (VALUES {}) v WHERE column1 = 1 {}",
                self.into,
                columns.join(", "),
                placeholders(rows, self.columns + 1),
                self.on_conflict
            )
        }))
    }
}

impl ForRows {
    /// Runs the statement for every row.
    pub async fn execute<T>(
        &self,
        connection: &mut AnyConnection,
        rows: &[T],
        bind: impl Fn(Bound, &T) -> Bound,
    ) -> Result<()> {
        for chunk in rows.chunks(MAX_ROWS) {
            self.bound(chunk, &bind).execute(&mut *connection).await?;
        }
        Ok(())
    }

    /// Runs the statement for every row and gives what it answers. An entry of the list that
    /// stands in it twice may be answered twice.
    pub async fn fetch<T>(
        &self,
        connection: &mut AnyConnection,
        rows: &[T],
        bind: impl Fn(Bound, &T) -> Bound,
    ) -> Result<Vec<AnyRow>> {
        let mut found = Vec::with_capacity(rows.len());
        for chunk in rows.chunks(MAX_ROWS) {
            found.extend(self.bound(chunk, &bind).fetch_all(&mut *connection).await?);
        }
        Ok(found)
    }

    fn bound<T>(&self, chunk: &[T], bind: &impl Fn(Bound, &T) -> Bound) -> Bound {
        let rows = chunk.len().next_power_of_two();
        let query = sqlx::query(text(self.before, rows, || {
            format!(
                "{} {} {}",
                self.before,
                placeholders(rows, self.columns),
                self.after
            )
        }));
        padded(chunk).fold(query, |query, (row, _)| bind(query, row))
    }
}

/// The rows, and the last one again until their number is a power of two.
fn padded<T>(rows: &[T]) -> impl Iterator<Item = (&T, bool)> {
    let total = rows.len().next_power_of_two();
    let fill = rows.last().into_iter().cycle().map(|row| (row, false));
    rows.iter().map(|row| (row, true)).chain(fill).take(total)
}

type Texts = HashMap<(&'static str, usize), &'static str>;

/// The texts made so far: one for each statement and power of two, kept for the life of the program.
static TEXTS: LazyLock<Mutex<Texts>> = LazyLock::new(|| Mutex::new(HashMap::new()));

fn text(name: &'static str, rows: usize, write: impl FnOnce() -> String) -> &'static str {
    let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    texts
        .entry((name, rows))
        .or_insert_with(|| Box::leak(write().into()))
}

fn placeholders(rows: usize, columns: usize) -> String {
    let mut text = String::with_capacity(rows * columns * 6);
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns {
            let comma = if column == 0 { "" } else { ", " };
            let number = row * columns + column + 1;
            write!(text, "{comma}${number}").expect("writing to a String never fails");
        }
        text.push(')');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_filled_up_to_a_power_of_two() {
        let cases = [("a", "a+"), ("ab", "a+b+"), ("abc", "a+b+c+c-")];
        for (rows, expected) in cases {
            let mark =
                |(row, is_row): (&u8, bool)| [char::from(*row), if is_row { '+' } else { '-' }];
            let filled: String = padded(rows.as_bytes()).flat_map(mark).collect();
            assert_eq!(filled, expected);
        }
    }

    #[test]
    fn placeholders_are_numbered_through() {
        assert_eq!(placeholders(2, 2), "($1, $2), ($3, $4)");
    }
}
