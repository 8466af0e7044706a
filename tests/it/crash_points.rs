//! A crash at each named point of each operation (`src/registry/crash_point.rs`), and in every commit
//! of it: what was acknowledged is there, no row lacks its blob, no blob is kept for ever, the
//! operation can be repeated, and the views are those of the log.

use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use holdfast::registry::crash_point::CRASH_POINTS;
use serde_json::Value;

use crate::support::bytes::{composite_etag, content, stored_file};
use crate::support::call::Call;
use crate::support::connection::Answer;
use crate::support::database::texts;
use crate::support::harm::flip;
use crate::support::log::{dense_events, events};
use crate::support::multipart;
use crate::support::program::audit;
use crate::support::server::Server;

const MIB: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a server that does not pass its point may take with the operation.
const NO_CRASH: Duration = Duration::from_millis(1500);

/// More commits than any operation here has.
const MAX_COMMITS: usize = 9;

/// Nothing happens by the clock.
const QUIET: &str = "[janitor]\ninterval_seconds = 86400\nsweep_interval_seconds = 86400\n\
    [[retention_classes]]\nid = \"short\"\nduration_seconds = 1\n\
    deletion_strategy = \"purge\"\ngrace_seconds = 0\n";

/// The janitor runs all the time and keeps nothing.
const TIDY: &str = "[janitor]\ninterval_seconds = 1\ngrace_seconds = 0\nsweep_interval_seconds = 86400\n\
    [[retention_classes]]\nid = \"short\"\nduration_seconds = 1\n\
    deletion_strategy = \"purge\"\ngrace_seconds = 0\n";

/// An operation that a crash cuts off.
struct Operation {
    /// The points on its way.
    points: &'static [&'static str],
    /// What must be there before it.
    prepare: fn(&Server),
    /// The settings that it runs with.
    config: &'static str,
    /// The operation: every call of it may break off.
    act: fn(&Server),
    /// The same once more, now with its whole outcome.
    repeat: fn(&Server),
}

/// A call that a crash may cut off.
fn attempt(server: &Server, call: &Call) -> Option<Answer> {
    // Nobody may listen any more.
    std::net::TcpStream::connect(server.address).ok()?;
    let mut connection = server.connect();
    connection.try_send(call.bytes()).then_some(())?;
    connection.try_answer(false)
}

fn put(server: &Server, target: &str, bytes: &[u8]) {
    server.call("PUT", target).body(bytes).send().expect(200);
}

fn has(server: &Server, target: &str, bytes: &[u8]) {
    let answer = server.call("GET", target).send().expect(200);
    assert!(answer.body == bytes, "{target}");
}

/// What was acknowledged before the operation: content of all three kinds.
fn kept() -> [(&'static str, Vec<u8>); 2] {
    [
        ("/kept/small", content(1, 100)),
        ("/kept/large", content(2, 50_000)),
    ]
}

fn parts() -> [Vec<u8>; 2] {
    [content(3, 5 * MIB), content(4, 30_000)]
}

fn prepare(server: &Server) {
    server.make_bucket("kept");
    for (target, bytes) in kept() {
        put(server, target, &bytes);
    }
    server.make_bucket("bucket");
    put(server, "/bucket/key", b"before");
}

/// The addresses of the blobs that are on disk, and of their trees.
fn on_disk(server: &Server, folder: &str) -> BTreeSet<String> {
    let folders = fs::read_dir(server.data().join(folder)).expect("it is there");
    // Beside the folders stands the mark of the store.
    let folders = folders
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir());
    let files = folders.flat_map(|folder| fs::read_dir(folder).expect("it is there"));
    let name = |file: std::io::Result<fs::DirEntry>| {
        let name = file.expect("a file").file_name();
        name.into_string().expect("UTF-8")
    };
    files.map(name).collect()
}

/// The addresses that rows refer to.
fn referenced(server: &Server) -> BTreeSet<String> {
    const QUERY: &str = "SELECT lower(hex(content_address)) FROM storage_locations \
        WHERE backend_id = 'local' AND object_key <> 'parts' \
        UNION SELECT lower(hex(content_address)) FROM part_references \
        UNION SELECT lower(hex(address)) FROM upload_parts";
    texts(server, QUERY).into_iter().collect()
}

/// Small content without a row that refers to it.
fn unreferenced_inline(server: &Server) -> Vec<String> {
    texts(
        server,
        "SELECT lower(hex(address)) FROM inline_blobs WHERE address NOT IN \
         (SELECT content_address FROM storage_locations WHERE backend_id = 'inline')",
    )
}

