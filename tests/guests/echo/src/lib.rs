//! Owns the smallest step there is: it returns its input, unread. What a call of it costs is what
//! the host costs.
//! Never imports anything of the host: no log, no clock, no file.

use piton_step::raw::RawStep;
use piton_step::{Context, Failure};

struct Echo;

impl RawStep for Echo {
    fn execute(_: &Context, input: String) -> Result<String, Failure> {
        Ok(input)
    }

    fn compensate(
        _: &Context,
        _: String,
        _: Option<String>,
        _: Option<Failure>,
    ) -> Result<(), Failure> {
        Ok(())
    }
}

piton_step::export!(Echo);
