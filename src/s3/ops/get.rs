//! GetObject and HeadObject, and what every read of one resource has in common: conditions, range,
//! part number, overrides.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::domain::file::{FilePart, FileRecord};
use crate::domain::ids::Timestamp;
use crate::domain::upload::MAX_PARTS;
use crate::exchange::context::Context;
use crate::exchange::fault::{Code, Fault};
use crate::exchange::reply::{Reply, ReplyBody};
use crate::exchange::request::Request;
use crate::s3::ops::describe::{set_checksum, set_etag, set_last_modified, value_of};
use crate::s3::ops::lock_headers::describe_lock;
use crate::s3::ops::versions::{find_object, set_version};
use crate::wire::checksum::header_name;
use crate::wire::conditions::{Conditions, ReadOutcome};
use crate::wire::range::{Selection, content_range, unsatisfied_range};
use crate::wire::uri::Query;

/// GetObject: the bytes of a key, or a range or a part of them, checked against their digests as
/// they are sent: when they are damaged the answer is an error, or the connection breaks.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>
pub async fn get_object(request: Request, context: &Context) -> Result<Reply, Fault> {
    let (file, reply, range) = head(&request, context).await?;
    if range.is_empty() {
        // 304, or an object without bytes.
        return Ok(reply);
    }
    let length = range.end - range.start;
    let stream = context.registry.open_file(&file, range).await?;
    Ok(reply.with_file(stream, length))
}

/// HeadObject: the answer of GetObject without its body.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html>
pub async fn head_object(request: Request, context: &Context) -> Result<Reply, Fault> {
    let (_, reply, _) = head(&request, context).await?;
    Ok(reply)
}

/// The file, the answer's head, and the bytes that follow it.
async fn head(
    request: &Request,
    context: &Context,
) -> Result<(std::sync::Arc<FileRecord>, Reply, Range<u64>), Fault> {
    let read = Read::parse(request.headers(), &request.query)?;
    let file = find_object(request, context).await?;
    let resource = Resource {
        etag: &file.etag,
        last_modified: file.created_at,
        size_bytes: file.size_bytes,
        parts: &file.attributes.parts,
    };
    let (mut reply, range) = match read.select(&resource)? {
        Selected::NotModified => (Reply::new(StatusCode::NOT_MODIFIED), 0..0),
        Selected::Bytes { range, slice } => {
            let mut reply = read.reply(&resource, &range, slice)?;
            describe_representation(&mut reply, &file)?;
            if read.wants_checksum {
                add_checksum(&mut reply.headers, &file, slice)?;
            }
            (reply, range)
        }
    };
    describe_always(&mut reply, &file)?;
    set_version(&mut reply, request.package(), &file)?;
    describe_lock(&mut reply, &file)?;
    read.override_headers(&mut reply.headers);
    Ok((file, reply, range))
}

/// What every answer about a file says, 304 included.
fn describe_always(reply: &mut Reply, file: &FileRecord) -> Result<(), Fault> {
    set_etag(&mut reply.headers, &file.etag)?;
    set_last_modified(&mut reply.headers, file.created_at)?;
    let attributes = &file.attributes;
    for (name, value) in [
        (header::CACHE_CONTROL, &attributes.cache_control),
        (header::EXPIRES, &attributes.expires),
    ] {
        if let Some(value) = value {
            reply.set_text(name, value)?;
        }
    }
    Ok(())
}

static REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
static BLAKE3: HeaderName = HeaderName::from_static("x-holdfast-blake3");
static WEBSITE_REDIRECT: HeaderName = HeaderName::from_static("x-amz-website-redirect-location");
static PARTS_COUNT: HeaderName = HeaderName::from_static("x-amz-mp-parts-count");

