//! Read and follow the event log: one batch in three forms, and a live tail.
//!
//! Has no logic for gaps, since the log has none: a tail is `sequence > n`. A wait lives in the
//! request's own future and a tail in its reply's stream, so a client that vanishes frees both.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderName, HeaderValue, header};
use tokio_util::sync::CancellationToken;

use crate::api::paging::{find_package, limit, number, parse_number};
use crate::domain::ids::Sequence;
use crate::domain::verb::Verb;
use crate::exchange::context::Context;
use crate::exchange::fault::{Code, Fault};
use crate::exchange::reply::{JSON, Reply};
use crate::exchange::request::Request;
use crate::registry::feed::{EventBatch, EventQuery, EventRecord};
use crate::registry::handle::Registry;

/// The last position of the log.
const LOG_HEAD: HeaderName = HeaderName::from_static("x-holdfast-log-head");

/// The epoch of the log: another epoch is another history.
const LOG_EPOCH: HeaderName = HeaderName::from_static("x-holdfast-log-epoch");

/// The `since` of the next batch, for the forms that have no room for it.
const NEXT_SINCE: HeaderName = HeaderName::from_static("x-holdfast-next-since");

/// The longest wait of a batch for its first event, in seconds.
const MAX_WAIT_SECONDS: u64 = 60;

/// A batch ends early when it has so many bytes.
const MAX_BATCH_BYTES: usize = 8 << 20;

/// How long a tail is silent before it sends a comment, so that proxies keep the connection.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How many events a tail reads at once.
const TAIL_LIMIT: usize = 500;

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    JsonLines,
    CborSequence,
    Tail,
}

/// `GET /events`: the events after `since`, at most `limit`, of `types` and of `package` if given;
/// waits up to `wait` seconds for a first one. `Accept` picks the form; `text/event-stream` is a
/// tail without end that resumes after `Last-Event-ID`.
pub async fn list_events(request: Request, context: &Context) -> Result<Reply, Fault> {
    let form = read_form(request.header("accept"))?;
    let mut query = read_query(&request)?;
    let wait = number(&request, "wait", 0)?
        .unwrap_or(0)
        .min(MAX_WAIT_SECONDS);
    if let Some(text) = request.query.get("package") {
        let package = find_package(context, text).await?;
        request.authorize(Verb::Events, &package)?;
        query.package = Some(package.id);
    } else if !request.may_everywhere(Verb::Events) {
        return Err(Fault::new(Code::AccessDenied).message(
            "Access Denied: the events of all packages need the verb 'events' on '*'. Ask for one \
             of your packages with package=.",
        ));
    }
    if form == Form::Tail {
        return tail(&request, query, context).await;
    }
    let registry = &context.registry;
    let batch = tokio::select! {
        batch = registry.poll_events(&query, Duration::from_secs(wait)) => batch?,
        () = context.stopping.cancelled() => registry.fetch_events(&query).await?,
    };
    let (body, next_since) = write_batch(&batch, form, query.since)?;
    let media_type = match form {
        Form::JsonLines => HeaderValue::from_static("application/x-ndjson"),
        Form::CborSequence => HeaderValue::from_static("application/cbor-seq"),
        Form::Json | Form::Tail => JSON,
    };
    let reply = Reply::ok()
        .with_bytes(media_type, body)
        .with(NEXT_SINCE, HeaderValue::from(next_since.0));
    Ok(with_log(reply, &batch))
}

/// `GET /events/{sequence}/payload`: the canonical CBOR of one event, whatever its size.
pub async fn get_event_payload(request: Request, context: &Context) -> Result<Reply, Fault> {
    let text = request.parameter("sequence");
    let sequence = parse_number(text, 1)
        .ok_or_else(|| Fault::argument("sequence", text, "A sequence is a whole number from 1."))?;
    let query = EventQuery {
        since: Sequence(sequence - 1),
        limit: 1,
        ..EventQuery::default()
    };
    let batch = context.registry.fetch_events(&query).await?;
    let found = batch
        .events
        .into_iter()
        .find(|event| event.sequence.0 == sequence);
    if !request.may_everywhere(Verb::Events) {
        let package = match found.as_ref().and_then(|event| event.package_id) {
            Some(id) => context.registry.find_package(id).await?,
            None => None,
        };
        let package = package.ok_or_else(|| Fault::denied(Verb::Events))?;
        request.authorize(Verb::Events, &package)?;
    }
    let event = found.ok_or_else(|| {
        Fault::new(Code::NoSuchKey).message("The log has no event of this sequence yet.")
    })?;
    Ok(Reply::ok().with_bytes(HeaderValue::from_static("application/cbor"), event.payload))
}

