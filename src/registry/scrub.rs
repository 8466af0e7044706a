//! Verification runs: start, go on, end, and how far they are.
//!
//! A run goes through its locations in the order of their content, so that content which many of them
//! share is read once, and saves its place with what it found. Every run over everything visits every
//! location in the same order, and one that was cut off goes on where it was: what was read longest
//! ago is always next, and nothing waits longer than from one run to the end of the following one.
//! What is new since was held against its digests when it came.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use tokio::time::Instant;

use crate::db::blobs;
use crate::db::commit::Unit;
use crate::db::locations::{self, LocationCursor, LocationRow, LocationScope};
use crate::db::scrub::{self, RunFault, RunRecord};
use crate::db::tx::{UnitResult, WriteTx};
use crate::domain::event::{Event, VerificationCompleted};
use crate::domain::file::INLINE_BACKEND;
use crate::domain::ids::{PackageId, RunId};
use crate::domain::package::Rejection;
use crate::domain::scrub::{STORAGE_VERIFIER, Tally};
use crate::registry::error::{Error, Result};
use crate::registry::handle::Registry;
use crate::registry::quarantine::BlobKey;
use crate::registry::scrubber::Unsaved;
use crate::registry::verdicts::{RunStep, Verdict, VerdictUnit};
use crate::registry::verify::{CheckOrder, Checked, Finding};

/// How many locations are read from the database at once.
const PAGE: usize = 500;

/// As [`PAGE`], of one package: each page sorts all of it, so there should be few.
const PACKAGE_PAGE: usize = 5000;

/// A run saves its place after so many locations,
const SAVE_LOCATIONS: u64 = 64;

/// or after so many bytes,
const SAVE_BYTES: u64 = 64 << 20;

/// or after so long.
const SAVE_TIME: Duration = Duration::from_secs(1);

/// How long a run waits when the database does not answer; each time longer, up to the last.
const PAUSES: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
];

/// Asks for a run.
#[derive(Debug, Clone, Default)]
pub struct StartVerification {
    /// Over the current files of this package only.
    pub package_id: Option<PackageId>,
    /// Over this backend only.
    pub backend_id: Option<String>,
    /// Who asks.
    pub actor: String,
}

/// A run and its first faults.
#[derive(Debug, Clone)]
pub struct Verification {
    /// The run, with the bytes read up to now.
    pub run: RunRecord,
    /// The first faults; see `tally` for how many there are.
    pub faults: Vec<RunFault>,
}

impl Registry {
    /// Begins a run over the stored bytes in a scope, in the background. While one over the same scope
    /// is under way, it is that one.
    pub async fn start_verification(&self, command: StartVerification) -> Result<Verification> {
        let scope = LocationScope {
            package_id: command.package_id,
            backend_id: command.backend_id,
        };
        if let Some(backend) = &scope.backend_id {
            let backends = self.verifiable_backends();
            if !backends.contains(backend) {
                return Err(Error::InvalidArgument(format!(
                    "There is no backend '{backend}'; the backends are {}.",
                    backends.join(", ")
                )));
            }
        }
        let now = self.now();
        let run = RunRecord {
            id: RunId(self.new_id()),
            total: locations::count(&self.inner.db.readers, &scope).await?,
            scope,
            actor: command.actor,
            is_running: true,
            cursor: None,
            tally: Tally::default(),
            started_at: now,
            updated_at: now,
        };
        let run = self.commit(StartUnit(run)).await?;
        self.work_on(run.id);
        self.describe(run).await
    }

    /// Begins a run over everything when the last one began longer ago than the settings say.
    pub async fn start_due_verification(&self) -> Result<()> {
        let readers = &self.inner.db.readers;
        let last = scrub::last_start(readers).await?;
        let interval = self.inner.settings.verification.interval_seconds;
        let due = last.map(|at| {
            at.0.saturating_add_unsigned(interval.saturating_mul(1_000_000))
        });
        if due.is_none_or(|due| due <= self.now().0) {
            self.start_verification(StartVerification {
                actor: STORAGE_VERIFIER.to_owned(),
                ..StartVerification::default()
            })
            .await?;
        }
        Ok(())
    }

    /// Goes on with the runs that a stop has cut off, and looks again at what was damaged.
    pub async fn resume_verifications(&self) -> Result<()> {
        for run in scrub::list_running(&self.inner.db.readers).await? {
            tracing::info!(run_id = %run.id, checked = run.tally.checked, "going on with a verification");
            self.work_on(run.id);
        }
        for key in self.inner.quarantine.blocked() {
            self.suspect(key);
        }
        Ok(())
    }

