//! What an event is about, as the log names it.

use crate::domain::digest::ContentAddress;
use crate::domain::ids::{FileId, PackageId, RunId, SchemaId};

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A package.
    Package(PackageId),
    /// The retention of a package.
    Retention(PackageId),
    /// A retention class.
    Class(String),
    /// Stored bytes.
    Blob(ContentAddress),
    /// A metadata schema.
    Schema(SchemaId),
    /// The stored bytes of a file.
    StoredFile(PackageId, FileId),
    /// A verification run.
    Run(RunId),
}

impl Subject {
    /// The word in the log: `package`, `retention`, `class`, `storage`, `schema`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Package(_) => "package",
            Self::Retention(_) => "retention",
            Self::Class(_) => "class",
            Self::Blob(_) | Self::StoredFile(..) | Self::Run(_) => "storage",
            Self::Schema(_) => "schema",
        }
    }

    /// The identifier in the log.
    pub fn id(&self) -> String {
        match self {
            Self::Package(id) | Self::Retention(id) => id.to_string(),
            Self::Class(id) => id.clone(),
            Self::Blob(address) => address.to_string(),
            Self::Schema(id) => id.to_string(),
            Self::StoredFile(_, id) => id.to_string(),
            Self::Run(id) => id.to_string(),
        }
    }
}
