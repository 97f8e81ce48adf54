//! The contract in Rust, made by `bindgen!` from `step-sdk/wit` when this crate is compiled.
//! Holds nothing else: who answers a guest's calls is `guest.rs`, who makes calls is `call.rs`.

/// The world of every step.
pub(super) mod plugin {
    wasmtime::component::bindgen!({
        path: "../step-sdk/wit",
        world: "plugin",
        imports: {
            "piton:step/memo.remember": async | trappable,
            "piton:step/memo.recall": trappable,
            "piton:step/report.usage": trappable,
        },
        exports: { default: async },
    });
}

/// The world of a step that can tell what became of a lost call.
pub(super) mod reconcilable {
    wasmtime::component::bindgen!({
        path: "../step-sdk/wit",
        world: "reconcilable-plugin",
        with: {
            "piton:step/types": super::plugin::piton::step::types,
            "piton:step/log": super::plugin::piton::step::log,
            "piton:step/report": super::plugin::piton::step::report,
            "piton:step/memo": super::plugin::piton::step::memo,
        },
        exports: { default: async },
    });
}

pub(super) use plugin::piton::step::{log, memo, report, types};
pub(super) use plugin::{Plugin, PluginPre};
pub(super) use reconcilable::ReconcilablePluginPre;
pub(super) use reconcilable::exports::piton::step::reconcile::Outcome;
