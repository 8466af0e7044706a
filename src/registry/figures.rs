//! Figures of the registry, for those who watch it: read when asked, kept nowhere.

use crate::db::commit::CommitFigures;
use crate::db::consumers;
use crate::db::packages::{self, StatusCount};
use crate::domain::file::INLINE_BACKEND;
use crate::domain::ids::Sequence;
use crate::registry::error::Result;
use crate::registry::handle::Registry;
use crate::registry::health::PartHealth;

/// The most consumers whose lag is told.
const MAX_CONSUMERS: usize = 1000;

/// How the registry is.
#[derive(Debug, Clone)]
pub struct Figures {
    /// The end of the log.
    pub head: Sequence,
    /// What the writer has done.
    pub commits: CommitFigures,
    /// The database and every backend.
    pub health: Vec<PartHealth>,
    /// What there is in each status; `None` when the database does not answer.
    pub packages: Option<Vec<StatusCount>>,
    /// Locations that verification found damaged, by backend.
    pub failed_locations: Option<Vec<(String, u64)>>,
    /// How many events each consumer has yet to acknowledge, by name: the first thousand.
    pub consumers: Option<Vec<(String, u64)>>,
}

impl Registry {
    /// The figures as they are now. Never fails: what cannot be read is left out.
    pub async fn read_figures(&self) -> Figures {
        let head = self.log_head();
        let readers = &self.inner.db.readers;
        Figures {
            head,
            commits: self.inner.committer.figures(),
            health: self.check_health().await,
            packages: packages::count_by_status(readers).await.ok(),
            failed_locations: self.count_failures().await.ok(),
            consumers: consumers::list(readers, None, "", MAX_CONSUMERS)
                .await
                .ok()
                .map(|all| {
                    let lag = |acked: Sequence| head.0.saturating_sub(acked.0);
                    all.iter()
                        .map(|one| (one.name.as_str().to_owned(), lag(one.acked)))
                        .collect()
                }),
        }
    }

    /// Damaged locations of every backend, those without any too.
    async fn count_failures(&self) -> Result<Vec<(String, u64)>> {
        let counts = self.count_failed_locations().await?;
        let inline = std::iter::once(INLINE_BACKEND.to_owned());
        let mut all: Vec<_> = inline
            .chain(self.inner.blobs.backend_ids())
            .map(|id| {
                let count = counts.get(&id).copied().unwrap_or(0);
                (id, count)
            })
            .collect();
        all.sort();
        Ok(all)
    }
}
