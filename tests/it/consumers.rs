//! Named consumers of the log: what they read comes at least once, and a position that was
//! acknowledged outlives every crash.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::call::Call;
use crate::support::connection::Answer;
use crate::support::server::{ACCESS_KEY, SECRET_KEY, Server};
use crate::support::sign::Signer;

const CONSUMERS: &str = "/_holdfast/v1/consumers";

/// `ci` may read every event, `dev` those of its own packages.
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

fn ci() -> Signer {
    user("CIACCESSKEY000000001", "ci-secret-0123456789abcdef")
}

fn dev() -> Signer {
    user("DEVACCESSKEY00000001", "dev-secret-0123456789abcde")
}

fn call<'s>(server: &'s Server, method: &str, rest: &str) -> Call<'s> {
    server.call(method, &format!("{CONSUMERS}{rest}"))
}

fn body(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).expect("the body is JSON")
}

fn put(server: &Server, name: &str, form: &Value) -> Value {
    let answer = call(server, "PUT", &format!("/{name}"))
        .body(form.to_string())
        .send();
    assert!([200, 201].contains(&answer.status), "{}", answer.text());
    body(&answer)
}

fn ack(server: &Server, name: &str, form: &Value) -> Answer {
    let call = call(server, "POST", &format!("/{name}/ack"));
    call.body(form.to_string()).send()
}

/// The sequences of the next batch, and where it ends.
fn next(server: &Server, name: &str, query: &str) -> (Vec<u64>, u64) {
    let answer = call(server, "GET", &format!("/{name}/events{query}")).send();
    let batch = body(&answer.expect(200));
    let events = batch["events"].as_array().expect("a list");
    let sequences = events
        .iter()
        .map(|event| event["sequence"].as_u64().expect("a number"));
    let end = batch["next_since"].as_u64().expect("a number");
    (sequences.collect(), end)
}

fn write(server: &Server, key: &str) {
    server.call("PUT", key).body("x").send().expect(200);
}

#[test]
fn events_come_until_they_are_acknowledged_and_positions_outlive_a_crash() {
    let mut server = Server::start();
    server.make_bucket("first");
    for n in 0..8 {
        write(&server, &format!("/first/{n}"));
    }
    let created = call(&server, "PUT", "/mail").send().expect(201);
    assert_eq!(
        created.header("location"),
        Some("/_holdfast/v1/consumers/mail")
    );
    let consumer = body(&created);
    assert_eq!(
        (&consumer["owner"], &consumer["acked"], &consumer["lag"]),
        (&json!("root"), &json!(0), &json!(10))
    );
    // The same again, until it is acknowledged.
    for _ in 0..2 {
        assert_eq!(next(&server, "mail", "?limit=4"), (vec![1, 2, 3, 4], 4));
    }
    let acked = body(&ack(&server, "mail", &json!({"sequence": 4})).expect(200));
    assert_eq!((&acked["acked"], &acked["lag"]), (&json!(4), &json!(6)));
    // Acknowledged and killed at once: what was answered stays.
    server = server.restart();
    assert_eq!(next(&server, "mail", "?limit=3"), (vec![5, 6, 7], 7));
    server = server.restart();
    assert_eq!(next(&server, "mail", "?limit=3"), (vec![5, 6, 7], 7));
    for sequence in 7..=10 {
        let mut connection = server.connect();
        let form = json!({"sequence": sequence}).to_string();
        let call = call(&server, "POST", "/mail/ack").body(form);
        call.send_on(&mut connection).expect(200);
        server = server.restart();
        let (sequences, _) = next(&server, "mail", "?limit=1");
        let expected: Vec<u64> = (sequence + 1..=10).take(1).collect();
        assert_eq!(sequences, expected);
    }
    // Nothing is left; what comes is waited for.
    assert_eq!(next(&server, "mail", ""), (vec![], 10));
    let mut waiting = server.connect();
    let poll = call(&server, "GET", "/mail/events?wait=30");
    waiting.send(poll.bytes());
    std::thread::sleep(std::time::Duration::from_millis(100));
    write(&server, "/first/later");
    let batch = body(&waiting.answer().expect(200));
    assert_eq!(batch["events"][0]["payload"]["relative_path"], "later");
    call(&server, "DELETE", "/mail").send().expect(204);
    call(&server, "DELETE", "/mail").send().expect(404);
    let gone = call(&server, "GET", "/mail/events").send().expect(404);
    assert_eq!(body(&gone)["code"], "NoSuchConsumer");
}

