//! AWS's signing test suite, read from the source of the crate that ships it.

use std::path::{Path, PathBuf};
use std::process::Command;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::super::canonical::canonical_request;
use super::super::claim::Claim;
use super::super::payload::payload_hash;
use super::super::verify::signed_paths;
use super::super::{PayloadRule, SignatureError, SigningCredentials, sign};
use super::{ACCESS_KEY_ID, OwnedRequest, SECRET, Secret, vector_time};

/// Both ways to sign, as the suite's files are named.
const LOCATIONS: [&str; 2] = ["header", "query"];

/// A signer that adds the session token after signing leaves it unprotected. Some services allow it; ours do not.
const TOKEN_NOT_SIGNED: &str = "post-sts-header-after";

/// These come without keys, to show how paths are encoded.
const CANONICAL_ONLY: [&str; 2] = ["double-encode-path", "double-url-encode"];

#[test]
fn requests_signed_by_aws_are_verified() {
    let mut verified = 0;
    for vector in vectors() {
        for location in LOCATIONS {
            let Some(request) = read_request(&vector, &format!("{location}-signed-request.txt")) else {
                continue;
            };
            match (name(&vector), location) {
                (TOKEN_NOT_SIGNED, "header") => {
                    let refused = SignatureError::HeaderNotSigned("x-amz-security-token".into());
                    assert_eq!(request.verify(), Err(refused));
                }
                (TOKEN_NOT_SIGNED, _) => assert_eq!(request.verify(), Err(SignatureError::Mismatch)),
                (name, _) if CANONICAL_ONLY.contains(&name) => {}
                (name, _) => {
                    let authenticated = request.verify();
                    let authenticated = authenticated.unwrap_or_else(|error| panic!("{name}: {error}"));
                    assert_eq!(authenticated.access_key_id, ACCESS_KEY_ID);
                    assert_eq!(authenticated.region, "us-east-1");
                    assert_eq!(authenticated.session_token, token(&vector));
                    verified += 1;
                }
            }
        }
    }
    assert!(verified >= 74, "only {verified} vectors were verified");
}

#[test]
fn canonical_requests_are_those_of_aws() {
    for vector in vectors().into_iter().filter(|vector| name(vector) != TOKEN_NOT_SIGNED) {
        for location in LOCATIONS {
            let Some(request) = read_request(&vector, &format!("{location}-signed-request.txt")) else {
                continue;
            };
            let expected = read(&vector, &format!("{location}-canonical-request.txt")).unwrap();
            let claim = Claim::of(&request.lend()).unwrap();
            let payload =
                payload_hash(claim.payload.as_deref(), &request.body, PayloadRule::RequireSigned).unwrap();
            let canonical: Vec<String> = signed_paths(&request.path)
                .iter()
                .map(|path| {
                    let signed = &claim.signed_headers;
                    canonical_request(&request.lend(), path, &request.headers, signed, &payload)
                })
                .map(|canonical| String::from_utf8(canonical).unwrap())
                .collect();
            // Two vectors are inconsistent in their date, which is not what they are about.
            let without_date = |text: &str| text.replace("20210511T154045Z", "20150830T123600Z");
            assert!(
                canonical.iter().any(|canonical| without_date(canonical) == without_date(&expected)),
                "{} {location}: {canonical:?} should be {expected:?}",
                name(&vector)
            );
        }
    }
}

#[test]
fn our_signatures_are_those_of_aws() {
    let secret = Secret::new(SECRET);
    for vector in vectors().into_iter().filter(|vector| name(vector) != TOKEN_NOT_SIGNED) {
        let Some(context) = context(&vector) else { continue };
        if context["normalize"] != true {
            continue;
        }
        // The request as it is before signing; where the suite signs the body, it adds the header that says so first.
        let mut request = read_request(&vector, "header-signed-request.txt").unwrap();
        for added in ["authorization", "x-amz-date", "x-amz-security-token"] {
            request.headers.remove(added);
        }
        let session_token = token(&vector);
        let credentials = SigningCredentials {
            access_key_id: ACCESS_KEY_ID,
            secret: &secret,
            session_token: session_token.as_deref(),
        };
        let added = sign(&request.lend(), credentials, "us-east-1", "service", vector_time()).unwrap();
        let signature = read(&vector, "header-signature.txt").unwrap();
        let authorization = added["authorization"].to_str().unwrap();
        assert!(authorization.ends_with(&format!("Signature={signature}")), "{}", name(&vector));
        request.headers.extend(added);
        request.verify().unwrap();
    }
}

/// The directories of the suite, one a vector.
fn vectors() -> Vec<PathBuf> {
    let suite = suite();
    let mut vectors: Vec<PathBuf> =
        std::fs::read_dir(suite).unwrap().map(|entry| entry.unwrap().path()).collect();
    vectors.sort();
    assert!(vectors.len() >= 38);
    vectors
}

/// Where cargo has unpacked the suite.
fn suite() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = stdout_of(Command::new(rustc).arg("-vV"));
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let metadata = stdout_of(
        Command::new(cargo)
            .args(["metadata", "--offline", "--format-version", "1", "--filter-platform", host])
            .current_dir(env!("CARGO_MANIFEST_DIR")),
    );
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let package = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .find(|package| package["name"] == "aws-sigv4")
        .expect("aws-sigv4 is a dependency of the tests");
    let manifest = Path::new(package["manifest_path"].as_str().unwrap());
    manifest.parent().unwrap().join("aws-signing-test-suite").join("v4")
}

fn stdout_of(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn name(vector: &Path) -> &str {
    vector.file_name().unwrap().to_str().unwrap()
}

fn read(vector: &Path, file: &str) -> Option<String> {
    std::fs::read_to_string(vector.join(file)).ok()
}

fn context(vector: &Path) -> Option<Value> {
    read(vector, "context.json").map(|text| serde_json::from_str(&text).unwrap())
}

fn token(vector: &Path) -> Option<String> {
    context(vector)?["credentials"]["token"].as_str().map(str::to_owned)
}

/// Reads a request as the suite writes it: not quite HTTP, with spaces in paths and folded headers.
fn read_request(vector: &Path, file: &str) -> Option<OwnedRequest> {
    let text = read(vector, file)?;
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let head = head.replace("\n ", " ");
    let mut lines = head.lines();
    let (method, target) = lines.next().unwrap().split_once(' ').unwrap();
    let target = target.strip_suffix(" HTTP/1.1").unwrap_or(target);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_str(value.trim()).unwrap());
    }
    // The files end in newlines of their own.
    let body = if headers.contains_key("content-length") { body } else { "" };
    Some(OwnedRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body: body.as_bytes().to_vec(),
    })
}
