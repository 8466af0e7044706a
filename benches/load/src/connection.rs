//! One kept connection that sends a request and reads its reply with as little work as it can.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Failure;

/// Room for a reply's head, and the size of one read of its body.
const BUFFER: usize = 256 * 1024;

/// A connection with what was read and not yet used.
pub struct Connection {
    host: String,
    is_closing: bool,
    stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// The head of a reply.
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The ETag as it stands in the header.
    pub etag: String,
    length: Option<usize>,
    is_chunked: bool,
}

impl Connection {
    /// Connects, without delay of small packets.
    pub async fn open(host: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        let buffer = vec![0; BUFFER];
        Ok(Self {
            host: host.to_owned(),
            is_closing: false,
            stream,
            buffer,
            start: 0,
            end: 0,
        })
    }

    /// Sends pieces one after the other, on a new connection if the server ended this one.
    pub async fn send(&mut self, pieces: &[&[u8]]) -> Result<(), Failure> {
        if self.is_closing {
            *self = Self::open(&self.host).await?;
        }
        let total: usize = pieces.iter().map(|piece| piece.len()).sum();
        if total <= 64 * 1024 {
            self.stream.write_all(&pieces.concat()).await?;
        } else {
            for piece in pieces {
                self.stream.write_all(piece).await?;
            }
        }
        Ok(())
    }

    /// Reads a reply; each piece of the body goes to `sink` with its offset.
    pub async fn receive(
        &mut self,
        has_body: bool,
        mut sink: impl FnMut(usize, &[u8]),
    ) -> Result<Reply, Failure> {
        let reply = self.head().await?;
        if !has_body {
            return Ok(reply);
        }
        if reply.is_chunked {
            let mut offset = 0;
            loop {
                let size = self.line().await?;
                let size = usize::from_str_radix(size.split(';').next().unwrap_or("").trim(), 16)?;
                self.body(size, offset, &mut sink).await?;
                offset += size;
                self.line().await?;
                if size == 0 {
                    return Ok(reply);
                }
            }
        }
        let length = reply.length.ok_or("a reply without a length")?;
        self.body(length, 0, &mut sink).await?;
        Ok(reply)
    }

    async fn head(&mut self) -> Result<Reply, Failure> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 48];
            let mut parsed = httparse::Response::new(&mut headers);
            let unread = &self.buffer[self.start..self.end];
            if let httparse::Status::Complete(used) = parsed.parse(unread)? {
                let mut reply = Reply {
                    status: parsed.code.unwrap_or(0),
                    etag: String::new(),
                    length: None,
                    is_chunked: false,
                };
                let mut is_closing = false;
                for header in parsed.headers.iter() {
                    let value = std::str::from_utf8(header.value).unwrap_or("");
                    if header.name.eq_ignore_ascii_case("content-length") {
                        reply.length = Some(value.parse()?);
                    } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                        reply.is_chunked = true;
                    } else if header.name.eq_ignore_ascii_case("connection") {
                        is_closing = value.eq_ignore_ascii_case("close");
                    } else if header.name.eq_ignore_ascii_case("etag") {
                        reply.etag = value.to_owned();
                    }
                }
                self.start += used;
                self.is_closing = is_closing;
                return Ok(reply);
            }
            self.fill().await?;
        }
    }

    async fn body(
        &mut self,
        length: usize,
        base: usize,
        sink: &mut impl FnMut(usize, &[u8]),
    ) -> Result<(), Failure> {
        let mut done = 0;
        while done < length {
            if self.start == self.end {
                self.fill().await?;
            }
            let take = (self.end - self.start).min(length - done);
            sink(base + done, &self.buffer[self.start..self.start + take]);
            self.start += take;
            done += take;
        }
        Ok(())
    }

    async fn line(&mut self) -> Result<String, Failure> {
        loop {
            let unread = &self.buffer[self.start..self.end];
            if let Some(at) = unread.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(&unread[..at]).into_owned();
                self.start += at + 2;
                return Ok(line);
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), Failure> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let read = self.stream.read(&mut self.buffer[self.end..]).await?;
        if read == 0 {
            return Err("the server closed the connection".into());
        }
        self.end += read;
        Ok(())
    }
}
