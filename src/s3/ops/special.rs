//! Reserved keys under `.holdfast/`: manifest, checksums, status, events, finalize.
//!
//! They are read like objects, conditions and ranges included, and never listed unless asked for.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use serde_json::json;

use crate::domain::digest::ContentAddress;
use crate::domain::file::FileSummary;
use crate::domain::hashers::{HashPlan, Hashers};
use crate::domain::ids::{Sequence, Timestamp};
use crate::domain::name::{ObjectKey, RESERVED_PREFIX};
use crate::domain::package::PackageRecord;
use crate::domain::retention::Retention;
use crate::domain::verb::Verb;
use crate::exchange::context::Context;
use crate::exchange::fault::{Code, Fault};
use crate::exchange::reply::{Reply, ReplyBody};
use crate::exchange::request::Request;
use crate::registry::feed::{EventBatch, EventQuery};
use crate::registry::finalize::StoredDocument;
use crate::registry::forms::{hold_json, package_json, read_finalize, retention_json};
use crate::registry::manifests::StoredManifest;
use crate::registry::surveys::ManifestForm;
use crate::s3::ops::describe::{set_etag, value_of};
use crate::s3::ops::get::{Read, Resource};
use crate::s3::ops::lock::describe_lock;
use crate::s3::ops::sha256sums::{generated_etag, plain_hashers, survey};

/// How long a read of events waits for a first one.
const EVENTS_WAIT: Duration = Duration::from_secs(20);

/// The most events of one read.
const EVENTS_LIMIT: usize = 1000;

/// The most bytes of one read of events, reached after its last event.
const EVENTS_BYTES: usize = 8 * 1024 * 1024;

static META_DIGEST: HeaderName = HeaderName::from_static("x-amz-meta-holdfast-digest");
static MANIFEST_DIGEST: HeaderName = HeaderName::from_static("x-holdfast-manifest-digest");
static LOG_HEAD: HeaderName = HeaderName::from_static("x-holdfast-log-head");
static LOG_EPOCH: HeaderName = HeaderName::from_static("x-holdfast-log-epoch");
static NEXT_SINCE: HeaderName = HeaderName::from_static("x-holdfast-next-since");

const CBOR: &str = "application/cbor";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// A key that has a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SpecialKey {
    ManifestCbor,
    ManifestJson,
    Sha256Sums,
    Status,
    Finalize,
    Events(Sequence, EventForm),
}

/// How events follow each other in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EventForm {
    /// One JSON object a line.
    Lines,
    /// RFC 8742.
    CborSequence,
}

impl SpecialKey {
    /// The key's meaning; `None` if it has none.
    fn parse(key: &ObjectKey) -> Result<Option<Self>, Fault> {
        let name = key
            .as_str()
            .strip_prefix(RESERVED_PREFIX)
            .unwrap_or_default();
        Ok(Some(match name {
            "manifest.cbor" => Self::ManifestCbor,
            "manifest.json" => Self::ManifestJson,
            "SHA256SUMS" => Self::Sha256Sums,
            "status.json" => Self::Status,
            "finalize" => Self::Finalize,
            _ => {
                let Some(cursor) = name.strip_prefix("events/since/") else {
                    return Ok(None);
                };
                let (number, form) = match cursor.rsplit_once('.') {
                    Some((number, "jsonl")) => (number, EventForm::Lines),
                    Some((number, "cborseq")) => (number, EventForm::CborSequence),
                    Some(_) | None => return Ok(None),
                };
                let is_number = number.bytes().all(|b| b.is_ascii_digit());
                match number.parse() {
                    Ok(number) if is_number => Self::Events(Sequence(number), form),
                    Ok(_) | Err(_) => {
                        return Err(Fault::argument(
                            "since",
                            number,
                            "Events are read after a sequence number, 0 for all.",
                        ));
                    }
                }
            }
        }))
    }
}

