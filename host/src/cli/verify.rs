//! `piton verify`: checks everything that is kept.

use super::complain::Complaint;
use super::context::{Context, print, print_json};
use super::exit;
use piton::runner::{Answer, Ask, Opening};
use piton::sandbox::inert;
use std::process::ExitCode;

pub(crate) async fn run(context: &Context) -> Result<ExitCode, Complaint> {
    let found = match context.ask_once(Opening::Existing, Ask::Verify).await? {
        Answer::Verified(found) => found,
        _ => return Err(Complaint::of_host("the host answers something else")),
    };
    if context.globals.json {
        print_json(&found);
    } else {
        found.problems.iter().for_each(|problem| print(&inert(problem)));
        let problems = match found.problems.len() {
            0 => "all good".into(),
            1 => "1 problem".into(),
            count => format!("{count} problems"),
        };
        context.say(&format!(
            "{} runs, {} events, {} log lines, {} contents: {problems}",
            found.runs, found.events, found.log_lines, found.contents
        ));
    }
    Ok(ExitCode::from(if found.problems.is_empty() { exit::COMPLETED } else { exit::HOST }))
}
