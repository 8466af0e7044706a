//! Why a request about versions and their locks is refused, in the codes of S3.

use crate::domain::lock::VersionRefused;
use crate::exchange::fault::{Code, Fault};

impl From<VersionRefused> for Fault {
    fn from(refused: VersionRefused) -> Self {
        let code = match refused {
            VersionRefused::VersionHeld
            | VersionRefused::VersionRetained { .. }
            | VersionRefused::LockUnreadable
            | VersionRefused::VersionsLocked => {
                return Self::new(Code::AccessDenied).message(format!(
                    "Access Denied because object protected by object lock: {refused}."
                ));
            }
            VersionRefused::NoSuchVersion => return Self::new(Code::NoSuchVersion),
            VersionRefused::VersionIsMarker => return Self::new(Code::MethodNotAllowed),
            VersionRefused::WriteOnceVersioning
            | VersionRefused::LockNeedsVersioning
            | VersionRefused::LockWithoutVersioning => Code::InvalidBucketState,
            VersionRefused::NoObjectLock => Code::InvalidRequest,
            VersionRefused::RetainUntilInvalid => Code::InvalidArgument,
        };
        let text = refused.to_string();
        let (first, rest) = text.split_at(1);
        Self::new(code).message(format!("{}{rest}", first.to_uppercase()))
    }
}
