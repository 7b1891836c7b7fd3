//! Tasks 2 to 5: from the web server to an archive on this machine.

use chrono::{DateTime, Local, Utc};
use indicatif::HumanBytes;

use super::{Job, Stop};
use crate::archive::{ArchiveError, ZippedDump};
use crate::error_chain::told;
use crate::rules::freshness::{Freshness, Judgement, judge};
use crate::rules::redaction::printable;
use crate::run_record::{ArchiveFacts, DumpFacts, Task};
use crate::source::{self, Zip};
use crate::spool::{self, Content, Spool};

/// The archive on this machine, complete.
pub(super) struct Packed {
    pub(super) name: String,
    pub(super) spool: Spool,
    pub(super) content: Content,
}

impl Job {
    pub(super) fn request_zip(&self) -> Result<Zip, Stop> {
        let task = self.journal.begin(Task::RequestZip);
        let config = &self.config;
        let folder = &config.archive.work_directory;
        match source::open(&config.source, folder, &self.retry, &self.interrupt, &self.progress) {
            Ok(zip) => {
                let how = if zip.is_remote() { ", read in parts" } else { "" };
                task.done(&format!("{} at {}{how}", HumanBytes(zip.size), config.source.public_url()));
                Ok(zip)
            }
            Err(error) => Err(self.give_up(task, &error)),
        }
    }

    /// `None` where the ZIP has changed and `may_start_over` holds.
    pub(super) fn find_dump(&self, zip: &Zip, may_start_over: bool) -> Result<Option<ZippedDump>, Stop> {
        let task = self.journal.begin(Task::FindDump);
        let source = &self.config.source;
        let found = zip
            .reader()
            .map_err(ArchiveError::Read)
            .and_then(|reader| ZippedDump::find(reader, &source.dump, source.max_dump_bytes));
        match found {
            Ok(dump) => {
                let entry = dump.entry();
                let name = printable(&entry.name);
                task.done(&format!("{name}, {}", HumanBytes(entry.size)));
                self.journal.record().lock().dump = Some(DumpFacts { name, size: entry.size, modified: None });
                Ok(Some(dump))
            }
            Err(error) if may_start_over && has_changed(&error) => Ok(None),
            Err(error) => {
                let mut text = told(&error);
                if matches!(error, ArchiveError::NotAZip { .. })
                    && let Some(content_type) = &zip.content_type
                {
                    text.push_str(&format!("; the web server calls it {content_type}"));
                }
                Err(self.give_up_telling(task, &text))
            }
        }
    }

    pub(super) fn compare_dates(&self, zip: &Zip, dump: &ZippedDump) -> Judgement {
        let task = self.journal.begin(Task::CompareDates);
        let source = &self.config.source;
        let judgement = judge(dump.entry().time, source.timezone, &Local, self.today, source.max_age_days);
        self.count_received(zip);
        if let Some(facts) = &mut self.journal.record().lock().dump {
            facts.modified = judgement.modified;
        }
        match judgement.freshness {
            Freshness::Fresh => {
                let modified = judgement.modified.map(|time| time.format("%F %T %:z").to_string());
                task.done(&format!("fresh: modified {}", modified.unwrap_or_default()));
            }
            Freshness::Stale(why) => task.warned(&format!(
                "the dump is stale: {why}; nothing is sent for {}. Look at what dumps the database",
                self.today
            )),
        }
        judgement
    }

    /// `None` where the ZIP has changed and `may_start_over` holds.
    pub(super) fn pack_archive(
        &self,
        zip: &Zip,
        dump: &ZippedDump,
        modified: DateTime<Utc>,
        may_start_over: bool,
    ) -> Result<Option<Packed>, Stop> {
        let task = self.journal.begin(Task::PackArchive);
        let name = self.archive_name();
        let compression = self.config.archive.compression;
        let packed = spool::create(&self.config.archive.work_directory).map_err(ArchiveError::Write).and_then(
            |(mut writer, spool)| {
                let raw = zip.flow(dump.data()).map_err(ArchiveError::Read)?;
                dump.pack(raw, compression, modified, &mut writer, &self.interrupt)?;
                Ok((writer.finish(), spool))
            },
        );
        self.count_received(zip);
        match packed {
            Ok((content, spool)) => {
                let sha256 = content.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
                task.done(&format!("{name}, {}", HumanBytes(content.size)));
                let facts = ArchiveFacts { name: name.clone(), size: content.size, sha256 };
                self.journal.record().lock().archive = Some(facts);
                Ok(Some(Packed { name, spool, content }))
            }
            Err(error) if may_start_over && has_changed(&error) => Ok(None),
            Err(error) => Err(self.give_up(task, &error)),
        }
    }

    fn count_received(&self, zip: &Zip) {
        let mut record = self.journal.record().lock();
        record.received = Some(zip.received());
        record.zip_size = Some(zip.size);
    }
}

/// Whether `error` comes from a ZIP that is not the same any more as when its directory was read.
fn has_changed(error: &ArchiveError) -> bool {
    matches!(error, ArchiveError::Read(error) if source::has_changed(error))
}
