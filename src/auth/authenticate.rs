//! From the head of a request to who signed it, before routing and before any byte of the body.

use std::sync::Arc;

use http::{HeaderName, header};

use crate::auth::keyring::{Identity, KeyRing};
use crate::auth::settings::{AuthSettings, SigV2};
use crate::domain::ids::Timestamp;
use crate::wire::credentials::{self, Credentials, CredentialsError};
use crate::wire::form_claim::{FormClaim, FormSignature};
use crate::wire::request_head::RequestHead;
use crate::wire::sigv2;
use crate::wire::sigv4::canonical::OWN_HEADERS;
use crate::wire::sigv4::chunk::{ChunkChain, EMPTY_SHA256};
use crate::wire::sigv4::key::{SigningKey, is_equal};
use crate::wire::sigv4::payload::{PayloadMode, UnknownPayload};
use crate::wire::sigv4::presign::Presigned;
use crate::wire::sigv4::verify::{Claim, VerifyError};

/// Decides who signed a request.
#[derive(Debug)]
pub struct Authenticator {
    keys: Arc<KeyRing>,
    settings: AuthSettings,
    region: String,
}

/// A request whose signature, if it has one, is right.
#[derive(Debug)]
pub struct Authenticated {
    /// Who signed; `None` when the request carries no credentials at all.
    pub identity: Option<Identity>,
    /// How the body is signed and framed.
    pub payload: PayloadMode,
    /// The chain that the chunks of the body must continue; there exactly when the mode is
    /// [`PayloadMode::StreamingSigned`] or [`PayloadMode::StreamingSignedTrailer`].
    pub chain: Option<ChunkChain>,
}

/// Why a request is refused. Each variant is one code of S3, named alike; the text is the public
/// message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// AccessDenied, 403.
    #[error("{0}")]
    AccessDenied(&'static str),
    /// AccessDenied, 403: these `x-amz-*` headers came without being signed.
    #[error("There were headers present in the request which were not signed: {}", .0.join(", "))]
    HeadersNotSigned(Vec<String>),
    /// InvalidAccessKeyId, 403.
    #[error("The AWS access key Id you provided does not exist in our records.")]
    InvalidAccessKeyId(String),
    /// SignatureDoesNotMatch, 403, with what was signed here, for the caller to compare.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check \
         your key and signing method."
    )]
    SignatureDoesNotMatch {
        /// `StringToSign` of the answer.
        string_to_sign: String,
        /// `CanonicalRequest` of the answer; absent for version 2.
        canonical_request: Option<String>,
    },
    /// RequestTimeTooSkewed, 403.
    #[error("The difference between the request time and the current time is too large.")]
    RequestTimeTooSkewed {
        /// `RequestTime` of the answer.
        request_time: Timestamp,
        /// `ServerTime` of the answer.
        server_time: Timestamp,
    },
    /// AuthorizationHeaderMalformed, 400; with the region to use when that is what is wrong.
    #[error("The authorization header is malformed; {message}")]
    AuthorizationHeaderMalformed {
        /// What is wrong.
        message: String,
        /// `Region` of the answer.
        region: Option<String>,
    },
    /// AuthorizationQueryParametersError, 400.
    #[error("{0}")]
    AuthorizationQueryParametersError(String),
    /// InvalidArgument, 400.
    #[error("{0}")]
    InvalidArgument(String),
    /// InvalidRequest, 400.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// InvalidToken, 400: session tokens are not issued here.
    #[error("The provided token is malformed or otherwise invalid.")]
    InvalidToken,
    /// InvalidURI, 400.
    #[error("Couldn't parse the specified URI.")]
    InvalidUri,
}

impl Authenticator {
    /// An authenticator over these keys, for a server of this region.
    pub fn new(keys: Arc<KeyRing>, settings: AuthSettings, region: String) -> Self {
        Self {
            keys,
            settings,
            region,
        }
    }

