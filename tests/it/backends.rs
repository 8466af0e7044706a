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
use crate::support::harm::flip;
use crate::support::multipart;
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
