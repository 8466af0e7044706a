//! Re-reads stored bytes and says what they are: right, wrong, or out of reach.
//!
//! A check works on the locations of one content. Bytes that several of them share are read once. What
//! is wrong is written down and blocked at once, and made good where there is another copy.

use std::sync::Arc;
use std::time::Duration;

use crate::blob::read::BlobRef;
use crate::blob::rehash::{STEP_BYTES, Step};
use crate::blob::store::BlobError;
use crate::db::blobs as inline;
use crate::db::locations::{self, LocationRow};
use crate::domain::digest::ContentAddress;
use crate::domain::file::{FileRecord, INLINE_BACKEND};
use crate::domain::hashers::WholeHasher;
use crate::domain::scrub::{Mismatch, Outcome, STORAGE_VERIFIER, compare};
use crate::registry::error::Result;
use crate::registry::handle::Registry;
use crate::registry::open::blobs_of;
use crate::registry::quarantine::{BlobKey, Claim};
use crate::registry::scrubber::Unsaved;
use crate::registry::verdicts::{Verdict, VerdictUnit};

/// How long to wait before bytes that could not be read are asked for again.
const RETRY_PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(500)];

/// How many locations of a suspected blob are looked at in one go.
const PAGE: usize = 500;

/// For whom a check works.
pub(super) struct CheckOrder {
    pub actor: String,
    /// An event for each location, whether or not it changes anything.
    pub each: bool,
    /// Whether it keeps the pace of the settings.
    pub is_paced: bool,
    /// Who counts the bytes as they are read.
    pub unsaved: Option<Arc<Unsaved>>,
}

/// What is known of the bytes in some blobs, in order.
#[derive(Clone)]
pub(super) struct Finding {
    pub blobs: Vec<BlobRef>,
    pub outcome: Outcome,
    pub is_repaired: bool,
}

/// What a check of one content found.
#[derive(Default)]
pub(super) struct Checked {
    pub verdicts: Vec<Verdict>,
    pub findings: Vec<Finding>,
    /// How many bytes it read.
    pub bytes: u64,
}

/// What reading some blobs once found.
struct Reread {
    outcome: Outcome,
    /// Which of the blobs are damaged, and how.
    damaged: Vec<(usize, String)>,
    bytes: u64,
}

/// Why a blob gives no digest.
enum Trouble {
    Damaged(Mismatch, String),
    Unreachable(String),
}

impl From<BlobError> for Trouble {
    fn from(error: BlobError) -> Self {
        let detail = error.to_string();
        match error {
            BlobError::Missing { .. } => Self::Damaged(Mismatch::Missing, detail),
            BlobError::Corrupt { .. } => Self::Damaged(Mismatch::Unreadable, detail),
            BlobError::Unavailable { .. } | BlobError::Full { .. } => Self::Unreachable(detail),
        }
    }
}

impl CheckOrder {
    /// A check that nobody asked for.
    pub fn unasked() -> Self {
        Self {
            actor: STORAGE_VERIFIER.to_owned(),
            each: false,
            is_paced: false,
            unsaved: None,
        }
    }

    fn count(&self, bytes: u64) {
        if let Some(unsaved) = &self.unsaved {
            unsaved.add(bytes);
        }
    }
}

impl Registry {
    /// Checks locations of one content on one backend. `known` is what was found of it just before.
    pub(super) async fn check_content(
        &self,
        rows: &[Arc<LocationRow>],
        known: &[Finding],
        order: &CheckOrder,
    ) -> Result<Checked> {
        let mut checked = Checked {
            findings: known.to_vec(),
            ..Checked::default()
        };
        for (place, row) in rows.iter().enumerate() {
            let blobs = blobs_of(&row.file);
            let mut findings = checked.findings.iter();
            if let Some(known_at) = findings.position(|finding| finding.blobs == blobs) {
                let is_fresh = known_at >= known.len();
                let verdict = verdict(row, &checked.findings[known_at], is_fresh);
                checked.verdicts.push(verdict);
                continue;
            }
            // Those behind it that have the same bytes are written down along with it.
            let alike = rows[place..].iter();
            let alike: Vec<_> = alike.filter(|row| blobs_of(&row.file) == blobs).collect();
            let (finding, bytes) = self.check_blobs(&alike, blobs, order).await?;
            checked.bytes += bytes;
            checked.verdicts.push(verdict(row, &finding, true));
            checked.findings.push(finding);
        }
        Ok(checked)
    }

