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
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::drill::folder::Folder;
use crate::drill::process::{Runner, Running};
use crate::drill::sandbox::Sandbox;
use crate::drill::server::Server;
use crate::rules::drill_errors::passes;
use crate::rules::drill_facts::{CheckResult, DrillCheck, Engine, Findings};
use crate::rules::loading::{BEGINNING, DumpFormat, DumpTool};
use crate::rules::redaction::printable;
use crate::runtime::interrupt::Interrupt;

pub use error::DrillError;
pub use folder::clear_leftovers;

/// The address of a local socket has 107 bytes at most (unix(7)).
const MAX_SOCKET_PATH: usize = 107;
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

/// Reads the dump, and keeps its end and the error.
struct Dump<'a> {
    beginning: io::Cursor<Vec<u8>>,
    rest: &'a mut dyn Read,
    /// The last bytes, at least [`BEGINNING`] of them if there are that many.
    end: Vec<u8>,
    error: Option<io::Error>,
}

impl<'a> Dump<'a> {
    fn new(mut dump: &'a mut dyn Read) -> Result<Dump<'a>, DrillError> {
        let mut beginning = Vec::new();
        (&mut dump).take(BEGINNING as u64).read_to_end(&mut beginning).map_err(DrillError::Read)?;
        Ok(Dump { beginning: io::Cursor::new(beginning), rest: dump, end: Vec::new(), error: None })
    }
}

impl Read for Dump<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut count = self.beginning.read(buffer)?;
        if count == 0 {
            count = match self.rest.read(buffer) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    let kind = error.kind();
                    self.error = Some(error);
                    return Err(kind.into());
                }
                other => other?,
            };
        }
        self.end.extend_from_slice(&buffer[count.saturating_sub(BEGINNING)..count]);
        if self.end.len() > 2 * BEGINNING {
            self.end.drain(..self.end.len() - BEGINNING);
        }
        Ok(count)
    }
}

/// Loads `dump`, the unpacked stream, and returns what it holds. `phase` is called at the beginning of each phase. A check that
/// does not pass is no error. First removes what killed drills left in the same folder.
///
/// # Errors
/// Whatever happens, all processes have ended and all files are removed.
pub fn run(
    settings: &Settings,
    dump: &mut dyn Read,
    interrupt: &Interrupt,
    phase: &dyn Fn(&'static str),
) -> Result<Findings, DrillError> {
    clear_leftovers(&settings.folder);
    let (running, is_late) = (Arc::new(Running::default()), Arc::new(AtomicBool::new(false)));
    let (ended, end) = mpsc::channel::<()>();
    let (watched, late, limit) = (running.clone(), is_late.clone(), settings.limit);
    let watch = thread::spawn(move || {
        if end.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            late.store(true, Ordering::SeqCst);
            watched.end();
        }
    });
    let closed = running.clone();
    let _closer = interrupt.on_trigger(move || closed.end());
    let result = drill(settings, dump, running, phase);
    drop(ended);
    // It ends at once.
    let _ = watch.join();
    interrupt.check()?;
    if is_late.load(Ordering::SeqCst) && result.is_err() { Err(DrillError::TimeLimit(limit)) } else { result }
}

