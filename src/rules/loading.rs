//! What made a dump, going by how it begins, and the command that loads it into a database.

use std::fmt;

/// How much of a dump is looked at, in bytes.
pub const BEGINNING: usize = 4096;

/// What made a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// MySQL's mysqldump.
    MySql,
    /// MariaDB's mariadb-dump.
    MariaDb,
    /// PostgreSQL's pg_dump, as SQL.
    PgDump,
    /// PostgreSQL's pg_dump, in its own format.
    PgDumpCustom,
    /// PostgreSQL's pg_dumpall.
    PgDumpAll,
    /// SQLite's `.dump`.
    Sqlite,
}

/// How a dump is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loading {
    maker: Maker,
    /// Whether the dump itself creates the databases that it is for.
    creates_database: bool,
    /// Whether it is a gzip file.
    is_gzip: bool,
}

/// Where a dump is loaded from, and how.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The dump's file, quoted for a shell.
    pub file: &'a str,
    /// A name for a new database: a word that every database takes without quotes.
    pub database: &'a str,
    /// The file of a new SQLite database, quoted for a shell.
    pub database_file: &'a str,
    /// Whether root will load it. PostgreSQL does not know root: on Debian the database's administrator is `postgres`.
    pub is_root: bool,
}

impl Loading {
    /// What is made of a dump that begins with `beginning`; `None` where nothing is known of it.
    pub fn of(beginning: &[u8]) -> Option<Loading> {
        let text = String::from_utf8_lossy(&beginning[..beginning.len().min(BEGINNING)]);
        let text = text.trim_start_matches('\u{feff}');
        let has_line = |start: &str| text.lines().any(|line| line.starts_with(start));
        let maker = if beginning.starts_with(b"PGDMP") {
            Maker::PgDumpCustom
        } else if has_line("/*M!999999\\- enable the sandbox mode */") || has_line("-- MariaDB dump ") {
            // The first line is one that other clients than MariaDB's own do not understand.
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
        // mysqldump's line with --databases and --all-databases; pg_dump's with --create.
        let creates_database = has_line("-- Current Database: ") || has_line("CREATE DATABASE ");
        Some(Loading { maker, creates_database, is_gzip: false })
    }

    /// The same of a gzip file that holds such a dump.
    pub fn from_gzip(self) -> Loading {
        Loading { is_gzip: true, ..self }
    }

    /// What made it.
    pub fn maker(self) -> Maker {
        self.maker
    }

    /// The command that loads it into a new database, as Debian's packages have it: for root, or for someone who may create
    /// databases. An existing database ends it, unless the dump itself says which it is for.
    pub fn command(self, place: Place<'_>) -> String {
        let Place { file, database, database_file, is_root } = place;
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
            // Its first error is that the role exists that initdb has made.
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
        // The shell opens the file, which is for the operator alone: the database's user could not.
        let load = if self.is_gzip { format!("gunzip < {file} | {load}") } else { format!("{load} < {file}") };
        create.map_or_else(|| load.clone(), |create| format!("{create} && {load}"))
    }

    /// What must be known about that command, if anything.
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
