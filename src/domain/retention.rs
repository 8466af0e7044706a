//! How long a package is kept: classes, expiry, holds, eligibility.
//!
//! A rule is decided here, inside the commit, on state that the log head's lock keeps still. What
//! cannot be read refuses the deletion.

use crate::domain::ids::{HoldId, Timestamp};
use crate::domain::package::{PackageStatus, Rejection};

/// The reason of an eligibility that the sweeper declares.
pub const EXPIRY_REACHED: &str = "retention expiry reached";

/// The reason of an eligibility that the release of the last hold declares.
pub const RELEASED_AFTER_EXPIRY: &str = "hold released after expiry";

/// The class of a package that asks for none. It never expires, unless it is defined otherwise.
pub const DEFAULT_CLASS: &str = "default";

/// The longest duration and grace time of a class, in seconds: a thousand years. Every instant that
/// follows from it can be written, and read back from the log.
pub const MAX_CLASS_SECONDS: u64 = 31_557_600_000;

/// The most holds of one package.
pub const MAX_HOLDS: usize = 100;

/// The most bytes of a reason.
pub const MAX_REASON_BYTES: usize = 1024;

/// The hold that Object Lock's legal hold stands for.
pub const LEGAL_HOLD_REASON: &str = "legal";

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in events, settings and JSON.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// The value of a word.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text)
            }
        }
    };
}

words!(
    /// Whether a package may end before its retention does.
    LockMode {
        /// With the permission to bypass.
        None = "none",
        /// With the permission to bypass, and when the request says so.
        Governance = "governance",
        /// Never.
        Compliance = "compliance",
    }
);

words!(
    /// When the duration of a class begins.
    Anchor {
        /// With the creation of the package.
        Created = "created",
        /// With its finalize; until then it has no expiry.
        Finalized = "finalized",
    }
);

words!(
    /// What happens to a package that is eligible for deletion.
    DeletionStrategy {
        /// Nothing by itself.
        Manual = "manual",
        /// It is ended after the grace time.
        Purge = "purge",
        /// Its bytes are copied to another backend, then it is ended.
        ArchiveThenPurge = "archive_then_purge",
    }
);

words!(
    /// What kind of hold it is.
    HoldKind {
        /// Put by a person or a program.
        Operator = "operator",
        /// Object Lock's legal hold.
        Legal = "legal",
        /// Bound to something that will happen.
        Event = "event",
    }
);

/// A retention class as its last definition says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionClass {
    /// The name that packages ask for.
    pub id: String,
    /// How long a package is kept; `None` never expires.
    pub default_duration_seconds: Option<u64>,
    /// What happens at the end.
    pub deletion_strategy: DeletionStrategy,
    /// Whether a package may end earlier.
    pub lock_mode: LockMode,
    /// When the duration begins.
    pub anchor: Anchor,
    /// How long after its eligibility a package is ended.
    pub grace_seconds: u64,
}

impl RetentionClass {
    /// The class of packages that ask for none, unless it is defined otherwise: never expires.
    pub fn unlimited(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            default_duration_seconds: None,
            deletion_strategy: DeletionStrategy::Manual,
            lock_mode: LockMode::Governance,
            anchor: Anchor::Created,
            grace_seconds: 0,
        }
    }

    /// When retention ends for a package whose clock begins at an instant.
    pub fn expiry(&self, begins_at: Timestamp) -> Option<Timestamp> {
        let micros = self.default_duration_seconds?.saturating_mul(1_000_000);
        Some(Timestamp(begins_at.0.saturating_add_unsigned(micros)))
    }
}

/// A hold that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The identifier.
    pub id: HoldId,
    /// What kind it is.
    pub kind: HoldKind,
    /// Why.
    pub reason: String,
    /// When it was applied.
    pub applied_at: Timestamp,
    /// Who applied it.
    pub applied_by: String,
}

