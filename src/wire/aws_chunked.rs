//! The `aws-chunked` framing of a body: bytes in, data and trailers out.
//!
//! Fed bytes, never awaits, gathers no chunk. Data comes out before its chunk's signature has been
//! checked, so whoever takes it publishes nothing until [`Step::End`].
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::wire::sigv4::chunk::ChunkChain;

/// The longest line before a chunk, in bytes; a signed one has some 100.
pub const MAX_CHUNK_LINE: usize = 1024;

/// The most hex digits of a chunk's size.
pub const MAX_SIZE_DIGITS: usize = 16;

/// The largest signed chunk. Unsigned ones have no limit of their own: the SDK for Go sends a whole
/// body as one chunk, and nothing of it is gathered here.
pub const MAX_SIGNED_CHUNK: u64 = 16 * 1024 * 1024;

/// The most lines of trailers.
pub const MAX_TRAILERS: usize = 16;

/// The most bytes of trailers.
pub const MAX_TRAILER_BYTES: usize = 8 * 1024;

/// Why a framed body is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// Not the framing that was announced (InvalidRequest).
    #[error("the chunked body is malformed: {0}")]
    Malformed(&'static str),
    /// A chunk's or the trailer's signature is wrong (SignatureDoesNotMatch).
    #[error("the signature of a chunk does not match")]
    SignatureMismatch,
    /// A trailer is malformed, missing or not announced (MalformedTrailerError).
    #[error("the trailer of the body is malformed: {0}")]
    MalformedTrailer(&'static str),
    /// The body ended, or its final chunk came, before all announced bytes (IncompleteBody).
    #[error("the body is shorter than announced")]
    Incomplete,
    /// More data than `x-amz-decoded-content-length` says (IncompleteBody, as S3 answers).
    #[error("the body is longer than announced")]
    TooLong,
}

/// What a decoder has for its caller.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// All that was fed is used up: feed more, or finish.
    More,
    /// The next bytes of the plain body.
    Data(Bytes),
    /// The end: every signature and the length are right. Checksums in the trailers are the
    /// caller's to compare.
    End(HeaderMap),
}

/// How the body is framed.
#[derive(Debug, Default, Clone)]
pub struct Framing {
    /// The chain that the chunks' signatures continue; `None` for unsigned chunks.
    pub chain: Option<ChunkChain>,
    /// Whether trailers follow the final chunk.
    pub has_trailers: bool,
    /// The names that `x-amz-trailer` announces, all of which must come and no other may.
    pub announced: Vec<HeaderName>,
    /// `x-amz-decoded-content-length`.
    pub decoded_bytes: Option<u64>,
}

/// Decodes one body.
#[derive(Debug)]
pub struct Decoder {
    framing: Framing,
    input: Bytes,
    /// The line that is being read, when it came in pieces.
    line: Vec<u8>,
    state: State,
    decoded_bytes: u64,
    trailers: Trailers,
}

#[derive(Debug, Default)]
struct Trailers {
    headers: HeaderMap,
    /// In canonical form: `name:value` and a line feed.
    lines: Vec<String>,
    bytes: usize,
    is_signed: bool,
}

/// What comes next in the input.
#[derive(Debug, Clone)]
enum State {
    /// `size[;chunk-signature=…]` and CRLF.
    ChunkLine,
    /// So many bytes of data, then CRLF.
    Data { left: u64, signature: Signature },
    /// The CRLF after data.
    DataEnd { signature: Signature },
    /// The CRLF after the final chunk of a body without trailers.
    FinalLine,
    /// A trailer and CRLF, or the CRLF that ends them all.
    TrailerLine,
    /// Nothing may come.
    End,
    /// [`Step::End`] was given, or an error.
    Spent,
}

/// The signature that a chunk claims; unused when chunks are not signed.
type Signature = Option<[u8; 64]>;

impl Decoder {
    /// A decoder at the start of a body.
    pub fn new(framing: Framing) -> Self {
        Self {
            framing,
            input: Bytes::new(),
            line: Vec::new(),
            state: State::ChunkLine,
            decoded_bytes: 0,
            trailers: Trailers::default(),
        }
    }

    /// Hands over the next bytes of the body. Call only at the start or after [`Step::More`].
    pub fn feed(&mut self, bytes: Bytes) {
        debug_assert!(
            self.input.is_empty(),
            "fed before the last input was used up"
        );
        self.input = bytes;
    }

