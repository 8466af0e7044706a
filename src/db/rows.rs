//! Statements over many rows at once.
//!
//! A statement costs 60 to 80 µs on its way through the connection's thread, whatever it does, so a
//! batch is written in as few as possible. The number of rows is broken into powers of two, so that
//! few texts exist and each connection's statement cache holds them all.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use sqlx::Any;
use sqlx::any::AnyArguments;
use sqlx::query::Query;

/// The most rows of one statement.
pub const MAX_ROWS: usize = 64;

/// Breaks `total` rows into statements: powers of two, largest first.
pub fn groups(total: usize) -> impl Iterator<Item = usize> {
    let mut left = total;
    std::iter::from_fn(move || {
        if left == 0 {
            return None;
        }
        let rows = if left >= MAX_ROWS {
            MAX_ROWS
        } else {
            1 << left.ilog2()
        };
        left -= rows;
        Some(rows)
    })
}

/// A statement with a list of rows: `before ($1, $2), ($3, $4) after`.
#[derive(Debug, Clone, Copy)]
pub struct RowsStatement {
    /// What stands before the rows, such as `INSERT INTO t (a, b) VALUES`.
    pub before: &'static str,
    /// How many columns a row has.
    pub columns: usize,
    /// What stands after the rows.
    pub after: &'static str,
}

type Texts = HashMap<(&'static str, usize), &'static str>;

/// The texts made so far: one for each statement and power of two, kept for the life of the program.
static TEXTS: LazyLock<Mutex<Texts>> = LazyLock::new(|| Mutex::new(HashMap::new()));

impl RowsStatement {
    /// The statement for a number of rows, which is one of [`groups`].
    pub fn query<'q>(&self, rows: usize) -> Query<'q, Any, AnyArguments> {
        sqlx::query(self.text(rows))
    }

    fn text(&self, rows: usize) -> &'static str {
        let mut texts = TEXTS
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        texts
            .entry((self.before, rows))
            .or_insert_with(|| Box::leak(self.write(rows).into()))
    }

    fn write(&self, rows: usize) -> String {
        let mut text = format!("{} ", self.before);
        for row in 0..rows {
            text.push_str(if row == 0 { "(" } else { ", (" });
            for column in 0..self.columns {
                let comma = if column == 0 { "" } else { ", " };
                text.push_str(&format!("{comma}${}", row * self.columns + column + 1));
            }
            text.push(')');
        }
        text.push(' ');
        text.push_str(self.after);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_rows_is_broken_into_powers_of_two() {
        for total in 0..300 {
            let groups: Vec<_> = groups(total).collect();
            assert_eq!(groups.iter().sum::<usize>(), total);
            assert!(
                groups
                    .iter()
                    .all(|rows| rows.is_power_of_two() && *rows <= MAX_ROWS)
            );
        }
        assert_eq!(groups(150).collect::<Vec<_>>(), [64, 64, 16, 4, 2]);
    }

    #[test]
    fn a_statement_numbers_its_parameters() {
        let statement = RowsStatement {
            before: "VALUES",
            columns: 2,
            after: "END",
        };
        assert_eq!(statement.write(2), "VALUES ($1, $2), ($3, $4) END");
    }
}
