//! A package of very many files: finalized, read and audited in bounded memory, with others writing
//! meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use holdfast::domain::jcs;
use holdfast::domain::manifest::{Manifest, manifest_address};

use crate::support::database::count;
use crate::support::log::dense_events;
use crate::support::program::audit;
use crate::support::server::Server;

/// Enough that the manifest is some 20 MiB.
const FILES: usize = 12_000;
const WRITERS: usize = 16;

/// What a finalize, a read of the manifest and so on may take beyond what the server had.
const GROWTH_MIB: usize = 32;

/// As long as a key can be, nearly.
fn key(number: usize) -> String {
    format!("{number:06}/{}", "k".repeat(1000))
}

fn fill(server: &Server) {
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            scope.spawn(move || {
                let mut connection = server.connect();
                for number in (writer..FILES).step_by(WRITERS) {
                    let call = server.call("PUT", &format!("/large/{}", key(number)));
                    let body = format!("{}", number % 7);
                    call.body(body).send_on(&mut connection).expect(200);
                }
            });
        }
    });
}

/// Runs something and answers by how many MiB the server's memory rose at the most meanwhile.
fn growth<T>(server: &Server, what: &str, act: impl FnOnce() -> T) -> T {
    let before = server.reset_peak_mib();
    let done = act();
    let peak = server.peak_mib();
    eprintln!("{what}: from {before} to {peak} MiB");
    assert!(
        peak < before + GROWTH_MIB,
        "{what}: from {before} to {peak} MiB"
    );
    done
}

#[test]
fn a_package_of_many_files_is_finalized_and_read_in_little_memory() {
    let mut server = Server::start();
    server.make_bucket("large");
    server.make_bucket("other");
    fill(&server);
    // Each connection to the database has a cache of its own, which is filled once.
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                server
                    .call("GET", "/large/.holdfast/SHA256SUMS")
                    .send()
                    .expect(200)
            });
        }
    });
    let is_done = AtomicBool::new(false);
    let answer = growth(&server, "finalize", || {
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut connection = server.connect();
                let mut number = 0;
                while !is_done.load(Ordering::SeqCst) {
                    let call = server.call("PUT", &format!("/other/{number}"));
                    call.body("x").send_on(&mut connection).expect(200);
                    number += 1;
                }
            });
            let target = "/_holdfast/v1/packages/large/finalize";
            let answer = server.call("POST", target).send().expect(200);
            is_done.store(true, Ordering::SeqCst);
            answer
        })
    });
    let digest = answer
        .header("x-holdfast-manifest-digest")
        .expect("a digest");

    // While one package was finalized, another was written to, one write after the other.
    let log = dense_events(&server, 2 + FILES as u64);
    let end = log
        .iter()
        .position(|event| event["event_type"] == "v1.package.finalized")
        .expect("it is finalized");
    eprintln!("{end} writes came before the finalize");
    assert!(end >= 10, "{end} writes");
    assert_eq!(log[end]["payload_digest"], digest);

    let get = |target: &str| server.call("GET", target).send().expect(200);
    let cbor = growth(&server, "manifest.cbor", || {
        get("/large/.holdfast/manifest.cbor")
    });
    assert_eq!(manifest_address(&cbor.body).to_string(), digest);
    let files = Manifest::decode(&cbor.body).expect("a manifest").files;
    assert_eq!(files.len(), FILES);
    let json = growth(&server, "manifest.json", || {
        get("/large/.holdfast/manifest.json")
    });
    assert!(json.body == jcs::project(&cbor.body).expect("a projection"));
    assert_eq!(
        json.header("content-length"),
        Some(&*json.body.len().to_string())
    );
    let range = "bytes=1048000-3000000";
    for (name, whole) in [("cbor", &cbor.body), ("json", &json.body)] {
        let call = server.call("GET", &format!("/large/.holdfast/manifest.{name}"));
        let part = call.header("range", range).send().expect(206);
        assert!(part.body == whole[1_048_000..=3_000_000], "{name}");
    }
    let sums = growth(&server, "SHA256SUMS", || get("/large/.holdfast/SHA256SUMS"));
    assert_eq!(sums.text().lines().count(), FILES);
    let sequence = log[end]["sequence"].as_u64().expect("a position");
    let payload = growth(&server, "the payload", || {
        get(&format!("/_holdfast/v1/events/{sequence}/payload"))
    });
    assert!(payload.body == cbor.body);

    // A second finalize answers the same and leaves nothing behind.
    let again = server
        .call("PUT", "/large/.holdfast/finalize")
        .send()
        .expect(200);
    assert_eq!(again.header("x-holdfast-manifest-digest"), Some(digest));
    server.kill();
    audit(&server);
    let pieces = cbor.body.len().div_ceil(1 << 20) as i64;
    assert_eq!(
        count(&server, "SELECT COUNT(*) FROM payload_pieces"),
        pieces
    );
}

#[test]
fn a_finalize_that_is_refused_leaves_no_piece_of_a_manifest() {
    let mut server = Server::start();
    server.make_bucket("large");
    thread::scope(|scope| {
        for writer in 0..4 {
            let server = &server;
            scope.spawn(move || {
                let mut connection = server.connect();
                for number in (writer..1000).step_by(4) {
                    let call = server.call("PUT", &format!("/large/{}", key(number)));
                    call.body("x").send_on(&mut connection).expect(200);
                }
            });
        }
    });
    let body = format!(
        "{{\"expect_content_digest\":\"blake3:{}\"}}",
        "0".repeat(64)
    );
    let call = server.call("POST", "/_holdfast/v1/packages/large/finalize");
    call.body(body).send().expect(412);
    server
        .call("PUT", "/large/more")
        .body("x")
        .send()
        .expect(200);
    server.kill();
    assert_eq!(count(&server, "SELECT COUNT(*) FROM payload_pieces"), 0);
}
