//! Verification: what re-reading stored bytes can find, and how fast it may read.

use crate::domain::digest::ContentAddress;
use crate::domain::hashers::WholeDigests;

/// The actor of verifications that nobody asked for.
pub const STORAGE_VERIFIER: &str = "storage-verifier";

/// What is known of the bytes at a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LocationStatus {
    /// They were durable when the file was ingested.
    Recorded,
    /// They were right when they were last read.
    Verified,
    /// They were wrong or gone when they were last read.
    Failed,
}

impl LocationStatus {
    /// The word in the views.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Verified => "verified",
            Self::Failed => "failed",
        }
    }

    /// The status of a word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Recorded, Self::Verified, Self::Failed]
            .into_iter()
            .find(|status| status.as_str() == word)
    }
}

/// How stored bytes differ from what was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mismatch {
    /// There is no such object, though its store is there.
    Missing,
    /// There are more bytes, or fewer.
    Size,
    /// There are as many bytes, and others.
    Content,
    /// The medium gives no bytes, or something else stands in their place.
    Unreadable,
}

impl Mismatch {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Missing, Self::Size, Self::Content, Self::Unreadable];

    /// The word in events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Size => "size",
            Self::Content => "content",
            Self::Unreadable => "unreadable",
        }
    }

    /// The kind of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// What re-reading the bytes of a location found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// They are what was recorded.
    Verified(WholeDigests),
    /// They are not.
    Mismatched {
        /// How.
        kind: Mismatch,
        /// What is there, if it could be read to its end.
        actual: Option<WholeDigests>,
        /// In words.
        detail: String,
    },
    /// They could not be read now, which says nothing about them.
    Unreachable {
        /// Why.
        cause: String,
    },
}

impl Outcome {
    /// The status of a location after this; `None` leaves it as it is.
    pub fn status(&self) -> Option<LocationStatus> {
        match self {
            Self::Verified(_) => Some(LocationStatus::Verified),
            Self::Mismatched { .. } => Some(LocationStatus::Failed),
            Self::Unreachable { .. } => None,
        }
    }
}

/// Holds what is there against what was recorded.
pub fn compare(
    size_bytes: u64,
    address: ContentAddress,
    sha256: Option<[u8; 32]>,
    actual: WholeDigests,
) -> Outcome {
    let mismatch = |kind, detail| Outcome::Mismatched {
        kind,
        actual: Some(actual),
        detail,
    };
    if actual.size_bytes != size_bytes {
        let found = actual.size_bytes;
        let detail = format!("there are {found} bytes instead of {size_bytes}");
        return mismatch(Mismatch::Size, detail);
    }
    if actual.address != address {
        let detail = format!("the bytes are those of {}", actual.address);
        return mismatch(Mismatch::Content, detail);
    }
    if sha256.is_some_and(|sha256| sha256 != actual.sha256) {
        let detail = "the bytes are right and the recorded SHA-256 is not theirs".to_owned();
        return mismatch(Mismatch::Content, detail);
    }
    Outcome::Verified(actual)
}

/// What a run has counted. Locations, but for `bytes`: content that many locations share is read
/// once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// All that were looked at.
    pub checked: u64,
    /// Those whose bytes are right.
    pub verified: u64,
    /// Those whose bytes are wrong or gone.
    pub mismatched: u64,
    /// Those of `mismatched` whose bytes are gone.
    pub missing: u64,
    /// Those that could not be read.
    pub unreachable: u64,
    /// Those of `mismatched` that were made good from another copy.
    pub repaired: u64,
    /// The bytes that were read.
    pub bytes: u64,
}

impl Tally {
    /// Counts a location.
    pub fn count(&mut self, outcome: &Outcome, is_repaired: bool) {
        self.checked += 1;
        match outcome {
            Outcome::Verified(_) => self.verified += 1,
            Outcome::Mismatched { kind, .. } => {
                self.mismatched += 1;
                self.missing += u64::from(*kind == Mismatch::Missing);
                self.repaired += u64::from(is_repaired);
            }
            Outcome::Unreachable { .. } => self.unreachable += 1,
        }
    }

    /// Adds what another has counted.
    pub fn add(&mut self, other: &Self) {
        self.checked += other.checked;
        self.verified += other.verified;
        self.mismatched += other.mismatched;
        self.missing += other.missing;
        self.unreachable += other.unreachable;
        self.repaired += other.repaired;
        self.bytes += other.bytes;
    }
}

/// A bound on bytes per second, kept by giving each reader its time. It saves up nothing: after a
/// silence, one step goes at once and the next one waits its turn.
#[derive(Debug)]
pub struct Pace {
    bytes_per_second: u64,
    /// When the bytes given so far are used up, in microseconds.
    used_up_at: u64,
}

