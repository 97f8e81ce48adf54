//! Owns `cargo demo`: sets up what a newcomer's machine lacks, then shows a run that is killed and goes
//! on, and a run that fails late and is undone. It fails where what it shows is not as it should be.
//! Never leaves anything outside `target`, and never knows piton from the inside: it calls the binary.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::chore::{At, Problem, ask, cannot_start, remove_folder, repository, run as run_command};
use crate::{guests, wasm_target};

/// How slow each pretended service is: slow enough to be killed in the middle of one.
const TAKES_MS: u32 = 2000;

/// Far beyond the few seconds that the killed run needs, on any machine.
const PATIENCE: Duration = Duration::from_secs(120);

const ORDER: &str = "manifests/order.toml";
const BOOKS: &str = "manifests/out";

/// What `piton` exits with for a run that was rolled back.
const ROLLED_BACK: i32 = 3;

const NEXT: &str = "
What next? In this folder (target/demo), with `piton` as above:

    piton runs                        the runs so far
    piton run manifests/flaky.toml    a step that fails twice, then works
    piton graph manifests/order.toml  a pipeline as a picture
    piton inspect plugins/charge_card what a step needs, before it runs

In the repository:

    cargo gate                        every check and every test
    cargo install --path host         keep `piton`
    README.md                         write your first step";

/// Does the whole demonstration.
pub(crate) fn run() -> Result<(), Problem> {
    heading("Setting up: the wasm target, piton (a few minutes, once), the example steps");
    wasm_target::ensure()?;
    let piton = build_piton()?;
    guests::build(&[guests::PLUGINS])?;
    let demo = Demo::set_up(piton)?;
    let killed = demo.kill_an_order()?;
    demo.resume_it(&killed)?;
    demo.undo_an_order(&killed)?;
    heading("All of this held");
    eprintln!("{}", NEXT.trim_start());
    Ok(())
}

/// Builds piton in the profile of the tests, and returns the binary.
pub(crate) fn build_piton() -> Result<PathBuf, Problem> {
    run_command(
        Command::new("cargo").args(["build", "--locked", "-p", "piton"]).current_dir(repository()),
    )?;
    // Both are binaries of one workspace, built into one folder, wherever that is.
    let here = env::current_exe().at(Path::new("xtask"))?;
    Ok(here.with_file_name("piton"))
}

/// The folder of the demonstration, and the binary it shows.
struct Demo {
    piton: PathBuf,
    folder: PathBuf,
}

/// What a run wrote into the books of the pretended services, by its id.
struct Order {
    run: String,
}

impl Demo {
    /// The pipelines are copied, because what their steps do is kept beside them.
    fn set_up(piton: PathBuf) -> Result<Demo, Problem> {
        let folder = repository().join("target/demo");
        remove_folder(&folder)?;
        let manifests = folder.join("manifests");
        fs::create_dir_all(&manifests).at(&manifests)?;
        for name in ["order.toml", "order.json", "order-nowhere.json", "flaky.toml"] {
            let from = repository().join("manifests").join(name);
            fs::copy(&from, manifests.join(name)).at(&from)?;
        }
        let order = fs::read_to_string(manifests.join("order.json")).at(&manifests)?;
        let slow = order.replacen('{', &format!("{{\n  \"takes_ms\": {TAKES_MS},"), 1);
        let slow_file = manifests.join("order-slow.json");
        fs::write(&slow_file, slow).at(&slow_file)?;
        let plugins = folder.join("plugins");
        symlink(repository().join("plugins"), &plugins).at(&plugins)?;
        eprintln!("\nTo do what follows by hand:");
        eprintln!("$ cd {}", repository().display());
        eprintln!("$ alias piton={}", piton.display());
        eprintln!("$ cd target/demo");
        Ok(Demo { piton, folder })
    }

