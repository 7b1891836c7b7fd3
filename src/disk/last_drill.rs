//! The history of a job's drills: a small JSON file in the [state folder](crate::disk::state_folder).

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::job_id::JobId;
use crate::disk::{atomic_file, bounded_read, state_folder};
use crate::rules::drill_history::DrillHistory;

const MODE: u32 = 0o600;
const MAX_BYTES: u64 = 64 * 1024;

/// `None` if there is none, or it cannot be read. For `work_directory` see [`state_folder::find`].
pub fn read(job: &JobId, work_directory: &Path) -> Option<DrillHistory> {
    serde_json::from_slice(&bounded_read::read(&path(job, work_directory).ok()?, MAX_BYTES).ok()?).ok()
}

/// Replaces it. The state folder must exist.
pub fn write(job: &JobId, work_directory: &Path, history: &DrillHistory) -> io::Result<()> {
    atomic_file::write(&path(job, work_directory)?, &serde_json::to_vec(history)?, MODE, true)
}

fn path(job: &JobId, work_directory: &Path) -> io::Result<PathBuf> {
    let folder = state_folder::find(work_directory, false).map_err(io::Error::other)?;
    Ok(folder.join(format!("{job}.drill.json")))
}