/// Everything is as it should be, once the janitor has run.
fn check(server: Server, operation: &Operation) {
    let mut server = server.restart_to_crash(QUIET, "");
    for (target, bytes) in kept() {
        has(&server, target, &bytes);
    }
    let rows = referenced(&server);
    let blobs = on_disk(&server, "blobs");
    assert!(rows.is_subset(&blobs), "a row without its blob");
    (operation.repeat)(&server);
    dense_events(&server, 0);
    server = server.restart_to_crash(TIDY, "");
    let since = Instant::now();
    let is_tidy = |server: &Server| {
        let staging = fs::read_dir(server.data().join("staging")).expect("it is there");
        let rows = referenced(server);
        on_disk(server, "blobs") == rows
            && on_disk(server, "trees").is_subset(&rows)
            && unreferenced_inline(server).is_empty()
            && staging.count() == 0
    };
    while !is_tidy(&server) {
        assert!(
            since.elapsed() < PATIENCE,
            "on disk {:#?}, referred to {:#?}, small ones {:#?}",
            on_disk(&server, "blobs"),
            referenced(&server),
            unreferenced_inline(&server)
        );
        thread::sleep(Duration::from_millis(50));
    }
    let pieces = "SELECT hex(pieces_id) FROM payload_pieces WHERE pieces_id NOT IN \
                  (SELECT pieces_id FROM events WHERE pieces_id IS NOT NULL)";
    assert!(texts(&server, pieces).is_empty(), "pieces of no payload");
    for (target, bytes) in kept() {
        has(&server, target, &bytes);
    }
    (operation.repeat)(&server);
    server.kill();
    audit(&server);
}

/// Whether the operation passes a point, and what is left is right.
fn crash_at(operation: &Operation, point: &str, patience: Duration) -> bool {
    let mut server = Server::start_with(QUIET, &[]);
    prepare(&server);
    (operation.prepare)(&server);
    server.stop();
    let mut server = server.restart_to_crash(operation.config, point);
    (operation.act)(&server);
    let has_crashed = server.has_crashed(patience);
    eprintln!("{point}: {has_crashed}");
    server.kill();
    check(server, operation);
    has_crashed
}

fn crash_everywhere(operation: &Operation) {
    for point in operation.points {
        let name = point.split(':').next().expect("a name");
        assert!(CRASH_POINTS.contains(&name), "{point}");
        assert!(
            crash_at(operation, point, PATIENCE),
            "{point} was not passed"
        );
    }
}

/// A crash in every commit of an operation, as many as there are. The first one of a server is that
/// of the classes in its settings.
fn crash_in_every_commit(operation: &Operation) {
    for point in ["commit.written", "commit.done"] {
        for pass in 2..=MAX_COMMITS {
            if !crash_at(operation, &format!("{point}:{pass}"), NO_CRASH) {
                assert!(pass > 2, "{point} was not passed");
                break;
            }
        }
    }
}

const INGEST: Operation = Operation {
    points: &[
        "ingest.staged",
        "ingest.published",
        "ingest.recorded",
        "ingest.staged:2",
        "ingest.recorded:2",
    ],
    prepare: |_| {},
    config: QUIET,
    act: |server| {
        for (key, length) in [("key", 40_000), ("small", 10)] {
            let call = server.call("PUT", &format!("/bucket/{key}"));
            attempt(server, &call.body(content(5, length)));
        }
    },
    repeat: |server| {
        let bytes = content(5, 40_000);
        let found = server.call("GET", "/bucket/key").send().expect(200).body;
        assert!(found == b"before" || found == bytes, "old or new");
        put(server, "/bucket/key", &bytes);
        has(server, "/bucket/key", &bytes);
        put(server, "/bucket/small", &content(5, 10));
    },
};

#[test]
fn a_crash_at_each_point_of_a_write() {
    crash_everywhere(&INGEST);
}

#[test]
fn a_crash_in_each_commit_of_a_write() {
    crash_in_every_commit(&INGEST);
}

const MULTIPART: Operation = Operation {
    points: &[
        "part.staged",
        "part.published:2",
        "part.recorded:2",
        "complete.hashed",
        "complete.recorded",
        "commit.written:5",
        "commit.done:5",
    ],
    prepare: |_| {},
    config: QUIET,
    act: |server| {
        let parts = parts();
        let Some(created) = attempt(server, &multipart::create(server, "/bucket/key")) else {
            return;
        };
        let upload = created.element("UploadId").expect("an upload");
        let mut etags = Vec::new();
        for (number, part) in (1..).zip(&parts) {
            let call = multipart::part(server, "/bucket/key", &upload, number, part);
            let Some(answer) = attempt(server, &call) else {
                return;
            };
            etags.push(answer.header("etag").expect("an ETag").to_owned());
        }
        let call = multipart::complete(server, "/bucket/key", &upload, &etags);
        attempt(server, &call);
    },
    repeat: |server| {
        let parts = parts();
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let found = server.call("GET", "/bucket/key").send().expect(200).body;
        assert!(found == b"before" || found == parts.concat(), "old or new");
        let listed = server.call("GET", "/bucket?uploads").send().expect(200);
        if let Some(upload) = listed.element("UploadId") {
            // What was acknowledged of it is there.
            let target = format!("/bucket/key?uploadId={upload}");
            let landed = server.call("GET", &target).send().expect(200);
            let count = landed.text().matches("<PartNumber>").count();
            assert!(count <= parts.len());
            server.call("DELETE", &target).send().expect(204);
        }
        let (upload, etags) = multipart::upload(server, "/bucket/key", &parts);
        let call = multipart::complete(server, "/bucket/key", &upload, &etags);
        let answer = call.send().expect(200);
        let etag = multipart::completed_etag(&answer);
        assert_eq!(etag, Some(composite_etag(&parts)), "{}", answer.text());
        has(server, "/bucket/key", &parts.concat());
    },
};

