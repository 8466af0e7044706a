//! THE TABLE: every S3 operation that is built, on one screen. What no row takes is answered with
//! 501 or 405, never with a plainer operation.
//!
//! The first row that matches wins, so rows go from special to plain.

use http::Method;

use crate::domain::verb::Verb;
use crate::exchange::route::{Access, BodyKind, KIB, Row, Scope, h, q, row, v};

/// An operation of the S3 surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html>
    ListBuckets,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html>
    CreateBucket,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html>
    HeadBucket,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucket.html>
    DeleteBucket,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html>
    GetBucketLocation,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html>
    ListObjects,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>
    ListObjectsV2,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html>
    ListMultipartUploads,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>
    PutObject,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>
    CopyObject,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>
    GetObject,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html>
    HeadObject,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html>
    DeleteObject,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>
    DeleteObjects,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html>
    CreateMultipartUpload,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html>
    UploadPart,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html>
    UploadPartCopy,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html>
    ListParts,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>
    CompleteMultipartUpload,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html>
    AbortMultipartUpload,
    /// GET of a reserved key.
    GetSpecial,
    /// HEAD of a reserved key.
    HeadSpecial,
    /// PUT on a reserved key: an action.
    PutSpecial,
    /// Everything else on a reserved key, which is refused.
    RefuseSpecial,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 24] = [
        Self::ListBuckets,
        Self::CreateBucket,
        Self::HeadBucket,
        Self::DeleteBucket,
        Self::GetBucketLocation,
        Self::ListObjects,
        Self::ListObjectsV2,
        Self::ListMultipartUploads,
        Self::PutObject,
        Self::CopyObject,
        Self::GetObject,
        Self::HeadObject,
        Self::DeleteObject,
        Self::DeleteObjects,
        Self::CreateMultipartUpload,
        Self::UploadPart,
        Self::UploadPartCopy,
        Self::ListParts,
        Self::CompleteMultipartUpload,
        Self::AbortMultipartUpload,
        Self::GetSpecial,
        Self::HeadSpecial,
        Self::PutSpecial,
        Self::RefuseSpecial,
    ];

    /// The name in the log, which for AWS's operations is AWS's.
    pub fn name(self) -> &'static str {
        match self {
            Self::ListBuckets => "ListBuckets",
            Self::CreateBucket => "CreateBucket",
            Self::HeadBucket => "HeadBucket",
            Self::DeleteBucket => "DeleteBucket",
            Self::GetBucketLocation => "GetBucketLocation",
            Self::ListObjects => "ListObjects",
            Self::ListObjectsV2 => "ListObjectsV2",
            Self::ListMultipartUploads => "ListMultipartUploads",
            Self::PutObject => "PutObject",
            Self::CopyObject => "CopyObject",
            Self::GetObject => "GetObject",
            Self::HeadObject => "HeadObject",
            Self::DeleteObject => "DeleteObject",
            Self::DeleteObjects => "DeleteObjects",
            Self::CreateMultipartUpload => "CreateMultipartUpload",
            Self::UploadPart => "UploadPart",
            Self::UploadPartCopy => "UploadPartCopy",
            Self::ListParts => "ListParts",
            Self::CompleteMultipartUpload => "CompleteMultipartUpload",
            Self::AbortMultipartUpload => "AbortMultipartUpload",
            Self::GetSpecial => "GetSpecial",
            Self::HeadSpecial => "HeadSpecial",
            Self::PutSpecial => "PutSpecial",
            Self::RefuseSpecial => "RefuseSpecial",
        }
    }
}

const COPY_SOURCE: &str = "x-amz-copy-source";

const READ: Access = Access::Package(Verb::Read);
const LIST: Access = Access::Package(Verb::List);
const WRITE: Access = Access::Package(Verb::Write);
const DELETE: Access = Access::Package(Verb::Delete);
const FINALIZE: Access = Access::Package(Verb::Finalize);

const LIST_KEYS: &[&str] = &["prefix", "delimiter", "max-keys", "encoding-type", "marker"];
const LIST_V2_KEYS: &[&str] = &[
    "prefix",
    "delimiter",
    "max-keys",
    "encoding-type",
    "start-after",
    "continuation-token",
    "fetch-owner",
];
const LIST_UPLOADS_KEYS: &[&str] = &[
    "prefix",
    "delimiter",
    "max-uploads",
    "encoding-type",
    "key-marker",
    "upload-id-marker",
];
const LIST_BUCKETS_KEYS: &[&str] = &[
    "max-buckets",
    "continuation-token",
    "prefix",
    "bucket-region",
];
const LIST_PARTS_KEYS: &[&str] = &["max-parts", "part-number-marker", "encoding-type"];

