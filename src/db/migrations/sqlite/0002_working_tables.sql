-- Working tables: outside the log, not rebuilt by replay.

-- Small content, kept once for each address.
CREATE TABLE inline_blobs (
    address     BLOB   PRIMARY KEY,
    bytes       BLOB   NOT NULL,
    created_at  BIGINT NOT NULL
);

-- The directories of local backends, by the mark that each bears.
CREATE TABLE stores (
    backend_id  TEXT   PRIMARY KEY,
    store_id    TEXT   NOT NULL,
    -- Whether the mark has been written: from then on a directory without it is not the store.
    is_marked   BIGINT NOT NULL
) WITHOUT ROWID;

CREATE TABLE uploads (
    id                  BLOB   PRIMARY KEY,
    package_id          BLOB   NOT NULL,
    relative_path       BLOB   NOT NULL,
    media_type          TEXT   NOT NULL,
    attributes          BLOB,
    checksum_algorithm  TEXT,
    checksum_kind       TEXT,
    initiated_at        BIGINT NOT NULL,
    initiated_by        TEXT   NOT NULL,
    lock_mode           TEXT,
    retain_until        BIGINT,
    legal_hold          TEXT
) WITHOUT ROWID;
CREATE UNIQUE INDEX uploads_by_key ON uploads (package_id, relative_path, id);
CREATE INDEX uploads_by_age ON uploads (initiated_at);

CREATE TABLE upload_parts (
    upload_id           BLOB   NOT NULL,
    number              BIGINT NOT NULL,
    size_bytes          BIGINT NOT NULL,
    md5                 BLOB   NOT NULL,
    address             BLOB   NOT NULL,
    backend_id          TEXT   NOT NULL,
    object_key          TEXT   NOT NULL,
    checksum_algorithm  TEXT,
    checksum_digest     BLOB,
    created_at          BIGINT NOT NULL,
    PRIMARY KEY (upload_id, number)
) WITHOUT ROWID;
CREATE INDEX upload_parts_by_content ON upload_parts (address, backend_id);

-- What a completion answered, so that a repeat answers the same.
CREATE TABLE completed_uploads (
    upload_id     BLOB   PRIMARY KEY,
    package_id    BLOB   NOT NULL,
    relative_path BLOB   NOT NULL,
    file_id       BLOB   NOT NULL,
    parts_digest  BLOB   NOT NULL,
    completed_at  BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX completed_uploads_by_age ON completed_uploads (completed_at);

-- Packages that a finalize has closed for writes while it builds the manifest.
CREATE TABLE sealing_marks (
    package_id  BLOB   PRIMARY KEY,
    token       BLOB   NOT NULL,
    expires_at  BIGINT NOT NULL
) WITHOUT ROWID;

-- The bodies of the requests that finalized packages: clients read back what they wrote.
CREATE TABLE finalize_requests (
    package_id  BLOB   PRIMARY KEY,
    body        BLOB   NOT NULL,
    created_at  BIGINT NOT NULL
) WITHOUT ROWID;

-- Blobs whose bytes are wrong or gone: nothing is read from them until they are good again.
CREATE TABLE blob_faults (
    address     BLOB   NOT NULL,
    backend_id  TEXT   NOT NULL,
    detail      TEXT   NOT NULL,
    found_at    BIGINT NOT NULL,
    PRIMARY KEY (address, backend_id)
) WITHOUT ROWID;

-- Named readers of the log and how far each has come.
CREATE TABLE consumers (
    name            TEXT   PRIMARY KEY,
    owner           TEXT   NOT NULL,
    types           TEXT   NOT NULL,
    package_id      BLOB,
    acked_sequence  BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX consumers_by_owner ON consumers (owner, name);

-- Verification runs. A run goes on where its cursor is, after a restart too.
CREATE TABLE scrub_runs (
    id           BLOB   PRIMARY KEY,
    package_id   BLOB,
    backend_id   TEXT,
    actor        TEXT   NOT NULL,
    state        TEXT   NOT NULL,
    cursor       BLOB,
    total        BIGINT NOT NULL,
    checked      BIGINT NOT NULL,
    verified     BIGINT NOT NULL,
    mismatched   BIGINT NOT NULL,
    missing      BIGINT NOT NULL,
    unreachable  BIGINT NOT NULL,
    repaired     BIGINT NOT NULL,
    bytes        BIGINT NOT NULL,
    started_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX scrub_runs_by_state ON scrub_runs (state);

-- The first faults of each run.
CREATE TABLE scrub_faults (
    run_id         BLOB   NOT NULL,
    location_id    BLOB   NOT NULL,
    file_id        BLOB   NOT NULL,
    package_id     BLOB   NOT NULL,
    relative_path  BLOB   NOT NULL,
    backend_id     TEXT   NOT NULL,
    mismatch       TEXT,
    detail         TEXT   NOT NULL,
    is_repaired    BIGINT NOT NULL,
    PRIMARY KEY (run_id, location_id)
) WITHOUT ROWID;
