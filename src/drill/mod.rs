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

/// Of the work directory, in bytes: the address of a local socket has 107 at most (unix(7)).
const MAX_PATH: usize = 60;
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
    let (engine, tool) = kind(settings.engine, format)?;
    let folder_error = |source| DrillError::Folder { path: settings.folder.clone(), source };
    let work_directory = settings.folder.canonicalize().map_err(folder_error)?;
    if work_directory.as_os_str().len() > MAX_PATH {
        let problem = format!("its path has more than {MAX_PATH} bytes, too many for the address of a socket");
        return Err(folder_error(io::Error::new(io::ErrorKind::InvalidFilename, problem)));
    }
    let ids = user::find(&settings.user, &work_directory)?;
    let folder = Folder::create(&work_directory, ids)?;
    if settings.sandbox {
        sandbox::check(&folder.inner())?;
    }
    let programs = settings.programs.as_ref().map(|path| path.canonicalize().unwrap_or_else(|_| path.clone()));
    let runner = Runner { folder: folder.inner(), ids, programs, is_confined: settings.sandbox, running };
    phase("Start server");
    let mut server = Server::start(&runner, engine)?;
    phase("Load");
    let loaded = server.load(&mut io::Cursor::new(beginning).chain(dump), tool)?;
    if let Some(failure) = loaded.failure {
        let needs_mysql = server.engine == Engine::MariaDb && failure.contains("Unknown collation");
        return Err(if needs_mysql { DrillError::NeedsMySql(failure) } else { DrillError::Load(failure) });
    }
    if let Some(missing) = format.and_then(|format| format.missing_last_line(&loaded.end)) {
        return Err(DrillError::Incomplete(missing));
    }
    phase("Count");
    if tool == DumpTool::SqliteFile {
        let report = server.require("", "PRAGMA integrity_check")?;
        if report.trim() != "ok" {
            return Err(DrillError::Load(shown(&report)));
        }
    }
    let mut log = loaded.errors;
    let definers = server.sql.definers.map(|sql| server.require("", sql)).transpose()?.unwrap_or_default();
    for (definer, count) in definers.lines().filter_map(|line| line.split_once('\t')) {
        log.notice(format!("the definer {} does not exist", shown(definer)), count.parse().unwrap_or(1));
    }
    let version = server.require("", server.sql.version)?;
    let version = version.split(['-', ' ', '\n']).next().unwrap_or_default();
    let server_name = format!("{} {}", server.sql.product, shown(version));
    let (notices, checks) = (log.into_notices(), Vec::new());
    let mut findings =
        Findings { engine: server.engine, server: server_name, tables: 0, rows: 0, size: 0, notices, checks };
    let main = count(&server, &mut findings)?;
    phase("Checks");
    for check in &settings.checks {
        findings.checks.push(run_check(&server, check, &main)?);
    }
    Ok(findings)
}

fn kind(wanted: Option<Engine>, format: Option<DumpFormat>) -> Result<(Engine, DumpTool), DrillError> {
    let found = format.map(|format| match format.tool() {
        tool @ (DumpTool::PgDump | DumpTool::PgDumpCustom | DumpTool::PgDumpAll) => (Engine::PostgreSql, tool),
        DumpTool::MariaDb => (Engine::MariaDb, DumpTool::MariaDb),
        DumpTool::MySql => (Engine::MySql, DumpTool::MySql),
        tool @ (DumpTool::Sqlite | DumpTool::SqliteFile) => (Engine::Sqlite, tool),
    });
    let is_mysql = |engine| matches!(engine, Engine::MariaDb | Engine::MySql);
    match (wanted, found) {
        (None, None) => Err(DrillError::UnknownFormat),
        (None, Some(found)) => Ok(found),
        (Some(Engine::PostgreSql), None) => Ok((Engine::PostgreSql, DumpTool::PgDump)),
        (Some(Engine::Sqlite), None) => Ok((Engine::Sqlite, DumpTool::Sqlite)),
        (Some(engine), None) => Ok((engine, DumpTool::MySql)),
        (Some(wanted), Some((found, tool))) if wanted == found || is_mysql(wanted) && is_mysql(found) => {
            Ok((wanted, tool))
        }
        (Some(wanted), Some((_, tool))) => {
            Err(DrillError::OtherEngine { found: tool.to_string(), wanted: wanted.name() })
        }
    }
}

/// Counts all rows, and returns the database with the most tables.
fn count(server: &Server<'_>, findings: &mut Findings) -> Result<String, DrillError> {
    let mut largest = (0, "");
    let databases = server.require("", server.sql.databases)?;
    for database in databases.lines() {
        let statements = server.require(database, server.sql.counts)?;
        let counts = server.require(database, &statements)?;
        let tables = counts.lines().count() as u64;
        if tables > 0 {
            findings.tables += tables;
            findings.rows += counts.lines().filter_map(|count| count.parse::<u64>().ok()).sum::<u64>();
            findings.size += server.require(database, server.sql.size)?.trim().parse::<u64>().unwrap_or_default();
            largest = largest.max((tables, database));
        }
    }
    if findings.tables == 0 { Err(DrillError::NoTable) } else { Ok(largest.1.to_owned()) }
}

fn run_check(server: &Server<'_>, check: &DrillCheck, main: &str) -> Result<CheckResult, DrillError> {
    let outcome = server.query(check.database.as_deref().unwrap_or(main), &check.sql)?;
    let row = outcome.stdout.lines().next().unwrap_or_default();
    let first = row.split(server.sql.separator).next().unwrap_or_default();
    let passed = outcome.failure.is_none() && passes(first, check.at_least);
    Ok(CheckResult { name: check.name.clone(), value: shown(outcome.failure.as_deref().unwrap_or(first)), passed })
}

fn shown(text: &str) -> String {
    printable(text.trim()).chars().take(MAX_VALUE).collect()
}
