//! What one pass over the bytes costs, together and apart, and what the size of a group changes.
//!
//! `cargo bench --bench hashing`

#![allow(missing_docs, reason = "a benchmark is read, not called")]

use divan::Bencher;
use divan::counter::BytesCount;
use holdfast::domain::digest::ChecksumAlgorithm;
use holdfast::domain::hash_tree::TreeBuilder;
use holdfast::domain::hashers::{HashPlan, Hashers, WholeHasher};

fn main() {
    divan::main();
}

const SIZES: [usize; 3] = [4 << 10, 64 << 10, 1 << 20];
/// What a connection hands over at a time.
const FRAME: usize = 64 << 10;

fn run(bencher: Bencher, size: usize, plan: &HashPlan) {
    let bytes = vec![0x5a; size];
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        let mut hashers = Hashers::new(plan);
        for frame in bytes.chunks(FRAME) {
            hashers.update(frame);
        }
        hashers.finish()
    });
}

#[divan::bench(args = SIZES)]
fn file(bencher: Bencher, size: usize) {
    run(bencher, size, &HashPlan::file(Vec::new()));
}

#[divan::bench(args = SIZES)]
fn file_with_crc64(bencher: Bencher, size: usize) {
    let plan = HashPlan::file(vec![ChecksumAlgorithm::Crc64Nvme]);
    run(bencher, size, &plan);
}

#[divan::bench(args = SIZES)]
fn part(bencher: Bencher, size: usize) {
    run(bencher, size, &HashPlan::part(Vec::new()));
}

#[divan::bench(args = SIZES)]
fn whole(bencher: Bencher, size: usize) {
    let bytes = vec![0x5a; size];
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        let mut hasher = WholeHasher::new();
        hasher.update(&bytes);
        hasher.digests()
    });
}

#[divan::bench(args = SIZES)]
fn tree(bencher: Bencher, size: usize) {
    let bytes = vec![0x5a; size];
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        let mut builder = TreeBuilder::new();
        for frame in bytes.chunks(FRAME) {
            builder.update(frame);
        }
        builder.finish()
    });
}

/// A MiB of BLAKE3 in groups of so many KiB, without the tree: what the choice of the group costs.
#[divan::bench(args = [1, 4, 16, 32, 64, 128, 1024])]
fn group(bencher: Bencher, kib: usize) {
    let bytes = vec![0x5a; 1 << 20];
    bencher
        .counter(BytesCount::new(1usize << 20))
        .bench_local(|| {
            let mut last = None;
            for group in bytes.chunks(kib << 10) {
                last = Some(blake3::Hasher::new().update(group).finalize());
            }
            last
        });
}
