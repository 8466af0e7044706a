//! Bad input gets the documented code of S3, as XML (as JSON on the extension), and leaves nothing
//! behind.

use crate::support::server::Server;

/// MD5 of `hello`, in base64.
const MD5_OF_HELLO: &str = "XUFAKrxLKna5cZ2REBfFkg==";

#[test]
fn a_wrong_digest_stores_nothing() {
    let server = Server::start();
    server.make_bucket("bucket");
    let crc32 = "x-amz-checksum-crc32";
    let cases = [
        ("content-md5", MD5_OF_HELLO, 400, "BadDigest"),
        ("content-md5", "not base64", 400, "InvalidDigest"),
        ("content-md5", "AAAA", 400, "InvalidDigest"),
        (crc32, "AAAAAA==", 400, "BadDigest"),
        (crc32, "AAAA", 400, "BadDigest"),
        ("x-amz-checksum-crc32c", "AAAAAA==", 400, "BadDigest"),
        ("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=", 400, "BadDigest"),
        (
            "x-amz-checksum-sha1",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            400,
            "BadDigest",
        ),
        ("x-amz-checksum-xxhash3", "AAAAAAAAAAA=", 400, "BadDigest"),
        ("x-amz-checksum-md5", MD5_OF_HELLO, 400, "BadDigest"),
        (
            "x-amz-sdk-checksum-algorithm",
            "SHA384",
            400,
            "InvalidRequest",
        ),
    ];
    for size in [20_usize, 400_000] {
        for (name, value, status, code) in cases {
            let call = server.call("PUT", "/bucket/key").header(name, value);
            eprintln!("{size} {name} {value}");
            call.body(vec![b'j'; size])
                .send()
                .expect_fault(status, code);
            server
                .call("GET", "/bucket/key")
                .send()
                .expect_fault(404, "NoSuchKey");
        }
        let wrong = server.call("PUT", "/bucket/key").payload(&"0".repeat(64));
        wrong
            .body(vec![b'j'; size])
            .send()
            .expect_fault(400, "XAmzContentSHA256Mismatch");
        server
            .call("GET", "/bucket/key")
            .send()
            .expect_fault(404, "NoSuchKey");
    }
    let right = server
        .call("PUT", "/bucket/key")
        .header("content-md5", MD5_OF_HELLO);
    right.body("hello").send().expect(200);
}

#[test]
fn malformed_documents_are_refused() {
    let server = Server::start();
    server.make_bucket("bucket");
    let created = server
        .call("POST", "/bucket/key?uploads")
        .send()
        .expect(200);
    let upload = created.element("UploadId").expect("an upload");
    let complete = format!("/bucket/key?uploadId={upload}");
    let deep = format!("{}{}", "<a>".repeat(5000), "</a>".repeat(5000));
    let bomb = "<!DOCTYPE a [<!ENTITY b \"cc\">]><Delete>&b;</Delete>";
    let documents = [
        "",
        "x",
        "<",
        "<Delete>",
        "<Other/>",
        "<Delete></Complete>",
        bomb,
        &deep,
    ];
    for document in documents {
        for target in ["/bucket?delete", &complete] {
            let answer = server.call("POST", target).body(document).send();
            assert_eq!(
                answer.status,
                400,
                "{target} {document:.40}: {}",
                answer.text()
            );
            let code = answer.code();
            assert!(
                code == "MalformedXML" || code == "MissingRequestBodyError",
                "{target} {document:.40}: {code}"
            );
        }
    }
    let large = server
        .call("POST", "/bucket?delete")
        .body(vec![b' '; 2 * 1024 * 1024 + 1]);
    large.send().expect_fault(400, "MaxMessageLengthExceeded");
    server
        .call("PUT", "/other")
        .body("<x")
        .send()
        .expect_fault(400, "MalformedXML");
    server.call("HEAD", "/other").send().expect(404);
}

