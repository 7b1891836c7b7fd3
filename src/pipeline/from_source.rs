//! Tasks 2 to 5: pack the dump on the web server into an archive on this machine.

use std::io::Write;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::archive::{ArchiveError, Encryption, ZippedDump};
use crate::config::Archive;
use crate::disk::space;
use crate::disk::spool::{self, Spool, SpoolWriter};
use crate::pipeline::job::{Job, Stop};
use crate::record::run_record::{ArchiveFacts, DumpFacts};
use crate::record::task::Task;
use crate::rules::checksum::hex;
use crate::rules::freshness::{Freshness, Judgement, judge};
use crate::rules::redaction::printable;
use crate::rules::units;
use crate::runtime::error_chain::with_causes;
use crate::runtime::failpoint::failpoint;
use crate::source::{self, SourceError, Zip};

pub(super) struct Packing<'a> {
    pub(super) zip: &'a Zip,
    pub(super) dump: &'a ZippedDump,
    pub(super) modified: DateTime<Utc>,
    pub(super) may_start_over: bool,
}

impl Job {
    /// Requests the ZIP, to be read in parts if `in_parts` and the server supports that. Waits for a late dump until
    /// `end_of_wait`, and returns how long.
    pub(super) fn request_zip(&self, in_parts: bool, end_of_wait: Instant) -> Result<(Zip, Option<Duration>), Stop> {
        let task = self.journal.begin(Task::RequestZip);
        let (answer, waited) = self.open_zip(in_parts, end_of_wait);
        let wait = waited.map(|waited| format!("waited {} for the dump", units::duration(waited)));
        match answer {
            Ok(zip) => {
                let how = if zip.is_remote() { ", read in parts" } else { "" };
                let (size, url, cache) = (units::size(zip.size), self.config.source.public_url(), zip.cache());
                let wait = wait.map(|wait| format!(", {wait}")).unwrap_or_default();
                task.done(&format!("{size} at {url}{how}{cache}{wait}"));
                Ok((zip, waited))
            }
            Err(error) => match wait.filter(|_| self.interrupt.check().is_ok()) {
                Some(wait) => Err(self.fail_with_text(task, &format!("{}; {wait}", with_causes(&error)))),
                None => Err(self.fail(task, &error)),
            },
        }
    }

    pub(super) fn find_in(&self, zip: &Zip) -> Result<ZippedDump, ArchiveError> {
        let source = &self.config.source;
        let reader = zip.reader().map_err(ArchiveError::Read)?;
        ZippedDump::find(reader, &source.dump.on(self.today), source.max_dump_bytes)
    }

    pub(super) fn judge(&self, dump: &ZippedDump) -> Judgement {
        let source = &self.config.source;
        judge(dump.entry().time, source.timezone, &self.config.zone, self.today, source.max_age_days)
    }

    /// `None` if the ZIP has changed and `may_start_over`.
    pub(super) fn find_dump(&self, zip: &Zip, may_start_over: bool) -> Result<Option<ZippedDump>, Stop> {
        let task = self.journal.begin(Task::FindDump);
        match self.find_in(zip) {
            Ok(dump) => {
                let entry = dump.entry();
                let name = printable(&entry.name);
                let others = dump.unsent().map(|names| format!("; the ZIP also holds {names}, not sent by this job"));
                task.done(&format!("{name}, {}{}", units::size(entry.size), others.unwrap_or_default()));
                self.journal.set_dump(DumpFacts { name, size: entry.size, modified: None });
                Ok(Some(dump))
            }
            Err(error) if may_start_over && may_have_changed(zip, &error) => Ok(None),
            Err(error) => {
                let mut text = with_causes(&error);
                if matches!(error, ArchiveError::NotAZip { .. })
                    && let Some(content_type) = &zip.content_type
                {
                    text.push_str(&format!("; the web server calls it {content_type}"));
                }
                Err(self.fail_with_text(task, &text))
            }
        }
    }

