//! The only writer of the view tables.
//!
//! Everything is taken from the events: no clock, no new id. Emptying the views and replaying the
//! log gives the same rows. A slice of events is folded to its outcome first, so that each table is
//! written by a few statements over many rows.

use std::collections::{BTreeMap, HashMap};

use sqlx::AnyConnection;

use crate::db::codec::{Columns, to_int};
use crate::db::error::Result;
use crate::db::script::{Script, Values};
use crate::db::version_views::{self, hold_word};
use crate::db::view_retention::{
    define_class, delete_hold, insert_hold, insert_retention, set_eligible, set_expiry,
};
use crate::db::view_statements::{
    DELETE_FILES, DELETE_LOCATIONS, DELETE_OBJECTS, DELETE_PART_REFERENCES, DROP_CONTENTS,
    INSERT_FILES, INSERT_LOCATIONS, INSERT_PART_REFERENCES, SET_FAILED, SET_VERIFIED,
    UPSERT_OBJECTS,
};
use crate::domain::digest::ContentAddress;
use crate::domain::event::{
    ConfigurationSet, Event, FileIngested, LocationAdded, MetadataSchemaRegistered, PackageCreated,
    PackageMetadataUpdated, Recorded,
};
use crate::domain::file::PARTS_OBJECT_KEY;
use crate::domain::ids::{FileId, LocationId, PackageId, Sequence, Timestamp};
use crate::domain::name::ObjectKey;
use crate::domain::package::PackageStatus;
use crate::domain::payload::{LOCATION_RECORDED, RETRIEVAL_TIER, encode_attributes};
use crate::domain::schema::{canonical_schema, schema_digest};
use crate::domain::scrub::LocationStatus;

/// The view tables, for emptying and comparing. Columns are in the order of the primary key first.
pub const VIEW_TABLES: [&str; 12] = [
    "packages",
    "retention_classes",
    "retention_state",
    "holds",
    "files",
    "objects",
    "versions",
    "storage_locations",
    "archived_files",
    "part_references",
    "metadata_schemas",
    "bucket_configurations",
];

/// Applies events, in order, to the views, after what a script holds: some of it is run, and the
/// script holds the rest.
pub async fn apply(
    connection: &mut AnyConnection,
    script: &mut Script,
    events: &[Recorded],
) -> Result<()> {
    let mut outcome = Outcome::default();
    for recorded in events {
        match &recorded.event {
            Event::PackageCreated(event) => {
                // The name may be that of a package which ended earlier in the slice: its end must
                // be written first.
                std::mem::take(&mut outcome)
                    .write(connection, script)
                    .await?;
                insert_package(script, recorded, event);
            }
            Event::MetadataSchemaRegistered(event) => insert_schema(script, recorded, event),
            Event::RetentionDefaultApplied(event) => insert_retention(script, recorded, event),
            Event::RetentionClassDefined(class) => define_class(script, recorded, class),
            Event::RetentionExtended(event) => {
                let expires_at = Some(event.new_expires_at);
                set_expiry(script, recorded, event.package_id, expires_at);
            }
            Event::HoldApplied(event) => insert_hold(script, recorded, event),
            Event::HoldReleased(event) => delete_hold(script, recorded, event),
            Event::DeletionEligible(event) => {
                set_eligible(
                    script,
                    recorded,
                    event.package_id,
                    Some(recorded.created_at),
                );
            }
            Event::EligibilityRevoked(event) => {
                set_eligible(script, recorded, event.package_id, None);
            }
            Event::ConfigurationSet(event) => set_configuration(script, recorded, event),
            event if version_views::is_one(event) => {
                // It moves rows that earlier events of the slice may have made.
                std::mem::take(&mut outcome)
                    .write(connection, script)
                    .await?;
                version_views::apply(script, recorded);
            }
            _ => outcome.fold(recorded),
        }
        if let Some(id) = recorded.event.package_id() {
            outcome.package(id).last_sequence = recorded.sequence;
        }
    }
    outcome.write(connection, script).await
}

/// What a slice of events amounts to.
#[derive(Default)]
struct Outcome<'e> {
    /// Files that are new and not gone again, in their order.
    added: BTreeMap<FileId, (&'e Recorded, &'e FileIngested)>,
    /// Files that were there before and are gone.
    gone: Vec<FileId>,
    /// The current file of each key that changed.
    current: BTreeMap<(PackageId, &'e ObjectKey), Option<FileId>>,
    /// Further locations of files that are not gone again.
    located: BTreeMap<(FileId, LocationId), &'e LocationAdded>,
    /// What was last found at locations that were read again.
    verified: BTreeMap<(FileId, LocationId), LocationStatus>,
    packages: HashMap<PackageId, PackageChange<'e>>,
}

