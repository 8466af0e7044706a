//! Only who holds a key is served, whatever the form of the signature and of the body; and what a
//! signature does not cover is refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use crate::support::call::{Call, Signature};
use crate::support::connection::Answer;
use crate::support::server::{ACCESS_KEY, SECRET_KEY, Server};
use crate::support::sign::Signer;

const SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const SIGNED_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
const UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// CRC-32 of `hello world`, in base64.
const CRC32: &str = "DUoRhQ==";

fn skewed(seconds: i64) -> Signer {
    let root = Signer::root();
    Signer {
        at: root.at + seconds,
        ..root
    }
}

fn stranger() -> Signer {
    Signer {
        access_key: "HFNOBODY000000000001".to_owned(),
        ..Signer::root()
    }
}

fn liar() -> Signer {
    Signer {
        secret_key: "another-secret-0123456789abcdefghijklmnop".to_owned(),
        ..Signer::root()
    }
}

#[test]
fn who_cannot_sign_is_refused() {
    let server = Server::start();
    server.make_bucket("bucket");
    let get = || server.call("GET", "/bucket/key");
    let query = Signature::Query(300);
    let cases: [(&str, Call<'_>, u16, &str); 14] = [
        (
            "unsigned",
            get().signed(Signature::None),
            403,
            "AccessDenied",
        ),
        (
            "unknown key",
            get().by(stranger()),
            403,
            "InvalidAccessKeyId",
        ),
        (
            "unknown key",
            get().by(stranger()).signed(query),
            403,
            "InvalidAccessKeyId",
        ),
        (
            "wrong secret",
            get().by(liar()),
            403,
            "SignatureDoesNotMatch",
        ),
        (
            "wrong secret",
            get().by(liar()).signed(query),
            403,
            "SignatureDoesNotMatch",
        ),
        (
            "slow clock",
            get().by(skewed(-1000)),
            403,
            "RequestTimeTooSkewed",
        ),
        (
            "fast clock",
            get().by(skewed(1000)),
            403,
            "RequestTimeTooSkewed",
        ),
        (
            "expired",
            get().by(skewed(-400)).signed(query),
            403,
            "AccessDenied",
        ),
        (
            "in the future",
            get().by(skewed(1000)).signed(query),
            403,
            "AccessDenied",
        ),
        (
            "valid too long",
            get().signed(Signature::Query(604_801)),
            400,
            "AuthorizationQueryParametersError",
        ),
        (
            "no such body form",
            get().payload("STREAMING-ANYTHING"),
            400,
            "InvalidArgument",
        ),
        (
            "unsigned copy source",
            server
                .call("PUT", "/bucket/key")
                .signed(query)
                .unsigned_header("x-amz-copy-source", "/bucket/other"),
            403,
            "AccessDenied",
        ),
        (
            "unsigned metadata",
            server
                .call("PUT", "/bucket/key")
                .unsigned_header("x-amz-meta-a", "1"),
            403,
            "AccessDenied",
        ),
        (
            "two signatures",
            server.call(
                "GET",
                "/bucket/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00",
            ),
            400,
            "InvalidArgument",
        ),
    ];
    for (what, call, status, code) in cases {
        eprintln!("{what}");
        call.send().expect_fault(status, code);
    }
}

/// A request that is signed in version 2, in the header.
fn signed_in_version_2<'s>(server: &'s Server, method: &str, target: &str, body: &str) -> Call<'s> {
    let date = chrono::Utc::now()
        .format("%a, %d %b %Y %H:%M:%S GMT")
        .to_string();
    let mut mac = Hmac::<Sha1>::new_from_slice(SECRET_KEY.as_bytes()).unwrap();
    mac.update(format!("{method}\n\n\n{date}\n{target}").as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    server
        .call(method, target)
        .signed(Signature::None)
        .header("date", &date)
        .unsigned_header("authorization", &format!("AWS {ACCESS_KEY}:{signature}"))
        .body(body)
}

