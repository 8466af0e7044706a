//! The BLAKE3 tree of a blob, cut off at groups of chunks: made while the bytes stream by, and
//! walked to check any range of them against the content address.
//!
//! The stored form is the post-order outboard of `bao-tree` with the same group size: for every
//! inner node above the groups the chaining values of its two children, 64 bytes, children first,
//! so that the pair of the root is the last. Post-order is the order in which a stream completes
//! the nodes. Reads no file: pairs come from a closure, and a pair is believed only when it hashes
//! to what its parent says.

use std::ops::Range;

use blake3::hazmat::{
    ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root,
};

use crate::domain::digest::ContentAddress;

/// How many bytes one leaf of the stored tree covers. A range is read and hashed from group to group:
/// on random ranges of 64 KiB, groups of 16, 32, 64 and 128 KiB took about 39, 42, 49 and 72 µs of CPU
/// (`benches/blobs.rs`, on a busy machine). Whole reads did not tell them apart. The tree, which is
/// held in memory while bytes stream in, takes 4, 2, 1 and 0.5 MiB for a GiB of content.
pub const GROUP_BYTES: u64 = 32 * 1024;

/// How many bytes one stored node takes: two chaining values.
pub const PAIR_BYTES: u64 = 64;

/// How many groups so many bytes make; none makes one.
pub fn group_count(size_bytes: u64) -> u64 {
    size_bytes.div_ceil(GROUP_BYTES).max(1)
}

/// How long the stored tree of so many bytes is; zero for a single group.
pub fn tree_bytes(size_bytes: u64) -> u64 {
    (group_count(size_bytes) - 1) * PAIR_BYTES
}

/// The smallest range of whole groups that holds a range of bytes.
pub fn whole_groups(range: &Range<u64>, size_bytes: u64) -> Range<u64> {
    let start = range.start / GROUP_BYTES * GROUP_BYTES;
    start..range.end.next_multiple_of(GROUP_BYTES).min(size_bytes)
}

/// Computes the address and the tree of bytes as they come, hashing each once. Holds the stored form
/// in memory: 2 MiB for a GiB of content, and at most 10 MiB, since no blob is larger than 5 GiB.
#[derive(Debug, Clone)]
pub struct TreeBuilder {
    group: blake3::Hasher,
    group_bytes: u64,
    closed_groups: u64,
    /// The roots of the complete subtrees to the left, the largest first.
    subtrees: Vec<ChainingValue>,
    pairs: Vec<u8>,
}

impl Default for TreeBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl TreeBuilder {
    /// A builder that has seen nothing.
    pub fn new() -> Self {
        Self {
            group: blake3::Hasher::new(),
            group_bytes: 0,
            closed_groups: 0,
            subtrees: Vec::new(),
            pairs: Vec::new(),
        }
    }

    /// How many bytes came so far.
    pub fn size_bytes(&self) -> u64 {
        self.closed_groups * GROUP_BYTES + self.group_bytes
    }

    /// Takes the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            // Closed only now: a full group that nothing follows may be the root.
            if self.group_bytes == GROUP_BYTES {
                self.close_group();
            }
            let room = (GROUP_BYTES - self.group_bytes) as usize;
            let (head, rest) = bytes.split_at(room.min(bytes.len()));
            self.group.update(head);
            self.group_bytes += head.len() as u64;
            bytes = rest;
        }
    }

    /// The address, and the stored form of the tree, which is empty for a single group.
    pub fn finish(mut self) -> (ContentAddress, Vec<u8>) {
        if self.closed_groups == 0 {
            let root = self.group.finalize();
            return (ContentAddress(*root.as_bytes()), self.pairs);
        }
        let mut right = self.group.finalize_non_root();
        while let Some(left) = self.subtrees.pop() {
            self.keep_pair(&left, &right);
            right = if self.subtrees.is_empty() {
                *merge_subtrees_root(&left, &right, Mode::Hash).as_bytes()
            } else {
                merge_subtrees_non_root(&left, &right, Mode::Hash)
            };
        }
        (ContentAddress(right), self.pairs)
    }

    fn close_group(&mut self) {
        let mut value = self.group.finalize_non_root();
        self.closed_groups += 1;
        // More bytes follow, so none of these can be the root.
        for _ in 0..self.closed_groups.trailing_zeros() {
            let left = self.subtrees.pop().expect("a full subtree has a left half");
            self.keep_pair(&left, &value);
            value = merge_subtrees_non_root(&left, &value, Mode::Hash);
        }
        self.subtrees.push(value);
        self.group = blake3::Hasher::new();
        self.group
            .set_input_offset(self.closed_groups * GROUP_BYTES);
        self.group_bytes = 0;
    }

    fn keep_pair(&mut self, left: &ChainingValue, right: &ChainingValue) {
        self.pairs.extend_from_slice(left);
        self.pairs.extend_from_slice(right);
    }
}

