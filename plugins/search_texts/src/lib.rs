//! Owns the step `search_texts`: it finds the passages of a folder of texts that fit a question best.
//! Never changes a file, and never looks at one whose name does not end in `.md` or `.txt`.
//!
//! | input | | output | |
//! | --- | --- | --- | --- |
//! | `query` | the question | `query` | as asked |
//! | `top` | how many passages; 4 | `places` | `[{ file, from_line, to_line, score }, …]`, the best first |
//!
//! Passages are ranked by BM25 over the words they share with the question. Where no word is shared, there
//! are no places. Fails for good as `no-texts` where the folder holds none.
//!
//! It needs a folder, to read only:
//!
//! ```toml
//! [steps.search]
//! component = "../plugins/search_texts"
//! effect = "none"
//! input = { query = "${input.question}" }
//! grants.dirs = [{ host = "texts", guest = "/texts" }]
//! ```

mod passages;
mod rank;

use piton_step::{Context, Failure, Step, info};
use serde::{Deserialize, Serialize};

use passages::Passage;

/// What to look for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    query: String,
    #[serde(default = "four")]
    top: usize,
}

fn four() -> usize {
    4
}

/// What was found.
#[derive(Debug, Serialize, Deserialize)]
pub struct Output {
    query: String,
    places: Vec<Place>,
}

/// Where a passage stands, with lines from 1, the last one included.
#[derive(Debug, Serialize, Deserialize)]
pub struct Place {
    file: String,
    from_line: usize,
    to_line: usize,
    /// In thousandths, so that it is a whole number.
    score: u64,
}

struct SearchTexts;

impl Step for SearchTexts {
    type Input = Input;
    type Output = Output;

    fn execute(_: &Context, input: Input) -> Result<Output, Failure> {
        let passages = passages::of_folder()?;
        let texts: Vec<&str> = passages.iter().map(|passage| passage.text.as_str()).collect();
        let best = rank::best(&texts, &input.query, input.top);
        info!("{} of {} passages fit `{}`", best.len(), passages.len(), input.query);
        let places =
            best.into_iter().map(|(index, score)| place(&passages[index], score)).collect();
        Ok(Output { query: input.query, places })
    }

    fn compensate(
        _: &Context,
        _: Input,
        _: Option<Output>,
        _: Option<Failure>,
    ) -> Result<(), Failure> {
        Ok(()) // it only looks
    }
}

fn place(passage: &Passage, score: f64) -> Place {
    let Passage { file, from_line, to_line, .. } = passage;
    let score = (score * 1_000.0).round() as u64;
    Place { file: file.clone(), from_line: *from_line, to_line: *to_line, score }
}

piton_step::export!(SearchTexts);
