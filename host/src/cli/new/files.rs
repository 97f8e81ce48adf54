//! Owns which files a new step consists of: its template, and a copy of the SDK, so that it can be built
//! wherever it lies.
//! Never writes one.

/// A language that steps can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Language {
    Rust,
    Python,
    /// JavaScript; TypeScript, once `step.js` is named `step.ts`
    Js,
    C,
}

/// A file's path in the folder, and its text.
pub(super) type File = (&'static str, &'static str);

macro_rules! files {
    ($from:literal => $to:literal: $($path:literal)*) => {
        &[$((concat!($to, $path), include_str!(concat!($from, $path)))),*]
    };
}

/// The files of the language's template. `{{name}}` in them stands for the step's name.
pub(super) const fn template(language: Language) -> &'static [File] {
    match language {
        Language::Rust => {
            files!("../../templates/rust/" => "": "Cargo.toml" "README.md" "gitignore" "src/lib.rs")
        }
        Language::Python => {
            files!("../../templates/python/" => "": "README.md" "gitignore" "step.py" "test_step.py")
        }
        Language::Js => files!("../../templates/js/" => "":
            "README.md" "gitignore" "package.json" "step.js" "step_test.js"),
        Language::C => {
            files!("../../templates/c/" => "": "README.md" "gitignore" "step.c" "test_step.c")
        }
    }
}

/// The manifest that every template has.
pub(super) const PIPELINE: File = ("pipeline.toml", include_str!("../../templates/pipeline.toml"));

/// The contract, which every SDK carries.
pub(super) const CONTRACT: File =
    ("piton_step/step.wit", include_str!("../../../../step-sdk/wit/step.wit"));

/// The files of the language's SDK.
pub(super) const fn sdk(language: Language) -> &'static [File] {
    match language {
        Language::Rust => files!("../../../../step-sdk/rust/" => "piton_step/":
            "Cargo.toml" "src/bindings.rs" "src/bindings/http.rs" "src/bindings/plugin.rs"
            "src/bindings/reconcilable.rs" "src/context.rs" "src/export.rs" "src/failure.rs"
            "src/host.rs" "src/http.rs" "src/http/component.rs" "src/http/date.rs"
            "src/http/native.rs" "src/lib.rs" "src/log.rs" "src/memo.rs" "src/raw.rs"
            "src/report.rs" "src/step.rs"),
        Language::Python => files!("../../../../step-sdk/python/piton_step/" => "piton_step/":
            "__init__.py" "component.py" "context.py" "failure.py" "host.py" "log.py" "memo.py"
            "outcome.py" "report.py" "shape.py" "text.py"),
        Language::Js => files!("../../../../step-sdk/js/piton_step/" => "piton_step/":
            "component.js" "context.js" "failure.js" "host.js" "index.d.ts" "index.js" "log.js"
            "memo.js" "outcome.js" "plugin.js" "reconcilable_plugin.js" "report.js" "shape.js"
            "text.js"),
        Language::C => files!("../../../../step-sdk/c/piton_step/" => "piton_step/":
            "call.c" "component.c" "host.h" "json.c" "native.c" "piton_step.h"
            "plugin/contract.c" "plugin/contract.h" "plugin/contract_type.c"
            "reconcilable_plugin/contract.c" "reconcilable_plugin/contract.h"
            "reconcilable_plugin/contract_type.c"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    /// Compares what is embedded with what is there. A file that is forgotten here is missed by users only.
    #[track_caller]
    fn check(embedded: &[File], prefix: &str, folder: &str) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let mut found = BTreeSet::new();
        collect(&folder, &folder, &mut found);
        let named = embedded.iter().map(|(path, _)| path.trim_start_matches(prefix).to_owned());
        assert_eq!(named.collect::<BTreeSet<_>>(), found);
    }

    fn collect(root: &Path, folder: &Path, found: &mut BTreeSet<String>) {
        const OTHERS: [&str; 4] = ["target", "bindings-generator", "Cargo.lock", "__pycache__"];
        for entry in fs::read_dir(folder).expect("the folder should be there").flatten() {
            let path = entry.path();
            if OTHERS.iter().any(|name| path.ends_with(name)) {
                continue;
            }
            if path.is_dir() {
                collect(root, &path, found);
            } else {
                let name = path.strip_prefix(root).expect("it should be inside");
                found.insert(name.display().to_string());
            }
        }
    }

    #[test]
    fn no_file_of_an_sdk_is_forgotten() {
        check(sdk(Language::Rust), "piton_step/", "../step-sdk/rust");
        check(sdk(Language::Python), "piton_step/", "../step-sdk/python/piton_step");
        check(sdk(Language::Js), "piton_step/", "../step-sdk/js/piton_step");
        check(sdk(Language::C), "piton_step/", "../step-sdk/c/piton_step");
    }

    #[test]
    fn no_file_of_a_template_is_forgotten() {
        check(template(Language::Rust), "", "src/templates/rust");
        check(template(Language::Python), "", "src/templates/python");
        check(template(Language::Js), "", "src/templates/js");
        check(template(Language::C), "", "src/templates/c");
    }
}
