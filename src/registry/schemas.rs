//! Register and read metadata schemas, and check metadata against them.
//!
//! A unit never validates: schemas come from outside and may take long. It says which schema holds,
//! the check is made beside the committer, and the unit is run again with what was checked.

use async_trait::async_trait;
use serde_json::Value as Json;

use crate::db::commit::Unit;
use crate::db::schemas;
use crate::db::tx::{UnitResult, WriteTx};
use crate::domain::event::{Event, MetadataSchemaRegistered};
use crate::domain::ids::SchemaId;
use crate::domain::package::Rejection;
use crate::domain::schema::{
    Registration, SchemaRecord, SchemaReference, SchemaSlug, register, schema_digest,
};
use crate::registry::error::{Error, Result};
use crate::registry::handle::Registry;

/// How often a write is run again because its schema changed while metadata was checked.
const CHECKS: usize = 8;

/// Registers a schema.
#[derive(Debug, Clone)]
pub struct RegisterSchema {
    /// The slug.
    pub slug: SchemaSlug,
    /// The version it shall have; `None`: the first, or the one that is equal.
    pub version: Option<u64>,
    /// The schema.
    pub json_schema: Json,
    /// Who acts.
    pub actor: String,
}

/// What a unit that writes metadata answers.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Described<T> {
    /// It is written.
    Done(T),
    /// Nothing is written yet: this metadata must first be checked against this schema.
    Check(Checked),
}

/// Metadata that was, or must be, checked against a schema.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Checked {
    /// The schema.
    pub(super) schema: SchemaId,
    /// The metadata.
    pub(super) metadata: Json,
}

impl Registry {
    /// Registers a schema: `v1.metadata_schema.registered`; answers it and whether it is new.
    /// Idempotent for an equal schema (RFC 8785). Rejects with `SchemaConflict` when the slug has a
    /// different one and its next version was not asked for.
    pub async fn register_schema(&self, command: RegisterSchema) -> Result<(SchemaRecord, bool)> {
        let (schema, canonical) = self.inner.schemas.examine(command.json_schema).await?;
        let unit = RegisterUnit {
            event: MetadataSchemaRegistered {
                schema_id: SchemaId(uuid::Uuid::new_v4()),
                slug: command.slug,
                version: 0,
                json_schema: schema,
            },
            canonical,
            asked: command.version,
            actor: command.actor,
        };
        let new_id = unit.event.schema_id;
        let id = self.commit(unit).await?;
        let record = schemas::find_by_id(&self.inner.db.readers, id).await?;
        let record = record.ok_or_else(|| {
            Error::Internal(format!("schema {id} was registered and is not there"))
        })?;
        Ok((record, id == new_id))
    }

    /// The schema that a reference means.
    pub async fn find_schema(&self, reference: &SchemaReference) -> Result<Option<SchemaRecord>> {
        Ok(schemas::find(&self.inner.db.readers, reference).await?)
    }

    /// A schema by the id that packages keep.
    pub async fn find_schema_of_id(&self, id: SchemaId) -> Result<Option<SchemaRecord>> {
        Ok(schemas::find_by_id(&self.inner.db.readers, id).await?)
    }

    /// Schemas, every version, in the order of slugs and versions, after one; at most `limit`, and
    /// whether more follow.
    pub async fn list_schemas(
        &self,
        after: Option<(&str, u64)>,
        limit: usize,
    ) -> Result<(Vec<SchemaRecord>, bool)> {
        let mut found = schemas::list(&self.inner.db.readers, after, limit + 1).await?;
        let has_more = found.len() > limit;
        found.truncate(limit);
        Ok((found, has_more))
    }

    /// Runs a unit that writes metadata, and checks what it asks to have checked in between.
    pub(super) async fn commit_checked<U, T>(
        &self,
        unit: impl Fn(Option<Checked>) -> U,
    ) -> Result<T>
    where
        U: Unit<Output = Described<T>, Refusal = Rejection>,
    {
        let mut checked = None;
        for _ in 0..CHECKS {
            match self.retry_while_sealing(|| unit(checked.clone())).await? {
                Described::Done(done) => return Ok(done),
                Described::Check(check) => {
                    self.check_metadata(check.schema, &check.metadata).await?;
                    checked = Some(check);
                }
            }
        }
        // Somebody registers a version each time.
        Err(Error::Busy)
    }

