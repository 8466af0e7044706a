//! Buckets: list, create, head, delete, location. A bucket is a package, translated here.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::domain::name::PackageName;
use crate::domain::package::{PackageRecord, Rejection, WriteMode};
use crate::domain::verb::Verb;
use crate::exchange::context::Context;
use crate::exchange::fault::{Code, Fault};
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;
use crate::registry::error::Error;
use crate::registry::listing::ListPosition;
use crate::registry::packages::{CreatePackage, PackageFilter};
use crate::registry::uploads::{ListUploads, UploadEntry};
use crate::s3::ops::page::{decode_token, encode_token, given, header_not_implemented, page_size};
use crate::s3::ops::tags::{Parameter, Tag, TagList, read_metadata};
use crate::wire::uri::Query;
use crate::wire::xml::{DECLARATION, S3_NAMESPACE, XmlWriter, parse};

/// The most buckets of one page of ListBuckets.
pub const MAX_BUCKETS: usize = 10_000;

/// Headers with this prefix say what package a bucket shall be, as reserved tags do.
const HEADER_PREFIX: &str = "x-holdfast-";

/// How many packages are read at once while looking for those that the caller may list.
const PACKAGES_PER_READ: usize = 1000;

/// How often a bucket's deletion begins again because an upload was opened meanwhile.
const DELETE_ATTEMPTS: usize = 4;

const BUCKET_REGION: HeaderName = HeaderName::from_static("x-amz-bucket-region");
const BUCKET_ARN: HeaderName = HeaderName::from_static("x-amz-bucket-arn");
const ACCESS_POINT_ALIAS: HeaderName = HeaderName::from_static("x-amz-access-point-alias");

// ---------------------------------------------------------------- ListBuckets

/// The buckets that the caller may list, by name. Pages by `max-buckets` and `continuation-token`.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html>
pub async fn list_buckets(request: Request, context: &Context) -> Result<Reply, Fault> {
    let asked = ListBuckets::parse(&request.query)?;
    let region = &context.settings.region;
    let is_here = asked.region.as_ref().is_none_or(|asked| asked == region);
    let mut buckets = if is_here {
        asked.find(&request, context).await?
    } else {
        Vec::new()
    };
    let is_truncated = buckets.len() > asked.max_buckets;
    buckets.truncate(asked.max_buckets);

    let mut xml = XmlWriter::s3("ListAllMyBucketsResult");
    xml.nest("Owner", |xml| {
        xml.text("ID", request.actor())
            .text("DisplayName", request.display_name());
    });
    xml.nest("Buckets", |xml| {
        for bucket in &buckets {
            xml.nest("Bucket", |xml| {
                xml.text("Name", bucket.bucket.as_str());
                xml.text("CreationDate", &bucket.created_at.to_s3());
                xml.text("BucketRegion", region);
                xml.text("BucketArn", &arn(&bucket.bucket));
            });
        }
    });
    if let Some(last) = buckets.last().filter(|_| is_truncated) {
        let position = ListPosition::AfterKey(last.bucket.as_str().to_owned());
        xml.text("ContinuationToken", &encode_token(&position));
    }
    xml.optional(
        "Prefix",
        (!asked.prefix.is_empty()).then_some(&*asked.prefix),
    );
    Ok(Reply::xml(xml.finish()))
}

#[derive(Debug, PartialEq, Eq)]
struct ListBuckets {
    prefix: String,
    region: Option<String>,
    max_buckets: usize,
    after: Option<String>,
}

impl ListBuckets {
    fn parse(query: &Query) -> Result<Self, Fault> {
        let prefix = query.get("prefix").unwrap_or_default().to_owned();
        let after = match given(query, "continuation-token") {
            None => before_prefix(&prefix),
            Some(token) => match decode_token("continuation-token", token)? {
                ListPosition::AfterKey(name) | ListPosition::AfterPrefix(name) => Some(name),
            },
        };
        Ok(Self {
            prefix,
            region: given(query, "bucket-region").map(str::to_owned),
            max_buckets: page_size(query, "max-buckets", 1..=MAX_BUCKETS, MAX_BUCKETS)?,
            after,
        })
    }

