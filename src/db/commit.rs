//! The one writer: queue, batch, commit, then answer.
//!
//! A batch is whatever queued while the last one was committing: there is no waiting when idle. A
//! unit that is refused leaves its batch untouched, since it writes nothing before it has decided.
//! A batch that meets a database error is rolled back and its units run one by one, so that one bad
//! unit harms no other; a unit may therefore run twice and must not care.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sqlx::{AnyConnection, Connection, Executor};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::db::dialect::Dialect;
use crate::db::error::{DbError, Result};
use crate::db::pool::Db;
use crate::db::tx::{Flushed, Footprint, Known, UnitResult, WriteTx};
use crate::domain::event::Recorded;
use crate::domain::ids::{Sequence, Timestamp};

/// The write-ahead log is checkpointed in the background after so many units. A small object writes
/// some 24 KiB to it, so this is some 36 MiB. The file's length would not tell: SQLite begins the log
/// anew in the same file, which stays as long as it ever was.
const CHECKPOINT_UNITS: usize = 1500;

/// What a unit writes to the write-ahead log at the most, if it does not say more.
const UNIT_BYTES: usize = 24 << 10;

/// A batch that takes so long is told of: everybody waits for it.
const SLOW_COMMIT: Duration = Duration::from_secs(1);

/// How long a request waits for a place in a full queue.
const ENQUEUE_TIMEOUT: Duration = Duration::from_secs(5);

/// The source of instants.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Something that reads, asks the domain, and only then appends.
#[async_trait]
pub trait Unit: Send + Sync + 'static {
    /// What it answers when it succeeds.
    type Output: Send + 'static;
    /// Why a rule says no.
    type Refusal: Send + 'static;

    /// What it will read; loaded for the whole batch at once.
    fn footprint(&self) -> Footprint {
        Footprint::default()
    }

    /// Reads, decides, appends. Writes nothing before it has decided; may run twice.
    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<Self::Output, Self::Refusal>;
}

/// Who must know of changes at once: caches.
pub trait CommitObserver: Send + Sync {
    /// These events are about to be committed: what they change must not be served from memory.
    fn changing(&self, events: &[Recorded]);

    /// They are committed, or will not be.
    fn changed(&self, events: &[Recorded], is_committed: bool);
}

/// What the writer has done since it was started, and what waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CommitFigures {
    /// Transactions, failed ones too.
    pub batches: u64,
    /// Units of work in them.
    pub units: u64,
    /// How long they took, in microseconds.
    pub micros: u64,
    /// Units that wait.
    pub waiting: u64,
    /// How many may wait.
    pub queue: u64,
}

/// Counts what the writer does.
#[derive(Debug, Default)]
struct Tally {
    batches: AtomicU64,
    units: AtomicU64,
    micros: AtomicU64,
}

/// Hands units to the writer. Cheap to clone.
#[derive(Clone)]
pub struct Committer {
    tally: Arc<Tally>,
    queue: mpsc::Sender<Box<dyn Job>>,
    head: watch::Receiver<Sequence>,
    stop: CancellationToken,
}

/// How the writer works.
#[derive(Debug, Clone, Copy)]
pub struct CommitLimits {
    /// How many units may wait.
    pub queue: usize,
    /// The most units in one transaction.
    pub batch: usize,
}

impl Committer {
    /// Starts the writer on a connection of its own. The handle ends when, after [`Self::stop`], it
    /// has written all that was queued.
    pub async fn start(
        db: Db,
        clock: Clock,
        observer: Arc<dyn CommitObserver>,
        limits: CommitLimits,
    ) -> Result<(Self, JoinHandle<()>)> {
        let mut connection = db.connect().await?;
        let head = crate::db::log::read_head(&mut connection)
            .await?
            .last_sequence;
        let (queue, jobs) = mpsc::channel(limits.queue.max(1));
        let (head_sender, head_receiver) = watch::channel(head);
        let tally = Arc::new(Tally::default());
        let writer = Writer {
            tally: tally.clone(),
            db,
            connection: Some(connection),
            clock,
            observer,
            head: head_sender,
            batch: limits.batch.max(1),
            checkpoint: None,
            units_since_checkpoint: 0,
            known: None,
            broken: None,
        };
        let stop = CancellationToken::new();
        let handle = tokio::spawn(writer.run(jobs, stop.clone()));
        Ok((
            Self {
                tally,
                queue,
                head: head_receiver,
                stop,
            },
            handle,
        ))
    }