    /// Checks blobs that hold the bytes of these locations. Damage stands in the log when this
    /// answers.
    async fn check_blobs(
        &self,
        rows: &[&Arc<LocationRow>],
        blobs: Vec<BlobRef>,
        order: &CheckOrder,
    ) -> Result<(Finding, u64)> {
        let file = &rows[0].file;
        let mut bytes = 0;
        loop {
            let keys = blobs.iter().map(BlobKey::of).collect();
            let claim = self.inner.quarantine.claim(keys).await;
            let found = self.reread_patiently(file, &blobs, order).await;
            bytes += found.bytes;
            let mut finding = Finding {
                blobs: blobs.clone(),
                outcome: found.outcome,
                is_repaired: false,
            };
            match &finding.outcome {
                Outcome::Verified(_) => self.set_free(&claim, rows, &finding, order).await?,
                Outcome::Unreachable { .. } => {}
                Outcome::Mismatched { .. } => {
                    let damaged: Vec<_> = found
                        .damaged
                        .iter()
                        .map(|(number, detail)| (BlobKey::of(&blobs[*number]), detail.clone()))
                        .collect();
                    let keys: Vec<_> = damaged.iter().map(|(key, _)| key.clone()).collect();
                    if !claim.block(&keys) {
                        continue;
                    }
                    self.condemn(rows, &finding, damaged, order).await?;
                    let damaged = found.damaged.iter().map(|(number, _)| *number);
                    if self.repair(file, &blobs, damaged).await {
                        let again = self.reread(file, &blobs, order).await;
                        bytes += again.bytes;
                        if matches!(again.outcome, Outcome::Verified(_)) {
                            let good = Finding {
                                outcome: again.outcome,
                                ..finding.clone()
                            };
                            self.set_free(&claim, rows, &good, order).await?;
                            finding.is_repaired = true;
                        }
                    }
                }
            }
            return Ok((finding, bytes));
        }
    }

    /// Writes down that locations are damaged, and which blobs.
    async fn condemn(
        &self,
        rows: &[&Arc<LocationRow>],
        finding: &Finding,
        blocked: Vec<(BlobKey, String)>,
        order: &CheckOrder,
    ) -> Result<()> {
        if let Outcome::Mismatched { kind, detail, .. } = &finding.outcome {
            let file = &rows[0].file;
            let (address, backend_id) = (file.address, &file.location.backend_id);
            let kind = kind.as_str();
            tracing::error!(%address, backend_id, kind, detail, "stored bytes are damaged");
        }
        self.commit(VerdictUnit {
            actor: order.actor.clone(),
            each: order.each,
            verdicts: rows
                .iter()
                .map(|row| verdict(row, finding, false))
                .collect(),
            blocked,
            ..VerdictUnit::default()
        })
        .await
    }

    /// Lets good blobs be read again, and forgets that they were damaged.
    async fn set_free(
        &self,
        claim: &Claim,
        rows: &[&Arc<LocationRow>],
        finding: &Finding,
        order: &CheckOrder,
    ) -> Result<()> {
        let freed = claim.release();
        if freed.is_empty() {
            return Ok(());
        }
        let file = &rows[0].file;
        let (address, backend_id) = (file.address, &file.location.backend_id);
        tracing::info!(%address, backend_id, "damaged bytes are good again");
        self.commit(VerdictUnit {
            actor: order.actor.clone(),
            verdicts: rows
                .iter()
                .map(|row| verdict(row, finding, false))
                .collect(),
            freed,
            ..VerdictUnit::default()
        })
        .await
    }

    /// Reads blobs, and again when they could not be read: what passes is no damage.
    async fn reread_patiently(
        &self,
        file: &FileRecord,
        blobs: &[BlobRef],
        order: &CheckOrder,
    ) -> Reread {
        for pause in RETRY_PAUSES {
            let found = self.reread(file, blobs, order).await;
            let may_pass = match &found.outcome {
                Outcome::Unreachable { .. } => true,
                Outcome::Mismatched { kind, .. } => *kind == Mismatch::Unreadable,
                Outcome::Verified(_) => false,
            };
            if !may_pass {
                return found;
            }
            tokio::time::sleep(pause).await;
        }
        self.reread(file, blobs, order).await
    }

    async fn reread(&self, file: &FileRecord, blobs: &[BlobRef], order: &CheckOrder) -> Reread {
        let _permit = self.inner.scrub.reads.acquire().await;
        let mut whole = WholeHasher::new();
        let is_whole = blobs.len() == 1;
        let mut damaged = Vec::new();
        let mut broken = None;
        let mut bytes = 0;
        for (number, blob) in blobs.iter().enumerate() {
            let rehashed = self.rehash(blob, &mut whole, !is_whole, order).await;
            let found = match rehashed {
                Ok((length, own)) => {
                    bytes += length;
                    let is_damaged = own.is_some_and(|own| own != blob.address);
                    is_damaged.then(|| format!("{length} bytes of {} are there", blob.size_bytes))
                }
                Err(Trouble::Damaged(kind, detail)) => {
                    broken.get_or_insert((kind, detail.clone()));
                    Some(detail)
                }
                Err(Trouble::Unreachable(cause)) => {
                    return Reread {
                        outcome: Outcome::Unreachable { cause },
                        damaged: Vec::new(),
                        bytes,
                    };
                }
            };
            damaged.extend(found.map(|detail| (number, detail)));
        }
        let outcome = match broken {
            Some((kind, detail)) => Outcome::Mismatched {
                kind,
                actual: None,
                detail,
            },
            None => compare(file.size_bytes, file.address, None, whole.digests()),
        };
        if let (Outcome::Mismatched { detail, .. }, true) = (&outcome, is_whole) {
            damaged = vec![(0, detail.clone())];
        }
        Reread {
            outcome,
            damaged,
            bytes,
        }
    }

