//! The faults of a soak: drawn at random, applied to the servers, and the exit codes that they allow.

use std::time::Duration;

use fastrand::Rng;
use russh_sftp::protocol::StatusCode;

use super::model::Standing;
use crate::servers::sftp_faults::RequestFault;
use crate::servers::sftp_watch::Moment;
use crate::servers::{https, sftp};

/// More than the attempts of any run.
const ALWAYS: u64 = 1000;

#[derive(Debug, Clone)]
pub enum Fault {
    None,
    /// The web server closes the connection: after bytes of a body, number of times.
    WebCut(u64, u64),
    /// The web server stops sending: after bytes of a body, number of times.
    WebStall(u64, u64),
    /// The web server answers 503: number of times.
    WebUnavailable(u64),
    /// The ZIP is replaced before the request with this number.
    ZipChanges(u64),
    /// The SFTP connection breaks at the request with this number, before or after it is carried out.
    LinkBreaks(u64, Moment),
    /// The SFTP connection breaks: after bytes written, number of times.
    WritesCut(u64, u64),
    /// The SFTP connection breaks: after bytes read, number of times.
    ReadsCut(u64, u64),
    /// The first rename is carried out and not answered.
    RenameReplyLost,
    /// The SFTP server refuses the connections with these numbers: first, end (exclusive).
    TurnedAway(u64, u64),
    /// The SFTP server's disk is full after this number of bytes.
    DiskFull(u64),
    /// The SFTP server's answer to `fsync@openssh.com`.
    Sync(RequestFault),
    /// The web server's clock is ahead by these hours.
    ClockDiffers(i64),
    /// The program is killed after this duration.
    Killed(Duration),
    MailRefused,
    WebhookFails,
}

impl Fault {
    /// The names, by [`index`](Fault::index).
    pub const NAMES: [&str; 16] = [
        "none",
        "web server breaks off",
        "web server stalls",
        "web server answers 503",
        "ZIP changes between requests",
        "SFTP link breaks at any request",
        "SFTP link breaks at writes",
        "SFTP link breaks at reads",
        "reply to a rename is lost",
        "SFTP server lets nobody in",
        "SFTP server's disk is full",
        "SFTP server fails to sync",
        "web server's clock is off",
        "kill -9 at a random time",
        "mail is refused",
        "Mattermost answers 500",
    ];

    /// A random fault for a ZIP of `zip_size` bytes; an undisturbed run takes about `usual`.
    pub fn draw(zip_size: u64, usual: Duration, random: &mut Rng) -> Fault {
        if random.f64() < 0.3 {
            return Fault::None;
        }
        let mut bytes = || random.u64(..zip_size.div_ceil(2));
        let (some, few) = (bytes(), bytes() / 8);
        let times = |random: &mut Rng| if random.f64() < 0.75 { random.u64(1..=2) } else { ALWAYS };
        match random.usize(1..Fault::NAMES.len()) {
            1 => Fault::WebCut(some, times(random)),
            // Stalls are slow: they are drawn half as often.
            2 if random.bool() => Fault::WebStall(some, if random.f64() < 0.8 { 1 } else { ALWAYS }),
            2 | 3 => Fault::WebUnavailable(times(random)),
            4 => Fault::ZipChanges(random.u64(2..=4)),
            5 => {
                let moment = if random.bool() { Moment::Before } else { Moment::After };
                Fault::LinkBreaks(random.u64(1..=60), moment)
            }
            6 => Fault::WritesCut(some / 4, times(random)),
            7 => Fault::ReadsCut(some / 4, times(random)),
            8 => Fault::RenameReplyLost,
            9 => {
                let first = random.u64(1..=3);
                Fault::TurnedAway(first, if random.bool() { first + random.u64(1..=2) } else { ALWAYS })
            }
            10 => Fault::DiskFull(few),
            11 => Fault::Sync(match random.u8(0..3) {
                0 => RequestFault::Disconnect,
                1 => RequestFault::Failure,
                _ => RequestFault::Status(StatusCode::OpUnsupported),
            }),
            12 => Fault::ClockDiffers([-50, -26, -22, 22, 26, 50][random.usize(0..6)]),
            13 => Fault::Killed(usual.mul_f64(random.f64() * 1.1)),
            14 => Fault::MailRefused,
            _ => Fault::WebhookFails,
        }
    }

