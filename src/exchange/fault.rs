//! Why a request is refused: one table of codes, and every error of the rooms below turned into
//! one of them exactly once.
//!
//! The message tells the caller what to do; the cause goes to the log and never to the wire. Only
//! `render.rs` renders.

use std::borrow::Cow;
use std::fmt;

use http::{HeaderName, HeaderValue, StatusCode, header};

use crate::auth::authenticate::AuthError;
use crate::domain::consumer::ConsumerRejection;
use crate::domain::description::InvalidDescription;
use crate::domain::digest::ClaimMismatch;
use crate::domain::name::InvalidName;
use crate::domain::package::Rejection;
use crate::domain::upload::PartsError;
use crate::domain::verb::Verb;
use crate::registry::error::Error;
use crate::registry::source::SourceError;
use crate::wire::checksum::ChecksumError;
use crate::wire::conditions::ConflictingConditions;
use crate::wire::copy_source::CopySourceError;
use crate::wire::resource::ResourceError;
use crate::wire::uri::UriError;
use crate::wire::xml::XmlError;

macro_rules! codes {
    ($($name:ident $status:literal $message:literal;)*) => {
        /// A code of S3, by its own name.
        /// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $message] $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name on the wire, the status, and the message when nothing better is known.
            fn row(self) -> (&'static str, u16, &'static str) {
                match self {
                    $(Self::$name => (stringify!($name), $status, $message),)*
                }
            }
        }
    };
}