impl SpecialKey {
    /// In which form it is the manifest, and of which media type, if it is.
    fn manifest(self) -> Option<(ManifestForm, &'static str)> {
        match self {
            Self::ManifestCbor => Some((ManifestForm::Cbor, CBOR)),
            Self::ManifestJson => Some((ManifestForm::Json, JSON)),
            _ => None,
        }
    }
}

/// GET of a reserved key. Events are waited for, up to 20 seconds.
pub async fn get_special(request: Request, context: &Context) -> Result<Reply, Fault> {
    serve(&request, context, false).await
}

/// HEAD of a reserved key. Never waits.
pub async fn head_special(request: Request, context: &Context) -> Result<Reply, Fault> {
    serve(&request, context, true).await
}

/// PUT of an action key: `finalize` freezes the package. Idempotent: a repeat answers the same
/// digest. The ETag is the MD5 of the body, which a later read gives back, because clients check
/// both.
pub async fn put_special(mut request: Request, context: &Context) -> Result<Reply, Fault> {
    if SpecialKey::parse(request.key())? != Some(SpecialKey::Finalize) {
        return Err(refusal());
    }
    let body = request.document().await?;
    let etag = md5_of(&body);
    let command = read_finalize(body, request.actor())?;
    let finalized = context
        .registry
        .finalize_package(request.package().id, command)
        .await?;
    let digest = value_of(finalized.manifest_address.to_string())?;
    let mut reply = Reply::ok().with(MANIFEST_DIGEST.clone(), digest);
    set_etag(&mut reply.headers, &etag)?;
    Ok(reply)
}

/// Every other write under the reserved prefix.
#[expect(
    clippy::unused_async,
    reason = "every handler of the dispatch is async"
)]
pub async fn refuse_special(_request: Request, _context: &Context) -> Result<Reply, Fault> {
    Err(refusal())
}

/// The refusal of a write under the reserved prefix.
pub fn refusal() -> Fault {
    Fault::new(Code::InvalidRequest).message(
        "Keys under '.holdfast/' are reserved: of them only '.holdfast/finalize' can be written, \
         by a plain PUT.",
    )
}

/// The special objects of a package, in the order of their keys: what a listing shows when its
/// prefix begins with `.holdfast`.
pub async fn list_special(
    package: &PackageRecord,
    context: &Context,
) -> Result<Vec<FileSummary>, Fault> {
    let sums = survey(&context.registry, package).await?;
    let mut found = vec![summary(
        "SHA256SUMS",
        sums.etag,
        sums.size_bytes,
        sums.last_modified,
    )?];
    let stored = [
        ("finalize", SpecialKey::Finalize),
        ("manifest.cbor", SpecialKey::ManifestCbor),
        ("manifest.json", SpecialKey::ManifestJson),
        ("status.json", SpecialKey::Status),
    ];
    for (name, key) in stored {
        if let Some((form, _)) = key.manifest() {
            let manifest = context.registry.open_manifest(package.id, form).await?;
            if let Some(manifest) = manifest {
                let (size_bytes, at) = (manifest.size_bytes, manifest.created_at);
                found.push(summary(name, manifest.md5, size_bytes, at)?);
            }
        } else if let Some(document) = find_document(key, package, context).await? {
            let size_bytes = document.bytes.len() as u64;
            let at = document.last_modified;
            found.push(summary(name, document.etag, size_bytes, at)?);
        }
    }
    Ok(found)
}

fn summary(
    name: &str,
    etag: String,
    size_bytes: u64,
    created_at: Timestamp,
) -> Result<FileSummary, Fault> {
    Ok(FileSummary {
        key: ObjectKey::parse(&format!("{RESERVED_PREFIX}{name}"))?,
        etag,
        size_bytes,
        created_at,
    })
}

