//! Requests that are cut, too large, too slow or malformed get their answer; nothing is stored of
//! them, and connection and server live on.

use crate::support::server::Server;

#[test]
fn a_head_has_its_limits() {
    let server = Server::start();
    let filler = |count: usize, size: usize| {
        (0..count).fold(String::new(), |text, n| {
            text + &format!("x-{n}: {}\r\n", "v".repeat(size))
        })
    };
    let cases = [
        (
            format!("GET / HTTP/1.1\r\nhost: h\r\n{}\r\n", filler(40, 1000)),
            431,
        ),
        (
            format!("GET / HTTP/1.1\r\nhost: h\r\n{}\r\n", filler(300, 1)),
            431,
        ),
        (
            format!("GET / HTTP/1.1\r\nhost: h\r\n{}\r\n", filler(200, 1)),
            403,
        ),
        (
            format!("GET /{} HTTP/1.1\r\nhost: h\r\n\r\n", "k".repeat(20_000)),
            400,
        ),
        (
            format!("GET /{} HTTP/1.1\r\nhost: h\r\n\r\n", "k".repeat(70_000)),
            431,
        ),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        (
            "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n".to_owned(),
            400,
        ),
        ("GET /b%zz/k HTTP/1.1\r\nhost: h\r\n\r\n".to_owned(), 400),
        ("GET /?a=%zz HTTP/1.1\r\nhost: h\r\n\r\n".to_owned(), 400),
        ("NONSENSE\r\n\r\n".to_owned(), 400),
        (
            "PUT /bucket/k HTTP/1.1\r\nhost: h\r\ncontent-length: x\r\n\r\n".to_owned(),
            400,
        ),
        (
            "PUT /bucket/k HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n"
                .to_owned(),
            400,
        ),
        ("\u{16}\u{3}\u{1}\u{2}\r\n\r\n".to_owned(), 400),
    ];
    for (request, status) in cases {
        let mut connection = server.connect();
        connection.try_send(&request);
        let shown: String = request.chars().take(60).collect();
        let answer = connection.try_answer(false).map(|answer| answer.status);
        // A head that goes on after its limit may meet a reset instead of the answer.
        assert!(
            answer == Some(status) || (answer.is_none() && request.len() > 60_000),
            "{shown}: {answer:?}"
        );
    }
    server.call("GET", "/").send().expect(200);
}

#[test]
fn a_refusal_decided_from_the_head_costs_no_body() {
    let server = Server::start();
    server.make_bucket("bucket");
    let refusals = [
        (server.call("PUT", "/nowhere/key"), 404, "NoSuchBucket"),
        (
            server.call("PUT", "/bucket/key").header("content-md5", "x"),
            400,
            "InvalidDigest",
        ),
        (server.call("PUT", "/bucket/key?acl"), 501, "NotImplemented"),
        (
            server
                .call("PUT", "/bucket/key")
                .header("if-match", "\"0\""),
            404,
            "NoSuchKey",
        ),
    ];
    for (call, status, code) in refusals {
        let call = call
            .payload("UNSIGNED-PAYLOAD")
            .header("expect", "100-continue");
        let mut connection = server.connect();
        connection.send(call.head(Some(1_000_000)).0);
        connection.answer().expect_fault(status, code);
    }
    let call = server
        .call("PUT", "/bucket/key")
        .payload("UNSIGNED-PAYLOAD");
    let call = call.header("expect", "100-continue");
    let mut connection = server.connect();
    connection.send(call.head(Some(5)).0);
    assert_eq!(connection.answer().status, 100);
    connection.send("hello");
    connection.answer().expect(200);
    server
        .call("GET", "/bucket/key")
        .send_on(&mut connection)
        .expect(200);
    let too_large = server
        .call("PUT", "/bucket/key")
        .payload("UNSIGNED-PAYLOAD");
    let mut connection = server.connect();
    connection.send(too_large.head(Some(5 * 1024 * 1024 * 1024 + 1)).0);
    connection.answer().expect_fault(400, "EntityTooLarge");
}

#[test]
fn a_client_that_is_still_sending_reads_its_refusal() {
    let server = Server::start();
    let call = server
        .call("PUT", "/nowhere/key")
        .payload("UNSIGNED-PAYLOAD");
    let mut connection = server.connect();
    connection.send(call.head(Some(800_000)).0);
    connection.try_send(vec![0; 800_000]);
    let refused = connection.answer().expect_fault(404, "NoSuchBucket");
    assert_eq!(refused.header("connection"), Some("close"));
    assert!(connection.is_closed());
}

#[test]
fn a_connection_is_used_again_after_a_fault() {
    let server = Server::start();
    server.make_bucket("bucket");
    let mut connection = server.connect();
    for _ in 0..3 {
        let missing = server.call("GET", "/bucket/missing");
        missing
            .send_on(&mut connection)
            .expect_fault(404, "NoSuchKey");
        let unread = server.call("PUT", "/nowhere/key").body("small");
        unread
            .send_on(&mut connection)
            .expect_fault(404, "NoSuchBucket");
        let wrong = server.call("POST", "/bucket?delete").body("<no xml");
        wrong
            .send_on(&mut connection)
            .expect_fault(400, "MalformedXML");
        let head = server.call("HEAD", "/bucket/missing");
        let answer = head.send_on(&mut connection).expect(404);
        assert!(answer.body.is_empty());
        let put = server.call("PUT", "/bucket/key").body("hello");
        put.send_on(&mut connection).expect(200);
        let get = server.call("GET", "/bucket/key");
        assert_eq!(get.send_on(&mut connection).expect(200).text(), "hello");
    }
}

