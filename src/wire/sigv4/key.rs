//! The signing key of a scope, and comparison in constant time.

use std::fmt;

use zeroize::Zeroizing;

/// A derived signing key: good for one day, region and service. Zeroed when dropped, never printed.
#[derive(Clone)]
pub struct SigningKey(Zeroizing<[u8; 32]>);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _ = &self.0;
        f.write_str("SigningKey(..)")
    }
}
