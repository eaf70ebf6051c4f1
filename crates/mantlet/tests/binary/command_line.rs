//! What the binary says when it is misused, and with which status.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use crate::process::{Place, check_fails, check_prints};

#[test]
fn help_teaches_with_examples() {
    assert!(check_prints(&["--help"]).contains("mantlet up http://127.0.0.1:3500"));
    let run = check_prints(&["help", "run"]);
    for flag in
        ["--data-dir", "--origin-allow", "--drain-limit", "--sealing-key-file", "--suffix-certificate"]
    {
        assert!(run.contains(flag), "{flag}");
    }
    assert!(check_prints(&["help", "key"]).contains("mantlet key rotate ci --keep-old 24h"));
    assert!(check_prints(&["--version"]).starts_with("mantlet "));
}

#[test]
fn wrong_flags_end_with_status_2_and_a_remedy() {
    check_fails(&[], 2, &["Usage"]);
    check_fails(&["run", "--http", "8080"], 2, &["write an IP address and a port"]);
    check_fails(&["run", "--api", "0.0.0.0:0"], 2, &["--api-certificate"]);
    check_fails(&["run", "--api", "0.0.0.0:0", "--auth", "none"], 2, &["only on loopback"]);
    check_fails(&["run", "--suffix-certificate", "a.pem"], 2, &["--suffix-key"]);
    check_fails(&["run", "--account-id", "1"], 2, &["12 digits"]);
    check_fails(&["run", "--origin-allow", "ten"], 2, &["10.0.0.0/8"]);
    check_fails(&["run", "--drain-limit", "soon"], 2, &["30s"]);
    check_fails(&["run", "--log", "=["], 2, &["no filter"]);
    check_fails(&["up"], 2, &["URL"]);
    check_fails(&["up", "localhost:3500"], 2, &["http://127.0.0.1:3500"]);
    check_fails(&["trust", "--install", "--uninstall"], 2, &["--uninstall"]);
    check_fails(&["key", "create", "ci"], 2, &["--role"]);
    check_fails(&["key", "create", "ci", "--role", "root"], 2, &["admin, deploy or read"]);
    check_fails(&["key", "rotate", "ci", "--keep-old", "soon"], 2, &["24h"]);
}

#[test]
fn commands_that_need_a_running_process_say_so() {
    let place = Place::new();
    check_fails(&["env", "--data-dir", &place.text()], 1, &["no mantlet process", &place.text()]);
    check_fails(&["trust", "--data-dir", &place.text()], 1, &["no certificate authority yet"]);
    assert!(!place.directory().exists(), "looking makes nothing");
}

#[test]
fn a_directory_of_other_files_is_left_alone() {
    let place = Place::new();
    fs::create_dir(place.directory()).unwrap();
    fs::set_permissions(place.directory(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(place.file("thesis.odt"), "").unwrap();
    check_fails(&["run", "--data-dir", &place.text()], 1, &["holds other files", "--data-dir"]);
    assert_eq!(fs::read_dir(place.directory()).unwrap().count(), 1);
}

#[test]
fn certificates_that_do_not_fit_are_refused() {
    let place = Place::new();
    let made = rcgen::generate_simple_self_signed(["www.example.org".to_owned()]).unwrap();
    let (chain, key) = (place.text() + ".pem", place.text() + ".key");
    fs::write(&chain, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let run = |key: &str, expect: &[&str]| {
        let flags = ["run", "--data-dir", &place.text(), "--suffix-certificate", &chain, "--suffix-key", key];
        check_fails(&flags, 1, expect);
    };
    run(&key, &["is for www.example.org", "*.mantlet.localhost"]);
    run("absent.key", &["there is no file absent.key"]);
    run(&chain, &["no PEM private key"]);
}

#[test]
fn an_address_that_is_taken_is_named() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _holder = TcpListener::bind(taken).unwrap();
    for flag in ["--http", "--https", "--api"] {
        let mut line = vec!["run".to_owned(), "--data-dir".to_owned(), place.text()];
        for (each, address) in
            [("--http", "127.0.0.1:0"), ("--https", "127.0.0.1:0"), ("--api", "127.0.0.1:0")]
        {
            line.extend([each.to_owned(), if each == flag { taken.to_string() } else { address.to_owned() }]);
        }
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        check_fails(&line, 1, &[flag, &taken.to_string()]);
    }
}
