//! The local sendmail program, for machines with their own mail system.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Access, access};

use crate::runtime::child;

/// Every mail system installs it there; cron's PATH often lacks that folder.
const USUAL_PLACE: &str = "/usr/sbin/sendmail";

/// The one in its usual place, else the first in PATH.
pub(crate) fn program() -> PathBuf {
    let usual = PathBuf::from(USUAL_PLACE);
    if usual.is_file() { usual } else { PathBuf::from("sendmail") }
}

/// The path of an executable sendmail.
pub(crate) fn find() -> io::Result<PathBuf> {
    let program = program();
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let places: Vec<PathBuf> = if program.is_absolute() {
        vec![program]
    } else {
        std::env::split_paths(&folders).map(|folder| folder.join(&program)).collect()
    };
    let is_runnable = |path: &PathBuf| path.is_file() && access(path, Access::EXEC_OK).is_ok();
    places.into_iter().find(is_runnable).ok_or_else(|| {
        io::Error::new(io::ErrorKind::NotFound, format!("it is neither {USUAL_PLACE} nor in PATH, or not executable"))
    })
}

/// Passes `message` from `sender` to `recipient` (addresses without names) to `program`.
///
/// # Errors
/// If the program cannot be started. Inner: its stderr and exit status if it did not accept the message, or that it did not
/// end within `limit`.
pub(crate) fn hand_over(
    program: &Path,
    sender: &str,
    recipient: &str,
    message: Vec<u8>,
    limit: Duration,
) -> io::Result<Result<(), String>> {
    let ended = child::run(program, &["-i", "-f", sender, "--", recipient], message, limit)?;
    let Some(status) = ended.status else {
        return Ok(Err(format!("it did not end within {} s", limit.as_secs())));
    };
    if !status.success() {
        let said = ended.stderr;
        return Ok(Err(if said.is_empty() { status.to_string() } else { format!("{said} ({status})") }));
    }
    Ok(match ended.input {
        Some(Ok(())) => Ok(()),
        Some(Err(error)) => Err(format!("it did not read the whole message: {error}")),
        None => Err("it did not read the whole message".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::{fs, thread};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    /// A sendmail that does `script`, and its folder.
    fn sendmail(script: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sendmail");
        fs::write(&path, format!("#!/bin/sh\ncd {:?} || exit 9\n{script}\n", folder.path())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        (folder, path)
    }

    fn deliver(path: &Path, message: &[u8], limit: Duration) -> Result<(), String> {
        // Another test's fork can hold the script open for writing for a moment: ETXTBSY.
        loop {
            match hand_over(path, "from@example.org", "to@example.org", message.to_vec(), limit) {
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {}
                other => return other.unwrap(),
            }
        }
    }

    #[test]
    fn stderr_is_reported_even_if_the_message_is_not_read() {
        let (_folder, path) = sendmail("echo 'account default not found' >&2; exit 78");
        let error = deliver(&path, &[b'x'; 1_000_000], LIMIT).unwrap_err();
        assert_eq!(error, "account default not found (exit status: 78)");
    }

    #[test]
    fn a_message_that_was_not_read_to_its_end_is_not_delivered() {
        let (_folder, path) = sendmail("exit 0");
        assert!(deliver(&path, &[b'x'; 1_000_000], LIMIT).unwrap_err().contains("did not read the whole message"));
    }

    #[test]
    fn a_hanging_sendmail_is_killed_with_its_children() {
        let (folder, path) = sendmail("sleep 60 & echo $! > id; wait");
        let error = deliver(&path, b"x", Duration::from_millis(500)).unwrap_err();
        assert!(error.starts_with("it did not end within"), "{error}");
        let id = fs::read_to_string(folder.path().join("id")).unwrap();
        // Gone, or a zombie until its new parent reaps it.
        let status = || fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_else(|_| ") Z".to_owned());
        let begun = std::time::Instant::now();
        while !status().contains(") Z") {
            assert!(begun.elapsed() < LIMIT, "{}", status());
            thread::sleep(Duration::from_millis(10));
        }
    }
}
