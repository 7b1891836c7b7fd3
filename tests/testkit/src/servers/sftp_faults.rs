//! Faults of the SFTP server.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use russh_sftp::protocol::StatusCode;

use super::sftp::Builder;

type AfterUpload = Box<dyn Fn(&Path) + Send + Sync>;
type Shown = Box<dyn Fn(u32) -> Option<u32> + Send + Sync>;
type Once = Mutex<Option<Box<dyn FnOnce() + Send>>>;

/// The faults; see the methods of the same names of the builder.
#[derive(Default)]
pub struct Faults {
    pub(super) no_extensions: bool,
    pub(super) no_dotfiles: bool,
    pub(super) no_removal: bool,
    pub(super) failing_close: bool,
    pub(super) corrupting: bool,
    pub(super) endless_names: Option<fn(u64) -> String>,
    pub(super) stat_takes: Duration,
    pub(super) sync: Disturbance,
    pub(super) after_upload: Option<AfterUpload>,
    times: Option<Shown>,
    full_after: Option<u64>,
    stall_after: Option<(u64, u64)>,
    cut_after: Option<(u64, u64)>,
    cut_reads_after: Option<(u64, u64)>,
    rename_reply: Option<Lost>,
    before_removal: Once,
    first_write: Once,
    before_cut: Once,
    all_written: AtomicU64,
    all_read: AtomicU64,
    written: AtomicU64,
    read: AtomicU64,
    cuts: AtomicU64,
    stalls: AtomicU64,
    read_cuts: AtomicU64,
    renames: AtomicU64,
}

enum Lost {
    ByHangingUp,
    ByFallingSilent,
}

/// A fault that replaces an answer.
#[derive(Debug, Clone, Copy, Default)]
pub enum Disturbance {
    #[default]
    None,
    Status(StatusCode),
    /// The status `SSH_FX_FAILURE`.
    Failure,
    /// The request is never answered.
    Silence,
    /// The connection is closed.
    HangUp,
}

impl Faults {
    pub(super) fn bytes_written(&self) -> u64 {
        self.all_written.load(Ordering::SeqCst)
    }

    pub(super) fn bytes_read(&self) -> u64 {
        self.all_read.load(Ordering::SeqCst)
    }

    /// The modification time that clients see.
    pub(super) fn time_shown(&self, modified: u32) -> Option<u32> {
        self.times.as_ref().map_or(Some(modified), |shown| shown(modified))
    }

    /// The fault of a write of `length` bytes.
    pub(super) fn of_write(&self, length: u64) -> Disturbance {
        run(&self.first_write);
        let before = self.written.fetch_add(length, Ordering::SeqCst);
        if self.full_after.is_some_and(|limit| before + length > limit) {
            self.written.fetch_sub(length, Ordering::SeqCst);
            return Disturbance::Failure;
        }
        if let Some((limit, times)) = self.stall_after
            && before + length > limit
            && self.stalls.fetch_add(1, Ordering::SeqCst) < times
        {
            return Disturbance::Silence;
        }
        if let Some((limit, times)) = self.cut_after
            && before + length > limit
            && self.cuts.fetch_add(1, Ordering::SeqCst) < times
        {
            self.written.store(0, Ordering::SeqCst);
            run(&self.before_cut);
            return Disturbance::HangUp;
        }
        self.all_written.fetch_add(length, Ordering::SeqCst);
        Disturbance::None
    }

    /// The fault of a read of `length` bytes.
    pub(super) fn of_read(&self, length: u64) -> Disturbance {
        let before = self.read.fetch_add(length, Ordering::SeqCst);
        if let Some((limit, times)) = self.cut_reads_after
            && before + length > limit
            && self.read_cuts.fetch_add(1, Ordering::SeqCst) < times
        {
            self.read.store(0, Ordering::SeqCst);
            return Disturbance::HangUp;
        }
        self.all_read.fetch_add(length, Ordering::SeqCst);
        Disturbance::None
    }

