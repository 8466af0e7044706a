//! Statements over many rows at once.
//!
//! A batch is written in as few statements as possible. Their rows are padded to a power of two by
//! repeating the last one, so that few texts exist and each connection's statement cache holds them.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::db::script::{Script, Values};

/// The most rows of one statement.
const MAX_ROWS: usize = 64;

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
/// `before (?, ?), (?, ?) after`.
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
    pub fn add<T>(&self, script: &mut Script, rows: &[T], bind: impl Fn(Values, &T) -> Values) {
        for chunk in rows.chunks(MAX_ROWS) {
            script.add(self.text(chunk.len()), |values| {
                // Each row begins with a mark that says whether it is one, or only fills up.
                padded(chunk).fold(values, |values, (row, is_row)| {
                    bind(values.bind(i64::from(is_row)), row)
                })
            });
        }
    }

    fn text(&self, rows: usize) -> &'static str {
        let rows = rows.next_power_of_two();
        text(self.into, rows, || {
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
        })
    }
}

impl ForRows {
    /// Does for every row what the statement says. An entry of the list that stands in it twice may
    /// be answered twice.
    pub fn add<T>(&self, script: &mut Script, rows: &[T], bind: impl Fn(Values, &T) -> Values) {
        for chunk in rows.chunks(MAX_ROWS) {
            script.add(self.text(chunk.len()), |values| {
                padded(chunk).fold(values, |values, (row, _)| bind(values, row))
            });
        }
    }

    fn text(&self, rows: usize) -> &'static str {
        let rows = rows.next_power_of_two();
        text(self.before, rows, || {
            format!(
                "{} {} {}",
                self.before,
                placeholders(rows, self.columns),
                self.after
            )
        })
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
    let row = format!("({})", vec!["?"; columns].join(", "));
    vec![row; rows].join(", ")
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
    fn each_row_has_its_placeholders() {
        assert_eq!(placeholders(2, 3), "(?, ?, ?), (?, ?, ?)");
    }
}
