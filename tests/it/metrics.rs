//! What Prometheus is told, on the operator's own address.

use std::net::{SocketAddr, TcpListener};

use crate::support::connection::Connection;
use crate::support::server::Server;

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address")
}

fn fetch(address: SocketAddr, path: &str) -> (u16, String) {
    let mut connection = Connection::open(address);
    connection.send(format!(
        "GET {path} HTTP/1.1\r\nhost: operator\r\nconnection: close\r\n\r\n"
    ));
    let answer = connection.answer();
    (answer.status, answer.text())
}

/// The value of a series, by its name and labels as they are written.
fn value(metrics: &str, series: &str) -> Option<u64> {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok())
}

#[test]
fn what_happens_is_counted_and_shown_to_operators_alone() {
    let address = free_address();
    let flag = address.to_string();
    let server = Server::start_with("", &["--operator-listen", &flag]);
    server.make_bucket("pkg");
    server
        .call("PUT", "/pkg/k")
        .body(vec![7; 1000])
        .send()
        .expect(200);
    for _ in 0..3 {
        server.call("GET", "/pkg/k").send().expect(200);
    }
    server.call("GET", "/pkg/none").send().expect(404);
    for wrong in 0..20 {
        let path = format!("/pkg/none-{wrong}?nothing-{wrong}");
        server.call("GET", &path).send().expect(501);
    }
    let (status, metrics) = fetch(address, "/metrics");
    assert_eq!(status, 200);
    let counted = |operation: &str, code: &str, status: u16| {
        let labels = format!("operation=\"{operation}\",code=\"{code}\",status=\"{status}\"");
        value(&metrics, &format!("holdfast_requests_total{{{labels}}}"))
    };
    assert_eq!(counted("PutObject", "OK", 200), Some(1), "{metrics}");
    assert_eq!(counted("GetObject", "OK", 200), Some(3));
    assert_eq!(counted("GetObject", "NoSuchKey", 404), Some(1));
    assert_eq!(counted("-", "NotImplemented", 501), Some(20));
    assert!(!metrics.contains("none-"), "no label is a client's text");
    let whole = |series: &str| value(&metrics, series).unwrap_or_else(|| panic!("{series}"));
    assert!(whole("holdfast_received_bytes_total") >= 1000);
    assert!(whole("holdfast_sent_bytes_total") >= 3000);
    assert_eq!(whole("holdfast_log_head"), 3);
    assert!(whole("holdfast_commit_batches_total") >= 2);
    assert_eq!(whole("holdfast_packages{status=\"created\"}"), 1);
    assert_eq!(whole("holdfast_files{status=\"created\"}"), 1);
    assert_eq!(whole("holdfast_failed_locations{backend=\"local\"}"), 0);
    assert_eq!(whole("holdfast_backend_up{backend=\"database\"}"), 1);
    let took = "holdfast_request_seconds_count{operation=\"GetObject\"}";
    assert_eq!(whole(took), 4);
    assert!(metrics.ends_with("# EOF\n") && metrics.matches("# EOF").count() == 1);

    assert_eq!(fetch(address, "/health/ready").0, 200);
    assert_eq!(fetch(address, "/health/live").0, 200);
    assert_eq!(fetch(address, "/pkg/k").0, 404, "no S3 here");
    let (status, _) = fetch(server.address, "/metrics");
    assert_eq!(status, 403, "and no metrics there");
}

#[test]
fn an_address_that_is_asked_for_must_be_free() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let data = tempfile::tempdir().expect("a folder");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["--listen", "127.0.0.1:0", "--operator-listen", &address])
        .arg("--data")
        .arg(data.path().join("data"))
        .output()
        .expect("the binary runs");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("server.operator_listen"), "{said}");
}
