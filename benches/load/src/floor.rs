//! The floor: a bare hyper server over plain files, with no S3 about it but the shape of replies.
//!
//! GET reads the file (from the page cache), PUT writes, syncs, renames and syncs the folder. It
//! checks no signature and no digest, so it bounds what a server of this make can reach here.

use std::convert::Infallible;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;

use crate::Failure;

/// Bytes read at a time for a reply.
const FRAME: u64 = 256 * 1024;

type Body = BoxBody<Bytes, Infallible>;

/// The floor as a child process, ended with this value.
pub struct Floor {
    child: Child,
    folder: PathBuf,
    /// Host and port it listens on.
    pub host: String,
}

impl Floor {
    /// Starts this program again as the floor, over a temporary folder.
    pub fn start() -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("load-floor-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--serve-floor")
            .arg(&folder)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut host = String::new();
        let said = child.stdout.take().ok_or("the floor has no output")?;
        BufReader::new(said).read_line(&mut host)?;
        Ok(Self {
            child,
            folder,
            host: host.trim().to_owned(),
        })
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Serves the folder until it is killed; says where on standard output.
pub fn serve(folder: &Path) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let folder: Arc<Path> = folder.into();
    runtime.block_on(async move {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        std::io::stdout().flush()?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let folder = Arc::clone(&folder);
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(Arc::clone(&folder), request));
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    })
}

async fn answer(
    folder: Arc<Path>,
    request: Request<Incoming>,
) -> Result<Response<Body>, std::io::Error> {
    let name = format!(
        "{}{}",
        request.uri().path(),
        request.uri().query().unwrap_or("")
    );
    let path = folder.join(name.replace('/', "_"));
    match *request.method() {
        Method::PUT => put(folder, path, request.into_body()).await,
        Method::POST => {
            let _ = request.into_body().collect().await;
            Ok(reply(
                200,
                Full::new("<r><UploadId>1</UploadId></r>".into()).boxed(),
            ))
        }
        Method::HEAD => {
            let length = std::fs::metadata(&path)?.len();
            let head = Response::builder().header("content-length", length);
            Ok(head
                .body(Full::default().boxed())
                .expect("the head is well formed"))
        }
        _ => get(&path, request.headers().get("range")),
    }
}

async fn put(
    folder: Arc<Path>,
    path: PathBuf,
    mut body: Incoming,
) -> Result<Response<Body>, std::io::Error> {
    static STAGED: AtomicU64 = AtomicU64::new(0);
    let staged = folder.join(format!("staged-{}", STAGED.fetch_add(1, Ordering::Relaxed)));
    let mut file = File::create(&staged)?;
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data() {
            file.write_all(&data)?;
        }
    }
    let synced = tokio::task::spawn_blocking(move || {
        file.sync_all()?;
        std::fs::rename(&staged, &path)?;
        File::open(&*folder)?.sync_all()
    });
    synced.await.map_err(std::io::Error::other)??;
    Ok(reply(200, Full::default().boxed()))
}

fn get(
    path: &Path,
    range: Option<&hyper::header::HeaderValue>,
) -> Result<Response<Body>, std::io::Error> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let window = range
        .and_then(|value| value.to_str().ok())
        .and_then(|text| {
            let (start, end) = text.strip_prefix("bytes=")?.split_once('-')?;
            Some((start.parse::<u64>().ok()?, end.parse::<u64>().ok()? + 1))
        });
    let (start, end) = window.unwrap_or((0, size));
    let length = end - start;
    if length <= FRAME {
        let mut data = vec![0; length as usize];
        file.read_exact_at(&mut data, start)?;
        return Ok(reply(200, Full::new(data.into()).boxed()));
    }
    let body = FileBody { file, start, end }.boxed();
    let head = Response::builder().header("content-length", length);
    Ok(head.body(body).expect("the head is well formed"))
}

fn reply(status: u16, body: Body) -> Response<Body> {
    Response::builder()
        .status(status)
        .body(body)
        .expect("the status is valid")
}

/// A window of a file as a body, read as it is asked for.
struct FileBody {
    file: File,
    start: u64,
    end: u64,
}

impl hyper::body::Body for FileBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut data = vec![0; FRAME.min(self.end - self.start) as usize];
        if data.is_empty() || self.file.read_exact_at(&mut data, self.start).is_err() {
            return Poll::Ready(None);
        }
        self.start += data.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(data)))))
    }
}
