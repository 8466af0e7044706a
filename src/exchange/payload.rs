//! The body of a request: from frames to plain bytes and what is claimed of them.
//!
//! Nothing is read before the first `next_chunk`, and hyper sends `100 Continue` only then; a
//! refusal before that costs the client no body. Frames are passed on as they come, never gathered.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName};

use crate::domain::digest::{Checksum, ChecksumAlgorithm, DigestClaims};
use crate::domain::hashers::{HashPlan, Hashers};
use crate::exchange::fault::{Code, Fault};
use crate::exchange::inbound::{Body, Broken, Inbound};
use crate::exchange::route::BodyKind;
use crate::exchange::settings::ExchangeSettings;
use crate::registry::source::{ByteSource, SourceError};
use crate::wire::aws_chunked::{ChunkError, Decoder, Framing, Step, announced_trailers};
use crate::wire::checksum::{BodyChecksums, header_name, parse_value};
use crate::wire::sigv4::chunk::ChunkChain;
use crate::wire::sigv4::payload::PayloadMode;

/// The average speed is looked at only after this time.
const PACE_GRACE: Duration = Duration::from_mins(1);

/// What a form may have beside its file.
const FORM_BYTES: u64 = 1024 * 1024;

/// The body of one request.
pub struct Payload {
    body: Body,
    /// `None` for a plain body.
    decoder: Option<Decoder>,
    is_at_end: bool,
    wants: Wants,
    /// The plain length, if announced.
    size_bytes: Option<u64>,
    limit_bytes: u64,
    received_bytes: u64,
    pace: Pace,
}

/// What is claimed of the bytes.
#[derive(Default)]
struct Wants {
    payload_sha256: Option<[u8; 32]>,
    checksums: BodyChecksums,
    /// The checksum that came in the trailer.
    trailer: Option<Checksum>,
}

/// How slow a client may be.
struct Pace {
    silence: Duration,
    min_bytes_per_second: u64,
    since: Option<Instant>,
    wire_bytes: u64,
}

impl Payload {
    /// Wraps a body as the row and the signature say. Refuses what the head alone shows to be
    /// wrong: no length, too long, contradicting checksums.
    pub fn new(
        body: Body,
        headers: &HeaderMap,
        (mode, chain): (PayloadMode, Option<ChunkChain>),
        kind: BodyKind,
        settings: &ExchangeSettings,
    ) -> Result<Self, Fault> {
        let mut payload = Self {
            is_at_end: body.is_at_end() && !mode.is_streaming(),
            body,
            decoder: None,
            wants: Wants::default(),
            size_bytes: None,
            limit_bytes: settings.max_body_bytes,
            received_bytes: 0,
            pace: Pace {
                silence: Duration::from_millis(settings.body_silence_ms),
                min_bytes_per_second: settings.body_min_bytes_per_second,
                since: None,
                wire_bytes: 0,
            },
        };
        if kind == BodyKind::None {
            return Ok(payload);
        }
        if kind == BodyKind::Form {
            if mode.is_streaming() {
                return Err(Fault::new(Code::InvalidRequest)
                    .message("A form is not sent in chunks of its own."));
            }
            payload.limit_bytes = payload.limit_bytes.saturating_add(FORM_BYTES);
            payload.read_length(headers, mode, kind)?;
            return Ok(payload);
        }
        payload.read_length(headers, mode, kind)?;
        payload.read_claims(headers, mode, kind)?;
        if mode.is_streaming() {
            payload.decoder = Some(Decoder::new(Framing {
                chain,
                has_trailers: mode.has_trailers(),
                announced: announced_trailers(headers).map_err(|error| source_error(&error))?,
                decoded_bytes: payload.size_bytes,
            }));
        }
        Ok(payload)
    }

    fn read_length(
        &mut self,
        headers: &HeaderMap,
        mode: PayloadMode,
        kind: BodyKind,
    ) -> Result<(), Fault> {
        let decoded = decoded_length(headers)?;
        self.size_bytes = if mode.is_streaming() {
            decoded
        } else {
            self.body.remaining().or(decoded)
        };
        let too_long = match kind {
            BodyKind::Document(limit) | BodyKind::ObjectDocument(limit) => {
                self.limit_bytes = limit as u64;
                Code::MaxMessageLengthExceeded
            }
            BodyKind::Stream | BodyKind::Form | BodyKind::None => {
                if self.size_bytes.is_none() {
                    return Err(Fault::new(Code::MissingContentLength));
                }
                Code::EntityTooLarge
            }
        };
        match self.size_bytes {
            Some(size) if size > self.limit_bytes => Err(Fault::new(too_long)
                .detail("ProposedSize", size.to_string())
                .detail("MaxSizeAllowed", self.limit_bytes.to_string())),
            _ => Ok(()),
        }
    }