#[test]
fn a_crash_at_each_point_of_a_multipart_upload() {
    crash_everywhere(&MULTIPART);
}

fn finalize(server: &Server, package: &str) -> String {
    let target = format!("/{package}/.holdfast/finalize");
    let answer = server.call("PUT", &target).send().expect(200);
    let digest = answer.header("x-holdfast-manifest-digest");
    digest.expect("a digest").to_owned()
}

const FINALIZE: Operation = Operation {
    points: &["finalize.sealed", "finalize.built", "finalize.recorded"],
    prepare: |server| put(server, "/bucket/large", &content(6, 30_000)),
    config: QUIET,
    act: |server| {
        attempt(server, &server.call("PUT", "/bucket/.holdfast/finalize"));
    },
    repeat: |server| {
        let said = events(server, 0, "&types=v1.package.finalized");
        let digest = finalize(server, "bucket");
        assert_eq!(digest, finalize(server, "bucket"));
        if let Some(event) = said.first() {
            assert_eq!(event["payload_digest"], *digest);
        }
        assert_eq!(events(server, 0, "&types=v1.package.finalized").len(), 1);
        has(server, "/bucket/large", &content(6, 30_000));
        let refused = server.call("PUT", "/bucket/more").body("x").send();
        refused.expect_fault(403, "AccessDenied");
    },
};

#[test]
fn a_crash_at_each_point_of_a_finalize() {
    crash_everywhere(&FINALIZE);
}

#[test]
fn a_crash_in_each_commit_of_a_finalize() {
    crash_in_every_commit(&FINALIZE);
}

#[test]
fn a_crash_between_the_pieces_of_a_manifest() {
    crash_everywhere(&Operation {
        points: &["finalize.piece", "finalize.piece:2"],
        prepare: |server| {
            put(server, "/bucket/large", &content(6, 30_000));
            thread::scope(|scope| {
                for writer in 0..4 {
                    scope.spawn(move || {
                        let mut connection = server.connect();
                        for number in (writer..800).step_by(4) {
                            let key = format!("/bucket/{number}/{}", "k".repeat(1000));
                            let call = server.call("PUT", &key).body("x");
                            call.send_on(&mut connection).expect(200);
                        }
                    });
                }
            });
        },
        ..FINALIZE
    });
}

fn status(server: &Server, id: &str) -> String {
    let target = format!("/_holdfast/v1/packages/{id}");
    let answer = server.call("GET", &target).send().expect(200);
    let package: Value = serde_json::from_slice(&answer.body).expect("JSON");
    package["status"].as_str().expect("a status").to_owned()
}

/// Sweeps until a package has ended, by its id in the log.
fn sweep_to_the_end(server: &Server) {
    let created = events(server, 0, "&types=v1.package.created");
    let ends = created
        .iter()
        .find(|event| event["payload"]["name"] == "ends");
    let id = ends.expect("it was created")["package_id"].as_str();
    let id = id.expect("an id").to_owned();
    let since = Instant::now();
    while status(server, &id) != "deleted" {
        assert!(since.elapsed() < PATIENCE);
        let target = "/_holdfast/v1/retention/sweep";
        server.call("POST", target).send().expect(200);
    }
    let ended = events(server, 0, "&types=v1.package.deleted");
    assert_eq!(ended.len(), 1, "it ends once");
    let missing = server.call("GET", "/ends?list-type=2").send();
    missing.expect_fault(404, "NoSuchBucket");
    let manifest = format!("/_holdfast/v1/packages/{id}/manifest");
    server.call("GET", &manifest).send().expect(200);
}