    /// A page and one bucket more, if there is one.
    async fn find(
        &self,
        request: &Request,
        context: &Context,
    ) -> Result<Vec<Arc<PackageRecord>>, Fault> {
        let mut found = Vec::new();
        let mut after = self.after.clone();
        loop {
            let (packages, is_more_there) = context
                .registry
                .list_packages(
                    &PackageFilter::default(),
                    after.as_deref(),
                    PACKAGES_PER_READ,
                )
                .await?;
            after = packages
                .last()
                .map(|package| package.bucket.as_str().to_owned());
            for package in packages {
                let name = package.bucket.as_str();
                if !name.starts_with(&self.prefix) {
                    if name > self.prefix.as_str() {
                        return Ok(found);
                    }
                } else if request.may_some(Verb::List, &package) {
                    found.push(package);
                    if found.len() > self.max_buckets {
                        return Ok(found);
                    }
                }
            }
            if !is_more_there {
                return Ok(found);
            }
        }
    }
}

/// A text after which the names with this prefix begin: the characters of bucket names lie between
/// `-` and `z`, so nothing stands between the prefix with its last character lowered and followed
/// by `~`, and the prefix itself.
fn before_prefix(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    match text.pop() {
        Some(last) if last.is_ascii_graphic() && last > '!' => {
            text.push(char::from(last as u8 - 1));
            text.push('~');
            Some(text)
        }
        _ => None,
    }
}

// ---------------------------------------------------------------- CreateBucket

/// Creates a package and its bucket. 409 `BucketAlreadyOwnedByYou` or `BucketAlreadyExists` when
/// the name is taken.
///
/// What the package is comes from the signed headers `x-holdfast-{name,producer,subject,
/// retention-class,metadata,metadata-schema,write-mode}`, then from the tags `holdfast:name` and so
/// on in the body; other tags are plain bucket tags.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html>
pub async fn create_bucket(mut request: Request, context: &Context) -> Result<Reply, Fault> {
    check_headers(request.headers())?;
    request.authorize_creation(request.bucket())?;
    let body = request.document().await?;
    let asked = CreateBucket::parse(request.headers(), &body)?;
    asked.check_region(&context.settings.region, credential_region(&request))?;
    let mut command = asked.command(request.bucket(), request.actor())?;
    command.object_lock = wants_lock(request.headers())?;
    let package = match context.registry.create_package(command).await {
        Err(Error::Rejected(Rejection::NameTaken { owner })) => {
            let is_own = owner == request.actor();
            let code = if is_own {
                Code::BucketAlreadyOwnedByYou
            } else {
                Code::BucketAlreadyExists
            };
            return Err(Fault::new(code).detail("BucketName", request.bucket().as_str()));
        }
        outcome => outcome?,
    };
    let mut reply = Reply::ok();
    reply.set_text(header::LOCATION, &format!("/{}", package.bucket))?;
    reply.set_text(BUCKET_ARN, &arn(&package.bucket))?;
    Ok(reply)
}

/// Whether the bucket shall have Object Lock, and versions with it.
fn wants_lock(headers: &HeaderMap) -> Result<bool, Fault> {
    const NAME: &str = "x-amz-bucket-object-lock-enabled";
    match headers.get(NAME).map(HeaderValue::as_bytes) {
        None => Ok(false),
        Some(word) if word.eq_ignore_ascii_case(b"false") => Ok(false),
        Some(word) if word.eq_ignore_ascii_case(b"true") => Ok(true),
        Some(other) => {
            let other = String::from_utf8_lossy(other);
            Err(Fault::argument(
                NAME,
                &other,
                "The value must be true or false.",
            ))
        }
    }
}

/// Refuses what would make another bucket than the one that is asked for.
fn check_headers(headers: &HeaderMap) -> Result<(), Fault> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let ownership = "x-amz-object-ownership";
    match text(ownership) {
        None | Some("BucketOwnerEnforced") => Ok(()),
        Some("BucketOwnerPreferred" | "ObjectWriter") => Err(header_not_implemented(ownership)),
        Some(other) => Err(Fault::argument(
            ownership,
            other,
            format!("Invalid x-amz-object-ownership header: {other}"),
        )),
    }
}

/// The region that the caller signs for, if the signature says one.
fn credential_region(request: &Request) -> Option<&str> {
    let (_, credential) = request.header("authorization")?.split_once("Credential=")?;
    let scope = credential.split([',', ' ']).next()?;
    scope.rsplit('/').nth(2)
}

/// What is asked of a new package, before anything is filled in.
#[derive(Debug, Default)]
struct CreateBucket {
    region: Option<String>,
    said: TagList,
}

impl CreateBucket {
    fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Self, Fault> {
        let mut asked = Self::default();
        if !body.is_empty() {
            asked.read_document(body)?;
        }
        // Headers come last, so that they win.
        for parameter in Parameter::ALL {
            let name = format!("{HEADER_PREFIX}{}", parameter.name());
            if let Some(value) = headers.get(&name) {
                let text = std::str::from_utf8(value.as_bytes())
                    .map_err(|_| Fault::argument(&name, "", format!("{name} must be UTF-8.")))?;
                asked.said.parameters.insert(parameter, text.to_owned());
            }
        }
        Ok(asked)
    }