codes! {
    AccessControlListNotSupported 400 "The bucket does not allow ACLs";
    AccessDenied 403 "Access Denied";
    AccessForbidden 403 "Access Forbidden";
    AuthorizationHeaderMalformed 400 "The authorization header you provided is invalid.";
    AuthorizationQueryParametersError 400 "The authorization query parameters you provided are invalid.";
    BadDigest 400 "The digest you specified did not match what we received.";
    BadRequest 400 "Bad Request";
    BucketAlreadyExists 409 "The requested bucket name is not available. Please select a different name and try again.";
    BucketAlreadyOwnedByYou 409 "The bucket you tried to create already exists, and you own it.";
    BucketNotEmpty 409 "The bucket you tried to delete is not empty.";
    ConditionalRequestConflict 409 "A conflicting conditional operation is under way on this resource. Try again.";
    ConsumerAlreadyExists 409 "A consumer of this name belongs to another user. Choose another name.";
    ConsumerIsAhead 409 "The consumer has acknowledged more than this already.";
    EntityTooLarge 400 "Your proposed upload exceeds the maximum allowed size.";
    EntityTooSmall 400 "Your proposed upload is smaller than the minimum allowed size.";
    ExpiredToken 400 "The provided token has expired.";
    IllegalVersioningConfigurationException 400 "The Versioning element must be specified";
    IllegalLocationConstraintException 400 "The location constraint is incompatible with the region of this endpoint.";
    IncompleteBody 400 "You did not provide the number of bytes specified by the Content-Length HTTP header.";
    IncorrectNumberOfFilesInPostRequest 400 "POST requires exactly one file upload per request.";
    InternalError 500 "We encountered an internal error. Please try again.";
    InvalidAccessKeyId 403 "The AWS access key Id you provided does not exist in our records.";
    InvalidArgument 400 "Invalid Argument";
    InvalidBucketName 400 "The specified bucket is not valid.";
    InvalidBucketState 409 "The request is not valid with the current state of the bucket.";
    InvalidDigest 400 "The Content-MD5 you specified was invalid.";
    InvalidLocationConstraint 400 "The specified location-constraint is not valid";
    InvalidPart 400 "One or more of the specified parts could not be found, or its ETag did not match.";
    InvalidPartNumber 416 "The requested part number is not satisfiable.";
    InvalidPartOrder 400 "The list of parts was not in ascending order.";
    InvalidPolicyDocument 400 "The content of the form does not meet the conditions specified in the policy document.";
    InvalidRange 416 "The requested range is not satisfiable.";
    InvalidRequest 400 "Invalid Request";
    InvalidStorageClass 400 "The storage class you specified is not valid.";
    InvalidTag 400 "The tag provided was not a valid tag.";
    InvalidToken 400 "The provided token is malformed or otherwise invalid.";
    InvalidURI 400 "Couldn't parse the specified URI.";
    KeyTooLongError 400 "Your key is too long.";
    MalformedPOSTRequest 400 "The body of your POST request is not well-formed multipart/form-data.";
    MalformedTrailerError 400 "The request contained trailing data that was not well-formed or did not conform to our published schema.";
    MalformedXML 400 "The XML you provided was not well-formed or did not validate against our published schema.";
    MaxMessageLengthExceeded 400 "Your request was too big.";
    MaxPostPreDataLengthExceeded 400 "Your POST request fields preceding the upload file were too large.";
    MetadataSchemaConflict 409 "The metadata schema has another version already.";
    MetadataTooLarge 400 "Your metadata headers exceed the maximum allowed metadata size.";
    MethodNotAllowed 405 "The specified method is not allowed against this resource.";
    MissingContentLength 411 "You must provide the Content-Length HTTP header.";
    MissingRequestBodyError 400 "Request body is empty.";
    MissingSecurityHeader 400 "Your request was missing a required header.";
    NoSuchBucket 404 "The specified bucket does not exist.";
    NoSuchBucketPolicy 404 "The bucket policy does not exist";
    NoSuchConfiguration 404 "The specified configuration does not exist.";
    NoSuchConsumer 404 "There is no consumer of this name.";
    NoSuchCORSConfiguration 404 "The CORS configuration does not exist";
    NoSuchEndpoint 404 "There is no such endpoint.";
    NoSuchFile 404 "The specified file does not exist.";
    NoSuchKey 404 "The specified key does not exist.";
    NoSuchMetadataSchema 404 "There is no such metadata schema.";
    NoSuchObjectLockConfiguration 404 "The specified object does not have an ObjectLock configuration.";
    NoSuchPublicAccessBlockConfiguration 404 "The public access block configuration was not found";
    NoSuchTagSet 404 "The TagSet does not exist";
    NoSuchUpload 404 "The specified multipart upload does not exist. The upload ID might be invalid, or the multipart upload might have been aborted or completed.";
    NoSuchVersion 404 "The specified version does not exist.";
    NoSuchWebsiteConfiguration 404 "The specified bucket does not have a website configuration";
    NotImplemented 501 "A header or query you provided implies functionality that is not implemented.";
    ObjectLockConfigurationNotFoundError 404 "Object Lock configuration does not exist for this bucket";
    OpenUploads 409 "Multipart uploads are open. Complete or abort them first.";
    OperationAborted 409 "A conflicting operation is under way on this resource. Try again.";
    OwnershipControlsNotFoundError 404 "The bucket ownership controls were not found";
    PreconditionFailed 412 "At least one of the preconditions you specified did not hold.";
    ReplicationConfigurationNotFoundError 404 "The replication configuration was not found";
    RequestHeaderSectionTooLarge 400 "Your request header section exceeds the maximum allowed size.";
    RequestTimeout 400 "Your socket connection to the server was not read from or written to within the timeout period.";
    RequestTimeTooSkewed 403 "The difference between the request time and the current time is too large.";
    ServerSideEncryptionConfigurationNotFoundError 404 "The server side encryption configuration was not found";
    ServiceUnavailable 503 "The service is unable to handle the request now. Please try again.";
    SignatureDoesNotMatch 403 "The request signature we calculated does not match the signature you provided. Check your key and signing method.";
    SlowDown 503 "Please reduce your request rate.";
    TooManyConsumers 409 "There are as many consumers as there may be. Remove one first.";
    XAmzContentSHA256Mismatch 400 "The provided 'x-amz-content-sha256' header does not match what was computed.";
}

impl Code {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// The status of an answer with this code.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().1).expect("the table has valid statuses")
    }
}