/// What a check found wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A stored pair is missing or is not what its parent names: the tree can be computed anew.
    #[error("the stored hash tree does not match the content address")]
    Tree,
    /// The bytes are not those of the address.
    #[error("the bytes do not match the content address")]
    Bytes,
}

/// A walk over a range of a blob from left to right, which knows the true chaining value of every
/// node still to come.
#[derive(Debug, Clone)]
pub struct Walk {
    range: Range<u64>,
    size_bytes: u64,
    /// The next node is the last.
    pending: Vec<Node>,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    first_group: u64,
    groups: u64,
    first_pair: u64,
    value: ChainingValue,
    is_root: bool,
}

impl Node {
    fn bytes(&self, size_bytes: u64) -> Range<u64> {
        let start = self.first_group * GROUP_BYTES;
        start..(start + self.groups * GROUP_BYTES).min(size_bytes)
    }

    /// The position of the node's own pair: after those of its children.
    fn pair(&self) -> u64 {
        self.first_pair + self.groups - 2
    }

    fn children(&self, pair: &[u8; PAIR_BYTES as usize]) -> Result<(Self, Self), Damage> {
        let mut values = [[0; 32]; 2];
        values[0].copy_from_slice(&pair[..32]);
        values[1].copy_from_slice(&pair[32..]);
        let parent = if self.is_root {
            *merge_subtrees_root(&values[0], &values[1], Mode::Hash).as_bytes()
        } else {
            merge_subtrees_non_root(&values[0], &values[1], Mode::Hash)
        };
        if parent != self.value {
            return Err(Damage::Tree);
        }
        let left_groups = self.groups.next_power_of_two() / 2;
        let left = Self {
            first_group: self.first_group,
            groups: left_groups,
            first_pair: self.first_pair,
            value: values[0],
            is_root: false,
        };
        let right = Self {
            first_group: self.first_group + left_groups,
            groups: self.groups - left_groups,
            first_pair: self.first_pair + left_groups - 1,
            value: values[1],
            is_root: false,
        };
        Ok((left, right))
    }

    fn check(&self, bytes: &[u8]) -> Result<(), Damage> {
        let mut hasher = blake3::Hasher::new();
        let value = if self.is_root {
            *hasher.update(bytes).finalize().as_bytes()
        } else {
            hasher.set_input_offset(self.first_group * GROUP_BYTES);
            hasher.update(bytes).finalize_non_root()
        };
        if value == self.value {
            Ok(())
        } else {
            Err(Damage::Bytes)
        }
    }
}

impl Walk {
    /// A walk over the whole groups that hold `range`, in a blob of this address and size.
    pub fn new(address: ContentAddress, size_bytes: u64, range: &Range<u64>) -> Self {
        let root = Node {
            first_group: 0,
            groups: group_count(size_bytes),
            first_pair: 0,
            value: address.0,
            is_root: true,
        };
        Self {
            range: whole_groups(range, size_bytes),
            size_bytes,
            pending: vec![root],
        }
    }

    /// The range of whole groups that is still to be checked.
    pub fn remaining(&self) -> Range<u64> {
        self.range.clone()
    }

