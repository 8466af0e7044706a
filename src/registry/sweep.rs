//! The end of packages: who becomes eligible for deletion, and who is ended, by the sweeper or because
//! somebody asks. Holds, extensions and classes are `retention.rs`.

use async_trait::async_trait;

use crate::db::commit::Unit;
use crate::db::tx::{UnitResult, WriteTx};
use crate::db::{locations, retention};
use crate::domain::event::{DeletionEligible, Event, PackageDeleted};
use crate::domain::ids::PackageId;
use crate::domain::lock::VersionRefused;
use crate::domain::package::{Package, PackageStatus, Rejection};
use crate::domain::retention::{DeletionStrategy, EXPIRY_REACHED, Retention};
use crate::registry::error::{Error, Result};
use crate::registry::handle::Registry;
use crate::registry::retention::retention_of;

/// The actor of what the sweeper does.
pub const SWEEPER: &str = "retention-sweeper";

/// How many packages one unit of the sweeper looks at.
const SWEEP_BATCH: usize = 100;

/// What a sweep did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Packages that became eligible for deletion.
    pub eligible: Vec<PackageId>,
    /// Packages that were ended.
    pub ended: Vec<PackageId>,
}

impl Registry {
    /// Declares eligible what has expired, and ends what its class says, in small batches. Safe
    /// beside any work; two sweepers do nothing twice.
    pub async fn sweep_retention(&self, actor: &str) -> Result<Swept> {
        let mut swept = Swept::default();
        loop {
            let now = self.now();
            let readers = &self.inner.db.readers;
            let ids = retention::list_expired(readers, now, SWEEP_BATCH).await?;
            let is_last = ids.len() < SWEEP_BATCH;
            let actor = actor.to_owned();
            self.pass("sweep.declaring");
            let declared = self.commit(DeclareUnit { ids, actor }).await?;
            self.pass("sweep.declared");
            // What is left over was held or extended meanwhile: the next sweep looks again.
            let is_stuck = declared.is_empty();
            swept.eligible.extend(declared);
            if is_last || is_stuck {
                break;
            }
        }
        self.end_due(actor, &mut swept).await?;
        Ok(swept)
    }

