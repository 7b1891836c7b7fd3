//! Downloads the whole ZIP, from a server that does not send parts, to a file without a name.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::disk::space;
use crate::runtime::progress::Progress;
use crate::source::client::Answer;
use crate::source::error::SourceError;
use crate::source::remote::TAIL;

const BUFFER: usize = 128 * 1024;
/// The beginning and the smallest size of the record at the end of a ZIP (APPNOTE 4.3.16).
const END_RECORD: &[u8] = b"PK\x05\x06";
const END_RECORD_LENGTH: usize = 22;

/// Writes the body of `answer`, at most `cap` bytes, to a file in `work_directory`; returns the file and its size in bytes.
pub(super) fn download(
    mut answer: Answer<'_>,
    work_directory: &Path,
    cap: u64,
    progress: &Progress,
) -> Result<(File, u64), SourceError> {
    if let Some(size) = answer.length.filter(|size| *size > cap) {
        return Err(SourceError::TooLarge { size, cap });
    }
    let local = |error| SourceError::WorkDirectory { folder: work_directory.to_owned(), source: error };
    space::check_space(work_directory, answer.length.unwrap_or(0)).map_err(local)?;
    let mut file = tempfile::tempfile_in(work_directory).map_err(local)?;
    let bar = progress.bar("Download", answer.length);
    let mut buffer = vec![0; BUFFER];
    let mut size = 0;
    loop {
        let count = answer.body.read(&mut buffer)?;
        if count == 0 {
            if answer.ends_with_connection && is_truncated(&file, size).map_err(local)? {
                return Err(answer.body.broken());
            }
            return Ok((file, size));
        }
        file.write_all(&buffer[..count]).map_err(local)?;
        size += count as u64;
        bar.advance(count);
        if size > cap {
            return Err(SourceError::TooLarge { size, cap });
        }
    }
}

/// Whether `file`, of `size` bytes, is empty, or a ZIP without its end.
fn is_truncated(file: &File, size: u64) -> io::Result<bool> {
    let mut beginning = [0; 2];
    let count = file.read_at(&mut beginning, 0)?;
    if count > 0 && beginning != *b"PK" {
        return Ok(false);
    }
    let length = size.min(TAIL);
    // At most `TAIL`.
    let mut tail = vec![0; length as usize];
    file.read_exact_at(&mut tail, size - length)?;
    Ok(!tail.windows(END_RECORD_LENGTH).any(|record| record.starts_with(END_RECORD)))
}