    /// Hashes one blob, into the hasher of the whole too: its length, and its address if it is asked
    /// for.
    async fn rehash(
        &self,
        blob: &BlobRef,
        whole: &mut WholeHasher,
        has_own_digest: bool,
        order: &CheckOrder,
    ) -> std::result::Result<(u64, Option<ContentAddress>), Trouble> {
        let step_bytes = blob.size_bytes.min(STEP_BYTES);
        if blob.backend_id == INLINE_BACKEND {
            self.keep_pace(order, step_bytes).await;
            let found = inline::find_inline(&self.inner.db.readers, blob.address).await;
            let found = found.map_err(|error| Trouble::Unreachable(error.to_string()))?;
            let bytes = found.ok_or_else(|| {
                Trouble::Damaged(
                    Mismatch::Missing,
                    format!("the database has no content {}", blob.address),
                )
            })?;
            whole.update(&bytes);
            order.count(bytes.len() as u64);
            let own = has_own_digest.then(|| ContentAddress(*blake3::hash(&bytes).as_bytes()));
            return Ok((bytes.len() as u64, own));
        }
        let mut rehash = self.inner.blobs.rehash(blob, has_own_digest).await?;
        let mut length = 0;
        loop {
            self.keep_pace(order, step_bytes).await;
            match rehash.step(whole).await? {
                Step::Read(bytes) => {
                    length += bytes;
                    order.count(bytes);
                }
                Step::End(total, own) => {
                    order.count(total - length);
                    return Ok((total, own));
                }
            }
        }
    }

    async fn keep_pace(&self, order: &CheckOrder, bytes: u64) {
        if order.is_paced {
            self.inner.scrub.keep_pace(bytes).await;
        }
    }

    /// Checks a blob soon, because a reader found it damaged or a writer wrote it anew.
    pub(super) fn suspect(&self, key: BlobKey) {
        if self.inner.scrub.stopping.is_cancelled() || !self.inner.quarantine.suspect(&key) {
            return;
        }
        let registry = self.clone();
        self.inner.scrub.tasks.spawn(async move {
            tokio::select! {
                () = registry.inner.scrub.stopping.cancelled() => {}
                done = registry.recheck(&key) => if let Err(error) = done {
                    tracing::warn!(%error, address = %key.address, "a blob could not be checked");
                }
            }
        });
    }

    /// Fresh bytes of a blob are durable: it may be read again if it was damaged.
    pub(super) fn heal(&self, backend_id: &str, address: ContentAddress) {
        let key = BlobKey {
            backend_id: backend_id.to_owned(),
            address,
        };
        if self.inner.quarantine.heal(&key) {
            self.suspect(key);
        }
    }

    async fn recheck(&self, key: &BlobKey) -> Result<()> {
        let _turn = self.inner.scrub.rechecking.lock().await;
        self.inner.quarantine.begin_suspected(key);
        let order = CheckOrder::unasked();
        let mut after = None;
        loop {
            let readers = &self.inner.db.readers;
            let page =
                locations::of_blob(readers, key.address, &key.backend_id, after, PAGE).await?;
            let is_last = page.len() < PAGE;
            let page: Vec<_> = page.into_iter().map(Arc::new).collect();
            let Some(last) = page.last() else {
                break;
            };
            after = Some((last.file.id, last.file.location.id));
            for rows in page.chunk_by(|a, b| a.file.address == b.file.address) {
                let checked = self.check_content(rows, &[], &order).await?;
                self.commit(VerdictUnit {
                    actor: order.actor.clone(),
                    verdicts: checked.verdicts,
                    ..VerdictUnit::default()
                })
                .await?;
            }
            if is_last {
                return Ok(());
            }
        }
        if after.is_none() {
            // No file has it: whoever comes to need it writes it anew.
            self.inner
                .quarantine
                .claim(vec![key.clone()])
                .await
                .release();
            self.commit(VerdictUnit {
                freed: vec![key.clone()],
                ..VerdictUnit::default()
            })
            .await?;
        }
        Ok(())
    }
}

/// What a finding says of a location. A mismatch of a fresh finding stands in the log already.
fn verdict(row: &Arc<LocationRow>, finding: &Finding, is_fresh: bool) -> Verdict {
    let file = &row.file;
    let outcome = match &finding.outcome {
        // The bytes are right; the SHA-256 that the file was recorded with is its own.
        Outcome::Verified(actual) => {
            compare(file.size_bytes, file.address, Some(file.sha256), *actual)
        }
        other => other.clone(),
    };
    Verdict {
        row: Arc::clone(row),
        outcome,
        is_repaired: finding.is_repaired,
        is_recorded: is_fresh && matches!(finding.outcome, Outcome::Mismatched { .. }),
    }
}
