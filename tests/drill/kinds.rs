//! Dumps by the databases' own programs load, and are counted.

use scripting_system::rules::drill_facts::Engine;
use testkit::databases::{Server, user_name};

use super::fixture::{Trial, sqlite};

const POSTGRESQL: &str = r#"CREATE ROLE shop; CREATE ROLE reader;
    CREATE TABLE orders (id serial PRIMARY KEY, note text, photo bytea);
    INSERT INTO orders (note, photo) SELECT E'it''s\n\\.' || n, '\x00ff0a5c' FROM generate_series(1, 1000) n;
    CREATE TABLE empty (id int REFERENCES orders);
    CREATE TABLE "odd ""name" (day date) PARTITION BY RANGE (day);
    CREATE TABLE part PARTITION OF "odd ""name" FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    INSERT INTO part VALUES ('2026-05-01');
    CREATE VIEW recent AS SELECT * FROM orders WHERE id > 990;
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := 'new'; RETURN NEW; END $$;
    CREATE TRIGGER note BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION note();
    ALTER TABLE orders OWNER TO shop; ALTER VIEW recent OWNER TO shop; GRANT SELECT ON orders TO reader;"#;

#[test]
fn each_dump_of_postgresql_loads_with_notices_about_missing_roles() {
    let server = Server::postgresql();
    server.output("createdb", &["shop"]);
    server.output("psql", &["-X", "-v", "ON_ERROR_STOP=1", "-d", "shop", "-c", POSTGRESQL]);
    let mut trial = Trial::new();
    trial.check("orders", "SELECT count(*) FROM orders", Some(1000.0));
    trial.check("photo", r"SELECT photo = '\x00ff0a5c', 'second column' FROM orders", None);
    trial.check("more orders", "SELECT count(*) FROM orders;", Some(1001.0));
    trial.check("false", "SELECT 1 = 2", None);
    trial.check("no row", "SELECT true WHERE false", None);
    trial.check("wrong", "SELECT missing FROM orders", None);
    let dumps: [(&[&str], bool); 5] = [
        (&["pg_dump", "shop"], true),
        (&["pg_dump", "-Fc", "shop"], true),
        (&["pg_dump", "--create", "--inserts", "shop"], true),
        (&["pg_dump", "--clean", "--use-set-session-authorization", "shop"], true),
        (&["pg_dumpall"], false),
    ];
    for (words, lacks_roles) in dumps {
        let findings = trial.passes(&server.output(words[0], &words[1..]));
        assert_eq!((findings.engine, findings.tables, findings.rows), (Engine::PostgreSql, 4, 1001), "{words:?}");
        assert!(findings.server.starts_with("PostgreSQL 1") && findings.size > 7_000_000, "{findings:?}");
        // The administrator of the tests' server may have another name than that of the throwaway server.
        let own = format!("role \"{}\" does not exist", user_name());
        let is_role = |text: &str| text.contains("role") && text != own;
        let notices: Vec<_> = findings.notices.iter().filter(|notice| is_role(&notice.text)).collect();
        let texts: Vec<_> = notices.iter().map(|notice| notice.text.as_str()).collect();
        if lacks_roles {
            assert!(texts.contains(&"role \"shop\" does not exist"), "{words:?}: {texts:?}");
            assert!(texts.contains(&"role \"reader\" does not exist"), "{words:?}: {texts:?}");
            assert!(notices.len() == 2 && notices[0].count > 1, "{words:?}: {notices:?}");
        } else {
            assert!(notices.is_empty(), "{words:?}: {notices:?}");
        }
        let passed: Vec<bool> = findings.checks.iter().map(|check| check.passed).collect();
        assert_eq!(passed, [true, true, false, false, false, false], "{:?}", findings.checks);
        let values: Vec<&str> = findings.checks.iter().map(|check| check.value.as_str()).collect();
        assert_eq!(values[..5], ["1000", "t", "1000", "f", ""]);
        assert!(values[5].contains("column \"missing\" does not exist"), "{values:?}");
    }
}

