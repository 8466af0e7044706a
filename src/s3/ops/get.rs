//! GetObject and HeadObject.

use crate::exchange::context::Context;
use crate::exchange::fault::Fault;
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;

/// GetObject.
pub async fn get_object(request: Request, context: &Context) -> Result<Reply, Fault> {
    let _ = (request, context);
    todo!()
}

/// HeadObject.
pub async fn head_object(request: Request, context: &Context) -> Result<Reply, Fault> {
    let _ = (request, context);
    todo!()
}
