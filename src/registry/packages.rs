//! Create, read, list and end packages.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::ids::PackageId;
use crate::domain::name::PackageName;
use crate::domain::package::{PackageRecord, WriteMode};
use crate::registry::error::Result;
use crate::registry::handle::Registry;

/// Creates a package and its bucket.
#[derive(Debug, Clone)]
pub struct CreatePackage {
    /// The bucket's name.
    pub bucket: PackageName,
    /// The package's name; the bucket's if `None`.
    pub name: Option<String>,
    /// The actor's name if `None`.
    pub producer: Option<String>,
    /// The bucket's name if `None`.
    pub subject: Option<String>,
    /// `default` if `None`.
    pub retention_class: Option<String>,
    /// A JSON object; empty if `None`.
    pub metadata: Option<serde_json::Value>,
    /// The slug of a metadata schema.
    pub metadata_schema: Option<String>,
    /// The setting's mode if `None`.
    pub write_mode: Option<WriteMode>,
    /// Plain bucket tags.
    pub tags: BTreeMap<String, String>,
    /// Who acts.
    pub actor: String,
}

/// Which packages to list. Every filter that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct PackageFilter {
    /// Equal producer.
    pub producer: Option<String>,
    /// Equal subject.
    pub subject: Option<String>,
    /// Equal retention class.
    pub retention_class: Option<String>,
    /// Equal status (`created`, `finalized`, `deleted`).
    pub status: Option<String>,
    /// Equal top-level metadata values, compared as text (a JSON string by its content).
    pub metadata: Vec<(String, String)>,
    /// Equal owner.
    pub owner: Option<String>,
}

impl Registry {
    /// Creates a package: `v1.package.created` and `v1.retention.default_applied` in one
    /// transaction. Rejects with `NameTaken` when the bucket exists.
    pub async fn create_package(&self, command: CreatePackage) -> Result<Arc<PackageRecord>> {
        let _ = command;
        todo!()
    }

    /// The package of a bucket that has not ended. Served from memory when possible, and never
    /// older than the last acknowledged write.
    pub async fn find_bucket(&self, bucket: &PackageName) -> Result<Option<Arc<PackageRecord>>> {
        let _ = bucket;
        todo!()
    }

    /// A package by id, ended ones too.
    pub async fn find_package(&self, id: PackageId) -> Result<Option<Arc<PackageRecord>>> {
        let _ = id;
        todo!()
    }

    /// Packages that have not ended unless the filter asks for them, in the order of bucket names,
    /// after the name `after`; at most `limit`, and whether more follow.
    pub async fn list_packages(
        &self,
        filter: &PackageFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Arc<PackageRecord>>, bool)> {
        let _ = (filter, after, limit);
        todo!()
    }

    /// Ends an open, empty package: `v1.package.deleted`. The name may be used again.
    /// Rejects with `NotEmpty`, `OpenUploads`, or `Retained` for a finalized one.
    pub async fn delete_package(&self, id: PackageId, actor: &str) -> Result<()> {
        let _ = (id, actor);
        todo!()
    }
}
