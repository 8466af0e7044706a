//! The grammar of presigned URLs.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>

use crate::domain::ids::Timestamp;
use crate::wire::sigv4::canonical::{SignedHeaders, SignedHeadersError};
use crate::wire::sigv4::date::parse_basic;
use crate::wire::sigv4::header::{ALGORITHM, is_signature};
use crate::wire::sigv4::key::{CredentialError, Scope, parse_credential};
use crate::wire::uri::Query;

/// The longest life of a presigned URL: a week.
pub const MAX_EXPIRES_SECONDS: i64 = 604_800;

/// The parameters of a presigned URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presigned<'a> {
    /// Whose key.
    pub access_key: &'a str,
    /// What the signature is good for.
    pub scope: Scope<'a>,
    /// What is signed besides method, path, query and payload.
    pub signed_headers: SignedHeaders<'a>,
    /// 64 lower-case hex digits.
    pub signature: &'a str,
    /// `X-Amz-Date` as it came.
    pub date: &'a str,
    /// `X-Amz-Date`.
    pub signed_at: Timestamp,
    /// `X-Amz-Expires`, 1 to [`MAX_EXPIRES_SECONDS`].
    pub expires_seconds: i64,
    /// `X-Amz-Content-Sha256`, which some SDKs move from the headers into the URL.
    pub payload: Option<&'a str>,
}

/// Why the parameters are refused (AuthorizationQueryParametersError).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PresignError {
    /// Some of the six parameters are missing.
    #[error(
        "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, \
         X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
    )]
    Missing,
    /// A parameter comes twice.
    #[error("Query-string authentication parameters must not be repeated.")]
    Duplicate,
    /// Another algorithm.
    #[error("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"")]
    Algorithm,
    /// The credential is wrong.
    #[error("Error parsing the X-Amz-Credential parameter; {0}")]
    Credential(#[from] CredentialError),
    /// The list of signed headers is wrong.
    #[error("{0}")]
    SignedHeaders(#[from] SignedHeadersError),
    /// The signature is not 64 lower-case hex digits.
    #[error("X-Amz-Signature must be 64 lower-case hex digits")]
    Signature,
    /// The date is none.
    #[error("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")]
    Date,
    /// The expiry is no number.
    #[error("X-Amz-Expires should be a number")]
    ExpiresNotANumber,
    /// The expiry is negative or zero.
    #[error("X-Amz-Expires must be greater than zero")]
    ExpiresTooSmall,
    /// The expiry is over a week.
    #[error("X-Amz-Expires must be less than a week (in seconds) that is 604800")]
    ExpiresTooLarge,
}

impl<'a> Presigned<'a> {
    /// Whether the query carries any of the parameters that make a URL presigned.
    pub fn is_in(query: &Query) -> bool {
        query.iter().any(|(name, _)| {
            matches!(
                name,
                "X-Amz-Algorithm" | "X-Amz-Credential" | "X-Amz-Signature"
            )
        })
    }

    /// Reads the parameters.
    pub fn parse(query: &'a Query) -> Result<Self, PresignError> {
        let parameter = |name: &str| match query.count(name) {
            0 | 1 => Ok(query.get(name)),
            _ => Err(PresignError::Duplicate),
        };
        let required = |name: &str| parameter(name)?.ok_or(PresignError::Missing);
        let algorithm = required("X-Amz-Algorithm")?;
        let credential = required("X-Amz-Credential")?;
        let signature = required("X-Amz-Signature")?;
        let date = required("X-Amz-Date")?;
        let signed_headers = required("X-Amz-SignedHeaders")?;
        let expires = required("X-Amz-Expires")?;
        let payload = parameter("X-Amz-Content-Sha256")?;
        if algorithm != ALGORITHM {
            return Err(PresignError::Algorithm);
        }
        let (access_key, scope) = parse_credential(credential)?;
        let signed_at = parse_basic(date).ok_or(PresignError::Date)?;
        let expires_seconds = parse_expires(expires)?;
        if !is_signature(signature) {
            return Err(PresignError::Signature);
        }
        Ok(Self {
            access_key,
            scope,
            signed_headers: SignedHeaders::parse(signed_headers)?,
            signature,
            date,
            signed_at,
            expires_seconds,
            payload,
        })
    }
}

fn parse_expires(text: &str) -> Result<i64, PresignError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(PresignError::ExpiresNotANumber);
    }
    if text.starts_with('-') || digits.bytes().all(|b| b == b'0') {
        return Err(PresignError::ExpiresTooSmall);
    }
    match digits.parse() {
        Ok(seconds) if seconds <= MAX_EXPIRES_SECONDS => Ok(seconds),
        Ok(_) | Err(_) => Err(PresignError::ExpiresTooLarge),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT: &str = "X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AK%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z\
        &X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
        &X-Amz-Signature=0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";

    #[test]
    fn each_parameter_is_needed_once() {
        let right = Query::parse(RIGHT).unwrap();
        let found = Presigned::parse(&right).unwrap();
        assert_eq!((found.access_key, found.expires_seconds), ("AK", 86400));
        assert_eq!(found.payload, None);
        for pair in RIGHT.split('&') {
            let without: Vec<_> = RIGHT.split('&').filter(|other| *other != pair).collect();
            let query = Query::parse(&without.join("&")).unwrap();
            assert_eq!(
                Presigned::parse(&query),
                Err(PresignError::Missing),
                "{pair}"
            );
            let query = Query::parse(&format!("{RIGHT}&{pair}")).unwrap();
            assert_eq!(
                Presigned::parse(&query),
                Err(PresignError::Duplicate),
                "{pair}"
            );
        }
    }

    #[test]
    fn a_wrong_parameter_is_named() {
        let cases = [
            ("HMAC-SHA256", "ECDSA-P256-SHA256", PresignError::Algorithm),
            (
                "us-east-1%2F",
                "",
                PresignError::Credential(CredentialError::Malformed),
            ),
            (
                "%2Fs3%2F",
                "%2Fec2%2F",
                PresignError::Credential(CredentialError::Service),
            ),
            ("20130524T", "20130524 ", PresignError::Date),
            ("=86400", "=", PresignError::ExpiresNotANumber),
            ("=86400", "=1.5", PresignError::ExpiresNotANumber),
            ("=86400", "=%2B1", PresignError::ExpiresNotANumber),
            ("=86400", "=0", PresignError::ExpiresTooSmall),
            ("=86400", "=-1", PresignError::ExpiresTooSmall),
            ("=86400", "=604801", PresignError::ExpiresTooLarge),
            (
                "=86400",
                "=99999999999999999999",
                PresignError::ExpiresTooLarge,
            ),
            (
                "=host",
                "=date",
                PresignError::SignedHeaders(SignedHeadersError::NoHost),
            ),
            ("=0a0a", "=0A0a", PresignError::Signature),
            ("=0a0a", "=0a", PresignError::Signature),
        ];
        for (from, to, expected) in cases {
            let query = Query::parse(&RIGHT.replace(from, to)).unwrap();
            assert_eq!(Presigned::parse(&query), Err(expected), "{from} to {to}");
        }
        for expires in ["=1", "=604800"] {
            let query = Query::parse(&RIGHT.replace("=86400", expires)).unwrap();
            assert!(Presigned::parse(&query).is_ok());
        }
    }
}
