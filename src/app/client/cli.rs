//! The flags of the client commands.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Where the server is and who asks.
#[derive(Debug, Clone, Default, Args)]
pub struct ConnectionArguments {
    /// The server's address [default: $AWS_ENDPOINT_URL, the profile's, or http://127.0.0.1:9000].
    #[arg(
        long,
        visible_alias = "endpoint-url",
        value_name = "URL",
        global = true
    )]
    pub endpoint: Option<String>,
    /// A profile of ~/.aws/credentials and ~/.aws/config [default: $AWS_PROFILE].
    #[arg(long, value_name = "NAME", global = true)]
    pub profile: Option<String>,
    /// The region to sign for [default: $AWS_REGION, the profile's, or us-east-1].
    #[arg(long, value_name = "REGION", global = true)]
    pub region: Option<String>,
    /// Answer in JSON.
    #[arg(long, global = true)]
    pub json: bool,
}

/// `holdfast package …`
#[derive(Debug, Args)]
pub struct PackageArguments {
    /// Where the server is and who asks.
    #[command(flatten)]
    pub connection: ConnectionArguments,
    /// What to do.
    #[command(subcommand)]
    pub command: PackageCommand,
}

/// What to do with packages. A package is named by its bucket or by its id.
#[derive(Debug, Subcommand)]
pub enum PackageCommand {
    /// Create a package and its bucket.
    Create(CreateArguments),
    /// List packages.
    List(ListArguments),
    /// Change metadata and tags of an open package.
    Update(UpdateArguments),
    /// Show one package.
    Show {
        /// The bucket's name or the package's id.
        package: String,
    },
    /// Freeze a package: it gets its manifest and changes no more.
    Finalize(FinalizeArguments),
    /// Write the manifest of a finalized package to standard output or a file.
    Manifest {
        /// The bucket's name or the package's id.
        package: String,
        /// The form: cbor is what the digest is of, json its projection.
        #[arg(long, value_enum, default_value = "json")]
        format: ManifestFormat,
        /// Write to this file instead of standard output.
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// List the files of a package.
    Files {
        /// The bucket's name or the package's id.
        package: String,
    },
    /// End an open, empty package, or a finalized one whose retention has ended.
    Rm {
        /// The bucket's name or the package's id.
        package: String,
    },
}

/// `holdfast package create`
#[derive(Debug, Default, Args)]
pub struct CreateArguments {
    /// The bucket's name.
    pub bucket: String,
    /// The package's name [default: the bucket's].
    #[arg(long)]
    pub name: Option<String>,
    /// Who makes the content [default: you].
    #[arg(long)]
    pub producer: Option<String>,
    /// What the content is about [default: the bucket's name].
    #[arg(long)]
    pub subject: Option<String>,
    /// The retention class [default: default].
    #[arg(long, value_name = "CLASS")]
    pub retention_class: Option<String>,
    /// A metadata value; JSON if it is JSON, else text; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_pair)]
    pub metadata: Vec<(String, String)>,
    /// The metadata schema that the metadata must conform to: its slug, or slug@version.
    #[arg(long, value_name = "SCHEMA")]
    pub metadata_schema: Option<String>,
    /// versioned-by-request or write-once [default: the server's].
    #[arg(long, value_name = "MODE")]
    pub write_mode: Option<String>,
    /// A bucket tag; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_pair)]
    pub tag: Vec<(String, String)>,
}

/// `holdfast package list`
#[derive(Debug, Default, Args)]
pub struct ListArguments {
    /// Only of this producer.
    #[arg(long)]
    pub producer: Option<String>,
    /// Only of this subject.
    #[arg(long)]
    pub subject: Option<String>,
    /// Only of this retention class.
    #[arg(long, value_name = "CLASS")]
    pub retention_class: Option<String>,
    /// Only created, finalized or deleted ones.
    #[arg(long)]
    pub status: Option<String>,
    /// Only with this metadata value; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_pair)]
    pub metadata: Vec<(String, String)>,
}

/// `holdfast package finalize`
#[derive(Debug, Default, Args)]
pub struct FinalizeArguments {
    /// The bucket's name or the package's id.
    pub package: String,
    /// Abort open multipart uploads instead of being refused by them.
    #[arg(long)]
    pub abort_uploads: bool,
    /// Refuse unless the content digest is this one (blake3:…).
    #[arg(long, value_name = "DIGEST")]
    pub expect_content_digest: Option<String>,
    /// A source commit for the manifest's provenance; may be repeated.
    #[arg(long, value_name = "NAME=COMMIT", value_parser = parse_pair)]
    pub source_commit: Vec<(String, String)>,
    /// A tool's version for the manifest's provenance; may be repeated.
    #[arg(long, value_name = "NAME=VERSION", value_parser = parse_pair)]
    pub tool_version: Vec<(String, String)>,
    /// A fact of the environment for the manifest's provenance; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair)]
    pub environment: Vec<(String, String)>,
}

/// `holdfast package update`
#[derive(Debug, Default, Args)]
pub struct UpdateArguments {
    /// The bucket's name or the package's id.
    pub package: String,
    /// A metadata value; JSON if it is JSON, else text, and gone if it is null; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_pair)]
    pub metadata: Vec<(String, String)>,
    /// Another metadata schema: its slug, or slug@version.
    #[arg(long, value_name = "SCHEMA")]
    pub metadata_schema: Option<String>,
    /// A bucket tag; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_pair)]
    pub tag: Vec<(String, String)>,
    /// Remove the bucket tag of this key; may be repeated.
    #[arg(long, value_name = "KEY")]
    pub remove_tag: Vec<String>,
}

/// The form of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ManifestFormat {
    /// Canonical CBOR.
    Cbor,
    /// RFC 8785 JSON.
    Json,
}

