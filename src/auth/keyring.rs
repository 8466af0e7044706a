//! Access keys, the users who hold them, and the signing keys derived from them.

use std::sync::Arc;

use crate::auth::grants::Grants;
use crate::auth::secret::Secret;
use crate::auth::settings::UserSettings;
use crate::domain::verb::Verb;

/// Someone who may call.
#[derive(Debug, Clone)]
pub struct User {
    /// The actor in events, and the S3 canonical id.
    pub id: String,
    /// The name that listings show.
    pub display_name: String,
    /// An address, for the record only.
    pub email: Option<String>,
    /// What the user may do with packages of others.
    pub grants: Grants,
    /// Whether everything is allowed.
    pub is_root: bool,
}

/// Who signed a request.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The user.
    pub user: Arc<User>,
}

impl Identity {
    /// Whether the user may do this to a package: the root everything, an owner everything but
    /// `bypass` and `admin`, others what their grants say. `owner` is the id of the user who owns
    /// the package; `None` for a package that does not exist.
    pub fn may(&self, verb: Verb, package_name: &str, owner: Option<&str>) -> bool {
        let user = &*self.user;
        let owns = owner == Some(user.id.as_str()) && !matches!(verb, Verb::Bypass | Verb::Admin);
        user.is_root || owns || user.grants.allow(verb, package_name)
    }

    /// Whether the user may do this to every package, as server-wide endpoints ask.
    pub fn may_everywhere(&self, verb: Verb) -> bool {
        self.user.is_root || self.user.grants.allow_everywhere(verb)
    }
}

/// The id of the root user.
pub const ROOT_USER_ID: &str = "root";

/// Every access key.
#[derive(Debug)]
pub struct KeyRing {}

/// Why users or keys cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyRingError(pub String);

impl KeyRing {
    /// The key ring of the root key and the configured users. Refuses duplicate ids and access
    /// keys, blank or short secrets, and the example key of AWS's documentation.
    pub fn new(
        root_access_key: &str,
        root_secret_key: Secret,
        users: &[UserSettings],
    ) -> Result<Self, KeyRingError> {
        let _ = (root_access_key, root_secret_key, users);
        todo!()
    }
}
