//! Stored bytes are read again: what is damaged is found, told apart, written down, blocked and made
//! good, and a run that is cut off goes on where it was.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::bytes::{content, stored_file};
use crate::support::connection::Answer;
use crate::support::database::edit;
use crate::support::harm::{cut, flip};
use crate::support::log::events;
use crate::support::multipart;
use crate::support::server::{ACCESS_KEY, SECRET_KEY, Server};
use crate::support::sign::Signer;

const MIB: usize = 1 << 20;

/// How long a run or an event may take.
const PATIENCE: Duration = Duration::from_secs(60);

const RUNS: &str = "/_holdfast/v1/verifications";

fn put(server: &Server, target: &str, bytes: &[u8]) {
    server.call("PUT", target).body(bytes).send().expect(200);
}

fn get(server: &Server, target: &str) -> Answer {
    server.call("GET", target).send()
}

fn read_json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).expect("JSON")
}

fn start(server: &Server, scope: &Value) -> Value {
    let call = server.call("POST", RUNS).body(scope.to_string());
    read_json(&call.send().expect(202))
}

fn look(server: &Server, run: &Value) -> Value {
    let id = run["id"].as_str().expect("an id");
    read_json(&get(server, &format!("{RUNS}/{id}")).expect(200))
}

/// Looks at a run until it is as wanted.
fn wait_for(server: &Server, run: &Value, wanted: impl Fn(&Value) -> bool) -> Value {
    let since = Instant::now();
    loop {
        let run = look(server, run);
        if wanted(&run) {
            return run;
        }
        assert!(since.elapsed() < PATIENCE, "{run:#}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn verify(server: &Server, scope: &Value) -> Value {
    let run = start(server, scope);
    wait_for(server, &run, |run| run["state"] == "completed")
}

/// The counts of a run: checked, verified, mismatched, missing, unreachable, repaired.
fn counts(run: &Value) -> [u64; 6] {
    let names = [
        "checked",
        "verified",
        "mismatched",
        "missing",
        "unreachable",
        "repaired",
    ];
    names.map(|name| run[name].as_u64().expect("a number"))
}

fn verdicts(server: &Server, since: u64) -> Vec<Value> {
    events(server, since, "&types=v1.storage.location_verified")
}

/// Waits for this number of verdicts after a position.
fn wait_for_verdicts(server: &Server, since: u64, number: usize) -> Vec<Value> {
    let start = Instant::now();
    loop {
        let found = verdicts(server, since);
        if found.len() >= number {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "{found:#?}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn head(server: &Server) -> u64 {
    events(server, 0, "").len() as u64
}

fn failed_locations(server: &Server, id: &str) -> u64 {
    let health = read_json(&get(server, "/_holdfast/v1/health/backends").expect(200));
    let backends = health["backends"].as_array().expect("a list").clone();
    let backend = backends.into_iter().find(|backend| backend["id"] == id);
    backend.expect("it is listed")["failed_locations"]
        .as_u64()
        .expect("a number")
}

fn audit(mut server: Server) {
    server.stop();
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["audit", "--data"])
        .arg(server.data())
        .env_clear()
        .output()
        .expect("the binary runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
}

fn command(server: &Server, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(arguments)
        .env_clear()
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .env("AWS_ENDPOINT_URL", format!("http://{}", server.address))
        .output()
        .expect("the binary runs");
    let text = String::from_utf8(output.stdout).expect("text");
    (output.status.code().unwrap_or(-1), text)
}

/// The word of the mismatch, and what was there, of the verdict about a file of this content.
fn verdict_of<'v>(verdicts: &'v [Value], bytes: &[u8]) -> &'v Value {
    let address = format!("blake3:{}", blake3::hash(bytes).to_hex());
    let about = |event: &&Value| event["payload"]["content_address"] == address.as_str();
    let mut found = verdicts.iter().filter(about);
    let event = found.next().expect("there is a verdict");
    assert!(found.next().is_none(), "there is one");
    event
}

#[test]
fn each_damage_is_found_told_apart_and_healed() {
    let server = Server::start();
    server.make_bucket("bucket");
    let size = 300_000;
    let body = |seed: u64| content(seed, size);
    let names = ["flipped", "cut", "gone", "swapped", "away", "good"];
    for (seed, name) in (1..).zip(names) {
        put(&server, &format!("/bucket/{name}"), &body(seed));
    }
    put(&server, "/bucket/small", b"small");
    put(&server, "/bucket/empty", b"");
    let (first, second) = (content(20, 5 * MIB), content(21, 70_000));
    let (upload, etags) = multipart::upload(&server, "/bucket/parts", &[&first, &second]);
    let completed = multipart::complete(&server, "/bucket/parts", &upload, &etags).send();
    assert!(multipart::completed_etag(&completed).is_some());

    // All is well, which is news once.
    let run = verify(&server, &json!({}));
    assert_eq!(counts(&run), [9, 9, 0, 0, 0, 0], "{run:#}");
    assert_eq!(run["total"], 9);
    assert_eq!(
        run["bytes"].as_u64(),
        Some((6 * size + 5 + 5 * MIB + 70_000) as u64)
    );
    assert_eq!(run["faults"], json!([]));
    let known = verdicts(&server, 0);
    assert_eq!(known.len(), 9);
    for event in &known {
        let payload = &event["payload"];
        assert_eq!(event["subject_kind"], "storage");
        assert_eq!(event["subject_id"], payload["file_id"]);
        assert!(event["package_id"].is_string());
        assert_eq!(payload["verified"], true);
        assert_eq!(payload["mismatch"], Value::Null);
        let primary = payload["actual_primary_hex"].as_str().expect("a digest");
        assert_eq!(payload["content_address"], format!("blake3:{primary}"));
    }
    let before = head(&server);
    verify(&server, &json!({}));
    assert_eq!(verdicts(&server, before).len(), 0);
    let ends = events(&server, 0, "&types=v1.storage.verification_completed");
    assert_eq!(ends.len(), 2);
    assert_eq!(ends[0]["subject_id"], run["id"]);
    let payload = json!({"run_id": run["id"], "backend_id": null, "checked": 9, "verified": 9,
        "mismatched": 0, "unreachable": 0, "bytes": run["bytes"]});
    assert_eq!(ends[0]["payload"], payload);

    // Five kinds of harm, a damaged part, and a directory that is away.
    flip(&stored_file(&server, "blobs", &body(1)), size / 2);
    cut(&stored_file(&server, "blobs", &body(2)), 100);
    fs::remove_file(stored_file(&server, "blobs", &body(3))).expect("it is there");
    fs::copy(
        stored_file(&server, "blobs", &body(6)),
        stored_file(&server, "blobs", &body(4)),
    )
    .expect("it is copied");
    flip(&stored_file(&server, "blobs", &second), 10);
    let away = stored_file(&server, "blobs", &body(5));
    let folder = away.parent().expect("it has one");
    let aside = server.directory().join("aside");
    fs::rename(folder, &aside).expect("it is moved");
    let before = head(&server);
    let run = verify(&server, &json!({}));
    assert_eq!(counts(&run), [9, 3, 5, 1, 1, 0], "{run:#}");
    let found = verdicts(&server, before);
    assert_eq!(found.len(), 5, "{found:#?}");
    let harmed = [
        (body(1), "content", Some(size)),
        (body(2), "size", Some(100)),
        (body(3), "missing", None),
        (body(4), "content", Some(size)),
        (
            [first.clone(), second.clone()].concat(),
            "content",
            Some(first.len() + second.len()),
        ),
    ];
    for (bytes, word, length) in &harmed {
        let payload = &verdict_of(&found, bytes)["payload"];
        assert_eq!(payload["verified"], false);
        assert_eq!(payload["mismatch"], *word, "{payload:#}");
        let length = length.map_or(Value::Null, |length| json!(length));
        assert_eq!(payload["actual_size_bytes"], length);
        assert_eq!(payload["actual_sha256_hex"].is_null(), length.is_null());
    }
    let good = blake3::hash(&body(6)).to_hex();
    let swapped = &verdict_of(&found, &body(4))["payload"];
    assert_eq!(swapped["actual_primary_hex"], good.as_str());
    let faults = run["faults"].as_array().expect("a list");
    let outcome = |path: &str| {
        let fault = faults.iter().find(|fault| fault["relative_path"] == path);
        fault.map(|fault| (fault["outcome"].clone(), fault["mismatch"].clone()))
    };
    assert_eq!(outcome("away"), Some((json!("unreachable"), Value::Null)));
    assert_eq!(outcome("gone"), Some((json!("mismatch"), json!("missing"))));
    assert_eq!(outcome("good"), None);
    assert_eq!(failed_locations(&server, "local"), 5);
    assert_eq!(failed_locations(&server, "database"), 0);

    // What is known to be damaged is refused at once, even where its bytes are good.
    for name in ["flipped", "cut", "gone", "swapped", "parts"] {
        let answer = get(&server, &format!("/bucket/{name}"));
        answer.expect_fault(500, "InternalError");
    }
    let call = server.call("GET", "/bucket/flipped");
    let answer = call.header("range", "bytes=0-9").send();
    answer.expect_fault(500, "InternalError");
    let call = server.call("GET", "/bucket/parts");
    let answer = call.header("range", "bytes=0-9").send().expect(206);
    assert_eq!(answer.body, first[..10]);
    assert_eq!(get(&server, "/bucket/away").status, 503);

    // What was away is as good as before. Nothing is news, and what is damaged is blocked after
    // a restart too.
    fs::rename(&aside, folder).expect("it is moved back");
    let mut server = server;
    server.stop();
    let server = server.restart();
    let before = head(&server);
    let run = verify(&server, &json!({}));
    assert_eq!(counts(&run), [9, 4, 5, 1, 0, 0], "{run:#}");
    assert_eq!(verdicts(&server, before).len(), 0);
    let call = server.call("GET", "/bucket/flipped");
    let answer = call.header("range", "bytes=0-9").send();
    answer.expect_fault(500, "InternalError");

    // The same bytes again make it good, and the log says so without being asked.
    for (seed, name) in (1..).zip(names).take(4) {
        put(&server, &format!("/bucket/{name}-again"), &body(seed));
        let answer = get(&server, &format!("/bucket/{name}")).expect(200);
        assert!(answer.body == body(seed), "{name}");
    }
    put(&server, "/bucket/part-again", &second);
    let answer = get(&server, "/bucket/parts").expect(200);
    assert!(answer.body == [first, second].concat());
    let found = wait_for_verdicts(&server, before, 5);
    for event in found {
        assert_eq!(event["payload"]["verified"], true, "{event:#}");
        assert_eq!(event["actor"], "storage-verifier");
    }
    let run = verify(&server, &json!({}));
    assert_eq!(counts(&run), [14, 14, 0, 0, 0, 0], "{run:#}");
    assert_eq!(failed_locations(&server, "local"), 0);
    audit(server);
}

#[test]
fn what_a_reader_meets_is_looked_at_and_blocked() {
    let server = Server::start();
    server.make_bucket("bucket");
    let bytes = content(1, 3 * MIB);
    put(&server, "/bucket/key", &bytes);
    let before = head(&server);
    flip(&stored_file(&server, "blobs", &bytes), 2 * MIB);
    let mut connection = server.connect();
    connection.send(server.call("GET", "/bucket/key").bytes());
    assert!(connection.try_answer(false).is_none(), "it was served");
    let found = wait_for_verdicts(&server, before, 1);
    assert_eq!(found[0]["payload"]["mismatch"], "content");
    // Its good beginning is refused as well now.
    let call = server.call("GET", "/bucket/key");
    let answer = call.header("range", "bytes=0-9").send();
    answer.expect_fault(500, "InternalError");
    audit(server);
}

#[test]
fn a_finalized_package_heals_when_its_script_runs_again() {
    let mut server = Server::start();
    server.make_bucket("bucket");
    let (large, small) = (content(1, 100_000), content(2, 1000));
    put(&server, "/bucket/large", &large);
    put(&server, "/bucket/small", &small);
    let finalize = server.call("PUT", "/bucket/.holdfast/finalize");
    finalize.send().expect(200);
    server.stop();
    flip(&stored_file(&server, "blobs", &large), 5);
    let statement = "DELETE FROM inline_blobs WHERE address = $1";
    edit(&server, statement, blake3::hash(&small).as_bytes());
    let server = server.restart();
    let run = verify(&server, &json!({"package": "bucket"}));
    assert_eq!(counts(&run), [2, 0, 2, 1, 0, 0], "{run:#}");
    assert_eq!(failed_locations(&server, "database"), 1);
    for name in ["large", "small"] {
        get(&server, &format!("/bucket/{name}")).expect_fault(500, "InternalError");
    }
    put(&server, "/bucket/large", &large);
    put(&server, "/bucket/small", &small);
    assert!(get(&server, "/bucket/large").expect(200).body == large);
    assert!(get(&server, "/bucket/small").expect(200).body == small);
    audit(server);
}

/// The same bytes in the database and in a file: each makes the other good, and is served in its
/// place meanwhile.
#[test]
fn a_second_copy_is_served_and_repairs() {
    let server = Server::start();
    server.make_bucket("bucket");
    let bytes = content(1, 1000);
    put(&server, "/bucket/inline", &bytes);
    let mut server = server.restart_with("[blob]\ninline_max_bytes = 0");
    put(&server, "/bucket/local", &bytes);
    let before = head(&server);
    let path = stored_file(&server, "blobs", &bytes);
    flip(&path, 5);
    assert!(get(&server, "/bucket/local").expect(200).body == bytes);
    // The reader has it repaired.
    let found = wait_for_verdicts(&server, before, 2);
    let words: Vec<_> = found
        .iter()
        .map(|event| &event["payload"]["mismatch"])
        .collect();
    assert_eq!(words, [&json!("content"), &Value::Null]);
    assert!(fs::read(&path).expect("it is there") == bytes);

    server.stop();
    let statement = "UPDATE inline_blobs SET bytes = x'00' WHERE address = $1";
    edit(&server, statement, blake3::hash(&bytes).as_bytes());
    let server = server.restart();
    let before = head(&server);
    let run = verify(&server, &json!({"backend": "inline"}));
    assert_eq!(counts(&run), [1, 0, 1, 0, 0, 1], "{run:#}");
    assert_eq!(run["faults"][0]["is_repaired"], true);
    let found = verdicts(&server, before);
    let words: Vec<_> = found
        .iter()
        .map(|event| &event["payload"]["mismatch"])
        .collect();
    assert_eq!(words, [&json!("size"), &Value::Null]);
    assert!(get(&server, "/bucket/inline").expect(200).body == bytes);

    // A part from the whole, and the whole from its parts.
    let (first, second) = (content(2, 5 * MIB), content(3, 70_000));
    let whole = [first.clone(), second.clone()].concat();
    let (upload, etags) = multipart::upload(&server, "/bucket/parts", &[&first, &second]);
    multipart::complete(&server, "/bucket/parts", &upload, &etags)
        .send()
        .expect(200);
    put(&server, "/bucket/whole", &whole);
    for (harmed, key) in [(&second, "parts"), (&whole, "whole")] {
        flip(&stored_file(&server, "blobs", harmed), 100);
        let run = verify(&server, &json!({"package": "bucket"}));
        assert_eq!(counts(&run), [4, 3, 1, 0, 0, 1], "{run:#}");
        let answer = get(&server, &format!("/bucket/{key}")).expect(200);
        assert!(answer.body == whole);
    }
    let run = verify(&server, &json!({}));
    assert_eq!(counts(&run), [4, 4, 0, 0, 0, 0], "{run:#}");
    audit(server);
}

#[test]
fn a_run_that_a_crash_cut_off_goes_on_where_it_was() {
    const OBJECTS: u64 = 200;
    const SIZE: usize = 50_000;
    let mut server = Server::start_with(
        "[verification]\nbytes_per_second = 2500000\nparallel_reads = 1",
        &[],
    );
    server.make_bucket("bucket");
    for seed in 0..OBJECTS {
        put(&server, &format!("/bucket/{seed}"), &content(seed, SIZE));
        // A copy of the same content is not read again.
        let call = server.call("PUT", &format!("/bucket/copy-{seed}"));
        let call = call.header("x-amz-copy-source", &format!("/bucket/{seed}"));
        call.send().expect(200);
    }
    let run = start(&server, &json!({}));
    assert_eq!(run["total"], 2 * OBJECTS);
    let mut last = 0;
    for _ in 0..3 {
        let found = wait_for(&server, &run, |run| run["checked"].as_u64() > Some(last));
        assert_eq!(found["state"], "running");
        last = found["checked"].as_u64().expect("a number");
        server.kill();
        server = server.restart();
        let found = look(&server, &run);
        assert!(found["checked"].as_u64() >= Some(last), "{found:#}");
        last = found["checked"].as_u64().expect("a number");
    }
    // An order to stop is heard at once as well.
    let took = server.stop();
    assert!(took < Duration::from_secs(10), "{took:?}");
    let server = server.restart();
    let run = wait_for(&server, &run, |run| run["state"] == "completed");
    assert_eq!(counts(&run), [400, 400, 0, 0, 0, 0], "{run:#}");
    assert_eq!(run["bytes"].as_u64(), Some(OBJECTS * SIZE as u64));
    assert_eq!(verdicts(&server, 0).len() as u64, 2 * OBJECTS);
    let ends = events(&server, 0, "&types=v1.storage.verification_completed");
    assert_eq!(ends.len(), 1);
    audit(server);
}

#[test]
fn one_run_over_a_scope_at_a_time() {
    let server = Server::start_with("[verification]\nbytes_per_second = 100000", &[]);
    for bucket in ["first", "second"] {
        server.make_bucket(bucket);
        for seed in 0..20 {
            let bytes = content(seed, 20_000);
            put(&server, &format!("/{bucket}/{seed}"), &bytes);
        }
    }
    let all = start(&server, &json!({}));
    assert_eq!(start(&server, &json!({}))["id"], all["id"]);
    let scopes = [
        json!({"package": "first"}),
        json!({"package": "first", "backend": "local"}),
        json!({"backend": "local"}),
        json!({"package": "second"}),
    ];
    let mut ids = vec![all["id"].clone()];
    for scope in &scopes {
        let run = start(&server, scope);
        assert_eq!(start(&server, scope)["id"], run["id"]);
        assert!(!ids.contains(&run["id"]), "{scope}");
        ids.push(run["id"].clone());
    }
    let page = read_json(&get(&server, &format!("{RUNS}?limit=3")).expect(200));
    let listed = |page: &Value| -> Vec<Value> {
        let runs = page["verifications"].as_array().expect("a list");
        runs.iter().map(|run| run["id"].clone()).collect()
    };
    ids.reverse();
    assert_eq!(listed(&page), ids[..3]);
    let next = page["next"].as_str().expect("there is more");
    let page = read_json(&get(&server, &format!("{RUNS}?limit=3&after={next}")).expect(200));
    assert_eq!(listed(&page), ids[3..]);
    assert_eq!(page["next"], Value::Null);
}

/// Two users: `ci` may verify one package, `dev` owns one.
const USERS: &str = r#"
[[users]]
id = "ci"
keys = [{ access_key = "CIACCESSKEY000000001", secret_key = "ci-secret-0123456789abcdef" }]
grants = [{ packages = ["shared"], verbs = ["verify"] }]
"#;

#[test]
fn who_may_verify_what_is_said() {
    let server = Server::start_with(USERS, &[]);
    let ci = || Signer {
        access_key: "CIACCESSKEY000000001".to_owned(),
        secret_key: "ci-secret-0123456789abcdef".to_owned(),
        ..Signer::root()
    };
    server.make_bucket("shared");
    server.make_bucket("private");
    let post = |body: &str| server.call("POST", RUNS).body(body);
    let own = read_json(&post("{\"package\":\"shared\"}").by(ci()).send().expect(202));
    assert_eq!(own["actor"], "ci");
    let others = start(&server, &json!({"package": "private"}));
    for body in [
        "",
        "{}",
        "{\"package\":\"private\"}",
        "{\"backend\":\"local\"}",
    ] {
        assert_eq!(post(body).by(ci()).send().status, 403, "{body}");
    }
    let look = |run: &Value| {
        let target = format!("{RUNS}/{}", run["id"].as_str().expect("an id"));
        server.call("GET", &target).by(ci()).send().status
    };
    assert_eq!((look(&own), look(&others)), (200, 403));
    let listed = server.call("GET", RUNS).by(ci()).send().expect(200);
    let listed = read_json(&listed);
    assert_eq!(listed["verifications"].as_array().map(Vec::len), Some(1));
    for body in ["{\"backend\":\"tape\"}", "{\"x\":1}", "["] {
        let answer = post(body).send().expect(400);
        assert_eq!(read_json(&answer)["code"], "InvalidArgument", "{body}");
    }
    assert_eq!(post("{\"package\":\"absent\"}").send().status, 404);
    let unknown = "0193f0c4-7f1e-7c3a-9c1f-0123456789ab";
    assert_eq!(get(&server, &format!("{RUNS}/{unknown}")).status, 404);
    assert_eq!(get(&server, &format!("{RUNS}/x")).status, 400);
    // An empty package is verified, too.
    let run = wait_for(&server, &own, |run| run["state"] == "completed");
    assert_eq!(counts(&run), [0; 6]);
    let ends = events(&server, 0, "&types=v1.storage.verification_completed");
    let end = ends.iter().find(|end| end["subject_id"] == own["id"]);
    assert_eq!(
        end.expect("it is said")["payload"]["package_id"],
        own["package_id"]
    );
}

#[test]
fn the_command_shows_what_is_damaged_and_says_it_by_its_code() {
    let server = Server::start();
    server.make_bucket("bucket");
    let bytes = content(1, 20_000);
    put(&server, "/bucket/key", &bytes);
    let (code, text) = command(&server, &["verify"]);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("all 1 locations are as they should be"),
        "{text}"
    );
    fs::remove_file(stored_file(&server, "blobs", &bytes)).expect("it is there");
    let (code, text) = command(&server, &["verify", "bucket", "--backend", "local"]);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("missing") && text.contains("/key on local"),
        "{text}"
    );
    let (code, text) = command(&server, &["verify", "--json"]);
    assert_eq!(code, 1);
    let run: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(counts(&run), [1, 0, 1, 1, 0, 0]);
    put(&server, "/bucket/again", &bytes);
    assert_eq!(command(&server, &["verify"]).0, 0);
    let (code, _) = command(&server, &["verify", "absent"]);
    assert_eq!(code, 1);
}

