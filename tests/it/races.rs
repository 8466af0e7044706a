//! Writers that race: conditional writes have one winner, a finalize has a clean edge, and the last
//! event of a key is what readers get.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Barrier, Mutex};
use std::thread;

use serde_json::Value;

use crate::support::bytes::{content, md5};
use crate::support::call::Call;
use crate::support::connection::{Answer, Connection};
use crate::support::log::{events, ingested};
use crate::support::multipart;
use crate::support::server::Server;

const ROUNDS: usize = 50;

/// Clients with a connection each, that start together.
struct Racers(Vec<Mutex<Connection>>);

impl Racers {
    fn new(server: &Server, count: usize) -> Self {
        Self((0..count).map(|_| Mutex::new(server.connect())).collect())
    }

    /// What each of them brings back from its work.
    fn race<T: Send>(&self, work: impl Fn(usize, &mut Connection) -> T + Sync) -> Vec<T> {
        let (barrier, work) = (Barrier::new(self.0.len()), &work);
        thread::scope(|scope| {
            let start = |(number, connection)| {
                let (connection, barrier): (&Mutex<Connection>, _) = (connection, &barrier);
                scope.spawn(move || {
                    let mut connection = connection.lock().expect("nobody else has it");
                    barrier.wait();
                    work(number, &mut connection)
                })
            };
            let threads: Vec<_> = self.0.iter().enumerate().map(start).collect();
            let outcomes = threads.into_iter().map(thread::ScopedJoinHandle::join);
            outcomes.map(|outcome| outcome.expect("a racer")).collect()
        })
    }

    /// Sends a call each.
    fn send(&self, calls: &[Call]) -> Vec<Answer> {
        let requests: Vec<Vec<u8>> = calls.iter().map(Call::bytes).collect();
        self.race(|number, connection| {
            connection.send(&requests[number]);
            connection.answer()
        })
    }
}

/// Below and above what is kept in the database.
fn size_of(round: usize) -> usize {
    if round.is_multiple_of(2) { 100 } else { 40_000 }
}

fn assert_lost(answer: &Answer) {
    let code = answer.code();
    assert!(
        code == "PreconditionFailed" || code == "ConditionalRequestConflict",
        "{} {}",
        answer.status,
        answer.text()
    );
}

fn assert_stored(server: &Server, target: &str, bytes: &[u8], etag: &str) {
    let stored = server.call("GET", target).send().expect(200);
    assert_eq!(stored.header("etag"), Some(etag));
    assert!(stored.body == bytes, "{target} has the bytes of its ETag");
}

#[test]
fn of_racing_creations_of_a_key_one_wins() {
    let server = Server::start();
    server.make_bucket("bucket");
    let racers = Racers::new(&server, 8);
    for round in 0..ROUNDS {
        let target = format!("/bucket/{round}");
        let body = |number: usize| content((round * 8 + number) as u64, size_of(round));
        let put = |number| {
            let call = server.call("PUT", &target).header("if-none-match", "*");
            call.body(body(number))
        };
        let answers = racers.send(&(0..8).map(put).collect::<Vec<_>>());
        let (won, lost): (Vec<_>, Vec<_>) = answers
            .iter()
            .enumerate()
            .partition(|(_, answer)| answer.status == 200);
        assert_eq!(won.len(), 1, "round {round}: {answers:?}");
        for (_, answer) in lost {
            assert_lost(answer);
        }
        let etag = won[0].1.header("etag").expect("an ETag");
        assert_stored(&server, &target, &body(won[0].0), etag);
    }
}

#[test]
fn of_racing_completions_of_a_key_one_wins() {
    let server = Server::start();
    server.make_bucket("bucket");
    let racers = Racers::new(&server, 8);
    for round in 0..ROUNDS {
        let target = format!("/bucket/{round}");
        let body = |number: usize| content((round * 8 + number) as u64, size_of(round));
        let created = racers.send(&vec![multipart::create(&server, &target); 8]);
        let uploads: Vec<String> = created
            .into_iter()
            .map(|answer| answer.expect(200).element("UploadId").expect("an upload"))
            .collect();
        let part =
            |number: usize| multipart::part(&server, &target, &uploads[number], 1, &body(number));
        let parts = racers.send(&(0..8).map(part).collect::<Vec<_>>());
        let complete = |number: usize| {
            let etag = parts[number].header("etag").expect("an ETag").to_owned();
            multipart::complete(&server, &target, &uploads[number], &[etag])
                .header("if-none-match", "*")
        };
        let answers = racers.send(&(0..8).map(complete).collect::<Vec<_>>());
        let mut winner = None;
        for (number, answer) in answers.iter().enumerate() {
            if let Some(etag) = multipart::completed_etag(answer) {
                assert!(winner.is_none(), "round {round}: {answers:?}");
                winner = Some((number, etag));
            } else {
                assert_lost(answer);
            }
        }
        let (number, etag) = winner.expect("one wins");
        assert_stored(&server, &target, &body(number), &etag);
    }
}