fn read_query(request: &Request) -> Result<EventQuery, Fault> {
    let types = request.query.get("types").unwrap_or_default();
    Ok(EventQuery {
        since: Sequence(number(request, "since", 0)?.unwrap_or(0)),
        limit: limit(request)?,
        package: None,
        types: types
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
    })
}

/// The first form of the `Accept` header that we have. Weights are not weighed: clients name what
/// they want first.
fn read_form(accept: Option<&str>) -> Result<Form, Fault> {
    let accept = accept.unwrap_or("*/*");
    let names = accept.split(',').filter_map(|item| item.split(';').next());
    for name in names {
        return Ok(match name.trim().to_ascii_lowercase().as_str() {
            "application/json" | "*/*" | "application/*" | "" => Form::Json,
            "application/x-ndjson" | "application/jsonl" => Form::JsonLines,
            "application/cbor-seq" => Form::CborSequence,
            "text/event-stream" => Form::Tail,
            _ => continue,
        });
    }
    let message = "The forms are application/json, application/x-ndjson, application/cbor-seq and \
                   text/event-stream.";
    Err(Fault::argument("Accept", accept, message))
}

/// The body of a batch, and where the next one starts: earlier than the registry says when the
/// batch ends early.
fn write_batch(
    batch: &EventBatch,
    form: Form,
    since: Sequence,
) -> Result<(Bytes, Sequence), Fault> {
    let mut out = Vec::new();
    let mut next_since = batch.next_since.max(since);
    let mut last = since;
    if form == Form::Json {
        out.extend_from_slice(b"{\"events\":[");
    }
    for (place, event) in batch.events.iter().enumerate() {
        if out.len() > MAX_BATCH_BYTES {
            next_since = last;
            break;
        }
        match form {
            Form::CborSequence => out.extend_from_slice(&event.to_cbor()),
            Form::JsonLines => {
                write_json(&mut out, event)?;
                out.push(b'\n');
            }
            Form::Json | Form::Tail => {
                if place > 0 {
                    out.push(b',');
                }
                write_json(&mut out, event)?;
            }
        }
        last = event.sequence;
    }
    if form == Form::Json {
        let (head, epoch) = (batch.head, batch.epoch);
        let end = format!("],\"next_since\":{next_since},\"head\":{head},\"epoch\":{epoch}}}\n");
        out.extend_from_slice(end.as_bytes());
    }
    Ok((out.into(), next_since))
}

fn write_json(out: &mut Vec<u8>, event: &EventRecord) -> Result<(), Fault> {
    serde_json::to_writer(out, &event.to_json()?).map_err(Fault::internal)
}

