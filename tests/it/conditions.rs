//! Conditions on reads, and conditional writes, which are decided inside the commit.

use crate::support::call::Call;
use crate::support::connection::Answer;
use crate::support::server::Server;

const ABC: &str = "\"900150983cd24fb0d6963f7d28e17f72\"";
const PAST: &str = "Sat, 01 Jan 2000 00:00:00 GMT";
const FUTURE: &str = "Fri, 01 Jan 2100 00:00:00 GMT";

fn bucket() -> Server {
    let server = Server::start();
    server.make_bucket("pkg");
    server
}

fn with<'s>(call: Call<'s>, headers: &[(&str, &str)]) -> Call<'s> {
    headers
        .iter()
        .fold(call, |call, (name, value)| call.header(name, value))
}

#[test]
fn reads_obey_their_conditions_in_the_order_of_rfc_9110() {
    let server = bucket();
    server.call("PUT", "/pkg/k").body("abc").send().expect(200);
    let bare = ABC.trim_matches('"');
    let list = format!("\"x\", {ABC}");
    let cases: &[(&[(&str, &str)], u16)] = &[
        (&[("if-match", "\"x\"")], 412),
        (&[("if-match", ABC)], 200),
        (&[("if-match", bare)], 200),
        (&[("if-match", &list)], 200),
        (&[("if-match", "*")], 200),
        (&[("if-none-match", ABC)], 304),
        (&[("if-none-match", bare)], 304),
        (&[("if-none-match", "*")], 304),
        (&[("if-none-match", "\"x\"")], 200),
        (&[("if-modified-since", PAST)], 200),
        (&[("if-modified-since", FUTURE)], 304),
        (&[("if-modified-since", "yesterday")], 200),
        (&[("if-unmodified-since", PAST)], 412),
        (&[("if-unmodified-since", FUTURE)], 200),
        (&[("if-match", ABC), ("if-unmodified-since", PAST)], 200),
        (&[("if-none-match", ABC), ("if-modified-since", PAST)], 304),
        (
            &[("if-none-match", "\"x\""), ("if-modified-since", FUTURE)],
            200,
        ),
        (&[("if-match", "\"x\""), ("range", "bytes=0-1")], 412),
        (&[("if-match", ABC), ("range", "bytes=0-1")], 206),
        (&[("if-none-match", ABC), ("range", "bytes=9-")], 304),
        (&[("if-range", ABC), ("range", "bytes=0-1")], 206),
        (&[("if-range", "\"x\""), ("range", "bytes=0-1")], 200),
    ];
    for (headers, status) in cases {
        for method in ["GET", "HEAD"] {
            let answer = with(server.call(method, "/pkg/k"), headers).send();
            assert_eq!(answer.status, *status, "{method} {headers:?}");
            if *status == 304 {
                assert!(answer.body.is_empty());
                assert_eq!(answer.header("etag"), Some(ABC));
                assert!(answer.header("last-modified").is_some());
            }
            if *status == 412 && method == "GET" {
                answer.expect_fault(412, "PreconditionFailed");
            }
        }
    }
}

#[test]
fn last_modified_can_be_sent_back() {
    let server = bucket();
    server.call("PUT", "/pkg/k").body("abc").send().expect(200);
    let at = server.call("HEAD", "/pkg/k").send().expect(200);
    let at = at.header("last-modified").unwrap().to_owned();
    for (name, status) in [("if-modified-since", 304), ("if-unmodified-since", 200)] {
        server
            .call("GET", "/pkg/k")
            .header(name, &at)
            .send()
            .expect(status);
    }
}

#[test]
fn writes_obey_their_conditions() {
    let server = bucket();
    let put = |headers: &[(&str, &str)], body: &str| -> Answer {
        with(server.call("PUT", "/pkg/k").body(body), headers).send()
    };
    put(&[("if-match", ABC)], "1").expect_fault(404, "NoSuchKey");
    put(&[("if-match", "*")], "1").expect_fault(404, "NoSuchKey");
    put(&[("if-none-match", "*")], "abc").expect(200);
    put(&[("if-none-match", "*")], "2").expect_fault(412, "PreconditionFailed");
    put(&[("if-none-match", ABC)], "2").expect_fault(412, "PreconditionFailed");
    put(&[("if-match", "\"x\"")], "2").expect_fault(412, "PreconditionFailed");
    assert_eq!(
        server.call("GET", "/pkg/k").send().expect(200).text(),
        "abc"
    );
    put(&[("if-match", ABC)], "3").expect(200);
    put(&[("if-match", ABC)], "4").expect_fault(412, "PreconditionFailed");
    put(&[("if-match", "*")], "5").expect(200);
    assert_eq!(server.call("GET", "/pkg/k").send().expect(200).text(), "5");
    // A removed key is absent again.
    server.call("DELETE", "/pkg/k").send().expect(204);
    put(&[("if-match", "*")], "6").expect_fault(404, "NoSuchKey");
    put(&[("if-none-match", "*")], "7").expect(200);
}

#[test]
fn a_false_condition_costs_no_body() {
    let server = bucket();
    server.call("PUT", "/pkg/k").body("abc").send().expect(200);
    let call = server
        .call("PUT", "/pkg/k")
        .header("if-none-match", "*")
        .payload("UNSIGNED-PAYLOAD")
        .unsigned_header("expect", "100-continue");
    let mut connection = server.connect();
    connection.send(call.head(Some(1_000_000)).0);
    // The answer comes instead of `100 Continue`.
    connection.answer().expect_fault(412, "PreconditionFailed");
}

#[test]
fn a_write_once_package_keeps_what_it_has() {
    let server = Server::start();
    let call = server
        .call("PUT", "/once")
        .header("x-holdfast-write-mode", "write-once");
    call.send().expect(200);
    server.make_bucket("pkg");
    server.call("PUT", "/pkg/k").body("xyz").send().expect(200);
    let upload = server.call("POST", "/once/k?uploads").send().expect(200);
    let id = upload.element("UploadId").unwrap();
    let part = format!("/once/k?partNumber=1&uploadId={id}");
    let etag = server.call("PUT", &part).body("multi").send().expect(200);
    let etag = etag.header("etag").unwrap().to_owned();
    server.call("PUT", "/once/k").body("abc").send().expect(200);
    let complete = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>\
         </CompleteMultipartUpload>"
    );
    let copy = server
        .call("PUT", "/once/k")
        .header("x-amz-copy-source", "pkg/k");
    for call in [
        server.call("PUT", "/once/k").body("abd"),
        copy,
        server
            .call("POST", &format!("/once/k?uploadId={id}"))
            .body(complete),
    ] {
        call.send().expect_fault(412, "PreconditionFailed");
    }
    server
        .call("DELETE", "/once/k")
        .send()
        .expect_fault(403, "AccessDenied");
    assert_eq!(
        server.call("GET", "/once/k").send().expect(200).text(),
        "abc"
    );
}
