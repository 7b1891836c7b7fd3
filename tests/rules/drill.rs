//! Which errors of a database's client hurt the data, and which checks pass.

use scripting_system::rules::drill_errors::{ErrorLog, passes};
use scripting_system::rules::drill_facts::{Engine, Notice};
use scripting_system::rules::loading::DumpFormat;

/// The error that hurts the data among `lines`, with the notices about the others.
fn sorted(engine: Engine, lines: &[&str], code: i32) -> (Option<String>, Vec<Notice>) {
    let mut log = ErrorLog::new(engine);
    lines.iter().for_each(|line| log.add(line));
    log.finish();
    (log.failure(Some(code)), log.into_notices())
}

#[test]
fn errors_of_psql_that_do_not_hurt_the_data_are_notices() {
    let (failure, notices) = sorted(
        Engine::PostgreSql,
        &[
            "psql:<stdin>:1: NOTICE:  ERROR:  nothing",
            "psql:<stdin>:2: ERROR:  role \"shop\" does not exist",
            "psql:<stdin>:2: STATEMENT:  ALTER TABLE a OWNER TO shop;",
            "psql:<stdin>:3: ERROR:  role \"shop\" does not exist",
            "psql:<stdin>:4: ERROR:  role \"postgres\" already exists",
            "psql:<stdin>:5: ERROR:  unrecognized configuration parameter \"transaction_timeout\"",
            "psql:<stdin>:6: ERROR:  relation \"public.a\" does not exist",
            "psql:<stdin>:6: STATEMENT:  ALTER TABLE ONLY public.a DROP CONSTRAINT a_pkey;",
        ],
        0,
    );
    assert_eq!(failure, None);
    let texts: Vec<_> = notices.iter().map(|notice| (notice.text.as_str(), notice.count)).collect();
    assert_eq!(
        texts,
        [
            ("role \"shop\" does not exist", 2),
            ("unrecognized configuration parameter \"transaction_timeout\"", 1),
            ("relation \"public.a\" does not exist", 1)
        ]
    );
}

#[test]
fn the_first_error_that_hurts_the_data_is_reported_with_its_statement() {
    let lines = [
        "psql:<stdin>:2: ERROR:  role \"shop\" does not exist",
        "psql:<stdin>:6: ERROR:  relation \"a\" does not exist",
        "LINE 1: INSERT INTO a VALUES (1);",
        "                    ^",
        "psql:<stdin>:6: STATEMENT:  INSERT INTO a VALUES (1);",
        "psql:<stdin>:7: ERROR:  another",
    ];
    let (failure, notices) = sorted(Engine::PostgreSql, &lines, 0);
    let expected = "line 6: ERROR:  relation \"a\" does not exist; LINE 1: INSERT INTO a VALUES (1);; \
        line 6: STATEMENT:  INSERT INTO a VALUES (1);";
    assert_eq!((failure.as_deref(), notices.len()), (Some(expected), 1));
}

#[test]
fn errors_of_pg_restore_and_mariadb_are_sorted_too() {
    let lines = [
        "pg_restore: while PROCESSING TOC:",
        "pg_restore: from TOC entry 215; 1259 16385 TABLE orders shop",
        "pg_restore: error: could not execute query: ERROR:  role \"shop\" does not exist",
        "Command was: ALTER TABLE public.orders OWNER TO shop;",
        "pg_restore: warning: errors ignored on restore: 1",
    ];
    let (failure, notices) = sorted(Engine::PostgreSql, &lines, 1);
    assert_eq!((failure, notices.len()), (None, 1));
    let broken = ["pg_restore: error: could not read from input file: end of file"];
    assert_eq!(sorted(Engine::PostgreSql, &broken, 1).0.as_deref(), Some(broken[0]));
    assert_eq!(sorted(Engine::PostgreSql, &[], 1).0.as_deref(), Some("it ended without a message"));

    let lines = ["ERROR 1193 (HY000) at line 24: Unknown system variable 'GTID_PURGED'"];
    let (failure, notices) = sorted(Engine::MariaDb, &lines, 1);
    assert_eq!((failure, notices[0].text.as_str()), (None, "Unknown system variable 'GTID_PURGED'"));
    let lines = ["ERROR 1146 (42S02) at line 7: Table 'a.b' doesn't exist\u{1b}[2J"];
    let (failure, _) = sorted(Engine::MySql, &lines, 1);
    assert_eq!(failure.unwrap(), "ERROR 1146 (42S02) at line 7: Table 'a.b' doesn't exist\\u{1b}[2J");
}

#[test]
fn much_output_is_bounded() {
    let long = format!("psql:<stdin>:1: ERROR:  {}", "ü".repeat(100_000));
    let mut log = ErrorLog::new(Engine::PostgreSql);
    (0..1000).for_each(|_| log.add(&long));
    assert!(log.failure(Some(0)).unwrap().chars().count() < 700);
    let mut log = ErrorLog::new(Engine::PostgreSql);
    (0..1000).for_each(|number| log.add(&format!("psql:<stdin>:1: ERROR:  role \"{number}\" does not exist")));
    assert_eq!((log.failure(Some(0)), log.into_notices().len()), (None, 100));
}

#[test]
fn a_check_passes_with_true_or_a_number_that_is_large_enough() {
    for value in ["t", "true", "TRUE", "1", "-3", "0.5"] {
        assert!(passes(value, None), "{value}");
    }
    for value in ["f", "false", "0", "0.0", "", "NULL", "NaN", "yes"] {
        assert!(!passes(value, None), "{value}");
    }
    assert!(passes("1000", Some(1000.0)) && passes("1e3", Some(999.5)) && passes("-1", Some(-2.0)));
    assert!(!passes("999", Some(1000.0)) && !passes("t", Some(0.0)) && !passes("NaN", Some(0.0)));
}

#[test]
fn a_dump_that_was_cut_lacks_its_last_line() {
    let missing =
        |beginning: &[u8], end: &str| DumpFormat::recognise(beginning).unwrap().missing_last_line(end.as_bytes());
    let postgresql = b"--\n-- PostgreSQL database dump\n--\n";
    assert_eq!(missing(postgresql, "1\n\\."), Some("-- PostgreSQL database dump complete"));
    assert_eq!(missing(postgresql, "--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n"), None);
    assert_eq!(missing(b"-- MySQL dump 10.13", "-- Dump completed on 2026-01-01"), None);
    // Without comments.
    assert_eq!(missing(b"/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;", ""), None);
    assert_eq!(missing(b"SQLite format 3\0", "\u{1}"), None);
    assert_eq!(missing(b"PRAGMA foreign_keys=OFF;", "ROLLBACK; -- due to errors\n"), Some("COMMIT;"));
}
