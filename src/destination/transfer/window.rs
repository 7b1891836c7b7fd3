//! A sliding window over the bytes of an upload that were passed to libssh2 and are not yet acknowledged.
//!
//! libssh2 sends all bytes ahead of acknowledgements. The next call must repeat the unacknowledged bytes, followed by new
//! ones (libssh2_sftp_write(3), "WRITE AHEAD").

pub(crate) struct Window {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    limit: usize,
}

impl Window {
    /// A window of up to `limit` bytes.
    pub(crate) fn new(limit: usize) -> Window {
        // Half as much again as the limit, so that each byte is moved to the front at most twice.
        Window { buffer: vec![0; limit + limit.div_ceil(2)], start: 0, end: 0, limit }
    }

    /// The unacknowledged bytes.
    pub(crate) fn in_flight(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Space for up to `max` new bytes. Fill it, then call [`add`](Window::add).
    pub(crate) fn space(&mut self, max: usize) -> &mut [u8] {
        let count = max.min(self.limit - self.in_flight().len());
        if self.end + count > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        &mut self.buffer[self.end..][..count]
    }

    /// Adds the first `count` bytes of the [space](Window::space).
    pub(crate) fn add(&mut self, count: usize) {
        self.end += count;
    }

    /// Removes the first `count` bytes.
    pub(crate) fn acknowledge(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_keep_their_order() {
        let bytes: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        let mut window = Window::new(100);
        let (mut sent, mut arrived) = (0, Vec::new());
        while arrived.len() < bytes.len() {
            let space = window.space(70);
            let count = space.len().min(bytes.len() - sent);
            space[..count].copy_from_slice(&bytes[sent..sent + count]);
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