    /// The next piece. [`Step::End`] comes once, when the body's last line has been read and
    /// nothing follows it in what was fed; whatever is fed later is an error.
    pub fn step(&mut self) -> Result<Step, ChunkError> {
        let step = self.advance();
        if step.is_err() {
            self.state = State::Spent;
            self.input.clear();
        }
        step
    }

    /// The input has ended. An error unless [`Step::End`] was given.
    pub fn finish(&self) -> Result<(), ChunkError> {
        match self.state {
            State::Spent => Ok(()),
            State::ChunkLine
            | State::Data { .. }
            | State::DataEnd { .. }
            | State::FinalLine
            | State::TrailerLine
            | State::End => Err(ChunkError::Incomplete),
        }
    }

    fn advance(&mut self) -> Result<Step, ChunkError> {
        loop {
            match self.state.clone() {
                State::ChunkLine => {
                    let Some(line) = self.take_line(MAX_CHUNK_LINE)? else {
                        return Ok(Step::More);
                    };
                    self.begin_chunk(&line)?;
                }
                State::Data { left, signature } => {
                    if self.input.is_empty() {
                        return Ok(Step::More);
                    }
                    return Ok(Step::Data(self.take_data(left, signature)));
                }
                State::DataEnd { signature } => {
                    let Some(line) = self.take_line(0)? else {
                        return Ok(Step::More);
                    };
                    debug_assert!(line.is_empty(), "the limit of this line is zero");
                    self.check_chunk(signature)?;
                    self.state = State::ChunkLine;
                }
                State::FinalLine => {
                    if self.take_line(0)?.is_none() {
                        return Ok(Step::More);
                    }
                    self.state = State::End;
                }
                State::TrailerLine => {
                    let limit = MAX_TRAILER_BYTES - self.trailers.bytes;
                    let line = match self.take_line(limit) {
                        Err(_) => return Err(ChunkError::MalformedTrailer("it is too long")),
                        Ok(None) => return Ok(Step::More),
                        Ok(Some(line)) => line,
                    };
                    self.read_trailer(&line)?;
                }
                State::End if self.input.has_remaining() => {
                    return Err(ChunkError::Malformed("bytes follow the final chunk"));
                }
                State::End => {
                    self.state = State::Spent;
                    return Ok(Step::End(std::mem::take(&mut self.trailers.headers)));
                }
                State::Spent if self.input.is_empty() => return Ok(Step::More),
                State::Spent => return Err(ChunkError::Malformed("bytes follow the final chunk")),
            }
        }
    }

    /// The next line without its CRLF; `None` when it is not there as a whole. A line longer than
    /// the limit is refused as soon as so many bytes of it are there.
    fn take_line(&mut self, limit: usize) -> Result<Option<Vec<u8>>, ChunkError> {
        let too_long =
            ChunkError::Malformed("a line is longer than it may be, or not ended by CRLF");
        while self.input.has_remaining() {
            let byte = self.input.get_u8();
            if byte == b'\n' && self.line.last() == Some(&b'\r') {
                self.line.pop();
                return Ok(Some(std::mem::take(&mut self.line)));
            }
            let is_cr_at_limit = self.line.len() == limit && byte == b'\r';
            if self.line.len() >= limit && !is_cr_at_limit {
                return Err(too_long);
            }
            self.line.push(byte);
        }
        Ok(None)
    }

    fn begin_chunk(&mut self, line: &[u8]) -> Result<(), ChunkError> {
        let (digits, signature) = match line.iter().position(|&b| b == b';') {
            None => (line, None),
            Some(at) => (&line[..at], Some(&line[at + 1..])),
        };
        let size = parse_size(digits)?;
        let signature = self.chunk_signature(signature, size)?;
        let total = self.decoded_bytes.checked_add(size);
        self.decoded_bytes = total.ok_or(ChunkError::TooLong)?;
        let announced = self.framing.decoded_bytes;
        if announced.is_some_and(|announced| self.decoded_bytes > announced) {
            return Err(ChunkError::TooLong);
        }
        if size > 0 {
            self.state = State::Data {
                left: size,
                signature,
            };
            return Ok(());
        }
        if announced.is_some_and(|announced| self.decoded_bytes < announced) {
            return Err(ChunkError::Incomplete);
        }
        self.check_chunk(signature)?;
        self.state = if self.framing.has_trailers {
            State::TrailerLine
        } else {
            State::FinalLine
        };
        Ok(())
    }

