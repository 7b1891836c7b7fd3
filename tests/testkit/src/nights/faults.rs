//! The random faults of a soak, and the exit codes that each allows.

use std::time::Duration;

use fastrand::Rng;
use russh_sftp::protocol::StatusCode;

use super::model::Existing;
use crate::servers::sftp_faults::RequestFault;
use crate::servers::sftp_watch::Moment;
use crate::servers::{https, sftp};

/// More than the attempts of any run.
const ALWAYS: u64 = 1000;

#[derive(Debug, Clone)]
pub enum Fault {
    None,
    /// The web server closes the connection: bytes of a body before, number of times.
    WebCut(u64, u64),
    /// The web server stops sending: bytes of a body before, number of times.
    WebStall(u64, u64),
    /// The web server answers 503: number of times.
    WebUnavailable(u64),
    /// The ZIP is replaced before the request with this number.
    ZipChanges(u64),
    /// The SFTP connection is closed at the request with this number, before or after it is carried out.
    RequestCut(u64, Moment),
    /// The SFTP connection is closed: after bytes written, number of times.
    WritesCut(u64, u64),
    /// The SFTP connection is closed: after bytes read, number of times.
    ReadsCut(u64, u64),
    /// The first rename is carried out, but its reply is lost.
    RenameReplyLost,
    /// The SFTP server refuses the connections with these numbers: first, end (exclusive).
    Rejected(u64, u64),
    /// The SFTP server's disk is full after this number of bytes.
    DiskFull(u64),
    /// The SFTP server's reply to `fsync@openssh.com`.
    Sync(RequestFault),
    /// The web server's clock is ahead by this number of hours.
    WrongClock(i64),
    /// The program is killed after this duration.
    Killed(Duration),
    MailRefused,
    WebhookRefuses,
}

impl Fault {
    /// A random fault for a ZIP of `zip_size` bytes; a run without faults usually takes `usual`.
    pub fn random(zip_size: u64, usual: Duration, random: &mut Rng) -> Fault {
        if random.f64() < 0.3 {
            return Fault::None;
        }
        let mut bytes = || random.u64(..zip_size.div_ceil(2));
        let (some, few) = (bytes(), bytes() / 8);
        let times = |random: &mut Rng| if random.f64() < 0.75 { random.u64(1..=2) } else { ALWAYS };
        match random.usize(1..16) {
            1 => Fault::WebCut(some, times(random)),
            // Stalls are slow, so they are half as frequent.
            2 if random.bool() => Fault::WebStall(some, if random.f64() < 0.8 { 1 } else { ALWAYS }),
            2 | 3 => Fault::WebUnavailable(times(random)),
            4 => Fault::ZipChanges(random.u64(2..=4)),
            5 => {
                let moment = if random.bool() { Moment::Before } else { Moment::After };
                Fault::RequestCut(random.u64(1..=60), moment)
            }
            6 => Fault::WritesCut(some / 4, times(random)),
            7 => Fault::ReadsCut(some / 4, times(random)),
            8 => Fault::RenameReplyLost,
            9 => {
                let first = random.u64(1..=3);
                Fault::Rejected(first, if random.bool() { first + random.u64(1..=2) } else { ALWAYS })
            }
            10 => Fault::DiskFull(few),
            11 => Fault::Sync(match random.u8(0..3) {
                0 => RequestFault::Disconnect,
                1 => RequestFault::Failure,
                _ => RequestFault::Status(StatusCode::OpUnsupported),
            }),
            12 => Fault::WrongClock([-50, -26, -22, 22, 26, 50][random.usize(0..6)]),
            13 => Fault::Killed(usual.mul_f64(random.f64() * 1.1)),
            14 => Fault::MailRefused,
            _ => Fault::WebhookRefuses,
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Fault::None => "none",
            Fault::WebCut(..) => "web server closes the connection",
            Fault::WebStall(..) => "web server stalls",
            Fault::WebUnavailable(_) => "web server answers 503",
            Fault::ZipChanges(_) => "ZIP changes between requests",
            Fault::RequestCut(..) => "SFTP connection lost at any request",
            Fault::WritesCut(..) => "SFTP connection lost at a write",
            Fault::ReadsCut(..) => "SFTP connection lost at a read",
            Fault::RenameReplyLost => "reply to a rename is lost",
            Fault::Rejected(..) => "SFTP server rejects connections",
            Fault::DiskFull(_) => "SFTP server's disk is full",
            Fault::Sync(_) => "SFTP server fails to sync",
            Fault::WrongClock(_) => "web server's clock is wrong",
            Fault::Killed(_) => "kill -9 at a random time",
            Fault::MailRefused => "mail is refused",
            Fault::WebhookRefuses => "Mattermost answers 500",
        }
    }

