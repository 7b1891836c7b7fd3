//! How much of a tar may be read before a member is found: the tar's reader takes long names whole into memory, however
//! long they claim to be.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// Longer headers have no honest archive of one file, in bytes.
const LONGEST_HEADERS: u64 = 1024 * 1024;

/// What a [`Limited`] reader may still give, for whoever no longer holds that reader.
#[derive(Debug, Clone, Default)]
pub(super) struct Allowance(Rc<Cell<Option<u64>>>);

/// A reader that fails once its [`Allowance`] is used up.
pub(super) struct Limited<R> {
    pub(super) inner: R,
    pub(super) allowance: Allowance,
}

impl Allowance {
    /// From here on, as much may be read as headers may be long.
    pub(super) fn limit(&self) {
        self.0.set(Some(LONGEST_HEADERS));
    }

    /// From here on, everything may be read.
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
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.inner.read(&mut buffer[..most])?;
        self.allowance.0.set(Some(left - count as u64));
        Ok(count)
    }
}
