//! Marks, and whose archive it is.

use scripting_system::rules::origin::*;
use url::Url;

fn mark(url: &str, dump: &str) -> Mark {
    Mark::new(&Url::parse(url).unwrap(), dump)
}

#[test]
fn a_mark_depends_on_address_and_dump_but_not_on_the_query() {
    let ours = mark("https://example.com/a.zip?sig=1", "dump.sql");
    // printf 'https://example.com:443/a.zip\0dump.sql' | sha256sum
    assert_eq!(ours.as_str(), "f0671cb8b123bbfa");
    assert_eq!(mark("https://example.com:443/a.zip?sig=2", "dump.sql"), ours);
    for (url, dump) in [
        ("https://example.org/a.zip", "dump.sql"),
        ("https://example.com:8443/a.zip", "dump.sql"),
        ("https://example.com/b.zip", "dump.sql"),
        ("https://example.com/a.zip", "db/dump.sql"),
    ] {
        assert_ne!(mark(url, dump), ours, "{url} {dump}");
    }
    assert_eq!(Mark::parse(ours.as_str().as_bytes()), Some(ours));
    assert_eq!(Mark::parse(b"F0671CB8B123BBFA"), None);
}

#[test]
fn the_mark_identifies_the_job_and_without_a_mark_the_dumps_name_does() {
    let (ours, theirs) = (mark("https://a.example/a.zip", "dump.sql"), mark("https://b.example/a.zip", "dump.sql"));
    let is_other = |mark: Option<&Mark>, dump: Option<&str>| {
        Origin { mark: mark.cloned(), dump: dump.map(str::to_owned) }.belongs_to_another_job(&ours, "db/dump.sql")
    };
    assert!(is_other(Some(&theirs), Some("dump.sql")));
    assert!(!is_other(Some(&ours), Some("former.sql")));
    assert!(!is_other(None, Some("dump.sql")));
    assert!(is_other(None, Some("blog.sql")));
    assert!(!is_other(None, None));
}
