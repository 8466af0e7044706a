//! Remove keys and versions of keys.

use std::sync::Arc;

use async_trait::async_trait;

use crate::db::commit::Unit;
use crate::db::tx::{Footprint, UnitResult, WriteTx};
use crate::domain::event::Event;
use crate::domain::ids::{FileId, PackageId};
use crate::domain::key_versions::{KeyVersions, Version};
use crate::domain::name::ObjectKey;
use crate::domain::package::{Package, Rejection, WriteMode};
use crate::domain::version::{Marker, VersionRef, Versioning};
use crate::domain::version_event::{FileRemoved, MarkerRemoved, VersionPurged};
use crate::registry::error::{Error, Result};
use crate::registry::handle::Registry;

/// Why a version went: somebody named it.
const DELETED: &str = "version deleted";

/// Why a null version went: another one took its place.
const REPLACED: &str = "null version replaced";

/// Removes a key, or one version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveFile {
    /// The key.
    pub key: ObjectKey,
    /// Only this version, for good; an absent one is a success too.
    pub version: Option<VersionRef>,
}

/// What a removal did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// The marker that was put on top of the key, or that was named and is gone.
    pub marker: Option<Marker>,
}

/// Removes files.
#[derive(Debug, Clone)]
pub struct RemoveFiles {
    /// The package.
    pub package_id: PackageId,
    /// What to remove, in order.
    pub commands: Vec<RemoveFile>,
    /// Whether retention under governance is passed over.
    pub bypasses: bool,
    /// Who acts.
    pub actor: String,
}

impl Registry {
    /// Removes files; an absent key is a success. Where versioning is enabled a key is removed by a
    /// marker, and a version by its name. One outcome for each command, in their order.
    pub async fn remove_files(&self, command: RemoveFiles) -> Result<Vec<Result<Removed>>> {
        let marker_ids = command
            .commands
            .iter()
            .map(|_| FileId(self.new_id()))
            .collect();
        let work = Arc::new(Work {
            command,
            marker_ids,
        });
        let outcomes = self
            .retry_while_sealing(|| RemoveUnit(work.clone()))
            .await?;
        Ok(outcomes
            .into_iter()
            .map(|outcome| outcome.map_err(Error::from))
            .collect())
    }
}

struct Work {
    command: RemoveFiles,
    /// For each command the identifier of the marker that it may make.
    marker_ids: Vec<FileId>,
}

struct RemoveUnit(Arc<Work>);

#[async_trait]
impl Unit for RemoveUnit {
    type Output = Vec<std::result::Result<Removed, Rejection>>;
    type Refusal = Rejection;

    fn footprint(&self) -> Footprint {
        let command = &self.0.command;
        let package = command.package_id;
        let keys = command.commands.iter();
        Footprint {
            packages: vec![package],
            keys: keys.map(|command| (package, command.key.clone())).collect(),
            ..Footprint::default()
        }
    }

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<Self::Output, Rejection> {
        let Work {
            command,
            marker_ids,
        } = &*self.0;
        let Some(package) = tx.package(command.package_id).await? else {
            return Ok(Err(Rejection::NoSuchPackage));
        };
        if package.check_open() == Err(Rejection::Sealing) {
            return Ok(Err(Rejection::Sealing));
        }
        let removal = Removal {
            package,
            bypasses: command.bypasses,
            actor: &command.actor,
        };
        let mut outcomes = Vec::with_capacity(marker_ids.len());
        for (one, marker_id) in command.commands.iter().zip(marker_ids) {
            outcomes.push(removal.run(tx, one, *marker_id).await?);
        }
        Ok(Ok(outcomes))
    }
}

struct Removal<'w> {
    package: Package,
    bypasses: bool,
    actor: &'w str,
}

