//! The throwaway database server of each kind, and its clients.

use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::drill::error::DrillError;
use crate::drill::process::{Outcome, Process, Runner, lock};
use crate::rules::drill_facts::Engine;
use crate::rules::drill_sql::{Sql, sql};
use crate::rules::loading::DumpTool;

/// Of a SQLite database, in the drill's folder.
const SQLITE_FILE: &str = "drill.db";
/// For dumps that create no database.
const DATABASE: &str = "drill";
const POSTGRESQL: &str = "postgresql";
const MARIADB: &str = "mariadb-server";

/// No network, fast loading, no shared memory outside the folder.
const POSTGRESQL_SETTINGS: &str = "listen_addresses= unix_socket_permissions=0700 dynamic_shared_memory_type=mmap \
     fsync=off full_page_writes=off synchronous_commit=off wal_level=minimal max_wal_senders=0 max_wal_size=4GB \
     checkpoint_timeout=1h autovacuum=off shared_buffers=256MB maintenance_work_mem=256MB max_connections=20 jit=off \
     log_min_messages=fatal log_min_error_statement=panic";
/// Options that MariaDB and MySQL share.
const MYSQL_OPTIONS: &str = "--skip-networking --skip-log-bin --skip-name-resolve --innodb-flush-log-at-trx-commit=0 \
     --innodb-doublewrite=0 --innodb-buffer-pool-size=256M --innodb-fast-shutdown=2 --local-infile=0 --max-allowed-packet=1G";

/// Dropping it ends it.
pub(super) struct Server<'a> {
    runner: &'a Runner,
    pub(super) engine: Engine,
    pub(super) sql: Sql,
    process: Option<Process>,
}

