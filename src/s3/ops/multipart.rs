//! Multipart uploads: create, upload a part, complete, abort. Their listings are in
//! `multipart_lists.rs`, copies into a part in `copy.rs`.

use http::{HeaderMap, HeaderValue};
use serde::Deserialize;

use crate::domain::digest::ChecksumAlgorithm;
use crate::domain::file::{ChecksumKind, FileRecord, StoredChecksum};
use crate::domain::ids::UploadId;
use crate::domain::upload::{PartClaim, PartsError, UploadRecord};
use crate::exchange::admit::authority;
use crate::exchange::context::Context;
use crate::exchange::fault::{Code, Fault};
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;
use crate::exchange::target::virtual_bucket;
use crate::registry::error::Error;
use crate::registry::source::ByteSource as _;
use crate::registry::uploads::{CompleteUpload, CreateUpload};
use crate::s3::ops::describe::{CHECKSUM_TYPE, quoted, set_etag, write_checksum};
use crate::s3::ops::get::parse_part_number;
use crate::s3::ops::lock_headers::lock_request;
use crate::s3::ops::ownership::check_acl;
use crate::s3::ops::put::{about_key, refuse_unbuilt};
use crate::s3::ops::versions::set_version;
use crate::wire::checksum::{
    algorithm_of, format_value, header_name, parse_object_value, parse_upload_checksum, parse_value,
};
use crate::wire::uri::{Slash, percent_encode};
use crate::wire::xml::{XmlWriter, parse as parse_xml};

/// CreateMultipartUpload: opens an upload to a key, with the attributes that the object will have.
/// Nothing is visible under the key until the upload completes.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html>
pub async fn create_multipart_upload(request: Request, context: &Context) -> Result<Reply, Fault> {
    refuse_unbuilt(request.headers())?;
    check_acl(&request, context).await?;
    let checksum = upload_checksum(request.headers())?;
    let command = CreateUpload {
        package_id: request.package().id,
        key: request.key().clone(),
        media_type: request.media_type(),
        attributes: request.attributes()?,
        checksum,
        lock: lock_request(&request)?,
        actor: request.actor().to_owned(),
    };
    let upload = context.registry.create_upload(command).await?;
    let mut xml = XmlWriter::s3("InitiateMultipartUploadResult");
    xml.text("Bucket", request.bucket().as_str())
        .text("Key", request.key().as_str())
        .value("UploadId", upload.id);
    let mut reply = Reply::xml(xml.finish());
    if let Some((algorithm, kind)) = checksum {
        let name = http::HeaderName::from_static("x-amz-checksum-algorithm");
        let algorithm = HeaderValue::from_static(algorithm.name());
        reply = reply
            .with(name, algorithm)
            .with(CHECKSUM_TYPE.clone(), HeaderValue::from_static(kind.name()));
    }
    Ok(reply)
}

/// Which checksum an upload's parts carry and what the object's will cover. CRC-64/NVME covers the
/// whole object, the other CRCs either, the parts' checksums unless asked otherwise; what cannot be
/// merged covers the parts' checksums.
fn upload_checksum(
    headers: &HeaderMap,
) -> Result<Option<(ChecksumAlgorithm, ChecksumKind)>, Fault> {
    use ChecksumAlgorithm::{Crc32, Crc32c, Crc64Nvme};
    let (algorithm, kind) = parse_upload_checksum(headers)?;
    let Some(algorithm) = algorithm else {
        return match kind {
            None => Ok(None),
            Some(_) => Err(Fault::new(Code::InvalidRequest).message(
                "The x-amz-checksum-type header can only be used with the \
                 x-amz-checksum-algorithm header.",
            )),
        };
    };
    let (default, is_allowed) = match algorithm {
        Crc64Nvme => (
            ChecksumKind::FullObject,
            kind != Some(ChecksumKind::Composite),
        ),
        Crc32 | Crc32c => (ChecksumKind::Composite, true),
        _ => (
            ChecksumKind::Composite,
            kind != Some(ChecksumKind::FullObject),
        ),
    };
    let kind = kind.unwrap_or(default);
    if is_allowed {
        return Ok(Some((algorithm, kind)));
    }
    Err(Fault::new(Code::InvalidRequest).message(format!(
        "The {} checksum type cannot be used with the {} checksum algorithm.",
        kind.name(),
        algorithm.name().to_ascii_lowercase()
    )))
}

