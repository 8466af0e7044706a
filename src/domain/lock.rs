//! Object Lock on versions of files: retention, legal hold, and the default of a package.
//!
//! Every rule is decided here, inside the commit. A lock that cannot be read refuses what it could
//! forbid.

use chrono::{Days, Months};

use crate::domain::ids::Timestamp;

/// The longest default retention in days, as on AWS.
pub const MAX_DEFAULT_DAYS: u32 = 36_500;

/// The longest default retention in years, as on AWS.
pub const MAX_DEFAULT_YEARS: u32 = 100;

/// The last instant until which a version is retained: it can still be written as S3 writes times.
pub const MAX_RETAIN_UNTIL: Timestamp = Timestamp(253_402_300_799_000_000);

/// Why a rule of versions and their locks says no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VersionRefused {
    /// A key has no such version, or no longer.
    #[error("the specified version does not exist")]
    NoSuchVersion,
    /// What is asked is not asked of a delete marker.
    #[error("the version is a delete marker")]
    VersionIsMarker,
    /// A write-once package has no versions.
    #[error("the package is write-once: its keys are not overwritten, so it has no versions")]
    WriteOnceVersioning,
    /// Object Lock keeps versioning enabled.
    #[error(
        "an Object Lock configuration is present on this bucket, so the versioning state cannot be \
         changed"
    )]
    LockNeedsVersioning,
    /// Object Lock needs versioning.
    #[error("versioning must be 'Enabled' on the bucket to apply an Object Lock configuration")]
    LockWithoutVersioning,
    /// The package has no Object Lock.
    #[error("bucket is missing Object Lock Configuration")]
    NoObjectLock,
    /// A retention ends in the past, or too far in the future.
    #[error("the retain until date must be in the future")]
    RetainUntilInvalid,
    /// A legal hold keeps a version.
    #[error("the version is kept by a legal hold")]
    VersionHeld,
    /// Its retention keeps a version.
    #[error("the version is retained until {}", .until.to_s3())]
    VersionRetained {
        /// When it ends.
        until: Timestamp,
    },
    /// The lock of a version cannot be understood.
    #[error("the version has a lock that cannot be read")]
    LockUnreadable,
    /// Versions of the package are locked.
    #[error("the package has versions that are locked")]
    VersionsLocked,
}

/// Who may remove a version before its retention ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionMode {
    /// Whoever may bypass, and says so.
    Governance,
    /// Nobody.
    Compliance,
}

impl RetentionMode {
    /// Every mode.
    pub const ALL: [Self; 2] = [Self::Governance, Self::Compliance];

    /// The word in events and views.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Governance => "governance",
            Self::Compliance => "compliance",
        }
    }

    /// The mode of a word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }

    /// The word of S3.
    pub fn name(self) -> &'static str {
        match self {
            Self::Governance => "GOVERNANCE",
            Self::Compliance => "COMPLIANCE",
        }
    }

    /// The mode of a word of S3.
    pub fn from_name(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == text)
    }
}

/// How long a version is kept, and how firmly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectRetention {
    /// How firmly.
    pub mode: RetentionMode,
    /// Until when.
    pub retain_until: Timestamp,
}

/// What a write asks of the lock of its version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LockRequest {
    /// Its retention; `None` takes the package's default.
    pub retention: Option<ObjectRetention>,
    /// Whether the legal hold is put on it; `None` says nothing.
    pub legal_hold: Option<bool>,
}

impl LockRequest {
    /// Whether nothing is asked.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Refuses an end of retention that does not lie ahead as it is asked for.
    pub fn check(&self, now: Timestamp) -> Result<(), VersionRefused> {
        self.retention
            .map_or(Ok(()), |retention| check_until(retention, now))
    }

    /// The lock of a version that is written now to a package with this configuration. What was
    /// asked for when an upload was opened may have ended by now.
    pub fn decide(
        &self,
        config: Option<&ObjectLockConfig>,
        now: Timestamp,
    ) -> Result<FileLock, VersionRefused> {
        let Some(config) = config else {
            return if self.is_none() {
                Ok(FileLock::default())
            } else {
                Err(VersionRefused::NoObjectLock)
            };
        };
        let default = || config.default.and_then(|default| default.from(now));
        Ok(FileLock {
            retention: self.retention.or_else(default),
            legal_hold: self.legal_hold,
            is_unreadable: false,
        })
    }
}

/// An end of retention that is given lies ahead, and can be written.
fn check_until(retention: ObjectRetention, now: Timestamp) -> Result<(), VersionRefused> {
    if retention.retain_until <= now || retention.retain_until > MAX_RETAIN_UNTIL {
        return Err(VersionRefused::RetainUntilInvalid);
    }
    Ok(())
}

