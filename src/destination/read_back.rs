//! What the server really holds: the whole file is read back and compared.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

use super::error::is_missing;
use super::upload::IN_FLIGHT;
use super::{Connection, DestinationError};
use crate::progress::Bar;
use crate::rules::retention::Kind;
use crate::spool::Content;

/// Proves that the file called `name` holds `content`, by reading all of it.
///
/// # Errors
/// [`DestinationError::Different`] if it does not; others if the server or the link fails.
pub fn verify(connection: &Connection, name: &str, content: &Content, bar: &Bar) -> Result<(), DestinationError> {
    let different = |difference: String| DestinationError::Different { name: name.to_owned(), difference };
    let size = match connection.look(name)? {
        None => return Err(different("it is not there".to_owned())),
        Some(entry) if entry.kind != Kind::File => return Err(DestinationError::NotAFile(name.to_owned())),
        Some(entry) => entry.size,
    };
    if let Some(size) = size.filter(|size| *size != content.size) {
        return Err(different(format!("it has {size} bytes instead of {}", content.size)));
    }
    let (size, sha256) = digest(connection, name, content.size, bar)?;
    if size != content.size {
        return Err(different(format!("it has {size} bytes instead of {}", content.size)));
    }
    if sha256 != content.sha256 {
        return Err(different("it has the right size, but other bytes".to_owned()));
    }
    Ok(())
}

/// Size and SHA-256 of the file called `name`; reads no more than a byte beyond `expected`.
fn digest(connection: &Connection, name: &str, expected: u64, bar: &Bar) -> Result<(u64, [u8; 32]), DestinationError> {
    let mut file = connection.sftp.open(connection.path(name)).map_err(|error| {
        if is_missing(&error) {
            return DestinationError::Different { name: name.to_owned(), difference: "it is gone".to_owned() };
        }
        connection.failed(&format!("to open {name:?}"), error)
    })?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; IN_FLIGHT];
    let mut size = 0;
    while size <= expected {
        connection.interrupt.check()?;
        let count = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) => return Err(read_failed(connection, name, error)),
        };
        hasher.update(&buffer[..count]);
        size += count as u64;
        bar.advance(count);
    }
    Ok((size, hasher.finalize().into()))
}

fn read_failed(connection: &Connection, name: &str, error: io::Error) -> DestinationError {
    if error.kind() == io::ErrorKind::TimedOut || !connection.is_alive() {
        return connection.broken(format!("while {name:?} was read back"), error);
    }
    DestinationError::Refused {
        what: format!("to read {name:?} back"),
        source: ssh2::Error::new(ssh2::ErrorCode::SFTP(4), "failure"),
    }
}
