//! The log as clients read it: batches in three forms, waits, the live tail, and who may see it.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::call::Call;
use crate::support::connection::{Answer, Connection};
use crate::support::server::Server;
use crate::support::sign::Signer;

const EVENTS: &str = "/_holdfast/v1/events";

/// Two users: `ci` has a grant to read every event, `dev` has none.
const USERS: &str = r#"
[[users]]
id = "ci"
keys = [{ access_key = "CIACCESSKEY000000001", secret_key = "ci-secret-0123456789abcdef" }]
grants = [{ packages = ["*"], verbs = ["events"] }]

[[users]]
id = "dev"
keys = [{ access_key = "DEVACCESSKEY00000001", secret_key = "dev-secret-0123456789abcde" }]
"#;

fn user(access_key: &str, secret_key: &str) -> Signer {
    Signer {
        access_key: access_key.to_owned(),
        secret_key: secret_key.to_owned(),
        ..Signer::root()
    }
}

fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).expect("the body is JSON")
}

fn sequences(batch: &Value) -> Vec<u64> {
    let events = batch["events"].as_array().expect("a list");
    events
        .iter()
        .map(|event| event["sequence"].as_u64().expect("a number"))
        .collect()
}

fn put(server: &Server, key: &str, body: &str) {
    server.call("PUT", key).body(body).send().expect(200);
}

fn get<'s>(server: &'s Server, query: &str) -> Call<'s> {
    server.call("GET", &format!("{EVENTS}{query}"))
}

#[test]
fn a_batch_says_everything_in_every_form() {
    let server = Server::start();
    server.make_bucket("first");
    put(&server, "/first/a", "hello");

    let answer = get(&server, "?since=0").send().expect(200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("x-holdfast-log-head"), Some("3"));
    assert!(answer.header("x-holdfast-log-epoch").is_some());
    let batch = json(&answer);
    assert_eq!(sequences(&batch), [1, 2, 3]);
    assert_eq!(
        (batch["head"].as_u64(), batch["next_since"].as_u64()),
        (Some(3), Some(3))
    );
    let event = &batch["events"][2];
    assert_eq!(event["event_type"], "v1.file.ingested");
    assert_eq!(event["actor"], "root");
    assert_eq!(event["payload"]["relative_path"], "a");
    let digest = blake3::hash(b"hello").to_hex().to_string();
    assert_eq!(event["payload"]["digest_primary_hex"], *digest);

    let answer = get(&server, "?since=1")
        .header("accept", "application/x-ndjson")
        .send()
        .expect(200);
    assert_eq!(answer.header("x-holdfast-next-since"), Some("3"));
    let text = answer.text();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines, batch["events"].as_array().unwrap()[1..]);

    let answer = get(&server, "?since=2")
        .header("accept", "application/cbor-seq")
        .send()
        .expect(200);
    assert_eq!(answer.header("content-type"), Some("application/cbor-seq"));
    let value = holdfast::domain::cbor::json::to_json(&answer.body, 1 << 20).unwrap();
    assert_eq!(value, *event);

    // The payload itself, byte for byte what its digest is of.
    let answer = server
        .call("GET", &format!("{EVENTS}/3/payload"))
        .send()
        .expect(200);
    let digest = format!("blake3:{}", blake3::hash(&answer.body).to_hex());
    assert_eq!(event["payload_digest"], *digest);
    server
        .call("GET", &format!("{EVENTS}/99/payload"))
        .send()
        .expect(404);
    server
        .call("GET", &format!("{EVENTS}/0/payload"))
        .send()
        .expect(400);
}

#[test]
fn pages_and_filters_miss_nothing_and_repeat_nothing() {
    let server = Server::start();
    server.make_bucket("first");
    server.make_bucket("second");
    for n in 0..10 {
        put(
            &server,
            &format!("/{}/k{n}", ["first", "second"][n % 2]),
            "x",
        );
    }
    let mut since = 0;
    let mut seen = Vec::new();
    loop {
        let batch = json(
            &get(&server, &format!("?since={since}&limit=3"))
                .send()
                .expect(200),
        );
        let page = sequences(&batch);
        assert!(page.len() <= 3);
        if page.is_empty() {
            break;
        }
        seen.extend(page);
        since = batch["next_since"].as_u64().unwrap();
    }
    assert_eq!(seen, (1..=14).collect::<Vec<_>>());

    let batch = json(
        &get(&server, "?package=second&types=v1.file.ingested,v9.none")
            .send()
            .expect(200),
    );
    assert_eq!(sequences(&batch), [6, 8, 10, 12, 14]);
    let id = batch["events"][0]["package_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let by_id = json(
        &get(&server, &format!("?package={id}&types=v1.file.ingested"))
            .send()
            .expect(200),
    );
    assert_eq!(by_id["events"], batch["events"]);
    // Nothing matches, and yet the cursor moves to the head.
    let none = json(&get(&server, "?types=v9.none").send().expect(200));
    assert_eq!(
        (sequences(&none).len(), none["next_since"].as_u64()),
        (0, Some(14))
    );
    get(&server, "?package=missing").send().expect(404);
}

