//! Runs the cases: prepares what is read, starts the workers, gathers what they saw.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::bodies::{Bodies, next};
use crate::cases::{Case, Kind};
use crate::connection::Connection;
use crate::sign::{EMPTY, Signer};
use crate::{Failure, cpu};

/// How long, and how much stands ready.
pub struct Plan {
    /// How long each case runs.
    pub seconds: Duration,
    /// Keys that list-1000 lists.
    pub list_keys: u64,
}

/// The server that is measured.
#[derive(Clone)]
pub struct Target {
    /// Host and port.
    pub host: String,
    /// The access key.
    pub access_key: String,
    /// The secret key.
    pub secret_key: String,
    /// The bucket.
    pub bucket: String,
    /// The server's process, if known.
    pub pid: Option<u32>,
}

/// What came of one case.
#[derive(Serialize)]
pub struct Measured {
    /// The case.
    pub name: &'static str,
    /// Connections side by side.
    pub connections: usize,
    /// Requests (or whole multipart uploads) a second.
    pub per_second: f64,
    /// MiB of bodies a second.
    pub mib_per_second: f64,
    /// Half of the requests took less, in milliseconds.
    pub p50_ms: f64,
    /// All but one in a hundred took less.
    pub p99_ms: f64,
    /// CPU seconds of the server for 1,000 requests.
    pub cpu_per_1000: Option<f64>,
    /// CPU seconds of the server for a GiB.
    pub cpu_per_gib: Option<f64>,
    /// CPU seconds of this program for 1,000 requests.
    pub own_cpu_per_1000: Option<f64>,
    /// The most memory the server had so far, in MiB.
    pub server_peak_mib: Option<f64>,
}

/// One case under way; shared by its workers.
struct Job {
    target: Target,
    signer: Signer,
    case: Case,
    bodies: Bodies,
    salt: u64,
    list_keys: u64,
    numbers: AtomicU64,
}

/// What one worker saw.
#[derive(Default)]
struct Tally {
    micros: Vec<u32>,
    bytes: u64,
}

/// Runs the cases one after the other.
pub async fn measure(
    target: &Target,
    plan: &Plan,
    cases: &[Case],
) -> Result<Vec<Measured>, Failure> {
    let salt = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64 | 1;
    make_bucket(target).await?;
    let mut all = Vec::new();
    for case in cases {
        let job = Arc::new(Job {
            target: target.clone(),
            signer: Signer::new(&target.host, &target.access_key, &target.secret_key),
            case: *case,
            bodies: Bodies::new(case.size, salt),
            salt,
            list_keys: plan.list_keys,
            numbers: AtomicU64::new(0),
        });
        eprint!("{} {}: preparing", target.host, case.name);
        prepare(&job)
            .await
            .map_err(|error| format!("preparing {}: {error}", case.name))?;
        eprint!("\r{} {}: running   ", target.host, case.name);
        let measured = run(&job, plan.seconds).await;
        let measured = measured.map_err(|error| format!("{}: {error}", case.name))?;
        eprintln!(
            "\r{} {}: {:.0} requests/s",
            target.host, case.name, measured.per_second
        );
        all.push(measured);
    }
    Ok(all)
}

async fn make_bucket(target: &Target) -> Result<(), Failure> {
    let signer = Signer::new(&target.host, &target.access_key, &target.secret_key);
    let mut connection = Connection::open(&target.host).await?;
    let head = signer.head("PUT", &format!("/{}", target.bucket), "", EMPTY, 0, "");
    connection.send(&[&head]).await?;
    let mut said = Vec::new();
    let reply = connection
        .receive(true, |_, piece| said.extend_from_slice(piece))
        .await?;
    match reply.status {
        200 | 409 => Ok(()),
        other => Err(format!("bucket: {other} {}", String::from_utf8_lossy(&said)).into()),
    }
}