/// A refusal. Small to move: what it carries is behind one pointer.
pub struct Fault(Box<Carried>);

struct Carried {
    code: Code,
    message: Cow<'static, str>,
    details: Vec<(&'static str, String)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<String>,
}

/// The most uploads that a message names.
const MAX_NAMED: usize = 10;

/// How long a client is asked to wait, in seconds, when the server cannot serve now.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

impl Fault {
    /// A refusal with the code's own message.
    pub fn new(code: Code) -> Self {
        let headers = match code {
            Code::SlowDown | Code::ServiceUnavailable => vec![(header::RETRY_AFTER, RETRY_AFTER)],
            _ => Vec::new(),
        };
        Self(Box::new(Carried {
            code,
            message: Cow::Borrowed(code.row().2),
            details: Vec::new(),
            headers,
            cause: None,
        }))
    }

    /// `InvalidArgument` about a named argument.
    pub fn argument(name: &str, value: &str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::InvalidArgument)
            .message(message)
            .detail("ArgumentName", name)
            .detail("ArgumentValue", value)
    }

    /// `AccessDenied` for want of a verb.
    pub fn denied(verb: Verb) -> Self {
        Self::new(Code::AccessDenied).message(format!(
            "Access Denied: you may not '{verb}' on this package."
        ))
    }

    /// `AccessDenied` for want of a verb on every package.
    pub fn denied_everywhere(verb: Verb) -> Self {
        Self::new(Code::AccessDenied).message(format!(
            "Access Denied: you may not '{verb}' on every package."
        ))
    }

    /// A defect: the cause is for the log, the caller learns nothing but `InternalError`.
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self::new(Code::InternalError).cause(cause)
    }

    /// With this public message.
    #[must_use]
    pub fn message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.0.message = message.into();
        self
    }

    /// With an element beside code and message, such as `BucketName` or `UploadId`.
    #[must_use]
    pub fn detail(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.details.push((name, value.into()));
        self
    }

    /// With a header on the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// With a private cause for the log.
    #[must_use]
    pub fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.0.code.status()
    }

    /// The public message.
    pub fn public_message(&self) -> &str {
        &self.0.message
    }

    /// The elements beside code and message.
    pub fn details(&self) -> &[(&'static str, String)] {
        &self.0.details
    }

    /// The headers of the answer.
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.0.headers
    }

    /// The cause for the log.
    pub fn private_cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault")
            .field("code", &self.0.code)
            .field("message", &self.0.message)
            .field("details", &self.0.details)
            .field("cause", &self.0.cause)
            .finish_non_exhaustive()
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Rejected(rejection) => rejection.into(),
            Error::Consumer(rejection) => rejection.into(),
            Error::Claim(mismatch) => mismatch.into(),
            Error::Source(source) => source.into(),
            Error::Parts(parts) => parts.into(),
            Error::InvalidArgument(message) => Self::new(Code::InvalidArgument).message(message),
            Error::Busy => Self::new(Code::SlowDown),
            Error::Unavailable(cause) => Self::new(Code::ServiceUnavailable).cause(cause),
            Error::Corrupt(cause) => Self::internal(format_args!("stored bytes: {cause}")),
            Error::Internal(cause) => Self::internal(cause),
        }
    }
}

