//! Retention and holds as clients see them: the extension API, Object Lock on the manifest, the
//! commands, and the end of a package.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::connection::Answer;
use crate::support::server::{ACCESS_KEY, SECRET_KEY, Server};
use crate::support::sign::Signer;

const USERS: &str = r#"
[janitor]
sweep_interval_seconds = 3600

[[users]]
id = "ci"
keys = [{ access_key = "CIACCESSKEY000000001", secret_key = "ci-secret-0123456789abcdef" }]
"#;

fn ci() -> Signer {
    Signer {
        access_key: "CIACCESSKEY000000001".to_owned(),
        secret_key: "ci-secret-0123456789abcdef".to_owned(),
        ..Signer::root()
    }
}

fn api(server: &Server, method: &str, path: &str, body: &Value) -> Answer {
    let call = server.call(method, &format!("/_holdfast/v1{path}"));
    if body.is_null() {
        call.send()
    } else {
        call.body(body.to_string()).send()
    }
}

fn value(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).expect("the body is JSON")
}

/// A finalized package of a class.
fn finalized(server: &Server, bucket: &str, class: &str) -> String {
    let made = api(
        server,
        "POST",
        "/packages",
        &json!({"bucket": bucket, "retention_class": class}),
    )
    .expect(201);
    server
        .call("PUT", &format!("/{bucket}/key"))
        .body("hello, world\n")
        .send()
        .expect(200);
    server
        .call("PUT", &format!("/{bucket}/.holdfast/finalize"))
        .body("")
        .send()
        .expect(200);
    value(&made)["id"].as_str().unwrap().to_owned()
}

fn define(server: &Server, class: &str, body: &Value) {
    api(server, "PUT", &format!("/retention-classes/{class}"), body).expect(200);
}

