//! A request as it arrives, and an authenticator to try it on.

use std::sync::Arc;

use holdfast::auth::authenticate::{AuthError, Authenticated, Authenticator};
use holdfast::auth::keyring::KeyRing;
use holdfast::auth::secret::Secret;
use holdfast::auth::settings::{AuthSettings, KeySettings, SigV2, UserSettings};
use holdfast::domain::ids::Timestamp;
use holdfast::wire::request_head::RequestHead;
use holdfast::wire::sigv4::date::parse_basic;
use holdfast::wire::sigv4::sign::Signer;
use holdfast::wire::uri::Query;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

pub const NOW: &str = "20261123T081530Z";
pub const ACCESS_KEY: &str = "AKGOLDEN";
pub const SECRET_KEY: &str = "golden/secret+key";

pub fn now() -> Timestamp {
    parse_basic(NOW).unwrap()
}

/// A request.
#[derive(Debug, Clone)]
pub struct Arriving {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub authority: String,
    pub bucket: Option<String>,
}

impl Arriving {
    pub fn new(method: Method, path: &str, query: &str) -> Self {
        Self {
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            headers: HeaderMap::new(),
            authority: "s3.example.org:9000".to_owned(),
            bucket: None,
        }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name).unwrap();
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        self.headers.append(name, value);
        self
    }

    /// The same request, signed in the header.
    pub fn signed(mut self, payload: &str) -> Self {
        let added = self.head(|head| signer().sign_header(head, payload).unwrap().headers);
        for (name, value) in added {
            self.headers.insert(name, value);
        }
        self
    }

    /// The same request, presigned.
    pub fn presigned(mut self) -> Self {
        self.query = self.head(|head| signer().presign(head, 3600).unwrap());
        self
    }

    pub fn head<T>(&self, then: impl FnOnce(&RequestHead<'_>) -> T) -> T {
        let query = Query::parse(&self.query).unwrap();
        then(&RequestHead {
            method: &self.method,
            raw_path: &self.path,
            query: &query,
            headers: &self.headers,
            authority: &self.authority,
            virtual_bucket: self.bucket.as_deref(),
        })
    }

    pub fn authenticate(&self, with: &Authenticator) -> Result<Authenticated, AuthError> {
        self.at(with, now())
    }

    /// The user who signed, or the code of the refusal.
    pub fn outcome(&self, with: &Authenticator) -> String {
        outcome(&self.authenticate(with))
    }

    pub fn at(&self, with: &Authenticator, now: Timestamp) -> Result<Authenticated, AuthError> {
        self.head(|head| with.authenticate(head, now))
    }
}

pub fn signer() -> Signer<'static> {
    Signer {
        access_key: ACCESS_KEY,
        secret_key: SECRET_KEY,
        region: "us-east-1",
        at: now(),
    }
}

pub fn authenticator(sigv2: SigV2, region_strict: bool) -> Authenticator {
    let user = UserSettings {
        id: "golden".to_owned(),
        display_name: None,
        email: None,
        keys: vec![KeySettings {
            access_key: ACCESS_KEY.to_owned(),
            secret_key: Secret::new(SECRET_KEY.to_owned()),
        }],
        grants: Vec::new(),
    };
    let keys = KeyRing::new("ROOTKEY", Secret::new("root-secret".to_owned()), &[user]).unwrap();
    let settings = AuthSettings {
        sigv2,
        region_strict,
    };
    Authenticator::new(Arc::new(keys), settings, "home".to_owned())
}

/// The S3 code that an error stands for.
pub fn code(error: &AuthError) -> &'static str {
    match error {
        AuthError::AccessDenied(_) => "AccessDenied",
        AuthError::HeadersNotSigned(_) => "HeadersNotSigned",
        AuthError::InvalidAccessKeyId(_) => "InvalidAccessKeyId",
        AuthError::SignatureDoesNotMatch { .. } => "SignatureDoesNotMatch",
        AuthError::RequestTimeTooSkewed { .. } => "RequestTimeTooSkewed",
        AuthError::AuthorizationHeaderMalformed { .. } => "AuthorizationHeaderMalformed",
        AuthError::AuthorizationQueryParametersError(_) => "AuthorizationQueryParametersError",
        AuthError::InvalidArgument(_) => "InvalidArgument",
        AuthError::InvalidRequest(_) => "InvalidRequest",
        AuthError::InvalidToken => "InvalidToken",
        AuthError::InvalidUri => "InvalidUri",
    }
}

/// The user who signed, or the code of the refusal.
pub fn outcome(result: &Result<Authenticated, AuthError>) -> String {
    match result {
        Ok(found) => match &found.identity {
            Some(identity) => identity.user.id.clone(),
            None => "anonymous".to_owned(),
        },
        Err(error) => code(error).to_owned(),
    }
}