/// What clients attached to the file, and the digests of the whole of it (RFC 9530's
/// `Repr-Digest` speaks of the whole on a 206 too).
fn describe_representation(reply: &mut Reply, file: &FileRecord) -> Result<(), Fault> {
    let attributes = &file.attributes;
    reply.set_text(header::CONTENT_TYPE, &file.media_type)?;
    for (name, value) in [
        (&header::CONTENT_ENCODING, &attributes.content_encoding),
        (
            &header::CONTENT_DISPOSITION,
            &attributes.content_disposition,
        ),
        (&header::CONTENT_LANGUAGE, &attributes.content_language),
        (&WEBSITE_REDIRECT, &attributes.website_redirect),
    ] {
        if let Some(value) = value {
            reply.set_text(name.clone(), value)?;
        }
    }
    for (name, value) in &attributes.user_metadata {
        let name = HeaderName::try_from(format!("x-amz-meta-{name}")).map_err(Fault::internal)?;
        reply.set_text(name, value)?;
    }
    let mut digest = String::with_capacity(54);
    digest.push_str("sha-256=:");
    STANDARD.encode_string(file.sha256, &mut digest);
    digest.push(':');
    let headers = &mut reply.headers;
    headers.insert(REPR_DIGEST.clone(), value_of(digest)?);
    headers.insert(BLAKE3.clone(), value_of(file.address.to_hex())?);
    Ok(())
}

/// Adds the checksum of exactly the bytes that are sent, if it is known. Clients hold it against
/// the body whatever the status is, so a range never carries the value of the whole.
fn add_checksum(headers: &mut HeaderMap, file: &FileRecord, slice: Slice) -> Result<(), Fault> {
    let Some(checksum) = &file.attributes.checksum else {
        return Ok(());
    };
    match slice {
        Slice::Whole | Slice::OnlyPart => set_checksum(headers, checksum),
        Slice::Range => Ok(()),
        Slice::Part(at) => {
            if let Some(value) = &file.attributes.parts[at].checksum {
                let value = HeaderValue::from_str(value).map_err(Fault::internal)?;
                headers.insert(header_name(checksum.algorithm), value);
            }
            Ok(())
        }
    }
}

/// What a read asks for, whatever it reads.
#[derive(Debug, Default)]
pub struct Read {
    conditions: Conditions,
    range: Option<String>,
    part_number: Option<u32>,
    wants_checksum: bool,
    overrides: Vec<(HeaderName, HeaderValue)>,
}

/// What is read, as far as the choice of bytes depends on it.
#[derive(Debug)]
pub struct Resource<'r> {
    /// The entity tag without quotes.
    pub etag: &'r str,
    /// `Last-Modified`.
    pub last_modified: Timestamp,
    /// The length in bytes.
    pub size_bytes: u64,
    /// The parts it was uploaded in, if it was.
    pub parts: &'r [FilePart],
}

/// Which bytes a read gets.
#[derive(Debug, PartialEq, Eq)]
pub enum Selected {
    /// None: the client has them.
    NotModified,
    /// These.
    Bytes {
        /// From where to where.
        range: Range<u64>,
        /// What they are of the whole.
        slice: Slice,
    },
}

/// What the bytes of an answer are of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slice {
    /// Everything: 200.
    Whole,
    /// A range: 206.
    Range,
    /// The part at this place among the parts: 206.
    Part(usize),
    /// Part 1 of what was not uploaded in parts, which is everything: 206.
    OnlyPart,
}

impl Read {
    /// Reads headers and query.
    pub fn parse(headers: &HeaderMap, query: &Query) -> Result<Self, Fault> {
        if headers.contains_key("x-amz-server-side-encryption-customer-algorithm") {
            return Err(Fault::new(Code::InvalidRequest)
                .message("The encryption parameters are not applicable to this object."));
        }
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let range = text("range").map(str::to_owned);
        let part_number = query.get("partNumber").map(parse_part_number).transpose()?;
        if range.is_some() && part_number.is_some() {
            return Err(Fault::new(Code::InvalidRequest)
                .message("Cannot specify both Range header and partNumber query parameter"));
        }
        Ok(Self {
            conditions: Conditions::parse(headers),
            range,
            part_number,
            wants_checksum: text("x-amz-checksum-mode")
                .is_some_and(|mode| mode.eq_ignore_ascii_case("enabled")),
            overrides: overrides(query)?,
        })
    }

