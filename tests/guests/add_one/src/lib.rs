//! Owns the step that `cargo xtask bench` measures by: it adds one to a counter and passes the padding
//! on, as one turn of the loop in `tests/bench/loop.py` does.
//! Never imports anything of the host.

use piton_step::{Context, Failure, Step};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize)]
struct Counter {
    n: u64,
    #[serde(default)]
    pad: String,
}

struct AddOne;

impl Step for AddOne {
    type Input = Counter;
    type Output = Counter;

    fn execute(_: &Context, counter: Counter) -> Result<Counter, Failure> {
        Ok(Counter { n: counter.n + 1, ..counter })
    }

    fn compensate(
        _: &Context,
        _: Counter,
        _: Option<Counter>,
        _: Option<Failure>,
    ) -> Result<(), Failure> {
        Ok(())
    }
}

piton_step::export!(AddOne);