/// `holdfast events`
#[derive(Debug, Args)]
pub struct EventsArguments {
    /// Where the server is and who asks.
    #[command(flatten)]
    pub connection: ConnectionArguments,
    /// Begin after this sequence.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        conflicts_with = "consumer"
    )]
    pub since: u64,
    /// Go on for ever, as events come.
    #[arg(long, short)]
    pub follow: bool,
    /// Only of this package: a bucket's name or a package's id.
    #[arg(long, value_name = "PACKAGE", conflicts_with = "consumer")]
    pub package: Option<String>,
    /// Only of these types, such as v1.file.ingested or 'v1.file.*'.
    #[arg(
        long,
        value_name = "TYPE",
        value_delimiter = ',',
        conflicts_with = "consumer"
    )]
    pub types: Vec<String>,
    /// Go on where this consumer is, with its filter: one batch, or all with --ack.
    #[arg(long, value_name = "NAME")]
    pub consumer: Option<String>,
    /// Acknowledge each batch once it is printed, so that the consumer goes on after it.
    #[arg(long, requires = "consumer")]
    pub ack: bool,
    /// Show payloads over 256 KiB too, such as manifests, instead of naming them.
    #[arg(long)]
    pub inline_payloads: bool,
}

/// `holdfast consumer …`
#[derive(Debug, Args)]
pub struct ConsumerArguments {
    /// Where the server is and who asks.
    #[command(flatten)]
    pub connection: ConnectionArguments,
    /// What to do.
    #[command(subcommand)]
    pub command: ConsumerCommand,
}

/// What to do with named consumers of the log.
#[derive(Debug, Subcommand)]
pub enum ConsumerCommand {
    /// Create a consumer, or change the filter of the one that is there.
    Create(ConsumerCreateArguments),
    /// List consumers: yours, or all for the root user.
    List,
    /// Show one consumer and how far it is behind.
    Show {
        /// The consumer's name.
        name: String,
    },
    /// Acknowledge everything up to a sequence.
    Ack {
        /// The consumer's name.
        name: String,
        /// The sequence.
        sequence: u64,
        /// Allow to go back, so that events are read again.
        #[arg(long)]
        rewind: bool,
    },
    /// Remove a consumer; its position is forgotten.
    Rm {
        /// The consumer's name.
        name: String,
    },
}

/// `holdfast consumer create`
#[derive(Debug, Default, Args)]
pub struct ConsumerCreateArguments {
    /// The consumer's name.
    pub name: String,
    /// Only events of these types, such as v1.file.ingested or 'v1.file.*' [default: all].
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    pub types: Vec<String>,
    /// Only events of this package: a bucket's name or a package's id [default: all].
    #[arg(long, value_name = "PACKAGE")]
    pub package: Option<String>,
    /// Where a new consumer begins: after a sequence, or at the head [default: 0].
    #[arg(long, value_name = "N|head")]
    pub since: Option<String>,
}