/// A special object that is in memory.
#[derive(Debug, Clone)]
pub struct Document {
    /// Its bytes.
    pub bytes: Bytes,
    /// Its entity tag without quotes: the MD5 of a stored one, something else of a generated one.
    pub etag: String,
    /// `Last-Modified`.
    pub last_modified: Timestamp,
    /// `Content-Type`.
    pub media_type: &'static str,
    digest: Option<ContentAddress>,
}

/// The whole of a special object, as the source of a copy; `None` if the key has no object now.
/// Events, which never end, are refused.
pub async fn read_whole(
    key: &ObjectKey,
    package: &PackageRecord,
    context: &Context,
) -> Result<Option<Document>, Fault> {
    use futures_util::TryStreamExt as _;
    match SpecialKey::parse(key)? {
        None => Ok(None),
        Some(SpecialKey::Events(..)) => {
            Err(Fault::new(Code::InvalidRequest).message("Events cannot be the source of a copy."))
        }
        Some(SpecialKey::Sha256Sums) => {
            let survey = survey(&context.registry, package).await?;
            let (etag, last_modified) = (survey.etag.clone(), survey.last_modified);
            let whole = 0..survey.size_bytes;
            let stream = survey.open(context.registry.clone(), package.id, whole);
            let bytes: Vec<Bytes> = stream.try_collect().await?;
            Ok(Some(Document {
                bytes: bytes.concat().into(),
                etag,
                last_modified,
                media_type: TEXT,
                digest: None,
            }))
        }
        Some(key) => match key.manifest() {
            None => find_document(key, package, context).await,
            Some((form, media_type)) => {
                let found = context.registry.open_manifest(package.id, form).await?;
                let Some(manifest) = found else {
                    return Ok(None);
                };
                Ok(Some(Document {
                    bytes: manifest.read_whole().await?,
                    etag: manifest.md5,
                    last_modified: manifest.created_at,
                    media_type,
                    digest: package.manifest_address,
                }))
            }
        },
    }
}

/// A special object that is short, and made or read whole.
async fn find_document(
    key: SpecialKey,
    package: &PackageRecord,
    context: &Context,
) -> Result<Option<Document>, Fault> {
    let registry = &context.registry;
    let digest = package.manifest_address;
    let document = match key {
        SpecialKey::Finalize => {
            let request = registry.find_finalize_request(package.id).await?;
            request.map(|request| stored(request, JSON, digest))
        }
        SpecialKey::Status => {
            // The request's own record may be one that is remembered, whose counts are older.
            let Some(package) = registry.find_package(package.id).await? else {
                return Ok(None);
            };
            let retention = registry.find_retention(package.id).await?;
            Some(status(&package, retention.as_ref(), context.now())?)
        }
        SpecialKey::ManifestCbor
        | SpecialKey::ManifestJson
        | SpecialKey::Sha256Sums
        | SpecialKey::Events(..) => None,
    };
    Ok(document)
}

fn stored(
    document: StoredDocument,
    media_type: &'static str,
    digest: Option<ContentAddress>,
) -> Document {
    Document {
        etag: md5_of(&document.bytes),
        bytes: document.bytes,
        last_modified: document.created_at,
        media_type,
        digest,
    }
}

fn md5_of(bytes: &[u8]) -> String {
    let mut hashers = Hashers::new(&HashPlan::part(Vec::new()));
    hashers.update(bytes);
    let (digests, _) = hashers.finish();
    hex::encode(digests.md5.unwrap_or_default())
}

/// The package as it stands, as the extension API shows it too, with its holds.
fn status(
    package: &PackageRecord,
    retention: Option<&Retention>,
    now: Timestamp,
) -> Result<Document, Fault> {
    let mut value = package_json(package);
    let holds = retention.map_or(&[][..], |retention| &retention.holds);
    value["holds"] = json!(holds.iter().map(hold_json).collect::<Vec<_>>());
    value["retention"] = retention.map_or(json!(null), |retention| {
        retention_json(package.id, retention)
    });
    let mut bytes = serde_json::to_vec_pretty(&value).map_err(Fault::internal)?;
    bytes.push(b'\n');
    let mut hashers = plain_hashers();
    hashers.update(&bytes);
    Ok(Document {
        bytes: bytes.into(),
        etag: generated_etag(hashers),
        last_modified: now,
        media_type: JSON,
        digest: package.manifest_address,
    })
}

