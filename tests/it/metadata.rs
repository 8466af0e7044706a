//! What packages say of themselves, from outside: metadata schemas, metadata, tags, provenance.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::call::Call;
use crate::support::connection::Answer;
use crate::support::server::{ACCESS_KEY, SECRET_KEY, Server};
use crate::support::sign::Signer;

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

/// The message of a refusal.
fn fault(answer: Answer, status: u16, code: &str) -> String {
    let value = body(&answer.expect(status));
    assert_eq!(value["code"], code, "{value}");
    value["message"].as_str().unwrap().to_owned()
}

fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["version"],
        "properties": {"version": {"type": "string"}, "build": {"type": "integer"}},
    })
}

fn register<'s>(server: &'s Server, slug: &str, body: &Value) -> Call<'s> {
    api(server, "PUT", &format!("/metadata-schemas/{slug}")).body(body.to_string())
}

fn events(server: &Server, package: &str) -> Vec<Value> {
    let path = format!("/events?limit=1000&package={package}");
    let answer = body(&api(server, "GET", &path).send().expect(200));
    answer["events"].as_array().unwrap().clone()
}

#[test]
fn schemas_are_registered_shown_and_listed() {
    let server = Server::start_with(USERS, &[]);
    let form = json!({"json_schema": schema()});
    let call = register(&server, "release", &form);
    let first = call.send().expect(201);
    assert_eq!(
        first.header("location"),
        Some("/_holdfast/v1/metadata-schemas/release?version=1")
    );
    let first = body(&first);
    assert_eq!(
        (&first["slug"], &first["version"]),
        (&json!("release"), &json!(1))
    );
    assert_eq!(
        (&first["created_by"], &first["json_schema"]),
        (&json!("root"), &schema())
    );
    assert_eq!(
        body(&call.send().expect(200)),
        first,
        "a repeat answers the same"
    );

    let other = json!({"json_schema": {"type": "object"}});
    let message = fault(
        register(&server, "release", &other).send(),
        409,
        "MetadataSchemaConflict",
    );
    assert!(message.contains("ask for version 2"), "{message}");
    let next = json!({"json_schema": {"type": "object"}, "version": 2});
    let second = body(&register(&server, "release", &next).send().expect(201));
    for wrong in [
        json!({"json_schema": {"type": "objekt"}}),
        json!({"json_schema": "text"}),
        json!({"json_schema": {"title": "x".repeat(70_000)}}),
        json!({"json_schema": {}, "version": -1}),
        json!({"json_schema": {}, "colour": 1}),
        json!({}),
    ] {
        fault(
            register(&server, "wrong", &wrong).send(),
            400,
            "InvalidArgument",
        );
    }
    fault(
        register(&server, "Wrong", &form).send(),
        400,
        "InvalidArgument",
    );
    fault(
        register(&server, "mine", &form).by(dev()).send(),
        403,
        "AccessDenied",
    );

    let get = |path: &str| {
        api(&server, "GET", &format!("/metadata-schemas{path}"))
            .by(dev())
            .send()
    };
    assert_eq!(body(&get("/release").expect(200)), second);
    assert_eq!(body(&get("/release?version=1").expect(200)), first);
    let id = first["schema_id"].as_str().unwrap();
    assert_eq!(body(&get(&format!("/{id}")).expect(200)), first);
    fault(get("/release?version=3"), 404, "NoSuchMetadataSchema");
    fault(get("/none"), 404, "NoSuchMetadataSchema");
    fault(get("/release?version=x"), 400, "InvalidArgument");
    register(&server, "a", &form).send().expect(201);

    let name = |entry: &Value| format!("{}@{}", entry["slug"].as_str().unwrap(), entry["version"]);
    let (mut names, mut after) = (Vec::new(), String::new());
    loop {
        let page = body(&get(&format!("?limit=2{after}")).expect(200));
        let entries = page["schemas"].as_array().unwrap();
        assert!(entries.len() <= 2 && entries.iter().all(|e| e["json_schema"].is_null()));
        names.extend(entries.iter().map(name));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        after = format!("&after={next}");
    }
    assert_eq!(names, ["a@1", "release@1", "release@2"]);

    let server = server.restart();
    let again = api(&server, "GET", "/metadata-schemas/release?version=1").send();
    assert_eq!(body(&again.expect(200)), first);
}

