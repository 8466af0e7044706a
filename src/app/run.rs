//! Puts the rooms together and runs until told to stop.
//!
//! The order of the start: settings, log, the lock of the data directory, the root key, the
//! registry, the addresses, the root key kept, the line that says ready. The order of the stop:
//! `server/lifecycle.rs`, then the registry, then the lock, then the log.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::app::cli::{Command, CommandLine, ServeArguments};
use crate::app::config::{self, Settings};
use crate::app::data_directory::DataDirectory;
use crate::app::failure::Failure;
use crate::app::root_key::{Origin, RootKey};
use crate::app::{client, owner, telemetry};
use crate::auth::authenticate::Authenticator;
use crate::auth::keyring::KeyRing;
use crate::exchange::context::Context;
use crate::registry::crash_point::CRASH_POINT_VARIABLE;
use crate::registry::handle::Registry;
use crate::registry::reclaim::Reclaimed;
use crate::registry::sweep::{SWEEPER, Swept};
use crate::server::jobs::every;
use crate::server::lifecycle::Server;

/// Runs the process.
pub fn main() -> ExitCode {
    let line = CommandLine::parse();
    // Two providers could come in with a dependency; this is the one, before anyone asks.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let outcome = match line.command {
        None => serve(&line.serve),
        Some(Command::Serve(arguments)) => serve(&arguments),
        Some(Command::Package(arguments)) => {
            runtime().and_then(|runtime| runtime.block_on(client::packages::run(&arguments)))
        }
        Some(Command::Retention(arguments)) => {
            runtime().and_then(|runtime| runtime.block_on(client::retention::run(&arguments)))
        }
        Some(Command::Schema(arguments)) => {
            runtime().and_then(|runtime| runtime.block_on(client::schemas::run(&arguments)))
        }
        Some(Command::Events(arguments)) => {
            runtime().and_then(|runtime| runtime.block_on(client::events::run(&arguments)))
        }
        Some(Command::Consumer(arguments)) => {
            runtime().and_then(|runtime| runtime.block_on(client::consumers::run(&arguments)))
        }
        Some(Command::Verify(arguments)) => {
            runtime().and_then(|runtime| runtime.block_on(client::verify::run(&arguments)))
        }
        Some(Command::Check(arguments)) => client::check::run(&arguments),
        Some(Command::Audit(arguments)) => {
            runtime().and_then(|runtime| runtime.block_on(owner::audit(&arguments)))
        }
        Some(Command::Rebuild(arguments)) => {
            runtime().and_then(|runtime| runtime.block_on(owner::rebuild(&arguments)))
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn runtime() -> Result<Runtime, Failure> {
    Runtime::new().map_err(|error| Failure::failed(format!("cannot start threads: {error}")))
}

fn serve(arguments: &ServeArguments) -> Result<(), Failure> {
    let loaded = config::load(&arguments.sources()).map_err(Failure::usage)?;
    let mut settings = loaded.settings;
    let _log = telemetry::start(&settings.log).map_err(Failure::usage)?;
    for name in loaded.unknown_variables {
        tracing::warn!(name, "this variable names no setting");
    }
    let directory = DataDirectory::open_or_create(&settings.data).map_err(Failure::failed)?;
    let variable = |name: &str| std::env::var(name).ok();
    let crash_point = variable(CRASH_POINT_VARIABLE).map(|text| text.parse().map(Arc::new));
    settings.registry.crash_point = crash_point.transpose().map_err(Failure::usage)?;
    let root = RootKey::find_or_make(directory.path(), variable).map_err(Failure::usage)?;
    runtime()?.block_on(run(settings, &root))
    // The lock ends here, after the registry is closed.
}

async fn run(settings: Settings, root: &RootKey) -> Result<(), Failure> {
    let keys = KeyRing::new(&root.access_key, root.secret_key.clone(), &settings.users)
        .map_err(|error| Failure::usage(about_keys(&error.to_string(), root)))?;
    let registry = open_registry(&settings).await?;
    let stopping = CancellationToken::new();
    let region = settings.s3.region.clone();
    let context = Context {
        registry: registry.clone(),
        authenticator: Authenticator::new(Arc::new(keys), settings.auth, region.clone()),
        settings: settings.s3,
        stopping: stopping.clone(),
    };
    let outcome = async {
        let server = Server::bind(&settings.server, context)
            .await
            .map_err(Failure::failed)?;
        let urls = server.urls().map_err(Failure::failed)?;
        root.keep().map_err(Failure::failed)?;
        greet(root, &urls, &region);
        tracing::info!(
            urls = urls.join(" "),
            operator = server.operator_address().map(tracing::field::display),
            data = %settings.data.display(),
            version = env!("CARGO_PKG_VERSION"),
            "ready"
        );
        let signals = tokio::spawn(stop_on_signal(stopping.clone()));
        let janitor = tokio::spawn({
            let registry = registry.clone();
            let period = Duration::from_secs(settings.janitor.interval_seconds);
            every(period, stopping.clone(), move || {
                let registry = registry.clone();
                async move { tend(&registry).await }
            })
        });
        let sweeper = tokio::spawn({
            let registry = registry.clone();
            let period = Duration::from_secs(settings.janitor.sweep_interval_seconds);
            let order = stopping.clone();
            every(period, stopping.clone(), move || {
                let (registry, order) = (registry.clone(), order.clone());
                async move {
                    tokio::select! {
                        // What is being archived goes on after the next start.
                        () = order.cancelled() => {}
                        () = sweep(&registry) => {}
                    }
                }
            })
        });
        let verifier = tokio::spawn(verify_by_the_clock(
            registry.clone(),
            settings.registry.verification.interval_seconds,
            stopping.clone(),
        ));
        server.run().await;
        signals.abort();
        let _ = (janitor.await, sweeper.await, verifier.await);
        Ok(())
    }
    .await;
    registry.close().await;
    outcome
}

/// One turn of the sweeper, of which the log hears only when it did something.
async fn sweep(registry: &Registry) {
    match registry.sweep_retention(SWEEPER).await {
        Ok(swept) if swept == Swept::default() => {}
        Ok(swept) => {
            let (eligible, ended) = (swept.eligible.len(), swept.ended.len());
            tracing::info!(eligible, ended, "retention swept");
        }
        Err(error) => tracing::warn!(%error, "the sweeper could not finish"),
    }
}

/// How often it is looked whether a verification is due.
const DUE_LOOK: Duration = Duration::from_secs(60);

/// Goes on with verifications that were cut off, and begins one whenever one is due.
async fn verify_by_the_clock(registry: Registry, interval: u64, stopping: CancellationToken) {
    if let Err(error) = registry.resume_verifications().await {
        tracing::warn!(%error, "verifications were not resumed");
    }
    if interval == 0 {
        return;
    }
    let period = Duration::from_secs(interval).min(DUE_LOOK);
    every(period, stopping, move || {
        let registry = registry.clone();
        async move {
            if let Err(error) = registry.start_due_verification().await {
                tracing::warn!(%error, "a verification that is due was not begun");
            }
        }
    })
    .await;
}

/// One run of the janitor, of which the log hears only when it did something.
async fn tend(registry: &Registry) {
    match registry.run_janitor().await {
        Ok(done) if done == Reclaimed::default() => {}
        Ok(done) => {
            let Reclaimed {
                staging,
                uploads,
                blobs,
            } = done;
            tracing::info!(staging, uploads, blobs, "janitor");
        }
        Err(error) => tracing::warn!(%error, "the janitor could not finish"),
    }
}

/// Opens the registry of a data directory whose lock is held.
async fn open_registry(settings: &Settings) -> Result<Registry, Failure> {
    Registry::open(settings.registry.clone(), &settings.blob)
        .await
        .map_err(|error| {
            let shown = settings.data.display();
            Failure::failed(format!("cannot open the data directory {shown}: {error}"))
        })
}

/// Says whose key is not accepted, since the message of the key ring cannot know.
fn about_keys(message: &str, root: &RootKey) -> String {
    match &root.origin {
        Origin::Environment => format!(
            "{message} (the root key is taken from HOLDFAST_ROOT_ACCESS_KEY and \
             HOLDFAST_ROOT_SECRET_KEY)"
        ),
        Origin::Kept(path) => format!("{message} (the root key is kept in {})", path.display()),
        Origin::Made(_) => message.to_owned(),
    }
}

/// Tells a person on standard output how to go on: with the key itself once, at the first start,
/// later with the place where it is kept.
fn greet(root: &RootKey, urls: &[String], region: &str) {
    let url = urls.first().map_or("", String::as_str);
    let text = match &root.origin {
        Origin::Environment => return,
        Origin::Kept(path) => format!(
            "Holdfast serves {}. The root key is kept in {file}; use it with\n\n    \
             . {file}; export AWS_ENDPOINT_URL={url} AWS_DEFAULT_REGION={region}\n\n",
            urls.join(" and "),
            file = path.display()
        ),
        Origin::Made(path) => format!(
            "Holdfast serves {}. This is its first start, so it made a root key, which is\n\
             shown once and kept in {}. Paste this into another terminal:\n\n    \
             export AWS_ACCESS_KEY_ID={}\n    \
             export AWS_SECRET_ACCESS_KEY={}\n    \
             export AWS_ENDPOINT_URL={url}\n    \
             export AWS_DEFAULT_REGION={region}\n    \
             aws s3 mb s3://hello\n    \
             echo 'Hello, Holdfast' | aws s3 cp - s3://hello/greeting.txt\n    \
             aws s3 ls s3://hello\n\n\
             An aws cli older than 2.13 does not know AWS_ENDPOINT_URL: `alias aws='aws --endpoint-url {url}'`\n\n",
            urls.join(" and "),
            path.display(),
            root.access_key,
            root.secret_key.reveal(),
        ),
    };
    // Nobody may be reading, which is no reason not to serve.
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Gives the order to stop at SIGTERM or SIGINT; a second signal ends the process at once.
async fn stop_on_signal(stopping: CancellationToken) {
    let name = wait_for_signal().await;
    tracing::info!(signal = name, "asked to stop");
    stopping.cancel();
    let name = wait_for_signal().await;
    tracing::warn!(signal = name, "asked again: ending at once");
    // The log is written by a thread of its own, a few milliseconds behind.
    tokio::time::sleep(Duration::from_millis(50)).await;
    std::process::exit(130);
}

#[cfg(unix)]
async fn wait_for_signal() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut stream) => stream.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = terminate => "SIGTERM",
        _ = tokio::signal::ctrl_c() => "SIGINT",
    }
}

#[cfg(not(unix))]
async fn wait_for_signal() -> &'static str {
    let _ = tokio::signal::ctrl_c().await;
    "interrupt"
}
