//! A batch of events as a reply, in the form that the client asks for. Reads nothing: `events.rs` and
//! `consumers.rs` say which events.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};

use crate::domain::ids::Sequence;
use crate::exchange::context::Context;
use crate::exchange::fault::Fault;
use crate::exchange::reply::{JSON, Reply};
use crate::exchange::request::Request;
use crate::registry::feed::{EventBatch, EventRecord, Payloads};

/// The last position of the log.
const LOG_HEAD: HeaderName = HeaderName::from_static("x-holdfast-log-head");

/// The epoch of the log: another epoch is another history.
const LOG_EPOCH: HeaderName = HeaderName::from_static("x-holdfast-log-epoch");

/// The `since` of the next batch, for the forms that have no room for it.
const NEXT_SINCE: HeaderName = HeaderName::from_static("x-holdfast-next-since");

/// The longest wait of a batch for its first event, in seconds.
pub const MAX_WAIT_SECONDS: u64 = 60;

/// A batch ends early when it has so many bytes.
pub const MAX_BATCH_BYTES: usize = 8 << 20;

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One document with the cursor.
    Json,
    /// One event a line.
    JsonLines,
    /// RFC 8742.
    CborSequence,
    /// A JSON array of CloudEvents.
    CloudEvents,
    /// Server-sent events without end.
    Tail,
}

impl Form {
    /// The first form of the `Accept` header that we have. Weights are not weighed: clients name
    /// what they want first.
    pub fn read(request: &Request) -> Result<Self, Fault> {
        Self::of(request.header("accept"))
    }

    fn of(accept: Option<&str>) -> Result<Self, Fault> {
        let accept = accept.unwrap_or("*/*");
        let names = accept.split(',').filter_map(|item| item.split(';').next());
        for name in names {
            return Ok(match name.trim().to_ascii_lowercase().as_str() {
                "application/json" | "*/*" | "application/*" | "" => Self::Json,
                "application/x-ndjson" | "application/jsonl" => Self::JsonLines,
                "application/cbor-seq" => Self::CborSequence,
                "application/cloudevents-batch+json" => Self::CloudEvents,
                "text/event-stream" => Self::Tail,
                _ => continue,
            });
        }
        let message = "The forms are application/json, application/x-ndjson, \
                       application/cbor-seq, application/cloudevents-batch+json and \
                       text/event-stream.";
        Err(Fault::argument("Accept", accept, message))
    }

    fn media_type(self) -> HeaderValue {
        match self {
            Self::Json | Self::Tail => JSON,
            Self::JsonLines => HeaderValue::from_static("application/x-ndjson"),
            Self::CborSequence => HeaderValue::from_static("application/cbor-seq"),
            Self::CloudEvents => HeaderValue::from_static("application/cloudevents-batch+json"),
        }
    }

    /// What stands before, between and after the events.
    fn frame(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Json | Self::Tail => ("{\"events\":[", ",", "]"),
            Self::JsonLines => ("", "\n", "\n"),
            Self::CborSequence => ("", "", ""),
            Self::CloudEvents => ("[", ",", "]\n"),
        }
    }
}

/// The `payloads` of the query: `inline`, or by reference where they are large.
pub fn read_payloads(request: &Request) -> Result<Payloads, Fault> {
    match request.query.get("payloads") {
        None | Some("reference") => Ok(Payloads::Small),
        Some("inline") => Ok(Payloads::Inline),
        Some(word) => {
            let message = "payloads is inline or reference.";
            Err(Fault::argument("payloads", word, message))
        }
    }
}

/// The reply of a batch that was read after `since`.
pub async fn batch_reply(
    batch: EventBatch,
    form: Form,
    since: Sequence,
    context: &Context,
) -> Result<Reply, Fault> {
    let source = match form {
        Form::CloudEvents => format!("urn:uuid:{}", context.registry.log_id().await?),
        _ => String::new(),
    };
    let reply = with_log(Reply::ok(), &batch);
    let bytes: u64 = batch.events.iter().map(|event| event.payload_bytes).sum();
    let write = move || write_batch(&batch, form, since, &source);
    // Many megabytes of JSON would hold up every other request of this thread.
    let (body, next_since) = if bytes > MAX_BATCH_BYTES as u64 {
        let written = tokio::task::spawn_blocking(write).await;
        written.map_err(Fault::internal)??
    } else {
        write()?
    };
    Ok(reply
        .with_bytes(form.media_type(), body)
        .with(NEXT_SINCE, HeaderValue::from(next_since.0)))
}