#[test]
fn metadata_conforms_to_the_schema_over_both_surfaces() {
    let server = Server::start();
    let form = json!({"json_schema": schema()});
    let id = body(&register(&server, "release", &form).send().expect(201))["schema_id"].clone();

    let create = |package: Value| {
        api(&server, "POST", "/packages")
            .body(package.to_string())
            .send()
    };
    let wrong = json!({"bucket": "one", "metadata_schema": "release", "metadata": {"build": "x"}});
    let message = fault(create(wrong), 400, "InvalidArgument");
    assert!(message.contains("at '/build'"), "{message}");
    assert!(
        message.contains("\"version\" is a required property"),
        "{message}"
    );
    let unknown = json!({"bucket": "one", "metadata_schema": "release@7"});
    let message = fault(create(unknown), 400, "InvalidArgument");
    assert!(message.contains("release@7"), "{message}");
    let right =
        json!({"bucket": "one", "metadata_schema": "release@1", "metadata": {"version": "1"}});
    let package = body(&create(right).expect(201));
    assert_eq!(package["metadata_schema_id"], id);

    let bucket = |metadata: &str| {
        server
            .call("PUT", "/two")
            .header("x-holdfast-metadata-schema", "release")
            .header("x-holdfast-metadata", metadata)
            .send()
    };
    let refused = bucket("{\"version\": 1}").expect_fault(400, "InvalidArgument");
    assert!(
        refused.text().contains("at '/version'"),
        "{}",
        refused.text()
    );
    server.call("HEAD", "/two").send().expect(404);
    bucket("{\"version\": \"1\"}").expect(200);

    let patch = |text: &str| api(&server, "PATCH", "/packages/one").body(text).send();
    let message = fault(
        patch("{\"metadata\":{\"version\":null}}"),
        400,
        "InvalidArgument",
    );
    assert!(message.contains("'release@1'"), "{message}");
    let large = "{\"metadata\":{\"n\":9007199254740992}}";
    assert!(fault(patch(large), 400, "InvalidArgument").contains("'/n'"));
    for wrong in [
        "",
        "[]",
        "{\"metadata\":1}",
        "{\"tags\":[]}",
        "{\"owner\":\"me\"}",
    ] {
        fault(patch(wrong), 400, "InvalidArgument");
    }
    fault(patch("{\"tags\":{\"a\":1}}"), 400, "InvalidTag");
    fault(patch("{\"tags\":{\"aws:a\":\"1\"}}"), 400, "InvalidTag");
    let changed = body(&patch("{\"metadata\":{\"build\":7},\"tags\":{\"t\":\"1\"}}").expect(200));
    assert_eq!(changed["metadata"], json!({"version": "1", "build": 7}));
    assert_eq!(changed["tags"], json!({"t": "1"}));
    let shown = body(&api(&server, "GET", "/packages/one").send().expect(200));
    assert_eq!(
        (&shown["metadata"], &shown["tags"]),
        (&changed["metadata"], &changed["tags"])
    );
    patch("{}").expect(200);
    let events = events(&server, "one");
    assert_eq!(events.len(), 3, "what changes nothing is no event");
    assert_eq!(events[2]["event_type"], "v1.package.metadata_updated");
    assert_eq!(
        events[2]["payload"],
        json!({"metadata": changed["metadata"], "metadata_schema_id": id, "tags": {"t": "1"}})
    );

    api(&server, "POST", "/packages/one/finalize")
        .send()
        .expect(200);
    let message = fault(patch("{\"metadata\":{\"build\":8}}"), 403, "AccessDenied");
    assert!(
        message.contains("finalized") && message.contains("blake3:"),
        "{message}"
    );
}

fn tagging(tags: &[(&str, &str)]) -> String {
    let tag =
        |(key, value): &(&str, &str)| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>");
    let tags: String = tags.iter().map(tag).collect();
    format!(
        "<Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><TagSet>{tags}</TagSet></Tagging>"
    )
}