    pub fn on_web(&self, web: https::Builder) -> https::Builder {
        match *self {
            Fault::WebCut(bytes, times) => web.cut_after(bytes, times),
            Fault::WebStall(bytes, times) => web.stall_after(bytes, times),
            Fault::WebUnavailable(times) => web.status_for(503, times),
            Fault::WrongClock(hours) => web.date_shifted_by_hours(hours),
            _ => web,
        }
    }

    pub fn on_sftp(&self, sftp: sftp::Builder) -> sftp::Builder {
        match *self {
            Fault::RequestCut(number, moment) => sftp.on_operation(move |operation| {
                if (operation.number, operation.moment) == (number, moment) {
                    RequestFault::Disconnect
                } else {
                    RequestFault::None
                }
            }),
            Fault::WritesCut(bytes, times) => sftp.cut_after(bytes, times),
            Fault::ReadsCut(bytes, times) => sftp.cut_reads_after(bytes, times),
            Fault::RenameReplyLost => sftp.disconnecting_after_rename(),
            Fault::Rejected(first, end) => sftp.reject_connections(first..end),
            Fault::DiskFull(bytes) => sftp.full_after(bytes),
            Fault::Sync(fault) => sftp.sync_fault(fault),
            _ => sftp,
        }
    }

    /// Whether a run that exits with 1 may have removed only some of the expired archives.
    pub fn may_interrupt_removal(&self) -> bool {
        matches!(
            self,
            Fault::RequestCut(..)
                | Fault::WritesCut(..)
                | Fault::ReadsCut(..)
                | Fault::RenameReplyLost
                | Fault::Rejected(..)
        )
    }

    /// Whether the run must not remove anything. `uploads`: whether it uploads an archive.
    pub fn prevents_removal(&self, uploads: bool) -> bool {
        match *self {
            Fault::WrongClock(hours) => hours.abs() > 24,
            Fault::Sync(fault) => uploads && !matches!(fault, RequestFault::Status(_)),
            _ => false,
        }
    }

    /// The exit codes of a run that is not killed in time.
    pub fn allowed_codes(&self, is_fresh: bool, existing: Existing) -> Vec<i32> {
        if is_fresh && existing == Existing::OtherJob {
            return vec![4];
        }
        let is_delivered = existing == Existing::Same;
        // A stale dump and a replaced archive are warnings.
        let success = i32::from(!is_fresh || existing == Existing::Different);
        let codes: &[i32] = match *self {
            Fault::WebUnavailable(times) if times >= ALWAYS => &[4],
            Fault::WebCut(_, times) | Fault::WebStall(_, times) if times >= ALWAYS => &[success, 4],
            // A failed listing is a warning if the dump is stale, or before removal.
            Fault::Rejected(1, end) if end >= ALWAYS => &[4],
            _ if !is_fresh => &[1],
            Fault::MailRefused | Fault::WebhookRefuses => &[1],
            _ if self.prevents_removal(!is_delivered) => &[1],
            // The second dump may replace the archive of the first one.
            Fault::RequestCut(..) | Fault::ZipChanges(_) => &[success, 1],
            Fault::Rejected(_, end) if end >= ALWAYS => &[success, 4],
            Fault::WritesCut(_, times) | Fault::ReadsCut(_, times) if times >= ALWAYS => &[success, 4],
            Fault::DiskFull(_) if !is_delivered => &[4],
            _ => &[success],
        };
        codes.to_vec()
    }
}