/// Puts the objects that the case reads.
async fn prepare(job: &Arc<Job>) -> Result<(), Failure> {
    let count = if job.case.kind == Kind::List {
        job.list_keys
    } else {
        job.case.objects
    };
    let connections = if job.case.size > 1024 * 1024 { 2 } else { 32 };
    let mut tasks = Vec::new();
    for first in 0..connections {
        let job = Arc::clone(job);
        tasks.push(tokio::spawn(async move {
            let mut connection = Connection::open(&job.target.host).await?;
            let mut number = first;
            while number < count {
                job.put(&mut connection, number, &job.ready_key(number))
                    .await?;
                number += connections;
            }
            Ok::<(), Failure>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(())
}

async fn run(job: &Arc<Job>, seconds: Duration) -> Result<Measured, Failure> {
    let mut connections = Vec::new();
    for _ in 0..job.case.connections {
        connections.push(Connection::open(&job.target.host).await?);
    }
    let cpu = || job.target.pid.and_then(cpu::seconds);
    let own = || cpu::seconds(std::process::id());
    let (cpu_before, own_before, started) = (cpu(), own(), Instant::now());
    let deadline = started + seconds;
    let tasks: Vec<_> = connections
        .into_iter()
        .enumerate()
        .map(|(index, connection)| {
            tokio::spawn(work(Arc::clone(job), connection, index as u64, deadline))
        })
        .collect();
    let mut total = Tally::default();
    for task in tasks {
        let tally = task.await??;
        total.micros.extend(tally.micros);
        total.bytes += tally.bytes;
    }
    let elapsed = started.elapsed().as_secs_f64();
    let (cpu_after, own_after) = (cpu(), own());
    total.micros.sort_unstable();
    let requests = total.micros.len() as f64;
    let gib = total.bytes as f64 / f64::from(1u32 << 30);
    let spent = cpu_before
        .zip(cpu_after)
        .map(|(before, after)| after - before);
    let own_spent = own_before
        .zip(own_after)
        .map(|(before, after)| after - before);
    let at = |share: f64| {
        let index = (requests * share) as usize;
        total
            .micros
            .get(index.min(total.micros.len() - 1))
            .map_or(0.0, |us| f64::from(*us) / 1e3)
    };
    Ok(Measured {
        name: job.case.name,
        connections: job.case.connections,
        per_second: requests / elapsed,
        mib_per_second: gib * 1024.0 / elapsed,
        p50_ms: at(0.50),
        p99_ms: at(0.99),
        cpu_per_1000: spent.map(|seconds| seconds / requests * 1000.0),
        cpu_per_gib: spent.filter(|_| gib > 0.0).map(|seconds| seconds / gib),
        own_cpu_per_1000: own_spent.map(|seconds| seconds / requests * 1000.0),
        server_peak_mib: job.target.pid.and_then(cpu::peak_mib),
    })
}

async fn work(
    job: Arc<Job>,
    mut connection: Connection,
    index: u64,
    deadline: Instant,
) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    let mut random = job.salt ^ (index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    loop {
        let started = Instant::now();
        if started >= deadline && !tally.micros.is_empty() {
            return Ok(tally);
        }
        tally.bytes += job.step(&mut connection, next(&mut random)).await? as u64;
        tally.micros.push(started.elapsed().as_micros() as u32);
    }
}

impl Job {
    /// One request, or one whole multipart upload; answers the bytes of the body.
    async fn step(&self, connection: &mut Connection, random: u64) -> Result<usize, Failure> {
        let ready = random % self.case.objects.max(1);
        match self.case.kind {
            Kind::Put => {
                let number = self.numbers.fetch_add(1, Ordering::Relaxed) + (1 << 40);
                self.put(connection, number, &self.new_key(number)).await
            }
            Kind::Get => self.get(connection, ready, 0, self.case.size, "").await,
            Kind::Range(window) => {
                let start = (random >> 20) as usize % (self.case.size - window);
                let range = format!("range: bytes={start}-{}\r\n", start + window - 1);
                self.get(connection, ready, start, window, &range).await
            }
            Kind::Head => {
                let head = self
                    .signer
                    .head("HEAD", &self.ready_key(ready), "", EMPTY, 0, "");
                connection.send(&[&head]).await?;
                let reply = connection.receive(false, |_, _| ()).await?;
                if reply.status == 200 {
                    Ok(0)
                } else {
                    Err(format!("{}", reply.status).into())
                }
            }
            Kind::Multipart(part) => self.multipart(connection, part).await,
            Kind::List => self.list(connection, random).await,
        }
    }

    fn new_key(&self, number: u64) -> String {
        format!(
            "/{}/new/{}-{:x}/{number}",
            self.target.bucket, self.case.name, self.salt
        )
    }

    fn ready_key(&self, number: u64) -> String {
        format!(
            "/{}/ready/{}-{:x}/{number:08}",
            self.target.bucket, self.case.name, self.salt
        )
    }

    async fn put(
        &self,
        connection: &mut Connection,
        number: u64,
        path: &str,
    ) -> Result<usize, Failure> {
        let body = self.bodies.body(number);
        let head = self
            .signer
            .head("PUT", path, "", &body.sha256, body.len(), "");
        connection.send(&[&head, &body.prefix, &body.tail]).await?;
        self.expect(connection, 200).await?;
        Ok(body.len())
    }

    async fn get(
        &self,
        connection: &mut Connection,
        number: u64,
        start: usize,
        length: usize,
        range: &str,
    ) -> Result<usize, Failure> {
        let body = self.bodies.body(number);
        let head = self
            .signer
            .head("GET", &self.ready_key(number), "", EMPTY, 0, range);
        connection.send(&[&head]).await?;
        let (mut seen, mut is_same) = (0, true);
        let reply = connection
            .receive(true, |offset, piece| {
                seen += piece.len();
                is_same &= body.holds(start + offset, piece);
            })
            .await?;
        match reply.status {
            200 | 206 if is_same && seen == length => Ok(seen),
            200 | 206 => Err(format!("wrong bytes ({seen} of {length})").into()),
            other => Err(format!("status {other}").into()),
        }
    }

    async fn multipart(&self, connection: &mut Connection, part: usize) -> Result<usize, Failure> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed) + (1 << 40);
        let path = self.new_key(number);
        let head = self.signer.head("POST", &path, "uploads=", EMPTY, 0, "");
        connection.send(&[&head]).await?;
        let said = self.expect(connection, 200).await?.0;
        let upload = between(&said, "<UploadId>", "</UploadId>").ok_or("no UploadId")?;
        let parts = Bodies::new(part, self.salt);
        let mut list = String::from("<CompleteMultipartUpload>");
        for index in 1..=self.case.size / part {
            let body = parts.body(number * 1000 + index as u64);
            let query = format!("partNumber={index}&uploadId={upload}");
            let head = self
                .signer
                .head("PUT", &path, &query, &body.sha256, body.len(), "");
            connection.send(&[&head, &body.prefix, &body.tail]).await?;
            let etag = self.expect(connection, 200).await?.1;
            list += &format!("<Part><PartNumber>{index}</PartNumber><ETag>{etag}</ETag></Part>");
        }
        list += "</CompleteMultipartUpload>";
        let digest = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&list));
        let query = format!("uploadId={upload}");
        let head = self
            .signer
            .head("POST", &path, &query, &digest, list.len(), "");
        connection.send(&[&head, list.as_bytes()]).await?;
        let said = self.expect(connection, 200).await?.0;
        if said.contains("<Error>") {
            Err(said.into())
        } else {
            Ok(self.case.size)
        }
    }

    async fn list(&self, connection: &mut Connection, random: u64) -> Result<usize, Failure> {
        let folder = format!("ready%2F{}-{:x}%2F", self.case.name, self.salt);
        let start = random % self.list_keys.saturating_sub(1001).max(1);
        let query = format!(
            "encoding-type=url&list-type=2&max-keys=1000&prefix={folder}&start-after={folder}{start:08}"
        );
        let path = format!("/{}", self.target.bucket);
        let head = self.signer.head("GET", &path, &query, EMPTY, 0, "");
        connection.send(&[&head]).await?;
        let said = self.expect(connection, 200).await?.0;
        let keys = said.matches("<Key>").count();
        if keys == 1000.min(self.list_keys as usize - 1) {
            Ok(said.len())
        } else {
            Err(format!("a page of {keys} keys").into())
        }
    }

    /// The body and the ETag of a reply that must have this status.
    async fn expect(
        &self,
        connection: &mut Connection,
        status: u16,
    ) -> Result<(String, String), Failure> {
        let mut said = Vec::new();
        let reply = connection
            .receive(true, |_, piece| said.extend_from_slice(piece))
            .await?;
        let said = String::from_utf8_lossy(&said).into_owned();
        if reply.status == status {
            Ok((said, reply.etag))
        } else {
            Err(format!("status {}: {said}", reply.status).into())
        }
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?
        .1
        .split_once(after)
        .map(|(inner, _)| inner)
}