#[derive(Default)]
struct PackageChange<'e> {
    last_sequence: Sequence,
    file_count: i64,
    total_bytes: i64,
    description: Option<&'e PackageMetadataUpdated>,
    end: Option<PackageEnd>,
}

/// The package was finalized or ended.
struct PackageEnd {
    status: PackageStatus,
    manifest: Option<(ContentAddress, Sequence, Timestamp)>,
    archive_backend: Option<String>,
}

impl<'e> Outcome<'e> {
    fn package(&mut self, id: PackageId) -> &mut PackageChange<'e> {
        self.packages.entry(id).or_default()
    }

    fn fold(&mut self, recorded: &'e Recorded) {
        match &recorded.event {
            Event::FileIngested(event) => {
                self.added.insert(event.file_id, (recorded, event));
                self.current
                    .insert((event.package_id, &event.key), Some(event.file_id));
                let package = self.package(event.package_id);
                package.file_count += 1;
                package.total_bytes += to_int(event.size_bytes);
            }
            Event::FileSuperseded(event) => self.drop_file(event.package_id, event.file_id),
            Event::FileRemoved(event) => {
                self.current.insert((event.package_id, &event.key), None);
                if let Some(id) = event.file_id {
                    self.drop_file(event.package_id, id);
                }
            }
            Event::PackageMetadataUpdated(event) => {
                self.package(event.package_id).description = Some(event);
            }
            Event::PackageFinalized(event) => {
                let manifest = (
                    recorded.payload_digest,
                    recorded.sequence,
                    recorded.created_at,
                );
                self.package(event.package_id).end = Some(PackageEnd {
                    status: PackageStatus::Finalized,
                    manifest: Some(manifest),
                    archive_backend: None,
                });
            }
            Event::PackageDeleted(event) => {
                let package = self.package(event.package_id);
                // It may have been finalized in the same slice.
                let manifest = package.end.take().and_then(|end| end.manifest);
                package.end = Some(PackageEnd {
                    status: PackageStatus::Deleted,
                    manifest,
                    archive_backend: event.archive_backend.clone(),
                });
            }
            Event::LocationAdded(event) => {
                let place = (event.file_id, event.location_id);
                self.located.insert(place, event);
            }
            Event::LocationVerified(event) => {
                let status = match event.mismatch {
                    None => LocationStatus::Verified,
                    Some(_) => LocationStatus::Failed,
                };
                let place = (event.file_id, event.location_id);
                self.verified.insert(place, status);
            }
            // Written as they come.
            _ => {}
        }
    }

    fn drop_file(&mut self, package_id: PackageId, id: FileId) {
        self.package(package_id).file_count -= 1;
        self.located.retain(|(file, _), _| *file != id);
        match self.added.remove(&id) {
            Some((_, file)) => self.package(package_id).total_bytes -= to_int(file.size_bytes),
            None => self.gone.push(id),
        }
    }

    async fn write(mut self, connection: &mut AnyConnection, script: &mut Script) -> Result<()> {
        self.remove_gone(connection, script).await?;
        self.insert_files(script);
        self.insert_further_locations(script);
        self.insert_part_references(script);
        self.set_statuses(script);
        self.write_current(script);
        for (id, change) in &self.packages {
            update_package(script, *id, change);
        }
        Ok(())
    }

    /// Removes the rows of files that are gone, and learns their sizes on the way.
    async fn remove_gone(
        &mut self,
        connection: &mut AnyConnection,
        script: &mut Script,
    ) -> Result<()> {
        let gone = std::mem::take(&mut self.gone);
        if gone.is_empty() {
            return Ok(());
        }
        let bind = |values: Values, id: &FileId| values.bind(id.as_bytes().to_vec());
        DELETE_FILES.add(script, &gone, bind);
        for row in script.fetch(connection).await? {
            let mut columns = Columns::new(&row);
            let package = columns.package_id()?;
            self.package(package).total_bytes -= columns.int()?;
        }
        DELETE_LOCATIONS.add(script, &gone, bind);
        DELETE_PART_REFERENCES.add(script, &gone, bind);
        Ok(())
    }

    fn insert_files(&self, script: &mut Script) {
        let files: Vec<_> = self.added.values().collect();
        INSERT_FILES.add(script, &files, |values, (recorded, file)| {
            values
                .bind(file.file_id.as_bytes().to_vec())
                .bind(file.package_id.as_bytes().to_vec())
                .bind(file.key.as_bytes().to_vec())
                .bind(file.media_type.clone())
                .bind(to_int(file.size_bytes))
                .bind(file.address.0.to_vec())
                .bind(file.sha256.to_vec())
                .bind(file.etag.clone())
                .bind(recorded.created_at.0)
                .bind(to_int(recorded.sequence.0))
                .bind(recorded.actor.clone())
                .bind(encode_attributes(&file.attributes))
                .bind(
                    file.copied_from
                        .map(|(package, _)| package.as_bytes().to_vec()),
                )
                .bind(file.copied_from.map(|(_, file)| file.as_bytes().to_vec()))
                .bind(i64::from(file.is_versioned))
                .bind(file.lock.retention.map(|kept| kept.mode.as_str()))
                .bind(file.lock.retention.map(|kept| kept.retain_until.0))
                .bind(file.lock.legal_hold.map(hold_word))
        });
        INSERT_LOCATIONS.add(script, &files, |values, (_, file)| {
            values
                .bind(file.file_id.as_bytes().to_vec())
                .bind(file.location.id.as_bytes().to_vec())
                .bind(file.location.backend_id.clone())
                .bind(file.address.0.to_vec())
                .bind(file.location.object_key.clone())
                .bind(RETRIEVAL_TIER)
                .bind(LOCATION_RECORDED)
        });
    }

    fn insert_further_locations(&self, script: &mut Script) {
        let located: Vec<_> = self.located.values().collect();
        INSERT_LOCATIONS.add(script, &located, |values, event| {
            values
                .bind(event.file_id.as_bytes().to_vec())
                .bind(event.location_id.as_bytes().to_vec())
                .bind(event.backend_id.clone())
                .bind(event.address.0.to_vec())
                .bind(event.object_key.clone())
                .bind(RETRIEVAL_TIER)
                .bind(LOCATION_RECORDED)
        });
    }

    fn insert_part_references(&self, script: &mut Script) {
        let references: Vec<_> = self
            .added
            .values()
            .flat_map(|(_, file)| {
                file.attributes
                    .parts
                    .iter()
                    .map(|part| (file.file_id, part))
            })
            .collect();
        INSERT_PART_REFERENCES.add(script, &references, |values, (file, part)| {
            values
                .bind(part.address.0.to_vec())
                .bind(part.backend_id.clone())
                .bind(file.as_bytes().to_vec())
        });
    }

    fn set_statuses(&self, script: &mut Script) {
        let with = |wanted: LocationStatus| {
            let mut places = Vec::new();
            let found = self.verified.iter().filter(|(_, found)| **found == wanted);
            places.extend(found.map(|(place, _)| *place));
            places
        };
        let bind = |values: Values, (file, id): &(FileId, LocationId)| {
            values
                .bind(file.as_bytes().to_vec())
                .bind(id.as_bytes().to_vec())
        };
        SET_VERIFIED.add(script, &with(LocationStatus::Verified), bind);
        SET_FAILED.add(script, &with(LocationStatus::Failed), bind);
    }

    fn write_current(&self, script: &mut Script) {
        let mut set = Vec::new();
        let mut unset = Vec::new();
        for ((package, key), id) in &self.current {
            match id.and_then(|id| self.added.get(&id)) {
                Some(file) => set.push(file),
                None => unset.push((package, key)),
            }
        }
        UPSERT_OBJECTS.add(script, &set, |values, (recorded, file)| {
            values
                .bind(file.package_id.as_bytes().to_vec())
                .bind(file.key.as_bytes().to_vec())
                .bind(file.file_id.as_bytes().to_vec())
                .bind(to_int(file.size_bytes))
                .bind(file.address.0.to_vec())
                .bind(file.etag.clone())
                .bind(recorded.created_at.0)
        });
        DELETE_OBJECTS.add(script, &unset, |values, (package, key)| {
            values
                .bind(package.as_bytes().to_vec())
                .bind(key.as_bytes().to_vec())
        });
    }
}

