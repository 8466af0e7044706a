//! The body of an answer as hyper sends it. Bytes that are known leave in one write with the head.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Interval;

use crate::exchange::reply::FeedStream;
use crate::registry::open::FileStream;

/// Work that ends in the rest of a document; it has no error, since a fault is a document too.
pub type SlowTail = Pin<Box<dyn Future<Output = Bytes> + Send>>;

/// The body of an answer.
pub enum Outgoing {
    /// Nothing.
    Empty,
    /// Bytes that are known.
    Bytes(Bytes),
    /// Bytes of a file, and how many are still to come.
    File(FileStream, u64),
    /// Bytes as they come.
    Feed(FeedStream),
    /// The XML declaration, blanks, and at last a document.
    Slow(SlowBody),
}

/// See [`Outgoing::Slow`].
pub struct SlowBody {
    tail: Option<SlowTail>,
    head: Bytes,
    blanks: Interval,
}

/// The answer cannot go on; the connection must break.
#[derive(Debug, thiserror::Error)]
#[error("the answer broke off: {0}")]
pub struct BrokenOff(String);

impl Outgoing {
    /// The body of an answer whose document is still being made. `head` is sent first, and a
    /// blank whenever `every` has passed.
    pub fn slow(head: Bytes, tail: SlowTail, every: Duration) -> Self {
        let mut blanks = tokio::time::interval(every);
        blanks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        blanks.reset();
        Self::Slow(SlowBody {
            tail: Some(tail),
            head,
            blanks,
        })
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let chunk = match &mut *self {
            Self::Empty => None,
            Self::Bytes(bytes) if bytes.is_empty() => None,
            Self::Bytes(bytes) => Some(Ok(std::mem::take(bytes))),
            Self::File(stream, left) => match ready!(stream.as_mut().poll_next(cx)) {
                Some(Ok(bytes)) => {
                    *left = left.saturating_sub(bytes.len() as u64);
                    Some(Ok(bytes))
                }
                Some(Err(error)) => Some(Err(BrokenOff(error.to_string()))),
                None if *left == 0 => None,
                None => Some(Err(BrokenOff(format!("{left} bytes are missing")))),
            },
            Self::Feed(stream) => ready!(stream.as_mut().poll_next(cx))
                .map(|next| next.map_err(|fault| BrokenOff(format!("{fault:?}")))),
            Self::Slow(slow) => ready!(slow.poll(cx)).map(Ok),
        };
        Poll::Ready(chunk.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::File(_, left) => *left == 0,
            Self::Feed(_) | Self::Slow(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::File(_, left) => SizeHint::with_exact(*left),
            Self::Feed(_) | Self::Slow(_) => SizeHint::new(),
        }
    }
}

impl SlowBody {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !self.head.is_empty() {
            return Poll::Ready(Some(std::mem::take(&mut self.head)));
        }
        let Some(tail) = &mut self.tail else {
            return Poll::Ready(None);
        };
        if let Poll::Ready(document) = tail.as_mut().poll(cx) {
            self.tail = None;
            return Poll::Ready(Some(document));
        }
        ready!(self.blanks.poll_tick(cx));
        Poll::Ready(Some(Bytes::from_static(b" ")))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_slow_answer_is_kept_alive_by_blanks() {
        let tail: SlowTail = Box::pin(async {
            tokio::time::sleep(Duration::from_millis(70)).await;
            Bytes::from_static(b"<A/>")
        });
        let body = Outgoing::slow(
            Bytes::from_static(b"<?xml?>"),
            tail,
            Duration::from_millis(20),
        );
        let sent = body.collect().await.unwrap().to_bytes();
        assert!(sent.starts_with(b"<?xml?> "), "{sent:?}");
        assert!(sent.ends_with(b" <A/>"), "{sent:?}");
    }

    #[tokio::test]
    async fn a_file_that_ends_early_breaks_the_connection() {
        let chunks = || {
            let chunks = vec![Ok(Bytes::from_static(b"abc"))];
            Box::pin(futures_util::stream::iter(chunks)) as FileStream
        };
        assert!(Outgoing::File(chunks(), 4).collect().await.is_err());
        let whole = Outgoing::File(chunks(), 3).collect().await.unwrap();
        assert_eq!(whole.to_bytes(), "abc");
    }
}
