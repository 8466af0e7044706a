//! Named consumers of the log: a filter, a position, and the acknowledgement that moves it.
//!
//! A consumer belongs to who made it. What it may read is asked each time, as `events.rs` asks it.

use std::time::Duration;

use http::{StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::api::event_batch::{Form, MAX_WAIT_SECONDS, batch_reply, read_payloads};
use crate::api::events::authorize_events;
use crate::api::paging::{find_package, limit, number};
use crate::domain::consumer::{Consumer, ConsumerCaller, ConsumerName, MAX_NAME_CHARACTERS};
use crate::domain::ids::Sequence;
use crate::domain::type_filter::TypeFilter;
use crate::domain::verb::Verb;
use crate::exchange::context::Context;
use crate::exchange::fault::{Code, Fault};
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;
use crate::registry::consumers::{AcknowledgeEvents, ConsumerStart, PutConsumer};

/// The body of `PUT /consumers/{name}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ConsumerForm {
    types: Vec<String>,
    package: Option<String>,
    since: Option<Start>,
}

/// Where a new consumer begins.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Start {
    After(u64),
    Word(String),
}

/// `PUT /consumers/{name}`: a new consumer (201), or another filter for the one that is there (200),
/// whose position stays. `since` is where a new one begins: a sequence, or `head` for only what comes.
pub async fn put_consumer(mut request: Request, context: &Context) -> Result<Reply, Fault> {
    let name = read_name(&request)?;
    let body = request.document().await?;
    let form = if body.is_empty() {
        ConsumerForm::default()
    } else {
        read_form(&body, "description of a consumer")?
    };
    let types = TypeFilter::of(&form.types).map_err(|error| invalid(&error))?;
    let package = match &form.package {
        Some(text) => Some(find_package(context, text).await?),
        None => None,
    };
    authorize_events(&request, package.as_deref())?;
    let command = PutConsumer {
        name,
        caller: caller(&request),
        types,
        package_id: package.map(|package| package.id),
        start: read_start(form.since.as_ref())?,
    };
    let (consumer, is_new) = context.registry.put_consumer(command).await?;
    let mut reply = Reply::json(&consumer_json(&consumer, context))?;
    if is_new {
        reply.status = StatusCode::CREATED;
        let location = format!("/_holdfast/v1/consumers/{}", consumer.name);
        reply.set_text(header::LOCATION, &location)?;
    }
    Ok(reply)
}

/// `GET /consumers`: a page of the caller's consumers, or of all for who may administer, in the
/// order of names. `next` is the `after` of the next page, or null.
pub async fn list_consumers(request: Request, context: &Context) -> Result<Reply, Fault> {
    let after = request.query.get("after").unwrap_or_default();
    let limit = limit(&request)?;
    let caller = caller(&request);
    let listed = context.registry.list_consumers(&caller, after, limit).await;
    let (page, has_more) = listed?;
    let next = page.last().filter(|_| has_more);
    let next = next.map(|consumer| consumer.name.as_str().to_owned());
    let consumers: Vec<_> = page
        .iter()
        .map(|consumer| consumer_json(consumer, context))
        .collect();
    Reply::json(&json!({"consumers": consumers, "next": next}))
}

/// `GET /consumers/{name}`: its filter, its position, and how far that lags behind the log.
pub async fn get_consumer(request: Request, context: &Context) -> Result<Reply, Fault> {
    let consumer = find(&request, context).await?;
    Reply::json(&consumer_json(&consumer, context))
}

/// `GET /consumers/{name}/events`: the next batch after what is acknowledged; the same again until it
/// is acknowledged. Waits up to `wait` seconds for a first event.
pub async fn list_consumer_events(request: Request, context: &Context) -> Result<Reply, Fault> {
    let form = Form::read(&request)?;
    if form == Form::Tail {
        let message = "A consumer reads batches and acknowledges them; a tail is that of /events.";
        return Err(Fault::argument("Accept", "text/event-stream", message));
    }
    let limit = limit(&request)?;
    let payloads = read_payloads(&request)?;
    let wait = number(&request, "wait", 0)?.unwrap_or(0);
    let wait = Duration::from_secs(wait.min(MAX_WAIT_SECONDS));
    let consumer = find(&request, context).await?;
    let registry = &context.registry;
    let package = match consumer.package_id {
        // Packages that have ended are found by their id.
        Some(id) => registry.find_package(id).await?,
        None => None,
    };
    authorize_events(&request, package.as_deref())?;
    let poll = |wait| registry.poll_consumer(&consumer, limit, payloads, wait);
    let batch = tokio::select! {
        batch = poll(wait) => batch?,
        () = context.stopping.cancelled() => poll(Duration::ZERO).await?,
    };
    batch_reply(batch, form, consumer.acked, context).await
}

