//! Makes the bindings that `piton-step` keeps in `src/bindings`, from the contract in `step-sdk/wit`
//! and what `piton_step::http` needs of WASI in `wit` beside this.
//! Run it after a change of the contract: `cargo run` in this folder. Nothing depends on it, and it
//! decides nothing: what it writes is the output of wit-bindgen's generator, but for two names.

use std::fs;
use std::path::{Path, PathBuf};

use wit_bindgen_core::{Files, WorldGenerator, wit_parser::Resolve};
use wit_bindgen_rust::{Opts, WithOption};

const VERSION: &str = "0.63.0";

/// A world, the module that it becomes, and where it is described, from this folder.
const WORLDS: [(&str, &str, &str); 3] = [
    ("plugin", "plugin", "../../wit"),
    ("reconcilable-plugin", "reconcilable", "../../wit"),
    ("http", "http", "wit"),
];

fn main() {
    for (world, module, wit) in WORLDS {
        let path = kept(module);
        fs::write(&path, bindings(world, module, wit))
            .expect("the SDK's folder should be writable");
        println!("wrote {}", path.display());
    }
}

fn kept(module: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/bindings");
    folder.join(module).with_extension("rs")
}

fn bindings(world: &str, module: &str, wit: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(wit);
    head(world, module) + &generate(&folder, world, module)
}

fn head(world: &str, module: &str) -> String {
    let source = if module == "http" { "bindings-generator/wit" } else { "step-sdk/wit/step.wit" };
    format!(
        "//! Owns the component's side of the world `{world}`: generated, never edited.\n\
         //!\n\
         //! Made from `{source}` by wit-bindgen's Rust generator {VERSION}, with the\n\
         //! program in `step-sdk/rust/bindings-generator` (`cargo run` there). It is kept here so that\n\
         //! a step does not compile the generator: that is most of a minute.\n\n"
    )
}

fn generate(contract: &Path, world: &str, module: &str) -> String {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(contract).expect("the contract should parse");
    let world_id = resolve.select_world(&[package], Some(world)).expect("the world should exist");
    let mut files = Files::default();
    options(module)
        .build()
        .generate(&mut resolve, world_id, &mut files)
        .expect("the world should have bindings");
    let (_, contents) = files.iter().next().expect("one file should be generated");
    let text = String::from_utf8(contents.to_vec()).expect("Rust should be UTF-8");
    // Both worlds export the interface `step`, and exported macros share one namespace per crate.
    text.replace("__export_piton_step_step_0_1_0_cabi", &format!("__export_{module}_step_cabi"))
}

fn options(module: &str) -> Opts {
    let mut options = Opts {
        format: true,
        generate_all: true,
        // The macro that exports a type carries the world's description with it: so a step embeds
        // the world that it exports, and not each world that this crate knows.
        pub_export_macro: true,
        export_macro_name: Some(format!("export_{module}")),
        default_bindings_module: Some(format!("piton_step::bindings::{module}")),
        ..Opts::default()
    };
    if module == "reconcilable" {
        // One set of types for both worlds.
        for interface in ["types", "log", "report", "memo"] {
            options.with.push((
                format!("piton:step/{interface}@0.1.0"),
                WithOption::Path(format!("crate::bindings::plugin::piton::step::{interface}")),
            ));
        }
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kept_bindings_are_what_the_contract_makes() {
        for (world, module, wit) in WORLDS {
            let kept = fs::read_to_string(kept(module)).expect("bindings should be kept");
            assert!(kept == bindings(world, module, wit), "run `cargo run` to renew `{module}.rs`");
        }
    }
}
