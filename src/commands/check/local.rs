//! Checks this machine: the configuration, the log, the work directory, and the lock.

use crate::commands::check::checker::Checker;
use crate::commands::check::findings::Finding;
use crate::disk::lock::{Lock, LockError};
use crate::disk::{space, spool};
use crate::rules::units;
use crate::runtime::error_chain::with_causes;

pub(super) fn check_machine(checker: &Checker<'_>) {
    let config = &checker.context.config;
    let file = checker.file.display();
    checker.report(Finding::good("file", format!("{file} is valid")));
    for warning in &config.warnings {
        checker.report(Finding::warning("file", warning));
    }
    let name = config.archive.name.file_name(checker.today());
    if [".tgz.tgz", ".tar.gz.tgz"].iter().any(|doubled| name.ends_with(doubled)) {
        let text = format!("archives are called {name}: archive.name must not contain the suffix");
        let fix = "remove the suffix from archive.name; rename the archives on the server too, or they no longer count";
        checker.report(Finding::warning("archive name", text).with_fix(fix));
    }
    let log = &config.log.file;
    checker.report(Finding::writable("log", log, "log.file", space::check_writable(log)));
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
