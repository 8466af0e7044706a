//! Cross-origin rules of a bucket, and the question of a browser before it sends.

use http::header;

use crate::domain::configuration::ConfigurationKind;
use crate::exchange::context::Context;
use crate::exchange::cors::{Found, find_rules, headers_of};
use crate::exchange::fault::{Code, Fault};
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;
use crate::exchange::target::Target;
use crate::s3::ops::configuration::{find_document, set_document};
use crate::wire::cors::{CorsRequest, CorsRules, METHODS, requested_headers};

/// The rules of a bucket; 404 `NoSuchCORSConfiguration` when there are none.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketCors.html>
pub async fn get_bucket_cors(request: Request, context: &Context) -> Result<Reply, Fault> {
    let none = || Fault::new(Code::NoSuchCORSConfiguration);
    find_document(&request, context, ConfigurationKind::Cors, none)
        .await
        .map(Reply::xml)
}

/// Sets the rules of a bucket, all at once.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketCors.html>
pub async fn put_bucket_cors(mut request: Request, context: &Context) -> Result<Reply, Fault> {
    let rules = CorsRules::parse(&request.document().await?)?;
    let document = Some(rules.to_document());
    set_document(&request, context, ConfigurationKind::Cors, document).await?;
    Ok(Reply::ok())
}

/// Removes the rules of a bucket; 204 when there are none, too.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketCors.html>
pub async fn delete_bucket_cors(request: Request, context: &Context) -> Result<Reply, Fault> {
    set_document(&request, context, ConfigurationKind::Cors, None).await?;
    Ok(Reply::no_content())
}

/// Whether a page of another origin may send a request. Asked by browsers, without a signature;
/// 403 `AccessForbidden` when no rule allows it.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTOPTIONSobject.html>
pub async fn preflight(request: Request, context: &Context) -> Result<Reply, Fault> {
    let Some(origin) = request.header(header::ORIGIN.as_str()) else {
        return Err(Fault::new(Code::BadRequest)
            .message("Insufficient information. Origin request header needed."));
    };
    let method = request.header(header::ACCESS_CONTROL_REQUEST_METHOD.as_str());
    let Some(method) = method.filter(|method| METHODS.contains(method)) else {
        return Err(Fault::new(Code::BadRequest).message(format!(
            "Invalid Access-Control-Request-Method: {}",
            method.unwrap_or("null")
        )));
    };
    let wanted = request.header(header::ACCESS_CONTROL_REQUEST_HEADERS.as_str());
    let headers = requested_headers(wanted.unwrap_or_default());
    let forbidden = |message: &'static str, resource: &str| {
        Fault::new(Code::AccessForbidden)
            .message(message)
            .detail("Method", method)
            .detail("ResourceType", resource)
    };
    let rules = match find_rules(context, request.bucket()).await? {
        Found::Rules(rules) => rules,
        Found::NoBucket => return Err(forbidden("CORSResponse: Bucket not found", "BUCKET")),
        Found::NoRules => {
            let message = "CORSResponse: CORS is not enabled for this bucket.";
            return Err(forbidden(message, "BUCKET"));
        }
    };
    let asked = CorsRequest {
        origin,
        method,
        headers: &headers,
    };
    let Some(answer) = rules.answer(&asked) else {
        let resource = match request.target {
            Target::Bucket(_) => "BUCKET",
            _ => "OBJECT",
        };
        return Err(forbidden(NOT_ALLOWED, resource));
    };
    let mut reply = Reply::ok();
    reply.headers = headers_of(&answer);
    Ok(reply)
}

/// Word for word what AWS says, its slip included: people search for it.
const NOT_ALLOWED: &str = "CORSResponse: This CORS request is not allowed. This is usually because \
    the evalution of Origin, request method / Access-Control-Request-Method or \
    Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.";
