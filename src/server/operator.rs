//! The operator's listener: metrics and health, without a signature, on an address of its own that
//! no client needs to reach.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::server::listen::Hall;
use crate::server::metrics::MEDIA_TYPE;
use crate::server::settings::{OPERATOR_ADDRESS, OperatorAddress};

/// The most connections at once; further ones wait.
const MAX_CONNECTIONS: usize = 16;

/// How long a head may take, and how long a connection may be idle.
const HEAD_TIME: Duration = Duration::from_secs(30);

/// How long accepting rests after an error.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// The operator's listener, bound and not accepting yet.
pub struct OperatorListener {
    socket: TcpListener,
}

impl OperatorListener {
    /// Takes the address of the settings; `None` for `off`, and for `auto` when somebody else has
    /// the address.
    pub async fn bind(address: OperatorAddress) -> io::Result<Option<Self>> {
        let (address, is_needed) = match address {
            OperatorAddress::Off => return Ok(None),
            OperatorAddress::Auto => (OPERATOR_ADDRESS, false),
            OperatorAddress::At(address) => (address, true),
        };
        match TcpListener::bind(address).await {
            Ok(socket) => Ok(Some(Self { socket })),
            Err(error) if is_needed => Err(io::Error::new(
                error.kind(),
                format!("server.operator_listen {address}: {error}"),
            )),
            Err(error) => {
                tracing::warn!(%address, %error, "no metrics are served; see server.operator_listen");
                Ok(None)
            }
        }
    }

    /// The address that was taken.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Answers until the order to stop.
    pub async fn accept(self, hall: Arc<Hall>) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let stopping = hall.gateway.context().stopping.clone();
        loop {
            let accepted = tokio::select! {
                biased;
                () = stopping.cancelled() => return,
                accepted = async {
                    let place = places.clone().acquire_owned().await;
                    (place, self.socket.accept().await)
                } => accepted,
            };
            match accepted {
                (Ok(place), Ok((stream, _))) => {
                    let hall = Arc::clone(&hall);
                    tokio::spawn(async move {
                        let stopping = hall.gateway.context().stopping.clone();
                        tokio::select! {
                            () = stopping.cancelled() => {}
                            () = serve(stream, &hall) => {}
                        }
                        drop(place);
                    });
                }
                _ => tokio::time::sleep(ACCEPT_REST).await,
            }
        }
    }
}

async fn serve(stream: TcpStream, hall: &Arc<Hall>) {
    let service = service_fn(|request| {
        let hall = Arc::clone(hall);
        async move { Ok::<_, Infallible>(answer(&request, &hall).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "an operator's connection broke off");
    }
}

async fn answer(request: &Request<Incoming>, hall: &Hall) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(
            StatusCode::METHOD_NOT_ALLOWED,
            "text/plain",
            "Only GET and HEAD.\n".into(),
        );
    }
    let registry = &hall.gateway.context().registry;
    match request.uri().path() {
        "/metrics" => {
            let figures = registry.read_figures().await;
            let connections = hall.turnstile.connections();
            match hall.gateway.metrics().write(&figures, connections) {
                Ok(written) => text(StatusCode::OK, MEDIA_TYPE, written),
                Err(error) => {
                    tracing::error!(%error, "metrics cannot be written");
                    text(
                        StatusCode::INTERNAL_SERVER_ERROR,
                        "text/plain",
                        String::new(),
                    )
                }
            }
        }
        "/health/live" => text(StatusCode::OK, "text/plain", "ok\n".into()),
        "/health/ready" => {
            let troubles: Vec<_> = registry
                .check_health()
                .await
                .into_iter()
                .filter_map(|part| Some(format!("{}: {}\n", part.id, part.trouble?)))
                .collect();
            if troubles.is_empty() {
                text(StatusCode::OK, "text/plain", "ok\n".into())
            } else {
                text(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "text/plain",
                    troubles.concat(),
                )
            }
        }
        _ => {
            let paths =
                "/metrics, /health/live and /health/ready are here; S3 is on another address.\n";
            text(StatusCode::NOT_FOUND, "text/plain", paths.into())
        }
    }
}

fn text(status: StatusCode, media_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let media_type = header::HeaderValue::from_static(media_type);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, media_type);
    response
}
