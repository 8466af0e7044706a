//! Checked reads and durable writes of the local store, by several tasks at once, with the CPU time
//! that they cost. What is read is in the page cache; what is written is synced.
//!
//! `cargo bench --bench blobs [-- WORD]` runs the cases with that word in their names, on the file
//! system of `TMPDIR`.

#![allow(missing_docs, reason = "a benchmark is read, not called")]
#![allow(clippy::unwrap_used, reason = "a benchmark may end at any error")]
#![allow(clippy::print_stdout, reason = "its outcome is what it prints")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::TryStreamExt;
use holdfast::blob::blobs::{Blobs, Placement, Published};
use holdfast::blob::read::BlobRef;
use holdfast::blob::settings::BlobSettings;
use holdfast::domain::hashers::HashPlan;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long each case runs.
const TIME: Duration = Duration::from_secs(3);
/// What a connection hands over at a time.
const FRAME: usize = 64 << 10;

#[tokio::main(worker_threads = 2)]
async fn main() {
    let data_dir = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(data_dir.path(), &BlobSettings::default())
        .await
        .unwrap();
    println!(
        "{:<28}{:>8}{:>12}{:>12}{:>14}",
        "case", "tasks", "calls/s", "MB/s", "CPU ms/call"
    );

    let large = put(&blobs, 0, 64 << 20).await;
    let middle = put(&blobs, 1, 1 << 20).await;
    let small = put(&blobs, 2, 40 << 10).await;
    for (name, tasks, blob, length) in [
        ("read 64 MiB", 2, &large, 64 << 20),
        ("read 1 MiB", 8, &middle, 1 << 20),
        ("read 40 KiB", 16, &small, 40 << 10),
        ("range 64 KiB of 64 MiB", 16, &large, 64 << 10),
        ("range 64 KiB of 64 MiB", 1, &large, 64 << 10),
        ("range 1 KiB of 64 MiB", 16, &large, 1 << 10),
    ] {
        let (blobs, blob) = (blobs.clone(), blob.clone());
        measure(name, tasks, length, move |call| {
            let (blobs, blob) = (blobs.clone(), blob.clone());
            async move { read(&blobs, &blob, call, length).await }
        })
        .await;
    }
    for (name, tasks, size) in [
        ("put 17 KiB", 1, 17 << 10),
        ("put 17 KiB", 16, 17 << 10),
        ("put 1 MiB", 8, 1 << 20),
        ("put 64 MiB", 2, 64 << 20),
    ] {
        let blobs = blobs.clone();
        measure(name, tasks, size, move |call| {
            let blobs = blobs.clone();
            async move { drop(put(&blobs, 3 + call, size).await) }
        })
        .await;
    }
}

async fn measure<F: Future<Output = ()> + Send>(
    name: &str,
    tasks: usize,
    size: u64,
    call: impl Fn(u64) -> F + Send + Sync + 'static,
) {
    let mut words = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'));
    if words.next().is_some_and(|word| !name.contains(&word)) {
        return;
    }
    let (call, calls) = (Arc::new(call), Arc::new(AtomicU64::new(0)));
    let (begin, cpu) = (Instant::now(), cpu_seconds());
    let running: Vec<_> = (0..tasks)
        .map(|_| {
            let (call, calls) = (Arc::clone(&call), Arc::clone(&calls));
            tokio::spawn(async move {
                while begin.elapsed() < TIME {
                    call(calls.fetch_add(1, Ordering::Relaxed)).await;
                }
            })
        })
        .collect();
    for task in running {
        task.await.unwrap();
    }
    let (seconds, cpu) = (begin.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let calls = calls.load(Ordering::Relaxed) as f64;
    let megabytes = calls * size as f64 / 1e6;
    println!(
        "{name:<28}{tasks:>8}{:>12.0}{:>12.0}{:>14.3}",
        calls / seconds,
        megabytes / seconds,
        cpu * 1e3 / calls
    );
}

async fn put(blobs: &Blobs, seed: u64, size: u64) -> BlobRef {
    let mut frame = vec![0x5a; FRAME];
    frame[..8].copy_from_slice(&seed.to_le_bytes());
    let frame = Bytes::from(frame);
    let mut ingest = blobs.begin(&HashPlan::file(Vec::new()), Some(size));
    let mut left = size as usize;
    while left > 0 {
        let bytes = frame.slice(..left.min(FRAME));
        left -= bytes.len();
        ingest.write(bytes).await.unwrap();
    }
    let published: Published = ingest.finish().publish().await.unwrap();
    let Placement::Stored(receipt) = published.placement else {
        panic!("the content is too small");
    };
    BlobRef {
        backend_id: receipt.backend_id,
        object_key: receipt.object_key,
        address: published.digests.address,
        size_bytes: size,
    }
}

/// Reads so many bytes at a place that differs with every call.
async fn read(blobs: &Blobs, blob: &BlobRef, call: u64, length: u64) {
    let places = blob.size_bytes - length + 1;
    let start = call.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31) % places;
    let mut reader = blobs.read(blob, start..start + length).await.unwrap();
    let mut given = 0;
    while let Some(chunk) = reader.try_next().await.unwrap() {
        given += chunk.len() as u64;
    }
    assert_eq!(given, length);
}

/// What this process has used so far, from `/proc/self/stat` in ticks of 10 ms.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit(')').next().unwrap().split_whitespace();
    let ticks: Vec<f64> = fields
        .skip(11)
        .take(2)
        .map(|field| field.parse().unwrap())
        .collect();
    ticks.iter().sum::<f64>() / 100.0
}