/// The retention of a package, as far as a decision needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// The class as it was when the package came to be.
    pub class: RetentionClass,
    /// When it ends; `None` never.
    pub expires_at: Option<Timestamp>,
    /// Since when the package is eligible for deletion.
    pub eligible_since: Option<Timestamp>,
    /// The holds that stand, oldest first.
    pub holds: Vec<Hold>,
}

/// What is to be recorded beside the act itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eligibility {
    /// Nothing changes.
    Unchanged,
    /// The package becomes eligible.
    Declared,
    /// It is so no longer.
    Revoked,
}

impl Retention {
    /// Decides a new expiry: strictly later than the present one, never one where there was none.
    pub fn extend(&self, new_expires_at: Timestamp) -> Result<Eligibility, Rejection> {
        let Some(current) = self.expires_at else {
            return Err(Rejection::NeverExpires);
        };
        if new_expires_at <= current {
            return Err(Rejection::NotLater { current });
        }
        Ok(self.revoked())
    }

    /// Decides a further hold.
    pub fn hold(&self) -> Result<Eligibility, Rejection> {
        if self.holds.len() >= MAX_HOLDS {
            return Err(Rejection::TooManyHolds);
        }
        Ok(self.revoked())
    }

    fn revoked(&self) -> Eligibility {
        if self.eligible_since.is_some() {
            Eligibility::Revoked
        } else {
            Eligibility::Unchanged
        }
    }

    /// Decides the release of a hold.
    pub fn release(&self, hold: HoldId, now: Timestamp) -> Result<Eligibility, Rejection> {
        if !self.holds.iter().any(|standing| standing.id == hold) {
            return Err(Rejection::NoSuchHold);
        }
        let is_last = self.holds.len() == 1;
        if is_last && self.has_expired(now) && self.eligible_since.is_none() {
            return Ok(Eligibility::Declared);
        }
        Ok(Eligibility::Unchanged)
    }

    /// Whether the sweeper declares the package eligible.
    pub fn sweep(&self, now: Timestamp) -> bool {
        self.eligible_since.is_none() && self.holds.is_empty() && self.has_expired(now)
    }

    /// Whether retention has ended.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// Decides the end of a finalized package. Holds are never bypassed, compliance neither.
    pub fn end(&self, now: Timestamp, bypasses: bool) -> Result<(), Rejection> {
        if !self.holds.is_empty() {
            return Err(Rejection::Held {
                holds: self.holds.len(),
            });
        }
        let is_over = self.has_expired(now) && self.eligible_since.is_some();
        let may_bypass = bypasses && self.class.lock_mode != LockMode::Compliance;
        if is_over || may_bypass {
            Ok(())
        } else {
            Err(Rejection::Retained {
                expires_at: self.expires_at,
            })
        }
    }

    /// Whether the executor ends the package now.
    pub fn is_due(&self, status: PackageStatus, now: Timestamp) -> bool {
        let Some(since) = self.eligible_since else {
            return false;
        };
        let grace = self.class.grace_seconds.saturating_mul(1_000_000);
        status == PackageStatus::Finalized
            && self.class.deletion_strategy != DeletionStrategy::Manual
            && self.end(now, false).is_ok()
            && Timestamp(since.0.saturating_add_unsigned(grace)) <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000_000);

    fn retention(expires_at: Option<i64>, holds: u128, is_eligible: bool) -> Retention {
        let hold = |n| Hold {
            id: HoldId(uuid::Uuid::from_u128(n)),
            kind: HoldKind::Operator,
            reason: "audit".to_owned(),
            applied_at: NOW,
            applied_by: "ci".to_owned(),
        };
        Retention {
            class: RetentionClass {
                deletion_strategy: DeletionStrategy::Purge,
                grace_seconds: 10,
                ..RetentionClass::unlimited("c")
            },
            expires_at: expires_at.map(|seconds| Timestamp(NOW.0 + seconds * 1_000_000)),
            eligible_since: is_eligible.then_some(NOW),
            holds: (1..=holds).map(hold).collect(),
        }
    }

