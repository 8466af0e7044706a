//! The architecture as tests: the rules of `docs/architecture.md` that a machine can hold.
//!
//! This file holds the tables. Each rule, in the files beside it, is a function from source files
//! to complaints: the repository must draw none, and a second test shows that the rule can draw
//! one. Names no rule that clippy already holds.

#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/style.rs"]
mod style;

/// Which rooms a room may import. A room missing here may import nothing.
const ROOMS: [(&str, &[&str]); 11] = [
    ("domain", &[]),
    ("wire", &["domain"]),
    ("db", &["domain"]),
    ("blob", &["domain"]),
    ("auth", &["wire", "domain"]),
    ("registry", &["db", "blob", "domain"]),
    ("exchange", &["registry", "auth", "wire", "domain"]),
    ("s3", &["exchange", "registry", "wire", "domain"]),
    ("api", &["exchange", "registry", "wire", "domain"]),
    ("server", &["s3", "api", "exchange", "registry"]),
    (
        "app",
        &[
            "server", "s3", "api", "exchange", "auth", "registry", "blob", "wire", "domain",
        ],
    ),
];

/// Where an outside crate may be named. A crate missing here may be named anywhere.
const DOORS: [(&str, &[&str]); 21] = [
    ("sqlx", &["src/db/"]),
    ("object_store", &["src/blob/remote.rs"]),
    ("hyper", &["src/server/", "src/exchange/"]),
    ("hyper_util", &["src/server/", "src/exchange/"]),
    (
        "aws_sigv4",
        &["src/wire/sigv4/key.rs", "src/app/client/signer.rs"],
    ),
    ("aws_credential_types", &["src/app/client/signer.rs"]),
    ("quick_xml", &["src/wire/xml.rs"]),
    ("ciborium", &["src/domain/cbor/"]),
    ("jsonschema", &["src/domain/schema.rs"]),
    ("serde_json_canonicalizer", &["src/domain/jcs.rs"]),
    ("bao_tree", &["src/blob/"]),
    ("crc_fast", &["src/blob/", "src/domain/", "src/wire/"]),
    ("rustls", &["src/server/", "src/app/"]),
    ("tokio_rustls", &["src/server/"]),
    ("clap", &["src/app/"]),
    ("toml", &["src/app/"]),
    ("tracing_subscriber", &["src/app/telemetry.rs"]),
    ("reqwest", &["src/app/client/"]),
    ("indicatif", &["src/app/"]),
    ("comfy_table", &["src/app/client/"]),
    ("anyhow", &["src/app/"]),
];

/// What a room must never do, by the words that would do it.
const FORBIDDEN: [(&str, &[&str], &str); 4] = [
    (
        "src/domain/",
        &[
            "std::fs",
            "std::net",
            "std::env",
            "std::time",
            "tokio::",
            "Utc::now",
            "new_v4",
            "now_v7",
            "getrandom",
        ],
        "the rules do no I/O, read no clock and make no identifier",
    ),
    (
        "src/wire/",
        &[
            "std::fs",
            "std::net",
            "std::env",
            "SystemTime",
            "Instant::now",
            "tokio::",
            "Utc::now",
            "new_v4",
            "now_v7",
        ],
        "protocol syntax does no I/O and reads no clock",
    ),
    (
        "src/registry/",
        &["http::"],
        "the library knows neither HTTP nor S3",
    ),
    (
        "src/db/",
        &["blob::"],
        "the log and its views know no bytes",
    ),
];

/// The most lines a file has before its tests.
const MAX_LINES: usize = 600;

/// Files over [`MAX_LINES`] that are known and shall be divided.
const KNOWN_LONG: [&str; 1] = ["src/registry/uploads.rs"];

/// Calls that shipped code does not make, and what to do instead.
const CALLS: [(&str, &str); 7] = [
    (
        ".unwrap()",
        "answer the error, or `expect` with the invariant as its text",
    ),
    ("todo!(", "build it, or leave the route out"),
    ("unimplemented!(", "build it, or leave the route out"),
    ("dbg!(", "log with `tracing`"),
    (
        "#[allow(",
        "use `#[expect(…, reason = …)]`, which fails once it is not needed",
    ),
    (
        "println!(",
        "only app/ speaks to the terminal; log with `tracing`",
    ),
    (
        "process::exit(",
        "only app/ ends the process; answer the error",
    ),
];
