//! The program: command line, settings, telemetry, start.

pub mod client;
