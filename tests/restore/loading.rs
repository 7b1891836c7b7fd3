//! The maker of a dump, and the command that loads it.

use scripting_system::rules::loading::{DumpFormat, LoadTarget};

const TARGET: LoadTarget<'_> =
    LoadTarget { file: "/r/dump.sql", database: "restored_1", database_file: "/r/restored_1.db", is_root: false };

fn command_for(beginning: &str) -> Option<String> {
    DumpFormat::recognise(beginning.as_bytes()).map(|loading| loading.command(TARGET))
}

#[test]
fn each_maker_is_recognised_by_the_beginning_of_its_dump() {
    for (beginning, command) in [
        (
            "-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)\n--\n",
            "mysql -e 'CREATE DATABASE restored_1' && mysql restored_1 < /r/dump.sql",
        ),
        (
            "-- MariaDB dump 10.19  Distrib 10.11.6-MariaDB\n--\n",
            "mariadb -e 'CREATE DATABASE restored_1' && mariadb restored_1 < /r/dump.sql",
        ),
        (
            "/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19-12.0.2\n",
            "mariadb -e 'CREATE DATABASE restored_1' && mariadb restored_1 < /r/dump.sql",
        ),
        (
            "--\n-- PostgreSQL database dump\n--\n\n",
            "createdb restored_1 && psql -X -v ON_ERROR_STOP=1 -d restored_1 < /r/dump.sql",
        ),
        ("--\n-- PostgreSQL database cluster dump\n--\n\n", "psql -X -d postgres < /r/dump.sql"),
        ("PGDMP\u{1}\u{e}", "createdb restored_1 && pg_restore -d restored_1 < /r/dump.sql"),
        ("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n", "sqlite3 -bail /r/restored_1.db < /r/dump.sql"),
    ] {
        assert_eq!(command_for(beginning).as_deref(), Some(command));
    }
}

#[test]
fn a_dump_that_creates_its_databases_needs_none() {
    let dump = "-- MySQL dump 10.13\n--\n-- Host: localhost    Database: shop\n\n--\n-- Current Database: `shop`\n--\n";
    assert_eq!(command_for(dump).as_deref(), Some("mysql < /r/dump.sql"));
    let dump = "--\n-- PostgreSQL database dump\n--\n\nCREATE DATABASE shop WITH TEMPLATE = template0;\n";
    assert_eq!(command_for(dump).as_deref(), Some("psql -X -v ON_ERROR_STOP=1 -d postgres < /r/dump.sql"));
}

#[test]
fn a_gzip_file_is_unpacked_on_the_fly() {
    let loading = DumpFormat::recognise(b"-- MariaDB dump 10.19\n-- Current Database: `shop`\n").unwrap().in_gzip();
    assert_eq!(loading.command(TARGET), "gunzip < /r/dump.sql | mariadb");
}

#[test]
fn nothing_else_is_recognised() {
    for beginning in ["", "INSERT INTO t VALUES ('-- MySQL dump ');\n", "PGDM", "SELECT 1;\n"] {
        assert_eq!(command_for(beginning), None, "{beginning}");
    }
    assert_eq!(DumpFormat::recognise(&[0xff; 5000]), None);
}
