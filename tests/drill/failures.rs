//! What goes wrong is named, and leaves no process, file or socket.

use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{fs, thread};

use scripting_system::drill::{self, DrillError};
use scripting_system::rules::drill_facts::Engine;
use scripting_system::runtime::interrupt::Interruption;
use testkit::SmallDisk;

use super::fixture::{Trial, assert_nothing_left, processes, sqlite, text};

const POSTGRESQL: &str = "-- PostgreSQL database dump\n";
const COMPLETE: &str = "\n-- PostgreSQL database dump complete\n";
const MARIADB: &str = "-- MariaDB dump 10.19\n";

/// A dump of PostgreSQL with `sql`.
fn postgresql(sql: &str) -> Vec<u8> {
    format!("{POSTGRESQL}{sql}{COMPLETE}").into_bytes()
}

fn mariadb(sql: &str) -> Vec<u8> {
    format!("{MARIADB}{sql}\n-- Dump completed on 2026-05-01  1:00:00\n").into_bytes()
}

/// Endless rows after `beginning`, each after a pause.
struct Endless {
    beginning: io::Cursor<Vec<u8>>,
    row: io::Cursor<Vec<u8>>,
    pause: Duration,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.beginning.read(buffer)?;
        if count > 0 {
            return Ok(count);
        }
        if self.row.position() == self.row.get_ref().len() as u64 {
            self.row.set_position(0);
            thread::sleep(self.pause);
        }
        self.row.read(buffer)
    }
}

fn endless() -> Endless {
    let beginning = format!("{POSTGRESQL}CREATE TABLE t (a int, b text);\nCOPY t FROM stdin;\n").into_bytes();
    let row = io::Cursor::new(format!("1\t{}\n", "x".repeat(1500)).into_bytes());
    Endless { beginning: io::Cursor::new(beginning), row, pause: Duration::from_millis(2) }
}

#[test]
fn a_missing_program_is_a_configuration_error_that_names_the_package() {
    let mut trial = Trial::new();
    trial.settings.programs = Some(PathBuf::from("/opt"));
    let (_, sqlite) = sqlite("CREATE TABLE t (a)");
    for (dump, package) in [(postgresql(""), "postgresql"), (mariadb(""), "mariadb-server"), (sqlite, "sqlite3")] {
        let error = trial.fails(&dump);
        assert!(error.is_configuration() && text(&error).contains(&format!("package {package},")), "{error}");
    }
}

#[test]
fn an_error_that_is_harmless_elsewhere_fails_a_statement_that_moves_data() {
    let trial = Trial::new();
    for (dump, word) in [
        (
            postgresql("CREATE TABLE b (i int, r regrole);\nCOPY b FROM stdin;\n1\tgone\n\\.\n"),
            "role \"gone\" does not exist",
        ),
        (postgresql("CREATE TABLE b (r regrole);\nINSERT INTO b VALUES ('gone');"), "role \"gone\" does not exist"),
        (
            mariadb(
                "CREATE TABLE b (i int);\nCREATE DEFINER=`gone`@`%` TRIGGER t BEFORE INSERT ON b FOR EACH ROW SET NEW.i = 1;\n\
                 INSERT INTO b VALUES (1);",
            ),
            "does not exist",
        ),
    ] {
        let error = trial.fails(&dump);
        assert!(matches!(error, DrillError::Load(_)) && text(&error).contains(word), "{error}");
    }
}

