//! Several backends: which takes what, what is said while one is away, and what is never written to a
//! mount point without its disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::bytes::{content, stored_file};
use crate::support::harm::{cut, flip};
use crate::support::log::events;
use crate::support::multipart;
use crate::support::program::audit;
use crate::support::server::Server;

const MIB: usize = 1 << 20;

/// How long a run may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn config(disk: &Path) -> String {
    format!(
        "[[backends]]\nid = 'disk'\nkind = 'local'\npath = '{}'\n\n\
         [[backend_rules]]\nproducer = 'ci-*'\nbackend = 'disk'\n\n\
         [janitor]\nsweep_interval_seconds = 3600\n",
        disk.display()
    )
}

/// A folder with room for a backend.
fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    (folder, disk)
}

fn blob_at(root: &Path, bytes: &[u8]) -> PathBuf {
    let hex = blake3::hash(bytes).to_hex();
    root.join("blobs").join(&hex[..2]).join(hex.as_str())
}

fn api(server: &Server, method: &str, path: &str, body: &Value) -> Value {
    let call = server.call(method, &format!("/_holdfast/v1{path}"));
    let answer = if body.is_null() {
        call.send()
    } else {
        call.body(body.to_string()).send()
    };
    assert!((200..300).contains(&answer.status), "{}", answer.text());
    serde_json::from_slice(&answer.body).expect("JSON")
}

fn make(server: &Server, bucket: &str, producer: &str) {
    let body = json!({"bucket": bucket, "producer": producer});
    api(server, "POST", "/packages", &body);
}

fn put(server: &Server, target: &str, bytes: &[u8]) {
    server.call("PUT", target).body(bytes).send().expect(200);
}

fn get(server: &Server, target: &str) -> Vec<u8> {
    server.call("GET", target).send().expect(200).body
}