fn insert_package(script: &mut Script, recorded: &Recorded, event: &PackageCreated) {
    script.add(
        "INSERT INTO packages (id, bucket, name, producer, subject, retention_class, metadata, \
         metadata_schema_id, tags, write_mode, owner, status, created_at, last_sequence, \
         file_count, total_bytes, noncurrent_count) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0)",
        |values| {
            values
                .bind(event.package_id.as_bytes().to_vec())
                .bind(event.bucket.to_string())
                .bind(event.name.clone())
                .bind(event.producer.clone())
                .bind(event.subject.clone())
                .bind(event.retention_class.clone())
                .bind(event.metadata.to_string())
                .bind(event.metadata_schema_id.clone())
                .bind(serde_json::json!(event.tags).to_string())
                .bind(event.write_mode.as_str())
                .bind(recorded.actor.clone())
                .bind(PackageStatus::Created.as_str())
                .bind(recorded.created_at.0)
                .bind(to_int(recorded.sequence.0))
        },
    );
}

fn insert_schema(script: &mut Script, recorded: &Recorded, event: &MetadataSchemaRegistered) {
    let canonical = canonical_schema(&event.json_schema);
    let digest = schema_digest(&canonical);
    script.add(
        "INSERT INTO metadata_schemas (slug, version, schema_id, json_schema, digest, sequence, \
         created_at, created_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        |values| {
            values
                .bind(event.slug.to_string())
                .bind(to_int(event.version))
                .bind(event.schema_id.as_bytes().to_vec())
                .bind(canonical)
                .bind(digest.0.to_vec())
                .bind(to_int(recorded.sequence.0))
                .bind(recorded.created_at.0)
                .bind(recorded.actor.clone())
        },
    );
}