    fn read_document(&mut self, body: &[u8]) -> Result<(), Fault> {
        let document: CreateBucketConfiguration = parse(body, "CreateBucketConfiguration")?;
        if document.location.is_some() || document.bucket.is_some() {
            return Err(
                Fault::new(Code::NotImplemented).message("Directory buckets are not implemented.")
            );
        }
        self.region = document
            .location_constraint
            .filter(|region| !region.is_empty());
        self.said = TagList::read(document.tags.map(|tags| tags.tags).unwrap_or_default())?;
        Ok(())
    }

    /// A constraint names this endpoint's region, or the region that the client believes it is
    /// talking to: every region is accepted in signatures, and `aws s3 mb` repeats its own.
    fn check_region(&self, here: &str, signed: Option<&str>) -> Result<(), Fault> {
        match self.region.as_deref() {
            None => Ok(()),
            Some(region) if region == here || Some(region) == signed => Ok(()),
            Some(region) => Err(Fault::new(Code::InvalidLocationConstraint)
                .detail("LocationConstraint", region)
                .detail("Region", here)),
        }
    }

    fn command(mut self, bucket: &PackageName, actor: &str) -> Result<CreatePackage, Fault> {
        let mut take = |parameter| {
            self.said
                .parameters
                .remove(&parameter)
                .filter(|text| !text.is_empty())
        };
        let metadata = take(Parameter::Metadata);
        let metadata = metadata.map(|text| read_metadata(&text)).transpose()?;
        let write_mode = match take(Parameter::WriteMode) {
            None => None,
            Some(text) => Some(WriteMode::parse(&text).ok_or_else(|| {
                let message = "write-mode: must be versioned-by-request or write-once.";
                Fault::argument(Parameter::WriteMode.name(), &text, message)
            })?),
        };
        Ok(CreatePackage {
            bucket: bucket.clone(),
            name: take(Parameter::Name),
            producer: take(Parameter::Producer),
            subject: take(Parameter::Subject),
            retention_class: take(Parameter::RetentionClass),
            metadata,
            metadata_schema: take(Parameter::MetadataSchema),
            write_mode,
            tags: self.said.tags,
            object_lock: false,
            actor: actor.to_owned(),
        })
    }
}

/// `<CreateBucketConfiguration>`.
#[derive(Debug, Deserialize)]
struct CreateBucketConfiguration {
    #[serde(rename = "LocationConstraint")]
    location_constraint: Option<String>,
    #[serde(rename = "Location")]
    location: Option<IgnoredAny>,
    #[serde(rename = "Bucket")]
    bucket: Option<IgnoredAny>,
    #[serde(rename = "Tags")]
    tags: Option<Tags>,
}

/// `<Tags>`.
#[derive(Debug, Deserialize)]
struct Tags {
    #[serde(rename = "Tag", default)]
    tags: Vec<Tag>,
}

// ---------------------------------------------------------------- HeadBucket, GetBucketLocation

/// Whether a bucket is there and the caller may list it; its region is in the headers.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html>
#[expect(clippy::unused_async, reason = "handlers have one shape")]
pub async fn head_bucket(request: Request, context: &Context) -> Result<Reply, Fault> {
    let mut reply = Reply::ok().with(ACCESS_POINT_ALIAS, HeaderValue::from_static("false"));
    reply.set_text(BUCKET_REGION, &context.settings.region)?;
    reply.set_text(BUCKET_ARN, &arn(request.bucket()))?;
    Ok(reply)
}

/// The region; empty for `us-east-1`, as on AWS.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html>
#[expect(clippy::unused_async, reason = "handlers have one shape")]
pub async fn get_bucket_location(request: Request, context: &Context) -> Result<Reply, Fault> {
    drop(request);
    Ok(Reply::xml(location(&context.settings.region)))
}

fn location(region: &str) -> String {
    let text = if region == "us-east-1" { "" } else { region };
    format!("{DECLARATION}<LocationConstraint xmlns=\"{S3_NAMESPACE}\">{text}</LocationConstraint>")
}

fn arn(bucket: &PackageName) -> String {
    format!("arn:aws:s3:::{bucket}")
}

// ---------------------------------------------------------------- DeleteBucket