    /// Decides which bytes are answered: conditions first, in the order of RFC 9110, then part
    /// number or range.
    pub fn select(&self, resource: &Resource<'_>) -> Result<Selected, Fault> {
        let (etag, modified) = (resource.etag, resource.last_modified);
        match self.conditions.for_read(etag, modified) {
            ReadOutcome::NotModified => return Ok(Selected::NotModified),
            ReadOutcome::PreconditionFailed => return Err(Fault::new(Code::PreconditionFailed)),
            ReadOutcome::Proceed => {}
        }
        if let Some(number) = self.part_number {
            return select_part(resource, number);
        }
        let size_bytes = resource.size_bytes;
        let header = self
            .range
            .as_deref()
            .filter(|_| self.conditions.range_applies(etag, modified));
        match Selection::of(header, size_bytes) {
            Selection::Full => Ok(Selected::Bytes {
                range: 0..size_bytes,
                slice: Slice::Whole,
            }),
            Selection::Part(range) => Ok(Selected::Bytes {
                range,
                slice: Slice::Range,
            }),
            Selection::Unsatisfiable => Err(Fault::new(Code::InvalidRange)
                .detail("RangeRequested", header.unwrap_or_default())
                .detail("ActualObjectSize", size_bytes.to_string())
                .header(
                    header::CONTENT_RANGE,
                    value_of(unsatisfied_range(size_bytes))?,
                )),
        }
    }

    /// The head of a 200 or 206 answer, `Content-Length` included.
    pub fn reply(
        &self,
        resource: &Resource<'_>,
        range: &Range<u64>,
        slice: Slice,
    ) -> Result<Reply, Fault> {
        let is_whole = slice == Slice::Whole || range.is_empty();
        let mut headers = HeaderMap::with_capacity(16);
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(header::CONTENT_LENGTH, (range.end - range.start).into());
        if !is_whole {
            let text = content_range(range, resource.size_bytes);
            headers.insert(header::CONTENT_RANGE, value_of(text)?);
        }
        if let Slice::Part(_) = slice {
            headers.insert(PARTS_COUNT.clone(), resource.parts.len().into());
        }
        Ok(Reply {
            status: if is_whole {
                StatusCode::OK
            } else {
                StatusCode::PARTIAL_CONTENT
            },
            headers,
            body: ReplyBody::Empty,
        })
    }

    /// Puts the headers that the query asks for in the place of the resource's own.
    pub fn override_headers(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.overrides {
            headers.insert(name.clone(), value.clone());
        }
    }

    /// The whole answer about a resource that is no file. `body` makes what follows the head; for
    /// a HEAD it is [`ReplyBody::Empty`], and the length stays in the head.
    pub fn serve(
        &self,
        resource: &Resource<'_>,
        media_type: HeaderValue,
        body: impl FnOnce(Range<u64>) -> ReplyBody,
    ) -> Result<Reply, Fault> {
        let mut reply = match self.select(resource)? {
            Selected::NotModified => Reply::new(StatusCode::NOT_MODIFIED),
            Selected::Bytes { range, slice } => {
                let mut reply = self.reply(resource, &range, slice)?;
                reply.headers.insert(header::CONTENT_TYPE, media_type);
                reply.body = body(range);
                reply
            }
        };
        set_etag(&mut reply.headers, resource.etag)?;
        set_last_modified(&mut reply.headers, resource.last_modified)?;
        self.override_headers(&mut reply.headers);
        Ok(reply)
    }
}

/// A part number of a query: 1 to [`MAX_PARTS`].
pub fn parse_part_number(text: &str) -> Result<u32, Fault> {
    let number = text.parse().ok().filter(|n| (1..=MAX_PARTS).contains(n));
    number.ok_or_else(|| {
        Fault::argument(
            "partNumber",
            text,
            "Part number must be an integer between 1 and 10000, inclusive",
        )
    })
}

fn select_part(resource: &Resource<'_>, number: u32) -> Result<Selected, Fault> {
    let parts = resource.parts;
    if parts.is_empty() && number == 1 {
        return Ok(Selected::Bytes {
            range: 0..resource.size_bytes,
            slice: Slice::OnlyPart,
        });
    }
    let Some(at) = parts.iter().position(|part| part.number == number) else {
        return Err(Fault::new(Code::InvalidPartNumber)
            .detail("ActualPartCount", parts.len().max(1).to_string())
            .detail("PartNumberRequested", number.to_string()));
    };
    let start = parts[..at].iter().map(|part| part.size_bytes).sum();
    Ok(Selected::Bytes {
        range: start..start + parts[at].size_bytes,
        slice: Slice::Part(at),
    })
}

