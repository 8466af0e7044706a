//! What Prometheus is told: of requests as they end, and of the registry when it asks.
//!
//! A label is an operation's or a code's own name, never what a client sent: bad requests of any
//! number make no new series. <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::fmt;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry as Series, Unit};

use crate::registry::figures::Figures;

/// The media type of what [`Metrics::write`] writes.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The upper bounds of the histogram of requests, in seconds: from a read out of memory to a long
/// poll or a large body.
const SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 20.0, 60.0,
];

/// Which operation, and how it ended: the code of its fault, or `OK`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Outcome {
    operation: &'static str,
    code: &'static str,
    status: u16,
}

/// Which operation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct OfOperation(&'static str);

/// One label and its value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Label(&'static str, String);

impl EncodeLabelSet for Outcome {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        let status = self.status.to_string();
        let pairs = [
            ("operation", self.operation),
            ("code", self.code),
            ("status", status.as_str()),
        ];
        pairs.encode(encoder)
    }
}

impl EncodeLabelSet for OfOperation {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        [("operation", self.0)].encode(encoder)
    }
}

impl EncodeLabelSet for Label {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        [(self.0, self.1.as_str())].encode(encoder)
    }
}

/// A request that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// The name of its operation.
    pub operation: &'static str,
    /// The status of its answer.
    pub status: u16,
    /// The code of its fault.
    pub code: Option<&'static str>,
    /// What was read of its body.
    pub bytes_in: u64,
    /// What was sent of its answer's.
    pub bytes_out: u64,
    /// From its head to its end, in seconds.
    pub seconds: f64,
}

/// Counts requests: each costs two look-ups in small tables.
#[derive(Debug)]
pub struct Metrics {
    requests: Family<Outcome, Counter>,
    seconds: Family<OfOperation, Histogram, fn() -> Histogram>,
    bytes_in: Counter,
    bytes_out: Counter,
    series: Series,
}

impl Default for Metrics {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        let mut metrics = Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(histogram),
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
            series: Series::default(),
        };
        let mut series = Series::with_prefix("holdfast");
        series.register(
            "requests",
            "Requests that have ended, by operation and by code",
            metrics.requests.clone(),
        );
        series.register_with_unit(
            "request",
            "How long requests took, answers included",
            Unit::Seconds,
            metrics.seconds.clone(),
        );
        series.register_with_unit(
            "received",
            "Bodies of requests",
            Unit::Bytes,
            metrics.bytes_in.clone(),
        );
        series.register_with_unit(
            "sent",
            "Bodies of answers",
            Unit::Bytes,
            metrics.bytes_out.clone(),
        );
        metrics.series = series;
        metrics
    }
}

impl Metrics {
    /// Counts a request that has ended.
    pub fn count(&self, ended: &Ended) {
        let outcome = Outcome {
            operation: ended.operation,
            code: ended.code.unwrap_or("OK"),
            status: ended.status,
        };
        self.requests.get_or_create(&outcome).inc();
        let operation = OfOperation(ended.operation);
        self.seconds
            .get_or_create(&operation)
            .observe(ended.seconds);
        self.bytes_in.inc_by(ended.bytes_in);
        self.bytes_out.inc_by(ended.bytes_out);
    }

    /// Everything as text: what was counted, and how the registry is now.
    pub fn write(&self, figures: &Figures, connections: usize) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.series)?;
        let end = text.rfind("# EOF").unwrap_or(text.len());
        text.truncate(end);
        encode(&mut text, &present(figures, connections))?;
        Ok(text)
    }
}

/// Gauges and counters of the registry as it is.
fn present(figures: &Figures, connections: usize) -> Series {
    let mut series = Series::with_prefix("holdfast");
    gauge(
        &mut series,
        "connections",
        "Open connections",
        connections as u64,
    );
    gauge(
        &mut series,
        "log_head",
        "The last sequence of the log",
        figures.head.0,
    );
    let commits = figures.commits;
    let text = "Units of work that wait for the writer";
    gauge(&mut series, "commit_queue", text, commits.waiting);
    let text = "How many units may wait before further ones are told to come back";
    gauge(&mut series, "commit_queue_limit", text, commits.queue);
    let text = "Transactions of the writer";
    counter(&mut series, "commit_batches", text, commits.batches);
    let text = "Units of work in transactions; by commit_batches, the size of a batch";
    counter(&mut series, "commit_units", text, commits.units);
    let text = "How long transactions took, in microseconds";
    counter(&mut series, "commit_micros", text, commits.micros);
    let up = figures.health.iter();
    let up = up.map(|part| (part.id.clone(), u64::from(part.trouble.is_none())));
    let text = "Whether the database or a backend can be used";
    labelled(&mut series, "backend_up", text, "backend", up);
    if let Some(failed) = &figures.failed_locations {
        let text = "Stored bytes that verification found damaged and that are not good again";
        labelled(
            &mut series,
            "failed_locations",
            text,
            "backend",
            failed.iter().cloned(),
        );
    }
    if let Some(consumers) = &figures.consumers {
        let text = "Events that a consumer has yet to acknowledge";
        labelled(
            &mut series,
            "consumer_lag",
            text,
            "consumer",
            consumers.iter().cloned(),
        );
    }
    if let Some(packages) = &figures.packages {
        let count = packages
            .iter()
            .map(|one| (one.status.clone(), one.packages));
        labelled(
            &mut series,
            "packages",
            "Packages by status",
            "status",
            count,
        );
        let count = packages.iter().map(|one| (one.status.clone(), one.files));
        let text = "Files of packages, by the status of these";
        labelled(&mut series, "files", text, "status", count);
        let count = packages.iter().map(|one| (one.status.clone(), one.bytes));
        let text = "Bytes of files, each counted as often as it is listed";
        labelled(&mut series, "file_bytes", text, "status", count);
    }
    series
}

fn gauge(series: &mut Series, name: &str, help: &str, value: u64) {
    let gauge = Gauge::<u64, AtomicU64>::default();
    gauge.set(value);
    series.register(name, help, gauge);
}

fn counter(series: &mut Series, name: &str, help: &str, value: u64) {
    let counter = Counter::<u64>::default();
    counter.inc_by(value);
    series.register(name, help, counter);
}

fn labelled(
    series: &mut Series,
    name: &str,
    help: &str,
    label: &'static str,
    values: impl Iterator<Item = (String, u64)>,
) {
    let family = Family::<Label, Gauge<u64, AtomicU64>>::default();
    for (value, number) in values {
        family.get_or_create(&Label(label, value)).set(number);
    }
    series.register(name, help, family);
}
