//! `WriteTx`: read, decide, then append.
//!
//! What units read, they read through here: the state of packages and current files is loaded for
//! the whole batch at once and follows every event that is appended, so that units of one batch see
//! each other. Nothing is written before the batch's units have decided, but for working tables.

use std::collections::HashMap;

use sqlx::AnyConnection;

use crate::db::dialect::Dialect;
use crate::db::error::{DbError, Result};
use crate::db::log::{Appended, LogHead};
use crate::db::packages::PackageState;
use crate::db::pieces::InPieces;
use crate::db::script::Script;
use crate::db::{blobs, configurations, files, log, packages, retention, schemas, views};
use crate::domain::configuration::ConfigurationKind;
use crate::domain::description::Description;
use crate::domain::digest::ContentAddress;
use crate::domain::event::{Event, Recorded};
use crate::domain::ids::{PackageId, Sequence, Timestamp};
use crate::domain::key_versions::key_of;
use crate::domain::merkle::{TreeHash, leaf_hash};
use crate::domain::name::{ObjectKey, PackageName};
use crate::domain::package::{CurrentFile, Package, PackageStatus};
use crate::domain::retention::{DEFAULT_CLASS, Hold, Retention, RetentionClass};
use crate::domain::schema::{SchemaSlug, SchemaVersion, canonical_schema, schema_digest};

/// What a unit will read, so that a batch can load it at once.
#[derive(Debug, Clone, Default)]
pub struct Footprint {
    /// Packages.
    pub packages: Vec<PackageId>,
    /// Current files.
    pub keys: Vec<(PackageId, ObjectKey)>,
    /// How many bytes it writes, if they are many.
    pub bytes: usize,
}

/// What one transaction leaves for the next, where nobody else writes in between.
#[derive(Debug, Default)]
pub struct Known {
    head: LogHead,
    packages: HashMap<PackageId, Option<PackageState>>,
}

/// The most packages that are known from one transaction to the next.
const MAX_KNOWN_PACKAGES: usize = 4096;

/// What a transaction wrote.
pub struct Flushed {
    /// The events, in order.
    pub events: Vec<Recorded>,
    /// The position of the last event of the log.
    pub head: Sequence,
    /// For the next transaction, if this one commits.
    pub known: Known,
}

/// One transaction of the committer, and what its units see.
pub struct WriteTx<'c> {
    /// For the statements of working tables.
    pub connection: &'c mut AnyConnection,
    now: Timestamp,
    head: LogHead,
    pub(super) appended: Vec<Appended>,
    inline: HashMap<ContentAddress, bytes::Bytes>,
    pub(super) packages: HashMap<PackageId, Option<PackageState>>,
    pub(super) current: HashMap<(PackageId, ObjectKey), Option<CurrentFile>>,
    retentions: HashMap<PackageId, Option<Retention>>,
    classes: HashMap<String, Option<RetentionClass>>,
}

impl<'c> WriteTx<'c> {
    /// Begins a transaction that holds the log's head, with what is known of its state, and loads
    /// what the units of a batch will read.
    pub async fn begin(
        connection: &'c mut AnyConnection,
        dialect: Dialect,
        now: Timestamp,
        known: Option<Known>,
        footprint: Footprint,
    ) -> Result<Self> {
        let mut opening = Script::beginning_with(dialect.begin());
        let mut known = match known {
            Some(known) => known,
            None => {
                opening.run(connection).await?;
                Known {
                    head: log::read_head(connection).await?,
                    ..Known::default()
                }
            }
        };
        if known.packages.len() > MAX_KNOWN_PACKAGES {
            known.packages.clear();
        }
        let mut tx = Self {
            connection,
            now,
            head: known.head,
            appended: Vec::new(),
            inline: HashMap::new(),
            packages: known.packages,
            current: HashMap::new(),
            retentions: HashMap::new(),
            classes: HashMap::new(),
        };
        tx.prefetch(opening, footprint).await?;
        Ok(tx)
    }

    /// Loads what the units of a batch will read, after what opens the transaction.
    async fn prefetch(&mut self, mut opening: Script, footprint: Footprint) -> Result<()> {
        let mut ids = footprint.packages;
        ids.retain(|id| !self.packages.contains_key(id));
        ids.sort_unstable();
        ids.dedup();
        if !ids.is_empty() {
            opening.run(self.connection).await?;
        }
        for state in packages::load_states(self.connection, &ids).await? {
            self.packages.insert(state.package.id, Some(state));
        }
        for id in ids {
            self.packages.entry(id).or_insert(None);
        }
        let mut keys = footprint.keys;
        keys.sort_unstable();
        keys.dedup();
        for (key, file) in files::load_current(self.connection, opening, &keys).await? {
            self.current.insert(key, Some(file));
        }
        for key in keys {
            self.current.entry(key).or_insert(None);
        }
        Ok(())
    }

