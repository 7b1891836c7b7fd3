//! Compresses a dump that is not deflated in the ZIP into gzip members, using several cores.
//!
//! Each block of a fixed size becomes a member, so that the result does not depend on the number of cores.

use std::io::{self, Read, Write};
use std::num::NonZero;
use std::thread;

use crate::archive::content::{Check, Declared, fill};
use crate::archive::error::ArchiveError;
use crate::archive::gzip;
use crate::runtime::worker::propagate_panic;

const BLOCK: usize = 1024 * 1024;
/// zlib's default level.
const LEVEL: u32 = 6;
/// Maximum number of blocks at the same time: more would cost memory and save little time.
const MAX_PARALLEL: usize = 8;

/// Compresses the dump in `decoded` to `output`, and checks it against `declared`.
pub(super) fn write(mut decoded: impl Read, declared: Declared, output: &mut impl Write) -> Result<(), ArchiveError> {
    let parallel = thread::available_parallelism().map_or(1, NonZero::get).min(MAX_PARALLEL);
    let mut blocks = vec![vec![0; BLOCK]; parallel];
    let mut check = Check::new(declared);
    loop {
        let mut filled = Vec::with_capacity(parallel);
        for block in &mut blocks {
            let count = fill(&mut decoded, block)?;
            check.update(&block[..count])?;
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

/// Compresses the first `filled` bytes of each block in parallel; returns a member for each.
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
