//! Owns the step `notify`: it sends a message. What was read cannot be unread, so its undo sends a
//! second message that takes the first one back.
//! Never composes a message: the manifest does.
//!
//! | input | | output | |
//! | --- | --- | --- | --- |
//! | `to` | who | `message_id` | its name at the post office |
//! | `message` | what | | |
//! | `takes_ms` | how long sending takes; 0 | | |
//!
//! Fails for good, with nothing to undo, as `no-recipient` where `to` has no `@`.
//!
//! It needs a folder, where the pretended post office keeps its book (`messages/KEY.json`):
//!
//! ```toml
//! [steps.notify]
//! component = "../plugins/notify"
//! input = { to = "${input.email}", message = "On its way: ${steps.ship.output.tracking}" }
//! grants.dirs = [{ host = "out", guest = "/data", write = true }]
//! ```

use piton_step::{Context, Failure, Step, info};
use pretend::Book;
use serde::{Deserialize, Serialize};

/// What to say to whom.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    to: String,
    message: String,
    #[serde(default)]
    takes_ms: u64,
}

/// What was sent.
#[derive(Debug, Serialize, Deserialize)]
pub struct Output {
    message_id: String,
}

/// A line of the post office's book.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    run: String,
    to: String,
    /// All messages of this key, in order.
    sent: Vec<String>,
    retracted: bool,
}

struct Notify;

impl Step for Notify {
    type Input = Input;
    type Output = Output;

    fn execute(ctx: &Context, input: Input) -> Result<Output, Failure> {
        if !input.to.contains('@') {
            let message = format!("`{}` is nobody's address", input.to);
            return Err(Failure::permanent("no-recipient", message).clean());
        }
        let book = Book::open("messages")?;
        // The same key is the same wish: an attempt before this one may have got this far.
        if book.find::<Entry>(&ctx.idempotency_key)?.is_none() {
            pretend::before_the_effect(input.takes_ms, "the post office is queueing");
            let entry = Entry {
                run: ctx.run_id.clone(),
                to: input.to.clone(),
                sent: vec![input.message],
                retracted: false,
            };
            book.write(&ctx.idempotency_key, &entry)?;
            info!("wrote to {}", input.to);
            pretend::after_the_effect(input.takes_ms, "the post office confirms");
        }
        Ok(Output { message_id: ctx.idempotency_key.clone() })
    }

    fn compensate(
        ctx: &Context,
        input: Input,
        _output: Option<Output>,
        _cause: Option<Failure>,
    ) -> Result<(), Failure> {
        let book = Book::open("messages")?;
        let Some(mut entry) = book.find::<Entry>(&ctx.execute_key)? else {
            info!("no message to take back");
            return Ok(());
        };
        if !entry.retracted {
            pretend::before_the_effect(input.takes_ms, "the post office is queueing");
            entry.sent.push("Please disregard our last message.".to_owned());
            entry.retracted = true;
            book.write(&ctx.execute_key, &entry)?;
            info!("took back the message to {}", entry.to);
            pretend::after_the_effect(input.takes_ms, "the post office confirms");
        }
        Ok(())
    }
}

piton_step::export!(Notify);
