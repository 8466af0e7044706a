-- The log: append-only, gap-free from 1.
CREATE TABLE events (
    -- The row's number: a search by any other key would load the manifests it passes.
    sequence        INTEGER PRIMARY KEY,
    event_type      TEXT   NOT NULL,
    subject_kind    TEXT   NOT NULL,
    subject_id      TEXT   NOT NULL,
    package_id      BLOB,
    actor           TEXT   NOT NULL,
    created_at      BIGINT NOT NULL,
    payload_digest  BLOB   NOT NULL,
    leaf_hash       BLOB   NOT NULL,
    epoch           BIGINT NOT NULL,
    -- The root of the tree over all events up to this one, on the last of each transaction.
    root            BLOB,
    payload_bytes   BIGINT NOT NULL,
    -- Where a payload of more than one piece is; the next column is empty then.
    pieces_id       BLOB,
    -- Last, so that the rest is read without a walk through the pages of a payload.
    payload         BLOB   NOT NULL
);
CREATE INDEX events_of_package ON events (package_id, sequence);

-- Payloads in pieces of 1 MiB: those that an event refers to, and those that a finalize is writing,
-- under the token of its sealing mark.
CREATE TABLE payload_pieces (
    pieces_id  BLOB   NOT NULL,
    number     BIGINT NOT NULL,
    bytes      BLOB   NOT NULL,
    PRIMARY KEY (pieces_id, number)
);

-- One row: the end of the log and the right edge of its tree.
CREATE TABLE log_head (
    id             BIGINT PRIMARY KEY,
    last_sequence  BIGINT NOT NULL,
    frontier       BLOB   NOT NULL,
    root           BLOB   NOT NULL,
    epoch          BIGINT NOT NULL
);