/// `holdfast schema …`
#[derive(Debug, Args)]
pub struct SchemaArguments {
    /// Where the server is and who asks.
    #[command(flatten)]
    pub connection: ConnectionArguments,
    /// What to do.
    #[command(subcommand)]
    pub command: SchemaCommand,
}

/// What to do with metadata schemas.
#[derive(Debug, Subcommand)]
pub enum SchemaCommand {
    /// Register a JSON Schema (2020-12) that packages may ask for.
    Register {
        /// Its name.
        slug: String,
        /// The schema, as a file of JSON; - for standard input.
        file: PathBuf,
        /// The version it shall have: 1, or the next one if it replaces another [default: 1, or
        /// that of an equal schema].
        #[arg(long, value_name = "N")]
        version: Option<u64>,
    },
    /// Show one schema.
    Show {
        /// Its slug for the latest version, slug@version, or its id.
        schema: String,
    },
    /// List schemas with all their versions.
    List,
}

/// `holdfast verify`
#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// Where the server is and who asks.
    #[command(flatten)]
    pub connection: ConnectionArguments,
    /// Only of this package: a bucket's name or a package's id [default: all].
    pub package: Option<String>,
    /// Only on this backend, such as inline or local [default: all].
    #[arg(long, value_name = "BACKEND")]
    pub backend: Option<String>,
    /// Start it and do not wait for its end.
    #[arg(long)]
    pub no_wait: bool,
}

/// `holdfast check`
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// The downloaded package.
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// Its manifest: manifest.cbor or manifest.json.
    #[arg(long, value_name = "FILE")]
    pub manifest: PathBuf,
    /// The manifest's own digest (blake3:…), which needs the cbor form.
    #[arg(long, value_name = "DIGEST")]
    pub digest: Option<String>,
    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,
}

/// `holdfast retention …`
#[derive(Debug, Args)]
pub struct RetentionArguments {
    /// Where the server is and who asks.
    #[command(flatten)]
    pub connection: ConnectionArguments,
    /// What to do.
    #[command(subcommand)]
    pub command: RetentionCommand,
}

/// What to do with retention. A package is named by its bucket or by its id.
#[derive(Debug, Subcommand)]
pub enum RetentionCommand {
    /// Show when retention ends, and the holds that stand.
    Show {
        /// The bucket's name or the package's id.
        package: String,
    },
    /// Keep a package for longer; retention is never shortened.
    Extend {
        /// The bucket's name or the package's id.
        package: String,
        /// The new end, such as 2030-01-01T00:00:00Z.
        until: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
    /// Put a hold on a package: it is kept whatever its expiry. A package may have many.
    Hold {
        /// The bucket's name or the package's id.
        package: String,
        /// Why.
        #[arg(long)]
        reason: String,
        /// operator, legal or event.
        #[arg(long, default_value = "operator")]
        kind: String,
    },
    /// Take a hold away.
    Release {
        /// The bucket's name or the package's id.
        package: String,
        /// The hold's id, as `hold` and `show` tell it.
        hold: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
    /// List the retention events of a package, of an ended one too by its id.
    History {
        /// The bucket's name or the package's id.
        package: String,
    },
    /// Declare eligible what has expired, and end what its class says, now.
    Sweep,
    /// List the retention classes.
    Classes,
    /// Define a retention class, or change it for packages to come.
    Define(DefineArguments),
}

/// `holdfast retention define`
#[derive(Debug, Args)]
pub struct DefineArguments {
    /// The name that packages ask for.
    pub class: String,
    /// How long a package is kept, in seconds [default: for ever].
    #[arg(long, value_name = "SECONDS")]
    pub duration: Option<u64>,
    /// manual or purge [default: manual].
    #[arg(long, value_name = "STRATEGY")]
    pub deletion_strategy: Option<String>,
    /// none, governance or compliance [default: governance].
    #[arg(long, value_name = "MODE")]
    pub lock_mode: Option<String>,
    /// created or finalized: when the duration begins [default: created].
    #[arg(long)]
    pub anchor: Option<String>,
    /// How long after it became eligible a package is ended, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub grace: u64,
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| format!("'{text}' is not of the form KEY=VALUE"))?;
    Ok((key.to_owned(), value.to_owned()))
}
