//! Parses the sources: collects every path and method call outside tests, with its line.
//!
//! Comments, strings and attributes are ignored; arguments of macros are read like other code. A path that begins with
//! `crate`, `super`, `self` or the library's own name is made absolute.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};

/// A file below `src`.
pub struct Source {
    /// Its path below `src`, such as `rules/retention.rs`.
    pub file: String,
    /// The whole content, including tests.
    pub text: String,
    /// Outside tests.
    pub paths: Vec<NamedPath>,
    /// Outside tests.
    pub calls: Vec<Call>,
    test_modules: Vec<String>,
}

/// A full path such as `std::fs::File`: `use std::{fs, io}` contains two.
#[derive(Debug)]
pub struct NamedPath {
    /// The first one is `crate` for a path in this crate.
    pub parts: Vec<String>,
    pub line: usize,
    pub is_import: bool,
    /// Whether it is a re-export.
    pub is_exported: bool,
}

/// `.method(…)`.
pub struct Call {
    pub method: String,
    pub line: usize,
}

impl NamedPath {
    pub fn starts_with(&self, prefix: &[&str]) -> bool {
        self.parts.len() >= prefix.len() && self.parts.iter().zip(prefix).all(|(a, b)| a == b)
    }

    pub fn ends_with(&self, suffix: &[&str]) -> bool {
        self.parts.len() >= suffix.len() && self.parts.iter().rev().zip(suffix.iter().rev()).all(|(a, b)| a == b)
    }
}

impl Source {
    /// `file` is a path below `src`.
    pub fn parse(file: &str, text: &str) -> Source {
        let mut source = Source {
            file: file.to_owned(),
            text: text.to_owned(),
            paths: Vec::new(),
            calls: Vec::new(),
            test_modules: Vec::new(),
        };
        let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
        source.read(&trees(tokens), &module_of(file));
        source
    }

    /// The file's module, as a path from the crate's root.
    pub fn module(&self) -> Vec<String> {
        module_of(&self.file)
    }

    /// The same as a string, such as `rules/retention`; `main` or `lib` for a crate root.
    pub fn name(&self) -> String {
        let module = self.module();
        if module.is_empty() { self.file.trim_end_matches(".rs").to_owned() } else { module.join("/") }
    }

    /// `src/file:line`.
    pub fn place(&self, line: usize) -> String {
        format!("src/{}:{line}", self.file)
    }

    fn read(&mut self, tokens: &[TokenTree], module: &[String]) {
        let mut at = 0;
        while at < tokens.len() {
            let after_dot = at > 0 && is_punct(&tokens[at - 1], '.') && !(at > 1 && is_punct(&tokens[at - 2], '.'));
            match &tokens[at] {
                TokenTree::Punct(punct) if punct.as_char() == '#' && attribute(tokens, at).is_some() => {
                    let (content, next) = attribute(tokens, at).unwrap();
                    at = if is_for_tests(&content) { self.skip_test_item(tokens, next, module) } else { next };
                }
                TokenTree::Group(group) => {
                    self.read(&trees(group.stream()), module);
                    at += 1;
                }
                TokenTree::Ident(word) if word == "use" => {
                    let first = self.paths.len();
                    let is_exported = is_public(&tokens[..at]);
                    at = self.read_import(tokens, at + 1, &[], module);
                    self.paths[first..].iter_mut().for_each(|path| path.is_exported = is_exported);
                }
                TokenTree::Ident(word) if word == "mod" && braced(tokens.get(at + 2)).is_some() => {
                    let inner = [module, &[tokens[at + 1].to_string()]].concat();
                    self.read(&braced(tokens.get(at + 2)).unwrap(), &inner);
                    at += 3;
                }
                TokenTree::Ident(method) if after_dot => {
                    self.calls.push(Call { method: method.to_string(), line: line_of(method) });
                    at += 1;
                }
                TokenTree::Ident(first) => {
                    let mut parts = vec![first.to_string()];
                    let line = line_of(first);
                    at += 1;
                    while let Some(part) = part_after_colons(tokens, at) {
                        parts.push(part);
                        at += 3;
                    }
                    self.note_path(parts, module, line, false);
                }
                _ => at += 1,
            }
        }
    }

