//! Object Lock as clients see it: configuration, retention and legal hold of versions, and what they
//! forbid below every way to remove one.

use std::sync::Barrier;
use std::thread;

use crate::support::connection::Answer;
use crate::support::database;
use crate::support::multipart;
use crate::support::server::Server;
use crate::support::sign::Signer;

const USERS: &str = r#"
[[users]]
id = "ci"
keys = [{ access_key = "CIACCESSKEY000000001", secret_key = "ci-secret-0123456789abcdef" }]
grants = [{ packages = ["pkg"], verbs = ["list", "read", "write", "delete"] }]
"#;

const FAR: &str = "2099-01-01T00:00:00Z";
const FARTHER: &str = "2099-06-01T00:00:00Z";

fn ci() -> Signer {
    Signer {
        access_key: "CIACCESSKEY000000001".to_owned(),
        secret_key: "ci-secret-0123456789abcdef".to_owned(),
        ..Signer::root()
    }
}

fn locked() -> Server {
    let server = Server::start_with(USERS, &[]);
    server
        .call("PUT", "/pkg")
        .header("x-amz-bucket-object-lock-enabled", "true")
        .send()
        .expect(200);
    server
}

fn call(server: &Server, method: &str, target: &str) -> Answer {
    server.call(method, target).send()
}

fn put(server: &Server, target: &str, body: &str) -> String {
    let answer = server.call("PUT", target).body(body).send().expect(200);
    answer.header("x-amz-version-id").unwrap().to_owned()
}

fn retention(mode: &str, until: &str) -> String {
    format!("<Retention><Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>")
}

fn retain(server: &Server, target: &str, mode: &str, until: &str) -> Answer {
    let target = format!("{target}{}retention", joint(target));
    server
        .call("PUT", &target)
        .body(retention(mode, until))
        .send()
}

fn joint(target: &str) -> char {
    if target.contains('?') { '&' } else { '?' }
}

fn hold(server: &Server, target: &str, status: &str) -> Answer {
    let target = format!("{target}{}legal-hold", joint(target));
    let body = format!("<LegalHold><Status>{status}</Status></LegalHold>");
    server.call("PUT", &target).body(body).send()
}

fn bypassing(server: &Server, method: &str, target: &str, body: &str) -> Answer {
    server
        .call(method, target)
        .header("x-amz-bypass-governance-retention", "true")
        .body(body)
        .send()
}

fn configure(server: &Server, bucket: &str, rule: &str) -> Answer {
    let body = format!(
        "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>{rule}\
         </ObjectLockConfiguration>"
    );
    server
        .call("PUT", &format!("/{bucket}?object-lock"))
        .body(body)
        .send()
}

#[test]
fn a_bucket_is_made_with_a_lock_or_gets_one_with_versions() {
    let server = locked();
    let status = call(&server, "GET", "/pkg?versioning").expect(200);
    assert_eq!(status.element("Status").as_deref(), Some("Enabled"));
    let config = call(&server, "GET", "/pkg?object-lock").expect(200);
    assert_eq!(
        config.element("ObjectLockEnabled").as_deref(),
        Some("Enabled")
    );
    assert_eq!(config.element("Rule"), None);
    let suspend = "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>";
    let answer = server.call("PUT", "/pkg?versioning").body(suspend).send();
    answer.expect_fault(409, "InvalidBucketState");

    server.make_bucket("later");
    call(&server, "GET", "/later?object-lock")
        .expect_fault(404, "ObjectLockConfigurationNotFoundError");
    configure(&server, "later", "").expect_fault(409, "InvalidBucketState");
    let enable = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    let answer = server.call("PUT", "/later?versioning").body(enable).send();
    answer.expect(200);
    let rule = "<Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Years>2</Years>\
                </DefaultRetention></Rule>";
    configure(&server, "later", rule).expect(200);
    let config = call(&server, "GET", "/later?object-lock").expect(200);
    assert_eq!(config.element("Mode").as_deref(), Some("COMPLIANCE"));
    assert_eq!(config.element("Years").as_deref(), Some("2"));
    let zero = rule.replace("<Years>2", "<Years>0");
    configure(&server, "later", &zero).expect_fault(400, "InvalidArgument");
    server
        .call("PUT", "/wrong")
        .header("x-amz-bucket-object-lock-enabled", "maybe")
        .send()
        .expect_fault(400, "InvalidArgument");
}

