//! Endpoint to handler, one line each.

use crate::api::routes::Operation;
use crate::exchange::context::Context;
use crate::exchange::fault::Fault;
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;

/// Runs the handler of an endpoint on an admitted request.
pub async fn dispatch(
    operation: Operation,
    request: Request,
    context: &Context,
) -> Result<Reply, Fault> {
    let _ = (request, context);
    match operation {}
}