#[test]
fn an_unusable_user_is_a_configuration_error() {
    let mut trial = Trial::new();
    let (_, dump) = sqlite("CREATE TABLE t (a)");
    let socket = PathBuf::from(format!("/tmp/.s.PGSQL.{}", std::process::id()));
    let _listener = UnixListener::bind(&socket).unwrap();
    // The user sys, with id 3 on Debian.
    chown(&socket, Some(3), None).unwrap();
    for (user, part) in [("missing", "does not list it"), ("root", "all rights"), ("sys", "the socket of a database")] {
        trial.settings.user = user.to_owned();
        let error = trial.fails(&dump);
        assert!(error.is_configuration() && text(&error).contains(part), "{error}");
    }
    fs::remove_file(socket).unwrap();
    trial.settings.user = "nobody".to_owned();
    fs::set_permissions(trial.work.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let error = trial.fails(&dump);
    assert!(error.is_configuration() && text(&error).contains("cannot enter"), "{error}");
}

#[test]
fn a_dump_of_unknown_kind_needs_the_engine() {
    let mut trial = Trial::new();
    assert!(text(&trial.fails(b"a,b,c\n")).contains("Set drill.engine"));
    trial.settings.engine = Some(Engine::Sqlite);
    assert_eq!(trial.passes(b"-- by hand\nCREATE TABLE t (a); INSERT INTO t VALUES (1), (2);\n").rows, 2);
}

#[test]
fn a_dump_that_is_cut_or_damaged_or_empty_fails() {
    let trial = Trial::new();
    let table = "CREATE TABLE t (a int);\nCOPY t FROM stdin;\n1\n";
    let (file, sql) = sqlite("CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(20000))");
    let cut: [(Vec<u8>, &str); 5] = [
        (format!("{POSTGRESQL}{table}").into_bytes(), "was cut"),
        (format!("{MARIADB}CREATE TABLE t (a int);\nINSERT INTO t VALUES (1);\n").into_bytes(), "was cut"),
        (sql[..sql.len() - 8].to_vec(), "was cut"),
        (file[..file.len() - 8192].to_vec(), ""),
        (b"PGDMP\x01\x0e\x00\x04".to_vec(), "does not load: pg_restore: error:"),
    ];
    for (dump, part) in &cut {
        let error = trial.fails(dump);
        assert!(text(&error).contains(part) && !error.is_configuration(), "{error}");
    }
    for dump in [postgresql("SELECT 1;"), mariadb("SELECT 1;"), sqlite("SELECT 1").1] {
        assert!(text(&trial.fails(&dump)).contains("holds no table"));
    }
}

#[test]
fn an_error_of_the_archive_is_never_reported_as_one_of_the_database() {
    struct Damaged<'a>(&'a [u8], Duration);
    impl Read for Damaged<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => {
                    thread::sleep(self.1);
                    Err(io::Error::other("wrong checksum"))
                }
                count => Ok(count),
            }
        }
    }
    let trial = Trial::new();
    let dump = postgresql("CREATE TABLE t (a int);\nGARBAGE;\n");
    // Before and after the database reports the error.
    for pause in [0, 500] {
        let error = trial.read(&mut Damaged(&dump, Duration::from_millis(pause))).unwrap_err();
        assert!(matches!(error, DrillError::Read(_)) && text(&error).contains("wrong checksum"), "{error}");
    }
}

#[test]
fn an_error_that_hurts_the_data_fails_with_its_statement() {
    let trial = Trial::new();
    let error = text(&trial.fails(&postgresql("CREATE TABLE t (a int);\nCREATE TABEL u (a int);\n")));
    assert!(error.contains("line 3: ERROR:  syntax error") && error.contains("CREATE TABEL u (a int)"), "{error}");
    let error = text(&trial.fails(&postgresql("CREATE TABLE t (a int);\nINSERT INTO t VALUES ('x');\n")));
    assert!(error.contains("STATEMENT:  INSERT INTO t VALUES ('x')"), "{error}");
    let error = text(&trial.fails(&mariadb("CREATE TABLE t (a int);\nCREATE TABEL u (a int);\n")));
    assert!(error.contains("ERROR 1064 (42000) at line 3") && error.contains("TABEL u"), "{error}");
    let (_, dump) = sqlite("CREATE TABLE t (a)");
    let dump = String::from_utf8(dump).unwrap().replace("COMMIT;", "CREATE TABEL u (a);\nCOMMIT;");
    let error = text(&trial.fails(dump.as_bytes()));
    assert!(error.contains("near line 4") && error.contains("TABEL"), "{error}");
}