#[test]
fn a_bucket_without_a_lock_takes_no_locks() {
    let server = Server::start();
    server.make_bucket("pkg");
    server.call("PUT", "/pkg/k").body("x").send().expect(200);
    server
        .call("PUT", "/pkg/k")
        .header("x-amz-object-lock-mode", "GOVERNANCE")
        .header("x-amz-object-lock-retain-until-date", FAR)
        .body("x")
        .send()
        .expect_fault(400, "InvalidRequest");
    server
        .call("POST", "/pkg/k?uploads")
        .header("x-amz-object-lock-legal-hold", "ON")
        .send()
        .expect_fault(400, "InvalidRequest");
    for target in ["/pkg/k?retention", "/pkg/k?legal-hold"] {
        call(&server, "GET", target).expect_fault(400, "InvalidRequest");
    }
    retain(&server, "/pkg/k", "GOVERNANCE", FAR).expect_fault(400, "InvalidRequest");
    hold(&server, "/pkg/k", "ON").expect_fault(400, "InvalidRequest");
}

#[test]
fn a_write_says_how_long_it_is_kept() {
    let server = locked();
    let locks = [
        ("x-amz-object-lock-mode", "GOVERNANCE"),
        (
            "x-amz-object-lock-retain-until-date",
            "2099-01-01T01:00:00+01:00",
        ),
        ("x-amz-object-lock-legal-hold", "ON"),
    ];
    let mut put = server.call("PUT", "/pkg/put").body("x");
    let mut copy = server
        .call("PUT", "/pkg/copy")
        .header("x-amz-copy-source", "/pkg/put");
    let mut create = multipart::create(&server, "/pkg/big");
    for (name, value) in locks {
        put = put.header(name, value);
        copy = copy.header(name, value);
        create = create.header(name, value);
    }
    put.send().expect(200);
    copy.send().expect(200);
    let upload = create.send().expect(200).element("UploadId").unwrap();
    let part = multipart::part(&server, "/pkg/big", &upload, 1, b"x")
        .send()
        .expect(200);
    let etags = [part.header("etag").unwrap().to_owned()];
    let done = multipart::complete(&server, "/pkg/big", &upload, &etags);
    done.send().expect(200);
    for key in ["put", "copy", "big"] {
        let target = format!("/pkg/{key}");
        for method in ["GET", "HEAD"] {
            let answer = call(&server, method, &target).expect(200);
            assert_eq!(
                answer.header("x-amz-object-lock-mode"),
                Some("GOVERNANCE"),
                "{key}"
            );
            let until = answer.header("x-amz-object-lock-retain-until-date");
            assert_eq!(until, Some("2099-01-01T00:00:00.000Z"));
            assert_eq!(answer.header("x-amz-object-lock-legal-hold"), Some("ON"));
        }
        let version = call(&server, "HEAD", &target);
        let version = version.header("x-amz-version-id").unwrap().to_owned();
        let named = format!("{target}?versionId={version}");
        call(&server, "DELETE", &named).expect_fault(403, "AccessDenied");
        bypassing(&server, "DELETE", &named, "").expect_fault(403, "AccessDenied");
        hold(&server, &target, "OFF").expect(200);
        call(&server, "DELETE", &named).expect_fault(403, "AccessDenied");
        bypassing(&server, "DELETE", &named, "").expect(204);
    }
    // The source's lock is not copied.
    put.send().expect(200);
    let copy = server
        .call("PUT", "/pkg/copy")
        .header("x-amz-copy-source", "/pkg/put");
    copy.send().expect(200);
    let answer = call(&server, "HEAD", "/pkg/copy").expect(200);
    assert_eq!(answer.header("x-amz-object-lock-mode"), None);
}

#[test]
fn a_write_with_half_a_lock_or_a_past_one_is_refused() {
    let server = locked();
    let mode = ("x-amz-object-lock-mode", "COMPLIANCE");
    let until = |text| ("x-amz-object-lock-retain-until-date", text);
    let cases = [
        vec![mode],
        vec![until(FAR)],
        vec![mode, until("2001-01-01T00:00:00Z")],
        vec![mode, until("10000-01-01T00:00:00Z")],
        vec![mode, until("9223372036854775807")],
        vec![("x-amz-object-lock-mode", "none"), until(FAR)],
        vec![("x-amz-object-lock-legal-hold", "maybe")],
    ];
    for headers in cases {
        let mut put = server.call("PUT", "/pkg/k").body("x");
        for (name, value) in &headers {
            put = put.header(name, value);
        }
        put.send().expect_fault(400, "InvalidArgument");
    }
    call(&server, "GET", "/pkg/k").expect_fault(404, "NoSuchKey");
}

