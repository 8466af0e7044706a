//! Memory is bounded by the number of clients and not by what they send.

use std::thread;

use crate::support::bytes::content;
use crate::support::database::change;
use crate::support::server::Server;

const CLIENTS: usize = 16;
const MIB: usize = 1 << 20;

/// Many clients upload so many MiB each at the same time.
fn upload(mib: usize) {
    let server = Server::start();
    server.make_bucket("bucket");
    eprintln!("{} MiB at rest", server.peak_mib());
    let bytes = content(1, MIB);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (server, bytes) = (&server, &bytes);
            scope.spawn(move || {
                let call = server.call("PUT", &format!("/bucket/{client}"));
                let (head, _) = call.payload("UNSIGNED-PAYLOAD").head(Some(mib * MIB));
                let mut connection = server.connect();
                connection.send(head);
                for _ in 0..mib {
                    connection.send(bytes);
                }
                connection.answer().expect(200);
            });
        }
    });
    let peak = server.peak_mib();
    eprintln!("{peak} MiB at most while {CLIENTS} clients uploaded {mib} MiB each");
    assert!(peak < 150, "{peak} MiB");
}

#[test]
fn large_uploads_take_little_memory() {
    upload(256);
}

#[test]
fn a_page_of_large_payloads_is_never_loaded_at_once() {
    let mut server = Server::start();
    server.make_bucket("bucket");
    server.stop();
    // The events of a log in which package after package of a hundred thousand files ends.
    let large = "INSERT INTO events WITH RECURSIVE n(x) AS \
                 (VALUES (3) UNION ALL SELECT x + 1 FROM n WHERE x < 22) \
                 SELECT x, 'v1.package.finalized', 'package', subject_id, package_id, actor, \
                 created_at, payload_digest, leaf_hash, epoch, NULL, \
                 32 * 1024 * 1024, NULL, zeroblob(32 * 1024 * 1024) FROM events, n WHERE sequence = 1 AND $1 = $1";
    assert_eq!(change(&server, large, b""), 20);
    let server = server.restart();
    let at_rest = server.peak_mib();
    let events = |query: &str, accept: &str| {
        let target = format!("/_holdfast/v1/events?since=2&limit=1000{query}");
        let call = server.call("GET", &target).header("accept", accept);
        call.send().expect(200)
    };
    for form in ["application/json", "application/cloudevents-batch+json"] {
        let text = events("", form).text();
        assert_eq!(text.matches("/payload\"").count(), 20);
    }
    let by_reference = server.peak_mib();
    // By reference nothing is loaded; one at a time where it is asked for.
    let inline = events("&payloads=inline", "application/cbor-seq");
    assert_eq!(inline.header("x-holdfast-next-since"), Some("3"));
    assert!(inline.body.len() > 32 * MIB);
    let peak = server.peak_mib();
    eprintln!("{at_rest} MiB at rest, {by_reference} by reference, {peak} with one inline");
    assert!(by_reference < at_rest + 24, "{by_reference} MiB");
    assert!(peak < at_rest + 200, "{peak} MiB");
}

#[test]
#[ignore = "takes minutes, and 16 GiB of disk"]
fn very_large_uploads_take_no_more_memory() {
    upload(1024);
}