#[test]
fn version_2_in_the_header_is_taken_where_it_is_set() {
    let server = Server::start();
    signed_in_version_2(&server, "PUT", "/bucket/", "")
        .send()
        .expect_fault(400, "InvalidRequest");
    let server = server.restart_with("[auth]\nsigv2 = \"all\"\n");
    let send = |method: &str, target: &str, body: &str| {
        signed_in_version_2(&server, method, target, body).send()
    };
    send("PUT", "/bucket/", "").expect(200);
    send("PUT", "/bucket/dir/a%20b", "hello").expect(200);
    assert_eq!(
        send("GET", "/bucket/dir/a%20b", "").expect(200).body,
        b"hello"
    );
    send("HEAD", "/bucket/dir/a%20b", "").expect(200);
    send("GET", "/bucket/?location", "").expect(200);
    send("GET", "/bucket/?cors", "").expect_fault(404, "NoSuchCORSConfiguration");
    let opened = send("POST", "/bucket/big?uploads", "").expect(200);
    let upload = opened.element("UploadId").unwrap();
    let part = format!("/bucket/big?partNumber=1&uploadId={upload}");
    let etag = send("PUT", &part, "part")
        .expect(200)
        .header("etag")
        .unwrap()
        .to_owned();
    let list = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>\
         </CompleteMultipartUpload>"
    );
    let complete = format!("/bucket/big?uploadId={upload}");
    send("POST", &complete, &list).expect(200);
    send("DELETE", "/bucket/dir/a%20b", "").expect(204);
    send("GET", "/bucket/big", "").expect(200);
    // The date is signed, and what is not signed is not done.
    signed_in_version_2(&server, "GET", "/bucket/big", "")
        .unsigned_header("x-amz-meta-a", "1")
        .send()
        .expect_fault(403, "SignatureDoesNotMatch");
}

#[test]
fn a_signature_covers_path_query_headers_and_body() {
    let server = Server::start();
    server.make_bucket("bucket");
    let call = server
        .call("PUT", "/bucket/key")
        .header("x-amz-meta-a", "1");
    let request = call.body("hello").bytes();
    let change = |from: &str, to: &str| {
        let text = String::from_utf8(request.clone()).unwrap();
        assert!(text.contains(from), "{text}");
        let mut connection = server.connect();
        connection.send(text.replacen(from, to, 1));
        connection.answer()
    };
    change("/bucket/key", "/bucket/kex").expect_fault(403, "SignatureDoesNotMatch");
    change("/bucket/key", "/bucket/key?x-id=1").expect_fault(403, "SignatureDoesNotMatch");
    change("PUT", "GET").expect_fault(403, "SignatureDoesNotMatch");
    change("x-amz-meta-a: 1", "x-amz-meta-a: 2").expect_fault(403, "SignatureDoesNotMatch");
    change("\r\n\r\nhello", "\r\n\r\njello").expect_fault(400, "XAmzContentSHA256Mismatch");
    server
        .call("GET", "/bucket/key")
        .send()
        .expect_fault(404, "NoSuchKey");
    change("PUT", "PUT").expect(200);
    assert_eq!(
        server.call("GET", "/bucket/key").send().expect(200).body,
        b"hello"
    );
}

#[test]
fn any_region_is_taken_unless_the_settings_are_strict() {
    let tokyo = Signer {
        region: "ap-northeast-1".to_owned(),
        ..Signer::root()
    };
    let server = Server::start();
    server.call("GET", "/").by(tokyo.clone()).send().expect(200);
    let strict = Server::start_with("[auth]\nregion_strict = true\n", &[]);
    let refused = strict.call("GET", "/").by(tokyo).send();
    refused
        .clone()
        .expect_fault(400, "AuthorizationHeaderMalformed");
    assert_eq!(refused.element("Region").as_deref(), Some("us-east-1"));
    strict.call("GET", "/").send().expect(200);
}

/// What is wrong with a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    Data,
    ChunkSignature,
    FinalSignature,
    TrailerSignature,
    TrailerValue,
    NoTrailer,
    DecodedLength,
    Cut,
}

