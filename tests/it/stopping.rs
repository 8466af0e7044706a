//! The order to stop: what runs is finished, what waits is ended, and nothing acknowledged is
//! lost.

use std::time::Duration;

use crate::support::server::Server;

#[test]
fn an_upload_under_way_is_finished_and_idle_connections_are_closed() {
    let mut server = Server::start();
    server.make_bucket("bucket");
    let mut idle = server.connect();
    server.call("GET", "/").send_on(&mut idle).expect(200);
    let call = server
        .call("PUT", "/bucket/key")
        .payload("UNSIGNED-PAYLOAD");
    let mut busy = server.connect();
    busy.send(call.head(Some(10)).0);
    busy.send("hello");
    std::thread::sleep(Duration::from_millis(200));
    let writer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(500));
        busy.send("world");
        busy.answer().expect(200);
    });
    let took = server.stop();
    assert!(took < Duration::from_secs(10), "{took:?}");
    writer.join().unwrap();
    assert!(idle.is_closed());
    let server = server.restart();
    let stored = server.call("GET", "/bucket/key").send().expect(200);
    assert_eq!(stored.text(), "helloworld");
}

#[test]
fn an_upload_that_never_ends_is_abandoned_after_the_grace() {
    let mut server = Server::start_with("[server]\nstop_grace_ms = 500\n", &[]);
    server.make_bucket("bucket");
    let call = server
        .call("PUT", "/bucket/key")
        .payload("UNSIGNED-PAYLOAD");
    let mut busy = server.connect();
    busy.send(call.head(Some(10)).0);
    busy.send("hello");
    std::thread::sleep(Duration::from_millis(100));
    let took = server.stop();
    assert!(took < Duration::from_secs(10), "{took:?}");
    let server = server.restart();
    server
        .call("GET", "/bucket/key")
        .send()
        .expect_fault(404, "NoSuchKey");
}

#[test]
fn a_long_poll_ends_with_the_server() {
    let mut server = Server::start();
    let poll = server.call("GET", "/_holdfast/v1/events?since=1000&wait=20");
    let mut waiting = server.connect();
    waiting.send(poll.bytes());
    std::thread::sleep(Duration::from_millis(200));
    let took = server.stop();
    assert!(took < Duration::from_secs(5), "{took:?}");
}
