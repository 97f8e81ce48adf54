//! A mistake of the host's own: it panics in a call. The component is called no more; all else goes on.

use piton_tests::{Chain, Home, Moment, Shim, eventually};
use serde_json::{Value, json};

const STAY: &str = "[pipeline]\nname = \"stay\"\n[steps.it]\nsignal = \"end\"\n";

/// A call of the step `hostile`.
fn manifest(effect: &str) -> String {
    format!(
        r#"
[pipeline]
name = "panics"
[steps.it]
component = "steps/hostile"
effect = "{effect}"
input = {{ how = "${{input.how}}" }}
retry = {{ attempts = 3, base = "1ms", cap = "1ms", floor = "1ms" }}
"#
    )
}

/// The system's clock fails under a step that does nothing but read it: the host, which takes it for
/// granted that there is time, panics in that call.
#[test]
fn a_component_that_makes_the_host_panic_is_called_no_more() {
    let home = Home::new();
    let shim = Shim::build(&home);
    home.write("stay.toml", STAY);
    home.write("honest.toml", Chain::new(4, 10).manifest());
    home.write("none.toml", manifest("none"));
    home.write("asks.toml", manifest("reconcilable"));
    let host = home.piton(&["run", "--json", "stay.toml"]).with_shim(&shim, Moment::ClockFails);
    let mut host = host.start();
    let stays = host.run_id();
    host.wait_until("others can ask it", |_| home.data().join("socket").exists());
    let beside = home.start(&["run", "--json", "--key", "beside", "honest.toml"]);

    let reads = json!({ "how": "clock-reads" }).to_string();
    let first = home.run(&["run", "--json", "--input", &reads, "none.toml"]).expect_code(3);
    let story = home.story(id_of(&first.json()));
    assert_eq!(story.ends("it", "execute"), ["trapped", "denied"], "{first}\n{}", host.stderr());
    let told = home.run(&["events", id_of(&first.json())]).expect_code(0);
    told.expect_inert();
    assert!(told.stdout.contains("the host itself panicked in this call"), "{told}");
    assert!(told.stdout.contains("and calls it no more"), "{told}");

    // Whatever it is asked to do, in whichever run; what is unknown of it, a person has to say.
    let harmless = json!({ "how": "env" }).to_string();
    let next = home.run(&["run", "--json", "--input", &harmless, "none.toml"]).expect_code(3);
    assert_eq!(home.story(id_of(&next.json())).ends("it", "execute"), ["denied"], "{next}");
    let asks = home.run(&["run", "--json", "--input", &harmless, "asks.toml"]);
    let asks = asks.expect_code(5).json();
    assert_eq!(asks["status"], "stuck", "{asks}");
    assert_eq!(asks["steps"][0]["compensated"], json!(false), "{asks}");

    // All others go on, in the same process.
    assert_eq!(beside.finish().expect_code(0).json()["output"]["n"], 4);
    home.run(&["run", "--json", "honest.toml"]).expect_code(0);
    assert!(!host.has_ended(), "the host should be there\n{}", host.stderr());
    assert!(host.stderr().contains("please report it"), "{}", host.stderr());
    home.run(&["signal", &stays, "end"]).expect_code(0);
    assert!(eventually(|| host.has_ended()), "the host should leave\n{}", host.stderr());

    // Another host may know better.
    home.run(&["run", "--json", "--input", &harmless, "none.toml"]).expect_code(0);
    let undone = home.run(&["retry", "--json", id_of(&asks)]).expect_code(3).json();
    assert_eq!(undone["steps"][0]["compensated"], json!(true), "{undone}");
    home.run(&["verify"]).expect_code(0);
}

fn id_of(summary: &Value) -> &str {
    summary["run"].as_str().expect("a run should have an id")
}
