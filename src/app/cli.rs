//! The commands and their flags. Runs nothing: `run.rs` and `client/` do.

use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::app::client::cli::{
    CheckArguments, ConsumerArguments, EventsArguments, PackageArguments, RetentionArguments,
    SchemaArguments, VerifyArguments,
};
use crate::app::config::Sources;

/// An S3 endpoint whose buckets are verifiable packages.
///
/// Without a command, `holdfast` serves.
#[derive(Debug, Parser)]
#[command(
    name = "holdfast",
    version,
    args_conflicts_with_subcommands = true,
    max_term_width = 100
)]
pub struct CommandLine {
    /// What to do; `serve` when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The flags of `serve`.
    #[command(flatten)]
    pub serve: ServeArguments,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway (the default).
    Serve(ServeArguments),
    /// Create, list, show, finalize and read packages.
    Package(PackageArguments),
    /// Keep packages: classes, extensions, holds.
    Retention(RetentionArguments),
    /// Register, show and list the schemas of metadata.
    Schema(SchemaArguments),
    /// Read or follow the event log.
    Events(EventsArguments),
    /// Create, list, show, move and remove named consumers of the event log.
    Consumer(ConsumerArguments),
    /// Have the server read stored bytes again and hold them against their digests.
    Verify(VerifyArguments),
    /// Compare a downloaded package with its manifest, offline.
    Check(CheckArguments),
    /// Replay the log of a data directory into fresh views and compare them with those in use.
    Audit(OwnerArguments),
    /// Write the views of a data directory anew from its log.
    Rebuild(OwnerArguments),
}

/// Flags of everything that works on a data directory.
#[derive(Debug, Clone, Default, Args)]
pub struct DataArguments {
    /// A TOML file with settings; `config/holdfast.toml` shows every one.
    #[arg(long, value_name = "FILE", env = "HOLDFAST_CONFIG")]
    pub config: Option<PathBuf>,
    /// The data directory [default: ./holdfast-data].
    #[arg(long, value_name = "DIR", env = "HOLDFAST_DATA")]
    pub data: Option<String>,
    /// error, warn, info, debug or trace [default: info].
    #[arg(long, value_name = "LEVEL", env = "HOLDFAST_LOG_LEVEL")]
    pub log_level: Option<String>,
    /// auto, text or json [default: auto: text on a terminal].
    #[arg(long, value_name = "FORMAT", env = "HOLDFAST_LOG_FORMAT")]
    pub log_format: Option<String>,
    /// Any setting of the file, such as `--set janitor.grace_seconds=3600`; may be repeated.
    #[arg(long = "set", value_name = "SETTING=VALUE", value_parser = parse_pair)]
    pub set: Vec<(String, String)>,
}

/// Flags of `serve`.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArguments {
    /// Flags of everything that works on a data directory.
    #[command(flatten)]
    pub data: DataArguments,
    /// Where S3 and the extension API are served [default: 127.0.0.1:9000].
    #[arg(long, value_name = "ADDRESS", env = "HOLDFAST_LISTEN")]
    pub listen: Option<String>,
    /// Where https is served, so that --listen goes on with http; else --listen speaks https once
    /// there is a certificate.
    #[arg(long, value_name = "ADDRESS", env = "HOLDFAST_TLS_LISTEN")]
    pub tls_listen: Option<String>,
    /// Where metrics and health are served, to operators alone: an address, auto or off [default:
    /// auto: 127.0.0.1:9001 if it is free].
    #[arg(long, value_name = "ADDRESS", env = "HOLDFAST_OPERATOR_LISTEN")]
    pub operator_listen: Option<String>,
    /// A certificate chain in PEM; with --tls-key, https is served.
    #[arg(long, value_name = "FILE", env = "HOLDFAST_TLS_CERTIFICATE")]
    pub tls_certificate: Option<String>,
    /// The private key of the certificate in PEM.
    #[arg(long, value_name = "FILE", env = "HOLDFAST_TLS_KEY")]
    pub tls_key: Option<String>,
    /// A base domain of virtual-host style, for requests to BUCKET.DOMAIN; may be repeated.
    #[arg(
        long = "base-domain",
        value_name = "DOMAIN",
        env = "HOLDFAST_BASE_DOMAINS",
        value_delimiter = ','
    )]
    pub base_domains: Vec<String>,
    /// The region that buckets are in [default: us-east-1].
    #[arg(long, value_name = "REGION", env = "HOLDFAST_REGION")]
    pub region: Option<String>,
}

