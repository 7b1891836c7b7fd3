//! Recognises the tool that made a dump, and builds the command that loads the dump.

use std::fmt;

use crate::rules::drill_facts::Engine;

/// The number of bytes at a dump's beginning that identify it.
pub const BEGINNING: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DumpTool {
    MySql,
    MariaDb,
    /// SQL.
    PgDump,
    /// The custom format of pg_dump.
    PgDumpCustom,
    PgDumpAll,
    Sqlite,
    /// The database itself.
    SqliteFile,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DumpFormat {
    tool: DumpTool,
    /// The beginning of the line at the end of a whole dump; `None` if the tool was made to omit it.
    last_line: Option<&'static str>,
    /// Whether the dump itself creates its databases.
    creates_database: bool,
    is_gzip: bool,
}

/// The file to load and the database to load it into.
#[derive(Debug, Clone, Copy)]
pub struct LoadTarget<'a> {
    /// Quoted for a shell.
    pub file: &'a str,
    /// The name of a new database, which needs no quotes in SQL.
    pub database: &'a str,
    /// The file of a new SQLite database, quoted for a shell.
    pub database_file: &'a str,
    /// Whether root runs the command. PostgreSQL has no role for root: on Debian its administrator is `postgres`.
    pub is_root: bool,
}

impl DumpFormat {
    /// The format of a dump that begins with `beginning`; `None` if unknown.
    pub fn recognise(beginning: &[u8]) -> Option<DumpFormat> {
        let text = String::from_utf8_lossy(&beginning[..beginning.len().min(BEGINNING)]);
        let text = text.trim_start_matches('\u{feff}');
        let has_line = |start: &str| text.lines().any(|line| line.starts_with(start));
        let tool = if beginning.starts_with(b"PGDMP") {
            DumpTool::PgDumpCustom
        } else if beginning.starts_with(b"SQLite format 3\0") {
            DumpTool::SqliteFile
        } else if has_line("/*M!999999\\- enable the sandbox mode */") || has_line("-- MariaDB dump ") {
            // Only MariaDB's own client understands the first of these lines.
            DumpTool::MariaDb
        } else if has_line("-- MySQL dump ") {
            DumpTool::MySql
        } else if has_line("-- PostgreSQL database cluster dump") {
            DumpTool::PgDumpAll
        } else if has_line("-- PostgreSQL database dump") {
            DumpTool::PgDump
        } else if text.starts_with("PRAGMA foreign_keys=OFF") {
            DumpTool::Sqlite
        } else if ["/*!40101 SET @OLD_CHARACTER_SET_CLIENT", "-- phpMyAdmin SQL Dump"].into_iter().any(has_line) {
            // The first of these lines is from --skip-comments, of either tool.
            DumpTool::MySql
        } else if has_line("SET statement_timeout = 0;") {
            DumpTool::PgDump
        } else {
            return None;
        };
        let last_line = match tool {
            DumpTool::MySql | DumpTool::MariaDb => {
                ["-- MySQL dump ", "-- MariaDB dump "].into_iter().any(has_line).then_some("-- Dump completed")
            }
            DumpTool::PgDumpAll => Some("-- PostgreSQL database cluster dump complete"),
            DumpTool::PgDump => {
                has_line("-- PostgreSQL database dump").then_some("-- PostgreSQL database dump complete")
            }
            DumpTool::Sqlite => Some("COMMIT;"),
            DumpTool::PgDumpCustom | DumpTool::SqliteFile => None,
        };
        // From mysqldump --databases and --all-databases; from pg_dump --create.
        let creates_database = has_line("-- Current Database: ") || has_line("CREATE DATABASE ");
        Some(DumpFormat { tool, last_line, creates_database, is_gzip: false })
    }

