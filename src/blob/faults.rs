//! Disks that fail when a test asks them to: the n-th step of a kind answers with an error number.

use std::io;
use std::sync::{Mutex, PoisonError};

/// A step at which the local store can be struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// A file is made in staging.
    Create,
    /// Bytes are written.
    Write,
    /// A file is synced.
    SyncFile,
    /// A file gets its name.
    Rename,
    /// A directory is synced.
    SyncDirectory,
    /// A blob is removed.
    Unlink,
    /// Bytes are read.
    Read,
}

/// What is to fail.
#[derive(Debug, Default)]
pub struct Faults {
    planned: Mutex<Option<Plan>>,
    passed: Mutex<Vec<Strike>>,
}

#[derive(Debug)]
struct Plan {
    strike: Strike,
    skip: usize,
    errno: rustix::io::Errno,
}

impl Faults {
    /// Lets a step fail once, after `skip` steps of its kind have passed.
    pub fn plan(&self, strike: Strike, skip: usize, errno: rustix::io::Errno) {
        *self.planned.lock().unwrap_or_else(PoisonError::into_inner) = Some(Plan {
            strike,
            skip,
            errno,
        });
    }

    /// Forgets the plan; says whether it was still to come.
    pub fn clear(&self) -> bool {
        let mut planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        planned.take().is_some()
    }

    /// The steps since this was last asked, failed ones too.
    pub fn passed(&self) -> Vec<Strike> {
        std::mem::take(&mut *self.passed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Fails when the plan says so.
    pub fn strike(&self, strike: Strike) -> io::Result<()> {
        self.passed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(strike);
        let mut planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        match planned.as_mut() {
            Some(plan) if plan.strike == strike && plan.skip == 0 => {
                let errno = plan.errno;
                *planned = None;
                Err(errno.into())
            }
            Some(plan) if plan.strike == strike => {
                plan.skip -= 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