    /// Reads the import at `at`, with the path `before` in front. Returns the index of its end.
    fn read_import(&mut self, tokens: &[TokenTree], mut at: usize, before: &[String], module: &[String]) -> usize {
        let mut parts = before.to_vec();
        let mut line = 0;
        let mut is_renamed = false;
        while let Some(token) = tokens.get(at) {
            match token {
                TokenTree::Ident(word) if word == "as" => is_renamed = true,
                TokenTree::Ident(_) if is_renamed => {}
                TokenTree::Ident(word) => {
                    line = line_of(word);
                    parts.push(word.to_string());
                }
                TokenTree::Punct(punct) if punct.as_char() == '*' => {
                    line = punct.span().start().line;
                    parts.push("*".to_owned());
                }
                TokenTree::Punct(punct) if punct.as_char() == ',' => break,
                TokenTree::Punct(punct) if punct.as_char() == ';' => break,
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                    let inner = trees(group.stream());
                    let mut next = 0;
                    while next < inner.len() {
                        next = self.read_import(&inner, next, &parts, module) + 1;
                    }
                    parts.clear();
                }
                _ => {}
            }
            at += 1;
        }
        if parts.len() > before.len() {
            self.note_path(parts, module, line, true);
        }
        at
    }

    fn note_path(&mut self, mut parts: Vec<String>, module: &[String], line: usize, is_import: bool) {
        if parts.last().is_some_and(|last| last == "self") && parts.len() > 1 {
            parts.pop();
        }
        let is_own = ["crate", "super", "self", "scripting_system"].contains(&parts[0].as_str());
        if is_own && (parts.len() > 1 || is_import) {
            let mut absolute = vec!["crate".to_owned()];
            let from_here = parts[0] == "super" || parts[0] == "self";
            let supers = parts.iter().take_while(|part| *part == "super").count();
            if from_here {
                absolute.extend_from_slice(&module[..module.len().saturating_sub(supers)]);
            }
            absolute.extend(parts.drain(supers.max(1)..));
            parts = absolute;
        }
        self.paths.push(NamedPath { parts, line, is_import, is_exported: false });
    }

    /// Skips the item at `at`, which is only for tests. Returns the index after it.
    fn skip_test_item(&mut self, tokens: &[TokenTree], mut at: usize, module: &[String]) -> usize {
        while let Some(token) = tokens.get(at) {
            at += 1;
            if is_punct(token, ';') || braced(Some(token)).is_some() {
                break;
            }
            if matches!(token, TokenTree::Ident(word) if word == "mod") {
                self.test_modules.push([module, &[tokens[at].to_string()]].concat().join("/"));
            }
        }
        at
    }
}

/// All files below `src` except those that are only for tests.
pub fn all() -> Vec<Source> {
    let sources: Vec<Source> =
        files_below("src").iter().map(|(file, text)| Source::parse(file.strip_prefix("src/").unwrap(), text)).collect();
    assert!(sources.len() > 50, "src was not found");
    let tests: Vec<String> = sources.iter().flat_map(|source| source.test_modules.clone()).collect();
    let is_for_tests = |file: &str| {
        let module = module_of(file).join("/");
        tests.iter().any(|test| module.strip_prefix(test).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    };
    sources.into_iter().filter(|source| !is_for_tests(&source.file)).collect()
}

/// The Rust files below `folder` of the repository, as (path, content), sorted.
pub fn files_below(folder: &str) -> Vec<(String, String)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for entry in fs::read_dir(top.join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            found.extend(files_below(&path));
        } else if path.ends_with(".rs") {
            found.push((path.clone(), fs::read_to_string(top.join(&path)).unwrap()));
        }
    }
    found.sort();
    found
}

/// The names of the tests in `text`, without ignored ones.
pub fn tests_in(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    find_tests(&trees(text.parse().unwrap()), &mut found);
    found
}

