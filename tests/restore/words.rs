//! What `verify` and `restore` print.

use std::time::Duration;

use chrono::{DateTime, NaiveDate};
use scripting_system::commands::recovery::report::{
    Dump, Looked, Next, Restored, Verdict, all_looked, looked, restored,
};
use scripting_system::rules::loading::{Loading, Place};

fn dump() -> Dump {
    Dump { size: 12_582_912, modified: Some(DateTime::parse_from_rfc3339("2026-11-23T22:54:11+01:00").unwrap()) }
}

#[test]
fn an_archive_has_a_line_with_its_verdict() {
    let date = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
    let verdicts = [
        Verdict::Good(dump()),
        Verdict::Good(Dump { size: 3, modified: None }),
        Verdict::Bad("it breaks off after 17 bytes".to_owned()),
        Verdict::Unread("the server refused to open it".to_owned()),
        Verdict::OtherName { dump: dump(), name: "old\n.sql".to_owned(), expected: "\"new.sql\"".to_owned() },
    ];
    let lines: Vec<String> = verdicts
        .iter()
        .zip([(Some(3_400_000), 100), (Some(90), 1), (Some(17), 1), (None, 1), (Some(90), 1)])
        .map(|(verdict, (size, milliseconds))| {
            let took = Duration::from_millis(milliseconds);
            looked(&Looked { name: "20262311.tgz", date, size, verdict, took })
        })
        .chain([all_looked(verdicts.iter()), all_looked(verdicts[..1].iter())])
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    20262311.tgz  2026-11-23    3.24 MiB  good: a dump of 12.00 MiB, modified 23 Nov 2026 22:54:11 +01:00, 32.42 MiB/s
    20262311.tgz  2026-11-23        90 B  good: a dump of 3 B, without a time
    20262311.tgz  2026-11-23        17 B  BAD: it breaks off after 17 bytes
    20262311.tgz  2026-11-23         ? B  NOT READ: the server refused to open it
    20262311.tgz  2026-11-23        90 B  intact, but it holds "old\n.sql" instead of "new.sql": a dump of 12.00 MiB, modified 23 Nov 2026 22:54:11 +01:00; reach it with --dump 'old\n.sql'
    5 archives: 2 good, 1 with another name, 1 BAD, 1 NOT READ
    1 archive: 1 good
    "#);
}

#[test]
fn what_was_restored_is_told_with_what_comes_next() {
    let told = |connections, next| {
        restored(&Restored {
            path: "/srv/restored/dumpfile.sql",
            archive: "20262311.tgz",
            archive_size: 3_400_000,
            connections,
            took: Duration::from_millis(1_250),
            dump: dump(),
            sha256: [0xa5; 32],
            next,
        })
    };
    let loading = Loading::of(b"-- MySQL dump 10.13\n");
    let place = Place {
        file: "/srv/restored/dumpfile.sql",
        database: "restored_20261123",
        database_file: "/srv/restored/restored_20261123.db",
        is_root: true,
    };
    let texts = [
        told(4, Next::Load(loading, place)),
        told(1, Next::Load(None, place)),
        told(1, Next::Unpack("tar -xzf /srv/restored/20262311.tgz")),
    ];
    insta::assert_snapshot!(texts.join("\n\n"), @r"
    restored       /srv/restored/dumpfile.sql
    from           20262311.tgz, 3.24 MiB in 1.2 s, 2.59 MiB/s, over 4 connections
    the dump       12.00 MiB (12,582,912 bytes), modified 23 Nov 2026 22:54:11 +01:00
    dump's SHA-256 a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5
    made by        MySQL
    to load it     mysql -e 'CREATE DATABASE restored_20261123' && mysql restored_20261123 < /srv/restored/dumpfile.sql
    note           add -u USER -p where a user with a password loads it

    restored       /srv/restored/dumpfile.sql
    from           20262311.tgz, 3.24 MiB in 1.2 s, 2.59 MiB/s
    the dump       12.00 MiB (12,582,912 bytes), modified 23 Nov 2026 22:54:11 +01:00
    dump's SHA-256 a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5
    made by        unknown: it begins like no dump that this program knows

    restored       /srv/restored/dumpfile.sql
    from           20262311.tgz, 3.24 MiB in 1.2 s, 2.59 MiB/s
    the dump       12.00 MiB (12,582,912 bytes), modified 23 Nov 2026 22:54:11 +01:00
    dump's SHA-256 a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5
    to unpack it   tar -xzf /srv/restored/20262311.tgz
    ");
}