    /// Decides who signed the request, by an exhaustive match over where the credentials are and
    /// how the body is signed: whatever is not written here is not accepted.
    pub fn authenticate(
        &self,
        head: &RequestHead<'_>,
        now: Timestamp,
    ) -> Result<Authenticated, AuthError> {
        check_host(head)?;
        check_token(head)?;
        let credentials = credentials::find(head)?;
        let (mode, text) = match declared_payload(head, &credentials)? {
            Some((mode, text)) => (Some(mode), text),
            None => (None, UNSIGNED_PAYLOAD),
        };
        let payload = mode.unwrap_or(PayloadMode::Unsigned);
        match (credentials, mode) {
            (Credentials::Absent, mode) => anonymous(mode),
            (Credentials::HeaderV4(_), None) => Err(AuthError::InvalidRequest(
                "Missing required header for this request: x-amz-content-sha256",
            )),
            (Credentials::HeaderV4(claim), Some(mode)) => {
                check_skew(claim.signed_at, now)?;
                let (identity, key) = self.verify_v4(&claim, head, text)?;
                Ok(Authenticated {
                    identity: Some(identity),
                    payload: mode,
                    chain: chain(mode, key, &claim),
                })
            }
            (
                Credentials::QueryV4(_) | Credentials::HeaderV2(..) | Credentials::QueryV2(_),
                Some(PayloadMode::StreamingSigned | PayloadMode::StreamingSignedTrailer),
            )
            | (
                Credentials::HeaderV2(..) | Credentials::QueryV2(_),
                Some(PayloadMode::StreamingUnsignedTrailer),
            ) => Err(AuthError::InvalidRequest(STREAM_NEEDS_HEADER)),
            (
                Credentials::QueryV4(url),
                None
                | Some(
                    PayloadMode::Signed(_)
                    | PayloadMode::Unsigned
                    | PayloadMode::StreamingUnsignedTrailer,
                ),
            ) => {
                check_life(&url, now)?;
                let (identity, _) = self.verify_v4(&Claim::of_presigned(&url), head, text)?;
                Ok(signed(identity, payload))
            }
            (
                Credentials::HeaderV2(claim, signed_at),
                None | Some(PayloadMode::Signed(_) | PayloadMode::Unsigned),
            ) => {
                self.check_v2(&[SigV2::All])?;
                check_skew(signed_at, now)?;
                let identity = self.verify_v2(claim, head, sigv2::header_string_to_sign)?;
                Ok(signed(identity, payload))
            }
            (
                Credentials::QueryV2(url),
                None | Some(PayloadMode::Signed(_) | PayloadMode::Unsigned),
            ) => {
                self.check_v2(&[SigV2::Query, SigV2::All])?;
                check_expiry(&url, now)?;
                let identity = self.verify_v2(url.claim, head, |head| url.string_to_sign(head))?;
                Ok(signed(identity, payload))
            }
        }
    }

    /// Whose signature it is. The work is the same for an unknown access key as for a known one.
    fn verify_v4(
        &self,
        claim: &Claim<'_>,
        head: &RequestHead<'_>,
        payload: &str,
    ) -> Result<(Identity, SigningKey), AuthError> {
        let unsigned = claim.signed_headers.missing(head.headers);
        if !unsigned.is_empty() {
            return Err(AuthError::HeadersNotSigned(unsigned));
        }
        if self.settings.region_strict && claim.scope.region != self.region {
            let (wrong, right) = (claim.scope.region, &self.region);
            return Err(AuthError::AuthorizationHeaderMalformed {
                message: format!("the region '{wrong}' is wrong; expecting '{right}'"),
                region: Some(right.clone()),
            });
        }
        let known = self.keys.find(claim.access_key);
        let holder = known.unwrap_or_else(|| self.keys.nobody());
        let key = holder.signing_key(&claim.scope);
        let outcome = claim.verify(head, payload, &key);
        let unknown = || AuthError::InvalidAccessKeyId(claim.access_key.to_owned());
        let holder = known.ok_or_else(unknown)?;
        match outcome {
            Ok(()) => {
                holder.keep(&claim.scope, &key);
                Ok((holder.identity(), key))
            }
            Err(VerifyError::Uri(_)) => Err(AuthError::InvalidUri),
            Err(VerifyError::Mismatch(mismatch)) => Err(AuthError::SignatureDoesNotMatch {
                string_to_sign: mismatch.string_to_sign,
                canonical_request: Some(mismatch.canonical_request),
            }),
        }
    }