    /// The line that the dump's last [`BEGINNING`] bytes, `end`, lack: the dump was cut. `None` if it is whole, as far as its
    /// end reveals that.
    pub fn missing_last_line(self, end: &[u8]) -> Option<&'static str> {
        let end = String::from_utf8_lossy(end);
        self.last_line.filter(|last| !end.lines().any(|line| line.starts_with(last)))
    }

    /// The format of a gzip file that holds such a dump.
    pub fn in_gzip(self) -> DumpFormat {
        DumpFormat { is_gzip: true, ..self }
    }

    pub fn tool(self) -> DumpTool {
        self.tool
    }

    /// The shell command that loads the dump into a new database with Debian's packages. It fails if the database exists,
    /// unless the dump itself names its databases.
    pub fn command(self, target: LoadTarget<'_>) -> String {
        let LoadTarget { file, database, database_file, is_root } = target;
        let postgres = if is_root { "runuser -u postgres -- " } else { "" };
        let (create, load) = match self.tool {
            DumpTool::MySql | DumpTool::MariaDb => {
                let client = if self.tool == DumpTool::MySql { "mysql" } else { "mariadb" };
                match self.creates_database {
                    true => (None, client.to_owned()),
                    false => {
                        (Some(format!("{client} -e 'CREATE DATABASE {database}'")), format!("{client} {database}"))
                    }
                }
            }
            // Without ON_ERROR_STOP: the dump first creates the role postgres, which already exists.
            DumpTool::PgDumpAll => (None, format!("{postgres}psql -X -d postgres")),
            DumpTool::PgDump if self.creates_database => {
                (None, format!("{postgres}psql -X -v ON_ERROR_STOP=1 -d postgres"))
            }
            DumpTool::PgDump => (
                Some(format!("{postgres}createdb {database}")),
                format!("{postgres}psql -X -v ON_ERROR_STOP=1 -d {database}"),
            ),
            DumpTool::PgDumpCustom => {
                (Some(format!("{postgres}createdb {database}")), format!("{postgres}pg_restore -d {database}"))
            }
            DumpTool::Sqlite => (None, format!("sqlite3 -bail {database_file}")),
            DumpTool::SqliteFile => (None, format!("cat > {database_file}")),
        };
        // The shell opens the file: only the operator may read it, not the database's user.
        let load = if self.is_gzip { format!("gunzip < {file} | {load}") } else { format!("{load} < {file}") };
        create.map_or_else(|| load.clone(), |create| format!("{create} && {load}"))
    }

    /// A hint for the operator before running that command.
    pub fn note(self) -> Option<&'static str> {
        match self.tool {
            DumpTool::MySql | DumpTool::MariaDb if self.creates_database => Some(
                "this loads into the databases that the dump names, and changes existing ones; add -u USER -p to log in with \
                 a password",
            ),
            DumpTool::MySql | DumpTool::MariaDb => Some("add -u USER -p to log in with a password"),
            DumpTool::PgDump | DumpTool::PgDumpCustom => {
                Some("the roles that own its objects must exist: create missing ones first (createuser NAME)")
            }
            DumpTool::PgDumpAll => Some(
                "this loads into the databases that the dump names, and changes existing ones; ignore the error that the role \
                 \"postgres\" already exists",
            ),
            DumpTool::Sqlite | DumpTool::SqliteFile => None,
        }
    }
}

impl DumpTool {
    /// The kind of server that loads the dump.
    pub fn engine(self) -> Engine {
        match self {
            DumpTool::PgDump | DumpTool::PgDumpCustom | DumpTool::PgDumpAll => Engine::PostgreSql,
            DumpTool::MariaDb => Engine::MariaDb,
            DumpTool::MySql => Engine::MySql,
            DumpTool::Sqlite | DumpTool::SqliteFile => Engine::Sqlite,
        }
    }
}

impl fmt::Display for DumpTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DumpTool::MySql => "MySQL",
            DumpTool::MariaDb => "MariaDB",
            DumpTool::PgDump | DumpTool::PgDumpCustom | DumpTool::PgDumpAll => "PostgreSQL",
            DumpTool::Sqlite | DumpTool::SqliteFile => "SQLite",
        })
    }
}
