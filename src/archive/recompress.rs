//! Gzip members for a dump whose data in the ZIP is not deflate: decoded, and compressed on the cores at hand.
//!
//! Each block of a fixed size becomes a member of its own, so that the bytes do not depend on the number of cores.

use std::io::{self, Read, Write};
use std::num::NonZero;
use std::thread;

use crate::archive::content::{Check, Declared, fill};
use crate::archive::error::ArchiveError;
use crate::archive::gzip;
use crate::runtime::worker::joined;

const BLOCK: usize = 1024 * 1024;
/// zlib's usual level.
const LEVEL: u32 = 6;
/// More blocks at once would cost more memory than they save time.
const MOST_AT_ONCE: usize = 8;

/// Compresses the dump that `decoded` gives into `output`, and proves that it is what is `declared`.
pub(super) fn write(mut decoded: impl Read, declared: Declared, output: &mut impl Write) -> Result<(), ArchiveError> {
    let at_once = thread::available_parallelism().map_or(1, NonZero::get).min(MOST_AT_ONCE);
    let mut blocks = vec![vec![0; BLOCK]; at_once];
    let mut check = Check::against(declared);
    loop {
        let mut filled = Vec::with_capacity(at_once);
        for block in &mut blocks {
            let count = fill(&mut decoded, block)?;
            check.pass(&block[..count])?;
            filled.push(count);
            if count < BLOCK {
                break;
            }
        }
        for member in compress(&blocks, &filled) {
            let member = member.map_err(ArchiveError::Write)?;
            output.write_all(&member).map_err(ArchiveError::Write)?;
        }
        if filled.last().is_none_or(|count| *count < BLOCK) {
            return check.finish();
        }
    }
}

/// A member for each block, of which the first `filled` bytes count, side by side.
fn compress(blocks: &[Vec<u8>], filled: &[usize]) -> Vec<io::Result<Vec<u8>>> {
    thread::scope(|scope| {
        let workers: Vec<_> = blocks
            .iter()
            .zip(filled)
            .filter(|(_, count)| **count > 0)
            .map(|(block, count)| scope.spawn(|| gzip::member(&block[..*count], LEVEL)))
            .collect();
        workers.into_iter().map(|worker| joined(worker.join())).collect()
    })
}
