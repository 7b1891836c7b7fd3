//! Reads a section key by key, collects all mistakes, and records each key for the schema, the template and the reference page.

use serde_json::{Value as Json, json};

use super::context::Context;
use super::json::Value;
use super::kind::{Form, Kind, Read};
use super::mistakes::{Mistake, Refusal, refuse, shorten, wrong_type};
use crate::rules::spelling::did_you_mean;
use crate::rules::trust::TrustProblem;

/// Reads keys into variables of the same names. The doc comment describes the key; a method of [`Section`] reads it.
macro_rules! keys {
    ($section:ident: $($(#[doc = $text:literal])+ $name:ident = $method:ident($($argument:expr),+);)+) => {$(
        let $name = {
            let label = $crate::config::section::Label { name: stringify!($name), description: concat!($($text),+).trim_ascii_start() };
            $section.$method(label, $($argument),+)
        };
    )+};
}
pub(super) use keys;

#[derive(Clone, Copy)]
pub(super) struct Label {
    pub(super) name: &'static str,
    /// Full sentences. The fix for a missing key quotes the first part.
    pub(super) description: &'static str,
}

type ReadSection<'r, T> = fn(&mut Section<'_, 'r>) -> Option<T>;

/// The path of a mistake about the whole file.
pub(super) const WHOLE_FILE: &str = "the whole file";

/// Collects mistakes and warnings while a configuration is read.
pub(super) struct Reader<'a> {
    pub(super) context: Context<'a>,
    pub(super) mistakes: Vec<Mistake>,
    /// The keys with a secret in the configuration file itself.
    pub(super) plain_text_secrets: Vec<String>,
    pub(super) warnings: Vec<String>,
    /// Only collects definitions: visits every section and reads no value.
    is_describing: bool,
}

/// A key as the schema, the template and the reference page show it.
pub(super) struct Key {
    pub(super) label: Label,
    pub(super) form: Form,
    /// `None` if the key is required.
    pub(super) default: Option<Json>,
    /// The keys of a section; empty for other keys.
    pub(super) keys: Vec<Key>,
    /// JSON Schemas about combinations of keys.
    pub(super) rules: Vec<Json>,
    /// A section that is disabled if it is missing.
    pub(super) is_optional_section: bool,
}

/// A JSON object that is being read.
pub(super) struct Section<'s, 'r> {
    reader: &'s mut Reader<'r>,
    path: String,
    members: &'s [(String, Value)],
    keys: Vec<Key>,
    rules: Vec<Json>,
    first_mistake: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(context: Context<'a>) -> Reader<'a> {
        Reader {
            context,
            mistakes: Vec::new(),
            plain_text_secrets: Vec::new(),
            warnings: Vec::new(),
            is_describing: false,
        }
    }

    /// Reads the whole file. If it returns `None`, it has added a mistake.
    pub(super) fn read<T>(&mut self, value: &Value, read: impl FnOnce(&mut Section<'_, 'a>) -> T) -> Option<T> {
        let Value::Object(members) = value else {
            let problem = format!("must be an object, found {}", value.type_name());
            let refusal = Refusal::new(problem, "write {\"source\": {…}, \"sftp\": {…}, …}");
            self.mistakes.push(refusal.for_key(WHOLE_FILE));
            return None;
        };
        let mut top = Section::new(self, String::new(), members);
        let result = read(&mut top);
        top.finish();
        Some(result)
    }

    /// Returns every key of `read`, without reading any value.
    pub(super) fn describe<T>(context: Context<'a>, read: impl FnOnce(&mut Section<'_, 'a>) -> T) -> Vec<Key> {
        let mut reader = Reader { is_describing: true, ..Reader::new(context) };
        let mut top = Section::new(&mut reader, String::new(), &[]);
        read(&mut top);
        top.finish().0
    }

    /// Adds a file's trust problem as a mistake, or as a warning if the operator has taken responsibility for the files.
    pub(super) fn distrust(&mut self, path: &str, TrustProblem { problem, fix }: TrustProblem) {
        let mistake = Refusal { problem, fix }.for_key(path);
        if self.context.is_lenient {
            self.warnings.push(mistake.to_string());
        } else {
            self.mistakes.push(mistake);
        }
    }

    /// Returns the value of `result` or adds a mistake. Also adds the trust problems of the files that were read for it.
    pub(super) fn accept<T>(&mut self, path: &str, result: Result<T, Refusal>) -> Option<T> {
        for problem in self.context.trust.take_problems() {
            self.distrust(path, problem);
        }
        result.map_err(|refusal| self.mistakes.push(refusal.for_key(path))).ok()
    }
}

impl<'s, 'r> Section<'s, 'r> {
    fn new(reader: &'s mut Reader<'r>, path: String, members: &'s [(String, Value)]) -> Section<'s, 'r> {
        let first_mistake = reader.mistakes.len();
        Section { reader, path, members, keys: Vec::new(), rules: Vec::new(), first_mistake }
    }

