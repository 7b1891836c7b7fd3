//! The throwaway database server of each kind, and its clients.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::drill::error::DrillError;
use crate::drill::process::{Outcome, Process, Runner, lock};
use crate::rules::drill_facts::Engine;
use crate::rules::loading::DumpTool;

/// Of a SQLite database, in the drill's folder.
const SQLITE_FILE: &str = "drill.db";
/// For dumps that create no database.
const DATABASE: &str = "drill";
const MARIADB: &str = "mariadb-server";

/// PostgreSQL's settings: no network, fast loading, no shared memory outside the folder.
const POSTGRESQL: [&str; 17] = [
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "dynamic_shared_memory_type=mmap",
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_wal_size=4GB",
    "checkpoint_timeout=1h",
    "autovacuum=off",
    "shared_buffers=256MB",
    "maintenance_work_mem=256MB",
    "max_connections=20",
    "jit=off",
    "log_min_messages=fatal",
    "log_min_error_statement=panic",
];

/// Options that MariaDB and MySQL share.
const MYSQL: [&str; 8] = [
    "--skip-networking",
    "--skip-log-bin",
    "--skip-name-resolve",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-buffer-pool-size=256M",
    "--local-infile=0",
    "--max-allowed-packet=1G",
];

/// Dropping it ends it.
pub(super) struct Server<'a> {
    runner: &'a Runner,
    pub(super) engine: Engine,
    client: PathBuf,
    process: Option<Process>,
}

/// The databases in information_schema that MariaDB and MySQL create.
const NO_SYSTEM: &str = "NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')";

