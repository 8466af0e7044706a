//! Read and follow the event log.
//!
//! A batch is bounded while it is read: envelopes first, then the payloads of those events that are
//! wanted and fit. What a filter leaves out, or a form names by reference, is never loaded.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::db::log::{self, EventEnvelope};
use crate::domain::ids::{PackageId, Sequence, Timestamp};
use crate::domain::type_filter::TypeFilter;
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
    /// Canonical CBOR; `None` if it is larger than the reader wants.
    pub payload: Option<Bytes>,
    /// The length of the payload.
    pub payload_bytes: u64,
    /// BLAKE3-256 of the payload.
    pub payload_digest: [u8; 32],
    /// The epoch of the log.
    pub epoch: u64,
}

/// Which payloads stand in a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Payloads {
    /// Those of at most [`MAX_SMALL_PAYLOAD_BYTES`]. A larger one, such as a manifest, must not be
    /// pushed at every reader of the log.
    #[default]
    Small,
    /// Those of at most [`MAX_INLINE_PAYLOAD_BYTES`].
    Inline,
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
    /// Only those of these types.
    pub types: TypeFilter,
    /// With these payloads.
    pub payloads: Payloads,
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

/// The largest payload that stands in an event unless its reader asks for more.
pub const MAX_SMALL_PAYLOAD_BYTES: u64 = 256 * 1024;

/// The largest payload that ever stands in an event: the manifest of some hundred thousand files.
pub const MAX_INLINE_PAYLOAD_BYTES: u64 = 64 << 20;

/// How many envelopes are read at a time.
const PAGE_EVENTS: usize = 500;

/// The most events that are looked at for one batch when only some types are wanted.
const MAX_SCANNED: usize = 10_000;

/// How long the log is searched for a first event that matches, beyond what the reader would wait.
const SEARCH_TIME: Duration = Duration::from_secs(2);

/// A batch ends before the payload that would make it larger than this, unless it is the first.
const MAX_BATCH_BYTES: u64 = 8 << 20;

/// What an envelope counts for in a batch.
const ENVELOPE_BYTES: u64 = 512;

impl Payloads {
    fn limit_bytes(self) -> u64 {
        match self {
            Self::Small => MAX_SMALL_PAYLOAD_BYTES,
            Self::Inline => MAX_INLINE_PAYLOAD_BYTES,
        }
    }
}

/// The events of a batch so far, without their payloads.
#[derive(Default)]
struct Chosen {
    envelopes: Vec<EventEnvelope>,
    bytes: u64,
    is_full: bool,
}

impl Chosen {
    /// Takes those of a page that match while they fit, and moves `next_since` over what has been
    /// looked at.
    fn take(&mut self, page: Vec<EventEnvelope>, query: &EventQuery, next_since: &mut Sequence) {
        let limit = query.limit.clamp(1, MAX_EVENTS);
        for envelope in page {
            if query.types.takes(&envelope.event_type) {
                let is_loaded = envelope.payload_bytes <= query.payloads.limit_bytes();
                let payload = if is_loaded { envelope.payload_bytes } else { 0 };
                let bytes = self.bytes + payload + ENVELOPE_BYTES;
                if bytes > MAX_BATCH_BYTES && !self.envelopes.is_empty() {
                    self.is_full = true;
                    return;
                }
                *next_since = envelope.sequence;
                self.bytes = bytes;
                self.envelopes.push(envelope);
                if self.envelopes.len() == limit {
                    self.is_full = true;
                    return;
                }
            } else {
                *next_since = envelope.sequence;
            }
        }
    }
}

impl Registry {
    /// A batch of matching events after a position; empty when there are none yet. At most
    /// [`MAX_EVENTS`] events, and fewer when payloads are large: `next_since` says where to go on.
    pub async fn fetch_events(&self, query: &EventQuery) -> Result<EventBatch> {
        let readers = &self.inner.db.readers;
        let head = *self.inner.committer.head().borrow();
        let mut next_since = query.since;
        let (mut chosen, mut scanned) = (Chosen::default(), 0);
        while !chosen.is_full && scanned < MAX_SCANNED {
            // A filter may leave out most of a page; without one no more is read than is wanted.
            let wanted = if query.types.is_open() {
                let limit = query.limit.clamp(1, MAX_EVENTS);
                (limit - chosen.envelopes.len()).min(PAGE_EVENTS)
            } else {
                PAGE_EVENTS
            };
            let page = log::read_envelopes(readers, next_since, query.package, wanted).await?;
            let is_last = page.len() < wanted;
            scanned += page.len();
            chosen.take(page, query, &mut next_since);
            if is_last && !chosen.is_full {
                // Nothing that matches lies between the last match and the head known at the start.
                next_since = next_since.max(head);
                break;
            }
        }
        let events = self
            .with_payloads(chosen.envelopes, query.payloads.limit_bytes())
            .await?;
        let known = *self.inner.committer.head().borrow();
        Ok(EventBatch {
            events,
            next_since,
            head: head.max(next_since.min(known)),
            epoch: self.inner.epoch,
        })
    }

    async fn with_payloads(
        &self,
        envelopes: Vec<EventEnvelope>,
        limit_bytes: u64,
    ) -> Result<Vec<EventRecord>> {
        let wanted: Vec<_> = envelopes
            .iter()
            .filter(|envelope| envelope.payload_bytes <= limit_bytes)
            .map(|envelope| envelope.sequence)
            .collect();
        let mut payloads = log::read_payloads(&self.inner.db.readers, &wanted).await?;
        let records = envelopes.into_iter().map(|envelope| {
            let payload = payloads.remove(&envelope.sequence);
            record(envelope, payload)
        });
        Ok(records.collect())
    }

