//! What botocore signs (`tests/golden/make_requests.py`) is accepted, and its bodies decode.

use base64::Engine as _;
use bytes::Bytes;
use holdfast::auth::settings::SigV2;
use holdfast::wire::aws_chunked::{Decoder, Framing, Step, announced_trailers};
use http::Method;
use serde::Deserialize;

use crate::support::{Arriving, authenticator, outcome};

#[derive(Deserialize)]
struct Golden {
    requests: Vec<GoldenRequest>,
}

#[derive(Deserialize)]
struct GoldenRequest {
    name: String,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl GoldenRequest {
    fn arriving(&self) -> Arriving {
        let (_, rest) = self.url.split_once("://").unwrap();
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let method = Method::from_bytes(self.method.as_bytes()).unwrap();
        let mut request = Arriving::new(method, path, query);
        request.bucket = authority
            .strip_suffix(".s3.example.org:9000")
            .map(str::to_owned);
        authority.clone_into(&mut request.authority);
        for (name, value) in &self.headers {
            request = request.with(name, value);
        }
        request
    }
}

fn golden() -> Vec<GoldenRequest> {
    let text = include_str!("../golden/requests.json");
    serde_json::from_str::<Golden>(text).unwrap().requests
}

#[test]
fn what_botocore_signs_is_accepted() {
    let with = authenticator(SigV2::All, false);
    let mut failed = Vec::new();
    for golden in golden() {
        let request = golden.arriving();
        let found = request.authenticate(&with);
        if outcome(&found) != "golden" {
            failed.push(format!("{}: {found:?}", golden.name));
        }
        let mut other = request;
        other.path.push('x');
        let found = other.outcome(&with);
        assert_eq!(found, "SignatureDoesNotMatch", "{}", golden.name);
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn what_botocore_frames_decodes() {
    let mut decoded = 0;
    for golden in golden() {
        let headers = golden.arriving().headers;
        let is_framed = headers
            .get("x-amz-content-sha256")
            .is_some_and(|value| value == "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
        if !is_framed {
            continue;
        }
        decoded += 1;
        let length = &headers["x-amz-decoded-content-length"];
        let mut decoder = Decoder::new(Framing {
            chain: None,
            has_trailers: true,
            announced: announced_trailers(&headers).unwrap(),
            decoded_bytes: length.to_str().unwrap().parse().ok(),
        });
        let body = base64::engine::general_purpose::STANDARD.decode(&golden.body);
        decoder.feed(Bytes::from(body.unwrap()));
        let mut data = Vec::new();
        let trailers = loop {
            match decoder.step().unwrap() {
                Step::More => panic!("{}: no end", golden.name),
                Step::Data(bytes) => data.extend_from_slice(&bytes),
                Step::End(trailers) => break trailers,
            }
        };
        decoder.finish().unwrap();
        assert_eq!(data, b"hello world".repeat(7), "{}", golden.name);
        assert_eq!(trailers.len(), 1, "{}", golden.name);
    }
    assert!(decoded > 0);
}
