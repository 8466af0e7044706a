//! The figures as a table or as JSON.

use crate::Failure;
use crate::work::Measured;

/// Prints a table; with a floor, its rate and the ratio to it stand in the last columns.
pub fn table(measured: &[Measured], floor: &[Measured]) {
    println!(
        "{:<14} {:>5} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>10} {:>6}",
        "case",
        "conns",
        "requests/s",
        "MiB/s",
        "p50 ms",
        "p99 ms",
        "cpu/1000",
        "cpu/GiB",
        "own/1000",
        "peak MiB",
        "floor/s",
        "ratio"
    );
    for row in measured {
        let below = floor.iter().find(|other| other.name == row.name);
        println!(
            "{:<14} {:>5} {:>10.1} {:>9.1} {:>9.2} {:>9.2} {:>9} {:>9} {:>9} {:>9} {:>10} {:>6}",
            row.name,
            row.connections,
            row.per_second,
            row.mib_per_second,
            row.p50_ms,
            row.p99_ms,
            figure(row.cpu_per_1000, 3),
            figure(row.cpu_per_gib, 2),
            figure(row.own_cpu_per_1000, 3),
            figure(row.server_peak_mib, 0),
            figure(below.map(|other| other.per_second), 1),
            figure(below.map(|other| row.per_second / other.per_second), 2),
        );
    }
    for row in floor {
        println!(
            "floor {:<14} {:>10.1} requests/s {:>9.1} MiB/s, cpu/1000 {}",
            row.name,
            row.per_second,
            row.mib_per_second,
            figure(row.cpu_per_1000, 3)
        );
    }
}

/// Prints JSON.
pub fn json(measured: &[Measured], floor: &[Measured]) -> Result<(), Failure> {
    let all = serde_json::json!({ "measured": measured, "floor": floor });
    println!("{}", serde_json::to_string_pretty(&all)?);
    Ok(())
}

fn figure(value: Option<f64>, digits: usize) -> String {
    value.map_or("-".into(), |number| format!("{number:.digits$}"))
}
