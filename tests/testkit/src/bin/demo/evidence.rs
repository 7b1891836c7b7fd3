//! Inspects the folder and parses the mail after a run.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;

use mail_parser::MessageParser;
use sha2::{Digest, Sha256};

use crate::stage::{Planted, Stage};

pub(crate) struct Finding {
    pub claim: String,
    pub passed: bool,
}

/// An entry of the SFTP server's folder.
pub(crate) struct FolderEntry {
    pub name: String,
    pub existed_before: bool,
    pub exists_after: bool,
    pub reason: String,
    pub is_as_expected: bool,
}

pub(crate) struct Mail {
    pub subject: String,
    pub text: String,
    pub html: String,
    pub attachments: Vec<String>,
}

/// Sorted by name.
pub(crate) fn folder(stage: &Stage) -> Result<Vec<FolderEntry>, Box<dyn Error>> {
    let mut present = BTreeSet::new();
    for entry in fs::read_dir(&stage.destination)? {
        present.insert(entry?.file_name().to_string_lossy().into_owned());
    }
    let new = Planted { name: stage.archive.clone(), is_kept: true, reason: "new: today's dump".to_owned() };
    let mut entries = Vec::new();
    for (planted, existed_before) in stage.planted.iter().map(|planted| (planted, true)).chain([(&new, false)]) {
        let Planted { name, is_kept, reason } = planted.clone();
        let exists_after = present.remove(&name);
        entries.push(FolderEntry {
            name,
            existed_before,
            exists_after,
            reason,
            is_as_expected: exists_after == is_kept,
        });
    }
    entries.extend(present.into_iter().map(|name| {
        let reason = "unexpected".to_owned();
        FolderEntry { name, existed_before: false, exists_after: true, reason, is_as_expected: false }
    }));
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

pub(crate) fn parse_mail(raw: &[u8]) -> Option<Mail> {
    let message = MessageParser::default().parse(raw)?;
    let attachment_name = |part: &mail_parser::MessagePart<'_>| {
        use mail_parser::MimeHeaders as _;
        part.attachment_name().unwrap_or("unnamed").to_owned()
    };
    Some(Mail {
        subject: message.subject().unwrap_or_default().to_owned(),
        text: message.body_text(0).unwrap_or_default().into_owned(),
        html: message.body_html(0).unwrap_or_default().into_owned(),
        attachments: message.attachments().map(attachment_name).collect(),
    })
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
