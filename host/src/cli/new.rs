//! `piton new`: writes the folder of a new step, which builds and passes its own test at once.
//! Never changes a file that is there, and never builds.

mod files;

use super::complain::Complaint;
use super::context::{Context, print};
use super::exit;
use files::{CONTRACT, Language, PIPELINE, sdk, template};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Write a folder with a step that works: both functions, a test, a manifest.
    Step(StepArguments),
}

#[derive(clap::Args)]
struct StepArguments {
    /// The step's name, in snake_case: it is an identifier in manifests.
    name: String,

    /// The language to write it in.
    #[arg(long, value_enum)]
    lang: Language,

    /// The folder in which the step's own folder is made.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode, Complaint> {
    let What::Step(StepArguments { name, lang, dir }) = &arguments.what;
    check_name(name)?;
    let folder = if dir == Path::new(".") { PathBuf::from(name) } else { dir.join(name) };
    write_step(&folder, name, *lang)?;
    print(&folder.display().to_string());
    context.say(&format!(
        "next: piton build {folder}\n      piton try {folder} --input '{{\"sku\":\"rope\",\"quantity\":2}}'",
        folder = folder.display()
    ));
    Ok(ExitCode::from(exit::COMPLETED))
}

/// As for steps in a manifest, and besides as cargo, npm and Python's import want it.
fn check_name(name: &str) -> Result<(), Complaint> {
    let fits = |character: char| matches!(character, 'a'..='z' | '0'..='9' | '_');
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) || !name.chars().all(fits) {
        let hint = match snake_case(name) {
            Some(better) => format!("a name is in snake_case: `{better}`"),
            None => "a name is in snake_case, such as `send_mail`".to_owned(),
        };
        return Err(Complaint::mistake(format!("`{name}` is no name for a step"), hint));
    }
    // The first is the SDK's folder; the others cannot be the name of a package.
    if ["piton_step", "test", "core", "std", "alloc", "proc_macro"].contains(&name) {
        return Err(Complaint::mistake(format!("the name `{name}` is taken"), "choose another"));
    }
    Ok(())
}

/// Returns the name as it may be, if that can be told.
fn snake_case(name: &str) -> Option<String> {
    let mut better = String::new();
    let mut begins_a_word = false;
    for character in name.chars() {
        match character {
            'A'..='Z' => {
                better.extend(begins_a_word.then_some('_'));
                better.push(character.to_ascii_lowercase());
            }
            'a'..='z' | '0'..='9' | '_' => better.push(character),
            '-' | ' ' | '.' => better.push('_'),
            _ => return None,
        }
        begins_a_word = character.is_ascii_lowercase();
    }
    better.starts_with(|first: char| first.is_ascii_lowercase()).then_some(better)
}

fn write_step(folder: &Path, name: &str, language: Language) -> Result<(), Complaint> {
    make_folder(folder)?;
    for (path, text) in template(language).iter().chain([&PIPELINE]) {
        // A hidden file would hide what it ignores here, too.
        let path = if *path == "gitignore" { ".gitignore" } else { path };
        write(&folder.join(path), &text.replace("{{name}}", name))?;
    }
    for (path, text) in sdk(language).iter().chain([&CONTRACT]) {
        write(&folder.join(path), text)?;
    }
    Ok(())
}

/// The folder must be new: then nothing in it can be overwritten.
fn make_folder(folder: &Path) -> Result<(), Complaint> {
    if let Some(above) = folder.parent().filter(|above| *above != Path::new("")) {
        fs::create_dir_all(above).map_err(|error| cannot_write(above, &error))?;
    }
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let message = format!("`{}` is there already", folder.display());
            Err(Complaint::mistake(message, "choose another name, or another `--dir`"))
        }
        made => made.map_err(|error| cannot_write(folder, &error)),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Complaint> {
    path.parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(path, text))
        .map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &io::Error) -> Complaint {
    Complaint::of_host(format!("cannot write `{}`: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_does_not_fit_is_mended() {
        for (name, better) in [
            ("send-mail", "send_mail"),
            ("SendMail", "send_mail"),
            ("send mail", "send_mail"),
            ("sendURL", "send_url"),
        ] {
            let complaint = check_name(name).expect_err("it should not fit");
            let hint = complaint.hint.expect("there should be a hint");
            assert_eq!(hint, format!("a name is in snake_case: `{better}`"));
        }
        for name in ["", "9lives", "é", "../up", "piton_step"] {
            assert!(check_name(name).is_err(), "{name}");
        }
        for name in ["a", "send_mail", "step_2"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
    }
}
