use std::time::{Duration, SystemTime};

use aws_api::sigv4::{Secret, SigningCredentials, sign};
use http::header::HOST;
use hyper::client::conn::http1::handshake;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::*;
use crate::test_support::{LOOPBACK, TestControl};
use crate::{AccessKeys, Authentication};

const LIST: &str = "/2020-05-31/distribution";

/// The API behind a socket.
struct TestServer {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
    /// Its feed must go on.
    _test: TestControl,
}

fn access_keys() -> Authentication {
    Authentication::SignatureV4(AccessKeys::new([("AKID".to_owned(), Secret::new("secret"))]))
}

impl TestServer {
    async fn start() -> Self {
        Self::start_with(None).await
    }

    async fn start_with(tls: Option<Arc<ServerConfig>>) -> Self {
        let test = TestControl::with(|settings| settings.authentication = access_keys()).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let metrics: RenderMetrics = Arc::new(|| "mantlet_up 1\n".to_owned());
        let shutdown = async { drop(stopped.await) };
        let ended = tokio::spawn(serve(listener, tls, test.control.clone(), metrics, shutdown));
        Self { address, stop, ended, _test: test }
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Response<Bytes> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    }

    async fn get(&self, target: &str) -> Response<Bytes> {
        self.send(request("GET", target, "")).await
    }
}

fn request(method: &str, target: &str, body: &'static str) -> Request<Full<Bytes>> {
    request_of(method, target, body).map(|body| Full::new(Bytes::from_static(body.as_bytes())))
}

