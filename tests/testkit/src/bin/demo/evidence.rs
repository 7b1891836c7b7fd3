//! What a run left behind, and whether that is right.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use chrono::{DateTime, Local};
use flate2::read::MultiGzDecoder;
use mail_parser::MessageParser;
use sha2::{Digest, Sha256};

use crate::stage::{DUMP, Planted, Stage};

pub(crate) struct Finding {
    pub claim: String,
    pub holds: bool,
}

/// A name in the SFTP server's folder, before and after the run.
pub(crate) struct Place {
    pub name: String,
    pub before: bool,
    pub after: bool,
    pub reason: String,
    pub is_right: bool,
}

pub(crate) struct Content {
    pub name: String,
    pub size: u64,
    pub modified: DateTime<Local>,
    pub sha256: String,
}

pub(crate) struct Letter {
    pub subject: String,
    pub text: String,
    pub html: String,
    pub attachments: Vec<String>,
}

/// The SFTP server's folder before and after the run, sorted by name.
pub(crate) fn folder(stage: &Stage) -> Result<Vec<Place>, Box<dyn Error>> {
    let mut places = BTreeMap::new();
    let new = Planted { name: stage.archive.clone(), stays: true, reason: "new: today's dump".to_owned() };
    for (planted, before) in stage.planted.iter().map(|planted| (planted, true)).chain([(&new, false)]) {
        let Planted { name, stays, reason } = planted.clone();
        let place = Place { name: name.clone(), before, after: false, reason, is_right: !stays };
        places.insert(name, (stays, place));
    }
    for entry in fs::read_dir(&stage.destination)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let (stays, place) = places.entry(name.clone()).or_insert_with(|| {
            let reason = "unexpected".to_owned();
            (false, Place { name, before: false, after: true, reason, is_right: false })
        });
        place.after = true;
        place.is_right = *stays;
    }
    Ok(places.into_values().map(|(_, place)| place).collect())
}

pub(crate) fn archive(path: &Path) -> Result<Vec<Content>, Box<dyn Error>> {
    let mut contents = Vec::new();
    // An archive may be several gzip members one after another.
    let mut archive = tar::Archive::new(MultiGzDecoder::new(File::open(path)?));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let seconds = i64::try_from(entry.header().mtime()?)?;
        let modified = DateTime::from_timestamp(seconds, 0).ok_or("the archive holds an impossible time")?;
        let (name, size) = (entry.path()?.display().to_string(), entry.size());
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        contents.push(Content { name, size, modified: modified.with_timezone(&Local), sha256: sha256(&bytes) });
    }
    Ok(contents)
}

pub(crate) fn judge_archive(stage: &Stage, contents: &[Content]) -> Vec<Finding> {
    let is = |claim: &str, test: fn(&Stage, &Content) -> bool| Finding {
        claim: claim.to_owned(),
        holds: contents.first().is_some_and(|content| test(stage, content)),
    };
    vec![
        Finding { claim: "the archive holds one file".to_owned(), holds: contents.len() == 1 },
        is("it has the dump's name", |_, content| content.name == DUMP),
        is("it has the dump's size", |stage, content| content.size == stage.dump.content.len() as u64),
        is("it has the dump's modification time", |stage, content| content.modified == stage.dump.modified),
        is("it has the dump's bytes", |stage, content| content.sha256 == sha256(&stage.dump.content)),
    ]
}

pub(crate) fn letter(raw: &[u8]) -> Option<Letter> {
    let message = MessageParser::default().parse(raw)?;
    let attached = |part: &mail_parser::MessagePart<'_>| {
        use mail_parser::MimeHeaders as _;
        part.attachment_name().unwrap_or("without a name").to_owned()
    };
    Some(Letter {
        subject: message.subject().unwrap_or_default().to_owned(),
        text: message.body_text(0).unwrap_or_default().into_owned(),
        html: message.body_html(0).unwrap_or_default().into_owned(),
        attachments: message.attachments().map(attached).collect(),
    })
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
