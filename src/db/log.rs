//! Append to the log and read it.

use std::collections::HashMap;
use std::sync::LazyLock;

use bytes::Bytes;
use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, AnyPool, AssertSqlSafe, Executor};

use crate::db::codec::{Columns, to_int};
use crate::db::error::{DbError, Result};
use crate::db::pieces::{self, PiecesId};
use crate::db::rows::InsertRows;
use crate::db::script::Script;
use crate::domain::event::Recorded;
use crate::domain::ids::{PackageId, Sequence, Timestamp};
use crate::domain::merkle::{Frontier, TreeHash};

/// The end of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogHead {
    /// The position of the last event.
    pub last_sequence: Sequence,
    /// The right edge of the tree over all events.
    pub frontier: Frontier,
    /// Rises when the log goes on from a copy that may lack events.
    pub epoch: u64,
}

/// An event about to be written.
#[derive(Debug, Clone)]
pub struct Appended {
    /// The event in its place.
    pub recorded: Recorded,
    /// Its payload; empty if it is kept in pieces.
    pub payload: Vec<u8>,
    /// The length of its payload.
    pub payload_bytes: u64,
    /// Where the pieces of its payload are.
    pub pieces: Option<PiecesId>,
    /// Its leaf in the tree.
    pub leaf: TreeHash,
}

/// An event as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// The position.
    pub sequence: Sequence,
    /// The type.
    pub event_type: String,
    /// The kind of its subject.
    pub subject_kind: String,
    /// Its subject.
    pub subject_id: String,
    /// The package it belongs to.
    pub package_id: Option<PackageId>,
    /// Who acted.
    pub actor: String,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// Canonical CBOR; empty if it is kept in pieces.
    pub payload: Bytes,
    /// The length of the payload.
    pub payload_bytes: u64,
    /// Where the pieces of the payload are.
    pub pieces: Option<PiecesId>,
    /// BLAKE3 of the payload.
    pub payload_digest: [u8; 32],
    /// The leaf in the tree.
    pub leaf: TreeHash,
    /// The epoch of the log when it was recorded.
    pub epoch: u64,
    /// The root of the tree up to it, if it is the last of its transaction.
    pub root: Option<TreeHash>,
}

const INSERT_EVENTS: InsertRows = InsertRows {
    into: "events (sequence, event_type, subject_kind, subject_id, package_id, actor, created_at, \
           payload, payload_bytes, pieces_id, payload_digest, leaf_hash, epoch, root)",
    columns: 14,
    on_conflict: "",
};

/// The end of the log. Inside a write transaction nobody else can move it.
pub async fn read_head(connection: &mut AnyConnection) -> Result<LogHead> {
    let row = sqlx::query("SELECT last_sequence, frontier, epoch FROM log_head WHERE id = 1")
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else {
        return Ok(LogHead::default());
    };
    let mut columns = Columns::new(&row);
    let last_sequence = columns.sequence()?;
    let frontier = Frontier::from_bytes(&columns.bytes()?)
        .filter(|frontier| frontier.size() == last_sequence.0)
        .ok_or_else(|| DbError::Corrupt("log_head holds no frontier of its size".into()))?;
    Ok(LogHead {
        last_sequence,
        frontier,
        epoch: columns.unsigned()?,
    })
}

/// Adds what writes events and the new end of the log. The last event of the transaction carries the root of
/// the tree up to it.
pub fn append(script: &mut Script, events: &[Appended], head: &LogHead) {
    let root = head.frontier.root().to_vec();
    INSERT_EVENTS.add(script, events, |values, appended| {
        let Appended {
            recorded,
            payload,
            payload_bytes,
            pieces,
            leaf,
        } = appended;
        let (event, subject) = (&recorded.event, recorded.event.subject());
        let is_last = recorded.sequence == head.last_sequence;
        values
            .bind(to_int(recorded.sequence.0))
            .bind(event.event_type())
            .bind(subject.kind())
            .bind(subject.id())
            .bind(event.package_id().map(|id| id.as_bytes().to_vec()))
            .bind(recorded.actor.clone())
            .bind(recorded.created_at.0)
            .bind(payload.clone())
            .bind(to_int(*payload_bytes))
            .bind(pieces.map(|id| id.to_vec()))
            .bind(recorded.payload_digest.0.to_vec())
            .bind(leaf.to_vec())
            .bind(to_int(head.epoch))
            .bind(is_last.then(|| root.clone()))
    });
    script.add(
        "INSERT INTO log_head (id, last_sequence, frontier, root, epoch) VALUES (1, ?, ?, ?, ?) \
         ON CONFLICT (id) DO UPDATE SET last_sequence = excluded.last_sequence, \
         frontier = excluded.frontier, root = excluded.root, epoch = excluded.epoch",
        |values| {
            values
                .bind(to_int(head.last_sequence.0))
                .bind(head.frontier.to_bytes())
                .bind(root)
                .bind(to_int(head.epoch))
        },
    );
}

