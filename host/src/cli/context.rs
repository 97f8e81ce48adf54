//! What every command shares: the data directory, the look of output, and the way to the host.
//! The one place that looks at terminal and environment; never decides about a run.

use super::complain::Complaint;
use super::profile::Profiling;
use piton::manifest::{self, Operator};
use piton::runner::{
    ATTEMPTS_MAX, Answer, Ask, CheckedManifest, ClientError, LoadFailed, Look, Opening, Reach,
    Settings, reach, read_manifest, start_refused,
};
use piton::sandbox::{Compiler, Notice, SecretText, inert};
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

/// Options of every command.
#[derive(clap::Args, Debug)]
pub(crate) struct Globals {
    /// The directory that holds the journal, the components and the compiled code.
    #[arg(long, global = true, env = "PITON_DATA", default_value = ".piton", value_name = "DIR")]
    pub(crate) data: PathBuf,

    /// What the operator of this host allows at most. Default: `piton.toml` in the data directory.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Print one JSON document on stdout; for lists, one per line.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Tell nothing on stderr but errors.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

/// The surroundings of a command.
pub(crate) struct Context {
    pub(crate) globals: Globals,
    /// Whether stderr is a terminal that can be drawn on.
    pub(crate) is_live: bool,
    pub(crate) has_color: bool,
    pub(crate) width: usize,
    /// The profile that this command takes, if it does.
    pub(crate) profiling: OnceLock<Profiling>,
}

impl Context {
    pub(crate) fn new(globals: Globals) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let width = terminal_width();
        Self {
            // A terminal that does not say how wide it is cannot be drawn on line by line.
            is_live: is_terminal && !is_dumb && !globals.quiet && width.is_some(),
            has_color: is_terminal && !is_dumb && !no_color,
            width: width.unwrap_or(100),
            profiling: OnceLock::new(),
            globals,
        }
    }

    pub(crate) fn look(&self) -> Look {
        Look { color: self.has_color, width: self.width }
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// All that is wrong with it, drawn.
    pub(crate) fn read_manifest(&self, path: &Path) -> Result<CheckedManifest, Complaint> {
        let checked = read_manifest(path);
        Ok(checked
            .map_err(|refused| start_refused(LoadFailed::from(refused).into(), self.look()))?)
    }

    /// What the host needs to know.
    ///
    /// # Errors
    /// Where the operator's file has a mistake: no command goes on without it.
    pub(crate) fn settings(&self) -> Result<Settings, Complaint> {
        let is_quiet = self.globals.quiet;
        // Should its own path not be found, components are compiled in this process.
        let compiler = std::env::current_exe().map_or(Compiler::InProcess, Compiler::Child);
        Ok(Settings {
            compiler,
            attempts_max: ATTEMPTS_MAX,
            variables: Arc::new(|name: &str| std::env::var(name).ok().map(SecretText::new)),
            notify: Arc::new(move |notice: Notice| {
                let is_worth_a_line = !matches!(notice, Notice::Compiled(..));
                if is_worth_a_line && !is_quiet {
                    let _ = match notice {
                        Notice::Compiling(digest) => {
                            let digest = &digest.to_string()[..12];
                            writeln!(std::io::stderr(), "compiling component {digest}…")
                        }
                        other => writeln!(std::io::stderr(), "{other}"),
                    };
                }
            }),
            stand_in: None,
            operator: self.operator()?.map(Arc::new),
            meddler: None,
            profile: self.profiling.get().map(Profiling::recorder),
        })
    }

    /// What the operator's file says; none where there is none.
    fn operator(&self) -> Result<Option<Operator>, Complaint> {
        let in_data = self.globals.data.join("piton.toml");
        let path = self.globals.config.as_ref().unwrap_or(&in_data);
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound && self.globals.config.is_none() => {
                return Ok(None);
            }
            Err(error) => {
                let message = format!("cannot read `{}`: {error}", path.display());
                return Err(Complaint::mistake(message, "it says what this host allows"));
            }
        };
        Operator::read(path, &text).map(Some).map_err(|complaints| {
            let name = path.display().to_string();
            let drawn = manifest::render(&name, &text, &complaints, self.has_color, self.width);
            Complaint { is_drawn: true, ..Complaint::mistake(drawn, "") }
        })
    }

    /// The way to the host of the data directory.
    pub(crate) async fn reach(&self, opening: Opening) -> Result<Reach, Complaint> {
        Ok(reach(&self.globals.data, opening, &self.settings()?).await?)
    }

    /// Reaches the host and asks one thing. A holder that leaves in between is no answer: then
    /// whoever holds the directory next is asked, which may be this process.
    pub(crate) async fn ask(
        &self,
        opening: Opening,
        ask: Ask,
    ) -> Result<(Reach, Answer), Complaint> {
        self.ask_next(None, opening, ask).await
    }

    /// Asks one thing, and gives the data directory up again where this process holds it.
    pub(crate) async fn ask_once(&self, opening: Opening, ask: Ask) -> Result<Answer, Complaint> {
        let (reach, answer) = self.ask(opening, ask).await?;
        let_go(reach).await?;
        Ok(answer)
    }

    /// As [`Context::ask_once`], for a quick look: this process takes nothing on meanwhile that it
    /// would have to leave at once.
    pub(crate) async fn glance(&self, ask: Ask) -> Result<Answer, Complaint> {
        let reach = self.reach(Opening::Existing).await?;
        if let Reach::Own(host, _) = &reach {
            host.begin_leaving();
        }
        let (reach, answer) = self.ask_next(Some(reach), Opening::Existing, ask).await?;
        let_go(reach).await?;
        Ok(answer)
    }

