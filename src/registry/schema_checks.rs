//! Compiled metadata schemas, and the threads that compile and check.
//!
//! A schema comes from outside and its references may multiply, so that a check takes longer than
//! anybody waits: each has a thread of its own, and there are few.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use serde_json::Value as Json;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use crate::domain::ids::SchemaId;
use crate::domain::schema::{InvalidSchema, MetadataValidator, SchemaRecord, check_schema};
use crate::registry::error::{Error, Result};

/// How many compiled schemas are remembered.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(64).expect("64 is not zero");

/// How many checks run at once. One that does not end keeps its place.
const CHECKS_AT_ONCE: usize = 4;

/// How long a check may take, and how long it may wait for its place.
const CHECK_TIME: Duration = Duration::from_secs(10);

/// Compiled schemas, and the places of the threads that compile and check.
pub struct SchemaChecks {
    /// What an id stands for never changes.
    compiled: Mutex<LruCache<SchemaId, Arc<Compiled>>>,
    places: Arc<Semaphore>,
    patience: Duration,
}

/// A compiled schema.
pub struct Compiled {
    /// `slug@version`, for messages.
    name: String,
    validator: MetadataValidator,
}

impl Default for SchemaChecks {
    fn default() -> Self {
        Self {
            compiled: Mutex::new(LruCache::new(REMEMBERED)),
            places: Arc::new(Semaphore::new(CHECKS_AT_ONCE)),
            patience: CHECK_TIME,
        }
    }
}

impl SchemaChecks {
    /// What is remembered of a schema.
    pub fn find(&self, id: SchemaId) -> Option<Arc<Compiled>> {
        lock(&self.compiled).get(&id).cloned()
    }

    /// Compiles a schema, and remembers it.
    pub async fn compile(&self, schema: SchemaRecord) -> Result<Arc<Compiled>> {
        let id = schema.id;
        let compiled = self
            .run(move || Compiled::of(&schema).map(Arc::new))
            .await?;
        lock(&self.compiled).put(id, compiled.clone());
        Ok(compiled)
    }

    /// Refuses metadata that a schema does not allow.
    pub async fn check(&self, schema: Arc<Compiled>, metadata: Json) -> Result<()> {
        self.run(move || {
            schema.validator.check(&metadata).map_err(|violations| {
                Error::InvalidArgument(format!(
                    "the metadata does not conform to the schema '{}': {violations}",
                    schema.name
                ))
            })
        })
        .await
    }

    /// A schema that shall be registered, and its canonical form.
    pub async fn examine(&self, schema: Json) -> Result<(Json, String)> {
        self.run(move || {
            let invalid = |error: InvalidSchema| Error::InvalidArgument(error.to_string());
            let canonical = check_schema(&schema).map_err(invalid)?;
            let validator = MetadataValidator::compile(&schema).map_err(invalid)?;
            // Whether it conforms means nothing; that the check ends does.
            let _ = validator.check(&Json::Object(serde_json::Map::new()));
            Ok((schema, canonical))
        })
        .await
    }

    /// Runs work on a thread of its own. Work that does not end in time keeps its place, but stops
    /// neither other requests nor the end of the program.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let place = timeout(self.patience, self.places.clone().acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            return Err(Error::Busy);
        };
        let (sender, receiver) = oneshot::channel();
        let name = std::thread::Builder::new().name("schema".to_owned());
        name.spawn(move || {
            let outcome = work();
            drop(place);
            // Nobody waits any more when the request has ended.
            let _ = sender.send(outcome);
        })
        .map_err(|error| Error::Internal(format!("schema: {error}")))?;
        match timeout(self.patience, receiver).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Error::Internal(
                "the check of a schema broke off".to_owned(),
            )),
            Err(_) => Err(Error::InvalidArgument(
                "the metadata schema takes too long to be checked: its references multiply".into(),
            )),
        }
    }
}

impl Compiled {
    fn of(record: &SchemaRecord) -> Result<Self> {
        let validator = MetadataValidator::compile(&record.json_schema)
            .map_err(|error| Error::Corrupt(format!("metadata schema {}: {error}", record.id)))?;
        Ok(Self {
            name: format!("{}@{}", record.slug, record.version),
            validator,
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A schema that looks at its end 2^levels times.
    fn multiplying(levels: usize) -> Json {
        let twice = |level: usize| {
            let next = json!({"$ref": format!("#/$defs/{}", level + 1)});
            (level.to_string(), json!({"allOf": [next, next]}))
        };
        let mut levels: serde_json::Map<_, _> = (0..levels).map(twice).collect();
        levels.insert(levels.len().to_string(), json!({}));
        json!({"$ref": "#/$defs/0", "$defs": levels})
    }

    #[tokio::test]
    async fn a_schema_whose_references_multiply_is_refused_and_stops_nobody() {
        let mut checks = SchemaChecks::default();
        assert!(checks.examine(multiplying(4)).await.is_ok());
        checks.patience = Duration::from_millis(1);
        let mut busy = 0;
        for _ in 0..=CHECKS_AT_ONCE {
            match checks.examine(multiplying(20)).await {
                Err(Error::InvalidArgument(reason)) => assert!(reason.contains("too long")),
                Err(Error::Busy) => busy += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(busy, 1, "the places are taken");
        // What ends gives its place back.
        checks.patience = CHECK_TIME;
        assert!(checks.examine(json!({})).await.is_ok());
    }
}
