//! Retention: a package's state and history, extensions, holds, classes, the sweep.

use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::api::paging::{DEFAULT_LIMIT, limit, number};
use crate::domain::ids::{HoldId, Sequence, Timestamp};
use crate::domain::package::{PackageRecord, Rejection};
use crate::domain::retention::{
    Anchor, DeletionStrategy, HoldKind, LockMode, Retention, RetentionClass,
};
use crate::domain::verb::Verb;
use crate::exchange::context::Context;
use crate::exchange::fault::{Code, Fault};
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;
use crate::registry::feed::EventRecord;
use crate::registry::forms::{class_json, retention_json};

/// `GET /packages/{p}/retention`: when retention ends, whether the package may be ended, and the
/// holds that stand.
pub async fn get_retention(request: Request, context: &Context) -> Result<Reply, Fault> {
    let package = request.package();
    let retention = context.registry.find_retention(package.id).await?;
    show(package, &retention.ok_or(Rejection::NoSuchPackage)?)
}

/// `GET /packages/{p}/retention/history?since=&limit=`: the package's retention events in order;
/// of an ended package too, by its id. `next_since` is the `since` of the next page, or null.
pub async fn get_history(request: Request, context: &Context) -> Result<Reply, Fault> {
    let since = Sequence(number(&request, "since", 0)?.unwrap_or(0));
    let limit = number(&request, "limit", 1)?.unwrap_or(DEFAULT_LIMIT) as usize;
    let id = request.package().id;
    let batch = context.registry.retention_history(id, since, limit).await?;
    let events: Result<Vec<_>, _> = batch.events.iter().map(EventRecord::to_json).collect();
    let is_last = batch.next_since >= batch.head;
    let next = (!is_last).then_some(batch.next_since.0);
    Reply::json(&json!({"events": events?, "next_since": next}))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExtendForm {
    new_expires_at: String,
    reason: String,
}

/// `POST /packages/{p}/retention/extend {new_expires_at, reason}`: keeps the package for longer.
/// A blank reason, an instant that is not later, and a package that never expires are 400.
pub async fn extend_retention(mut request: Request, context: &Context) -> Result<Reply, Fault> {
    let form: ExtendForm = read(&request.document().await?)?;
    let until = Timestamp::parse(&form.new_expires_at).ok_or_else(|| {
        let message = "An instant is written as in RFC 3339, such as 2027-01-01T00:00:00Z.";
        Fault::argument("new_expires_at", &form.new_expires_at, message)
    })?;
    let package = request.package();
    let extended = context
        .registry
        .extend_retention(package.id, until, &form.reason, request.actor())
        .await?;
    show(package, &extended)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HoldForm {
    reason: String,
    kind: Option<String>,
}

/// `POST /packages/{p}/holds {reason, kind?}`: puts a hold on the package; 201 with its id. A
/// package may have many.
pub async fn apply_hold(mut request: Request, context: &Context) -> Result<Reply, Fault> {
    let form: HoldForm = read(&request.document().await?)?;
    let kind = match form.kind.as_deref() {
        None => HoldKind::Operator,
        Some(word) => HoldKind::parse(word)
            .ok_or_else(|| Fault::argument("kind", word, "A kind is operator, legal or event."))?,
    };
    let package = request.package();
    let hold_id = context
        .registry
        .apply_hold(package.id, kind, &form.reason, request.actor())
        .await?;
    let mut reply = Reply::json(&json!({"hold_id": hold_id.to_string()}))?;
    reply.status = StatusCode::CREATED;
    Ok(reply)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseForm {
    reason: String,
}

/// `POST /packages/{p}/holds/{id}/release {reason}`: takes the hold away.
pub async fn release_hold(mut request: Request, context: &Context) -> Result<Reply, Fault> {
    let form: ReleaseForm = read(&request.document().await?)?;
    let package = request.package();
    let id: HoldId = request
        .parameter("id")
        .parse()
        .map_err(|_| Rejection::NoSuchHold)?;
    let released = context
        .registry
        .release_hold(package.id, id, &form.reason, request.actor())
        .await?;
    show(package, &released)
}

/// `POST /retention/sweep`: declares eligible what has expired and ends what its class says, now
/// instead of at the next turn of the timer. For who may retain every package.
pub async fn sweep(request: Request, context: &Context) -> Result<Reply, Fault> {
    if !request.may_everywhere(Verb::Retain) {
        return Err(Fault::denied(Verb::Retain));
    }
    let swept = context.registry.sweep_retention(request.actor()).await?;
    let texts = |ids: &[crate::domain::ids::PackageId]| -> Vec<String> {
        ids.iter().map(ToString::to_string).collect()
    };
    Reply::json(&json!({"eligible": texts(&swept.eligible), "ended": texts(&swept.ended)}))
}

/// `GET /retention-classes`: a page of the classes in the order of their names. `default` stands in
/// it only when it was defined.
pub async fn list_classes(request: Request, context: &Context) -> Result<Reply, Fault> {
    let limit = limit(&request)?;
    let after = request.query.get("after");
    let mut classes = context
        .registry
        .list_retention_classes(after, limit + 1)
        .await?;
    let has_more = classes.len() > limit;
    classes.truncate(limit);
    let next = classes
        .last()
        .filter(|_| has_more)
        .map(|last| last.class.id.clone());
    let shown: Vec<_> = classes
        .iter()
        .map(|defined| {
            let mut value = class_json(&defined.class);
            value["defined_at"] = json!(defined.defined_at.to_isoformat());
            value["sequence"] = json!(defined.sequence.0);
            value
        })
        .collect();
    Reply::json(&json!({"retention_classes": shown, "next": next}))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassForm {
    default_duration_seconds: Option<u64>,
    deletion_strategy: Option<String>,
    lock_mode: Option<String>,
    anchor: Option<String>,
    #[serde(default)]
    grace_seconds: u64,
}

/// `PUT /retention-classes/{id}`: defines a class, or changes it for packages to come. Idempotent.
/// For admins.
pub async fn put_class(mut request: Request, context: &Context) -> Result<Reply, Fault> {
    if !request.may_everywhere(Verb::Admin) {
        return Err(Fault::denied(Verb::Admin));
    }
    let form: ClassForm = read(&request.document().await?)?;
    let class = form.class(request.parameter("id"))?;
    let defined = context
        .registry
        .define_retention_class(class, request.actor())
        .await?;
    Reply::json(&class_json(&defined))
}

impl ClassForm {
    fn class(self, id: &str) -> Result<RetentionClass, Fault> {
        let fallback = RetentionClass::unlimited(id);
        let strategy = self.deletion_strategy.as_deref();
        let strategy = word(strategy, "deletion_strategy", DeletionStrategy::parse)?;
        let lock_mode = word(self.lock_mode.as_deref(), "lock_mode", LockMode::parse)?;
        let anchor = word(self.anchor.as_deref(), "anchor", Anchor::parse)?;
        Ok(RetentionClass {
            default_duration_seconds: self.default_duration_seconds,
            deletion_strategy: strategy.unwrap_or(fallback.deletion_strategy),
            lock_mode: lock_mode.unwrap_or(fallback.lock_mode),
            anchor: anchor.unwrap_or(fallback.anchor),
            grace_seconds: self.grace_seconds,
            id: fallback.id,
        })
    }
}

fn word<T>(
    text: Option<&str>,
    name: &str,
    parse: fn(&str) -> Option<T>,
) -> Result<Option<T>, Fault> {
    text.map(|text| {
        parse(text).ok_or_else(|| Fault::argument(name, text, format!("This is no {name}.")))
    })
    .transpose()
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|error| {
        Fault::new(Code::InvalidArgument).message(format!("The body is not understood: {error}."))
    })
}

fn show(package: &Arc<PackageRecord>, retention: &Retention) -> Result<Reply, Fault> {
    Reply::json(&retention_json(package.id, retention))
}
