//! PutObject.

use crate::exchange::context::Context;
use crate::exchange::fault::Fault;
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;

/// PutObject.
pub async fn put_object(request: Request, context: &Context) -> Result<Reply, Fault> {
    let _ = (request, context);
    todo!()
}
