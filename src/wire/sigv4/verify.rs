//! Verifies what a request claims of its signature.

use std::borrow::Cow;

use crate::domain::ids::Timestamp;
use crate::wire::request_head::RequestHead;
use crate::wire::sigv4::canonical::{SignedHeaders, canonical_request, string_to_sign};
use crate::wire::sigv4::header::Authorization;
use crate::wire::sigv4::key::{Scope, SigningKey, is_equal};
use crate::wire::sigv4::presign::Presigned;
use crate::wire::uri::UriError;

/// What a request says about its signature, wherever it says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim<'a> {
    /// Whose key.
    pub access_key: &'a str,
    /// What the signature is good for.
    pub scope: Scope<'a>,
    /// What is signed besides method, path, query and payload.
    pub signed_headers: SignedHeaders<'a>,
    /// 64 lower-case hex digits.
    pub signature: &'a str,
    /// The time of signing as the string to sign has it.
    pub date: Cow<'a, str>,
    /// The time of signing.
    pub signed_at: Timestamp,
}

/// A signature that is not the one computed here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The canonical request.
    pub canonical_request: String,
    /// The string to sign.
    pub string_to_sign: String,
}

/// Why a claim does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerifyError {
    /// The path cannot be decoded.
    Uri(UriError),
    /// Another signature; boxed, as it is rare and large.
    Mismatch(Box<Mismatch>),
}

impl<'a> Claim<'a> {
    /// The claim of an `Authorization` header and the request's date.
    pub fn of_header(header: Authorization<'a>, date: Cow<'a, str>, signed_at: Timestamp) -> Self {
        Self {
            access_key: header.access_key,
            scope: header.scope,
            signed_headers: header.signed_headers,
            signature: header.signature,
            date,
            signed_at,
        }
    }

    /// The claim of a presigned URL.
    pub fn of_presigned(url: &Presigned<'a>) -> Self {
        Self {
            access_key: url.access_key,
            scope: url.scope,
            signed_headers: url.signed_headers,
            signature: url.signature,
            date: Cow::Borrowed(url.date),
            signed_at: url.signed_at,
        }
    }

    /// Compares the claimed signature with the one that the key makes.
    pub fn verify(
        &self,
        head: &RequestHead<'_>,
        payload_hash: &str,
        key: &SigningKey,
    ) -> Result<(), VerifyError> {
        let canonical =
            canonical_request(head, self.signed_headers, payload_hash).map_err(VerifyError::Uri)?;
        let string_to_sign = string_to_sign(&self.date, &self.scope, &canonical);
        let computed = key.sign(string_to_sign.as_bytes());
        if is_equal(computed.as_bytes(), self.signature.as_bytes()) {
            return Ok(());
        }
        Err(VerifyError::Mismatch(Box::new(Mismatch {
            canonical_request: String::from_utf8_lossy(&canonical).into_owned(),
            string_to_sign,
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::credentials::{Credentials, find};
    use crate::wire::sigv4::chunk::EMPTY_SHA256;
    use crate::wire::uri::Query;
    use http::{HeaderMap, HeaderName, HeaderValue, Method};

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    const CREDENTIAL: &str = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";
    const HOST: &str = "examplebucket.s3.amazonaws.com";

    struct Example {
        method: Method,
        path: &'static str,
        host: &'static str,
        headers: &'static [(&'static str, &'static str)],
        payload: &'static str,
        signature: &'static str,
    }

    impl Example {
        fn verify(&self) -> Result<(), VerifyError> {
            let mut headers: HeaderMap = self
                .headers
                .iter()
                .map(|&(name, value)| {
                    let (name, value) = (
                        HeaderName::from_static(name),
                        HeaderValue::from_static(value),
                    );
                    (name, value)
                })
                .collect();
            let (path, raw_query) = self.path.split_once('?').unwrap_or((self.path, ""));
            if !raw_query.contains("X-Amz-Signature") {
                let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
                names.push("host");
                names.sort_unstable();
                let authorization = format!(
                    "AWS4-HMAC-SHA256 Credential={CREDENTIAL},SignedHeaders={},Signature={}",
                    names.join(";"),
                    self.signature
                );
                headers.insert(
                    "authorization",
                    HeaderValue::try_from(authorization).unwrap(),
                );
            }
            let query = Query::parse(raw_query).unwrap();
            let head = RequestHead {
                method: &self.method,
                raw_path: path,
                query: &query,
                headers: &headers,
                authority: self.host,
                virtual_bucket: None,
            };
            let claim = match find(&head).unwrap() {
                Credentials::HeaderV4(claim) => claim,
                Credentials::QueryV4(url) => Claim::of_presigned(&url),
                other => panic!("{other:?}"),
            };
            let key = SigningKey::derive(SECRET, &claim.scope);
            claim.verify(&head, self.payload, &key)
        }
    }

    /// The examples of AWS's documentation of header, query and streaming signatures.
    #[expect(clippy::too_many_lines, reason = "a table of examples")]
    #[test]
    fn the_documented_requests_verify() {
        let examples = [
            Example {
                method: Method::GET,
                path: "/test.txt",
                host: HOST,
                headers: &[
                    ("range", "bytes=0-9"),
                    ("x-amz-content-sha256", EMPTY_SHA256),
                    ("x-amz-date", "20130524T000000Z"),
                ],
                payload: EMPTY_SHA256,
                signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            },
            Example {
                method: Method::PUT,
                path: "/test$file.text",
                host: HOST,
                headers: &[
                    ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                    ("x-amz-date", "20130524T000000Z"),
                    ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
                    (
                        "x-amz-content-sha256",
                        "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
                    ),
                ],
                payload: "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
                signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            },
            Example {
                method: Method::GET,
                path: "/?lifecycle",
                host: HOST,
                headers: &[
                    ("x-amz-content-sha256", EMPTY_SHA256),
                    ("x-amz-date", "20130524T000000Z"),
                ],
                payload: EMPTY_SHA256,
                signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            },
            Example {
                method: Method::GET,
                path: "/?max-keys=2&prefix=J",
                host: HOST,
                headers: &[
                    ("x-amz-content-sha256", EMPTY_SHA256),
                    ("x-amz-date", "20130524T000000Z"),
                ],
                payload: EMPTY_SHA256,
                signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            },
            Example {
                method: Method::GET,
                path: "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE\
                    %2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z\
                    &X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=\
                    aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
                host: HOST,
                headers: &[],
                payload: "UNSIGNED-PAYLOAD",
                signature: "",
            },
            Example {
                method: Method::PUT,
                path: "/examplebucket/chunkObject.txt",
                host: "s3.amazonaws.com",
                headers: &[
                    ("content-encoding", "aws-chunked"),
                    ("content-length", "66824"),
                    ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
                    ("x-amz-date", "20130524T000000Z"),
                    ("x-amz-decoded-content-length", "66560"),
                    ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
                ],
                payload: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
                signature: "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
            },
        ];
        for example in examples {
            assert_eq!(
                example.verify(),
                Ok(()),
                "{} {}",
                example.method,
                example.path
            );
            let other = Example {
                method: Method::DELETE,
                ..example
            };
            assert!(matches!(other.verify(), Err(VerifyError::Mismatch(_))));
        }
    }
}
