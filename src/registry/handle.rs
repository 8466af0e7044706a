//! `Registry`: the log, the blobs and the clock held together.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::blob::blobs::Blobs;
use crate::blob::settings::BlobSettings;
use crate::db::commit::{Clock, CommitLimits, CommitObserver, Committer, Unit};
use crate::db::log::read_head;
use crate::db::pool::Db;
use crate::domain::ids::Timestamp;
use crate::domain::package::Rejection;
use crate::registry::cache::{ContentCache, RecordCache};
use crate::registry::candidates::Candidates;
use crate::registry::chaser::Chasers;
use crate::registry::crash_point::{CrashPoint, CrashingObserver};
use crate::registry::error::Result;
use crate::registry::locks::PackageLocks;
use crate::registry::quarantine::Quarantine;
use crate::registry::schema_checks::SchemaChecks;
use crate::registry::scrubber::Scrubber;
use crate::registry::settings::RegistrySettings;
use crate::registry::stores::open_stores;
use crate::registry::surveys::Surveys;

/// The library's entry: cheap to clone, shared by every request.
#[derive(Clone)]
pub struct Registry {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) settings: RegistrySettings,
    pub(super) db: Db,
    pub(super) committer: Committer,
    pub(super) blobs: Blobs,
    pub(super) clock: Clock,
    pub(super) records: Arc<RecordCache>,
    pub(super) content: ContentCache,
    pub(super) chasers: Chasers,
    pub(super) finalizing: PackageLocks,
    pub(super) archiving: PackageLocks,
    pub(super) manifests: Surveys,
    crash_point: Option<Arc<CrashPoint>>,
    pub(super) schemas: SchemaChecks,
    pub(super) candidates: Mutex<Candidates>,
    pub(super) quarantine: Quarantine,
    pub(super) scrub: Scrubber,
    /// The epoch of the log; it changes only between two runs.
    pub(super) epoch: u64,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Registry {
    /// Opens the database and the stores of a data directory, making what is missing. The caller
    /// holds the directory's lock.
    pub async fn open(settings: RegistrySettings, blobs: &BlobSettings) -> Result<Self> {
        Self::open_with_clock(settings, blobs, Arc::new(system_time)).await
    }

    /// As [`Self::open`], with a clock of the caller's.
    pub async fn open_with_clock(
        settings: RegistrySettings,
        blobs: &BlobSettings,
        clock: Clock,
    ) -> Result<Self> {
        let db = Db::open(&settings.data_dir, settings.read_connections).await?;
        let blobs = open_stores(&db, &settings.data_dir, blobs).await?;
        let records = Arc::new(RecordCache::new(settings.record_cache_entries as usize));
        let limits = CommitLimits {
            queue: settings.commit_queue,
            batch: settings.commit_batch,
        };
        let crash_point = settings.crash_point.clone();
        let observer: Arc<dyn CommitObserver> = match crash_point.clone() {
            None => records.clone(),
            Some(point) => Arc::new(CrashingObserver {
                observer: records.clone(),
                point,
            }),
        };
        let (committer, writer) =
            Committer::start(db.clone(), clock.clone(), observer, limits).await?;
        let epoch = read_head(&mut db.connect().await?).await?.epoch;
        let registry = Self {
            inner: Arc::new(Inner {
                scrub: Scrubber::new(&settings.verification),
                settings,
                db,
                committer,
                blobs,
                clock,
                records,
                content: ContentCache::default(),
                chasers: Chasers::default(),
                finalizing: PackageLocks::default(),
                archiving: PackageLocks::default(),
                manifests: Surveys::default(),
                crash_point,
                schemas: SchemaChecks::default(),
                candidates: Mutex::default(),
                quarantine: Quarantine::default(),
                epoch,
                writer: Mutex::new(Some(writer)),
            }),
        };
        registry.define_classes_of_settings().await?;
        registry.load_quarantine().await?;
        Ok(registry)
    }

    /// Ends background work, writes what is queued and closes the database. Later calls answer `Unavailable`.
    pub async fn close(&self) {
        self.inner.scrub.stop().await;
        self.inner.committer.stop();
        if let Some(writer) = self.inner.writer.lock().await.take()
            && let Err(error) = writer.await
        {
            tracing::error!(%error, "the writer ended badly");
        }
        self.inner.db.close().await;
    }

    /// Test equipment: may end the process here, see `crash_point.rs`.
    pub(super) fn pass(&self, point: &str) {
        if let Some(crash_point) = &self.inner.crash_point {
            crash_point.pass(point);
        }
    }

    /// The present by the registry's clock.
    pub fn now(&self) -> Timestamp {
        (self.inner.clock)()
    }

    /// Runs a unit of work through the committer.
    pub(super) async fn commit<U>(&self, unit: U) -> Result<U::Output>
    where
        U: Unit<Refusal = Rejection>,
    {
        Ok(self.inner.committer.submit(unit).await??)
    }

    /// A time-ordered identifier: later files have greater ids.
    pub(super) fn new_id(&self) -> Uuid {
        let micros = self.now().0.max(0) as u64;
        let nanos = (micros % 1_000_000) as u32 * 1000;
        Uuid::new_v7(uuid::Timestamp::from_unix(
            uuid::NoContext,
            micros / 1_000_000,
            nanos,
        ))
    }
}

fn system_time() -> Timestamp {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp(elapsed.map_or(0, |elapsed| elapsed.as_micros() as i64))
}
