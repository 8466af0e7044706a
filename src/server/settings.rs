//! Settings of the server: addresses, certificates, limits of connections, deadlines.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Settings of the server (`[server]` in the file).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSettings {
    /// The address of plain HTTP. Default `127.0.0.1:9000`; port 0 takes a free one.
    pub listen: Option<SocketAddr>,
    /// HTTPS beside it. Default none.
    pub tls: Option<TlsSettings>,
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

/// HTTPS (`[server.tls]`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// The address of HTTPS, such as `127.0.0.1:9443`.
    pub listen: SocketAddr,
    /// The certificate chain, PEM, the server's own first.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 9000))),
            tls: None,
            max_connections: 10_000,
            max_connections_per_address: 256,
            head_timeout_ms: 30_000,
            write_timeout_ms: 60_000,
            stop_grace_ms: 30_000,
        }
    }
}
