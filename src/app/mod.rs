//! The program: command line, settings, telemetry, start and stop, the owner's commands, and the
//! client commands. Holds no logic of packages.

pub mod cli;
pub mod client;
pub mod config;
pub mod data_directory;
pub mod failure;
pub mod owner;
pub mod root_key;
pub mod run;
pub mod telemetry;
