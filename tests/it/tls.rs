//! The same service over HTTPS, beside HTTP or instead of it.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::connection::Connection;
use crate::support::server::Server;

struct Authority {
    certificate: rcgen::Certificate,
    key: rcgen::KeyPair,
    directory: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().expect("a key");
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let parameters = rcgen::CertificateParams::new(names).expect("names");
        let certificate = parameters.self_signed(&key).expect("a certificate");
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("cert.pem"), certificate.pem()).expect("written");
        std::fs::write(directory.path().join("key.pem"), key.serialize_pem()).expect("written");
        Self {
            certificate,
            key,
            directory,
        }
    }

    fn settings(&self, listen: &str) -> String {
        let path = |name: &str| {
            Path::join(self.directory.path(), name)
                .display()
                .to_string()
        };
        format!(
            "[server]\ntls_certificate = \"{}\"\ntls_key = \"{}\"\n{listen}\n",
            path("cert.pem"),
            path("key.pem")
        )
    }

    fn connect(&self, address: SocketAddr) -> Connection {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = "localhost".try_into().expect("a name");
        let session = ClientConnection::new(Arc::new(config), name).expect("a session");
        let stream = TcpStream::connect(address).expect("the server listens");
        Connection::over(Box::new(StreamOwned::new(session, stream)))
    }
}

#[test]
fn https_stands_beside_http() {
    let authority = Authority::new();
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let settings = authority.settings(&format!("tls_listen = \"{free}\""));
    let server = Server::start_with(&settings, &[]);
    server.make_bucket("bucket");
    let mut secure = authority.connect(free);
    let host = free.to_string();
    let body = vec![b'x'; 3_000_000];
    let put = server
        .call("PUT", "/bucket/key")
        .header("host", &host)
        .body(body.clone());
    put.send_on(&mut secure).expect(200);
    let get = server.call("GET", "/bucket/key").header("host", &host);
    assert_eq!(get.send_on(&mut secure).expect(200).body, body);
    let ranged = server
        .call("GET", "/bucket/key")
        .header("range", "bytes=5-9")
        .send();
    assert_eq!(ranged.expect(206).body, b"xxxxx");
    assert!(!authority.key.serialize_pem().is_empty());
}

#[test]
fn https_alone_survives_who_does_not_speak_it() {
    let authority = Authority::new();
    let server = Server::start_with(&authority.settings(""), &[]);
    let mut plain = server.connect();
    plain.try_send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    assert_ne!(
        plain.try_answer(false).map(|answer| answer.status),
        Some(200)
    );
    let _silent = server.connect();
    let mut secure = authority.connect(server.address);
    server
        .call("PUT", "/bucket")
        .send_on(&mut secure)
        .expect(200);
    server.call("GET", "/").send_on(&mut secure).expect(200);
}