/// The lock of a version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FileLock {
    /// Its retention, which may have ended.
    pub retention: Option<ObjectRetention>,
    /// Its legal hold, if one was ever put on or taken off.
    pub legal_hold: Option<bool>,
    /// What is stored cannot be understood: whatever it may be, it holds.
    pub is_unreadable: bool,
}

impl FileLock {
    /// Whether the version may go. A bypass passes over governance alone.
    pub fn check_removal(&self, now: Timestamp, bypasses: bool) -> Result<(), VersionRefused> {
        if self.is_unreadable {
            return Err(VersionRefused::LockUnreadable);
        }
        if self.legal_hold == Some(true) {
            return Err(VersionRefused::VersionHeld);
        }
        match self.active(now) {
            None => Ok(()),
            Some(retention) if bypasses && retention.mode == RetentionMode::Governance => Ok(()),
            Some(retention) => Err(VersionRefused::VersionRetained {
                until: retention.retain_until,
            }),
        }
    }

    /// The retention, if it has not ended.
    pub fn active(&self, now: Timestamp) -> Option<ObjectRetention> {
        self.retention
            .filter(|retention| retention.retain_until > now)
    }

    /// Decides a new retention; `None` takes it away. It is always extended, and weakened only
    /// under governance by who bypasses. Answers whether that was needed.
    pub fn change_retention(
        &self,
        new: Option<ObjectRetention>,
        now: Timestamp,
        bypasses: bool,
    ) -> Result<bool, VersionRefused> {
        if self.is_unreadable {
            return Err(VersionRefused::LockUnreadable);
        }
        if let Some(new) = new {
            check_until(new, now)?;
        }
        let Some(active) = self.active(now) else {
            return Ok(false);
        };
        let extends = |new: ObjectRetention| {
            new.mode == active.mode && new.retain_until >= active.retain_until
        };
        if new.is_some_and(extends) {
            return Ok(false);
        }
        if bypasses && active.mode == RetentionMode::Governance {
            return Ok(true);
        }
        Err(VersionRefused::VersionRetained {
            until: active.retain_until,
        })
    }
}

/// How long a default retention lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// So many days.
    Days(u32),
    /// So many years of the calendar.
    Years(u32),
}

/// The retention of versions that are written without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultRetention {
    /// How firmly.
    pub mode: RetentionMode,
    /// How long.
    pub period: Period,
}

impl DefaultRetention {
    /// The retention of a version that is written at an instant.
    pub fn from(self, now: Timestamp) -> Option<ObjectRetention> {
        let at = now.datetime();
        let until = match self.period {
            Period::Days(days) => at.checked_add_days(Days::new(days.into())),
            Period::Years(years) => at.checked_add_months(Months::new(years * 12)),
        }?;
        Some(ObjectRetention {
            mode: self.mode,
            retain_until: Timestamp(until.timestamp_micros()),
        })
    }
}

/// The Object Lock of a package: once enabled it stays so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ObjectLockConfig {
    /// The retention of versions that are written without one.
    pub default: Option<DefaultRetention>,
}

impl ObjectLockConfig {
    /// As the views hold it: `enabled`, or such as `governance 30 days`.
    pub fn to_text(self) -> String {
        match self.default {
            None => "enabled".to_owned(),
            Some(DefaultRetention { mode, period }) => match period {
                Period::Days(days) => format!("{} {days} days", mode.as_str()),
                Period::Years(years) => format!("{} {years} years", mode.as_str()),
            },
        }
    }

