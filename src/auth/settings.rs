//! The settings of this room: users with their keys and grants, and which signatures are taken.

use serde::Deserialize;

use crate::auth::secret::Secret;

/// One `[[users]]` entry.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserSettings {
    /// The actor in events, and the S3 canonical id.
    pub id: String,
    /// The name that listings show; the id when absent.
    pub display_name: Option<String>,
    /// An address, for the record only.
    pub email: Option<String>,
    /// The access keys, of which there may be several.
    #[serde(default)]
    pub keys: Vec<KeySettings>,
    /// What the user may do with packages of others.
    #[serde(default)]
    pub grants: Vec<GrantSettings>,
}

/// One access key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySettings {
    /// The public half.
    pub access_key: String,
    /// The secret half.
    pub secret_key: Secret,
}

/// Verbs on the packages whose names match one of the patterns, and on their keys that do.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantSettings {
    /// Patterns with `*` and `?`.
    pub packages: Vec<String>,
    /// Patterns of keys with `*` and `?`; absent: every key, and the package as a whole.
    #[serde(default)]
    pub keys: Vec<String>,
    /// Verbs, or `*` for all of them.
    pub verbs: Vec<String>,
}

/// The `[auth]` table.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthSettings {
    /// Where signature version 2 is taken.
    pub sigv2: SigV2,
    /// Whether the region of a signature must be the server's own. By default any is taken.
    pub region_strict: bool,
}

/// Where signature version 2 is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SigV2 {
    /// In presigned URLs (and POST forms): what `aws s3 presign` emits.
    #[default]
    Query,
    /// In the `Authorization` header too.
    All,
    /// Nowhere.
    Off,
}
