//! Create, read, list and end packages.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::db::commit::Unit;
use crate::db::packages::{self, PackageQuery};
use crate::db::tx::{UnitResult, WriteTx};
use crate::db::uploads;
use crate::domain::description::{check_metadata, check_tags};
use crate::domain::event::{Event, PackageCreated, PackageDeleted, RetentionDefaultApplied};
use crate::domain::glob::matches;
use crate::domain::ids::PackageId;
use crate::domain::lock::{ObjectLockConfig, VersionRefused};
use crate::domain::name::PackageName;
use crate::domain::package::{PackageRecord, Rejection, WriteMode};
use crate::domain::retention::{Anchor, DEFAULT_CLASS};
use crate::domain::schema::SchemaReference;
use crate::domain::version::Versioning;
use crate::domain::version_event::{ObjectLockConfigured, VersioningSet};
use crate::registry::describe::read_reference;
use crate::registry::error::{Error, Result};
use crate::registry::handle::Registry;
use crate::registry::schemas::{Checked, Described, resolve};
use crate::registry::settings::PackageRule;

/// The most bytes of a name, producer or subject.
const MAX_WORD_BYTES: usize = 1024;

/// How many open uploads are named when they refuse something.
pub(super) const NAMED_UPLOADS: usize = 10;

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
    /// A metadata schema: `slug` or `slug@version`.
    pub metadata_schema: Option<String>,
    /// The setting's mode if `None`.
    pub write_mode: Option<WriteMode>,
    /// Plain bucket tags.
    pub tags: BTreeMap<String, String>,
    /// Whether versioning and Object Lock are enabled from the beginning.
    pub object_lock: bool,
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
        let actor = command.actor.clone();
        let has_lock = command.object_lock;
        let (created, schema) = self.describe_package(command)?;
        if has_lock && created.write_mode == WriteMode::WriteOnce {
            return Err(Rejection::Version(VersionRefused::WriteOnceVersioning).into());
        }
        let id = created.package_id;
        self.commit_checked(|checked| CreateUnit {
            created: created.clone(),
            schema: schema.clone(),
            has_lock,
            checked,
            actor: actor.clone(),
        })
        .await?;
        let record = self.find_package(id).await?;
        record.ok_or_else(|| Error::Internal(format!("package {id} was created but is not there")))
    }

    /// The package of a bucket that has not ended. Served from memory when possible: its name,
    /// owner, mode and status are never older than the last acknowledged write, but its counts and
    /// last sequence may be; [`Self::find_package`] has those.
    pub async fn find_bucket(&self, bucket: &PackageName) -> Result<Option<Arc<PackageRecord>>> {
        let ticket = match self.inner.records.find_bucket(bucket) {
            Ok(record) => return Ok(Some(record)),
            Err(ticket) => ticket,
        };
        let record = packages::find_by_bucket(&self.inner.db.readers, bucket)
            .await?
            .map(Arc::new);
        if let Some(record) = &record {
            self.inner.records.put_bucket(ticket, record);
        }
        Ok(record)
    }

    /// A package by id, ended ones too, as it stands now.
    pub async fn find_package(&self, id: PackageId) -> Result<Option<Arc<PackageRecord>>> {
        Ok(packages::find(&self.inner.db.readers, id)
            .await?
            .map(Arc::new))
    }

    /// As [`Self::find_bucket`], by id.
    pub(super) async fn find_stable_package(
        &self,
        id: PackageId,
    ) -> Result<Option<Arc<PackageRecord>>> {
        let ticket = match self.inner.records.find_package(id) {
            Ok(record) => return Ok(Some(record)),
            Err(ticket) => ticket,
        };
        let record = self.find_package(id).await?;
        if let Some(record) = &record
            && record.status != crate::domain::package::PackageStatus::Deleted
        {
            self.inner.records.put_bucket(ticket, record);
        }
        Ok(record)
    }

    /// Packages that have not ended unless the filter asks for them, in the order of bucket names,
    /// after the name `after`; at most `limit`, and whether more follow.
    pub async fn list_packages(
        &self,
        filter: &PackageFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Arc<PackageRecord>>, bool)> {
        let query = PackageQuery {
            producer: filter.producer.clone(),
            subject: filter.subject.clone(),
            retention_class: filter.retention_class.clone(),
            status: filter.status.clone(),
            owner: filter.owner.clone(),
        };
        let mut found = Vec::new();
        let mut after = after.map(str::to_owned);
        loop {
            let page =
                packages::list(&self.inner.db.readers, &query, after.as_deref(), limit + 1).await?;
            let is_last = page.len() <= limit;
            after = page.last().map(|package| package.bucket.to_string());
            let matching = page
                .into_iter()
                .filter(|package| has_metadata(package, filter));
            found.extend(matching.map(Arc::new));
            if found.len() > limit || is_last {
                let more = found.len() > limit;
                found.truncate(limit);
                return Ok((found, more));
            }
        }
    }

    /// Ends an open, empty package, whose name may then be used again, or a finalized one as a whole
    /// once its retention allows it: `v1.package.deleted`. A hold keeps either. Rejects with `NotEmpty`, `OpenUploads`,
    /// `Retained` and `Held`; who bypasses ends a package under governance before its time.
    pub async fn delete_package(&self, id: PackageId, actor: &str, bypasses: bool) -> Result<()> {
        let owner = actor.to_owned();
        let ended = self
            .retry_while_sealing(|| DeleteUnit {
                id,
                actor: owner.clone(),
            })
            .await;
        match ended {
            Err(Error::Rejected(Rejection::Retained { .. })) => {
                self.end_finalized(id, actor, bypasses).await
            }
            ended => ended,
        }
    }

    /// Fills in what a request leaves open: from the rules that match the bucket, then the defaults.
    fn describe_package(
        &self,
        command: CreatePackage,
    ) -> Result<(PackageCreated, Option<SchemaReference>)> {
        let settings = &self.inner.settings;
        let bucket = command.bucket;
        let rules: Vec<&PackageRule> = settings
            .package_rules
            .iter()
            .filter(|rule| {
                rule.buckets
                    .iter()
                    .any(|pattern| matches(pattern, bucket.as_str()))
            })
            .collect();
        let or_rule = |given: Option<String>, of: fn(&PackageRule) -> &Option<String>| {
            given.or_else(|| rules.iter().find_map(|rule| of(rule).clone()))
        };
        check_tags(&command.tags).map_err(Rejection::from)?;
        let schema = or_rule(command.metadata_schema, |rule| &rule.metadata_schema);
        let schema = schema.as_deref().map(read_reference).transpose()?;
        let class_id = or_rule(command.retention_class, |rule| &rule.retention_class)
            .unwrap_or_else(|| DEFAULT_CLASS.to_owned());
        let mode = command.write_mode.map(|mode| mode.as_str().to_owned());
        let mode = or_rule(mode, |rule| &rule.write_mode).unwrap_or(settings.write_mode.clone());
        let write_mode = WriteMode::parse(&mode)
            .ok_or_else(|| Error::InvalidArgument(format!("'{mode}' is no write mode")))?;
        let created = PackageCreated {
            package_id: PackageId(uuid::Uuid::new_v4()),
            name: word("name", command.name.unwrap_or_else(|| bucket.to_string()))?,
            producer: word(
                "producer",
                or_rule(command.producer, |rule| &rule.producer).unwrap_or(command.actor),
            )?,
            subject: word(
                "subject",
                or_rule(command.subject, |rule| &rule.subject)
                    .unwrap_or_else(|| bucket.to_string()),
            )?,
            retention_class: class_id,
            metadata: metadata(command.metadata, &rules)?,
            metadata_schema_id: None,
            write_mode,
            tags: command.tags,
            bucket,
        };
        Ok((created, schema))
    }
}

