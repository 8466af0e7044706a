//! Forms of browsers: what a signed policy allows is stored, and nothing else.

use crate::support::call::Signature;
use crate::support::form::{BOUNDARY, Form, Version, policy};
use crate::support::server::Server;
use crate::support::sign::Signer;

const KEY: &str = "{\"key\": \"k\"}";

fn nothing_is_stored(server: &Server) {
    let list = server.call("GET", "/bucket?list-type=2").send().expect(200);
    assert_eq!(
        list.element("KeyCount").as_deref(),
        Some("0"),
        "{}",
        list.text()
    );
}

#[test]
fn a_signed_form_is_an_upload() {
    let server = Server::start();
    server.make_bucket("bucket");
    for version in [Version::V2, Version::V4] {
        let key = format!("dir/{version:?} ü+%");
        let conditions = "[\"starts-with\", \"$key\", \"dir/\"], {\"acl\": \"private\"}, \
            [\"starts-with\", \"$Content-Type\", \"text/\"], {\"x-amz-meta-a\": \"1,2\"}, \
            [\"content-length-range\", 5, 5], {\"Cache-Control\": \"no-store\"}";
        let fields = [
            ("KEY", key.as_str()),
            ("Acl", "private"),
            ("Content-Type", "text/plain"),
            ("x-amz-meta-a", "1"),
            ("X-Amz-Meta-A", "2"),
            ("cache-control", "no-store"),
            ("x-ignore-me", "whatever"),
        ];
        let mut form = Form::new(&fields, b"hello").signed(version, &policy("bucket", conditions));
        form.after.push(("submit".to_owned(), "Upload".to_owned()));
        let answer = form.send(&server, "/bucket").expect(204);
        assert_eq!(
            answer.header("etag"),
            Some("\"5d41402abc4b2a76b9719d911017c592\"")
        );
        let location = answer.header("location").unwrap();
        assert!(
            location.starts_with("http://") && location.contains("/bucket/dir/V"),
            "{location}"
        );
        let target = format!("/bucket/dir/{version:?}%20%C3%BC%2B%25");
        let stored = server.call("GET", &target).send().expect(200);
        assert_eq!(stored.body, b"hello");
        for (name, value) in [
            ("content-type", "text/plain"),
            ("x-amz-meta-a", "1,2"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(stored.header(name), Some(value), "{name}");
        }
    }
}

#[test]
fn a_form_says_how_it_is_answered() {
    let server = Server::start();
    server.make_bucket("bucket");
    let send = |extra: &[(&str, &str)]| {
        let mut conditions = KEY.to_owned();
        let mut fields = vec![("key", "k")];
        for (name, value) in extra {
            conditions.push_str(&format!(", {{\"{name}\": \"{value}\"}}"));
            fields.push((name, value));
        }
        let policy = policy("bucket", &conditions);
        Form::new(&fields, b"hello")
            .signed(Version::V4, &policy)
            .send(&server, "/bucket/")
    };
    let etag = "\"5d41402abc4b2a76b9719d911017c592\"";
    let ok = send(&[("success_action_status", "200")]).expect(200);
    assert_eq!(
        (ok.body.as_slice(), ok.header("etag")),
        (&b""[..], Some(etag))
    );
    let created = send(&[("success_action_status", "201")]).expect(201);
    assert_eq!(created.header("content-type"), Some("application/xml"));
    assert!(
        created.text().contains("<PostResponse><Location>http://"),
        "{}",
        created.text()
    );
    assert_eq!(created.element("Bucket").as_deref(), Some("bucket"));
    assert_eq!(created.element("Key").as_deref(), Some("k"));
    assert_eq!(
        created.element("ETag").unwrap().replace("&quot;", "\""),
        etag
    );
    send(&[("success_action_status", "404")]).expect(204);
    send(&[]).expect(204);
    let quoted = "%225d41402abc4b2a76b9719d911017c592%22";
    for (url, expected) in [
        (
            "http://site.example/done",
            "http://site.example/done?bucket=bucket&key=k&etag=",
        ),
        (
            "https://site.example/?a=b",
            "https://site.example/?a=b&bucket=bucket&key=k&etag=",
        ),
    ] {
        let back = send(&[
            ("success_action_redirect", url),
            ("success_action_status", "201"),
        ]);
        let location = back.header("location").unwrap().to_owned();
        assert_eq!(back.expect(303).body, b"");
        assert_eq!(location, format!("{expected}{quoted}"));
    }
    send(&[("success_action_redirect", "javascript:alert(1)")]).expect(204);
    send(&[("redirect", "http://site.example/")]).expect(303);
}

#[test]
fn the_name_of_the_file_stands_where_fields_ask_for_it() {
    let server = Server::start();
    server.make_bucket("bucket");
    for (file_name, key) in [
        ("foo.txt", "up/foo.txt"),
        ("C:\\Documents\\foo 2.txt", "up/foo%202.txt"),
        ("/somewhere/me/foo3.txt", "up/foo3.txt"),
    ] {
        let policy = policy("bucket", "[\"starts-with\", \"$key\", \"up/\"]");
        let mut form = Form::new(&[("key", "up/${filename}")], b"x").signed(Version::V2, &policy);
        form.file.as_mut().unwrap().0 = file_name.to_owned();
        form.send(&server, "/bucket").expect(204);
        server
            .call("HEAD", &format!("/bucket/{key}"))
            .send()
            .expect(200);
    }
}

#[test]
fn a_form_that_its_policy_does_not_allow_stores_nothing() {
    let server = Server::start();
    server.make_bucket("bucket");
    server.make_bucket("other");
    let good = policy("bucket", KEY);
    let expired = good.replacen(&good[16..20], "2020", 1);
    let cases = [
        (
            policy("other", KEY),
            403,
            "AccessDenied",
            "Policy Condition failed: [&quot;eq&quot;, &quot;$bucket&quot;, &quot;other&quot;]",
        ),
        (
            policy("bucket", ""),
            403,
            "AccessDenied",
            "Extra input fields: key",
        ),
        (
            policy("bucket", "{\"key\": \"other\"}"),
            403,
            "AccessDenied",
            "Invalid according to Policy",
        ),
        (
            policy("bucket", "{\"key\": \"k\"}, {\"acl\": \"private\"}"),
            403,
            "AccessDenied",
            "Policy Condition failed",
        ),
        (
            expired,
            403,
            "AccessDenied",
            "Invalid according to Policy: Policy expired.",
        ),
        (
            policy(
                "bucket",
                &format!("{KEY}, [\"content-length-range\", 0, 4]"),
            ),
            400,
            "EntityTooLarge",
            "<MaxSizeAllowed>4</MaxSizeAllowed>",
        ),
        (
            policy(
                "bucket",
                &format!("{KEY}, [\"content-length-range\", 6, 9]"),
            ),
            400,
            "EntityTooSmall",
            "<MinSizeAllowed>6</MinSizeAllowed>",
        ),
        (
            policy("bucket", &format!("{KEY}, [\"content-length-range\", 0]")),
            400,
            "InvalidPolicyDocument",
            "Invalid Policy",
        ),
        ("{".to_owned(), 400, "InvalidPolicyDocument", "Invalid JSON"),
        (
            "{}".to_owned(),
            400,
            "InvalidPolicyDocument",
            "missing expiration",
        ),
    ];
    for version in [Version::V2, Version::V4] {
        for (policy, status, code, message) in &cases {
            let form = Form::new(&[("key", "k")], b"hello").signed(version, policy);
            let refused = form.send(&server, "/bucket").expect_fault(*status, code);
            assert!(
                refused.text().contains(message),
                "{message}: {}",
                refused.text()
            );
        }
    }
    nothing_is_stored(&server);
}

#[test]
fn who_cannot_sign_or_may_not_write_is_refused() {
    const READER: &str = "[[users]]\nid = \"reader\"\n\
        keys = [{ access_key = \"HFREADER000000000001\", secret_key = \"reader-secret-0123456789\" }]\n\
        grants = [{ packages = [\"*\"], verbs = [\"list\", \"read\"] }]\n";
    let server = Server::start_with(READER, &[]);
    server.make_bucket("bucket");
    let reader = Signer {
        access_key: "HFREADER000000000001".to_owned(),
        secret_key: "reader-secret-0123456789".to_owned(),
        ..Signer::root()
    };
    let stranger = Signer {
        access_key: "HFNOBODY000000000001".to_owned(),
        ..Signer::root()
    };
    let liar = Signer {
        secret_key: "another-secret-0123456789".to_owned(),
        ..Signer::root()
    };
    let plain = || Form::new(&[("key", "k")], b"hello");
    for version in [Version::V2, Version::V4] {
        for (signer, code) in [
            (&reader, "AccessDenied"),
            (&stranger, "InvalidAccessKeyId"),
            (&liar, "SignatureDoesNotMatch"),
        ] {
            let form = plain().signed_by(version, &policy("bucket", KEY), signer);
            form.send(&server, "/bucket").expect_fault(403, code);
        }
    }
    plain()
        .send(&server, "/bucket")
        .expect_fault(403, "AccessDenied");
    let signed = plain().signed(Version::V4, &policy("bucket", KEY));
    for field in [
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "policy",
        "x-amz-signature",
    ] {
        let mut form = signed.clone();
        form.fields.retain(|(name, _)| name != field);
        let refused = form
            .send(&server, "/bucket")
            .expect_fault(400, "InvalidArgument");
        assert!(
            refused
                .text()
                .contains("Bucket POST must contain a field named"),
            "{field}"
        );
    }
    signed
        .send(&server, "/absent")
        .expect_fault(404, "NoSuchBucket");
    nothing_is_stored(&server);

    // Version 2 can be switched off.
    let server = server.restart_with("[auth]\nsigv2 = \"off\"\n");
    let form = plain().signed(Version::V2, &policy("bucket", KEY));
    form.send(&server, "/bucket")
        .expect_fault(400, "InvalidRequest");
    signed.send(&server, "/bucket").expect(204);
}

#[test]
fn a_body_that_is_no_form_is_refused() {
    let server = Server::start();
    server.make_bucket("bucket");
    let signed = |fields: &[(&str, &str)]| {
        let policy = policy("bucket", KEY);
        Form::new(fields, b"hello").signed(Version::V4, &policy)
    };
    let send = |form: &Form, body: &[u8]| {
        let mut connection = server.connect();
        connection.send(form.head(&server, "/bucket", body.len()));
        connection.try_send(body);
        connection.answer()
    };
    let form = signed(&[("key", "k")]);
    let whole = form.body();
    let end = whole.len() - BOUNDARY.len() - 8;
    send(&form, &whole[..end]).expect_fault(400, "MalformedPOSTRequest");
    send(&form, b"").expect_fault(400, "MalformedPOSTRequest");
    send(&form, b"garbage").expect_fault(400, "MalformedPOSTRequest");

    let mut no_file = form.clone();
    no_file.file = None;
    no_file
        .send(&server, "/bucket")
        .expect_fault(400, "IncorrectNumberOfFilesInPostRequest");
    let no_key = signed(&[])
        .send(&server, "/bucket")
        .expect_fault(400, "InvalidArgument");
    assert!(no_key.text().contains("must contain a field named 'key'"));
    signed(&[("key", "")])
        .send(&server, "/bucket")
        .expect_fault(400, "InvalidArgument");
    signed(&[("key", "a"), ("Key", "b")])
        .send(&server, "/bucket")
        .expect_fault(400, "InvalidArgument");
    let long = "v".repeat(20 * 1024);
    let too_much = signed(&[("key", "k"), ("x-ignore-me", &long)]).send(&server, "/bucket");
    too_much.expect_fault(400, "MaxPostPreDataLengthExceeded");
    let many: Vec<(String, String)> = (0..300)
        .map(|n| (format!("x-ignore-{n}"), String::new()))
        .collect();
    let mut crowded = signed(&[("key", "k")]);
    crowded.fields.extend(many);
    crowded
        .send(&server, "/bucket")
        .expect_fault(400, "MaxPostPreDataLengthExceeded");

    // A body that breaks off stores nothing, even after the whole file has come.
    let mut connection = server.connect();
    connection.send(form.head(&server, "/bucket", whole.len() + 10));
    connection.send(&whole);
    drop(connection);
    let other = server
        .call("POST", "/bucket")
        .signed(Signature::None)
        .body("a=b")
        .send();
    let refused = other.expect_fault(412, "PreconditionFailed");
    assert!(
        refused.text().contains("multipart/form-data"),
        "{}",
        refused.text()
    );
    server
        .call("POST", "/bucket?x")
        .signed(Signature::None)
        .send()
        .expect_fault(403, "AccessDenied");
    nothing_is_stored(&server);
}

#[test]
fn a_form_obeys_the_rules_of_its_bucket() {
    let server = Server::start();
    server.make_bucket("bucket");
    let send = |bucket: &str, fields: &[(&str, &str)], bytes: &[u8]| {
        let mut conditions = String::new();
        for (name, value) in fields {
            let comma = if conditions.is_empty() { "" } else { ", " };
            conditions.push_str(&format!("{comma}{{\"{name}\": \"{value}\"}}"));
        }
        let policy = policy(bucket, &conditions);
        Form::new(fields, bytes)
            .signed(Version::V4, &policy)
            .send(&server, &format!("/{bucket}"))
    };
    send("bucket", &[("key", ".holdfast/finalize")], b"").expect_fault(400, "InvalidRequest");
    send(
        "bucket",
        &[("key", "k"), ("x-amz-server-side-encryption", "AES256")],
        b"a",
    )
    .expect_fault(501, "NotImplemented");
    send(
        "bucket",
        &[("key", "k"), ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")],
        b"a",
    )
    .expect_fault(400, "BadDigest");
    send(
        "bucket",
        &[("key", "k"), ("x-amz-checksum-crc32", "AAAAAA==")],
        b"a",
    )
    .expect_fault(400, "BadDigest");
    send(
        "bucket",
        &[("key", "k"), ("x-amz-storage-class", "GLACIER")],
        b"a",
    )
    .expect_fault(400, "InvalidStorageClass");
    nothing_is_stored(&server);
    let stored = send(
        "bucket",
        &[("key", "k"), ("x-amz-checksum-crc32", "DUoRhQ==")],
        b"hello world",
    );
    assert_eq!(
        stored.expect(204).header("x-amz-checksum-crc32"),
        Some("DUoRhQ==")
    );
    send("bucket", &[("key", "empty")], b"").expect(204);
    let empty = server.call("GET", "/bucket/empty").send().expect(200);
    assert_eq!(empty.header("content-type"), Some("binary/octet-stream"));

    server
        .call("PUT", "/bucket/.holdfast/finalize")
        .send()
        .expect(200);
    send("bucket", &[("key", "k")], b"other").expect_fault(403, "AccessDenied");
    send("bucket", &[("key", "new")], b"other").expect_fault(403, "AccessDenied");
    send("bucket", &[("key", "k")], b"hello world").expect(204);
    server
        .call("PUT", "/once")
        .header("x-holdfast-write-mode", "write-once")
        .send()
        .expect(200);
    send("once", &[("key", "k")], b"a").expect(204);
    send("once", &[("key", "k")], b"b").expect_fault(412, "PreconditionFailed");
}

#[test]
fn a_large_form_takes_little_memory() {
    let server = Server::start();
    server.make_bucket("bucket");
    let peak = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap()
            .to_owned();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
            / 1024
    };
    let before = peak();
    let form = Form::new(&[("key", "k")], b"").signed(Version::V4, &policy("bucket", KEY));
    let body = form.body();
    let head = b"x-of-the-part\r\n\r\n";
    let at = body.windows(head.len()).position(|window| window == head);
    let at = at.unwrap() + head.len();
    let (mebibyte, count) = (vec![7; 1 << 20], 96);
    let mut connection = server.connect();
    connection.send(form.head(&server, "/bucket", body.len() + mebibyte.len() * count));
    connection.send(&body[..at]);
    for _ in 0..count {
        connection.send(&mebibyte);
    }
    connection.send(&body[at..]);
    connection.answer().expect(204);
    let head = server.call("HEAD", "/bucket/k").send().expect(200);
    assert_eq!(head.header("content-length"), Some("100663296"));
    let grown = peak() - before;
    assert!(grown < 64, "{grown} MiB more");
}

#[test]
fn a_browser_sees_why_a_large_form_is_refused() {
    let server = Server::start();
    server.make_bucket("bucket");
    let small = policy(
        "bucket",
        &format!("{KEY}, [\"content-length-range\", 0, 1000]"),
    );
    let file = vec![7; 8 << 20];
    // Nothing is read before everything is sent.
    for (form, status, code) in [
        (
            Form::new(&[("key", "k")], &file).signed(Version::V4, &small),
            400,
            "EntityTooLarge",
        ),
        (Form::new(&[("key", "k")], &file), 403, "AccessDenied"),
        (
            Form::new(&[("key", "k")], &file).signed(Version::V2, &policy("other", KEY)),
            403,
            "AccessDenied",
        ),
    ] {
        let body = form.body();
        let mut connection = server.connect();
        connection.send(form.head(&server, "/bucket", body.len()));
        connection.send(&body);
        connection.answer().expect_fault(status, code);
        // The connection is as good as new.
        let list = server
            .call("GET", "/bucket?list-type=2")
            .send_on(&mut connection);
        assert_eq!(list.expect(200).element("KeyCount").as_deref(), Some("0"));
    }
}