/// The headers that `response-*` keys put in the place of the object's own. The caller has signed
/// them: nobody without a signature comes this far.
fn overrides(query: &Query) -> Result<Vec<(HeaderName, HeaderValue)>, Fault> {
    let mut found = Vec::new();
    for (key, value) in query.iter() {
        let name = match key {
            "response-content-type" => header::CONTENT_TYPE,
            "response-content-language" => header::CONTENT_LANGUAGE,
            "response-expires" => header::EXPIRES,
            "response-cache-control" => header::CACHE_CONTROL,
            "response-content-disposition" => header::CONTENT_DISPOSITION,
            "response-content-encoding" => header::CONTENT_ENCODING,
            _ => continue,
        };
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| Fault::argument(key, value, "The value is not valid in a header."))?;
        found.push((name, value));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use crate::domain::digest::ContentAddress;

    use super::*;

    const AT: Timestamp = Timestamp(1_700_000_000_500_000);

    fn part(number: u32, size_bytes: u64) -> FilePart {
        FilePart {
            number,
            size_bytes,
            address: ContentAddress([0; 32]),
            backend_id: "local".to_owned(),
            object_key: String::new(),
            checksum: None,
        }
    }

    fn read(headers: &[(&'static str, &str)], query: &str) -> Result<Read, Fault> {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect();
        Read::parse(&headers, &Query::parse(query).unwrap())
    }

    fn select(
        headers: &[(&'static str, &str)],
        query: &str,
        size_bytes: u64,
        parts: &[FilePart],
    ) -> Result<Selected, Code> {
        let resource = Resource {
            etag: "abc",
            last_modified: AT,
            size_bytes,
            parts,
        };
        read(headers, query)
            .and_then(|read| read.select(&resource))
            .map_err(|fault| fault.code())
    }

    #[expect(clippy::unnecessary_wraps, reason = "compared with outcomes")]
    fn bytes(range: Range<u64>, slice: Slice) -> Result<Selected, Code> {
        Ok(Selected::Bytes { range, slice })
    }

    type Headers<'h> = &'h [(&'static str, &'h str)];

    #[test]
    fn a_read_that_cannot_be_answered_is_refused() {
        let cases: &[(Headers<'_>, &str, Code)] = &[
            (
                &[("range", "bytes=0-1")],
                "partNumber=1",
                Code::InvalidRequest,
            ),
            (&[], "partNumber=0", Code::InvalidArgument),
            (&[], "partNumber=10001", Code::InvalidArgument),
            (&[], "partNumber=", Code::InvalidArgument),
            (&[], "partNumber=one", Code::InvalidArgument),
            (&[], "partNumber=2", Code::InvalidPartNumber),
            (&[("range", "bytes=10-")], "", Code::InvalidRange),
            (&[("range", "bytes=-0")], "", Code::InvalidRange),
            (&[("if-match", "\"x\"")], "", Code::PreconditionFailed),
            (
                &[("if-match", "\"x\""), ("range", "bytes=99-")],
                "",
                Code::PreconditionFailed,
            ),
            (
                &[("if-unmodified-since", "Tue, 14 Nov 2023 22:13:19 GMT")],
                "",
                Code::PreconditionFailed,
            ),
            (&[], "response-content-type=a%0Ab", Code::InvalidArgument),
            (
                &[("x-amz-server-side-encryption-customer-algorithm", "AES256")],
                "",
                Code::InvalidRequest,
            ),
        ];
        for (headers, query, code) in cases {
            assert_eq!(
                select(headers, query, 10, &[]),
                Err(*code),
                "{headers:?} {query}"
            );
        }
        let range = [("range", "bytes=0-")];
        assert_eq!(select(&range, "", 0, &[]), Err(Code::InvalidRange));
    }

    #[test]
    fn a_range_past_the_end_says_how_long_the_object_is() {
        let resource = Resource {
            etag: "abc",
            last_modified: AT,
            size_bytes: 10,
            parts: &[],
        };
        let read = read(&[("range", "bytes=10-20")], "").unwrap();
        let fault = read.select(&resource).unwrap_err();
        let (name, value) = &fault.headers()[0];
        assert_eq!(
            (name, value.to_str().unwrap()),
            (&header::CONTENT_RANGE, "bytes */10")
        );
    }

    #[test]
    fn conditions_come_before_ranges_and_tags_before_dates() {
        let not_modified = Ok(Selected::NotModified);
        assert_eq!(
            select(
                &[("if-none-match", "\"abc\""), ("range", "bytes=99-")],
                "",
                10,
                &[]
            ),
            not_modified
        );
        let later = "Wed, 15 Nov 2023 00:00:00 GMT";
        assert_eq!(
            select(&[("if-modified-since", later)], "", 10, &[]),
            not_modified
        );
        let earlier = "Mon, 13 Nov 2023 00:00:00 GMT";
        let both = [("if-match", "\"abc\""), ("if-unmodified-since", earlier)];
        assert_eq!(select(&both, "", 10, &[]), bytes(0..10, Slice::Whole));
        let both = [("if-none-match", "\"x\""), ("if-modified-since", later)];
        assert_eq!(select(&both, "", 10, &[]), bytes(0..10, Slice::Whole));
    }

    #[test]
    fn ranges_and_parts_choose_their_bytes() {
        let range = |text| [("range", text)];
        assert_eq!(
            select(&range("bytes=2-3"), "", 10, &[]),
            bytes(2..4, Slice::Range)
        );
        assert_eq!(
            select(&range("bytes=8-99"), "", 10, &[]),
            bytes(8..10, Slice::Range)
        );
        assert_eq!(
            select(&range("bytes=-3"), "", 10, &[]),
            bytes(7..10, Slice::Range)
        );
        assert_eq!(
            select(&range("lines=1-2"), "", 10, &[]),
            bytes(0..10, Slice::Whole)
        );
        let stale = [("range", "bytes=2-3"), ("if-range", "\"x\"")];
        assert_eq!(select(&stale, "", 10, &[]), bytes(0..10, Slice::Whole));
        assert_eq!(
            select(&[], "partNumber=1", 10, &[]),
            bytes(0..10, Slice::OnlyPart)
        );
        let parts = [part(1, 6), part(4, 4)];
        assert_eq!(
            select(&[], "partNumber=4", 10, &parts),
            bytes(6..10, Slice::Part(1))
        );
        assert_eq!(
            select(&[], "partNumber=2", 10, &parts),
            Err(Code::InvalidPartNumber)
        );
    }

    #[test]
    fn the_answer_says_which_bytes_it_has() {
        let parts = [part(1, 6), part(2, 4)];
        let resource = Resource {
            etag: "abc",
            last_modified: AT,
            size_bytes: 10,
            parts: &parts,
        };
        let reply = Read::default()
            .reply(&resource, &(6..10), Slice::Part(1))
            .unwrap();
        assert_eq!(reply.status, StatusCode::PARTIAL_CONTENT);
        assert_eq!(reply.headers[header::CONTENT_RANGE], "bytes 6-9/10");
        assert_eq!(reply.headers[header::CONTENT_LENGTH], "4");
        assert_eq!(reply.headers["x-amz-mp-parts-count"], "2");
        let whole = Read::default()
            .reply(&resource, &(0..10), Slice::Whole)
            .unwrap();
        assert_eq!(whole.status, StatusCode::OK);
        assert!(!whole.headers.contains_key(header::CONTENT_RANGE));
        assert_eq!(whole.headers[header::ACCEPT_RANGES], "bytes");
    }

    #[test]
    fn the_query_overrides_headers() {
        let read = read(
            &[],
            "response-content-type=text/plain&response-content-disposition=a%3B%20b&x-id=GetObject",
        )
        .unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("x/y"));
        read.override_headers(&mut headers);
        assert_eq!(headers[header::CONTENT_TYPE], "text/plain");
        assert_eq!(headers[header::CONTENT_DISPOSITION], "a; b");
        assert_eq!(headers.len(), 2);
    }
}
