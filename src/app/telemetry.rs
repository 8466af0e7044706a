//! Structured logs on standard error: text for a terminal, JSON when it is none.
//!
//! A request never waits for the terminal or the disk: a line is put into a buffer, and one thread
//! writes what has gathered. When the buffer is full, lines are dropped, counted, and the count is
//! written as soon as there is room. Metrics are not made here.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::Deserialize;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The most bytes of lines that wait for the writing thread.
const BUFFER_BYTES: usize = 4 << 20;

/// How long the writing thread lets lines gather: one wake-up and one write for all of them.
const GATHER: Duration = Duration::from_millis(5);

/// Settings of the log (`[log]`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// `error`, `warn`, `info`, `debug` or `trace`, also for a part: `info,holdfast::db=debug`.
    pub level: String,
    /// `auto` (text on a terminal, else JSON), `text` or `json`.
    pub format: LogFormat,
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    /// For people.
    Text,
    /// For machines: one object a line.
    Json,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Auto,
        }
    }
}

/// Sets the log up for the whole process. Lines are written out until the guard is dropped.
pub fn start(settings: &LogSettings) -> Result<LogGuard, String> {
    let filter: Targets = settings.level.parse().map_err(|error| {
        format!(
            "log.level '{}' is not understood: {error}; it is error, warn, info, debug or trace",
            settings.level
        )
    })?;
    let is_terminal = io::stderr().is_terminal();
    let (writer, guard) = LineWriter::start(io::stderr());
    let is_text = match settings.format {
        LogFormat::Auto => is_terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let outcome = if is_text {
        let has_color = is_terminal && std::env::var_os("NO_COLOR").is_none();
        registry
            .with(layer.with_ansi(has_color).with_target(false))
            .try_init()
    } else {
        registry
            .with(
                layer
                    .json()
                    .flatten_event(true)
                    .with_current_span(false)
                    .with_span_list(false),
            )
            .try_init()
    };
    outcome.map_err(|error| error.to_string())?;
    Ok(guard)
}

/// Where lines gather.
#[derive(Clone)]
pub struct LineWriter {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue {
    bytes: Vec<u8>,
    dropped: u64,
    is_closed: bool,
}

/// Writes out what has gathered when it is dropped.
pub struct LogGuard {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl LineWriter {
    /// Starts the thread that writes to `out`.
    pub fn start(out: impl Write + Send + 'static) -> (Self, LogGuard) {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue::default()),
            wake: Condvar::new(),
        });
        let thread = std::thread::Builder::new().name("log".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.write_out(out)
        });
        let writer = Self {
            shared: Arc::clone(&shared),
        };
        (
            writer,
            LogGuard {
                shared,
                thread: thread.ok(),
            },
        )
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_out(&self, mut out: impl Write) {
        let mut lines = Vec::new();
        loop {
            let mut queue = self
                .wake
                .wait_while(self.lock(), |queue| {
                    queue.bytes.is_empty() && !queue.is_closed
                })
                .unwrap_or_else(PoisonError::into_inner);
            if !queue.is_closed {
                drop(queue);
                std::thread::sleep(GATHER);
                queue = self.lock();
            }
            std::mem::swap(&mut lines, &mut queue.bytes);
            let dropped = std::mem::take(&mut queue.dropped);
            let is_closed = queue.is_closed;
            drop(queue);
            // A log that cannot be written has nowhere to say so.
            let _ = out.write_all(&lines);
            if dropped > 0 {
                let _ = writeln!(
                    out,
                    "{{\"level\":\"WARN\",\"message\":\"log lines were dropped\",\"count\":{dropped}}}"
                );
            }
            let _ = out.flush();
            lines.clear();
            if is_closed {
                return;
            }
        }
    }
}

impl Write for LineWriter {
    /// Takes one whole line: the formatter hands over an event in a single call.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut queue = self.shared.lock();
        if queue.bytes.len() + line.len() > BUFFER_BYTES {
            queue.dropped += 1;
            return Ok(line.len());
        }
        let was_empty = queue.bytes.is_empty();
        queue.bytes.extend_from_slice(line);
        drop(queue);
        if was_empty {
            self.shared.wake.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for LineWriter {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_was_logged_is_written_before_the_guard_is_gone() {
        let sink = Sink::default();
        let (mut writer, guard) = LineWriter::start(sink.clone());
        for n in 0..1000 {
            writeln!(writer, "line {n}").unwrap();
        }
        drop(guard);
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1000);
        assert!(text.ends_with("line 999\n"));
    }

    #[test]
    fn lines_that_find_no_room_are_counted() {
        let sink = Sink::default();
        let held = Arc::clone(&sink.0);
        let hold = held.lock().unwrap();
        let (mut writer, guard) = LineWriter::start(sink);
        let line = vec![b'x'; 1 << 20];
        // Whatever the thread has taken, eight more do not fit into four.
        for _ in 0..16 {
            assert_eq!(writer.write(&line).unwrap(), line.len());
        }
        drop(hold);
        drop(guard);
        let text = String::from_utf8(held.lock().unwrap().clone()).unwrap();
        assert!(text.contains("log lines were dropped"), "{}", text.len());
    }

    #[test]
    #[ignore = "a measurement: cargo test --release --lib -- --ignored --nocapture log_line_cost"]
    fn log_line_cost() {
        let (writer, guard) = LineWriter::start(io::sink());
        let layer = tracing_subscriber::fmt::layer().with_writer(writer);
        let layer = layer
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false);
        let filter: Targets = "info".parse().unwrap();
        let subscriber = tracing_subscriber::registry().with(filter).with(layer);
        tracing::subscriber::with_default(subscriber, || {
            let start = std::time::Instant::now();
            let count = 200_000;
            for n in 0..count {
                tracing::info!(
                    id = "0123456789ABCDEF",
                    method = "GET",
                    path = "/bucket/key",
                    status = 200,
                    user = "root",
                    bytes = 4096_u64,
                    micros = n,
                    "request"
                );
            }
            println!("{:?} a line", start.elapsed() / count);
        });
        drop(guard);
    }
}
