//! How the database and the backends are.

use crate::registry::handle::Registry;

/// How one part is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartHealth {
    /// `database`, or the name of a backend.
    pub id: String,
    /// What is wrong; `None` when it can be used.
    pub trouble: Option<String>,
}

impl Registry {
    /// Asks the database and every backend, each within a few seconds. Writes nothing that stays.
    pub async fn check_health(&self) -> Vec<PartHealth> {
        todo!()
    }
}
