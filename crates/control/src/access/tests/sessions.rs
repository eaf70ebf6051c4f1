//! Temporary credentials.

use aws_api::sts;

use super::*;

const IDENTITY: AnyOperation = AnyOperation::Sts(sts::OperationId::GetCallerIdentity);

impl Installation {
    async fn ask_sts(&self, form: &str, credentials: &Credentials) -> Answered {
        let request = Request::builder().method("POST").uri("/").header(HOST, "127.0.0.1");
        let request = request.body(Bytes::from(format!("Version=2011-06-15&{form}"))).unwrap();
        self.send(signed(request, credentials, "sts", SystemTime::now())).await
    }

    async fn session(&self, form: &str, credentials: &Credentials) -> Credentials {
        let answered = self.ask_sts(form, credentials).await;
        let text = |name: &str| {
            let found = text_between(&answered.body, &format!("<{name}>"), &format!("</{name}>"));
            found.unwrap_or_else(|| panic!("{answered:?}"))
        };
        Credentials {
            id: text("AccessKeyId"),
            secret: text("SecretAccessKey"),
            token: Some(text("SessionToken")),
        }
    }

    async fn arn(&self, credentials: &Credentials) -> String {
        let answered = self.send(signed_for(IDENTITY, credentials)).await;
        text_between(&answered.body, "<Arn>", "</Arn>").unwrap_or(answered.code)
    }

    async fn check_refused(&self, form: &str, credentials: &Credentials, expect: &str) {
        assert_eq!(self.ask_sts(form, credentials).await.code, expect, "{form}");
    }
}

pub(super) async fn session_of(installation: &Installation, credentials: &Credentials) -> Credentials {
    installation.session("Action=GetSessionToken", credentials).await
}

/// Credentials that ended a minute ago.
pub(super) fn expired_session(installation: &Installation) -> Credentials {
    let past = SystemTime::now() - minutes(16);
    let (_, principal) = installation.keys.find(&installation.default.id, None, past).unwrap();
    let session = installation.keys.new_session(&principal, Role::Admin, None, minutes(15), past).unwrap();
    Credentials { id: session.key.id, secret: session.key.secret.to_string(), token: Some(session.token) }
}

fn assume(role: &str) -> String {
    format!(
        "Action=AssumeRole&RoleSessionName=build-7&RoleArn=arn%3Aaws%3Aiam%3A%3A000000000000%3Arole%2F{role}"
    )
}

#[tokio::test]
async fn everyone_is_told_who_they_are() {
    let installation = Installation::new().await;
    let ci = installation.create("ci", Role::Deploy).await;
    assert_eq!(installation.arn(&installation.default).await, "arn:aws:iam::000000000000:user/default");
    assert_eq!(installation.arn(&ci).await, "arn:aws:iam::000000000000:user/ci");
    let session = session_of(&installation, &ci).await;
    assert!(session.id.starts_with("ASIA"));
    assert_eq!(installation.arn(&session).await, "arn:aws:iam::000000000000:user/ci");
    let assumed = installation.session(&assume("read"), &ci).await;
    let expect = "arn:aws:sts::000000000000:assumed-role/read/build-7";
    assert_eq!(installation.arn(&assumed).await, expect);
}

#[tokio::test]
async fn roles_are_assumed_downwards_only() {
    let installation = Installation::new().await;
    let ci = installation.create("ci", Role::Deploy).await;
    let assumed = installation.session(&assume("read"), &ci).await;
    for (credentials, allowed) in [(&ci, ["read", "deploy"].as_slice()), (&assumed, &["read"])] {
        for role in ["read", "deploy", "admin", "root", "Read"] {
            let code = installation.ask_sts(&assume(role), credentials).await.code;
            assert_eq!(code, if allowed.contains(&role) { "" } else { "AccessDenied" }, "{role}");
        }
    }
    let other_account = assume("read").replace("000000000000", "000000000001");
    installation.check_refused(&other_account, &ci, "AccessDenied").await;
}

#[tokio::test]
async fn a_session_may_no_more_than_its_role() {
    let installation = Installation::new().await;
    let assumed = installation.session(&assume("read"), &installation.default).await;
    for operation in AnyOperation::all() {
        let answered = installation.send(signed_for(operation, &assumed)).await;
        let is_denied = answered.body.contains("needs the role");
        assert_eq!(is_denied, needed_role(operation) > Role::Read, "{operation:?}: {answered:?}");
    }
}

