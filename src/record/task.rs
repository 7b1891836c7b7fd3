//! The tasks of a run, as the reports show them.

use std::fmt;

/// In the order of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Task {
    ReadConfiguration,
    RequestZip,
    FindDump,
    /// Decide whether the dump is fresh or stale.
    CompareDates,
    PackArchive,
    /// Reach the SFTP server, check its host key, authenticate.
    ConnectToSftp,
    /// Upload the archive under its temporary name.
    SendArchive,
    /// Prove over a new connection that the archive arrived, and publish it.
    VerifyArchive,
    RemoveExpired,
    /// Remove local temporary files, close connections.
    CleanUp,
    /// Send the mail and the Mattermost message, ping the monitor, write the metrics.
    Report,
}

impl Task {
    pub const ALL: [Task; 11] = [
        Task::ReadConfiguration,
        Task::RequestZip,
        Task::FindDump,
        Task::CompareDates,
        Task::PackArchive,
        Task::ConnectToSftp,
        Task::SendArchive,
        Task::VerifyArchive,
        Task::RemoveExpired,
        Task::CleanUp,
        Task::Report,
    ];

    /// The task's name in every report.
    pub fn title(self) -> &'static str {
        match self {
            Task::ReadConfiguration => "Read configuration",
            Task::RequestZip => "Request zip",
            Task::FindDump => "Find dump",
            Task::CompareDates => "Compare dates",
            Task::PackArchive => "Pack archive",
            Task::ConnectToSftp => "Connect to SFTP",
            Task::SendArchive => "Send archive",
            Task::VerifyArchive => "Verify archive",
            Task::RemoveExpired => "Remove expired",
            Task::CleanUp => "Clean up",
            Task::Report => "Report",
        }
    }

    /// Whether the job fails when this task fails: tasks 2 to 8.
    pub fn is_essential(self) -> bool {
        (Task::RequestZip..=Task::VerifyArchive).contains(&self)
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.title())
    }
}