/// The upload id of a query. What cannot be one names no upload.
pub fn parse_upload_id(request: &Request) -> Result<UploadId, Fault> {
    let text = request.query.get("uploadId").unwrap_or_default();
    text.parse()
        .map_err(|_| Fault::new(Code::NoSuchUpload).detail("UploadId", text))
}

/// The open upload that the request names.
pub async fn find_upload(request: &Request, context: &Context) -> Result<UploadRecord, Fault> {
    let id = parse_upload_id(request)?;
    let upload = context
        .registry
        .find_upload(request.package().id, request.key(), id)
        .await;
    upload.map_err(|error| about_upload(error.into(), id))
}

/// A refusal that concerns an upload names it, as AWS does.
fn about_upload(fault: Fault, id: UploadId) -> Fault {
    match fault.code() {
        Code::NoSuchUpload => fault.detail("UploadId", id.to_string()),
        _ => fault,
    }
}

/// UploadPart: the part is durable when the answer comes, and takes the place of an earlier one of
/// its number. Parts may come in any order, several at once.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html>
pub async fn upload_part(mut request: Request, context: &Context) -> Result<Reply, Fault> {
    let number = parse_part_number(request.query.get("partNumber").unwrap_or_default())?;
    refuse_unbuilt(request.headers())?;
    let upload = find_upload(&request, context).await?;
    check_algorithm(&upload, &request.payload.algorithms())?;
    let part = context
        .registry
        .upload_part(&upload, number, &mut request.payload)
        .await
        .map_err(|error| about_upload(error.into(), upload.id))?;
    let mut reply = Reply::ok();
    set_etag(&mut reply.headers, &hex::encode(part.md5))?;
    if let Some(checksum) = &part.checksum {
        let value = format_value(checksum, None);
        reply.set_text(header_name(checksum.algorithm), &value)?;
    }
    Ok(reply)
}

/// A part carries the checksum of its upload, or none, which is then computed here.
fn check_algorithm(upload: &UploadRecord, given: &[ChecksumAlgorithm]) -> Result<(), Fault> {
    let Some((expected, _)) = upload.checksum else {
        return Ok(());
    };
    match given.iter().find(|algorithm| **algorithm != expected) {
        None => Ok(()),
        Some(actual) => Err(Fault::new(Code::InvalidRequest).message(format!(
            "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
            expected.name().to_ascii_lowercase(),
            actual.name().to_ascii_lowercase()
        ))),
    }
}

