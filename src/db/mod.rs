//! The event log and its views: every line of SQL. Decides nothing.
