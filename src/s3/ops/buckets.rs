//! Buckets: list, create, head, delete, location.

use crate::exchange::context::Context;
use crate::exchange::fault::Fault;
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;

/// ListBuckets.
pub async fn list_buckets(request: Request, context: &Context) -> Result<Reply, Fault> {
    let _ = (request, context);
    todo!()
}

/// CreateBucket.
pub async fn create_bucket(request: Request, context: &Context) -> Result<Reply, Fault> {
    let _ = (request, context);
    todo!()
}

/// HeadBucket.
pub async fn head_bucket(request: Request, context: &Context) -> Result<Reply, Fault> {
    let _ = (request, context);
    todo!()
}

/// DeleteBucket.
pub async fn delete_bucket(request: Request, context: &Context) -> Result<Reply, Fault> {
    let _ = (request, context);
    todo!()
}

/// GetBucketLocation.
pub async fn get_bucket_location(request: Request, context: &Context) -> Result<Reply, Fault> {
    let _ = (request, context);
    todo!()
}
