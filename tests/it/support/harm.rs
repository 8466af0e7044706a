//! Damage to stored files.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Changes a bit.
pub fn flip(path: &Path, at: usize) {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .expect("it is there");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at as u64)
        .expect("it is so long");
    file.write_all_at(&[byte[0] ^ 1], at as u64)
        .expect("it is written");
}

/// Makes it so long.
pub fn cut(path: &Path, length: usize) {
    let file = OpenOptions::new()
        .write(true)
        .open(path)
        .expect("it is there");
    file.set_len(length as u64).expect("it is cut");
}
