//! `piton lock`: pins a manifest's components and grants, or shows how they differ from what is
//! pinned.

use super::complain::Complaint;
use super::context::{Context, print, print_json};
use super::exit;
use piton::manifest::PinChange;
use piton::runner::{Checking, Locking, start_refused};
use piton::sandbox::inert;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The manifest: a TOML file. `piton.lock` beside it is written.
    manifest: PathBuf,

    /// Pin what differs from what is pinned.
    #[arg(long)]
    accept: bool,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode, Complaint> {
    let refused = |failed: piton::runner::LoadFailed| {
        Complaint::from(start_refused(failed.into(), context.look()))
    };
    let checking = Checking::new(&context.globals.data, &context.settings()?)?;
    let locking = checking.locking(&arguments.manifest).map_err(refused)?;
    let is_new = !locking.is_pinned;
    let is_same = locking.changes.is_empty();
    let writes = !is_same && (is_new || arguments.accept);
    if writes {
        locking.write().map_err(refused)?;
    }
    if context.globals.json {
        print_json(&document(arguments, &locking, writes));
    } else {
        locking.changes.iter().for_each(tell);
    }
    let (manifest, lock) = (arguments.manifest.display(), locking.path.display());
    if writes {
        context.say(&format!("{lock}: pins {manifest}"));
    } else if is_same {
        context.say(&format!("{lock}: nothing differs from {manifest}"));
    } else {
        return Err(Complaint::mistake(
            format!("`{manifest}` differs from what `{lock}` pins"),
            format!("look at what is new, then take it with `piton lock {manifest} --accept`"),
        ));
    }
    Ok(ExitCode::from(exit::COMPLETED))
}

fn tell(change: &PinChange) {
    let PinChange { step, before, after, added, removed, is_wider } = change;
    let width = match (before, after) {
        (None, _) => ": new",
        (_, None) => ": gone",
        _ if *is_wider => ": wider",
        _ if before == after || !removed.is_empty() => ": narrower",
        _ => "",
    };
    print(&format!("step {}{width}", inert(step)));
    let line = |mark: char, text: &str| print(&format!("  {mark} {}", inert(text)));
    if before != after {
        before.iter().for_each(|digest| line('-', &format!("is sha256:{digest}")));
        after.iter().for_each(|digest| line('+', &format!("is sha256:{digest}")));
    }
    removed.iter().for_each(|grant| line('-', grant));
    added.iter().for_each(|grant| line('+', grant));
}

fn document(arguments: &Arguments, locking: &Locking, is_written: bool) -> serde_json::Value {
    let change = |change: &PinChange| {
        let digest = |digest: &Option<piton_core::Digest>| digest.map(|digest| digest.to_string());
        serde_json::json!({
            "step": change.step,
            "digest": digest(&change.after),
            "digest_pinned": digest(&change.before),
            "added": change.added,
            "removed": change.removed,
            "wider": change.is_wider,
            "refused": change.is_refused(),
        })
    };
    serde_json::json!({
        "manifest": arguments.manifest,
        "lock": locking.path,
        "written": is_written,
        "changes": locking.changes.iter().map(change).collect::<Vec<_>>(),
    })
}
