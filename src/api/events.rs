//! Read and follow the event log: a batch, and a live tail.
//!
//! Has no logic for gaps, since the log has none: a tail is `sequence > n`. A wait lives in the
//! request's own future and a tail in its reply's stream, so a client that vanishes frees both.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, header};
use tokio_util::sync::CancellationToken;

use crate::api::event_batch::{
    Form, MAX_BATCH_BYTES, MAX_WAIT_SECONDS, batch_reply, read_payloads, with_log,
};
use crate::api::paging::{find_package, limit, number, parse_number};
use crate::domain::ids::Sequence;
use crate::domain::package::PackageRecord;
use crate::domain::type_filter::TypeFilter;
use crate::domain::verb::Verb;
use crate::exchange::context::Context;
use crate::exchange::fault::{Code, Fault};
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;
use crate::registry::feed::{EventBatch, EventQuery, Payloads};
use crate::registry::handle::Registry;

/// How long a tail is silent before it sends a comment, so that proxies keep the connection.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How many events a tail reads at once.
const TAIL_LIMIT: usize = 500;

/// `GET /events`: the events after `since`, at most `limit`, of `types` and of `package` if given;
/// waits up to `wait` seconds for a first one. `Accept` picks the form; `text/event-stream` is a
/// tail without end that resumes after `Last-Event-ID`.
pub async fn list_events(request: Request, context: &Context) -> Result<Reply, Fault> {
    let form = Form::read(&request)?;
    let mut query = read_query(&request)?;
    let wait = number(&request, "wait", 0)?
        .unwrap_or(0)
        .min(MAX_WAIT_SECONDS);
    let package = match request.query.get("package") {
        Some(text) => Some(find_package(context, text).await?),
        None => None,
    };
    authorize_events(&request, package.as_deref())?;
    query.package = package.map(|package| package.id);
    if form == Form::Tail {
        return tail(&request, query, context).await;
    }
    let registry = &context.registry;
    let batch = tokio::select! {
        batch = registry.poll_events(&query, Duration::from_secs(wait)) => batch?,
        () = context.stopping.cancelled() => registry.fetch_events(&query).await?,
    };
    batch_reply(batch, form, query.since, context).await
}

/// Refuses with `AccessDenied` unless the caller may read the events of a package, or of all.
pub fn authorize_events(request: &Request, package: Option<&PackageRecord>) -> Result<(), Fault> {
    match package {
        Some(package) => request.authorize(Verb::Events, package),
        None if request.may_everywhere(Verb::Events) => Ok(()),
        None => Err(Fault::new(Code::AccessDenied).message(
            "Access Denied: the events of all packages need the verb 'events' on '*'. Ask for one \
             of your packages with package=.",
        )),
    }
}

/// `GET /events/{sequence}/payload`: the canonical CBOR of one event, whatever its size.
pub async fn get_event_payload(request: Request, context: &Context) -> Result<Reply, Fault> {
    let text = request.parameter("sequence");
    let sequence = parse_number(text, 1)
        .ok_or_else(|| Fault::argument("sequence", text, "A sequence is a whole number from 1."))?;
    let registry = &context.registry;
    let found = registry.find_event(Sequence(sequence)).await?;
    if !request.may_everywhere(Verb::Events) {
        let package = match found.as_ref().and_then(|event| event.package_id) {
            Some(id) => registry.find_package(id).await?,
            None => None,
        };
        let package = package.ok_or_else(|| Fault::denied(Verb::Events))?;
        request.authorize(Verb::Events, &package)?;
    }
    let event = found.ok_or_else(|| {
        Fault::new(Code::NoSuchKey).message("The log has no event of this sequence yet.")
    })?;
    let (payload, length) = registry.open_payload(event.sequence).await?;
    let media_type = HeaderValue::from_static("application/cbor");
    Ok(Reply::ok()
        .with(header::CONTENT_TYPE, media_type)
        .with_file(payload, length))
}

fn read_query(request: &Request) -> Result<EventQuery, Fault> {
    let types = request.query.get("types").unwrap_or_default();
    Ok(EventQuery {
        since: Sequence(number(request, "since", 0)?.unwrap_or(0)),
        limit: limit(request)?,
        package: None,
        types: TypeFilter::parse(types)
            .map_err(|error| Fault::argument("types", types, format!("In types, {error}.")))?,
        payloads: read_payloads(request)?,
    })
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
    // A tail is read by whoever has room for a line; large payloads are fetched.
    query.payloads = Payloads::Small;
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
        event.write_json(out)?;
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
    use crate::api::event_batch::tests::batch;

    use super::*;

    #[test]
    fn a_tail_of_many_bytes_pauses_where_it_says() {
        let many = batch(&[200_000; 60]);
        let mut out = Vec::new();
        let next = write_tail(&mut out, &many, Sequence(10)).unwrap();
        assert!(out.len() < MAX_BATCH_BYTES + 300_000);
        let text = String::from_utf8(out).unwrap();
        let count = text.matches("id: ").count() as u64;
        assert!(count < 60);
        assert_eq!(next, Sequence(10 + count));
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
