//! Every operation of every service, asked in every way that must be refused, and by every role.

use aws_api::{cloudfront, sts};

use super::*;

/// Asks for every operation in one way, and checks that the answer is one of these refusals and that nothing changed.
async fn check_refused(
    installation: &Installation,
    ask: impl Fn(AnyOperation) -> Option<Request<Bytes>>,
    expect: &[&str],
) {
    let before = installation.test.store.current_revision().await.unwrap();
    let mut asked = 0;
    for operation in AnyOperation::all() {
        let Some(request) = ask(operation) else { continue };
        let told = format!("{} {}", request.method(), request.uri());
        let answered = installation.send(request).await;
        assert!((400..500).contains(&answered.status), "{operation:?}, {told}: {answered:?}");
        assert!(expect.contains(&answered.code.as_str()), "{operation:?}, {told}: {answered:?}");
        asked += 1;
    }
    assert!(asked > 0);
    assert_eq!(installation.test.store.current_revision().await.unwrap(), before);
}

const NOT_SIGNED: &[&str] = &["MissingAuthenticationToken", "MissingAuthenticationTokenException"];
const WRONGLY_SIGNED: &[&str] = &["SignatureDoesNotMatch", "InvalidSignatureException"];
const NO_SUCH_KEY: &[&str] = &["InvalidClientTokenId", "UnrecognizedClientException"];
const DENIED: &[&str] = &["AccessDenied", "AccessDeniedException"];
const EXPIRED_TOKEN: &[&str] = &["ExpiredToken", "ExpiredTokenException"];
const NO_OPERATION: &[&str] = &["UnknownOperationException", "InvalidAction"];

/// The other checks would mean nothing if these requests were refused anyway.
#[tokio::test]
async fn every_operation_lets_an_admin_in() {
    let installation = Installation::new().await;
    for operation in AnyOperation::all() {
        let answered = installation.send(signed_for(operation, &installation.default)).await;
        let refusals =
            [NOT_SIGNED, WRONGLY_SIGNED, NO_SUCH_KEY, DENIED, EXPIRED_TOKEN, NO_OPERATION].concat();
        assert!(!refusals.contains(&answered.code.as_str()), "{operation:?}: {answered:?}");
    }
}

#[tokio::test]
async fn no_operation_without_a_signature() {
    let installation = Installation::new().await;
    check_refused(&installation, |operation| Some(request_for(operation)), NOT_SIGNED).await;
}

#[tokio::test]
async fn no_operation_with_a_wrong_secret() {
    let installation = Installation::new().await;
    let wrong = Credentials { secret: "x".repeat(40), ..installation.default.clone() };
    check_refused(&installation, |operation| Some(signed_for(operation, &wrong)), WRONGLY_SIGNED).await;
}

#[tokio::test]
async fn no_operation_with_an_expired_or_a_future_signature() {
    let installation = Installation::new().await;
    for time in [SystemTime::now() - minutes(16), SystemTime::now() + minutes(16)] {
        let ask = |operation: AnyOperation| {
            let service = operation.schema().service.signing_name;
            Some(signed(request_for(operation), &installation.default, service, time))
        };
        check_refused(&installation, ask, WRONGLY_SIGNED).await;
    }
}

#[tokio::test]
async fn no_operation_with_another_accounts_key() {
    let (installation, other) = (Installation::new().await, Installation::new().await);
    check_refused(&installation, |operation| Some(signed_for(operation, &other.default)), NO_SUCH_KEY).await;
}

#[tokio::test]
async fn no_operation_with_another_accounts_session() {
    let (installation, other) = (Installation::new().await, Installation::new().await);
    let session = sessions::session_of(&other, &other.default).await;
    check_refused(&installation, |operation| Some(signed_for(operation, &session)), NO_SUCH_KEY).await;
}

#[tokio::test]
async fn no_operation_with_a_revoked_key() {
    let installation = Installation::new().await;
    let revoked = installation.create("leaver", Role::Admin).await;
    installation.keys.revoke("leaver").await.unwrap();
    check_refused(&installation, |operation| Some(signed_for(operation, &revoked)), NO_SUCH_KEY).await;
}

#[tokio::test]
async fn no_operation_with_an_expired_session() {
    let installation = Installation::new().await;
    let session = sessions::expired_session(&installation);
    check_refused(&installation, |operation| Some(signed_for(operation, &session)), EXPIRED_TOKEN).await;
}

#[tokio::test]
async fn no_operation_with_a_signature_for_another_service() {
    let installation = Installation::new().await;
    for service in ["cloudfront", "wafv2", "acm", "sts", "mantlet", "s3"] {
        let ask = |operation: AnyOperation| {
            let is_other = operation.schema().service.signing_name != service;
            is_other
                .then(|| signed(request_for(operation), &installation.default, service, SystemTime::now()))
        };
        check_refused(&installation, ask, WRONGLY_SIGNED).await;
    }
}

#[tokio::test]
async fn no_operation_with_a_path_or_a_name_in_another_case() {
    let installation = Installation::new().await;
    let ask = |operation| {
        let mut request = request_for(operation);
        match operation.schema().service.protocol {
            Protocol::RestXml => {
                let (path, query) = parts(&request);
                let literal = path.find(|letter: char| letter.is_ascii_lowercase())?;
                let letter = path[literal..].chars().next()?.to_ascii_uppercase();
                set_target(
                    &mut request,
                    &format!("{}{letter}{}{query}", &path[..literal], &path[literal + 1..]),
                );
            }
            Protocol::Json => {
                let target = request.headers()["x-amz-target"].to_str().unwrap().to_lowercase();
                request.headers_mut().insert("x-amz-target", target.parse().unwrap());
            }
            Protocol::Query => {
                *request.body_mut() = str::from_utf8(request.body())
                    .unwrap()
                    .replacen("=A", "=a", 1)
                    .replacen("=G", "=g", 1)
                    .into();
            }
        }
        Some(sign_for(&installation, operation, request))
    };
    check_refused(&installation, ask, NO_OPERATION).await;
}

