//! `piton inspect`: tells what a component is, and which grants it needs, before it is run.

use super::complain::Complaint;
use super::context::{Context, print, print_json};
use super::exit;
use piton::runner::{Checking, component_file};
use piton::sandbox::inert;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The component: a `.wasm` file, or the folder of a step that was built.
    component: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode, Complaint> {
    let named = arguments.component.display().to_string();
    let (file, _) = component_file(&arguments.component, &named)
        .map_err(|refused| Complaint::mistake(refused.to_string(), refused.hint().unwrap_or("")))?;
    let bytes = std::fs::read(&file)
        .map_err(|error| Complaint::mistake(format!("cannot read `{named}`: {error}"), ""))?;
    let inspection = Checking::new(&context.globals.data, &context.settings()?)?
        .inspect(&bytes)
        .map_err(|error| Complaint::mistake(format!("`{named}` cannot be used: {error}"), ""))?;
    if context.globals.json {
        print_json(&serde_json::json!({
            "digest": inspection.digest.to_string(),
            "world": inspection.world.map(|world| world.word()),
            "bytes": inspection.size_bytes,
            "imports": inspection.imports.iter().map(|import| serde_json::json!({
                "name": import.name, "meaning": import.meaning, "grant": import.grant,
            })).collect::<Vec<_>>(),
            "exports": inspection.exports,
            "producers": inspection.producers.iter().map(|producer| serde_json::json!({
                "field": producer.field, "name": producer.name, "version": producer.version,
            })).collect::<Vec<_>>(),
        }));
        return Ok(ExitCode::from(exit::COMPLETED));
    }
    print(&format!("digest     sha256:{}", inspection.digest));
    let world = inspection.world.map_or("none: it is no step", |world| world.word());
    print(&format!("world      {world}"));
    print(&format!("size       {} KiB", inspection.size_bytes.div_ceil(1024)));
    for producer in &inspection.producers {
        let made = format!("made with  {} {}", inert(&producer.name), inert(&producer.version));
        print(made.trim_end());
    }
    for import in &inspection.imports {
        let meaning = import.meaning.map(|meaning| format!(": {meaning}")).unwrap_or_default();
        let grant = import.grant.map(|grant| format!(" (needs `{grant}`)")).unwrap_or_default();
        print(&format!("imports    {}{meaning}{grant}", inert(&import.name)));
    }
    for export in &inspection.exports {
        print(&format!("exports    {}", inert(export)));
    }
    Ok(ExitCode::from(exit::COMPLETED))
}
