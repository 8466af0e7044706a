//! Pages of other origins: the rules of a bucket, the question of a browser, and the headers of
//! every answer.

use crate::support::call::Signature;
use crate::support::connection::Answer;
use crate::support::server::Server;

const RULES: &str = "<CORSConfiguration>\
    <CORSRule><ID>app</ID><AllowedHeader>x-amz-*</AllowedHeader>\
    <AllowedHeader>Content-Type</AllowedHeader><AllowedMethod>GET</AllowedMethod>\
    <AllowedMethod>PUT</AllowedMethod><AllowedOrigin>https://*.example</AllowedOrigin>\
    <ExposeHeader>ETag</ExposeHeader><ExposeHeader>x-amz-request-id</ExposeHeader>\
    <MaxAgeSeconds>600</MaxAgeSeconds></CORSRule>\
    <CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>\
    </CORSConfiguration>";

const APP: &str = "https://app.example";

fn put_rules(server: &Server, rules: &str) -> Answer {
    server.call("PUT", "/bucket?cors").body(rules).send()
}

fn preflight(server: &Server, target: &str, headers: &[(&str, &str)]) -> Answer {
    let mut call = server.call("OPTIONS", target).signed(Signature::None);
    for (name, value) in headers {
        call = call.header(name, value);
    }
    call.send()
}

fn ask<'a>(origin: &'a str, method: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("origin", origin),
        ("access-control-request-method", method),
    ]
}

fn allowed(answer: &Answer) -> Option<&str> {
    answer.header("access-control-allow-origin")
}

#[test]
fn rules_are_kept_until_they_are_removed() {
    let server = Server::start();
    server.make_bucket("bucket");
    let get = || server.call("GET", "/bucket?cors").send();
    get().expect_fault(404, "NoSuchCORSConfiguration");
    server.call("DELETE", "/bucket?cors").send().expect(204);
    put_rules(&server, RULES).expect(200);
    let shown = get().expect(200).text();
    let inside = RULES.replace("<CORSConfiguration>", "");
    assert!(shown.contains(&inside), "{shown}");
    let server = server.restart();
    assert_eq!(
        server.call("GET", "/bucket?cors").send().expect(200).text(),
        shown
    );
    // It says how the bucket is reached, not what is in it.
    server
        .call("PUT", "/bucket/.holdfast/finalize")
        .send()
        .expect(200);
    server.call("DELETE", "/bucket?cors").send().expect(204);
    server
        .call("GET", "/bucket?cors")
        .send()
        .expect_fault(404, "NoSuchCORSConfiguration");
    put_rules(&server, RULES).expect(200);
    server
        .call("GET", "/absent?cors")
        .send()
        .expect_fault(404, "NoSuchBucket");
}

#[test]
fn rules_that_cannot_be_are_refused() {
    let server = Server::start();
    server.make_bucket("bucket");
    let one = "<AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin>";
    let rule = |inside: &str| {
        format!("<CORSConfiguration><CORSRule>{inside}</CORSRule></CORSConfiguration>")
    };
    let many = format!(
        "<CORSConfiguration>{}</CORSConfiguration>",
        format!("<CORSRule>{one}</CORSRule>").repeat(101)
    );
    let patch = rule("<AllowedMethod>PATCH</AllowedMethod><AllowedOrigin>*</AllowedOrigin>");
    for (body, code, message) in [
        ("", "MalformedXML", ""),
        ("<CORSConfiguration/>", "MalformedXML", ""),
        (
            &rule("<AllowedMethod>GET</AllowedMethod>"),
            "MalformedXML",
            "",
        ),
        (
            &patch,
            "InvalidRequest",
            "Found unsupported HTTP method in CORS config. Unsupported method is PATCH",
        ),
        (
            &rule(&one.replace('*', "http://*.*")),
            "InvalidRequest",
            "AllowedOrigin &quot;http://*.*&quot; can not have more than one wildcard.",
        ),
        (
            &many,
            "InvalidRequest",
            "The number of CORS rules should not exceed allowed limit of 100 rules.",
        ),
    ] {
        let refused = put_rules(&server, body).expect_fault(400, code);
        assert!(refused.text().contains(message), "{}", refused.text());
    }
    server
        .call("GET", "/bucket?cors")
        .send()
        .expect_fault(404, "NoSuchCORSConfiguration");
}