#[test]
fn a_position_goes_back_only_when_it_is_told_to() {
    let server = Server::start();
    server.make_bucket("first");
    write(&server, "/first/a");
    put(&server, "mail", &json!({}));
    ack(&server, "mail", &json!({"sequence": 2})).expect(200);
    ack(&server, "mail", &json!({"sequence": 2})).expect(200);
    let refused = ack(&server, "mail", &json!({"sequence": 1})).expect(409);
    assert_eq!(body(&refused)["code"], "ConsumerIsAhead");
    let beyond = ack(&server, "mail", &json!({"sequence": 4})).expect(400);
    assert_eq!(body(&beyond)["code"], "InvalidArgument");
    let beyond = json!({"sequence": u64::MAX, "rewind": true});
    ack(&server, "mail", &beyond).expect(400);
    for wrong in [json!({}), json!({"sequence": -1}), json!({"sequence": "2"})] {
        ack(&server, "mail", &wrong).expect(400);
    }
    ack(&server, "none", &json!({"sequence": 1})).expect(404);
    assert_eq!(next(&server, "mail", ""), (vec![3], 3));
    ack(&server, "mail", &json!({"sequence": 1, "rewind": true})).expect(200);
    assert_eq!(next(&server, "mail", ""), (vec![2, 3], 3));
}

