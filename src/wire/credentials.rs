//! Where the credentials of a request are: exactly one place, or none.
//!
//! A request that speaks of its signature in two places is refused whatever it says there, since a
//! server that checks one and believes the other can be fooled.

use std::borrow::Cow;

use http::{HeaderMap, header};

use crate::domain::ids::Timestamp;
use crate::wire::request_head::RequestHead;
use crate::wire::sigv2;
use crate::wire::sigv4::date::{format_basic, parse_basic};
use crate::wire::sigv4::header::{ALGORITHM, Authorization, HeaderError};
use crate::wire::sigv4::presign::{PresignError, Presigned};
use crate::wire::sigv4::verify::Claim;

/// The credentials of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials<'a> {
    /// None at all.
    Absent,
    /// Version 4 in the `Authorization` header.
    HeaderV4(Claim<'a>),
    /// Version 4 in the query.
    QueryV4(Presigned<'a>),
    /// Version 2 in the `Authorization` header, and the time of signing.
    HeaderV2(sigv2::Claim<'a>, Timestamp),
    /// Version 2 in the query.
    QueryV2(sigv2::QueryClaim<'a>),
}

/// Why credentials cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// More than one place (InvalidArgument).
    #[error(
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature \
         query string parameter or the Authorization header should be specified"
    )]
    Several,
    /// An `Authorization` header of another kind (InvalidArgument).
    #[error("Unsupported Authorization Type")]
    UnsupportedType,
    /// The version 4 header is wrong (AuthorizationHeaderMalformed).
    #[error("{0}")]
    Header(#[from] HeaderError),
    /// The scope's day is not the day of the date (AuthorizationHeaderMalformed).
    #[error("Invalid credential date. Date is not the same as X-Amz-Date.")]
    ScopeDate,
    /// The version 4 parameters are wrong (AuthorizationQueryParametersError).
    #[error("{0}")]
    Query(#[from] PresignError),
    /// The scope's day is not that of `X-Amz-Date` (AuthorizationQueryParametersError).
    #[error("Invalid credential date. Date is not the same as X-Amz-Date.")]
    QueryScopeDate,
    /// The version 2 claim is wrong (AccessDenied).
    #[error("{0}")]
    V2(#[from] sigv2::ClaimError),
    /// No date (AccessDenied).
    #[error("AWS authentication requires a valid Date or x-amz-date header")]
    NoDate,
}

/// Finds the credentials of a request.
pub fn find<'a>(head: &RequestHead<'a>) -> Result<Credentials<'a>, CredentialsError> {
    let mut headers = head.headers.get_all(header::AUTHORIZATION).iter();
    let header = headers.next();
    let places = [
        header.is_some(),
        headers.next().is_some(),
        Presigned::is_in(head.query),
        sigv2::QueryClaim::is_in(head.query),
    ];
    match (header, places) {
        (None, [_, _, false, false]) => Ok(Credentials::Absent),
        (None, [_, _, true, false]) => {
            let url = Presigned::parse(head.query)?;
            if !url.date.starts_with(url.scope.date) {
                return Err(CredentialsError::QueryScopeDate);
            }
            Ok(Credentials::QueryV4(url))
        }
        (None, [_, _, false, true]) => {
            Ok(Credentials::QueryV2(sigv2::QueryClaim::parse(head.query)?))
        }
        (Some(value), [_, false, false, false]) => {
            let value = value
                .to_str()
                .map_err(|_| CredentialsError::UnsupportedType)?;
            read_header(value.trim(), head.headers)
        }
        (None | Some(_), _) => Err(CredentialsError::Several),
    }
}

fn read_header<'a>(
    value: &'a str,
    headers: &'a HeaderMap,
) -> Result<Credentials<'a>, CredentialsError> {
    // The kind is read up to a blank: a bare `AWS4-HMAC-SHA256` is malformed, not unsupported.
    let (kind, parameters) = value.split_once(' ').unwrap_or((value, ""));
    match kind {
        ALGORITHM => {
            let header = Authorization::parse(parameters)?;
            let (date, signed_at) = date(headers)?;
            if !date.starts_with(header.scope.date) {
                return Err(CredentialsError::ScopeDate);
            }
            Ok(Credentials::HeaderV4(Claim::of_header(
                header, date, signed_at,
            )))
        }
        "AWS" => {
            let claim = sigv2::Claim::parse_header(parameters.trim())?;
            let (_, signed_at) = date(headers)?;
            Ok(Credentials::HeaderV2(claim, signed_at))
        }
        _ => Err(CredentialsError::UnsupportedType),
    }
}

/// The date of a request that is signed in a header: `x-amz-date`, else `Date`, in the basic form
/// or that of HTTP.
fn date(headers: &HeaderMap) -> Result<(Cow<'_, str>, Timestamp), CredentialsError> {
    let amz = headers.get("x-amz-date");
    let value = amz.or_else(|| headers.get(header::DATE));
    let text = value
        .and_then(|value| value.to_str().ok())
        .ok_or(CredentialsError::NoDate)?
        .trim();
    if let Some(at) = parse_basic(text) {
        return Ok((Cow::Borrowed(text), at));
    }
    // s3cmd ends its dates with the offset instead of the zone.
    let http = text.strip_suffix("+0000").map(|day| format!("{day}GMT"));
    let at = httpdate::parse_http_date(http.as_deref().unwrap_or(text))
        .map_err(|_| CredentialsError::NoDate)?;
    let since = at.duration_since(std::time::UNIX_EPOCH);
    let seconds = since.map_err(|_| CredentialsError::NoDate)?.as_secs();
    let at = Timestamp::from_seconds(i64::try_from(seconds).map_err(|_| CredentialsError::NoDate)?);
    Ok((Cow::Owned(format_basic(at)), at))
}