fn word(what: &str, text: String) -> Result<String> {
    if text.is_empty() || text.len() > MAX_WORD_BYTES || text.chars().any(char::is_control) {
        return Err(Error::InvalidArgument(format!(
            "the {what} of a package is 1 to {MAX_WORD_BYTES} bytes without control characters"
        )));
    }
    Ok(text)
}

/// The metadata of the rules, overlaid by what the request gives.
fn metadata(given: Option<serde_json::Value>, rules: &[&PackageRule]) -> Result<serde_json::Value> {
    let mut all = serde_json::Map::new();
    for rule in rules.iter().rev() {
        all.extend(
            rule.metadata
                .iter()
                .map(|(key, value)| (key.clone(), value.clone())),
        );
    }
    let all = match given {
        None => all.into(),
        Some(serde_json::Value::Object(given)) => {
            all.extend(given);
            all.into()
        }
        Some(other) => other,
    };
    check_metadata(&all).map_err(Rejection::from)?;
    Ok(all)
}

fn has_metadata(package: &PackageRecord, filter: &PackageFilter) -> bool {
    filter
        .metadata
        .iter()
        .all(|(key, wanted)| match package.metadata.get(key) {
            Some(serde_json::Value::String(text)) => text == wanted,
            Some(value) => *wanted == serde_json::Value::to_string(value),
            None => false,
        })
}