impl Pace {
    /// A pace of so many bytes per second; 0 is without bound.
    pub fn new(bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second,
            used_up_at: 0,
        }
    }

    /// Gives the next bytes: how many microseconds to wait before they may be read.
    pub fn take(&mut self, bytes: u64, now_micros: u64) -> u64 {
        if self.bytes_per_second == 0 {
            return 0;
        }
        let starts_at = self.used_up_at.max(now_micros);
        let micros = u128::from(bytes) * 1_000_000 / u128::from(self.bytes_per_second);
        self.used_up_at = starts_at.saturating_add(u64::try_from(micros).unwrap_or(u64::MAX));
        starts_at - now_micros
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::hashers::WholeHasher;

    fn digests(bytes: &[u8]) -> WholeDigests {
        let mut hasher = WholeHasher::new();
        hasher.update(bytes);
        hasher.digests()
    }

    fn kind(outcome: &Outcome) -> Option<Mismatch> {
        match outcome {
            Outcome::Mismatched { kind, .. } => Some(*kind),
            _ => None,
        }
    }

    #[test]
    fn what_is_there_is_held_against_what_was_recorded() {
        let good = digests(b"bytes");
        let with = |sha256, actual| compare(5, good.address, sha256, actual);
        assert_eq!(with(Some(good.sha256), good), Outcome::Verified(good));
        assert_eq!(with(None, good), Outcome::Verified(good));
        let cases: [(&[u8], Mismatch); 4] = [
            (b"", Mismatch::Size),
            (b"byte", Mismatch::Size),
            (b"bytes and more", Mismatch::Size),
            (b"bytez", Mismatch::Content),
        ];
        for (bytes, expected) in cases {
            let outcome = with(Some(good.sha256), digests(bytes));
            assert_eq!(kind(&outcome), Some(expected), "{bytes:?}");
            assert_eq!(outcome.status(), Some(LocationStatus::Failed));
        }
        let wrong = with(Some([0; 32]), good);
        assert_eq!(kind(&wrong), Some(Mismatch::Content));
    }

    #[test]
    fn words_are_read_back() {
        for kind in Mismatch::ALL {
            assert_eq!(Mismatch::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(
            LocationStatus::parse("failed"),
            Some(LocationStatus::Failed)
        );
        assert_eq!(LocationStatus::parse("broken"), None);
    }

    #[test]
    fn kinds_of_outcomes_are_counted_apart() {
        let mut tally = Tally::default();
        let mismatched = |kind| Outcome::Mismatched {
            kind,
            actual: None,
            detail: String::new(),
        };
        let unreachable = Outcome::Unreachable {
            cause: String::new(),
        };
        tally.count(&Outcome::Verified(digests(b"")), false);
        tally.count(&mismatched(Mismatch::Missing), true);
        tally.count(&mismatched(Mismatch::Content), false);
        tally.count(&unreachable, false);
        let mut twice = tally;
        twice.add(&tally);
        let expected = Tally {
            checked: 8,
            verified: 2,
            mismatched: 4,
            missing: 2,
            unreachable: 2,
            repaired: 2,
            bytes: 0,
        };
        assert_eq!(twice, expected);
    }

    /// Several readers, each of which reads for a while, on a clock of the test.
    #[test]
    fn no_second_has_more_bytes_than_the_pace() {
        const STEP: u64 = 300;
        for readers in [1, 3] {
            let mut pace = Pace::new(1000);
            let mut free_at = vec![0_u64; readers];
            let mut starts = Vec::new();
            for turn in 0..400 {
                let reader = turn % readers;
                let now = free_at[reader];
                let starts_at = now + pace.take(STEP, now);
                starts.push(starts_at);
                // Now and then a reader is slow, and what it did not use is not saved up.
                let slow = if turn % 50 == 49 { 5_000_000 } else { 1000 };
                free_at[reader] = starts_at + slow;
            }
            starts.sort_unstable();
            for (place, &start) in starts.iter().enumerate() {
                let within = starts[place..]
                    .iter()
                    .take_while(|&&other| other < start + 1_000_000);
                let bytes = within.count() as u64 * STEP;
                assert!(bytes <= 1000 + STEP, "{bytes} in a second");
            }
        }
    }

    #[test]
    fn without_a_bound_nobody_waits() {
        let mut pace = Pace::new(0);
        assert_eq!(pace.take(u64::MAX, 5), 0);
        assert_eq!(pace.take(u64::MAX, 5), 0);
    }
}
