//! Faults of the SFTP server.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use russh_sftp::protocol::StatusCode;

use super::sftp::Builder;

type AfterUpload = Box<dyn Fn(&Path) + Send + Sync>;
type ReportedTime = Box<dyn Fn(u32) -> Option<u32> + Send + Sync>;
type Once = Mutex<Option<Box<dyn FnOnce() + Send>>>;

/// The setters of the builder describe the faults.
#[derive(Default)]
pub struct Faults {
    pub(super) no_extensions: bool,
    pub(super) no_dotfiles: bool,
    pub(super) no_removal: bool,
    pub(super) no_rename: bool,
    pub(super) fails_close: bool,
    pub(super) corrupts_writes: bool,
    pub(super) max_read: Option<u32>,
    pub(super) endless_listing: Option<fn(u64) -> String>,
    pub(super) stat_delay: Duration,
    pub(super) sync: RequestFault,
    pub(super) after_upload: Option<AfterUpload>,
    reported_time: Option<ReportedTime>,
    full_after: Option<u64>,
    stall: Option<Limit>,
    cut: Option<Limit>,
    read_cut: Option<Limit>,
    rename_reply: RequestFault,
    before_removal: Once,
    first_write: Once,
    before_cut: Once,
    all_written: AtomicU64,
    all_read: AtomicU64,
    written: AtomicU64,
    read: AtomicU64,
    renames: AtomicU64,
}

/// A fault that occurs once more than `bytes` bytes were transferred, for the first `times` times.
struct Limit {
    bytes: u64,
    times: u64,
    hits: AtomicU64,
}

impl Limit {
    fn new(bytes: u64, times: u64) -> Option<Limit> {
        Some(Limit { bytes, times, hits: AtomicU64::new(0) })
    }

    fn is_hit(&self, transferred: u64) -> bool {
        transferred > self.bytes && self.hits.fetch_add(1, Ordering::SeqCst) < self.times
    }
}

/// A fault that replaces the reply to a request.
#[derive(Debug, Clone, Copy, Default)]
pub enum RequestFault {
    #[default]
    None,
    Status(StatusCode),
    /// The status `SSH_FX_FAILURE`.
    Failure,
    NoReply,
    Disconnect,
}

impl Faults {
    pub(super) fn bytes_written(&self) -> u64 {
        self.all_written.load(Ordering::SeqCst)
    }

    pub(super) fn bytes_read(&self) -> u64 {
        self.all_read.load(Ordering::SeqCst)
    }

    /// The modification time that clients receive.
    pub(super) fn reported_time(&self, modified: u32) -> Option<u32> {
        self.reported_time.as_ref().map_or(Some(modified), |reported| reported(modified))
    }

    pub(super) fn on_write(&self, length: u64) -> RequestFault {
        run(&self.first_write);
        let before = self.written.fetch_add(length, Ordering::SeqCst);
        if self.full_after.is_some_and(|limit| before + length > limit) {
            self.written.fetch_sub(length, Ordering::SeqCst);
            return RequestFault::Failure;
        }
        if self.stall.as_ref().is_some_and(|limit| limit.is_hit(before + length)) {
            return RequestFault::NoReply;
        }
        if self.cut.as_ref().is_some_and(|limit| limit.is_hit(before + length)) {
            self.written.store(0, Ordering::SeqCst);
            run(&self.before_cut);
            return RequestFault::Disconnect;
        }
        self.all_written.fetch_add(length, Ordering::SeqCst);
        RequestFault::None
    }

    pub(super) fn on_read(&self, length: u64) -> RequestFault {
        let before = self.read.fetch_add(length, Ordering::SeqCst);
        if self.read_cut.as_ref().is_some_and(|limit| limit.is_hit(before + length)) {
            self.read.store(0, Ordering::SeqCst);
            return RequestFault::Disconnect;
        }
        self.all_read.fetch_add(length, Ordering::SeqCst);
        RequestFault::None
    }

    /// For a rename that was carried out.
    pub(super) fn on_rename_reply(&self) -> RequestFault {
        let is_first = self.renames.fetch_add(1, Ordering::SeqCst) == 0;
        if is_first { self.rename_reply } else { RequestFault::None }
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
        /// Supports neither `statvfs@openssh.com` nor `fsync@openssh.com`.
        without_extensions() { self.faults.no_extensions = true; }
        /// Refuses to create files with a name that begins with a dot.
        without_dotfiles() { self.faults.no_dotfiles = true; }
        /// Refuses every rename.
        without_renames() { self.faults.no_rename = true; }
        /// Refuses every removal.
        without_removal() { self.faults.no_removal = true; }
        /// Fails every write once `bytes` bytes were written in total, as on a full disk.
        full_after(bytes: u64) { self.faults.full_after = Some(bytes); }
        /// Lists a folder endlessly, with the names `name(0)`, `name(1)` and so on.
        endless_listing(name: fn(u64) -> String) { self.faults.endless_listing = Some(name); }
        /// Fails when a written file is closed.
        failing_close() { self.faults.fails_close = true; }
        /// Flips a bit in the last byte of each write, so that files have the right size and the wrong content.
        corrupting_writes() { self.faults.corrupts_writes = true; }
        /// Sends at most `bytes` bytes in each reply to a read.
        max_read(bytes: u32) { self.faults.max_read = Some(bytes); }
        /// Closes the connection each time that another `bytes` bytes were written, at most `times` times.
        cut_after(bytes: u64, times: u64) { self.faults.cut = Limit::new(bytes, times); }
        /// Closes the connection each time that another `bytes` bytes were read, at most `times` times.
        cut_reads_after(bytes: u64, times: u64) { self.faults.read_cut = Limit::new(bytes, times); }
        /// Runs `action` on each written file (a path on this machine) before replying to its close.
        after_upload(action: impl Fn(&Path) + Send + Sync + 'static) {
            self.faults.after_upload = Some(Box::new(action));
        }
        /// Maps each modification time (seconds since 1970) that clients receive; `None` omits it.
        mapping_times(reported: impl Fn(u32) -> Option<u32> + Send + Sync + 'static) {
            self.faults.reported_time = Some(Box::new(reported));
        }
        /// Stops replying to writes once `bytes` bytes were written in total.
        stall_after(bytes: u64) { self.faults.stall = Limit::new(bytes, u64::MAX); }
        /// Does not reply to the first `writes` writes after `bytes` bytes in total.
        stall_writes(bytes: u64, writes: u64) { self.faults.stall = Limit::new(bytes, writes); }
        /// Carries out the first rename, but closes the connection instead of replying.
        disconnecting_after_rename() { self.faults.rename_reply = RequestFault::Disconnect; }
        /// Carries out the first rename, but never replies to it.
        silent_after_rename() { self.faults.rename_reply = RequestFault::NoReply; }
        /// Runs `action` before the first removal.
        before_removal(action: impl FnOnce() + Send + 'static) {
            self.faults.before_removal = Mutex::new(Some(Box::new(action)));
        }
        /// Delays the reply to each `stat`, as on a slow line.
        stat_delay(delay: Duration) { self.faults.stat_delay = delay; }
        /// Replies to `fsync@openssh.com` with `fault`, without syncing.
        sync_fault(fault: RequestFault) { self.faults.sync = fault; }
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
