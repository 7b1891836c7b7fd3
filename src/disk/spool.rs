//! A file without a name that is read while it is written. The system removes it when the process ends.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

use crate::rules::checksum::Digest;

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

/// The content of a complete spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// In bytes.
    pub size: u64,
    pub sha256: Digest,
    /// Before encryption.
    pub plain_sha256: Digest,
}

/// How much of a spool has been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// In bytes.
    pub written: u64,
    pub is_complete: bool,
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

#[derive(Debug, Clone)]
enum End {
    Pending,
    Complete(Content),
    /// The writer was dropped.
    Abandoned,
    /// [`DiscardOnDrop`] was dropped.
    Discarded,
}

/// Creates an empty spool in `folder`.
pub fn create(folder: &Path) -> io::Result<(SpoolWriter, Spool)> {
    let shared = Arc::new(Shared {
        file: tempfile::tempfile_in(folder)?,
        state: Mutex::new(State { written: 0, end: End::Pending }),
        changed: Condvar::new(),
    });
    let writer = SpoolWriter { shared: shared.clone(), hasher: Sha256::new(), finished: false };
    Ok((writer, Spool { shared }))
}

impl State {
    fn extent(&self) -> io::Result<Extent> {
        let extent = |is_complete| Ok(Extent { written: self.written, is_complete });
        match self.end {
            End::Pending => extent(false),
            End::Complete(_) => extent(true),
            End::Abandoned => Err(abandoned()),
            End::Discarded => Err(discarded()),
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has no effect after the first call.
    fn end(&self, end: End) {
        let mut state = self.state();
        if matches!(state.end, End::Pending) {
            state.end = end;
        }
        drop(state);
        self.changed.notify_all();
    }

    fn wait_until(&self, mut is_met: impl FnMut(&State) -> bool) -> MutexGuard<'_, State> {
        let mut state = self.state();
        while !is_met(&state) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state
    }
}

impl Write for SpoolWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Only this writer changes `written`.
        let offset = match *self.shared.state() {
            State { end: End::Discarded, .. } => return Err(discarded()),
            State { written, .. } => written,
        };
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
    /// Marks the spool as complete. `plain` is the SHA-256 before encryption, if it is encrypted.
    pub fn finish(mut self, plain: Option<Digest>) -> Content {
        self.finished = true;
        let size = self.shared.state().written;
        let sha256 = self.hasher.finalize_reset().into();
        let content = Content { size, sha256, plain_sha256: plain.unwrap_or(sha256) };
        self.shared.end(End::Complete(content.clone()));
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
    /// # Errors
    /// If the writer was dropped before the end.
    pub fn extent(&self) -> io::Result<Extent> {
        self.wait_until(|_| true)
    }

    /// Waits until `is_met` is true for the extent. It is called at each change and each [`nudge`](Spool::nudge), and must
    /// not use this spool.
    ///
    /// # Errors
    /// If the writer is dropped before the end.
    pub fn wait_until(&self, mut is_met: impl FnMut(Extent) -> bool) -> io::Result<Extent> {
        self.shared.wait_until(|state| state.extent().map_or(true, &mut is_met)).extent()
    }

    /// Makes all waiting readers check their conditions again.
    pub fn nudge(&self) {
        // A reader that has checked its condition but is not waiting yet holds the lock.
        drop(self.shared.state());
        self.shared.changed.notify_all();
    }

    /// The content, once the writer has finished.
    ///
    /// # Errors
    /// If the writer is dropped before the end.
    pub fn wait_until_complete(&self) -> io::Result<Content> {
        match &self.shared.wait_until(|state| !matches!(state.end, End::Pending)).end {
            End::Complete(content) => Ok(content.clone()),
            End::Discarded => Err(discarded()),
            End::Pending | End::Abandoned => Err(abandoned()),
        }
    }

    /// Reads from `offset` without waiting; returns 0 if nothing has been written there.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let written = self.shared.state().written;
        let available = usize::try_from(written.saturating_sub(offset)).unwrap_or(usize::MAX).min(buffer.len());
        if available == 0 { Ok(0) } else { self.shared.file.read_at(&mut buffer[..available], offset) }
    }

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// If reading fails, or so much has not been written there.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.shared.file.read_exact_at(buffer, offset)
    }

    /// Writing fails once the result is dropped, unless the spool is complete by then.
    pub fn discard_on_drop(&self) -> DiscardOnDrop<'_> {
        DiscardOnDrop(self)
    }

    /// Whether the writer was dropped before the end.
    pub fn is_abandoned(&self) -> bool {
        matches!(self.shared.state().end, End::Abandoned)
    }

    /// Whether [`DiscardOnDrop`] was dropped before the end.
    pub fn is_discarded(&self) -> bool {
        matches!(self.shared.state().end, End::Discarded)
    }
}

/// See [`Spool::discard_on_drop`].
#[derive(Debug)]
pub struct DiscardOnDrop<'a>(&'a Spool);

impl Drop for DiscardOnDrop<'_> {
    fn drop(&mut self) {
        self.0.shared.end(End::Discarded);
    }
}

fn abandoned() -> io::Error {
    io::Error::other("the archive was not completed")
}

fn discarded() -> io::Error {
    io::Error::other("the archive is no longer needed")
}