-- Views: written from events alone.
CREATE TABLE packages (
    id                  BLOB   PRIMARY KEY,
    bucket              TEXT   NOT NULL,
    name                TEXT   NOT NULL,
    producer            TEXT   NOT NULL,
    subject             TEXT   NOT NULL,
    retention_class     TEXT   NOT NULL,
    metadata            TEXT   NOT NULL,
    metadata_schema_id  TEXT,
    tags                TEXT   NOT NULL,
    write_mode          TEXT   NOT NULL,
    owner               TEXT   NOT NULL,
    status              TEXT   NOT NULL,
    created_at          BIGINT NOT NULL,
    finalized_at        BIGINT,
    manifest_address    BLOB,
    manifest_sequence   BIGINT,
    last_sequence       BIGINT NOT NULL,
    file_count          BIGINT NOT NULL,
    total_bytes         BIGINT NOT NULL,
    -- Where the files of an ended package are kept.
    archive_backend     TEXT,
    -- `enabled` or `suspended`, once it was asked to keep versions.
    versioning          TEXT,
    -- The configuration of Object Lock, once it has one.
    object_lock         TEXT,
    -- Its versions that are not current, and its delete markers: the rows of `versions`.
    noncurrent_count    BIGINT NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX packages_by_bucket ON packages (bucket) WHERE status <> 'deleted';
CREATE INDEX retired_packages_by_bucket ON packages (bucket) WHERE status = 'deleted';

-- The documents that configure a bucket, one of each kind.
CREATE TABLE bucket_configurations (
    package_id  BLOB   NOT NULL,
    kind        TEXT   NOT NULL,
    document    TEXT   NOT NULL,
    sequence    BIGINT NOT NULL,
    PRIMARY KEY (package_id, kind)
) WITHOUT ROWID;

-- Every version of every metadata schema. The schema is in its canonical form (RFC 8785), the
-- digest that form's BLAKE3.
CREATE TABLE metadata_schemas (
    slug         TEXT   NOT NULL,
    version      BIGINT NOT NULL,
    schema_id    BLOB   NOT NULL,
    json_schema  TEXT   NOT NULL,
    digest       BLOB   NOT NULL,
    sequence     BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    created_by   TEXT   NOT NULL,
    PRIMARY KEY (slug, version)
) WITHOUT ROWID;
CREATE UNIQUE INDEX metadata_schemas_by_id ON metadata_schemas (schema_id);

-- The last definition of each class.
CREATE TABLE retention_classes (
    id                        TEXT   PRIMARY KEY,
    default_duration_seconds  BIGINT,
    deletion_strategy         TEXT   NOT NULL,
    lock_mode                 TEXT   NOT NULL,
    anchor                    TEXT   NOT NULL,
    grace_seconds             BIGINT NOT NULL,
    defined_at                BIGINT NOT NULL,
    sequence                  BIGINT NOT NULL
) WITHOUT ROWID;

-- The retention of each package that has not ended, with its class as it was when the package came
-- to be.
CREATE TABLE retention_state (
    package_id                BLOB   PRIMARY KEY,
    effective_class           TEXT   NOT NULL,
    default_duration_seconds  BIGINT,
    deletion_strategy         TEXT   NOT NULL,
    lock_mode                 TEXT   NOT NULL,
    anchor                    TEXT   NOT NULL,
    grace_seconds             BIGINT NOT NULL,
    current_expires_at        BIGINT,
    eligible_since            BIGINT,
    last_sequence             BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX retention_by_expiry ON retention_state (current_expires_at, package_id)
    WHERE eligible_since IS NULL AND current_expires_at IS NOT NULL;
CREATE INDEX retention_by_eligibility ON retention_state (eligible_since, package_id)
    WHERE eligible_since IS NOT NULL;

-- The holds that stand.
CREATE TABLE holds (
    package_id  BLOB   NOT NULL,
    id          BLOB   NOT NULL,
    kind        TEXT   NOT NULL,
    reason      TEXT   NOT NULL,
    applied_at  BIGINT NOT NULL,
    applied_by  TEXT   NOT NULL,
    sequence    BIGINT NOT NULL,
    PRIMARY KEY (package_id, id)
) WITHOUT ROWID;

-- Every version of every key that has not been removed.
CREATE TABLE files (
    id             BLOB   PRIMARY KEY,
    package_id     BLOB   NOT NULL,
    relative_path  BLOB   NOT NULL,
    media_type     TEXT   NOT NULL,
    size_bytes     BIGINT NOT NULL,
    address        BLOB   NOT NULL,
    sha256         BLOB   NOT NULL,
    etag           TEXT   NOT NULL,
    created_at     BIGINT NOT NULL,
    sequence       BIGINT NOT NULL,
    ingested_by    TEXT   NOT NULL,
    attributes     BLOB,
    -- The file that it was copied from.
    copied_from_package  BLOB,
    copied_from_file     BLOB,
    -- Whether versioning was enabled; otherwise it is its key's null version.
    is_versioned   BIGINT NOT NULL,
    lock_mode      TEXT,
    retain_until   BIGINT,
    legal_hold     TEXT
) WITHOUT ROWID;
CREATE INDEX locked_files ON files (package_id)
    WHERE lock_mode IS NOT NULL OR retain_until IS NOT NULL OR legal_hold IS NOT NULL;

-- The current file of each key, clustered in listing order, with all that a listing shows.
CREATE TABLE objects (
    package_id     BLOB   NOT NULL,
    relative_path  BLOB   NOT NULL,
    file_id        BLOB   NOT NULL,
    size_bytes     BIGINT NOT NULL,
    address        BLOB   NOT NULL,
    etag           TEXT   NOT NULL,
    created_at     BIGINT NOT NULL,
    PRIMARY KEY (package_id, relative_path)
) WITHOUT ROWID;

-- The versions of keys that are not current, and all delete markers, in the order of a listing:
-- `recency` is the negative of the position of the version's event.
CREATE TABLE versions (
    package_id     BLOB   NOT NULL,
    relative_path  BLOB   NOT NULL,
    recency        BIGINT NOT NULL,
    id             BLOB   NOT NULL,
    is_marker      BIGINT NOT NULL,
    is_versioned   BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    PRIMARY KEY (package_id, relative_path, recency)
) WITHOUT ROWID;
CREATE UNIQUE INDEX versions_by_id ON versions (id);

-- Where the bytes of files are; a file may have several places.
CREATE TABLE storage_locations (
    file_id          BLOB   NOT NULL,
    id               BLOB   NOT NULL,
    backend_id       TEXT   NOT NULL,
    content_address  BLOB   NOT NULL,
    object_key       TEXT   NOT NULL,
    retrieval_tier   TEXT   NOT NULL,
    status           TEXT   NOT NULL,
    PRIMARY KEY (file_id, id)
) WITHOUT ROWID;
CREATE INDEX locations_by_content ON storage_locations (content_address, backend_id);
CREATE INDEX failed_locations ON storage_locations (backend_id) WHERE status = 'failed';

-- Files of ended packages that were archived: their blobs stay.
CREATE TABLE archived_files (
    file_id          BLOB   PRIMARY KEY,
    package_id       BLOB   NOT NULL,
    content_address  BLOB   NOT NULL,
    size_bytes       BIGINT NOT NULL,
    backend_id       TEXT   NOT NULL,
    object_key       TEXT   NOT NULL
) WITHOUT ROWID;
CREATE INDEX archived_files_by_content ON archived_files (content_address, backend_id);

-- Blobs that hold a part of a file.
CREATE TABLE part_references (
    content_address  BLOB NOT NULL,
    backend_id       TEXT NOT NULL,
    file_id          BLOB NOT NULL,
    PRIMARY KEY (content_address, backend_id, file_id)
) WITHOUT ROWID;
CREATE INDEX part_references_of_file ON part_references (file_id);
