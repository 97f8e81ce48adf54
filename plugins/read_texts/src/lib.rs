//! Owns the step `read_texts`: it reads passages of a folder of texts.
//! Never changes a file, and never returns more than it was asked for.
//!
//! | input | | output | |
//! | --- | --- | --- | --- |
//! | `places` | what `search_texts` found | `text` | the passages, each under the name of its source |
//! | `bytes_max` | how much in all; 8000 | `sources` | such as `recovery.md:12-30` |
//!
//! A passage that no longer fits into `bytes_max` is left out, with all after it; the first is cut to fit.
//! Fails for good as `no-text` where a file is not there.
//!
//! It needs a folder, to read only:
//!
//! ```toml
//! [steps.read]
//! component = "../plugins/read_texts"
//! effect = "none"
//! input = { places = "${steps.search.output.places}" }
//! grants.dirs = [{ host = "texts", guest = "/texts" }]
//! ```

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use piton_step::{Context, Failure, Step};
use serde::{Deserialize, Serialize};

const FOLDER: &str = "/texts";

/// What to read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    places: Vec<Place>,
    #[serde(default = "some_pages")]
    bytes_max: usize,
}

fn some_pages() -> usize {
    8_000
}

/// Where a passage stands, with lines from 1, the last one included.
#[derive(Debug, Deserialize)]
pub struct Place {
    file: String,
    from_line: usize,
    to_line: usize,
}

/// What was read.
#[derive(Debug, Serialize, Deserialize)]
pub struct Output {
    text: String,
    sources: Vec<String>,
}

struct ReadTexts;

impl Step for ReadTexts {
    type Input = Input;
    type Output = Output;

    fn execute(_: &Context, input: Input) -> Result<Output, Failure> {
        let mut output = Output { text: String::new(), sources: Vec::new() };
        for place in &input.places {
            let file = read(&place.file)?;
            let source = format!("{}:{}-{}", place.file, place.from_line, place.to_line);
            let passage = format!("[{source}]\n{}\n\n", lines(&file, place));
            let room = input.bytes_max - output.text.len();
            if passage.len() > room && !output.sources.is_empty() {
                break;
            }
            output.text.push_str(start(&passage, room));
            output.sources.push(source);
        }
        Ok(output)
    }

    fn compensate(
        _: &Context,
        _: Input,
        _: Option<Output>,
        _: Option<Failure>,
    ) -> Result<(), Failure> {
        Ok(()) // it only reads
    }
}

fn read(file: &str) -> Result<String, Failure> {
    let bytes = fs::read(Path::new(FOLDER).join(file)).map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            Failure::permanent("no-text", format!("there is no `{file}` in `{FOLDER}`")).clean()
        }
        _ => error.into(),
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn lines(text: &str, place: &Place) -> String {
    let before = place.from_line.saturating_sub(1);
    let count = place.to_line.saturating_sub(before);
    let lines: Vec<&str> = text.lines().skip(before).take(count).collect();
    lines.join("\n")
}

/// As much of it as fits, without half a character.
fn start(text: &str, bytes_max: usize) -> &str {
    let ends = text.char_indices().map(|(index, letter)| index + letter.len_utf8());
    let end = ends.take_while(|end| *end <= bytes_max).last();
    &text[..end.unwrap_or(0)]
}

piton_step::export!(ReadTexts);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_count_from_one_and_include_the_last() {
        let place = |from_line, to_line| Place { file: "a.md".to_owned(), from_line, to_line };
        assert_eq!(lines("one\ntwo\nthree\n", &place(2, 3)), "two\nthree");
        assert_eq!(lines("one\ntwo\nthree\n", &place(1, 1)), "one");
        assert_eq!(lines("one\ntwo\nthree\n", &place(3, 9)), "three");
        assert_eq!(lines("one\n", &place(9, 3)), "");
    }

    #[test]
    fn a_cut_leaves_no_half_character() {
        assert_eq!(start("aéb", 0), "");
        assert_eq!(start("aéb", 2), "a");
        assert_eq!(start("aéb", 3), "aé");
        assert_eq!(start("aéb", 9), "aéb");
    }
}
