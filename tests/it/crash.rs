//! kill -9 at any moment: what was acknowledged is there, nothing is half there, the log is dense
//! and its replay gives the views that are in use.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::support::bytes::{Random, composite_etag, content, md5};
use crate::support::call::Call;
use crate::support::connection::{Answer, Connection};
use crate::support::database::edit;
use crate::support::log::{dense_events, events, ingested};
use crate::support::multipart;
use crate::support::program::audit;
use crate::support::server::Server;

const ROUNDS: usize = 20;
const WRITERS: usize = 16;
const MIB: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_mins(1);

/// Ends a server as a crash would, while others still talk to it.
fn kill(server: &Server) {
    let pid = server.pid().to_string();
    let status = Command::new("kill").args(["-9", &pid]).status();
    assert!(status.expect("kill runs").success());
}

/// Sends a call; `None` when the connection breaks before the whole answer is there.
fn attempt(call: &Call, connection: &mut Connection) -> Option<Answer> {
    connection.try_send(call.bytes()).then_some(())?;
    connection.try_answer(false)
}

fn random() -> Random {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seed = now.expect("a time after 1970").as_nanos() as u64;
    eprintln!("the random numbers of seed {seed}");
    Random::new(seed)
}

/// What a key holds; no bytes are kept, since the seed gives them again.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stored {
    seed: u64,
    length: usize,
    etag: String,
}

/// A write or (without `stored`) a delete of a key.
#[derive(Debug, Clone)]
struct Act {
    began: Instant,
    /// When the answer was there; `None` if it never came.
    ended: Option<Instant>,
    stored: Option<Stored>,
}

/// Everything that was tried on each key since it was last looked at.
struct History {
    start: Instant,
    keys: Mutex<BTreeMap<String, Vec<Act>>>,
}

impl History {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            keys: Mutex::default(),
        }
    }

    fn add(&self, key: &str, act: Act) {
        let absent = Act {
            began: self.start,
            ended: Some(self.start),
            stored: None,
        };
        let mut keys = self.keys.lock().expect("no act panics");
        let acts = keys.entry(key.to_owned()).or_insert_with(|| vec![absent]);
        acts.push(act);
    }

    /// What a key may hold: the outcome of every act that is not followed by an acknowledged one.
    fn outcomes(acts: &[Act]) -> Vec<Option<Stored>> {
        let is_over = |act: &Act| {
            let follows = |later: &&Act| act.ended.is_some_and(|end| later.began > end);
            acts.iter()
                .filter(follows)
                .any(|later| later.ended.is_some())
        };
        let standing = acts.iter().filter(|act| !is_over(act));
        standing.map(|act| act.stored.clone()).collect()
    }
}

/// One of those that write until the server is gone.
struct Writer<'s> {
    server: &'s Server,
    history: &'s History,
    acknowledged: Sender<()>,
    random: Random,
    number: usize,
}

impl Writer<'_> {
    fn run(mut self) {
        let mut connection = self.server.connect();
        while self.act(&mut connection).is_some() {}
    }

    /// Most keys are the writer's own, so that their order is known; some are everybody's.
    fn key(&mut self) -> String {
        match self.random.below(10) {
            0 => format!("shared/{}", self.random.below(4)),
            other => format!("own/{}/{}", self.number, other % 6),
        }
    }

    fn length(&mut self) -> usize {
        match self.random.below(16) {
            0 => 0,
            1..=5 => 1 + self.random.below(1000),
            6..=8 => self.random.below(16 * 1024),
            9..=11 => 16 * 1024 - 2 + self.random.below(5),
            12..=14 => self.random.below(200_000),
            _ => self.random.below(MIB + 1),
        }
    }

    fn act(&mut self, connection: &mut Connection) -> Option<()> {
        let (key, seed, length) = (self.key(), self.random.next(), self.length());
        let object = format!("/bucket/{key}");
        match self.random.below(20) {
            0..=2 => {
                let call = self.server.call("DELETE", &object);
                self.settle(&key, None, &call, connection)
                    .map(|answer| answer.expect(204))?;
            }
            3 => self.upload(&key, seed, length, connection)?,
            _ => {
                let bytes = content(seed, length);
                let etag = format!("\"{}\"", md5(&bytes));
                let stored = Stored {
                    seed,
                    length,
                    etag: etag.clone(),
                };
                let call = self.server.call("PUT", &object).body(bytes);
                let answer = self
                    .settle(&key, Some(stored), &call, connection)?
                    .expect(200);
                assert_eq!(answer.header("etag"), Some(&*etag));
            }
        }
        Some(())
    }

    /// An upload of one part or, now and then, of two.
    fn upload(
        &mut self,
        key: &str,
        seed: u64,
        length: usize,
        connection: &mut Connection,
    ) -> Option<()> {
        let (server, object) = (self.server, format!("/bucket/{key}"));
        let first = if self.random.below(4) == 0 {
            5 * MIB
        } else {
            0
        };
        let bytes = content(seed, first + length);
        let parts: Vec<&[u8]> = [&bytes[..first], &bytes[first..]]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect();
        let created = attempt(&multipart::create(server, &object), connection)?.expect(200);
        let upload = created.element("UploadId").expect("an upload");
        let mut etags = Vec::new();
        for (number, part) in (1..).zip(&parts) {
            let call = multipart::part(server, &object, &upload, number, part);
            let answer = attempt(&call, connection)?.expect(200);
            etags.push(answer.header("etag").expect("an ETag").to_owned());
        }
        if parts.is_empty() {
            return Some(());
        }
        let etag = composite_etag(&parts);
        let stored = Stored {
            seed,
            length: bytes.len(),
            etag: etag.clone(),
        };
        let call = multipart::complete(server, &object, &upload, &etags);
        let answer = self.settle(key, Some(stored), &call, connection)?;
        assert_eq!(
            multipart::completed_etag(&answer),
            Some(etag),
            "{}",
            answer.text()
        );
        Some(())
    }

    /// Sends a call and keeps what is known of its outcome.
    fn settle(
        &self,
        key: &str,
        stored: Option<Stored>,
        call: &Call,
        connection: &mut Connection,
    ) -> Option<Answer> {
        let began = Instant::now();
        let answer = attempt(call, connection);
        let ended = answer.as_ref().map(|_| Instant::now());
        self.history.add(
            key,
            Act {
                began,
                ended,
                stored,
            },
        );
        let _ = self.acknowledged.send(());
        answer
    }
}

