//! A connection that sends what it is told, well-formed or not, and reads answers.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// What bytes go through.
pub trait Pipe: Read + Write + Send {}

impl<T: Read + Write + Send> Pipe for T {}

/// One connection.
pub struct Connection {
    pipe: Box<dyn Pipe>,
    /// Bytes that were read and belong to what comes next.
    ahead: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers in their order, names in lowercase.
    pub headers: Vec<(String, String)>,
    /// The body, without framing.
    pub body: Vec<u8>,
}

impl Connection {
    /// A plain connection.
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Self::over(Box::new(stream))
    }

    /// A connection over anything.
    pub fn over(pipe: Box<dyn Pipe>) -> Self {
        Self {
            pipe,
            ahead: Vec::new(),
        }
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = self.pipe.write_all(bytes.as_ref());
        sent.and_then(|()| self.pipe.flush()).expect("it is sent");
    }

    /// Sends bytes as far as the server takes them.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.pipe.write_all(bytes.as_ref()).is_ok()
    }

    /// The next answer to a GET, PUT, …; `100 Continue` is an answer.
    pub fn answer(&mut self) -> Answer {
        self.try_answer(false).expect("an answer")
    }

    /// The next answer, or `None` when the connection ends first.
    pub fn try_answer(&mut self, is_head: bool) -> Option<Answer> {
        let mut answer = self.try_head()?;
        let status = answer.status;
        if !is_head && status != 204 && status != 304 && status >= 200 {
            answer.body = self.read_body(&answer)?;
        }
        Some(answer)
    }

    /// The head of the next answer, whose body is read chunk by chunk.
    pub fn head_of_answer(&mut self) -> Answer {
        self.try_head().expect("an answer")
    }

    fn try_head(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(at) = find(&self.ahead, b"\r\n\r\n") {
                break at;
            }
            if !self.read_more() {
                return None;
            }
        };
        let head: Vec<u8> = self.ahead.drain(..end + 4).collect();
        let head = String::from_utf8(head).expect("a head is text");
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Some(Answer {
            status,
            headers,
            body: Vec::new(),
        })
    }

    fn read_body(&mut self, answer: &Answer) -> Option<Vec<u8>> {
        if let Some(length) = answer.header("content-length") {
            return self.take(length.parse().expect("a length"));
        }
        if answer.header("transfer-encoding") != Some("chunked") {
            while self.read_more() {}
            return Some(std::mem::take(&mut self.ahead));
        }
        let mut body = Vec::new();
        loop {
            let chunk = self.chunk()?;
            if chunk.is_empty() {
                return Some(body);
            }
            body.extend(chunk);
        }
    }

    /// The next chunk of a chunked body; an empty one is the last. `None` when the connection ends
    /// first.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let end = loop {
            match find(&self.ahead, b"\r\n") {
                Some(at) => break at,
                None if self.read_more() => {}
                None => return None,
            }
        };
        let line: Vec<u8> = self.ahead.drain(..end + 2).collect();
        let line = String::from_utf8_lossy(&line[..end]).into_owned();
        let length = usize::from_str_radix(&line, 16).expect("a chunk's length");
        let chunk = self.take(length)?;
        self.take(2)?;
        Some(chunk)
    }

    fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.ahead.len() < length {
            if !self.read_more() {
                return None;
            }
        }
        Some(self.ahead.drain(..length).collect())
    }

    /// Whether the server has closed the connection, waiting for it.
    pub fn is_closed(&mut self) -> bool {
        self.ahead.is_empty() && !self.read_more()
    }

    fn read_more(&mut self) -> bool {
        let mut buffer = [0; 64 * 1024];
        loop {
            match self.pipe.read(&mut buffer) {
                Ok(0) => return false,
                Ok(count) => {
                    self.ahead.extend_from_slice(&buffer[..count]);
                    return true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    panic!("the server is silent")
                }
                Err(_) => return false,
            }
        }
    }
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The text of the first element of this name in an XML body.
    pub fn element(&self, name: &str) -> Option<String> {
        let text = self.text();
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once(&format!("</{name}>"))?.0.to_owned())
    }

    /// The code of a fault.
    pub fn code(&self) -> String {
        self.element("Code").unwrap_or_default()
    }

    /// The answer itself, if it has this status.
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?}\n{}", self.headers, self.text());
        self
    }

    /// The answer itself, if it is this fault with everything a fault of S3 has.
    pub fn expect_fault(self, status: u16, code: &str) -> Self {
        assert_eq!(
            (self.status, &*self.code()),
            (status, code),
            "{}",
            self.text()
        );
        assert_eq!(self.header("content-type"), Some("application/xml"));
        let id = self.element("RequestId");
        assert_eq!(self.header("x-amz-request-id"), id.as_deref());
        assert!(
            self.element("Message")
                .is_some_and(|message| !message.is_empty())
        );
        assert!(self.element("Resource").is_some());
        assert!(self.header("x-amz-bucket-region").is_some());
        self
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}