/// Flags of the owner commands.
#[derive(Debug, Clone, Args)]
pub struct OwnerArguments {
    /// Flags of everything that works on a data directory.
    #[command(flatten)]
    pub data: DataArguments,
    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,
}

impl DataArguments {
    /// Where the settings come from, with these flags on top.
    pub fn sources(&self) -> Sources {
        let mut sources = Sources {
            flags: Vec::new(),
            environment: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
            flag_variables: flag_variables(),
            file: self.config.clone(),
        };
        for (path, value) in &self.set {
            sources
                .flags
                .push((path.clone(), value.clone(), "--set".to_owned()));
        }
        let mut add = |path: &str, value: Option<&String>, flag: &str| {
            if let Some(value) = value {
                sources
                    .flags
                    .push((path.to_owned(), value.clone(), flag.to_owned()));
            }
        };
        add("data", self.data.as_ref(), "--data");
        add("log.level", self.log_level.as_ref(), "--log-level");
        add("log.format", self.log_format.as_ref(), "--log-format");
        sources
    }
}

impl ServeArguments {
    /// Where the settings come from, with these flags on top.
    pub fn sources(&self) -> Sources {
        let mut sources = self.data.sources();
        let domains = (!self.base_domains.is_empty()).then(|| self.base_domains.join(","));
        let flags = [
            ("server.listen", self.listen.as_ref(), "--listen"),
            (
                "server.tls_listen",
                self.tls_listen.as_ref(),
                "--tls-listen",
            ),
            (
                "server.operator_listen",
                self.operator_listen.as_ref(),
                "--operator-listen",
            ),
            (
                "server.tls_certificate",
                self.tls_certificate.as_ref(),
                "--tls-certificate",
            ),
            ("server.tls_key", self.tls_key.as_ref(), "--tls-key"),
            ("s3.domains", domains.as_ref(), "--base-domain"),
            ("s3.region", self.region.as_ref(), "--region"),
        ];
        for (path, value, flag) in flags {
            if let Some(value) = value {
                sources
                    .flags
                    .push((path.to_owned(), value.clone(), flag.to_owned()));
            }
        }
        sources
    }
}

/// The variables of the flags of `serve`.
fn flag_variables() -> Vec<String> {
    CommandLine::command()
        .get_arguments()
        .filter_map(|argument| argument.get_env()?.to_str().map(str::to_owned))
        .collect()
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (path, value) = text
        .split_once('=')
        .ok_or_else(|| "write SETTING=VALUE, such as janitor.grace_seconds=3600".to_owned())?;
    Ok((path.trim().to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn no_command_serves_with_its_flags() {
        let line = CommandLine::parse_from(["holdfast", "--data", "d", "--set", "s3.region=x"]);
        assert!(line.command.is_none());
        let flags = line.serve.sources().flags;
        assert_eq!(flags[0], ("s3.region".into(), "x".into(), "--set".into()));
        assert_eq!(flags[1], ("data".into(), "d".into(), "--data".into()));
        let line = CommandLine::parse_from(["holdfast", "serve", "--listen", "[::]:1"]);
        let Some(Command::Serve(serve)) = line.command else {
            panic!("no serve")
        };
        assert_eq!(serve.sources().flags[0].1, "[::]:1");
        assert!(CommandLine::try_parse_from(["holdfast", "--set", "x"]).is_err());
        assert!(flag_variables().contains(&"HOLDFAST_LISTEN".to_owned()));
    }
}