fn set_configuration(script: &mut Script, recorded: &Recorded, event: &ConfigurationSet) {
    let Some(document) = &event.document else {
        script.add(
            "DELETE FROM bucket_configurations WHERE package_id = ? AND kind = ?",
            |values| {
                values
                    .bind(event.package_id.as_bytes().to_vec())
                    .bind(event.kind.as_str())
            },
        );
        return;
    };
    script.add(
        "INSERT INTO bucket_configurations (package_id, kind, document, sequence) \
         VALUES (?, ?, ?, ?) ON CONFLICT (package_id, kind) DO UPDATE SET \
         document = excluded.document, sequence = excluded.sequence",
        |values| {
            values
                .bind(event.package_id.as_bytes().to_vec())
                .bind(event.kind.as_str())
                .bind(document.clone())
                .bind(to_int(recorded.sequence.0))
        },
    );
}

fn update_package(script: &mut Script, id: PackageId, change: &PackageChange<'_>) {
    script.add(
        "UPDATE packages SET last_sequence = ?, file_count = file_count + ?, \
         total_bytes = total_bytes + ? WHERE id = ?",
        |values| {
            values
                .bind(to_int(change.last_sequence.0))
                .bind(change.file_count)
                .bind(change.total_bytes)
                .bind(id.as_bytes().to_vec())
        },
    );
    if let Some(description) = change.description {
        script.add(
            "UPDATE packages SET metadata = ?, metadata_schema_id = ?, tags = ? WHERE id = ?",
            |values| {
                values
                    .bind(description.metadata.to_string())
                    .bind(description.metadata_schema_id.clone())
                    .bind(serde_json::json!(description.tags).to_string())
                    .bind(id.as_bytes().to_vec())
            },
        );
    }
    let Some(end) = &change.end else {
        return;
    };
    if let Some(backend) = &end.archive_backend {
        keep_archived(script, id, backend);
    }
    if end.status == PackageStatus::Deleted {
        drop_contents(script, id);
    }
    let manifest = end.manifest.as_ref();
    script.add(
        "UPDATE packages SET status = ?, finalized_at = COALESCE(?, finalized_at), \
         manifest_address = COALESCE(?, manifest_address), \
         manifest_sequence = COALESCE(?, manifest_sequence) WHERE id = ?",
        |values| {
            values
                .bind(end.status.as_str())
                .bind(manifest.map(|(_, _, at)| at.0))
                .bind(manifest.map(|(address, _, _)| address.0.to_vec()))
                .bind(manifest.map(|(_, sequence, _)| to_int(sequence.0)))
                .bind(id.as_bytes().to_vec())
        },
    );
}

/// Remembers the copies of a package's files on a backend, which nothing may take.
fn keep_archived(script: &mut Script, id: PackageId, backend_id: &str) {
    script.add(
        "INSERT INTO archived_files (file_id, package_id, content_address, size_bytes, \
         backend_id, object_key) SELECT f.id, f.package_id, f.address, f.size_bytes, \
         l.backend_id, MIN(l.object_key) FROM objects o JOIN files f ON f.id = o.file_id \
         JOIN storage_locations l ON l.file_id = f.id WHERE o.package_id = ? \
         AND l.backend_id = ? AND l.object_key <> ? \
         GROUP BY f.id, f.package_id, f.address, f.size_bytes, l.backend_id",
        |values| {
            values
                .bind(id.as_bytes().to_vec())
                .bind(backend_id.to_owned())
                .bind(PARTS_OBJECT_KEY)
        },
    );
    script.add(
        "UPDATE packages SET archive_backend = ? WHERE id = ?",
        |values| {
            values
                .bind(backend_id.to_owned())
                .bind(id.as_bytes().to_vec())
        },
    );
}

/// The rows of a package's files, retention and configurations: what they referred to may be
/// reclaimed.
fn drop_contents(script: &mut Script, id: PackageId) {
    for text in DROP_CONTENTS {
        script.add(text, |values| values.bind(id.as_bytes().to_vec()));
    }
}
