//! Read and follow the event log.

use std::time::Duration;

use bytes::Bytes;

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

impl Registry {
    /// A batch of matching events after a position; empty when there are none yet.
    pub async fn fetch_events(&self, query: &EventQuery) -> Result<EventBatch> {
        let _ = query;
        todo!()
    }

    /// Waits until the log reaches beyond `since`, at most `timeout`; answers the head. Cancel-safe.
    pub async fn wait_for_events(&self, since: Sequence, timeout: Duration) -> Sequence {
        let _ = (since, timeout);
        todo!()
    }

    /// Like [`Self::fetch_events`], but waits up to `timeout` for a first match. Cancel-safe.
    pub async fn poll_events(&self, query: &EventQuery, timeout: Duration) -> Result<EventBatch> {
        let _ = (query, timeout);
        todo!()
    }
}
