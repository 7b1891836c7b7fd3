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
    /// Whether the dump itself says which database it is for.
    names_database: bool,
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
        // With --databases and --all-databases, each database begins with this line.
        let names_database = has_line("-- Current Database: ");
        Some(Loading { maker, names_database })
    }

    /// What made it.
    pub fn maker(self) -> Maker {
        self.maker
    }

    /// The command that loads it from the file `path`, which is quoted for a shell. What is in capitals is for the reader
    /// to fill in.
    pub fn command(self, path: &str) -> String {
        let database = if self.names_database { "" } else { " DATABASE" };
        match self.maker {
            Maker::MySql => format!("mysql -u USER -p{database} < {path}"),
            Maker::MariaDb => format!("mariadb -u USER -p{database} < {path}"),
            Maker::PgDump => format!("psql -v ON_ERROR_STOP=1 -d DATABASE -f {path}"),
            Maker::PgDumpCustom => format!("pg_restore -d DATABASE {path}"),
            Maker::PgDumpAll => format!("psql -d postgres -f {path}"),
            Maker::Sqlite => format!("sqlite3 DATABASE.db < {path}"),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn told(beginning: &str) -> Option<String> {
        Loading::of(beginning.as_bytes()).map(|loading| loading.command("/r/dump.sql"))
    }

    #[test]
    fn each_maker_is_known_by_how_its_dump_begins() {
        for (beginning, command) in [
            (
                "-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)\n--\n",
                "mysql -u USER -p DATABASE < /r/dump.sql",
            ),
            ("-- MariaDB dump 10.19  Distrib 10.11.6-MariaDB\n--\n", "mariadb -u USER -p DATABASE < /r/dump.sql"),
            (
                "/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19-12.0.2\n",
                "mariadb -u USER -p DATABASE < /r/dump.sql",
            ),
            ("--\n-- PostgreSQL database dump\n--\n\n", "psql -v ON_ERROR_STOP=1 -d DATABASE -f /r/dump.sql"),
            ("--\n-- PostgreSQL database cluster dump\n--\n\n", "psql -d postgres -f /r/dump.sql"),
            ("PGDMP\u{1}\u{e}", "pg_restore -d DATABASE /r/dump.sql"),
            ("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n", "sqlite3 DATABASE.db < /r/dump.sql"),
        ] {
            assert_eq!(told(beginning).as_deref(), Some(command));
        }
    }

    #[test]
    fn a_dump_that_names_its_databases_needs_none() {
        let dump =
            "-- MySQL dump 10.13\n--\n-- Host: localhost    Database: shop\n\n--\n-- Current Database: `shop`\n--\n";
        assert_eq!(told(dump).as_deref(), Some("mysql -u USER -p < /r/dump.sql"));
    }

    #[test]
    fn of_anything_else_nothing_is_said() {
        for beginning in ["", "INSERT INTO t VALUES ('-- MySQL dump ');\n", "PGDM", "SELECT 1;\n"] {
            assert_eq!(told(beginning), None, "{beginning}");
        }
        assert_eq!(Loading::of(&[0xff; 5000]), None);
    }
}
