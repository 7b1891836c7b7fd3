//! What a run needs of this machine: its configuration, the log, the work directory, and no other run.

use indicatif::HumanBytes;

use super::Check;
use crate::disk;
use crate::error_chain::told;
use crate::lock::{Lock, LockError};
use crate::report::message::findings::Finding;
use crate::spool;

/// Looks at all of it.
pub(super) fn look(check: &Check<'_>) {
    let config = &check.site.config;
    let file = check.file.display();
    check.tell(Finding::good("file", format!("{file} holds no mistake")));
    for warning in &config.warnings {
        check.tell(Finding { fix: None, ..Finding::warning("file", warning, "") });
    }
    let name = config.archive.name.file_name(check.today());
    if [".tgz.tgz", ".tar.gz.tgz"].iter().any(|doubled| name.ends_with(doubled)) {
        check.tell(Finding::warning(
            "archive name",
            format!("archives are called {name}: archive.name is the pattern without suffix"),
            "remove the suffix from archive.name; rename the archives on the server too, or they no longer count",
        ));
    }
    let log = &config.log.file;
    check.tell(match disk::check_writable(log) {
        Ok(()) => Finding::good("log", format!("{} can be written", log.display())),
        Err(error) => Finding::failed("log", format!("{} cannot be written: {error}", log.display()))
            .with_fix("make its folder, or correct its permissions or log.file"),
    });
    check.tell(work_directory(check));
    check.tell(match Lock::probe(&check.file, &config.id, &config.archive.work_directory) {
        Ok(()) => Finding::good("lock", "no run with this configuration is under way"),
        Err(LockError::Held(_)) => Finding::warning(
            "lock",
            "a run with this configuration is under way",
            "what is told of the SFTP server may change any moment; check again when it has ended",
        ),
        Err(error @ LockError::Folder(_)) => Finding::failed("lock", told(&error)),
        Err(error @ LockError::Io { .. }) => {
            Finding::failed("lock", told(&error)).with_fix("put its folder on a file system that can lock")
        }
    });
}

/// A file without a name is made there, as a run makes it.
fn work_directory(check: &Check<'_>) -> Finding {
    let folder = &check.site.config.archive.work_directory;
    match spool::create(folder) {
        Ok(_) => {
            let free = disk::free_space(folder).map(|free| format!(", {} free", HumanBytes(free)));
            let text = format!("{} can be written{}", folder.display(), free.unwrap_or_default());
            Finding::good("work directory", text)
        }
        Err(error) => Finding::failed("work directory", format!("{} cannot be written: {error}", folder.display()))
            .with_fix("correct its permissions, or archive.work_directory"),
    }
}