    #[test]
    fn retention_is_extended_and_never_shortened() {
        let later = |seconds: i64| Timestamp(NOW.0 + seconds * 1_000_000);
        let current = retention(Some(5), 0, false);
        assert_eq!(current.extend(later(6)), Ok(Eligibility::Unchanged));
        for seconds in [4, 5] {
            let refused = current.extend(later(seconds));
            assert_eq!(refused, Err(Rejection::NotLater { current: later(5) }));
        }
        let never = retention(None, 0, false);
        assert_eq!(never.extend(later(6)), Err(Rejection::NeverExpires));
        let eligible = retention(Some(-5), 0, true);
        assert_eq!(eligible.extend(later(6)), Ok(Eligibility::Revoked));
        assert_eq!(eligible.hold(), Ok(Eligibility::Revoked));
    }

    #[test]
    fn a_package_has_a_bounded_number_of_holds() {
        let most = retention(None, MAX_HOLDS as u128 - 1, false);
        assert_eq!(most.hold(), Ok(Eligibility::Unchanged));
        let full = retention(None, MAX_HOLDS as u128, false);
        assert_eq!(full.hold(), Err(Rejection::TooManyHolds));
    }

    #[test]
    fn the_longest_class_ends_at_an_instant_that_can_be_read_back() {
        let longest = RetentionClass {
            default_duration_seconds: Some(MAX_CLASS_SECONDS),
            ..RetentionClass::unlimited("c")
        };
        let ends = longest.expiry(Timestamp(4_000_000_000_000_000)).unwrap();
        assert_eq!(Timestamp::parse(&ends.to_isoformat()), Some(ends));
    }

    #[test]
    fn the_release_of_the_last_hold_after_expiry_makes_eligible() {
        let id = |n| HoldId(uuid::Uuid::from_u128(n));
        let cases = [
            (retention(Some(-1), 1, false), 1, Ok(Eligibility::Declared)),
            (retention(Some(-1), 2, false), 1, Ok(Eligibility::Unchanged)),
            (retention(Some(1), 1, false), 1, Ok(Eligibility::Unchanged)),
            (retention(None, 1, false), 1, Ok(Eligibility::Unchanged)),
            (retention(Some(-1), 1, false), 2, Err(Rejection::NoSuchHold)),
        ];
        for (retention, hold, expected) in cases {
            assert_eq!(retention.release(id(hold), NOW), expected);
        }
    }

    #[test]
    fn only_what_has_expired_and_is_not_held_ends() {
        let cases = [
            (retention(Some(-1), 0, true), true),
            (retention(Some(-1), 0, false), false),
            (retention(Some(-1), 1, true), false),
            (retention(Some(1), 0, true), false),
            (retention(None, 0, false), false),
        ];
        for (retention, ends) in cases {
            assert_eq!(retention.end(NOW, false).is_ok(), ends, "{retention:?}");
        }
    }

    #[test]
    fn governance_is_bypassed_but_no_hold_and_no_compliance() {
        let mut early = retention(Some(1), 0, false);
        assert_eq!(early.end(NOW, true), Ok(()));
        early.class.lock_mode = LockMode::Compliance;
        assert!(early.end(NOW, true).is_err());
        let held = retention(Some(1), 1, false);
        assert_eq!(held.end(NOW, true), Err(Rejection::Held { holds: 1 }));
    }

    #[test]
    fn the_executor_waits_for_the_grace_time_and_ends_finalized_packages_only() {
        let due = retention(Some(-1), 0, true);
        let after = |seconds: i64| Timestamp(NOW.0 + seconds * 1_000_000);
        assert!(!due.is_due(PackageStatus::Finalized, after(9)));
        assert!(due.is_due(PackageStatus::Finalized, after(10)));
        assert!(!due.is_due(PackageStatus::Created, after(10)));
        let mut manual = due.clone();
        manual.class.deletion_strategy = DeletionStrategy::Manual;
        assert!(!manual.is_due(PackageStatus::Finalized, after(10)));
    }
}
