//! PutObject, and what the head of an upload may ask for.

use http::HeaderMap;

use crate::exchange::context::Context;
use crate::exchange::fault::{Code, Fault};
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;
use crate::registry::files::IngestFile;
use crate::s3::ops::describe::{set_checksum, set_etag};
use crate::s3::ops::lock_headers::lock_request;
use crate::s3::ops::ownership::check_acl;
use crate::s3::ops::versions::set_version;

/// PutObject: the bytes are under the key, durable and visible to every reader, when the answer
/// comes; a write that is refused leaves nothing behind. The conditions are decided in the commit.
///
/// The answer has no body: botocore takes one that is no XML for a failure and sends again.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>
pub async fn put_object(mut request: Request, context: &Context) -> Result<Reply, Fault> {
    let command = parse(&request)?;
    check_acl(&request, context).await?;
    // The early no: nothing of the body has been asked for yet, so a client that waits for
    // `100 Continue` does not send it in vain.
    context
        .registry
        .check_writable(command.package_id, &command.key, &command.condition)
        .await
        .map_err(|error| about_key(error.into(), &request))?;
    let file = match context
        .registry
        .ingest_file(command, &mut request.payload)
        .await
    {
        Ok(file) => file,
        Err(error) => return Err(about_key(error.into(), &request)),
    };
    let mut reply = Reply::ok();
    set_version(&mut reply, request.package(), &file)?;
    set_etag(&mut reply.headers, &file.etag)?;
    if let Some(checksum) = &file.attributes.checksum {
        set_checksum(&mut reply.headers, checksum)?;
    }
    Ok(reply)
}

/// The command that the head of the request describes.
fn parse(request: &Request) -> Result<IngestFile, Fault> {
    refuse_unbuilt(request.headers())?;
    Ok(IngestFile {
        package_id: request.package().id,
        key: request.key().clone(),
        media_type: request.media_type(),
        attributes: request.attributes()?,
        condition: request.write_condition()?,
        lock: lock_request(request)?,
        actor: request.actor().to_owned(),
    })
}

/// A refusal that concerns the key of the request names it, as AWS does.
pub fn about_key(fault: Fault, request: &Request) -> Fault {
    match fault.code() {
        Code::NoSuchKey => fault.detail("Key", request.key().as_str()),
        Code::NoSuchBucket => fault.detail("BucketName", request.bucket().as_str()),
        // S3 names the condition that failed.
        Code::PreconditionFailed => {
            let has = |name: &str| request.headers().contains_key(name);
            let condition = ["if-none-match", "if-match"].into_iter().find(|n| has(n));
            match condition {
                Some("if-none-match") => fault.detail("Condition", "If-None-Match"),
                Some(_) => fault.detail("Condition", "If-Match"),
                None => fault,
            }
        }
        _ => fault,
    }
}

/// Storage classes whose objects can be read at once, which is what every object here can. The
/// archive classes are refused: their objects must be restored before they are read.
const STORAGE_CLASSES: [&str; 6] = [
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
];

/// The canned ACLs of S3. An object is readable by who may read its package, whatever the ACL
/// says: clients such as Mastodon set `public-read` on every upload and must not fail.
const CANNED_ACLS: [&str; 8] = [
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
    "log-delivery-write",
];

/// Refuses an upload whose headers ask for what the object would not have: encryption, tags, grants, an archive class, an append. To ignore them would be a false promise. Every other
/// `x-amz-*` header that is not known is ignored, as S3's clients need it.
pub fn refuse_unbuilt(headers: &HeaderMap) -> Result<(), Fault> {
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix("x-amz-") else {
            continue;
        };
        let value = value.to_str().unwrap_or_default();
        let is_built = match name {
            "storage-class" => {
                if !STORAGE_CLASSES.contains(&value) {
                    return Err(Fault::new(Code::InvalidStorageClass)
                        .detail("StorageClassRequested", value));
                }
                true
            }
            "acl" => {
                if !CANNED_ACLS.contains(&value) {
                    return Err(Fault::argument(
                        "x-amz-acl",
                        value,
                        "The canned ACL is not known.",
                    ));
                }
                true
            }
            "tagging" => value.is_empty(),
            "write-offset-bytes" => false,
            _ => {
                !(name.starts_with("server-side-encryption")
                    || name.starts_with("copy-source-server-side-encryption")
                    || name.starts_with("grant-"))
            }
        };
        if !is_built {
            return Err(Fault::new(Code::NotImplemented).detail("Header", format!("x-amz-{name}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn outcome(name: &str, value: &str) -> Option<Code> {
        let mut headers = HeaderMap::new();
        headers.insert(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
        refuse_unbuilt(&headers).err().map(|fault| fault.code())
    }

    #[test]
    fn what_the_object_would_not_have_is_refused() {
        let refused = [
            ("x-amz-server-side-encryption", "AES256"),
            ("x-amz-server-side-encryption", "aws:kms"),
            ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
            ("x-amz-copy-source-server-side-encryption-customer-key", "a"),
            ("x-amz-tagging", "a=b"),
            ("x-amz-grant-read", "id=ci"),
            ("x-amz-write-offset-bytes", "3"),
        ];
        for (name, value) in refused {
            assert_eq!(outcome(name, value), Some(Code::NotImplemented), "{name}");
        }
        for class in ["GLACIER", "DEEP_ARCHIVE", "standard", "", "X"] {
            assert_eq!(
                outcome("x-amz-storage-class", class),
                Some(Code::InvalidStorageClass),
                "{class}"
            );
        }
        assert_eq!(outcome("x-amz-acl", "any"), Some(Code::InvalidArgument));
    }

    #[test]
    fn what_is_harmless_or_unknown_is_taken() {
        let taken = [
            ("x-amz-acl", "public-read"),
            ("x-amz-acl", "private"),
            ("x-amz-storage-class", "STANDARD_IA"),
            ("x-amz-tagging", ""),
            ("x-amz-object-lock-legal-hold", "OFF"),
            ("x-amz-object-annotation-directive", "EXCLUDE"),
            ("x-amz-meta-server-side-encryption", "AES256"),
            ("x-amz-request-payer", "requester"),
            ("server-side-encryption", "AES256"),
        ];
        for (name, value) in taken {
            assert_eq!(outcome(name, value), None, "{name}");
        }
    }
}