/// The counts of a run: checked, verified, mismatched, unreachable, repaired.
fn verify(server: &Server, scope: &Value) -> [u64; 5] {
    let run = api(server, "POST", "/verifications", scope);
    let path = format!("/verifications/{}", run["id"].as_str().unwrap());
    let since = Instant::now();
    loop {
        let run = api(server, "GET", &path, &Value::Null);
        if run["state"] == "completed" {
            let names = [
                "checked",
                "verified",
                "mismatched",
                "unreachable",
                "repaired",
            ];
            return names.map(|name| run[name].as_u64().unwrap());
        }
        assert!(since.elapsed() < PATIENCE, "{run:#}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn health(server: &Server, id: &str) -> Value {
    let parts = api(server, "GET", "/health/backends", &Value::Null)["backends"].clone();
    let mut parts = parts.as_array().unwrap().clone().into_iter();
    parts.find(|part| part["id"] == id).expect("it is listed")
}

/// Starts the program on a data directory, which must refuse, and answers what it says.
fn refusal(data: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .args(arguments)
        .env_clear()
        .output()
        .expect("the binary runs");
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// How many files there are under a directory.
fn files_under(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            if entry.file_type().unwrap().is_dir() {
                files_under(&entry.path())
            } else {
                1
            }
        })
        .sum()
}

#[test]
fn a_rule_places_bytes_and_the_rest_stays_at_home() {
    let (_folder, disk) = folder();
    let server = Server::start_with(&config(&disk), &[]);
    make(&server, "ours", "ci-linux");
    make(&server, "theirs", "people");
    let (large, small) = (content(1, 100_000), content(2, 100));
    for bucket in ["ours", "theirs"] {
        put(&server, &format!("/{bucket}/large"), &large);
        put(&server, &format!("/{bucket}/small"), &small);
        put(&server, &format!("/{bucket}/empty"), b"");
    }
    let (first, second) = (content(3, 5 * MIB), content(4, 1000));
    let (upload, etags) = multipart::upload(&server, "/ours/parts", &[&first, &second]);
    let done = multipart::complete(&server, "/ours/parts", &upload, &etags);
    done.send().expect(200);

    for bytes in [&large, &small, &first, &second, &Vec::new()] {
        assert!(fs::read(blob_at(&disk, bytes)).expect("it is there") == *bytes);
    }
    assert!(stored_file(&server, "blobs", &large).exists());
    assert!(
        !stored_file(&server, "blobs", &small).exists(),
        "in the database"
    );
    for bucket in ["ours", "theirs"] {
        assert!(get(&server, &format!("/{bucket}/large")) == large);
        assert!(get(&server, &format!("/{bucket}/small")) == small);
        assert!(get(&server, &format!("/{bucket}/empty")).is_empty());
    }
    assert!(get(&server, "/ours/parts") == [first, second].concat());
    // A copy stays where its bytes are.
    let copy = server.call("PUT", "/theirs/copy");
    let copy = copy.header("x-amz-copy-source", "/ours/large");
    copy.send().expect(200);
    assert!(get(&server, "/theirs/copy") == large);
    let files = api(&server, "GET", "/packages/theirs/files", &Value::Null);
    assert!(files.to_string().contains("copy"));
    assert_eq!(verify(&server, &json!({})), [8, 8, 0, 0, 0]);
    assert_eq!(
        verify(&server, &json!({"backend": "disk"})),
        [5, 5, 0, 0, 0]
    );
    assert_eq!(health(&server, "disk")["is_healthy"], true);
}

#[test]
fn a_disk_that_is_away_is_out_of_reach_and_nothing_is_missing() {
    let (folder, disk) = folder();
    let mut server = Server::start_with(&config(&disk), &[]);
    make(&server, "ours", "ci-linux");
    make(&server, "theirs", "people");
    let (first, second) = (content(1, 100_000), content(2, 200_000));
    put(&server, "/ours/a", &first);
    put(&server, "/ours/b", &second);
    put(&server, "/theirs/b", &second);

    let check = |server: &Server| {
        let trouble = health(server, "disk")["trouble"].to_string();
        assert!(trouble.contains("mounted"), "{trouble}");
        server.call("GET", "/ours/a").send().expect(503);
        // The same bytes are elsewhere too.
        assert!(get(server, "/ours/b") == second);
        let writing = server.call("PUT", "/ours/c").body(&first[..]);
        writing.send().expect(503);
        put(server, "/theirs/c", &first[1..]);
        let [_, _, mismatched, unreachable, _] = verify(server, &json!({}));
        assert_eq!((mismatched, unreachable), (0, 2));
    };
    // It goes while the server runs, and an empty mount point stays.
    let away = folder.path().join("away");
    fs::rename(&disk, &away).unwrap();
    fs::create_dir(&disk).unwrap();
    check(&server);
    // It is not there at the start either.
    server.stop();
    let server = server.restart();
    check(&server);
    assert_eq!(
        files_under(&disk),
        0,
        "nothing is written to the mount point"
    );
    assert_eq!(fs::read_dir(&disk).unwrap().count(), 0);
    // It comes back, and no restart is needed.
    fs::remove_dir(&disk).unwrap();
    fs::rename(&away, &disk).unwrap();
    assert!(get(&server, "/ours/a") == first);
    put(&server, "/ours/c", &first);
    assert_eq!(health(&server, "disk")["is_healthy"], true);
    assert_eq!(verify(&server, &json!({})), [5, 5, 0, 0, 0]);
    // A backend that the settings do not name any more.
    let server = server.restart_with("");
    server.call("GET", "/ours/a").send().expect(503);
    let [_, _, mismatched, unreachable, _] = verify(&server, &json!({}));
    assert_eq!((mismatched, unreachable), (0, 3));
}

#[test]
fn a_directory_of_another_store_is_refused() {
    let (_folder, disk) = folder();
    let mut server = Server::start_with(&config(&disk), &[]);
    make(&server, "ours", "ci-linux");
    let bytes = content(1, 100_000);
    put(&server, "/ours/a", &bytes);
    // Another database does not take the directory for its own: its janitor would empty it.
    let other = Server::start_with(&config(&disk), &[]);
    let trouble = health(&other, "disk")["trouble"].to_string();
    assert!(trouble.contains("another store"), "{trouble}");
    assert!(get(&server, "/ours/a") == bytes);

    // The data directory without its blobs: the start refuses, and makes none.
    server.stop();
    let blobs = server.data().join("blobs");
    let away = server.directory().join("away");
    fs::rename(&blobs, &away).unwrap();
    let said = refusal(&server.data(), &[]);
    assert!(
        said.contains("mounted") && said.contains("--data"),
        "{said}"
    );
    assert!(!blobs.exists());
    fs::rename(&away, &blobs).unwrap();
    let server = server.restart();
    assert!(get(&server, "/ours/a") == bytes);
}

#[test]
fn settings_of_backends_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    let backend = |id: &str| format!("[[backends]]\nid = '{id}'\nkind = 'local'\npath = '/x'\n");
    for (text, expected) in [
        (backend("local"), "the id is taken"),
        (backend("inline"), "the id is taken"),
        (backend("a") + &backend("a"), "the id is taken"),
        (backend("A b"), "an id is"),
        (
            backend("a").replace("'local'", "'s3'"),
            "no kind of backend",
        ),
        (
            "[[backend_rules]]\nbackend = 'x'\n".to_owned(),
            "the unknown backend 'x'",
        ),
        (
            "[retention]\narchive_backend = 'x'\n".to_owned(),
            "the unknown backend 'x'",
        ),
    ] {
        fs::write(&file, &text).unwrap();
        let said = refusal(folder.path(), &["--config", file.to_str().unwrap()]);
        assert!(said.contains(expected), "{text}{said}");
    }
}