const SWEEP: Operation = Operation {
    points: &[
        "sweep.declaring",
        "sweep.declared",
        "sweep.ending",
        "sweep.ended",
    ],
    prepare: |server| {
        let call = server.call("POST", "/_holdfast/v1/packages");
        call.body("{\"bucket\":\"ends\",\"retention_class\":\"short\"}")
            .send()
            .expect(201);
        put(server, "/ends/large", &content(7, 30_000));
        // The same bytes as in a package that stays.
        put(server, "/ends/shared", &kept()[1].1);
        finalize(server, "ends");
    },
    config: QUIET,
    act: |server| {
        // Until its second is over there is nothing to do.
        let since = Instant::now();
        while since.elapsed() < Duration::from_secs(3)
            && attempt(
                server,
                &server.call("POST", "/_holdfast/v1/retention/sweep"),
            )
            .is_some()
        {}
    },
    repeat: sweep_to_the_end,
};

#[test]
fn a_crash_at_each_point_of_the_sweeper() {
    crash_everywhere(&SWEEP);
}

#[test]
fn a_crash_at_each_point_of_the_janitor() {
    crash_everywhere(&Operation {
        points: &[
            "reclaim.deleting",
            "reclaim.deleted",
            "reclaim.recorded",
            "reclaim.inline",
            "reclaim.deleted:2",
        ],
        prepare: |server| {
            for (key, length) in [("one", 30_000), ("two", 90_000), ("small", 10)] {
                put(server, &format!("/bucket/{key}"), &content(8, length));
                let call = server.call("DELETE", &format!("/bucket/{key}"));
                call.send().expect(204);
            }
            // Bytes that a reference still holds.
            put(server, "/bucket/same", &kept()[1].1);
            server.call("DELETE", "/bucket/same").send().expect(204);
        },
        config: TIDY,
        act: |_| {},
        repeat: |server| {
            // Bytes that went, or were about to, come again.
            put(server, "/bucket/again", &content(8, 30_000));
            has(server, "/bucket/again", &content(8, 30_000));
        },
    });
}

#[test]
fn a_crash_while_an_upload_expires() {
    crash_everywhere(&Operation {
        points: &["reclaim.upload"],
        prepare: |server| {
            multipart::upload(server, "/bucket/open", &[&content(9, 20_000)]);
        },
        config: "[janitor]\ninterval_seconds = 1\ngrace_seconds = 0\nupload_expiry_seconds = 0\n\
                 sweep_interval_seconds = 86400",
        act: |_| {},
        repeat: |server| {
            let listed = server.call("GET", "/bucket?uploads").send().expect(200);
            let upload = listed.element("UploadId");
            if let Some(upload) = upload {
                let target = format!("/bucket/open?uploadId={upload}");
                server.call("DELETE", &target).send().expect(204);
            }
        },
    });
}

#[test]
fn a_crash_at_each_point_of_a_verification() {
    const NOT_INLINE: &str = "[blob]\ninline_max_bytes = 0\n[janitor]\ninterval_seconds = 86400\n\
        sweep_interval_seconds = 86400";
    // Damaged, and with a second copy.
    let twice = content(10, 1000);
    for point in [
        "verify.read",
        "verify.saving",
        "verify.saved",
        "verify.ending",
        "repair.writing",
        "repair.written",
        "commit.written:2",
        "commit.done:2",
        "commit.done:3",
    ] {
        let server = Server::start_with(QUIET, &[]);
        prepare(&server);
        put(&server, "/bucket/inline", &twice);
        let mut server = server.restart_with(NOT_INLINE);
        put(&server, "/bucket/local", &twice);
        server.stop();
        let path = stored_file(&server, "blobs", &twice);
        flip(&path, 5);
        let mut server = server.restart_to_crash(NOT_INLINE, point);
        attempt(
            &server,
            &server
                .call("POST", "/_holdfast/v1/verifications")
                .body("{}"),
        );
        assert!(server.has_crashed(PATIENCE), "{point} was not passed");
        eprintln!("{point}");
        let repair = |server: &Server| {
            // The run that was cut off goes on; where it was not begun, one is.
            let target = "/_holdfast/v1/verifications";
            let since = Instant::now();
            while fs::read(stored_file(server, "blobs", &twice)).expect("it is there") != twice {
                assert!(since.elapsed() < PATIENCE, "it is not repaired");
                server.call("POST", target).body("{}").send().expect(202);
                thread::sleep(Duration::from_millis(50));
            }
            has(server, "/bucket/local", &twice);
            loop {
                let answer = server.call("GET", target).send().expect(200);
                let list: Value = serde_json::from_slice(&answer.body).expect("JSON");
                if !list.to_string().contains("\"running\"") {
                    break;
                }
                assert!(since.elapsed() < PATIENCE, "{list:#}");
                thread::sleep(Duration::from_millis(50));
            }
        };
        let server = server.restart_to_crash(QUIET, "");
        repair(&server);
        check(
            server,
            &Operation {
                points: &[],
                prepare: |_| {},
                config: QUIET,
                act: |_| {},
                repeat: |server| {
                    has(server, "/bucket/local", &content(10, 1000));
                    has(server, "/bucket/inline", &content(10, 1000));
                },
            },
        );
    }
}
