//! Retention: classes, extensions, holds, eligibility, and the end of packages.
//!
//! Every rule is decided inside the commit (`domain/retention.rs`), so that of two extensions, or of
//! a hold and a deletion at once, the log's order decides.

use async_trait::async_trait;

use crate::db::commit::Unit;
use crate::db::retention::{self, DefinedClass};
use crate::db::tx::{UnitResult, WriteTx};
use crate::domain::event::{
    DeletionEligible, EligibilityRevoked, Event, HoldApplied, HoldReleased, PackageDeleted,
    RetentionDefaultApplied, RetentionExtended,
};
use crate::domain::ids::{HoldId, PackageId, Sequence, Timestamp};
use crate::domain::package::{PackageStatus, Rejection};
use crate::domain::retention::{
    DEFAULT_CLASS, DeletionStrategy, Eligibility, HoldKind, MAX_CLASS_SECONDS, MAX_REASON_BYTES,
    RELEASED_AFTER_EXPIRY, Retention, RetentionClass,
};
use crate::domain::type_filter::TypeFilter;
use crate::registry::error::{Error, Result};
use crate::registry::feed::{EventBatch, EventQuery};
use crate::registry::handle::Registry;

/// The actor of what the settings define.
pub const SETTINGS_ACTOR: &str = "settings";

/// The most bytes of a class's name.
const MAX_CLASS_BYTES: usize = 64;

/// The types of a package's retention history.
const HISTORY_TYPES: [&str; 7] = [
    RetentionDefaultApplied::TYPE,
    RetentionExtended::TYPE,
    HoldApplied::TYPE,
    HoldReleased::TYPE,
    DeletionEligible::TYPE,
    EligibilityRevoked::TYPE,
    PackageDeleted::TYPE,
];

impl Registry {
    /// Defines a class, or changes it for packages to come: `v1.retention_class.defined`. An equal
    /// definition changes nothing. Answers the class as it is defined.
    pub async fn define_retention_class(
        &self,
        class: RetentionClass,
        actor: &str,
    ) -> Result<RetentionClass> {
        let is_word = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if class.id.is_empty() || class.id.len() > MAX_CLASS_BYTES || !class.id.bytes().all(is_word)
        {
            return Err(Error::InvalidArgument(format!(
                "the name of a retention class is 1 to {MAX_CLASS_BYTES} of a-z, A-Z, 0-9, '-', \
                 '_' and '.'"
            )));
        }
        let archives = class.deletion_strategy == DeletionStrategy::ArchiveThenPurge;
        if archives && self.inner.settings.archive_backend.is_none() {
            return Err(Error::InvalidArgument(
                "the deletion strategy archive_then_purge needs a backend to copy to; name one with \
                 retention.archive_backend in the settings, or use manual or purge"
                    .to_owned(),
            ));
        }
        let times = [
            class.default_duration_seconds.unwrap_or(0),
            class.grace_seconds,
        ];
        if times.iter().any(|seconds| *seconds > MAX_CLASS_SECONDS) {
            return Err(Error::InvalidArgument(format!(
                "the duration and the grace time of a retention class are at most \
                 {MAX_CLASS_SECONDS} s; leave the duration out to keep packages for ever"
            )));
        }
        let actor = actor.to_owned();
        self.commit(DefineUnit { class, actor }).await
    }

    /// Defines what the settings name and the log does not yet say so; refuses rules that name a
    /// class which nobody has defined.
    pub(super) async fn define_classes_of_settings(&self) -> Result<()> {
        for class in &self.inner.settings.retention_classes {
            let class = class.to_class().map_err(Error::InvalidArgument)?;
            self.define_retention_class(class, SETTINGS_ACTOR).await?;
        }
        let rules = self.inner.settings.package_rules.iter();
        for id in rules.filter_map(|rule| rule.retention_class.as_deref()) {
            let defined = retention::find_class(&self.inner.db.readers, id).await?;
            if id != DEFAULT_CLASS && defined.is_none() {
                return Err(Error::InvalidArgument(format!(
                    "package_rules name the unknown retention class '{id}'; define it under \
                     [[retention_classes]]"
                )));
            }
        }
        Ok(())
    }

