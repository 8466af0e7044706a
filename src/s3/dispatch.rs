//! Operation to handler, one line each.

use crate::exchange::context::Context;
use crate::exchange::fault::Fault;
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;
use crate::s3::ops::{
    attributes, buckets, copy, cors, delete, get, list, list_versions, lock, multipart,
    multipart_lists, object_lock, ownership, post_form, probes, put, special, tags, versions,
};
use crate::s3::routes::Operation;

/// Runs the handler of an operation on an admitted request.
#[expect(clippy::too_many_lines, reason = "one line for each operation")]
pub async fn dispatch(
    operation: Operation,
    request: Request,
    context: &Context,
) -> Result<Reply, Fault> {
    match operation {
        Operation::ListBuckets => buckets::list_buckets(request, context).await,
        Operation::CreateBucket => buckets::create_bucket(request, context).await,
        Operation::HeadBucket => buckets::head_bucket(request, context).await,
        Operation::DeleteBucket => buckets::delete_bucket(request, context).await,
        Operation::GetBucketLocation => buckets::get_bucket_location(request, context).await,
        Operation::GetBucketTagging => tags::get_bucket_tagging(request, context).await,
        Operation::PutBucketTagging => tags::put_bucket_tagging(request, context).await,
        Operation::DeleteBucketTagging => tags::delete_bucket_tagging(request, context).await,
        Operation::ListObjects => list::list_objects(request, context).await,
        Operation::ListObjectsV2 => list::list_objects_v2(request, context).await,
        Operation::PutObject => put::put_object(request, context).await,
        Operation::GetObject => get::get_object(request, context).await,
        Operation::HeadObject => get::head_object(request, context).await,
        Operation::GetObjectAttributes => attributes::get_object_attributes(request, context).await,
        Operation::GetObjectTagging => attributes::get_object_tagging(request, context).await,
        Operation::DeleteObject => delete::delete_object(request, context).await,
        Operation::DeleteObjects => delete::delete_objects(request, context).await,
        Operation::CopyObject => copy::copy_object(request, context).await,
        Operation::UploadPartCopy => copy::upload_part_copy(request, context).await,
        Operation::CreateMultipartUpload => {
            multipart::create_multipart_upload(request, context).await
        }
        Operation::UploadPart => multipart::upload_part(request, context).await,
        Operation::ListParts => multipart_lists::list_parts(request, context).await,
        Operation::ListMultipartUploads => {
            multipart_lists::list_multipart_uploads(request, context).await
        }
        Operation::CompleteMultipartUpload => {
            multipart::complete_multipart_upload(request, context).await
        }
        Operation::AbortMultipartUpload => {
            multipart::abort_multipart_upload(request, context).await
        }
        Operation::GetObjectRetention => lock::get_object_retention(request, context).await,
        Operation::PutObjectRetention => lock::put_object_retention(request, context).await,
        Operation::GetObjectLegalHold => lock::get_object_legal_hold(request, context).await,
        Operation::PutObjectLegalHold => lock::put_object_legal_hold(request, context).await,
        Operation::GetBucketVersioning => versions::get_bucket_versioning(request, context).await,
        Operation::PutBucketVersioning => versions::put_bucket_versioning(request, context).await,
        Operation::ListObjectVersions => {
            list_versions::list_object_versions(request, context).await
        }
        Operation::GetObjectLockConfiguration => {
            object_lock::get_configuration(request, context).await
        }
        Operation::PutObjectLockConfiguration => {
            object_lock::put_configuration(request, context).await
        }
        Operation::GetSpecial => special::get_special(request, context).await,
        Operation::HeadSpecial => special::head_special(request, context).await,
        Operation::PutSpecial => special::put_special(request, context).await,
        Operation::RefuseSpecial => special::refuse_special(request, context).await,
        Operation::GetBucketCors => cors::get_bucket_cors(request, context).await,
        Operation::PutBucketCors => cors::put_bucket_cors(request, context).await,
        Operation::DeleteBucketCors => cors::delete_bucket_cors(request, context).await,
        Operation::Preflight => cors::preflight(request, context).await,
        // Its state is large, and is not to be that of every request.
        Operation::PostObject => Box::pin(post_form::post_object(request, context)).await,
        Operation::GetBucketOwnershipControls => {
            ownership::get_ownership_controls(request, context).await
        }
        Operation::PutBucketOwnershipControls => {
            ownership::put_ownership_controls(request, context).await
        }
        Operation::DeleteBucketOwnershipControls => {
            ownership::delete_ownership_controls(request, context).await
        }
        Operation::GetPublicAccessBlock => {
            ownership::get_public_access_block(request, context).await
        }
        Operation::PutPublicAccessBlock => {
            ownership::put_public_access_block(request, context).await
        }
        Operation::DeletePublicAccessBlock => {
            ownership::delete_public_access_block(request, context).await
        }
        Operation::GetBucketAcl => probes::get_bucket_acl(request, context).await,
        Operation::GetObjectAcl => probes::get_object_acl(request, context).await,
        Operation::GetBucketAbac
        | Operation::GetBucketAccelerateConfiguration
        | Operation::GetBucketAnalyticsConfiguration
        | Operation::GetBucketEncryption
        | Operation::GetBucketIntelligentTieringConfiguration
        | Operation::GetBucketInventoryConfiguration
        | Operation::GetBucketLogging
        | Operation::GetBucketMetricsConfiguration
        | Operation::GetBucketNotificationConfiguration
        | Operation::GetBucketPolicy
        | Operation::GetBucketPolicyStatus
        | Operation::GetBucketReplication
        | Operation::GetBucketRequestPayment
        | Operation::GetBucketWebsite
        | Operation::ListBucketAnalyticsConfigurations
        | Operation::ListBucketIntelligentTieringConfigurations
        | Operation::ListBucketInventoryConfigurations
        | Operation::ListBucketMetricsConfigurations
        | Operation::DeleteBucketAnalyticsConfiguration
        | Operation::DeleteBucketEncryption
        | Operation::DeleteBucketIntelligentTieringConfiguration
        | Operation::DeleteBucketInventoryConfiguration
        | Operation::DeleteBucketMetricsConfiguration
        | Operation::DeleteBucketPolicy
        | Operation::DeleteBucketReplication
        | Operation::DeleteBucketWebsite => probes::none_configured(operation, &request),
    }
}
