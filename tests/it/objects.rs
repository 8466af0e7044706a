//! PutObject, GetObject, HeadObject, CopyObject: bytes and what stands beside them.

use md5::{Digest, Md5};

use crate::support::call::{Call, Signature};
use crate::support::connection::Answer;
use crate::support::server::Server;
use crate::support::sign::Signer;

/// Keys that a careless server takes for something else: raw targets, as they stand on the wire.
const ODD_KEYS: [&str; 14] = [
    "a",
    "a/",
    "a/b",
    "a//b",
    "/a",
    "..",
    "../a",
    "./a",
    "%2F",
    "%25",
    "a%20b+c",
    "%C3%A9%E2%82%AC",
    "a%3FversionId=1",
    ".holdfast",
];

fn md5(bytes: &[u8]) -> String {
    hex::encode(Md5::digest(bytes))
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 7 + at % 251) as u8).collect()
}

fn put<'s>(server: &'s Server, target: &str, body: impl Into<Vec<u8>>) -> Call<'s> {
    server.call("PUT", target).body(body)
}

fn get(server: &Server, target: &str) -> Answer {
    server.call("GET", target).send()
}

fn head(server: &Server, target: &str) -> Answer {
    server.call("HEAD", target).send()
}

fn bucket() -> Server {
    let server = Server::start();
    server.make_bucket("pkg");
    server
}

#[test]
fn bytes_come_back_as_they_went_in() {
    let server = bucket();
    for length in [0, 1, 4096, 16_383, 16_384, 16_385, 65_537, (1 << 20) + 1] {
        let bytes = pattern(length);
        let etag = format!("\"{}\"", md5(&bytes));
        let answer = put(&server, "/pkg/k", bytes.clone()).send().expect(200);
        assert_eq!(answer.header("etag"), Some(&*etag), "{length}");
        assert!(
            answer.body.is_empty(),
            "botocore takes a body for a failure"
        );
        let read = get(&server, "/pkg/k").expect(200);
        assert!(read.body == bytes, "{length}");
        let shown = head(&server, "/pkg/k").expect(200);
        for answer in [&read, &shown] {
            assert_eq!(answer.header("content-length"), Some(&*length.to_string()));
            assert_eq!(answer.header("etag"), Some(&*etag));
            assert_eq!(answer.header("accept-ranges"), Some("bytes"));
            assert_eq!(answer.header("content-type"), Some("binary/octet-stream"));
            assert!(
                answer
                    .header("last-modified")
                    .is_some_and(|at| at.ends_with(" GMT"))
            );
            assert!(answer.header("x-amz-version-id").is_none());
            let blake3 = blake3::hash(&bytes).to_hex();
            assert_eq!(answer.header("x-holdfast-blake3"), Some(&*blake3));
        }
    }
}

#[test]
fn every_text_is_a_key() {
    let server = bucket();
    for key in ODD_KEYS {
        let target = format!("/pkg/{key}");
        put(&server, &target, key).send().expect(200);
    }
    for key in ODD_KEYS {
        let target = format!("/pkg/{key}");
        assert_eq!(get(&server, &target).expect(200).text(), key);
    }
    let long = "k".repeat(1024);
    put(&server, &format!("/pkg/{long}"), "1")
        .send()
        .expect(200);
    put(&server, &format!("/pkg/{long}k"), "1")
        .send()
        .expect_fault(400, "KeyTooLongError");
}

#[test]
fn what_is_not_there_is_said_to_be_missing() {
    let server = bucket();
    let answer = get(&server, "/pkg/none").expect_fault(404, "NoSuchKey");
    assert_eq!(answer.element("Key").as_deref(), Some("none"));
    let answer = get(&server, "/nowhere/none").expect_fault(404, "NoSuchBucket");
    assert_eq!(answer.element("BucketName").as_deref(), Some("nowhere"));
    put(&server, "/nowhere/k", "1")
        .send()
        .expect_fault(404, "NoSuchBucket");
    let answer = head(&server, "/pkg/none").expect(404);
    assert!(answer.body.is_empty());
    // The connection stays usable.
    let mut connection = server.connect();
    server
        .call("HEAD", "/pkg/none")
        .send_on(&mut connection)
        .expect(404);
    server
        .call("GET", "/pkg/none")
        .send_on(&mut connection)
        .expect(404);
}

