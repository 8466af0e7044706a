//! Settings of the server: addresses, certificates, limits of connections, deadlines.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where the operator's listener is when nothing is said.
pub const OPERATOR_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9001);

/// Where the operator's listener is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum OperatorAddress {
    /// At [`OPERATOR_ADDRESS`], and nowhere when somebody else has that.
    Auto,
    /// Nowhere.
    Off,
    /// Here; if that cannot be had, the server does not start.
    At(SocketAddr),
}

impl TryFrom<String> for OperatorAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "auto" => Ok(Self::Auto),
            "" | "off" => Ok(Self::Off),
            _ => text.parse().map(Self::At).map_err(|_| {
                format!("'{text}' is no address such as 127.0.0.1:9001, nor auto, nor off")
            }),
        }
    }
}

impl From<OperatorAddress> for String {
    fn from(address: OperatorAddress) -> Self {
        match address {
            OperatorAddress::Auto => "auto".to_owned(),
            OperatorAddress::Off => "off".to_owned(),
            OperatorAddress::At(address) => address.to_string(),
        }
    }
}

/// Settings of the server (`[server]` in the file).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSettings {
    /// The address that S3 and the extension are served on. Default `127.0.0.1:9000`; port 0 takes
    /// a free one. With a certificate and no `tls_listen` it speaks HTTPS.
    pub listen: SocketAddr,
    /// An address for HTTPS, so that `listen` goes on speaking HTTP. Default none.
    pub tls_listen: Option<SocketAddr>,
    /// Where metrics and health are served, to operators alone.
    pub operator_listen: OperatorAddress,
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
            operator_listen: OperatorAddress::Auto,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_address_is_a_word_or_an_address() {
        let parse = |text: &str| OperatorAddress::try_from(text.to_owned());
        for wrong in ["on", "9001", "localhost:9001", " auto"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse(""), Ok(OperatorAddress::Off));
        for text in ["auto", "off", "127.0.0.1:9001", "[::1]:0"] {
            assert_eq!(String::from(parse(text).unwrap()), text);
        }
    }
}
