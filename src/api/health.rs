//! Whether the process answers, whether it can serve, and how its backends are.
//!
//! The first two need no signature and give no detail away; metrics stand on the operator's
//! listener, not here.

use serde_json::json;

use crate::domain::file::INLINE_BACKEND;
use crate::exchange::context::Context;
use crate::exchange::fault::{Code, Fault};
use crate::exchange::reply::Reply;
use crate::registry::health::DATABASE;

/// `GET /health/live`: 200 as long as requests are answered at all.
pub fn live() -> Result<Reply, Fault> {
    Reply::json(&json!({"status": "ok"}))
}

/// `GET /health/ready`: 200 when the database and every backend can be used, else 503.
pub async fn ready(context: &Context) -> Result<Reply, Fault> {
    let health = context.registry.check_health().await;
    if health.iter().all(|part| part.trouble.is_none()) {
        return Reply::json(&json!({"status": "ok"}));
    }
    let causes: Vec<_> = health
        .iter()
        .filter_map(|part| Some(format!("{}: {}", part.id, part.trouble.as_ref()?)))
        .collect();
    Err(Fault::new(Code::ServiceUnavailable).cause(causes.join("; ")))
}

/// `GET /health/backends`: the database and every backend by name, healthy or not. Always 200: the
/// answer is the report. `failed_locations` counts what verification found damaged there; the
/// database has the small objects.
pub async fn list_backends(context: &Context) -> Result<Reply, Fault> {
    let health = context.registry.check_health().await;
    // A database in trouble says so above.
    let failed = context.registry.count_failed_locations().await.ok();
    let count = |id: &str| {
        let id = if id == DATABASE { INLINE_BACKEND } else { id };
        failed
            .as_ref()
            .map(|counts| counts.get(id).copied().unwrap_or(0))
    };
    let parts: Vec<_> = health
        .iter()
        .map(|part| {
            json!({
                "id": part.id,
                "is_healthy": part.trouble.is_none(),
                "trouble": part.trouble,
                "failed_locations": count(&part.id),
            })
        })
        .collect();
    Reply::json(&json!({"backends": parts}))
}