#[test]
fn requests_in_a_row_are_answered_in_order() {
    let server = Server::start();
    server.make_bucket("bucket");
    let put = server.call("PUT", "/bucket/key").body("hello").bytes();
    let get = server.call("GET", "/bucket/key").bytes();
    let missing = server.call("GET", "/bucket/missing").bytes();
    let mut connection = server.connect();
    connection.send([put, get, missing].concat());
    connection.answer().expect(200);
    assert_eq!(connection.answer().expect(200).text(), "hello");
    connection.answer().expect_fault(404, "NoSuchKey");
}

#[test]
fn a_body_needs_a_length() {
    let server = Server::start();
    server.make_bucket("bucket");
    let call = server
        .call("PUT", "/bucket/key")
        .payload("UNSIGNED-PAYLOAD")
        .unsigned_header("transfer-encoding", "chunked");
    let mut connection = server.connect();
    connection.send(call.head(None).0);
    connection.send("5\r\nhello\r\n0\r\n\r\n");
    connection
        .answer()
        .expect_fault(411, "MissingContentLength");
    let announced = call.header("x-amz-decoded-content-length", "5");
    let mut connection = server.connect();
    connection.send(announced.head(None).0);
    connection.send("5\r\nhello\r\n0\r\n\r\n");
    connection.answer().expect(200);
    for (length, body) in [
        ("6", "5\r\nhello\r\n0\r\n\r\n"),
        ("4", "5\r\nhello\r\n0\r\n\r\n"),
    ] {
        let call = server
            .call("PUT", "/bucket/other")
            .payload("UNSIGNED-PAYLOAD")
            .unsigned_header("transfer-encoding", "chunked")
            .header("x-amz-decoded-content-length", length);
        let mut connection = server.connect();
        connection.send(call.head(None).0);
        connection.send(body);
        connection.answer().expect_fault(400, "IncompleteBody");
    }
    server
        .call("GET", "/bucket/other")
        .send()
        .expect_fault(404, "NoSuchKey");
}

#[test]
fn two_lengths_do_not_smuggle_a_request() {
    let server = Server::start();
    server.make_bucket("bucket");
    let hidden = server.call("PUT", "/bucket/hidden").body("x").bytes();
    let call = server
        .call("PUT", "/bucket/key")
        .payload("UNSIGNED-PAYLOAD")
        .header("x-amz-decoded-content-length", "0")
        .unsigned_header("transfer-encoding", "chunked");
    let head = call.head(Some(5 + hidden.len())).0;
    let mut connection = server.connect();
    connection.try_send([&head[..], b"0\r\n\r\n", &hidden[..]].concat());
    while connection.try_answer(false).is_some() {}
    server
        .call("GET", "/bucket/hidden")
        .send()
        .expect_fault(404, "NoSuchKey");
}

#[test]
fn an_upload_that_breaks_off_stores_nothing() {
    let server = Server::start();
    server.make_bucket("bucket");
    for size in [10_usize, 100_000, 3_000_000] {
        let call = server
            .call("PUT", "/bucket/key")
            .payload("UNSIGNED-PAYLOAD");
        let mut connection = server.connect();
        connection.send(call.head(Some(size)).0);
        connection.send(vec![7; size - 1]);
        drop(connection);
        server
            .call("GET", "/bucket/key")
            .send()
            .expect_fault(404, "NoSuchKey");
    }
    let listed = server.call("GET", "/bucket?list-type=2").send().expect(200);
    assert_eq!(listed.element("KeyCount").as_deref(), Some("0"));
}

#[test]
fn a_silent_client_is_told_so() {
    let settings = "[s3]\nbody_silence_ms = 300\n[server]\nhead_timeout_ms = 300\n";
    let server = Server::start_with(settings, &[]);
    server.make_bucket("bucket");
    let mut connection = server.connect();
    let call = server
        .call("PUT", "/bucket/key")
        .payload("UNSIGNED-PAYLOAD");
    connection.send(call.head(Some(10)).0);
    connection.send("half");
    connection.answer().expect_fault(400, "RequestTimeout");
    for bytes in ["", "GET /buck"] {
        let mut connection = server.connect();
        connection.send(bytes);
        let answer = connection.try_answer(false).map(|answer| answer.status);
        assert!(
            answer.is_none() || answer == Some(408),
            "{bytes:?}: {answer:?}"
        );
    }
}

#[test]
fn connections_beyond_the_limit_are_refused_at_once() {
    let server = Server::start_with("[server]\nmax_connections = 4\n", &[]);
    std::thread::sleep(std::time::Duration::from_millis(100));
    let held: Vec<_> = (0..4)
        .map(|_| {
            let mut connection = server.connect();
            server.call("GET", "/").send_on(&mut connection).expect(200);
            connection
        })
        .collect();
    let mut refused = server.connect();
    let answer = refused.try_answer(false).map(|answer| answer.status);
    assert_eq!(answer, Some(503));
    drop(held);
    let since = std::time::Instant::now();
    while since.elapsed().as_secs() < 10 {
        let mut connection = server.connect();
        connection.try_send(server.call("GET", "/").bytes());
        if connection
            .try_answer(false)
            .is_some_and(|answer| answer.status == 200)
        {
            return;
        }
    }
    panic!("a place is not given back");
}