    /// The instant of this transaction: every event of it is recorded at this time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The position of the last event of the log, those of this transaction included.
    pub fn last_sequence(&self) -> Sequence {
        self.head.last_sequence
    }

    /// How many events have been appended so far.
    pub fn appended_events(&self) -> usize {
        self.appended.len()
    }

    /// The state of a package; `None` if there is none, or it has ended.
    pub async fn package(&mut self, id: PackageId) -> Result<Option<Package>> {
        if !self.packages.contains_key(&id) {
            let state = packages::load_states(self.connection, &[id]).await?.pop();
            self.packages.insert(id, state);
        }
        Ok(self
            .packages
            .get(&id)
            .and_then(Option::as_ref)
            .map(|state| self.judged(state)))
    }

    /// The package that holds a bucket's name.
    pub async fn package_of_bucket(&mut self, bucket: &PackageName) -> Result<Option<Package>> {
        let holds = |state: &&PackageState| {
            state.package.bucket == *bucket && state.package.status != PackageStatus::Deleted
        };
        if let Some(state) = self.packages.values().flatten().find(holds) {
            return Ok(Some(self.judged(state)));
        }
        let Some(state) = packages::load_state_of_bucket(self.connection, bucket).await? else {
            return Ok(None);
        };
        // What an earlier unit of this batch did to the package counts more than the row.
        let id = state.package.id;
        let state = self.packages.entry(id).or_insert(Some(state));
        let state = state
            .clone()
            .filter(|state| state.package.status != PackageStatus::Deleted);
        Ok(state.map(|state| self.judged(&state)))
    }

    /// Whether a finalized package that has ended held a bucket's name.
    pub async fn is_retired(&mut self, bucket: &PackageName) -> Result<bool> {
        let has_ended = |state: &PackageState| {
            state.package.bucket == *bucket
                && state.package.status == PackageStatus::Deleted
                && state.package.manifest.is_some()
        };
        if self.packages.values().flatten().any(has_ended) {
            return Ok(true);
        }
        packages::is_retired(self.connection, bucket).await
    }

    fn judged(&self, state: &PackageState) -> Package {
        let is_sealing = state.sealing_until.is_some_and(|until| until > self.now);
        Package {
            is_sealing,
            ..state.package.clone()
        }
    }

    /// The current file of a key.
    pub async fn current_file(
        &mut self,
        package: PackageId,
        key: &ObjectKey,
    ) -> Result<Option<CurrentFile>> {
        let place = (package, key.clone());
        if !self.current.contains_key(&place) {
            let keys = std::slice::from_ref(&place);
            let nothing = Script::default();
            let file = files::load_current(self.connection, nothing, keys)
                .await?
                .pop();
            self.current
                .insert(place.clone(), file.map(|(_, file)| file));
        }
        Ok(self.current.get(&place).cloned().flatten())
    }

    /// The retention of a package; `None` if there is none, or it has ended.
    pub async fn retention(&mut self, id: PackageId) -> Result<Option<Retention>> {
        if !self.retentions.contains_key(&id) {
            let retention = retention::load(self.connection, id).await?;
            self.retentions.insert(id, retention);
        }
        Ok(self.retentions.get(&id).cloned().flatten())
    }

    /// The bytes of a package's current files. Of a finalized package only: no unit of this
    /// transaction changes those.
    pub async fn total_bytes(&mut self, id: PackageId) -> Result<u64> {
        packages::total_bytes(self.connection, id).await
    }

    /// A retention class as it is defined now. The default class is defined without a definition.
    pub async fn retention_class(&mut self, id: &str) -> Result<Option<RetentionClass>> {
        let class = self.defined_class(id).await?;
        let is_default = id == DEFAULT_CLASS;
        Ok(class.or_else(|| is_default.then(|| RetentionClass::unlimited(id))))
    }

    /// What a class was last defined as.
    pub async fn defined_class(&mut self, id: &str) -> Result<Option<RetentionClass>> {
        if !self.classes.contains_key(id) {
            let class = retention::find_class(&mut *self.connection, id).await?;
            self.classes.insert(id.to_owned(), class);
        }
        Ok(self.classes.get(id).cloned().flatten())
    }