    /// Runs a unit. When this answers success, what it appended is durable.
    ///
    /// Dropping the future does not stop the unit: it commits or is refused all the same.
    pub async fn submit<U: Unit>(
        &self,
        unit: U,
    ) -> Result<std::result::Result<U::Output, U::Refusal>> {
        let (answer, outcome) = oneshot::channel();
        let job = Box::new(Pending {
            unit,
            result: None,
            answer,
        });
        match tokio::time::timeout(ENQUEUE_TIMEOUT, self.queue.send(job)).await {
            Err(_) => return Err(DbError::Busy),
            Ok(Err(_)) => return Err(DbError::Unavailable("the writer has stopped".into())),
            Ok(Ok(())) => {}
        }
        outcome
            .await
            .unwrap_or_else(|_| Err(DbError::Unavailable("the writer has stopped".into())))
    }

    /// Takes no more units; those that are queued are still written.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// What the writer has done, and what waits for it.
    pub fn figures(&self) -> CommitFigures {
        let queue = self.queue.max_capacity();
        CommitFigures {
            batches: self.tally.batches.load(Relaxed),
            units: self.tally.units.load(Relaxed),
            micros: self.tally.micros.load(Relaxed),
            waiting: (queue - self.queue.capacity()) as u64,
            queue: queue as u64,
        }
    }

    /// The end of the log as it moves.
    pub fn head(&self) -> watch::Receiver<Sequence> {
        self.head.clone()
    }
}

/// A unit in the queue, whatever its types.
#[async_trait]
trait Job: Send {
    fn footprint(&self) -> Footprint;
    /// Runs the unit and keeps its answer.
    async fn run(&mut self, tx: &mut WriteTx<'_>) -> Result<()>;
    /// Gives the kept answer, or the error.
    fn answer(self: Box<Self>, committed: Result<()>);
}

struct Pending<U: Unit> {
    unit: U,
    result: Option<std::result::Result<U::Output, U::Refusal>>,
    answer: oneshot::Sender<Result<std::result::Result<U::Output, U::Refusal>>>,
}

#[async_trait]
impl<U: Unit> Job for Pending<U> {
    fn footprint(&self) -> Footprint {
        self.unit.footprint()
    }

    async fn run(&mut self, tx: &mut WriteTx<'_>) -> Result<()> {
        let before = tx.appended_events();
        let result = self.unit.run(tx).await?;
        assert!(
            result.is_ok() || tx.appended_events() == before,
            "a refused unit has appended an event"
        );
        self.result = Some(result);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<()>) {
        let Self { result, answer, .. } = *self;
        let outcome = committed.and_then(|()| {
            result.ok_or_else(|| DbError::Unavailable("the unit did not run".into()))
        });
        // A requester that went away does not need the answer.
        drop(answer.send(outcome));
    }
}

/// What went wrong with a transaction, and whether its outcome is known.
enum BatchError {
    /// It was rolled back.
    RolledBack(DbError),
    /// COMMIT itself failed: the disk may or may not hold it.
    Unknown(DbError),
}

struct Writer {
    tally: Arc<Tally>,
    db: Db,
    connection: Option<AnyConnection>,
    clock: Clock,
    observer: Arc<dyn CommitObserver>,
    head: watch::Sender<Sequence>,
    batch: usize,
    checkpoint: Option<JoinHandle<()>>,
    units_since_checkpoint: usize,
    known: Option<Known>,
    broken: Option<DbError>,
}

impl Writer {
    async fn run(mut self, mut jobs: mpsc::Receiver<Box<dyn Job>>, stop: CancellationToken) {
        let mut batch = Vec::with_capacity(self.batch);
        loop {
            let received = tokio::select! {
                received = jobs.recv_many(&mut batch, self.batch) => received,
                () = stop.cancelled(), if !jobs.is_closed() => {
                    jobs.close();
                    continue;
                }
            };
            if received == 0 {
                break;
            }
            self.units_since_checkpoint += batch
                .iter()
                .map(|job| 1 + job.footprint().bytes / UNIT_BYTES)
                .sum::<usize>();
            let (units, started) = (batch.len(), Instant::now());
            self.commit(std::mem::take(&mut batch)).await;
            let elapsed = started.elapsed();
            self.tally.batches.fetch_add(1, Relaxed);
            self.tally.units.fetch_add(units as u64, Relaxed);
            let micros = elapsed.as_micros() as u64;
            self.tally.micros.fetch_add(micros, Relaxed);
            if elapsed >= SLOW_COMMIT {
                let elapsed_ms = elapsed.as_millis() as u64;
                tracing::warn!(units, elapsed_ms, "slow commit");
            }
            self.keep_wal_short().await;
        }
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the writer's connection did not close cleanly");
        }
    }