    /// Classes after a name, in the order of names.
    pub async fn list_retention_classes(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<DefinedClass>> {
        Ok(retention::list_classes(&self.inner.db.readers, after, limit).await?)
    }

    /// The retention of a package that has not ended.
    pub async fn find_retention(&self, id: PackageId) -> Result<Option<Retention>> {
        let mut connection = self.inner.db.reader().await?;
        Ok(retention::load(&mut connection, id).await?)
    }

    /// Keeps a package for longer: `v1.retention.extended`, and `v1.retention.eligibility_revoked`
    /// where it was eligible. Rejects with `NotLater` and `NeverExpires`.
    pub async fn extend_retention(
        &self,
        id: PackageId,
        new_expires_at: Timestamp,
        reason: &str,
        actor: &str,
    ) -> Result<Retention> {
        self.commit(ExtendUnit {
            id,
            new_expires_at,
            reason: checked_reason(reason)?,
            actor: actor.to_owned(),
        })
        .await
    }

    /// Puts a hold on a package: `v1.retention.hold_applied`, and `.eligibility_revoked` where it
    /// was eligible. A package may have many. The legal hold is applied once: a repeat answers it.
    pub async fn apply_hold(
        &self,
        id: PackageId,
        kind: HoldKind,
        reason: &str,
        actor: &str,
    ) -> Result<HoldId> {
        self.commit(HoldUnit {
            id,
            hold_id: HoldId(uuid::Uuid::new_v4()),
            kind,
            reason: checked_reason(reason)?,
            actor: actor.to_owned(),
        })
        .await
    }

    /// Takes a hold away: `v1.retention.hold_released`, and `.deletion_eligible` when it was the
    /// last and retention has ended. Rejects with `NoSuchHold`.
    pub async fn release_hold(
        &self,
        id: PackageId,
        hold_id: HoldId,
        reason: &str,
        actor: &str,
    ) -> Result<Retention> {
        self.commit(ReleaseUnit {
            id,
            which: Release::One(hold_id),
            reason: checked_reason(reason)?,
            actor: actor.to_owned(),
        })
        .await
    }

    /// Takes the legal hold away, if it stands.
    pub async fn release_legal_hold(&self, id: PackageId, actor: &str) -> Result<Retention> {
        self.commit(ReleaseUnit {
            id,
            which: Release::Legal,
            reason: "legal hold off".to_owned(),
            actor: actor.to_owned(),
        })
        .await
    }

    /// The retention events of a package after a position.
    pub async fn retention_history(
        &self,
        id: PackageId,
        since: Sequence,
        limit: usize,
    ) -> Result<EventBatch> {
        let query = EventQuery {
            since,
            limit,
            package: Some(id),
            types: TypeFilter::from(HISTORY_TYPES),
            ..EventQuery::default()
        };
        self.fetch_events(&query).await
    }
}

/// A reason without the blanks around it; it must say something.
fn checked_reason(reason: &str) -> Result<String> {
    let reason = reason.trim();
    if reason.is_empty() || reason.len() > MAX_REASON_BYTES {
        return Err(Error::InvalidArgument(format!(
            "the reason is missing: 1 to {MAX_REASON_BYTES} bytes that are not all blank"
        )));
    }
    Ok(reason.to_owned())
}

/// The retention of a package that has not ended.
pub(super) async fn retention_of(
    tx: &mut WriteTx<'_>,
    id: PackageId,
) -> UnitResult<Retention, Rejection> {
    match tx.package(id).await? {
        Some(package) if package.status != PackageStatus::Deleted => {}
        _ => return Ok(Err(Rejection::NoSuchPackage)),
    }
    Ok(tx.retention(id).await?.ok_or(Rejection::NoSuchPackage))
}

async fn state_after(tx: &mut WriteTx<'_>, id: PackageId) -> UnitResult<Retention, Rejection> {
    Ok(tx.retention(id).await?.ok_or(Rejection::NoSuchPackage))
}

fn note(
    tx: &mut WriteTx<'_>,
    actor: &str,
    id: PackageId,
    change: Eligibility,
    retention: &Retention,
    cause: (Sequence, &str),
) {
    let (cause_sequence, reason) = cause;
    let event = match change {
        Eligibility::Unchanged => return,
        Eligibility::Declared => Event::DeletionEligible(DeletionEligible {
            package_id: id,
            expires_at: retention.expires_at,
            reason: reason.to_owned(),
        }),
        Eligibility::Revoked => Event::EligibilityRevoked(EligibilityRevoked {
            package_id: id,
            expires_at: retention.expires_at,
            reason: reason.to_owned(),
            cause_sequence,
        }),
    };
    tx.append(actor, event);
}

struct DefineUnit {
    class: RetentionClass,
    actor: String,
}

#[async_trait]
impl Unit for DefineUnit {
    type Output = RetentionClass;
    type Refusal = Rejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<RetentionClass, Rejection> {
        if tx.defined_class(&self.class.id).await?.as_ref() != Some(&self.class) {
            tx.append(
                &self.actor,
                Event::RetentionClassDefined(self.class.clone()),
            );
        }
        Ok(Ok(self.class.clone()))
    }
}

struct ExtendUnit {
    id: PackageId,
    new_expires_at: Timestamp,
    reason: String,
    actor: String,
}

#[async_trait]
impl Unit for ExtendUnit {
    type Output = Retention;
    type Refusal = Rejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<Retention, Rejection> {
        let retention = match retention_of(tx, self.id).await? {
            Ok(retention) => retention,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let change = match retention.extend(self.new_expires_at) {
            Ok(change) => change,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let Some(previous_expires_at) = retention.expires_at else {
            return Ok(Err(Rejection::NeverExpires));
        };
        let event = RetentionExtended {
            package_id: self.id,
            previous_expires_at,
            new_expires_at: self.new_expires_at,
            reason: self.reason.clone(),
        };
        let extended = tx.append(&self.actor, Event::RetentionExtended(event));
        let after = match state_after(tx, self.id).await? {
            Ok(after) => after,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let cause = (extended.sequence, "retention extended");
        note(tx, &self.actor, self.id, change, &after, cause);
        state_after(tx, self.id).await
    }
}

struct HoldUnit {
    id: PackageId,
    hold_id: HoldId,
    kind: HoldKind,
    reason: String,
    actor: String,
}

#[async_trait]
impl Unit for HoldUnit {
    type Output = HoldId;
    type Refusal = Rejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<HoldId, Rejection> {
        let retention = match retention_of(tx, self.id).await? {
            Ok(retention) => retention,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let legal = |kind| kind == HoldKind::Legal;
        if legal(self.kind)
            && let Some(standing) = retention.holds.iter().find(|hold| legal(hold.kind))
        {
            return Ok(Ok(standing.id));
        }
        let change = match retention.hold() {
            Ok(change) => change,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let event = HoldApplied {
            package_id: self.id,
            hold_id: self.hold_id,
            kind: self.kind,
            reason: self.reason.clone(),
        };
        let applied = tx.append(&self.actor, Event::HoldApplied(event));
        let cause = (applied.sequence, "hold applied");
        note(tx, &self.actor, self.id, change, &retention, cause);
        Ok(Ok(self.hold_id))
    }
}

enum Release {
    One(HoldId),
    Legal,
}

struct ReleaseUnit {
    id: PackageId,
    which: Release,
    reason: String,
    actor: String,
}

#[async_trait]
impl Unit for ReleaseUnit {
    type Output = Retention;
    type Refusal = Rejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<Retention, Rejection> {
        let retention = match retention_of(tx, self.id).await? {
            Ok(retention) => retention,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let hold_id = match self.which {
            Release::One(id) => id,
            Release::Legal => {
                let legal = retention
                    .holds
                    .iter()
                    .find(|hold| hold.kind == HoldKind::Legal);
                match legal {
                    Some(hold) => hold.id,
                    None => return Ok(Ok(retention)),
                }
            }
        };
        let change = match retention.release(hold_id, tx.now()) {
            Ok(change) => change,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let event = HoldReleased {
            package_id: self.id,
            hold_id,
            reason: self.reason.clone(),
        };
        let released = tx.append(&self.actor, Event::HoldReleased(event));
        let cause = (released.sequence, RELEASED_AFTER_EXPIRY);
        note(tx, &self.actor, self.id, change, &retention, cause);
        state_after(tx, self.id).await
    }
}