    async fn end_due(&self, actor: &str, swept: &mut Swept) -> Result<()> {
        let mut after = None;
        loop {
            let readers = &self.inner.db.readers;
            let ids = retention::list_due(readers, self.now(), after, SWEEP_BATCH).await?;
            let Some(&last) = ids.last() else {
                return Ok(());
            };
            after = Some(last);
            for id in ids {
                match self.end_package(id, EndCause::Due, actor).await {
                    Ok(Ending::Ended) => swept.ended.push(id),
                    // The next sweep tries again; the others do not wait for it.
                    Ok(Ending::NotArchived(cause)) => {
                        tracing::warn!(package_id = %id, cause, "a package was not archived");
                    }
                    // Extended, held or ended meanwhile.
                    Err(Error::Rejected(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// Ends a finalized package as a whole. Rejects with `Held` and `Retained`; who bypasses ends
    /// it before its time, unless its class says compliance.
    pub(super) async fn end_finalized(
        &self,
        id: PackageId,
        actor: &str,
        bypasses: bool,
    ) -> Result<()> {
        match self
            .end_package(id, EndCause::Asked { bypasses }, actor)
            .await?
        {
            Ending::Ended => Ok(()),
            Ending::NotArchived(cause) => Err(Error::Unavailable(cause)),
        }
    }

    /// Ends a package, after its bytes are archived where its class wants that.
    async fn end_package(&self, id: PackageId, cause: EndCause, actor: &str) -> Result<Ending> {
        let retention = self.find_retention(id).await?;
        let retention = retention.ok_or(Rejection::NoSuchPackage)?;
        let mut archive = None;
        if retention.class.deletion_strategy == DeletionStrategy::ArchiveThenPurge {
            let Some(backend) = self.inner.settings.archive_backend.clone() else {
                let cause = "the settings name no retention.archive_backend";
                return Ok(Ending::NotArchived(cause.to_owned()));
            };
            match self.archive_package(id, cause, &backend, actor).await {
                Ok(()) => archive = Some(backend),
                Err(Error::Rejected(rejection)) => return Err(rejection.into()),
                Err(error) => return Ok(Ending::NotArchived(error.to_string())),
            }
        }
        self.pass("sweep.ending");
        let ended = self
            .commit(EndUnit {
                id,
                cause,
                archive,
                actor: actor.to_owned(),
            })
            .await?;
        self.pass("sweep.ended");
        Ok(ended)
    }
}

struct DeclareUnit {
    ids: Vec<PackageId>,
    actor: String,
}

#[async_trait]
impl Unit for DeclareUnit {
    type Output = Vec<PackageId>;
    type Refusal = Rejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<Vec<PackageId>, Rejection> {
        let mut declared = Vec::new();
        for &id in &self.ids {
            let Ok(retention) = retention_of(tx, id).await? else {
                continue;
            };
            if retention.sweep(tx.now()) {
                let event = DeletionEligible {
                    package_id: id,
                    expires_at: retention.expires_at,
                    reason: EXPIRY_REACHED.to_owned(),
                };
                tx.append(&self.actor, Event::DeletionEligible(event));
                declared.push(id);
            }
        }
        Ok(Ok(declared))
    }
}

/// Why a finalized package ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum EndCause {
    /// Its class says so.
    Due,
    /// Somebody asks.
    Asked { bypasses: bool },
}

/// What became of an attempt to end a package.
enum Ending {
    Ended,
    /// It stays, because of this.
    NotArchived(String),
}

/// A package that may end now: what it is, its retention, and the reason for the log.
pub(super) struct MayEnd {
    package: Package,
    retention: Retention,
    reason: &'static str,
}

/// Decides whether a finalized package may end now.
pub(super) async fn may_end(
    tx: &mut WriteTx<'_>,
    id: PackageId,
    cause: EndCause,
) -> UnitResult<MayEnd, Rejection> {
    let Some(package) = tx.package(id).await? else {
        return Ok(Err(Rejection::NoSuchPackage));
    };
    if package.status != PackageStatus::Finalized {
        return Ok(Err(Rejection::NotFinalized));
    }
    let retention = match retention_of(tx, id).await? {
        Ok(retention) => retention,
        Err(rejection) => return Ok(Err(rejection)),
    };
    let now = tx.now();
    let reason = match cause {
        EndCause::Due if retention.is_due(package.status, now) => "retention ended",
        EndCause::Due => {
            return Ok(Err(Rejection::Retained {
                expires_at: retention.expires_at,
            }));
        }
        EndCause::Asked { bypasses } => {
            if let Err(rejection) = retention.end(now, bypasses) {
                return Ok(Err(rejection));
            }
            if retention.end(now, false).is_ok() {
                "bucket deleted after retention ended"
            } else {
                "bucket deleted, governance bypassed"
            }
        }
    };
    // Nobody passes over the locks of single versions here: each is named, or its time comes.
    if tx.has_locked_versions(id).await? {
        return Ok(Err(Rejection::Version(VersionRefused::VersionsLocked)));
    }
    Ok(Ok(MayEnd {
        package,
        retention,
        reason,
    }))
}

struct EndUnit {
    id: PackageId,
    cause: EndCause,
    /// Where the bytes have been archived.
    archive: Option<String>,
    actor: String,
}

#[async_trait]
impl Unit for EndUnit {
    type Output = Ending;
    type Refusal = Rejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<Ending, Rejection> {
        let MayEnd {
            package,
            retention,
            reason,
        } = match may_end(tx, self.id, self.cause).await? {
            Ok(may_end) => may_end,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let strategy = retention.class.deletion_strategy;
        if strategy == DeletionStrategy::ArchiveThenPurge {
            let missing = match &self.archive {
                None => package.file_count,
                Some(backend) => {
                    locations::count_not_on(&mut *tx.connection, self.id, backend).await?
                }
            };
            if missing > 0 {
                let cause = format!("{missing} files have no sound copy in the archive");
                return Ok(Ok(Ending::NotArchived(cause)));
            }
        }
        let total_bytes = tx.total_bytes(self.id).await?;
        let event = PackageDeleted {
            package_id: self.id,
            reason: reason.to_owned(),
            strategy: strategy.as_str().to_owned(),
            manifest_address: package.manifest,
            file_count: package.file_count,
            total_bytes,
            expires_at: retention.expires_at,
            archive_backend: self.archive.clone(),
        };
        tx.append(&self.actor, Event::PackageDeleted(event));
        Ok(Ok(Ending::Ended))
    }
}
