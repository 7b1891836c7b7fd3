//! The local sendmail program, for machines with their own mail system.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Access, access};

use crate::runtime::child::{self, Kept, Program};

/// Mail systems install sendmail there; cron's PATH often lacks that folder.
const DEFAULT_PATH: &str = "/usr/sbin/sendmail";

/// [`DEFAULT_PATH`] if it exists, otherwise a name to find in PATH.
pub(crate) fn program() -> PathBuf {
    let default = PathBuf::from(DEFAULT_PATH);
    if default.is_file() { default } else { PathBuf::from("sendmail") }
}

pub(crate) fn find() -> io::Result<PathBuf> {
    let program = program();
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let candidates: Vec<PathBuf> = if program.is_absolute() {
        vec![program]
    } else {
        std::env::split_paths(&folders).map(|folder| folder.join(&program)).collect()
    };
    let is_executable = |path: &PathBuf| path.is_file() && access(path, Access::EXEC_OK).is_ok();
    candidates.into_iter().find(is_executable).ok_or_else(|| {
        io::Error::new(io::ErrorKind::NotFound, format!("no executable file {DEFAULT_PATH}, and none in PATH"))
    })
}

/// Submits `message` to `program`. `sender` and `recipient` are addresses without names.
///
/// # Errors
/// Outer: the program cannot be started. Inner: it did not accept the message (its stderr and exit status) or did not exit
/// within `limit`.
pub(crate) fn submit(
    program: &Path,
    sender: &str,
    recipient: &str,
    message: Vec<u8>,
    limit: Duration,
) -> io::Result<Result<(), String>> {
    let sendmail = Program {
        path: program,
        arguments: vec!["-i", "-f", sender, "--", recipient],
        variables: &[],
        input: message,
        kept: Kept::Stderr,
        limit,
        // It may deliver in the background.
        ends_group: false,
    };
    let ended = child::run(sendmail, || false)?;
    let Some(status) = ended.status else {
        return Ok(Err(format!("it did not exit within {} s", limit.as_secs())));
    };
    if !status.success() {
        let stderr = String::from_utf8_lossy(&ended.output);
        let stderr = stderr.trim();
        return Ok(Err(if stderr.is_empty() { status.to_string() } else { format!("{stderr} ({status})") }));
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

    /// Writes a sendmail that runs `script`. Returns its folder and path.
    fn write_sendmail(script: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sendmail");
        fs::write(&path, format!("#!/bin/sh\ncd {:?} || exit 9\n{script}\n", folder.path())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        (folder, path)
    }

    fn deliver(path: &Path, message: &[u8], limit: Duration) -> Result<(), String> {
        // A fork in another test can briefly hold the script open for writing: ETXTBSY.
        loop {
            match submit(path, "from@example.org", "to@example.org", message.to_vec(), limit) {
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {}
                other => return other.unwrap(),
            }
        }
    }

    #[test]
    fn stderr_is_reported_even_if_the_message_is_not_read() {
        let (_folder, path) = write_sendmail("echo 'account default not found' >&2; exit 78");
        let error = deliver(&path, &[b'x'; 1_000_000], LIMIT).unwrap_err();
        assert_eq!(error, "account default not found (exit status: 78)");
    }

    #[test]
    fn a_message_that_was_not_read_completely_is_not_delivered() {
        let (_folder, path) = write_sendmail("exit 0");
        assert!(deliver(&path, &[b'x'; 1_000_000], LIMIT).unwrap_err().contains("did not read the whole message"));
    }

    #[test]
    fn a_hanging_sendmail_is_killed_with_its_children() {
        let (folder, path) = write_sendmail("sleep 60 & echo $! > id; wait");
        let error = deliver(&path, b"x", Duration::from_millis(500)).unwrap_err();
        assert!(error.starts_with("it did not exit within"), "{error}");
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
