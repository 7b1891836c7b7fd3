//! Dumps that try to leave the database: what they attempt is refused or harmless.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use scripting_system::drill::DrillError;

use super::fixture::{Trial, processes, text};

/// A folder that every user may write, and a file that every user may read. Landlock alone protects them.
struct Prey(tempfile::TempDir);

impl Prey {
    fn new() -> Prey {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        fs::write(folder.path().join("secret"), "123456\n").unwrap();
        Prey(folder)
    }

    fn secret(&self) -> PathBuf {
        self.0.path().join("secret")
    }

    #[track_caller]
    fn assert_untouched(&self, attempt: &str) {
        let names: Vec<_> = fs::read_dir(self.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["secret"], "{attempt}");
        assert_eq!(fs::read_to_string(self.secret()).unwrap(), "123456\n", "{attempt}");
    }
}

/// Drills a dump per attempt, with `{}` replaced by the prey's folder, `{pid}` by this process and `{port}` by an open port.
/// The table `t` must not contain the secret.
fn assert_refused(beginning: &str, end: &str, attempts: &[&str]) {
    let prey = Prey::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let mut trial = Trial::new();
    trial.check("secret", "SELECT count(*) FROM t WHERE a LIKE '%123456%'", Some(1.0));
    for attempt in attempts {
        let attempt = attempt.replace("{}", prey.0.path().to_str().unwrap());
        let port = listener.local_addr().unwrap().port().to_string();
        let attempt = attempt.replace("{pid}", &std::process::id().to_string()).replace("{port}", &port);
        let dump = format!("{beginning}CREATE TABLE t (a text);\nINSERT INTO t VALUES ('x');\n{attempt}\n{end}");
        match trial.read(&mut dump.as_bytes()) {
            Ok(findings) => assert!(!findings.checks[0].passed, "{attempt}: {:?}", findings.checks),
            Err(DrillError::Load(error)) => assert!(!error.contains("123456"), "{attempt}: {error}"),
            Err(error) => panic!("{attempt}: {}", text(&error)),
        }
        prey.assert_untouched(&attempt);
        assert!(listener.accept().is_err(), "{attempt}: it connected");
        assert_eq!(processes(prey.0.path()), Vec::<String>::new(), "{attempt}");
    }
}

#[test]
fn a_dump_of_postgresql_cannot_leave_the_database() {
    assert_refused(
        "-- PostgreSQL database dump\n",
        "-- PostgreSQL database dump complete\n",
        &[
            "\\! cp {}/secret {}/new; cat {}/secret >&2",
            "\\o {}/new\nSELECT 1;\n\\copy t TO '{}/new'\n\\copy t FROM '{}/secret'",
            "\\i {}/secret\n\\copy t FROM PROGRAM 'cat {}/secret'\n\\w {}/new",
            "COPY t TO '{}/new';\nCOPY t FROM '{}/secret';\nSELECT lo_import('{}/secret');",
            "COPY t FROM PROGRAM 'cat {}/secret; touch {}/new; rm -f {}/secret';",
            "COPY t FROM PROGRAM 'setsid sleep 600 >/dev/null 2>&1 &';",
            "COPY t FROM PROGRAM 'kill -9 {pid}; echo $((123455+1)) | tee -a /proc/{pid}/mem >/proc/{pid}/comm';",
            "COPY t FROM PROGRAM 'tr -d \\\\000 </proc/{pid}/environ >/dev/null && echo $((123455+1))';",
            "COPY t FROM PROGRAM 'bash -c \"exec 3<>/dev/tcp/127.0.0.1/{port}\" && echo $((123455+1))';",
            "INSERT INTO t SELECT pg_read_file('{}/secret');",
        ],
    );
}

#[test]
fn a_process_that_leaves_the_session_ends_with_the_drill() {
    // Only a process of another user can be attributed to the drill.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let running = || {
        let commands =
            fs::read_dir("/proc").unwrap().filter_map(|entry| fs::read(entry.unwrap().path().join("cmdline")).ok());
        commands.filter(|command| command == b"/bin/sleep\x00299\x00").count()
    };
    let dump = "-- PostgreSQL database dump\nCREATE TABLE t (a text);\n\\! cd / && env -i setsid -f /bin/sleep 299\n\
                -- PostgreSQL database dump complete\n";
    let _ = Trial::new().read(&mut dump.as_bytes());
    assert_eq!(running(), 0);
}

#[test]
fn a_dump_of_mariadb_cannot_leave_the_database() {
    assert_refused(
        "-- MariaDB dump 10.19\n",
        "-- Dump completed on 2026-05-01\n",
        &[
            "\\! cp {}/secret {}/new\nsystem cp {}/secret {}/new\nsource {}/secret\ntee {}/new\n;",
            "LOAD DATA INFILE '{}/secret' INTO TABLE t;",
            "LOAD DATA LOCAL INFILE '{}/secret' INTO TABLE t;",
            "SELECT 'x' INTO OUTFILE '{}/new';\nINSERT INTO t SELECT LOAD_FILE('{}/secret');",
            "INSERT INTO t VALUES (LOAD_FILE('{}/secret'));\nSET GLOBAL general_log_file = '{}/new', general_log = 1;",
        ],
    );
}

#[test]
fn a_dump_of_sqlite_cannot_leave_the_database() {
    assert_refused(
        "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n",
        "COMMIT;\n",
        &[
            "COMMIT;\n.shell cp {}/secret {}/new",
            ".output {}/new\nSELECT 1;",
            ".import {}/secret t",
            "COMMIT;\nATTACH '{}/new' AS x;\nCREATE TABLE x.y (a);\nBEGIN;",
            "INSERT INTO t VALUES (readfile('{}/secret'));",
            "SELECT writefile('{}/new', 'x');",
        ],
    );
}

#[test]
fn without_the_checks_of_the_client_the_sandbox_still_confines_it() {
    // psql has no such checks: the same attempts succeed if the sandbox is off, so the tests above can fail.
    let prey = Prey::new();
    let mut trial = Trial::new();
    trial.settings.sandbox = false;
    trial.check("secret", "SELECT count(*) FROM t WHERE a LIKE '%123456%'", Some(1.0));
    let dump = format!(
        "-- PostgreSQL database dump\nCREATE TABLE t (a text);\nCOPY t FROM PROGRAM 'cat {0}; touch {0}-new';\n\
         -- PostgreSQL database dump complete\n",
        prey.secret().display()
    );
    assert!(trial.passes(dump.as_bytes()).checks[0].passed);
    assert!(prey.0.path().join("secret-new").exists());
}
