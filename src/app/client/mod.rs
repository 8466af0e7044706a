//! The client commands: signed calls to the extension API, tables, progress bars.
