//! The statements over many rows that write the view tables. Only `views.rs` runs them.

use crate::db::rows::{ForRows, InsertRows};

/// New files.
pub const INSERT_FILES: InsertRows = InsertRows {
    into: "files (id, package_id, relative_path, media_type, size_bytes, address, \
             sha256, etag, created_at, sequence, ingested_by, attributes, copied_from_package, \
             copied_from_file, is_versioned, lock_mode, retain_until, legal_hold)",
    columns: 18,
    on_conflict: "",
};

/// Their locations.
pub const INSERT_LOCATIONS: InsertRows = InsertRows {
    into: "storage_locations (file_id, id, backend_id, content_address, object_key, \
             retrieval_tier, status)",
    columns: 7,
    on_conflict: "",
};

/// Locations whose bytes are right.
pub const SET_VERIFIED: ForRows = ForRows {
    before: "UPDATE storage_locations SET status = 'verified' WHERE (file_id, id) IN (VALUES",
    columns: 2,
    after: ")",
};

/// Locations whose bytes are wrong or gone.
pub const SET_FAILED: ForRows = ForRows {
    before: "UPDATE storage_locations SET status = 'failed' WHERE (file_id, id) IN (VALUES",
    columns: 2,
    after: ")",
};

/// Blobs that hold a part of a file.
pub const INSERT_PART_REFERENCES: InsertRows = InsertRows {
    into: "part_references (content_address, backend_id, file_id)",
    columns: 3,
    // Two parts of one file may hold the same bytes.
    on_conflict: "ON CONFLICT DO NOTHING",
};

/// The current files of keys.
pub const UPSERT_OBJECTS: InsertRows = InsertRows {
    into: "objects (package_id, relative_path, file_id, size_bytes, address, etag, \
             created_at)",
    columns: 7,
    on_conflict: "ON CONFLICT (package_id, relative_path) DO UPDATE SET file_id = excluded.file_id, \
            size_bytes = excluded.size_bytes, address = excluded.address, etag = excluded.etag, \
            created_at = excluded.created_at",
};

/// Keys without a current file.
pub const DELETE_OBJECTS: ForRows = ForRows {
    before: "DELETE FROM objects WHERE (package_id, relative_path) IN (VALUES",
    columns: 2,
    after: ")",
};

/// Files that are gone; answers their packages and sizes.
pub const DELETE_FILES: ForRows = ForRows {
    before: "DELETE FROM files WHERE id IN (VALUES",
    columns: 1,
    after: ") RETURNING package_id, size_bytes",
};

/// Locations of files that are gone.
pub const DELETE_LOCATIONS: ForRows = ForRows {
    before: "DELETE FROM storage_locations WHERE file_id IN (VALUES",
    columns: 1,
    after: ")",
};

/// References of files that are gone.
pub const DELETE_PART_REFERENCES: ForRows = ForRows {
    before: "DELETE FROM part_references WHERE file_id IN (VALUES",
    columns: 1,
    after: ")",
};

/// The rows of all that a package has, by its id.
pub const DROP_CONTENTS: [&str; 11] = [
    "DELETE FROM storage_locations WHERE file_id IN \
     (SELECT file_id FROM objects WHERE package_id = ?)",
    "DELETE FROM part_references WHERE file_id IN \
     (SELECT file_id FROM objects WHERE package_id = ?)",
    "DELETE FROM files WHERE id IN (SELECT file_id FROM objects WHERE package_id = ?)",
    "DELETE FROM storage_locations WHERE file_id IN \
     (SELECT id FROM versions WHERE package_id = ?)",
    "DELETE FROM part_references WHERE file_id IN \
     (SELECT id FROM versions WHERE package_id = ?)",
    "DELETE FROM files WHERE id IN (SELECT id FROM versions WHERE package_id = ?)",
    "DELETE FROM objects WHERE package_id = ?",
    "DELETE FROM versions WHERE package_id = ?",
    "DELETE FROM holds WHERE package_id = ?",
    "DELETE FROM retention_state WHERE package_id = ?",
    "DELETE FROM bucket_configurations WHERE package_id = ?",
];
