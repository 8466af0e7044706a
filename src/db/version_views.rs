//! What the events of versions and locks do to the view tables: `views.rs` calls it, in the order of
//! the log. Such an event moves rows between `objects`, which has the current files, and `versions`,
//! which has all others and the delete markers.

use crate::db::codec::to_int;
use crate::db::script::{Script, Values};
use crate::domain::event::{Event, Recorded};
use crate::domain::ids::{FileId, PackageId};
use crate::domain::name::ObjectKey;
use crate::domain::version::Marker;

/// The word of a legal hold.
pub fn hold_word(is_on: bool) -> &'static str {
    if is_on { "on" } else { "off" }
}

/// Whether an event is written here.
pub fn is_one(event: &Event) -> bool {
    match event {
        Event::FileSuperseded(event) => event.is_kept,
        Event::FileRemoved(event) => event.marker.is_some(),
        Event::MarkerRemoved(_)
        | Event::VersionPurged(_)
        | Event::VersioningSet(_)
        | Event::ObjectLockConfigured(_)
        | Event::FileRetentionSet(_)
        | Event::FileLegalHoldSet(_) => true,
        _ => false,
    }
}

/// Writes such an event. What came before it has been written.
pub fn apply(script: &mut Script, recorded: &Recorded) {
    match &recorded.event {
        Event::FileSuperseded(event) => {
            let place = Place(event.package_id, &event.key);
            keep(script, place, event.file_id);
        }
        Event::FileRemoved(event) => {
            let place = Place(event.package_id, &event.key);
            if let Some(id) = event.file_id {
                keep(script, place, id);
            }
            if let Some(marker) = event.marker {
                insert_marker(script, recorded, place, marker);
            }
        }
        Event::MarkerRemoved(event) => {
            let place = Place(event.package_id, &event.key);
            delete_version(script, place, event.marker_id);
            restore(script, place, event.restored);
        }
        Event::VersionPurged(event) => {
            let place = Place(event.package_id, &event.key);
            purge(script, place, event.file_id);
            restore(script, place, event.restored);
        }
        Event::VersioningSet(event) => {
            script.add(
                "UPDATE packages SET versioning = ? WHERE id = ?",
                |values| {
                    values
                        .bind(event.state.as_str())
                        .bind(event.package_id.as_bytes().to_vec())
                },
            );
        }
        Event::ObjectLockConfigured(event) => {
            script.add(
                "UPDATE packages SET object_lock = ? WHERE id = ?",
                |values| {
                    values
                        .bind(event.config.to_text())
                        .bind(event.package_id.as_bytes().to_vec())
                },
            );
        }
        Event::FileRetentionSet(event) => {
            let retention = event.retention;
            script.add(
                "UPDATE files SET lock_mode = ?, retain_until = ? WHERE id = ?",
                |values| {
                    values
                        .bind(retention.map(|kept| kept.mode.as_str()))
                        .bind(retention.map(|kept| kept.retain_until.0))
                        .bind(event.file_id.as_bytes().to_vec())
                },
            );
        }
        Event::FileLegalHoldSet(event) => {
            script.add("UPDATE files SET legal_hold = ? WHERE id = ?", |values| {
                values
                    .bind(hold_word(event.is_on))
                    .bind(event.file_id.as_bytes().to_vec())
            });
        }
        _ => {}
    }
}

/// A key of a package.
#[derive(Clone, Copy)]
struct Place<'e>(PackageId, &'e ObjectKey);

impl Place<'_> {
    fn bind(self, values: Values) -> Values {
        values
            .bind(self.0.as_bytes().to_vec())
            .bind(self.1.as_bytes().to_vec())
    }

    fn bind_with(self, values: Values, id: FileId) -> Values {
        self.bind(values).bind(id.as_bytes().to_vec())
    }
}

fn bind_id(values: Values, id: FileId) -> Values {
    values.bind(id.as_bytes().to_vec())
}