const EVENT_COLUMNS: &str = "SELECT sequence, event_type, subject_kind, subject_id, package_id, \
    actor, created_at, payload, payload_bytes, pieces_id, payload_digest, leaf_hash, epoch, root \
    FROM events ";

/// Events after a position, in order and with their payloads: at most `limit`, and fewer if their
/// payloads would exceed `limit_bytes`, but one at least.
pub async fn read_events(
    connection: &mut AnyConnection,
    since: Sequence,
    limit: usize,
    limit_bytes: u64,
) -> Result<Vec<StoredEvent>> {
    static TEXT: LazyLock<String> =
        LazyLock::new(|| format!("{EVENT_COLUMNS} WHERE sequence > $1 ORDER BY sequence LIMIT $2"));
    let lengths = sqlx::query(
        "SELECT CAST(length(payload) AS BIGINT) FROM events WHERE sequence > $1 \
         ORDER BY sequence LIMIT $2",
    )
    .bind(to_int(since.0))
    .bind(limit as i64)
    .fetch_all(&mut *connection)
    .await?;
    let (mut count, mut bytes) = (0, 0);
    for row in &lengths {
        bytes += Columns::new(row).unsigned()?;
        if bytes > limit_bytes && count > 0 {
            break;
        }
        count += 1;
    }
    sqlx::query(TEXT.as_str())
        .bind(to_int(since.0))
        .bind(count)
        .fetch_all(connection)
        .await?
        .iter()
        .map(stored_event)
        .collect()
}

/// An event without its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventEnvelope {
    /// The position.
    pub sequence: Sequence,
    /// The type.
    pub event_type: String,
    /// The kind of its subject.
    pub subject_kind: String,
    /// Its subject.
    pub subject_id: String,
    /// The package it belongs to.
    pub package_id: Option<PackageId>,
    /// Who acted.
    pub actor: String,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// BLAKE3 of the payload.
    pub payload_digest: [u8; 32],
    /// The epoch of the log when it was recorded.
    pub epoch: u64,
    /// The length of the payload.
    pub payload_bytes: u64,
}

const ENVELOPE_COLUMNS: &str = "SELECT sequence, event_type, subject_kind, subject_id, package_id, \
    actor, created_at, payload_digest, epoch, payload_bytes FROM events ";

/// Envelopes of events after a position, in order; with a package, only its own. No payload is
/// read.
pub async fn read_envelopes<'e, E>(
    executor: E,
    since: Sequence,
    package: Option<PackageId>,
    limit: usize,
) -> Result<Vec<EventEnvelope>>
where
    E: Executor<'e, Database = Any>,
{
    static ALL: LazyLock<String> = LazyLock::new(|| {
        format!("{ENVELOPE_COLUMNS} WHERE sequence > $1 ORDER BY sequence LIMIT $2")
    });
    static OF_PACKAGE: LazyLock<String> = LazyLock::new(|| {
        format!(
            "{ENVELOPE_COLUMNS} WHERE sequence > $1 AND package_id = $3 ORDER BY sequence LIMIT $2"
        )
    });
    let text: &'static str = if package.is_some() { &OF_PACKAGE } else { &ALL };
    let mut query = sqlx::query(text).bind(to_int(since.0)).bind(limit as i64);
    if let Some(package) = package {
        query = query.bind(package.as_bytes().to_vec());
    }
    let rows = query.fetch_all(executor).await?;
    rows.iter().map(envelope).collect()
}

fn envelope(row: &AnyRow) -> Result<EventEnvelope> {
    let mut columns = Columns::new(row);
    Ok(EventEnvelope {
        sequence: columns.sequence()?,
        event_type: columns.text()?,
        subject_kind: columns.text()?,
        subject_id: columns.text()?,
        package_id: columns.package_id_or_null()?,
        actor: columns.text()?,
        created_at: columns.time()?,
        payload_digest: columns.array()?,
        epoch: columns.unsigned()?,
        payload_bytes: columns.unsigned()?,
    })
}

