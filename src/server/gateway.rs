//! The life of one request: an id, its target, its caller, its row, its handler, one line in the
//! log. Knows no operation by name.

use std::any::Any;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use tracing::Instrument;

use crate::api;
use crate::exchange::admit::{Arrival, Caller, admit, authenticate, authority};
use crate::exchange::context::Context;
use crate::exchange::cors::headers_of_answer;
use crate::exchange::fault::{Code, Fault};
use crate::exchange::id::RequestId;
use crate::exchange::inbound::{Body, Inbound};
use crate::exchange::render::{Ending, FaultFormat, Frame};
use crate::exchange::reply::Reply;
use crate::exchange::route::{self, Access};
use crate::exchange::target::{EXTENSION_PREFIX, Target, read_query, virtual_bucket};
use crate::s3;
use crate::server::access_log::{Line, Logged};
use crate::server::metrics::Metrics;

const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// Answers requests.
pub struct Gateway {
    context: Context,
    region: HeaderValue,
    metrics: Arc<Metrics>,
}

/// What is found out on the way and needed at the end, whatever happens in between.
struct Trail {
    line: Line,
    format: FaultFormat,
    /// What the answer says to a page of another origin, whatever becomes of the request.
    cors: HeaderMap,
}

impl Gateway {
    /// A gateway over what handlers may reach.
    pub fn new(context: Context) -> Self {
        let region = HeaderValue::from_str(&context.settings.region);
        Self {
            region: region.unwrap_or(HeaderValue::from_static("us-east-1")),
            context,
            metrics: Arc::default(),
        }
    }

    /// What is counted of requests.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// What handlers may reach.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Answers one request. Never fails: a panic is a 500.
    pub async fn handle(&self, request: Request<Incoming>, peer: IpAddr) -> Response<Logged> {
        let (head, body) = request.into_parts();
        let is_expecting = head.headers.contains_key(header::EXPECT);
        let body = Body::new(Inbound::Connection(body), is_expecting);
        let watch = body.watch();
        let id = RequestId::next();
        let mut trail = Trail {
            line: Line {
                id,
                peer,
                method: head.method.clone(),
                uri: head.uri.clone(),
                bucket: None,
                started: Instant::now(),
                inbound: watch.clone(),
                operation: "-",
                actor: None,
                status: StatusCode::OK,
                ending: Ending::default(),
            },
            format: FaultFormat::Xml,
            cors: HeaderMap::new(),
        };
        let answer = self.answer(id, head, body, &mut trail);
        let span = tracing::debug_span!("request", %id);
        let outcome = AssertUnwindSafe(answer.instrument(span))
            .catch_unwind()
            .await;
        let outcome = outcome.unwrap_or_else(|panic| Err(fault_of_panic(&*panic)));
        let frame = Frame {
            id,
            method: trail.line.method.clone(),
            uri: trail.line.uri.clone(),
            format: trail.format,
            region: self.region.clone(),
        };
        let rendered = AssertUnwindSafe(frame.render(outcome)).catch_unwind().await;
        let (mut response, ending) = match rendered {
            Ok(rendered) => rendered,
            Err(panic) => frame.render(Err(fault_of_panic(&*panic))).await,
        };
        response.headers_mut().extend(trail.cors);
        if !watch.read_on().await {
            response.headers_mut().insert(header::CONNECTION, CLOSE);
        }
        let mut line = trail.line;
        line.status = response.status();
        line.ending = ending;
        response.map(|body| Logged::new(body, line, Arc::clone(&self.metrics)))
    }

    async fn answer(
        &self,
        id: RequestId,
        head: http::request::Parts,
        body: Body,
        trail: &mut Trail,
    ) -> Result<Reply, Fault> {
        let domains = &self.context.settings.domains;
        let authority = authority(&head)?;
        if let Some(bucket) = virtual_bucket(authority, domains) {
            trail.line.bucket = Some(bucket.to_owned());
        } else if head.uri.path().starts_with(EXTENSION_PREFIX) {
            trail.format = FaultFormat::Json;
        }
        let target = Target::parse(authority, &head.uri, domains)?;
        let query = read_query(&head.uri)?;
        let mut arrival = Arrival {
            id,
            head,
            target,
            query,
        };
        match &arrival.target {
            Target::Extension(_) => {
                let rows = api::routes::ROUTES;
                let (target, query, head) = (&arrival.target, &arrival.query, &arrival.head);
                let found = route::find(rows, &head.method, target, query, &head.headers);
                let caller = match &found {
                    Ok((row, _)) if row.access == Access::Anyone => Caller::anonymous(),
                    // Who may not call does not learn what there is to call.
                    _ => authenticate(&arrival, &self.context)?,
                };
                trail.line.actor = Some(caller.actor());
                let found = found?;
                let operation = found.0.operation;
                trail.line.operation = operation.name();
                let request = admit(arrival, caller, body, found, &self.context).await?;
                api::dispatch::dispatch(operation, request, &self.context).await
            }
            Target::Service | Target::Bucket(_) | Target::Object(..) | Target::Special(..) => {
                let method = &arrival.head.method;
                let caller = if *method == Method::OPTIONS {
                    // A browser asks before it sends, and signs nothing.
                    Caller::anonymous()
                } else {
                    if let Some(bucket) = arrival.target.bucket() {
                        let headers = &arrival.head.headers;
                        trail.cors =
                            headers_of_answer(&self.context, bucket, method, headers).await;
                    }
                    authenticate(&arrival, &self.context)?
                };
                trail.line.actor = Some(caller.actor());
                arrival.adopt_signed_query();
                let (target, query, head) = (&arrival.target, &arrival.query, &arrival.head);
                let rows = s3::routes::ROUTES;
                let found = route::find(rows, &head.method, target, query, &head.headers)?;
                let operation = found.0.operation;
                trail.line.operation = operation.name();
                let request = admit(arrival, caller, body, found, &self.context).await?;
                s3::dispatch::dispatch(operation, request, &self.context).await
            }
        }
    }
}

fn fault_of_panic(panic: &(dyn Any + Send)) -> Fault {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Fault::new(Code::InternalError).cause(format_args!("panic: {}", text.unwrap_or("unknown")))
}
