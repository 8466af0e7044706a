//! The owner's commands on a data directory, while no server runs on it.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::app::cli::OwnerArguments;
use crate::app::client::output::{print_json, print_line};
use crate::app::config::{self, Settings};
use crate::app::data_directory::DataDirectory;
use crate::app::failure::Failure;
use crate::app::telemetry;
use crate::registry::audit::{self, AuditReport};

/// `holdfast audit`: checks the log, replays it, and compares. A difference is a failure.
pub async fn audit(arguments: &OwnerArguments) -> Result<(), Failure> {
    let (settings, _log) = prepare(arguments)?;
    let _lock = DataDirectory::open(&settings.data).map_err(Failure::usage)?;
    let bar = progress();
    let outcome = audit::audit(&settings.data, &mut |done, total| show(&bar, done, total)).await;
    bar.finish_and_clear();
    let report = outcome.map_err(|error| about(&settings, &error))?;
    let advice = "restore the data directory from a copy; if only views differ, `holdfast rebuild` \
                  writes them anew from the log";
    tell(arguments, &report, "the log and its views agree", advice)
}

/// `holdfast rebuild`: writes the views anew from the log. A fault of the log is a failure, and
/// leaves the views as they are.
pub async fn rebuild(arguments: &OwnerArguments) -> Result<(), Failure> {
    let (settings, _log) = prepare(arguments)?;
    let _lock = DataDirectory::open(&settings.data).map_err(Failure::usage)?;
    let bar = progress();
    let outcome = audit::rebuild(&settings.data, &mut |done, total| show(&bar, done, total)).await;
    bar.finish_and_clear();
    let report = outcome.map_err(|error| about(&settings, &error))?;
    let advice = "the views were left as they are; restore the data directory from a copy";
    tell(arguments, &report, "the views are written anew", advice)
}

fn prepare(arguments: &OwnerArguments) -> Result<(Settings, telemetry::LogGuard), Failure> {
    let settings = config::load(&arguments.data.sources())
        .map_err(Failure::usage)?
        .settings;
    let log = telemetry::start(&settings.log).map_err(Failure::usage)?;
    Ok((settings, log))
}

fn about(settings: &Settings, error: &impl std::fmt::Display) -> Failure {
    Failure::failed(format!(
        "the data directory {}: {error}",
        settings.data.display()
    ))
}

fn tell(
    arguments: &OwnerArguments,
    report: &AuditReport,
    success: &str,
    advice: &str,
) -> Result<(), Failure> {
    let is_clean = report.faults.is_empty();
    if arguments.json {
        let views: serde_json::Map<_, _> = report
            .views
            .iter()
            .map(|(name, rows)| (name.clone(), json!(rows)))
            .collect();
        print_json(&json!({
            "is_clean": is_clean,
            "events": report.events,
            "views": views,
            "faults": report.faults,
        }))?;
    } else {
        for fault in &report.faults {
            print_line(&format!("fault  {fault}"))?;
        }
        for (name, rows) in &report.views {
            print_line(&format!("{name:<20} {rows:>12} rows"))?;
        }
        print_line(&format!("{:<20} {:>12}", "events", report.events))?;
        print_line(if is_clean { success } else { advice })?;
    }
    if is_clean {
        Ok(())
    } else {
        Err(Failure::silent())
    }
}

fn progress() -> ProgressBar {
    let bar = ProgressBar::new(0);
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} events {eta}") {
        bar.set_style(style);
    }
    bar
}

fn show(bar: &ProgressBar, done: u64, total: u64) {
    bar.set_length(total);
    bar.set_position(done);
}