    /// Refuses metadata that a schema does not allow, or whose schema is not there.
    pub(super) async fn check_metadata(&self, schema: SchemaId, metadata: &Json) -> Result<()> {
        let checks = &self.inner.schemas;
        let compiled = match checks.find(schema) {
            Some(compiled) => compiled,
            None => {
                let found = self.find_schema_of_id(schema).await?;
                let found = found.ok_or_else(|| not_there(&schema.to_string()))?;
                checks.compile(found).await?
            }
        };
        checks.check(compiled, metadata.clone()).await
    }

    /// As [`Self::check_metadata`], by the id as a package keeps it.
    pub(super) async fn check_described(
        &self,
        schema: Option<&str>,
        metadata: &Json,
    ) -> Result<()> {
        let Some(text) = schema else { return Ok(()) };
        match text.parse() {
            Ok(id) => self.check_metadata(id, metadata).await,
            Err(_) => Err(not_there(text)),
        }
    }
}

fn not_there(id: &str) -> Error {
    Error::InvalidArgument(format!("there is no metadata schema of the id {id}"))
}

/// What a package asks for, resolved inside a unit: the version that holds now.
pub(super) async fn resolve(
    tx: &mut WriteTx<'_>,
    reference: &SchemaReference,
) -> UnitResult<SchemaId, Rejection> {
    let versions = tx.schema_versions(&reference.slug).await?;
    Ok(match reference.pick(&versions) {
        Some(version) => Ok(version.id),
        None => Err(Rejection::NoSuchSchema(reference.to_string())),
    })
}

struct RegisterUnit {
    /// Its version is yet to be decided.
    event: MetadataSchemaRegistered,
    canonical: String,
    asked: Option<u64>,
    actor: String,
}

#[async_trait]
impl Unit for RegisterUnit {
    type Output = SchemaId;
    type Refusal = Rejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<SchemaId, Rejection> {
        let slug = &self.event.slug;
        let versions = tx.schema_versions(slug).await?;
        match register(slug, &versions, schema_digest(&self.canonical), self.asked) {
            Err(rejection) => Ok(Err(rejection)),
            Ok(Registration::Known(id)) => Ok(Ok(id)),
            Ok(Registration::New(version)) => {
                let event = MetadataSchemaRegistered {
                    version,
                    ..self.event.clone()
                };
                tx.append(&self.actor, Event::MetadataSchemaRegistered(event));
                Ok(Ok(self.event.schema_id))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::blob::settings::BlobSettings;
    use crate::registry::settings::RegistrySettings;

    fn registration(id: u128, asked: Option<u64>, schema: &Json) -> RegisterUnit {
        RegisterUnit {
            event: MetadataSchemaRegistered {
                schema_id: SchemaId(Uuid::from_u128(id)),
                slug: SchemaSlug::parse("s").unwrap(),
                version: 0,
                json_schema: schema.clone(),
            },
            canonical: crate::domain::schema::canonical_schema(schema),
            asked,
            actor: "tester".to_owned(),
        }
    }

    /// Three registrations and two packages that ask for them, in one transaction.
    struct Together;

    #[async_trait]
    impl Unit for Together {
        type Output = Vec<SchemaId>;
        type Refusal = Rejection;

        async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<Vec<SchemaId>, Rejection> {
            let (one, two) = (json!({"minProperties": 1}), json!({"minProperties": 2}));
            let units = [
                registration(1, None, &one),
                registration(2, None, &one),
                registration(3, Some(2), &two),
            ];
            let mut seen = Vec::new();
            for unit in units {
                seen.push(unit.run(tx).await?.unwrap());
            }
            for reference in ["s", "s@1"] {
                let reference = SchemaReference::parse(reference).unwrap();
                seen.push(resolve(tx, &reference).await?.unwrap());
            }
            Ok(Ok(seen))
        }
    }

    #[tokio::test]
    async fn what_stands_together_in_a_transaction_sees_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let settings = RegistrySettings {
            data_dir: folder.path().to_owned(),
            ..RegistrySettings::default()
        };
        let registry = Registry::open(settings, &BlobSettings::default()).await;
        let registry = registry.unwrap();
        let seen = registry.commit(Together).await.unwrap();
        let expected = [1, 1, 3, 3, 1].map(|id| SchemaId(Uuid::from_u128(id)));
        assert_eq!(seen, expected);
        // And so does what comes after.
        assert_eq!(registry.commit(Together).await.unwrap(), expected);
        let (schemas, more) = registry.list_schemas(None, 10).await.unwrap();
        assert_eq!((schemas.len(), more), (2, false));
        registry.close().await;
    }
}
