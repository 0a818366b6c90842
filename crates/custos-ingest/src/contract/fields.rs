//! Reading mappings key by key, with every mistake collected.

use super::ContractProblem;
use super::node::{Node, Place, Yaml};

/// The mistakes found so far in one file.
pub(super) struct Problems {
    file: String,
    found: Vec<ContractProblem>,
}

impl Problems {
    pub(super) fn new(file: &str) -> Self {
        Self { file: file.to_owned(), found: Vec::new() }
    }

    pub(super) fn add(&mut self, at: Place, message: impl Into<String>, remedy: impl Into<String>) {
        self.found.push(ContractProblem {
            file: self.file.clone(),
            line: at.line,
            column: at.column,
            message: message.into(),
            remedy: remedy.into(),
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All mistakes in the order of the file.
    pub(super) fn into_sorted(mut self) -> Vec<ContractProblem> {
        self.found.sort_by_key(|problem| (problem.line, problem.column));
        self.found
    }
}

/// A mapping whose keys are known.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) at: Place,
    node: &'a Node,
}

impl<'a> Fields<'a> {
    /// Takes a node as a mapping with none but the `known` keys, each once.
    pub(super) fn read(
        node: &'a Node,
        what: &str,
        known: &[&str],
        problems: &mut Problems,
    ) -> Option<Self> {
        let Yaml::Mapping(entries) = &node.value else {
            problems.add(
                node.at,
                format!("{what} is {}, not a mapping", node.value.kind()),
                format!("write the keys {}", known.join(", ")),
            );
            return None;
        };
        for (index, (key, _)) in entries.iter().enumerate() {
            if !known.contains(&key.name.as_str()) {
                let remedy = suggestion(&key.name, known);
                problems.add(key.at, format!("{what} has no key `{}`", key.name), remedy);
            } else if entries.iter().take(index).any(|(earlier, _)| earlier.name == key.name) {
                problems.add(
                    key.at,
                    format!("the key `{}` is there twice", key.name),
                    "keep one of them",
                );
            }
        }
        Some(Self { at: node.at, node })
    }

    /// The value of a key; null counts as absent.
    pub(super) fn find(&self, key: &str) -> Option<&'a Node> {
        let Yaml::Mapping(entries) = &self.node.value else {
            return None;
        };
        let (_, value) = entries.iter().find(|(found, _)| found.name == key)?;
        (!matches!(value.value, Yaml::Null)).then_some(value)
    }

    /// The value of a key that must be there.
    pub(super) fn need(
        &self,
        key: &str,
        remedy: &str,
        problems: &mut Problems,
    ) -> Option<&'a Node> {
        let found = self.find(key);
        if found.is_none() {
            problems.add(self.at, format!("`{key}` is missing"), remedy);
        }
        found
    }

    /// The text of a key that may be absent.
    pub(super) fn text(&self, key: &str, problems: &mut Problems) -> Option<&'a str> {
        self.find(key)?.text(key, problems)
    }

    /// The truth value of a key; false if it is absent.
    pub(super) fn is_true(&self, key: &str, problems: &mut Problems) -> bool {
        self.boolean(key, problems).unwrap_or(false)
    }

    /// The truth value of a key that may be absent.
    pub(super) fn boolean(&self, key: &str, problems: &mut Problems) -> Option<bool> {
        let node = self.find(key)?;
        if let Yaml::Boolean(truth) = node.value {
            return Some(truth);
        }
        problems.add(node.at, format!("`{key}` is {}", node.value.kind()), "write true or false");
        None
    }

    /// One of several words; `None` if the key is absent or says something else.
    pub(super) fn choice<T: Copy>(
        &self,
        key: &str,
        choices: &[(&str, T)],
        problems: &mut Problems,
    ) -> Option<T> {
        self.find(key)?.choice(key, choices, problems)
    }
}

impl Node {
    /// This node as text.
    pub(super) fn text(&self, what: &str, problems: &mut Problems) -> Option<&str> {
        if let Yaml::Text(text) = &self.value {
            return Some(text);
        }
        let remedy = match &self.value {
            Yaml::Boolean(_) | Yaml::Integer(_) | Yaml::Number(_) => "put it in quotes",
            Yaml::Null | Yaml::Text(_) | Yaml::List(_) | Yaml::Mapping(_) => "write one text",
        };
        problems.add(self.at, format!("`{what}` is {}, not text", self.value.kind()), remedy);
        None
    }

    /// This node as a list.
    pub(super) fn list(&self, what: &str, problems: &mut Problems) -> &[Self] {
        if let Yaml::List(items) = &self.value {
            return items;
        }
        problems.add(
            self.at,
            format!("`{what}` is {}, not a list", self.value.kind()),
            "write a list, such as [a, b]",
        );
        &[]
    }

    /// This node as one of several words.
    pub(super) fn choice<T: Copy>(
        &self,
        what: &str,
        choices: &[(&str, T)],
        problems: &mut Problems,
    ) -> Option<T> {
        let text = self.text(what, problems)?;
        let chosen = choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice);
        if chosen.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            problems.add(self.at, format!("`{text}` is no {what}"), suggestion(text, &words));
        }
        chosen
    }
}

/// The known word that was probably meant, or all known words.
pub(super) fn suggestion(word: &str, known: &[&str]) -> String {
    let close = |candidate: &&str| strsim::damerau_levenshtein(word, candidate);
    match known.iter().copied().min_by_key(close) {
        Some(nearest) if close(&nearest) <= (word.chars().count() / 3).max(1) => {
            format!("did you mean `{nearest}`?")
        }
        _ => format!("known are {}", known.join(", ")),
    }
}
