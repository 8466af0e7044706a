//! Settings of the registry: the database, the stores, retention classes, janitor.

use std::path::PathBuf;

/// Settings of the registry.
#[derive(Debug, Clone)]
pub struct RegistrySettings {
    /// The folder that holds the database and the local blobs.
    pub data_dir: PathBuf,
}