#[test]
fn a_dump_for_mysql_8_names_the_server_it_needs() {
    let dump = "-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)\n\
        CREATE TABLE `t` (`a` varchar(9)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci;\n\
        -- Dump completed on 2026-05-01  1:00:00\n";
    let error = Trial::new().fails(dump.as_bytes());
    assert!(matches!(error, DrillError::NeedsMySql(_)) && text(&error).contains("utf8mb4_0900_ai_ci"), "{error}");
}

#[test]
fn a_full_disk_is_named() {
    let trial = Trial::new();
    for (size, beginning) in [("120m", true), ("8m", false)] {
        let disk = SmallDisk::over(trial.work.path(), &format!("size={size},mode=0711"));
        let mut rows = endless();
        rows.pause = Duration::ZERO;
        let error = text(&trial.read(&mut rows.take(200 << 20)).unwrap_err());
        assert!(error.contains("No space left on device"), "{error}");
        assert_eq!(error.contains("does not load"), beginning, "{error}");
        drop(disk);
    }
}

#[test]
fn the_time_limit_and_an_interruption_end_everything() {
    let mut trial = Trial::new();
    trial.settings.limit = Duration::from_secs(6);
    let begun = Instant::now();
    let error = trial.read(&mut endless()).unwrap_err();
    assert!(matches!(error, DrillError::TimeLimit(_)), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());

    trial.settings.limit = Duration::from_secs(120);
    for seconds in [0, 1, 4] {
        trial.interrupt = scripting_system::runtime::interrupt::Interrupt::new();
        let interrupt = trial.interrupt.clone();
        let timer = thread::spawn(move || {
            thread::sleep(Duration::from_secs(seconds));
            interrupt.trigger(Interruption::Sigterm);
            Instant::now()
        });
        let error = trial.read(&mut endless()).unwrap_err();
        assert!(matches!(error, DrillError::Interrupted(_)), "{error}");
        assert!(timer.join().unwrap().elapsed() < Duration::from_secs(4));
    }
    // A process that never reads the dump, and outlives its client.
    trial.settings.limit = Duration::from_secs(8);
    trial.interrupt = scripting_system::runtime::interrupt::Interrupt::new();
    let mut holding = endless();
    let holder = b"\\! trap '' TERM; env -i setsid sleep 25 &\nSELECT pg_sleep(1000);\n";
    holding.beginning.get_mut().splice(POSTGRESQL.len()..POSTGRESQL.len(), holder.iter().copied());
    let begun = Instant::now();
    let result = drill::run(&trial.settings, &mut holding, &trial.interrupt, &|_| ());
    assert!(matches!(result, Err(DrillError::TimeLimit(_))), "{result:?}");
    assert!(begun.elapsed() < Duration::from_secs(16), "{:?}", begun.elapsed());
    // A statement that never ends.
    trial.settings.limit = Duration::from_secs(8);
    trial.interrupt = scripting_system::runtime::interrupt::Interrupt::new();
    for dump in [postgresql("SELECT pg_sleep(1000);"), mariadb("SELECT SLEEP(1000);")] {
        assert!(matches!(trial.fails(&dump), DrillError::TimeLimit(_)));
    }
}

/// The child process of the next test.
#[test]
#[ignore = "the next test starts it"]
fn endless_drill() {
    let mut trial = Trial::new();
    trial.settings.folder = PathBuf::from(std::env::var_os("DRILL_FOLDER").unwrap());
    let _ = drill::run(&trial.settings, &mut endless(), &trial.interrupt, &|_| ());
}

#[test]
fn the_next_drill_removes_what_a_killed_one_left() {
    let trial = Trial::new();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--ignored", "--exact", "failures::endless_drill"]).env("DRILL_FOLDER", trial.work.path());
    let mut child = child.stdout(std::process::Stdio::null()).spawn().unwrap();
    let is_loading = || processes(trial.work.path()).iter().any(|line| line.contains("psql") && line.contains("-b"));
    testkit::wait_until("the drill loads", is_loading);
    // It is running: nothing may touch it.
    drill::clear_leftovers(trial.work.path());
    assert!(is_loading());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!processes(trial.work.path()).is_empty());
    let (_, dump) = sqlite("CREATE TABLE t (a)");
    trial.passes(&dump);
    assert_nothing_left(trial.work.path());
}
