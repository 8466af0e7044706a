//! The client commands: signed calls to the extension API, tables, progress bars. Reads the usual
//! variables and files of AWS's tools, and no data directory.

pub mod check;
pub mod cli;
pub mod connection;
pub mod consumers;
pub mod events;
pub mod output;
pub mod packages;
pub mod profile;
pub mod retention;
pub mod schemas;
pub mod signer;
pub mod verify;
