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