fn find_tests(tokens: &[TokenTree], found: &mut BTreeSet<String>) {
    let (mut at, mut attributes) = (0, Vec::new());
    while at < tokens.len() {
        if is_punct(&tokens[at], '#')
            && let Some((content, next)) = attribute(tokens, at)
        {
            attributes.push(content);
            at = next;
            continue;
        }
        match &tokens[at] {
            TokenTree::Ident(word) if word == "fn" => {
                let is_ignored = attributes.iter().any(|attribute| attribute.starts_with("ignore"));
                if attributes.iter().any(|attribute| attribute == "test") && !is_ignored {
                    found.extend(tokens.get(at + 1).map(ToString::to_string));
                }
            }
            TokenTree::Group(group) => {
                find_tests(&trees(group.stream()), found);
                attributes.clear();
            }
            _ => {}
        }
        at += 1;
    }
}

/// `rules/retention.rs` is the module `rules`, `retention`.
fn module_of(file: &str) -> Vec<String> {
    let mut parts: Vec<String> = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        parts.pop();
    }
    parts
}

fn trees(tokens: TokenStream) -> Vec<TokenTree> {
    tokens.into_iter().collect()
}

fn line_of(word: &Ident) -> usize {
    word.span().start().line
}

fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

fn braced(token: Option<&TokenTree>) -> Option<Vec<TokenTree>> {
    match token {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => Some(trees(group.stream())),
        _ => None,
    }
}

/// The content of the attribute at `at`, and the index after it.
fn attribute(tokens: &[TokenTree], at: usize) -> Option<(String, usize)> {
    let group = if is_punct(tokens.get(at + 1)?, '!') { at + 2 } else { at + 1 };
    match tokens.get(group)? {
        TokenTree::Group(content) if content.delimiter() == Delimiter::Bracket => {
            Some((content.stream().to_string(), group + 1))
        }
        _ => None,
    }
}

/// Whether the tokens before an item end with `pub` or `pub(…)`.
fn is_public(before: &[TokenTree]) -> bool {
    let is_pub = |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Ident(word)) if word == "pub");
    match before {
        [.., TokenTree::Group(group)] if group.delimiter() == Delimiter::Parenthesis => {
            is_pub(before.iter().nth_back(1))
        }
        _ => is_pub(before.last()),
    }
}

fn is_for_tests(attribute: &str) -> bool {
    attribute.split_whitespace().collect::<String>() == "cfg(test)"
}

fn part_after_colons(tokens: &[TokenTree], at: usize) -> Option<String> {
    let are_colons = is_punct(tokens.get(at)?, ':') && is_punct(tokens.get(at + 1)?, ':');
    match tokens.get(at + 2)? {
        TokenTree::Ident(part) if are_colons => Some(part.to_string()),
        _ => None,
    }
}

fn named(file: &str, text: &str) -> Vec<String> {
    let source = Source::parse(file, text);
    source.paths.iter().map(|path| path.parts.join("::")).filter(|path| path.contains("::")).collect()
}

#[test]
fn grouped_imports_are_expanded() {
    let text = "use std::{fs, io::{self, Read as _}, net::*};\npub use super::words as w;";
    let expected = ["std::fs", "std::io", "std::io::Read", "std::net::*", "crate::report::words"];
    assert_eq!(named("report/html.rs", text), expected);
}

#[test]
fn paths_in_types_expressions_and_macros_are_found() {
    let text = "fn f(a: &'static crate::clock::Clock) -> Vec<super::X> { info!(\"{}\", 1, std::fs::read(a)); }";
    assert_eq!(named("source/mod.rs", text), ["crate::clock::Clock", "crate::X", "std::fs::read"]);
    assert_eq!(named("main.rs", "use scripting_system::cli;"), ["crate::cli"]);
    assert_eq!(
        named("a/b.rs", "mod inner { use super::super::c; use self::d; }"),
        ["crate::a::c", "crate::a::b::inner::d"]
    );
}

#[test]
fn comments_strings_attributes_and_tests_are_not_read() {
    let text = "//! std::fs\n/* std::fs */ const A: &str = \"std::fs\";\n#[doc = \"x\"] #[std::fs] struct S;\n\
                #[cfg(test)]\n#[allow(x)]\nmod tests { use std::fs; }\n#[cfg(test)] use std::net;\n#[cfg(test)] mod other;\n\
                const B: u8 = 'x' as u8; use std::env;";
    assert_eq!(named("a.rs", text), ["std::env"]);
    assert_eq!(Source::parse("a.rs", text).test_modules, ["a/tests", "a/other"]);
}
