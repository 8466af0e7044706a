//! `holdfast events`: the log so far, or as it grows.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use crate::app::client::cli::EventsArguments;
use crate::app::client::connection::{CallError, Connection, path};
use crate::app::client::output::{print_line, size, text};
use crate::app::failure::Failure;

/// How long one call waits for a first event, in seconds.
const WAIT_SECONDS: &str = "30";

/// The longest pause between attempts to reach a server that is away.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Prints events, one a line.
pub async fn run(arguments: &EventsArguments) -> Result<(), Failure> {
    let connection = Connection::open(&arguments.connection)?;
    let types = (!arguments.types.is_empty()).then(|| arguments.types.join(","));
    let mut since = arguments.since;
    let mut epoch: Option<u64> = None;
    let mut pause = Duration::from_millis(500);
    loop {
        let text = since.to_string();
        let query = [
            ("since", Some(text.as_str())),
            ("limit", Some("1000")),
            ("wait", arguments.follow.then_some(WAIT_SECONDS)),
            ("types", types.as_deref()),
            ("package", arguments.package.as_deref()),
        ];
        let batch = match connection
            .json(Method::GET, &path(&["events"], &query), None)
            .await
        {
            Ok(batch) => batch,
            // A server that restarts comes back, and the log is where it was.
            Err(CallError::Unreachable(message)) if arguments.follow && epoch.is_some() => {
                eprintln!(
                    "holdfast: {message}; trying again in {} s",
                    pause.as_secs().max(1)
                );
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(MAX_PAUSE);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        pause = Duration::from_millis(500);
        let current = batch["epoch"].as_u64();
        if epoch.is_some() && epoch != current {
            return Err(Failure::failed(
                "the log has another epoch than before: what was read may not be its history; \
                 begin again with --since 0",
            ));
        }
        epoch = current;
        for event in batch["events"].as_array().into_iter().flatten() {
            let line = if arguments.connection.json {
                event.to_string()
            } else {
                line(event)
            };
            print_line(&line)?;
        }
        let next = batch["next_since"].as_u64().unwrap_or(since);
        let head = batch["head"].as_u64().unwrap_or(0);
        if !arguments.follow && (next >= head || next == since) {
            return Ok(());
        }
        since = next;
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
