//! What every handler may reach.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio_util::sync::CancellationToken;

use crate::auth::authenticate::Authenticator;
use crate::domain::ids::Timestamp;
use crate::exchange::settings::ExchangeSettings;
use crate::registry::handle::Registry;

/// Held once by the server and lent to every request.
pub struct Context {
    /// The library.
    pub registry: Registry,
    /// Region, host names, limits.
    pub settings: ExchangeSettings,
    /// From signature to identity; only `admit.rs` asks it.
    pub authenticator: Authenticator,
    /// Cancelled when the server begins to stop: waits for events and live tails end then.
    pub stopping: CancellationToken,
}

impl Context {
    /// The time by the system's clock.
    #[expect(
        clippy::unused_self,
        reason = "a fixed clock for tests would live here"
    )]
    pub fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Timestamp(since.map_or(0, |elapsed| elapsed.as_micros() as i64))
    }
}
