//! Ownership controls and the public access block of a bucket: both are kept as said, and what they
//! say of ACLs is done. Nothing here is public, so most of a block is true without being said.

use serde::Deserialize;

use crate::domain::configuration::ConfigurationKind;
use crate::exchange::context::Context;
use crate::exchange::fault::{Code, Fault};
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;
use crate::s3::ops::configuration::{find_document, set_document};
use crate::wire::xml::{XmlWriter, parse};

const ENFORCED: &str = "BucketOwnerEnforced";
const CONTROLS: &str = "OwnershipControls";
const BLOCK: &str = "PublicAccessBlockConfiguration";

/// What is kept of a bucket whose controls were removed, since a new bucket has some.
const REMOVED: &str = "";

// ---------------------------------------------------------------- ownership controls

/// The ownership of a bucket, which is `BucketOwnerEnforced` unless it was removed: then 404
/// `OwnershipControlsNotFoundError`. Either way the bucket's owner owns every object.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketOwnershipControls.html>
pub async fn get_ownership_controls(request: Request, context: &Context) -> Result<Reply, Fault> {
    let id = request.package().id;
    let all = context.registry.find_configurations(id).await?;
    match all.get(&ConfigurationKind::Ownership).map(String::as_str) {
        None => Ok(Reply::xml(enforced())),
        Some(REMOVED) => Err(Fault::new(Code::OwnershipControlsNotFoundError)
            .detail("BucketName", request.bucket().as_str())),
        Some(document) => Ok(Reply::xml(document.to_owned())),
    }
}

/// Sets the ownership of a bucket to `BucketOwnerEnforced`: from then on an upload with an ACL is
/// refused. The others, with which ACLs count, are 501.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketOwnershipControls.html>
pub async fn put_ownership_controls(
    mut request: Request,
    context: &Context,
) -> Result<Reply, Fault> {
    check_ownership(&request.document().await?)?;
    let document = Some(enforced());
    set_document(&request, context, ConfigurationKind::Ownership, document).await?;
    Ok(Reply::ok())
}

/// Removes the ownership of a bucket.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketOwnershipControls.html>
pub async fn delete_ownership_controls(
    request: Request,
    context: &Context,
) -> Result<Reply, Fault> {
    let document = Some(REMOVED.to_owned());
    set_document(&request, context, ConfigurationKind::Ownership, document).await?;
    Ok(Reply::no_content())
}

#[derive(Debug, Deserialize)]
struct OwnershipControls {
    #[serde(rename = "Rule", default)]
    rules: Vec<OwnershipRule>,
}

#[derive(Debug, Deserialize)]
struct OwnershipRule {
    #[serde(rename = "ObjectOwnership")]
    ownership: String,
}

fn check_ownership(document: &[u8]) -> Result<(), Fault> {
    let controls: OwnershipControls = parse(document, CONTROLS)?;
    let [rule] = controls.rules.as_slice() else {
        return Err(Fault::new(Code::MalformedXML));
    };
    match rule.ownership.as_str() {
        ENFORCED => Ok(()),
        "BucketOwnerPreferred" | "ObjectWriter" => Err(Fault::new(Code::NotImplemented)
            .message("ObjectOwnership other than BucketOwnerEnforced is not implemented.")),
        _ => Err(Fault::new(Code::MalformedXML)),
    }
}

fn enforced() -> String {
    let mut xml = XmlWriter::s3(CONTROLS);
    xml.nest("Rule", |xml| {
        xml.text("ObjectOwnership", ENFORCED);
    });
    xml.finish()
}

// ---------------------------------------------------------------- public access block

/// The public access block of a bucket; 404 `NoSuchPublicAccessBlockConfiguration` when none was
/// set.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetPublicAccessBlock.html>
pub async fn get_public_access_block(request: Request, context: &Context) -> Result<Reply, Fault> {
    let none = || Fault::new(Code::NoSuchPublicAccessBlockConfiguration);
    find_document(
        &request,
        context,
        ConfigurationKind::PublicAccessBlock,
        none,
    )
    .await
    .map(Reply::xml)
}

/// Sets the public access block of a bucket. With `BlockPublicAcls` an upload with a public ACL is
/// refused; there is no other public access to block.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutPublicAccessBlock.html>
pub async fn put_public_access_block(
    mut request: Request,
    context: &Context,
) -> Result<Reply, Fault> {
    let block: PublicAccessBlock = parse(&request.document().await?, BLOCK)?;
    let document = Some(block.to_document());
    set_document(
        &request,
        context,
        ConfigurationKind::PublicAccessBlock,
        document,
    )
    .await?;
    Ok(Reply::ok())
}

