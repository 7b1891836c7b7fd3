//! How drills end: servers, exit codes and errors.

use std::fs;

use scripting_system::disk::job_id::JobId;
use scripting_system::disk::lock::Lock;
use serde_json::json;
use testkit::Setup;
use testkit::databases::Server;
use testkit::keys::age_key;

use super::fixture::{SHOP, deliver, delivered, drill, last_mail, open};

#[test]
fn a_dump_of_postgresql_is_restored_with_only_the_sections_sftp_and_archive() {
    let server = Server::postgresql();
    server.output("createdb", &["shop"]);
    server.output("psql", &["-X", "-d", "shop", "-c", "CREATE TABLE orders AS SELECT generate_series(1, 1000) id"]);
    let mut setup = delivered(&String::from_utf8(server.output("pg_dump", &["shop"])).unwrap());
    let [sftp, archive] = ["sftp", "archive"].map(|section| setup.config[section].clone());
    setup.config = json!({"sftp": sftp, "archive": archive});
    let outcome = drill(&setup);
    outcome.exited_with(0).logged("Restore dump: 1 table, 1,000 rows, in PostgreSQL ");
}

#[test]
fn an_encrypted_archive_is_restored_with_its_private_key() {
    let mut setup = Setup::around_midnight();
    let (key, recipient) = age_key(&setup.path(""), "key");
    setup.set("archive.encrypt_to", json!([recipient]));
    open(&setup);
    deliver(&mut setup, SHOP);
    let outcome = setup.call("drill", &["--identity", key.to_str().unwrap()]);
    outcome.exited_with(0).logged("Restore dump: 2 tables, 2 rows, in SQLite ");
    let outcome = setup.call("drill", &[]);
    assert!(outcome.exited_with(4).stderr.contains("give the private key of one of its"), "{}", outcome.all());
    assert!(setup.call("drill", &["--identity", "missing"]).exited_with(3).stderr.contains("cannot read the identity"));
    let (other, _) = age_key(&setup.path(""), "other");
    let outcome = setup.call("drill", &["--identity", other.to_str().unwrap()]);
    assert!(outcome.exited_with(4).stderr.contains("none of the given keys can decrypt it"), "{}", outcome.all());
}

#[test]
fn a_drill_works_with_the_embedded_server_too_and_for_a_date() {
    let mut setup = Setup::around_midnight();
    let _server = setup.serve_sftp(|builder| builder);
    open(&setup);
    deliver(&mut setup, SHOP);
    let date = setup.modified.date_naive().to_string();
    setup.call("drill", &["--date", &date]).exited_with(0);
    let outcome = setup.call("drill", &["--date", "2001-01-01"]);
    assert!(outcome.exited_with(4).stderr.contains("there is no archive of 2001-01-01"), "{}", outcome.all());
}

#[test]
fn a_bad_archive_fails_the_drill_and_is_named() {
    let setup = delivered(SHOP);
    let good = fs::read(setup.archive()).unwrap();
    // The end is missing; the checksum is wrong.
    let mut flipped = good.clone();
    let crc = good.len() - 6;
    flipped[crc] ^= 1;
    for bad in [&good[..good.len() - 20], &flipped, b"no archive".as_slice()] {
        fs::write(setup.archive(), bad).unwrap();
        let outcome = drill(&setup);
        outcome.exited_with(4);
        assert!(
            outcome.stderr.contains(&format!("{} on the server cannot be restored: ", setup.archive_name())),
            "{}",
            outcome.all()
        );
        let (subject, _) = last_mail(&setup);
        assert!(subject.contains("Drill FAILED at Restore dump"), "{subject}");
    }
}

#[test]
fn a_statement_that_fails_is_reported() {
    let setup = delivered(&SHOP.replace("INTO customers VALUES('Bob')", "INTO customer VALUES('Bob')"));
    let outcome = drill(&setup);
    assert!(outcome.exited_with(4).stderr.contains("no such table: customer"), "{}", outcome.all());
}

#[test]
fn mistakes_in_the_section_drill_are_reported_without_connecting() {
    let mut setup = delivered(SHOP);
    setup.config["drill"] = json!({
        "engine": "oracle", "timeout_minutes": 0, "sandbox": "no", "ping_url": "http://example.com/x",
        "checks": [
            {"name": "a", "sql": "SELECT 1"}, {"name": "a", "sql": " "}, {"name": "a", "sql": "SELECT 1"},
            {"name": "b", "sql": "SELECT 1", "least": 1}, {"name": "c", "sql": "SELECT 1", "at_least": "1"}, 7,
        ],
    });
    let outcome = setup.call("drill", &[]);
    outcome.exited_with(3).logged("CRITICAL");
    let folder = setup.path("").display().to_string();
    insta::assert_snapshot!(outcome.stderr.replace(&folder, "/"));
    setup.config["drill"] = json!({"programs": "missing"});
    setup.call("drill", &[]).exited_with(3);
    // Other commands do not need the section.
    setup.call("list", &[]).exited_with(0);
}

#[test]
fn a_missing_program_is_a_configuration_error_that_is_reported() {
    let mut setup = delivered(SHOP);
    fs::create_dir(setup.path("none")).unwrap();
    setup.config["drill"] = json!({"programs": "none"});
    let outcome = drill(&setup);
    outcome.exited_with(3);
    assert!(outcome.stderr.contains("the program sqlite3 is missing. Install the package"), "{}", outcome.all());
    assert!(last_mail(&setup).1.contains("the program sqlite3 is missing"));
}

#[test]
fn a_second_drill_ends_at_once_and_a_run_does_not() {
    let setup = delivered(SHOP);
    let config = setup.write_config();
    let lock = Lock::acquire(&config, &JobId::new(&config).of_drills(), &setup.path("work")).unwrap();
    let outcome = drill(&setup);
    assert!(outcome.exited_with(5).stderr.contains("another drill with"), "{}", outcome.all());
    setup.run().exited_with(0);
    drop(lock);
    drill(&setup).exited_with(0);
}
