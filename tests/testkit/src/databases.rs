//! Private database servers from Debian's packages, with Debian's logins: peer authentication for PostgreSQL's own user, the
//! socket for MariaDB's root.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

/// The user and group ids of `name` if root runs the tests: database servers refuse to run as root.
fn ids(name: &str) -> Option<(u32, u32)> {
    let id = |option: &str| {
        let output = Command::new("id").args([option, name]).output().unwrap();
        assert!(output.status.success(), "no user {name}: install the packages that scripts/test.sh names");
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    };
    geteuid().is_root().then(|| (id("-u"), id("-g")))
}

pub fn user_name() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A database server on a socket in its own folder.
pub struct Server {
    folder: TempDir,
    ids: Option<(u32, u32)>,
    /// Environment variables for its clients.
    pub variables: Vec<(&'static str, PathBuf)>,
    process: Option<Child>,
}

impl Server {
    fn new(user: &str) -> Server {
        let (folder, ids) = (tempfile::tempdir().unwrap(), ids(user));
        if let Some((user, group)) = ids {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        Server { folder, ids, variables: Vec::new(), process: None }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `program` as the server's user.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        if let Some((user, group)) = self.ids {
            command.uid(user).gid(group);
        }
        command.current_dir(self.folder.path()).envs(self.variables.iter().cloned());
        command
    }

    /// Starts `command`, and waits until `is_up`.
    fn start(&mut self, mut command: Command, is_up: impl Fn(&Server) -> bool) {
        let log = fs::File::create(self.path("log")).unwrap();
        self.process = Some(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap());
        let started = Instant::now();
        while !is_up(self) {
            let log = || fs::read_to_string(self.path("log")).unwrap();
            assert!(started.elapsed() < Duration::from_secs(60), "the server does not reply: {}", log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// PostgreSQL: the administrator logs in as the system user of that name.
    pub fn postgresql() -> Server {
        let mut server = Server::new("postgres");
        let versions = fs::read_dir("/usr/lib/postgresql").expect("install the package postgresql");
        let programs = versions.map(|entry| entry.unwrap().path().join("bin")).max().unwrap();
        server.variables = vec![("PGHOST", server.folder.path().to_owned())];
        let mut initdb = server.command(programs.join("initdb"));
        initdb.args(["-A", "peer", "--no-sync", "-D"]).arg(server.path("data"));
        succeed(&mut initdb);
        let mut postgres = server.command(programs.join("postgres"));
        postgres.args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "dynamic_shared_memory_type=mmap"]);
        postgres.arg("-k").arg(server.folder.path()).arg("-D").arg(server.path("data"));
        server.start(postgres, |server| server.command("pg_isready").output().unwrap().status.success());
        server
    }

    /// MariaDB: the administrator is the tests' own user, instead of root as on Debian.
    pub fn mariadb() -> Server {
        let mut server = Server::new("mysql");
        // Debian's options name another socket; those in the home folder take precedence.
        let socket = server.path("socket");
        fs::write(server.path(".my.cnf"), format!("[client]\nsocket={}\n", socket.display())).unwrap();
        server.variables = vec![("HOME", server.folder.path().to_owned())];
        let mut install = server.command("mariadb-install-db");
        install.args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=socket"]);
        install.arg(format!("--auth-root-socket-user={}", user_name()));
        install.arg(format!("--datadir={}", server.path("data").display()));
        succeed(&mut install);
        let program = ["/usr/sbin/mariadbd", "/usr/libexec/mariadbd"].into_iter().find(|path| Path::new(path).exists());
        let mut mariadbd = server.command(program.expect("install the package mariadb-server"));
        mariadbd.args(["--no-defaults", "--skip-networking", "--innodb-flush-log-at-trx-commit=0"]);
        for (option, path) in [("datadir", server.path("data")), ("socket", socket), ("tmpdir", server.path(""))] {
            mariadbd.arg(format!("--{option}={}", path.display()));
        }
        server.start(mariadbd, |server| server.client("mariadb", &["-e", "SELECT 1"]).status.success());
        server
    }

    /// Runs `program` as the tests' own user.
    pub fn client(&self, program: &str, arguments: &[&str]) -> std::process::Output {
        Command::new(program).args(arguments).envs(self.variables.iter().cloned()).output().unwrap()
    }

    /// The output of `program` as the server's user.
    pub fn output(&self, program: &str, arguments: &[&str]) -> Vec<u8> {
        succeed(self.command(program).args(arguments))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // On SIGTERM, both servers shut down with all of their processes.
            let _ = kill_process(Pid::from_child(&process), Signal::TERM);
            let _ = process.wait();
        }
    }
}

/// The output of `command`, which must succeed.
#[track_caller]
pub fn succeed(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
