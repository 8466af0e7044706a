//! DeleteObject and DeleteObjects.

use crate::exchange::context::Context;
use crate::exchange::fault::Fault;
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;

/// DeleteObject.
pub async fn delete_object(request: Request, context: &Context) -> Result<Reply, Fault> {
    let _ = (request, context);
    todo!()
}

/// DeleteObjects.
pub async fn delete_objects(request: Request, context: &Context) -> Result<Reply, Fault> {
    let _ = (request, context);
    todo!()
}
