//! From the head of a request to who signed it, before routing and before any byte of the body.

use std::sync::Arc;

use crate::auth::keyring::{Identity, KeyRing};
use crate::auth::settings::AuthSettings;
use crate::domain::ids::Timestamp;
use crate::wire::request_head::RequestHead;
use crate::wire::sigv4::chunk::ChunkChain;
use crate::wire::sigv4::payload::PayloadMode;

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

    /// Decides who signed the request.
    pub fn authenticate(
        &self,
        head: &RequestHead<'_>,
        now: Timestamp,
    ) -> Result<Authenticated, AuthError> {
        let _ = (&self.keys, &self.settings, &self.region, head, now);
        todo!()
    }
}
