//! The table of extension endpoints.

use crate::exchange::route::Row;

/// An endpoint of the extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {}

impl Operation {
    /// The name in the log.
    pub fn name(self) -> &'static str {
        match self {}
    }
}

/// The table.
pub static ROUTES: &[Row<Operation>] = &[];
