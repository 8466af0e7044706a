//! Verification runs: start one, list them, and look how far one is.

use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::paging::{find_package, limit};
use crate::domain::ids::{PackageId, RunId};
use crate::domain::verb::Verb;
use crate::exchange::context::Context;
use crate::exchange::fault::{Code, Fault};
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;
use crate::registry::scrub::StartVerification;
use crate::registry::scrub_forms::{run_json, verification_json};

/// How many runs are looked at for a page: more than are kept.
const MAX_RUNS: usize = 1000;

/// The body of `POST /verifications`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct VerificationForm {
    /// A bucket's name or a package's id.
    package: Option<String>,
    backend: Option<String>,
}

/// `POST /verifications`: reads stored bytes again in the background; 202 with the run. While a run
/// over the same is under way, it is that one.
pub async fn start_verification(mut request: Request, context: &Context) -> Result<Reply, Fault> {
    let body = request.document().await?;
    let form = read_form(&body)?;
    let package_id = match &form.package {
        None if request.may_everywhere(Verb::Verify) => None,
        None => return Err(denied()),
        Some(text) => {
            let package = find_package(context, text).await?;
            request.authorize(Verb::Verify, &package)?;
            Some(package.id)
        }
    };
    let command = StartVerification {
        package_id,
        backend_id: form.backend,
        actor: request.actor().to_owned(),
    };
    let verification = context.registry.start_verification(command).await?;
    let mut reply = Reply::json(&verification_json(&verification))?;
    reply.status = StatusCode::ACCEPTED;
    let location = format!("/_holdfast/v1/verifications/{}", verification.run.id);
    reply.set_text(header::LOCATION, &location)?;
    Ok(reply)
}

fn read_form(body: &[u8]) -> Result<VerificationForm, Fault> {
    if body.is_empty() {
        return Ok(VerificationForm::default());
    }
    serde_json::from_slice(body).map_err(|error| {
        Fault::new(Code::InvalidArgument)
            .message(format!("The body does not say what to verify: {error}."))
    })
}

/// `GET /verifications`: a page of the runs that the caller may see, the newest first. `next` is the
/// `after` of the next page, or null.
pub async fn list_verifications(request: Request, context: &Context) -> Result<Reply, Fault> {
    let limit = limit(&request)?;
    let after = match request.query.get("after") {
        None => None,
        Some(text) => Some(parse_run(text)?),
    };
    let runs = context.registry.list_verifications(after, MAX_RUNS).await?;
    let mut shown: Vec<Value> = Vec::new();
    let mut next = None;
    for run in &runs {
        if !may_see(&request, run.scope.package_id, context).await? {
            continue;
        }
        if shown.len() == limit {
            next = shown.last().map(|run| run["id"].clone());
            break;
        }
        shown.push(run_json(run));
    }
    Reply::json(&json!({"verifications": shown, "next": next}))
}

/// `GET /verifications/{run}`: how far a run is, what it has counted, and its first faults.
pub async fn get_verification(request: Request, context: &Context) -> Result<Reply, Fault> {
    let id = parse_run(request.parameter("run"))?;
    let found = context.registry.find_verification(id).await?;
    let package_id = found.as_ref().and_then(|found| found.run.scope.package_id);
    if !may_see(&request, package_id, context).await? {
        return Err(denied());
    }
    let verification = found.ok_or_else(|| {
        Fault::new(Code::NoSuchKey).message("There is no such run, or it ended long ago.")
    })?;
    Reply::json(&verification_json(&verification))
}

/// Whether the caller may see a run over a package, or over all of them.
async fn may_see(
    request: &Request,
    package_id: Option<PackageId>,
    context: &Context,
) -> Result<bool, Fault> {
    if request.may_everywhere(Verb::Verify) {
        return Ok(true);
    }
    let Some(id) = package_id else {
        return Ok(false);
    };
    let package = context.registry.find_package(id).await?;
    Ok(package.is_some_and(|package| request.may(Verb::Verify, &package)))
}

fn parse_run(text: &str) -> Result<RunId, Fault> {
    text.parse()
        .map_err(|_| Fault::argument("run", text, "A run is named by its id."))
}

fn denied() -> Fault {
    Fault::new(Code::AccessDenied).message(
        "Access Denied: verifying all packages needs the verb 'verify' on '*'. Name one of your \
         packages with package.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_asked_for_exactly() {
        let form = read_form(b"").unwrap();
        assert_eq!((form.package, form.backend), (None, None));
        let form = read_form(b"{\"package\":\"p\",\"backend\":\"local\"}").unwrap();
        assert_eq!(form.package.as_deref(), Some("p"));
        assert_eq!(form.backend.as_deref(), Some("local"));
        for wrong in ["{", "[]", "{\"bucket\":\"p\"}", "{\"package\":1}"] {
            let fault = read_form(wrong.as_bytes()).unwrap_err();
            assert_eq!(fault.code(), Code::InvalidArgument, "{wrong}");
        }
    }
}
