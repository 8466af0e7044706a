//! Reserved keys under `.holdfast/`: manifest, checksums, status, events, finalize.

use crate::domain::package::PackageRecord;
use crate::exchange::context::Context;
use crate::exchange::fault::Fault;
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;
use crate::registry::files::FileSummary;

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

/// The special objects of a package, in the order of their keys: what a listing shows when its
/// prefix begins with `.holdfast`.
pub async fn list_special(
    package: &PackageRecord,
    context: &Context,
) -> Result<Vec<FileSummary>, Fault> {
    let _ = (package, context);
    Ok(Vec::new())
}
