//! A mail as a mail reader decodes it.

use mail_parser::{MessageParser, MimeHeaders, PartType};

#[derive(Debug)]
pub(crate) struct DecodedMail {
    pub(crate) subject: String,
    pub(crate) from: Vec<String>,
    pub(crate) to: Vec<String>,
    pub(crate) message_id: String,
    /// Seconds since 1970.
    pub(crate) date: i64,
    pub(crate) text: String,
    pub(crate) html: String,
    /// File names and contents.
    pub(crate) attachments: Vec<(String, String)>,
    /// All header lines and all parts, decoded.
    pub(crate) everything: String,
}

impl DecodedMail {
    #[track_caller]
    pub(crate) fn decode(raw: &[u8]) -> DecodedMail {
        let message = MessageParser::default().parse(raw).expect("a mail");
        let addresses = |list: Option<&mail_parser::Address<'_>>| -> Vec<String> {
            let list = list.expect("the header");
            list.iter().map(|address| address.address().expect("an address").to_owned()).collect()
        };
        let attachments = message
            .attachments()
            .map(|part| {
                let name = part.attachment_name().expect("the attachment's name").to_owned();
                (name, String::from_utf8(part.contents().to_vec()).unwrap())
            })
            .collect();
        let mut everything = String::new();
        for (name, value) in message.headers_raw() {
            everything.push_str(&format!("{name}: {value}\n"));
        }
        everything.push_str(message.subject().unwrap_or(""));
        for part in &message.parts {
            match &part.body {
                PartType::Text(text) | PartType::Html(text) => everything.push_str(&format!("\n{text}")),
                PartType::Binary(bytes) | PartType::InlineBinary(bytes) => {
                    everything.push_str(&format!("\n{}", String::from_utf8_lossy(bytes)));
                }
                PartType::Message(_) | PartType::Multipart(_) => {}
            }
        }
        DecodedMail {
            subject: message.subject().expect("a subject").to_owned(),
            from: addresses(message.from()),
            to: addresses(message.to()),
            message_id: message.message_id().expect("a Message-ID").to_owned(),
            date: message.date().expect("a Date").to_timestamp(),
            text: message.body_text(0).expect("a text part").into_owned(),
            html: message.body_html(0).expect("an HTML part").into_owned(),
            attachments,
            everything,
        }
    }
}