#[test]
fn each_location_of_each_run_is_an_event_where_that_is_wanted() {
    let server = Server::start_with("[verification]\nevents = \"each\"", &[]);
    server.make_bucket("bucket");
    let bytes = content(1, 20_000);
    put(&server, "/bucket/file", &bytes);
    put(&server, "/bucket/small", b"small");
    verify(&server, &json!({}));
    verify(&server, &json!({}));
    assert_eq!(verdicts(&server, 0).len(), 4);
    flip(&stored_file(&server, "blobs", &bytes), 1);
    let before = head(&server);
    for _ in 0..2 {
        verify(&server, &json!({}));
    }
    let found = verdicts(&server, before);
    let bad = found
        .iter()
        .filter(|event| event["payload"]["verified"] == false);
    assert_eq!((found.len(), bad.count()), (4, 2), "{found:#?}");
    audit(server);
}

#[test]
fn the_clock_begins_a_run_when_one_is_due() {
    let server = Server::start_with("[verification]\ninterval_seconds = 1", &[]);
    server.make_bucket("bucket");
    put(&server, "/bucket/file", &content(1, 20_000));
    let since = Instant::now();
    while events(&server, 0, "&types=v1.storage.verification_completed").len() < 2 {
        assert!(since.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(20));
    }
    let found = wait_for_verdicts(&server, 0, 1);
    assert_eq!(found[0]["actor"], "storage-verifier");
    assert_eq!(found.len(), 1);
}
