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
use crate::db::view_statements::{
    DELETE_FILES, DELETE_LOCATIONS, DELETE_OBJECTS, DELETE_PART_REFERENCES, INSERT_FILES,
    INSERT_LOCATIONS, INSERT_PART_REFERENCES, SET_FAILED, SET_VERIFIED, UPSERT_OBJECTS,
};
use crate::domain::digest::ContentAddress;
use crate::domain::event::{
    ConfigurationSet, Event, FileIngested, HoldApplied, HoldReleased, MetadataSchemaRegistered,
    PackageCreated, PackageMetadataUpdated, Recorded, RetentionDefaultApplied,
};
use crate::domain::ids::{FileId, LocationId, PackageId, Sequence, Timestamp};
use crate::domain::name::ObjectKey;
use crate::domain::package::PackageStatus;
use crate::domain::payload::{LOCATION_RECORDED, RETRIEVAL_TIER, encode_attributes};
use crate::domain::retention::RetentionClass;
use crate::domain::schema::{canonical_schema, schema_digest};
use crate::domain::scrub::LocationStatus;

/// The view tables, for emptying and comparing. Columns are in the order of the primary key first.
pub const VIEW_TABLES: [&str; 10] = [
    "packages",
    "retention_classes",
    "retention_state",
    "holds",
    "files",
    "objects",
    "storage_locations",
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
                self.drop_file(event.package_id, event.file_id);
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
                });
            }
            Event::PackageDeleted(event) => {
                let package = self.package(event.package_id);
                // It may have been finalized in the same slice.
                let manifest = package.end.take().and_then(|end| end.manifest);
                package.end = Some(PackageEnd {
                    status: PackageStatus::Deleted,
                    manifest,
                });
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
        match self.added.remove(&id) {
            Some((_, file)) => self.package(package_id).total_bytes -= to_int(file.size_bytes),
            None => self.gone.push(id),
        }
    }

    async fn write(mut self, connection: &mut AnyConnection, script: &mut Script) -> Result<()> {
        self.remove_gone(connection, script).await?;
        self.insert_files(script);
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
         file_count, total_bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0)",
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

fn define_class(script: &mut Script, recorded: &Recorded, class: &RetentionClass) {
    script.add(
        "INSERT INTO retention_classes (id, default_duration_seconds, deletion_strategy, \
         lock_mode, anchor, grace_seconds, defined_at, sequence) VALUES (?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (id) DO UPDATE SET \
         default_duration_seconds = excluded.default_duration_seconds, \
         deletion_strategy = excluded.deletion_strategy, lock_mode = excluded.lock_mode, \
         anchor = excluded.anchor, grace_seconds = excluded.grace_seconds, \
         defined_at = excluded.defined_at, sequence = excluded.sequence",
        |values| {
            values
                .bind(class.id.clone())
                .bind(class.default_duration_seconds.map(to_int))
                .bind(class.deletion_strategy.as_str())
                .bind(class.lock_mode.as_str())
                .bind(class.anchor.as_str())
                .bind(to_int(class.grace_seconds))
                .bind(recorded.created_at.0)
                .bind(to_int(recorded.sequence.0))
        },
    );
}

/// The class is taken as it stands at this place of the log. A package's second such event, at its
/// finalize, only sets the expiry.
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

