//! What every handler may reach.

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
    /// The present by the registry's clock.
    pub fn now(&self) -> Timestamp {
        self.registry.now()
    }
}