#[test]
fn a_consumer_has_its_filter_and_its_start() {
    let server = Server::start();
    server.make_bucket("first");
    server.make_bucket("second");
    for key in ["/first/a", "/second/a", "/first/b"] {
        write(&server, key);
    }
    let files = json!({"types": ["v1.file.*"], "package": "first"});
    let consumer = put(&server, "files", &files);
    assert_eq!(consumer["types"], json!(["v1.file.*"]));
    assert_eq!(next(&server, "files", ""), (vec![5, 7], 7));
    // What the filter leaves out is behind it once it is acknowledged.
    put(&server, "none", &json!({"types": ["v9.*"]}));
    assert_eq!(next(&server, "none", ""), (vec![], 7));
    let acked = body(&ack(&server, "none", &json!({"sequence": 7})).expect(200));
    assert_eq!(acked["lag"], 0);
    // Another filter, at the same position; a repeat changes nothing.
    ack(&server, "files", &json!({"sequence": 5})).expect(200);
    let changed = put(&server, "files", &json!({"types": ["v1.file.ingested"]}));
    assert_eq!(
        (&changed["acked"], &changed["package_id"]),
        (&json!(5), &Value::Null)
    );
    let again = json!({"types": ["v1.file.ingested"], "since": 0});
    assert_eq!(put(&server, "files", &again), changed);
    assert_eq!(next(&server, "files", ""), (vec![6, 7], 7));

    put(&server, "after", &json!({"since": 6}));
    assert_eq!(next(&server, "after", ""), (vec![7], 7));
    put(&server, "live", &json!({"since": "head"}));
    assert_eq!(next(&server, "live", ""), (vec![], 7));
    let names = |query: &str| {
        let page = body(&call(&server, "GET", query).send().expect(200));
        let names: Vec<_> = page["consumers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|consumer| consumer["name"].as_str().unwrap().to_owned())
            .collect();
        (names.join(" "), page["next"].clone())
    };
    assert_eq!(names(""), ("after files live none".into(), Value::Null));
    assert_eq!(
        names("?limit=3"),
        ("after files live".into(), json!("live"))
    );
    assert_eq!(names("?limit=3&after=live"), ("none".into(), Value::Null));
    let refused = [
        ("/x", json!({"since": 8}), 400),
        ("/x", json!({"since": "end"}), 400),
        ("/x", json!({"types": ["a b"]}), 400),
        ("/x", json!({"package": "missing"}), 404),
        ("/x", json!({"colour": "red"}), 400),
        ("/.x", json!({}), 400),
        ("/a%20b", json!({}), 400),
    ];
    for (name, form, status) in refused {
        let call = call(&server, "PUT", name).body(form.to_string());
        call.send().expect(status);
    }
    call(&server, "GET", "/files/events?since=1")
        .send()
        .expect(501);
    call(&server, "GET", "/files/events?limit=0")
        .send()
        .expect(400);
    let forms = [
        ("application/x-ndjson", 200),
        ("application/cbor-seq", 200),
        ("application/cloudevents-batch+json", 200),
        ("text/event-stream", 400),
    ];
    for (accept, status) in forms {
        let call = call(&server, "GET", "/files/events");
        let answer = call.header("accept", accept).send().expect(status);
        if status == 200 {
            assert_eq!(answer.header("content-type"), Some(accept));
            assert_eq!(answer.header("x-holdfast-next-since"), Some("7"));
        }
    }
}

#[test]
fn a_consumer_is_its_owners_and_sees_what_the_owner_may_see() {
    let server = Server::start_with(USERS, &[]);
    server.make_bucket("roots");
    server.call("PUT", "/devs").by(dev()).send().expect(200);
    let put = |name: &str, by: Signer, form: Value| {
        let call = call(&server, "PUT", name).by(by);
        call.body(form.to_string()).send()
    };
    put("/all", dev(), json!({})).expect(403);
    put("/all", dev(), json!({"package": "roots"})).expect(403);
    put("/mine", dev(), json!({"package": "devs"})).expect(201);
    put("/all", ci(), json!({})).expect(201);
    let taken = put("/mine", ci(), json!({})).expect(409);
    assert_eq!(body(&taken)["code"], "ConsumerAlreadyExists");
    for rest in ["/mine", "/mine/events"] {
        call(&server, "GET", rest).by(ci()).send().expect(403);
        call(&server, "GET", rest).by(dev()).send().expect(200);
        call(&server, "GET", rest).send().expect(200);
    }
    let form = json!({"sequence": 1}).to_string();
    let ack = |by: Signer| call(&server, "POST", "/mine/ack").by(by).body(form.clone());
    ack(ci()).send().expect(403);
    ack(dev()).send().expect(200);
    call(&server, "DELETE", "/mine").by(ci()).send().expect(403);
    let count = |by: Signer| {
        let page = body(&call(&server, "GET", "").by(by).send().expect(200));
        page["consumers"].as_array().unwrap().len()
    };
    assert_eq!(
        (count(dev()), count(ci()), count(Signer::root())),
        (1, 1, 2)
    );
    // An owner has only so many, and another may have as many again.
    for n in 1..100 {
        put(&format!("/c{n}"), ci(), json!({})).expect(201);
    }
    let refused = put("/more", ci(), json!({})).expect(409);
    assert_eq!(body(&refused)["code"], "TooManyConsumers");
    put("/c1", ci(), json!({"types": ["v1.*"]})).expect(200);
    put("/more", dev(), json!({"package": "devs"})).expect(201);
    call(&server, "DELETE", "/c1").by(ci()).send().expect(204);
    put("/c1", ci(), json!({})).expect(201);
}

fn holdfast(server: &Server, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command
        .env_clear()
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .env("AWS_ENDPOINT_URL", format!("http://{}", server.address))
        .args(arguments);
    command
}

fn run(server: &Server, arguments: &[&str]) -> (i32, String, String) {
    let output = holdfast(server, arguments).output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (
        output.status.code().unwrap_or(-1),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn consumers_are_handled_from_the_command_line() {
    let server = Server::start();
    server.make_bucket("first");
    for key in ["/first/a", "/first/b"] {
        write(&server, key);
    }
    let json_of = |arguments: &[&str]| -> Value {
        let (code, output, errors) = run(&server, arguments);
        assert_eq!(code, 0, "{arguments:?}: {errors}");
        serde_json::from_str(&output).expect("JSON")
    };
    let create = [
        "consumer",
        "create",
        "mail",
        "--types",
        "v1.file.*",
        "--package",
        "first",
        "--json",
    ];
    assert_eq!(json_of(&create)["lag"], 4);
    let (code, table, _) = run(&server, &["consumer", "list"]);
    assert!(code == 0 && table.contains("v1.file.*"), "{table}");
    let (code, table, _) = run(&server, &["consumer", "show", "mail"]);
    assert!(code == 0 && table.contains("events behind"), "{table}");
    let read = |more: &[&str]| {
        let (code, lines, errors) = run(&server, &[&["events", "--json"], more].concat());
        assert_eq!(code, 0, "{errors}");
        lines.lines().count()
    };
    assert_eq!(read(&["--types", "v1.file.*,v1.package.*"]), 3);
    assert_eq!(read(&["--consumer", "mail"]), 2);
    assert_eq!(read(&["--consumer", "mail", "--ack"]), 2);
    assert_eq!(read(&["--consumer", "mail", "--ack"]), 0);
    assert_eq!(json_of(&["consumer", "show", "mail", "--json"])["lag"], 0);
    let (code, _, errors) = run(&server, &["consumer", "ack", "mail", "3"]);
    assert!(code == 1 && errors.contains("--rewind"), "{errors}");
    let rewind = ["consumer", "ack", "mail", "3", "--rewind", "--json"];
    assert_eq!(json_of(&rewind)["acked"], 3);
    assert_eq!(read(&["--consumer", "mail"]), 1);
    for wrong in [
        ["--consumer", "mail", "--follow"].as_slice(),
        &["--ack"],
        &["--consumer", "mail", "--since", "1"],
        &["--consumer", "mail", "--types", "a"],
    ] {
        let (code, _, errors) = run(&server, &[&["events"], wrong].concat());
        assert_eq!(code, 2, "{errors}");
    }
    json_of(&["consumer", "rm", "mail", "--json"]);
    let (code, _, errors) = run(&server, &["consumer", "show", "mail"]);
    assert!(
        code == 1 && errors.contains("holdfast consumer list"),
        "{errors}"
    );
}

/// A client that follows, and the events that it prints.
struct Follower {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Follower {
    fn of(server: &Server, arguments: &[&str]) -> Self {
        let mut child = holdfast(
            server,
            &[&["events", "--follow", "--json"], arguments].concat(),
        )
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
        let lines = BufReader::new(child.stdout.take().expect("standard output is piped"));
        Self { child, lines }
    }

    fn next(&mut self) -> u64 {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("it follows");
        let event: Value = serde_json::from_str(&line).expect("an event");
        event["sequence"].as_u64().expect("a number")
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_follower_outlives_the_server() {
    let mut server = Server::start();
    server.make_bucket("first");
    put(&server, "mail", &json!({}));
    let mut plain = Follower::of(&server, &[]);
    let mut consumer = Follower::of(&server, &["--consumer", "mail", "--ack"]);
    let mut seen = 0;
    for round in 0..3 {
        write(&server, &format!("/first/{round}"));
        for expected in seen + 1..=3 + round {
            assert_eq!(plain.next(), expected);
            // At least once: what was not acknowledged when the server went away comes again.
            while consumer.next() != expected {}
        }
        seen = 3 + round;
        server = server.restart_in_place();
    }
}