impl<'a> Server<'a> {
    /// Finds the programs, creates an empty server and starts it.
    pub(super) fn start(runner: &'a Runner, engine: Engine, dump: DumpTool) -> Result<Server<'a>, DrillError> {
        let folder = &runner.folder;
        let option = |name: &str, value: &str| format!("--{name}={}", folder.join(value).display());
        let command = |program: &Path, arguments: &[&str]| {
            let mut command = runner.command(program);
            command.args(arguments);
            command
        };
        // Debian's mysqld is a link to MariaDB's.
        let mysqld = runner
            .find("mysqld")
            .filter(|path| path.canonicalize().is_ok_and(|path| path.file_name().is_some_and(|name| name == "mysqld")));
        let engine = if engine == Engine::MySql && mysqld.is_none() { Engine::MariaDb } else { engine };
        let mut daemon = None;
        let client = match engine {
            Engine::PostgreSql => {
                let initdb = runner.need("initdb", "postgresql")?;
                let postgres = runner.need("postgres", "postgresql")?;
                let client = runner.need("psql", "postgresql")?;
                if dump == DumpTool::PgDumpCustom {
                    runner.need("pg_restore", "postgresql")?;
                }
                let arguments = ["-A", "trust", "-U", "postgres", "--no-sync", "--no-instructions", "--encoding=UTF8"];
                runner.prepare(
                    command(&initdb, &[&arguments[..], &["--locale=C.UTF-8", "-D", "data"]].concat()),
                    engine,
                )?;
                let mut start = command(&postgres, &["-D", "data", "-k"]);
                start.arg(folder).args(POSTGRESQL.iter().flat_map(|setting| ["-c", setting]));
                // On SIGQUIT, it ends at once and releases its shared memory.
                daemon = Some((start, Signal::QUIT));
                client
            }
            Engine::MariaDb | Engine::MySql => {
                let (server, client) = match mysqld.filter(|_| engine == Engine::MySql) {
                    Some(server) => {
                        let arguments = ["--no-defaults", "--initialize-insecure", &option("datadir", "data")];
                        runner.prepare(command(&server, &arguments), engine)?;
                        (server, runner.need("mysql", "mysql-client")?)
                    }
                    None => {
                        let server = runner.need("mariadbd", MARIADB)?;
                        let client = runner.need("mariadb", MARIADB)?;
                        let install = runner.need("mariadb-install-db", MARIADB)?;
                        let mut install = command(&install, &["--no-defaults", "--skip-test-db"]);
                        install.args(["--auth-root-authentication-method=normal", &option("datadir", "data")]);
                        install.arg(option("tmpdir", "tmp"));
                        if let Some(prefix) = runner.programs.as_deref().and_then(Path::parent) {
                            install.arg(format!("--basedir={}", prefix.display()));
                        }
                        runner.prepare(install, engine)?;
                        (server, client)
                    }
                };
                let mut start = command(&server, &["--no-defaults"]);
                let paths = [("datadir", "data"), ("tmpdir", "tmp"), ("secure-file-priv", "tmp"), ("socket", "socket")];
                start.args(MYSQL).args(paths.map(|(name, value)| option(name, value))).arg(option("pid-file", "pid"));
                daemon = Some((start, Signal::KILL));
                client
            }
            Engine::Sqlite => runner.need("sqlite3", "sqlite3")?,
        };
        let mut server = Server { runner, engine, client, process: None };
        if let Some((mut command, signal)) = daemon {
            command.stdin(Stdio::null()).stdout(Stdio::null());
            server.process = Some(runner.spawn(command, engine, signal)?);
            server.wait_until_ready()?;
        }
        if engine == Engine::MariaDb || engine == Engine::MySql {
            server.require("", &format!("CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4"))?;
        }
        Ok(server)
    }

    fn wait_until_ready(&mut self) -> Result<(), DrillError> {
        while self.query("", "SELECT 1")?.failure.is_some() {
            if let Some(process) = &mut self.process
                && process.poll().is_ok_and(|has_ended| has_ended)
            {
                let message = lock(&process.errors).last_message();
                return Err(DrillError::Program { program: format!("the {} server", self.engine), message });
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// A client for statements from its standard input, connected to `database`, or to the default one if that is empty.
    fn client(&self, database: &str) -> Command {
        let mut command = self.runner.command(&self.client);
        match self.engine {
            Engine::PostgreSql => {
                command.args(["-X", "-q", "-f", "-"]);
                self.connect(&mut command, database);
            }
            Engine::MariaDb | Engine::MySql => {
                command.args([
                    "--no-defaults",
                    "--user=root",
                    "--binary-mode",
                    "--local-infile=0",
                    "--max-allowed-packet=1G",
                ]);
                command.arg(format!("--socket={}", self.runner.folder.join("socket").display()));
                command.args((!database.is_empty()).then(|| format!("--database={database}")));
            }
            Engine::Sqlite => {
                command.args(["-batch", "-safe", "-bail", "-init", "/dev/null", SQLITE_FILE]);
            }
        }
        command
    }

    /// A variable, unlike an argument, is taken as a name whatever characters it has.
    fn connect(&self, command: &mut Command, database: &str) {
        let database = if database.is_empty() { "postgres" } else { database };
        command.env("PGHOST", &self.runner.folder).envs([("PGUSER", "postgres"), ("PGDATABASE", database)]);
    }

    /// Loads `dump`.
    pub(super) fn load(&self, dump: &mut dyn Read, tool: DumpTool) -> Result<Outcome, DrillError> {
        let mut command = match (self.engine, tool) {
            (_, DumpTool::SqliteFile) => {
                let mut copy = self.runner.command(&self.runner.need("dd", "coreutils")?);
                copy.args([&format!("of={SQLITE_FILE}"), "bs=128K", "status=none"]);
                copy
            }
            (Engine::PostgreSql, DumpTool::PgDumpCustom) => {
                let mut restore = self.runner.command(&self.runner.need("pg_restore", "postgresql")?);
                restore.args(["-d", "postgres"]);
                self.connect(&mut restore, "");
                restore
            }
            (Engine::MariaDb | Engine::MySql, _) => self.client(DATABASE),
            _ => self.client(""),
        };
        match self.engine {
            Engine::PostgreSql if tool != DumpTool::PgDumpCustom => _ = command.arg("-b"),
            Engine::MariaDb | Engine::MySql => _ = command.arg("--force"),
            Engine::Sqlite if tool != DumpTool::SqliteFile => {
                command.args(["-cmd", "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"]);
            }
            _ => {}
        }
        let mut outcome = self.runner.run(command, self.engine, dump)?;
        if let (Some(failure), Some(server)) = (&mut outcome.failure, &self.process)
            && failure.contains("connection")
        {
            failure.push_str(&format!(" (the server's log: {})", lock(&server.errors).last_message()));
        }
        Ok(outcome)
    }

    /// Runs `sql` in `database`: one line per row, with [`Server::separator`] between columns.
    pub(super) fn query(&self, database: &str, sql: &str) -> Result<Outcome, DrillError> {
        let mut command = self.client(database);
        match self.engine {
            Engine::PostgreSql => command.args(["-A", "-t", "-F", "\u{1f}", "-v", "ON_ERROR_STOP=1"]),
            Engine::MariaDb | Engine::MySql => command.args(["--batch", "--raw", "--skip-column-names"]),
            Engine::Sqlite => command.args(["-noheader", "-list", "-separator", "\u{1f}"]),
        };
        self.runner.run(command, self.engine, &mut sql.as_bytes())
    }

    /// Like [`Server::query`], for a query that must succeed.
    pub(super) fn require(&self, database: &str, sql: &str) -> Result<String, DrillError> {
        let outcome = self.query(database, sql)?;
        let program = format!("the {} server", self.engine);
        outcome.failure.map_or(Ok(outcome.stdout), |message| Err(DrillError::Program { program, message }))
    }

    pub(super) fn separator(&self) -> char {
        if matches!(self.engine, Engine::MariaDb | Engine::MySql) { '\t' } else { '\u{1f}' }
    }

    /// Such as "PostgreSQL 15.14".
    pub(super) fn version(&self) -> Result<String, DrillError> {
        let (name, sql) = match self.engine {
            Engine::PostgreSql => ("PostgreSQL", "SHOW server_version"),
            Engine::MariaDb => ("MariaDB", "SELECT VERSION()"),
            Engine::MySql => ("MySQL", "SELECT VERSION()"),
            Engine::Sqlite => ("SQLite", "SELECT sqlite_version()"),
        };
        let version = self.require("", sql)?;
        Ok(format!("{name} {}", version.split(['-', ' ', '\n']).next().unwrap_or_default()))
    }

    /// The names of the databases that may hold tables of the dump.
    pub(super) fn databases(&self) -> Result<Vec<String>, DrillError> {
        let names = match self.engine {
            Engine::PostgreSql => {
                self.require("", "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate")?
            }
            Engine::MariaDb | Engine::MySql => self.require(
                "",
                &format!("SELECT schema_name FROM information_schema.schemata WHERE schema_name {NO_SYSTEM}"),
            )?,
            Engine::Sqlite => "\n".to_owned(),
        };
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// A query for one statement per table, which counts its rows.
    pub(super) fn counting(&self) -> &'static str {
        match self.engine {
            // A partitioned table has its rows in its partitions.
            Engine::PostgreSql => {
                "SELECT format('SELECT count(*) FROM ONLY %I.%I;', nspname, relname)
                FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
                WHERE relkind IN ('r', 'p') AND nspname NOT IN ('pg_catalog', 'information_schema')"
            }
            Engine::MariaDb | Engine::MySql => {
                "SELECT CONCAT('SELECT COUNT(*) FROM `', REPLACE(table_name, '`', '``'), '`;')
                FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'"
            }
            Engine::Sqlite => {
                "SELECT 'SELECT count(*) FROM \"' || replace(name, '\"', '\"\"') || '\";'
                FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
            }
        }
    }

    /// A query for the size of the database in bytes.
    pub(super) fn sizing(&self) -> &'static str {
        match self.engine {
            Engine::PostgreSql => "SELECT pg_database_size(current_database())",
            Engine::MariaDb | Engine::MySql => {
                "SELECT COALESCE(SUM(data_length + index_length), 0) FROM information_schema.tables
                WHERE table_schema = DATABASE()"
            }
            Engine::Sqlite => "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
        }
    }

    /// The definers that do not exist: such a view or routine loads, but fails when it is used. Each with the number of its
    /// objects.
    pub(super) fn missing_definers(&self) -> Result<Vec<(String, u64)>, DrillError> {
        if !matches!(self.engine, Engine::MariaDb | Engine::MySql) {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT COUNT(*), definer FROM (
                SELECT definer, table_schema AS place FROM information_schema.views
                UNION ALL SELECT definer, trigger_schema FROM information_schema.triggers
                UNION ALL SELECT definer, routine_schema FROM information_schema.routines
                UNION ALL SELECT definer, event_schema FROM information_schema.events) AS objects
            WHERE place {NO_SYSTEM} AND definer NOT IN (SELECT CONCAT(user, '@', host) FROM mysql.user) GROUP BY definer"
        );
        let rows = self.require("", &sql)?;
        let row = |line: &str| line.split_once('\t').map(|(count, name)| (name.to_owned(), count.parse().unwrap_or(1)));
        Ok(rows.lines().filter_map(row).collect())
    }
}