    fn read_claims(
        &mut self,
        headers: &HeaderMap,
        mode: PayloadMode,
        kind: BodyKind,
    ) -> Result<(), Fault> {
        if let PayloadMode::Signed(digest) = mode {
            self.wants.payload_sha256 = Some(digest);
        }
        self.wants.checksums = if matches!(kind, BodyKind::ObjectDocument(_)) {
            let mut only_md5 = HeaderMap::new();
            if let Some(md5) = headers.get(CONTENT_MD5) {
                only_md5.insert(CONTENT_MD5, md5.clone());
            }
            BodyChecksums::parse(&only_md5)?
        } else {
            BodyChecksums::parse(headers)?
        };
        if self.wants.checksums.trailer.is_some() && !mode.has_trailers() {
            return Err(Fault::new(Code::InvalidRequest)
                .message("x-amz-trailer needs a body that is sent with trailers."));
        }
        Ok(())
    }

    /// Takes the body out; what stays has no bytes.
    #[must_use]
    pub fn take_out(&mut self) -> Self {
        let empty = Self {
            body: Body::new(Inbound::empty(), false),
            decoder: None,
            is_at_end: true,
            wants: Wants::default(),
            size_bytes: Some(0),
            limit_bytes: 0,
            received_bytes: 0,
            pace: Pace {
                since: None,
                wire_bytes: 0,
                ..self.pace
            },
        };
        std::mem::replace(self, empty)
    }

    /// The plain length, if announced.
    pub fn size_bytes(&self) -> Option<u64> {
        self.size_bytes
    }

