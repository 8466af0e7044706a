//! How the database and the backends are.

use std::time::Duration;

use tokio::time::timeout;

use crate::registry::handle::Registry;

/// The id of the database among the parts.
pub const DATABASE: &str = "database";

/// How one part is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartHealth {
    /// `database`, or the name of a backend.
    pub id: String,
    /// What is wrong; `None` when it can be used.
    pub trouble: Option<String>,
}

/// How long one part may take to answer.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

impl Registry {
    /// Asks the database and every backend, each within a few seconds. Writes nothing that stays.
    pub async fn check_health(&self) -> Vec<PartHealth> {
        let mut parts = vec![PartHealth {
            id: DATABASE.to_owned(),
            trouble: trouble(self.inner.db.probe()).await,
        }];
        for id in self.inner.blobs.backend_ids() {
            let trouble = trouble(self.inner.blobs.probe(&id)).await;
            parts.push(PartHealth { id, trouble });
        }
        parts
    }
}

async fn trouble<E: std::fmt::Display>(
    probe: impl Future<Output = Result<(), E>>,
) -> Option<String> {
    match timeout(PROBE_TIMEOUT, probe).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!("no answer within {} s", PROBE_TIMEOUT.as_secs())),
    }
}