#[test]
fn types_are_named_or_described() {
    let server = Server::start();
    server.make_bucket("first");
    put(&server, "/first/a", "x");
    put(&server, "/first/a", "y");
    let of = |types: &str| {
        let answer = get(&server, &format!("?types={types}")).send().expect(200);
        sequences(&json(&answer))
    };
    assert_eq!(of("v1.file.*"), [3, 4, 5]);
    assert_eq!(of("v1.package.*,v1.file.superseded"), [1, 4]);
    assert_eq!(of("v%3F.*ed"), [1, 2, 3, 4, 5]);
    assert_eq!(of("*"), [1, 2, 3, 4, 5]);
    assert_eq!(of("file"), [0; 0]);
    let many: Vec<_> = (0..65).map(|n| format!("v1.t{n}")).collect();
    for wrong in [&many.join(","), "v1.file%20ingested", "v1%2Ffile"] {
        let fault = json(&get(&server, &format!("?types={wrong}")).send().expect(400));
        assert_eq!(fault["code"], "InvalidArgument");
    }
    assert_eq!(of(&many[1..].join(",")), [0; 0]);
    // A page of one still finds what is far behind what is left out.
    let one = json(
        &get(&server, "?types=*.superseded&limit=1")
            .send()
            .expect(200),
    );
    assert_eq!(
        (sequences(&one), one["next_since"].as_u64()),
        (vec![4], Some(4))
    );
    get(&server, "?payloads=some").send().expect(400);
}

/// A finalized package whose manifest is larger than an event shows, and that event.
fn large_event(server: &Server) -> u64 {
    server.make_bucket("large");
    let mut connection = server.connect();
    for n in 0..250 {
        let key = format!("/large/{n:04}{}", "k".repeat(996));
        server
            .call("PUT", &key)
            .send_on(&mut connection)
            .expect(200);
    }
    let finalize = server.call("PUT", "/large/.holdfast/finalize");
    finalize.send().expect(200);
    let batch = json(&get(server, "?types=*.finalized").send().expect(200));
    sequences(&batch)[0]
}

#[test]
fn a_large_payload_is_named_and_given_to_who_asks() {
    let server = Server::start();
    let sequence = large_event(&server);
    let since = sequence - 2;
    let payload = server
        .call("GET", &format!("{EVENTS}/{sequence}/payload"))
        .send()
        .expect(200);
    assert_eq!(payload.header("content-type"), Some("application/cbor"));
    let payload = payload.body;
    assert!(payload.len() > 256 * 1024);
    let digest = format!("blake3:{}", blake3::hash(&payload).to_hex());
    let href = format!("{EVENTS}/{sequence}/payload");
    let is_named = |event: &Value| {
        assert_eq!(event["payload"], Value::Null);
        assert_eq!(event["payload_digest"], *digest);
        assert_eq!(event["payload_bytes"], payload.len());
        assert_eq!(event["payload_href"], *href);
    };
    let read = |query: &str, accept: &str| {
        let call = get(&server, &format!("?since={since}{query}"));
        call.header("accept", accept).send().expect(200)
    };
    let last_line = |answer: &Answer| -> Value {
        let text = answer.text();
        assert_eq!(text.lines().count(), 2);
        serde_json::from_str(text.lines().last().unwrap()).unwrap()
    };
    let to_json = |bytes: &[u8]| holdfast::domain::cbor::json::to_json(bytes, 8 << 20).unwrap();
    let manifest = to_json(&payload);

    let batch = read("", "application/json");
    assert!(batch.body.len() < 64 * 1024);
    is_named(&json(&batch)["events"][1]);
    is_named(&last_line(&read("", "application/x-ndjson")));
    is_named(&to_json(
        &read("&limit=9&types=*.finalized", "application/cbor-seq").body,
    ));
    let special = |form: &str| {
        let target = format!("/large/.holdfast/events/since/{}.{form}", sequence - 1);
        server.call("GET", &target).send().expect(200)
    };
    is_named(&serde_json::from_slice(&special("jsonl").body).unwrap());
    is_named(&to_json(&special("cborseq").body));
    let cloud = json(&read("", "application/cloudevents-batch+json"));
    assert_eq!(cloud[1]["dataref"], *href);
    assert_eq!(cloud[1]["payloaddigest"], *digest);
    assert!(cloud[1].get("data").is_none());

    let whole = json(&read("&payloads=inline", "application/json"));
    assert_eq!(whole["events"][1]["payload"], manifest);
    let whole = last_line(&read("&payloads=inline", "application/x-ndjson"));
    assert_eq!(whole["payload"], manifest);
    let whole = read("&payloads=inline&types=*.finalized", "application/cbor-seq");
    assert_eq!(to_json(&whole.body)["payload"], manifest);
    let recorded = whole
        .body
        .windows(payload.len())
        .any(|bytes| bytes == payload);
    assert!(recorded, "the recorded bytes stand in the sequence");
    let whole = json(&read(
        "&payloads=inline",
        "application/cloudevents-batch+json",
    ));
    assert_eq!(whole[1]["data"], manifest);
    let by_reference = json(&read("&payloads=reference", "application/json"));
    is_named(&by_reference["events"][1]);
}

