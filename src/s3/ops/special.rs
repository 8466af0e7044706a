//! Reserved keys under `.holdfast/`: manifest, checksums, status, events, finalize.

use crate::exchange::context::Context;
use crate::exchange::fault::Fault;
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;

/// GetSpecial.
pub async fn get_special(request: Request, context: &Context) -> Result<Reply, Fault> {
    let _ = (request, context);
    todo!()
}

/// HeadSpecial.
pub async fn head_special(request: Request, context: &Context) -> Result<Reply, Fault> {
    let _ = (request, context);
    todo!()
}

/// PutSpecial.
pub async fn put_special(request: Request, context: &Context) -> Result<Reply, Fault> {
    let _ = (request, context);
    todo!()
}

/// RefuseSpecial.
pub async fn refuse_special(request: Request, context: &Context) -> Result<Reply, Fault> {
    let _ = (request, context);
    todo!()
}
