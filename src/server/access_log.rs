//! One line a request, when its last byte has been handed to the connection.
//!
//! The path is bounded and escaped; the query, where signatures stand, is left out.

use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::{Method, StatusCode, Uri};
use http_body::{Body, Frame, SizeHint};

use crate::exchange::admit::Actor;
use crate::exchange::id::RequestId;
use crate::exchange::inbound::Watch;
use crate::exchange::outgoing::{BrokenOff, Outgoing};
use crate::exchange::render::Ending;
use crate::server::metrics::{Ended, Metrics};

/// The most bytes of a path in a line.
const MAX_PATH_BYTES: usize = 400;

/// What the line of a request says.
pub struct Line {
    /// Its id.
    pub id: RequestId,
    /// Where it came from.
    pub peer: IpAddr,
    /// Its method.
    pub method: Method,
    /// Its URI, of which only the path is written.
    pub uri: Uri,
    /// The bucket, if the host named it.
    pub bucket: Option<String>,
    /// When its head was read.
    pub started: Instant,
    /// What was read of its body.
    pub inbound: Watch,
    /// The name of its operation, once that is known.
    pub operation: &'static str,
    /// Who signed it, once that is known.
    pub actor: Option<Actor>,
    /// The status of the answer.
    pub status: StatusCode,
    /// How it ended.
    pub ending: Ending,
}

impl Line {
    /// Counts the request, and writes its line.
    fn end(&self, bytes_out: u64, is_whole: bool, metrics: &Metrics) {
        metrics.count(&Ended {
            operation: self.operation,
            status: self.status.as_u16(),
            code: self.ending.code,
            bytes_in: self.inbound.bytes(),
            bytes_out,
            seconds: self.started.elapsed().as_secs_f64(),
        });
        self.write(bytes_out, is_whole);
    }

    fn write(&self, bytes_out: u64, is_whole: bool) {
        tracing::info!(
            target: "access",
            request = %self.id,
            peer = %self.peer,
            method = %self.method,
            bucket = self.bucket.as_deref(),
            path = %Bounded(self.uri.path()),
            operation = self.operation,
            actor = self.actor.as_ref().map(Actor::id),
            status = self.status.as_u16(),
            code = self.ending.code,
            cause = self.ending.cause.as_deref(),
            bytes_in = self.inbound.bytes(),
            bytes_out,
            cut = (!is_whole).then_some(true),
            micros = self.started.elapsed().as_micros() as u64,
        );
    }
}

/// A text of which at most [`MAX_PATH_BYTES`] are written, and none as a control character.
struct Bounded<'a>(&'a str);

impl fmt::Display for Bounded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |b: u8| b.is_ascii_graphic();
        if self.0.len() <= MAX_PATH_BYTES && self.0.bytes().all(is_plain) {
            return f.write_str(self.0);
        }
        let end = self.0.floor_char_boundary(MAX_PATH_BYTES);
        write!(f, "{}", self.0[..end].escape_default())?;
        f.write_str(if end < self.0.len() { "…" } else { "" })
    }
}

/// The body of an answer, whose line is written when it ends.
pub struct Logged {
    body: Outgoing,
    sent: u64,
    line: Option<Box<(Line, Arc<Metrics>)>>,
}

impl Logged {
    /// Counts the request and writes its line now if the body is known, else when it has been sent
    /// or given up.
    pub fn new(body: Outgoing, line: Line, metrics: Arc<Metrics>) -> Self {
        let line = match body.size_hint().exact() {
            Some(bytes) if matches!(body, Outgoing::Empty | Outgoing::Bytes(_)) => {
                line.end(bytes, true, &metrics);
                None
            }
            _ => Some(Box::new((line, metrics))),
        };
        Self {
            body,
            sent: 0,
            line,
        }
    }

    fn finish(&mut self, is_whole: bool) {
        if let Some(ended) = self.line.take() {
            let (line, metrics) = &*ended;
            line.end(self.sent, is_whole, metrics);
        }
    }
}

impl Body for Logged {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => self.sent += frame.data_ref().map_or(0, Bytes::len) as u64,
            Some(Err(error)) => {
                if let Some(ended) = &mut self.line {
                    ended.0.ending.cause = Some(error.to_string());
                }
                self.finish(false);
            }
            None => self.finish(true),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        let is_whole = self.body.is_end_stream();
        self.finish(is_whole);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_the_log_is_bounded_and_has_no_control_characters() {
        let cases = [
            ("/a/b%20c", "/a/b%20c".to_owned()),
            ("/a\n\u{1b}[31m", "/a\\n\\u{1b}[31m".to_owned()),
            ("/é", "/\\u{e9}".to_owned()),
            (&"k".repeat(500), "k".repeat(400) + "…"),
        ];
        for (path, expected) in cases {
            assert_eq!(Bounded(path).to_string(), expected);
        }
    }
}
