//! Read and follow the event log.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout};

use crate::db::log::{self, StoredEvent};
use crate::domain::ids::{PackageId, Sequence, Timestamp};
use crate::registry::error::Result;
use crate::registry::handle::Registry;

/// One event as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// The position.
    pub sequence: Sequence,
    /// The type, such as `v1.file.ingested`.
    pub event_type: String,
    /// `package`, `retention`, `storage`, …
    pub subject_kind: String,
    /// What it is about.
    pub subject_id: String,
    /// The package it belongs to, if any.
    pub package_id: Option<PackageId>,
    /// Who acted.
    pub actor: String,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// Canonical CBOR.
    pub payload: Bytes,
    /// BLAKE3-256 of the payload.
    pub payload_digest: [u8; 32],
    /// The epoch of the log.
    pub epoch: u64,
}

/// Which events to read.
#[derive(Debug, Clone, Default)]
pub struct EventQuery {
    /// Events after this position.
    pub since: Sequence,
    /// At most so many.
    pub limit: usize,
    /// Only those of a package.
    pub package: Option<PackageId>,
    /// Only those of these types; empty means all.
    pub types: Vec<String>,
}

/// A batch of events.
#[derive(Debug, Clone)]
pub struct EventBatch {
    /// In order, without gaps among those that match.
    pub events: Vec<EventRecord>,
    /// Where to go on: everything up to here has been looked at.
    pub next_since: Sequence,
    /// The last position of the log.
    pub head: Sequence,
    /// The epoch of the log.
    pub epoch: u64,
}

/// The most events of one batch.
pub const MAX_EVENTS: usize = 1000;

/// How many events are read at a time.
const PAGE_EVENTS: usize = 250;

/// The most events that are looked at for one batch when only some types are wanted.
const MAX_SCANNED: usize = 10_000;

/// A batch ends early once its payloads have so many bytes.
const MAX_BATCH_BYTES: usize = 8 << 20;

impl Registry {
    /// A batch of matching events after a position; empty when there are none yet. At most
    /// [`MAX_EVENTS`] events, and fewer when payloads are large: `next_since` says where to go on.
    pub async fn fetch_events(&self, query: &EventQuery) -> Result<EventBatch> {
        let limit = query.limit.clamp(1, MAX_EVENTS);
        let mut batch = EventBatch {
            events: Vec::new(),
            next_since: query.since,
            head: *self.inner.committer.head().borrow(),
            epoch: self.inner.epoch,
        };
        let (mut scanned, mut bytes) = (0, 0);
        // Small pages of a log whose payloads may be manifests.
        while batch.events.len() < limit && scanned < MAX_SCANNED && bytes < MAX_BATCH_BYTES {
            let wanted = (limit - batch.events.len()).clamp(1, PAGE_EVENTS);
            let readers = &self.inner.db.readers;
            let page = log::read_events(readers, batch.next_since, query.package, wanted).await?;
            let is_last = page.len() < wanted;
            scanned += page.len();
            for event in page {
                batch.next_since = event.sequence;
                if query.types.is_empty() || query.types.contains(&event.event_type) {
                    bytes += event.payload.len();
                    batch.events.push(record(event));
                }
            }
            if is_last {
                // Nothing that matches lies between the last match and the head known at the start.
                batch.next_since = batch.next_since.max(batch.head);
                break;
            }
        }
        batch.head = batch
            .head
            .max(batch.next_since.min(*self.inner.committer.head().borrow()));
        Ok(batch)
    }

    /// Waits until the log reaches beyond `since`, at most `timeout`; answers the head. Cancel-safe.
    pub async fn wait_for_events(&self, since: Sequence, wait: Duration) -> Sequence {
        let mut head = self.inner.committer.head();
        let reached = head.wait_for(|last| *last > since);
        match timeout(wait, reached).await {
            Ok(Ok(last)) => *last,
            // The committer has stopped, or nothing came: the head is where it was.
            _ => *self.inner.committer.head().borrow(),
        }
    }

    /// Like [`Self::fetch_events`], but waits up to `timeout` for a first match. Cancel-safe.
    pub async fn poll_events(&self, query: &EventQuery, wait: Duration) -> Result<EventBatch> {
        let deadline = Instant::now() + wait;
        let mut query = query.clone();
        loop {
            let batch = self.fetch_events(&query).await?;
            let left = deadline.saturating_duration_since(Instant::now());
            if !batch.events.is_empty() || left.is_zero() {
                return Ok(batch);
            }
            query.since = batch.next_since;
            self.wait_for_events(query.since, left).await;
        }
    }
}

fn record(event: StoredEvent) -> EventRecord {
    EventRecord {
        sequence: event.sequence,
        event_type: event.event_type,
        subject_kind: event.subject_kind,
        subject_id: event.subject_id,
        package_id: event.package_id,
        actor: event.actor,
        created_at: event.created_at,
        payload: event.payload,
        payload_digest: event.payload_digest,
        epoch: event.epoch,
    }
}
