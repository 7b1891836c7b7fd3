//! The archive on its way, under its temporary name.

use std::io::{self, Read, Write};

use ssh2::{File, OpenFlags, OpenType};

use super::error::is_no_space;
use super::{Connection, DestinationError};
use crate::progress::Bar;
use crate::spool::Spool;

/// How much is handed to libssh2 at a time, which keeps that much in flight. The session's time limit counts one
/// such hand-over, so this is also what must get through within `sftp.timeout_seconds`.
pub(super) const IN_FLIGHT: usize = 256 * 1024;
/// Servers answer a full disk and its like with "failure" alone.
const NO_SPACE: &str = "(no space, a quota, or a limit on the size of files?)";
/// A database is nobody's business but its owner's.
const MODE: i32 = 0o600;

/// Sends all of `spool`, as it grows, to a new file called `name`. What lies there under that name is removed first
/// and never followed.
///
/// # Errors
/// If the server or the link fails. What was sent by then is removed again where the link still holds.
pub fn upload(connection: &Connection, spool: &Spool, name: &str, bar: &Bar) -> Result<(), DestinationError> {
    // Some servers allow no removal at all, not even of what is not there.
    if connection.look(name)?.is_some() {
        connection.remove(name)?;
    }
    send(connection, spool, name, bar).inspect_err(|error| {
        let is_linked = !matches!(error, DestinationError::Broken { .. } | DestinationError::Interrupted(_));
        if is_linked && let Err(error) = connection.remove(name) {
            tracing::debug!("{name:?} could not be removed at once ({error}); the next run does it");
        }
    })
}

fn send(connection: &Connection, spool: &Spool, name: &str, bar: &Bar) -> Result<(), DestinationError> {
    let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
    let mut file = connection
        .sftp
        .open_mode(connection.path(name), flags, MODE, OpenType::File)
        .map_err(|error| refused(connection, name, &to_create(name), error))?;
    let mut reader = spool.reader();
    let mut buffer = Vec::with_capacity(IN_FLIGHT);
    loop {
        buffer.clear();
        // Until it is full or the end is reached: what is handed over is what is in flight.
        reader.by_ref().take(IN_FLIGHT as u64).read_to_end(&mut buffer).map_err(DestinationError::Spool)?;
        if buffer.is_empty() {
            break;
        }
        write_all(connection, &mut file, name, &buffer)?;
        bar.advance(buffer.len());
    }
    if let Err(error) = file.fsync() {
        tracing::debug!("the server does not sync the archive to its disk when asked ({error}); going on");
    }
    // A server may report a full disk or a quota only now.
    file.close().map_err(|error| refused(connection, name, &format!("to close {name:?} {NO_SPACE}"), error))
}

/// Some servers forbid names that begin with a dot, as temporary ones do unless told otherwise.
fn to_create(name: &str) -> String {
    let advice = if name.starts_with('.') {
        " (if it forbids names that begin with a dot, set sftp.temporary_prefix)"
    } else {
        ""
    };
    format!("to create {name:?}{advice}")
}

fn write_all(connection: &Connection, file: &mut File, name: &str, mut bytes: &[u8]) -> Result<(), DestinationError> {
    let mut stalls = 0;
    while !bytes.is_empty() {
        connection.interrupt.check()?;
        match file.write(bytes) {
            // libssh2 may accept nothing without an error; the session's time limit bounds each of these calls.
            Ok(0) if stalls < 3 => stalls += 1,
            Ok(0) => {
                let error = io::Error::from(io::ErrorKind::WriteZero);
                return Err(connection.broken(format!("while {name:?} was sent"), error));
            }
            Ok(count) => {
                stalls = 0;
                bytes = &bytes[count..];
            }
            Err(error) => return Err(write_failed(connection, file, name, error)),
        }
    }
    Ok(())
}

/// What a failed write means: a broken link, a full disk, or a refusal.
fn write_failed(connection: &Connection, file: &mut File, name: &str, error: io::Error) -> DestinationError {
    if error.kind() == io::ErrorKind::TimedOut || !connection.is_alive() {
        return connection.broken(format!("while {name:?} was sent"), error);
    }
    // OpenSSH says no more than "failure" for a full disk; the file's own file system tells.
    let free = file.statvfs().ok().map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize));
    match free {
        Some(bytes) if bytes < IN_FLIGHT as u64 => {
            DestinationError::NoSpace { name: name.to_owned(), free: Some(bytes) }
        }
        _ => DestinationError::Refused {
            what: format!("to write {name:?} {NO_SPACE}"),
            source: ssh2::Error::new(ssh2::ErrorCode::SFTP(4), "failure"),
        },
    }
}

fn refused(connection: &Connection, name: &str, what: &str, error: ssh2::Error) -> DestinationError {
    if is_no_space(&error) {
        return DestinationError::NoSpace { name: name.to_owned(), free: None };
    }
    connection.failed(what, error)
}