struct CreateUnit {
    created: PackageCreated,
    schema: Option<SchemaReference>,
    has_lock: bool,
    checked: Option<Checked>,
    actor: String,
}

#[async_trait]
impl Unit for CreateUnit {
    type Output = Described<()>;
    type Refusal = Rejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<Described<()>, Rejection> {
        let created = &self.created;
        if let Some(holder) = tx.package_of_bucket(&created.bucket).await? {
            return Ok(Err(Rejection::NameTaken {
                owner: holder.owner,
            }));
        }
        if tx.is_retired(&created.bucket).await? {
            return Ok(Err(Rejection::NameRetired));
        }
        let Some(class) = tx.retention_class(&created.retention_class).await? else {
            let id = created.retention_class.clone();
            return Ok(Err(Rejection::UnknownRetentionClass(id)));
        };
        let mut created = created.clone();
        if let Some(reference) = &self.schema {
            let schema = match resolve(tx, reference).await? {
                Ok(schema) => schema,
                Err(rejection) => return Ok(Err(rejection)),
            };
            let check = Checked {
                schema,
                metadata: created.metadata.clone(),
            };
            if self.checked.as_ref() != Some(&check) {
                return Ok(Ok(Described::Check(check)));
            }
            created.metadata_schema_id = Some(schema.to_string());
        }
        let recorded = tx.append(&self.actor, Event::PackageCreated(created.clone()));
        let expires_at = match class.anchor {
            Anchor::Created => class.expiry(recorded.created_at),
            Anchor::Finalized => None,
        };
        let retention = RetentionDefaultApplied {
            package_id: created.package_id,
            retention_class: created.retention_class,
            default_duration_seconds: class.default_duration_seconds,
            expires_at,
            is_eligible_for_deletion: false,
        };
        tx.append(&self.actor, Event::RetentionDefaultApplied(retention));
        if self.has_lock {
            let package_id = created.package_id;
            let state = Versioning::Enabled;
            let versioning = VersioningSet { package_id, state };
            tx.append(&self.actor, Event::VersioningSet(versioning));
            let lock = ObjectLockConfigured {
                package_id,
                config: ObjectLockConfig::default(),
            };
            tx.append(&self.actor, Event::ObjectLockConfigured(lock));
        }
        Ok(Ok(Described::Done(())))
    }
}

struct DeleteUnit {
    id: PackageId,
    actor: String,
}

#[async_trait]
impl Unit for DeleteUnit {
    type Output = ();
    type Refusal = Rejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<(), Rejection> {
        let Some(package) = tx.package(self.id).await? else {
            return Ok(Err(Rejection::NoSuchPackage));
        };
        if let Err(rejection) = package.delete() {
            return Ok(Err(rejection));
        }
        let retention = tx.retention(self.id).await?;
        let holds = retention.map_or(0, |retention| retention.holds.len());
        if holds > 0 {
            return Ok(Err(Rejection::Held { holds }));
        }
        // Last: who is told of uploads may abort them and come again.
        let open = uploads::open_of_package(&mut *tx.connection, self.id, NAMED_UPLOADS).await?;
        if !open.is_empty() {
            return Ok(Err(Rejection::OpenUploads(open)));
        }
        let event = PackageDeleted {
            archive_backend: None,
            package_id: self.id,
            reason: "bucket deleted".to_owned(),
            strategy: "manual".to_owned(),
            manifest_address: None,
            file_count: 0,
            total_bytes: 0,
            expires_at: None,
        };
        tx.append(&self.actor, Event::PackageDeleted(event));
        Ok(Ok(()))
    }
}