async fn serve(request: &Request, context: &Context, is_head: bool) -> Result<Reply, Fault> {
    let read = Read::parse(request.headers(), &request.query)?;
    match SpecialKey::parse(request.key())? {
        None => Err(request.no_such_key()),
        Some(SpecialKey::Sha256Sums) => serve_sums(&read, request, context, is_head).await,
        Some(SpecialKey::Events(since, form)) => {
            request.authorize(Verb::Events, request.package())?;
            serve_events(&read, request, context, (since, form), is_head).await
        }
        Some(key) => {
            let mut reply = match key.manifest() {
                None => {
                    let document = find_document(key, request.package(), context).await?;
                    let document = document.ok_or_else(|| request.no_such_key())?;
                    serve_document(&read, &document, is_head)?
                }
                Some((form, media_type)) => {
                    let id = request.package().id;
                    let found = context.registry.open_manifest(id, form).await?;
                    let manifest = found.ok_or_else(|| request.no_such_key())?;
                    let mut reply = serve_manifest(&read, &manifest, media_type, is_head)?;
                    describe_digest(&mut reply, request.package().manifest_address)?;
                    reply
                }
            };
            if key == SpecialKey::ManifestCbor
                && let Some(retention) = context
                    .registry
                    .find_retention(request.package().id)
                    .await?
            {
                describe_lock(&mut reply, &retention)?;
            }
            Ok(reply)
        }
    }
}

fn serve_document(read: &Read, document: &Document, is_head: bool) -> Result<Reply, Fault> {
    let resource = Resource {
        etag: &document.etag,
        last_modified: document.last_modified,
        size_bytes: document.bytes.len() as u64,
        parts: &[],
    };
    let media_type = HeaderValue::from_static(document.media_type);
    let mut reply = read.serve(&resource, media_type, |range| {
        if is_head {
            return ReplyBody::Empty;
        }
        let range = range.start as usize..range.end as usize;
        ReplyBody::Bytes(document.bytes.slice(range))
    })?;
    describe_digest(&mut reply, document.digest)?;
    Ok(reply)
}

fn describe_digest(reply: &mut Reply, digest: Option<ContentAddress>) -> Result<(), Fault> {
    if let Some(digest) = digest {
        let digest = value_of(digest.to_string())?;
        reply.headers.insert(META_DIGEST.clone(), digest);
    }
    Ok(())
}

fn serve_manifest(
    read: &Read,
    manifest: &StoredManifest,
    media_type: &'static str,
    is_head: bool,
) -> Result<Reply, Fault> {
    let resource = Resource {
        etag: &manifest.md5,
        last_modified: manifest.created_at,
        size_bytes: manifest.size_bytes,
        parts: &[],
    };
    read.serve(&resource, HeaderValue::from_static(media_type), |range| {
        if is_head || range.is_empty() {
            return ReplyBody::Empty;
        }
        let length = range.end - range.start;
        ReplyBody::File(manifest.open(range), length)
    })
}

async fn serve_sums(
    read: &Read,
    request: &Request,
    context: &Context,
    is_head: bool,
) -> Result<Reply, Fault> {
    let package = request.package();
    let survey = survey(&context.registry, package).await?;
    let etag = survey.etag.clone();
    let resource = Resource {
        etag: &etag,
        last_modified: survey.last_modified,
        size_bytes: survey.size_bytes,
        parts: &[],
    };
    read.serve(&resource, HeaderValue::from_static(TEXT), |range| {
        if is_head || range.is_empty() {
            return ReplyBody::Empty;
        }
        let length = range.end - range.start;
        let registry = context.registry.clone();
        ReplyBody::File(survey.open(registry, package.id, range), length)
    })
}

