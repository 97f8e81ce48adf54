//! What the provider answers: sentences of the text that it was given, or JSON of the form it was shown.
//! Never makes anything up, and always answers the same prompt with the same text.

use serde_json::Value;
use std::collections::BTreeSet;

/// What stands in a form for a text that is to be filled in.
const BLANK: &str = "…";
/// Where a prompt holds the text to answer from.
const SOURCES: [&str; 3] = ["passages", "notes", "draft"];
/// So many tokens of an answer's length are spent on a sentence.
const TOKENS_OF_SENTENCE: u64 = 80;
/// The longest answer where the request sets no limit.
const TOKENS_MAX: u64 = 1_000;
/// Words of this length say something, but for those below.
const WORD_LENGTH_MIN: usize = 4;
const COMMON: [&str; 24] = [
    "about", "becomes", "been", "does", "each", "from", "have", "into", "more", "than", "that",
    "them", "then", "there", "these", "they", "this", "what", "when", "where", "which", "while",
    "will", "with",
];
/// Words that agree in so many letters are forms of one word.
const STEM_LENGTH: usize = 5;

/// The answer to a prompt.
pub(super) fn to(prompt: &str, max_tokens: Option<u64>) -> String {
    let question = between(prompt, "question").unwrap_or(prompt);
    let source: String = SOURCES.iter().filter_map(|tag| between(prompt, tag)).collect();
    if let Some(mut form) = prompt.lines().rev().find_map(form_of) {
        let mut words = words_by_need(question, &source);
        let blanks = count_blanks(&form).max(1);
        let share = words.len().div_ceil(blanks).clamp(1, 3);
        fill(&mut form, &mut words, share);
        return form.to_string();
    }
    let source = if source.is_empty() { prompt } else { &source };
    let tokens = max_tokens.unwrap_or(TOKENS_MAX).min(TOKENS_MAX);
    let count = usize::try_from(tokens / TOKENS_OF_SENTENCE).unwrap_or(1).max(1);
    let best = best_sentences(source, question, count);
    if best.is_empty() { "The text does not answer this.".into() } else { best.join(" ") }
}

/// What stands between `<tag>` and `</tag>`.
fn between<'a>(prompt: &'a str, tag: &str) -> Option<&'a str> {
    let (_, rest) = prompt.split_once(&format!("<{tag}>"))?;
    rest.split_once(&format!("</{tag}>")).map(|(inside, _)| inside)
}

/// A line that is an object with something to fill in.
fn form_of(line: &str) -> Option<Value> {
    let form: Value = serde_json::from_str(line.trim()).ok()?;
    (form.is_object() && count_blanks(&form) > 0).then_some(form)
}

fn count_blanks(form: &Value) -> usize {
    match form {
        Value::String(text) => usize::from(text == BLANK),
        Value::Array(items) => items.iter().map(count_blanks).sum(),
        Value::Object(fields) => fields.values().map(count_blanks).sum(),
        _ => 0,
    }
}

/// Asks about a few words in each blank.
fn fill(form: &mut Value, words: &mut Vec<String>, share: usize) {
    match form {
        Value::String(text) if text == BLANK => {
            let taken: Vec<String> = words.drain(..share.min(words.len())).collect();
            *text = match taken.split_last() {
                None => "What else is there to know?".into(),
                Some((only, [])) => format!("What is said of {only}?"),
                Some((last, others)) => {
                    format!("What is said of {} and {last}?", others.join(", "))
                }
            };
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, words, share)),
        Value::Object(fields) => fields.values_mut().for_each(|field| fill(field, words, share)),
        _ => {}
    }
}

/// The question's words, those first that the text has least of.
fn words_by_need(question: &str, source: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in words_of(question) {
        if words.iter().all(|known| stem(known) != stem(&word)) {
            words.push(word);
        }
    }
    let known: Vec<String> = words_of(source).map(|word| stem(&word)).collect();
    words.sort_by_key(|word| known.iter().filter(|known| **known == stem(word)).count());
    words
}

fn words_of(text: &str) -> impl Iterator<Item = String> + '_ {
    let words = text.split(|letter: char| !letter.is_alphanumeric());
    let words = words.filter(|word| word.chars().count() >= WORD_LENGTH_MIN).map(str::to_lowercase);
    words.filter(|word| !COMMON.contains(&word.as_str()))
}