/// Sends `hello world` in two chunks, in one of the forms that are framed.
fn put_framed(server: &Server, mode: &str, flaw: Flaw) -> Answer {
    let signer = Signer::root();
    let has_trailer = mode != SIGNED;
    let length = if flaw == Flaw::DecodedLength {
        "12"
    } else {
        "11"
    };
    let mut call = server
        .call("PUT", "/bucket/framed")
        .by(signer.clone())
        .payload(mode)
        .header("x-amz-decoded-content-length", length);
    if has_trailer {
        call = call.header("x-amz-trailer", "x-amz-checksum-crc32");
    }
    let mut previous = call.head(None).1;
    let mut body = Vec::new();
    let chunks: [&[u8]; 3] = [b"hello ", b"world", b""];
    for (nth, data) in chunks.into_iter().enumerate() {
        body.extend(format!("{:x}", data.len()).bytes());
        if mode != UNSIGNED_TRAILER {
            previous = signer.chunk_signature(&previous, data);
            let is_flawed = (flaw == Flaw::ChunkSignature && nth == 1)
                || (flaw == Flaw::FinalSignature && nth == 2);
            let shown = if is_flawed {
                flip(&previous)
            } else {
                previous.clone()
            };
            body.extend(format!(";chunk-signature={shown}").bytes());
        }
        body.extend(b"\r\n");
        let mut data = data.to_vec();
        if flaw == Flaw::Data && nth == 1 {
            data[0] ^= 1;
        }
        body.extend(&data);
        if !data.is_empty() || !has_trailer {
            body.extend(b"\r\n");
        }
    }
    if has_trailer && flaw != Flaw::NoTrailer {
        let value = if flaw == Flaw::TrailerValue {
            "AAAAAA=="
        } else {
            CRC32
        };
        let line = format!("x-amz-checksum-crc32:{value}\n");
        body.extend(line.trim_end().bytes());
        body.extend(b"\r\n");
        if mode == SIGNED_TRAILER {
            let signature = signer.trailer_signature(&previous, &line);
            let is_flawed = flaw == Flaw::TrailerSignature;
            let shown = if is_flawed {
                flip(&signature)
            } else {
                signature
            };
            body.extend(format!("x-amz-trailer-signature:{shown}\r\n").bytes());
        }
    }
    if has_trailer {
        body.extend(b"\r\n");
    }
    if flaw == Flaw::Cut {
        body.truncate(body.len() / 2);
    }
    let mut connection = server.connect();
    connection.send(call.head(Some(body.len())).0);
    connection.send(&body);
    connection.answer()
}

fn flip(signature: &str) -> String {
    let first = if signature.starts_with('0') { "1" } else { "0" };
    format!("{first}{}", &signature[1..])
}

#[test]
fn every_form_of_a_body_is_stored_plain() {
    let server = Server::start();
    server.make_bucket("bucket");
    for mode in [SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER] {
        put_framed(&server, mode, Flaw::None).expect(200);
        let stored = server.call("GET", "/bucket/framed").send().expect(200);
        assert_eq!(stored.text(), "hello world", "{mode}");
        assert_eq!(
            stored.header("etag"),
            Some("\"5eb63bbbe01eeed093cb22bb8f5acdc3\"")
        );
        assert_eq!(stored.header("content-encoding"), None);
        server.call("DELETE", "/bucket/framed").send().expect(204);
    }
    for payload in [None, Some("UNSIGNED-PAYLOAD")] {
        let mut call = server.call("PUT", "/bucket/plain").body("hello world");
        if let Some(payload) = payload {
            call = call.payload(payload);
        }
        call.send().expect(200);
    }
    let query = server
        .call("PUT", "/bucket/presigned")
        .signed(Signature::Query(60));
    query.body("hello world").send().expect(200);
    let stored = server
        .call("GET", "/bucket/presigned")
        .signed(Signature::Query(60));
    assert_eq!(stored.send().expect(200).text(), "hello world");
}

