//! A person's name and the ways it gets written down.

use super::chinese;
use super::dice::Dice;
use super::western::{Country, without_accents};

/// A name, and how it is written in plain Latin letters.
#[derive(Clone)]
pub(crate) struct PersonName {
    pub(crate) family: String,
    pub(crate) given: String,
    pub(crate) latin_family: String,
    pub(crate) latin_given: String,
    is_chinese: bool,
}

impl PersonName {
    /// A Chinese name of two to four characters; with the family name of `relative`, if given.
    pub(crate) fn chinese(dice: &mut Dice, relative: Option<&Self>) -> Self {
        let (family, latin_family) = match relative {
            Some(relative) => (relative.family.clone(), relative.latin_family.clone()),
            None => chinese_family(dice),
        };
        let length = if dice.percent(75) { 2 } else { 1 };
        let (mut given, mut latin_given) = (String::new(), String::new());
        for _ in 0..length {
            let (character, pinyin) = dice.pick(&chinese::GIVEN);
            given.push_str(character);
            latin_given.push_str(pinyin);
        }
        let latin_given = capitalised(&latin_given);
        Self { family, given, latin_family, latin_given, is_chinese: true }
    }

    /// A name as in `country`; with the family name of `relative`, if given.
    pub(crate) fn western(dice: &mut Dice, country: &Country, relative: Option<&Self>) -> Self {
        let family = match relative {
            Some(relative) => relative.family.clone(),
            None => dice.pick_early(country.families).to_owned(),
        };
        let given = dice.pick(country.given).to_owned();
        let latin_family = without_accents(&family);
        let latin_given = without_accents(&given);
        Self { family, given, latin_family, latin_given, is_chinese: false }
    }

    /// The name as its bearer writes it.
    pub(crate) fn full(&self) -> String {
        if self.is_chinese {
            format!("{}{}", self.family, self.given)
        } else {
            format!("{} {}", self.given, self.family)
        }
    }

    /// The name as somebody else wrote it: mostly right, sometimes in another order, in other
    /// letters or with a slip.
    pub(crate) fn written(&self, dice: &mut Dice) -> String {
        match dice.between(0, 99) {
            0..=84 => self.full(),
            85..=89 => self.in_latin(dice),
            90..=92 => self.swapped(),
            93..=94 => self.full().to_uppercase(),
            95..=96 if self.is_chinese => format!("{} {}", self.family, self.given),
            95..=96 => format!(" {}  {}", self.given, self.family),
            _ => self.mistyped(dice),
        }
    }

    fn in_latin(&self, dice: &mut Dice) -> String {
        let (family, given) = (&self.latin_family, &self.latin_given);
        if self.is_chinese && dice.percent(60) {
            format!("{} {given}", family.to_uppercase())
        } else {
            format!("{given} {family}")
        }
    }

    fn swapped(&self) -> String {
        if self.is_chinese {
            format!("{}{}", self.given, self.family)
        } else {
            format!("{}, {}", self.family, self.given)
        }
    }

    fn mistyped(&self, dice: &mut Dice) -> String {
        if self.is_chinese {
            format!("{}{}", self.family, misheard(dice, &self.given))
        } else {
            format!("{} {}", self.given, slipped(dice, &self.family))
        }
    }
}

fn chinese_family(dice: &mut Dice) -> (String, String) {
    let (characters, pinyin) = dice.pick_early(&chinese::FAMILIES);
    (characters.to_owned(), pinyin.to_owned())
}

/// The given name with its last character replaced by one of the same sound, if there is one.
fn misheard(dice: &mut Dice, given: &str) -> String {
    let Some(last) = given.chars().last() else {
        return given.to_owned();
    };
    let last = last.to_string();
    let sound = chinese::GIVEN.iter().find(|(character, _)| *character == last);
    let alike: Vec<&str> = chinese::GIVEN
        .iter()
        .filter(|(character, pinyin)| {
            *character != last && sound.is_some_and(|(_, wanted)| wanted == pinyin)
        })
        .map(|(character, _)| *character)
        .collect();
    let replacement = if alike.is_empty() { "某" } else { dice.pick(&alike) };
    format!("{}{replacement}", given.strip_suffix(last.as_str()).unwrap_or(given))
}

/// The family name with two letters exchanged, one lost or one doubled.
fn slipped(dice: &mut Dice, family: &str) -> String {
    let mut letters: Vec<char> = family.chars().collect();
    if letters.len() < 4 {
        return family.to_owned();
    }
    let at = 1 + dice.index(letters.len() - 2);
    match dice.between(0, 2) {
        0 => letters.swap(at, at + 1),
        1 => drop(letters.remove(at)),
        _ => letters.insert(at, letters[at]),
    }
    letters.into_iter().collect()
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        format!("{}{}", first.to_ascii_uppercase(), letters.as_str())
    })
}
