//! What a drill checks and what it finds: the dump loaded into a throwaway database server.

use std::fmt;
use std::str::FromStr;

/// A kind of database server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    PostgreSql,
    MariaDb,
    MySql,
    Sqlite,
}

/// A query that the loaded dump must satisfy.
#[derive(Debug, Clone, PartialEq)]
pub struct DrillCheck {
    pub name: String,
    /// The first column of its first row counts.
    pub sql: String,
    /// `None` for the dump's only or largest database.
    pub database: Option<String>,
    /// The smallest number that passes; `None` if the value must be true.
    pub at_least: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckResult {
    pub name: String,
    /// Printable: the first column of the first row, empty without a row, or the database's error.
    pub value: String,
    pub passed: bool,
}

/// An error that does not hurt the data, such as a missing role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Printable.
    pub text: String,
    pub count: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    pub engine: Engine,
    /// Such as "PostgreSQL 15.14".
    pub server: String,
    /// Without views.
    pub tables: u64,
    pub rows: u64,
    /// Of the databases in the throwaway server, in bytes.
    pub size: u64,
    /// Each kind once.
    pub notices: Vec<Notice>,
    pub checks: Vec<CheckResult>,
}

impl Engine {
    pub const ALL: [Engine; 4] = [Engine::PostgreSql, Engine::MariaDb, Engine::MySql, Engine::Sqlite];

    /// As the configuration names it.
    pub fn name(self) -> &'static str {
        match self {
            Engine::PostgreSql => "postgresql",
            Engine::MariaDb => "mariadb",
            Engine::MySql => "mysql",
            Engine::Sqlite => "sqlite",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Engine {
    type Err = ();

    fn from_str(name: &str) -> Result<Engine, ()> {
        Engine::ALL.into_iter().find(|engine| engine.name() == name).ok_or(())
    }
}
