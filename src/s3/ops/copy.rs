//! CopyObject and UploadPartCopy.
//!
//! A copy of an object moves no byte: it is a new file over the same bytes. A copy of a special
//! object is an upload of what it says now.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName};

use crate::domain::digest::{ChecksumAlgorithm, DigestClaims};
use crate::domain::file::{FileRecord, ObjectAttributes};
use crate::domain::ids::Timestamp;
use crate::domain::name::ObjectKey;
use crate::domain::package::PackageRecord;
use crate::domain::upload::{PartRecord, UploadRecord};
use crate::domain::verb::Verb;
use crate::domain::version::VersionRef;
use crate::exchange::context::Context;
use crate::exchange::fault::{Code, Fault};
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;
use crate::registry::files::{CopyFile, IngestFile};
use crate::registry::handle::Registry;
use crate::registry::source::{ByteSource, SourceError};
use crate::registry::versions::FoundVersion;
use crate::s3::ops::describe::{quoted, write_checksum, write_part_checksum};
use crate::s3::ops::get::parse_part_number;
use crate::s3::ops::lock_headers::lock_request;
use crate::s3::ops::multipart::find_upload;
use crate::s3::ops::ownership::check_acl;
use crate::s3::ops::put::{about_key, refuse_unbuilt};
use crate::s3::ops::special::{Document, read_whole};
use crate::s3::ops::versions::{parse_version, set_version, shown_version};
use crate::wire::checksum::parse_upload_checksum;
use crate::wire::conditions::Conditions;
use crate::wire::copy_source::CopySource;
use crate::wire::range::ByteRange;
use crate::wire::xml::XmlWriter;

/// The most bytes that one copy takes from its source.
pub const MAX_COPY_BYTES: u64 = 5 * 1024 * 1024 * 1024;

/// CopyObject: the destination holds the source's bytes, durable and visible, when the answer
/// comes. Metadata is the source's (COPY, the default) or the request's (REPLACE). The source's
/// conditions are decided when it is found, the destination's in the commit.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>
pub async fn copy_object(request: Request, context: &Context) -> Result<Reply, Fault> {
    refuse_unbuilt(request.headers())?;
    check_acl(&request, context).await?;
    let directive = Directive::parse(request.headers())?;
    let condition = request.write_condition()?;
    let (checksum, _) = parse_upload_checksum(request.headers())?;
    let lock = lock_request(&request)?;
    let source = Source::find(&request, context).await?;
    let source_version = source.version();
    source.check_size(source.size_bytes())?;
    let (package, key) = (request.package(), request.key());
    if directive == Directive::Copy && source.is_at(package, request.key().as_str()) {
        check_self_copy(request.headers())?;
    }
    context
        .registry
        .check_writable(package.id, key, &condition)
        .await
        .map_err(|error| about_key(error.into(), &request))?;
    let replace = source.attributes(directive, &request)?;
    let actor = request.actor().to_owned();
    let work = match source.content {
        Content::File(file) => Work::Reference(CopyFile {
            source: file,
            package_id: package.id,
            key: key.clone(),
            replace,
            checksum,
            condition,
            lock,
            actor,
        }),
        Content::Special(document) => {
            let (media_type, attributes) = replace
                .unwrap_or_else(|| (document.media_type.to_owned(), ObjectAttributes::default()));
            let command = IngestFile {
                package_id: package.id,
                key: key.clone(),
                media_type,
                attributes,
                condition,
                lock,
                actor,
            };
            Work::Bytes(command, MemorySource::new(document.bytes, checksum))
        }
    };
    let registry = context.registry.clone();
    Ok(Reply::slow(async move {
        let file = work
            .run(&registry)
            .await
            .map_err(|fault| about_key(fault, &request))?;
        let mut reply = Reply::xml(copy_object_result(&file));
        set_version(&mut reply, request.package(), &file)?;
        set_source_version(&mut reply, source_version.as_deref())?;
        Ok(reply)
    }))
}

/// What a copy of an object amounts to.
enum Work {
    Reference(CopyFile),
    Bytes(IngestFile, MemorySource),
}