    fn chunk_signature(
        &self,
        extension: Option<&[u8]>,
        size: u64,
    ) -> Result<Signature, ChunkError> {
        match (&self.framing.chain, extension) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(ChunkError::Malformed("an unsigned chunk has an extension")),
            (Some(_), None) => Err(ChunkError::Malformed("a chunk has no signature")),
            (Some(_), Some(_)) if size > MAX_SIGNED_CHUNK => Err(ChunkError::Malformed(
                "a signed chunk is larger than 16 MiB",
            )),
            (Some(_), Some(extension)) => extension
                .strip_prefix(b"chunk-signature=")
                .and_then(|digits| digits.try_into().ok())
                .map(Some)
                .ok_or(ChunkError::Malformed("a chunk's signature is malformed")),
        }
    }

    fn take_data(&mut self, left: u64, signature: Signature) -> Bytes {
        let here = usize::try_from(left).unwrap_or(usize::MAX);
        let data = self.input.split_to(here.min(self.input.len()));
        if let Some(chain) = &mut self.framing.chain {
            chain.update(&data);
        }
        let left = left - data.len() as u64;
        self.state = if left == 0 {
            State::DataEnd { signature }
        } else {
            State::Data { left, signature }
        };
        data
    }

    fn check_chunk(&mut self, signature: Signature) -> Result<(), ChunkError> {
        let is_right = match (&mut self.framing.chain, signature) {
            (None, None) => true,
            (Some(chain), Some(claimed)) => chain.end_chunk(&claimed),
            (Some(_), None) | (None, Some(_)) => false,
        };
        if is_right {
            Ok(())
        } else {
            Err(ChunkError::SignatureMismatch)
        }
    }

    fn read_trailer(&mut self, line: &[u8]) -> Result<(), ChunkError> {
        let malformed = ChunkError::MalformedTrailer;
        if line.is_empty() {
            return self.end_trailers();
        }
        self.trailers.bytes = (self.trailers.bytes + line.len() + 2).min(MAX_TRAILER_BYTES);
        if self.trailers.is_signed {
            return Err(malformed("a line follows the signature"));
        }
        let at = line.iter().position(|&b| b == b':');
        let (name, value) = line.split_at(at.ok_or(malformed("a line has no colon"))?);
        let name = HeaderName::from_bytes(name).map_err(|_| malformed("a name is malformed"))?;
        // AWS's own example ends the value with a line feed before the CRLF.
        let value = value[1..].trim_ascii();
        if name == TRAILER_SIGNATURE {
            return self.check_trailers(value);
        }
        if !self.framing.announced.contains(&name) {
            return Err(malformed("x-amz-trailer does not announce it"));
        }
        if self.trailers.lines.len() == MAX_TRAILERS {
            return Err(malformed("there are too many lines"));
        }
        let text = std::str::from_utf8(value).map_err(|_| malformed("a value is malformed"))?;
        let value = HeaderValue::from_str(text).map_err(|_| malformed("a value is malformed"))?;
        self.trailers.lines.push(format!("{name}:{text}\n"));
        if self.trailers.headers.insert(name, value).is_some() {
            return Err(malformed("a name comes twice"));
        }
        Ok(())
    }

    fn check_trailers(&mut self, claimed: &[u8]) -> Result<(), ChunkError> {
        let Some(chain) = &mut self.framing.chain else {
            return Err(ChunkError::MalformedTrailer(
                "it is signed but its chunks are not",
            ));
        };
        let lines = &mut self.trailers.lines;
        // By name: in whole lines, the colon would take part in the order.
        lines.sort_unstable_by(|a, b| a.split(':').next().cmp(&b.split(':').next()));
        if !chain.end_trailers(lines.concat().as_bytes(), claimed) {
            return Err(ChunkError::SignatureMismatch);
        }
        self.trailers.is_signed = true;
        Ok(())
    }

    fn end_trailers(&mut self) -> Result<(), ChunkError> {
        if self.framing.chain.is_some() && !self.trailers.is_signed {
            return Err(ChunkError::MalformedTrailer("it has no signature"));
        }
        // The line filter above lets only announced names in, each once.
        if self.trailers.headers.len() != self.framing.announced.len() {
            return Err(ChunkError::MalformedTrailer("an announced name is missing"));
        }
        self.state = State::End;
        Ok(())
    }
}