/// The table.
#[rustfmt::skip]
pub static ROUTES: &[Row<Operation>] = &[
    // method        scope            must have                                       may have            operation                           who                body
    row(Method::GET,    Scope::Service, &[],                                             LIST_BUCKETS_KEYS,  Operation::ListBuckets,             Access::Caller,    BodyKind::None),

    row(Method::GET,    Scope::Bucket,  &[q("location")],                                &[],                Operation::GetBucketLocation,       LIST,              BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[q("uploads")],                                 LIST_UPLOADS_KEYS,  Operation::ListMultipartUploads,    LIST,              BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[v("list-type", "2")],                          LIST_V2_KEYS,       Operation::ListObjectsV2,           LIST,              BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[],                                             LIST_KEYS,          Operation::ListObjects,             LIST,              BodyKind::None),
    row(Method::HEAD,   Scope::Bucket,  &[],                                             &[],                Operation::HeadBucket,              LIST,              BodyKind::None),
    row(Method::PUT,    Scope::Bucket,  &[],                                             &[],                Operation::CreateBucket,            Access::Caller,    BodyKind::Document(64 * KIB)),
    row(Method::POST,   Scope::Bucket,  &[q("delete")],                                  &[],                Operation::DeleteObjects,           DELETE,            BodyKind::Document(2048 * KIB)),
    row(Method::DELETE, Scope::Bucket,  &[],                                             &[],                Operation::DeleteBucket,            DELETE,            BodyKind::None),

    row(Method::GET,    Scope::Object,  &[q("uploadId")],                                LIST_PARTS_KEYS,    Operation::ListParts,               WRITE,             BodyKind::None),
    row(Method::GET,    Scope::Object,  &[],                                             &["partNumber"],    Operation::GetObject,               READ,              BodyKind::None),
    row(Method::HEAD,   Scope::Object,  &[],                                             &["partNumber"],    Operation::HeadObject,              READ,              BodyKind::None),
    row(Method::PUT,    Scope::Object,  &[q("partNumber"), q("uploadId"), h(COPY_SOURCE)], &[],              Operation::UploadPartCopy,          WRITE,             BodyKind::None),
    row(Method::PUT,    Scope::Object,  &[q("partNumber"), q("uploadId")],               &[],                Operation::UploadPart,              WRITE,             BodyKind::Stream),
    row(Method::PUT,    Scope::Object,  &[h(COPY_SOURCE)],                               &[],                Operation::CopyObject,              WRITE,             BodyKind::None),
    row(Method::PUT,    Scope::Object,  &[],                                             &[],                Operation::PutObject,               WRITE,             BodyKind::Stream),
    row(Method::POST,   Scope::Object,  &[q("uploads")],                                 &[],                Operation::CreateMultipartUpload,   WRITE,             BodyKind::None),
    row(Method::POST,   Scope::Object,  &[q("uploadId")],                                &[],                Operation::CompleteMultipartUpload, WRITE,             BodyKind::ObjectDocument(4096 * KIB)),
    row(Method::DELETE, Scope::Object,  &[q("uploadId")],                                &[],                Operation::AbortMultipartUpload,    WRITE,             BodyKind::None),
    row(Method::DELETE, Scope::Object,  &[],                                             &[],                Operation::DeleteObject,            DELETE,            BodyKind::None),

    row(Method::GET,    Scope::Special, &[q("uploadId")],                                LIST_PARTS_KEYS,    Operation::RefuseSpecial,           WRITE,             BodyKind::None),
    row(Method::GET,    Scope::Special, &[],                                             &["partNumber"],    Operation::GetSpecial,              READ,              BodyKind::None),
    row(Method::HEAD,   Scope::Special, &[],                                             &["partNumber"],    Operation::HeadSpecial,             READ,              BodyKind::None),
    row(Method::PUT,    Scope::Special, &[q("partNumber"), q("uploadId")],               &[],                Operation::RefuseSpecial,           WRITE,             BodyKind::None),
    row(Method::PUT,    Scope::Special, &[h(COPY_SOURCE)],                               &[],                Operation::RefuseSpecial,           WRITE,             BodyKind::None),
    row(Method::PUT,    Scope::Special, &[],                                             &[],                Operation::PutSpecial,              FINALIZE,          BodyKind::Document(64 * KIB)),
    row(Method::POST,   Scope::Special, &[q("uploads")],                                 &[],                Operation::RefuseSpecial,           WRITE,             BodyKind::None),
    row(Method::POST,   Scope::Special, &[q("uploadId")],                                &[],                Operation::RefuseSpecial,           WRITE,             BodyKind::None),
    row(Method::DELETE, Scope::Special, &[q("uploadId")],                                &[],                Operation::RefuseSpecial,           WRITE,             BodyKind::None),
    row(Method::DELETE, Scope::Special, &[],                                             &[],                Operation::RefuseSpecial,           DELETE,            BodyKind::None),
];