impl From<Rejection> for Fault {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::NoSuchPackage => Self::new(Code::NoSuchBucket),
            // Whether the caller is the owner is known where buckets are created.
            Rejection::NameTaken { .. } => Self::new(Code::BucketAlreadyExists),
            Rejection::NameRetired => {
                Self::new(Code::BucketAlreadyExists).message(sentence(&rejection))
            }
            Rejection::Finalized { manifest } => Self::new(Code::AccessDenied)
                .message(format!(
                    "Access Denied: the package is finalized and changes no more; its manifest is \
                     {manifest}."
                ))
                .detail("ManifestDigest", manifest.to_string()),
            Rejection::Sealing => Self::new(Code::OperationAborted)
                .message("The package is being finalized. Try again."),
            Rejection::PreconditionFailed => Self::new(Code::PreconditionFailed),
            Rejection::NoSuchFile => Self::new(Code::NoSuchKey),
            Rejection::WriteOnce => Self::new(Code::AccessDenied)
                .message("Access Denied: the package is write-once, and its keys are not removed."),
            Rejection::DuplicatePath => Self::new(Code::PreconditionFailed)
                .message("The package is write-once and already has this key."),
            Rejection::NotEmpty => Self::new(Code::BucketNotEmpty),
            Rejection::OpenUploads(uploads) => {
                let names: Vec<_> = uploads
                    .iter()
                    .take(MAX_NAMED)
                    .map(ToString::to_string)
                    .collect();
                let more = match uploads.len().saturating_sub(MAX_NAMED) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                let fault = Self::new(Code::OpenUploads).message(format!(
                    "Multipart uploads are open. Complete or abort them first: {}{more}.",
                    names.join(", ")
                ));
                uploads.iter().fold(fault, |fault, upload| {
                    fault.detail("UploadId", upload.to_string())
                })
            }
            Rejection::Retained { .. } | Rejection::Held { .. } => {
                Self::new(Code::AccessDenied).message(format!("Access Denied: {rejection}."))
            }
            Rejection::Version(refused) => refused.into(),
            Rejection::NeverExpires
            | Rejection::NotLater { .. }
            | Rejection::TooManyHolds
            | Rejection::NoSuchSchema(_)
            | Rejection::UnknownRetentionClass(_) => {
                Self::new(Code::InvalidArgument).message(sentence(&rejection))
            }
            Rejection::SchemaConflict { .. } => {
                Self::new(Code::MetadataSchemaConflict).message(sentence(&rejection))
            }
            Rejection::Description(invalid) => invalid.into(),
            Rejection::NoSuchHold => Self::new(Code::NoSuchKey).message(sentence(&rejection)),
            Rejection::NotFinalized => {
                Self::new(Code::InvalidRequest).message(sentence(&rejection))
            }
            Rejection::NoSuchUpload => Self::new(Code::NoSuchUpload),
            Rejection::PartsChanged => Self::new(Code::InvalidPart)
                .message("A part was replaced while the upload was being completed."),
            Rejection::ContentDigestMismatch { actual } => Self::new(Code::PreconditionFailed)
                .message(format!("The package's content digest is {actual}."))
                .detail("ContentDigest", actual.to_string()),
        }
    }
}

impl From<ConsumerRejection> for Fault {
    fn from(rejection: ConsumerRejection) -> Self {
        match rejection {
            ConsumerRejection::NoSuchConsumer => Self::new(Code::NoSuchConsumer),
            ConsumerRejection::NotOwner => Self::new(Code::AccessDenied)
                .message("Access Denied: the consumer belongs to another user."),
            ConsumerRejection::NameTaken => Self::new(Code::ConsumerAlreadyExists),
            ConsumerRejection::TooMany { limit } => {
                Self::new(Code::TooManyConsumers).detail("Limit", limit.to_string())
            }
            ConsumerRejection::Behind { acked } => Self::new(Code::ConsumerIsAhead)
                .message(format!(
                    "Everything up to {acked} is acknowledged already. To read it again, repeat \
                     with \"rewind\": true."
                ))
                .detail("Acknowledged", acked.to_string()),
            ConsumerRejection::BeyondHead { head } => Self::new(Code::InvalidArgument)
                .message(format!("The log ends at {head}."))
                .detail("Head", head.to_string()),
        }
    }
}

impl From<InvalidDescription> for Fault {
    fn from(invalid: InvalidDescription) -> Self {
        match invalid {
            InvalidDescription::Metadata(_) => {
                Self::new(Code::InvalidArgument).message(sentence(&invalid))
            }
            InvalidDescription::Tag { key, reason } => {
                let fault = Self::new(Code::InvalidTag).message(reason);
                if key.is_empty() {
                    fault
                } else {
                    fault.detail("TagKey", key)
                }
            }
        }
    }
}