fn drill(
    settings: &Settings,
    dump: &mut dyn Read,
    running: Arc<Running>,
    phase: &dyn Fn(&'static str),
) -> Result<Findings, DrillError> {
    let mut dump = Dump::new(dump)?;
    let format = DumpFormat::recognise(dump.beginning.get_ref());
    let (engine, tool) = kind(settings.engine, format)?;
    let work_directory = settings.folder.canonicalize().unwrap_or_else(|_| settings.folder.clone());
    let ids = user::find(&settings.user, &work_directory)?;
    let folder = Folder::create(&work_directory, ids)?;
    let inner = folder.inner();
    let socket = inner.join(".s.PGSQL.5432");
    if socket.as_os_str().len() > MAX_SOCKET_PATH {
        let problem = "its path is too long for a socket: choose a shorter one";
        return Err(DrillError::Folder {
            path: work_directory,
            source: io::Error::new(io::ErrorKind::InvalidFilename, problem),
        });
    }
    let programs =
        settings.programs.as_ref().map(|programs| programs.canonicalize().unwrap_or_else(|_| programs.clone()));
    let near = |path: &PathBuf| {
        ["lib", "lib64", "share"].map(|name| path.with_file_name(name)).into_iter().chain([path.clone()]).collect()
    };
    let sandbox = Sandbox { folder: inner.clone(), programs: programs.as_ref().map(near).unwrap_or_default() };
    if settings.sandbox {
        sandbox.check()?;
    }
    let runner = Runner { folder: inner, ids, programs, sandbox: settings.sandbox.then_some(sandbox), running };
    if engine != Engine::Sqlite {
        phase("Start server");
    }
    let server = Server::start(&runner, engine, tool)?;
    phase("Load");
    let loaded = server.load(&mut dump, tool)?;
    if let Some(error) = dump.error {
        return Err(DrillError::Read(error));
    }
    if let Some(failure) = loaded.failure {
        let is_unknown = server.engine == Engine::MariaDb && failure.contains("Unknown collation");
        return Err(if is_unknown { DrillError::NeedsMySql(failure) } else { DrillError::Load(failure) });
    }
    if let Some(missing) = format.and_then(|format| format.missing_last_line(&dump.end)) {
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
    for (definer, count) in server.missing_definers()? {
        log.notice(format!("the definer {} does not exist", shown(&definer)), count);
    }
    let mut findings = Findings {
        engine: server.engine,
        server: server.version()?,
        tables: 0,
        rows: 0,
        size: 0,
        notices: log.into_notices(),
        checks: Vec::new(),
    };
    let main = count(&server, &mut findings)?;
    phase("Checks");
    for check in &settings.checks {
        findings.checks.push(run_check(&server, check, &main)?);
    }
    Ok(findings)
}

fn kind(wanted: Option<Engine>, format: Option<DumpFormat>) -> Result<(Engine, DumpTool), DrillError> {
    let Some(format) = format else {
        return match wanted {
            Some(Engine::PostgreSql) => Ok((Engine::PostgreSql, DumpTool::PgDump)),
            Some(engine @ (Engine::MariaDb | Engine::MySql)) => Ok((engine, DumpTool::MySql)),
            Some(Engine::Sqlite) => Ok((Engine::Sqlite, DumpTool::Sqlite)),
            None => Err(DrillError::UnknownFormat),
        };
    };
    let found = match format.tool() {
        DumpTool::PgDump | DumpTool::PgDumpCustom | DumpTool::PgDumpAll => Engine::PostgreSql,
        DumpTool::MariaDb => Engine::MariaDb,
        DumpTool::MySql => Engine::MySql,
        DumpTool::Sqlite | DumpTool::SqliteFile => Engine::Sqlite,
    };
    match wanted {
        Some(engine @ (Engine::MariaDb | Engine::MySql)) if matches!(found, Engine::MariaDb | Engine::MySql) => {
            Ok((engine, format.tool()))
        }
        Some(engine) if engine != found => Err(DrillError::OtherEngine(format.tool().to_string(), engine.to_string())),
        _ => Ok((found, format.tool())),
    }
}

/// Counts all rows, and returns the database with the most tables.
fn count(server: &Server<'_>, findings: &mut Findings) -> Result<String, DrillError> {
    let mut largest = (0, String::new());
    for database in server.databases()? {
        let statements = server.require(&database, server.counting())?;
        let counts = server.require(&database, &statements)?;
        let tables = counts.lines().count() as u64;
        if tables == 0 {
            continue;
        }
        findings.tables += tables;
        findings.rows += counts.lines().filter_map(|count| count.parse::<u64>().ok()).sum::<u64>();
        findings.size += server.require(&database, server.sizing())?.trim().parse::<u64>().unwrap_or_default();
        if tables > largest.0 {
            largest = (tables, database);
        }
    }
    if findings.tables == 0 { Err(DrillError::NoTable) } else { Ok(largest.1) }
}

fn run_check(server: &Server<'_>, check: &DrillCheck, main: &str) -> Result<CheckResult, DrillError> {
    let outcome = server.query(check.database.as_deref().unwrap_or(main), &check.sql)?;
    let first = outcome.stdout.split([server.separator(), '\n']).next().unwrap_or_default();
    let passed = outcome.failure.is_none() && passes(first, check.at_least);
    Ok(CheckResult { name: check.name.clone(), value: shown(outcome.failure.as_deref().unwrap_or(first)), passed })
}

fn shown(text: &str) -> String {
    printable(text.trim()).chars().take(MAX_VALUE).collect()
}
