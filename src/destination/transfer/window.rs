//! The bytes that are on their way to the server: handed to libssh2 and not acknowledged yet.
//!
//! libssh2 sends ahead of acknowledgements as far as it was given bytes, and wants what is not acknowledged again in
//! the next call, with more behind it (libssh2_sftp_write(3), "WRITE AHEAD").

/// A sliding window over a file's bytes.
pub(crate) struct Window {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    limit: usize,
}

impl Window {
    /// One for at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Window {
        // Twice as long, so that bytes are moved to the front once only.
        Window { buffer: vec![0; 2 * limit], start: 0, end: 0, limit }
    }

    /// What is not acknowledged.
    pub(crate) fn in_flight(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Where more bytes go, at most `most`. Those that are filled are to be [added](Window::add).
    pub(crate) fn room(&mut self, most: usize) -> &mut [u8] {
        let count = most.min(self.limit - self.in_flight().len());
        if self.end + count > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        &mut self.buffer[self.end..][..count]
    }

    /// The first `count` bytes of the [room](Window::room) are filled.
    pub(crate) fn add(&mut self, count: usize) {
        self.end += count;
    }

    /// The first `count` bytes in flight have arrived.
    pub(crate) fn acknowledge(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_in_the_order_in_which_they_went_in() {
        let bytes: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        let mut window = Window::new(100);
        let (mut sent, mut arrived) = (0, Vec::new());
        while arrived.len() < bytes.len() {
            let room = window.room(70);
            let count = room.len().min(bytes.len() - sent);
            room[..count].copy_from_slice(&bytes[sent..sent + count]);
            window.add(count);
            sent += count;
            assert!(window.in_flight().len() <= 100);
            let count = window.in_flight().len().div_ceil(3);
            arrived.extend_from_slice(&window.in_flight()[..count]);
            window.acknowledge(count);
        }
        assert!(arrived == bytes);
    }
}
