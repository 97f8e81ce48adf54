//! Owns the step `save_text`: it saves a text as a file, and takes it back.
//! Never writes over a file with something else in it, and never removes one that somebody changed.
//!
//! | input | | output | |
//! | --- | --- | --- | --- |
//! | `name` | the file's name, without a folder | `file` | as `name` |
//! | `text` | what it holds | `bytes` | how long it is |
//!
//! Fails for good, with nothing to undo, as `bad-name` where the name is none, and as `name-taken` where
//! the file holds another text. Its undo removes the file where it still holds this text; a file that was
//! changed since stays, and the log says so.
//!
//! A repeat finds its own file and is done, so no key is needed for it to be idempotent. It needs a folder:
//!
//! ```toml
//! [steps.save]
//! component = "../plugins/save_text"
//! effect = "idempotent"
//! input = { name = "report-${run.id}.md", text = "${steps.write.output.text}" }
//! grants.dirs = [{ host = "out", guest = "/out", write = true }]
//! ```

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use piton_step::{Context, Failure, Step, info, warn};
use serde::{Deserialize, Serialize};

const FOLDER: &str = "/out";

/// What to save.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    name: String,
    text: String,
}

/// What was saved.
#[derive(Debug, Serialize, Deserialize)]
pub struct Output {
    file: String,
    bytes: usize,
}

struct SaveText;

impl Step for SaveText {
    type Input = Input;
    type Output = Output;

    fn execute(ctx: &Context, input: Input) -> Result<Output, Failure> {
        let path = path_of(&input.name)?;
        match held(&path)? {
            Some(text) if text == input.text.as_bytes() => info!("it had been saved"),
            Some(_) => {
                let message = format!("`{}` is there, and holds another text", path.display());
                return Err(Failure::permanent("name-taken", message).clean());
            }
            None => write(&path, &ctx.idempotency_key, &input.text)?,
        }
        Ok(Output { bytes: input.text.len(), file: input.name })
    }

    fn compensate(
        _: &Context,
        input: Input,
        _: Option<Output>,
        _: Option<Failure>,
    ) -> Result<(), Failure> {
        let path = path_of(&input.name)?;
        match held(&path)? {
            Some(text) if text == input.text.as_bytes() => fs::remove_file(&path)?,
            Some(_) => warn!("`{}` was changed since, and stays", path.display()),
            None => info!("no file to remove"),
        }
        Ok(())
    }
}

fn path_of(name: &str) -> Result<PathBuf, Failure> {
    let is_name = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
    if !is_name {
        let message = format!("`{name}` is no name of a file");
        return Err(Failure::permanent("bad-name", message).clean());
    }
    Ok(Path::new(FOLDER).join(name))
}

fn held(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// All of it or, in a crash, nothing under its name.
fn write(path: &Path, key: &str, text: &str) -> io::Result<()> {
    let unfinished = Path::new(FOLDER).join(format!(".{key}"));
    let mut file = File::create(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_data()?;
    fs::rename(&unfinished, path)
}

piton_step::export!(SaveText);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_into_the_folder_and_nowhere_else() {
        assert_eq!(path_of("a.md"), Ok(PathBuf::from("/out/a.md")));
        for name in ["", ".", "..", ".a", "a/b", "/a", "../a"] {
            let failure = path_of(name).expect_err("it should be refused");
            assert_eq!((failure.code.as_str(), failure.clean), ("bad-name", true), "{name}");
        }
    }
}
