//! Limits the size of tar headers: the tar crate reads a name into memory however long its header claims it is.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// In bytes. The headers of a genuine archive of one file are smaller.
const MAX_HEADERS: u64 = 1024 * 1024;

/// Number of bytes that a [`Limited`] reader may still return. Shared, so that it can be changed from outside the reader.
#[derive(Debug, Clone, Default)]
pub(super) struct Allowance(Rc<Cell<Option<u64>>>);

/// A reader that fails once its [`Allowance`] is used up.
pub(super) struct Limited<R> {
    pub(super) inner: R,
    pub(super) allowance: Allowance,
}

impl Allowance {
    /// Limits the following reads to the maximum size of headers.
    pub(super) fn limit(&self) {
        self.0.set(Some(MAX_HEADERS));
    }

    /// Removes the limit.
    pub(super) fn lift(&self) {
        self.0.set(None);
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(left) = self.allowance.0.get() else { return self.inner.read(buffer) };
        if left == 0 && !buffer.is_empty() {
            return Err(io::Error::other("the headers do not end"));
        }
        let max = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.inner.read(&mut buffer[..max])?;
        self.allowance.0.set(Some(left - count as u64));
        Ok(count)
    }
}