#[test]
fn a_package_is_held_released_swept_and_ended() {
    let server = Server::start_with(USERS, &[]);
    define(
        &server,
        "short",
        &json!({"default_duration_seconds": 0, "deletion_strategy": "purge"}),
    );
    let id = finalized(&server, "pkg", "short");
    let hold = api(
        &server,
        "POST",
        "/packages/pkg/holds",
        &json!({"reason": "inquiry"}),
    );
    let hold = value(&hold.expect(201))["hold_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let swept = value(&api(&server, "POST", "/retention/sweep", &json!({})).expect(200));
    assert_eq!(swept, json!({"eligible": [], "ended": []}));
    let refused = server
        .call("DELETE", "/pkg")
        .send()
        .expect_fault(403, "AccessDenied");
    assert!(refused.text().contains("hold"), "{}", refused.text());
    let status = server
        .call("GET", "/pkg/.holdfast/status.json")
        .send()
        .expect(200);
    assert_eq!(value(&status)["holds"][0]["reason"], "inquiry");
    let release = format!("/packages/pkg/holds/{hold}/release");
    api(&server, "POST", &release, &json!({"reason": " "})).expect(400);
    let released = api(&server, "POST", &release, &json!({"reason": "closed"})).expect(200);
    assert_eq!(value(&released)["eligible_for_deletion"], true);
    api(&server, "POST", &release, &json!({"reason": "closed"})).expect(404);
    let swept = value(&api(&server, "POST", "/retention/sweep", &json!({})).expect(200));
    assert_eq!(swept["ended"], json!([id]));

    server
        .call("GET", "/pkg?list-type=2")
        .send()
        .expect_fault(404, "NoSuchBucket");
    server
        .call("PUT", "/pkg")
        .send()
        .expect_fault(409, "BucketAlreadyExists");
    let tombstone =
        value(&api(&server, "GET", &format!("/packages/{id}"), &Value::Null).expect(200));
    assert_eq!(tombstone["status"], "deleted");
    assert!(tombstone["manifest_digest"].is_string());
    api(
        &server,
        "GET",
        &format!("/packages/{id}/manifest"),
        &Value::Null,
    )
    .expect(200);
    let path = format!("/packages/{id}/retention/history");
    let history = value(&api(&server, "GET", &path, &Value::Null).expect(200));
    let types: Vec<_> = history["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| &e["event_type"])
        .collect();
    assert_eq!(
        types,
        [
            "v1.retention.default_applied",
            "v1.retention.hold_applied",
            "v1.retention.hold_released",
            "v1.retention.deletion_eligible",
            "v1.package.deleted",
        ]
    );
}

#[test]
fn object_lock_on_the_manifest_acts_on_the_package() {
    let server = Server::start_with(USERS, &[]);
    let day = 86_400;
    define(
        &server,
        "year",
        &json!({"default_duration_seconds": 365 * day, "lock_mode": "compliance"}),
    );
    finalized(&server, "pkg", "year");
    finalized(&server, "kept", "default");
    let target = |query: &str| format!("/pkg/.holdfast/manifest.cbor?{query}");
    let get = |query: &str| server.call("GET", &target(query)).send();
    let put = |query: &str, body: &str| server.call("PUT", &target(query)).body(body).send();

    let text = get("retention").expect(200).text();
    assert!(text.contains("<Mode>COMPLIANCE</Mode>"), "{text}");
    let until = text.split("<RetainUntilDate>").nth(1).unwrap()[..24].to_owned();
    let form = |mode: &str, at: &str| {
        format!("<Retention><Mode>{mode}</Mode><RetainUntilDate>{at}</RetainUntilDate></Retention>")
    };
    put("retention", &form("COMPLIANCE", "2020-01-01T00:00:00Z")).expect_fault(403, "AccessDenied");
    put("retention", &form("GOVERNANCE", "2099-01-01T00:00:00Z")).expect_fault(403, "AccessDenied");
    put("retention", "<Retention/>").expect_fault(403, "AccessDenied");
    put("retention", "<Retention>").expect_fault(400, "MalformedXML");
    assert!(get("retention").text().contains(&until));
    put("retention", &form("COMPLIANCE", &until)).expect(200);
    put("retention", &form("COMPLIANCE", "2099-01-01T00:00:00Z")).expect(200);
    put("retention", &form("COMPLIANCE", "2099-01-01T00:00:00Z")).expect(200);
    assert!(get("retention").text().contains("2099-01-01T00:00:00.000Z"));

    let legal = |status: &str| format!("<LegalHold><Status>{status}</Status></LegalHold>");
    assert!(
        get("legal-hold")
            .expect(200)
            .text()
            .contains("<Status>OFF</Status>")
    );
    for status in ["ON", "ON", "OFF", "OFF", "ON"] {
        put("legal-hold", &legal(status)).expect(200);
        let expected = format!("<Status>{status}</Status>");
        assert!(get("legal-hold").text().contains(&expected));
    }
    put("legal-hold", &legal("MAYBE")).expect_fault(400, "MalformedXML");
    let head = server
        .call("HEAD", "/pkg/.holdfast/manifest.cbor")
        .send()
        .expect(200);
    assert_eq!(head.header("x-amz-object-lock-mode"), Some("COMPLIANCE"));
    assert_eq!(head.header("x-amz-object-lock-legal-hold"), Some("ON"));
    let bypass = server
        .call("DELETE", "/pkg")
        .header("x-amz-bypass-governance-retention", "true");
    bypass.send().expect_fault(403, "AccessDenied");

    let never = server
        .call("GET", "/kept/.holdfast/manifest.cbor?retention")
        .send();
    never.expect_fault(404, "NoSuchObjectLockConfiguration");
    let other = server
        .call("GET", "/pkg/.holdfast/status.json?retention")
        .send();
    other.expect_fault(501, "NotImplemented");
    server
        .call("GET", "/pkg/key?retention")
        .send()
        .expect_fault(400, "InvalidRequest");
}

#[test]
fn who_may_not_bypass_sweep_or_define_does_not() {
    let server = Server::start_with(USERS, &[]);
    define(
        &server,
        "year",
        &json!({"default_duration_seconds": 31_536_000}),
    );
    let mine = json!({"bucket": "mine", "retention_class": "year"}).to_string();
    let as_ci = |method: &str, path: &str| server.call(method, path).by(ci());
    as_ci("POST", "/_holdfast/v1/packages")
        .body(mine)
        .send()
        .expect(201);
    as_ci("PUT", "/mine/.holdfast/finalize")
        .body("")
        .send()
        .expect(200);
    as_ci("DELETE", "/mine")
        .header("x-amz-bypass-governance-retention", "true")
        .send()
        .expect_fault(403, "AccessDenied");
    for (method, path) in [
        ("POST", "/_holdfast/v1/retention/sweep"),
        ("PUT", "/_holdfast/v1/retention-classes/x"),
    ] {
        as_ci(method, path).body("{}").send().expect(403);
    }
    as_ci("POST", "/_holdfast/v1/packages/mine/holds")
        .body(r#"{"reason": "own"}"#)
        .send()
        .expect(201);
    let hold = value(&api(
        &server,
        "GET",
        "/packages/mine/retention",
        &Value::Null,
    ));
    let id = hold["holds"][0]["id"].as_str().unwrap();
    let release = format!("/packages/mine/holds/{id}/release");
    api(&server, "POST", &release, &json!({"reason": "over"})).expect(200);
    server
        .call("DELETE", "/mine")
        .header("x-amz-bypass-governance-retention", "true")
        .send()
        .expect(204);
    for wrong in [
        json!({"deletion_strategy": "burn"}),
        json!({"lock_mode": "loose"}),
        json!({"anchor": "sunday"}),
        json!({"default_duration_seconds": -1}),
        json!({"colour": 1}),
    ] {
        api(&server, "PUT", "/retention-classes/wrong", &wrong).expect(400);
    }
    let archive = json!({"deletion_strategy": "archive_then_purge"});
    let refused = api(&server, "PUT", "/retention-classes/wrong", &archive).expect(400);
    assert!(refused.text().contains("archive_backend"));
}

#[test]
fn the_commands_tell_what_they_did() {
    let server = Server::start_with(USERS, &[]);
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_holdfast"))
            .args(arguments)
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .env("AWS_ENDPOINT_URL", format!("http://{}", server.address))
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {text}{error}");
        text
    };
    run(&[
        "retention",
        "define",
        "days",
        "--duration",
        "86400",
        "--lock-mode",
        "none",
    ]);
    assert!(run(&["retention", "classes"]).contains("86400 s"));
    run(&["package", "create", "pkg", "--retention-class", "days"]);
    run(&["package", "finalize", "pkg"]);
    let extended = run(&[
        "retention",
        "extend",
        "pkg",
        "2099-01-01T00:00:00Z",
        "--reason",
        "audit",
    ]);
    assert!(extended.contains("2099-01-01"), "{extended}");
    let held = run(&["retention", "hold", "pkg", "--reason", "inquiry", "--json"]);
    let held: Value = serde_json::from_str(&held).unwrap();
    let shown = run(&["retention", "show", "pkg"]);
    assert!(shown.contains("inquiry"), "{shown}");
    let id = held["hold_id"].as_str().unwrap();
    run(&["retention", "release", "pkg", id, "--reason", "over"]);
    let history = run(&["retention", "history", "pkg"]);
    assert!(history.contains("v1.retention.hold_released"), "{history}");
    assert!(run(&["retention", "sweep"]).contains("0 became eligible"));
}