#[tokio::test]
async fn a_token_counts_with_its_own_credentials_alone() {
    let installation = Installation::new().await;
    let one = session_of(&installation, &installation.default).await;
    let other = session_of(&installation, &installation.default).await;
    let invalid = "InvalidClientTokenId";
    let without = Credentials { token: None, ..one.clone() };
    assert_eq!(installation.arn(&without).await, invalid);
    let swapped = Credentials { token: other.token.clone(), ..one.clone() };
    assert_eq!(installation.arn(&swapped).await, invalid);
    let superfluous = Credentials { token: one.token.clone(), ..installation.default.clone() };
    assert_eq!(installation.arn(&superfluous).await, invalid);
    let wrong = Credentials { secret: other.secret, ..one.clone() };
    assert_eq!(installation.arn(&wrong).await, "SignatureDoesNotMatch");
    let garbage = Credentials { token: Some("AQ==".to_owned()), ..one };
    assert_eq!(installation.arn(&garbage).await, invalid);
}

#[tokio::test]
async fn a_session_ends_with_the_key_that_it_was_made_with() {
    let installation = Installation::new().await;
    let ci = installation.create("ci", Role::Deploy).await;
    let session = session_of(&installation, &ci).await;
    let chained = installation.session(&assume("read"), &session).await;
    installation.keys.rotate("ci", Some(Duration::from_hours(1))).await.unwrap();
    assert!(installation.arn(&session).await.ends_with("user/ci"), "the old id still signs");
    installation.keys.revoke(&ci.id).await.unwrap();
    assert_eq!(installation.arn(&session).await, "InvalidClientTokenId");
    assert_eq!(installation.arn(&chained).await, "InvalidClientTokenId");
}

#[tokio::test]
async fn a_chained_session_does_not_outlive_the_first() {
    let installation = Installation::new().await;
    let first =
        installation.session("Action=GetSessionToken&DurationSeconds=900", &installation.default).await;
    let second = installation.session(&format!("{}&DurationSeconds=43200", assume("read")), &first).await;
    let later = SystemTime::now() + minutes(16);
    let keys = &installation.keys;
    assert!(keys.find(&second.id, second.token.as_deref(), SystemTime::now()).is_ok());
    assert!(keys.find(&second.id, second.token.as_deref(), later).is_err());
    installation.check_refused("Action=GetSessionToken", &first, "AccessDenied").await;
}

#[tokio::test]
async fn lives_and_names_have_bounds() {
    let installation = Installation::new().await;
    let key = &installation.default;
    for seconds in ["900", "129600"] {
        session_of(&installation, key).await;
        installation.session(&format!("Action=GetSessionToken&DurationSeconds={seconds}"), key).await;
    }
    for seconds in ["899", "129601", "-1", "soon", "99999999999"] {
        let form = format!("Action=GetSessionToken&DurationSeconds={seconds}");
        installation.check_refused(&form, key, "ValidationError").await;
    }
    let long = format!("{}&DurationSeconds=43201", assume("read"));
    installation.check_refused(&long, key, "ValidationError").await;
    for name in ["a", "a%20b", "a%2Fb", &"a".repeat(65)] {
        let form = assume("read").replace("build-7", name);
        installation.check_refused(&form, key, "ValidationError").await;
    }
    installation.check_refused("Action=GetSessionToken&SerialNumber=1", key, "ValidationError").await;
    installation.check_refused(&format!("{}&Policy=%7B%7D", assume("read")), key, "ValidationError").await;
}

#[tokio::test]
async fn temporary_credentials_look_at_keys_and_change_none() {
    let installation = Installation::new().await;
    let session = session_of(&installation, &installation.default).await;
    let ask = async |method: &str, path: &str, body: &'static str| {
        let request = Request::builder().method(method).uri(path).header(HOST, "127.0.0.1");
        let request = request.body(Bytes::from_static(body.as_bytes())).unwrap();
        installation.send(signed(request, &session, "mantlet", SystemTime::now())).await
    };
    assert_eq!(ask("GET", KEYS_PATH, "").await.status, 200);
    let refused = ask("POST", KEYS_PATH, r#"{"name":"forever","role":"admin"}"#).await;
    assert_eq!(refused.code, "AccessDeniedException");
}

#[tokio::test]
async fn handing_out_credentials_is_audited() {
    let installation = Installation::new().await;
    let assumed = installation.session(&assume("deploy"), &installation.default).await;
    let delete = AnyOperation::CloudFront(aws_api::cloudfront::OperationId::DeleteDistribution);
    installation.send(signed_for(delete, &assumed)).await;
    let lines = installation.audit.lines();
    assert_eq!((&lines[0]["operation"], &lines[0]["outcome"]), (&"sts:AssumeRole".into(), &"OK".into()));
    let line = &lines[1];
    assert_eq!(
        (&line["key"], &line["role"], &line["session"]),
        (&"default".into(), &"deploy".into(), &"build-7".into())
    );
    let whole = serde_json::to_string(&lines).unwrap();
    assert!(!whole.contains(&assumed.secret) && !whole.contains(assumed.token.as_deref().unwrap()));
}