#[test]
fn retention_is_extended_by_all_and_weakened_by_who_bypasses() {
    let server = locked();
    let version = put(&server, "/pkg/k", "x");
    call(&server, "GET", "/pkg/k?retention").expect_fault(404, "NoSuchObjectLockConfiguration");
    call(&server, "GET", "/pkg/k?legal-hold").expect_fault(404, "NoSuchObjectLockConfiguration");
    retain(&server, "/pkg/k", "GOVERNANCE", FAR).expect(200);
    let shown = call(
        &server,
        "GET",
        &format!("/pkg/k?retention&versionId={version}"),
    )
    .expect(200);
    assert_eq!(shown.element("Mode").as_deref(), Some("GOVERNANCE"));
    let until = shown.element("RetainUntilDate").unwrap();
    assert_eq!(until, "2099-01-01T00:00:00.000Z");
    // What was read is put back.
    retain(&server, "/pkg/k", "GOVERNANCE", &until).expect(200);
    retain(&server, "/pkg/k", "GOVERNANCE", FARTHER).expect(200);
    retain(&server, "/pkg/k", "GOVERNANCE", FAR).expect_fault(403, "AccessDenied");
    let removal = server
        .call("PUT", "/pkg/k?retention")
        .body("<Retention/>")
        .send();
    removal.expect_fault(403, "AccessDenied");
    let shorter = retention("GOVERNANCE", FAR);
    bypassing(&server, "PUT", "/pkg/k?retention", &shorter).expect(200);
    bypassing(&server, "PUT", "/pkg/k?retention", "<Retention/>").expect(200);
    call(&server, "GET", "/pkg/k?retention").expect_fault(404, "NoSuchObjectLockConfiguration");

    retain(&server, "/pkg/k", "COMPLIANCE", FAR).expect(200);
    for body in [
        retention("COMPLIANCE", "2098-01-01T00:00:00Z"),
        retention("GOVERNANCE", FARTHER),
    ] {
        let answer = bypassing(&server, "PUT", "/pkg/k?retention", &body);
        answer.expect_fault(403, "AccessDenied");
    }
    retain(&server, "/pkg/k", "COMPLIANCE", FARTHER).expect(200);
    let named = format!("/pkg/k?versionId={version}");
    bypassing(&server, "DELETE", &named, "").expect_fault(403, "AccessDenied");

    retain(&server, "/pkg/k", "COMPLIANCE", "2001-01-01T00:00:00Z")
        .expect_fault(400, "InvalidArgument");
    retain(&server, "/pkg/k", "abc", FAR).expect_fault(400, "MalformedXML");
    retain(&server, "/pkg/none", "COMPLIANCE", FAR).expect_fault(404, "NoSuchKey");
    hold(&server, "/pkg/k", "abc").expect_fault(400, "MalformedXML");
    let marker = call(&server, "DELETE", "/pkg/k").expect(204);
    let marker = marker.header("x-amz-version-id").unwrap();
    let marker = format!("/pkg/k?versionId={marker}");
    retain(&server, &marker, "COMPLIANCE", FAR).expect_fault(405, "MethodNotAllowed");
    call(&server, "DELETE", &marker).expect(204);
    call(&server, "DELETE", "/pkg").expect_fault(409, "BucketNotEmpty");
}

#[test]
fn who_may_not_bypass_retain_or_hold_does_not() {
    let server = locked();
    let version = put(&server, "/pkg/k", "x");
    retain(&server, "/pkg/k", "GOVERNANCE", FAR).expect(200);
    server
        .call("DELETE", &format!("/pkg/k?versionId={version}"))
        .header("x-amz-bypass-governance-retention", "true")
        .by(ci())
        .send()
        .expect_fault(403, "AccessDenied");
    let calls = [
        server
            .call("PUT", "/pkg/k?retention")
            .body(retention("GOVERNANCE", FARTHER)),
        server
            .call("PUT", "/pkg/k?legal-hold")
            .body("<LegalHold><Status>OFF</Status></LegalHold>"),
        server
            .call("PUT", "/pkg/new")
            .header("x-amz-object-lock-legal-hold", "ON")
            .body("x"),
        server
            .call("PUT", "/pkg/new")
            .header("x-amz-object-lock-mode", "GOVERNANCE")
            .header("x-amz-object-lock-retain-until-date", FAR)
            .body("x"),
    ];
    for call in calls {
        call.by(ci()).send().expect_fault(403, "AccessDenied");
    }
    call(&server, "GET", "/pkg/k").expect(200);
}

