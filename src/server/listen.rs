//! Accept connections, serve them, and let them end in order.
//!
//! HTTP/1.1 by hyper's own connection builder: `hyper_util`'s automatic one reads without a limit
//! of time before it knows the version.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::server::admission::{Place, Turnstile};
use crate::server::connection::Socket;
use crate::server::gateway::Gateway;
use crate::server::settings::ServerSettings;

/// The most headers of a request. hyper's own 100 would refuse legal user metadata.
const MAX_HEADERS: usize = 256;

/// The most bytes of a head.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// The most bytes that are read or gathered for writing at once: hashing so many takes well under
/// a millisecond, and other connections share the thread.
const BUFFER_BYTES: usize = 128 * 1024;

/// How long a TLS handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// How long accepting rests after an error such as too many open files.
const ACCEPT_REST: Duration = Duration::from_millis(100);

const TOO_MANY: &[u8] = b"HTTP/1.1 503 Slow Down\r\nserver: Holdfast\r\ncontent-length: 0\r\n\
    retry-after: 2\r\nconnection: close\r\n\r\n";

/// What every connection shares.
pub struct Hall {
    /// Answers requests.
    pub gateway: Gateway,
    /// Counts connections.
    pub turnstile: Arc<Turnstile>,
    /// Every connection and every loop that accepts them.
    pub tasks: TaskTracker,
    /// Cancelled when the grace after the order to stop is over.
    pub abandon: CancellationToken,
    http: http1::Builder,
    write_timeout: Duration,
}

impl Hall {
    /// What connections share, by these settings.
    pub fn new(gateway: Gateway, settings: &ServerSettings) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(settings.head_timeout_ms))
            .max_headers(MAX_HEADERS)
            .max_header_size(MAX_HEAD_BYTES)
            .max_buf_size(BUFFER_BYTES);
        Self {
            gateway,
            turnstile: Turnstile::new(
                settings.max_connections,
                settings.max_connections_per_address,
            ),
            tasks: TaskTracker::new(),
            abandon: CancellationToken::new(),
            http,
            write_timeout: Duration::from_millis(settings.write_timeout_ms),
        }
    }

    fn stopping(&self) -> &CancellationToken {
        &self.gateway.context().stopping
    }
}

/// One address that is listened on.
pub struct Listener {
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
}

impl Listener {
    /// Takes an address; with an acceptor it speaks TLS.
    pub async fn bind(address: SocketAddr, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        let socket = TcpListener::bind(address)
            .await
            .map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))?;
        Ok(Self { socket, tls })
    }

    /// The URL of this address.
    pub fn url(&self) -> io::Result<String> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        Ok(format!("{scheme}://{}", self.socket.local_addr()?))
    }

    /// Accepts until the order to stop.
    pub async fn accept(self, hall: Arc<Hall>) {
        loop {
            let accepted = tokio::select! {
                biased;
                () = hall.stopping().cancelled() => return,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.admit(stream, peer.ip(), &hall),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            }
        }
    }

    fn admit(&self, stream: TcpStream, peer: IpAddr, hall: &Arc<Hall>) {
        let Some(place) = hall.turnstile.enter(peer) else {
            tracing::debug!(%peer, "too many connections");
            if self.tls.is_none() {
                let _ = stream.try_write(TOO_MANY);
            }
            return;
        };
        let connection = serve(stream, self.tls.clone(), peer, place, Arc::clone(hall));
        hall.tasks.spawn(connection);
    }
}

async fn serve(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    peer: IpAddr,
    place: Place,
    hall: Arc<Hall>,
) {
    let abandon = hall.abandon.clone();
    let connection = async {
        let socket = Socket::new(stream, hall.write_timeout)?;
        match tls {
            None => serve_http(socket, peer, &hall).await,
            Some(tls) => {
                let handshake = tokio::time::timeout(HANDSHAKE_TIME, tls.accept(socket));
                serve_http(handshake.await??, peer, &hall).await
            }
        }
    };
    tokio::select! {
        outcome = connection => {
            if let Err(error) = outcome {
                tracing::debug!(%peer, %error, "a connection broke off");
            }
        }
        () = abandon.cancelled() => {}
    }
    drop(place);
}

async fn serve_http<S>(socket: S, peer: IpAddr, hall: &Arc<Hall>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request| {
        let hall = Arc::clone(hall);
        async move { Ok::<_, Infallible>(hall.gateway.handle(request, peer).await) }
    });
    let connection = hall.http.serve_connection(TokioIo::new(socket), service);
    tokio::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = hall.stopping().cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    outcome.map_err(io::Error::other)
}

/// Whether an error of `accept` concerns one connection that is already gone.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}
