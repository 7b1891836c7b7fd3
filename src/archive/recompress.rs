//! Compresses a dump that is not deflated in the ZIP into gzip members, on all cores.
//!
//! Each block of a fixed size becomes a member, so that the bytes do not depend on the number of cores.

use std::io::{self, Read, Write};
use std::num::NonZero;
use std::thread;

use crate::archive::content::{Check, Declared, fill};
use crate::archive::error::ArchiveError;
use crate::archive::gzip;
use crate::runtime::worker::propagate_panic;

const BLOCK: usize = 1024 * 1024;
/// zlib's usual level.
const LEVEL: u32 = 6;
/// More blocks at once would cost more memory than they save time.
const MOST_AT_ONCE: usize = 8;

/// Compresses the dump in `decoded` into `output`, and checks it against `declared`.
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

/// Compresses the first `filled` bytes of each block at the same time; returns a member for each.
fn compress(blocks: &[Vec<u8>], filled: &[usize]) -> Vec<io::Result<Vec<u8>>> {
    thread::scope(|scope| {
        let workers: Vec<_> = blocks
            .iter()
            .zip(filled)
            .filter(|(_, count)| **count > 0)
            .map(|(block, count)| scope.spawn(|| gzip::member(&block[..*count], LEVEL)))
            .collect();
        workers.into_iter().map(|worker| propagate_panic(worker.join())).collect()
    })
}
