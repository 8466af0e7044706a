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
            // Sent in both places it counts once, if it is the same: a header that differs from
            // what was signed must not pass.
            let is_repeated = amz.get(&name).is_some_and(|header| header == value.trim());
            if name.starts_with("x-amz-") && !is_repeated {
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

/// Whether the path is that of a bucket in path style without a slash after it.
pub fn is_bare_bucket(head: &RequestHead<'_>) -> bool {
    let name = head.raw_path.strip_prefix('/').unwrap_or_default();
    head.virtual_bucket.is_none() && !name.is_empty() && !name.contains('/')
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

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue, Method};

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    fn string(
        method: &Method,
        path: &str,
        headers: &[(&'static str, &'static str)],
        bucket: Option<&str>,
    ) -> String {
        let mut map = HeaderMap::new();
        for &(name, value) in headers {
            map.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        let (raw_path, raw_query) = path.split_once('?').unwrap_or((path, ""));
        let query = Query::parse(raw_query).unwrap();
        let head = RequestHead {
            method,
            raw_path,
            query: &query,
            headers: &map,
            authority: "h",
            virtual_bucket: bucket,
        };
        match QueryClaim::parse(&query) {
            Ok(claim) => claim.string_to_sign(&head),
            Err(_) => header_string_to_sign(&head),
        }
    }

    /// The examples of AWS's documentation.
    #[expect(clippy::too_many_lines, reason = "a table of examples")]
    #[test]
    fn the_documented_requests_verify() {
        let put = [
            ("content-type", "image/jpeg"),
            ("content-length", "94328"),
            ("date", "Tue, 27 Mar 2007 21:15:45 +0000"),
        ];
        let upload = [
            ("x-amz-acl", "public-read"),
            ("content-type", "application/x-download"),
            ("content-md5", "4gJE4saaMU4BqNR0kLY+lw=="),
            ("x-amz-meta-reviewedby", "joe@johnsmith.net"),
            ("x-amz-meta-reviewedby", "jane@johnsmith.net"),
            ("x-amz-meta-filechecksum", "0x02661779"),
            ("x-amz-meta-checksumalgorithm", "crc32"),
            ("date", "Tue, 27 Mar 2007 21:06:08 +0000"),
        ];
        let (get, johnsmith) = (Method::GET, Some("johnsmith"));
        let cases = [
            (
                string(
                    &get,
                    "/photos/puppy.jpg",
                    &[("date", "Tue, 27 Mar 2007 19:36:42 +0000")],
                    johnsmith,
                ),
                "bWq2s1WEIj+Ydj0vQ697zp+IXMU=",
            ),
            (
                string(&Method::PUT, "/photos/puppy.jpg", &put, johnsmith),
                "MyyxeRY7whkBe+bq8fHCL/2kKUg=",
            ),
            (
                string(
                    &get,
                    "/?prefix=photos&max-keys=50&marker=puppy",
                    &[("date", "Tue, 27 Mar 2007 19:42:41 +0000")],
                    johnsmith,
                ),
                "htDYFYduRNen8P9ZfE/s9SuKy0U=",
            ),
            (
                string(
                    &get,
                    "/?acl",
                    &[("date", "Tue, 27 Mar 2007 19:44:46 +0000")],
                    johnsmith,
                ),
                "c2WLPFtWHVgbEmeEG93a4cG37dM=",
            ),
            (
                string(
                    &Method::PUT,
                    "/db-backup.dat.gz",
                    &upload,
                    Some("static.johnsmith.net"),
                ),
                "ilyl83RwaSoYIEdixDQcA4OnAnc=",
            ),
            (
                string(
                    &get,
                    "/photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=x&Expires=1175139620",
                    &[],
                    johnsmith,
                ),
                "NpgCjnDzrM+WFzoENXmpNDUsSn8=",
            ),
        ];
        for (string, signature) in cases {
            let claim = Claim {
                access_key: "AKIAIOSFODNN7EXAMPLE",
                signature,
            };
            assert!(claim.verify(SECRET, &string), "{string}");
            assert!(!claim.verify("other", &string));
            assert!(!claim.verify(SECRET, &format!("{string} ")));
        }
    }

    #[test]
    fn what_is_added_to_a_presigned_url_is_signed() {
        let base = "/pkg/key?AWSAccessKeyId=A&Signature=x&Expires=1";
        let put = |path: &str, headers| string(&Method::PUT, path, headers, None);
        let plain = put(base, &[]);
        for added in [
            "retention",
            "tagging=",
            "acl",
            "uploadId=1",
            "unheard-of",
            "x-amz-acl=private",
        ] {
            assert_ne!(put(&format!("{base}&{added}"), &[]), plain, "{added}");
        }
        assert_ne!(put(base, &[("x-amz-copy-source", "pkg/secret")]), plain);
        for harmless in ["x-id=PutObject", "prefix=a", "list-type=2"] {
            assert_eq!(put(&format!("{base}&{harmless}"), &[]), plain, "{harmless}");
        }
        // A header that repeats its parameter is fine; one that contradicts it is not.
        let acl = put(&format!("{base}&x-amz-acl=private"), &[]);
        let repeated = put(
            &format!("{base}&x-amz-acl=private"),
            &[("x-amz-acl", "private")],
        );
        assert_eq!(repeated, acl);
        let other = put(
            &format!("{base}&x-amz-acl=private"),
            &[("x-amz-acl", "public-read")],
        );
        assert_ne!(other, acl);
    }

    #[test]
    fn a_malformed_claim_is_refused() {
        for header in ["", "AK", ":sig", "AK:"] {
            assert_eq!(
                Claim::parse_header(header),
                Err(ClaimError::Header),
                "{header}"
            );
        }
        let cases = [
            ("AWSAccessKeyId=A&Signature=s", ClaimError::Missing),
            ("AWSAccessKeyId=A&Expires=1", ClaimError::Missing),
            ("Signature=s&Expires=1", ClaimError::Missing),
            (
                "AWSAccessKeyId=A&Signature=s&Expires=1&Expires=2",
                ClaimError::Duplicate,
            ),
            (
                "AWSAccessKeyId=A&Signature=s&Signature=t&Expires=1",
                ClaimError::Duplicate,
            ),
            ("AWSAccessKeyId=A&Signature=s&Expires=", ClaimError::Expires),
            (
                "AWSAccessKeyId=A&Signature=s&Expires=-1",
                ClaimError::Expires,
            ),
            (
                "AWSAccessKeyId=A&Signature=s&Expires=99999999999",
                ClaimError::Expires,
            ),
        ];
        for (query, expected) in cases {
            let query = Query::parse(query).unwrap();
            assert!(QueryClaim::is_in(&query));
            assert_eq!(QueryClaim::parse(&query), Err(expected), "{query:?}");
        }
        assert!(!QueryClaim::is_in(&Query::parse("Expires=1").unwrap()));
    }
}