impl From<ClaimMismatch> for Fault {
    fn from(mismatch: ClaimMismatch) -> Self {
        let code = match mismatch {
            ClaimMismatch::Size { .. } => Code::IncompleteBody,
            ClaimMismatch::Md5 | ClaimMismatch::Checksum(_) => Code::BadDigest,
            ClaimMismatch::PayloadSha256 => Code::XAmzContentSHA256Mismatch,
        };
        Self::new(code).message(sentence(&mismatch))
    }
}

impl From<SourceError> for Fault {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Incomplete => Self::new(Code::IncompleteBody),
            SourceError::Stalled => Self::new(Code::RequestTimeout),
            SourceError::Malformed(_) => Self::new(Code::InvalidRequest).message(sentence(&error)),
            SourceError::Signature => Self::new(Code::SignatureDoesNotMatch),
            SourceError::Unreadable(cause) => {
                Self::internal(format_args!("the bytes to copy: {cause}"))
            }
            SourceError::TooLarge { limit_bytes } => {
                Self::new(Code::EntityTooLarge).detail("MaxSizeAllowed", limit_bytes.to_string())
            }
            SourceError::TooSmall {
                size_bytes,
                minimum_bytes,
            } => Self::new(Code::EntityTooSmall)
                .detail("ProposedSize", size_bytes.to_string())
                .detail("MinSizeAllowed", minimum_bytes.to_string()),
        }
    }
}

impl From<PartsError> for Fault {
    fn from(error: PartsError) -> Self {
        let fault = match &error {
            PartsError::Count => Self::new(Code::MalformedXML),
            PartsError::Order => return Self::new(Code::InvalidPartOrder),
            PartsError::Invalid(number) => {
                Self::new(Code::InvalidPart).detail("PartNumber", number.to_string())
            }
            PartsError::TooSmall {
                number,
                size_bytes,
                minimum_bytes,
            } => Self::new(Code::EntityTooSmall)
                .detail("PartNumber", number.to_string())
                .detail("ProposedSize", size_bytes.to_string())
                .detail("MinSizeAllowed", minimum_bytes.to_string()),
            PartsError::Size { .. } => Self::new(Code::InvalidRequest),
            PartsError::Checksum => Self::new(Code::BadDigest),
        };
        fault.message(sentence(&error))
    }
}

impl From<AuthError> for Fault {
    fn from(error: AuthError) -> Self {
        let message = error.to_string();
        let fault = match error {
            AuthError::AccessDenied(_) => Self::new(Code::AccessDenied),
            AuthError::HeadersNotSigned(names) => {
                Self::new(Code::AccessDenied).detail("HeadersNotSigned", names.join(", "))
            }
            AuthError::InvalidAccessKeyId(id) => {
                Self::new(Code::InvalidAccessKeyId).detail("AWSAccessKeyId", id)
            }
            AuthError::SignatureDoesNotMatch {
                string_to_sign,
                canonical_request,
            } => {
                let fault =
                    Self::new(Code::SignatureDoesNotMatch).detail("StringToSign", string_to_sign);
                match canonical_request {
                    Some(text) => fault.detail("CanonicalRequest", text),
                    None => fault,
                }
            }
            AuthError::RequestTimeTooSkewed {
                request_time,
                server_time,
            } => Self::new(Code::RequestTimeTooSkewed)
                .detail("RequestTime", request_time.to_s3())
                .detail("ServerTime", server_time.to_s3()),
            AuthError::AuthorizationHeaderMalformed { region, .. } => {
                let fault = Self::new(Code::AuthorizationHeaderMalformed);
                match region {
                    Some(region) => fault.detail("Region", region),
                    None => fault,
                }
            }
            AuthError::AuthorizationQueryParametersError(_) => {
                Self::new(Code::AuthorizationQueryParametersError)
            }
            AuthError::InvalidArgument(_) => Self::new(Code::InvalidArgument),
            AuthError::InvalidRequest(_) => Self::new(Code::InvalidRequest),
            AuthError::InvalidToken => Self::new(Code::InvalidToken),
            AuthError::InvalidUri => Self::new(Code::InvalidURI),
        };
        fault.message(message)
    }
}