    /// Its index in [`Fault::NAMES`].
    pub fn index(&self) -> usize {
        match self {
            Fault::None => 0,
            Fault::WebCut(..) => 1,
            Fault::WebStall(..) => 2,
            Fault::WebUnavailable(_) => 3,
            Fault::ZipChanges(_) => 4,
            Fault::LinkBreaks(..) => 5,
            Fault::WritesCut(..) => 6,
            Fault::ReadsCut(..) => 7,
            Fault::RenameReplyLost => 8,
            Fault::TurnedAway(..) => 9,
            Fault::DiskFull(_) => 10,
            Fault::Sync(_) => 11,
            Fault::ClockDiffers(_) => 12,
            Fault::Killed(_) => 13,
            Fault::MailRefused => 14,
            Fault::WebhookFails => 15,
        }
    }

    pub fn on_web(&self, web: https::Builder) -> https::Builder {
        match *self {
            Fault::WebCut(bytes, times) => web.cut_after(bytes, times),
            Fault::WebStall(bytes, times) => web.stall_after(bytes, times),
            Fault::WebUnavailable(times) => web.status_for(503, times),
            Fault::ClockDiffers(hours) => web.date_shifted_by_hours(hours),
            _ => web,
        }
    }

    pub fn on_sftp(&self, sftp: sftp::Builder) -> sftp::Builder {
        match *self {
            Fault::LinkBreaks(number, moment) => sftp.on_operation(move |operation| {
                let is_it = (operation.number, operation.moment) == (number, moment);
                if is_it { RequestFault::Disconnect } else { RequestFault::None }
            }),
            Fault::WritesCut(bytes, times) => sftp.cut_after(bytes, times),
            Fault::ReadsCut(bytes, times) => sftp.cut_reads_after(bytes, times),
            Fault::RenameReplyLost => sftp.disconnecting_after_rename(),
            Fault::TurnedAway(first, end) => sftp.reject_connections(first..end),
            Fault::DiskFull(bytes) => sftp.full_after(bytes),
            Fault::Sync(fault) => sftp.sync_fault(fault),
            _ => sftp,
        }
    }

    /// Whether a run that exits with 1 may have removed only a part of what is due.
    pub fn may_stop_removal(&self) -> bool {
        matches!(
            self,
            Fault::LinkBreaks(..)
                | Fault::WritesCut(..)
                | Fault::ReadsCut(..)
                | Fault::RenameReplyLost
                | Fault::TurnedAway(..)
        )
    }

    /// Whether the run must remove nothing. `uploads`: whether it uploads an archive.
    pub fn holds_removal_back(&self, uploads: bool) -> bool {
        match *self {
            Fault::ClockDiffers(hours) => hours.abs() > 24,
            Fault::Sync(fault) => uploads && !matches!(fault, RequestFault::Status(_)),
            _ => false,
        }
    }

    /// The possible exit codes, by whether the dump is fresh and what has the archive's name. A kill may be too late.
    pub fn codes(&self, is_fresh: bool, standing: Standing) -> Vec<i32> {
        if is_fresh && standing == Standing::OfAnotherJob {
            return vec![4];
        }
        let is_there = standing == Standing::Same;
        // A stale dump and a replaced archive are warnings.
        let well = i32::from(!is_fresh || standing == Standing::Other);
        let codes: &[i32] = match *self {
            Fault::WebUnavailable(times) if times >= ALWAYS => &[4],
            Fault::WebCut(_, times) | Fault::WebStall(_, times) if times >= ALWAYS => &[well, 4],
            // A failed listing in a stale night or before removal is a warning.
            Fault::TurnedAway(1, end) if end >= ALWAYS => &[4],
            _ if !is_fresh => &[1],
            Fault::MailRefused | Fault::WebhookFails => &[1],
            _ if self.holds_removal_back(!is_there) => &[1],
            // The second of the two dumps may replace the archive of the first.
            Fault::LinkBreaks(..) | Fault::ZipChanges(_) => &[well, 1],
            Fault::TurnedAway(_, end) if end >= ALWAYS => &[well, 4],
            Fault::WritesCut(_, times) | Fault::ReadsCut(_, times) if times >= ALWAYS => &[well, 4],
            Fault::DiskFull(_) if !is_there => &[4],
            _ => &[well],
        };
        codes.to_vec()
    }
}
