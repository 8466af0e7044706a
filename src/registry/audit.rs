//! Replay the log: into fresh views to compare them with the live ones, or to rebuild them.
//!
//! Works on the data directory while no gateway runs; the caller holds its lock.

use std::path::Path;

use crate::db::error::DbError;
use crate::db::log::StoredEvent;
use crate::db::pool::Db;
use crate::db::replay::ReplayTx;
use crate::domain::digest::ContentAddress;
use crate::domain::event::{Event, Recorded};
use crate::domain::ids::Sequence;
use crate::domain::merkle::{Frontier, leaf_hash};
use crate::registry::error::{Error, Result};

/// How many events are replayed at a time.
const PAGE: usize = 256;

/// How far a replay has come: events done, and how many there are.
pub type Progress<'p> = &'p mut (dyn FnMut(u64, u64) + Send);

/// What an audit found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditReport {
    /// How many events the log has.
    pub events: u64,
    /// What is wrong, in words; empty when all agrees.
    pub faults: Vec<String>,
    /// Each view with its number of rows.
    pub views: Vec<(String, u64)>,
}

/// The most faults that are listed.
const MAX_FAULTS: usize = 100;

/// Checks the log (dense, digests, leaves, tree) and replays it into fresh views, which are
/// compared with the live ones row by row. Changes nothing: the fresh views are rolled back.
pub async fn audit(data_dir: &Path, progress: Progress<'_>) -> Result<AuditReport> {
    let db = Db::open(data_dir, 1).await?;
    let mut tx = ReplayTx::begin(&db).await?;
    let live = tx.digest_views().await?;
    let mut report = AuditReport::default();
    replay(&mut tx, &mut report, progress).await?;
    let replayed = tx.digest_views().await?;
    for ((view, digest, rows), (_, fresh, fresh_rows)) in live.into_iter().zip(replayed) {
        if digest != fresh {
            report.fault(format!(
                "the view {view} differs from its replay ({rows} rows, replayed {fresh_rows})"
            ));
        }
        report.views.push((view.to_owned(), rows));
    }
    tx.roll_back().await?;
    db.close().await;
    Ok(report)
}

/// Empties the views and writes them anew from the log, in one transaction. Leaves them as they are
/// if the log itself is at fault.
pub async fn rebuild(data_dir: &Path, progress: Progress<'_>) -> Result<AuditReport> {
    let db = Db::open(data_dir, 1).await?;
    let mut tx = ReplayTx::begin(&db).await?;
    let mut report = AuditReport::default();
    replay(&mut tx, &mut report, progress).await?;
    for (view, _, rows) in tx.digest_views().await? {
        report.views.push((view.to_owned(), rows));
    }
    if report.faults.is_empty() {
        tx.commit().await?;
    } else {
        tx.roll_back().await?;
    }
    db.close().await;
    Ok(report)
}

async fn replay(tx: &mut ReplayTx, report: &mut AuditReport, progress: Progress<'_>) -> Result<()> {
    tx.empty_views().await?;
    let head = tx.head().await?;
    let total = head.last_sequence.0;
    let mut frontier = Frontier::default();
    let mut last = Sequence::default();
    loop {
        let page = tx.read_events(last, PAGE).await?;
        if page.is_empty() {
            break;
        }
        let mut recorded = Vec::with_capacity(page.len());
        for stored in &page {
            if stored.sequence != last.next() {
                report.fault(format!("the log goes from {last} to {}", stored.sequence));
            }
            last = stored.sequence;
            let payload = match stored.pieces {
                None => (
                    *blake3::hash(&stored.payload).as_bytes(),
                    stored.payload.len() as u64,
                ),
                Some(id) => tx.hash_pieces(id).await?,
            };
            if payload != (stored.payload_digest, stored.payload_bytes) {
                report.fault(format!(
                    "the payload of event {last} does not match its digest and length"
                ));
            }
            recorded.extend(checked(stored, &mut frontier, report)?);
        }
        tx.apply(&recorded).await?;
        report.events += page.len() as u64;
        progress(report.events, total);
    }
    if last != head.last_sequence {
        report.fault(format!(
            "the log ends at {last}, its head says {}",
            head.last_sequence
        ));
    }
    if frontier != head.frontier {
        report.fault("the tree over the log differs from the one its head keeps".to_owned());
    }
    Ok(())
}

/// The event of a row, checked against its place in the tree; `None` for a type this program does not know.
fn checked(
    stored: &StoredEvent,
    frontier: &mut Frontier,
    report: &mut AuditReport,
) -> Result<Option<Recorded>> {
    let sequence = stored.sequence;
    frontier.push(stored.leaf);
    if stored.root.is_some_and(|root| root != frontier.root()) {
        report.fault(format!(
            "the root kept with event {sequence} is not that of the tree up to it"
        ));
    }
    let event = Event::read(&stored.event_type, stored.package_id, &stored.payload)
        .map_err(|error| Error::from(DbError::Corrupt(format!("event {sequence}: {error}"))))?;
    let Some(event) = event else { return Ok(None) };
    let recorded = Recorded {
        sequence,
        created_at: stored.created_at,
        actor: stored.actor.clone(),
        event,
        payload_digest: ContentAddress(stored.payload_digest),
    };
    if leaf_hash(&recorded, stored.epoch) != stored.leaf {
        report.fault(format!(
            "event {sequence} does not match its leaf in the tree"
        ));
    }
    Ok(Some(recorded))
}

impl AuditReport {
    fn fault(&mut self, fault: String) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(fault);
        }
    }
}
