//! Limits how much of a tar is read before a member is found: the tar crate reads whole names into memory, whatever length
//! they claim to have.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// The headers of an honest archive of one file are shorter, in bytes.
const LONGEST_HEADERS: u64 = 1024 * 1024;

/// How many bytes a [`Limited`] reader may still return; can be changed while another owns that reader.
#[derive(Debug, Clone, Default)]
pub(super) struct Allowance(Rc<Cell<Option<u64>>>);

/// A reader that fails once its [`Allowance`] is used up.
pub(super) struct Limited<R> {
    pub(super) inner: R,
    pub(super) allowance: Allowance,
}

impl Allowance {
    /// Allows the length of headers from here on.
    pub(super) fn limit(&self) {
        self.0.set(Some(LONGEST_HEADERS));
    }

    /// Allows everything from here on.
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
