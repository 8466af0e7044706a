//! Memory is bounded by the number of clients and not by what they send.

use std::fs;
use std::thread;

use crate::support::bytes::content;
use crate::support::server::Server;

const CLIENTS: usize = 16;
const MIB: usize = 1 << 20;

/// The most memory the server ever had, in MiB.
fn peak(server: &Server) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let value = line.and_then(|line| line.split_whitespace().nth(1));
    let kib: usize = value
        .and_then(|value| value.parse().ok())
        .expect("a number");
    kib / 1024
}

/// Many clients upload so many MiB each at the same time.
fn upload(mib: usize) {
    let server = Server::start();
    server.make_bucket("bucket");
    eprintln!("{} MiB at rest", peak(&server));
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
    let peak = peak(&server);
    eprintln!("{peak} MiB at most while {CLIENTS} clients uploaded {mib} MiB each");
    assert!(peak < 150, "{peak} MiB");
}

#[test]
fn large_uploads_take_little_memory() {
    upload(256);
}

#[test]
#[ignore = "takes minutes, and 16 GiB of disk"]
fn very_large_uploads_take_no_more_memory() {
    upload(1024);
}
