//! Checks this machine: the configuration, the log, the work directory, and the lock.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::archive::Encryption;
use crate::commands::check::checker::Checker;
use crate::commands::check::findings::Finding;
use crate::disk::identity::is_identity;
use crate::disk::lock::{Lock, LockError};
use crate::disk::{bounded_read, space, spool};
use crate::rules::units;
use crate::runtime::error_chain::with_causes;

/// How many files in the configuration's folder are searched for private keys, and up to which size in bytes.
const MAX_FILES: usize = 1_000;
const MAX_KEY: u64 = 64 * 1024;

pub(super) fn check_machine(checker: &Checker<'_>) {
    let config = &checker.context.config;
    let file = checker.file.display();
    checker.report(Finding::good("file", format!("{file} is valid")));
    for warning in &config.warnings {
        checker.report(Finding::warning("file", warning));
    }
    let name = config.naming().file_name(checker.today());
    if [".tgz.tgz", ".tar.gz.tgz"].iter().any(|doubled| name.ends_with(doubled)) {
        let text = format!("archives are called {name}: archive.name must not contain the suffix");
        let fix = "remove the suffix from archive.name; rename the archives on the server too, or they no longer count";
        checker.report(Finding::warning("archive name", text).with_fix(fix));
    }
    for finding in encryption(checker) {
        checker.report(finding);
    }
    checker.report(match config.log.file.path() {
        Some(log) => Finding::writable("log", log, "log.file", space::check_writable(log)),
        None => Finding::good("log", config.log.file.to_string()),
    });
    checker.report(work_directory(checker));
    checker.report(match Lock::probe(&checker.file, &config.id, &config.archive.work_directory) {
        Ok(()) => Finding::good("lock", "no run with this configuration is under way"),
        Err(LockError::Held(_)) => Finding::warning("lock", "a run with this configuration is under way")
            .with_fix("the state of the SFTP server may change at any moment; check again when the run has ended"),
        Err(error @ LockError::Folder(_)) => Finding::failed("lock", with_causes(&error)),
        Err(error @ LockError::Io { .. }) => {
            Finding::failed("lock", with_causes(&error)).with_fix("put its folder on a file system that supports locks")
        }
    });
}

/// Encrypts an empty archive, and looks for private keys in the configuration's folder.
fn encryption(checker: &Checker<'_>) -> Vec<Finding> {
    let recipients = &checker.context.config.archive.encrypt_to;
    if recipients.is_empty() {
        return Vec::new();
    }
    let shown = recipients.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut findings = vec![match Encryption::new(recipients, io::sink()).and_then(Encryption::finish) {
        Ok(_) => Finding::good("encryption", format!("archives can be decrypted with the private key of {shown}")),
        Err(error) => Finding::failed("encryption", with_causes(&error)),
    }];
    let folder = checker.file.parent().unwrap_or(Path::new("."));
    let files = fs::read_dir(folder).into_iter().flatten().flatten().take(MAX_FILES).map(|entry| entry.path());
    let is_key = |file: &PathBuf| bounded_read::read(file, MAX_KEY).is_ok_and(|bytes| is_identity(&bytes));
    findings.extend(files.filter(is_key).map(|file| {
        let text = format!("{} looks like a private key: it can decrypt archives on this machine", file.display());
        Finding::warning("encryption", text).with_fix("keep it on another machine, where archives are restored")
    }));
    findings
}

/// Creates an unnamed file there, as a run does.
fn work_directory(checker: &Checker<'_>) -> Finding {
    let folder = &checker.context.config.archive.work_directory;
    match spool::create(folder) {
        Ok(_) => {
            let free = space::free_space(folder).map(|free| format!(", {} free", units::size(free)));
            let text = format!("{} can be written{}", folder.display(), free.unwrap_or_default());
            Finding::good("work directory", text)
        }
        Err(error) => Finding::failed("work directory", format!("{} cannot be written: {error}", folder.display()))
            .with_fix("correct its permissions, or archive.work_directory"),
    }
}
