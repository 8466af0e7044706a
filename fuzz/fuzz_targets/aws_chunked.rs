//! Any split of a framed body gives the same result.
#![no_main]

use bytes::Bytes;
use holdfast::wire::aws_chunked::{ChunkError, Decoder, Framing, Step};
use http::{HeaderMap, HeaderName};
use libfuzzer_sys::fuzz_target;

type Outcome = Result<(Vec<u8>, HeaderMap), ChunkError>;

fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = Decoder::new(Framing {
        has_trailers: true,
        announced: vec![HeaderName::from_static("x-amz-checksum-crc32")],
        ..Framing::default()
    });
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

fuzz_target!(|input: (u8, &[u8])| {
    let (size, body) = input;
    let whole = decode(std::iter::once(body));
    assert_eq!(decode(body.chunks(usize::from(size).max(1))), whole);
});
