//! Process entry: hand over to the application.

use std::process::ExitCode;

/// Many small, short-lived allocations on every request: the system's allocator costs more.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    holdfast::app::run::main()
}