impl Removal<'_> {
    async fn run(
        &self,
        tx: &mut WriteTx<'_>,
        command: &RemoveFile,
        marker_id: FileId,
    ) -> UnitResult<Removed, Rejection> {
        let key = &command.key;
        match (command.version, self.package.versioning) {
            (Some(name), Some(_)) => self.remove_version(tx, key, name).await,
            (Some(name), None) => self.remove_only(tx, key, Some(name)).await,
            (None, None) => self.remove_only(tx, key, None).await,
            (None, Some(versioning)) => self.mark(tx, key, versioning, marker_id).await,
        }
    }

    /// In a package without versions: the file is gone.
    async fn remove_only(
        &self,
        tx: &mut WriteTx<'_>,
        key: &ObjectKey,
        name: Option<VersionRef>,
    ) -> UnitResult<Removed, Rejection> {
        let current = tx.current_file(self.package.id, key).await?;
        let current = current.filter(|file| match name {
            None | Some(VersionRef::Null) => true,
            Some(VersionRef::Id(id)) => id == file.id,
        });
        let file_id = match self.package.remove(current.as_ref()) {
            Ok(file_id) => file_id,
            Err(rejection) => return Ok(Err(rejection)),
        };
        if file_id.is_some() {
            let event = FileRemoved {
                package_id: self.package.id,
                file_id,
                key: key.clone(),
                marker: None,
            };
            tx.append(self.actor, Event::FileRemoved(event));
        }
        Ok(Ok(Removed::default()))
    }

    /// Puts a marker on top of a key.
    async fn mark(
        &self,
        tx: &mut WriteTx<'_>,
        key: &ObjectKey,
        versioning: Versioning,
        marker_id: FileId,
    ) -> UnitResult<Removed, Rejection> {
        let package_id = self.package.id;
        if let Err(rejection) = self.package.check_open() {
            return Ok(Err(rejection));
        }
        let current = tx.current_file(package_id, key).await?;
        let replaced = match find_replaced(tx, package_id, key, versioning).await? {
            Ok(replaced) => replaced,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let marker = Marker {
            id: marker_id,
            is_versioned: versioning == Versioning::Enabled,
        };
        let event = FileRemoved {
            package_id,
            file_id: current.map(|file| file.id),
            key: key.clone(),
            marker: Some(marker),
        };
        tx.append(self.actor, Event::FileRemoved(event));
        if let Some(replaced) = replaced {
            purge_replaced(tx, self.actor, package_id, key, &replaced);
        }
        Ok(Ok(Removed {
            marker: Some(marker),
        }))
    }

    /// Removes one version for good. The next older one becomes current, if this one was.
    async fn remove_version(
        &self,
        tx: &mut WriteTx<'_>,
        key: &ObjectKey,
        name: VersionRef,
    ) -> UnitResult<Removed, Rejection> {
        let package_id = self.package.id;
        if let Err(rejection) = self.package.check_open() {
            return Ok(Err(rejection));
        }
        // Its follower counts by the current file.
        tx.current_file(package_id, key).await?;
        let versions = tx.key_versions(package_id, key, &[name]).await?;
        let Some(version) = versions.find(name) else {
            return Ok(Ok(Removed::default()));
        };
        if self.package.write_mode == WriteMode::WriteOnce {
            return Ok(Err(Rejection::WriteOnce));
        }
        if let Err(rejection) = version.lock.check_removal(tx.now(), self.bypasses) {
            return Ok(Err(rejection.into()));
        }
        let was_current = is_current(&versions, version);
        let restored = versions.restored_without(version.id).cloned();
        let restored_id = restored.as_ref().map(|file| file.id);
        let event = departure(package_id, key, version, DELETED, restored_id);
        tx.append(self.actor, event);
        if was_current {
            tx.set_current(package_id, key, restored);
        }
        let marker = version.is_marker().then_some(Marker {
            id: version.id,
            is_versioned: version.is_versioned,
        });
        Ok(Ok(Removed { marker }))
    }
}

fn is_current(versions: &KeyVersions, version: &Version) -> bool {
    versions
        .current()
        .is_some_and(|current| current.id == version.id)
}

/// The version that a write to a key, or its removal, takes the place of.
pub(super) async fn find_replaced(
    tx: &mut WriteTx<'_>,
    package_id: PackageId,
    key: &ObjectKey,
    versioning: Versioning,
) -> UnitResult<Option<Version>, Rejection> {
    if versioning == Versioning::Enabled {
        return Ok(Ok(None));
    }
    let named = [VersionRef::Null];
    let versions = tx.key_versions(package_id, key, &named).await?;
    let replaced = versions.replaced_by_write(versioning, tx.now());
    Ok(replaced
        .map(Option::<&Version>::cloned)
        .map_err(Rejection::from))
}

/// Appends that a version which another one has taken the place of is gone.
pub(super) fn purge_replaced(
    tx: &mut WriteTx<'_>,
    actor: &str,
    package_id: PackageId,
    key: &ObjectKey,
    version: &Version,
) {
    tx.append(actor, departure(package_id, key, version, REPLACED, None));
}

fn departure(
    package_id: PackageId,
    key: &ObjectKey,
    version: &Version,
    reason: &str,
    restored: Option<FileId>,
) -> Event {
    let key = key.clone();
    if version.is_marker() {
        Event::MarkerRemoved(MarkerRemoved {
            package_id,
            marker_id: version.id,
            key,
            restored,
        })
    } else {
        Event::VersionPurged(VersionPurged {
            package_id,
            file_id: version.id,
            key,
            reason: reason.to_owned(),
            restored,
        })
    }
}
