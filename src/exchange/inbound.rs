//! The bytes of a request's body as the connection gives them, and what becomes of those that
//! nobody read.
//!
//! Knows nothing of framing or signatures: `payload.rs` does.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

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

/// What the life of a request wants to know of its body after a handler has taken it: how much was
/// read, and the rest if it is small.
#[derive(Clone, Default)]
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
    /// A watch over a body; free of cost for one that is empty.
    pub fn over(inbound: &Inbound) -> Self {
        Self((!inbound.is_at_end()).then(Arc::default))
    }

    /// Notes bytes that arrived.
    pub fn add(&self, bytes: usize) {
        if let Some(watched) = &self.0 {
            watched.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    /// How many bytes arrived.
    pub fn bytes(&self) -> u64 {
        let bytes = |watched: &Arc<Watched>| watched.bytes.load(Ordering::Relaxed);
        self.0.as_ref().map_or(0, bytes)
    }

    /// Takes a body over from its reader. `may_read_on` is false when a `100 Continue` was asked
    /// and not sent: reading would send it.
    pub fn leave(&self, inbound: Inbound, may_read_on: bool) {
        let Some(watched) = &self.0 else { return };
        let rest = if inbound.is_at_end() {
            Rest::Read
        } else if may_read_on
            && inbound
                .remaining()
                .is_none_or(|left| left <= LEFTOVER_BYTES)
        {
            Rest::Left(inbound)
        } else {
            Rest::Lost
        };
        *watched.rest.lock().unwrap_or_else(PoisonError::into_inner) = rest;
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
            (frames(&[]), true, true),
            (frames(&[10, 10]), true, true),
            (frames(&[10, 10]), false, false),
            (frames(&[64 * 1024]), true, true),
            (frames(&[64 * 1024, 1]), true, false),
        ];
        for (inbound, may_read_on, expected) in cases {
            let watch = Watch::over(&inbound);
            watch.leave(inbound, may_read_on);
            assert_eq!(watch.read_on().await, expected);
        }
        let held = Watch::over(&frames(&[1]));
        assert!(!held.read_on().await);
    }
}