    /// The most bytes that are read.
    pub fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    /// Gathers a small document and checks every claim that is made of it.
    pub async fn document(&mut self) -> Result<Bytes, Fault> {
        let claims = self.claims();
        let mut hashers = Hashers::new(&HashPlan {
            checksums: self.algorithms(),
            sha256: claims.payload_sha256.is_some(),
            md5: claims.md5.is_some(),
        });
        let mut document = BytesMut::new();
        loop {
            match self.next_chunk().await {
                Ok(Some(chunk)) => {
                    hashers.update(&chunk);
                    document.extend_from_slice(&chunk);
                }
                Ok(None) => break,
                Err(SourceError::TooLarge { limit_bytes }) => {
                    return Err(Fault::new(Code::MaxMessageLengthExceeded)
                        .detail("MaxMessageLengthBytes", limit_bytes.to_string()));
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.claims().check(&hashers.finish().0)?;
        Ok(document.freeze())
    }

    async fn next_frame(&mut self) -> Result<Option<Bytes>, SourceError> {
        let since = *self.pace.since.get_or_insert_with(Instant::now);
        let frame = tokio::time::timeout(self.pace.silence, self.body.frame())
            .await
            .map_err(|_| SourceError::Stalled)?
            .map_err(|Broken| SourceError::Incomplete)?;
        if let Some(frame) = &frame {
            self.pace.wire_bytes += frame.len() as u64;
            let elapsed = since.elapsed();
            if elapsed > PACE_GRACE
                && self.pace.wire_bytes < elapsed.as_secs() * self.pace.min_bytes_per_second
            {
                return Err(SourceError::Stalled);
            }
        }
        Ok(frame)
    }

    /// Counts plain bytes against the limit and the announced length.
    fn take(&mut self, bytes: Bytes) -> Result<Option<Bytes>, SourceError> {
        self.received_bytes += bytes.len() as u64;
        if self.received_bytes > self.limit_bytes {
            return Err(SourceError::TooLarge {
                limit_bytes: self.limit_bytes,
            });
        }
        if self
            .size_bytes
            .is_some_and(|size| self.received_bytes > size)
        {
            return Err(SourceError::Incomplete);
        }
        Ok(Some(bytes))
    }

    fn end(&mut self, trailers: &HeaderMap) -> Result<Option<Bytes>, SourceError> {
        if self
            .size_bytes
            .is_some_and(|size| self.received_bytes < size)
        {
            return Err(SourceError::Incomplete);
        }
        if let Some(algorithm) = self.wants.checksums.trailer {
            let text = trailers
                .get(header_name(algorithm))
                .and_then(|value| value.to_str().ok())
                .ok_or_else(|| SourceError::Malformed("the checksum trailer is missing".into()))?;
            let checksum = parse_value(algorithm, text)
                .map_err(|error| SourceError::Malformed(error.to_string()))?;
            self.wants.trailer = Some(checksum);
        }
        Ok(None)
    }

    async fn next_plain(&mut self) -> Result<Option<Bytes>, SourceError> {
        if let Some(bytes) = self.next_frame().await? {
            return self.take(bytes);
        }
        self.is_at_end = true;
        self.end(&HeaderMap::new())
    }

    async fn next_decoded(&mut self, mut decoder: Decoder) -> Result<Option<Bytes>, SourceError> {
        loop {
            match decoder.step().map_err(|error| source_error(&error))? {
                Step::Data(bytes) => {
                    self.decoder = Some(decoder);
                    return self.take(bytes);
                }
                Step::End(trailers) => {
                    if self.next_frame().await?.is_some() {
                        return Err(SourceError::Malformed("bytes follow the last chunk".into()));
                    }
                    self.is_at_end = true;
                    return self.end(&trailers);
                }
                Step::More => {
                    let Some(bytes) = self.next_frame().await? else {
                        decoder.finish().map_err(|error| source_error(&error))?;
                        return Err(SourceError::Incomplete);
                    };
                    decoder.feed(bytes);
                }
            }
        }
    }
}

#[async_trait]
impl ByteSource for Payload {
    async fn next_chunk(&mut self) -> Result<Option<Bytes>, SourceError> {
        if self.is_at_end {
            return Ok(None);
        }
        match self.decoder.take() {
            Some(decoder) => self.next_decoded(decoder).await,
            None => self.next_plain().await,
        }
    }

    fn claims(&self) -> DigestClaims {
        let checksums = &self.wants.checksums;
        DigestClaims {
            size_bytes: self.size_bytes,
            md5: checksums.content_md5,
            payload_sha256: self.wants.payload_sha256,
            checksum: self
                .wants
                .trailer
                .clone()
                .or_else(|| checksums.value.clone()),
        }
    }

    fn algorithms(&self) -> Vec<ChecksumAlgorithm> {
        self.wants.checksums.wanted().into_iter().collect()
    }

    fn size_hint(&self) -> Option<u64> {
        self.size_bytes
    }
}

const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// `x-amz-decoded-content-length`: the length of the plain body.
fn decoded_length(headers: &HeaderMap) -> Result<Option<u64>, Fault> {
    let Some(value) = headers.get("x-amz-decoded-content-length") else {
        return Ok(None);
    };
    let number = value
        .to_str()
        .ok()
        .filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|text| text.parse().ok());
    number.map(Some).ok_or_else(|| {
        Fault::new(Code::InvalidArgument)
            .message("x-amz-decoded-content-length must be a number of bytes.")
    })
}

fn source_error(error: &ChunkError) -> SourceError {
    match *error {
        ChunkError::Malformed(what) | ChunkError::MalformedTrailer(what) => {
            SourceError::Malformed(what.to_owned())
        }
        ChunkError::SignatureMismatch => SourceError::Signature,
        ChunkError::Incomplete | ChunkError::TooLong => SourceError::Incomplete,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::digest::ClaimMismatch;

    const SHA256_OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn settings() -> ExchangeSettings {
        ExchangeSettings {
            max_body_bytes: 10,
            ..ExchangeSettings::default()
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |&(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), value.parse().unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    fn body(frames: &[&'static str]) -> Inbound {
        Inbound::Memory(
            frames
                .iter()
                .map(|frame| Bytes::from_static(frame.as_bytes()))
                .collect(),
        )
    }

    fn payload(
        frames: &[&'static str],
        pairs: &[(&'static str, &str)],
        mode: PayloadMode,
        kind: BodyKind,
    ) -> Result<Payload, Code> {
        let body = Body::new(body(frames), false);
        let mode = (mode, None);
        Payload::new(body, &headers(pairs), mode, kind, &settings()).map_err(|fault| fault.code())
    }

    async fn read(payload: &mut Payload) -> Result<Vec<u8>, SourceError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = payload.next_chunk().await? {
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    #[test]
    fn the_head_alone_refuses_what_it_shows_to_be_wrong() {
        const DECODED: &str = "x-amz-decoded-content-length";
        let plain = |frame, pair, kind| (frame, vec![pair], PayloadMode::Unsigned, kind);
        let framed = |pair| {
            let mode = PayloadMode::StreamingUnsignedTrailer;
            ("x", vec![pair], mode, BodyKind::Stream)
        };
        let (none, stream) = (("x-none", ""), BodyKind::Stream);
        let trailer = ("x-amz-trailer", "x-amz-checksum-crc32");
        let document = BodyKind::Document(4);
        let cases = [
            (plain("elevenbytes", none, stream), Code::EntityTooLarge),
            (
                plain("12345", none, document),
                Code::MaxMessageLengthExceeded,
            ),
            (
                plain("x", ("content-md5", "x"), stream),
                Code::InvalidDigest,
            ),
            (plain("x", trailer, stream), Code::InvalidRequest),
            (framed((DECODED, "11")), Code::EntityTooLarge),
            (framed((DECODED, "-1")), Code::InvalidArgument),
            (framed((DECODED, "")), Code::InvalidArgument),
            (framed(none), Code::MissingContentLength),
        ];
        for ((frame, pairs, mode, kind), code) in cases {
            let refused = payload(&[frame], &pairs, mode, kind).err();
            assert_eq!(refused, Some(code), "{frame} {pairs:?}");
        }
    }

    #[tokio::test]
    async fn a_plain_body_passes_frame_by_frame_and_is_counted() {
        let mut source =
            payload(&["ab", "c"], &[], PayloadMode::Unsigned, BodyKind::Stream).unwrap();
        assert_eq!(source.size_hint(), Some(3));
        assert_eq!(source.next_chunk().await.unwrap().unwrap(), "ab");
        assert_eq!(source.next_chunk().await.unwrap().unwrap(), "c");
        assert_eq!(source.next_chunk().await, Ok(None));
        assert_eq!(source.next_chunk().await, Ok(None));
        assert_eq!(source.body.watch().bytes(), 3);
        let mut empty = payload(&[], &[], PayloadMode::Unsigned, BodyKind::Stream).unwrap();
        assert_eq!(read(&mut empty).await, Ok(Vec::new()));
        assert_eq!(empty.claims().size_bytes, Some(0));
    }

    #[tokio::test]
    async fn a_document_is_checked_against_every_claim() {
        let mut digest = [0; 32];
        hex::decode_to_slice(SHA256_OF_ABC, &mut digest).unwrap();
        let kind = BodyKind::Document(10);
        let signed = PayloadMode::Signed(digest);
        let md5 = ("content-md5", "kAFQmDzST7DWlj99KOF/cg==");
        let crc32 = ("x-amz-checksum-crc32", "NSRBwg==");
        let cases = [
            (("x-none", ""), signed, Code::XAmzContentSHA256Mismatch),
            (md5, PayloadMode::Unsigned, Code::BadDigest),
            (crc32, PayloadMode::Unsigned, Code::BadDigest),
        ];
        for (pair, mode, code) in cases {
            for (text, expected) in [("abc", Ok("abc".into())), ("abd", Err(code))] {
                let mut source = payload(&[text], &[pair], mode, kind).unwrap();
                let read = source.document().await.map_err(|fault| fault.code());
                assert_eq!(read, expected, "{text} {pair:?}");
            }
        }
        let pairs = [("x-amz-checksum-crc32", "AAAAAA==")];
        let of_object = BodyKind::ObjectDocument(10);
        let mut source = payload(&["abc"], &pairs, PayloadMode::Unsigned, of_object).unwrap();
        assert_eq!(source.document().await.unwrap(), "abc");
    }

    #[tokio::test]
    async fn a_chunked_body_is_de_framed_and_its_trailer_claimed() {
        let pairs = [
            ("x-amz-decoded-content-length", "3"),
            ("x-amz-trailer", "x-amz-checksum-crc32"),
        ];
        let read_framed = async |frames: &[&'static str]| {
            let mode = PayloadMode::StreamingUnsignedTrailer;
            let mut source = payload(frames, &pairs, mode, BodyKind::Stream).unwrap();
            let bytes = read(&mut source).await;
            (bytes, source.claims().checksum)
        };
        let whole = ["3\r\nabc\r\n0\r\n", "x-amz-checksum-crc32:NSRBwg==\r\n\r\n"];
        let (bytes, checksum) = read_framed(&whole).await;
        assert_eq!(bytes, Ok(b"abc".to_vec()));
        assert_eq!(checksum.unwrap().digest, [0x35, 0x24, 0x41, 0xc2]);
        for frames in [
            &["3\r\nab"][..],
            &["2\r\nab\r\n0\r\n", whole[1]],
            &["4\r\nabcd\r\n0\r\n", whole[1]],
            &[whole[0]],
            &[whole[0], whole[1], "more"],
            &["3\r\nabc\r\n0\r\n", "x-amz-checksum-crc32:!\r\n\r\n"],
            &[],
        ] {
            assert!(read_framed(frames).await.0.is_err(), "{frames:?}");
        }
    }

    #[test]
    fn a_mismatch_of_length_is_an_incomplete_body() {
        let mismatch = ClaimMismatch::Size {
            claimed: 2,
            actual: 1,
        };
        assert_eq!(Fault::from(mismatch).code(), Code::IncompleteBody);
    }
}