    /// Checks the next bytes: whole groups, or up to the end of the blob. `pair` gives the stored
    /// pair of a number, counted from the start of the tree, and is asked for as few as the range
    /// allows: a subtree that lies in `bytes` as a whole is hashed as a whole. An error ends the
    /// walk.
    pub fn check<E: From<Damage>>(
        &mut self,
        bytes: &[u8],
        mut pair: impl FnMut(u64) -> Result<[u8; PAIR_BYTES as usize], E>,
    ) -> Result<(), E> {
        let start = self.range.start;
        let end = start + bytes.len() as u64;
        assert!(
            end <= self.range.end && (end.is_multiple_of(GROUP_BYTES) || end == self.range.end),
            "whole groups are checked"
        );
        if bytes.is_empty() && self.size_bytes > 0 {
            return Ok(());
        }
        while let Some(node) = self.pending.last().copied() {
            let covers = node.bytes(self.size_bytes);
            if covers.start >= end && !bytes.is_empty() {
                break;
            }
            self.pending.pop();
            if covers.end <= start && !bytes.is_empty() {
                continue;
            }
            if covers.start >= start && covers.end <= end {
                let (from, to) = (covers.start - start, covers.end - start);
                node.check(&bytes[from as usize..to as usize])?;
            } else {
                let (left, right) = node.children(&pair(node.pair())?)?;
                self.pending.push(right);
                self.pending.push(left);
            }
        }
        self.range.start = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bao_tree::BlockSize;
    use bao_tree::io::outboard::PostOrderMemOutboard;
    use proptest::prelude::{ProptestConfig, any, proptest};

    use super::*;

    const GROUP: usize = GROUP_BYTES as usize;

    fn content(size: usize) -> Vec<u8> {
        let bytes = (0u32..).flat_map(|word| word.wrapping_mul(2_654_435_761).to_le_bytes());
        bytes.take(size).collect()
    }

    fn build(bytes: &[u8], step: usize) -> (ContentAddress, Vec<u8>) {
        let mut builder = TreeBuilder::new();
        for chunk in bytes.chunks(step) {
            builder.update(chunk);
        }
        assert_eq!(builder.size_bytes(), bytes.len() as u64);
        builder.finish()
    }

    /// The sizes around every change of shape.
    fn sizes() -> Vec<usize> {
        let mut sizes = vec![0, 1, 1023, 1024, 1025];
        for groups in 1..=9 {
            sizes.extend([groups * GROUP - 1, groups * GROUP, groups * GROUP + 1]);
        }
        sizes
    }

    fn check(
        address: ContentAddress,
        tree: &[u8],
        bytes: &[u8],
        range: &Range<u64>,
        step: usize,
    ) -> Result<(), Damage> {
        let mut walk = Walk::new(address, bytes.len() as u64, range);
        loop {
            let groups = walk.remaining();
            let (start, end) = (groups.start as usize, groups.end as usize);
            let end = end.min(start.saturating_add(step * GROUP));
            walk.check(&bytes[start..end], |number| {
                let pair = tree.get(number as usize * 64..number as usize * 64 + 64);
                pair.map(|pair| pair.try_into().unwrap())
                    .ok_or(Damage::Tree)
            })?;
            if walk.remaining().is_empty() {
                return Ok(());
            }
        }
    }

    #[test]
    fn the_tree_is_the_post_order_outboard_of_bao_tree() {
        let log = GROUP_BYTES.trailing_zeros() - 10;
        for size in sizes() {
            let bytes = content(size);
            let expected =
                PostOrderMemOutboard::create(&bytes, BlockSize::from_chunk_log(log as u8));
            for step in [1000, GROUP, 3 * GROUP + 7] {
                let (address, tree) = build(&bytes, step);
                assert_eq!(address.0, *blake3::hash(&bytes).as_bytes(), "{size}");
                assert_eq!(tree, expected.data, "{size}");
                assert_eq!(tree.len() as u64, tree_bytes(size as u64), "{size}");
            }
        }
    }

    #[test]
    fn every_range_of_good_bytes_passes() {
        for size in sizes() {
            let bytes = content(size);
            let (address, tree) = build(&bytes, GROUP);
            let groups = group_count(size as u64);
            for first in 0..groups {
                for last in first..groups {
                    let end = ((last + 1) * GROUP_BYTES).min(size as u64);
                    let range = (first * GROUP_BYTES).min(end)..end;
                    for step in [1, 2, 4, usize::MAX / GROUP] {
                        check(address, &tree, &bytes, &range, step).unwrap();
                    }
                }
            }
        }
    }

    #[test]
    fn a_whole_blob_in_one_piece_needs_no_tree() {
        let bytes = content(5 * GROUP + 9);
        let (address, _) = build(&bytes, GROUP);
        let range = 0..bytes.len() as u64;
        check(address, &[], &bytes, &range, usize::MAX / GROUP).unwrap();
        assert_eq!(check(address, &[], &bytes, &range, 4), Err(Damage::Tree));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn no_flipped_bit_passes(size in 1..8 * GROUP, at in any::<usize>(), bit in 0u8..8,
                                 in_tree in any::<bool>(), step in 1usize..4) {
            let mut bytes = content(size);
            let (address, mut tree) = build(&bytes, GROUP);
            let range = 0..size as u64;
            let expected = if in_tree && !tree.is_empty() {
                let at = at % tree.len();
                tree[at] ^= 1 << bit;
                Damage::Tree
            } else {
                bytes[at % size] ^= 1 << bit;
                Damage::Bytes
            };
            let found = check(address, &tree, &bytes, &range, step);
            // Pairs inside a piece that is hashed as a whole are not even asked for.
            if found.is_ok() {
                assert_eq!(expected, Damage::Tree);
                assert_eq!(ContentAddress(*blake3::hash(&bytes).as_bytes()), address);
            } else {
                assert_eq!(found, Err(expected));
            }
        }
    }
}
