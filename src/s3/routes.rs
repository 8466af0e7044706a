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
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketTagging.html>
    GetBucketTagging,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketTagging.html>
    PutBucketTagging,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketTagging.html>
    DeleteBucketTagging,
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
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html>
    GetObjectAttributes,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectTagging.html>
    GetObjectTagging,
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
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectRetention.html>
    GetObjectRetention,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectRetention.html>
    PutObjectRetention,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLegalHold.html>
    GetObjectLegalHold,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectLegalHold.html>
    PutObjectLegalHold,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html>
    GetBucketVersioning,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketVersioning.html>
    PutBucketVersioning,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html>
    ListObjectVersions,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLockConfiguration.html>
    GetObjectLockConfiguration,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectLockConfiguration.html>
    PutObjectLockConfiguration,
    /// GET of a reserved key.
    GetSpecial,
    /// HEAD of a reserved key.
    HeadSpecial,
    /// PUT on a reserved key: an action.
    PutSpecial,
    /// Everything else on a reserved key, which is refused.
    RefuseSpecial,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketCors.html>
    GetBucketCors,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketCors.html>
    PutBucketCors,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketCors.html>
    DeleteBucketCors,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketOwnershipControls.html>
    GetBucketOwnershipControls,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketOwnershipControls.html>
    PutBucketOwnershipControls,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketOwnershipControls.html>
    DeleteBucketOwnershipControls,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetPublicAccessBlock.html>
    GetPublicAccessBlock,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutPublicAccessBlock.html>
    PutPublicAccessBlock,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeletePublicAccessBlock.html>
    DeletePublicAccessBlock,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketAcl.html>
    GetBucketAcl,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAcl.html>
    GetObjectAcl,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketAbac.html>
    GetBucketAbac,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketAccelerateConfiguration.html>
    GetBucketAccelerateConfiguration,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketAnalyticsConfiguration.html>
    GetBucketAnalyticsConfiguration,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketEncryption.html>
    GetBucketEncryption,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketIntelligentTieringConfiguration.html>
    GetBucketIntelligentTieringConfiguration,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketInventoryConfiguration.html>
    GetBucketInventoryConfiguration,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLogging.html>
    GetBucketLogging,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketMetricsConfiguration.html>
    GetBucketMetricsConfiguration,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketNotificationConfiguration.html>
    GetBucketNotificationConfiguration,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketPolicy.html>
    GetBucketPolicy,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketPolicyStatus.html>
    GetBucketPolicyStatus,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketReplication.html>
    GetBucketReplication,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketRequestPayment.html>
    GetBucketRequestPayment,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketWebsite.html>
    GetBucketWebsite,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBucketAnalyticsConfigurations.html>
    ListBucketAnalyticsConfigurations,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBucketIntelligentTieringConfigurations.html>
    ListBucketIntelligentTieringConfigurations,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBucketInventoryConfigurations.html>
    ListBucketInventoryConfigurations,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBucketMetricsConfigurations.html>
    ListBucketMetricsConfigurations,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketAnalyticsConfiguration.html>
    DeleteBucketAnalyticsConfiguration,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketEncryption.html>
    DeleteBucketEncryption,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketIntelligentTieringConfiguration.html>
    DeleteBucketIntelligentTieringConfiguration,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketInventoryConfiguration.html>
    DeleteBucketInventoryConfiguration,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketMetricsConfiguration.html>
    DeleteBucketMetricsConfiguration,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketPolicy.html>
    DeleteBucketPolicy,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketReplication.html>
    DeleteBucketReplication,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketWebsite.html>
    DeleteBucketWebsite,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html>: a form of a browser.
    PostObject,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTOPTIONSobject.html>: what a browser asks before it sends.
    Preflight,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 77] = [
        Self::ListBuckets,
        Self::CreateBucket,
        Self::HeadBucket,
        Self::DeleteBucket,
        Self::GetBucketLocation,
        Self::GetBucketTagging,
        Self::PutBucketTagging,
        Self::DeleteBucketTagging,
        Self::ListObjects,
        Self::ListObjectsV2,
        Self::ListMultipartUploads,
        Self::PutObject,
        Self::CopyObject,
        Self::GetObject,
        Self::HeadObject,
        Self::GetObjectAttributes,
        Self::GetObjectTagging,
        Self::DeleteObject,
        Self::DeleteObjects,
        Self::CreateMultipartUpload,
        Self::UploadPart,
        Self::UploadPartCopy,
        Self::ListParts,
        Self::CompleteMultipartUpload,
        Self::AbortMultipartUpload,
        Self::GetObjectRetention,
        Self::PutObjectRetention,
        Self::GetObjectLegalHold,
        Self::PutObjectLegalHold,
        Self::GetBucketVersioning,
        Self::PutBucketVersioning,
        Self::ListObjectVersions,
        Self::GetObjectLockConfiguration,
        Self::PutObjectLockConfiguration,
        Self::GetSpecial,
        Self::HeadSpecial,
        Self::PutSpecial,
        Self::RefuseSpecial,
        Self::GetBucketCors,
        Self::PutBucketCors,
        Self::DeleteBucketCors,
        Self::GetBucketOwnershipControls,
        Self::PutBucketOwnershipControls,
        Self::DeleteBucketOwnershipControls,
        Self::GetPublicAccessBlock,
        Self::PutPublicAccessBlock,
        Self::DeletePublicAccessBlock,
        Self::GetBucketAcl,
        Self::GetObjectAcl,
        Self::GetBucketAbac,
        Self::GetBucketAccelerateConfiguration,
        Self::GetBucketAnalyticsConfiguration,
        Self::GetBucketEncryption,
        Self::GetBucketIntelligentTieringConfiguration,
        Self::GetBucketInventoryConfiguration,
        Self::GetBucketLogging,
        Self::GetBucketMetricsConfiguration,
        Self::GetBucketNotificationConfiguration,
        Self::GetBucketPolicy,
        Self::GetBucketPolicyStatus,
        Self::GetBucketReplication,
        Self::GetBucketRequestPayment,
        Self::GetBucketWebsite,
        Self::ListBucketAnalyticsConfigurations,
        Self::ListBucketIntelligentTieringConfigurations,
        Self::ListBucketInventoryConfigurations,
        Self::ListBucketMetricsConfigurations,
        Self::DeleteBucketAnalyticsConfiguration,
        Self::DeleteBucketEncryption,
        Self::DeleteBucketIntelligentTieringConfiguration,
        Self::DeleteBucketInventoryConfiguration,
        Self::DeleteBucketMetricsConfiguration,
        Self::DeleteBucketPolicy,
        Self::DeleteBucketReplication,
        Self::DeleteBucketWebsite,
        Self::PostObject,
        Self::Preflight,
    ];

    /// The name in the log, which for AWS's operations is AWS's.
    #[expect(clippy::too_many_lines, reason = "one line for each operation")]
    pub fn name(self) -> &'static str {
        match self {
            Self::ListBuckets => "ListBuckets",
            Self::CreateBucket => "CreateBucket",
            Self::HeadBucket => "HeadBucket",
            Self::DeleteBucket => "DeleteBucket",
            Self::GetBucketLocation => "GetBucketLocation",
            Self::GetBucketTagging => "GetBucketTagging",
            Self::PutBucketTagging => "PutBucketTagging",
            Self::DeleteBucketTagging => "DeleteBucketTagging",
            Self::ListObjects => "ListObjects",
            Self::ListObjectsV2 => "ListObjectsV2",
            Self::ListMultipartUploads => "ListMultipartUploads",
            Self::PutObject => "PutObject",
            Self::CopyObject => "CopyObject",
            Self::GetObject => "GetObject",
            Self::HeadObject => "HeadObject",
            Self::GetObjectAttributes => "GetObjectAttributes",
            Self::GetObjectTagging => "GetObjectTagging",
            Self::DeleteObject => "DeleteObject",
            Self::DeleteObjects => "DeleteObjects",
            Self::CreateMultipartUpload => "CreateMultipartUpload",
            Self::UploadPart => "UploadPart",
            Self::UploadPartCopy => "UploadPartCopy",
            Self::ListParts => "ListParts",
            Self::CompleteMultipartUpload => "CompleteMultipartUpload",
            Self::AbortMultipartUpload => "AbortMultipartUpload",
            Self::GetObjectRetention => "GetObjectRetention",
            Self::PutObjectRetention => "PutObjectRetention",
            Self::GetObjectLegalHold => "GetObjectLegalHold",
            Self::PutObjectLegalHold => "PutObjectLegalHold",
            Self::GetBucketVersioning => "GetBucketVersioning",
            Self::PutBucketVersioning => "PutBucketVersioning",
            Self::ListObjectVersions => "ListObjectVersions",
            Self::GetObjectLockConfiguration => "GetObjectLockConfiguration",
            Self::PutObjectLockConfiguration => "PutObjectLockConfiguration",
            Self::GetSpecial => "GetSpecial",
            Self::HeadSpecial => "HeadSpecial",
            Self::PutSpecial => "PutSpecial",
            Self::RefuseSpecial => "RefuseSpecial",
            Self::GetBucketCors => "GetBucketCors",
            Self::PutBucketCors => "PutBucketCors",
            Self::DeleteBucketCors => "DeleteBucketCors",
            Self::GetBucketOwnershipControls => "GetBucketOwnershipControls",
            Self::PutBucketOwnershipControls => "PutBucketOwnershipControls",
            Self::DeleteBucketOwnershipControls => "DeleteBucketOwnershipControls",
            Self::GetPublicAccessBlock => "GetPublicAccessBlock",
            Self::PutPublicAccessBlock => "PutPublicAccessBlock",
            Self::DeletePublicAccessBlock => "DeletePublicAccessBlock",
            Self::GetBucketAcl => "GetBucketAcl",
            Self::GetObjectAcl => "GetObjectAcl",
            Self::GetBucketAbac => "GetBucketAbac",
            Self::GetBucketAccelerateConfiguration => "GetBucketAccelerateConfiguration",
            Self::GetBucketAnalyticsConfiguration => "GetBucketAnalyticsConfiguration",
            Self::GetBucketEncryption => "GetBucketEncryption",
            Self::GetBucketIntelligentTieringConfiguration => {
                "GetBucketIntelligentTieringConfiguration"
            }
            Self::GetBucketInventoryConfiguration => "GetBucketInventoryConfiguration",
            Self::GetBucketLogging => "GetBucketLogging",
            Self::GetBucketMetricsConfiguration => "GetBucketMetricsConfiguration",
            Self::GetBucketNotificationConfiguration => "GetBucketNotificationConfiguration",
            Self::GetBucketPolicy => "GetBucketPolicy",
            Self::GetBucketPolicyStatus => "GetBucketPolicyStatus",
            Self::GetBucketReplication => "GetBucketReplication",
            Self::GetBucketRequestPayment => "GetBucketRequestPayment",
            Self::GetBucketWebsite => "GetBucketWebsite",
            Self::ListBucketAnalyticsConfigurations => "ListBucketAnalyticsConfigurations",
            Self::ListBucketIntelligentTieringConfigurations => {
                "ListBucketIntelligentTieringConfigurations"
            }
            Self::ListBucketInventoryConfigurations => "ListBucketInventoryConfigurations",
            Self::ListBucketMetricsConfigurations => "ListBucketMetricsConfigurations",
            Self::DeleteBucketAnalyticsConfiguration => "DeleteBucketAnalyticsConfiguration",
            Self::DeleteBucketEncryption => "DeleteBucketEncryption",
            Self::DeleteBucketIntelligentTieringConfiguration => {
                "DeleteBucketIntelligentTieringConfiguration"
            }
            Self::DeleteBucketInventoryConfiguration => "DeleteBucketInventoryConfiguration",
            Self::DeleteBucketMetricsConfiguration => "DeleteBucketMetricsConfiguration",
            Self::DeleteBucketPolicy => "DeleteBucketPolicy",
            Self::DeleteBucketReplication => "DeleteBucketReplication",
            Self::DeleteBucketWebsite => "DeleteBucketWebsite",
            Self::PostObject => "PostObject",
            Self::Preflight => "Preflight",
        }
    }
}