const MARIADB: &str = "CREATE USER 'gone'@'%'; GRANT ALL ON *.* TO 'gone'@'%'; CREATE DATABASE shop; USE shop; CREATE TABLE orders (id INT PRIMARY KEY, note TEXT, photo BLOB);
    INSERT INTO orders SELECT seq, CONCAT('it''s\\n', seq), UNHEX('00FF0A5C1A') FROM seq_1_to_1000;
    CREATE TABLE empty (id INT, FOREIGN KEY (id) REFERENCES orders (id));
    CREATE TABLE `odd ``name` (id INT);
    CREATE DEFINER = 'gone'@'%' VIEW recent AS SELECT * FROM orders;
    CREATE DEFINER = 'gone'@'%' TRIGGER stamp BEFORE UPDATE ON orders FOR EACH ROW SET NEW.note = 'new';";

#[test]
fn each_dump_of_mariadb_and_mysql_loads_with_a_notice_about_the_missing_definer() {
    let server = Server::mariadb();
    let output = |program: &str, arguments: &[&str]| {
        let output = server.client(program, arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    output("mariadb", &["-e", MARIADB]);
    let mut trial = Trial::new();
    trial.check("orders", "SELECT COUNT(*), 'second column' FROM orders", Some(1000.0));
    trial.check("photo", "SELECT photo = UNHEX('00FF0A5C1A') FROM orders", None);
    trial.check("wrong", "SELECT missing FROM orders", None);
    // What mysqldump 8 writes in addition, and older servers lack.
    let hex = String::from_utf8(output("mariadb-dump", &["--hex-blob", "shop"])).unwrap();
    let (_, rest) = hex.split_once("\n--").unwrap();
    let mysql = format!("-- MySQL dump 10.13\n--{rest}").replacen("\n\n", "\nSET @@GLOBAL.GTID_PURGED='';\n\n", 1);
    let dumps = [
        (output("mariadb-dump", &["shop"]), 2, 1),
        (output("mariadb-dump", &["--databases", "shop"]), 2, 1),
        // With the definer, and with another way for root to log in.
        (output("mariadb-dump", &["--all-databases", "--flush-privileges"]), 0, 0),
        (output("mariadb-dump", &["--skip-comments", "--hex-blob", "shop"]), 2, 1),
        (mysql.into_bytes(), 2, 2),
    ];
    for (dump, objects, notices) in dumps {
        let findings = trial.passes(&dump);
        assert_eq!((findings.engine, findings.tables, findings.rows), (Engine::MariaDb, 3, 1000));
        assert!(findings.server.starts_with("MariaDB 1") && findings.size > 10_000, "{findings:?}");
        let definer = findings.notices.iter().find(|notice| notice.text == "the definer gone@% does not exist");
        assert_eq!(definer.map_or(0, |notice| notice.count), objects, "{:?}", findings.notices);
        assert_eq!(findings.notices.len(), notices, "{:?}", findings.notices);
        let passed: Vec<bool> = findings.checks.iter().map(|check| check.passed).collect();
        assert_eq!(passed, [true, true, false], "{:?}", findings.checks);
        assert!(findings.checks[2].value.contains("Unknown column 'missing'"), "{:?}", findings.checks);
    }
}

#[test]
fn sql_and_files_of_sqlite_load() {
    let (file, dump) = sqlite(
        r#"CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, note TEXT, photo BLOB);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
        INSERT INTO orders SELECT i, 'it''s ' || i, x'00ff0a' FROM n;
        CREATE TABLE "odd ""name" (a); CREATE VIEW recent AS SELECT * FROM orders;
        CREATE TRIGGER stamp AFTER UPDATE ON orders BEGIN DELETE FROM "odd ""name"; END;"#,
    );
    let mut trial = Trial::new();
    trial.check("orders", "SELECT count(*), 'second column' FROM orders", Some(1000.0));
    trial.check("photo", "SELECT photo = x'00ff0a' FROM orders", None);
    trial.check("wrong", "SELECT missing FROM orders", None);
    for dump in [file, dump] {
        let findings = trial.passes(&dump);
        assert_eq!((findings.engine, findings.tables, findings.rows), (Engine::Sqlite, 2, 1000));
        assert!(findings.server.starts_with("SQLite 3.") && findings.size > 10_000, "{findings:?}");
        let passed: Vec<bool> = findings.checks.iter().map(|check| check.passed).collect();
        assert_eq!(passed, [true, true, false], "{:?}", findings.checks);
        assert!(findings.checks[2].value.contains("no such column"), "{:?}", findings.checks);
    }
}