impl From<ChecksumError> for Fault {
    fn from(error: ChecksumError) -> Self {
        match error {
            ChecksumError::InvalidMd5 => Self::new(Code::InvalidDigest),
            // AWS says InvalidRequest of a value that is no digest at all; the public test suites
            // expect what they get for one that does not match.
            ChecksumError::InvalidValue(_) => Self::new(Code::BadDigest).message(sentence(&error)),
            ChecksumError::Unsupported(_)
            | ChecksumError::Multiple
            | ChecksumError::Contradiction
            | ChecksumError::InvalidType => {
                Self::new(Code::InvalidRequest).message(sentence(&error))
            }
        }
    }
}

impl From<ConflictingConditions> for Fault {
    fn from(error: ConflictingConditions) -> Self {
        Self::new(Code::InvalidRequest).message(sentence(&error))
    }
}

impl From<CopySourceError> for Fault {
    fn from(error: CopySourceError) -> Self {
        match error {
            CopySourceError::Resource(
                ResourceError::NoBucket | ResourceError::Name(InvalidName::Bucket),
            ) => Self::new(Code::InvalidArgument)
                .message(
                    "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
                )
                .detail("ArgumentName", "x-amz-copy-source"),
            CopySourceError::Resource(error) => error.into(),
            CopySourceError::NotText | CopySourceError::NoKey | CopySourceError::EmptyVersion => {
                Self::new(Code::InvalidArgument)
                    .message(sentence(&error))
                    .detail("ArgumentName", "x-amz-copy-source")
            }
        }
    }
}

impl From<XmlError> for Fault {
    fn from(error: XmlError) -> Self {
        Self::new(Code::MalformedXML).cause(error)
    }
}

impl From<ResourceError> for Fault {
    fn from(error: ResourceError) -> Self {
        match error {
            ResourceError::Uri(error) => error.into(),
            ResourceError::NoBucket => Self::new(Code::InvalidBucketName),
            ResourceError::Name(name) => name.into(),
        }
    }
}

impl From<UriError> for Fault {
    fn from(error: UriError) -> Self {
        Self::new(Code::InvalidURI).message(sentence(&error))
    }
}

impl From<InvalidName> for Fault {
    fn from(error: InvalidName) -> Self {
        let code = match error {
            InvalidName::Bucket => return Self::new(Code::InvalidBucketName),
            InvalidName::LongKey => return Self::new(Code::KeyTooLongError),
            InvalidName::EmptyKey => Code::InvalidRequest,
            InvalidName::KeyNotUtf8 => Code::InvalidURI,
        };
        Self::new(code).message(sentence(&error))
    }
}

/// An error's text as a message: with a capital and a full stop.
fn sentence(error: &impl fmt::Display) -> String {
    let mut text = error.to_string();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    if !text.ends_with('.') {
        text.push('.');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_an_error_status_and_a_name_of_its_own() {
        let mut names = std::collections::HashSet::new();
        for code in Code::ALL {
            assert!(code.status().is_client_error() || code.status().is_server_error());
            assert!(names.insert(code.name()), "{code:?}");
        }
    }

    #[test]
    fn what_cannot_be_served_now_says_when_to_come_back() {
        for code in Code::ALL {
            let has = Fault::new(*code)
                .headers()
                .iter()
                .any(|(name, _)| *name == header::RETRY_AFTER);
            assert_eq!(has, code.status() == 503, "{code:?}");
        }
    }

    #[test]
    fn a_private_cause_is_not_in_the_message() {
        for error in [
            Error::Unavailable("disk sda".into()),
            Error::Corrupt("disk sda".into()),
            Error::Internal("disk sda".into()),
        ] {
            let fault = Fault::from(error);
            assert!(!fault.public_message().contains("sda"));
            assert!(
                fault
                    .private_cause()
                    .is_some_and(|cause| cause.contains("sda"))
            );
        }
    }
}