    async fn commit(&mut self, mut batch: Vec<Box<dyn Job>>) {
        match self.transaction(&mut batch).await {
            Ok(()) => answer_all(batch, &Ok(())),
            Err(BatchError::Unknown(error)) => answer_all(batch, &Err(error)),
            Err(BatchError::RolledBack(error)) if batch.len() == 1 => {
                answer_all(batch, &Err(error));
            }
            Err(BatchError::RolledBack(error)) => {
                tracing::warn!(%error, units = batch.len(), "batch failed, running its units alone");
                for job in batch {
                    let mut alone = vec![job];
                    let outcome = match self.transaction(&mut alone).await {
                        Ok(()) => Ok(()),
                        Err(BatchError::RolledBack(error) | BatchError::Unknown(error)) => {
                            Err(error)
                        }
                    };
                    answer_all(alone, &outcome);
                }
            }
        }
    }

    async fn transaction(
        &mut self,
        batch: &mut [Box<dyn Job>],
    ) -> std::result::Result<(), BatchError> {
        if let Some(error) = &self.broken {
            return Err(BatchError::RolledBack(error.clone()));
        }
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.db.connect().await.map_err(BatchError::RolledBack)?,
        };
        let now = (self.clock)();
        let known = self.known.take();
        let written = write(&mut connection, self.db.dialect, now, known, batch).await;
        let Flushed {
            events,
            head,
            known,
        } = match written {
            Ok(written) => written,
            Err(error) => {
                if connection.execute("ROLLBACK").await.is_ok() {
                    self.connection = Some(connection);
                }
                return Err(BatchError::RolledBack(error));
            }
        };
        self.observer.changing(&events);
        // With no values bound it would be parsed anew each time.
        let committed = sqlx::query("COMMIT").execute(&mut connection).await;
        self.observer.changed(&events, committed.is_ok());
        if let Err(error) = committed {
            return Err(self.commit_failed(connection, error.into()).await);
        }
        self.connection = Some(connection);
        self.known = self.db.dialect.is_exclusive().then_some(known);
        self.head.send_if_modified(|last| {
            let is_new = head > *last;
            *last = head;
            is_new
        });
        Ok(())
    }

    /// After a failed COMMIT only one thing is safe: to roll back, and to believe it when SQLite
    /// says that the transaction was still open, or when it found no room: that is said of a write,
    /// never of a sync, and SQLite has then rolled back by itself. Anything else may be an fsync
    /// that failed, after which the kernel has forgotten the dirty pages: no write may be
    /// acknowledged any more.
    async fn commit_failed(&mut self, mut connection: AnyConnection, error: DbError) -> BatchError {
        let was_open = connection.execute("ROLLBACK").await.is_ok();
        if was_open && is_lock(&error) || is_space(&error) {
            self.connection = Some(connection);
            return BatchError::RolledBack(error);
        }
        tracing::error!(%error, "a commit failed; no more writes are taken until the next start");
        self.broken = Some(DbError::Unavailable(format!(
            "an earlier commit failed ({error}); writes are refused until the next start"
        )));
        BatchError::Unknown(error)
    }

    /// Checkpoints beside the writer, and lets the writer itself do the little that is left, since
    /// only then does SQLite begin its log anew.
    async fn keep_wal_short(&mut self) {
        match &self.checkpoint {
            Some(running) if !running.is_finished() => return,
            Some(_) => {
                self.checkpoint = None;
                if let Some(connection) = self.connection.as_mut()
                    && let Err(error) = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").await
                {
                    tracing::warn!(%error, "checkpoint failed");
                }
                return;
            }
            None => {}
        }
        if self.units_since_checkpoint < CHECKPOINT_UNITS {
            return;
        }
        self.units_since_checkpoint = 0;
        let db = self.db.clone();
        self.checkpoint = Some(tokio::spawn(async move {
            if let Err(error) = checkpoint(&db).await {
                tracing::warn!(%error, "checkpoint failed");
            }
        }));
    }
}

async fn checkpoint(db: &Db) -> Result<()> {
    let mut connection = db.connect().await?;
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").await?;
    connection.close().await?;
    Ok(())
}

async fn write(
    connection: &mut AnyConnection,
    dialect: Dialect,
    now: Timestamp,
    known: Option<Known>,
    batch: &mut [Box<dyn Job>],
) -> Result<Flushed> {
    let mut footprint = Footprint::default();
    for job in batch.iter() {
        let Footprint { packages, keys, .. } = job.footprint();
        footprint.packages.extend(packages);
        footprint.keys.extend(keys);
    }
    let mut tx = WriteTx::begin(connection, dialect, now, known, footprint).await?;
    for job in batch {
        job.run(&mut tx).await?;
    }
    tx.flush().await
}

fn is_lock(error: &DbError) -> bool {
    let text = error.to_string();
    text.contains("database is locked") || text.contains("database is busy")
}

fn is_space(error: &DbError) -> bool {
    error.to_string().contains("database or disk is full")
}

fn answer_all(batch: Vec<Box<dyn Job>>, committed: &Result<()>) {
    for job in batch {
        job.answer(committed.clone());
    }
}
