//! Lays flags over the environment over the file over the defaults, and says which layer is wrong.

use super::problem::{Problem, Problems, Source};
use super::rules;
use super::secret::mask;
use super::tree::{Leaf, Schema};
use super::{Settings, document};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

/// A value given outside the file.
#[derive(Clone, Debug)]
pub struct Input {
    /// Path of the key.
    pub path: String,
    /// Its value; lists are comma-separated.
    pub text: String,
    /// Which flag or variable.
    pub source: Source,
}

/// Everything that settings are made from. Loading twice reads the file twice.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// The variable that named it, if one did.
    pub file_variable: Option<String>,
    /// Values of the environment, then of the flags: the last one for a key holds.
    pub texts: Vec<Input>,
}

/// One accepted value.
struct Given {
    path: String,
    /// Nothing where an optional key was given as an empty text.
    value: Option<Value>,
    source: Source,
}

/// Where each value that is not a default came from, by path.
pub(super) type Sources = BTreeMap<String, Source>;

/// Makes the settings, or says everything that is wrong with the inputs. `upstream` may still be missing.
pub fn load(inputs: &Inputs) -> Result<Settings, Problems> {
    let schema = Schema::new().map_err(|error| Problem {
        source: Source::Default,
        what: format!("the default settings cannot be written: {error}"),
        hint: "this is a mistake in pgscope itself; please report it".into(),
    })?;
    let mut loader = Loader {
        schema: &schema,
        given: Vec::new(),
        problems: Vec::new(),
    };
    if let Some(file) = &inputs.file {
        let hint = match &inputs.file_variable {
            Some(name) => format!("{name} names this file"),
            None => "give the path of a TOML file in UTF-8; without one the defaults hold".into(),
        };
        let text = document::read(file, &hint)?;
        loader.file(file, &text)?;
    }
    for input in &inputs.texts {
        loader.text(input);
    }
    loader.finish()
}

struct Loader<'a> {
    schema: &'a Schema,
    given: Vec<Given>,
    problems: Vec<Problem>,
}

impl Loader<'_> {
    fn file(&mut self, file: &Path, text: &str) -> Result<(), Problem> {
        let refused = |error: toml::de::Error| document::refused(file, text, &error);
        let spans = DeTable::parse(text).map_err(refused)?;
        let values: Table = toml::from_str(text).map_err(refused)?;
        let at = |offset| document::at(file, text, offset);
        let before = self.problems.len();
        self.table(spans.get_ref(), &values, "", &at);
        // The parser sorts keys by name; people read from the top.
        self.problems[before..].sort_by_key(|problem| match problem.source {
            Source::Place(_, line, column) => (line, column),
            _ => (0, 0),
        });
        Ok(())
    }

    fn table(
        &mut self,
        spans: &DeTable<'_>,
        values: &Table,
        prefix: &str,
        at: &dyn Fn(usize) -> Source,
    ) {
        for (key, span) in spans {
            let name: &str = key.get_ref();
            let Some(value) = values.get(name) else {
                continue;
            };
            let path = if prefix.is_empty() {
                name.to_owned()
            } else {
                format!("{prefix}.{name}")
            };
            let source = at(key.span().start);
            if let Some(leaf) = self.schema.leaf(&path).cloned() {
                self.value(&leaf, value.clone(), at(span.span().start));
            } else if !self.schema.is_section(&path) {
                let kind = if value.is_table() { "section" } else { "key" };
                self.problems.push(Problem {
                    source,
                    what: format!("unknown {kind} `{path}`"),
                    hint: self.schema.suggest(&path),
                });
            } else if let (DeValue::Table(spans), Value::Table(values)) =
                (Spanned::get_ref(span), value)
            {
                self.table(spans, values, &path, at);
            } else {
                self.problems.push(Problem {
                    source,
                    what: format!("`{path}` is a section, not a key"),
                    hint: format!("write its keys below a line `[{path}]`"),
                });
            }
        }
    }

    fn text(&mut self, input: &Input) {
        let Some(leaf) = self.schema.leaf(&input.path).cloned() else {
            return;
        };
        match leaf.kind.parse(&input.text) {
            Some(value) => self.value(&leaf, value, input.source.clone()),
            None => self.wrong_type(&leaf, &input.text, input.source.clone()),
        }
    }

    fn wrong_type(&mut self, leaf: &Leaf, shown: &str, source: Source) {
        let what = format!(
            "`{}` must be {}, not `{}`",
            leaf.path,
            leaf.kind.expected().0,
            mask(shown)
        );
        self.problems.push(Problem {
            source,
            what,
            hint: leaf.example(),
        });
    }

    /// Checks a value alone, laid over the defaults, so that a refusal has a key and a place.
    fn value(&mut self, leaf: &Leaf, value: Value, source: Source) {
        let path = leaf.path.clone();
        if leaf.is_absent(&value) {
            self.given.push(Given {
                path,
                value: None,
                source,
            });
            return;
        }
        let Some(value) = leaf.kind.accept(&value) else {
            return self.wrong_type(leaf, &value.to_string(), source);
        };
        let mut alone = self.schema.defaults().clone();
        set(&mut alone, &path, value.clone());
        match alone.try_into::<Settings>() {
            Ok(_) => self.given.push(Given {
                path,
                value: Some(value),
                source,
            }),
            Err(error) => {
                let (what, hint) = rules::explain(leaf, &value, error.message());
                self.problems.push(Problem { source, what, hint });
            }
        }
    }

    fn finish(mut self) -> Result<Settings, Problems> {
        if !self.problems.is_empty() {
            return Err(Problems(self.problems));
        }
        let mut merged = self.schema.defaults().clone();
        let mut sources = Sources::new();
        for Given {
            path,
            value,
            source,
        } in self.given
        {
            match value {
                Some(value) => set(&mut merged, &path, value),
                None => unset(&mut merged, &path),
            }
            sources.insert(path, source);
        }
        let settings: Settings = merged
            .try_into()
            .map_err(|error: toml::de::Error| Problem {
                source: Source::Default,
                what: error.message().to_owned(),
                hint: "these settings are fine alone but not together".into(),
            })?;
        self.problems = rules::together(self.schema, &settings, &sources);
        if self.problems.is_empty() {
            Ok(settings)
        } else {
            Err(Problems(self.problems))
        }
    }
}

fn set(table: &mut Table, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            table.insert(path.to_owned(), value);
        }
        Some((section, rest)) => {
            let inner = table
                .entry(section)
                .or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                set(inner, rest, value);
            }
        }
    }
}

fn unset(table: &mut Table, path: &str) {
    match path.split_once('.') {
        None => {
            table.remove(path);
        }
        Some((section, rest)) => {
            if let Some(Value::Table(inner)) = table.get_mut(section) {
                unset(inner, rest);
            }
        }
    }
}