fn stem(word: &str) -> String {
    word.chars().take(STEM_LENGTH).collect()
}

/// The sentences that share most words with the question, in the order of the text.
fn best_sentences(source: &str, question: &str, count: usize) -> Vec<String> {
    let wanted: BTreeSet<String> = words_of(question).map(|word| stem(&word)).collect();
    let sentences = sentences(source);
    let score = |sentence: &String| {
        let words: BTreeSet<String> = words_of(sentence).map(|word| stem(&word)).collect();
        words.intersection(&wanted).count()
    };
    let mut ranked: Vec<(usize, usize)> =
        sentences.iter().enumerate().map(|(place, sentence)| (score(sentence), place)).collect();
    ranked.sort_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(&other.1)));
    let mut places: Vec<usize> = ranked.iter().take(count).map(|(_, place)| *place).collect();
    places.sort_unstable();
    places.into_iter().map(|place| sentences[place].clone()).collect()
}

/// All sentences once, each with the name of its passage.
fn sentences(source: &str) -> Vec<String> {
    let mut sentences: Vec<String> = Vec::new();
    let mut passage = String::new();
    let mut paragraph = String::new();
    for line in source.lines().flat_map(unpacked).chain([String::new()]) {
        let line = line.trim();
        let name = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let is_prose = line.starts_with(char::is_alphanumeric) || line.starts_with('`');
        let line = line.strip_prefix("- ").unwrap_or(line);
        if name.is_some() || line.is_empty() || !is_prose {
            sentences_of(&std::mem::take(&mut paragraph), &passage, &mut sentences);
        }
        match name {
            Some(name) if !name.contains(' ') => passage = name.into(),
            _ if is_prose => paragraph = format!("{paragraph} {line}"),
            _ => {}
        }
    }
    sentences
}

/// A line that is a list of texts in JSON stands for these texts.
fn unpacked(line: &str) -> Vec<String> {
    match serde_json::from_str::<Vec<String>>(line) {
        Ok(texts) => texts.iter().flat_map(|text| text.lines()).map(str::to_owned).collect(),
        Err(_) => vec![line.to_owned()],
    }
}

fn sentences_of(paragraph: &str, passage: &str, sentences: &mut Vec<String>) {
    for sentence in paragraph.trim().trim_end_matches('.').split(". ") {
        let length = sentence.chars().count();
        let begins = sentence.starts_with(|first: char| first.is_uppercase() || first == '`');
        if !begins || sentence.ends_with(':') || !(30..400).contains(&length) {
            continue;
        }
        let sentence = match sentence.ends_with(']') || passage.is_empty() {
            true => format!("{sentence}."),
            false => format!("{sentence} [{passage}]."),
        };
        if !sentences.contains(&sentence) {
            sentences.push(sentence);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "<question>Who holds the rope?</question>\n<passages>\n[a.md:1-4]\n# Ropes\n\n\
        The leader never holds the rope while he climbs.\nThe second man holds the rope with both hands. \
        Snow is another matter\nand is told elsewhere.\n\n| a | table |\n</passages>";

    #[test]
    fn an_answer_is_made_of_the_text() {
        let expected = "The leader never holds the rope while he climbs [a.md:1-4]. \
                        The second man holds the rope with both hands [a.md:1-4].";
        assert_eq!(to(TEXT, Some(160)), expected);
        // What was answered is a text to answer from.
        let notes = serde_json::to_string(&[expected]).expect("texts are JSON");
        let again = format!("<question>Who holds the rope?</question><notes>\n{notes}\n</notes>");
        assert_eq!(to(&again, Some(160)), expected);
    }

    #[test]
    fn a_text_without_sentences_has_no_answer() {
        assert_eq!(
            to("<passages>\n| a |\n</passages>", Some(100)),
            "The text does not answer this."
        );
    }

    #[test]
    fn a_form_is_filled_with_what_the_text_lacks() {
        let plan = "<question>Who holds the rope, who the axe, who leads?</question>\n{\"q\": [\"…\", \"…\"]}";
        let expected = r#"{"q":["What is said of holds and rope?","What is said of leads?"]}"#;
        assert_eq!(to(plan, None), expected);
        let notes = format!("{plan}\n<notes>He holds the rope.</notes>\n{{\"q\": \"…\"}}");
        assert_eq!(to(&notes, None), r#"{"q":"What is said of leads, holds and rope?"}"#);
    }
}
