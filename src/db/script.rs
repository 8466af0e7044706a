//! Several statements sent to the connection as one.
//!
//! A trip to the connection's thread and back costs 60 to 100 µs, more than most statements do
//! there. What needs no answer in between therefore goes together.

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::{AnyConnection, Arguments, AssertSqlSafe, Encode, Type};

use crate::db::error::Result;

/// The most values of one trip; what exceeds them goes in further trips.
const MAX_VALUES: usize = 2048;

/// Statements in order, with their values. Each placeholder is a `?` and takes the next value.
#[derive(Default)]
pub struct Script {
    trips: Vec<(String, Values)>,
}

/// Values in the order of their placeholders.
#[derive(Default)]
pub struct Values(AnyArguments);

impl Values {
    /// Adds the next value.
    #[must_use]
    pub fn bind<'t, T: Encode<'t, sqlx::Any> + Type<sqlx::Any>>(mut self, value: T) -> Self {
        self.0
            .add(value)
            .expect("integers, texts and bytes can always be encoded");
        self
    }
}

impl Script {
    /// Begins with a statement that has no placeholders.
    pub fn beginning_with(text: &'static str) -> Self {
        let mut script = Self::default();
        script.add(text, |values| values);
        script
    }

    /// Adds a statement; `bind` adds its values.
    pub fn add(&mut self, text: &str, bind: impl FnOnce(Values) -> Values) {
        match self.trips.last_mut() {
            Some((texts, values)) if values.0.len() < MAX_VALUES => {
                texts.push_str("; ");
                texts.push_str(text);
                *values = bind(std::mem::take(values));
            }
            _ => self.trips.push((text.to_owned(), bind(Values::default()))),
        }
    }

    /// Runs what was added, and is empty again. After an error some of it may have been done.
    pub async fn run(&mut self, connection: &mut AnyConnection) -> Result<()> {
        for (text, values) in std::mem::take(&mut self.trips) {
            sqlx::query_with(AssertSqlSafe(text), values.0)
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }

    /// Runs what was added and gives all rows that it answers, and is empty again.
    pub async fn fetch(&mut self, connection: &mut AnyConnection) -> Result<Vec<AnyRow>> {
        let mut rows = Vec::new();
        for (text, values) in std::mem::take(&mut self.trips) {
            let query = sqlx::query_with(AssertSqlSafe(text), values.0);
            rows.extend(query.fetch_all(&mut *connection).await?);
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection, Row};

    use super::*;

    #[tokio::test]
    async fn statements_run_in_order_and_each_takes_its_own_values() {
        sqlx::any::install_default_drivers();
        let mut connection = AnyConnection::connect("sqlite::memory:").await.unwrap();
        let mut script = Script::beginning_with("CREATE TABLE numbers (n BIGINT, word TEXT)");
        // More values than one trip carries.
        let rows = MAX_VALUES as i64;
        for number in 0..rows {
            script.add("INSERT INTO numbers VALUES (?, ?)", |values| {
                values.bind(number).bind(format!("n{number}"))
            });
        }
        assert_eq!(script.trips.len(), 2);
        script.add("SELECT n, word FROM numbers WHERE n >= ?", |values| {
            values.bind(rows - 2)
        });
        let found: Vec<(i64, String)> = script
            .fetch(&mut connection)
            .await
            .unwrap()
            .iter()
            .map(|row| (row.get(0), row.get(1)))
            .collect();
        let expected = [rows - 2, rows - 1].map(|n| (n, format!("n{n}")));
        assert_eq!(found, expected);
        // It is empty again.
        assert!(script.fetch(&mut connection).await.unwrap().is_empty());
    }
}