/// The trailer that signs the others. It is not announced.
static TRAILER_SIGNATURE: HeaderName = HeaderName::from_static("x-amz-trailer-signature");

fn parse_size(digits: &[u8]) -> Result<u64, ChunkError> {
    let malformed = Err(ChunkError::Malformed("a chunk's size is malformed"));
    if digits.is_empty() || digits.len() > MAX_SIZE_DIGITS {
        return malformed;
    }
    let mut size = 0_u64;
    for digit in digits {
        match char::from(*digit).to_digit(16) {
            Some(digit) => size = size << 4 | u64::from(digit),
            None => return malformed,
        }
    }
    Ok(size)
}

/// The names in `x-amz-trailer`, each once.
pub fn announced_trailers(headers: &HeaderMap) -> Result<Vec<HeaderName>, ChunkError> {
    let mut announced = Vec::new();
    for value in headers.get_all("x-amz-trailer") {
        for name in value.as_bytes().split(|&b| b == b',') {
            let name = HeaderName::from_bytes(name.trim_ascii())
                .map_err(|_| ChunkError::MalformedTrailer("x-amz-trailer is malformed"))?;
            if announced.len() == MAX_TRAILERS || name == TRAILER_SIGNATURE {
                return Err(ChunkError::MalformedTrailer("x-amz-trailer is malformed"));
            }
            if !announced.contains(&name) {
                announced.push(name);
            }
        }
    }
    Ok(announced)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::sigv4::canonical::SignedHeaders;
    use crate::wire::sigv4::date::parse_basic;
    use crate::wire::sigv4::key::{SigningKey, parse_credential};
    use crate::wire::sigv4::verify::Claim;
    use proptest::prelude::*;

    const CREDENTIAL: &str = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    fn chain(seed: &str) -> ChunkChain {
        let (access_key, scope) = parse_credential(CREDENTIAL).unwrap();
        let claim = Claim {
            access_key,
            scope,
            signed_headers: SignedHeaders::parse("host").unwrap(),
            signature: seed,
            date: "20130524T000000Z".into(),
            signed_at: parse_basic("20130524T000000Z").unwrap(),
        };
        ChunkChain::new(SigningKey::derive(SECRET, &claim.scope), &claim)
    }

    type Outcome = Result<(Vec<u8>, HeaderMap), ChunkError>;

    /// Decodes pieces of a body as a payload does.
    fn decode(framing: &Framing, pieces: &[&[u8]]) -> Outcome {
        let mut decoder = Decoder::new(framing.clone());
        let (mut data, mut trailers) = (Vec::new(), HeaderMap::new());
        for piece in pieces {
            decoder.feed(Bytes::copy_from_slice(piece));
            loop {
                match decoder.step()? {
                    Step::More => break,
                    Step::Data(bytes) => data.extend_from_slice(&bytes),
                    Step::End(found) => trailers = found,
                }
            }
        }
        decoder.finish()?;
        Ok((data, trailers))
    }

    fn unsigned(announced: &[&'static str], decoded_bytes: Option<u64>) -> Framing {
        Framing {
            chain: None,
            has_trailers: true,
            announced: announced
                .iter()
                .map(|name| HeaderName::from_static(name))
                .collect(),
            decoded_bytes,
        }
    }

    fn signed(announced: &[&'static str], has_trailers: bool) -> Framing {
        Framing {
            chain: Some(chain(&"0".repeat(64))),
            has_trailers,
            ..unsigned(announced, None)
        }
    }

    /// A body as a client makes it.
    fn encode(framing: &Framing, chunks: &[&[u8]], trailers: &[(&str, &str)]) -> Vec<u8> {
        let mut chain = framing.chain.clone();
        let mut body = Vec::new();
        for chunk in chunks.iter().copied().chain([&[][..]]) {
            let signature = chain.as_mut().map(|chain| {
                chain.update(chunk);
                format!(";chunk-signature={}", chain.sign_chunk())
            });
            let line = format!("{:x}{}\r\n", chunk.len(), signature.unwrap_or_default());
            body.extend_from_slice(line.as_bytes());
            if !chunk.is_empty() {
                body.extend_from_slice(chunk);
                body.extend_from_slice(b"\r\n");
            }
        }
        let mut canonical = String::new();
        for (name, value) in trailers {
            body.extend_from_slice(format!("{name}:{value}\r\n").as_bytes());
            canonical.extend([name, ":", value, "\n"]);
        }
        if let (Some(chain), true) = (&mut chain, framing.has_trailers) {
            let signature = chain.sign_trailers(canonical.as_bytes());
            body.extend_from_slice(format!("x-amz-trailer-signature:{signature}\r\n").as_bytes());
        }
        body.extend_from_slice(b"\r\n");
        body
    }

    const CRC: &str = "x-amz-checksum-crc32";

    #[expect(clippy::too_many_lines, reason = "a table of cases")]
    #[test]
    fn a_broken_frame_is_refused_wherever_it_breaks() {
        let size = ChunkError::Malformed("a chunk's size is malformed");
        let line = ChunkError::Malformed("a line is longer than it may be, or not ended by CRLF");
        let trailer = ChunkError::MalformedTrailer;
        let long_line = format!("{}5\r\n", "0".repeat(MAX_CHUNK_LINE));
        let long_trailer = format!("0\r\n{CRC}:{}\r\n\r\n", "a".repeat(MAX_TRAILER_BYTES));
        let cases: &[(&str, ChunkError)] = &[
            ("", ChunkError::Incomplete),
            ("5", ChunkError::Incomplete),
            ("5\r\nhell", ChunkError::Incomplete),
            ("5\r\nhello", ChunkError::Incomplete),
            ("5\r\nhello\r\n", ChunkError::Incomplete),
            ("5\r\nhello\r\n0\r\n", ChunkError::Incomplete),
            ("\r\n", size.clone()),
            ("x\r\n", size.clone()),
            ("+5\r\nhello\r\n", size.clone()),
            ("0x5\r\n", size.clone()),
            (" 5\r\n", size.clone()),
            ("00000000000000005\r\nhello", size.clone()),
            ("ffffffffffffffff\r\n", ChunkError::TooLong),
            ("5\nhello\r\n0\r\n\r\n", size),
            (&long_line, line.clone()),
            ("5\r\nhelloo", line.clone()),
            ("5\r\nhello\n0\r\n", line),
            (
                "5;a=b\r\nhello\r\n",
                ChunkError::Malformed("an unsigned chunk has an extension"),
            ),
            ("4\r\nhell\r\n0\r\n\r\n", ChunkError::Incomplete),
            ("6\r\nhello!\r\n0\r\n\r\n", ChunkError::TooLong),
            ("4\r\nhell\r\n2\r\no!", ChunkError::TooLong),
            (
                "5\r\nhello\r\n0\r\n\r\n",
                trailer("an announced name is missing"),
            ),
            (
                "5\r\nhello\r\n0\r\nx-amz-meta-a:b\r\n\r\n",
                trailer("x-amz-trailer does not announce it"),
            ),
            (
                "5\r\nhello\r\n0\r\nabc\r\n\r\n",
                trailer("a line has no colon"),
            ),
            (
                "5\r\nhello\r\n0\r\n a:b\r\n\r\n",
                trailer("a name is malformed"),
            ),
            (
                "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:a\r\nx-amz-checksum-crc32:a\r\n\r\n",
                trailer("a name comes twice"),
            ),
            (
                "5\r\nhello\r\n0\r\nx-amz-trailer-signature:00\r\n\r\n",
                trailer("it is signed but its chunks are not"),
            ),
            (
                "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:a\r\n\r\nx",
                ChunkError::Malformed("bytes follow the final chunk"),
            ),
        ];
        let framing = unsigned(&[CRC], Some(5));
        for (body, expected) in cases {
            let body = body.as_bytes();
            let bytes: Vec<_> = body.chunks(1).collect();
            assert_eq!(
                decode(&framing, &[body]).as_ref(),
                Err(expected),
                "{body:?}"
            );
            assert_eq!(
                decode(&framing, &bytes).as_ref(),
                Err(expected),
                "by bytes: {body:?}"
            );
        }
        let long = format!("5\r\nhello\r\n{long_trailer}");
        let found = decode(&framing, &[long.as_bytes()]);
        assert_eq!(found, Err(trailer("it is too long")));
    }

    #[test]
    fn the_limits_of_trailers_are_kept() {
        let names: Vec<_> = (0..=MAX_TRAILERS)
            .map(|i| HeaderName::try_from(format!("x-amz-t{i}")).unwrap())
            .collect();
        let body = |n: usize| {
            let lines: Vec<_> = names[..n]
                .iter()
                .map(|name| format!("{name}:v\r\n"))
                .collect();
            let lines = lines.concat();
            format!("0\r\n{lines}\r\n")
        };
        let framing = |n: usize| Framing {
            announced: names[..n].to_vec(),
            ..unsigned(&[], None)
        };
        let most = decode(&framing(MAX_TRAILERS), &[body(MAX_TRAILERS).as_bytes()]);
        assert_eq!(most.unwrap().1.len(), MAX_TRAILERS);
        let more = MAX_TRAILERS + 1;
        let found = decode(&framing(more), &[body(more).as_bytes()]);
        let expected = ChunkError::MalformedTrailer("there are too many lines");
        assert_eq!(found, Err(expected));
        let value = |length: usize| format!("0\r\n{CRC}:{}\r\n\r\n", "v".repeat(length));
        let fits = MAX_TRAILER_BYTES - CRC.len() - 1;
        let crc = unsigned(&[CRC], None);
        assert!(decode(&crc, &[value(fits).as_bytes()]).is_ok());
        assert!(decode(&crc, &[value(fits + 1).as_bytes()]).is_err());
    }

    #[test]
    fn clients_end_their_bodies_in_several_ways() {
        let crc = unsigned(&[CRC], Some(5));
        let none = unsigned(&[], None);
        let bodies = [
            (
                &crc,
                "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n",
            ),
            (
                &crc,
                "5\r\nhello\r\n0\r\nX-Amz-Checksum-Crc32: NhCmhg== \r\n\r\n",
            ),
            (
                &crc,
                "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\n\r\n\r\n",
            ),
            (
                &crc,
                "0002\r\nhe\r\n03\r\nllo\r\n000\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n",
            ),
            (&none, "5\r\nhello\r\n0\r\n\r\n"),
        ];
        for (framing, body) in bodies {
            let (data, trailers) = decode(framing, &[body.as_bytes()]).unwrap();
            assert_eq!(data, b"hello", "{body}");
            assert_eq!(trailers.get(CRC).is_some(), !framing.announced.is_empty());
            if let Some(value) = trailers.get(CRC) {
                assert_eq!(value, "NhCmhg==");
            }
        }
        // An unsigned chunk may be larger than a signed one: some SDKs send one for the whole body.
        let large = vec![7; usize::try_from(MAX_SIGNED_CHUNK).unwrap() + 1];
        let body = encode(&none, &[&large], &[]);
        assert!(decode(&none, &[&body]).is_ok());
        let chunked = signed(&[], false);
        let body = encode(&chunked, &[&large], &[]);
        let expected = ChunkError::Malformed("a signed chunk is larger than 16 MiB");
        assert_eq!(decode(&chunked, &[&body]), Err(expected));
        let body = encode(&chunked, &[&large[1..]], &[]);
        assert!(decode(&chunked, &[&body]).is_ok());
    }

    /// The example of AWS's documentation: 65 KiB of `a` in three chunks.
    #[test]
    fn the_documented_chunks_verify() {
        let framing = Framing {
            chain: Some(chain(
                "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
            )),
            decoded_bytes: Some(66560),
            ..Framing::default()
        };
        let body = [
            "10000;chunk-signature=\
             ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n",
            &"a".repeat(65536),
            "\r\n400;chunk-signature=\
             0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n",
            &"a".repeat(1024),
            "\r\n0;chunk-signature=\
             b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n",
        ]
        .concat();
        assert_eq!(body.len(), 66824);
        let (data, _) = decode(&framing, &[body.as_bytes()]).unwrap();
        assert_eq!(data, vec![b'a'; 66560]);
    }

    /// The same with a trailer. <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html>
    #[test]
    fn the_documented_trailer_verifies() {
        let framing = Framing {
            chain: Some(chain(
                "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
            )),
            has_trailers: true,
            announced: vec![HeaderName::from_static("x-amz-checksum-crc32c")],
            decoded_bytes: Some(66560),
        };
        let body = [
            "10000;chunk-signature=\
             b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n",
            &"a".repeat(65536),
            "\r\n400;chunk-signature=\
             1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n",
            &"a".repeat(1024),
            "\r\n0;chunk-signature=\
             2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n\
             x-amz-checksum-crc32c:sOO8/Q==\r\n\
             x-amz-trailer-signature:\
             d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
        ]
        .concat();
        let (data, trailers) = decode(&framing, &[body.as_bytes()]).unwrap();
        assert_eq!(data.len(), 66560);
        assert_eq!(trailers["x-amz-checksum-crc32c"], "sOO8/Q==");
        let forged = body.replace("sOO8/Q==", "sOO8/A==");
        let found = decode(&framing, &[forged.as_bytes()]);
        assert_eq!(found, Err(ChunkError::SignatureMismatch));
    }

    #[test]
    fn every_signature_of_the_chain_counts() {
        let framing = signed(&[CRC], true);
        let body = encode(&framing, &[b"hello", b"world"], &[(CRC, "NhCmhg==")]);
        assert!(decode(&framing, &[&body]).is_ok());
        let text = String::from_utf8(body).unwrap();
        // One digit of each signature, one byte of each chunk and of the trailer.
        let places: Vec<_> = text
            .match_indices("signature")
            .map(|(at, _)| at + "signature=".len())
            .chain(["hello", "world", "NhCmhg"].map(|word| text.find(word).unwrap()))
            .collect();
        assert_eq!(places.len(), 7);
        for at in places {
            let mut forged = text.clone().into_bytes();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            let found = decode(&framing, &[&forged]);
            assert_eq!(found, Err(ChunkError::SignatureMismatch), "byte {at}");
        }
        let unsigned_trailer = text[..text.find("x-amz-trailer").unwrap()].to_owned() + "\r\n";
        let missing = Err(ChunkError::MalformedTrailer("it has no signature"));
        assert_eq!(decode(&framing, &[unsigned_trailer.as_bytes()]), missing);
        let stripped = encode(&unsigned(&[CRC], None), &[b"hello"], &[(CRC, "NhCmhg==")]);
        let missing = Err(ChunkError::Malformed("a chunk has no signature"));
        assert_eq!(decode(&framing, &[&stripped]), missing);
        let after = text.replace("\r\n\r\n", "\r\nx-amz-checksum-crc32:a\r\n\r\n");
        let follows = Err(ChunkError::MalformedTrailer("a line follows the signature"));
        assert_eq!(decode(&framing, &[after.as_bytes()]), follows);
        let short = text.replacen("chunk-signature=", "chunk-signature=0", 1);
        let malformed = Err(ChunkError::Malformed("a chunk's signature is malformed"));
        assert_eq!(decode(&framing, &[short.as_bytes()]), malformed);
    }

    #[test]
    fn announced_names_are_few_and_legal() {
        let parse = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-amz-trailer", HeaderValue::from_str(value).unwrap());
            announced_trailers(&headers)
        };
        for wrong in ["", "a,", "a b", "x-amz-trailer-signature"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            parse("X-Amz-Checksum-CRC32, x-amz-checksum-crc32").unwrap(),
            [CRC]
        );
        assert!(announced_trailers(&HeaderMap::new()).unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_result(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..4),
            is_signed: bool,
            has_trailers: bool,
            damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let names: &[&'static str] = if has_trailers { &[CRC] } else { &[] };
            let framing = match (is_signed, has_trailers) {
                (true, _) => signed(names, has_trailers),
                (false, _) => unsigned(names, None),
            };
            let trailers: &[_] = if has_trailers { &[(CRC, "NhCmhg==")] } else { &[] };
            let slices: Vec<_> = chunks.iter().map(|c| &c[..]).collect();
            let mut body = encode(&framing, &slices, trailers);
            if let Some((at, byte)) = &damage {
                *at.get_mut(&mut body) = *byte;
            }
            let whole = decode(&framing, &[&body]);
            if damage.is_none() {
                prop_assert_eq!(&whole.as_ref().unwrap().0, &chunks.concat());
            }
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(body.len())).collect();
            cuts.extend([0, body.len()]);
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|w| &body[w[0]..w[1]]).collect();
            prop_assert_eq!(decode(&framing, &pieces), whole);
        }

        #[test]
        fn no_body_makes_a_panic(body: Vec<u8>, is_signed: bool) {
            let framing = if is_signed { signed(&[], true) } else { unsigned(&[], None) };
            let _ = decode(&framing, &[&body]);
        }
    }
}