/// The key and digest of every file of a finalized bucket, by its manifest.
fn manifest(server: &Server, bucket: &str) -> BTreeMap<String, String> {
    let target = format!("/{bucket}/.holdfast/manifest.json");
    let answer = server.call("GET", &target).send().expect(200);
    let manifest: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let files = manifest["files"].as_array().expect("a list of files");
    files
        .iter()
        .map(|file| {
            (
                text(&file["relative_path"]),
                text(&file["digest_primary_hex"]),
            )
        })
        .collect()
}

#[test]
fn what_a_racing_finalize_holds_is_what_was_acknowledged() {
    const WRITERS: usize = 16;
    let server = Server::start();
    let racers = Racers::new(&server, WRITERS + 1);
    let (mut accepted, mut refused) = (0, 0);
    for round in 0..ROUNDS {
        let bucket = format!("package-{round}");
        server.make_bucket(&bucket);
        let outcomes = racers.race(|number, connection| {
            let mut acknowledged = Vec::new();
            if number == WRITERS {
                // Late enough that some writes are before it.
                let early = server.call("PUT", &format!("/{bucket}/early"));
                early.body("early").send_on(connection).expect(200);
                let target = format!("/{bucket}/.holdfast/finalize");
                server.call("PUT", &target).send_on(connection).expect(200);
                let digest = blake3::hash(b"early").to_hex().to_string();
                return vec![("early".to_owned(), digest)];
            }
            for turn in 0..4 {
                let key = format!("{number}-{turn}");
                let bytes = content((round * 100 + number * 4 + turn) as u64, size_of(turn));
                let digest = blake3::hash(&bytes).to_hex().to_string();
                let call = server.call("PUT", &format!("/{bucket}/{key}")).body(bytes);
                match call.send_on(connection) {
                    answer if answer.status == 200 => acknowledged.push((key, digest)),
                    answer => drop(answer.expect_fault(403, "AccessDenied")),
                }
            }
            acknowledged
        });
        let expected: BTreeMap<_, _> = outcomes.into_iter().flatten().collect();
        accepted += expected.len() - 1;
        refused += WRITERS * 4 - (expected.len() - 1);
        assert_eq!(manifest(&server, &bucket), expected, "round {round}");
    }
    eprintln!("{accepted} writes before the finalize, {refused} after it");
    assert!(accepted > 0 && refused > 0, "they raced");
}

#[test]
fn racing_finalizes_agree_and_are_one_event() {
    let server = Server::start();
    let racers = Racers::new(&server, 8);
    for round in 0..20 {
        let bucket = format!("package-{round}");
        server.make_bucket(&bucket);
        let put = server.call("PUT", &format!("/{bucket}/key"));
        put.body("bytes").send().expect(200);
        let call = server.call("PUT", &format!("/{bucket}/.holdfast/finalize"));
        let digests: BTreeSet<String> = racers
            .send(&vec![call; 8])
            .into_iter()
            .map(|answer| {
                let answer = answer.expect(200);
                answer
                    .header("x-holdfast-manifest-digest")
                    .expect("a digest")
                    .to_owned()
            })
            .collect();
        assert_eq!(digests.len(), 1, "{digests:?}");
        let query = format!("&package={bucket}&types=v1.package.finalized");
        let seals = events(&server, 0, &query);
        assert_eq!(seals.len(), 1);
        assert_eq!(
            seals[0]["payload_digest"].as_str(),
            digests.first().map(String::as_str)
        );
    }
}

#[test]
fn the_last_event_of_a_key_is_what_readers_get() {
    const TURNS: usize = 20;
    let server = Server::start();
    server.make_bucket("bucket");
    let racers = Racers::new(&server, 8);
    let answered = racers.race(|number, connection| {
        let mut etags = Vec::new();
        for turn in 0..TURNS {
            let bytes = content((number * TURNS + turn) as u64, size_of(turn));
            let etag = format!("\"{}\"", md5(&bytes));
            let call = server.call("PUT", "/bucket/key").body(bytes);
            let answer = call.send_on(connection).expect(200);
            assert_eq!(answer.header("etag"), Some(&*etag));
            etags.push(etag);
        }
        etags
    });
    let log = events(&server, 0, "&package=bucket");
    let recorded: Vec<String> = ingested(&log).into_iter().map(|(_, etag)| etag).collect();
    let last = recorded.last().expect("an event").clone();
    let sorted = |etags: Vec<String>| etags.into_iter().collect::<BTreeSet<_>>();
    assert_eq!(recorded.len(), 8 * TURNS);
    assert_eq!(
        sorted(recorded),
        sorted(answered.into_iter().flatten().collect())
    );
    let current = server.call("GET", "/bucket/key").send().expect(200);
    assert_eq!(current.header("etag"), Some(&*last));
    assert_eq!(format!("\"{}\"", md5(&current.body)), last);
}
