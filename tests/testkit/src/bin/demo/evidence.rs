//! What a run left behind, and whether that is right.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self};

use mail_parser::MessageParser;
use sha2::{Digest, Sha256};

use crate::stage::{Planted, Stage};

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