    /// What a package says of itself; `None` if there is no such package.
    pub async fn description(&mut self, id: PackageId) -> Result<Option<Description>> {
        let mut appended = self.appended.iter().rev();
        let described = appended.find_map(|appended| match &appended.recorded.event {
            Event::PackageCreated(event) if event.package_id == id => Some(Description {
                metadata: event.metadata.clone(),
                metadata_schema_id: event.metadata_schema_id.clone(),
                tags: event.tags.clone(),
            }),
            Event::PackageMetadataUpdated(event) if event.package_id == id => Some(Description {
                metadata: event.metadata.clone(),
                metadata_schema_id: event.metadata_schema_id.clone(),
                tags: event.tags.clone(),
            }),
            _ => None,
        });
        if described.is_some() {
            return Ok(described);
        }
        let record = packages::find(&mut *self.connection, id).await?;
        Ok(record.map(|record| Description {
            metadata: record.metadata,
            metadata_schema_id: record.metadata_schema_id,
            tags: record.tags,
        }))
    }

    /// The document of a kind that configures a package's bucket.
    pub async fn configuration(
        &mut self,
        id: PackageId,
        kind: ConfigurationKind,
    ) -> Result<Option<String>> {
        let mut appended = self.appended.iter().rev();
        let set = appended.find_map(|appended| match &appended.recorded.event {
            Event::ConfigurationSet(event) if event.package_id == id && event.kind == kind => {
                Some(event.document.clone())
            }
            _ => None,
        });
        match set {
            Some(document) => Ok(document),
            None => Ok(configurations::of_package(&mut *self.connection, id)
                .await?
                .remove(&kind)),
        }
    }

    /// The versions of a metadata schema, in order.
    pub async fn schema_versions(&mut self, slug: &SchemaSlug) -> Result<Vec<SchemaVersion>> {
        let mut versions = schemas::versions(&mut *self.connection, slug).await?;
        for appended in &self.appended {
            if let Event::MetadataSchemaRegistered(event) = &appended.recorded.event
                && event.slug == *slug
            {
                versions.push(SchemaVersion {
                    version: event.version,
                    id: event.schema_id,
                    digest: schema_digest(&canonical_schema(&event.json_schema)),
                });
            }
        }
        Ok(versions)
    }

    /// Notes that a finalize has closed a package until an instant, or opened it again.
    pub fn set_sealing(&mut self, package: PackageId, until: Option<Timestamp>) {
        if let Some(Some(state)) = self.packages.get_mut(&package) {
            state.sealing_until = until;
        }
    }

    /// Keeps small content in the same transaction as the event that refers to it.
    pub fn keep_inline(&mut self, address: ContentAddress, bytes: bytes::Bytes) {
        self.inline.insert(address, bytes);
    }

    /// Whether this transaction keeps the content of an address.
    pub fn keeps_inline(&self, address: ContentAddress) -> bool {
        self.inline.contains_key(&address)
    }

    /// Appends an event: it has its place in the log once the batch commits.
    pub fn append(&mut self, actor: &str, event: Event) -> Recorded {
        self.append_at(actor, event, self.now)
    }

    /// Appends an event that already says when it happened. The order of the log is that of the
    /// sequence, never that of the clock.
    pub fn append_at(&mut self, actor: &str, event: Event, created_at: Timestamp) -> Recorded {
        let payload = event.payload();
        let digest = ContentAddress(*blake3::hash(&payload).as_bytes());
        let (recorded, leaf) = self.advance(actor, event, created_at, digest);
        self.appended.push(Appended {
            recorded: recorded.clone(),
            payload_bytes: payload.len() as u64,
            payload,
            pieces: None,
            leaf,
        });
        recorded
    }

    /// As [`Self::append_at`], of an event whose payload is kept in pieces already.
    pub fn append_in_pieces(
        &mut self,
        actor: &str,
        event: Event,
        created_at: Timestamp,
        payload: InPieces,
    ) -> Recorded {
        let (recorded, leaf) = self.advance(actor, event, created_at, payload.digest);
        self.appended.push(Appended {
            recorded: recorded.clone(),
            payload_bytes: payload.length,
            payload: Vec::new(),
            pieces: Some(payload.id),
            leaf,
        });
        recorded
    }

    /// Gives an event its place in the log and in the tree.
    fn advance(
        &mut self,
        actor: &str,
        event: Event,
        created_at: Timestamp,
        payload_digest: ContentAddress,
    ) -> (Recorded, TreeHash) {
        let recorded = Recorded {
            sequence: self.head.last_sequence.next(),
            created_at,
            actor: actor.to_owned(),
            event,
            payload_digest,
        };
        let leaf = leaf_hash(&recorded, self.head.epoch);
        self.head.last_sequence = recorded.sequence;
        self.head.frontier.push(leaf);
        self.follow(&recorded);
        (recorded, leaf)
    }