    /// Decides who signed the policy of a browser's form. Its conditions are the caller's to check.
    pub fn authenticate_form(&self, claim: &FormClaim<'_>) -> Result<Identity, AuthError> {
        let access_key = match claim.signature {
            FormSignature::V4 { access_key, .. } => access_key,
            FormSignature::V2(claim) => claim.access_key,
        };
        let known = self.keys.find(access_key);
        let holder = known.unwrap_or_else(|| self.keys.nobody());
        let is_right = match claim.signature {
            FormSignature::V4 {
                scope, signature, ..
            } => {
                if self.settings.region_strict && scope.region != self.region {
                    let (wrong, right) = (scope.region, &self.region);
                    return Err(AuthError::InvalidArgument(format!(
                        "Error parsing the X-Amz-Credential field; the region '{wrong}' is wrong; \
                         expecting '{right}'"
                    )));
                }
                let key = holder.signing_key(&scope);
                let computed = key.sign(claim.policy.as_bytes());
                let is_right = is_equal(computed.as_bytes(), signature.as_bytes());
                if is_right && known.is_some() {
                    holder.keep(&scope, &key);
                }
                is_right
            }
            FormSignature::V2(signature) => {
                self.check_v2(&[SigV2::Query, SigV2::All])?;
                signature.verify(holder.secret().reveal(), claim.policy)
            }
        };
        let unknown = || AuthError::InvalidAccessKeyId(access_key.to_owned());
        let holder = known.ok_or_else(unknown)?;
        if is_right {
            Ok(holder.identity())
        } else {
            Err(AuthError::SignatureDoesNotMatch {
                string_to_sign: claim.policy.to_owned(),
                canonical_request: None,
            })
        }
    }

    fn verify_v2(
        &self,
        claim: sigv2::Claim<'_>,
        head: &RequestHead<'_>,
        string_to_sign: impl Fn(&RequestHead<'_>) -> String,
    ) -> Result<Identity, AuthError> {
        // Version 2 signs no header of Holdfast's own.
        let own = head.headers.keys().map(HeaderName::as_str);
        let own: Vec<_> = own.filter(|name| name.starts_with(OWN_HEADERS)).collect();
        if !own.is_empty() {
            return Err(AuthError::HeadersNotSigned(
                own.into_iter().map(str::to_owned).collect(),
            ));
        }
        let known = self.keys.find(claim.access_key);
        let holder = known.unwrap_or_else(|| self.keys.nobody());
        let secret = holder.secret().reveal();
        let as_sent = string_to_sign(head);
        // botocore sends `/bucket` and signs `/bucket/`; both name the bucket.
        let with_slash = format!("{}/", head.raw_path);
        let with_slash = string_to_sign(&RequestHead {
            raw_path: &with_slash,
            ..*head
        });
        let is_right = claim.verify(secret, &as_sent)
            | (sigv2::is_bare_bucket(head) & claim.verify(secret, &with_slash));
        let unknown = || AuthError::InvalidAccessKeyId(claim.access_key.to_owned());
        let holder = known.ok_or_else(unknown)?;
        if is_right {
            Ok(holder.identity())
        } else {
            Err(AuthError::SignatureDoesNotMatch {
                string_to_sign: as_sent,
                canonical_request: None,
            })
        }
    }

    fn check_v2(&self, taken_with: &[SigV2]) -> Result<(), AuthError> {
        if taken_with.contains(&self.settings.sigv2) {
            return Ok(());
        }
        Err(AuthError::InvalidRequest(
            "The authorization mechanism you have provided is not supported. Please use \
             AWS4-HMAC-SHA256.",
        ))
    }
}

/// How far the clock of a client may be off: 15 minutes.
const MAX_SKEW_SECONDS: i64 = 15 * 60;

const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

const STREAM_NEEDS_HEADER: &str = "A streamed payload with signed chunks needs a signature of version 4 in the Authorization header";

/// A request without credentials. Signed chunks cannot be: there is nothing to check them with.
fn anonymous(mode: Option<PayloadMode>) -> Result<Authenticated, AuthError> {
    match mode {
        Some(PayloadMode::StreamingSigned | PayloadMode::StreamingSignedTrailer) => {
            Err(AuthError::InvalidRequest(STREAM_NEEDS_HEADER))
        }
        None
        | Some(
            PayloadMode::Signed(_) | PayloadMode::Unsigned | PayloadMode::StreamingUnsignedTrailer,
        ) => Ok(Authenticated {
            identity: None,
            payload: mode.unwrap_or(PayloadMode::Unsigned),
            chain: None,
        }),
    }
}

/// The chain for the chunks of a body, if they are signed.
fn chain(mode: PayloadMode, key: SigningKey, claim: &Claim<'_>) -> Option<ChunkChain> {
    match mode {
        PayloadMode::Signed(_) | PayloadMode::Unsigned | PayloadMode::StreamingUnsignedTrailer => {
            None
        }
        PayloadMode::StreamingSigned | PayloadMode::StreamingSignedTrailer => {
            Some(ChunkChain::new(key, claim))
        }
    }
}

fn signed(identity: Identity, payload: PayloadMode) -> Authenticated {
    Authenticated {
        identity: Some(identity),
        payload,
        chain: None,
    }
}

/// The signature covers one host, so a request may have only one.
fn check_host(head: &RequestHead<'_>) -> Result<(), AuthError> {
    if head.headers.get_all(header::HOST).iter().nth(1).is_some() {
        return Err(AuthError::InvalidRequest(
            "A request must have one Host header",
        ));
    }
    Ok(())
}

/// Session tokens are not issued here, so none can be right.
fn check_token(head: &RequestHead<'_>) -> Result<(), AuthError> {
    let has_token = head.headers.contains_key("x-amz-security-token")
        || head.query.contains("X-Amz-Security-Token")
        || head.query.contains("x-amz-security-token");
    if has_token {
        return Err(AuthError::InvalidToken);
    }
    Ok(())
}

/// What the request says of its payload, as a mode and as the text that is signed: the header, or
/// for a presigned URL the parameter that some SDKs make of it.
fn declared_payload<'a>(
    head: &RequestHead<'a>,
    credentials: &Credentials<'a>,
) -> Result<Option<(PayloadMode, &'a str)>, AuthError> {
    let mut values = head.headers.get_all("x-amz-content-sha256").iter();
    let header = values.next();
    if values.next().is_some() {
        return Err(AuthError::InvalidArgument(UnknownPayload.to_string()));
    }
    let unknown = || AuthError::InvalidArgument(UnknownPayload.to_string());
    let header = header.map(|value| value.to_str().map_err(|_| unknown()));
    let parameter = match credentials {
        Credentials::QueryV4(url) => url.payload,
        Credentials::Absent
        | Credentials::HeaderV4(_)
        | Credentials::HeaderV2(..)
        | Credentials::QueryV2(_) => None,
    };
    let text = match (header.transpose()?, parameter) {
        // curl before 8 names no payload; without a body there is but one to sign.
        (None, None)
            if matches!(credentials, Credentials::HeaderV4(_)) && !announces_body(head) =>
        {
            EMPTY_SHA256
        }
        (None, None) => return Ok(None),
        (Some(text), None) | (None, Some(text)) => text,
        (Some(text), Some(parameter)) if text == parameter => text,
        (Some(_), Some(_)) => return Err(unknown()),
    };
    let mode = PayloadMode::parse(text).map_err(|_| unknown())?;
    Ok(Some((mode, text)))
}