    /// A key that may be missing or null.
    pub(super) fn optional<T>(&mut self, label: Label, kind: Kind<T>) -> Option<T> {
        let given = self.read_value(label, &kind);
        self.declare(label, kind.form, Some(Json::Null));
        given.flatten()
    }

    pub(super) fn required<T>(&mut self, label: Label, kind: Kind<T>) -> Option<T> {
        let given = self.read_value(label, &kind);
        self.declare(label, kind.form, None);
        given.flatten()
    }

    /// A key with a default, which also replaces an invalid value. `None` if the default cannot be used on this machine.
    pub(super) fn with_default<T>(&mut self, label: Label, kind: Kind<T>, default: impl Into<Json>) -> Option<T> {
        let (given, default) = (self.read_value(label, &kind), default.into());
        let read = |context| (kind.read)(&Value::from(&default), context);
        let value = match given {
            _ if self.reader.is_describing => None,
            Some(Some(value)) => Some(value),
            Some(None) => read(self.context()).ok(),
            None => self.accept(label.name, read(self.context())),
        };
        self.declare(label, kind.form, Some(default));
        value
    }

    /// A required list with at least one entry.
    pub(super) fn list<T>(&mut self, label: Label, kind: Kind<T>) -> Option<Vec<T>> {
        let example = kind.form.example.map(|example| format!("[{example}]"));
        let fix = format!("write a list with at least one entry, such as {}", example.as_deref().unwrap_or("[…]"));
        let schema = json!({"type": "array", "minItems": 1, "items": kind.form.schema});
        self.declare(label, Form { schema, example }, None);
        match self.json_value(label.name)? {
            Value::List(entries) if entries.is_empty() => self.accept(label.name, refuse("is empty", fix)),
            value => self.entries(label.name, value, &kind.read, &fix),
        }
    }

    /// A list that may be missing or empty.
    pub(super) fn optional_list<T>(&mut self, label: Label, kind: Kind<T>) -> Vec<T> {
        let example = kind.form.example.map(|example| format!("[{example}]"));
        let schema = json!({"type": "array", "items": kind.form.schema});
        self.declare(label, Form { schema, example }, Some(json!([])));
        let Some(value) = self.json_value(label.name) else { return Vec::new() };
        self.entries(label.name, value, &kind.read, "write […]").unwrap_or_default()
    }

    /// Those entries of the list `value` that can be read.
    fn entries<T>(&mut self, name: &str, value: &Value, read: &Read<T>, fix: &str) -> Option<Vec<T>> {
        let Value::List(entries) = value else { return self.accept(name, Err(wrong_type("a list", value, fix))) };
        let mut values = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let read = read(entry, self.context_of(name));
            values.extend(self.accept(&format!("{name}[{index}]"), read));
        }
        Some(values)
    }

    /// A section that counts as empty if it is missing. If it is not an object, that is its only mistake.
    pub(super) fn section<T>(&mut self, label: Label, read: ReadSection<'r, T>) -> Option<T> {
        let (value, mistakes) = (self.json_value(label.name), self.reader.mistakes.len());
        let members = if let Some(Value::Object(members)) = value { members.as_slice() } else { &[] };
        let mut inner = Section::new(self.reader, full_path(&self.path, label.name), members);
        let result = read(&mut inner);
        let (keys, rules) = inner.finish();
        if let Some(other) = value.filter(|value| !matches!(value, Value::Object(_))) {
            self.reader.mistakes.truncate(mistakes);
            let refusal = wrong_type("an object", other, "write {…} with the section's keys");
            self.accept(label.name, Err::<(), _>(refusal));
        }
        let default = keys.iter().all(|key| key.default.is_some()).then_some(Json::Null);
        self.keys.push(Key { label, form: Form::default(), default, keys, rules, is_optional_section: false });
        result
    }

    /// A section that is disabled if it is missing.
    pub(super) fn optional_section<T>(&mut self, label: Label, read: ReadSection<'r, T>) -> Option<T> {
        let is_on = self.is_given(label.name) || self.reader.is_describing;
        let result = is_on.then(|| self.section(label, read)).flatten();
        if !is_on {
            self.json_value(label.name);
            self.declare(label, Form::default(), Some(Json::Null));
        }
        self.keys.last_mut().into_iter().for_each(|key| {
            key.default = Some(Json::Null);
            key.is_optional_section = true;
        });
        result
    }

