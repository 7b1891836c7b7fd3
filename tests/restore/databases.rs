//! Runs the printed commands unchanged against private servers: PostgreSQL, MariaDB and SQLite from Debian's packages, with
//! Debian's logins: peer authentication for PostgreSQL's own user, the socket for MariaDB's root.

use std::fs;
use std::process::Command;

use testkit::Setup;
use testkit::databases::{Server, succeed, user_name};

const ROWS: &str = "1000";

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// Delivers and restores `dump`, and runs the printed command against `server`. Returns what `restore` printed.
#[track_caller]
fn load(setup: &mut Setup, dump: Vec<u8>, server: Option<&Server>) -> String {
    let _ = fs::remove_file(setup.archive());
    setup.dump = dump;
    setup.publish_dump_of(setup.modified);
    setup.run().exited_with(0);
    let folder = setup.path("the operator's");
    let outcome = setup.call("restore", &["--force", "--output", folder.to_str().unwrap()]);
    outcome.exited_with(0);
    let (_, printed) = outcome.stdout.rsplit_once("to load it     ").unwrap_or_else(|| panic!("{}", outcome.all()));
    let command = printed.lines().next().unwrap();
    let variables = server.iter().flat_map(|server| server.variables.iter().cloned());
    // The folder is like a home folder that no other user may enter.
    let output = Command::new("sh").args(["-c", command]).current_dir(setup.path("")).envs(variables).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {stderr}");
    let errors = stderr.lines().filter(|line| line.contains("ERROR")).collect::<Vec<_>>();
    let is_expected =
        |line: &&str| line.contains("role \"postgres\" already exists") && printed.contains("ignore the error");
    let is_own_role = |line: &&str| line.contains(&format!("role \"{}\" already exists", user_name()));
    assert!(errors.iter().all(|line| is_expected(line) || is_own_role(line)), "{command}: {stderr}");
    outcome.stdout
}

fn restored_name(setup: &Setup) -> String {
    setup.modified.format("restored_%Y%m%d").to_string()
}

#[test]
fn postgresql_loads_its_dumps_with_the_printed_commands() {
    let server = Server::postgresql();
    let mut setup = Setup::new();
    let rows = |database: &str| {
        let count = server.output("psql", &["-X", "-At", "-d", database, "-c", "SELECT count(*) FROM orders"]);
        String::from_utf8(count).unwrap().trim().to_owned()
    };
    let drop = |database: &str| server.output("dropdb", &[database]);
    server.output("createdb", &["shop"]);
    let fill = "CREATE TABLE orders (id serial PRIMARY KEY, note text);
        INSERT INTO orders (note) SELECT E'it''s\\n' || n FROM generate_series(1, 1000) n";
    server.output("psql", &["-X", "-d", "shop", "-c", fill]);

    let new = restored_name(&setup);
    let dumps: [(&[&str], &str); 4] = [
        (&["pg_dump", "shop"], &new),
        (&["pg_dump", "-Fc", "shop"], &new),
        (&["pg_dump", "--create", "shop"], "shop"),
        (&["pg_dumpall"], "shop"),
    ];
    let dumps = dumps.map(|(words, database)| (words, server.output(words[0], &words[1..]), database));
    drop("shop");
    for (words, dump, database) in &dumps {
        for dump in [dump.clone(), gzipped(dump)] {
            let printed = load(&mut setup, dump, Some(&server));
            assert_eq!(rows(database), ROWS, "{words:?}: {printed}");
            drop(database);
        }
    }
    // An existing database is never overwritten.
    server.output("createdb", &[&new]);
    let command = format!("createdb {new}");
    assert!(!server.command("sh").args(["-c", &command]).output().unwrap().status.success());
}

#[test]
fn mariadb_loads_its_dumps_with_the_printed_commands() {
    let server = Server::mariadb();
    let mut setup = Setup::new();
    let query = |statement: &str| {
        let output = server.client("mariadb", &["-N", "-e", statement]);
        assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    query(
        "CREATE DATABASE shop; USE shop; CREATE TABLE orders (id INT PRIMARY KEY, note TEXT);
        INSERT INTO orders SELECT seq, CONCAT('it''s\\n', seq) FROM seq_1_to_1000",
    );
    let dump = |arguments: &[&str]| {
        let output = server.client("mariadb-dump", arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let alone = dump(&["shop"]);
    // The first lines of mysqldump; Debian's mysql is MariaDB's client.
    let text = String::from_utf8(alone.clone()).unwrap();
    let (_, rest) = text.split_once('\n').filter(|(first, _)| first.contains("sandbox")).unwrap_or(("", &text));
    let as_mysql = rest.replacen("-- MariaDB dump", "-- MySQL dump", 1).into_bytes();
    let new = restored_name(&setup);
    let dumps = [(alone, new.as_str()), (as_mysql, &new), (dump(&["--databases", "shop"]), "shop")];
    query("DROP DATABASE shop");
    for (dump, database) in &dumps {
        for dump in [dump.clone(), gzipped(dump)] {
            let printed = load(&mut setup, dump, Some(&server));
            assert_eq!(query(&format!("SELECT COUNT(*) FROM {database}.orders")), ROWS, "{printed}");
            query(&format!("DROP DATABASE {database}"));
        }
    }
}

#[test]
fn sqlite_loads_its_dumps_with_the_printed_commands() {
    let mut setup = Setup::new();
    let shop = setup.path("shop.db");
    let fill = "CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
        INSERT INTO orders SELECT i, 'it''s ' || i FROM n;";
    succeed(Command::new("sqlite3").arg(&shop).arg(fill));
    let dump = succeed(Command::new("sqlite3").arg(&shop).arg(".dump"));
    for dump in [dump.clone(), gzipped(&dump)] {
        load(&mut setup, dump, None);
        let new = setup.path("the operator's").join(format!("{}.db", restored_name(&setup)));
        let count = succeed(Command::new("sqlite3").arg(&new).arg("SELECT count(*) FROM orders"));
        assert_eq!(String::from_utf8(count).unwrap().trim(), ROWS);
        fs::remove_file(new).unwrap();
    }
}