/// Lets writers run until so many acts have ended, and kills the server.
fn crash(server: &Server, history: &History, random: &mut Random) {
    let (sender, receiver): (_, Receiver<()>) = channel();
    thread::scope(|scope| {
        for number in 0..WRITERS {
            let writer = Writer {
                server,
                history,
                acknowledged: sender.clone(),
                random: Random::new(random.next()),
                number,
            };
            scope.spawn(move || writer.run());
        }
        for _ in 0..=random.below(400) {
            receiver.recv_timeout(PATIENCE).expect("the writers go on");
        }
        kill(server);
    });
}

/// Every key of the bucket with its ETag, page by page.
fn listing(server: &Server) -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    let mut after = String::new();
    loop {
        let target = format!("/bucket?list-type=2&max-keys=50&start-after={after}");
        let page = server.call("GET", &target).send().expect(200);
        for entry in page.text().split("<Contents>").skip(1) {
            let entry = Answer {
                body: entry.into(),
                ..page.clone()
            };
            let etag = entry.element("ETag").expect("an ETag");
            after = entry.element("Key").expect("a key");
            keys.insert(after.clone(), etag.replace("&quot;", "\""));
        }
        if page.element("IsTruncated").as_deref() != Some("true") {
            return keys;
        }
        after = after.replace('/', "%2F");
    }
}

/// Reads every key that was ever written or is listed, and takes what it holds as its new history.
fn check_keys(server: &Server, history: &mut History) {
    let listed = listing(server);
    let tried = std::mem::take(history.keys.get_mut().expect("no act panics"));
    let strangers: Vec<_> = listed
        .keys()
        .filter(|key| !tried.contains_key(*key))
        .collect();
    assert!(
        strangers.is_empty(),
        "listed, but never written: {strangers:?}"
    );
    let mut connection = server.connect();
    for (key, acts) in tried {
        let call = server.call("GET", &format!("/bucket/{key}"));
        let answer = call.send_on(&mut connection);
        let etag = answer.header("etag").filter(|_| answer.status == 200);
        let outcomes = History::outcomes(&acts);
        let found = outcomes
            .iter()
            .find(|stored| stored.as_ref().map(|stored| stored.etag.as_str()) == etag);
        let Some(found) = found else {
            panic!(
                "{key}: {} {etag:?}, but one of {outcomes:#?}",
                answer.status
            );
        };
        match found {
            None => drop(answer.clone().expect_fault(404, "NoSuchKey")),
            Some(stored) => assert!(
                answer.body == content(stored.seed, stored.length),
                "{key}: {stored:?}, but {} bytes that differ",
                answer.body.len()
            ),
        }
        assert_eq!(
            listed.get(&key).map(String::as_str),
            etag,
            "{key} as listed"
        );
        let now = Instant::now();
        let stored = found.clone();
        history.add(
            &key,
            Act {
                began: now,
                ended: Some(now),
                stored,
            },
        );
    }
}