    /// One event without its payload; `None` beyond the end of the log.
    pub async fn find_event(&self, sequence: Sequence) -> Result<Option<EventRecord>> {
        let Some(before) = sequence.0.checked_sub(1) else {
            return Ok(None);
        };
        let readers = &self.inner.db.readers;
        let page = log::read_envelopes(readers, Sequence(before), None, 1).await?;
        let found = page.into_iter().find(|event| event.sequence == sequence);
        Ok(found.map(|envelope| record(envelope, None)))
    }

    /// What tells this log from every other, whatever the server is called: made from the leaf of
    /// its first event. Nil for a log without events.
    pub async fn log_id(&self) -> Result<Uuid> {
        let first = log::find_leaf(&self.inner.db.readers, Sequence(1)).await?;
        Ok(first.map_or(Uuid::nil(), |leaf| {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&leaf[..16]);
            uuid::Builder::from_custom_bytes(bytes).into_uuid()
        }))
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

    /// Like [`Self::fetch_events`], but waits up to `wait` for a first match, and searches what the
    /// log already has for a little longer if it must. Cancel-safe.
    pub async fn poll_events(&self, query: &EventQuery, wait: Duration) -> Result<EventBatch> {
        let began = Instant::now();
        let mut query = query.clone();
        loop {
            let batch = self.fetch_events(&query).await?;
            let is_searched = batch.next_since >= batch.head;
            let patience = if is_searched {
                wait
            } else {
                wait.max(SEARCH_TIME)
            };
            let left = patience.saturating_sub(began.elapsed());
            if !batch.events.is_empty() || left.is_zero() {
                return Ok(batch);
            }
            query.since = batch.next_since;
            self.wait_for_events(query.since, left).await;
        }
    }
}

fn record(envelope: EventEnvelope, payload: Option<Bytes>) -> EventRecord {
    EventRecord {
        sequence: envelope.sequence,
        event_type: envelope.event_type,
        subject_kind: envelope.subject_kind,
        subject_id: envelope.subject_id,
        package_id: envelope.package_id,
        actor: envelope.actor,
        created_at: envelope.created_at,
        payload,
        payload_bytes: envelope.payload_bytes,
        payload_digest: envelope.payload_digest,
        epoch: envelope.epoch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(sizes: &[u64]) -> Vec<EventEnvelope> {
        let envelopes = (1..)
            .zip(sizes)
            .map(|(sequence, &payload_bytes)| EventEnvelope {
                sequence: Sequence(sequence),
                event_type: ["v1.file.ingested", "v1.package.finalized"][sequence as usize % 2]
                    .into(),
                subject_kind: "package".to_owned(),
                subject_id: "s".to_owned(),
                package_id: None,
                actor: "a".to_owned(),
                created_at: Timestamp(0),
                payload_digest: [0; 32],
                epoch: 0,
                payload_bytes,
            });
        envelopes.collect()
    }

    fn take(sizes: &[u64], query: &EventQuery) -> (usize, bool, u64) {
        let (mut chosen, mut next_since) = (Chosen::default(), Sequence(0));
        chosen.take(page(sizes), query, &mut next_since);
        (chosen.envelopes.len(), chosen.is_full, next_since.0)
    }

    fn query(limit: usize, types: &str, payloads: Payloads) -> EventQuery {
        EventQuery {
            limit,
            types: TypeFilter::parse(types).unwrap(),
            payloads,
            ..EventQuery::default()
        }
    }

    #[test]
    fn a_batch_is_bounded_before_a_payload_is_read() {
        const MIB: u64 = 1 << 20;
        let inline = query(1000, "", Payloads::Inline);
        // The first is taken whatever its size; what would exceed the bound waits.
        assert_eq!(take(&[40 * MIB; 5], &inline), (1, true, 1));
        assert_eq!(take(&[3 * MIB; 5], &inline), (2, true, 2));
        assert_eq!(take(&[8 * MIB - ENVELOPE_BYTES; 2], &inline), (1, true, 1));
        assert_eq!(take(&[MIB; 5], &inline), (5, false, 5));
        // By reference they cost nothing, nor do those beyond every bound.
        assert_eq!(
            take(&[40 * MIB; 5], &query(1000, "", Payloads::Small)),
            (5, false, 5)
        );
        assert_eq!(take(&[65 * MIB; 5], &inline), (5, false, 5));
        let small = [MAX_SMALL_PAYLOAD_BYTES; 100];
        assert_eq!(
            take(&small, &query(1000, "", Payloads::Small)),
            (31, true, 31)
        );
    }

    #[test]
    fn what_is_left_out_is_looked_at_all_the_same() {
        let sizes = [10; 7];
        assert_eq!(
            take(&sizes, &query(1000, "v1.file.*", Payloads::Small)),
            (3, false, 7)
        );
        assert_eq!(
            take(&sizes, &query(2, "v1.file.*", Payloads::Small)),
            (2, true, 4)
        );
        assert_eq!(
            take(&sizes, &query(1000, "v9.*", Payloads::Small)),
            (0, false, 7)
        );
        assert_eq!(take(&sizes, &query(0, "", Payloads::Small)), (1, true, 1));
    }
}