fn with_log(reply: Reply, batch: &EventBatch) -> Reply {
    reply
        .with(LOG_HEAD, HeaderValue::from(batch.head.0))
        .with(LOG_EPOCH, HeaderValue::from(batch.epoch))
        .with(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
}

/// A live tail as server-sent events.
/// <https://html.spec.whatwg.org/multipage/server-sent-events.html>
async fn tail(request: &Request, mut query: EventQuery, context: &Context) -> Result<Reply, Fault> {
    if let Some(text) = request
        .header("last-event-id")
        .filter(|text| !text.is_empty())
    {
        let message = "Last-Event-ID is a whole number from 0.";
        let last =
            parse_number(text, 0).ok_or_else(|| Fault::argument("Last-Event-ID", text, message))?;
        query.since = Sequence(last);
    }
    query.limit = TAIL_LIMIT;
    let batch = context.registry.fetch_events(&query).await?;
    let reply = with_log(Reply::ok(), &batch);
    let tail = Tail {
        registry: context.registry.clone(),
        stopping: context.stopping.clone(),
        query,
        ready: Some(batch),
        has_begun: false,
    };
    let feed = stream::unfold(tail, |mut tail| async {
        let chunk = tail.next_chunk().await?;
        Some((chunk, tail))
    });
    let media_type = HeaderValue::from_static("text/event-stream");
    Ok(reply.with_feed(media_type, Box::pin(feed)))
}

struct Tail {
    registry: Registry,
    stopping: CancellationToken,
    query: EventQuery,
    /// The batch that was read before the answer began.
    ready: Option<EventBatch>,
    has_begun: bool,
}

impl Tail {
    /// The next piece of the stream; `None` once the server stops.
    async fn next_chunk(&mut self) -> Option<Result<Bytes, Fault>> {
        let batch = if let Some(batch) = self.ready.take() {
            batch
        } else {
            let polled = tokio::select! {
                polled = self.registry.poll_events(&self.query, HEARTBEAT) => polled,
                () = self.stopping.cancelled() => return None,
            };
            match polled {
                Ok(batch) => batch,
                Err(error) => return Some(Err(error.into())),
            }
        };
        let mut out = Vec::new();
        if !self.has_begun {
            self.has_begun = true;
            out.extend_from_slice(b"retry: 2000\n\n");
        }
        let written = write_tail(&mut out, &batch, self.query.since);
        Some(written.map(|since| {
            self.query.since = since;
            out.into()
        }))
    }
}

/// Writes the events of a batch and answers where the tail goes on. Without events there is a
/// comment, with the position that has been looked at: a client then resumes from there instead of
/// from its last match.
fn write_tail(out: &mut Vec<u8>, batch: &EventBatch, since: Sequence) -> Result<Sequence, Fault> {
    let next_since = batch.next_since.max(since);
    let mut last = since;
    for event in &batch.events {
        if out.len() > MAX_BATCH_BYTES {
            return Ok(last);
        }
        out.extend_from_slice(format!("id: {}\ndata: ", event.sequence).as_bytes());
        write_json(out, event)?;
        out.extend_from_slice(b"\n\n");
        last = event.sequence;
    }
    if batch.events.is_empty() {
        out.extend_from_slice(format!(": heartbeat\nid: {next_since}\n\n").as_bytes());
    }
    Ok(next_since)
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::domain::ids::Timestamp;

    fn batch(sizes: &[usize]) -> EventBatch {
        let events = sizes.iter().enumerate().map(|(place, &size)| {
            // A CBOR text of so many bytes.
            let mut payload = vec![0x7a];
            payload.extend_from_slice(&(size as u32).to_be_bytes());
            payload.resize(5 + size, b'x');
            EventRecord {
                sequence: Sequence(place as u64 + 11),
                event_type: "v1.test".to_owned(),
                subject_kind: "package".to_owned(),
                subject_id: "s".to_owned(),
                package_id: None,
                actor: "a".to_owned(),
                created_at: Timestamp(0),
                payload_digest: *blake3::hash(&payload).as_bytes(),
                payload: payload.into(),
                epoch: 0,
            }
        });
        let events: Vec<_> = events.collect();
        EventBatch {
            next_since: Sequence(10 + sizes.len() as u64),
            head: Sequence(99),
            epoch: 3,
            events,
        }
    }

    #[test]
    fn the_accept_header_picks_the_form() {
        let cases = [
            (None, Form::Json),
            (Some("*/*"), Form::Json),
            (
                Some("text/html, application/x-ndjson;q=0.5"),
                Form::JsonLines,
            ),
            (Some("Application/CBOR-seq"), Form::CborSequence),
            (Some("text/event-stream"), Form::Tail),
        ];
        for (accept, form) in cases {
            assert_eq!(read_form(accept).unwrap(), form, "{accept:?}");
        }
        assert_eq!(
            read_form(Some("text/html")).unwrap_err().code(),
            Code::InvalidArgument
        );
    }

    #[test]
    fn a_batch_is_one_json_document_with_its_cursor() {
        let (body, next) =
            write_batch(&batch(&[70_000, 70_000]), Form::Json, Sequence(10)).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(value["events"].as_array().unwrap().len(), 2);
        assert_eq!((next.0, value["next_since"].as_u64()), (12, Some(12)));
        assert_eq!(
            (value["head"].as_u64(), value["epoch"].as_u64()),
            (Some(99), Some(3))
        );
        // Beyond the head, the cursor stays where it is.
        let (_, next) = write_batch(&batch(&[]), Form::Json, Sequence(500)).unwrap();
        assert_eq!(next, Sequence(500));
    }

    #[test]
    fn a_batch_of_many_bytes_ends_early_and_says_where() {
        let many = batch(&[200_000; 60]);
        let (body, next) = write_batch(&many, Form::JsonLines, Sequence(10)).unwrap();
        let lines = body.split(|&byte| byte == b'\n').count() - 1;
        assert!(lines < 60 && body.len() < MAX_BATCH_BYTES + 300_000);
        assert_eq!(next, Sequence(10 + lines as u64));
        let mut out = Vec::new();
        let next = write_tail(&mut out, &many, Sequence(10)).unwrap();
        assert_eq!(next, Sequence(10 + lines as u64));
    }

    #[test]
    fn a_tail_carries_its_position_even_when_nothing_matches() {
        let mut out = Vec::new();
        let next = write_tail(&mut out, &batch(&[70_000]), Sequence(10)).unwrap();
        assert_eq!(next, Sequence(11));
        assert!(out.starts_with(b"id: 11\ndata: {") && out.ends_with(b"}\n\n"));
        let mut out = Vec::new();
        write_tail(&mut out, &batch(&[]), Sequence(4)).unwrap();
        assert_eq!(out, b": heartbeat\nid: 10\n\n");
    }
}