/// The body of a batch, and where the next one starts: earlier than the registry says when the
/// batch ends early.
fn write_batch(
    batch: &EventBatch,
    form: Form,
    since: Sequence,
    source: &str,
) -> Result<(Bytes, Sequence), Fault> {
    let (before, between, after) = form.frame();
    let mut out = before.as_bytes().to_vec();
    let mut next_since = batch.next_since.max(since);
    let mut last = since;
    for (place, event) in batch.events.iter().enumerate() {
        if out.len() > MAX_BATCH_BYTES {
            next_since = last;
            break;
        }
        if place > 0 {
            out.extend_from_slice(between.as_bytes());
        }
        write_event(&mut out, event, form, source)?;
        last = event.sequence;
    }
    if form != Form::JsonLines || !batch.events.is_empty() {
        out.extend_from_slice(after.as_bytes());
    }
    if form == Form::Json {
        let (head, epoch) = (batch.head, batch.epoch);
        let end = format!(",\"next_since\":{next_since},\"head\":{head},\"epoch\":{epoch}}}\n");
        out.extend_from_slice(end.as_bytes());
    }
    Ok((out.into(), next_since))
}

fn write_event(
    out: &mut Vec<u8>,
    event: &EventRecord,
    form: Form,
    source: &str,
) -> Result<(), Fault> {
    match form {
        Form::Json | Form::JsonLines | Form::Tail => event.write_json(out)?,
        Form::CborSequence => out.extend_from_slice(&event.to_cbor()),
        Form::CloudEvents => event.write_cloud_event(source, out)?,
    }
    Ok(())
}

/// With what every answer says about the log.
pub fn with_log(reply: Reply, batch: &EventBatch) -> Reply {
    reply
        .with(LOG_HEAD, HeaderValue::from(batch.head.0))
        .with(LOG_EPOCH, HeaderValue::from(batch.epoch))
        .with(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::domain::ids::Timestamp;
    use crate::exchange::fault::Code;

    use super::*;

    /// Events 11, 12, … with payloads of these sizes.
    pub(crate) fn batch(sizes: &[usize]) -> EventBatch {
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
                payload_bytes: payload.len() as u64,
                payload: Some(payload.into()),
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

    fn write(sizes: &[usize], form: Form, since: u64) -> (Bytes, Sequence) {
        write_batch(&batch(sizes), form, Sequence(since), "urn:x").unwrap()
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
            (
                Some("application/cloudevents-batch+json; charset=utf-8"),
                Form::CloudEvents,
            ),
            (Some("text/event-stream"), Form::Tail),
        ];
        for (accept, form) in cases {
            assert_eq!(Form::of(accept).unwrap(), form, "{accept:?}");
        }
        for wrong in ["text/html", "application/cloudevents+json"] {
            let fault = Form::of(Some(wrong)).unwrap_err();
            assert_eq!(fault.code(), Code::InvalidArgument, "{wrong}");
        }
    }

    #[test]
    fn a_batch_is_one_json_document_with_its_cursor() {
        let (body, next) = write(&[70_000, 70_000], Form::Json, 10);
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(value["events"].as_array().unwrap().len(), 2);
        assert_eq!((next.0, value["next_since"].as_u64()), (12, Some(12)));
        assert_eq!(
            (value["head"].as_u64(), value["epoch"].as_u64()),
            (Some(99), Some(3))
        );
        // Beyond the head, the cursor stays where it is.
        assert_eq!(write(&[], Form::Json, 500).1, Sequence(500));
    }

    #[test]
    fn events_follow_each_other_as_the_form_has_it() {
        for count in [0, 1, 2] {
            let sizes = vec![70_000; count];
            let (body, _) = write(&sizes, Form::CloudEvents, 10);
            let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(value.as_array().unwrap().len(), count);
            let (body, _) = write(&sizes, Form::JsonLines, 10);
            let text = std::str::from_utf8(&body).unwrap();
            assert_eq!(text.matches('\n').count(), count);
            for line in text.lines() {
                serde_json::from_str::<serde_json::Value>(line).unwrap();
            }
        }
    }

    #[test]
    fn a_batch_of_many_bytes_ends_early_and_says_where() {
        let (body, next) = write(&[200_000; 60], Form::JsonLines, 10);
        let lines = body.split(|&byte| byte == b'\n').count() - 1;
        assert!(lines < 60 && body.len() < MAX_BATCH_BYTES + 300_000);
        assert_eq!(next, Sequence(10 + lines as u64));
    }
}