#[test]
fn a_bucket_has_tags() {
    let server = Server::start_with(USERS, &[]);
    server.make_bucket("pkg");
    let get = || server.call("GET", "/pkg?tagging").send();
    let put = |tags: &[(&str, &str)]| {
        server
            .call("PUT", "/pkg?tagging")
            .body(tagging(tags))
            .send()
    };
    get().expect_fault(404, "NoSuchTagSet");
    put(&[("team", "core &amp; more"), ("é", "")]).expect_fault(400, "InvalidTag");
    put(&[("team", "core"), ("é", "")]).expect(204);
    let text = get().expect(200).text();
    let set = "<TagSet><Tag><Key>team</Key><Value>core</Value></Tag>\
               <Tag><Key>é</Key><Value></Value></Tag></TagSet>";
    assert!(text.contains(set), "{text}");
    put(&[("team", "core"), ("é", "")]).expect(204);
    put(&[("zone", "eu")]).expect(204);
    assert!(
        !get().expect(200).text().contains("team"),
        "all tags are set"
    );

    let many: Vec<_> = (0..51).map(|n| format!("k{n}")).collect();
    let many: Vec<_> = many.iter().map(|key| (key.as_str(), "v")).collect();
    let (long_key, long_value) = ("k".repeat(129), "v".repeat(257));
    let wrong: [&[(&str, &str)]; 6] = [
        &many,
        &[("a", "1"), ("a", "2")],
        &[(&long_key, "")],
        &[("a", &long_value)],
        &[("aws:a", "")],
        &[("holdfast:none", "")],
    ];
    for tags in wrong {
        put(tags).expect_fault(400, "InvalidTag");
    }
    let garbled = server.call("PUT", "/pkg?tagging").body("<Tagging/>").send();
    garbled.expect_fault(400, "MalformedXML");
    put(&many[1..]).expect(204);
    put(&[(&long_key[1..], &long_value[1..])]).expect(204);

    // What the bucket was made with may be said again, other metadata changes it.
    put(&[
        ("holdfast:producer", "root"),
        ("holdfast:metadata", "{\"a\":1}"),
    ])
    .expect(204);
    get().expect_fault(404, "NoSuchTagSet");
    put(&[("holdfast:producer", "else")]).expect_fault(400, "InvalidTag");
    put(&[("holdfast:metadata", "[]")]).expect_fault(400, "InvalidArgument");
    put(&[("holdfast:metadata-schema", "none")]).expect_fault(400, "InvalidArgument");
    put(&[("t", "1")]).expect(204);
    let package = body(&api(&server, "GET", "/packages/pkg").send().expect(200));
    assert_eq!(
        (&package["metadata"], &package["tags"]),
        (&json!({"a": 1}), &json!({"t": "1"}))
    );
    for _ in 0..2 {
        server.call("DELETE", "/pkg?tagging").send().expect(204);
    }
    get().expect_fault(404, "NoSuchTagSet");
    for (method, status) in [("GET", 403), ("PUT", 403), ("DELETE", 403)] {
        let call = server.call(method, "/pkg?tagging").by(dev());
        call.body(tagging(&[]))
            .send()
            .expect_fault(status, "AccessDenied");
    }
    server
        .call("GET", "/none?tagging")
        .send()
        .expect_fault(404, "NoSuchBucket");
    let types: Vec<_> = events(&server, "pkg");
    let updates = types
        .iter()
        .filter(|e| e["event_type"] == "v1.package.metadata_updated");
    assert_eq!(updates.count(), 7);

    put(&[("t", "kept")]).expect(204);
    server
        .call("PUT", "/pkg/.holdfast/finalize")
        .send()
        .expect(200);
    let refused = put(&[("t", "2")]).expect_fault(403, "AccessDenied");
    assert!(refused.text().contains("blake3:"), "{}", refused.text());
    server
        .call("DELETE", "/pkg?tagging")
        .send()
        .expect_fault(403, "AccessDenied");
    assert!(get().expect(200).text().contains("kept"));
}