/// Removes the public access block of a bucket; 204 when there is none, too.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeletePublicAccessBlock.html>
pub async fn delete_public_access_block(
    request: Request,
    context: &Context,
) -> Result<Reply, Fault> {
    set_document(
        &request,
        context,
        ConfigurationKind::PublicAccessBlock,
        None,
    )
    .await?;
    Ok(Reply::no_content())
}

/// What is left out is false.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[expect(clippy::struct_excessive_bools, reason = "S3's own four switches")]
struct PublicAccessBlock {
    block_public_acls: bool,
    ignore_public_acls: bool,
    block_public_policy: bool,
    restrict_public_buckets: bool,
}

impl PublicAccessBlock {
    fn to_document(&self) -> String {
        let mut xml = XmlWriter::s3(BLOCK);
        xml.value("BlockPublicAcls", self.block_public_acls)
            .value("IgnorePublicAcls", self.ignore_public_acls)
            .value("BlockPublicPolicy", self.block_public_policy)
            .value("RestrictPublicBuckets", self.restrict_public_buckets);
        xml.finish()
    }
}

// ---------------------------------------------------------------- uploads

/// Refuses an upload whose canned ACL the bucket does not take: any but that of the bucket's owner
/// where `BucketOwnerEnforced` was set, a public one where `BlockPublicAcls` was. Costs nothing for
/// an upload without an ACL.
pub async fn check_acl(request: &Request, context: &Context) -> Result<(), Fault> {
    let Some(acl) = request.header("x-amz-acl") else {
        return Ok(());
    };
    let id = request.package().id;
    let all = context.registry.find_configurations(id).await?;
    let ownership = all.get(&ConfigurationKind::Ownership);
    let is_enforced = ownership.is_some_and(|document| document != REMOVED);
    if is_enforced && acl != "bucket-owner-full-control" {
        return Err(Fault::new(Code::AccessControlListNotSupported));
    }
    let is_public = matches!(
        acl,
        "public-read" | "public-read-write" | "authenticated-read"
    );
    if let Some(document) = all.get(&ConfigurationKind::PublicAccessBlock)
        && is_public
    {
        let block = parse::<PublicAccessBlock>(document.as_bytes(), BLOCK);
        if block.map_err(Fault::internal)?.block_public_acls {
            return Err(Fault::new(Code::AccessDenied).message(
                "Access Denied: the public access block of the bucket refuses public ACLs.",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ownership_that_has_no_effect_is_not_taken() {
        let check = |inside: &str| {
            let document = format!("<OwnershipControls>{inside}</OwnershipControls>");
            check_ownership(document.as_bytes()).map_err(|fault| fault.code())
        };
        let rule = |word: &str| format!("<Rule><ObjectOwnership>{word}</ObjectOwnership></Rule>");
        for word in ["BucketOwnerPreferred", "ObjectWriter"] {
            assert_eq!(check(&rule(word)), Err(Code::NotImplemented), "{word}");
        }
        for wrong in ["", "<Rule/>", &rule("Nobody"), &rule(ENFORCED).repeat(2)] {
            assert_eq!(check(wrong), Err(Code::MalformedXML), "{wrong}");
        }
        assert_eq!(check(&rule(ENFORCED)), Ok(()));
        assert!(check_ownership(enforced().as_bytes()).is_ok());
    }

    #[test]
    fn a_block_is_kept_as_it_was() {
        let read = |text: &str| parse::<PublicAccessBlock>(text.as_bytes(), BLOCK);
        let some = "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls>\
            <RestrictPublicBuckets>false</RestrictPublicBuckets></PublicAccessBlockConfiguration>";
        let block = read(some).unwrap();
        assert!(block.block_public_acls && !block.ignore_public_acls);
        assert_eq!(read(&block.to_document()), Ok(block));
        assert!(read("<PublicAccessBlockConfiguration><BlockPublicAcls>perhaps</BlockPublicAcls></PublicAccessBlockConfiguration>").is_err());
        assert_eq!(
            read("<PublicAccessBlockConfiguration/>"),
            Ok(PublicAccessBlock::default())
        );
    }
}