    /// Two keys that are given together or not at all.
    pub(super) fn both_or_neither(&mut self, first: &'static str, second: &'static str) {
        self.rule(requires(first, second));
        self.rule(requires(second, first));
        let (missing, given) = match (self.is_given(first), self.is_given(second)) {
            (true, false) => (second, first),
            (false, true) => (first, second),
            _ => return,
        };
        let problem = format!("is missing, but {} is given", full_path(&self.path, given));
        self.refuse(missing, problem, "give both or neither");
    }

    /// Adds a JSON Schema about a combination of keys, which the caller has to check.
    pub(super) fn rule(&mut self, rule: Json) {
        self.rules.push(rule);
    }

    pub(super) fn refuse(&mut self, name: &str, problem: impl Into<String>, fix: impl Into<String>) {
        self.reader.mistakes.push(Refusal::new(problem, fix).for_key(full_path(&self.path, name)));
    }

    /// As [`Reader::accept`], for the key `name` of this section.
    pub(super) fn accept<T>(&mut self, name: &str, result: Result<T, Refusal>) -> Option<T> {
        self.reader.accept(&full_path(&self.path, name), result)
    }

    /// Whether the key is present and not null.
    pub(super) fn is_given(&self, name: &str) -> bool {
        self.members.iter().any(|(member, value)| member == name && *value != Value::Null)
    }

    pub(super) fn has_mistake(&self, name: &str) -> bool {
        let path = full_path(&self.path, name);
        self.reader.mistakes.iter().any(|mistake| mistake.path == path)
    }

    pub(super) fn context(&self) -> Context<'r> {
        self.reader.context
    }

    fn context_of(&self, name: &str) -> Context<'r> {
        self.context().at(&full_path(&self.path, name))
    }

    /// Records a key, and a mistake if it is required and missing.
    fn declare(&mut self, label: Label, form: Form, default: Option<Json>) {
        let Label { name, description } = label;
        if default.is_none() && !self.is_given(name) {
            let what =
                description.split([':', ';']).next().and_then(|part| part.split(". ").next()).unwrap_or(description);
            let what = what.trim_end_matches('.').replacen("The ", "the ", 1);
            let example = form.example.as_ref().map(|example| format!(", such as {example}")).unwrap_or_default();
            self.refuse(name, "is missing", format!("write {what}{example}"));
        }
        self.keys.push(Key { label, form, default, keys: Vec::new(), rules: Vec::new(), is_optional_section: false });
    }

    /// The first value of the key, unless it is missing or null.
    fn json_value(&mut self, name: &str) -> Option<&'s Value> {
        let members = self.members;
        let mut values = members.iter().filter(|(member, _)| member == name).map(|(_, value)| value);
        let first = values.next()?;
        if values.next().is_some() {
            self.refuse(name, "appears more than once", "keep one of them");
        }
        (*first != Value::Null).then_some(first)
    }

    /// `None` if the key is not set, `Some(None)` if its value is refused.
    fn read_value<T>(&mut self, Label { name, .. }: Label, kind: &Kind<T>) -> Option<Option<T>> {
        let value = self.json_value(name)?;
        if (kind.holds_secret)(value) {
            self.reader.plain_text_secrets.push(full_path(&self.path, name));
        }
        let read = (kind.read)(value, self.context_of(name));
        Some(self.accept(name, read))
    }

    /// Refuses unknown keys, and sorts the section's mistakes by key.
    fn finish(mut self) -> (Vec<Key>, Vec<Json>) {
        let known: Vec<&str> = self.keys.iter().map(|key| key.label.name).collect();
        for (index, (name, _)) in self.members.iter().enumerate() {
            let is_repeated = self.members[..index].iter().any(|(earlier, _)| earlier == name);
            if is_repeated || known.contains(&name.as_str()) {
                continue;
            }
            let fix = did_you_mean(name, &known).unwrap_or_else(|| {
                let known: Vec<&str> = known.iter().copied().filter(|key| !key.starts_with('$')).collect();
                format!("known keys: {}", known.join(", "))
            });
            self.refuse(&shorten(name), "is not a known key", fix);
        }
        self.reader.mistakes[self.first_mistake..].sort_by_key(|mistake| {
            let within = mistake.path.strip_prefix(&self.path).unwrap_or_default().trim_start_matches('.');
            let name = within.split(['.', '[']).next();
            known.iter().position(|key| Some(*key) == name).unwrap_or(known.len())
        });
        (self.keys, self.rules)
    }
}

/// `name` after its sections.
pub(super) fn full_path(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// If `key` is given, `other` must be given too.
pub(super) fn requires(key: &str, other: &str) -> Json {
    json!({"if": is_given(key), "then": is_given(other)})
}

/// The key `name` is present and not null.
pub(super) fn is_given(name: &str) -> Json {
    json!({"properties": {name: {"not": {"type": "null"}}}, "required": [name]})
}