#[test]
fn cloud_events_tell_logs_and_events_apart() {
    let mut server = Server::start();
    server.make_bucket("first");
    put(&server, "/first/a", "hello");
    let read = |server: &Server| {
        let call = get(server, "?since=1");
        let answer = call
            .header("accept", "application/cloudevents-batch+json")
            .send()
            .expect(200);
        let media_type = Some("application/cloudevents-batch+json");
        assert_eq!(answer.header("content-type"), media_type);
        assert_eq!(answer.header("x-holdfast-next-since"), Some("3"));
        json(&answer)
    };
    let batch = read(&server);
    let events = batch.as_array().unwrap();
    assert_eq!(events.len(), 2);
    let (event, plain) = (
        &events[1],
        json(&get(&server, "?since=2").send().expect(200)),
    );
    let plain = &plain["events"][0];
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["id"], "0-3");
    assert_eq!(event["type"], "v1.file.ingested");
    assert_eq!(event["sequence"], "00000000000000000003");
    assert_eq!(event["time"], plain["created_at"]);
    assert_eq!(event["data"], plain["payload"]);
    assert_eq!(event["datacontenttype"], "application/json");
    let package = plain["package_id"].as_str().unwrap();
    assert_eq!(event["subject"], format!("package/{package}"));
    let source = event["source"].as_str().unwrap();
    assert!(
        source.starts_with("urn:uuid:") && source.len() == 45,
        "{source}"
    );
    // The log is the same after a restart, at whatever address; another log is another source.
    server = server.restart();
    assert_eq!(read(&server), batch);
    let other = Server::start();
    other.make_bucket("first");
    put(&other, "/first/a", "hello");
    assert_ne!(read(&other)[1]["source"], *source);
    let none = get(&server, "?since=3").header("accept", "application/cloudevents-batch+json");
    assert_eq!(json(&none.send().expect(200)), serde_json::json!([]));
}

