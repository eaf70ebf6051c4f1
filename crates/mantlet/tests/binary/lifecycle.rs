//! Starting, sharing, killing, restarting and stopping the real binary.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::process::{Place, check_fails, check_prints, endpoint, get, mantlet};
use rustix::process::Signal;

const ORIGIN: &str = "http://127.0.0.1:3500";

fn domain_name(output: &str) -> String {
    let line = output.lines().find_map(|line| line.strip_prefix("VITE_API_URL=https://"));
    let (name, _port) = line.unwrap_or_else(|| panic!("{output}")).split_once(':').unwrap();
    name.to_owned()
}

#[test]
fn a_first_start_leaves_everything_in_its_place() {
    let place = Place::new();
    let process = place.start(&["run"]);
    let mode = |name: &str| fs::metadata(place.file(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(""), 0o700);
    assert_eq!([mode("credentials"), mode("sealing.key"), mode("store.sqlite")], [0o600; 3]);
    assert!(fs::read_to_string(place.file("ca.pem")).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    assert!(get(endpoint(&place.directory(), "api"), "/healthz").starts_with("HTTP/1.1 200"));
    assert!(get(endpoint(&place.directory(), "api"), "/metrics").starts_with("HTTP/1.1 200"));
    assert!(process.output().contains("mantlet env --data-dir"), "{}", process.output());
    assert!(process.stop().success());
    assert!(!place.file("endpoints.json").exists(), "nobody is sent to a process that has ended");
}

#[test]
fn env_points_at_the_running_process() {
    let place = Place::new();
    let _process = place.start(&["run"]);
    let api = endpoint(&place.directory(), "api");
    let printed = check_prints(&["env", "--data-dir", &place.text()]);
    assert!(printed.contains(&format!("export AWS_ENDPOINT_URL=http://{api}\n")), "{printed}");
    let json = check_prints(&["env", "--json", "--data-dir", &place.text()]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let credentials = fs::read_to_string(place.file("credentials")).unwrap();
    assert!(credentials.contains(json["AWS_SECRET_ACCESS_KEY"].as_str().unwrap()));
}

#[test]
fn a_second_process_is_turned_away_and_the_first_goes_on() {
    let place = Place::new();
    let process = place.start(&["run"]);
    let id = process.id().to_string();
    check_fails(&["run", "--data-dir", &place.text()], 1, &["in use", &id, "--data-dir"]);
    assert!(get(endpoint(&place.directory(), "api"), "/healthz").starts_with("HTTP/1.1 200"));
    assert!(process.stop().success());
}

#[test]
fn after_kill_9_everything_is_as_before() {
    let place = Place::new();
    let process = place.start(&["up", ORIGIN]);
    let name = domain_name(&process.output());
    let kept = |file: &str| fs::read(place.file(file)).unwrap();
    let (credentials, ca) = (kept("credentials"), kept("ca.pem"));
    process.kill();
    assert!(place.file("endpoints.json").exists(), "it had no time to remove it");
    check_fails(&["env", "--data-dir", &place.text()], 1, &["no mantlet process"]);

    let process = place.start(&["up", ORIGIN]);
    assert_eq!(domain_name(&process.output()), name);
    assert!((kept("credentials"), kept("ca.pem")) == (credentials, ca));
    assert!(process.stop().success());
}

#[test]
fn up_uses_the_process_that_runs_already() {
    let place = Place::new();
    let _process = place.start(&["run"]);
    let up = |url: &str| domain_name(&check_prints(&["up", url, "--data-dir", &place.text()]));
    let name = up(ORIGIN);
    assert_eq!(up("http://127.0.0.1:3500/"), name, "another spelling of the same");
    assert_ne!(up("http://127.0.0.1:3501"), name);
}

#[test]
fn up_says_why_the_api_refuses_an_origin() {
    let place = Place::new();
    let _process = place.start(&["run"]);
    let output = mantlet(&["up", "http://nine_lives..example", "--data-dir", &place.text()]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("the API answered"), "{message}");
}

#[test]
fn interrupt_stops_it_too() {
    let place = Place::new();
    let mut process = place.start(&["run"]);
    process.signal(Signal::INT);
    assert!(process.wait().success(), "{}", place.log());
}

#[test]
fn a_directory_of_a_newer_release_is_refused() {
    let place = Place::new();
    assert!(place.start(&["run"]).stop().success());
    fs::write(place.file("format"), "99\n").unwrap();
    check_fails(&["run", "--data-dir", &place.text()], 1, &["format 99", "newer release"]);
}

#[test]
fn a_damaged_authority_stops_the_start_and_nothing_is_overwritten() {
    let place = Place::new();
    assert!(place.start(&["run"]).stop().success());
    let key = place.file("authorities/viewers-mantlet.localhost.key");
    fs::write(&key, "damaged").unwrap();
    check_fails(&["run", "--data-dir", &place.text()], 1, &[key.to_str().unwrap(), "backup"]);
    assert_eq!(fs::read(&key).unwrap(), b"damaged");
}

#[test]
fn a_sealing_key_elsewhere_is_needed_again() {
    let place = Place::new();
    let elsewhere = place.text() + "-sealing.key";
    assert!(place.start(&["run", "--sealing-key-file", &elsewhere]).stop().success());
    assert!(!place.file("sealing.key").exists());
    check_fails(&["run", "--data-dir", &place.text()], 1, &["--sealing-key-file"]);
    assert!(place.start(&["run", "--sealing-key-file", &elsewhere]).stop().success());
}

#[test]
fn trust_explains_the_authority() {
    let place = Place::new();
    assert!(place.start(&["run"]).stop().success());
    let printed = check_prints(&["trust", "--data-dir", &place.text()]);
    for text in ["mantlet.localhost and names under it", "ca.pem", "update-ca-certificates", "--uninstall"] {
        assert!(printed.contains(text), "{text}: {printed}");
    }
}
