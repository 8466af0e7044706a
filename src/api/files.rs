//! Files: a package's list, one file by id, and its bytes.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::json;

use crate::api::paging::limit;
use crate::domain::file::FileRecord;
use crate::domain::ids::FileId;
use crate::domain::name::ObjectKey;
use crate::domain::verb::Verb;
use crate::exchange::context::Context;
use crate::exchange::fault::{Code, Fault};
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;
use crate::registry::forms::file_json;
use crate::wire::conditions::{Conditions, ReadOutcome};
use crate::wire::range::{Selection, content_range, unsatisfied_range};

/// The BLAKE3 content address of the whole file.
const CONTENT_ADDRESS: HeaderName = HeaderName::from_static("x-holdfast-content-address");

/// `GET /packages/{p}/files`: a page of the current files in byte order of their paths. `next` is
/// the `after` of the next page, or null.
pub async fn list_files(request: Request, context: &Context) -> Result<Reply, Fault> {
    let limit = limit(&request)?;
    let after = request.query.get("after").filter(|text| !text.is_empty());
    let after = after.map(ObjectKey::parse).transpose()?;
    let registry = &context.registry;
    let package = request.package();
    let mut files = registry
        .list_file_records(package.id, after.as_ref(), limit + 1)
        .await?;
    let has_more = files.len() > limit;
    files.truncate(limit);
    let next = files
        .last()
        .filter(|_| has_more)
        .map(|file| file.key.as_str().to_owned());
    let shown: Vec<_> = files.iter().map(|file| file_json(file)).collect();
    Reply::json(&json!({"files": shown, "next": next}))
}

/// `GET /files/{id}`: one version of one key, whatever the key holds now.
pub async fn get_file(request: Request, context: &Context) -> Result<Reply, Fault> {
    let file = find_readable(&request, context).await?;
    Reply::json(&file_json(&file))
}

/// `GET /files/{id}/content`: its bytes, checked; takes `Range` and the conditional headers.
pub async fn get_file_content(request: Request, context: &Context) -> Result<Reply, Fault> {
    let file = find_readable(&request, context).await?;
    let conditions = Conditions::parse(request.headers());
    let outcome = conditions.for_read(&file.etag, file.created_at);
    if outcome == ReadOutcome::PreconditionFailed {
        return Err(Fault::new(Code::PreconditionFailed));
    }
    let size = file.size_bytes;
    let range = request
        .header("range")
        .filter(|_| conditions.range_applies(&file.etag, file.created_at));
    let (status, part) = match Selection::of(range, size) {
        _ if outcome == ReadOutcome::NotModified => (StatusCode::NOT_MODIFIED, 0..0),
        Selection::Full => (StatusCode::OK, 0..size),
        Selection::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Selection::Unsatisfiable => {
            let value = HeaderValue::from_str(&unsatisfied_range(size)).map_err(Fault::internal)?;
            return Err(Fault::new(Code::InvalidRange).header(header::CONTENT_RANGE, value));
        }
    };
    let mut reply = Reply::new(status);
    reply.set_text(header::ETAG, &format!("\"{}\"", file.etag))?;
    reply.set_text(CONTENT_ADDRESS, &file.address.to_string())?;
    reply.set_text(header::CONTENT_TYPE, &file.media_type)?;
    let modified = file.created_at.datetime().into();
    reply.set_text(header::LAST_MODIFIED, &httpdate::fmt_http_date(modified))?;
    reply.set_text(header::ACCEPT_RANGES, "bytes")?;
    if status == StatusCode::PARTIAL_CONTENT {
        reply.set_text(header::CONTENT_RANGE, &content_range(&part, size))?;
    }
    if status == StatusCode::NOT_MODIFIED {
        return Ok(reply);
    }
    let length = part.end - part.start;
    let stream = context.registry.open_file(&file, part).await?;
    Ok(reply.with_file(stream, length))
}

/// The file of the path, if the caller may read its package. An id that is none, an unknown one
/// and one of an ended package are the same 404.
async fn find_readable(request: &Request, context: &Context) -> Result<Arc<FileRecord>, Fault> {
    let missing = || Fault::new(Code::NoSuchFile);
    let id: FileId = request.parameter("id").parse().map_err(|_| missing())?;
    let file = context
        .registry
        .find_file_by_id(id)
        .await?
        .ok_or_else(missing)?;
    let package = context.registry.find_package(file.package_id).await?;
    let package = package.ok_or_else(missing)?;
    request.authorize_key(Verb::Read, &package, &file.key)?;
    Ok(file)
}
