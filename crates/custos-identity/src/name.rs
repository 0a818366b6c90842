//! Names of persons.

mod similar;

use pinyin::ToPinyin;

pub(crate) use similar::are_compatible;

use crate::fold::{fold_width, plain_latin};

/// Family names whose first character is read otherwise than in most words.
const FAMILY_READINGS: [(char, &str); 13] = [
    ('曾', "zeng"),
    ('单', "shan"),
    ('單', "shan"),
    ('解', "xie"),
    ('查', "zha"),
    ('仇', "qiu"),
    ('区', "ou"),
    ('區', "ou"),
    ('朴', "piao"),
    ('翟', "zhai"),
    ('乐', "yue"),
    ('樂', "yue"),
    ('覃', "qin"),
];

/// Words that go with a name and are not part of it.
const TITLES: [&str; 6] = ["mr", "mrs", "ms", "miss", "dr", "prof"];
const CHINESE_TITLES: [&str; 5] = ["先生", "女士", "小姐", "老师", "同学"];

/// The comparable form of a person's name: lower case, no accents, punctuation or titles.
///
/// Chinese characters become syllables without tones, family name first: `张三` and `張　三` are
/// `zhang san`. The words of other names are sorted, so that `Smith, John` equals `John Smith`.
/// Empty if there is no letter.
pub fn name_key(raw: &str) -> String {
    let folded = fold_width(raw).to_lowercase();
    let name = without_chinese_title(&folded);
    let mut words = words(name);
    let with_title = words.clone();
    words.retain(|word| !TITLES.contains(&word.as_str()));
    if words.is_empty() {
        words = with_title;
    }
    if !name.contains(is_chinese) {
        words.sort_unstable();
    }
    words.join(" ")
}

fn is_chinese(c: char) -> bool {
    c.to_pinyin().is_some()
}

fn without_chinese_title(name: &str) -> &str {
    CHINESE_TITLES
        .into_iter()
        .find_map(|title| name.strip_suffix(title))
        .filter(|rest| !rest.is_empty())
        .unwrap_or(name)
}

/// The words of a name; each Chinese character is one.
fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for c in name.chars() {
        if let Some(reading) = c.to_pinyin() {
            finish(&mut word, &mut words);
            words
                .push(reading_of(c, words.is_empty()).unwrap_or(reading.plain()).replace('ü', "v"));
        } else if let Some(plain) = plain_latin(c) {
            word.push_str(plain);
        } else if c.is_alphanumeric() {
            word.push(c);
        } else if !is_within_a_word(c) {
            finish(&mut word, &mut words);
        }
    }
    finish(&mut word, &mut words);
    words
}

fn finish(word: &mut String, words: &mut Vec<String>) {
    if !word.is_empty() {
        words.push(std::mem::take(word));
    }
}

fn reading_of(c: char, is_first: bool) -> Option<&'static str> {
    let reading = FAMILY_READINGS.into_iter().find(|&(family, _)| family == c)?;
    is_first.then_some(reading.1)
}

/// Apostrophes, and accents that follow their letter.
fn is_within_a_word(c: char) -> bool {
    matches!(c, '\'' | '’' | '‘' | '`' | '\u{300}'..='\u{36f}')
}

#[cfg(test)]
mod tests;