    /// What [`Self::to_text`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "enabled" {
            return Some(Self::default());
        }
        let mut words = text.split(' ');
        let mode = RetentionMode::parse(words.next()?)?;
        let number = words.next()?.parse().ok()?;
        let period = match words.next()? {
            "days" => Period::Days(number),
            "years" => Period::Years(number),
            _ => return None,
        };
        let default = Some(DefaultRetention { mode, period });
        words.next().is_none().then_some(Self { default })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000_000);
    const SECOND: i64 = 1_000_000;

    fn retention(mode: RetentionMode, seconds: i64) -> ObjectRetention {
        ObjectRetention {
            mode,
            retain_until: Timestamp(NOW.0 + seconds * SECOND),
        }
    }

    fn lock(mode: RetentionMode, seconds: i64) -> FileLock {
        FileLock {
            retention: Some(retention(mode, seconds)),
            ..FileLock::default()
        }
    }

    #[test]
    fn a_version_goes_when_nothing_keeps_it() {
        use RetentionMode::{Compliance, Governance};
        let held = FileLock {
            legal_hold: Some(true),
            ..FileLock::default()
        };
        let released = FileLock {
            legal_hold: Some(false),
            ..FileLock::default()
        };
        let unreadable = FileLock {
            is_unreadable: true,
            ..FileLock::default()
        };
        let both = FileLock {
            legal_hold: Some(true),
            ..lock(Governance, 5)
        };
        // The lock, whether it goes, whether it goes for who bypasses.
        let cases = [
            (FileLock::default(), true, true),
            (released, true, true),
            (held, false, false),
            (both, false, false),
            (unreadable, false, false),
            (lock(Governance, 1), false, true),
            (lock(Governance, 0), true, true),
            (lock(Governance, -1), true, true),
            (lock(Compliance, 1), false, false),
            (lock(Compliance, 0), true, true),
        ];
        for (lock, plain, bypassing) in cases {
            assert_eq!(lock.check_removal(NOW, false).is_ok(), plain, "{lock:?}");
            assert_eq!(lock.check_removal(NOW, true).is_ok(), bypassing, "{lock:?}");
        }
    }

    #[test]
    fn retention_is_extended_by_anybody_and_weakened_under_governance_alone() {
        use RetentionMode::{Compliance, Governance};
        let new = |mode, seconds| Some(retention(mode, seconds));
        // What stands, what is asked, the answer without and with a bypass.
        let cases = [
            (
                FileLock::default(),
                new(Compliance, 1),
                Some(false),
                Some(false),
            ),
            (FileLock::default(), None, Some(false), Some(false)),
            (lock(Governance, -1), None, Some(false), Some(false)),
            (
                lock(Compliance, -1),
                new(Governance, 1),
                Some(false),
                Some(false),
            ),
            (
                lock(Governance, 9),
                new(Governance, 10),
                Some(false),
                Some(false),
            ),
            (
                lock(Governance, 9),
                new(Governance, 9),
                Some(false),
                Some(false),
            ),
            (lock(Governance, 9), new(Governance, 8), None, Some(true)),
            (lock(Governance, 9), new(Compliance, 10), None, Some(true)),
            (lock(Governance, 9), None, None, Some(true)),
            (
                lock(Compliance, 9),
                new(Compliance, 10),
                Some(false),
                Some(false),
            ),
            (lock(Compliance, 9), new(Compliance, 8), None, None),
            (lock(Compliance, 9), new(Governance, 10), None, None),
            (lock(Compliance, 9), None, None, None),
            (FileLock::default(), new(Governance, 0), None, None),
        ];
        for (lock, asked, plain, bypassing) in cases {
            let change = |bypasses| lock.change_retention(asked, NOW, bypasses).ok();
            assert_eq!(change(false), plain, "{lock:?} {asked:?}");
            assert_eq!(change(true), bypassing, "{lock:?} {asked:?}");
        }
        let unreadable = FileLock {
            is_unreadable: true,
            ..FileLock::default()
        };
        let change = unreadable.change_retention(new(Compliance, 1), NOW, true);
        assert_eq!(change, Err(VersionRefused::LockUnreadable));
    }

    #[test]
    fn a_write_gets_what_it_asks_for_or_the_default() {
        let default = DefaultRetention {
            mode: RetentionMode::Governance,
            period: Period::Days(1),
        };
        let config = ObjectLockConfig {
            default: Some(default),
        };
        let given = LockRequest {
            retention: Some(retention(RetentionMode::Compliance, 5)),
            legal_hold: Some(true),
        };
        let nothing = LockRequest::default();
        assert_eq!(nothing.decide(None, NOW), Ok(FileLock::default()));
        assert_eq!(given.decide(None, NOW), Err(VersionRefused::NoObjectLock));
        let lock = nothing.decide(Some(&config), NOW).unwrap();
        assert_eq!(
            lock.retention,
            Some(retention(RetentionMode::Governance, 86_400))
        );
        let lock = given.decide(Some(&config), NOW).unwrap();
        assert_eq!(
            (lock.retention, lock.legal_hold),
            (given.retention, Some(true))
        );
        let past = LockRequest {
            retention: Some(retention(RetentionMode::Compliance, 0)),
            legal_hold: None,
        };
        assert_eq!(past.check(NOW), Err(VersionRefused::RetainUntilInvalid));
        assert_eq!(given.check(NOW), Ok(()));
    }

    #[test]
    fn a_configuration_is_read_as_it_was_written() {
        let mut configs = vec![ObjectLockConfig::default()];
        for mode in RetentionMode::ALL {
            for period in [Period::Days(1), Period::Days(36_500), Period::Years(100)] {
                let default = Some(DefaultRetention { mode, period });
                configs.push(ObjectLockConfig { default });
            }
        }
        for config in configs {
            assert_eq!(ObjectLockConfig::parse(&config.to_text()), Some(config));
        }
        for text in [
            "",
            "off",
            "governance",
            "governance 1",
            "governance 1 d",
            "x 1 days",
        ] {
            assert_eq!(ObjectLockConfig::parse(text), None, "{text}");
        }
    }
}
