//! Process entry: hand over to the application.

fn main() {}
