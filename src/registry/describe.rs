//! Change what an open package says of itself: metadata, its schema, tags.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value as Json;

use crate::db::commit::Unit;
use crate::db::tx::{UnitResult, WriteTx};
use crate::domain::description::{Change, Description};
use crate::domain::event::{Event, PackageMetadataUpdated};
use crate::domain::ids::PackageId;
use crate::domain::package::{PackageRecord, Rejection};
use crate::domain::schema::SchemaReference;
use crate::registry::error::{Error, Result};
use crate::registry::handle::Registry;
use crate::registry::schemas::{Checked, Described, resolve};

/// Changes the description of a package. What is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct UpdatePackage {
    /// The metadata.
    pub metadata: Option<Change>,
    /// The metadata schema: `slug` or `slug@version`.
    pub metadata_schema: Option<String>,
    /// The tags: an object of texts.
    pub tags: Option<Change>,
    /// Who acts.
    pub actor: String,
}

impl Registry {
    /// Changes metadata and tags of an open package: `v1.package.metadata_updated`, or nothing when
    /// all is as it was. Metadata is checked against the package's schema. Rejects with `Finalized`
    /// and as create does.
    pub async fn update_package(
        &self,
        id: PackageId,
        command: UpdatePackage,
    ) -> Result<Arc<PackageRecord>> {
        let schema = command.metadata_schema.as_deref();
        let schema = schema.map(read_reference).transpose()?;
        let unit = Arc::new(Update {
            id,
            metadata: command.metadata,
            schema,
            tags: command.tags,
            actor: command.actor,
        });
        self.commit_checked(|checked| UpdateUnit(unit.clone(), checked))
            .await?;
        let record = self.find_package(id).await?;
        record.ok_or_else(|| Rejection::NoSuchPackage.into())
    }
}

/// The reference to a schema that a request gives.
pub(super) fn read_reference(text: &str) -> Result<SchemaReference> {
    SchemaReference::parse(text)
        .map_err(|error| Error::InvalidArgument(format!("metadata_schema: {error}")))
}

struct Update {
    id: PackageId,
    metadata: Option<Change>,
    schema: Option<SchemaReference>,
    tags: Option<Change>,
    actor: String,
}

struct UpdateUnit(Arc<Update>, Option<Checked>);

impl Update {
    /// The description as it shall be.
    async fn describe(
        &self,
        tx: &mut WriteTx<'_>,
        old: &Description,
    ) -> UnitResult<Description, Rejection> {
        let mut new = old.clone();
        if let Some(change) = &self.metadata {
            match old.changed_metadata(change) {
                Ok(metadata) => new.metadata = metadata,
                Err(invalid) => return Ok(Err(invalid.into())),
            }
        }
        if let Some(change) = &self.tags {
            match old.changed_tags(change) {
                Ok(tags) => new.tags = tags,
                Err(invalid) => return Ok(Err(invalid.into())),
            }
        }
        if let Some(reference) = &self.schema {
            match resolve(tx, reference).await? {
                Ok(id) => new.metadata_schema_id = Some(id.to_string()),
                Err(rejection) => return Ok(Err(rejection)),
            }
        }
        Ok(Ok(new))
    }
}

/// What must be checked before a description may be recorded; nothing if it was checked already or
/// says of metadata and schema what it said.
fn unchecked(
    old: &Description,
    new: &Description,
    checked: Option<&Checked>,
) -> std::result::Result<Option<Checked>, Rejection> {
    let Some(text) = &new.metadata_schema_id else {
        return Ok(None);
    };
    if new.metadata == old.metadata && new.metadata_schema_id == old.metadata_schema_id {
        return Ok(None);
    }
    let schema = text
        .parse()
        .map_err(|_| Rejection::NoSuchSchema(text.clone()))?;
    let check = Checked {
        schema,
        metadata: Json::clone(&new.metadata),
    };
    Ok((checked != Some(&check)).then_some(check))
}

#[async_trait]
impl Unit for UpdateUnit {
    type Output = Described<()>;
    type Refusal = Rejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<Described<()>, Rejection> {
        let Self(update, checked) = self;
        let Some(package) = tx.package(update.id).await? else {
            return Ok(Err(Rejection::NoSuchPackage));
        };
        if let Err(rejection) = package.check_open() {
            return Ok(Err(rejection));
        }
        let Some(old) = tx.description(update.id).await? else {
            return Ok(Err(Rejection::NoSuchPackage));
        };
        let new = match update.describe(tx, &old).await? {
            Ok(new) => new,
            Err(rejection) => return Ok(Err(rejection)),
        };
        match unchecked(&old, &new, checked.as_ref()) {
            Err(rejection) => return Ok(Err(rejection)),
            Ok(Some(check)) => return Ok(Ok(Described::Check(check))),
            Ok(None) => {}
        }
        if new != old {
            let event = PackageMetadataUpdated {
                package_id: update.id,
                metadata: new.metadata,
                metadata_schema_id: new.metadata_schema_id,
                tags: new.tags,
            };
            tx.append(&update.actor, Event::PackageMetadataUpdated(event));
        }
        Ok(Ok(Described::Done(())))
    }
}
