//! `holdfast verify`: has stored bytes read again, and shows how far it is.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::client::cli::VerifyArguments;
use crate::app::client::connection::{CallError, Connection, path};
use crate::app::client::output::{print_json, print_line, size, text};
use crate::app::failure::Failure;

/// How often the server is asked; at first more often, since most runs are short.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(1000),
];

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// How often a server that is away is asked again.
const MAX_FAILURES: usize = 60;

/// Starts a run, or joins the one under way, and waits for its end.
pub async fn run(arguments: &VerifyArguments) -> Result<(), Failure> {
    let connection = Connection::open(&arguments.connection)?;
    let mut body = json!({});
    if let Some(package) = &arguments.package {
        body["package"] = json!(package);
    }
    if let Some(backend) = &arguments.backend {
        body["backend"] = json!(backend);
    }
    let started = connection
        .json(Method::POST, "/verifications", Some(&body))
        .await?;
    let run = if arguments.no_wait {
        started
    } else {
        wait(&connection, started).await?
    };
    if arguments.connection.json {
        print_json(&run)?;
    } else {
        report(&run)?;
    }
    let is_damaged = number(&run, "mismatched") > 0;
    let is_cut_off = number(&run, "unreachable") > 0;
    if is_damaged || is_cut_off {
        return Err(Failure::silent());
    }
    Ok(())
}

/// Asks for a run until it has ended.
async fn wait(connection: &Connection, mut run: Value) -> Result<Value, Failure> {
    let id = text(&run["id"]);
    let progress = Progress::begin();
    let mut turns = 0;
    let mut failures = 0;
    while run["state"] == "running" {
        progress.show(&run);
        tokio::time::sleep(PAUSES[turns.min(PAUSES.len() - 1)]).await;
        turns += 1;
        let path = path(&["verifications", &id], &[]);
        match connection.json(Method::GET, &path, None).await {
            Ok(found) => {
                run = found;
                failures = 0;
            }
            // The run goes on after a restart.
            Err(CallError::Unreachable(_)) if failures < MAX_FAILURES => failures += 1,
            Err(error) => return Err(error.into()),
        }
    }
    progress.bar.finish_and_clear();
    Ok(run)
}

/// A bar on a terminal, a line now and then elsewhere.
struct Progress {
    bar: ProgressBar,
    is_terminal: bool,
    last_line: std::cell::Cell<Instant>,
}

impl Progress {
    fn begin() -> Self {
        let is_terminal = io::stderr().is_terminal();
        let bar = if is_terminal {
            ProgressBar::new(0)
        } else {
            ProgressBar::hidden()
        };
        let template = "{wide_bar} {pos}/{len} locations {msg} {eta}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self {
            bar,
            is_terminal,
            last_line: std::cell::Cell::new(Instant::now()),
        }
    }

    fn show(&self, run: &Value) {
        let (checked, total) = (number(run, "checked"), number(run, "total"));
        let read = size(number(run, "bytes"));
        self.bar.set_length(total.max(checked));
        self.bar.set_position(checked);
        self.bar.set_message(read.clone());
        if !self.is_terminal && self.last_line.get().elapsed() >= LINE_EVERY {
            self.last_line.set(Instant::now());
            eprintln!("{checked} of {total} locations, {read}");
        }
    }
}

fn number(run: &Value, name: &str) -> u64 {
    run[name].as_u64().unwrap_or_default()
}

/// The faults, a line each, and the sum.
fn report(run: &Value) -> Result<(), Failure> {
    for fault in run["faults"].as_array().into_iter().flatten() {
        let what = if fault["mismatch"].is_null() {
            "unreachable".to_owned()
        } else {
            text(&fault["mismatch"])
        };
        let repaired = if fault["is_repaired"] == true {
            " (repaired)"
        } else {
            ""
        };
        print_line(&format!(
            "{what:<11}  {}/{} on {}{repaired}: {}",
            text(&fault["package_id"]),
            text(&fault["relative_path"]),
            text(&fault["backend_id"]),
            text(&fault["detail"]),
        ))?;
    }
    let shown = run["faults"].as_array().map_or(0, Vec::len) as u64;
    let (mismatched, unreachable) = (number(run, "mismatched"), number(run, "unreachable"));
    let hidden = (mismatched + unreachable).saturating_sub(shown);
    if hidden > 0 {
        print_line(&format!(
            "… and {hidden} more; `holdfast events --types v1.storage.location_verified` has those that are damaged"
        ))?;
    }
    if run["state"] == "running" {
        return print_line(&format!("run {} is under way", text(&run["id"])));
    }
    let (checked, read) = (number(run, "checked"), size(number(run, "bytes")));
    if mismatched + unreachable == 0 {
        return print_line(&format!(
            "all {checked} locations are as they should be ({read} read)"
        ));
    }
    print_line(&format!(
        "of {checked} locations ({read} read), {mismatched} damaged ({} of them missing, {} \
         repaired), {unreachable} not reachable",
        number(run, "missing"),
        number(run, "repaired"),
    ))?;
    if mismatched > number(run, "repaired") {
        print_line("upload the same bytes again, to any key, and damaged ones are good again")?;
    }
    Ok(())
}