#[test]
fn a_browser_asks_before_it_sends() {
    let server = Server::start();
    server.make_bucket("bucket");
    preflight(&server, "/bucket/key", &[]).expect_fault(400, "BadRequest");
    preflight(&server, "/bucket/key", &[("origin", APP)]).expect_fault(400, "BadRequest");
    preflight(&server, "/bucket/key", &ask(APP, "PATCH")).expect_fault(400, "BadRequest");
    let none =
        preflight(&server, "/bucket/key", &ask(APP, "PUT")).expect_fault(403, "AccessForbidden");
    assert_eq!(
        none.element("Message").unwrap(),
        "CORSResponse: CORS is not enabled for this bucket."
    );
    let absent = preflight(&server, "/absent/key", &ask(APP, "PUT"));
    absent.expect_fault(403, "AccessForbidden");

    put_rules(&server, RULES).expect(200);
    for target in [
        "/bucket",
        "/bucket/key",
        "/bucket/key?X-Amz-Signature=a&uploadId=b",
        "/bucket/.holdfast/status.json",
    ] {
        let mut asked = ask(APP, "PUT");
        asked.push(("access-control-request-headers", "X-Amz-Date, content-type"));
        let answer = preflight(&server, target, &asked).expect(200);
        assert_eq!(answer.body, b"");
        assert_eq!(allowed(&answer), Some(APP));
        let expected = [
            ("access-control-allow-methods", "GET, PUT"),
            ("access-control-allow-headers", "x-amz-date, content-type"),
            ("access-control-expose-headers", "ETag, x-amz-request-id"),
            ("access-control-max-age", "600"),
            ("access-control-allow-credentials", "true"),
            (
                "vary",
                "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
            ),
        ];
        for (name, value) in expected {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
    }
    let any = preflight(&server, "/bucket/key", &ask("https://elsewhere", "GET")).expect(200);
    assert_eq!(allowed(&any), Some("*"));
    assert_eq!(any.header("access-control-allow-credentials"), None);

    let mut header = ask(APP, "PUT");
    header.push(("access-control-request-headers", "authorization"));
    for asked in [ask("https://elsewhere", "PUT"), ask(APP, "DELETE"), header] {
        let refused =
            preflight(&server, "/bucket/key", &asked).expect_fault(403, "AccessForbidden");
        assert!(
            refused
                .text()
                .contains("CORSResponse: This CORS request is not allowed.")
        );
        assert_eq!(refused.element("ResourceType").as_deref(), Some("OBJECT"));
        assert_eq!(allowed(&refused), None);
    }
}

#[test]
fn every_answer_says_whether_a_page_may_use_it() {
    let server = Server::start();
    server.make_bucket("bucket");
    put_rules(&server, RULES).expect(200);
    let from = |method: &str, target: &str, origin: &str| {
        server.call(method, target).header("origin", origin)
    };
    let put = from("PUT", "/bucket/key", APP)
        .body("hello")
        .send()
        .expect(200);
    assert_eq!(allowed(&put), Some(APP));
    assert_eq!(
        put.header("access-control-expose-headers"),
        Some("ETag, x-amz-request-id")
    );
    let get = from("GET", "/bucket/key", APP).send().expect(200);
    assert_eq!(
        (allowed(&get), get.body.as_slice()),
        (Some(APP), &b"hello"[..])
    );
    let list = from("GET", "/bucket?list-type=2", "https://elsewhere")
        .send()
        .expect(200);
    assert_eq!(allowed(&list), Some("*"));

    // On refusals too, and on presigned requests.
    let missing = from("GET", "/bucket/missing", APP)
        .send()
        .expect_fault(404, "NoSuchKey");
    assert_eq!(allowed(&missing), Some(APP));
    let unsigned = from("GET", "/bucket/key", APP)
        .signed(Signature::None)
        .send();
    assert_eq!(
        allowed(&unsigned.expect_fault(403, "AccessDenied")),
        Some(APP)
    );
    let not_built = from("GET", "/bucket/key?torrent", APP).send();
    assert_eq!(
        allowed(&not_built.expect_fault(501, "NotImplemented")),
        Some(APP)
    );
    let presigned = server
        .call("GET", "/bucket/key")
        .signed(Signature::Query(60))
        .unsigned_header("origin", APP)
        .send()
        .expect(200);
    assert_eq!(allowed(&presigned), Some(APP));

    // No rule, no origin, another bucket: nothing.
    server.make_bucket("plain");
    for answer in [
        from("DELETE", "/bucket/key", APP).send().expect(204),
        from("PUT", "/bucket/key", "https://elsewhere")
            .body("a")
            .send()
            .expect(200),
        server.call("GET", "/bucket/key").send().expect(200),
        from("GET", "/plain", APP).send().expect(200),
        from("GET", "/absent", APP)
            .send()
            .expect_fault(404, "NoSuchBucket"),
    ] {
        assert_eq!((allowed(&answer), answer.header("vary")), (None, None));
    }
}