    /// `waited`: how long the run waited for a fresh dump.
    pub(super) fn compare_dates(&self, zip: &Zip, dump: &ZippedDump, waited: Option<Duration>) -> Judgement {
        let task = self.journal.begin(Task::CompareDates);
        let judgement = self.judge(dump);
        self.record_received(zip);
        self.journal.set_modified(judgement.modified);
        match judgement.freshness {
            Freshness::Fresh => {
                let modified = judgement.modified.map(|time| time.format("%F %T %:z").to_string());
                task.done(&format!("fresh: modified {}", modified.unwrap_or_default()));
            }
            Freshness::Stale(why) => {
                let zone = self.config.source.timezone;
                let mut advice = judgement.advice(dump.entry().time, zone, self.today, (self.clock)());
                if let Some(age) = zip.age {
                    let age = units::age(age);
                    advice.push_str(&format!(
                        ". The ZIP is from a cache, {age} old: exclude it from caching, or purge the cache"
                    ));
                }
                let wait = waited.map(|waited| format!(" after a wait of {}", units::duration(waited)));
                let wait = wait.unwrap_or_default();
                task.warned(&format!("the dump is stale{wait}: {why}; nothing is sent for {}. {advice}", self.today));
            }
        }
        judgement
    }

    /// Creates the local file for the archive of about `expected_size` bytes.
    pub(super) fn create_spool(&self, expected_size: Option<u64>) -> Result<(SpoolWriter, Spool), Stop> {
        let folder = &self.config.archive.work_directory;
        space::check_space(folder, expected_size.unwrap_or(0)).and_then(|()| spool::create(folder)).map_err(|source| {
            let error = SourceError::WorkDirectory { folder: folder.clone(), source };
            self.fail(self.journal.begin(Task::PackArchive), &error)
        })
    }

    /// Writes the archive to `writer`; `spool` reads the same file. `false` if the ZIP has changed and may be read again.
    pub(super) fn pack_archive(
        &self,
        packing: &Packing<'_>,
        mut writer: SpoolWriter,
        spool: &Spool,
    ) -> Result<bool, Stop> {
        let task = self.journal.begin(Task::PackArchive);
        failpoint("packing");
        let name = self.archive_name();
        let Archive { compression, encrypt_to, .. } = &self.config.archive;
        let Packing { zip, dump, modified, may_start_over } = *packing;
        let mark = self.config.source.mark();
        let packed = zip.range(dump.data()).map_err(ArchiveError::Read).and_then(|raw| {
            let pack = |mut output: &mut dyn Write| {
                dump.pack(raw, *compression, modified, &mark, &mut output, &self.interrupt)
            };
            if encrypt_to.is_empty() {
                return pack(&mut writer).map(|()| None);
            }
            let mut encryption = Encryption::new(encrypt_to, &mut writer)?;
            pack(&mut encryption)?;
            encryption.finish().map(Some)
        });
        self.record_received(zip);
        match packed {
            Ok(plain) => {
                let content = writer.finish(plain);
                let sha256 = hex(&content.sha256);
                let rate = units::rate_suffix(content.size, task.elapsed());
                task.done(&format!("{name}, {}{rate}", units::size(content.size)));
                self.journal.set_archive(ArchiveFacts { name, size: content.size, sha256 });
                Ok(true)
            }
            Err(_) if spool.is_discarded() => {
                // Sending has failed and reports the error.
                task.leave_unfinished();
                Err(Stop)
            }
            Err(error) if may_start_over && may_have_changed(zip, &error) => {
                task.leave_unfinished();
                Ok(false)
            }
            Err(error) => Err(self.fail(task, &error)),
        }
    }

    fn record_received(&self, zip: &Zip) {
        self.journal.set_received(zip.size, zip.received());
    }
}

/// Whether `error` can mean that `zip` has changed on the web server while it was read.
fn may_have_changed(zip: &Zip, error: &ArchiveError) -> bool {
    match error {
        ArchiveError::Read(error) => source::has_changed(error),
        ArchiveError::Inconsistent(_) | ArchiveError::Damaged(_) | ArchiveError::Unreadable(_) => !zip.has_version(),
        _ => false,
    }
}
