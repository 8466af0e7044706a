//! What the syntax of the wire costs: authenticating a small request, decoding a framed body, a
//! page of XML each way.
//!
//! `cargo bench --bench wire`

#![allow(missing_docs, reason = "a benchmark is read, not called")]

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use holdfast::auth::authenticate::Authenticator;
use holdfast::auth::keyring::KeyRing;
use holdfast::auth::secret::Secret;
use holdfast::auth::settings::AuthSettings;
use holdfast::domain::ids::Timestamp;
use holdfast::wire::aws_chunked::{Decoder, Framing, Step};
use holdfast::wire::request_head::RequestHead;
use holdfast::wire::sigv4::canonical::{SignedHeaders, canonical_request};
use holdfast::wire::sigv4::chunk::ChunkChain;
use holdfast::wire::sigv4::sign::Signer;
use holdfast::wire::uri::Query;
use holdfast::wire::xml::{self, XmlWriter};
use http::{HeaderMap, HeaderValue, Method};
use serde::Deserialize;

fn main() {
    divan::main();
}

const NOW: Timestamp = Timestamp(1_795_421_730_000_000);
/// What a connection hands over at a time.
const FRAME: usize = 64 << 10;

fn signer() -> Signer<'static> {
    Signer {
        access_key: "ROOTKEY",
        secret_key: "root-secret",
        region: "us-east-1",
        at: NOW,
    }
}

fn head<'a>(query: &'a Query, headers: &'a HeaderMap) -> RequestHead<'a> {
    RequestHead {
        method: &Method::GET,
        raw_path: "/bucket-of-some-name/some/path/to/an%20object.bin",
        query,
        headers,
        authority: "127.0.0.1:9000",
        virtual_bucket: None,
    }
}

fn authenticator() -> Authenticator {
    let secret = Secret::new("root-secret".to_owned());
    let keys = KeyRing::new("ROOTKEY", secret, &[]).expect("a good key");
    Authenticator::new(Arc::new(keys), AuthSettings::default(), String::new())
}

/// Headers as botocore sends them.
fn signed_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    let none = Query::default();
    let signed = signer().sign_header(&head(&none, &headers), "UNSIGNED-PAYLOAD");
    headers.extend(signed.expect("a good path").headers);
    for (name, value) in [
        ("host", "127.0.0.1:9000"),
        (
            "user-agent",
            "Botocore/1.44.5 ua/2.1 os/linux md/arch#x86_64",
        ),
        (
            "amz-sdk-invocation-id",
            "00000000-0000-0000-0000-000000000000",
        ),
        ("amz-sdk-request", "attempt=1; max=3"),
        ("accept-encoding", "identity"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
}

#[divan::bench]
fn authenticate_header(bencher: Bencher) {
    let (with, headers, query) = (authenticator(), signed_headers(), Query::default());
    let head = head(&query, &headers);
    bencher.bench_local(|| with.authenticate(black_box(&head), NOW).expect("signed"));
}

#[divan::bench]
fn authenticate_presigned(bencher: Bencher) {
    let (with, headers, none) = (authenticator(), HeaderMap::new(), Query::default());
    let raw = signer()
        .presign(&head(&none, &headers), 60)
        .expect("a good path");
    bencher.bench_local(|| {
        let query = Query::parse(black_box(&raw)).expect("a good query");
        with.authenticate(&head(&query, &headers), NOW)
            .expect("signed")
    });
}

#[divan::bench]
fn canonical(bencher: Bencher) {
    let (headers, query) = (signed_headers(), Query::default());
    let head = head(&query, &headers);
    let list = SignedHeaders::parse("host;x-amz-content-sha256;x-amz-date").expect("a good list");
    bencher.bench_local(|| canonical_request(black_box(&head), list, "UNSIGNED-PAYLOAD"));
}

fn chain() -> ChunkChain {
    let (headers, query) = (HeaderMap::new(), Query::default());
    let signed = signer().sign_header(&head(&query, &headers), "x");
    signed.expect("a good path").chain
}

/// A body of 8 MiB in chunks of this size, as frames of a connection.
fn frames(chunk_bytes: usize, mut chain: Option<ChunkChain>) -> Vec<Bytes> {
    let data = vec![0x5a; 8 << 20];
    let mut body = Vec::new();
    for chunk in data.chunks(chunk_bytes).chain([&[][..]]) {
        let signature = chain.as_mut().map(|chain| {
            chain.update(chunk);
            format!(";chunk-signature={}", chain.sign_chunk())
        });
        let line = format!("{:x}{}\r\n", chunk.len(), signature.unwrap_or_default());
        body.extend_from_slice(line.as_bytes());
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
    }
    let body = Bytes::from(body);
    (0..body.len())
        .step_by(FRAME)
        .map(|at| body.slice(at..body.len().min(at + FRAME)))
        .collect()
}

fn decode(bencher: Bencher, chunk_bytes: usize, chain: Option<ChunkChain>) {
    let frames = frames(chunk_bytes, chain.clone());
    let framing = Framing {
        chain,
        ..Framing::default()
    };
    bencher
        .counter(BytesCount::new(8_usize << 20))
        .bench_local(|| {
            let mut decoder = Decoder::new(framing.clone());
            for frame in &frames {
                decoder.feed(frame.clone());
                while let Step::Data(data) = decoder.step().expect("a good body") {
                    black_box(data);
                }
            }
        });
}

#[divan::bench(args = [8 << 10, 64 << 10, 1 << 20])]
fn decode_unsigned(bencher: Bencher, chunk_bytes: usize) {
    decode(bencher, chunk_bytes, None);
}

#[divan::bench(args = [8 << 10, 64 << 10, 1 << 20])]
fn decode_signed(bencher: Bencher, chunk_bytes: usize) {
    decode(bencher, chunk_bytes, Some(chain()));
}

const PAGE: usize = 1000;

#[divan::bench]
fn write_list(bencher: Bencher) {
    let keys: Vec<_> = (0..PAGE)
        .map(|i| format!("some/path/object-{i:05}"))
        .collect();
    bencher.counter(ItemsCount::new(PAGE)).bench_local(|| {
        let mut xml = XmlWriter::s3("ListBucketResult");
        for key in &keys {
            xml.nest("Contents", |xml| {
                xml.text("Key", key)
                    .text("LastModified", "2026-11-23T08:15:30.000Z")
                    .text("ETag", "\"d41d8cd98f00b204e9800998ecf8427e\"")
                    .value("Size", 4096)
                    .text("StorageClass", "STANDARD");
            });
        }
        xml.finish()
    });
}

#[derive(Deserialize)]
struct Delete {
    #[serde(rename = "Object")]
    objects: Vec<Object>,
}

#[derive(Deserialize)]
struct Object {
    #[serde(rename = "Key")]
    key: String,
}

#[divan::bench]
fn read_delete(bencher: Bencher) {
    let mut xml = XmlWriter::s3("Delete");
    for i in 0..PAGE {
        xml.nest("Object", |xml| {
            xml.text("Key", &format!("some/path/object-{i:05}"));
        });
    }
    let text = xml.finish();
    bencher.counter(ItemsCount::new(PAGE)).bench_local(|| {
        let delete: Delete = xml::parse(text.as_bytes(), "Delete").expect("a good document");
        delete
            .objects
            .iter()
            .map(|object| object.key.len())
            .sum::<usize>()
    });
}
