//! What tools ask of every bucket before they begin: configurations that are not built, and are
//! truthfully answered with AWS's "none". What would set one is 501.

use crate::exchange::context::Context;
use crate::exchange::fault::{Code, Fault};
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;
use crate::s3::ops::describe::write_user;
use crate::s3::routes::Operation;
use crate::wire::xml::XmlWriter;

/// A configuration that no bucket has: AWS's code for its absence, or its empty document. To remove
/// it changes nothing, which is a success where AWS says so.
pub fn none_configured(operation: Operation, request: &Request) -> Result<Reply, Fault> {
    use Operation as O;
    let absent = |code| Err(Fault::new(code).detail("BucketName", request.bucket().as_str()));
    let empty = |root| Ok(Reply::xml(XmlWriter::s3(root).finish()));
    match operation {
        O::GetBucketEncryption => absent(Code::ServerSideEncryptionConfigurationNotFoundError),
        O::GetBucketReplication => absent(Code::ReplicationConfigurationNotFoundError),
        O::GetBucketWebsite => absent(Code::NoSuchWebsiteConfiguration),
        O::GetBucketPolicy | O::GetBucketPolicyStatus => absent(Code::NoSuchBucketPolicy),
        O::GetBucketAnalyticsConfiguration
        | O::GetBucketIntelligentTieringConfiguration
        | O::GetBucketInventoryConfiguration
        | O::GetBucketMetricsConfiguration
        | O::DeleteBucketAnalyticsConfiguration
        | O::DeleteBucketIntelligentTieringConfiguration
        | O::DeleteBucketInventoryConfiguration
        | O::DeleteBucketMetricsConfiguration => absent(Code::NoSuchConfiguration),
        O::GetBucketAccelerateConfiguration => empty("AccelerateConfiguration"),
        O::GetBucketLogging => empty("BucketLoggingStatus"),
        O::GetBucketNotificationConfiguration => empty("NotificationConfiguration"),
        O::GetBucketRequestPayment => Ok(one_word(
            "RequestPaymentConfiguration",
            "Payer",
            "BucketOwner",
        )),
        O::GetBucketAbac => Ok(one_word("AbacStatus", "Status", "Disabled")),
        O::ListBucketAnalyticsConfigurations => {
            Ok(empty_list("ListBucketAnalyticsConfigurationResult"))
        }
        O::ListBucketIntelligentTieringConfigurations => Ok(empty_list(
            "ListBucketIntelligentTieringConfigurationsOutput",
        )),
        O::ListBucketInventoryConfigurations => Ok(empty_list("ListInventoryConfigurationsResult")),
        O::ListBucketMetricsConfigurations => Ok(empty_list("ListMetricsConfigurationsResult")),
        O::DeleteBucketEncryption
        | O::DeleteBucketPolicy
        | O::DeleteBucketReplication
        | O::DeleteBucketWebsite => Ok(Reply::no_content()),
        other => Err(Fault::internal(format_args!(
            "{} is no probe",
            other.name()
        ))),
    }
}

fn one_word(root: &'static str, element: &str, word: &str) -> Reply {
    let mut xml = XmlWriter::s3(root);
    xml.text(element, word);
    Reply::xml(xml.finish())
}

fn empty_list(root: &'static str) -> Reply {
    one_word(root, "IsTruncated", "false")
}

/// The access control list of a bucket: the owner may do everything. Grants of the configuration
/// decide what others may.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketAcl.html>
#[expect(clippy::unused_async, reason = "handlers have one shape")]
pub async fn get_bucket_acl(request: Request, context: &Context) -> Result<Reply, Fault> {
    let _ = context;
    Ok(owner_only(&request))
}

/// The access control list of an object: that of its bucket.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAcl.html>
pub async fn get_object_acl(request: Request, context: &Context) -> Result<Reply, Fault> {
    let id = request.package().id;
    let found = context.registry.find_file(id, request.key()).await?;
    if found.is_none() {
        return Err(request.no_such_key());
    }
    Ok(owner_only(&request))
}

fn owner_only(request: &Request) -> Reply {
    let owner = &request.package().owner;
    let name = if owner == request.actor() {
        request.display_name()
    } else {
        owner
    };
    let mut xml = XmlWriter::s3("AccessControlPolicy");
    write_user(&mut xml, "Owner", owner, request);
    xml.nest("AccessControlList", |xml| {
        xml.nest("Grant", |xml| {
            xml.nest_typed("Grantee", "CanonicalUser", |xml| {
                xml.text("ID", owner).text("DisplayName", name);
            });
            xml.text("Permission", "FULL_CONTROL");
        });
    });
    Reply::xml(xml.finish())
}
