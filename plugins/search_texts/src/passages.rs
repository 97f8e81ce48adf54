//! Owns how a folder of texts becomes passages of a page or less.
//! Never judges what is in them.

use std::fs;
use std::path::{Path, PathBuf};

use piton_step::Failure;

const FOLDER: &str = "/texts";

/// A passage that has grown to this ends with its paragraph.
const BYTES_ENOUGH: usize = 1_200;

/// A piece of a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Passage {
    /// Its file, as a path within the folder.
    pub(crate) file: String,
    pub(crate) from_line: usize,
    pub(crate) to_line: usize,
    pub(crate) text: String,
}

/// All passages of the granted folder, in the order of its files' names.
///
/// # Errors
///
/// `no-texts`, permanent and clean, where there are none; `io` where one cannot be read.
pub(crate) fn of_folder() -> Result<Vec<Passage>, Failure> {
    let mut files = Vec::new();
    collect(Path::new(FOLDER), &mut files).map_err(|error| no_texts(&error.to_string()))?;
    files.sort();
    let mut passages = Vec::new();
    for path in files {
        let bytes = fs::read(&path)?;
        let file = path.strip_prefix(FOLDER).unwrap_or(&path).display().to_string();
        passages.extend(of_text(&file, &String::from_utf8_lossy(&bytes)));
    }
    if passages.is_empty() {
        return Err(no_texts("no `.md` or `.txt` file with a word in it"));
    }
    Ok(passages)
}

fn no_texts(why: &str) -> Failure {
    let message = format!(
        "no texts in `{FOLDER}` ({why}): grant a folder that has some, by \
         `grants.dirs = [{{ host = \"texts\", guest = \"{FOLDER}\" }}]`"
    );
    Failure::permanent("no-texts", message).clean()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (kind, path) = (entry.file_type()?, entry.path());
        let is_text = path.extension().is_some_and(|end| end == "md" || end == "txt");
        if kind.is_dir() {
            collect(&path, files)?;
        } else if kind.is_file() && is_text {
            files.push(path);
        }
    }
    Ok(())
}

/// Cuts at headings, and between paragraphs once a passage is long enough.
fn of_text(file: &str, text: &str) -> Vec<Passage> {
    let mut passages: Vec<Passage> = Vec::new();
    let mut is_open = false;
    let mut after_gap = true;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        if line.trim().is_empty() {
            after_gap = true;
            continue;
        }
        let is_full = passages.last().is_some_and(|last| last.text.len() >= BYTES_ENOUGH);
        let begins = after_gap && (is_full || line.starts_with('#'));
        match passages.last_mut() {
            Some(last) if is_open && !begins => {
                last.text.push(if after_gap { ' ' } else { '\n' });
                last.text.push_str(line);
                last.to_line = number;
            }
            _ => passages.push(Passage {
                file: file.to_owned(),
                from_line: number,
                to_line: number,
                text: line.to_owned(),
            }),
        }
        (is_open, after_gap) = (true, false);
    }
    passages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(usize, usize)]) {
        let lines: Vec<(usize, usize)> = of_text("a.md", text)
            .into_iter()
            .map(|passage| (passage.from_line, passage.to_line))
            .collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_heading_begins_a_passage() {
        check("", &[]);
        check("one\ntwo\n\nthree\n", &[(1, 4)]);
        check("# A\n\none\n\n# B\n\ntwo\n", &[(1, 3), (5, 7)]);
    }

    #[test]
    fn a_long_passage_ends_with_its_paragraph() {
        let long = "word ".repeat(300);
        check(&format!("{long}\nstill\n\nnext\n\n"), &[(1, 2), (4, 4)]);
    }

    #[test]
    fn a_comment_of_a_script_is_no_heading() {
        check("run it:\n# as it is\nso\n", &[(1, 3)]);
    }
}
