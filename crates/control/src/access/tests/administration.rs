//! Making, rotating and revoking keys, in the store and over HTTP.

use aws_api::cloudfront;

use super::*;
use crate::Source;

const LIST: AnyOperation = AnyOperation::CloudFront(cloudfront::OperationId::ListDistributions);

impl Installation {
    async fn lets_in(&self, credentials: &Credentials) -> bool {
        self.send(signed_for(LIST, credentials)).await.status == 200
    }

    async fn ask_keys(&self, method: &str, path: &str, body: &str, credentials: &Credentials) -> Answered {
        let request = keys_request(method, path, body);
        self.send(signed(request, credentials, "mantlet", SystemTime::now())).await
    }
}

fn keys_request(method: &str, path: &str, body: &str) -> Request<Bytes> {
    let request = Request::builder().method(method).uri(path).header(HOST, "127.0.0.1");
    request.body(Bytes::from(body.to_owned())).unwrap()
}

async fn check_code<T>(outcome: impl Future<Output = Result<T, aws_api::ApiError>>, expect: &str) {
    assert_eq!(outcome.await.err().map(|error| error.code), Some(expect));
}

#[tokio::test]
async fn a_new_key_lets_in_and_a_revoked_one_does_not_from_the_next_request_on() {
    let installation = Installation::new().await;
    let key = installation.create("ci", Role::Read).await;
    assert!(installation.lets_in(&key).await);
    installation.keys.revoke("ci").await.unwrap();
    assert!(!installation.lets_in(&key).await);
    assert!(installation.lets_in(&installation.default).await);
}

#[tokio::test]
async fn a_rotation_ends_the_old_secret_at_once_or_later() {
    let installation = Installation::new().await;
    let first = installation.create("ci", Role::Read).await;
    let second = installation.keys.rotate("ci", None).await.unwrap();
    assert_eq!(second.retired, std::slice::from_ref(&first.id));
    assert!(!installation.lets_in(&first).await);
    assert!(installation.lets_in(&(&second).into()).await);

    let third = installation.keys.rotate("ci", Some(Duration::from_hours(1))).await.unwrap();
    assert_eq!(third.still_valid[0].id, second.access_key_id);
    assert!(installation.lets_in(&(&second).into()).await, "kept for an hour");
    assert!(installation.lets_in(&(&third).into()).await);
    let soon = SystemTime::now() + minutes(59);
    assert!(installation.keys.find(&second.access_key_id, None, soon).is_ok());
    let later = SystemTime::now() + minutes(61);
    assert!(installation.keys.find(&second.access_key_id, None, later).is_err());
    assert!(installation.keys.find(&third.access_key_id, None, later).is_ok());
}

#[tokio::test]
async fn one_id_of_a_key_can_be_revoked() {
    let installation = Installation::new().await;
    let first = installation.create("ci", Role::Read).await;
    let second = installation.keys.rotate("ci", Some(Duration::from_hours(1))).await.unwrap();
    let left = installation.keys.revoke(&first.id).await.unwrap();
    assert_eq!((left.state, left.access_key_ids.len()), (KeyState::Active, 1));
    assert!(!installation.lets_in(&first).await);
    assert!(installation.lets_in(&(&second).into()).await);
    let left = installation.keys.revoke(&second.access_key_id).await.unwrap();
    assert_eq!(left.state, KeyState::Revoked);
}

#[tokio::test]
async fn the_last_admin_stays() {
    let installation = Installation::new().await;
    check_code(installation.keys.revoke("default"), "LastAdminKey").await;
    check_code(installation.keys.revoke(&installation.default.id), "LastAdminKey").await;
    installation.create("deployer", Role::Deploy).await;
    check_code(installation.keys.revoke("default"), "LastAdminKey").await;
    installation.create("boss", Role::Admin).await;
    installation.keys.revoke("default").await.unwrap();
    check_code(installation.keys.revoke("boss"), "LastAdminKey").await;
}

#[tokio::test]
async fn two_admins_do_not_revoke_each_other_at_once() {
    for _ in 0..20 {
        let installation = Installation::new().await;
        installation.create("boss", Role::Admin).await;
        let (one, other) =
            tokio::join!(installation.keys.revoke("default"), installation.keys.revoke("boss"));
        assert!(one.is_ok() != other.is_ok());
    }
}

