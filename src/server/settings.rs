//! Settings of the server: addresses, certificates, limits of connections, deadlines.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Settings of the server (`[server]` in the file).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSettings {
    /// The address that S3 and the extension are served on. Default `127.0.0.1:9000`; port 0 takes
    /// a free one. With a certificate and no `tls_listen` it speaks HTTPS.
    pub listen: SocketAddr,
    /// An address for HTTPS, so that `listen` goes on speaking HTTP. Default none.
    pub tls_listen: Option<SocketAddr>,
    /// The certificate chain, PEM, the server's own first. Default none: no HTTPS.
    pub tls_certificate: Option<PathBuf>,
    /// The private key of the certificate, PEM.
    pub tls_key: Option<PathBuf>,
    /// The most connections at once. Default 10,000.
    pub max_connections: usize,
    /// The most connections of one address, other than loopback. Default 256; raise it behind a
    /// reverse proxy.
    pub max_connections_per_address: usize,
    /// How long a client may take to send a head, and how long a connection may be idle, in
    /// milliseconds. Default 30,000.
    pub head_timeout_ms: u64,
    /// How long a client may take no byte of an answer, in milliseconds. Default 60,000.
    pub write_timeout_ms: u64,
    /// How long running requests may go on after the order to stop, in milliseconds. Default
    /// 30,000.
    pub stop_grace_ms: u64,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9000)),
            tls_listen: None,
            tls_certificate: None,
            tls_key: None,
            max_connections: 10_000,
            max_connections_per_address: 256,
            head_timeout_ms: 30_000,
            write_timeout_ms: 60_000,
            stop_grace_ms: 30_000,
        }
    }
}
