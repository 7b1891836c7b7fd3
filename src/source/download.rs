//! Downloads the whole ZIP to an unnamed file, from a server that does not support ranges.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::disk::space;
use crate::runtime::progress::Progress;
use crate::source::client::ZipResponse;
use crate::source::error::SourceError;
use crate::source::remote::TAIL;

const BUFFER: usize = 128 * 1024;
/// Signature and minimum size of a ZIP's end record (APPNOTE 4.3.16).
const END_RECORD: &[u8] = b"PK\x05\x06";
const END_RECORD_LENGTH: usize = 22;

/// Writes the body of `response`, at most `cap` bytes, to a file in `work_directory`; returns the file and its size in bytes.
pub(super) fn download(
    mut response: ZipResponse<'_>,
    work_directory: &Path,
    cap: u64,
    progress: &Progress,
) -> Result<(File, u64), SourceError> {
    if let Some(size) = response.length.filter(|size| *size > cap) {
        return Err(SourceError::TooLarge { size, cap });
    }
    let work_directory_error = |error| SourceError::WorkDirectory { folder: work_directory.to_owned(), source: error };
    space::check_space(work_directory, response.length.unwrap_or(0)).map_err(work_directory_error)?;
    let mut file = tempfile::tempfile_in(work_directory).map_err(work_directory_error)?;
    let bar = progress.bar("Download", response.length);
    let mut buffer = vec![0; BUFFER];
    let mut size = 0;
    loop {
        let count = response.body.read(&mut buffer)?;
        if count == 0 {
            if response.ends_with_connection && is_truncated(&file, size).map_err(work_directory_error)? {
                return Err(response.body.broken());
            }
            return Ok((file, size));
        }
        file.write_all(&buffer[..count]).map_err(work_directory_error)?;
        size += count as u64;
        bar.advance(count);
        if size > cap {
            return Err(SourceError::TooLarge { size, cap });
        }
    }
}

/// Whether `file`, of `size` bytes, is empty or a ZIP without its end record.
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