    /// As [`Context::ask`], of the host that was asked before, while it is there. A host of this
    /// process must be handed on: it holds the directory.
    pub(crate) async fn ask_next(
        &self,
        mut before: Option<Reach>,
        opening: Opening,
        ask: Ask,
    ) -> Result<(Reach, Answer), Complaint> {
        const TRIES: u32 = 50;
        let mut tries = 0;
        loop {
            let reach = match before.take() {
                Some(reach) => reach,
                None => self.reach(opening).await?,
            };
            if ask.may_start_attempts() {
                self.can_serve(&reach)?;
            }
            let error = match reach.ask(ask.clone()).await {
                // It is as if nobody had been asked.
                Ok(Answer::Leaving) => {
                    ClientError::NotAsked(std::io::ErrorKind::NotConnected.into())
                }
                Ok(Answer::Refused(refused)) => {
                    let_go(reach).await?;
                    return Err(refused.into());
                }
                Ok(answer) => return Ok((reach, answer)),
                Err(error) => error,
            };
            let may_repeat = match &error {
                ClientError::NotAsked(_) => true,
                ClientError::Gone(_) => ask.may_be_repeated(),
                ClientError::Garbled(_) => false,
            };
            tries += 1;
            if !may_repeat || tries == TRIES {
                let mut complaint = Complaint::from(error);
                complaint.hint = Some("see what became of it with `piton runs`".into());
                return Err(complaint);
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Whether the host can do as this command's options say. Whoever holds the directory has read
    /// its own file: asking it would leave out in silence the one that `--config` names.
    pub(crate) fn can_serve(&self, reach: &Reach) -> Result<(), Complaint> {
        if let Some(profiling) = self.profiling.get() {
            profiling.is_possible(reach)?;
        }
        let (Reach::Other(holder), Some(config)) = (reach, &self.globals.config) else {
            return Ok(());
        };
        let holder = holder.pid.map_or("another process".into(), |pid| format!("process {pid}"));
        Err(Complaint::mistake(
            format!("{holder} holds the data directory, and does not go by `{}`", config.display()),
            "leave `--config` out, or wait until it has ended",
        ))
    }

    /// Tells people something on stderr.
    pub(crate) fn say(&self, text: &str) {
        if !self.globals.quiet && !text.is_empty() {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// Tells people why a command did not do what it should.
    pub(crate) fn complain(&self, complaint: &Complaint) -> ExitCode {
        let mut stderr = std::io::stderr();
        let Complaint { message, hint, is_drawn, exit } = complaint;
        let _ = if *is_drawn {
            write!(stderr, "{message}")
        } else {
            // Names and reasons in it may be a stranger's words; its lines are our own.
            let lines: Vec<_> = message.split('\n').map(inert).collect();
            writeln!(stderr, "{} {}", self.paint("error:", "1;31"), lines.join("\n"))
        };
        if let Some(hint) = hint {
            let _ = writeln!(stderr, "{} {hint}", self.paint("hint:", "1;36"));
        }
        ExitCode::from(*exit)
    }

    /// The text in a colour, by its SGR parameters, where colours are wanted.
    pub(crate) fn paint(&self, text: &str, sgr: &str) -> String {
        paint(self.has_color, text, sgr)
    }
}

/// Gives the data directory up, once other processes that have asked here are answered. What they
/// began here is recorded, and goes on in a process of theirs.
pub(crate) async fn let_go(reach: Reach) -> Result<(), Complaint> {
    let Reach::Own(host, mut server) = reach else { return Ok(()) };
    host.begin_leaving();
    server.finish().await;
    drop(server);
    Ok(host.close().await?)
}

/// The text in a colour, by its SGR parameters.
pub(crate) fn paint(has_color: bool, text: &str, sgr: &str) -> String {
    if has_color { format!("\u{1b}[{sgr}m{text}\u{1b}[0m") } else { text.into() }
}

/// The folder that `piton build`'s private toolchain may stand beside: where this binary was built.
pub(crate) fn beside_the_binary() -> Option<PathBuf> {
    std::env::current_exe().ok()?.parent().map(Path::to_path_buf)
}

/// Prints a result. A reader that has gone is not an error: `piton runs | head -1`.
pub(crate) fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{text}");
}

/// Prints one JSON document on one line.
pub(crate) fn print_json(document: &impl serde::Serialize) {
    let text = serde_json::to_string(document).expect("a document should be JSON");
    print(&inert_json(text));
}

/// The same JSON with every character escaped that could steer a terminal: JSON itself asks that
/// of the C0 set only. Such characters stand in strings alone, so they may be replaced anywhere.
fn inert_json(text: String) -> String {
    let is_active = |character: char| {
        let mut buffer = [0; 4];
        matches!(inert(character.encode_utf8(&mut buffer)), std::borrow::Cow::Owned(_))
    };
    if !text.chars().any(is_active) {
        return text;
    }
    let mut escaped = String::with_capacity(text.len() + 64);
    for character in text.chars() {
        if is_active(character) {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            escaped.push(character);
        }
    }
    escaped
}

fn terminal_width() -> Option<usize> {
    let set = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    set.or_else(|| {
        let size = rustix::termios::tcgetwinsize(std::io::stderr()).ok()?;
        Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_for_a_terminal_says_the_same() {
        let value = serde_json::json!({ "text": "a\u{9b}31m\u{202e}b\u{e0041}\nc" });
        let escaped = inert_json(value.to_string());
        assert!(escaped.is_ascii(), "{escaped}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).ok(), Some(value));
    }
}
