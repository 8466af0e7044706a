//! A socket with manners: a client that takes no byte for too long is cut off, and a connection is
//! closed so that the last answer is not lost to a reset.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// How long bytes that nobody wants are still taken after the last answer.
const LINGER_TIME: Duration = Duration::from_secs(1);

/// How many of them.
const LINGER_BYTES: usize = 1024 * 1024;

/// A connection's socket.
pub struct Socket {
    stream: TcpStream,
    write_timeout: Duration,
    /// Set up at the first wait and used again.
    deadline: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
    /// What may still be taken, once the writing half is closed.
    linger: Option<usize>,
}

impl Socket {
    /// Wraps a socket. Nagle's delay is off: it costs small answers tenfold.
    pub fn new(stream: TcpStream, write_timeout: Duration) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            write_timeout,
            deadline: None,
            is_waiting: false,
            linger: None,
        })
    }

    fn wait(&mut self, time: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let until = Instant::now() + time;
        let deadline = self
            .deadline
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if !self.is_waiting {
            self.is_waiting = true;
            deadline.as_mut().reset(until);
        }
        deadline.as_mut().poll(cx)
    }

    /// Passes an outcome of writing on, or ends a wait that has become too long.
    fn bound<T>(
        &mut self,
        outcome: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.is_waiting = false;
            return outcome;
        }
        ready!(self.wait(self.write_timeout, cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Takes and forgets what still arrives, for a bounded time and amount.
    fn poll_linger(&mut self, cx: &mut Context<'_>, mut left: usize) -> Poll<()> {
        let mut scrap = [0; 8192];
        loop {
            let mut buffer = ReadBuf::new(&mut scrap);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    left = left.saturating_sub(buffer.filled().len());
                    self.linger = Some(left);
                    if left == 0 {
                        return Poll::Ready(());
                    }
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.wait(LINGER_TIME, cx),
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.bound(outcome, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.bound(outcome, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Closes the writing half, then takes what the client still sends: a socket that is closed
    /// with unread bytes sends a reset, which may overtake the answer.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let left = if let Some(left) = self.linger {
            left
        } else {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.is_waiting = false;
            self.linger = Some(LINGER_BYTES);
            LINGER_BYTES
        };
        ready!(self.poll_linger(cx, left));
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair(write_timeout: Duration) -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await;
        let (server, _) = listener.accept().await.unwrap();
        (Socket::new(server, write_timeout).unwrap(), client.unwrap())
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_cut_off() {
        let (mut socket, _client) = pair(Duration::from_millis(100)).await;
        let bytes = vec![0; 64 * 1024 * 1024];
        let error = socket.write_all(&bytes).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn the_last_answer_is_read_by_a_client_that_is_still_sending() {
        let (mut socket, mut client) = pair(Duration::from_secs(10)).await;
        let server = tokio::spawn(async move {
            socket.write_all(b"refused").await.unwrap();
            socket.shutdown().await.unwrap();
        });
        let _ = client.write_all(&vec![0; 300 * 1024]).await;
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"refused");
        drop(client);
        server.await.unwrap();
    }
}
