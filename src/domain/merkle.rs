//! The log's tree: leaves, frontier and root, as RFC 6962 hashes them (SHA-256).
//!
//! A leaf is the hash of an event's envelope, never of its payload, so that a payload can be
//! redacted lawfully while the log still verifies. Proofs are made elsewhere, from stored leaves.
//! <https://www.rfc-editor.org/rfc/rfc6962.html#section-2.1>

use sha2::{Digest as _, Sha256};

use crate::domain::cbor::encode::encode_map;
use crate::domain::digest::ContentAddress;
use crate::domain::event::Recorded;
use crate::domain::ids::{Sequence, Timestamp};

/// A hash of the tree.
pub type TreeHash = [u8; 32];

/// The right edge of the tree: enough to append and to know the root. At most 64 hashes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// The roots of the perfect subtrees of the binary form of `size`, largest first.
    subtrees: Vec<TreeHash>,
}

impl Frontier {
    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf hash.
    pub fn push(&mut self, leaf: TreeHash) {
        // Each low 1 bit of the size is a perfect subtree as large as what is carried.
        let carries = self.size.trailing_ones() as usize;
        let kept = self.subtrees.len() - carries;
        let merged = self.subtrees[kept..]
            .iter()
            .rev()
            .fold(leaf, |right, left| hash_node(left, &right));
        self.subtrees.truncate(kept);
        self.subtrees.push(merged);
        self.size += 1;
    }

    /// The root; of the empty tree, the hash of nothing.
    pub fn root(&self) -> TreeHash {
        let mut smallest_first = self.subtrees.iter().rev();
        match smallest_first.next() {
            None => Sha256::digest([]).into(),
            Some(&last) => smallest_first.fold(last, |right, left| hash_node(left, &right)),
        }
    }

    /// The bytes that the log's head keeps: the size in eight bytes, big-endian, and the hashes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.size.to_be_bytes().to_vec();
        bytes.extend(self.subtrees.iter().flatten());
        bytes
    }

    /// The frontier of bytes; `None` if they are not one.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (size, rest) = bytes.split_first_chunk::<8>()?;
        let size = u64::from_be_bytes(*size);
        let (subtrees, rest) = rest.as_chunks::<32>();
        (rest.is_empty() && subtrees.len() == size.count_ones() as usize).then(|| Self {
            size,
            subtrees: subtrees.to_vec(),
        })
    }
}

/// The hash of a leaf with this content.
pub fn hash_leaf(content: &[u8]) -> TreeHash {
    Sha256::new()
        .chain_update([0])
        .chain_update(content)
        .finalize()
        .into()
}

/// The hash of the node above two others.
pub fn hash_node(left: &TreeHash, right: &TreeHash) -> TreeHash {
    Sha256::new()
        .chain_update([1])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// An event without its payload: what a leaf commits to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The position; the leaf's index is one less.
    pub sequence: Sequence,
    /// The type, such as `v1.file.ingested`.
    pub event_type: &'a str,
    /// `package`, `retention`, …
    pub subject_kind: &'a str,
    /// What it is about, as text.
    pub subject_id: &'a str,
    /// Who acted.
    pub actor: &'a str,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// BLAKE3 of the payload.
    pub payload_digest: ContentAddress,
    /// The epoch of the log.
    pub epoch: u64,
}

impl Envelope<'_> {
    /// The canonical CBOR.
    pub fn encode(&self) -> Vec<u8> {
        encode_map(|map| {
            map.text("actor", self.actor);
            map.uint("epoch", self.epoch);
            map.uint("sequence", self.sequence.0);
            map.text("created_at", &self.created_at.to_isoformat());
            map.text("event_type", self.event_type);
            map.text("subject_id", self.subject_id);
            map.text("subject_kind", self.subject_kind);
            map.text("payload_digest", &self.payload_digest.to_string());
        })
    }

    /// The hash of the event's leaf.
    pub fn leaf_hash(&self) -> TreeHash {
        hash_leaf(&self.encode())
    }
}

/// The hash of an event's leaf: of the canonical CBOR of its [`Envelope`].
pub fn leaf_hash(event: &Recorded, epoch: u64) -> TreeHash {
    let subject = event.event.subject();
    let envelope = Envelope {
        sequence: event.sequence,
        event_type: event.event.event_type(),
        subject_kind: subject.kind(),
        subject_id: &subject.id(),
        actor: &event.actor,
        created_at: event.created_at,
        payload_digest: event.payload_digest,
        epoch,
    };
    envelope.leaf_hash()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The leaves and roots of the reference test of Certificate Transparency
    /// (`google/certificate-transparency`, merkletree/merkle_tree_test.cc).
    #[test]
    fn roots_are_those_of_certificate_transparency() {
        let leaves = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ];
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut frontier = Frontier::default();
        assert_eq!(hex::encode(frontier.root()), roots[0]);
        for (leaf, root) in leaves.iter().zip(&roots[1..]) {
            frontier.push(hash_leaf(&hex::decode(leaf).unwrap()));
            assert_eq!(hex::encode(frontier.root()), *root);
        }
    }

    /// RFC 6962, section 2.1, word for word.
    fn naive_root(leaves: &[TreeHash]) -> TreeHash {
        match leaves {
            [] => Sha256::digest([]).into(),
            [leaf] => *leaf,
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                hash_node(&naive_root(&leaves[..split]), &naive_root(&leaves[split..]))
            }
        }
    }

    #[test]
    fn the_frontier_grows_as_the_definition_says_and_survives_its_bytes() {
        let leaves: Vec<TreeHash> = (0..300_u32).map(|i| hash_leaf(&i.to_be_bytes())).collect();
        let mut frontier = Frontier::default();
        for size in 0..=leaves.len() {
            assert_eq!(frontier.size(), size as u64);
            assert_eq!(frontier.root(), naive_root(&leaves[..size]), "{size}");
            let bytes = frontier.to_bytes();
            assert_eq!(Frontier::from_bytes(&bytes), Some(frontier.clone()));
            if let Some(&leaf) = leaves.get(size) {
                frontier.push(leaf);
            }
        }
    }

    #[test]
    fn bytes_that_are_no_frontier_are_refused() {
        let mut frontier = Frontier::default();
        (0..5).for_each(|i| frontier.push([i; 32]));
        let bytes = frontier.to_bytes();
        let mut wrong_size = bytes.clone();
        wrong_size[7] = 7;
        for wrong in [
            &[],
            &bytes[..7],
            &bytes[..39],
            &bytes[..71],
            &wrong_size[..],
        ] {
            assert_eq!(Frontier::from_bytes(wrong), None, "{}", wrong.len());
        }
    }
}