#[tokio::test]
async fn no_operation_with_a_doubled_slash() {
    let installation = Installation::new().await;
    for index in 0..4 {
        let ask = |operation| with_separator(&installation, operation, index, "//");
        check_refused(&installation, ask, NO_OPERATION).await;
    }
}

/// An encoded slash separates nothing: what is left is another path, or one label that names no resource.
#[tokio::test]
async fn no_operation_with_an_encoded_slash() {
    let installation = Installation::new().await;
    for (index, encoded) in [(0, "/%2f"), (0, "/%2F"), (1, "%2f"), (1, "%2F")] {
        let ask = |operation| with_separator(&installation, operation, index, encoded);
        check_refused(&installation, ask, NO_OPERATION).await;
    }
    let before = installation.test.store.current_revision().await.unwrap();
    for operation in AnyOperation::all() {
        for index in 2..5 {
            let Some(request) = with_separator(&installation, operation, index, "%2f") else { continue };
            let told = request.uri().to_string();
            let answered = installation.send(request).await;
            assert!(answered.status >= 400, "{operation:?}, {told}: {answered:?}");
        }
    }
    assert_eq!(installation.test.store.current_revision().await.unwrap(), before);
}

#[tokio::test]
async fn path_tricks_are_refused_to_strangers_before_anything_is_looked_up() {
    let installation = Installation::new().await;
    for path in
        ["//2020-05-31/distribution", "/2020-05-31%2fdistribution", "/2020-05-31/Distribution", "/../x"]
    {
        let request = Request::builder().uri(path).header(HOST, "127.0.0.1").body(Bytes::new()).unwrap();
        let answered = installation.send(request).await;
        assert_eq!((answered.status, answered.code.as_str()), (403, "MissingAuthenticationToken"), "{path}");
    }
}

#[tokio::test]
async fn every_role_may_what_the_table_says() {
    let installation = Installation::new().await;
    for role in Role::ALL {
        let key = installation.create(role.as_str(), role).await;
        for operation in AnyOperation::all() {
            let answered = installation.send(signed_for(operation, &key)).await;
            let is_denied =
                DENIED.contains(&answered.code.as_str()) && answered.body.contains("needs the role");
            assert_eq!(is_denied, role < needed_role(operation), "{role}, {operation:?}: {answered:?}");
        }
    }
}

#[tokio::test]
async fn a_refusal_says_what_is_needed() {
    let installation = Installation::new().await;
    let key = installation.create("watcher", Role::Read).await;
    let operation = AnyOperation::CloudFront(cloudfront::OperationId::DeleteDistribution);
    let answered = installation.send(signed_for(operation, &key)).await;
    assert_eq!((answered.status, answered.code.as_str()), (403, "AccessDenied"));
    let message = "DeleteDistribution needs the role deploy, and the key watcher has the role read here.";
    assert!(answered.body.contains(message), "{answered:?}");
}

#[tokio::test]
async fn attempts_are_audited_with_what_they_claim() {
    let installation = Installation::new().await;
    let wrong = Credentials { secret: "x".repeat(40), ..installation.default.clone() };
    let delete = AnyOperation::CloudFront(cloudfront::OperationId::DeleteDistribution);
    let identity = AnyOperation::Sts(sts::OperationId::GetCallerIdentity);
    installation.send(signed_for(delete, &wrong)).await;
    installation.send(signed_for(identity, &wrong)).await;
    installation.send(signed_for(identity, &installation.default)).await;
    let lines = installation.audit.lines();
    assert_eq!(lines.len(), 1, "only what would change something: {lines:?}");
    assert_eq!(lines[0]["outcome"], "SignatureDoesNotMatch");
    assert_eq!(lines[0]["claimedAccessKeyId"], wrong.id.as_str());
    assert_eq!(lines[0]["accessKeyId"], serde_json::Value::Null);
    assert_eq!(lines[0]["resource"], "E1");
    assert_eq!(lines[0]["source"], "127.0.0.1");
}

/// The request with its separator at `index` written otherwise; `None` if the path has none there.
fn with_separator(
    installation: &Installation,
    operation: AnyOperation,
    index: usize,
    separator: &str,
) -> Option<Request<Bytes>> {
    let mut request = request_for(operation);
    let (path, query) = parts(&request);
    let (position, _) = path.match_indices('/').nth(index)?;
    set_target(&mut request, &format!("{}{separator}{}{query}", &path[..position], &path[position + 1..]));
    Some(sign_for(installation, operation, request))
}

fn sign_for(installation: &Installation, operation: AnyOperation, request: Request<Bytes>) -> Request<Bytes> {
    let service = operation.schema().service.signing_name;
    signed(request, &installation.default, service, SystemTime::now())
}

fn parts(request: &Request<Bytes>) -> (String, String) {
    let query = request.uri().query().map_or(String::new(), |query| format!("?{query}"));
    (request.uri().path().to_owned(), query)
}

fn set_target(request: &mut Request<Bytes>, target: &str) {
    *request.uri_mut() = target.parse().unwrap();
}