/// CompleteMultipartUpload: the parts become one object, in one fact. Conditions are decided in the
/// commit. Idempotent: a client whose answer got lost completes again with the same list and gets
/// the same answer.
///
/// It may take minutes: the answer then begins with 200 and blanks, and ends with the result or
/// the error. What is found at once has its own status.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>
pub async fn complete_multipart_upload(
    mut request: Request,
    context: &Context,
) -> Result<Reply, Fault> {
    let upload_id = parse_upload_id(&request)?;
    let condition = request.write_condition()?;
    let size_bytes = object_size(request.headers())?;
    let mut checksum = object_checksum(request.headers())?;
    let body = request.document().await?;
    let parts = parse_parts(&body)?;
    let (package_id, key) = (request.package().id, request.key().clone());
    let found = context.registry.find_upload(package_id, &key, upload_id);
    match found.await {
        Ok(upload) => {
            check_kind(&upload, request.headers())?;
            if let Some(claimed) = &mut checksum {
                align(claimed, &upload, parts.len());
            }
            let writable = context
                .registry
                .check_writable(package_id, &key, &condition);
            writable
                .await
                .map_err(|error| about_key(error.into(), &request))?;
        }
        // A repeat of a completion whose answer got lost finds no open upload; only the
        // completion itself knows.
        Err(Error::Rejected(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let command = CompleteUpload {
        package_id,
        key,
        upload_id,
        parts,
        checksum,
        size_bytes,
        condition,
        actor: request.actor().to_owned(),
    };
    let registry = context.registry.clone();
    let location = location(&request, context);
    Ok(Reply::slow(async move {
        let file = registry
            .complete_upload(command)
            .await
            .map_err(|error| about_upload(about_key(error.into(), &request), upload_id))?;
        let mut reply = Reply::xml(complete_result(&request, &location, &file));
        set_version(&mut reply, request.package(), &file)?;
        Ok(reply)
    }))
}

#[derive(Deserialize)]
struct PartList {
    #[serde(rename = "Part", default)]
    parts: Vec<ListedPart>,
}

#[derive(Deserialize)]
struct ListedPart {
    #[serde(rename = "PartNumber")]
    number: u32,
    #[serde(rename = "ETag")]
    etag: String,
    #[serde(rename = "ChecksumCRC32")]
    crc32: Option<String>,
    #[serde(rename = "ChecksumCRC32C")]
    crc32c: Option<String>,
    #[serde(rename = "ChecksumCRC64NVME")]
    crc64nvme: Option<String>,
    #[serde(rename = "ChecksumSHA1")]
    sha1: Option<String>,
    #[serde(rename = "ChecksumSHA256")]
    sha256: Option<String>,
    #[serde(rename = "ChecksumSHA512")]
    sha512: Option<String>,
    #[serde(rename = "ChecksumMD5")]
    md5: Option<String>,
    #[serde(rename = "ChecksumXXHASH64")]
    xxhash64: Option<String>,
    #[serde(rename = "ChecksumXXHASH3")]
    xxhash3: Option<String>,
    #[serde(rename = "ChecksumXXHASH128")]
    xxhash128: Option<String>,
}

/// The list of parts of a completion.
fn parse_parts(body: &[u8]) -> Result<Vec<PartClaim>, Fault> {
    let list: PartList = parse_xml(body, "CompleteMultipartUpload")?;
    if list.parts.is_empty() {
        return Err(Fault::new(Code::MalformedXML));
    }
    list.parts.iter().map(ListedPart::claim).collect()
}

impl ListedPart {
    fn claim(&self) -> Result<PartClaim, Fault> {
        let given = [
            (ChecksumAlgorithm::Crc32, &self.crc32),
            (ChecksumAlgorithm::Crc32c, &self.crc32c),
            (ChecksumAlgorithm::Crc64Nvme, &self.crc64nvme),
            (ChecksumAlgorithm::Sha1, &self.sha1),
            (ChecksumAlgorithm::Sha256, &self.sha256),
            (ChecksumAlgorithm::Sha512, &self.sha512),
            (ChecksumAlgorithm::Md5, &self.md5),
            (ChecksumAlgorithm::XxHash64, &self.xxhash64),
            (ChecksumAlgorithm::XxHash3, &self.xxhash3),
            (ChecksumAlgorithm::XxHash128, &self.xxhash128),
        ];
        let mut checksum = None;
        for (algorithm, text) in given {
            let Some(text) = text.as_deref().filter(|text| !text.is_empty()) else {
                continue;
            };
            // A value that is no digest matches no part.
            let parsed = parse_value(algorithm, text)
                .map_err(|_| Fault::from(Error::Parts(PartsError::Invalid(self.number))))?;
            checksum = Some(parsed);
        }
        Ok(PartClaim {
            number: self.number,
            etag: self.etag.trim().trim_matches('"').to_owned(),
            checksum,
        })
    }
}

/// `x-amz-mp-object-size`.
fn object_size(headers: &HeaderMap) -> Result<Option<u64>, Fault> {
    const NAME: &str = "x-amz-mp-object-size";
    let Some(value) = headers.get(NAME) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    let size = text.parse().map_err(|_| {
        Fault::new(Code::InvalidRequest)
            .message(format!("Value for {NAME} header is invalid."))
            .detail("ArgumentName", NAME)
    });
    size.map(Some)
}

/// The checksum that the client claims of the whole object: here the `x-amz-checksum-*` headers
/// speak of the object, not of the body.
fn object_checksum(headers: &HeaderMap) -> Result<Option<StoredChecksum>, Fault> {
    let mut found = None;
    for (name, value) in headers {
        let Some(algorithm) = algorithm_of(name.as_str())? else {
            continue;
        };
        if found.is_some() {
            return Err(Fault::new(Code::InvalidRequest).message(
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not \
                 allowed.",
            ));
        }
        let text = value.to_str().unwrap_or_default();
        found = Some(parse_object_value(algorithm, text)?);
    }
    Ok(found)
}

/// Refuses a completion that names another checksum type than its upload.
fn check_kind(upload: &UploadRecord, headers: &HeaderMap) -> Result<(), Fault> {
    let (_, kind) = parse_upload_checksum(headers)?;
    match (upload.checksum, kind) {
        (Some((_, created)), Some(named)) if created != named => {
            Err(Fault::new(Code::InvalidRequest).message(format!(
                "The upload was created using the {} checksum mode. The complete request must use \
                 the same checksum mode.",
                created.name()
            )))
        }
        _ => Ok(()),
    }
}

/// Some clients leave out the `-N` of a composite checksum, and AWS takes it without.
fn align(claimed: &mut StoredChecksum, upload: &UploadRecord, parts: usize) {
    let is_composite = matches!(upload.checksum, Some((_, ChecksumKind::Composite)));
    if is_composite && claimed.kind == ChecksumKind::FullObject {
        claimed.kind = ChecksumKind::Composite;
        claimed.value = format!("{}-{parts}", claimed.value);
    }
}

/// The URL of the object, as the client addresses it.
pub fn location(request: &Request, context: &Context) -> String {
    let scheme = request.head.uri.scheme_str().unwrap_or("http");
    let host = authority(&request.head).unwrap_or_default();
    let key = percent_encode(request.key().as_bytes(), Slash::Keep);
    match virtual_bucket(host, &context.settings.domains) {
        Some(_) => format!("{scheme}://{host}/{key}"),
        None => format!("{scheme}://{host}/{}/{key}", request.bucket()),
    }
}

fn complete_result(request: &Request, location: &str, file: &FileRecord) -> String {
    let mut xml = XmlWriter::s3("CompleteMultipartUploadResult");
    xml.text("Location", location)
        .text("Bucket", request.bucket().as_str())
        .text("Key", request.key().as_str())
        .text("ETag", &quoted(&file.etag));
    write_checksum(&mut xml, file.attributes.checksum.as_ref());
    xml.finish()
}

/// AbortMultipartUpload: the upload and its parts are gone. A part that is still on its way is
/// refused when it arrives.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html>
pub async fn abort_multipart_upload(request: Request, context: &Context) -> Result<Reply, Fault> {
    let id = parse_upload_id(&request)?;
    context
        .registry
        .abort_upload(request.package().id, request.key(), id)
        .await
        .map_err(|error| about_upload(error.into(), id))?;
    Ok(Reply::no_content())
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn a_checksum_type_must_suit_its_algorithm() {
        let parse = |algorithm: Option<&str>, kind: Option<&str>| {
            let mut list = Vec::new();
            list.extend(algorithm.map(|a| ("x-amz-checksum-algorithm", a)));
            list.extend(kind.map(|k| ("x-amz-checksum-type", k)));
            upload_checksum(&headers(&list)).map_err(|fault| fault.code())
        };
        let refused = [
            (None, Some("COMPOSITE")),
            (Some("CRC64NVME"), Some("COMPOSITE")),
            (Some("SHA1"), Some("FULL_OBJECT")),
            (Some("SHA256"), Some("FULL_OBJECT")),
            (Some("SHA512"), Some("FULL_OBJECT")),
            (Some("XXHASH3"), Some("FULL_OBJECT")),
            (Some("SHA384"), None),
            (Some("CRC32"), Some("PARTIAL")),
        ];
        for (algorithm, kind) in refused {
            assert_eq!(
                parse(algorithm, kind),
                Err(Code::InvalidRequest),
                "{algorithm:?} {kind:?}"
            );
        }
        let (full, composite) = (ChecksumKind::FullObject, ChecksumKind::Composite);
        let taken = [
            (None, None, None),
            (
                Some("CRC32"),
                None,
                Some((ChecksumAlgorithm::Crc32, composite)),
            ),
            (
                Some("CRC32C"),
                Some("FULL_OBJECT"),
                Some((ChecksumAlgorithm::Crc32c, full)),
            ),
            (
                Some("CRC64NVME"),
                None,
                Some((ChecksumAlgorithm::Crc64Nvme, full)),
            ),
            (
                Some("SHA256"),
                Some("COMPOSITE"),
                Some((ChecksumAlgorithm::Sha256, composite)),
            ),
        ];
        for (algorithm, kind, expected) in taken {
            assert_eq!(
                parse(algorithm, kind),
                Ok(expected),
                "{algorithm:?} {kind:?}"
            );
        }
    }

    #[test]
    fn a_list_of_parts_that_is_none_is_refused() {
        let list = |inside: &str| {
            let body = format!("<CompleteMultipartUpload>{inside}</CompleteMultipartUpload>");
            parse_parts(body.as_bytes()).map_err(|fault| fault.code())
        };
        for inside in [
            "",
            "<Part></Part>",
            "<Part><PartNumber>1</PartNumber></Part>",
            "<Part><ETag>a</ETag></Part>",
            "<Part><PartNumber>x</PartNumber><ETag>a</ETag></Part>",
            "<Part><PartNumber>-1</PartNumber><ETag>a</ETag></Part>",
            "<Part><PartNumber>1</PartNumber><ETag>a</ETag>",
        ] {
            assert_eq!(list(inside), Err(Code::MalformedXML), "{inside}");
        }
        assert_eq!(
            parse_parts(b"").map_err(|f| f.code()),
            Err(Code::MalformedXML)
        );
        let bad = "<Part><PartNumber>1</PartNumber><ETag>a</ETag>\
                   <ChecksumSHA256>bad</ChecksumSHA256></Part>";
        assert_eq!(list(bad), Err(Code::InvalidPart));
    }

    #[test]
    fn parts_are_read_with_or_without_quotes_and_namespace() {
        let body = "<?xml version=\"1.0\"?>\
            <CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
            <Part><ETag>\"ab\"</ETag><PartNumber>2</PartNumber></Part>\
            <Part><PartNumber>7</PartNumber><ETag>&quot;cd&quot;</ETag>\
            <ChecksumCRC32>AAAAAQ==</ChecksumCRC32></Part>\
            </CompleteMultipartUpload>";
        let parts = parse_parts(body.as_bytes()).unwrap();
        let short: Vec<_> = parts.iter().map(|p| (p.number, p.etag.as_str())).collect();
        assert_eq!(short, [(2, "ab"), (7, "cd")]);
        assert_eq!(parts[0].checksum, None);
        assert_eq!(parts[1].checksum.as_ref().unwrap().digest, [0, 0, 0, 1]);
    }

    #[test]
    fn the_object_checksum_is_one_and_may_be_composite() {
        let parse = |list: &[(&'static str, &str)]| {
            object_checksum(&headers(list)).map_err(|fault| fault.code())
        };
        let crc = ("x-amz-checksum-crc32", "AAAAAQ==");
        assert_eq!(
            parse(&[crc, ("x-amz-checksum-sha1", "a")]),
            Err(Code::InvalidRequest)
        );
        assert_eq!(
            parse(&[("x-amz-checksum-sha256", "bad")]),
            Err(Code::BadDigest)
        );
        let found = parse(&[("x-amz-checksum-crc32", "AAAAAQ==-3")])
            .unwrap()
            .unwrap();
        assert_eq!(found.kind, ChecksumKind::Composite);
        let found = parse(&[crc, ("x-amz-checksum-type", "FULL_OBJECT")])
            .unwrap()
            .unwrap();
        assert_eq!(
            (found.kind, found.value.as_str()),
            (ChecksumKind::FullObject, "AAAAAQ==")
        );
        assert_eq!(parse(&[]), Ok(None));
    }

    #[test]
    fn the_object_size_is_a_number() {
        let parse = |text| object_size(&headers(&[("x-amz-mp-object-size", text)]));
        for text in ["", "-1", "1.5", "a"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("12").unwrap(), Some(12));
    }
}
