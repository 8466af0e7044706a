//! Object Lock: the configuration of a package, and the retention and legal hold of versions.

use async_trait::async_trait;

use crate::db::commit::Unit;
use crate::db::tx::{UnitResult, WriteTx};
use crate::domain::event::Event;
use crate::domain::ids::{FileId, PackageId};
use crate::domain::lock::{FileLock, ObjectLockConfig, ObjectRetention, VersionRefused};
use crate::domain::name::ObjectKey;
use crate::domain::package::{Package, PackageStatus, Rejection};
use crate::domain::version::VersionRef;
use crate::domain::version_event::{FileLegalHoldSet, FileRetentionSet, ObjectLockConfigured};
use crate::registry::error::Result;
use crate::registry::handle::Registry;

/// A version whose lock shall change.
#[derive(Debug, Clone)]
pub struct LockedVersion {
    /// The package.
    pub package_id: PackageId,
    /// The key.
    pub key: ObjectKey,
    /// The version; the current one if `None`.
    pub version: Option<VersionRef>,
    /// Who acts.
    pub actor: String,
}

/// What shall become of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockChange {
    /// Another retention, or none.
    Retention {
        /// What shall hold.
        retention: Option<ObjectRetention>,
        /// Whether retention under governance is passed over.
        bypasses: bool,
    },
    /// The legal hold.
    LegalHold(bool),
}

impl Registry {
    /// Gives a package Object Lock, or another default. Rejects with `LockWithoutVersioning`.
    pub async fn configure_object_lock(
        &self,
        id: PackageId,
        config: ObjectLockConfig,
        actor: &str,
    ) -> Result<()> {
        self.retry_while_sealing(|| ConfigureUnit {
            id,
            config,
            actor: actor.to_owned(),
        })
        .await
    }

    /// Changes the lock of a version. In a finalized package retention is extended only. Rejects with
    /// `NoObjectLock`, `NoSuchFile`, `NoSuchVersion`, `VersionIsMarker`, `VersionRetained`.
    pub async fn change_lock(&self, target: LockedVersion, change: LockChange) -> Result<()> {
        self.retry_while_sealing(|| ChangeUnit {
            target: target.clone(),
            change,
        })
        .await
    }
}

struct ConfigureUnit {
    id: PackageId,
    config: ObjectLockConfig,
    actor: String,
}

#[async_trait]
impl Unit for ConfigureUnit {
    type Output = ();
    type Refusal = Rejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<(), Rejection> {
        let Some(package) = tx.package(self.id).await? else {
            return Ok(Err(Rejection::NoSuchPackage));
        };
        if let Err(rejection) = package.configure_lock() {
            return Ok(Err(rejection));
        }
        if package.object_lock != Some(self.config) {
            let event = ObjectLockConfigured {
                package_id: self.id,
                config: self.config,
            };
            tx.append(&self.actor, Event::ObjectLockConfigured(event));
        }
        Ok(Ok(()))
    }
}

struct ChangeUnit {
    target: LockedVersion,
    change: LockChange,
}

#[async_trait]
impl Unit for ChangeUnit {
    type Output = ();
    type Refusal = Rejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<(), Rejection> {
        let LockedVersion {
            package_id,
            key,
            version,
            actor,
        } = &self.target;
        let Some(package) = tx.package(*package_id).await? else {
            return Ok(Err(Rejection::NoSuchPackage));
        };
        if let Err(rejection) = check_lockable(&package) {
            return Ok(Err(rejection));
        }
        let versions = tx
            .key_versions(*package_id, key, version.as_slice())
            .await?;
        let found = match version {
            Some(name) => versions
                .find(*name)
                .ok_or(Rejection::Version(VersionRefused::NoSuchVersion)),
            None => versions.current().ok_or(Rejection::NoSuchFile),
        };
        let found = match found {
            Ok(found) => found,
            Err(rejection) => return Ok(Err(rejection)),
        };
        if found.is_marker() {
            return Ok(Err(Rejection::Version(VersionRefused::VersionIsMarker)));
        }
        let (id, lock) = (found.id, found.lock);
        match self.event(&package, id, &lock, tx.now()) {
            Ok(Some(event)) => {
                tx.append(actor, event);
                Ok(Ok(()))
            }
            Ok(None) => Ok(Ok(())),
            Err(rejection) => Ok(Err(rejection)),
        }
    }
}

/// Versions of an open package and of a finalized one have locks that change.
fn check_lockable(package: &Package) -> std::result::Result<(), Rejection> {
    match package.status {
        PackageStatus::Finalized => {}
        _ => package.check_open()?,
    }
    match package.object_lock {
        Some(_) => Ok(()),
        None => Err(Rejection::Version(VersionRefused::NoObjectLock)),
    }
}

impl ChangeUnit {
    /// What is recorded; nothing when it holds already.
    fn event(
        &self,
        package: &Package,
        file_id: FileId,
        lock: &FileLock,
        now: crate::domain::ids::Timestamp,
    ) -> std::result::Result<Option<Event>, Rejection> {
        let (package_id, key) = (self.target.package_id, self.target.key.clone());
        match self.change {
            LockChange::Retention {
                retention,
                bypasses,
            } => {
                let may_bypass = bypasses && package.status != PackageStatus::Finalized;
                let is_bypassed = lock.change_retention(retention, now, may_bypass)?;
                let event = FileRetentionSet {
                    package_id,
                    file_id,
                    key,
                    retention,
                    is_bypassed,
                };
                let is_new = lock.retention != retention;
                Ok(is_new.then_some(Event::FileRetentionSet(event)))
            }
            LockChange::LegalHold(is_on) => {
                if lock.is_unreadable {
                    return Err(Rejection::Version(VersionRefused::LockUnreadable));
                }
                let event = FileLegalHoldSet {
                    package_id,
                    file_id,
                    key,
                    is_on,
                };
                let is_new = lock.legal_hold != Some(is_on);
                Ok(is_new.then_some(Event::FileLegalHoldSet(event)))
            }
        }
    }
}
