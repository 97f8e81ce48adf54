//! Makes the bindings that the SDK for C keeps in `piton_step`, from the contract in `step-sdk/wit`.
//! Run it after a change of the contract: `cargo run` in this folder. Nothing depends on it, and it
//! decides nothing: what it writes is the output of wit-bindgen's generator, under names of its own.

use std::fs;
use std::path::{Path, PathBuf};

use wit_bindgen_c::Opts;
use wit_bindgen_core::{Files, wit_parser::Resolve};

const VERSION: &str = "0.63.0";

const WORLDS: [(&str, &str); 2] =
    [("plugin", "plugin"), ("reconcilable-plugin", "reconcilable_plugin")];

fn main() {
    for (world, folder) in WORLDS {
        for (path, text) in bindings(world, folder) {
            fs::create_dir_all(path.parent().expect("a file should have a folder"))
                .and_then(|()| fs::write(&path, text))
                .expect("the SDK's folder should be writable");
            println!("wrote {}", path.display());
        }
    }
}

/// Returns the three files of a world. Both worlds go by the name `contract` in C, so that the rest of the
/// SDK is the same for both.
fn bindings(world: &str, folder: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut resolve = Resolve::default();
    let (package, _) =
        resolve.push_path(root.join("../../wit")).expect("the contract should parse");
    let world_id = resolve.select_world(&[package], Some(world)).expect("the world should exist");
    let mut files = Files::default();
    let options = Opts { rename_world: Some("contract".into()), ..Opts::default() };
    options
        .build()
        .generate(&mut resolve, world_id, &mut files)
        .expect("the world should have bindings");
    let folder = root.join("../piton_step").join(folder);
    files
        .iter()
        .map(|(name, bytes)| match name.strip_suffix("_component_type.o") {
            Some(stem) => (folder.join(format!("{stem}_type.c")), type_section(world, bytes)),
            None => (folder.join(name), head(world) + &text_of(bytes)),
        })
        .collect()
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("C should be UTF-8")
}

fn head(world: &str) -> String {
    format!(
        "// Owns the component's side of the world `{world}`: generated, never edited.\n\
         // Made from `step-sdk/wit/step.wit` by wit-bindgen's C generator {VERSION}, with the program in\n\
         // `step-sdk/c/bindings-generator` (`cargo run` there).\n\n"
    )
}

/// Writes the description of the world, which the generator hands out as an object file, as text: nothing
/// in a step's folder is for machines alone.
fn type_section(world: &str, object: &[u8]) -> String {
    let (name, contents) = last_custom_section(object);
    let lines: String = contents
        .chunks(16)
        .map(|bytes| {
            let bytes: Vec<String> = bytes.iter().map(|byte| format!("0x{byte:02x}")).collect();
            format!("    \".byte {}\\n\"\n", bytes.join(","))
        })
        .collect();
    format!(
        "{}#ifdef __wasm__\n__asm__(\n    \".section \\\".custom_section.{name}\\\",\\\"\\\",@\\n\"\n{lines});\n\n\
         /* `contract.c` calls it, so that this file is linked. */\n\
         void __component_type_object_force_link_contract(void);\n\
         void __component_type_object_force_link_contract(void) {{}}\n#endif\n",
        head(world)
    )
}

/// Returns the name and the contents of the section that describes the world.
fn last_custom_section(object: &[u8]) -> (String, &[u8]) {
    let mut at = 8;
    let mut found = None;
    while at < object.len() {
        let id = object[at];
        let (length, start) = number(object, at + 1);
        if id == 0 {
            let (name_length, name_start) = number(object, start);
            let name_end = name_start + name_length;
            let name = text_of(&object[name_start..name_end]);
            if name.starts_with("component-type") {
                found = Some((name, &object[name_end..start + length]));
            }
        }
        at = start + length;
    }
    found.expect("the object should describe the world")
}

/// Reads a LEB128 number, and returns where it ends.
fn number(bytes: &[u8], mut at: usize) -> (usize, usize) {
    let (mut value, mut shift) = (0, 0);
    loop {
        value |= usize::from(bytes[at] & 0x7f) << shift;
        shift += 7;
        at += 1;
        if bytes[at - 1] & 0x80 == 0 {
            return (value, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kept_bindings_are_what_the_contract_makes() {
        for (world, folder) in WORLDS {
            for (path, text) in bindings(world, folder) {
                let kept = fs::read_to_string(&path).expect("bindings should be kept");
                assert!(kept == text, "run `cargo run` to renew `{}`", path.display());
            }
        }
    }
}