/// The log goes on without a gap and has every acknowledged write; answers its new end.
fn check_log(server: &Server, history: &mut History, since: u64) -> u64 {
    let new = dense_events(server, since);
    let recorded: BTreeSet<(String, String)> = ingested(&new).into_iter().collect();
    let tried = history.keys.get_mut().expect("no act panics");
    for (key, acts) in tried {
        // The first act of a key is what the last look found.
        for act in acts
            .iter()
            .filter(|act| act.ended.is_some_and(|end| end > act.began))
        {
            let Some(stored) = &act.stored else { continue };
            let fact = (key.clone(), stored.etag.clone());
            assert!(recorded.contains(&fact), "no event of {fact:?}");
        }
    }
    since + new.len() as u64
}

#[test]
fn an_acknowledged_write_survives_a_crash_at_any_moment() {
    let mut random = random();
    let mut server = Server::start();
    server.make_bucket("bucket");
    let mut history = History::new();
    let mut head = 0;
    for round in 0..ROUNDS {
        crash(&server, &history, &mut random);
        server = server.restart();
        head = check_log(&server, &mut history, head);
        check_keys(&server, &mut history);
        eprintln!("round {round}: the log ends at {head}");
    }
    assert_eq!(dense_events(&server, 0).len() as u64, head);
    kill(&server);
    server.kill();
    audit(&server);
}

#[test]
fn a_completion_that_a_crash_cut_off_can_be_repeated() {
    let mut random = random();
    let mut server = Server::start();
    server.make_bucket("bucket");
    let bytes = content(1, 5 * MIB + 1);
    let parts = [&bytes[..5 * MIB], &bytes[5 * MIB..]];
    let mut was_answered = 0;
    for round in 0..10 {
        let object = format!("/bucket/{round}");
        let (upload, etags) = multipart::upload(&server, &object, &parts);
        let request = multipart::complete(&server, &object, &upload, &etags).bytes();
        let mut connection = server.connect();
        connection.send(request);
        thread::sleep(Duration::from_micros(random.below(5000) as u64));
        kill(&server);
        was_answered += usize::from(connection.try_answer(false).is_some());
        server = server.restart();
        let call = multipart::complete(&server, &object, &upload, &etags);
        for _ in 0..2 {
            let answer = call.send().expect(200);
            let etag = multipart::completed_etag(&answer);
            assert_eq!(etag, Some(composite_etag(&parts)), "{}", answer.text());
        }
        let stored = server.call("GET", &object).send().expect(200);
        assert!(stored.body == bytes);
    }
    eprintln!("{was_answered} of 10 completions had been answered");
    let log = dense_events(&server, 0);
    assert_eq!(ingested(&log).len(), 10, "each is recorded once");
    server.kill();
    audit(&server);
}

#[test]
fn a_finalize_that_a_crash_cut_off_can_be_repeated() {
    let mut random = random();
    let mut server = Server::start();
    let mut was_answered = 0;
    for round in 0..20 {
        let bucket = format!("package-{round}");
        server.make_bucket(&bucket);
        for key in 0..20 {
            let call = server.call("PUT", &format!("/{bucket}/{key}"));
            call.body(content(key, 1000)).send().expect(200);
        }
        let target = format!("/{bucket}/.holdfast/finalize");
        let mut connection = server.connect();
        connection.send(server.call("PUT", &target).bytes());
        thread::sleep(Duration::from_micros(random.below(6000) as u64));
        kill(&server);
        let before = connection
            .try_answer(false)
            .map(|answer| digest_of(&answer.expect(200)));
        was_answered += usize::from(before.is_some());
        server = server.restart();
        let first = digest_of(&server.call("PUT", &target).send().expect(200));
        let second = digest_of(&server.call("PUT", &target).send().expect(200));
        assert_eq!(first, second);
        assert!(before.is_none_or(|before| before == first));
        let query = format!("&package={bucket}&types=v1.package.finalized");
        let seals = events(&server, 0, &query);
        assert_eq!(seals.len(), 1);
        assert_eq!(seals[0]["payload_digest"].as_str(), Some(&*first));
    }
    eprintln!("{was_answered} of 20 finalizes had been answered");
    server.kill();
    audit(&server);
}

#[test]
fn a_package_that_a_crash_left_sealed_is_open_again() {
    let mut server = Server::start();
    server.make_bucket("bucket");
    server.stop();
    let mark = "INSERT INTO sealing_marks SELECT id, zeroblob(16), 9223372036854775807 \
                FROM packages WHERE bucket = CAST($1 AS TEXT)";
    edit(&server, mark, b"bucket");
    let server = server.restart();
    server.call("PUT", "/bucket/key").send().expect(200);
    let finalize = server.call("PUT", "/bucket/.holdfast/finalize");
    digest_of(&finalize.send().expect(200));
}

fn digest_of(answer: &Answer) -> String {
    let digest = answer.header("x-holdfast-manifest-digest");
    digest.expect("a digest").to_owned()
}