/// Whether the head announces a body. One that comes unannounced must be empty: it is signed so.
fn announces_body(head: &RequestHead<'_>) -> bool {
    let length = head.headers.get(header::CONTENT_LENGTH);
    head.headers.contains_key(header::TRANSFER_ENCODING)
        || length.is_some_and(|length| length.as_bytes() != b"0")
}

fn check_skew(signed_at: Timestamp, now: Timestamp) -> Result<(), AuthError> {
    if signed_at.seconds().abs_diff(now.seconds()) <= MAX_SKEW_SECONDS.unsigned_abs() {
        return Ok(());
    }
    Err(AuthError::RequestTimeTooSkewed {
        request_time: signed_at,
        server_time: now,
    })
}

fn check_life(url: &Presigned<'_>, now: Timestamp) -> Result<(), AuthError> {
    let age = now.seconds().saturating_sub(url.signed_at.seconds());
    if age < -MAX_SKEW_SECONDS {
        return Err(AuthError::AccessDenied("Request is not valid yet"));
    }
    if age > url.expires_seconds {
        return Err(AuthError::AccessDenied("Request has expired"));
    }
    Ok(())
}

fn check_expiry(url: &sigv2::QueryClaim<'_>, now: Timestamp) -> Result<(), AuthError> {
    if now >= url.expires_at {
        return Err(AuthError::AccessDenied("Request has expired"));
    }
    Ok(())
}

impl From<CredentialsError> for AuthError {
    fn from(error: CredentialsError) -> Self {
        let message = error.to_string();
        match error {
            CredentialsError::Several | CredentialsError::UnsupportedType => {
                Self::InvalidArgument(message)
            }
            CredentialsError::Header(_) | CredentialsError::ScopeDate => {
                Self::AuthorizationHeaderMalformed {
                    message,
                    region: None,
                }
            }
            CredentialsError::Query(_) | CredentialsError::QueryScopeDate => {
                Self::AuthorizationQueryParametersError(message)
            }
            CredentialsError::V2(_) => Self::AccessDenied(
                "The signature of version 2 in the request is malformed or incomplete",
            ),
            CredentialsError::NoDate => {
                Self::AccessDenied("AWS authentication requires a valid Date or x-amz-date header")
            }
        }
    }
}