#[test]
fn provenance_and_origins_stand_in_the_manifest() {
    let server = Server::start_with(USERS, &[]);
    server.make_bucket("staging");
    server.make_bucket("release");
    server
        .call("PUT", "/staging/a")
        .body("built")
        .send()
        .expect(200);
    server
        .call("PUT", "/release/promoted")
        .header("x-amz-copy-source", "/staging/a")
        .send()
        .expect(200);
    server
        .call("PUT", "/release/own")
        .body("own")
        .send()
        .expect(200);
    let files = |bucket: &str| {
        let path = format!("/packages/{bucket}/files");
        body(&api(&server, "GET", &path).send().expect(200))["files"].clone()
    };
    let source = &files("staging")[0];
    let origin = json!({"package_id": source["package_id"], "file_id": source["id"]});
    let provenance = json!({
        "source_commits": {"holdfast": "8b1a9953"},
        "tool_versions": {"rustc": "1.94.0"},
        "environment": {"host": "builder-7"},
    });
    let form = json!({"provenance": provenance});
    let finalize = server
        .call("PUT", "/release/.holdfast/finalize")
        .body(form.to_string());
    finalize.send().expect(200);
    let manifest = body(
        &server
            .call("GET", "/release/.holdfast/manifest.json")
            .send()
            .expect(200),
    );
    for key in ["source_commits", "tool_versions", "environment"] {
        assert_eq!(manifest["provenance"][key], provenance[key]);
    }
    assert_eq!(manifest["provenance"]["ingest_actor"], "root");
    let entries = manifest["files"].as_array().unwrap();
    let log = events(&server, "release");
    for (entry, copied_from) in entries.iter().zip([None, Some(&origin)]) {
        assert_eq!(entry.get("copied_from"), copied_from, "{entry}");
        assert_eq!(entry["ingested_by"], "root");
        let event = log
            .iter()
            .find(|event| event["sequence"] == entry["event_sequence"]);
        let event = event.expect("the file's event");
        assert_eq!(event["payload"]["file_id"], entry["id"]);
        assert_eq!(event["created_at"], entry["ingested_at"]);
        assert_eq!(event["payload"].get("copied_from"), copied_from);
    }
    assert_eq!(files("release")[1]["copied_from"], origin);
}

#[test]
fn schemas_and_metadata_are_handled_from_the_command_line() {
    let server = Server::start();
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_holdfast"))
            .env_clear()
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .env("AWS_ENDPOINT_URL", format!("http://{}", server.address))
            .args(arguments)
            .output()
            .expect("the binary runs");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (
            output.status.success(),
            text(output.stdout),
            text(output.stderr),
        )
    };
    let json_of = |arguments: &[&str]| -> Value {
        let (is_done, output, errors) = run(arguments);
        assert!(is_done, "{arguments:?}: {errors}");
        serde_json::from_str(&output).unwrap_or_else(|_| panic!("{arguments:?}: {output}"))
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("schema.json");
    std::fs::write(&file, schema().to_string()).unwrap();
    let file = file.to_str().unwrap();
    let first = json_of(&["schema", "register", "release", file, "--json"]);
    assert_eq!(first["version"], 1);
    std::fs::write(file, "{}").unwrap();
    let (is_done, _, errors) = run(&["schema", "register", "release", file]);
    assert!(!is_done && errors.contains("ask for version 2"), "{errors}");
    let (is_done, output, _) = run(&["schema", "register", "release", file, "--version", "2"]);
    assert!(
        is_done && output.contains("release@2 is registered"),
        "{output}"
    );
    assert_eq!(json_of(&["schema", "show", "release@1", "--json"]), first);
    let (_, output, _) = run(&["schema", "show", "release@1"]);
    assert!(
        output.contains("release@1") && output.contains("\"required\""),
        "{output}"
    );
    assert_eq!(
        json_of(&["schema", "list", "--json"])
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let (_, output, _) = run(&["schema", "list"]);
    assert!(
        output.contains("SLUG") && output.contains("release"),
        "{output}"
    );

    let create = [
        "package",
        "create",
        "tour",
        "--metadata-schema",
        "release@1",
    ];
    let (is_done, _, errors) = run(&create);
    assert!(!is_done && errors.contains("required property"), "{errors}");
    let metadata = ["--metadata", "version=\"1\"", "--tag", "t=1", "--json"];
    let package = json_of(&[&create[..], &metadata].concat());
    assert_eq!(package["metadata_schema_id"], first["schema_id"]);
    let update = [
        "package",
        "update",
        "tour",
        "--metadata",
        "build=7",
        "--tag",
        "u=2",
    ];
    let package = json_of(&[&update[..], &["--remove-tag", "t", "--json"]].concat());
    assert_eq!(package["metadata"], json!({"version": "1", "build": 7}));
    assert_eq!(package["tags"], json!({"u": "2"}));
}