#[test]
fn names_and_sizes_have_their_limits() {
    let server = Server::start();
    server.make_bucket("bucket");
    let key = |length: usize| format!("/bucket/{}", "k".repeat(length));
    server.call("PUT", &key(1024)).body("x").send().expect(200);
    server
        .call("PUT", &key(1025))
        .body("x")
        .send()
        .expect_fault(400, "KeyTooLongError");
    let meta = |length: usize| {
        let call = server
            .call("PUT", "/bucket/meta")
            .header("x-amz-meta-abcd", &"v".repeat(length));
        call.body("x").send()
    };
    meta(2048 - 4).expect(200);
    meta(2048 - 3).expect_fault(400, "MetadataTooLarge");
    for name in ["ab", "Bucket", "a_b", "192.168.0.1", "_holdfast"] {
        let answer = server.call("PUT", &format!("/{name}")).send();
        answer.expect_fault(400, "InvalidBucketName");
    }
    server
        .call("GET", "/bucket/%FF")
        .send()
        .expect_fault(400, "InvalidURI");
}

#[test]
fn what_is_not_built_or_not_there_says_so() {
    let server = Server::start();
    server.make_bucket("bucket");
    let cases = [
        ("GET", "/nowhere", 404, "NoSuchBucket"),
        ("GET", "/nowhere/key", 404, "NoSuchBucket"),
        ("DELETE", "/nowhere", 404, "NoSuchBucket"),
        ("GET", "/bucket/missing", 404, "NoSuchKey"),
        ("PUT", "/bucket?acl", 501, "NotImplemented"),
        ("PUT", "/bucket/key?acl", 501, "NotImplemented"),
        ("PUT", "/bucket?versioning", 400, "MalformedXML"),
        ("PUT", "/bucket/key?retention", 400, "MalformedXML"),
        ("PUT", "/bucket?policy", 501, "NotImplemented"),
        ("POST", "/bucket/key?restore", 501, "NotImplemented"),
        ("POST", "/bucket", 412, "PreconditionFailed"),
        ("OPTIONS", "/bucket/key", 400, "BadRequest"),
        ("OPTIONS", "/", 405, "MethodNotAllowed"),
        ("PATCH", "/bucket/key", 405, "MethodNotAllowed"),
        ("POST", "/bucket/key", 405, "MethodNotAllowed"),
        ("DELETE", "/", 405, "MethodNotAllowed"),
        ("GET", "/bucket?prefix=a&prefix=b", 400, "InvalidArgument"),
        ("GET", "/bucket?max-keys=x", 400, "InvalidArgument"),
        (
            "DELETE",
            "/bucket/.holdfast/finalize",
            400,
            "InvalidRequest",
        ),
        ("POST", "/bucket/.holdfast/x?uploads", 400, "InvalidRequest"),
        ("PUT", "/bucket/.holdfast/x", 400, "InvalidRequest"),
        ("GET", "/bucket/.holdfast/manifest.json", 404, "NoSuchKey"),
    ];
    for (method, target, status, code) in cases {
        eprintln!("{method} {target}");
        server
            .call(method, target)
            .send()
            .expect_fault(status, code);
    }
    let head = server.call("HEAD", "/bucket/missing").send().expect(404);
    assert!(head.header("x-amz-request-id").is_some());
    let bucket = server.call("HEAD", "/bucket").send().expect(200);
    assert_eq!(bucket.header("x-amz-bucket-region"), Some("us-east-1"));
}

#[test]
fn the_extension_answers_in_json() {
    let server = Server::start();
    let cases = [
        ("GET", "/_holdfast/v1/nothing", 404, "NoSuchEndpoint"),
        ("PATCH", "/_holdfast/v1/packages", 405, "MethodNotAllowed"),
        ("GET", "/_holdfast/v1/packages/nowhere", 404, "NoSuchBucket"),
        (
            "GET",
            "/_holdfast/v1/events?since=-1",
            400,
            "InvalidArgument",
        ),
        (
            "GET",
            "/_holdfast/v1/events?unknown=1",
            501,
            "NotImplemented",
        ),
    ];
    for (method, target, status, code) in cases {
        let answer = server.call(method, target).send();
        assert_eq!(answer.status, status, "{target}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let value: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(value["code"], code, "{target}");
        assert_eq!(
            value["request_id"].as_str(),
            answer.header("x-amz-request-id")
        );
    }
}