    /// Moves what units see along with an event.
    fn follow(&mut self, recorded: &Recorded) {
        match &recorded.event {
            Event::PackageCreated(event) => {
                let package = Package {
                    id: event.package_id,
                    bucket: event.bucket.clone(),
                    owner: recorded.actor.clone(),
                    write_mode: event.write_mode,
                    status: PackageStatus::Created,
                    manifest: None,
                    file_count: 0,
                    is_sealing: false,
                    versioning: None,
                    object_lock: None,
                    noncurrent_count: 0,
                };
                let state = PackageState {
                    package,
                    sealing_until: None,
                };
                self.packages.insert(event.package_id, Some(state));
            }
            Event::FileIngested(event) => {
                self.count_files(event.package_id, 1);
                self.current.insert(
                    (event.package_id, event.key.clone()),
                    Some(event.to_current()),
                );
            }
            Event::PackageFinalized(event) => {
                if let Some(Some(state)) = self.packages.get_mut(&event.package_id) {
                    state.package.status = PackageStatus::Finalized;
                    state.package.manifest = Some(recorded.payload_digest);
                    state.sealing_until = None;
                }
            }
            Event::PackageDeleted(event) => {
                if let Some(Some(state)) = self.packages.get_mut(&event.package_id) {
                    state.package.status = PackageStatus::Deleted;
                }
                self.retentions.insert(event.package_id, None);
            }
            event if key_of(event).is_some() => self.follow_versions(event),
            Event::VersioningSet(_) | Event::ObjectLockConfigured(_) => {
                self.follow_versions(&recorded.event);
            }
            _ => self.follow_retention(recorded),
        }
    }

    /// What units see of retention. Who appends such an event has read the state before.
    fn follow_retention(&mut self, recorded: &Recorded) {
        if let Event::RetentionClassDefined(class) = &recorded.event {
            self.classes.insert(class.id.clone(), Some(class.clone()));
            return;
        }
        let Some(id) = recorded.event.package_id() else {
            return;
        };
        if let Event::RetentionDefaultApplied(event) = &recorded.event {
            let class = self.classes.get(&event.retention_class).cloned().flatten();
            let class = class.unwrap_or_else(|| RetentionClass::unlimited(&event.retention_class));
            let state = self.retentions.entry(id).or_default();
            state
                .get_or_insert_with(|| Retention {
                    class,
                    expires_at: None,
                    eligible_since: None,
                    holds: Vec::new(),
                })
                .expires_at = event.expires_at;
        }
        let Some(Some(state)) = self.retentions.get_mut(&id) else {
            return;
        };
        match &recorded.event {
            Event::RetentionExtended(event) => state.expires_at = Some(event.new_expires_at),
            Event::HoldApplied(event) => state.holds.push(Hold {
                id: event.hold_id,
                kind: event.kind,
                reason: event.reason.clone(),
                applied_at: recorded.created_at,
                applied_by: recorded.actor.clone(),
            }),
            Event::HoldReleased(event) => state.holds.retain(|hold| hold.id != event.hold_id),
            Event::DeletionEligible(_) => state.eligible_since = Some(recorded.created_at),
            Event::EligibilityRevoked(_) => state.eligible_since = None,
            _ => {}
        }
    }

    pub(super) fn count_files(&mut self, package: PackageId, change: i64) {
        if let Some(Some(state)) = self.packages.get_mut(&package) {
            state.package.file_count = state.package.file_count.saturating_add_signed(change);
        }
    }

    /// Writes what was appended: content, events, views, the log's end. The caller commits.
    pub async fn flush(self) -> Result<Flushed> {
        let mut script = Script::default();
        let inline: Vec<_> = self.inline.into_iter().collect();
        blobs::keep_inline(&mut script, &inline, self.now);
        let mut events = Vec::with_capacity(self.appended.len());
        if !self.appended.is_empty() {
            log::append(&mut script, &self.appended, &self.head);
            events.extend(self.appended.into_iter().map(|event| event.recorded));
            views::apply(self.connection, &mut script, &events).await?;
        }
        script.run(self.connection).await?;
        let head = self.head.last_sequence;
        let known = Known {
            head: self.head,
            packages: self.packages,
        };
        Ok(Flushed {
            events,
            head,
            known,
        })
    }
}

/// A unit's answer when the database, not a rule, said no.
pub type UnitResult<T, R> = std::result::Result<std::result::Result<T, R>, DbError>;
