//! Writes down what checks found: events where something changed, the cursor of the run, and which
//! blobs are damaged. All of it in one transaction, so that a run that is cut off neither loses nor
//! repeats a finding.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::db::commit::Unit;
use crate::db::locations::{LocationCursor, LocationRow};
use crate::db::scrub::RunFault;
use crate::db::tx::{UnitResult, WriteTx};
use crate::db::{blobs, locations, scrub};
use crate::domain::event::{Event, LocationVerified};
use crate::domain::ids::RunId;
use crate::domain::package::Rejection;
use crate::domain::scrub::{LocationStatus, Outcome, Tally};
use crate::registry::quarantine::BlobKey;

/// What was found about one location.
pub(super) struct Verdict {
    pub row: Arc<LocationRow>,
    pub outcome: Outcome,
    /// Its damage was made good from another copy.
    pub is_repaired: bool,
    /// It stands in the log already.
    pub is_recorded: bool,
}

/// How far a run has come.
pub(super) struct RunStep {
    pub id: RunId,
    pub cursor: LocationCursor,
    pub tally: Tally,
    pub faults: Vec<RunFault>,
}

/// Writes verdicts down.
#[derive(Default)]
pub(super) struct VerdictUnit {
    pub actor: String,
    /// An event for each verdict, whether or not it changes anything.
    pub each: bool,
    pub verdicts: Vec<Verdict>,
    /// Blobs that are damaged, and how.
    pub blocked: Vec<(BlobKey, String)>,
    /// Blobs that are good again.
    pub freed: Vec<BlobKey>,
    pub run: Option<RunStep>,
}

impl Verdict {
    /// The status that the location should have; `None` when there is nothing to write.
    fn news(&self, each: bool) -> Option<LocationStatus> {
        let status = self.outcome.status().filter(|_| !self.is_recorded)?;
        (each || status != self.row.status).then_some(status)
    }

    fn event(&self) -> Event {
        let file = &self.row.file;
        let (mismatch, actual) = match &self.outcome {
            Outcome::Verified(actual) => (None, Some(*actual)),
            Outcome::Mismatched { kind, actual, .. } => (Some(*kind), *actual),
            Outcome::Unreachable { .. } => (None, None),
        };
        Event::LocationVerified(LocationVerified {
            package_id: file.package_id,
            file_id: file.id,
            location_id: file.location.id,
            backend_id: file.location.backend_id.clone(),
            address: file.address,
            mismatch: mismatch.map(|kind| kind.as_str().to_owned()),
            actual,
        })
    }

    /// The fault as a run keeps it.
    pub fn fault(&self) -> Option<RunFault> {
        let (mismatch, detail) = match &self.outcome {
            Outcome::Verified(_) => return None,
            Outcome::Mismatched { kind, detail, .. } => (Some(*kind), detail.clone()),
            Outcome::Unreachable { cause } => (None, cause.clone()),
        };
        let file = &self.row.file;
        Some(RunFault {
            location_id: file.location.id,
            file_id: file.id,
            package_id: file.package_id,
            key: file.key.clone(),
            backend_id: file.location.backend_id.clone(),
            mismatch,
            detail,
            is_repaired: self.is_repaired,
        })
    }
}

#[async_trait]
impl Unit for VerdictUnit {
    type Output = ();
    type Refusal = Rejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<(), Rejection> {
        let place = |verdict: &Verdict| (verdict.row.file.id, verdict.row.file.location.id);
        let news = |verdict: &&Verdict| verdict.news(self.each).is_some();
        let news: Vec<_> = self.verdicts.iter().filter(news).collect();
        let places: Vec<_> = news.iter().map(|verdict| place(verdict)).collect();
        // A file may have gone since it was read, and another check may have said the same.
        let statuses: HashMap<_, _> = locations::statuses(tx.connection, &places)
            .await?
            .into_iter()
            .collect();
        for verdict in news {
            let status = statuses.get(&place(verdict));
            if status.is_some_and(|&old| self.each || Some(old) != verdict.outcome.status()) {
                tx.append(&self.actor, verdict.event());
            }
        }
        let now = tx.now();
        for (key, detail) in &self.blocked {
            blobs::record_fault(tx.connection, key.address, &key.backend_id, detail, now).await?;
        }
        for key in &self.freed {
            blobs::clear_fault(tx.connection, key.address, &key.backend_id).await?;
        }
        if let Some(step) = &self.run {
            scrub::advance(tx.connection, step.id, &step.cursor, &step.tally, now).await?;
            scrub::add_faults(tx.connection, step.id, &step.faults).await?;
        }
        Ok(Ok(()))
    }
}