#[test]
fn a_damaged_blob_is_made_good_on_its_own_backend() {
    let (_folder, disk) = folder();
    let server = Server::start_with(&config(&disk), &[]);
    make(&server, "ours", "ci-linux");
    let bytes = content(1, 100_000);
    put(&server, "/ours/a", &bytes);
    let finalize = server.call("PUT", "/ours/.holdfast/finalize").body("");
    finalize.send().expect(200);
    let blob = blob_at(&disk, &bytes);
    flip(&blob, 50_000);
    assert_eq!(verify(&server, &json!({})), [1, 0, 1, 0, 0]);
    put(&server, "/ours/a", &bytes);
    assert!(fs::read(&blob).unwrap() == bytes);
    assert!(get(&server, "/ours/a") == bytes);
}

/// A server that archives finalized packages of the class `kept` when it is told to sweep.
fn archiving(disk: &Path) -> Server {
    let config = format!(
        "{}\n[retention]\narchive_backend = 'disk'\n\n\
         [[retention_classes]]\nid = 'kept'\nduration_seconds = 0\n\
         deletion_strategy = 'archive_then_purge'\n",
        config(disk).replace(
            "sweep_interval_seconds = 3600",
            "sweep_interval_seconds = 3600\ninterval_seconds = 1\ngrace_seconds = 0"
        )
    );
    Server::start_with(&config, &[])
}

fn make_kept(server: &Server, bucket: &str) -> String {
    let body = json!({"bucket": bucket, "retention_class": "kept"});
    let made = api(server, "POST", "/packages", &body);
    made["id"].as_str().unwrap().to_owned()
}

fn finalize(server: &Server, bucket: &str) {
    let call = server.call("PUT", &format!("/{bucket}/.holdfast/finalize"));
    call.body("").send().expect(200);
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn added(server: &Server) -> Vec<Value> {
    events(server, 0, "&types=v1.storage.location_added")
}

#[test]
fn a_package_is_archived_then_purged() {
    let (_folder, disk) = folder();
    let mut server = archiving(&disk);
    let id = make_kept(&server, "pkg");
    let (small, large) = (content(1, 100), content(2, 100_000));
    let (first, second) = (content(3, 5 * MIB), content(4, 1000));
    let whole = [first.clone(), second.clone()].concat();
    put(&server, "/pkg/small", &small);
    put(&server, "/pkg/large", &large);
    let (upload, etags) = multipart::upload(&server, "/pkg/parts", &[&first, &second]);
    let done = multipart::complete(&server, "/pkg/parts", &upload, &etags);
    done.send().expect(200);
    finalize(&server, "pkg");
    let path = "/packages/pkg/holds";
    let hold = api(&server, "POST", path, &json!({"reason": "wait"}));
    let swept = api(&server, "POST", "/retention/sweep", &json!({}));
    assert_eq!(swept["ended"], json!([]));
    assert_eq!(added(&server).len(), 0, "held, it is not even copied");
    let path = format!("{path}/{}/release", hold["hold_id"].as_str().unwrap());
    api(&server, "POST", &path, &json!({"reason": "over"}));
    let swept = api(&server, "POST", "/retention/sweep", &json!({}));
    assert_eq!(swept["ended"], json!([id]));

    let tombstone = api(&server, "GET", &format!("/packages/{id}"), &Value::Null);
    assert_eq!(tombstone["status"], "deleted");
    assert_eq!(tombstone["archive_backend"], "disk");
    let found = events(&server, 0, "&types=v1.package.deleted");
    assert_eq!(found[0]["payload"]["strategy"], "archive_then_purge");
    assert_eq!(found[0]["payload"]["archive_backend"], "disk");
    let added = added(&server);
    assert_eq!(added.len(), 3);
    for event in &added {
        assert_eq!(event["package_id"], id.as_str());
        assert_eq!(event["payload"]["backend_id"], "disk");
    }
    // The janitor takes the old places, and never the archive.
    let reclaimed = |server: &Server| events(server, 0, "&types=v1.storage.blob_reclaimed").len();
    wait_until("the old places go", || reclaimed(&server) >= 4);
    for bytes in [&large, &first, &second] {
        assert!(!stored_file(&server, "blobs", bytes).exists());
    }
    // What is archived keeps its place when the same bytes come and go.
    make(&server, "ours", "ci-linux");
    put(&server, "/ours/large", &large);
    put(&server, "/ours/other", &second);
    for key in ["large", "other"] {
        server
            .call("DELETE", &format!("/ours/{key}"))
            .send()
            .expect(204);
    }
    wait_until("the other goes", || reclaimed(&server) >= 5);
    for bytes in [&small, &large, &whole] {
        assert!(fs::read(blob_at(&disk, bytes)).expect("it is kept") == *bytes);
    }
    server.stop();
    audit(&server);
}

#[test]
fn an_archive_that_a_crash_cut_off_goes_on() {
    const FILES: u64 = 120;
    let (_folder, disk) = folder();
    let mut server = archiving(&disk);
    let id = make_kept(&server, "pkg");
    let body = |number: u64| content(number, 1000 + 300 * number as usize);
    for number in 0..FILES {
        put(&server, &format!("/pkg/{number}"), &body(number));
    }
    finalize(&server, "pkg");
    let mut cut_off = 0;
    for round in 1..=2 {
        thread::scope(|scope| {
            scope.spawn(|| {
                // Cut off with the server.
                let mut connection = server.connect();
                let sweep = server.call("POST", "/_holdfast/v1/retention/sweep");
                connection.send(sweep.body("{}").bytes());
                let _ = connection.try_answer(false);
            });
            wait_until("copies are written down", || {
                added(&server).len() > cut_off || !is_there(&server)
            });
            let pid = server.pid().to_string();
            let killed = Command::new("kill").args(["-9", &pid]).status();
            assert!(killed.unwrap().success());
        });
        server = server.restart();
        cut_off = added(&server).len();
        assert!(cut_off > 0, "round {round}");
    }
    for number in 0..FILES {
        if is_there(&server) {
            assert!(get(&server, &format!("/pkg/{number}")) == body(number));
        }
    }
    api(&server, "POST", "/retention/sweep", &json!({}));
    assert_eq!(added(&server).len() as u64, FILES, "each once");
    let found = events(&server, 0, "&types=v1.package.deleted");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["package_id"], id.as_str());
    for number in 0..FILES {
        let bytes = body(number);
        assert!(fs::read(blob_at(&disk, &bytes)).expect("it is kept") == bytes);
    }
    server.stop();
    audit(&server);
}

