//! The outputs in the documents match the snapshots of other tests.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use super::assert_no_problem;
use super::document::{Block, top};

/// The text for variable values in snapshots; a document may show any value there.
const VARIABLE: [&str; 4] = ["…", "127.0.0.1", "localhost", "Authority of the embedded servers"];

/// The lines of snapshot files and source files.
#[derive(Default)]
struct Recorded {
    /// Without indentation.
    lines: HashSet<String>,
    /// The fixed parts of each line with variable values.
    patterns: Vec<Vec<String>>,
}

impl Recorded {
    fn read() -> Recorded {
        let mut recorded = Recorded::default();
        for folder in ["src", "tests"] {
            recorded.read_folder(&top().join(folder));
        }
        recorded
    }

    fn read_folder(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_record = path.extension().is_some_and(|extension| extension == "snap" || extension == "rs");
            if path.is_dir() && !path.ends_with("tests/documents") {
                self.read_folder(&path);
            } else if is_record {
                fs::read_to_string(&path).unwrap().lines().for_each(|line| self.add(line.trim()));
            }
        }
    }

    fn add(&mut self, line: &str) {
        // An inline snapshot may be on one line: @"…"
        let inline = line.split_once("@\"").and_then(|(_, rest)| rest.strip_suffix("\");"));
        self.lines.extend(inline.map(str::to_owned));
        let parts = fixed_parts(line);
        // A line with little fixed text would match anything.
        if parts.len() > 1 && parts.iter().map(String::len).sum::<usize>() >= 12 {
            self.patterns.push(parts);
        }
        self.lines.insert(line.to_owned());
    }

    fn contains(&self, line: &str) -> bool {
        self.lines.contains(line) || self.patterns.iter().any(|parts| matches(line, parts))
    }
}

/// The parts of a recorded line between variable values and placeholders such as `[sftp]`.
fn fixed_parts(recorded: &str) -> Vec<String> {
    let mut pieces = recorded.split('[');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.split_once(']') {
            Some((name, rest)) if name.chars().all(|letter| letter.is_ascii_lowercase()) => {
                text.push_str(&format!("\0{rest}"));
            }
            _ => text.push_str(&format!("[{piece}")),
        }
    }
    for variable in VARIABLE {
        text = text.replace(variable, "\0");
    }
    text.split('\0').map(str::to_owned).collect()
}

/// Whether `line` consists of all `parts` in order, with any text between them.
fn matches(line: &str, parts: &[String]) -> bool {
    let Some(mut rest) = line.strip_prefix(parts[0].as_str()) else { return false };
    let (last, middle) = parts[1..].split_last().unwrap();
    for part in middle {
        let Some(at) = rest.find(part.as_str()) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last.as_str())
}

/// The lines of an output; a line `…` stands for omitted lines.
fn lines(block: &Block) -> impl Iterator<Item = &str> {
    block.text.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "…")
}

/// Whether other tests check the block, or it is not an output: mistakes in a configuration, crontab lines, the source tree.
fn is_checked_elsewhere(block: &Block) -> bool {
    block.text.starts_with("scripting-system: ")
        || block.text.contains("/bin/scripting-system ")
        || block.text.starts_with("src/")
}

#[test]
fn each_output_is_in_a_snapshot() {
    let recorded = Recorded::read();
    assert_no_problem(|document| {
        let outputs = document.blocks(&["text"]).filter(|block| !is_checked_elsewhere(block));
        let unknown = outputs.flat_map(lines).filter(|line| !recorded.contains(line));
        unknown.map(|line| format!("no snapshot contains {line:?}")).collect()
    });
}

#[test]
fn the_metrics_in_the_documents_exist() {
    let recorded = Recorded::read();
    assert_no_problem(|document| {
        let text = document.blocks.iter().map(|block| block.text.as_str()).chain(document.code_spans());
        let words = text.flat_map(|text| text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_'));
        let metrics = words.filter(|word| word.starts_with("scripting_system_last_"));
        let missing = metrics.filter(|name| !recorded.lines.contains(&format!("# TYPE {name} gauge")));
        missing.map(|name| format!("there is no metric {name}")).collect()
    });
}

#[test]
fn an_output_without_a_snapshot_is_detected() {
    let mut recorded = Recorded::default();
    ["✓ name            127.0.0.1", "  ✓ connection      port [sftp] answers", "…", "insta(x, @\"one line\");"]
        .into_iter()
        .for_each(|line| recorded.add(line.trim()));
    for line in ["✓ name            www.example.com", "✓ connection      port 22 answers", "one line"] {
        assert!(recorded.contains(line), "{line}");
    }
    for line in ["✓ connection      port 22 replies", "✓ connection      port [sftp] replies", "anything"] {
        assert!(!recorded.contains(line), "{line}");
    }
}