impl Work {
    async fn run(self, registry: &Registry) -> Result<Arc<FileRecord>, Fault> {
        Ok(match self {
            Self::Reference(command) => registry.copy_file(command).await?,
            Self::Bytes(command, mut source) => registry.ingest_file(command, &mut source).await?,
        })
    }
}

/// `x-amz-metadata-directive`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Directive {
    Copy,
    Replace,
}

impl Directive {
    fn parse(headers: &HeaderMap) -> Result<Self, Fault> {
        const NAME: &str = "x-amz-metadata-directive";
        match headers
            .get(NAME)
            .map(|value| value.to_str().unwrap_or_default())
        {
            None | Some("COPY") => Ok(Self::Copy),
            Some("REPLACE") => Ok(Self::Replace),
            Some(other) => Err(Fault::argument(NAME, other, "Unknown metadata directive.")),
        }
    }
}

/// A copy of an object to itself must change something: metadata by REPLACE, or what the headers
/// set whatever the directive is. Clients (`aws s3 cp --storage-class`) do the latter.
fn check_self_copy(headers: &HeaderMap) -> Result<(), Fault> {
    let changes = [
        "x-amz-storage-class",
        "x-amz-website-redirect-location",
        "x-amz-checksum-algorithm",
    ];
    if changes.iter().any(|name| headers.contains_key(*name)) {
        return Ok(());
    }
    Err(Fault::new(Code::InvalidRequest).message(
        "This copy request is illegal because it is trying to copy an object to itself without \
         changing the object's metadata, storage class, website redirect location or encryption \
         attributes.",
    ))
}

fn copy_object_result(file: &FileRecord) -> String {
    let mut xml = XmlWriter::s3("CopyObjectResult");
    xml.text("LastModified", &file.created_at.to_s3());
    xml.text("ETag", &quoted(&file.etag));
    write_checksum(&mut xml, file.attributes.checksum.as_ref());
    xml.finish()
}

/// UploadPartCopy: a part with the bytes of an object, or of a range of it, without sending them.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html>
pub async fn upload_part_copy(request: Request, context: &Context) -> Result<Reply, Fault> {
    refuse_unbuilt(request.headers())?;
    let number = parse_part_number(request.query.get("partNumber").unwrap_or_default())?;
    let upload = find_upload(&request, context).await?;
    let source = Source::find(&request, context).await?;
    let range = part_range(request.headers(), source.size_bytes())?;
    source.check_size(range.end - range.start)?;
    let registry = context.registry.clone();
    let source_version = source.version();
    Ok(Reply::slow(async move {
        let part = source.copy_part(&registry, &upload, number, range).await?;
        let mut reply = Reply::xml(copy_part_result(&part));
        set_source_version(&mut reply, source_version.as_deref())?;
        Ok(reply)
    }))
}

fn set_source_version(reply: &mut Reply, version: Option<&str>) -> Result<(), Fault> {
    const NAME: HeaderName = HeaderName::from_static("x-amz-copy-source-version-id");
    version.map_or(Ok(()), |id| reply.set_text(NAME, id))
}

/// `x-amz-copy-source-range`, or the whole source.
fn part_range(headers: &HeaderMap, size_bytes: u64) -> Result<Range<u64>, Fault> {
    const NAME: &str = "x-amz-copy-source-range";
    let Some(value) = headers.get(NAME) else {
        return Ok(0..size_bytes);
    };
    let text = value.to_str().unwrap_or_default();
    let Some(range) = ByteRange::parse_closed(text).filter(|range| !range.is_empty()) else {
        return Err(Fault::argument(
            NAME,
            text,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first \
             and last are the zero-based offsets of the first and last bytes to copy",
        ));
    };
    if range.end > size_bytes {
        return Err(Fault::new(Code::InvalidRange)
            .message(format!(
                "Range specified is not valid for source object of size: {size_bytes}"
            ))
            .detail("RangeRequested", text)
            .detail("ActualObjectSize", size_bytes.to_string()));
    }
    Ok(range)
}

fn copy_part_result(part: &PartRecord) -> String {
    let mut xml = XmlWriter::s3("CopyPartResult");
    xml.text("LastModified", &part.created_at.to_s3());
    xml.text("ETag", &quoted(&hex::encode(part.md5)));
    write_part_checksum(&mut xml, part.checksum.as_ref());
    xml.finish()
}

