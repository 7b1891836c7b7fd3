//! Recognises the maker of a dump by its beginning, and composes the command that loads it.

use std::fmt;

/// How much of a dump is needed, in bytes.
pub const BEGINNING: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    MySql,
    MariaDb,
    /// pg_dump's SQL.
    PgDump,
    /// pg_dump's custom format.
    PgDumpCustom,
    PgDumpAll,
    Sqlite,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loading {
    maker: Maker,
    /// Whether the dump itself creates its databases.
    creates_database: bool,
    is_gzip: bool,
}

/// From which file and into which database a dump is loaded.
#[derive(Debug, Clone, Copy)]
pub struct LoadTarget<'a> {
    /// Quoted for a shell.
    pub file: &'a str,
    /// The name of a new database, which needs no quotes in SQL.
    pub database: &'a str,
    /// The file of a new SQLite database, quoted for a shell.
    pub database_file: &'a str,
    /// Whether root will load it. PostgreSQL has no role for root: on Debian its administrator is `postgres`.
    pub is_root: bool,
}

impl Loading {
    /// How to load a dump that begins with `beginning`, if its maker is recognised.
    pub fn of(beginning: &[u8]) -> Option<Loading> {
        let text = String::from_utf8_lossy(&beginning[..beginning.len().min(BEGINNING)]);
        let text = text.trim_start_matches('\u{feff}');
        let has_line = |start: &str| text.lines().any(|line| line.starts_with(start));
        let maker = if beginning.starts_with(b"PGDMP") {
            Maker::PgDumpCustom
        } else if has_line("/*M!999999\\- enable the sandbox mode */") || has_line("-- MariaDB dump ") {
            // Only MariaDB's own client understands the first of these lines.
            Maker::MariaDb
        } else if has_line("-- MySQL dump ") {
            Maker::MySql
        } else if has_line("-- PostgreSQL database cluster dump") {
            Maker::PgDumpAll
        } else if has_line("-- PostgreSQL database dump") {
            Maker::PgDump
        } else if text.starts_with("PRAGMA foreign_keys=OFF") {
            Maker::Sqlite
        } else {
            return None;
        };
        // From mysqldump --databases and --all-databases; from pg_dump --create.
        let creates_database = has_line("-- Current Database: ") || has_line("CREATE DATABASE ");
        Some(Loading { maker, creates_database, is_gzip: false })
    }

    /// How to load a gzip file that holds such a dump.
    pub fn from_gzip(self) -> Loading {
        Loading { is_gzip: true, ..self }
    }

    pub fn maker(self) -> Maker {
        self.maker
    }

    /// The command that loads it into a new database with Debian's packages, for root or a user who may create databases. It
    /// fails if the database exists, unless the dump itself names its databases.
    pub fn command(self, target: LoadTarget<'_>) -> String {
        let LoadTarget { file, database, database_file, is_root } = target;
        let postgres = if is_root { "runuser -u postgres -- " } else { "" };
        let (create, load) = match self.maker {
            Maker::MySql | Maker::MariaDb => {
                let client = if self.maker == Maker::MySql { "mysql" } else { "mariadb" };
                match self.creates_database {
                    true => (None, client.to_owned()),
                    false => {
                        (Some(format!("{client} -e 'CREATE DATABASE {database}'")), format!("{client} {database}"))
                    }
                }
            }
            // Without ON_ERROR_STOP: it first creates the role postgres, which initdb has created already.
            Maker::PgDumpAll => (None, format!("{postgres}psql -X -d postgres")),
            Maker::PgDump if self.creates_database => {
                (None, format!("{postgres}psql -X -v ON_ERROR_STOP=1 -d postgres"))
            }
            Maker::PgDump => (
                Some(format!("{postgres}createdb {database}")),
                format!("{postgres}psql -X -v ON_ERROR_STOP=1 -d {database}"),
            ),
            Maker::PgDumpCustom => {
                (Some(format!("{postgres}createdb {database}")), format!("{postgres}pg_restore -d {database}"))
            }
            Maker::Sqlite => (None, format!("sqlite3 -bail {database_file}")),
        };
        // The shell opens the file: only the operator may read it, not the database's user.
        let load = if self.is_gzip { format!("gunzip < {file} | {load}") } else { format!("{load} < {file}") };
        create.map_or_else(|| load.clone(), |create| format!("{create} && {load}"))
    }

    /// What to consider before running that command.
    pub fn note(self) -> Option<&'static str> {
        match self.maker {
            Maker::MySql | Maker::MariaDb if self.creates_database => Some(
                "this loads into the databases that the dump names, and changes existing ones; add -u USER -p where a user \
                 with a password loads it",
            ),
            Maker::MySql | Maker::MariaDb => Some("add -u USER -p where a user with a password loads it"),
            Maker::PgDump | Maker::PgDumpCustom => {
                Some("the roles that own its objects must exist: create missing ones first (createuser NAME)")
            }
            Maker::PgDumpAll => Some(
                "this loads into the databases that the dump names, and changes existing ones; ignore the error that the role \
                 \"postgres\" already exists",
            ),
            Maker::Sqlite => None,
        }
    }
}

impl fmt::Display for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Maker::MySql => "MySQL",
            Maker::MariaDb => "MariaDB",
            Maker::PgDump | Maker::PgDumpCustom | Maker::PgDumpAll => "PostgreSQL",
            Maker::Sqlite => "SQLite",
        })
    }
}