    /// A run with its progress.
    pub async fn find_verification(&self, id: RunId) -> Result<Option<Verification>> {
        match scrub::find(&self.inner.db.readers, id).await? {
            None => Ok(None),
            Some(run) => self.describe(run).await.map(Some),
        }
    }

    /// Runs behind one, the newest first, without their faults.
    pub async fn list_verifications(
        &self,
        after: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<RunRecord>> {
        let runs = scrub::list(&self.inner.db.readers, after, limit).await?;
        Ok(runs.into_iter().map(|run| self.as_of_now(run)).collect())
    }

    /// How many locations of each backend have failed.
    pub async fn count_failed_locations(&self) -> Result<HashMap<String, u64>> {
        let counts = locations::count_failed(&self.inner.db.readers).await?;
        Ok(counts.into_iter().collect())
    }

    /// Blocks what the database remembers as damaged.
    pub(super) async fn load_quarantine(&self) -> Result<()> {
        let faults = blobs::list_faults(&self.inner.db.readers).await?;
        let keys = faults.into_iter().map(|(address, backend_id)| BlobKey {
            backend_id,
            address,
        });
        self.inner.quarantine.load(keys);
        Ok(())
    }

    fn verifiable_backends(&self) -> Vec<String> {
        let mut backends = vec![INLINE_BACKEND.to_owned()];
        backends.extend(self.inner.blobs.backend_ids());
        backends
    }

    async fn describe(&self, run: RunRecord) -> Result<Verification> {
        let faults = scrub::list_faults(&self.inner.db.readers, run.id).await?;
        let run = self.as_of_now(run);
        Ok(Verification { run, faults })
    }

    fn as_of_now(&self, mut run: RunRecord) -> RunRecord {
        run.tally.bytes += self.inner.scrub.unsaved_bytes(run.id);
        run
    }

    /// Works on a run in the background, unless somebody does.
    fn work_on(&self, id: RunId) {
        let Some(unsaved) = self.inner.scrub.begin(id) else {
            return;
        };
        let registry = self.clone();
        self.inner.scrub.tasks.spawn(async move {
            tokio::select! {
                // What was read since the place was last saved is read again after the next start.
                () = registry.inner.scrub.stopping.cancelled() => {}
                () = registry.run_to_its_end(id, &unsaved) => {}
            }
            registry.inner.scrub.end(id);
        });
    }

    async fn run_to_its_end(&self, id: RunId, unsaved: &Arc<Unsaved>) {
        let mut failures = 0;
        let mut carried = Vec::new();
        loop {
            match self.run_page(id, unsaved, &mut carried).await {
                Ok(true) => return,
                Ok(false) => failures = 0,
                Err(error) => {
                    tracing::warn!(%error, run_id = %id, "a verification cannot go on yet");
                    unsaved.clear();
                    let pause = PAUSES[failures.min(PAUSES.len() - 1)];
                    failures += 1;
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// Checks the next page of a run; true when there is none. `carried` is what is known of the
    /// content that the last page ended in.
    async fn run_page(
        &self,
        id: RunId,
        unsaved: &Arc<Unsaved>,
        carried: &mut Vec<Finding>,
    ) -> Result<bool> {
        let readers = &self.inner.db.readers;
        let Some(run) = scrub::find(readers, id).await?.filter(|run| run.is_running) else {
            return Ok(true);
        };
        let is_package = run.scope.package_id.is_some();
        let limit = if is_package { PACKAGE_PAGE } else { PAGE };
        let page = locations::page(readers, &run.scope, run.cursor.as_ref(), limit).await?;
        if page.is_empty() {
            self.pass("verify.ending");
            self.commit(FinishUnit(run)).await?;
            return Ok(true);
        }
        let order = Arc::new(CheckOrder {
            actor: run.actor.clone(),
            each: self.inner.settings.verification.each_event(),
            is_paced: true,
            unsaved: Some(Arc::clone(unsaved)),
        });
        let mut known = std::mem::take(carried);
        let first = LocationCursor::of(&page[0].file);
        if !run
            .cursor
            .is_some_and(|last| is_same_content(&last, &first))
        {
            known.clear();
        }
        let checks = contents(page).into_iter().map(|rows| {
            let (registry, order) = (self.clone(), Arc::clone(&order));
            let known = std::mem::take(&mut known);
            async move { registry.check_content(&rows, &known, &order).await }.boxed()
        });
        let parallel = self.inner.settings.verification.parallel_reads.max(1) as usize;
        let mut checks = stream::iter(checks).buffered(parallel);
        let mut batch = Batch::default();
        while let Some(checked) = checks.try_next().await? {
            self.pass("verify.read");
            *carried = batch.take(checked);
            if batch.is_due() {
                self.save(id, &order, std::mem::take(&mut batch), unsaved)
                    .await?;
            }
        }
        self.save(id, &order, batch, unsaved).await?;
        Ok(false)
    }

    async fn save(
        &self,
        id: RunId,
        order: &CheckOrder,
        batch: Batch,
        unsaved: &Unsaved,
    ) -> Result<()> {
        let Some(last) = batch.verdicts.last() else {
            return Ok(());
        };
        let step = RunStep {
            id,
            cursor: LocationCursor::of(&last.row.file),
            tally: batch.tally,
            faults: batch.verdicts.iter().filter_map(Verdict::fault).collect(),
        };
        self.pass("verify.saving");
        self.commit(VerdictUnit {
            actor: order.actor.clone(),
            each: order.each,
            verdicts: batch.verdicts,
            run: Some(step),
            ..VerdictUnit::default()
        })
        .await?;
        self.pass("verify.saved");
        unsaved.saved(batch.tally.bytes);
        Ok(())
    }
}

/// Locations in the order of verification, those of one content together.
fn contents(page: Vec<LocationRow>) -> Vec<Vec<Arc<LocationRow>>> {
    let rows: Vec<_> = page.into_iter().map(Arc::new).collect();
    let is_same = |a: &Arc<LocationRow>, b: &Arc<LocationRow>| {
        is_same_content(&LocationCursor::of(&a.file), &LocationCursor::of(&b.file))
    };
    rows.chunk_by(is_same).map(<[_]>::to_vec).collect()
}

/// Whether two places are of one content on one backend.
fn is_same_content(a: &LocationCursor, b: &LocationCursor) -> bool {
    a.address == b.address && a.backend_id == b.backend_id
}

/// What was found since a run last saved its place.
struct Batch {
    verdicts: Vec<Verdict>,
    tally: Tally,
    began: Instant,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            verdicts: Vec::new(),
            tally: Tally::default(),
            began: Instant::now(),
        }
    }
}

impl Batch {
    /// Counts what was found of a content; gives what may be taken as known of it.
    fn take(&mut self, checked: Checked) -> Vec<Finding> {
        for verdict in &checked.verdicts {
            self.tally.count(&verdict.outcome, verdict.is_repaired);
        }
        self.tally.bytes += checked.bytes;
        self.verdicts.extend(checked.verdicts);
        let mut findings = checked.findings;
        findings.retain(|finding| !finding.is_repaired);
        findings
    }

    fn is_due(&self) -> bool {
        self.tally.checked >= SAVE_LOCATIONS
            || self.tally.bytes >= SAVE_BYTES
            || self.began.elapsed() >= SAVE_TIME
    }
}

/// Writes a new run, unless one over the same scope is under way; gives whichever it is.
struct StartUnit(RunRecord);

#[async_trait]
impl Unit for StartUnit {
    type Output = RunRecord;
    type Refusal = Rejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<RunRecord, Rejection> {
        let running = scrub::list_running(&mut *tx.connection).await?;
        let same = running.into_iter().find(|run| run.scope == self.0.scope);
        if let Some(run) = same {
            return Ok(Ok(run));
        }
        scrub::insert(tx.connection, &self.0).await?;
        Ok(Ok(self.0.clone()))
    }
}

/// Ends a run and says so in the log.
struct FinishUnit(RunRecord);

#[async_trait]
impl Unit for FinishUnit {
    type Output = ();
    type Refusal = Rejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<(), Rejection> {
        let found = scrub::find(&mut *tx.connection, self.0.id).await?;
        let Some(run) = found.filter(|run| run.is_running) else {
            return Ok(Ok(()));
        };
        let event = VerificationCompleted {
            run_id: run.id,
            package_id: run.scope.package_id,
            backend_id: run.scope.backend_id,
            checked: run.tally.checked,
            verified: run.tally.verified,
            mismatched: run.tally.mismatched,
            unreachable: run.tally.unreachable,
            bytes: run.tally.bytes,
        };
        tx.append(&run.actor, Event::VerificationCompleted(event));
        let now = tx.now();
        scrub::finish(tx.connection, run.id, now).await?;
        Ok(Ok(()))
    }
}
