//! The archives on the server, as `list` shows them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod support;

use std::fs;

use support::Night;

#[test]
fn every_file_is_listed_with_what_retention_will_do_to_it() {
    Night::on_each_server(|night| {
        night.run().ended_with(0);
        fs::write(night.sshd.directory.join("20200101.tgz"), "old").unwrap();
        let listed = night.ask("list", &[]);
        listed.ended_with(0);
        assert!(listed.stdout.contains("20200101.tgz"), "{}", listed.all());
        assert!(listed.stdout.contains(&night.archive_name()), "{}", listed.all());
    });
}
