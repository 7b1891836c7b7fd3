//! A drill in a folder of its own, which must be empty afterwards.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use scripting_system::drill::{self, DrillError, Settings};
use scripting_system::rules::drill_facts::{DrillCheck, Findings};
use scripting_system::runtime::interrupt::Interrupt;
use tempfile::TempDir;

pub(crate) struct Trial {
    pub settings: Settings,
    pub work: TempDir,
    pub interrupt: Interrupt,
}

impl Trial {
    pub(crate) fn new() -> Trial {
        let work = tempfile::tempdir().unwrap();
        fs::set_permissions(work.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let settings = Settings {
            engine: None,
            programs: None,
            user: "nobody".to_owned(),
            folder: work.path().to_owned(),
            sandbox: true,
            limit: Duration::from_secs(120),
            checks: Vec::new(),
        };
        Trial { settings, work, interrupt: Interrupt::new() }
    }

    pub(crate) fn check(&mut self, name: &str, sql: &str, at_least: Option<f64>) {
        self.settings.checks.push(DrillCheck { name: name.to_owned(), sql: sql.to_owned(), database: None, at_least });
    }

    /// Runs the drill, and checks that it leaves no file and no process.
    pub(crate) fn read(&self, dump: &mut dyn Read) -> Result<Findings, DrillError> {
        let result = drill::run(&self.settings, dump, &self.interrupt, &|_| ());
        assert_nothing_left(self.work.path());
        result
    }

    #[track_caller]
    pub(crate) fn passes(&self, dump: &[u8]) -> Findings {
        self.read(&mut &dump[..]).unwrap_or_else(|error| panic!("{}", text(&error)))
    }

    /// The error of the drill with `dump`.
    #[track_caller]
    pub(crate) fn fails(&self, dump: &[u8]) -> DrillError {
        self.read(&mut &dump[..]).expect_err("the drill succeeded")
    }
}

/// `error` with its causes.
pub(crate) fn text(error: &DrillError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

/// No file in `folder`, and no process that mentions it.
#[track_caller]
pub(crate) fn assert_nothing_left(folder: &Path) {
    let names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.is_empty(), "{names:?}");
    assert_eq!(processes(folder), Vec::<String>::new());
}

/// The command lines of the processes that run in `folder` or were started with it in their environment.
pub(crate) fn processes(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten().filter(|entry| entry.path().join("cmdline").exists()) {
        let path = entry.path();
        let bytes = |name: &str| fs::read(path.join(name)).unwrap_or_default();
        let cwd = fs::read_link(path.join("cwd")).unwrap_or_default();
        let environment = String::from_utf8_lossy(&bytes("environ")).into_owned();
        if cwd.starts_with(folder) || environment.contains(&format!("TMPDIR={folder}")) {
            found.push(String::from_utf8_lossy(&bytes("cmdline")).replace('\0', " "));
        }
    }
    found
}

/// A SQLite database with `sql` in a temporary folder: its file, and its dump.
pub(crate) fn sqlite(sql: &str) -> (Vec<u8>, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.db");
    testkit::databases::succeed(Command::new("sqlite3").arg(&file).arg(sql));
    let dump = testkit::databases::succeed(Command::new("sqlite3").arg(&file).arg(".dump"));
    (fs::read(&file).unwrap(), dump)
}
