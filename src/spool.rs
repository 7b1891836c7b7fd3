//! A file that one side still writes while others read it, and that knows when it is complete.
//!
//! The file has no name: it takes space in the work directory while the run lasts, and is gone however the run
//! ends.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

/// The writing side. Dropping it before [`finish`](SpoolWriter::finish) makes every read fail.
#[derive(Debug)]
pub struct SpoolWriter {
    shared: Arc<Shared>,
    hasher: Sha256,
    finished: bool,
}

/// The reading side. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Spool {
    shared: Arc<Shared>,
}

/// What a complete spool holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
}

#[derive(Debug)]
struct Shared {
    file: File,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    written: u64,
    end: End,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Growing,
    Complete(Content),
    Abandoned,
}

/// An empty spool in `folder`.
///
/// # Errors
/// If no file can be made there.
pub fn create(folder: &Path) -> io::Result<(SpoolWriter, Spool)> {
    let shared = Arc::new(Shared {
        file: tempfile::tempfile_in(folder)?,
        state: Mutex::new(State { written: 0, end: End::Growing }),
        changed: Condvar::new(),
    });
    let writer = SpoolWriter { shared: shared.clone(), hasher: Sha256::new(), finished: false };
    Ok((writer, Spool { shared }))
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, end: End) {
        self.state().end = end;
        self.changed.notify_all();
    }

    /// Waits until more than `offset` bytes are written, or no more will be.
    fn wait_beyond(&self, offset: u64) -> (u64, End) {
        let mut state = self.state();
        while state.written <= offset && matches!(state.end, End::Growing) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        (state.written, state.end)
    }
}

impl Write for SpoolWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Only this writer changes `written`.
        let offset = self.shared.state().written;
        let count = self.shared.file.write_at(bytes, offset)?;
        self.hasher.update(&bytes[..count]);
        self.shared.state().written += count as u64;
        self.shared.changed.notify_all();
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SpoolWriter {
    /// All is written: readers come to an end.
    pub fn finish(mut self) -> Content {
        self.finished = true;
        let sha256 = std::mem::take(&mut self.hasher).finalize().into();
        let content = Content { size: self.shared.state().written, sha256 };
        self.shared.end(End::Complete(content));
        content
    }
}

impl Drop for SpoolWriter {
    fn drop(&mut self) {
        if !self.finished {
            self.shared.end(End::Abandoned);
        }
    }
}

impl Spool {
    /// Reads from the beginning; a read waits for the writer where it is ahead of it.
    pub fn reader(&self) -> SpoolReader {
        SpoolReader { shared: self.shared.clone(), offset: 0 }
    }

    /// What the spool holds, once its writer has finished.
    ///
    /// # Errors
    /// If the writer gave up.
    pub fn wait_until_complete(&self) -> io::Result<Content> {
        match self.shared.wait_beyond(u64::MAX).1 {
            End::Complete(content) => Ok(content),
            End::Growing | End::Abandoned => Err(abandoned()),
        }
    }
}

/// Reads a [`Spool`] from its beginning.
#[derive(Debug)]
pub struct SpoolReader {
    shared: Arc<Shared>,
    offset: u64,
}

impl Read for SpoolReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let (written, end) = self.shared.wait_beyond(self.offset);
        if matches!(end, End::Abandoned) {
            return Err(abandoned());
        }
        let available = usize::try_from(written - self.offset).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.shared.file.read_at(&mut buffer[..available], self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

fn abandoned() -> io::Error {
    io::Error::other("the archive was not completed")
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_reader_follows_the_writer_to_the_end() {
        let (mut writer, spool) = create(&std::env::temp_dir()).unwrap();
        let mut reader = spool.reader();
        let reading = thread::spawn(move || {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).map(|_| bytes)
        });
        for part in [b"one ".as_slice(), b"two ", b"three"] {
            writer.write_all(part).unwrap();
            thread::yield_now();
        }
        let content = writer.finish();
        assert_eq!(reading.join().unwrap().unwrap(), b"one two three");
        assert_eq!(content.size, 13);
        assert_eq!(content.sha256[..4], Sha256::digest(b"one two three")[..4]);
        assert_eq!(spool.wait_until_complete().unwrap(), content);
    }

    #[test]
    fn a_writer_that_gives_up_fails_its_readers() {
        let (mut writer, spool) = create(&std::env::temp_dir()).unwrap();
        writer.write_all(b"half").unwrap();
        let mut reader = spool.reader();
        let reading = thread::spawn(move || reader.read_to_end(&mut Vec::new()).is_err());
        drop(writer);
        assert!(reading.join().unwrap());
        assert!(spool.wait_until_complete().is_err());
    }
}