#[tokio::test]
async fn what_cannot_be_done_says_so() {
    let installation = Installation::new().await;
    let create = |name: &str| KeyToCreate { name: name.to_owned(), role: Role::Read };
    check_code(installation.keys.create(&create("default")), "KeyAlreadyExists").await;
    check_code(installation.keys.create(&create("a b")), "ValidationException").await;
    check_code(installation.keys.create(&create("AKIAHOMEHOMEHOMEHOME")), "ValidationException").await;
    check_code(installation.keys.rotate("nobody", None), "NoSuchKey").await;
    check_code(installation.keys.revoke("nobody"), "NoSuchKey").await;
    let too_long = Some(Duration::from_hours(91 * 24));
    check_code(installation.keys.rotate("default", too_long), "ValidationException").await;
    for _ in 0..3 {
        installation.keys.rotate("default", Some(Duration::from_hours(1))).await.unwrap();
    }
    let once_more = Some(Duration::from_hours(1));
    check_code(installation.keys.rotate("default", once_more), "ValidationException").await;
    installation.keys.rotate("default", None).await.unwrap();
}

#[tokio::test]
async fn a_revoked_name_can_be_given_again() {
    let installation = Installation::new().await;
    let old = installation.create("ci", Role::Deploy).await;
    installation.keys.revoke("ci").await.unwrap();
    let new = installation.create("ci", Role::Read).await;
    assert!(installation.lets_in(&new).await);
    assert!(!installation.lets_in(&old).await);
}

#[tokio::test]
async fn keys_that_others_change_become_known() {
    let installation = Installation::new().await;
    let store = Arc::clone(&installation.keys.shared.store);
    let elsewhere = AccessKeys::open(store, Arc::new(TestSealing)).await.unwrap();
    let _following = installation.keys.follow();
    let new = elsewhere.create(&KeyToCreate { name: "ci".to_owned(), role: Role::Read }).await.unwrap();
    let is_known = async |credentials: &Credentials, expect: bool| {
        while installation.lets_in(credentials).await != expect {
            tokio::task::yield_now().await;
        }
    };
    let credentials = Credentials::from(&new);
    tokio::time::timeout(Duration::from_secs(10), is_known(&credentials, true)).await.unwrap();
    elsewhere.revoke("ci").await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), is_known(&credentials, false)).await.unwrap();
}

#[tokio::test]
async fn the_credentials_file_decides_and_brings_nothing_back() {
    let installation = Installation::new().await;
    let keys = &installation.keys;
    keys.admit_default(&installation.default.id, &installation.default.secret).await.unwrap();
    assert_eq!(keys.list().await.unwrap()[0].rotated, None, "nothing changed");

    let new = NewAccessKey::generate().unwrap();
    keys.admit_default(&new.id, &new.secret).await.unwrap();
    assert!(!installation.lets_in(&installation.default).await, "another file, another key");
    keys.admit_default(&installation.default.id, &installation.default.secret).await.unwrap();
    assert!(!installation.lets_in(&installation.default).await, "an old file brings nothing back");

    installation.create("boss", Role::Admin).await;
    keys.revoke("default").await.unwrap();
    keys.admit_default(&new.id, &new.secret).await.unwrap();
    let new = Credentials { id: new.id, secret: new.secret.to_string(), token: None };
    assert!(!installation.lets_in(&new).await);
}

#[tokio::test]
async fn a_store_that_is_opened_again_has_the_same_keys() {
    let installation = Installation::new().await;
    let key = installation.create("ci", Role::Read).await;
    let store = Arc::clone(&installation.keys.shared.store);
    let again = AccessKeys::open(store, Arc::new(TestSealing)).await.unwrap();
    let now = SystemTime::now();
    assert_eq!(
        again.find(&key.id, None, now).unwrap().1,
        installation.keys.find(&key.id, None, now).unwrap().1
    );
}

#[tokio::test]
async fn no_secret_is_in_the_store_or_in_a_description() {
    let installation = Installation::new().await;
    let key = installation.create("ci", Role::Read).await;
    let (_, records) = installation.keys.read_records().await.unwrap();
    for record in records {
        assert!(!String::from_utf8_lossy(&record.value).contains(&key.secret));
    }
    let listed = serde_json::to_string(&installation.keys.list().await.unwrap()).unwrap();
    assert!(!listed.contains(&key.secret) && listed.contains(&key.id));
    assert_eq!(format!("{:?}", installation.keys), "AccessKeys(2)");
}