fn request_of(method: &str, target: &str, body: &'static str) -> Request<&'static str> {
    Request::builder().method(method).uri(target).header(HOST, "127.0.0.1").body(body).unwrap()
}

/// Adds the headers of a signature with the key `AKID`.
fn signed<B>(request: Request<B>, payload: &[u8], secret: &str, service: &str) -> Request<B> {
    let (mut head, body) = request.into_parts();
    let secret = Secret::new(secret);
    let credentials = SigningCredentials { access_key_id: "AKID", secret: &secret, session_token: None };
    let lent = aws_api::Request::new(&head, payload);
    let headers = sign(&lent, credentials, "eu-west-1", service, SystemTime::now()).unwrap();
    head.headers.extend(headers);
    Request::from_parts(head, body)
}

fn text_of(answer: &Response<Bytes>) -> &str {
    str::from_utf8(answer.body()).unwrap()
}

fn check_error(answer: &Response<Bytes>, status: u16, code: &str) {
    let text = text_of(answer);
    assert_eq!(answer.status().as_u16(), status, "{text}");
    assert!(text.contains(&format!("<Code>{code}</Code>")), "{text}");
    assert!(text.starts_with("<?xml") || text.starts_with("<ErrorResponse"), "{text}");
    let request_id = answer.headers()["x-amzn-requestid"].to_str().unwrap();
    assert!(text.contains(&format!("<RequestId>{request_id}</RequestId>")), "{text}");
}

#[tokio::test]
async fn health_and_metrics_need_no_signature() {
    let server = TestServer::start().await;
    assert_eq!(text_of(&server.get("/healthz").await), "ok\n");
    assert_eq!(text_of(&server.get("/metrics").await), "mantlet_up 1\n");
    let posted = server.send(request("POST", "/healthz", "")).await;
    check_error(&posted, 403, "MissingAuthenticationToken");
}

#[tokio::test]
async fn everything_else_does() {
    let server = TestServer::start().await;
    check_error(&server.get(LIST).await, 403, "MissingAuthenticationToken");
    check_error(&server.get("/no/such/path").await, 403, "MissingAuthenticationToken");
    let wrong = signed(request("GET", LIST, ""), b"", "wrong", "cloudfront");
    check_error(&server.send(wrong).await, 403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn a_signed_request_is_answered() {
    let server = TestServer::start().await;
    let answer = server.send(signed(request("GET", LIST, ""), b"", "secret", "cloudfront")).await;
    assert_eq!(answer.status(), 200, "{}", text_of(&answer));
    assert!(text_of(&answer).contains("<DistributionList"));
    assert!(answer.headers().contains_key("x-amzn-requestid"));
}

#[tokio::test]
async fn a_signature_for_one_service_opens_no_other() {
    let server = TestServer::start().await;
    let answer = server.send(signed(request("GET", LIST, ""), b"", "secret", "wafv2")).await;
    check_error(&answer, 403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn what_matches_no_operation_is_not_found() {
    let server = TestServer::start().await;
    for target in ["/2020-05-31/nothing", "/2020-05-31//distribution", "/2020-05-31/DISTRIBUTION", "/x"] {
        let answer = server.send(signed(request("GET", target, ""), b"", "secret", "cloudfront")).await;
        check_error(&answer, 404, "UnknownOperationException");
    }
}

#[tokio::test]
async fn a_body_may_go_unsigned_only_where_nobody_can_change_it() {
    let test = TestControl::with(|settings| settings.authentication = access_keys()).await;
    let check = async |is_tls, is_loopback, expect| {
        let mut request = request_of("GET", LIST, "");
        request.headers_mut().insert("x-amz-content-sha256", HeaderValue::from_static("UNSIGNED-PAYLOAD"));
        let request = signed(request, b"", "secret", "cloudfront").map(|_| Bytes::new());
        let answer = test.control.answer(request, Transport { is_tls, is_loopback, ..LOOPBACK }).await;
        assert_eq!(answer.status().as_u16(), expect, "{}", text_of(&answer));
    };
    check(false, false, 403).await;
    check(true, false, 200).await;
    check(false, true, 200).await;
}

#[tokio::test]
async fn a_large_body_is_refused_and_the_connection_closed() {
    let server = TestServer::start().await;
    let body = Full::new(Bytes::from(vec![b'a'; REQUEST_BODY_BYTES_MAX + 1]));
    let request = Request::post(LIST).header(HOST, "127.0.0.1").body(body).unwrap();
    let answer = server.send(request).await;
    check_error(&answer, 413, "RequestTooLarge");
    assert_eq!(answer.headers()[CONNECTION], "close");
}

#[tokio::test]
async fn open_connections_end_when_the_server_stops() {
    let server = TestServer::start().await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    let client = tokio::spawn(connection);
    let answer = sender.send_request(request("GET", "/healthz", "")).await.unwrap();
    assert_eq!(answer.status(), 200);
    drop(answer);
    server.stop.send(()).unwrap();
    timeout(Duration::from_secs(5), server.ended).await.unwrap().unwrap();
    timeout(Duration::from_secs(5), client).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn with_a_certificate_every_connection_speaks_tls() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let certificate = made.cert.der().clone();
    let tls = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.clone()], key);
    let server = TestServer::start_with(Some(Arc::new(tls.unwrap()))).await;

    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(server.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await.unwrap();
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    assert_eq!(sender.send_request(request("GET", "/healthz", "")).await.unwrap().status(), 200);

    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    assert!(sender.send_request(request("GET", "/healthz", "")).await.is_err(), "plain HTTP is not answered");
}

#[tokio::test]
async fn bodies_that_do_not_fit_into_the_budget_wait() {
    let budget = Arc::new(Semaphore::new(1));
    let _taken = Arc::clone(&budget).acquire_owned().await.unwrap();
    assert!(timeout(Duration::ZERO, reserve(&budget, Some(1))).await.is_err());
    assert!(reserve(&budget, Some(0)).await.is_ok(), "an empty body needs nothing");
}

#[tokio::test]
async fn an_operation_that_is_not_implemented_says_so_in_its_protocol() {
    let test = TestControl::new().await;
    let answer = test.answer(request_of("GET", "/2020-05-31/vpc-origin", "")).await;
    check_error(&answer, 501, "NotImplemented");
    assert!(text_of(&answer).contains("ListVpcOrigins"));

    let mut request = request_of("POST", "/", "{}");
    request.headers_mut().insert("x-amz-target", HeaderValue::from_static("AWSWAF_20190729.ListWebACLs"));
    let answer = test.answer(request).await;
    assert_eq!(answer.status(), 501);
    assert!(text_of(&answer).contains("ListWebACLs") && text_of(&answer).contains("__type"));
}

#[tokio::test]
async fn the_caller_learns_whose_key_it_holds() {
    let test = TestControl::new().await;
    let answer = test.answer(request_of("POST", "/", "Action=GetCallerIdentity&Version=2011-06-15")).await;
    assert_eq!(answer.status(), 200);
    assert!(text_of(&answer).contains("<Account>000000000000</Account>"), "{}", text_of(&answer));
}

#[tokio::test]
async fn a_distribution_is_created_from_xml_without_a_content_type() {
    let test = TestControl::new().await;
    let body = r#"<DistributionConfig xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/">
        <CallerReference>a</CallerReference>
        <Origins><Quantity>1</Quantity><Items><Origin>
            <Id>api</Id><DomainName>127.0.0.1</DomainName>
            <CustomOriginConfig><HTTPPort>3500</HTTPPort><HTTPSPort>443</HTTPSPort>
                <OriginProtocolPolicy>http-only</OriginProtocolPolicy></CustomOriginConfig>
        </Origin></Items></Origins>
        <DefaultCacheBehavior>
            <TargetOriginId>api</TargetOriginId>
            <ViewerProtocolPolicy>allow-all</ViewerProtocolPolicy>
            <CachePolicyId>4135ea2d-6df8-44a3-9df3-4b5a84be39ad</CachePolicyId>
        </DefaultCacheBehavior>
        <Comment/>
        <Enabled>true</Enabled>
    </DistributionConfig>"#;
    let answer = test.answer(request_of("POST", LIST, body)).await;
    assert_eq!(answer.status(), 201, "{}", text_of(&answer));
    let location = answer.headers()["location"].to_str().unwrap();
    assert!(location.starts_with("http://127.0.0.1/2020-05-31/distribution/E"), "{location}");
    assert!(answer.headers().contains_key("etag"));
    for default in [
        "<ConnectionAttempts>3</ConnectionAttempts>",
        "<OriginReadTimeout>30</OriginReadTimeout>",
        "<PriceClass>PriceClass_All</PriceClass>",
        "<HttpVersion>http2</HttpVersion>",
        "<MinimumProtocolVersion>TLSv1</MinimumProtocolVersion>",
        "<CacheBehaviors><Quantity>0</Quantity></CacheBehaviors>",
        "<Method>HEAD</Method><Method>GET</Method>",
    ] {
        assert!(text_of(&answer).contains(default), "{default} in {}", text_of(&answer));
    }
}

#[tokio::test]
async fn what_is_no_document_is_malformed() {
    let test = TestControl::new().await;
    for body in [
        "<DistributionConfig",
        "{}",
        "<Other/>",
        "<DistributionConfig><Enabled>maybe</Enabled></DistributionConfig>",
    ] {
        check_error(&test.answer(request_of("POST", LIST, body)).await, 400, "MalformedInput");
    }
    check_error(&test.answer(request_of("POST", LIST, "")).await, 400, "MissingBody");
}