fn is_there(server: &Server) -> bool {
    server.call("GET", "/pkg?list-type=2").send().status == 200
}

#[test]
fn a_second_place_is_served_from_and_repairs() {
    let (_folder, disk) = folder();
    let server = archiving(&disk);
    make_kept(&server, "pkg");
    let bytes: Vec<_> = (1..=4).map(|seed| content(seed, 100_000)).collect();
    for (number, bytes) in bytes.iter().enumerate() {
        put(&server, &format!("/pkg/{number}"), bytes);
    }
    finalize(&server, "pkg");
    // Copied, and held before the end: each file has two places.
    fs::rename(
        blob_at(&server.data(), &bytes[3]),
        server.directory().join("kept"),
    )
    .unwrap();
    let swept = api(&server, "POST", "/retention/sweep", &json!({}));
    assert_eq!(swept["ended"], json!([]), "one file cannot be copied");
    api(
        &server,
        "POST",
        "/packages/pkg/holds",
        &json!({"reason": "wait"}),
    );
    fs::rename(
        server.directory().join("kept"),
        blob_at(&server.data(), &bytes[3]),
    )
    .unwrap();
    assert_eq!(added(&server).len(), 3);
    let [checked, verified, ..] = verify(&server, &json!({"package": "pkg"}));
    assert_eq!((checked, verified), (7, 7));

    for root in [&server.data(), &disk] {
        let blob = |number: usize| blob_at(root, &bytes[number]);
        flip(&blob(0), 50_000);
        cut(&blob(1), 70_000);
        fs::remove_file(blob(2)).unwrap();
        let run = verify(&server, &json!({"package": "pkg"}));
        assert_eq!(run, [7, 4, 3, 0, 3], "{}", root.display());
        for (number, bytes) in bytes.iter().enumerate() {
            let is_there = fs::read(blob(number)).is_ok_and(|found| found == *bytes);
            assert!(is_there || number == 3);
        }
        // The bytes of one in the place of another.
        fs::copy(blob(1), blob(0)).unwrap();
        assert!(get(&server, "/pkg/0") == bytes[0]);
        wait_until("it is repaired", || {
            verify(&server, &json!({"package": "pkg"}))[2] == 0
        });
        assert!(fs::read(blob(0)).unwrap() == bytes[0]);
    }
}
