//! What can be done to a package: the words of grants and of the route tables.

use std::fmt;
use std::str::FromStr;

/// One kind of act, as a grant names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// List keys, uploads and buckets.
    List,
    /// Read objects and their metadata.
    Read,
    /// Create and overwrite objects.
    Write,
    /// Remove objects and buckets.
    Delete,
    /// Finalize a package.
    Finalize,
    /// Extend retention.
    Retain,
    /// Apply and release holds.
    Hold,
    /// Bypass governance retention.
    Bypass,
    /// Start verification runs.
    Verify,
    /// Read the event log.
    Events,
    /// Administer the registry.
    Admin,
}

impl Verb {
    /// Every verb, in the order of the documentation.
    pub const ALL: [Self; 11] = [
        Self::List,
        Self::Read,
        Self::Write,
        Self::Delete,
        Self::Finalize,
        Self::Retain,
        Self::Hold,
        Self::Bypass,
        Self::Verify,
        Self::Events,
        Self::Admin,
    ];

    /// The word in settings and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::Finalize => "finalize",
            Self::Retain => "retain",
            Self::Hold => "hold",
            Self::Bypass => "bypass",
            Self::Verify => "verify",
            Self::Events => "events",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Verb {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|verb| verb.as_str() == text)
            .ok_or_else(|| format!("'{text}' is no verb; the verbs are {}", words()))
    }
}

fn words() -> String {
    Verb::ALL.map(Verb::as_str).join(" ")
}