impl<'a> Server<'a> {
    /// Creates an empty server and starts it. MariaDB loads a dump of MySQL if there is no MySQL.
    pub(super) fn start(runner: &'a Runner) -> Result<Server<'a>, DrillError> {
        // Debian's mysqld is a link to MariaDB's.
        let is_mysql = |path: &Path| path.canonicalize().is_ok_and(|path| path.ends_with("mysqld"));
        let has_mysql = runner.find("mysqld").is_some_and(|path| is_mysql(&path));
        let engine = if runner.engine == Engine::MySql && !has_mysql { Engine::MariaDb } else { runner.engine };
        let mut server = Server { runner, engine, sql: sql(engine), process: None };
        // A missing client is reported before the server starts.
        server.client("")?;
        match engine {
            Engine::PostgreSql => server.start_postgresql()?,
            Engine::MariaDb | Engine::MySql => server.start_mysql()?,
            Engine::Sqlite => {}
        }
        Ok(server)
    }

    fn start_postgresql(&mut self) -> Result<(), DrillError> {
        let mut postgres = self.runner.command("postgres", POSTGRESQL)?;
        let mut initdb = self.runner.command("initdb", POSTGRESQL)?;
        let options = "-A trust -U postgres --no-sync --no-instructions --encoding=UTF8 --locale=C.UTF-8 -D data";
        initdb.args(options.split(' '));
        self.runner.require(initdb, "")?;
        postgres.args(["-D", "data", "-k"]).arg(&self.runner.folder);
        postgres.args(POSTGRESQL_SETTINGS.split(' ').flat_map(|setting| ["-c", setting]));
        // On SIGQUIT, it ends at once and releases its shared memory.
        self.serve(postgres, Signal::QUIT)
    }

    fn start_mysql(&mut self) -> Result<(), DrillError> {
        let mut install = if self.engine == Engine::MySql {
            let mut install = self.runner.command("mysqld", MARIADB)?;
            install.args(["--no-defaults", "--initialize-insecure"]);
            install
        } else {
            let mut install = self.runner.command("mariadb-install-db", MARIADB)?;
            // --force: without a lookup of this machine's name.
            install.args("--no-defaults --force --skip-test-db --auth-root-authentication-method=normal".split(' '));
            let prefix = self.runner.programs.as_deref().and_then(Path::parent);
            install.args(prefix.map(|prefix| format!("--basedir={}", prefix.display())));
            install
        };
        install.args([self.option("datadir", "data"), self.option("tmpdir", "tmp")]);
        self.runner.require(install, "")?;
        self.serve_mysql(None)?;
        self.require("", &format!("CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4")).map(drop)
    }

    fn serve_mysql(&mut self, more: Option<&str>) -> Result<(), DrillError> {
        let mut server =
            self.runner.command(if self.engine == Engine::MySql { "mysqld" } else { "mariadbd" }, MARIADB)?;
        let files = [("datadir", "data"), ("tmpdir", "tmp"), ("secure-file-priv", "tmp"), ("pid-file", "pid")];
        server.arg("--no-defaults").args(MYSQL_OPTIONS.split(' ')).args(more).arg(self.option("socket", "socket"));
        server.args(files.map(|(name, value)| self.option(name, value)));
        self.serve(server, Signal::TERM)
    }

    fn option(&self, name: &str, value: &str) -> String {
        format!("--{name}={}", self.runner.folder.join(value).display())
    }

    /// Starts the server `command`, and waits until it answers.
    fn serve(&mut self, command: Command, signal: Signal) -> Result<(), DrillError> {
        let mut process = self.runner.spawn(command, signal)?;
        while self.query("", "SELECT 1")?.failure.is_some() {
            if process.poll() {
                let message = lock(&process.errors).last_message();
                return Err(DrillError::Program { program: format!("the {} server", self.engine), message });
            }
            thread::sleep(Duration::from_millis(20));
        }
        self.process = Some(process);
        Ok(())
    }

    /// A client for statements from its standard input, connected to `database`, or to the default one if that is empty.
    fn client(&self, database: &str) -> Result<Command, DrillError> {
        let mut command = match self.engine {
            Engine::PostgreSql => self.runner.command("psql", POSTGRESQL)?,
            Engine::MariaDb => self.runner.command("mariadb", MARIADB)?,
            Engine::MySql => self.runner.command("mysql", MARIADB)?,
            Engine::Sqlite => self.runner.command("sqlite3", "sqlite3")?,
        };
        match self.engine {
            Engine::PostgreSql => {
                command.args(["-X", "-q", "-f", "-"]);
                self.connect(&mut command, database);
            }
            Engine::MariaDb | Engine::MySql => {
                let options = "--no-defaults --user=root --binary-mode --local-infile=0 --max-allowed-packet=1G";
                command.args(options.split(' ')).arg(format!("--database={database}"));
                command.arg(self.option("socket", "socket"));
            }
            Engine::Sqlite => _ = command.args(["-batch", "-safe", "-bail", "-init", "/dev/null", SQLITE_FILE]),
        }
        Ok(command)
    }

    /// A variable, unlike an argument, is a name whatever characters it has.
    fn connect(&self, command: &mut Command, database: &str) {
        let database = if database.is_empty() { "postgres" } else { database };
        command.env("PGHOST", &self.runner.folder).envs([("PGUSER", "postgres"), ("PGDATABASE", database)]);
    }

    pub(super) fn load(&mut self, dump: &mut dyn Read, tool: Option<DumpTool>) -> Result<Outcome, DrillError> {
        let mut command = self.client(if self.engine == Engine::PostgreSql { "" } else { DATABASE })?;
        match (self.engine, tool) {
            (_, Some(DumpTool::SqliteFile)) => {
                command = self.runner.command("dd", "coreutils")?;
                command.args([&format!("of={SQLITE_FILE}"), "bs=128K", "status=none"]);
            }
            (_, Some(DumpTool::PgDumpCustom)) => {
                command = self.runner.command("pg_restore", POSTGRESQL)?;
                self.connect(command.args(["-d", "postgres"]), "");
            }
            (Engine::PostgreSql, _) => _ = command.arg("-b"),
            (Engine::MariaDb | Engine::MySql, _) => _ = command.arg("--force"),
            (Engine::Sqlite, _) => _ = command.args(["-cmd", "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"]),
        }
        let mut outcome = self.runner.run(command, dump)?;
        if let (Some(failure), Some(server)) = (&mut outcome.failure, &self.process)
            && failure.contains("connection")
        {
            failure.push_str(&format!(" (the server's log: {})", lock(&server.errors).last_message()));
        }
        // A dump of all databases has the accounts too: those of another server.
        let is_locked_out = |outcome: Outcome| outcome.failure.is_some_and(|it| it.contains("Access denied"));
        if is_locked_out(self.query("", "SELECT 1")?) {
            self.process = None;
            self.serve_mysql(Some("--skip-grant-tables"))?;
        }
        Ok(outcome)
    }

    /// Runs `sql` in `database`. Returns one line per row, with a tab between columns.
    pub(super) fn query(&self, database: &str, sql: &str) -> Result<Outcome, DrillError> {
        self.runner.run(self.querying(database)?, &mut sql.as_bytes())
    }

    /// Like [`Server::query`], for a query that must succeed.
    pub(super) fn require(&self, database: &str, sql: &str) -> Result<String, DrillError> {
        self.runner.require(self.querying(database)?, sql)
    }

    fn querying(&self, database: &str) -> Result<Command, DrillError> {
        let mut command = self.client(database)?;
        match self.engine {
            Engine::PostgreSql => command.args(["-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1"]),
            Engine::MariaDb | Engine::MySql => command.args(["--batch", "--raw", "--skip-column-names"]),
            Engine::Sqlite => command.args(["-noheader", "-list", "-separator", "\t"]),
        };
        Ok(command)
    }
}