/// Ends an open package; the name is free again. 409 `BucketNotEmpty` while keys remain. A finalized
/// one ends as a whole once its retention allows it, and its name is not used again; until then 403
/// `AccessDenied`. Open uploads end with the bucket, as on AWS.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucket.html>
pub async fn delete_bucket(request: Request, context: &Context) -> Result<Reply, Fault> {
    let package = request.package();
    let registry = &context.registry;
    let bypasses = request.bypasses_governance()?;
    for _ in 0..DELETE_ATTEMPTS {
        let ended = registry.delete_package(package.id, request.actor(), bypasses);
        match ended.await {
            Ok(()) => return Ok(Reply::no_content()),
            // Said only of a bucket that nothing else keeps: one that stays keeps its uploads too.
            Err(Error::Rejected(Rejection::OpenUploads(_))) => {
                abort_uploads(package, context).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(Fault::new(Code::OperationAborted).message("Uploads are being opened. Try again."))
}

async fn abort_uploads(package: &PackageRecord, context: &Context) -> Result<(), Fault> {
    let query = ListUploads {
        limit: PACKAGES_PER_READ,
        ..ListUploads::default()
    };
    loop {
        let page = context.registry.list_uploads(package.id, &query).await?;
        for entry in page.entries {
            let UploadEntry::Upload(upload) = entry else {
                continue;
            };
            match context
                .registry
                .abort_upload(package.id, &upload.key, upload.id)
                .await
            {
                Ok(()) | Err(Error::Rejected(Rejection::NoSuchUpload)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if !page.is_truncated {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::description::MAX_TAGS;

    const BUCKET: &str = "pkg";

    fn asked(headers: &[(&str, &str)], body: &str) -> Result<CreatePackage, Fault> {
        let headers = header_map(headers);
        check_headers(&headers)?;
        let bucket = PackageName::parse(BUCKET).unwrap();
        CreateBucket::parse(&headers, body.as_bytes())?.command(&bucket, "ci")
    }

    fn header_map(headers: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, HeaderValue::from_bytes(value.as_bytes()).unwrap())
        };
        headers.iter().map(pair).collect()
    }

    fn tags(tags: &[(&str, &str)]) -> String {
        let tag = |(key, value): &(&str, &str)| {
            format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>")
        };
        let tags: String = tags.iter().map(tag).collect();
        format!("<CreateBucketConfiguration><Tags>{tags}</Tags></CreateBucketConfiguration>")
    }

    fn refused(headers: &[(&str, &str)], body: &str) -> Option<Code> {
        asked(headers, body).err().map(|fault| fault.code())
    }

    #[test]
    fn a_header_that_asks_for_another_bucket_is_refused() {
        let cases = [
            (
                "x-amz-object-ownership",
                "ObjectWriter",
                Code::NotImplemented,
            ),
            ("x-amz-object-ownership", "Nobody", Code::InvalidArgument),
            ("x-holdfast-metadata", "{", Code::InvalidArgument),
            ("x-holdfast-metadata", "[1]", Code::InvalidArgument),
            ("x-holdfast-write-mode", "never", Code::InvalidArgument),
        ];
        for (name, value, code) in cases {
            assert_eq!(refused(&[(name, value)], ""), Some(code), "{name}: {value}");
        }
    }

    #[test]
    fn a_document_that_is_no_configuration_is_refused() {
        let directory = "<CreateBucketConfiguration><Bucket><Type>Directory</Type></Bucket>\
                         </CreateBucketConfiguration>";
        for body in ["garbage", "<Configuration/>", "<CreateBucketConfiguration>"] {
            assert_eq!(refused(&[], body), Some(Code::MalformedXML), "{body}");
        }
        assert_eq!(refused(&[], directory), Some(Code::NotImplemented));
    }

    #[test]
    fn a_tag_beyond_the_limits_is_refused() {
        let long_key = "k".repeat(129);
        let long_value = "v".repeat(257);
        let many: Vec<_> = (0..=MAX_TAGS).map(|n| format!("k{n}")).collect();
        let many: Vec<_> = many.iter().map(|key| (key.as_str(), "")).collect();
        let wrong: [&[(&str, &str)]; 10] = [
            &[("a!", "1")],
            &[("a", "1\n")],
            &[("holdfast:colour", "red")],
            &[("holdfast:name", "a"), ("holdfast:name", "b")],
            &[("a", "1"), ("a", "2")],
            &[("aws:a", "1")],
            &[("", "1")],
            &[(&long_key, "1")],
            &[("a", &long_value)],
            &many,
        ];
        for list in wrong {
            assert_eq!(
                refused(&[], &tags(list)),
                Some(Code::InvalidTag),
                "{list:?}"
            );
        }
        assert_eq!(refused(&[], &tags(&many[1..])), None);
        assert_eq!(
            refused(&[], &tags(&[(&long_key[1..], &long_value[1..])])),
            None
        );
    }

    #[test]
    fn a_header_wins_over_a_tag_and_a_tag_over_nothing() {
        let body = tags(&[
            ("holdfast:producer", "tag"),
            ("holdfast:subject", "é"),
            ("holdfast:metadata", "{&quot;a&quot;: 1}"),
            ("team", "blue"),
        ]);
        let headers = [
            ("x-holdfast-producer", "header"),
            ("x-holdfast-name", "Größe"),
            ("x-holdfast-write-mode", "write-once"),
            ("x-holdfast-retention-class", "seven-years"),
            ("x-holdfast-metadata-schema", "release"),
            ("x-holdfast-subject", ""),
            ("x-amz-bucket-object-lock-enabled", "false"),
            ("x-amz-object-ownership", "BucketOwnerEnforced"),
            ("x-amz-acl", "private"),
        ];
        let command = asked(&headers, &body).unwrap();
        assert_eq!(command.producer.as_deref(), Some("header"));
        assert_eq!(command.name.as_deref(), Some("Größe"));
        assert_eq!(command.subject, None);
        assert_eq!(command.retention_class.as_deref(), Some("seven-years"));
        assert_eq!(command.metadata_schema.as_deref(), Some("release"));
        assert_eq!(command.write_mode, Some(WriteMode::WriteOnce));
        assert_eq!(command.metadata, Some(serde_json::json!({"a": 1})));
        assert_eq!(
            command.tags,
            BTreeMap::from([("team".to_owned(), "blue".to_owned())])
        );
        let plain = asked(&[], "").unwrap();
        assert_eq!(
            (plain.bucket.as_str(), plain.actor.as_str()),
            (BUCKET, "ci")
        );
        assert_eq!(
            (plain.producer, plain.metadata, plain.write_mode),
            (None, None, None)
        );
        assert!(asked(&[], "<CreateBucketConfiguration/>").is_ok());
    }

    #[test]
    fn a_location_constraint_is_this_region_or_the_one_signed_for() {
        let check = |constraint: &str, signed: Option<&str>| {
            let body = format!(
                "<CreateBucketConfiguration xmlns=\"{S3_NAMESPACE}\"><LocationConstraint>\
                 {constraint}</LocationConstraint></CreateBucketConfiguration>"
            );
            let asked = CreateBucket::parse(&HeaderMap::new(), body.as_bytes()).unwrap();
            asked
                .check_region("us-east-1", signed)
                .map_err(|fault| fault.code())
        };
        assert_eq!(
            check("mars-1", Some("us-east-1")),
            Err(Code::InvalidLocationConstraint)
        );
        assert_eq!(check("mars-1", None), Err(Code::InvalidLocationConstraint));
        assert_eq!(check("us-east-1", None), Ok(()));
        assert_eq!(check("", None), Ok(()));
        assert_eq!(check("eu-central-1", Some("eu-central-1")), Ok(()));
    }

    #[test]
    fn a_listing_of_buckets_begins_at_its_prefix() {
        let names = ["a", "aa", "ab", "ab-", "ab.c", "abz", "ac", "b"];
        for prefix in ["a", "ab", "ab-", "b", "0", "-", "ab.c"] {
            let after = before_prefix(prefix).unwrap();
            let kept = names.iter().filter(|name| **name > after.as_str());
            let wanted = names.iter().filter(|name| **name >= prefix);
            assert!(kept.eq(wanted), "{prefix}");
        }
        assert_eq!(before_prefix(""), None);
        assert_eq!(before_prefix("é"), None);
        let parse = |query: &str| {
            let query = Query::parse(query).unwrap();
            ListBuckets::parse(&query).map_err(|fault| fault.code())
        };
        for wrong in ["max-buckets=0", "max-buckets=x", "continuation-token=abc"] {
            assert_eq!(parse(wrong), Err(Code::InvalidArgument), "{wrong}");
        }
        let token = encode_token(&ListPosition::AfterKey("abz".to_owned()));
        let next = parse(&format!(
            "prefix=ab&max-buckets=5&continuation-token={token}"
        ))
        .unwrap();
        assert_eq!((next.after.as_deref(), next.max_buckets), (Some("abz"), 5));
    }

    #[test]
    fn the_first_region_has_no_location() {
        assert!(location("us-east-1").ends_with("\"></LocationConstraint>"));
        assert!(location("eu-west-1").ends_with(">eu-west-1</LocationConstraint>"));
    }
}