    fn kill_an_order(&self) -> Result<Order, Problem> {
        heading("1. An order, and a host that is killed in the middle of it");
        note("Four steps: reserve, charge, ship, notify. Each service takes two seconds.");
        let mut host = self.start(&["run", ORDER, "--input", "@manifests/order-slow.json"])?;
        let watched = self.wait_for_the_charge(&mut host);
        let killed = host.kill();
        let ended = host.wait();
        watched?;
        killed.and(ended.map(drop)).at(&self.piton)?;
        eprintln!("\n$ kill -9 {}", host.id());
        note("The card is charged, and the host that should have heard of it is gone.");
        self.show(&["show"], 0)?;
        let order = Order { run: self.newest_run()? };
        let events = self.events(&order)?;
        holds(
            count(&events, &["attempt-ended", "reserve", "succeeded"]) == 1,
            "reserve is recorded",
        )?;
        holds(
            count(&events, &["attempt-started", "charge"]) == 1
                && count(&events, &["attempt-ended", "charge"]) == 0,
            "charge was called, and what became of it is not recorded",
        )?;
        Ok(order)
    }

    /// Waits until the payment service has the charge and piton has no answer yet.
    fn wait_for_the_charge(&self, host: &mut Child) -> Result<(), Problem> {
        let end = Instant::now() + PATIENCE;
        let book = self.folder.join(BOOKS).join("charges");
        let is_entry = |path: &Path| path.extension().is_some_and(|extension| extension == "json");
        while Instant::now() < end {
            if let Some(status) = host.try_wait().at(&self.piton)? {
                return Err(unexpected(&format!("the run is over ({status}) before the kill")));
            }
            if files(&book).iter().any(|path| is_entry(path)) {
                // A second process asks the first, over a socket in the data directory.
                let events = ask(self.piton().args(["events", "--json"]))?;
                let has_ended = count(&events, &["attempt-ended", "charge"]) > 0;
                return if has_ended {
                    Err(unexpected("the charge ended too soon"))
                } else {
                    Ok(())
                };
            }
            sleep(Duration::from_millis(20));
        }
        Err(unexpected("no card was charged in two minutes"))
    }

    fn resume_it(&self, order: &Order) -> Result<(), Problem> {
        heading("2. Going on where it stopped");
        self.show(&["resume"], 0)?;
        note("What became true of the run, and what the services have in their books:");
        self.show(&["events"], 0)?;
        let books = self.show_books(order)?;
        let events = self.events(order)?;
        let calls = |step, phase| {
            let phase = format!("\"phase\":\"{phase}\"");
            let started = events.lines().filter(|line| line.contains(&phase));
            started.filter(|line| is_event(line, &["attempt-started", step])).count()
        };
        holds(calls("reserve", "execute") == 1, "reserve had ended, and was not called again")?;
        holds(
            calls("charge", "execute") == 1 && calls("charge", "reconcile") == 1,
            "charge was asked what became of the lost call, and was not called again",
        )?;
        holds(
            calls("ship", "execute") == 1 && calls("notify", "execute") == 1,
            "ship and notify were called once",
        )?;
        let charges = books.matches("\"captured\": 17800").count();
        holds(charges == 1 && books.contains("\"refunded\": 0"), "the card was charged once")?;
        holds(self.summary(order)?.contains("\"status\":\"completed\""), "the run completed")
    }

    fn undo_an_order(&self, first: &Order) -> Result<(), Problem> {
        heading("3. An order that fails late, and is undone");
        let input = "@manifests/order-nowhere.json";
        self.show(&["run", ORDER, "--input", input], ROLLED_BACK)?;
        note(&format!("It exits with {ROLLED_BACK}: rolled back."));
        self.show(&["show"], 0)?;
        let order = Order { run: self.newest_run()? };
        let books = self.show_books(&order)?;
        holds(order.run != first.run, "this was a run of its own")?;
        holds(self.summary(&order)?.contains("\"status\":\"rolled-back\""), "it was rolled back")?;
        let events = self.events(&order)?;
        let undone = |step| {
            let found = events.lines().position(|line| {
                line.contains("\"phase\":\"compensate\"")
                    && is_event(line, &["attempt-ended", step, "succeeded"])
            });
            found.unwrap_or(usize::MAX)
        };
        holds(
            undone("charge") < undone("reserve") && undone("reserve") != usize::MAX,
            "charge was undone first, then reserve: the reverse of their order",
        )?;
        let is_refunded =
            books.contains("\"captured\": 17800") && books.contains("\"refunded\": 17800");
        holds(is_refunded, "the whole amount was refunded")?;
        holds(books.contains("\"released\": 2"), "the goods were given back")?;
        holds(
            !books.contains("\"shipped\"") && !books.contains("\"sent\""),
            "nothing was shipped, and nobody was told",
        )
    }

