//! How a command ends when it does not succeed: a message that says what to do next, and a code.

use std::fmt;
use std::process::ExitCode;

/// The end of a command that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    /// The work could not be done, or found a difference: code 1.
    pub fn failed(message: impl fmt::Display) -> Self {
        Self {
            message: message.to_string(),
            code: 1,
        }
    }

    /// What was asked for cannot be understood, or cannot be begun: code 2.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self {
            message: message.to_string(),
            code: 2,
        }
    }

    /// The reader of our output has gone: nothing is said, and nothing is wrong.
    pub fn reader_gone() -> Self {
        Self {
            message: String::new(),
            code: 0,
        }
    }

    /// Everything has been said already: code 1 without a message.
    pub fn silent() -> Self {
        Self::failed("")
    }

    /// Writes the message to standard error and answers the code.
    pub fn report(&self) -> ExitCode {
        if !self.message.is_empty() {
            eprintln!("holdfast: {}", self.message);
        }
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