const COPY_SOURCE: &str = "x-amz-copy-source";

const READ: Access = Access::Package(Verb::Read);
const LIST: Access = Access::Package(Verb::List);
const LIST_PREFIX: Access = Access::Prefix(Verb::List);
const LIST_SOME: Access = Access::SomeKeys(Verb::List);
const WRITE: Access = Access::Package(Verb::Write);
const DELETE: Access = Access::Package(Verb::Delete);
const DELETE_SOME: Access = Access::SomeKeys(Verb::Delete);
const FINALIZE: Access = Access::Package(Verb::Finalize);
const RETAIN: Access = Access::Package(Verb::Retain);
const HOLD: Access = Access::Package(Verb::Hold);

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
const LIST_VERSIONS_KEYS: &[&str] = &[
    "prefix",
    "delimiter",
    "max-keys",
    "encoding-type",
    "key-marker",
    "version-id-marker",
];
const VERSION: &[&str] = &["versionId"];
const READ_KEYS: &[&str] = &["partNumber", "versionId"];
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

    row(Method::GET,    Scope::Bucket,  &[q("location")],                                &[],                Operation::GetBucketLocation,       LIST_SOME,         BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[q("tagging")],                                 &[],                Operation::GetBucketTagging,        LIST,              BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[q("cors")],                                    &[],                Operation::GetBucketCors,           LIST,              BodyKind::None),
    row(Method::PUT,    Scope::Bucket,  &[q("cors")],                                    &[],                Operation::PutBucketCors,           WRITE,             BodyKind::Document(64 * KIB)),
    row(Method::DELETE, Scope::Bucket,  &[q("cors")],                                    &[],                Operation::DeleteBucketCors,        WRITE,             BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[q("ownershipControls")],                       &[],                Operation::GetBucketOwnershipControls,LIST,              BodyKind::None),
    row(Method::PUT,    Scope::Bucket,  &[q("ownershipControls")],                       &[],                Operation::PutBucketOwnershipControls,WRITE,             BodyKind::Document(64 * KIB)),
    row(Method::DELETE, Scope::Bucket,  &[q("ownershipControls")],                       &[],                Operation::DeleteBucketOwnershipControls,WRITE,             BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[q("publicAccessBlock")],                       &[],                Operation::GetPublicAccessBlock,    LIST,              BodyKind::None),
    row(Method::PUT,    Scope::Bucket,  &[q("publicAccessBlock")],                       &[],                Operation::PutPublicAccessBlock,    WRITE,             BodyKind::Document(64 * KIB)),
    row(Method::DELETE, Scope::Bucket,  &[q("publicAccessBlock")],                       &[],                Operation::DeletePublicAccessBlock, WRITE,             BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[q("abac")],                                    &[],                Operation::GetBucketAbac,           LIST,              BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[q("accelerate")],                              &[],                Operation::GetBucketAccelerateConfiguration,LIST,              BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[q("acl")],                                     &[],                Operation::GetBucketAcl,            LIST,              BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[q("encryption")],                              &[],                Operation::GetBucketEncryption,     LIST,              BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[q("logging")],                                 &[],                Operation::GetBucketLogging,        LIST,              BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[q("notification")],                            &[],                Operation::GetBucketNotificationConfiguration,LIST,              BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[q("policy")],                                  &[],                Operation::GetBucketPolicy,         LIST,              BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[q("policyStatus")],                            &[],                Operation::GetBucketPolicyStatus,   LIST,              BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[q("replication")],                             &[],                Operation::GetBucketReplication,    LIST,              BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[q("requestPayment")],                          &[],                Operation::GetBucketRequestPayment, LIST,              BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[q("website")],                                 &[],                Operation::GetBucketWebsite,        LIST,              BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[q("analytics"), q("id")],                      &[],                Operation::GetBucketAnalyticsConfiguration,LIST,              BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[q("analytics")],                               &["continuation-token"],Operation::ListBucketAnalyticsConfigurations,LIST,              BodyKind::None),
    row(Method::DELETE, Scope::Bucket,  &[q("analytics")],                               &["id"],            Operation::DeleteBucketAnalyticsConfiguration,WRITE,             BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[q("intelligent-tiering"), q("id")],            &[],                Operation::GetBucketIntelligentTieringConfiguration,LIST,              BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[q("intelligent-tiering")],                     &["continuation-token"],Operation::ListBucketIntelligentTieringConfigurations,LIST,              BodyKind::None),
    row(Method::DELETE, Scope::Bucket,  &[q("intelligent-tiering")],                     &["id"],            Operation::DeleteBucketIntelligentTieringConfiguration,WRITE,             BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[q("inventory"), q("id")],                      &[],                Operation::GetBucketInventoryConfiguration,LIST,              BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[q("inventory")],                               &["continuation-token"],Operation::ListBucketInventoryConfigurations,LIST,              BodyKind::None),
    row(Method::DELETE, Scope::Bucket,  &[q("inventory")],                               &["id"],            Operation::DeleteBucketInventoryConfiguration,WRITE,             BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[q("metrics"), q("id")],                        &[],                Operation::GetBucketMetricsConfiguration,LIST,              BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[q("metrics")],                                 &["continuation-token"],Operation::ListBucketMetricsConfigurations,LIST,              BodyKind::None),
    row(Method::DELETE, Scope::Bucket,  &[q("metrics")],                                 &["id"],            Operation::DeleteBucketMetricsConfiguration,WRITE,             BodyKind::None),
    row(Method::DELETE, Scope::Bucket,  &[q("encryption")],                              &[],                Operation::DeleteBucketEncryption,  WRITE,             BodyKind::None),
    row(Method::DELETE, Scope::Bucket,  &[q("policy")],                                  &[],                Operation::DeleteBucketPolicy,      WRITE,             BodyKind::None),
    row(Method::DELETE, Scope::Bucket,  &[q("replication")],                             &[],                Operation::DeleteBucketReplication, WRITE,             BodyKind::None),
    row(Method::DELETE, Scope::Bucket,  &[q("website")],                                 &[],                Operation::DeleteBucketWebsite,     WRITE,             BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[q("versioning")],                              &[],                Operation::GetBucketVersioning,     LIST,              BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[q("versions")],                                LIST_VERSIONS_KEYS, Operation::ListObjectVersions,      LIST_PREFIX,       BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[q("object-lock")],                             &[],                Operation::GetObjectLockConfiguration, LIST,           BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[q("uploads")],                                 LIST_UPLOADS_KEYS,  Operation::ListMultipartUploads,    LIST_PREFIX,       BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[v("list-type", "2")],                          LIST_V2_KEYS,       Operation::ListObjectsV2,           LIST_PREFIX,       BodyKind::None),
    row(Method::GET,    Scope::Bucket,  &[],                                             LIST_KEYS,          Operation::ListObjects,             LIST_PREFIX,       BodyKind::None),
    row(Method::HEAD,   Scope::Bucket,  &[],                                             &[],                Operation::HeadBucket,              LIST_SOME,         BodyKind::None),
    row(Method::PUT,    Scope::Bucket,  &[q("tagging")],                                 &[],                Operation::PutBucketTagging,        WRITE,             BodyKind::Document(256 * KIB)),
    row(Method::PUT,    Scope::Bucket,  &[q("versioning")],                              &[],                Operation::PutBucketVersioning,     WRITE,             BodyKind::Document(64 * KIB)),
    row(Method::PUT,    Scope::Bucket,  &[q("object-lock")],                             &[],                Operation::PutObjectLockConfiguration, RETAIN,         BodyKind::Document(64 * KIB)),
    row(Method::PUT,    Scope::Bucket,  &[],                                             &[],                Operation::CreateBucket,            Access::Caller,    BodyKind::Document(64 * KIB)),
    row(Method::POST,   Scope::Bucket,  &[q("delete")],                                  &[],                Operation::DeleteObjects,           DELETE_SOME,       BodyKind::Document(2048 * KIB)),
    row(Method::POST,   Scope::Bucket,  &[],                                             &[],                Operation::PostObject,              Access::Form,      BodyKind::Form),
    row(Method::DELETE, Scope::Bucket,  &[q("tagging")],                                 &[],                Operation::DeleteBucketTagging,     WRITE,             BodyKind::None),
    row(Method::DELETE, Scope::Bucket,  &[],                                             &[],                Operation::DeleteBucket,            DELETE,            BodyKind::None),

    row(Method::GET,    Scope::Object,  &[q("uploadId")],                                LIST_PARTS_KEYS,    Operation::ListParts,               WRITE,             BodyKind::None),
    row(Method::GET,    Scope::Object,  &[q("attributes")],                              VERSION,           Operation::GetObjectAttributes,     READ,              BodyKind::None),
    row(Method::GET,    Scope::Object,  &[q("acl")],                                     &[],                Operation::GetObjectAcl,            READ,              BodyKind::None),
    row(Method::GET,    Scope::Object,  &[q("tagging")],                                 VERSION,            Operation::GetObjectTagging,        READ,              BodyKind::None),
    row(Method::GET,    Scope::Object,  &[q("retention")],                               VERSION,            Operation::GetObjectRetention,      READ,              BodyKind::None),
    row(Method::GET,    Scope::Object,  &[q("legal-hold")],                              VERSION,            Operation::GetObjectLegalHold,      READ,              BodyKind::None),
    row(Method::PUT,    Scope::Object,  &[q("retention")],                               VERSION,            Operation::PutObjectRetention,      RETAIN,            BodyKind::Document(64 * KIB)),
    row(Method::PUT,    Scope::Object,  &[q("legal-hold")],                              VERSION,            Operation::PutObjectLegalHold,      HOLD,              BodyKind::Document(64 * KIB)),
    row(Method::GET,    Scope::Object,  &[],                                             READ_KEYS,    Operation::GetObject,               READ,              BodyKind::None),
    row(Method::HEAD,   Scope::Object,  &[],                                             READ_KEYS,    Operation::HeadObject,              READ,              BodyKind::None),
    row(Method::PUT,    Scope::Object,  &[q("partNumber"), q("uploadId"), h(COPY_SOURCE)], &[],              Operation::UploadPartCopy,          WRITE,             BodyKind::None),
    row(Method::PUT,    Scope::Object,  &[q("partNumber"), q("uploadId")],               &[],                Operation::UploadPart,              WRITE,             BodyKind::Stream),
    row(Method::PUT,    Scope::Object,  &[h(COPY_SOURCE)],                               &[],                Operation::CopyObject,              WRITE,             BodyKind::None),
    row(Method::PUT,    Scope::Object,  &[],                                             &[],                Operation::PutObject,               WRITE,             BodyKind::Stream),
    row(Method::POST,   Scope::Object,  &[q("uploads")],                                 &[],                Operation::CreateMultipartUpload,   WRITE,             BodyKind::None),
    row(Method::POST,   Scope::Object,  &[q("uploadId")],                                &[],                Operation::CompleteMultipartUpload, WRITE,             BodyKind::ObjectDocument(4096 * KIB)),
    row(Method::DELETE, Scope::Object,  &[q("uploadId")],                                &[],                Operation::AbortMultipartUpload,    WRITE,             BodyKind::None),
    row(Method::DELETE, Scope::Object,  &[],                                             VERSION,            Operation::DeleteObject,            DELETE,            BodyKind::None),

    row(Method::GET,    Scope::Special, &[q("retention")],                               &[],                Operation::GetObjectRetention,      READ,              BodyKind::None),
    row(Method::PUT,    Scope::Special, &[q("retention")],                               &[],                Operation::PutObjectRetention,      RETAIN,            BodyKind::Document(64 * KIB)),
    row(Method::GET,    Scope::Special, &[q("legal-hold")],                              &[],                Operation::GetObjectLegalHold,      READ,              BodyKind::None),
    row(Method::PUT,    Scope::Special, &[q("legal-hold")],                              &[],                Operation::PutObjectLegalHold,      HOLD,              BodyKind::Document(64 * KIB)),
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

    row(Method::OPTIONS,Scope::Bucket,  &[],                                             &["*"],             Operation::Preflight,               Access::Anyone,    BodyKind::None),
    row(Method::OPTIONS,Scope::Object,  &[],                                             &["*"],             Operation::Preflight,               Access::Anyone,    BodyKind::None),
    row(Method::OPTIONS,Scope::Special, &[],                                             &["*"],             Operation::Preflight,               Access::Anyone,    BodyKind::None),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use http::HeaderMap;

    use super::*;
    use crate::exchange::fault::Code;
    use crate::exchange::route::{Need, find};
    use crate::exchange::target::Target;
    use crate::wire::uri::Query;

    fn route(method: &Method, uri: &str, copy: bool) -> Result<Operation, Code> {
        let uri: http::Uri = uri.parse().unwrap();
        let target = Target::parse("h", &uri, &[]).unwrap();
        let query = Query::parse(uri.query().unwrap_or_default()).unwrap();
        let mut headers = HeaderMap::new();
        if copy {
            headers.insert(COPY_SOURCE, "/b/k".parse().unwrap());
        }
        find(ROUTES, method, &target, &query, &headers)
            .map(|(row, _)| row.operation)
            .map_err(|fault| fault.code())
    }

    #[test]
    fn every_operation_has_a_row_and_no_row_is_shadowed() {
        let routed: HashSet<_> = ROUTES.iter().map(|row| row.operation).collect();
        assert_eq!(routed, Operation::ALL.into_iter().collect());
        for (at, row) in ROUTES.iter().enumerate() {
            let shadow = ROUTES[..at].iter().find(|above| {
                above.method == row.method
                    && above.scope == row.scope
                    && above.needs.iter().all(|need| row.needs.contains(need))
            });
            assert!(shadow.is_none(), "{row:?} is shadowed by {shadow:?}");
        }
    }

    #[test]
    fn only_streams_are_not_bounded_by_their_row() {
        for row in ROUTES {
            let streams = matches!(row.operation, Operation::PutObject | Operation::UploadPart);
            assert_eq!(row.body == BodyKind::Stream, streams, "{row:?}");
            let writes = row.needs.contains(&Need::Header(COPY_SOURCE));
            assert!(!writes || row.method == Method::PUT, "{row:?}");
        }
    }

    #[test]
    fn each_row_is_reached_by_a_request_of_its_own() {
        use Operation as O;
        let (get, head, put, post, delete) = (
            Method::GET,
            Method::HEAD,
            Method::PUT,
            Method::POST,
            Method::DELETE,
        );
        let cases = [
            (&get, "/", O::ListBuckets),
            (&get, "/?x-id=ListBuckets", O::ListBuckets),
            (&get, "/bbb?location", O::GetBucketLocation),
            (&get, "/bbb/?location=", O::GetBucketLocation),
            (&get, "/bbb?tagging", O::GetBucketTagging),
            (&put, "/bbb?tagging", O::PutBucketTagging),
            (&delete, "/bbb?tagging", O::DeleteBucketTagging),
            (&get, "/bbb?uploads&prefix=a", O::ListMultipartUploads),
            (
                &get,
                "/bbb?list-type=2&prefix=a&fetch-owner=true",
                O::ListObjectsV2,
            ),
            (&get, "/bbb?prefix=a&marker=b", O::ListObjects),
            (&head, "/bbb", O::HeadBucket),
            (&put, "/bbb", O::CreateBucket),
            (&post, "/bbb?delete", O::DeleteObjects),
            (&delete, "/bbb", O::DeleteBucket),
            (&get, "/bbb/k?uploadId=u&max-parts=2", O::ListParts),
            (
                &get,
                "/bbb/k?response-content-type=a&partNumber=1",
                O::GetObject,
            ),
            (&head, "/bbb/k", O::HeadObject),
            (&get, "/bbb/k?attributes", O::GetObjectAttributes),
            (&get, "/bbb/k?tagging", O::GetObjectTagging),
            (&put, "/bbb/k?partNumber=1&uploadId=u", O::UploadPart),
            (&put, "/bbb/k?x-id=PutObject", O::PutObject),
            (&post, "/bbb/k?uploads", O::CreateMultipartUpload),
            (&post, "/bbb/k?uploadId=u", O::CompleteMultipartUpload),
            (&delete, "/bbb/k?uploadId=u", O::AbortMultipartUpload),
            (&delete, "/bbb/k", O::DeleteObject),
            (&get, "/bbb/.holdfast/manifest.json", O::GetSpecial),
            (&head, "/bbb/.holdfast/manifest.json", O::HeadSpecial),
            (&put, "/bbb/.holdfast/finalize", O::PutSpecial),
            (
                &put,
                "/bbb/.holdfast/x?partNumber=1&uploadId=u",
                O::RefuseSpecial,
            ),
            (&post, "/bbb/.holdfast/x?uploads", O::RefuseSpecial),
            (&delete, "/bbb/.holdfast/x", O::RefuseSpecial),
        ];
        for (method, uri, operation) in cases {
            assert_eq!(route(method, uri, false), Ok(operation), "{method} {uri}");
        }
        let copies = [
            ("/bbb/k?partNumber=1&uploadId=u", O::UploadPartCopy),
            ("/bbb/k", O::CopyObject),
            ("/bbb/.holdfast/x", O::RefuseSpecial),
        ];
        for (uri, operation) in copies {
            assert_eq!(route(&put, uri, true), Ok(operation), "{uri}");
        }
    }

    /// What of the sub-resources below is built.
    fn is_built(base: &str, method: &Method, key: &str) -> bool {
        let built: &[&str] = match (base, method.as_str()) {
            ("/bbb", "GET") => &[
                "abac",
                "accelerate",
                "acl",
                "analytics",
                "cors",
                "encryption",
                "intelligent-tiering",
                "inventory",
                "logging",
                "metrics",
                "notification",
                "object-lock",
                "ownershipControls",
                "policy",
                "policyStatus",
                "publicAccessBlock",
                "replication",
                "requestPayment",
                "tagging",
                "versioning",
                "versions",
                "website",
            ],
            ("/bbb", "PUT") => &[
                "cors",
                "object-lock",
                "ownershipControls",
                "publicAccessBlock",
                "tagging",
                "versioning",
            ],
            ("/bbb", "DELETE") => &[
                "analytics",
                "cors",
                "encryption",
                "intelligent-tiering",
                "inventory",
                "metrics",
                "ownershipControls",
                "policy",
                "publicAccessBlock",
                "replication",
                "tagging",
                "website",
            ],
            ("/bbb/k", "GET") => &[
                "acl",
                "attributes",
                "legal-hold",
                "retention",
                "tagging",
                "versionId",
            ],
            ("/bbb/k", "HEAD" | "DELETE") => &["versionId"],
            ("/bbb/k", "PUT") | ("/bbb/.holdfast/x", "GET" | "PUT") => &["legal-hold", "retention"],
            _ => &[],
        };
        built.contains(&key)
    }

    #[test]
    fn a_sub_resource_that_is_not_built_is_answered_with_501() {
        let keys = [
            "abac",
            "accelerate",
            "acl",
            "analytics",
            "annotation",
            "attributes",
            "cors",
            "encryption",
            "intelligent-tiering",
            "inventory",
            "legal-hold",
            "lifecycle",
            "logging",
            "metadataConfiguration",
            "metadataTable",
            "metrics",
            "notification",
            "object-lock",
            "ownershipControls",
            "policy",
            "policyStatus",
            "publicAccessBlock",
            "renameObject",
            "replication",
            "requestPayment",
            "restore",
            "retention",
            "select",
            "session",
            "tagging",
            "torrent",
            "versionId",
            "versioning",
            "versions",
            "website",
            "some-future-thing",
        ];
        for key in keys {
            for base in ["/bbb", "/bbb/k", "/bbb/.holdfast/x"] {
                for method in [
                    Method::GET,
                    Method::HEAD,
                    Method::PUT,
                    Method::POST,
                    Method::DELETE,
                ] {
                    if is_built(base, &method, key) {
                        continue;
                    }
                    let uri = format!("{base}?{key}");
                    let code = route(&method, &uri, false);
                    assert_eq!(code, Err(Code::NotImplemented), "{method} {uri}");
                }
            }
        }
    }
}