    /// A command of piton's in this folder, with a data directory of its own in it.
    fn piton(&self) -> Command {
        let mut piton = Command::new(&self.piton);
        piton.current_dir(&self.folder).env_remove("PITON_DATA").stdin(Stdio::null());
        piton
    }

    fn start(&self, arguments: &[&str]) -> Result<Child, Problem> {
        eprintln!("\n$ piton {}", arguments.join(" "));
        let mut command = self.piton();
        command.args(arguments);
        command.spawn().map_err(|error| cannot_start(&command, &error))
    }

    /// Runs a command for people to see, and expects this exit code.
    fn show(&self, arguments: &[&str], code: i32) -> Result<(), Problem> {
        let status = self.start(arguments)?.wait().at(&self.piton)?;
        if status.code() == Some(code) {
            return Ok(());
        }
        let command = arguments.join(" ");
        Err(unexpected(&format!("`piton {command}` ended with {status}, and not with {code}")))
    }

    /// Shows what the pretended services keep of an order, and returns it.
    fn show_books(&self, order: &Order) -> Result<String, Problem> {
        let mut all = String::new();
        for book in files(&self.folder.join(BOOKS)) {
            for entry in files(&book) {
                let text = fs::read_to_string(&entry).at(&entry)?;
                if text.contains(&order.run) {
                    let named = entry.strip_prefix(&self.folder).unwrap_or(&entry);
                    eprintln!("\n$ cat {}\n{}", named.display(), text.trim_end());
                    all += &text;
                }
            }
        }
        eprintln!();
        Ok(all)
    }

    fn newest_run(&self) -> Result<String, Problem> {
        let row = ask(self.piton().args(["runs", "--json", "--limit", "1"]))?;
        let id = row.split_once("\"run\":\"").and_then(|(_, rest)| rest.split_once('"'));
        id.map(|(id, _)| id.to_owned()).ok_or_else(|| unexpected("`piton runs` names no run"))
    }

    fn events(&self, order: &Order) -> Result<String, Problem> {
        ask(self.piton().args(["events", "--json", &order.run]))
    }

    fn summary(&self, order: &Order) -> Result<String, Problem> {
        ask(self.piton().args(["show", "--json", &order.run]))
    }
}

fn heading(text: &str) {
    eprintln!("\n━━ {text}");
}

fn note(text: &str) {
    eprintln!("   {text}");
}

/// Says what was just seen, or fails.
fn holds(is_so: bool, what: &str) -> Result<(), Problem> {
    if is_so {
        eprintln!(" ✓ {what}");
        return Ok(());
    }
    Err(unexpected(&format!("this does not hold: {what}")))
}

fn unexpected(what: &str) -> Problem {
    Problem::new(
        what,
        "this should not happen: the demonstration is at target/demo, please report it",
    )
}

/// How many events have all these words as values of their fields.
fn count(events: &str, words: &[&str]) -> usize {
    events.lines().filter(|line| is_event(line, words)).count()
}

fn is_event(line: &str, words: &[&str]) -> bool {
    words.iter().all(|word| line.contains(&format!(":\"{word}\"")))
}

/// What is in a folder, by name; nothing where there is none.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_by_their_values() {
        let events = "{\"event\":\"attempt-started\",\"step\":\"charge\"}\n\
                      {\"event\":\"attempt-ended\",\"step\":\"charge\",\"end\":\"lost\"}\n";
        assert_eq!(count(events, &["attempt-started", "charge"]), 1);
        assert_eq!(count(events, &["charge"]), 2);
        assert_eq!(count(events, &["reserve"]), 0);
    }
}
