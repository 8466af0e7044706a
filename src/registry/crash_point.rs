//! Test equipment: the process ends in the middle of an operation, as abruptly as by kill -9.
//!
//! The variable `HOLDFAST_CRASH_POINT=name` or `name:n` of the server's environment names the point,
//! and the process aborts when it passes it for the n-th time. Nothing a client sends can set it, and
//! without it a point is one look at an empty option.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::db::commit::CommitObserver;
use crate::domain::event::Recorded;

/// The variable that names the point.
pub const CRASH_POINT_VARIABLE: &str = "HOLDFAST_CRASH_POINT";

/// Every point there is.
pub const CRASH_POINTS: [&str; 29] = [
    // Any transaction: written, but not committed; committed, but answered to nobody.
    "commit.written",
    "commit.done",
    // A finalize: the package is sealed; a piece of a long manifest is kept; the manifest is built;
    // it is recorded.
    "finalize.sealed",
    "finalize.piece",
    "finalize.built",
    "finalize.recorded",
    // The sweeper: before and after packages are declared eligible, before and after one ends.
    "sweep.declaring",
    "sweep.declared",
    "sweep.ending",
    "sweep.ended",
    // The janitor: before bytes go, between that and its event, after the event; the same of small
    // content, which goes with its event; an upload that was open too long.
    "reclaim.deleting",
    "reclaim.deleted",
    "reclaim.recorded",
    "reclaim.inline",
    "reclaim.upload",
    // A verification: bytes were read; findings are about to be saved; they are.
    "verify.read",
    "verify.saving",
    "verify.saved",
    "verify.ending",
    // Damaged bytes are about to be written anew; they were.
    "repair.writing",
    "repair.written",
    // A file or a part: in staging, published, recorded.
    "ingest.staged",
    "ingest.published",
    "ingest.recorded",
    "part.staged",
    "part.published",
    "part.recorded",
    // The completion of an upload: hashed, recorded.
    "complete.hashed",
    "complete.recorded",
];

/// A point, and how often it has yet to be passed.
#[derive(Debug)]
pub struct CrashPoint {
    name: &'static str,
    passes_left: AtomicU64,
}

impl PartialEq for CrashPoint {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl FromStr for CrashPoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, passes) = text.split_once(':').unwrap_or((text, "1"));
        let known = CRASH_POINTS.iter().find(|known| **known == name);
        let passes = passes.parse().ok().filter(|passes| *passes > 0);
        match (known, passes) {
            (Some(name), Some(passes)) => Ok(Self {
                name,
                passes_left: AtomicU64::new(passes),
            }),
            _ => Err(format!(
                "{CRASH_POINT_VARIABLE} is one of {}, with or without ':' and how often it is \
                 passed; it is not '{text}'",
                CRASH_POINTS.join(", ")
            )),
        }
    }
}

impl CrashPoint {
    /// Ends the process if this is the point, and it is passed for the last time.
    pub fn pass(&self, name: &str) {
        if name == self.name && self.passes_left.fetch_sub(1, Ordering::SeqCst) == 1 {
            std::process::abort();
        }
    }
}

/// Passes the points of every transaction, between those who must know of changes.
pub(super) struct CrashingObserver {
    /// Who must know.
    pub(super) observer: Arc<dyn CommitObserver>,
    /// The point.
    pub(super) point: Arc<CrashPoint>,
}

impl CommitObserver for CrashingObserver {
    fn changing(&self, events: &[Recorded]) {
        self.observer.changing(events);
        self.point.pass("commit.written");
    }

    fn changed(&self, events: &[Recorded], is_committed: bool) {
        self.point.pass("commit.done");
        self.observer.changed(events, is_committed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_known_and_passed_so_often() {
        for text in [
            "",
            "x",
            "finalize",
            "finalize.sealed:0",
            "finalize.sealed:x",
            ":1",
        ] {
            assert!(text.parse::<CrashPoint>().is_err(), "{text}");
        }
        let point: CrashPoint = "finalize.sealed:3".parse().unwrap();
        point.pass("finalize.built");
        point.pass("finalize.sealed");
        assert_eq!(point.passes_left.load(Ordering::SeqCst), 2);
    }
}