#[test]
fn a_flawed_body_is_refused_by_its_code_and_stores_nothing() {
    let server = Server::start();
    server.make_bucket("bucket");
    let mismatch = (403, "SignatureDoesNotMatch");
    let digest = (400, "BadDigest");
    let incomplete = (400, "IncompleteBody");
    let malformed = (400, "");
    let cases = [
        (SIGNED, Flaw::Data, mismatch),
        (SIGNED, Flaw::ChunkSignature, mismatch),
        (SIGNED, Flaw::FinalSignature, mismatch),
        (SIGNED, Flaw::DecodedLength, incomplete),
        (SIGNED, Flaw::Cut, incomplete),
        (SIGNED_TRAILER, Flaw::Data, mismatch),
        (SIGNED_TRAILER, Flaw::ChunkSignature, mismatch),
        (SIGNED_TRAILER, Flaw::FinalSignature, mismatch),
        (SIGNED_TRAILER, Flaw::TrailerSignature, mismatch),
        (SIGNED_TRAILER, Flaw::TrailerValue, digest),
        (SIGNED_TRAILER, Flaw::NoTrailer, malformed),
        (SIGNED_TRAILER, Flaw::Cut, incomplete),
        (UNSIGNED_TRAILER, Flaw::Data, digest),
        (UNSIGNED_TRAILER, Flaw::TrailerValue, digest),
        (UNSIGNED_TRAILER, Flaw::NoTrailer, malformed),
        (UNSIGNED_TRAILER, Flaw::DecodedLength, incomplete),
        (UNSIGNED_TRAILER, Flaw::Cut, incomplete),
    ];
    for (mode, flaw, (status, code)) in cases {
        let answer = put_framed(&server, mode, flaw);
        assert_eq!(answer.status, status, "{mode} {flaw:?}: {}", answer.text());
        assert!(
            code.is_empty() || answer.code() == code,
            "{mode} {flaw:?}: {}",
            answer.text()
        );
        let stored = server.call("GET", "/bucket/framed").send();
        assert_eq!(stored.status, 404, "{mode} {flaw:?}");
    }
}

#[test]
fn no_form_of_a_body_is_a_way_around_the_signature() {
    let server = Server::start();
    server.make_bucket("bucket");
    let modes = ["UNSIGNED-PAYLOAD", SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER];
    let routes = [
        ("PUT", "/bucket/key"),
        ("PUT", "/bucket/key?partNumber=1&uploadId=u"),
        ("POST", "/bucket?delete"),
        ("POST", "/bucket/key?uploadId=u"),
        ("PUT", "/other"),
        ("PUT", "/bucket/.holdfast/finalize"),
        ("POST", "/_holdfast/v1/packages"),
    ];
    for mode in modes {
        for (method, target) in routes {
            let call = server
                .call(method, target)
                .by(liar())
                .payload(mode)
                .header("x-amz-decoded-content-length", "1")
                .body("1\r\nx\r\n0\r\n\r\n");
            let header = call.send();
            assert_eq!(
                header.status,
                403,
                "{mode} {method} {target}: {}",
                header.text()
            );
            let query = call.signed(Signature::Query(60)).send();
            assert_eq!(
                query.status,
                403,
                "{mode} {method} {target}: {}",
                query.text()
            );
        }
    }
    let none = server
        .call("GET", "/_holdfast/v1/packages")
        .signed(Signature::None)
        .send();
    assert_eq!(
        none.expect(403).header("content-type"),
        Some("application/json")
    );
}

#[test]
fn the_log_holds_no_signature() {
    let server = Server::start();
    server.make_bucket("bucket");
    let call = server
        .call("GET", "/bucket/some-key")
        .signed(Signature::Query(60));
    let request = String::from_utf8(call.bytes()).unwrap();
    let (_, rest) = request.split_once("X-Amz-Signature=").unwrap();
    let signature = &rest[..64];
    call.send().expect(404);
    let since = std::time::Instant::now();
    let log = loop {
        let log = server.log().join("\n");
        if log.contains("/bucket/some-key") {
            break log;
        }
        assert!(
            since.elapsed().as_secs() < 10,
            "no line for the request:\n{log}"
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    assert!(!log.contains(signature));
    assert!(!log.contains(crate::support::server::SECRET_KEY));
    assert!(
        log.contains("GetObject") && log.contains("NoSuchKey"),
        "{log}"
    );
}
