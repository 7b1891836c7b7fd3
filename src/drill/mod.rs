//! Proves that a dump can be loaded: streams it into a throwaway database server, counts what it holds, runs checks, and
//! leaves nothing.
//!
//! - `server`: the server of each kind, and its clients; `process`: runs their programs
//! - `sandbox`, `user`: confine them; `folder`: where they write

mod error;
mod folder;
mod process;
mod sandbox;
mod server;
mod user;

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::{getpid, set_child_subreaper};

use crate::drill::folder::Folder;
use crate::drill::process::{Runner, Running, lock};
use crate::drill::server::Server;
use crate::rules::drill_errors::passes;
use crate::rules::drill_facts::{CheckResult, DrillCheck, Engine, Findings};
use crate::rules::loading::{BEGINNING, DumpFormat, DumpTool};
use crate::rules::redaction::printable;
use crate::runtime::interrupt::Interrupt;

pub use error::DrillError;
pub use folder::clear_leftovers;

/// In characters, of a value in a report.
const MAX_VALUE: usize = 200;

#[derive(Debug, Clone)]
pub struct Settings {
    /// `None` to recognise it.
    pub engine: Option<Engine>,
    /// The folder of the database's programs; `None` for the newest ones of this machine's packages.
    pub programs: Option<PathBuf>,
    /// Who runs the server if root runs the job.
    pub user: String,
    /// The work directory.
    pub folder: PathBuf,
    /// Whether to confine the programs with Landlock.
    pub sandbox: bool,
    pub limit: Duration,
    pub checks: Vec<DrillCheck>,
}

/// Loads `dump`, the unpacked stream, and returns what it holds. `phase` is called at the beginning of each phase. A check that
/// does not pass is no error. First removes what killed drills left in the same folder. Whatever happens, all processes end
/// and all files are removed.
pub fn run(
    settings: &Settings,
    dump: &mut dyn Read,
    interrupt: &Interrupt,
    phase: &dyn Fn(&'static str),
) -> Result<Findings, DrillError> {
    clear_leftovers(&settings.folder);
    // Otherwise, a process that a dump has detached from its session would survive the drill.
    if let Err(error) = set_child_subreaper(Some(getpid())) {
        tracing::info!("processes that leave their session are not ended: {error}");
    }
    let running = Arc::new(Mutex::new(Running::default()));
    let is_late = AtomicBool::new(false);
    let [late, interrupted] = [running.clone(), running.clone()];
    let _closer = interrupt.on_trigger(move || lock(&interrupted).end());
    let result = thread::scope(|scope| {
        let (_ended, end) = mpsc::channel::<()>();
        scope.spawn(|| {
            let end = end;
            if end.recv_timeout(settings.limit) == Err(RecvTimeoutError::Timeout) {
                is_late.store(true, Ordering::SeqCst);
                lock(&late).end();
            }
        });
        drill(settings, dump, running, phase)
    });
    interrupt.check()?;
    if is_late.into_inner() { result.map_err(|_| DrillError::TimeLimit(settings.limit)) } else { result }
}

fn drill(
    settings: &Settings,
    mut dump: &mut dyn Read,
    running: Arc<Mutex<Running>>,
    phase: &dyn Fn(&'static str),
) -> Result<Findings, DrillError> {
    let mut beginning = Vec::new();
    (&mut dump).take(BEGINNING as u64).read_to_end(&mut beginning).map_err(DrillError::Read)?;
    let format = DumpFormat::recognise(&beginning);
    let tool = format.map(DumpFormat::tool);
    let engine = settings.engine.or(tool.map(DumpTool::engine)).ok_or(DrillError::UnknownFormat)?;
    let folder_error = |source| DrillError::Folder { path: settings.folder.clone(), source };
    let work_directory = settings.folder.canonicalize().map_err(folder_error)?;
    let ids = user::find(&settings.user, &work_directory)?;
    let folder = Folder::create(&work_directory, ids).map_err(folder_error)?;
    if settings.sandbox {
        sandbox::check(&folder.inner())?;
    }
    let programs = settings.programs.as_ref().map(|path| path.canonicalize().unwrap_or_else(|_| path.clone()));
    let runner = Runner { folder: folder.inner(), engine, ids, programs, is_confined: settings.sandbox, running };
    phase("Start server");
    let mut server = Server::start(&runner)?;
    phase("Load");
    let loaded = server.load(&mut io::Cursor::new(beginning).chain(dump), tool)?;
    if let Some(failure) = loaded.failure {
        let needs_mysql = server.engine == Engine::MariaDb && failure.contains("utf8mb4_0900");
        return Err(if needs_mysql { DrillError::NeedsMySql(failure) } else { DrillError::Load(failure) });
    }
    if let Some(missing) = format.and_then(|format| format.missing_last_line(&loaded.end)) {
        return Err(DrillError::Incomplete(missing));
    }
    phase("Count");
    if tool == Some(DumpTool::SqliteFile) {
        let report = server.require("", "PRAGMA integrity_check")?;
        if report.trim() != "ok" {
            return Err(DrillError::Load(shown(&report)));
        }
    }
    let mut log = loaded.errors;
    for (definer, count) in server.require("", server.sql.definers)?.lines().filter_map(|line| line.split_once('\t')) {
        log.notice(format!("the definer {} does not exist", shown(definer)), count.parse().unwrap_or(1));
    }
    let version = shown(&server.require("", server.sql.version)?);
    let (notices, checks) = (log.into_notices(), Vec::new());
    let mut findings =
        Findings { engine: server.engine, server: version, tables: 0, rows: 0, size: 0, notices, checks };
    let main = count(&server, &mut findings)?;
    phase("Checks");
    for check in &settings.checks {
        findings.checks.push(run_check(&server, check, &main)?);
    }
    Ok(findings)
}

/// Counts all rows, and returns the database with the most tables.
fn count(server: &Server<'_>, findings: &mut Findings) -> Result<String, DrillError> {
    let databases = server.require("", server.sql.databases)?;
    let mut largest = (0, "");
    for database in databases.lines() {
        let statements = server.require(database, server.sql.counts)?;
        if statements.is_empty() {
            continue;
        }
        let output = server.require(database, &format!("{};{statements}", server.sql.size))?;
        let numbers = output.lines().map(|line| line.parse::<u64>().unwrap_or_default()).collect::<Vec<_>>();
        let mut numbers = numbers.into_iter();
        findings.size += numbers.next().unwrap_or_default();
        largest = largest.max((numbers.len(), database));
        findings.tables += numbers.len() as u64;
        findings.rows += numbers.sum::<u64>();
    }
    if findings.tables == 0 { Err(DrillError::NoTable) } else { Ok(largest.1.to_owned()) }
}

fn run_check(server: &Server<'_>, check: &DrillCheck, main: &str) -> Result<CheckResult, DrillError> {
    let no_database = check.database.as_ref().filter(|_| server.engine == Engine::Sqlite);
    if let Some(name) = no_database {
        let value = format!("SQLite has no database {name:?}: remove the key database");
        return Ok(CheckResult { name: check.name.clone(), value, passed: false });
    }
    let outcome = server.query(check.database.as_deref().unwrap_or(main), &check.sql)?;
    let first = outcome.stdout.split(['\t', '\n']).next().unwrap_or_default();
    let passed = outcome.failure.is_none() && passes(first, check.at_least);
    Ok(CheckResult { name: check.name.clone(), value: shown(outcome.failure.as_deref().unwrap_or(first)), passed })
}

fn shown(text: &str) -> String {
    printable(text.trim()).chars().take(MAX_VALUE).collect()
}