async fn serve_events(
    read: &Read,
    request: &Request,
    context: &Context,
    (since, form): (Sequence, EventForm),
    is_head: bool,
) -> Result<Reply, Fault> {
    let query = EventQuery {
        since,
        limit: EVENTS_LIMIT,
        package: Some(request.package().id),
        ..EventQuery::default()
    };
    let registry = &context.registry;
    let batch = if is_head {
        registry.fetch_events(&query).await?
    } else {
        registry.poll_events(&query, EVENTS_WAIT).await?
    };
    let (bytes, next_since) = encode_events(&batch, form)?;
    let mut hashers = plain_hashers();
    hashers.update(&bytes);
    let document = Document {
        bytes: bytes.into(),
        etag: generated_etag(hashers),
        last_modified: batch
            .events
            .last()
            .map_or_else(|| context.now(), |event| event.created_at),
        media_type: match form {
            EventForm::Lines => "application/x-ndjson",
            EventForm::CborSequence => "application/cbor-seq",
        },
        digest: None,
    };
    let mut reply = serve_document(read, &document, is_head)?;
    for (name, number) in [
        (&LOG_HEAD, batch.head.0),
        (&LOG_EPOCH, batch.epoch),
        (&NEXT_SINCE, next_since.0),
    ] {
        reply.headers.insert(name.clone(), number.into());
    }
    Ok(reply)
}

/// The body, and where the next read goes on.
fn encode_events(batch: &EventBatch, form: EventForm) -> Result<(Vec<u8>, Sequence), Fault> {
    let mut out = Vec::new();
    for event in &batch.events {
        match form {
            EventForm::Lines => {
                event.write_json(&mut out)?;
                out.push(b'\n');
            }
            EventForm::CborSequence => out.extend_from_slice(&event.to_cbor()),
        }
        if out.len() > EVENTS_BYTES {
            return Ok((out, event.sequence));
        }
    }
    Ok((out, batch.next_since))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str) -> Result<Option<SpecialKey>, Code> {
        let key = ObjectKey::parse(&format!(".holdfast/{name}")).unwrap();
        SpecialKey::parse(&key).map_err(|fault| fault.code())
    }

    #[test]
    fn a_garbled_cursor_is_refused_and_an_unknown_name_is_no_key() {
        for name in [
            "-1.jsonl",
            "+1.jsonl",
            "x.jsonl",
            ".jsonl",
            "1e3.cborseq",
            "1.5.jsonl",
        ] {
            let name = format!("events/since/{name}");
            assert_eq!(parse(&name), Err(Code::InvalidArgument), "{name}");
        }
        for name in [
            "x",
            "Manifest.cbor",
            "manifest.cbor/",
            "events",
            "events/since/1",
            "events/since/1.json",
            "finalize/x",
        ] {
            assert_eq!(parse(name), Ok(None), "{name}");
        }
    }

    #[test]
    fn every_special_key_is_known() {
        let events = |n, form| SpecialKey::Events(Sequence(n), form);
        for (name, key) in [
            ("manifest.cbor", SpecialKey::ManifestCbor),
            ("manifest.json", SpecialKey::ManifestJson),
            ("SHA256SUMS", SpecialKey::Sha256Sums),
            ("status.json", SpecialKey::Status),
            ("finalize", SpecialKey::Finalize),
            ("events/since/0.jsonl", events(0, EventForm::Lines)),
            (
                "events/since/17.cborseq",
                events(17, EventForm::CborSequence),
            ),
        ] {
            assert_eq!(parse(name), Ok(Some(key)), "{name}");
        }
    }

    #[test]
    fn the_tag_of_a_stored_document_is_its_md5() {
        assert_eq!(md5_of(b""), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(md5_of(b"abc"), "900150983cd24fb0d6963f7d28e17f72");
    }
}
