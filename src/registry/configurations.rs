//! Configure buckets: documents that say how a bucket is reached.

use std::sync::Arc;

use async_trait::async_trait;

use crate::db::commit::Unit;
use crate::db::configurations;
use crate::db::tx::{UnitResult, WriteTx};
use crate::domain::configuration::{ConfigurationKind, Configurations, MAX_DOCUMENT_BYTES};
use crate::domain::event::{ConfigurationSet, Event};
use crate::domain::ids::PackageId;
use crate::domain::package::{PackageStatus, Rejection};
use crate::registry::error::{Error, Result};
use crate::registry::handle::Registry;

/// Sets or removes the document of one kind.
#[derive(Debug, Clone)]
pub struct SetConfiguration {
    /// The package.
    pub package_id: PackageId,
    /// What the document is about.
    pub kind: ConfigurationKind,
    /// The document in its canonical form; `None` removes it.
    pub document: Option<String>,
    /// Who acts.
    pub actor: String,
}

impl Registry {
    /// The documents that configure a package's bucket. Served from memory when possible, and
    /// never older than the last acknowledged change.
    pub async fn find_configurations(&self, id: PackageId) -> Result<Arc<Configurations>> {
        let ticket = match self.inner.records.find_configurations(id) {
            Ok(found) => return Ok(found),
            Err(ticket) => ticket,
        };
        let found = configurations::of_package(&self.inner.db.readers, id).await?;
        let found = Arc::new(found);
        self.inner.records.put_configurations(ticket, id, &found);
        Ok(found)
    }

    /// Sets or removes a document: `v1.package.configuration_set`, or nothing when all is as it
    /// was. A finalized package takes it too, since its content is as before. Rejects with
    /// `NoSuchPackage`; a document over [`MAX_DOCUMENT_BYTES`] is an invalid argument.
    pub async fn set_configuration(&self, command: SetConfiguration) -> Result<()> {
        let bytes = command.document.as_ref().map_or(0, String::len);
        if bytes > MAX_DOCUMENT_BYTES {
            return Err(Error::InvalidArgument(format!(
                "The configuration has {bytes} bytes; it may have {MAX_DOCUMENT_BYTES}."
            )));
        }
        self.commit(SetUnit(command)).await
    }
}

struct SetUnit(SetConfiguration);

#[async_trait]
impl Unit for SetUnit {
    type Output = ();
    type Refusal = Rejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<(), Rejection> {
        let Self(command) = self;
        let package = tx.package(command.package_id).await?;
        if package.is_none_or(|package| package.status == PackageStatus::Deleted) {
            return Ok(Err(Rejection::NoSuchPackage));
        }
        let old = tx.configuration(command.package_id, command.kind).await?;
        if old != command.document {
            let event = ConfigurationSet {
                package_id: command.package_id,
                kind: command.kind,
                document: command.document.clone(),
            };
            tx.append(&command.actor, Event::ConfigurationSet(event));
        }
        Ok(Ok(()))
    }
}
