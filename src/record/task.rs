//! The tasks of a run or a drill.

use std::fmt;

/// In the order of a run or a drill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Task {
    ReadConfiguration,
    /// Run the program `hooks.before`, if there is one.
    BeforeHook,
    RequestZip,
    FindDump,
    /// Check whether the dump is fresh.
    CompareDates,
    PackArchive,
    ConnectToSftp,
    /// Restore the dump into a throwaway database server.
    RestoreDump,
    /// Run the drill's checks on the restored database.
    CheckData,
    /// Upload the archive under its temporary name.
    SendArchive,
    /// Verify the upload over other connections, and publish it.
    VerifyArchive,
    RemoveExpired,
    /// Remove local temporary files, close connections.
    CleanUp,
    /// Run the program `hooks.after`, if there is one.
    AfterHook,
    Report,
}

impl Task {
    pub const ALL: [Task; 15] = [
        Task::ReadConfiguration,
        Task::BeforeHook,
        Task::RequestZip,
        Task::FindDump,
        Task::CompareDates,
        Task::PackArchive,
        Task::ConnectToSftp,
        Task::RestoreDump,
        Task::CheckData,
        Task::SendArchive,
        Task::VerifyArchive,
        Task::RemoveExpired,
        Task::CleanUp,
        Task::AfterHook,
        Task::Report,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Task::ReadConfiguration => "Read configuration",
            Task::BeforeHook => "Before hook",
            Task::RequestZip => "Request zip",
            Task::FindDump => "Find dump",
            Task::CompareDates => "Compare dates",
            Task::PackArchive => "Pack archive",
            Task::ConnectToSftp => "Connect to SFTP",
            Task::RestoreDump => "Restore dump",
            Task::CheckData => "Check data",
            Task::SendArchive => "Send archive",
            Task::VerifyArchive => "Verify archive",
            Task::RemoveExpired => "Remove expired",
            Task::CleanUp => "Clean up",
            Task::AfterHook => "After hook",
            Task::Report => "Report",
        }
    }

    pub fn is_of(self, is_drill: bool) -> bool {
        match self {
            Task::ReadConfiguration | Task::ConnectToSftp | Task::Report => true,
            Task::RestoreDump | Task::CheckData => is_drill,
            _ => !is_drill,
        }
    }

    /// Whether the job fails if this task fails.
    pub fn is_essential(self) -> bool {
        (Task::BeforeHook..=Task::VerifyArchive).contains(&self)
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.title())
    }
}
