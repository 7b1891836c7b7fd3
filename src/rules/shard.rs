//! Divides jobs among machines.

use sha2::{Digest as _, Sha256};

/// Whether the job `name` belongs to the machine `index` (from 0) of `count`, at least 1: the first 8 bytes of the name's
/// SHA-256, read as a big-endian number, leave the remainder `index` when divided by `count`.
pub fn is_in_shard(name: &str, index: u64, count: u64) -> bool {
    let hash = Sha256::digest(name);
    let number = hash.iter().take(8).fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    number % count == index
}
