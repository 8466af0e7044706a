//! Multipart uploads: create, upload, list, complete, abort.

use crate::exchange::context::Context;
use crate::exchange::fault::Fault;
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;

/// CreateMultipartUpload.
pub async fn create_multipart_upload(request: Request, context: &Context) -> Result<Reply, Fault> {
    let _ = (request, context);
    todo!()
}

/// UploadPart.
pub async fn upload_part(request: Request, context: &Context) -> Result<Reply, Fault> {
    let _ = (request, context);
    todo!()
}

/// ListParts.
pub async fn list_parts(request: Request, context: &Context) -> Result<Reply, Fault> {
    let _ = (request, context);
    todo!()
}

/// ListMultipartUploads.
pub async fn list_multipart_uploads(request: Request, context: &Context) -> Result<Reply, Fault> {
    let _ = (request, context);
    todo!()
}

/// CompleteMultipartUpload.
pub async fn complete_multipart_upload(
    request: Request,
    context: &Context,
) -> Result<Reply, Fault> {
    let _ = (request, context);
    todo!()
}

/// AbortMultipartUpload.
pub async fn abort_multipart_upload(request: Request, context: &Context) -> Result<Reply, Fault> {
    let _ = (request, context);
    todo!()
}