/// The object that a copy reads: found, readable by the caller, its conditions held.
struct Source {
    package: Arc<PackageRecord>,
    key: String,
    /// Whether the request names a version.
    is_named: bool,
    content: Content,
}

enum Content {
    File(Arc<FileRecord>),
    Special(Document),
}

impl Source {
    /// Finds what `x-amz-copy-source` names. Whoever may not read it learns nothing of it: a
    /// digest or a name alone never grants access.
    async fn find(request: &Request, context: &Context) -> Result<Self, Fault> {
        let header = request.headers().get("x-amz-copy-source");
        let source = CopySource::parse(header.expect("the row needs the header"))?;
        let named = source.version_id.as_deref();
        let named = named.map(|text| parse_version("x-amz-copy-source", text));
        let named = named.transpose()?;
        let package = context.registry.find_bucket(&source.bucket).await?;
        let package = package.ok_or_else(|| {
            Fault::new(Code::NoSuchBucket).detail("BucketName", source.bucket.as_str())
        })?;
        request.authorize_key(Verb::Read, &package, &source.key)?;
        let content = if source.key.is_reserved() {
            let document = read_whole(&source.key, &package, context).await?;
            document.map(Content::Special)
        } else {
            find_source(context, &package, &source.key, named)
                .await?
                .map(Content::File)
        };
        let Some(content) = content else {
            request.authorize_key(Verb::List, &package, &source.key)?;
            let code = match named {
                Some(_) => Code::NoSuchVersion,
                None => Code::NoSuchKey,
            };
            return Err(Fault::new(code).detail("Key", source.key.as_str()));
        };
        let found = Self {
            package,
            key: source.key.as_str().to_owned(),
            is_named: named.is_some(),
            content,
        };
        let conditions = Conditions::parse_copy_source(request.headers());
        if conditions.for_copy_source(found.etag(), found.last_modified()) {
            Ok(found)
        } else {
            Err(Fault::new(Code::PreconditionFailed))
        }
    }

    fn etag(&self) -> &str {
        match &self.content {
            Content::File(file) => &file.etag,
            Content::Special(document) => &document.etag,
        }
    }

    fn last_modified(&self) -> Timestamp {
        match &self.content {
            Content::File(file) => file.created_at,
            Content::Special(document) => document.last_modified,
        }
    }

    fn size_bytes(&self) -> u64 {
        match &self.content {
            Content::File(file) => file.size_bytes,
            Content::Special(document) => document.bytes.len() as u64,
        }
    }

    /// Whether it is the current object of a key: an older version is none.
    fn is_at(&self, package: &PackageRecord, key: &str) -> bool {
        self.package.id == package.id && self.key == key && !self.is_named
    }

    /// The version id, where the bucket keeps versions.
    fn version(&self) -> Option<String> {
        match &self.content {
            Content::File(file) => shown_version(&self.package, file),
            Content::Special(_) => None,
        }
    }

    #[expect(clippy::unused_self, reason = "the limit is the source's")]
    fn check_size(&self, taken_bytes: u64) -> Result<(), Fault> {
        if taken_bytes <= MAX_COPY_BYTES {
            return Ok(());
        }
        Err(Fault::new(Code::InvalidRequest).message(format!(
            "The specified copy source is larger than the maximum allowable size for a copy \
             source: {MAX_COPY_BYTES}"
        )))
    }

    /// The media type and attributes of the destination; `None` if they are the source's. The
    /// website redirect is never copied: it is the request's whatever the directive says.
    fn attributes(
        &self,
        directive: Directive,
        request: &Request,
    ) -> Result<Option<(String, ObjectAttributes)>, Fault> {
        let requested = request.attributes()?;
        match (directive, &self.content) {
            (Directive::Replace, _) => Ok(Some((request.media_type(), requested))),
            (Directive::Copy, Content::File(file))
                if file.attributes.website_redirect != requested.website_redirect =>
            {
                let attributes = ObjectAttributes {
                    website_redirect: requested.website_redirect,
                    ..file.attributes.clone()
                };
                Ok(Some((file.media_type.clone(), attributes)))
            }
            (Directive::Copy, _) => Ok(None),
        }
    }