fn insert_retention(script: &mut Script, recorded: &Recorded, event: &RetentionDefaultApplied) {
    let fallback = RetentionClass::unlimited(&event.retention_class);
    script.add(
        "INSERT INTO retention_state (package_id, effective_class, default_duration_seconds, \
         deletion_strategy, lock_mode, anchor, grace_seconds, current_expires_at, \
         eligible_since, last_sequence) SELECT v.column1, v.column2, v.column3, \
         COALESCE(c.deletion_strategy, v.column4), COALESCE(c.lock_mode, v.column5), \
         COALESCE(c.anchor, v.column6), COALESCE(c.grace_seconds, v.column7), v.column8, \
         v.column9, v.column10 FROM (VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)) v \
         LEFT JOIN retention_classes c ON c.id = v.column2 WHERE 1 = 1 \
         ON CONFLICT (package_id) DO UPDATE SET \
         current_expires_at = excluded.current_expires_at, \
         last_sequence = excluded.last_sequence",
        |values| {
            values
                .bind(event.package_id.as_bytes().to_vec())
                .bind(event.retention_class.clone())
                .bind(event.default_duration_seconds.map(to_int))
                .bind(fallback.deletion_strategy.as_str())
                .bind(fallback.lock_mode.as_str())
                .bind(fallback.anchor.as_str())
                .bind(to_int(fallback.grace_seconds))
                .bind(event.expires_at.map(|at| at.0))
                .bind(
                    event
                        .is_eligible_for_deletion
                        .then_some(recorded.created_at.0),
                )
                .bind(to_int(recorded.sequence.0))
        },
    );
}

fn set_expiry(
    script: &mut Script,
    recorded: &Recorded,
    id: PackageId,
    expires_at: Option<Timestamp>,
) {
    script.add(
        "UPDATE retention_state SET current_expires_at = ?, last_sequence = ? \
         WHERE package_id = ?",
        |values| {
            values
                .bind(expires_at.map(|at| at.0))
                .bind(to_int(recorded.sequence.0))
                .bind(id.as_bytes().to_vec())
        },
    );
}

fn set_eligible(script: &mut Script, recorded: &Recorded, id: PackageId, since: Option<Timestamp>) {
    script.add(
        "UPDATE retention_state SET eligible_since = ?, last_sequence = ? WHERE package_id = ?",
        |values| {
            values
                .bind(since.map(|at| at.0))
                .bind(to_int(recorded.sequence.0))
                .bind(id.as_bytes().to_vec())
        },
    );
}

fn insert_hold(script: &mut Script, recorded: &Recorded, event: &HoldApplied) {
    script.add(
        "INSERT INTO holds (package_id, id, kind, reason, applied_at, applied_by, sequence) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
        |values| {
            values
                .bind(event.package_id.as_bytes().to_vec())
                .bind(event.hold_id.as_bytes().to_vec())
                .bind(event.kind.as_str())
                .bind(event.reason.clone())
                .bind(recorded.created_at.0)
                .bind(recorded.actor.clone())
                .bind(to_int(recorded.sequence.0))
        },
    );
    touch_retention(script, recorded, event.package_id);
}

fn delete_hold(script: &mut Script, recorded: &Recorded, event: &HoldReleased) {
    script.add(
        "DELETE FROM holds WHERE package_id = ? AND id = ?",
        |values| {
            values
                .bind(event.package_id.as_bytes().to_vec())
                .bind(event.hold_id.as_bytes().to_vec())
        },
    );
    touch_retention(script, recorded, event.package_id);
}

fn touch_retention(script: &mut Script, recorded: &Recorded, id: PackageId) {
    script.add(
        "UPDATE retention_state SET last_sequence = ? WHERE package_id = ?",
        |values| {
            values
                .bind(to_int(recorded.sequence.0))
                .bind(id.as_bytes().to_vec())
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

/// The rows of a package's files, retention and configurations: what they referred to may be
/// reclaimed.
fn drop_contents(script: &mut Script, id: PackageId) {
    const STATEMENTS: [&str; 7] = [
        "DELETE FROM storage_locations WHERE file_id IN \
         (SELECT file_id FROM objects WHERE package_id = ?)",
        "DELETE FROM part_references WHERE file_id IN \
         (SELECT file_id FROM objects WHERE package_id = ?)",
        "DELETE FROM files WHERE id IN (SELECT file_id FROM objects WHERE package_id = ?)",
        "DELETE FROM objects WHERE package_id = ?",
        "DELETE FROM holds WHERE package_id = ?",
        "DELETE FROM retention_state WHERE package_id = ?",
        "DELETE FROM bucket_configurations WHERE package_id = ?",
    ];
    for text in STATEMENTS {
        script.add(text, |values| values.bind(id.as_bytes().to_vec()));
    }
}
