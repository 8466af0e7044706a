//! AWS signature version 2, which `aws s3 presign` and boto3 still make for presigned URLs.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html>
//!
//! The path is signed as it stands on the wire, and only some of the query. So that nobody turns a
//! presigned upload into something else, every parameter counts as signed unless it is known to be
//! harmless: a client that did not sign it is refused.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use sha1::Sha1;

use crate::domain::ids::Timestamp;
use crate::wire::request_head::RequestHead;
use crate::wire::sigv4::key::is_equal;
use crate::wire::uri::Query;

/// What a request says about its signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim<'a> {
    /// Whose key.
    pub access_key: &'a str,
    /// Base64 of HMAC-SHA1.
    pub signature: &'a str,
}

/// A claim in the query, and until when it is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryClaim<'a> {
    /// The claim.
    pub claim: Claim<'a>,
    /// `Expires` as it came.
    pub expires: &'a str,
    /// `Expires`.
    pub expires_at: Timestamp,
}

/// Why a claim is refused (AccessDenied).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// The header is not `AWS <access key>:<signature>`.
    #[error("AWS authorization header is invalid. Expected AwsAccessKeyId:signature")]
    Header,
    /// Some of the three parameters are missing.
    #[error(
        "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters"
    )]
    Missing,
    /// A parameter comes twice.
    #[error("Query-string authentication parameters must not be repeated")]
    Duplicate,
    /// `Expires` is no number.
    #[error("Invalid date (should be seconds since epoch)")]
    Expires,
}

impl<'a> Claim<'a> {
    /// Reads what follows `AWS ` in the `Authorization` header.
    pub fn parse_header(parameters: &'a str) -> Result<Self, ClaimError> {
        let (access_key, signature) = parameters.split_once(':').ok_or(ClaimError::Header)?;
        if access_key.is_empty() || signature.is_empty() {
            return Err(ClaimError::Header);
        }
        Ok(Self {
            access_key,
            signature,
        })
    }

    /// Whether this is the signature of the string.
    pub fn verify(&self, secret: &str, string_to_sign: &str) -> bool {
        let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes())
            .expect("HMAC takes a key of any length");
        mac.update(string_to_sign.as_bytes());
        let computed = STANDARD.encode(mac.finalize().into_bytes());
        is_equal(computed.as_bytes(), self.signature.as_bytes())
    }
}

impl<'a> QueryClaim<'a> {
    /// Whether the query carries parameters of this version.
    pub fn is_in(query: &Query) -> bool {
        query.contains("AWSAccessKeyId") || query.contains("Signature")
    }

    /// Reads the parameters.
    pub fn parse(query: &'a Query) -> Result<Self, ClaimError> {
        let parameter = |name: &str| match query.count(name) {
            0 => Err(ClaimError::Missing),
            1 => query.get(name).ok_or(ClaimError::Missing),
            _ => Err(ClaimError::Duplicate),
        };
        let access_key = parameter("AWSAccessKeyId")?;
        let signature = parameter("Signature")?;
        let expires = parameter("Expires")?;
        let seconds: u32 = expires.parse().map_err(|_| ClaimError::Expires)?;
        Ok(Self {
            claim: Claim {
                access_key,
                signature,
            },
            expires,
            expires_at: Timestamp::from_seconds(seconds.into()),
        })
    }

    /// The string that a presigned URL signs. botocore moves headers into the query, so they are
    /// looked for there first.
    pub fn string_to_sign(&self, head: &RequestHead<'_>) -> String {
        let hoisted = |name: &str| {
            let mut pairs = head.query.iter();
            let found = pairs.find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.to_owned())
        };
        let of = |name| hoisted(name).unwrap_or_else(|| joined(head.headers, name));
        let mut amz = amz_headers(head.headers);
        for (name, value) in head.query.iter() {
            let name = name.to_ascii_lowercase();
            if name.starts_with("x-amz-") {
                add(&mut amz, name, value);
            }
        }
        string_to_sign(
            head,
            &of("content-md5"),
            &of("content-type"),
            self.expires,
            &amz,
        )
    }
}

/// The string that the `Authorization` header signs.
pub fn header_string_to_sign(head: &RequestHead<'_>) -> String {
    let of = |name| joined(head.headers, name);
    // With x-amz-date among the signed headers, the line for the date is empty.
    let date = if head.headers.contains_key("x-amz-date") {
        String::new()
    } else {
        of("date")
    };
    let amz = amz_headers(head.headers);
    string_to_sign(head, &of("content-md5"), &of("content-type"), &date, &amz)
}

fn string_to_sign(
    head: &RequestHead<'_>,
    md5: &str,
    media_type: &str,
    date: &str,
    amz: &BTreeMap<String, String>,
) -> String {
    let mut out = format!("{}\n{md5}\n{media_type}\n{date}\n", head.method);
    for (name, value) in amz {
        out.extend([name, ":", value, "\n"]);
    }
    if let Some(bucket) = head.virtual_bucket {
        out.push('/');
        out.push_str(bucket);
    }
    out.push_str(head.raw_path);
    let mut signed: Vec<_> = head
        .query
        .iter()
        .filter(|(name, _)| !is_unsigned(name))
        .collect();
    signed.sort_unstable();
    for (index, (name, value)) in signed.into_iter().enumerate() {
        out.push(if index == 0 { '?' } else { '&' });
        out.push_str(name);
        if !value.is_empty() {
            out.push('=');
            out.push_str(value);
        }
    }
    out
}

/// Parameters outside of the signature: those of the signature, those that stand for headers and
/// are signed as such, and those of listings.
fn is_unsigned(name: &str) -> bool {
    const UNSIGNED: [&str; 21] = [
        "AWSAccessKeyId",
        "Signature",
        "Expires",
        "x-id",
        "prefix",
        "delimiter",
        "marker",
        "max-keys",
        "encoding-type",
        "list-type",
        "continuation-token",
        "start-after",
        "fetch-owner",
        "key-marker",
        "version-id-marker",
        "upload-id-marker",
        "max-uploads",
        "part-number-marker",
        "max-parts",
        "max-buckets",
        "bucket-region",
    ];
    let lower = name.to_ascii_lowercase();
    UNSIGNED.contains(&name)
        || lower.starts_with("x-amz-")
        || lower == "content-type"
        || lower == "content-md5"
}

fn amz_headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut amz = BTreeMap::new();
    for (name, value) in headers {
        if name.as_str().starts_with("x-amz-") {
            add(&mut amz, name.to_string(), &text(value));
        }
    }
    amz
}

fn add(amz: &mut BTreeMap<String, String>, name: String, value: &str) {
    let value = value.trim();
    amz.entry(name)
        .and_modify(|joined| {
            joined.push(',');
            joined.push_str(value);
        })
        .or_insert_with(|| value.to_owned());
}

fn joined(headers: &HeaderMap, name: &str) -> String {
    let values: Vec<_> = headers.get_all(name).iter().map(text).collect();
    values.join(",")
}

fn text(value: &http::HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).trim().to_owned()
}