#[test]
fn of_a_thousand_the_held_one_stays() {
    let server = locked();
    let mut objects = String::new();
    for n in 0..100 {
        let key = format!("k{n}");
        let version = put(&server, &format!("/pkg/{key}"), "x");
        objects += &format!("<Object><Key>{key}</Key><VersionId>{version}</VersionId></Object>");
    }
    hold(&server, "/pkg/k50", "ON").expect(200);
    let answer = server
        .call("POST", "/pkg?delete")
        .body(format!("<Delete>{objects}</Delete>"))
        .send()
        .expect(200);
    let text = answer.text();
    assert_eq!(text.matches("<Deleted>").count(), 99);
    assert_eq!(text.matches("<Code>AccessDenied</Code>").count(), 1);
    let left = call(&server, "GET", "/pkg?list-type=2").expect(200);
    assert_eq!(left.element("KeyCount").as_deref(), Some("1"));
    call(&server, "GET", "/pkg/k50").expect(200);
}

#[test]
fn the_default_of_the_bucket_is_that_of_its_writes() {
    let server = locked();
    let rule = "<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days>\
                </DefaultRetention></Rule>";
    configure(&server, "pkg", rule).expect(200);
    let version = put(&server, "/pkg/k", "x");
    let head = call(&server, "HEAD", "/pkg/k").expect(200);
    assert_eq!(head.header("x-amz-object-lock-mode"), Some("GOVERNANCE"));
    let named = format!("/pkg/k?versionId={version}");
    call(&server, "DELETE", &named).expect_fault(403, "AccessDenied");
    // A marker is no removal, and is not kept.
    let removed = call(&server, "DELETE", "/pkg/k").expect(204);
    let marker = removed.header("x-amz-version-id").unwrap();
    call(&server, "DELETE", &format!("/pkg/k?versionId={marker}")).expect(204);
    configure(&server, "pkg", "").expect(200);
    put(&server, "/pkg/k", "y");
    let head = call(&server, "HEAD", "/pkg/k").expect(200);
    assert_eq!(head.header("x-amz-object-lock-mode"), None);
}

/// Nothing goes whose lock cannot be understood, whatever it may be.
#[test]
fn an_unreadable_lock_refuses_the_deletion() {
    let mut server = locked();
    let keys = ["mode", "until", "hold", "half", "type"];
    let versions: Vec<String> = keys
        .iter()
        .map(|key| put(&server, &format!("/pkg/{key}"), "x"))
        .collect();
    put(&server, "/pkg/free", "x");
    server.kill();
    let edits = [
        "UPDATE files SET lock_mode = 'worm2', retain_until = 1 WHERE relative_path = $1",
        "UPDATE files SET lock_mode = 'governance', retain_until = 'soon' WHERE relative_path = $1",
        "UPDATE files SET legal_hold = 'maybe' WHERE relative_path = $1",
        "UPDATE files SET lock_mode = 'compliance' WHERE relative_path = $1",
        "UPDATE files SET legal_hold = x'00' WHERE relative_path = $1",
    ];
    for (key, edit) in keys.iter().zip(edits) {
        database::edit(&server, edit, key.as_bytes());
    }
    let server = server.restart();
    for (key, version) in keys.iter().zip(&versions) {
        let named = format!("/pkg/{key}?versionId={version}");
        bypassing(&server, "DELETE", &named, "").expect_fault(403, "AccessDenied");
        assert_eq!(call(&server, "GET", &named).expect(200).text(), "x");
    }
    let finalize = server.call("PUT", "/pkg/.holdfast/finalize").body("");
    finalize.send().expect(200);
    bypassing(&server, "DELETE", "/pkg", "").expect_fault(403, "AccessDenied");
    call(&server, "GET", "/pkg/free").expect(200);
}

/// An acknowledged hold means that the object is there.
#[test]
fn of_a_hold_and_a_deletion_one_wins() {
    let server = locked();
    for round in 0..50 {
        let target = format!("/pkg/k{round}");
        let version = put(&server, &target, "x");
        let named = format!("{target}?versionId={version}");
        let barrier = Barrier::new(2);
        let (held, removed) = thread::scope(|scope| {
            let held = scope.spawn(|| {
                barrier.wait();
                hold(&server, &named, "ON").status
            });
            let removed = scope.spawn(|| {
                barrier.wait();
                call(&server, "DELETE", &named).status
            });
            (held.join().unwrap(), removed.join().unwrap())
        });
        let read = call(&server, "GET", &named).status;
        match held {
            200 => assert_eq!((removed, read), (403, 200), "round {round}"),
            404 => assert_eq!((removed, read), (204, 404), "round {round}"),
            other => panic!("{other}"),
        }
    }
}