#[test]
fn what_clients_attach_comes_back() {
    let server = bucket();
    let attached = [
        ("content-type", "text/plain; charset=utf-8"),
        ("cache-control", "max-age=60"),
        ("content-disposition", "attachment; filename=\"a b.txt\""),
        ("content-encoding", "deflate, gzip"),
        ("content-language", "de"),
        ("expires", "Wed, 21 Oct 2026 07:28:00 GMT"),
        ("x-amz-website-redirect-location", "/elsewhere"),
        ("x-amz-meta-mtime", "1700000000.123456789"),
        ("x-amz-meta-empty", ""),
    ];
    let mut call = put(&server, "/pkg/k", "abc");
    for (name, value) in attached {
        call = call.header(name, value);
    }
    // Accepted and without meaning: clients set them on every upload.
    call = call
        .header("x-amz-acl", "public-read")
        .header("x-amz-storage-class", "STANDARD")
        .header("x-amz-object-annotation-directive", "EXCLUDE");
    call.send().expect(200);
    for answer in [get(&server, "/pkg/k"), head(&server, "/pkg/k")] {
        for (name, value) in attached {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
        assert!(answer.header("x-amz-storage-class").is_none());
    }
    // A new version has what came with it, and nothing of the old one.
    put(&server, "/pkg/k", "abc")
        .header("content-encoding", "aws-chunked")
        .send()
        .expect(200);
    let answer = head(&server, "/pkg/k").expect(200);
    for (name, _) in attached.iter().skip(1) {
        assert_eq!(answer.header(name), None, "{name}");
    }
}

#[test]
fn what_is_refused_leaves_nothing_behind() {
    let server = bucket();
    let wrong: &[(&[(&str, &str)], u16, &str)] = &[
        (
            &[("content-md5", "rL0Y20zC+Fzt72VPzMSk2A==")],
            400,
            "BadDigest",
        ),
        (&[("content-md5", "YWJj")], 400, "InvalidDigest"),
        (&[("content-md5", "")], 400, "InvalidDigest"),
        (&[("x-amz-checksum-crc32", "AAAAAA==")], 400, "BadDigest"),
        (&[("x-amz-checksum-crc32", "bad")], 400, "BadDigest"),
        (&[("x-amz-checksum-sha512", "bad")], 400, "BadDigest"),
        (
            &[
                ("x-amz-checksum-crc32", "NSRBwg=="),
                ("x-amz-checksum-sha1", "bad"),
            ],
            400,
            "InvalidRequest",
        ),
        (
            &[
                ("x-amz-checksum-crc32", "NSRBwg=="),
                ("x-amz-sdk-checksum-algorithm", "SHA256"),
            ],
            400,
            "InvalidRequest",
        ),
        (
            &[("x-amz-server-side-encryption", "aws:kms")],
            501,
            "NotImplemented",
        ),
        (
            &[("x-amz-server-side-encryption-customer-algorithm", "AES256")],
            501,
            "NotImplemented",
        ),
        (&[("x-amz-tagging", "a=b")], 501, "NotImplemented"),
        (
            &[("x-amz-object-lock-mode", "COMPLIANCE")],
            400,
            "InvalidArgument",
        ),
        (&[("x-amz-write-offset-bytes", "0")], 501, "NotImplemented"),
        (
            &[("x-amz-storage-class", "GLACIER")],
            400,
            "InvalidStorageClass",
        ),
        (&[("x-amz-acl", "everyone")], 400, "InvalidArgument"),
        (
            &[("if-match", "\"a\""), ("if-none-match", "*")],
            400,
            "InvalidRequest",
        ),
    ];
    for (headers, status, code) in wrong {
        let mut call = put(&server, "/pkg/k", "abc");
        for (name, value) in *headers {
            call = call.header(name, value);
        }
        let answer = call.send();
        assert_eq!(
            (answer.status, &*answer.code()),
            (*status, *code),
            "{headers:?}"
        );
        get(&server, "/pkg/k").expect_fault(404, "NoSuchKey");
    }
    let large = "v".repeat(2048);
    put(&server, "/pkg/k", "abc")
        .header("x-amz-meta-a", &large)
        .send()
        .expect_fault(400, "MetadataTooLarge");
    put(&server, "/pkg/k", "abc")
        .payload(&"0".repeat(64))
        .send()
        .expect_fault(400, "XAmzContentSHA256Mismatch");
    get(&server, "/pkg/k").expect_fault(404, "NoSuchKey");
    let list = get(&server, "/pkg?list-type=2").expect(200);
    assert_eq!(list.element("KeyCount").as_deref(), Some("0"));
}

#[test]
fn a_right_digest_is_kept_and_returned_when_asked_for() {
    let server = bucket();
    for (name, value) in [
        ("x-amz-checksum-crc32", "NSRBwg=="),
        ("x-amz-checksum-crc32c", "Nks/tw=="),
        ("x-amz-checksum-crc64nvme", "BeXKuz/B+us="),
        ("x-amz-checksum-sha1", "qZk+NkcGgWq6PiVxeFDCbJzQ2J0="),
        (
            "x-amz-checksum-sha256",
            "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
        ),
    ] {
        let answer = put(&server, "/pkg/k", "abc")
            .header(name, value)
            .header("content-md5", "kAFQmDzST7DWlj99KOF/cg==")
            .send()
            .expect(200);
        assert_eq!(answer.header(name), Some(value));
        assert_eq!(answer.header("x-amz-checksum-type"), Some("FULL_OBJECT"));
        for method in ["GET", "HEAD"] {
            let call = server.call(method, "/pkg/k");
            let plain = call.clone().send().expect(200);
            assert_eq!(plain.header(name), None);
            let call = call.header("x-amz-checksum-mode", "ENABLED");
            let asked = call.clone().send().expect(200);
            assert_eq!(asked.header(name), Some(value));
            assert_eq!(asked.header("x-amz-checksum-type"), Some("FULL_OBJECT"));
            // A client holds the header against the body, so a range has none.
            let range = call.header("range", "bytes=0-1").send().expect(206);
            assert_eq!(range.header(name), None);
        }
    }
    // Asked for by name only: computed here.
    let answer = put(&server, "/pkg/k", "abc")
        .header("x-amz-sdk-checksum-algorithm", "CRC32C")
        .send()
        .expect(200);
    assert_eq!(answer.header("x-amz-checksum-crc32c"), Some("Nks/tw=="));
}

#[test]
fn ranges_are_exact() {
    let server = bucket();
    for length in [10, 100_000] {
        let bytes = pattern(length);
        put(&server, "/pkg/k", bytes.clone()).send().expect(200);
        let last = length - 1;
        let ranges = [
            ("bytes=0-0".to_owned(), 0..1),
            (format!("bytes=0-{last}"), 0..length),
            ("bytes=3-".to_owned(), 3..length),
            (format!("bytes={last}-"), last..length),
            ("bytes=-4".to_owned(), length - 4..length),
            ("bytes=-999999999".to_owned(), 0..length),
            ("bytes=5-999999999".to_owned(), 5..length),
        ];
        for (text, range) in ranges {
            let shown = format!("bytes {}-{}/{length}", range.start, range.end - 1);
            let expected = &bytes[range];
            for method in ["GET", "HEAD"] {
                let call = server.call(method, "/pkg/k").header("range", &text);
                let answer = call.send().expect(206);
                assert_eq!(answer.header("content-range"), Some(&*shown), "{text}");
                assert_eq!(
                    answer.header("content-length"),
                    Some(&*expected.len().to_string())
                );
                assert!(method == "HEAD" || answer.body == expected, "{text}");
            }
        }
        for text in [
            format!("bytes={length}-"),
            format!("bytes={length}-{length}"),
            "bytes=-0".into(),
        ] {
            let answer = server.call("GET", "/pkg/k").header("range", &text).send();
            let answer = answer.expect_fault(416, "InvalidRange");
            assert_eq!(
                answer.header("content-range"),
                Some(&*format!("bytes */{length}"))
            );
        }
        // What S3 does not understand it ignores.
        for text in [
            "bytes=0-1,3-4",
            "bytes=5-2",
            "lines=0-1",
            "bytes=a-b",
            "bytes",
        ] {
            let answer = server.call("GET", "/pkg/k").header("range", text).send();
            assert!(answer.expect(200).body == bytes, "{text}");
        }
    }
    put(&server, "/pkg/empty", "").send().expect(200);
    let answer = server
        .call("GET", "/pkg/empty")
        .header("range", "bytes=0-")
        .send();
    answer.expect_fault(416, "InvalidRange");
}

#[test]
fn a_part_number_reads_a_part() {
    let server = bucket();
    put(&server, "/pkg/k", "abc").send().expect(200);
    let answer = get(&server, "/pkg/k?partNumber=1").expect(206);
    assert_eq!(
        (answer.text(), answer.header("content-range")),
        ("abc".into(), Some("bytes 0-2/3"))
    );
    assert_eq!(answer.header("x-amz-mp-parts-count"), None);
    get(&server, "/pkg/k?partNumber=2").expect_fault(416, "InvalidPartNumber");
    for number in ["0", "10001", "x", ""] {
        let target = format!("/pkg/k?partNumber={number}");
        get(&server, &target).expect_fault(400, "InvalidArgument");
    }
    server
        .call("GET", "/pkg/k?partNumber=1")
        .header("range", "bytes=0-1")
        .send()
        .expect_fault(400, "InvalidRequest");
}

#[test]
fn the_query_overrides_the_headers_of_the_answer() {
    let server = bucket();
    put(&server, "/pkg/k", "abc")
        .header("content-type", "text/plain")
        .send()
        .expect(200);
    let target = "/pkg/k?response-content-type=image%2Fpng&response-content-language=de\
                  &response-expires=x&response-cache-control=no-cache\
                  &response-content-disposition=attachment%3B%20filename%3Db\
                  &response-content-encoding=gzip";
    for signature in [Signature::Header, Signature::Query(60)] {
        let answer = server
            .call("GET", target)
            .signed(signature)
            .send()
            .expect(200);
        for (name, value) in [
            ("content-type", "image/png"),
            ("content-language", "de"),
            ("expires", "x"),
            ("cache-control", "no-cache"),
            ("content-disposition", "attachment; filename=b"),
            ("content-encoding", "gzip"),
        ] {
            assert_eq!(answer.header(name), Some(value));
        }
    }
    get(&server, "/pkg/k?response-content-type=a%0D%0Ab").expect_fault(400, "InvalidArgument");
}

#[test]
fn a_presigned_query_speaks_for_headers() {
    let server = bucket();
    server
        .call("PUT", "/pkg/k?x-amz-meta-colour=green&x-amz-acl=private")
        .signed(Signature::Query(60))
        .body("abc")
        .send()
        .expect(200);
    let answer = head(&server, "/pkg/k").expect(200);
    assert_eq!(answer.header("x-amz-meta-colour"), Some("green"));
}

#[test]
fn what_is_not_built_falls_through_to_nothing() {
    let server = bucket();
    put(&server, "/pkg/k", "abc").send().expect(200);
    for method in ["PUT", "DELETE"] {
        let call = server.call(method, "/pkg/k?acl").body("xyz");
        call.send().expect_fault(501, "NotImplemented");
    }
    for query in ["torrent", "restore", "unheard-of"] {
        for method in ["GET", "PUT", "DELETE"] {
            let call = server.call(method, &format!("/pkg/k?{query}")).body("xyz");
            call.send().expect_fault(501, "NotImplemented");
        }
    }
    assert_eq!(get(&server, "/pkg/k").expect(200).text(), "abc");
    assert_eq!(
        get(&server, "/pkg/k?x-id=GetObject").expect(200).text(),
        "abc"
    );
}

#[test]
fn a_copy_has_bytes_and_metadata_of_its_source() {
    let server = bucket();
    server.make_bucket("other");
    let bytes = pattern(50_000);
    let source = put(&server, "/pkg/a%20b", bytes.clone())
        .header("content-type", "text/css")
        .header("x-amz-meta-colour", "green")
        .header("x-amz-checksum-algorithm", "SHA256")
        .header("x-amz-sdk-checksum-algorithm", "SHA256")
        .send()
        .expect(200);
    let copy = |target: &str, headers: &[(&str, &str)]| {
        let mut call = server.call("PUT", target);
        for (name, value) in headers {
            call = call.header(name, value);
        }
        call.send()
    };
    let from = ("x-amz-copy-source", "/pkg/a%20b");
    let answer = copy("/other/c", &[from]).expect(200);
    assert_eq!(answer.header("content-type"), Some("application/xml"));
    let etag = format!("\"{}\"", md5(&bytes)).replace('"', "&quot;");
    assert_eq!(answer.element("ETag"), Some(etag));
    assert!(answer.text().contains("<CopyObjectResult"));
    assert!(
        answer
            .element("LastModified")
            .is_some_and(|at| at.ends_with('Z'))
    );
    assert_eq!(
        answer.element("ChecksumSHA256").as_deref(),
        source.header("x-amz-checksum-sha256")
    );
    let read = get(&server, "/other/c").expect(200);
    assert!(read.body == bytes);
    assert_eq!(read.header("content-type"), Some("text/css"));
    assert_eq!(read.header("x-amz-meta-colour"), Some("green"));
    // REPLACE: everything is the request's.
    let replace = ("x-amz-metadata-directive", "REPLACE");
    copy("/other/c", &[from, replace, ("x-amz-meta-size", "l")]).expect(200);
    let read = get(&server, "/other/c").expect(200);
    assert!(read.body == bytes);
    assert_eq!(read.header("content-type"), Some("binary/octet-stream"));
    assert_eq!(read.header("x-amz-meta-colour"), None);
    assert_eq!(read.header("x-amz-meta-size"), Some("l"));
    // Without a leading slash, and with headers that mean nothing here.
    let from = ("x-amz-copy-source", "pkg/a%20b");
    let unknown = ("x-amz-object-annotation-directive", "EXCLUDE");
    copy(
        "/pkg/d",
        &[from, unknown, ("x-amz-tagging-directive", "COPY")],
    )
    .expect(200);
    // A checksum that the source does not have is computed.
    let crc = ("x-amz-checksum-algorithm", "CRC32C");
    let answer = copy("/pkg/e", &[from, crc]).expect(200);
    assert!(
        answer.element("ChecksumCRC32C").is_some(),
        "{}",
        answer.text()
    );
}

#[test]
fn a_copy_onto_itself_changes_metadata_and_keeps_the_bytes() {
    let server = bucket();
    let bytes = pattern(20_000);
    put(&server, "/pkg/k", bytes.clone()).send().expect(200);
    let call = server
        .call("PUT", "/pkg/k")
        .header("x-amz-copy-source", "/pkg/k");
    call.clone().send().expect_fault(400, "InvalidRequest");
    call.clone()
        .header("x-amz-metadata-directive", "COPY")
        .send()
        .expect_fault(400, "InvalidRequest");
    call.header("x-amz-metadata-directive", "REPLACE")
        .header("x-amz-meta-mtime", "1.5")
        .send()
        .expect(200);
    let read = get(&server, "/pkg/k").expect(200);
    assert!(read.body == bytes);
    assert_eq!(read.header("x-amz-meta-mtime"), Some("1.5"));
}

#[test]
fn a_copy_that_cannot_be_is_refused() {
    let server = bucket();
    put(&server, "/pkg/k", "abc").send().expect(200);
    let cases: &[(&[(&str, &str)], u16, &str)] = &[
        (&[("x-amz-copy-source", "pkg/none")], 404, "NoSuchKey"),
        (&[("x-amz-copy-source", "nowhere/k")], 404, "NoSuchBucket"),
        (&[("x-amz-copy-source", "pkg")], 400, "InvalidArgument"),
        (&[("x-amz-copy-source", "pkg/")], 400, "InvalidArgument"),
        (&[("x-amz-copy-source", "")], 400, "InvalidArgument"),
        (
            &[("x-amz-copy-source", "pkg/k?versionId=1")],
            400,
            "InvalidArgument",
        ),
        (
            &[
                ("x-amz-copy-source", "pkg/k"),
                ("x-amz-metadata-directive", "MERGE"),
            ],
            400,
            "InvalidArgument",
        ),
        (
            &[
                ("x-amz-copy-source", "pkg/k"),
                ("x-amz-copy-source-if-match", "\"x\""),
            ],
            412,
            "PreconditionFailed",
        ),
        (
            &[
                ("x-amz-copy-source", "pkg/k"),
                (
                    "x-amz-copy-source-if-none-match",
                    "\"900150983cd24fb0d6963f7d28e17f72\"",
                ),
            ],
            412,
            "PreconditionFailed",
        ),
        (
            &[
                ("x-amz-copy-source", "pkg/k"),
                (
                    "x-amz-copy-source-if-unmodified-since",
                    "Sat, 01 Jan 2000 00:00:00 GMT",
                ),
            ],
            412,
            "PreconditionFailed",
        ),
        (
            &[("x-amz-copy-source", "pkg/k"), ("if-match", "\"x\"")],
            404,
            "NoSuchKey",
        ),
        (
            &[
                ("x-amz-copy-source", "pkg/k"),
                ("x-amz-server-side-encryption", "aws:kms"),
            ],
            501,
            "NotImplemented",
        ),
    ];
    for (headers, status, code) in cases {
        let mut call = server.call("PUT", "/pkg/new");
        for (name, value) in *headers {
            call = call.header(name, value);
        }
        let answer = call.send();
        assert_eq!(
            (answer.status, &*answer.code()),
            (*status, *code),
            "{headers:?}"
        );
    }
    get(&server, "/pkg/new").expect_fault(404, "NoSuchKey");
}

#[test]
fn nobody_copies_what_they_may_not_read() {
    let config = r#"
        [[users]]
        id = "ci"
        display_name = "CI"
        keys = [{ access_key = "HFTESTCIKEY000000001", secret_key = "ci-secret-0123456789abcdefghijkl" }]
        grants = [{ packages = ["shown"], verbs = ["read"] }]
    "#;
    let server = Server::start_with(config, &[]);
    let ci = Signer {
        access_key: "HFTESTCIKEY000000001".to_owned(),
        secret_key: "ci-secret-0123456789abcdefghijkl".to_owned(),
        ..Signer::root()
    };
    for name in ["hidden", "shown"] {
        server.make_bucket(name);
        put(&server, &format!("/{name}/k"), "abc")
            .send()
            .expect(200);
    }
    server.call("PUT", "/own").by(ci.clone()).send().expect(200);
    let copy = |from: &str| {
        let call = server
            .call("PUT", "/own/k")
            .header("x-amz-copy-source", from);
        call.by(ci.clone()).send()
    };
    copy("hidden/k").expect_fault(403, "AccessDenied");
    copy("hidden/none").expect_fault(403, "AccessDenied");
    // Who may not list does not learn what is missing.
    copy("shown/none").expect_fault(403, "AccessDenied");
    copy("shown/k").expect(200);
    server
        .call("GET", "/hidden/k")
        .by(ci)
        .send()
        .expect_fault(403, "AccessDenied");
}

#[test]
fn attributes_are_those_that_were_asked_for() {
    let server = bucket();
    put(&server, "/pkg/k", "abc")
        .header("x-amz-checksum-crc32", "NSRBwg==")
        .send()
        .expect(200);
    let ask = |names: &str| {
        let call = server.call("GET", "/pkg/k?attributes");
        call.header("x-amz-object-attributes", names).send()
    };
    let answer = ask("ETag,Checksum,ObjectParts,StorageClass,ObjectSize").expect(200);
    let text = answer.text();
    assert!(
        text.contains("<ETag>900150983cd24fb0d6963f7d28e17f72</ETag>"),
        "{text}"
    );
    assert!(
        text.contains("<ChecksumCRC32>NSRBwg==</ChecksumCRC32>"),
        "{text}"
    );
    assert!(text.contains("<ObjectSize>3</ObjectSize>") && text.contains("STANDARD"));
    assert!(!text.contains("ObjectParts"));
    assert!(answer.header("last-modified").is_some());
    assert!(!ask("ObjectSize").expect(200).text().contains("ETag"));
    ask("Colour").expect_fault(400, "InvalidArgument");
    get(&server, "/pkg/k?attributes").expect_fault(400, "InvalidRequest");
    get(&server, "/pkg/none?tagging").expect_fault(404, "NoSuchKey");
    let tags = get(&server, "/pkg/k?tagging").expect(200).text();
    assert!(tags.contains("<TagSet></TagSet>"), "{tags}");
    let call = server.call("PUT", "/pkg/k?tagging").body("<Tagging/>");
    call.send().expect_fault(501, "NotImplemented");
}
