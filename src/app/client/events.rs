//! `holdfast events`: the log so far, or as it grows; by a position of one's own, or by a consumer's.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::client::cli::EventsArguments;
use crate::app::client::connection::{CallError, Connection, path};
use crate::app::client::output::{print_line, size, text};
use crate::app::failure::Failure;

/// How long one call waits for a first event, in seconds.
const WAIT_SECONDS: &str = "30";

/// The most events of one call.
const BATCH: &str = "1000";

/// The first pause between attempts to reach a server that is away.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The longest pause between attempts.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Prints events, one a line.
pub async fn run(arguments: &EventsArguments) -> Result<(), Failure> {
    if arguments.follow && arguments.consumer.is_some() && !arguments.ack {
        return Err(Failure::usage(
            "a consumer is followed with --ack: without it every batch would be the same",
        ));
    }
    let connection = Connection::open(&arguments.connection)?;
    let mut reader = Reader {
        connection,
        arguments,
        since: arguments.since,
        epoch: None,
        acked: None,
    };
    let mut pause = FIRST_PAUSE;
    loop {
        match reader.step().await {
            Ok(true) => return Ok(()),
            Ok(false) => pause = FIRST_PAUSE,
            // A server that restarts comes back, and the log is where it was.
            Err(StepError::Call(CallError::Unreachable(message)))
                if arguments.follow && reader.epoch.is_some() =>
            {
                eprintln!(
                    "holdfast: {message}; trying again in {} s",
                    pause.as_secs().max(1)
                );
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(MAX_PAUSE);
            }
            Err(StepError::Call(error)) => return Err(error.into()),
            Err(StepError::Failed(failure)) => return Err(failure),
        }
    }
}

/// Why a step did not succeed.
enum StepError {
    /// The server could not be asked, or said no.
    Call(CallError),
    /// Anything else.
    Failed(Failure),
}

impl From<CallError> for StepError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<Failure> for StepError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

struct Reader<'a> {
    connection: Connection,
    arguments: &'a EventsArguments,
    since: u64,
    /// The epoch of the log, once it is known.
    epoch: Option<u64>,
    /// What was acknowledged last.
    acked: Option<u64>,
}

impl Reader<'_> {
    /// Reads and prints one batch, and acknowledges it if it is asked to. Whether that is all.
    async fn step(&mut self) -> Result<bool, StepError> {
        let batch = self
            .connection
            .json(Method::GET, &self.target(), None)
            .await?;
        let epoch = batch["epoch"].as_u64();
        if self.epoch.is_some() && self.epoch != epoch {
            let message = "the log has another epoch than before: what was read may not be its \
                           history; begin again with --since 0";
            return Err(Failure::failed(message).into());
        }
        self.epoch = epoch;
        for event in batch["events"].as_array().into_iter().flatten() {
            let line = if self.arguments.connection.json {
                event.to_string()
            } else {
                line(event)
            };
            print_line(&line)?;
        }
        let next = batch["next_since"].as_u64().unwrap_or(self.since);
        let head = batch["head"].as_u64().unwrap_or(0);
        if let Some(consumer) = &self.arguments.consumer {
            if !self.arguments.ack {
                // Without an acknowledgement the next batch would be this one.
                return Ok(true);
            }
            // What a filter leaves out is acknowledged too, or it would be searched again.
            if self.acked != Some(next) {
                let target = path(&["consumers", consumer, "ack"], &[]);
                let body = json!({"sequence": next});
                self.connection
                    .json(Method::POST, &target, Some(&body))
                    .await?;
                self.acked = Some(next);
            }
        }
        let is_end = next >= head || next == self.since;
        self.since = next;
        Ok(is_end && !self.arguments.follow)
    }

    /// The next batch to ask for.
    fn target(&self) -> String {
        let arguments = self.arguments;
        let wait = arguments.follow.then_some(WAIT_SECONDS);
        let payloads = arguments.inline_payloads.then_some("inline");
        let common = [
            ("limit", Some(BATCH)),
            ("wait", wait),
            ("payloads", payloads),
        ];
        if let Some(consumer) = &arguments.consumer {
            return path(&["consumers", consumer, "events"], &common);
        }
        let since = self.since.to_string();
        let types = (!arguments.types.is_empty()).then(|| arguments.types.join(","));
        let own = [
            ("since", Some(since.as_str())),
            ("types", types.as_deref()),
            ("package", arguments.package.as_deref()),
        ];
        path(&["events"], &[&own[..], &common[..]].concat())
    }
}

/// An event for people: position, time, type, actor, and what it is about.
fn line(event: &Value) -> String {
    let payload = &event["payload"];
    let about = [
        "relative_path",
        "bucket",
        "name",
        "reason",
        "retention_class",
    ]
    .iter()
    .map(|key| text(&payload[key]))
    .find(|text| !text.is_empty())
    .unwrap_or_default();
    let bytes = payload["size_bytes"]
        .as_u64()
        .map_or_else(String::new, |bytes| format!("  {}", size(bytes)));
    let time = text(&event["created_at"])
        .chars()
        .take(19)
        .collect::<String>();
    format!(
        "{:>8}  {time}  {:<30} {:<12} {}  {about}{bytes}",
        text(&event["sequence"]),
        text(&event["event_type"]),
        text(&event["actor"]),
        text(&event["subject_id"]),
    )
}
