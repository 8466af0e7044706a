//! Packages and files as the extension API gives them.

use serde_json::{Value, json};

use crate::support::call::Call;
use crate::support::connection::Answer;
use crate::support::server::Server;
use crate::support::sign::{Signer, encode};

const USERS: &str = r#"
[[users]]
id = "dev"
keys = [{ access_key = "DEVACCESSKEY00000001", secret_key = "dev-secret-0123456789abcde" }]
"#;

fn dev() -> Signer {
    Signer {
        access_key: "DEVACCESSKEY00000001".to_owned(),
        secret_key: "dev-secret-0123456789abcde".to_owned(),
        ..Signer::root()
    }
}

fn api<'s>(server: &'s Server, method: &str, path: &str) -> Call<'s> {
    server.call(method, &format!("/_holdfast/v1{path}"))
}

fn body(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).expect("the body is JSON")
}

fn fault(answer: Answer, status: u16, code: &str) {
    let answer = answer.expect(status);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let value = body(&answer);
    assert_eq!(value["code"], code, "{value}");
    assert!(
        value["message"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    );
    assert_eq!(
        value["request_id"].as_str(),
        answer.header("x-amz-request-id")
    );
}

fn create(server: &Server, description: &Value) -> Value {
    let answer = api(server, "POST", "/packages")
        .body(description.to_string())
        .send()
        .expect(201);
    let package = body(&answer);
    let location = format!("/_holdfast/v1/packages/{}", package["id"].as_str().unwrap());
    assert_eq!(answer.header("location"), Some(location.as_str()));
    package
}

fn buckets(answer: &Answer) -> Vec<String> {
    let value = body(answer);
    let packages = value["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|p| p["bucket"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_package_is_shown_as_it_is_now() {
    let server = Server::start();
    server.make_bucket("pkg");
    for count in 1..=3_u64 {
        let put = server.call("PUT", &format!("/pkg/{count}")).body("body");
        put.send().expect(200);
        let status = server.call("GET", "/pkg/.holdfast/status.json").send();
        let shown = api(&server, "GET", "/packages/pkg").send();
        for shown in [shown, status] {
            let shown = body(&shown.expect(200));
            assert_eq!(shown["file_count"], count);
            assert_eq!(shown["total_bytes"], 4 * count);
            assert_eq!(shown["last_sequence"], 2 + count);
        }
    }
}

#[test]
fn a_package_is_created_shown_and_ended() {
    let server = Server::start();
    let package = create(
        &server,
        &json!({
            "bucket": "release-1", "producer": "ci", "metadata": {"version": "1.0", "n": 3},
            "write_mode": "write-once", "tags": {"team": "core"},
        }),
    );
    assert_eq!(package["status"], "created");
    assert_eq!(
        (&package["name"], &package["subject"]),
        (&json!("release-1"), &json!("release-1"))
    );
    assert_eq!(
        (&package["producer"], &package["owner"]),
        (&json!("ci"), &json!("root"))
    );
    assert_eq!(package["metadata"], json!({"version": "1.0", "n": 3}));
    let id = package["id"].as_str().unwrap();
    for name in ["release-1", id] {
        let shown = api(&server, "GET", &format!("/packages/{name}"))
            .send()
            .expect(200);
        assert_eq!(body(&shown), package);
    }
    server.call("HEAD", "/release-1").send().expect(200);

    let again = api(&server, "POST", "/packages").body("{\"bucket\":\"release-1\"}");
    fault(again.send(), 409, "BucketAlreadyOwnedByYou");
    let wrong = [
        "",
        "[]",
        "{\"bucket\":\"release-2\",\"colour\":1}",
        "{\"bucket\":\"release-2\",\"retention_class\":\"none-such\"}",
        "{\"bucket\":\"release-2\",\"metadata\":{\"n\":9007199254740993}}",
    ];
    for text in wrong {
        fault(
            api(&server, "POST", "/packages").body(text).send(),
            400,
            "InvalidArgument",
        );
    }
    fault(
        api(&server, "GET", "/packages/release-2").send(),
        404,
        "NoSuchBucket",
    );

    server
        .call("PUT", "/release-1/a")
        .body("x")
        .send()
        .expect(200);
    fault(
        api(&server, "DELETE", "/packages/release-1").send(),
        409,
        "BucketNotEmpty",
    );
    create(&server, &json!({"bucket": "empty"}));
    let ended = api(&server, "DELETE", "/packages/empty").send().expect(204);
    assert!(ended.body.is_empty());
    fault(
        api(&server, "GET", "/packages/empty").send(),
        404,
        "NoSuchBucket",
    );
    create(&server, &json!({"bucket": "empty"}));
}

#[test]
fn packages_are_listed_by_what_they_are_and_by_who_asks() {
    let server = Server::start_with(USERS, &[]);
    for n in 0..5 {
        create(
            &server,
            &json!({
                "bucket": format!("p-{n}"), "producer": (if n % 2 == 0 { "a" } else { "b" }),
                "metadata": {"even": n % 2 == 0, "n": n},
            }),
        );
    }
    server.call("PUT", "/devs").by(dev()).send().expect(200);
    let list = |query: &str| {
        api(&server, "GET", &format!("/packages{query}"))
            .send()
            .expect(200)
    };
    assert_eq!(
        buckets(&list("")),
        ["devs", "p-0", "p-1", "p-2", "p-3", "p-4"]
    );
    assert_eq!(buckets(&list("?producer=b")), ["p-1", "p-3"]);
    assert_eq!(
        buckets(&list("?metadata.even=true&producer=a&metadata.n=2")),
        ["p-2"]
    );
    assert_eq!(buckets(&list("?status=finalized")), [""; 0]);
    assert_eq!(buckets(&list("?owner=dev")), ["devs"]);
    let page = list("?limit=4");
    assert_eq!(buckets(&page), ["devs", "p-0", "p-1", "p-2"]);
    assert_eq!(body(&page)["next"], "p-2");
    let page = list("?limit=4&after=p-2");
    assert_eq!(
        (buckets(&page), &body(&page)["next"]),
        (vec!["p-3".into(), "p-4".into()], &Value::Null)
    );
    fault(
        api(&server, "GET", "/packages?status=open").send(),
        400,
        "InvalidArgument",
    );
    fault(
        api(&server, "GET", "/packages?limit=0").send(),
        400,
        "InvalidArgument",
    );
    fault(
        api(&server, "GET", "/packages?colour=red").send(),
        501,
        "NotImplemented",
    );

    let own = |after: &str| {
        let path = format!("/packages?limit=1&after={after}");
        api(&server, "GET", &path).by(dev()).send().expect(200)
    };
    assert_eq!(buckets(&own("")), ["devs"]);
    let last = own("devs");
    assert_eq!(
        (buckets(&last).len(), &body(&last)["next"]),
        (0, &Value::Null)
    );
    fault(
        api(&server, "GET", "/packages/p-0").by(dev()).send(),
        403,
        "AccessDenied",
    );
    fault(
        api(&server, "DELETE", "/packages/p-0").by(dev()).send(),
        403,
        "AccessDenied",
    );
    fault(
        api(&server, "POST", "/packages/p-0/finalize")
            .by(dev())
            .send(),
        403,
        "AccessDenied",
    );
    let taken = api(&server, "POST", "/packages")
        .body("{\"bucket\":\"p-0\"}")
        .by(dev());
    fault(taken.send(), 409, "BucketAlreadyExists");
}

#[test]
fn a_finalized_package_has_one_manifest_for_ever() {
    let server = Server::start();
    server.make_bucket("sealed");
    server
        .call("PUT", "/sealed/a/b")
        .body("hello")
        .send()
        .expect(200);
    fault(
        api(&server, "GET", "/packages/sealed/manifest").send(),
        404,
        "NoSuchKey",
    );
    let upload = server
        .call("POST", "/sealed/big?uploads")
        .send()
        .expect(200);
    let upload = upload.element("UploadId").unwrap();
    let refused = api(&server, "POST", "/packages/sealed/finalize").send();
    assert!(refused.text().contains(&upload), "{}", refused.text());
    fault(refused, 409, "OpenUploads");
    let finalize = |text: &str| {
        api(&server, "POST", "/packages/sealed/finalize")
            .body(text)
            .send()
    };
    fault(finalize("{\"abort\":true}"), 400, "InvalidArgument");
    let text = json!({"abort_uploads": true, "provenance": {"source_commits": {"repo": "abc"}}});
    let done = finalize(&text.to_string()).expect(200);
    let digest = done
        .header("x-holdfast-manifest-digest")
        .unwrap()
        .to_owned();
    assert_eq!(body(&done)["manifest_digest"], *digest);
    let again = finalize("").expect(200);
    assert_eq!(body(&again)["manifest_digest"], *digest);

    let cbor = api(&server, "GET", "/packages/sealed/manifest?format=cbor")
        .send()
        .expect(200);
    assert_eq!(
        format!("blake3:{}", blake3::hash(&cbor.body).to_hex()),
        digest
    );
    assert_eq!(
        cbor.header("x-holdfast-manifest-digest"),
        Some(digest.as_str())
    );
    let manifest = body(
        &api(&server, "GET", "/packages/sealed/manifest")
            .send()
            .expect(200),
    );
    assert_eq!(manifest["files"][0]["relative_path"], "a/b");
    assert_eq!(manifest["provenance"]["source_commits"]["repo"], "abc");
    let by_s3 = server
        .call("GET", "/sealed/.holdfast/manifest.cbor")
        .send()
        .expect(200);
    assert_eq!(by_s3.body, cbor.body);
    fault(
        api(&server, "GET", "/packages/sealed/manifest?format=xml").send(),
        400,
        "InvalidArgument",
    );
    fault(
        api(&server, "DELETE", "/packages/sealed").send(),
        403,
        "AccessDenied",
    );
    let shown = body(&api(&server, "GET", "/packages/sealed").send().expect(200));
    assert_eq!(
        (&shown["status"], &shown["manifest_digest"]),
        (&json!("finalized"), &json!(digest))
    );
}

#[test]
fn files_are_listed_shown_and_read() {
    let server = Server::start_with(USERS, &[]);
    server.make_bucket("files");
    let keys = ["a", "a b", "a/b", "b+c", "é"];
    for key in keys {
        let target = format!("/files/{}", encode(key.as_bytes(), false));
        let call = server
            .call("PUT", &target)
            .header("content-type", "text/plain");
        call.header("x-amz-meta-colour", "red")
            .body(format!("bytes of {key}"))
            .send()
            .expect(200);
    }
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!(
            "/packages/files/files?limit=2&after={}",
            encode(after.as_bytes(), true)
        );
        let page = body(&api(&server, "GET", &path).send().expect(200));
        found.extend(page["files"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    let paths: Vec<_> = found
        .iter()
        .map(|file| file["relative_path"].as_str().unwrap())
        .collect();
    assert_eq!(paths, keys);

    let file = &found[2];
    assert_eq!(
        (&file["media_type"], &file["size_bytes"]),
        (&json!("text/plain"), &json!(12))
    );
    assert_eq!(file["user_metadata"], json!({"colour": "red"}));
    let id = file["id"].as_str().unwrap();
    assert_eq!(
        body(
            &api(&server, "GET", &format!("/files/{id}"))
                .send()
                .expect(200)
        ),
        *file
    );
    let content = || api(&server, "GET", &format!("/files/{id}/content"));
    let whole = content().send().expect(200);
    assert_eq!(
        (whole.text().as_str(), whole.header("content-type")),
        ("bytes of a/b", Some("text/plain"))
    );
    assert_eq!(
        whole.header("x-holdfast-content-address"),
        file["content_address"].as_str()
    );
    let part = content().header("range", "bytes=6-7").send().expect(206);
    assert_eq!(
        (part.text().as_str(), part.header("content-range")),
        ("of", Some("bytes 6-7/12"))
    );
    fault(
        content().header("range", "bytes=12-").send(),
        416,
        "InvalidRange",
    );
    let etag = whole.header("etag").unwrap().to_owned();
    content().header("if-none-match", &etag).send().expect(304);
    fault(
        content().header("if-match", "\"other\"").send(),
        412,
        "PreconditionFailed",
    );
    fault(content().by(dev()).send(), 403, "AccessDenied");

    // Without versioning, what was overwritten is gone.
    server
        .call("PUT", "/files/a/b")
        .body("new")
        .send()
        .expect(200);
    fault(content().send(), 404, "NoSuchFile");
    fault(api(&server, "GET", "/files/none").send(), 404, "NoSuchFile");
    let unknown = "/files/0193f0c4-7f1e-7c3a-9c1f-0123456789ab/content";
    fault(api(&server, "GET", unknown).send(), 404, "NoSuchFile");
}

#[test]
fn what_is_not_there_says_so() {
    let server = Server::start();
    fault(
        api(&server, "GET", "/nothing").send(),
        404,
        "NoSuchEndpoint",
    );
    fault(
        api(&server, "PATCH", "/packages").send(),
        405,
        "MethodNotAllowed",
    );
}

#[test]
fn health_needs_no_signature_and_gives_nothing_away() {
    use crate::support::call::Signature;
    let server = Server::start();
    for path in ["/health/live", "/health/ready"] {
        let answer = api(&server, "GET", path)
            .signed(Signature::None)
            .send()
            .expect(200);
        assert_eq!(body(&answer), json!({"status": "ok"}));
    }
    fault(
        api(&server, "GET", "/health/backends")
            .signed(Signature::None)
            .send(),
        403,
        "AccessDenied",
    );
    let backends = body(&api(&server, "GET", "/health/backends").send().expect(200));
    let all = backends["backends"].as_array().unwrap();
    assert!(
        all.len() >= 2 && all.iter().all(|part| part["is_healthy"] == true),
        "{backends}"
    );
}
