//! Signs requests: what our own command line and the tests send.

use http::{HeaderName, HeaderValue};

use crate::domain::ids::Timestamp;
use crate::wire::request_head::RequestHead;
use crate::wire::sigv4::canonical::{SignedHeaders, canonical_request, string_to_sign};
use crate::wire::sigv4::chunk::ChunkChain;
use crate::wire::sigv4::date::format_basic;
use crate::wire::sigv4::header::ALGORITHM;
use crate::wire::sigv4::key::{Scope, SigningKey};
use crate::wire::sigv4::verify::Claim;
use crate::wire::uri::{Slash, UriError, percent_encode};

/// Who signs, for which region, and when.
#[derive(Clone, Copy)]
pub struct Signer<'a> {
    /// The access key.
    pub access_key: &'a str,
    /// The secret key.
    pub secret_key: &'a str,
    /// The region of the scope.
    pub region: &'a str,
    /// The time of signing.
    pub at: Timestamp,
}

/// What a signature adds to a request.
#[derive(Debug)]
pub struct Signature {
    /// Headers to add: `authorization`, `x-amz-date`, `x-amz-content-sha256`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The chain for the chunks of a signed stream.
    pub chain: ChunkChain,
}

impl Signer<'_> {
    /// Signs a request in the `Authorization` header: its `host` and every header it has.
    /// `payload` is the value for `x-amz-content-sha256`.
    pub fn sign_header(
        &self,
        head: &RequestHead<'_>,
        payload: &str,
    ) -> Result<Signature, UriError> {
        let date = format_basic(self.at);
        let mut headers = head.headers.clone();
        headers.insert("x-amz-date", value(&date));
        headers.insert("x-amz-content-sha256", value(payload));
        let list = list_of(&headers);
        let head = RequestHead {
            headers: &headers,
            ..*head
        };
        let (scope, key) = self.scope(&date);
        let signed_headers = SignedHeaders::parse(&list).expect("sorted names with host");
        let canonical = canonical_request(&head, signed_headers, payload)?;
        let signature = key.sign(string_to_sign(&date, &scope, &canonical).as_bytes());
        let authorization = format!(
            "{ALGORITHM} Credential={}/{scope},SignedHeaders={list},Signature={signature}",
            self.access_key
        );
        let claim = Claim {
            access_key: self.access_key,
            scope,
            signed_headers,
            signature: &signature,
            date: (&*date).into(),
            signed_at: self.at,
        };
        let chain = ChunkChain::new(key, &claim);
        let added = [
            ("authorization", &*authorization),
            ("x-amz-date", &date),
            ("x-amz-content-sha256", payload),
        ];
        Ok(Signature {
            headers: added
                .map(|(name, text)| (HeaderName::from_static(name), value(text)))
                .into(),
            chain,
        })
    }

    /// The raw query of a presigned URL for a request whose own query is `query` and which will be
    /// sent with the headers of `head`.
    pub fn presign(
        &self,
        head: &RequestHead<'_>,
        expires_seconds: u32,
    ) -> Result<String, UriError> {
        let date = format_basic(self.at);
        let (scope, key) = self.scope(&date);
        let list = list_of(head.headers);
        let encode = |text: &str| percent_encode(text.as_bytes(), Slash::Encode);
        let mut raw = String::new();
        for (name, value) in head.query.iter() {
            raw.extend([&*encode(name), "=", &*encode(value), "&"]);
        }
        let parameters = format!(
            "X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={}&X-Amz-Date={date}\
             &X-Amz-Expires={expires_seconds}&X-Amz-SignedHeaders={}",
            encode(&format!("{}/{scope}", self.access_key)),
            encode(&list),
        );
        raw.push_str(&parameters);
        let query = crate::wire::uri::Query::parse(&raw)?;
        let head = RequestHead {
            query: &query,
            ..*head
        };
        let signed_headers = SignedHeaders::parse(&list).expect("sorted names with host");
        let payload = head.headers.get("x-amz-content-sha256");
        let payload = payload.and_then(|value| value.to_str().ok());
        let canonical =
            canonical_request(&head, signed_headers, payload.unwrap_or("UNSIGNED-PAYLOAD"))?;
        let signature = key.sign(string_to_sign(&date, &scope, &canonical).as_bytes());
        Ok(format!("{raw}&X-Amz-Signature={signature}"))
    }

    fn scope<'d>(&'d self, date: &'d str) -> (Scope<'d>, SigningKey) {
        let scope = Scope {
            date: date.get(..8).unwrap_or(date),
            region: self.region,
            service: "s3",
        };
        (scope, SigningKey::derive(self.secret_key, &scope))
    }
}

fn list_of(headers: &http::HeaderMap) -> String {
    let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    names.retain(|name| *name != "host");
    names.push("host");
    names.sort_unstable();
    names.join(";")
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("dates, digests and credentials are visible ASCII")
}