#[test]
fn what_is_no_cursor_is_refused() {
    let server = Server::start();
    let wrong = [
        "?since=-1",
        "?since=abc",
        "?since=1.5",
        "?since=",
        "?since=0x1",
        "?limit=0",
        "?limit=-5",
        "?limit=many",
        "?wait=-1",
        "?wait=soon",
    ];
    for query in wrong {
        let answer = get(&server, query).send().expect(400);
        let fault = json(&answer);
        assert_eq!(fault["code"], "InvalidArgument", "{query}");
        assert!(
            fault["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
        assert_eq!(
            fault["request_id"].as_str(),
            answer.header("x-amz-request-id")
        );
    }
    get(&server, "")
        .header("accept", "text/html")
        .send()
        .expect(400);
    let tail = get(&server, "").header("accept", "text/event-stream");
    tail.header("last-event-id", "x").send().expect(400);
    get(&server, "?colour=red").send().expect(501);
    get(&server, "?limit=100000").send().expect(200);
}

#[test]
fn a_wait_ends_with_the_event_or_with_its_time() {
    let server = Server::start();
    server.make_bucket("first");
    // Beyond the head there is nothing to say, and nothing wrong either.
    let since = Instant::now();
    let batch = json(&get(&server, "?since=1000&wait=1").send().expect(200));
    assert!(
        since.elapsed() >= Duration::from_millis(900),
        "{:?}",
        since.elapsed()
    );
    assert_eq!(
        (sequences(&batch).len(), batch["next_since"].as_u64()),
        (0, Some(1000))
    );

    let mut waiting = server.connect();
    waiting.send(get(&server, "?since=2&wait=30&types=v1.file.ingested").bytes());
    std::thread::sleep(Duration::from_millis(200));
    // One that does not match, then one that does.
    server.make_bucket("second");
    put(&server, "/first/a", "hello");
    let since = Instant::now();
    let batch = json(&waiting.answer().expect(200));
    assert!(since.elapsed() < Duration::from_secs(5));
    assert_eq!(sequences(&batch), [5]);
}

/// Reads server-sent events until there are so many.
fn read_tail(tail: &mut Connection, count: usize) -> Vec<(u64, Value)> {
    let mut text = String::new();
    loop {
        let found: Vec<_> = text
            .split("\n\n")
            .filter_map(|block| {
                let id = block.lines().find_map(|line| line.strip_prefix("id: "))?;
                let data = block.lines().find_map(|line| line.strip_prefix("data: "))?;
                Some((id.parse().ok()?, serde_json::from_str(data).ok()?))
            })
            .collect();
        if found.len() >= count {
            return found;
        }
        let chunk = tail.chunk().expect("the tail goes on");
        text.push_str(std::str::from_utf8(&chunk).expect("text"));
    }
}

#[test]
fn a_tail_is_live_and_resumes_where_it_was() {
    let server = Server::start();
    server.make_bucket("first");
    let call = get(&server, "").header("accept", "text/event-stream");
    let mut tail = server.connect();
    tail.send(call.bytes());
    let head = tail.head_of_answer().expect(200);
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    assert_eq!(head.header("x-holdfast-log-head"), Some("2"));
    let first = read_tail(&mut tail, 2);
    assert_eq!((first[0].0, first[1].0), (1, 2));
    put(&server, "/first/a", "hello");
    let next = read_tail(&mut tail, 1);
    assert_eq!(next[0].0, 3);
    assert_eq!(next[0].1["payload"]["relative_path"], "a");
    drop(tail);

    put(&server, "/first/b", "hello");
    let mut again = server.connect();
    again.send(call.header("last-event-id", "3").bytes());
    again.head_of_answer().expect(200);
    assert_eq!(read_tail(&mut again, 1)[0].0, 4);
}

#[test]
fn the_log_is_seen_by_those_who_may() {
    let server = Server::start_with(USERS, &[]);
    let ci = || user("CIACCESSKEY000000001", "ci-secret-0123456789abcdef");
    let dev = || user("DEVACCESSKEY00000001", "dev-secret-0123456789abcde");
    server.make_bucket("roots");
    server.call("PUT", "/devs").by(dev()).send().expect(200);

    get(&server, "").by(ci()).send().expect(200);
    let refused = get(&server, "").by(dev()).send().expect(403);
    assert_eq!(json(&refused)["code"], "AccessDenied");
    get(&server, "?package=roots").by(dev()).send().expect(403);
    let own = json(&get(&server, "?package=devs").by(dev()).send().expect(200));
    assert_eq!(sequences(&own), [3, 4]);
    assert_eq!(own["events"][0]["actor"], "dev");
    server
        .call("GET", &format!("{EVENTS}/1/payload"))
        .by(dev())
        .send()
        .expect(403);
    server
        .call("GET", &format!("{EVENTS}/3/payload"))
        .by(dev())
        .send()
        .expect(200);
    let tail = get(&server, "").header("accept", "text/event-stream");
    tail.by(dev()).send().expect(403);
}

#[cfg(target_os = "linux")]
#[test]
fn clients_that_vanish_leave_nothing_behind() {
    let server = Server::start();
    let sockets = || {
        let folder = format!("/proc/{}/fd", server.pid());
        let links = std::fs::read_dir(folder)
            .expect("the process lives")
            .flatten();
        links
            .filter_map(|entry| std::fs::read_link(entry.path()).ok())
            .filter(|link| link.to_string_lossy().starts_with("socket:"))
            .count()
    };
    // The connection that asked whether the server is up may still be there.
    std::thread::sleep(Duration::from_secs(1));
    let before = sockets();
    // Two waves, because a test may not have a thousand descriptors of its own.
    for form in ["application/json", "text/event-stream"] {
        let poll = get(&server, "?since=1000&wait=60")
            .header("accept", form)
            .bytes();
        let waves: Vec<_> = (0..500)
            .map(|_| {
                let mut client = server.connect();
                client.send(&poll);
                client
            })
            .collect();
        let since = Instant::now();
        while sockets() < before + 500 {
            assert!(since.elapsed() < Duration::from_secs(20), "{}", sockets());
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(waves);
        let since = Instant::now();
        while sockets() > before {
            assert!(
                since.elapsed() < Duration::from_secs(20),
                "{} of {before}",
                sockets()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    get(&server, "").send().expect(200);
}