    async fn copy_part(
        self,
        registry: &Registry,
        upload: &UploadRecord,
        number: u32,
        range: Range<u64>,
    ) -> Result<PartRecord, Fault> {
        Ok(match self.content {
            Content::File(file) => registry.copy_part(upload, number, &file, range).await?,
            Content::Special(document) => {
                let bytes = document
                    .bytes
                    .slice(range.start as usize..range.end as usize);
                let mut source = MemorySource::new(bytes, None);
                registry.upload_part(upload, number, &mut source).await?
            }
        })
    }
}

/// The file that a copy names: the current one, or a version.
async fn find_source(
    context: &Context,
    package: &PackageRecord,
    key: &ObjectKey,
    named: Option<VersionRef>,
) -> Result<Option<Arc<FileRecord>>, Fault> {
    let registry = &context.registry;
    let Some(name) = named else {
        return Ok(registry.find_file(package.id, key).await?);
    };
    match registry.find_version(package.id, key, name).await? {
        Some(FoundVersion::File(file)) => Ok(Some(file)),
        Some(FoundVersion::Marker(_)) => Err(Fault::new(Code::InvalidRequest).message(
            "The source of a copy request may not specifically refer to a delete marker by \
             version id.",
        )),
        None => Ok(None),
    }
}

/// Bytes in memory, of which nothing is claimed.
struct MemorySource {
    bytes: Option<Bytes>,
    size_bytes: u64,
    checksum: Option<ChecksumAlgorithm>,
}

impl MemorySource {
    fn new(bytes: Bytes, checksum: Option<ChecksumAlgorithm>) -> Self {
        Self {
            size_bytes: bytes.len() as u64,
            bytes: Some(bytes),
            checksum,
        }
    }
}

#[async_trait]
impl ByteSource for MemorySource {
    async fn next_chunk(&mut self) -> Result<Option<Bytes>, SourceError> {
        Ok(self.bytes.take().filter(|bytes| !bytes.is_empty()))
    }

    fn claims(&self) -> DigestClaims {
        DigestClaims::default()
    }

    fn algorithms(&self) -> Vec<ChecksumAlgorithm> {
        self.checksum.into_iter().collect()
    }

    fn size_hint(&self) -> Option<u64> {
        Some(self.size_bytes)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        );
        headers
    }

    #[test]
    fn a_part_range_is_closed_and_inside_the_source() {
        let range = |value: &str| {
            part_range(&headers("x-amz-copy-source-range", value), 10).map_err(|fault| fault.code())
        };
        for value in [
            "0-2",
            "bytes=0",
            "bytes=hello-world",
            "bytes=0-bar",
            "bytes=hello-",
            "bytes=0-2,3-5",
            "bytes=0-",
            "bytes=-2",
            "bytes=5-2",
            "",
        ] {
            assert_eq!(range(value), Err(Code::InvalidArgument), "{value}");
        }
        assert_eq!(range("bytes=0-10"), Err(Code::InvalidRange));
        assert_eq!(range("bytes=10-10"), Err(Code::InvalidRange));
        assert_eq!(range("bytes=0-9"), Ok(0..10));
        assert_eq!(range("bytes=9-9"), Ok(9..10));
        assert_eq!(part_range(&HeaderMap::new(), 0).ok(), Some(0..0));
    }

    #[test]
    fn the_directive_is_copy_or_replace() {
        const NAME: &str = "x-amz-metadata-directive";
        assert_eq!(
            Directive::parse(&HeaderMap::new()).ok(),
            Some(Directive::Copy)
        );
        let parsed = |value| Directive::parse(&headers(NAME, value)).map_err(|f| f.code());
        assert_eq!(parsed("COPY"), Ok(Directive::Copy));
        assert_eq!(parsed("REPLACE"), Ok(Directive::Replace));
        for wrong in ["", "replace", "MERGE"] {
            assert_eq!(parsed(wrong), Err(Code::InvalidArgument), "{wrong}");
        }
    }

    #[test]
    fn a_copy_to_itself_must_change_something() {
        assert!(check_self_copy(&HeaderMap::new()).is_err());
        assert!(check_self_copy(&headers("x-amz-meta-a", "b")).is_err());
        assert!(check_self_copy(&headers("x-amz-storage-class", "STANDARD")).is_ok());
    }
}
