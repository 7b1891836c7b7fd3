//! A Markdown document, split into prose and fenced blocks.

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) struct Document {
    /// Relative to the repository's top, such as `docs/restore.md`.
    pub(crate) path: String,
    /// The lines outside fenced blocks.
    pub(crate) prose: String,
    pub(crate) blocks: Vec<Block>,
}

pub(crate) struct Block {
    /// The word after the fence, such as `json`.
    pub(crate) language: String,
    pub(crate) text: String,
}

pub(crate) fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn all() -> Vec<Document> {
    let mut paths = vec!["README.md".to_owned(), "CHANGELOG.md".to_owned()];
    for entry in fs::read_dir(top().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        paths.extend(name.ends_with(".md").then(|| format!("docs/{name}")));
    }
    paths.into_iter().map(|path| Document::parse(&path, &fs::read_to_string(top().join(&path)).unwrap())).collect()
}

impl Document {
    pub(crate) fn parse(path: &str, text: &str) -> Document {
        let mut document = Document { path: path.to_owned(), prose: String::new(), blocks: Vec::new() };
        let mut is_in_block = false;
        for line in text.lines() {
            match line.trim_start().strip_prefix("```") {
                Some(language) => {
                    is_in_block = !is_in_block;
                    if is_in_block {
                        document.blocks.push(Block { language: language.to_owned(), text: String::new() });
                    }
                }
                None if is_in_block => {
                    let block = document.blocks.last_mut().unwrap();
                    block.text.push_str(&format!("{line}\n"));
                }
                None => document.prose.push_str(&format!("{line}\n")),
            }
        }
        assert!(!is_in_block, "{path}: a fenced block is not closed");
        document
    }

    pub(crate) fn blocks(&self, languages: &[&str]) -> impl Iterator<Item = &Block> {
        self.blocks.iter().filter(move |block| languages.contains(&block.language.as_str()))
    }

    /// The text between backticks in the prose.
    pub(crate) fn code_spans(&self) -> impl Iterator<Item = &str> {
        self.prose.split('`').skip(1).step_by(2)
    }

    /// The path, relative to the repository's top, of a link to `target` in this document.
    pub(crate) fn resolve(&self, target: &str) -> PathBuf {
        let mut path = PathBuf::from(&self.path);
        path.pop();
        for part in target.split('/') {
            match part {
                "." => {}
                ".." => {
                    assert!(path.pop(), "{}: {target} leads out of the repository", self.path);
                }
                part => path.push(part),
            }
        }
        path
    }

    /// The anchors of the headings, as on GitHub: lower case, hyphens for spaces, no punctuation, a number after a repeated one.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let mut anchors: Vec<String> = Vec::new();
        for line in self.prose.lines().filter(|line| line.starts_with('#')) {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let letters = heading.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
            let anchor: String = letters.map(|letter| if letter == ' ' { '-' } else { letter }).collect();
            let count = anchors.iter().filter(|earlier| **earlier == anchor).count();
            anchors.push(if count == 0 { anchor } else { format!("{anchor}-{count}") });
        }
        anchors
    }
}

#[test]
fn a_document_is_split_into_prose_and_blocks() {
    let document = Document::parse("docs/a.md", "# One, `two`\n\n1. x\n   ```sh\n   y\n   ```\n# One two\n");
    assert_eq!(document.prose, "# One, `two`\n\n1. x\n# One two\n");
    assert_eq!((document.blocks[0].language.as_str(), document.blocks[0].text.as_str()), ("sh", "   y\n"));
    assert_eq!(document.code_spans().collect::<Vec<_>>(), ["two"]);
    assert_eq!(document.anchors(), ["one-two", "one-two-1"]);
    assert_eq!(document.resolve("../README.md"), Path::new("README.md"));
    assert_eq!(document.resolve("b.md"), Path::new("docs/b.md"));
}