#[tokio::test]
async fn keys_over_http_are_for_admins() {
    let installation = Installation::new().await;
    let created = installation
        .ask_keys("POST", KEYS_PATH, r#"{"name":"ci","role":"deploy"}"#, &installation.default)
        .await;
    assert_eq!(created.status, 200, "{created:?}");
    let ci: IssuedKey = serde_json::from_str(&created.body).unwrap();
    let listed = installation.ask_keys("GET", KEYS_PATH, "", &installation.default).await;
    let listed: Vec<KeyDescription> = serde_json::from_str(&listed.body).unwrap();
    assert_eq!(listed.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["ci", "default"]);

    let ci = Credentials::from(&ci);
    for (method, path, body) in [("GET", KEYS_PATH, ""), ("POST", REVOKE_PATH, r#"{"nameOrId":"default"}"#)] {
        let refused = installation.ask_keys(method, path, body, &ci).await;
        assert_eq!((refused.status, refused.code.as_str()), (403, "AccessDeniedException"), "{refused:?}");
    }
    let rotated = r#"{"name":"ci","keepOldSeconds":60}"#;
    assert_eq!(installation.ask_keys("POST", ROTATE_PATH, rotated, &installation.default).await.status, 200);
    let revoked =
        installation.ask_keys("POST", REVOKE_PATH, r#"{"nameOrId":"ci"}"#, &installation.default).await;
    assert_eq!(revoked.status, 200);
    let lines = installation.audit.lines();
    let told: Vec<_> = lines.iter().map(|line| (&line["operation"], &line["outcome"])).collect();
    assert_eq!(told.len(), 4, "{told:?}");
    assert_eq!(
        (lines[0]["operation"].as_str(), lines[0]["resource"].as_str()),
        (Some("mantlet:CreateKey"), Some("access/key/ci"))
    );
    assert_eq!(
        (lines[1]["key"].as_str(), lines[1]["outcome"].as_str()),
        (Some("ci"), Some("AccessDeniedException"))
    );
    assert!(lines[2]["before"].as_u64() < lines[2]["after"].as_u64());
}

#[tokio::test]
async fn keys_over_http_need_a_signature_for_them_and_exact_paths() {
    let installation = Installation::new().await;
    let body = r#"{"name":"ci","role":"admin"}"#;
    let before = installation.keys.shared.store.current_revision().await.unwrap();
    let unsigned = installation.send(keys_request("POST", KEYS_PATH, body)).await;
    assert_eq!(unsigned.code, "MissingAuthenticationTokenException");
    let for_cloudfront =
        signed(keys_request("POST", KEYS_PATH, body), &installation.default, "cloudfront", SystemTime::now());
    assert_eq!(installation.send(for_cloudfront).await.code, "InvalidSignatureException");
    for path in ["/mantlet/Keys", "/mantlet//keys", "/mantlet/keys/", "/mantlet%2fkeys", "/mantlet/keys?x"] {
        let answered = installation.ask_keys("POST", path, body, &installation.default).await;
        assert_eq!(answered.code, "UnknownOperationException", "{path}: {answered:?}");
    }
    for body in ["", "{}", r#"{"name":"ci","role":"root"}"#, r#"{"name":"ci","role":"read","x":1}"#] {
        let answered = installation.ask_keys("POST", KEYS_PATH, body, &installation.default).await;
        assert_eq!((answered.status, answered.code.as_str()), (400, "SerializationException"), "{body}");
    }
    assert_eq!(installation.keys.shared.store.current_revision().await.unwrap(), before);
}

#[tokio::test]
async fn the_owner_of_the_directory_needs_no_key_for_keys_and_one_for_everything_else() {
    let installation = Installation::new().await;
    let local = Transport { source: Source::LocalUser(1000), ..LOOPBACK };
    let listed = installation.send_from(keys_request("GET", KEYS_PATH, ""), local).await;
    assert_eq!(listed.status, 200);
    let refused = installation.send_from(request_for(LIST), local).await;
    assert_eq!(refused.code, "MissingAuthenticationToken");
    let body = r#"{"name":"rescue","role":"admin"}"#;
    installation.send_from(keys_request("POST", KEYS_PATH, body), local).await;
    assert_eq!(installation.audit.lines()[0]["source"], "local user 1000");
}

#[tokio::test]
async fn without_authentication_no_keys_are_made() {
    let test = TestControl::new().await;
    for source in [Source::LocalUser(0), LOOPBACK.source] {
        let request = keys_request("POST", KEYS_PATH, r#"{"name":"ci","role":"admin"}"#);
        let answer = test.control.answer(request, Transport { source, ..LOOPBACK }).await;
        assert_eq!(Answered::from(&answer).code, "AccessDeniedException");
    }
}
