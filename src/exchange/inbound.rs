//! The bytes of a request's body as the connection gives them, and what becomes of those that
//! nobody read.
//!
//! Knows nothing of framing or signatures: `payload.rs` does.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};

/// What of an unread body is read on before its refusal is sent, so that the connection stays
/// usable.
const LEFTOVER_BYTES: u64 = 64 * 1024;

/// How long that may take.
const LEFTOVER_TIME: Duration = Duration::from_secs(1);

/// The body as it arrives.
pub enum Inbound {
    /// From a connection.
    Connection(Incoming),
    /// From memory: a body that is already there.
    Memory(std::collections::VecDeque<Bytes>),
}

/// The body broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

impl Inbound {
    /// A body without bytes.
    pub fn empty() -> Self {
        Self::Memory(std::collections::VecDeque::new())
    }

    /// The next frame of data; `None` at the end. hyper sends `100 Continue` at the first call.
    pub async fn frame(&mut self) -> Result<Option<Bytes>, Broken> {
        match self {
            Self::Connection(incoming) => loop {
                match incoming.frame().await {
                    None => return Ok(None),
                    Some(Err(_)) => return Err(Broken),
                    // HTTP's own trailers mean nothing to S3.
                    Some(Ok(frame)) => {
                        if let Ok(bytes) = frame.into_data()
                            && !bytes.is_empty()
                        {
                            return Ok(Some(bytes));
                        }
                    }
                }
            },
            Self::Memory(frames) => Ok(frames.pop_front()),
        }
    }

    /// Whether the end has been reached without reading anything more.
    pub fn is_at_end(&self) -> bool {
        match self {
            Self::Connection(incoming) => incoming.is_end_stream(),
            Self::Memory(frames) => frames.is_empty(),
        }
    }

    /// How many bytes are still to come, if that was announced.
    pub fn remaining(&self) -> Option<u64> {
        match self {
            Self::Connection(incoming) => incoming.size_hint().exact(),
            Self::Memory(frames) => Some(frames.iter().map(|frame| frame.len() as u64).sum()),
        }
    }
}

/// The body of a request with its [`Watch`]. Dropped unread, it leaves its rest there.
pub struct Body {
    inbound: Inbound,
    watch: Watch,
    /// Whether the client waits for `100 Continue` and nothing was read yet.
    is_expecting: bool,
}

impl Body {
    /// A body; `is_expecting` says whether the client waits for `100 Continue`.
    pub fn new(inbound: Inbound, is_expecting: bool) -> Self {
        Self {
            watch: Watch((!inbound.is_at_end()).then(Arc::default)),
            inbound,
            is_expecting,
        }
    }

    /// What stays when the body is gone.
    pub fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// See [`Inbound::frame`].
    pub async fn frame(&mut self) -> Result<Option<Bytes>, Broken> {
        self.is_expecting = false;
        let frame = self.inbound.frame().await?;
        if let (Some(frame), Some(watched)) = (&frame, &self.watch.0) {
            watched
                .bytes
                .fetch_add(frame.len() as u64, Ordering::Relaxed);
        }
        Ok(frame)
    }

    /// See [`Inbound::is_at_end`].
    pub fn is_at_end(&self) -> bool {
        self.inbound.is_at_end()
    }

    /// See [`Inbound::remaining`].
    pub fn remaining(&self) -> Option<u64> {
        self.inbound.remaining()
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let Some(watched) = &self.watch.0 else { return };
        let inbound = std::mem::replace(&mut self.inbound, Inbound::empty());
        let is_small = inbound
            .remaining()
            .is_none_or(|left| left <= LEFTOVER_BYTES);
        let rest = if inbound.is_at_end() {
            Rest::Read
        } else if is_small && !self.is_expecting {
            Rest::Left(inbound)
        } else {
            // Reading on would take too long, or send the `100 Continue` that was refused.
            Rest::Lost
        };
        *watched.rest.lock().unwrap_or_else(PoisonError::into_inner) = rest;
    }
}

/// What the life of a request wants to know of its body after a handler has taken it: how much was
/// read, and the rest if it is small. Free of cost for an empty body.
#[derive(Clone)]
pub struct Watch(Option<Arc<Watched>>);

#[derive(Default)]
struct Watched {
    bytes: AtomicU64,
    rest: Mutex<Rest>,
}

#[derive(Default)]
enum Rest {
    /// The body is still with its reader.
    #[default]
    Held,
    /// It was read to its end.
    Read,
    /// It was dropped unread, and is small enough to be read on.
    Left(Inbound),
    /// It was dropped unread, and is not worth reading on.
    Lost,
}

impl Watch {
    /// How many bytes arrived.
    pub fn bytes(&self) -> u64 {
        let bytes = |watched: &Arc<Watched>| watched.bytes.load(Ordering::Relaxed);
        self.0.as_ref().map_or(0, bytes)
    }

    /// Reads on what a handler left of a small body. Answers whether the body is now at its end,
    /// so that the connection can be used again.
    pub async fn read_on(&self) -> bool {
        let Some(watched) = &self.0 else { return true };
        let rest = {
            let mut rest = watched.rest.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *rest, Rest::Lost)
        };
        match rest {
            Rest::Read => true,
            Rest::Held | Rest::Lost => false,
            Rest::Left(mut inbound) => {
                let read = async {
                    let mut bytes = 0;
                    while let Ok(frame) = inbound.frame().await {
                        let Some(frame) = frame else { return true };
                        bytes += frame.len() as u64;
                        if bytes > LEFTOVER_BYTES {
                            return false;
                        }
                    }
                    false
                };
                tokio::time::timeout(LEFTOVER_TIME, read)
                    .await
                    .unwrap_or(false)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(sizes: &[usize]) -> Inbound {
        Inbound::Memory(
            sizes
                .iter()
                .map(|&size| Bytes::from(vec![0; size]))
                .collect(),
        )
    }

    #[tokio::test]
    async fn a_small_rest_is_read_on_and_a_large_one_is_not() {
        let cases = [
            (frames(&[]), false, true),
            (frames(&[10, 10]), false, true),
            (frames(&[10, 10]), true, false),
            (frames(&[64 * 1024]), false, true),
            (frames(&[64 * 1024, 1]), false, false),
        ];
        for (inbound, is_expecting, expected) in cases {
            let body = Body::new(inbound, is_expecting);
            let watch = body.watch();
            drop(body);
            assert_eq!(watch.read_on().await, expected);
        }
        let held = Body::new(frames(&[1]), false);
        assert!(!held.watch().read_on().await);
    }
}