/// The body of `POST /consumers/{name}/ack`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AcknowledgeForm {
    sequence: u64,
    #[serde(default)]
    rewind: bool,
}

/// `POST /consumers/{name}/ack`: everything up to `sequence` is done with. Durable when answered;
/// goes back only with `rewind`.
pub async fn acknowledge(mut request: Request, context: &Context) -> Result<Reply, Fault> {
    let name = read_name(&request)?;
    let body = request.document().await?;
    let form: AcknowledgeForm = read_form(&body, "acknowledgement such as {\"sequence\": 17}")?;
    let command = AcknowledgeEvents {
        name,
        caller: caller(&request),
        sequence: Sequence(form.sequence),
        is_rewind: form.rewind,
    };
    let consumer = context.registry.acknowledge_events(command).await?;
    Reply::json(&consumer_json(&consumer, context))
}

/// `DELETE /consumers/{name}`: 204; its position is forgotten.
pub async fn delete_consumer(request: Request, context: &Context) -> Result<Reply, Fault> {
    let name = read_name(&request)?;
    let caller = caller(&request);
    context.registry.remove_consumer(name, caller).await?;
    Ok(Reply::no_content())
}

async fn find(request: &Request, context: &Context) -> Result<Consumer, Fault> {
    let name = read_name(request)?;
    let found = context
        .registry
        .find_consumer(&name, &caller(request))
        .await;
    Ok(found?)
}

fn caller(request: &Request) -> ConsumerCaller {
    ConsumerCaller {
        actor: request.actor().to_owned(),
        is_admin: request.may_everywhere(Verb::Admin),
    }
}

fn read_name(request: &Request) -> Result<ConsumerName, Fault> {
    let text = request.parameter("name");
    ConsumerName::parse(text).ok_or_else(|| {
        let message = format!(
            "A consumer's name is 1 to {MAX_NAME_CHARACTERS} letters, digits, '.', '_' and '-', \
             and begins with a letter or a digit."
        );
        Fault::argument("name", text, message)
    })
}

fn read_start(start: Option<&Start>) -> Result<ConsumerStart, Fault> {
    match start {
        None => Ok(ConsumerStart::After(Sequence(0))),
        Some(Start::After(since)) => Ok(ConsumerStart::After(Sequence(*since))),
        Some(Start::Word(word)) if word == "head" => Ok(ConsumerStart::Head),
        Some(Start::Word(word)) => {
            let message = "since is a whole number from 0, or \"head\".";
            Err(Fault::argument("since", word, message))
        }
    }
}

fn read_form<T: DeserializeOwned>(body: &[u8], what: &str) -> Result<T, Fault> {
    serde_json::from_slice(body)
        .map_err(|error| invalid(&format_args!("the body is no {what}: {error}")))
}

/// `InvalidArgument` with a sentence.
fn invalid(error: &dyn std::fmt::Display) -> Fault {
    let mut text = error.to_string();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    Fault::new(Code::InvalidArgument).message(format!("{text}."))
}

fn consumer_json(consumer: &Consumer, context: &Context) -> Value {
    let head = context.registry.log_head();
    json!({
        "name": consumer.name.as_str(),
        "owner": consumer.owner,
        "types": consumer.types.patterns(),
        "package_id": consumer.package_id.map(|id| id.to_string()),
        "acked": consumer.acked.0,
        "head": head.0,
        "lag": head.0.saturating_sub(consumer.acked.0),
        "created_at": consumer.created_at.to_isoformat(),
        "updated_at": consumer.updated_at.to_isoformat(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consumer_is_described_exactly() {
        let read = |body: &str| read_form::<ConsumerForm>(body.as_bytes(), "description");
        for wrong in [
            "{",
            "7",
            "{\"types\":\"a\"}",
            "{\"since\":-1}",
            "{\"since\":1.5}",
            "{\"colour\":1}",
        ] {
            let fault = read(wrong).unwrap_err();
            assert_eq!(fault.code(), Code::InvalidArgument, "{wrong}");
        }
        let start = |body: &str| read_start(read(body).unwrap().since.as_ref());
        assert_eq!(start("{}").unwrap(), ConsumerStart::After(Sequence(0)));
        assert_eq!(
            start("{\"since\":7}").unwrap(),
            ConsumerStart::After(Sequence(7))
        );
        assert_eq!(start("{\"since\":\"head\"}").unwrap(), ConsumerStart::Head);
        assert!(start("{\"since\":\"end\"}").is_err());
    }

    #[test]
    fn an_acknowledgement_names_its_position() {
        let read = |body: &str| read_form::<AcknowledgeForm>(body.as_bytes(), "acknowledgement");
        for wrong in ["", "{}", "{\"sequence\":-1}", "{\"sequence\":\"1\"}", "7"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let form = read("{\"sequence\":7,\"rewind\":true}").unwrap();
        assert!(form.sequence == 7 && form.rewind);
    }
}
