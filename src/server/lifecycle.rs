//! Start and stop, in order.
//!
//! Start: the registry is open before this file is asked; then the addresses are taken, then
//! connections are accepted, then timed work begins. Stop, by the token of the context: no new
//! connection, idle ones are closed, long polls end, running requests have their grace, then what
//! still runs is abandoned. The registry is closed by whoever opened it, afterwards.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::exchange::context::Context;
use crate::server::gateway::Gateway;
use crate::server::listen::{Hall, Listener};
use crate::server::operator::OperatorListener;
use crate::server::settings::ServerSettings;
use crate::server::tls;

/// How long abandoned connections may take to notice.
const ABANDON_TIME: Duration = Duration::from_secs(2);

/// A server that has its addresses and does not accept yet.
pub struct Server {
    listeners: Vec<Listener>,
    operator: Option<OperatorListener>,
    hall: Arc<Hall>,
    grace: Duration,
}

impl Server {
    /// Reads the certificate and takes the addresses. The error names the file or the address.
    pub async fn bind(settings: &ServerSettings, context: Context) -> io::Result<Self> {
        let acceptor = match (&settings.tls_certificate, &settings.tls_key) {
            (Some(certificate), Some(key)) => Some(tls::acceptor(certificate, key)?),
            (None, None) if settings.tls_listen.is_none() => None,
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "HTTPS needs both server.tls_certificate and server.tls_key",
                ));
            }
        };
        let mut listeners = Vec::new();
        if let Some(address) = settings.tls_listen {
            listeners.push(Listener::bind(settings.listen, None).await?);
            listeners.push(Listener::bind(address, acceptor).await?);
        } else {
            listeners.push(Listener::bind(settings.listen, acceptor).await?);
        }
        Ok(Self {
            listeners,
            operator: OperatorListener::bind(settings.operator_listen).await?,
            hall: Arc::new(Hall::new(Gateway::new(context), settings)),
            grace: Duration::from_millis(settings.stop_grace_ms),
        })
    }

    /// The URLs of the addresses, as they were taken.
    pub fn urls(&self) -> io::Result<Vec<String>> {
        self.listeners.iter().map(Listener::url).collect()
    }

    /// The address of the operator's listener, if there is one.
    pub fn operator_address(&self) -> Option<SocketAddr> {
        self.operator.as_ref()?.address().ok()
    }

    /// Serves until the context's token is cancelled and what was running has ended.
    pub async fn run(self) {
        let hall = self.hall;
        for listener in self.listeners {
            hall.tasks.spawn(listener.accept(Arc::clone(&hall)));
        }
        if let Some(operator) = self.operator {
            hall.tasks.spawn(operator.accept(Arc::clone(&hall)));
        }
        hall.gateway.context().stopping.cancelled().await;
        tracing::info!(grace_ms = self.grace.as_millis() as u64, "stopping");
        hall.tasks.close();
        if tokio::time::timeout(self.grace, hall.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(connections = hall.tasks.len(), "abandoning what still runs");
            hall.abandon.cancel();
            let _ = tokio::time::timeout(ABANDON_TIME, hall.tasks.wait()).await;
        }
        tracing::info!("stopped");
    }
}
