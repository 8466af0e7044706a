//! Measures an S3 endpoint: requests and MiB a second, latency, and the server's CPU time.
//!
//! ```text
//! cargo run --release --manifest-path benches/load/Cargo.toml -- \
//!     --endpoint http://127.0.0.1:9000 --access-key K --secret-key S --bucket load \
//!     --server-pid $(pgrep -x holdfast) --floor
//! ```
//!
//! It shares the machine with the server, so it is built to cost little: connections are kept,
//! bodies are made once and differ in their last 64 bytes only (so that every body is new to the
//! server, while hashing one costs next to nothing here), and replies are barely parsed.
//! `--floor` measures a bare hyper server over plain files in the same run, to quote ratios.

mod bodies;
mod cases;
mod connection;
mod cpu;
mod floor;
mod report;
mod sign;
mod work;

use std::error::Error;
use std::time::Duration;

use clap::Parser;

/// Any failure; it ends the run.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Measures an S3 endpoint.
#[derive(Parser)]
struct Arguments {
    /// The endpoint, plain http.
    #[arg(long, default_value = "http://127.0.0.1:9000")]
    endpoint: String,
    /// The access key.
    #[arg(long, env = "AWS_ACCESS_KEY_ID", default_value = "")]
    access_key: String,
    /// The secret key.
    #[arg(
        long,
        env = "AWS_SECRET_ACCESS_KEY",
        default_value = "",
        hide_env_values = true
    )]
    secret_key: String,
    /// The bucket, made if it is missing. What is put there stays there.
    #[arg(long, default_value = "load")]
    bucket: String,
    /// The server's process, to report its CPU time and memory.
    #[arg(long)]
    server_pid: Option<u32>,
    /// The cases to run, all if not given.
    #[arg(long, value_delimiter = ',')]
    cases: Vec<String>,
    /// How long each case runs.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Keys in the bucket that list-1000 lists.
    #[arg(long, default_value_t = 100_000)]
    list_keys: u64,
    /// Threads of this program.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Also measure a bare hyper server over files, for comparison.
    #[arg(long)]
    floor: bool,
    /// Write the figures as JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Serve as the floor from this folder (used by --floor itself).
    #[arg(long, hide = true)]
    serve_floor: Option<std::path::PathBuf>,
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    if let Some(folder) = &arguments.serve_floor {
        return floor::serve(folder);
    }
    let runtime = if arguments.threads > 1 {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(arguments.threads)
            .enable_all()
            .build()?
    } else {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
    };
    runtime.block_on(run(arguments))
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let chosen = cases::choose(&arguments.cases)?;
    let plan = work::Plan {
        seconds: Duration::from_secs_f64(arguments.seconds),
        list_keys: arguments.list_keys,
    };
    let target = work::Target {
        host: arguments
            .endpoint
            .strip_prefix("http://")
            .ok_or("only http:// is measured")?
            .into(),
        access_key: arguments.access_key.clone(),
        secret_key: arguments.secret_key.clone(),
        bucket: arguments.bucket.clone(),
        pid: arguments.server_pid,
    };
    let measured = work::measure(&target, &plan, &chosen).await?;
    let floor = if arguments.floor {
        let server = floor::Floor::start()?;
        let target = work::Target {
            host: server.host.clone(),
            pid: Some(server.pid()),
            ..target
        };
        let without_listing: Vec<_> = chosen
            .into_iter()
            .filter(|case| case.name != "list-1000")
            .collect();
        work::measure(&target, &plan, &without_listing).await?
    } else {
        Vec::new()
    };
    if arguments.json {
        report::json(&measured, &floor)?;
    } else {
        report::table(&measured, &floor);
    }
    Ok(())
}
