//! One whole download of the ZIP, for servers that do not send parts: streamed to a file without a name.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use super::SourceError;
use super::client::Answer;
use crate::progress::Progress;

const BUFFER: usize = 128 * 1024;

/// Keeps all that `answer` brings, at most `cap` bytes, in `work_directory`. Gives the file and its size in bytes.
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
    let mut file = tempfile::tempfile_in(work_directory).map_err(local)?;
    let bar = progress.bar("Download", answer.length);
    let mut buffer = vec![0; BUFFER];
    let mut size = 0;
    loop {
        let count = answer.body.read(&mut buffer)?;
        if count == 0 {
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