/// The current file of a key becomes an older version.
fn keep(script: &mut Script, place: Place<'_>, id: FileId) {
    script.add(
        "INSERT INTO versions (package_id, relative_path, recency, id, is_marker, is_versioned, \
         created_at) SELECT package_id, relative_path, 0 - sequence, id, 0, is_versioned, \
         created_at FROM files WHERE id = ?",
        |values| bind_id(values, id),
    );
    script.add(
        "UPDATE packages SET file_count = file_count - 1, \
         total_bytes = total_bytes - (SELECT size_bytes FROM files WHERE id = ?), \
         noncurrent_count = noncurrent_count + 1 WHERE id = ?",
        |values| bind_id(values, id).bind(place.0.as_bytes().to_vec()),
    );
    script.add(
        "DELETE FROM objects WHERE package_id = ? AND relative_path = ?",
        |values| place.bind(values),
    );
}

fn insert_marker(script: &mut Script, recorded: &Recorded, place: Place<'_>, marker: Marker) {
    script.add(
        "INSERT INTO versions (package_id, relative_path, recency, id, is_marker, is_versioned, \
         created_at) VALUES (?, ?, ?, ?, 1, ?, ?)",
        |values| {
            let values = place.bind(values).bind(-to_int(recorded.sequence.0));
            bind_id(values, marker.id)
                .bind(i64::from(marker.is_versioned))
                .bind(recorded.created_at.0)
        },
    );
    script.add(
        "UPDATE packages SET noncurrent_count = noncurrent_count + 1 WHERE id = ?",
        |values| values.bind(place.0.as_bytes().to_vec()),
    );
}

/// A version that is not current, or a marker, leaves `versions`; nothing happens when it is not
/// there.
fn delete_version(script: &mut Script, place: Place<'_>, id: FileId) {
    script.add(
        "UPDATE packages SET noncurrent_count = noncurrent_count - \
         (SELECT COUNT(*) FROM versions WHERE id = ?) WHERE id = ?",
        |values| bind_id(values, id).bind(place.0.as_bytes().to_vec()),
    );
    script.add("DELETE FROM versions WHERE id = ?", |values| {
        bind_id(values, id)
    });
}

/// A file goes, current or not.
fn purge(script: &mut Script, place: Place<'_>, id: FileId) {
    script.add(
        "UPDATE packages SET file_count = file_count - (SELECT COUNT(*) FROM objects \
         WHERE package_id = ? AND relative_path = ? AND file_id = ?), \
         total_bytes = total_bytes - COALESCE((SELECT size_bytes FROM objects \
         WHERE package_id = ? AND relative_path = ? AND file_id = ?), 0) WHERE id = ?",
        |values| {
            let values = place.bind_with(values, id);
            place
                .bind_with(values, id)
                .bind(place.0.as_bytes().to_vec())
        },
    );
    script.add(
        "DELETE FROM objects WHERE package_id = ? AND relative_path = ? AND file_id = ?",
        |values| place.bind_with(values, id),
    );
    delete_version(script, place, id);
    for text in [
        "DELETE FROM files WHERE id = ?",
        "DELETE FROM storage_locations WHERE file_id = ?",
        "DELETE FROM part_references WHERE file_id = ?",
    ] {
        script.add(text, |values| bind_id(values, id));
    }
}

/// An older file becomes current.
fn restore(script: &mut Script, place: Place<'_>, restored: Option<FileId>) {
    let Some(id) = restored else {
        return;
    };
    script.add(
        "INSERT INTO objects (package_id, relative_path, file_id, size_bytes, address, etag, \
         created_at) SELECT package_id, relative_path, id, size_bytes, address, etag, created_at \
         FROM files WHERE id = ?",
        |values| bind_id(values, id),
    );
    script.add(
        "UPDATE packages SET file_count = file_count + 1, \
         total_bytes = total_bytes + (SELECT size_bytes FROM files WHERE id = ?) WHERE id = ?",
        |values| bind_id(values, id).bind(place.0.as_bytes().to_vec()),
    );
    delete_version(script, place, id);
}