/// The payloads of events, in the order of their positions. The caller bounds their bytes: it knows
/// their lengths from [`read_envelopes`].
pub async fn read_payloads(
    readers: &AnyPool,
    sequences: &[Sequence],
) -> Result<HashMap<Sequence, Bytes>> {
    let mut payloads = HashMap::with_capacity(sequences.len());
    for chunk in sequences.chunks(MAX_PAYLOADS) {
        // Few texts: the last position stands again until their number is a power of two.
        let total = chunk.len().next_power_of_two();
        let places: Vec<_> = (1..=total).map(|n| format!("${n}")).collect();
        let text = format!(
            "SELECT sequence, payload, payload_bytes, pieces_id FROM events WHERE sequence IN ({})",
            places.join(", ")
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        let fill = chunk.last().into_iter().cycle();
        for sequence in chunk.iter().chain(fill).take(total) {
            query = query.bind(to_int(sequence.0));
        }
        for row in query.fetch_all(readers).await? {
            let mut columns = Columns::new(&row);
            let (sequence, payload) = (columns.sequence()?, columns.bytes()?);
            let (length, pieces) = (columns.unsigned()?, pieces_or_null(&mut columns)?);
            let payload = match pieces {
                None => payload,
                Some(id) => pieces::read_whole(readers, id, length).await?,
            };
            payloads.insert(sequence, payload.into());
        }
    }
    if payloads.len() < sequences.len() {
        return Err(DbError::Corrupt("an event has left the log".into()));
    }
    Ok(payloads)
}

/// The payloads of one statement.
const MAX_PAYLOADS: usize = 256;

/// A payload, or where its pieces are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadPlace {
    /// The payload; empty if it is kept in pieces.
    pub payload: Bytes,
    /// The length of the payload.
    pub length: u64,
    /// Where its pieces are.
    pub pieces: Option<PiecesId>,
}

/// Where the payload of an event is; `None` beyond the end of the log.
pub async fn find_payload(readers: &AnyPool, sequence: Sequence) -> Result<Option<PayloadPlace>> {
    let row =
        sqlx::query("SELECT payload, payload_bytes, pieces_id FROM events WHERE sequence = $1")
            .bind(to_int(sequence.0))
            .fetch_optional(readers)
            .await?;
    row.map(|row| {
        let mut columns = Columns::new(&row);
        Ok(PayloadPlace {
            payload: columns.bytes()?.into(),
            length: columns.unsigned()?,
            pieces: pieces_or_null(&mut columns)?,
        })
    })
    .transpose()
}

fn pieces_or_null(columns: &mut Columns<'_>) -> Result<Option<PiecesId>> {
    match columns.bytes_or_null()? {
        None => Ok(None),
        Some(bytes) => Ok(Some(
            bytes
                .try_into()
                .map_err(|_| columns.corrupt("no id of pieces"))?,
        )),
    }
}

/// The leaf of an event in the tree; `None` beyond the end of the log.
pub async fn find_leaf<'e, E>(executor: E, sequence: Sequence) -> Result<Option<TreeHash>>
where
    E: Executor<'e, Database = Any>,
{
    let row = sqlx::query("SELECT leaf_hash FROM events WHERE sequence = $1")
        .bind(to_int(sequence.0))
        .fetch_optional(executor)
        .await?;
    row.map(|row| Columns::new(&row).array()).transpose()
}

fn stored_event(row: &AnyRow) -> Result<StoredEvent> {
    let mut columns = Columns::new(row);
    Ok(StoredEvent {
        sequence: columns.sequence()?,
        event_type: columns.text()?,
        subject_kind: columns.text()?,
        subject_id: columns.text()?,
        package_id: columns.package_id_or_null()?,
        actor: columns.text()?,
        created_at: columns.time()?,
        payload: columns.bytes()?.into(),
        payload_bytes: columns.unsigned()?,
        pieces: pieces_or_null(&mut columns)?,
        payload_digest: columns.array()?,
        leaf: columns.array()?,
        epoch: columns.unsigned()?,
        root: match columns.bytes_or_null()? {
            None => None,
            Some(bytes) => Some(bytes.try_into().map_err(|_| columns.corrupt("no root"))?),
        },
    })
}