    /// The fault in the answer to a rename that was carried out.
    pub(super) fn of_rename_reply(&self) -> Disturbance {
        let is_first = self.renames.fetch_add(1, Ordering::SeqCst) == 0;
        match &self.rename_reply {
            Some(Lost::ByHangingUp) if is_first => Disturbance::HangUp,
            Some(Lost::ByFallingSilent) if is_first => Disturbance::Silence,
            _ => Disturbance::None,
        }
    }

    pub(super) fn before_removal(&self) {
        run(&self.before_removal);
    }
}

fn run(once: &Once) {
    let action = once.lock().unwrap().take();
    if let Some(action) = action {
        action();
    }
}

impl Builder {
    setters! { self;
        /// Knows neither `statvfs@openssh.com` nor `fsync@openssh.com`.
        without_extensions() { self.faults.no_extensions = true; }
        /// Refuses to create files whose name begins with a dot.
        without_dotfiles() { self.faults.no_dotfiles = true; }
        /// Refuses every removal.
        without_removal() { self.faults.no_removal = true; }
        /// Answers `Failure` to every write once `bytes` bytes were written in total, as on a full disk.
        full_after(bytes: u64) { self.faults.full_after = Some(bytes); }
        /// Lists a folder endlessly, with the names `name(0)`, `name(1)` and so on.
        listing_without_end(name: fn(u64) -> String) { self.faults.endless_names = Some(name); }
        /// Answers `Failure` when a written file is closed.
        failing_close() { self.faults.failing_close = true; }
        /// Flips a bit in the last byte of each write: the size is right, the content is not.
        corrupting_writes() { self.faults.corrupting = true; }
        /// Closes the connection once `bytes` more bytes were written, for the first `times` times.
        cut_after(bytes: u64, times: u64) { self.faults.cut_after = Some((bytes, times)); }
        /// Closes the connection once `bytes` more bytes were read, for the first `times` times.
        cut_reads_after(bytes: u64, times: u64) { self.faults.cut_reads_after = Some((bytes, times)); }
        /// Runs `action` on each written file, by its path on this machine, before its close is answered.
        after_upload(action: impl Fn(&Path) + Send + Sync + 'static) {
            self.faults.after_upload = Some(Box::new(action));
        }
        /// Maps each modification time (seconds since 1970) through `shown`; `None` omits it.
        showing_times(shown: impl Fn(u32) -> Option<u32> + Send + Sync + 'static) {
            self.faults.times = Some(Box::new(shown));
        }
    }

    /// Stops answering once `bytes` bytes were written in total.
    pub fn stall_after(self, bytes: u64) -> Builder {
        self.stall_writes(bytes, u64::MAX)
    }

    setters! { self;
        /// Once `bytes` bytes were written in total, does not answer the next `writes` writes.
        stall_writes(bytes: u64, writes: u64) { self.faults.stall_after = Some((bytes, writes)); }
        /// Carries out the first rename, but closes the connection instead of answering.
        losing_the_rename_reply() { self.faults.rename_reply = Some(Lost::ByHangingUp); }
        /// Carries out the first rename, but never answers it.
        silent_after_the_rename() { self.faults.rename_reply = Some(Lost::ByFallingSilent); }
        /// Runs `action` before the first removal.
        before_removal(action: impl FnOnce() + Send + 'static) {
            self.faults.before_removal = Mutex::new(Some(Box::new(action)));
        }
        /// Delays each `stat`, as on a long line.
        stat_takes(pause: Duration) { self.faults.stat_takes = pause; }
        /// Answers `fsync@openssh.com` with `disturbance`, without syncing anything.
        on_sync(disturbance: Disturbance) { self.faults.sync = disturbance; }
        /// Runs `action` before the first write.
        on_first_write(action: impl FnOnce() + Send + 'static) {
            self.faults.first_write = Mutex::new(Some(Box::new(action)));
        }
        /// Runs `action` before the first connection is cut.
        before_cut(action: impl FnOnce() + Send + 'static) {
            self.faults.before_cut = Mutex::new(Some(Box::new(action)));
        }
    }
}
