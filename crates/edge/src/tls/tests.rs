//! Real handshakes with rustls as the viewer.

use std::net::SocketAddr;

use edge_config::{
    AliasName, Bundle, CacheBehavior, CachePolicy, CachePolicySource, Certificate, Change, Distribution,
    HostName, MethodSet, Origin, OriginAddress, OriginProtocolPolicy, ResourceId, ResourceKind, Revision,
    SealedPrivateKey, ViewerProtocolPolicy, link,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::client::Resumption;
use rustls::{AlertDescription, ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;

use super::*;

const SUFFIX: &str = "mantlet.localhost";

/// A CA, and a wildcard certificate for the suffix that it issued.
struct Certificates {
    roots: RootCertStore,
    certificate_pem: String,
    key_pem: String,
}

impl Certificates {
    fn new(key: &KeyPair) -> Self {
        Self::for_names(key, &[&format!("*.{SUFFIX}"), SUFFIX])
    }

    fn for_names(key: &KeyPair, names: &[&str]) -> Self {
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_key = KeyPair::generate().unwrap();
        let ca_certificate = ca.self_signed(&ca_key).unwrap();
        let leaf =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        let certificate = leaf.signed_by(key, &Issuer::new(ca, ca_key)).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(ca_certificate.der().clone()).unwrap();
        Self { roots, certificate_pem: certificate.pem(), key_pem: key.serialize_pem() }
    }

    fn viewer_tls(&self) -> ViewerTls {
        ViewerTls::new(certified_key(self.certificate_pem.as_bytes(), self.key_pem.as_bytes()).unwrap())
            .unwrap()
    }

    fn viewer(&self, versions: &[&'static SupportedProtocolVersion], alpn: &[&str]) -> ClientConfig {
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        config
    }
}

fn certificates() -> Certificates {
    Certificates::new(&KeyPair::generate().unwrap())
}

fn change(id: &str, minimum_protocol_version: MinimumProtocolVersion, http2: bool, enabled: bool) -> Change {
    let distribution = Distribution {
        domain_name: HostName::parse(&format!("{id}.{SUFFIX}")).unwrap(),
        aliases: Vec::new(),
        enabled,
        http2,
        minimum_protocol_version,
        certificate: None,
        origins: vec![Origin {
            id: "api".into(),
            address: OriginAddress::Name(HostName::parse("localhost").unwrap()),
            http_port: 3500,
            https_port: 443,
            protocol_policy: OriginProtocolPolicy::HttpOnly,
            path: String::new(),
            custom_headers: Vec::new(),
            connection_attempts: 3,
            connection_timeout_seconds: 10,
            read_timeout_seconds: 30,
            keepalive_timeout_seconds: 5,
            response_completion_timeout_seconds: None,
        }],
        cache_behaviors: vec![CacheBehavior {
            path_pattern: None,
            target_origin_id: "api".into(),
            viewer_protocol_policy: ViewerProtocolPolicy::AllowAll,
            allowed_methods: MethodSet::ALL,
            cache_policy: CachePolicySource::Inline(CachePolicy::default()),
            origin_request_policy: None,
        }],
    };
    Change {
        resource: ResourceId::new(ResourceKind::Distribution, id),
        revision: Revision(1),
        bundle: Some(Arc::new(Bundle::Distribution(distribution))),
    }
}

/// `modern` wants TLS 1.3 and has HTTP/2, `plain` has TLS 1.2 and no HTTP/2, `both` has everything.
fn snapshot() -> Snapshot {
    use MinimumProtocolVersion::{Tls12, Tls13};
    let changes = [
        change("modern", Tls13, true, true),
        change("plain", Tls12, false, true),
        change("both", Tls12, true, true),
        change("disabled", Tls13, false, false),
    ];
    let linked = link(&Snapshot::default(), Revision(1), &changes);
    assert_eq!(linked.rejected, []);
    linked.snapshot
}

/// What both ends made of one connection; the viewer waits for a byte, so that it has its tickets.
async fn handshake(
    tls: &ViewerTls,
    viewer: &ClientConfig,
    host: &str,
) -> (Result<TlsFacts, TlsError>, io::Result<()>) {
    handshake_with(tls, &prepared(tls, snapshot(), &Arc::default()), viewer, host).await
}

fn prepared(tls: &ViewerTls, snapshot: Snapshot, previous: &Arc<OpenedCertificates>) -> Prepared {
    let certificates = tls.open_certificates(previous, &snapshot);
    Prepared { snapshot: Arc::new(snapshot), certificates }
}

async fn handshake_with(
    tls: &ViewerTls,
    prepared: &Prepared,
    viewer: &ClientConfig,
    host: &str,
) -> (Result<TlsFacts, TlsError>, io::Result<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let edge = async {
        let (stream, _) = listener.accept().await.unwrap();
        let (mut stream, facts) = tls.accept(stream, prepared).await?;
        stream.write_all(b"x").await.map_err(TlsError::Broken)?;
        let _ = stream.shutdown().await;
        Ok(facts)
    };
    tokio::join!(edge, connect(viewer, host, address))
}

async fn connect(viewer: &ClientConfig, host: &str, address: SocketAddr) -> io::Result<()> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let mut stream = TlsConnector::from(Arc::new(viewer.clone())).connect(name, stream).await?;
    stream.read_u8().await.map(drop)
}

/// The facts of a handshake that both ends are content with.
async fn agreed(tls: &ViewerTls, viewer: &ClientConfig, host: &str) -> TlsFacts {
    let (facts, viewer) = handshake(tls, viewer, host).await;
    viewer.unwrap();
    facts.unwrap()
}

/// The alert that a refused viewer gets.
async fn refused(tls: &ViewerTls, viewer: &ClientConfig, host: &str) -> AlertDescription {
    let (facts, viewer) = handshake(tls, viewer, host).await;
    assert!(matches!(facts, Err(TlsError::Refused(_))), "{facts:?}");
    match viewer.unwrap_err().downcast::<rustls::Error>() {
        Ok(rustls::Error::AlertReceived(alert)) => alert,
        other => panic!("no alert, but {other:?}"),
    }
}

#[tokio::test]
async fn a_modern_viewer_gets_tls_1_3_and_http_2() {
    let certificates = certificates();
    let facts = agreed(
        &certificates.viewer_tls(),
        &certificates.viewer(&[&TLS13, &TLS12], &["h2", "http/1.1"]),
        "both.mantlet.localhost",
    )
    .await;
    assert_eq!(facts.version, TlsVersion::Tls13);
    assert_eq!(facts.version.as_str(), "TLSv1.3");
    assert_eq!(facts.alpn, Alpn::Http2);
    assert_eq!(facts.sni.as_deref(), Some("both.mantlet.localhost"));
    assert!(facts.cipher.starts_with("TLS_"), "{}", facts.cipher);
    assert!(!facts.resumed);
}

#[tokio::test]
async fn a_viewer_limited_to_tls_1_2_is_served_where_the_distribution_allows() {
    let certificates = certificates();
    let viewer = certificates.viewer(&[&TLS12], &["http/1.1"]);
    let facts = agreed(&certificates.viewer_tls(), &viewer, "both.mantlet.localhost").await;
    assert_eq!((facts.version, facts.alpn), (TlsVersion::Tls12, Alpn::Http1));
    assert!(facts.cipher.starts_with("ECDHE-ECDSA-"), "{}", facts.cipher);
}

#[tokio::test]
async fn a_distribution_that_wants_tls_1_3_refuses_tls_1_2() {
    let certificates = certificates();
    let viewer = certificates.viewer(&[&TLS12], &[]);
    let alert = refused(&certificates.viewer_tls(), &viewer, "modern.mantlet.localhost").await;
    assert_eq!(alert, AlertDescription::ProtocolVersion);
}

#[tokio::test]
async fn a_distribution_without_http_2_does_not_offer_it() {
    let certificates = certificates();
    let tls = certificates.viewer_tls();
    let facts =
        agreed(&tls, &certificates.viewer(&[&TLS13], &["h2", "http/1.1"]), "plain.mantlet.localhost").await;
    assert_eq!(facts.alpn, Alpn::Http1);
    let alert = refused(&tls, &certificates.viewer(&[&TLS13], &["h2"]), "plain.mantlet.localhost").await;
    assert_eq!(alert, AlertDescription::NoApplicationProtocol);
}

#[tokio::test]
async fn a_viewer_without_alpn_speaks_http_1() {
    let certificates = certificates();
    let facts =
        agreed(&certificates.viewer_tls(), &certificates.viewer(&[&TLS13], &[]), "both.mantlet.localhost")
            .await;
    assert_eq!(facts.alpn, Alpn::Http1);
}

#[tokio::test]
async fn unknown_and_disabled_names_get_the_suffix_certificate_and_the_same_answer() {
    let certificates = certificates();
    let tls = certificates.viewer_tls();
    let viewer = certificates.viewer(&[&TLS12], &["h2", "http/1.1"]);
    for host in ["nobody.mantlet.localhost", "disabled.mantlet.localhost"] {
        let facts = agreed(&tls, &viewer, host).await;
        assert_eq!((facts.version, facts.alpn), (TlsVersion::Tls12, Alpn::Http2), "{host}");
    }
}

#[tokio::test]
async fn a_viewer_without_sni_gets_the_suffix_certificate() {
    let certificates = certificates();
    let mut viewer = certificates.viewer(&[&TLS13], &[]);
    viewer.enable_sni = false;
    let facts = agreed(&certificates.viewer_tls(), &viewer, "both.mantlet.localhost").await;
    assert_eq!(facts.sni, None);
}

#[tokio::test]
async fn a_session_is_resumed_on_any_clone_in_both_versions() {
    let certificates = certificates();
    let tls = certificates.viewer_tls();
    for version in [&TLS12, &TLS13] {
        let viewer = certificates.viewer(&[version], &["h2"]);
        assert!(!agreed(&tls, &viewer, "both.mantlet.localhost").await.resumed);
        assert!(agreed(&tls.clone(), &viewer, "both.mantlet.localhost").await.resumed, "{version:?}");
    }
}

/// Offers a ticket that another configuration gave: the viewer believes that it is with the same
/// server, because it is given the same name.
#[tokio::test]
async fn a_session_is_not_resumed_under_another_configuration() {
    let certificates = certificates();
    let viewer = certificates.viewer(&[&TLS13], &[]);
    let (before, after) = (certificates.viewer_tls(), certificates.viewer_tls());
    let select = |tls: &ViewerTls, minimum, http2| ViewerTls {
        suffix: Arc::new(CertificateConfigs {
            tls12: tls.suffix.select(minimum, http2),
            tls12_http2: tls.suffix.select(minimum, http2),
            tls13: tls.suffix.select(minimum, http2),
            tls13_http2: tls.suffix.select(minimum, http2),
        }),
        opener: PrivateKeyOpener::of_nothing(),
    };
    let (one, other) = (
        select(&before, MinimumProtocolVersion::Tls12, true),
        select(&before, MinimumProtocolVersion::Tls13, true),
    );
    assert!(!agreed(&one, &viewer, "both.mantlet.localhost").await.resumed);
    assert!(agreed(&one, &viewer, "both.mantlet.localhost").await.resumed);
    assert!(!agreed(&other, &viewer, "both.mantlet.localhost").await.resumed);
    assert!(!agreed(&after, &viewer, "both.mantlet.localhost").await.resumed);
}

/// Both names share one configuration, so the ticket can be read; rustls compares the names.
#[tokio::test]
async fn a_session_is_not_resumed_for_another_name() {
    let certificates = certificates();
    let tls = certificates.viewer_tls();
    let mut viewer = certificates.viewer(&[&TLS13], &[]);
    let store = Arc::new(OneNameForAll(rustls::client::ClientSessionMemoryCache::new(8)));
    viewer.resumption = Resumption::store(store);
    assert!(!agreed(&tls, &viewer, "both.mantlet.localhost").await.resumed);
    assert!(agreed(&tls, &viewer, "both.mantlet.localhost").await.resumed);
    assert!(!agreed(&tls, &viewer, "nobody.mantlet.localhost").await.resumed);
}

/// A viewer's session store that offers every session to every server.
#[derive(Debug)]
struct OneNameForAll(rustls::client::ClientSessionMemoryCache);

fn one_name() -> ServerName<'static> {
    ServerName::try_from("all.test").unwrap()
}

impl rustls::client::ClientSessionStore for OneNameForAll {
    fn set_kx_hint(&self, _: ServerName<'static>, group: rustls::NamedGroup) {
        self.0.set_kx_hint(one_name(), group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<rustls::NamedGroup> {
        self.0.kx_hint(&one_name())
    }

    fn set_tls12_session(&self, _: ServerName<'static>, session: rustls::client::Tls12ClientSessionValue) {
        self.0.set_tls12_session(one_name(), session);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<rustls::client::Tls12ClientSessionValue> {
        self.0.tls12_session(&one_name())
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.0.remove_tls12_session(&one_name());
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: rustls::client::Tls13ClientSessionValue) {
        self.0.insert_tls13_ticket(one_name(), ticket);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<rustls::client::Tls13ClientSessionValue> {
        self.0.take_tls13_ticket(&one_name())
    }
}

#[tokio::test]
async fn the_post_quantum_key_exchange_is_used() {
    let certificates = certificates();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let viewer = certificates.viewer(&[&TLS13], &[]);
    let tls = certificates.viewer_tls();
    let prepared = prepared(&tls, snapshot(), &Arc::default());
    let edge = async { tls.accept(listener.accept().await.unwrap().0, &prepared).await.unwrap().0 };
    let viewer = async {
        let name = ServerName::try_from("both.mantlet.localhost").unwrap();
        TlsConnector::from(Arc::new(viewer)).connect(name, TcpStream::connect(address).await.unwrap()).await
    };
    let (stream, _viewer) = tokio::join!(edge, viewer);
    let group = stream.get_ref().1.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
}

/// What the edge makes of bytes that are sent at once, followed by the end of the connection.
async fn accept_bytes(bytes: &[u8], close: bool) -> (TlsError, Vec<u8>) {
    let tls = certificates().viewer_tls();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let prepared = prepared(&tls, snapshot(), &Arc::default());
    let edge =
        async { tls.accept(listener.accept().await.unwrap().0, &prepared).await.map(drop).unwrap_err() };
    let viewer = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The edge may have hung up in the middle of it.
        let _ = stream.write_all(bytes).await;
        if close {
            let _ = stream.shutdown().await;
        }
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        answer
    };
    tokio::join!(edge, viewer)
}

#[tokio::test]
async fn what_is_no_tls_is_refused_with_an_alert() {
    let (error, answer) = accept_bytes(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", false).await;
    assert!(matches!(error, TlsError::Refused(_)), "{error:?}");
    assert_eq!(answer.first(), Some(&21), "an alert record: {answer:?}");
}

#[tokio::test]
async fn a_viewer_that_leaves_is_no_error_of_tls() {
    let (error, _) = accept_bytes(b"", true).await;
    assert!(matches!(error, TlsError::ViewerLeft), "{error:?}");
}

/// A ClientHello of 60,000 bytes, which rustls alone would wait for, in records of 4,096.
#[tokio::test]
async fn an_endless_client_hello_is_cut_off() {
    let mut hello = vec![1, 0, 0xea, 0x60, 3, 3];
    hello.resize(60_000, 0);
    let records: Vec<u8> = hello
        .chunks(4096)
        .flat_map(|chunk| {
            [&[22, 3, 1][..], &u16::try_from(chunk.len()).unwrap().to_be_bytes(), chunk].concat()
        })
        .collect();
    let (error, _) = accept_bytes(&records, false).await;
    assert!(matches!(error, TlsError::ClientHelloTooBig), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_viewer_is_not_waited_for() {
    let (error, _) = accept_bytes(b"\x16\x03\x01", false).await;
    assert!(matches!(error, TlsError::TimedOut), "{error:?}");
}

#[test]
fn rsa_certificates_are_logged_with_their_suites() {
    assert_eq!(
        cipher(CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
        Some("ECDHE-RSA-AES128-GCM-SHA256")
    );
    for suite in CIPHER_SUITES {
        assert!(cipher(suite.suite()).is_some(), "{suite:?}");
    }
}

#[test]
fn unusable_certificates_and_keys_are_named() {
    let (one, other) = (certificates(), certificates());
    let check =
        |certificate: &str, key: &str| certified_key(certificate.as_bytes(), key.as_bytes()).map(drop);
    assert!(check(&one.certificate_pem, &one.key_pem).is_ok());
    let mismatch = check(&one.certificate_pem, &other.key_pem);
    assert!(matches!(mismatch, Err(CertificateError::Unusable(_))), "{mismatch:?}");
    assert!(matches!(check("", &one.key_pem), Err(CertificateError::MalformedCertificate(_))));
    assert!(matches!(check(&one.certificate_pem, "nothing"), Err(CertificateError::MalformedKey(_))));
}

#[test]
fn a_minimum_is_asked_again_for_each_request() {
    use MinimumProtocolVersion as Minimum;
    assert!(TlsVersion::Tls12.satisfies(Minimum::Tls12) && TlsVersion::Tls13.satisfies(Minimum::Tls13));
    assert!(!TlsVersion::Tls12.satisfies(Minimum::Tls13));
}

/// A sealed key that needs no key to open: what is tested here is who gets which certificate.
fn opener() -> PrivateKeyOpener {
    PrivateKeyOpener::new(|id, sealed| match sealed.strip_prefix(format!("sealed for {id}:").as_bytes()) {
        Some(key) => Ok(key.to_vec().into()),
        None => Err("sealed for another".into()),
    })
}

/// An authority, and a certificate of its that a distribution can have.
struct OwnCertificate {
    certificates: Certificates,
    key: KeyPair,
}

impl OwnCertificate {
    fn for_names(names: &[&str]) -> Self {
        let key = KeyPair::generate().unwrap();
        Self { certificates: Certificates::for_names(&key, names), key }
    }

    fn change(&self, revision: u64, sealed_for: &str) -> Change {
        let sealed = [format!("sealed for {sealed_for}:").as_bytes(), self.key.serialized_der()].concat();
        let der = CertificateDer::from_pem_slice(self.certificates.certificate_pem.as_bytes()).unwrap();
        Change {
            resource: ResourceId::new(ResourceKind::Certificate, "own"),
            revision: Revision(revision),
            bundle: Some(Arc::new(Bundle::Certificate(Certificate {
                chain: vec![(*der).into()],
                sealed_private_key: SealedPrivateKey::new(&sealed),
            }))),
        }
    }
}

/// `both`, with two names of its owner's choice and a certificate of its own.
fn with_own_certificate(previous: &Snapshot, certificate: Change) -> Snapshot {
    let mut distribution = change("both", MinimumProtocolVersion::Tls12, true, true);
    if let Some(Bundle::Distribution(own)) = distribution.bundle.as_mut().map(Arc::make_mut) {
        own.aliases = ["api.example", "*.shop.example"].map(|name| AliasName::parse(name).unwrap()).into();
        own.certificate = Some("own".to_owned());
    }
    let linked = link(previous, certificate.revision, &[distribution, certificate]);
    assert_eq!(linked.rejected, []);
    linked.snapshot
}

async fn check_shown(tls: &ViewerTls, prepared: &Prepared, expect: &Certificates, host: &str) {
    let (facts, viewer) = handshake_with(tls, prepared, &expect.viewer(&[&TLS13], &[]), host).await;
    viewer.unwrap_or_else(|error| panic!("{host}: {error}"));
    assert_eq!(facts.unwrap().sni.as_deref(), Some(host.to_ascii_lowercase().as_str()));
}

#[tokio::test]
async fn added_names_get_the_distributions_own_certificate_and_all_others_the_suffixs() {
    let suffix = certificates();
    let own = OwnCertificate::for_names(&["api.example", "*.shop.example"]);
    let tls = suffix.viewer_tls().with_private_keys(opener());
    let snapshot = with_own_certificate(&Snapshot::default(), own.change(1, "own"));
    let prepared = prepared(&tls, snapshot, &Arc::default());
    check_shown(&tls, &prepared, &own.certificates, "api.example").await;
    check_shown(&tls, &prepared, &own.certificates, "API.Example").await;
    check_shown(&tls, &prepared, &own.certificates, "a.shop.example").await;
    check_shown(&tls, &prepared, &suffix, "both.mantlet.localhost").await;
    check_shown(&tls, &prepared, &suffix, "nobody.mantlet.localhost").await;
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_from_the_next_snapshot_on() {
    let (old, new) =
        (OwnCertificate::for_names(&["api.example"]), OwnCertificate::for_names(&["api.example"]));
    let tls = certificates().viewer_tls().with_private_keys(opener());
    let snapshot = with_own_certificate(&Snapshot::default(), old.change(1, "own"));
    let before = prepared(&tls, snapshot.clone(), &Arc::default());
    let after = prepared(&tls, with_own_certificate(&snapshot, new.change(2, "own")), &before.certificates);
    check_shown(&tls, &before, &old.certificates, "api.example").await;
    check_shown(&tls, &after, &new.certificates, "api.example").await;
}

#[tokio::test]
async fn a_certificate_whose_key_cannot_be_opened_leaves_what_was_there() {
    let (old, new) =
        (OwnCertificate::for_names(&["api.example"]), OwnCertificate::for_names(&["api.example"]));
    let suffix = certificates();
    let tls = suffix.viewer_tls().with_private_keys(opener());
    let snapshot = with_own_certificate(&Snapshot::default(), old.change(1, "own"));
    let before = prepared(&tls, snapshot.clone(), &Arc::default());
    let broken = prepared(&tls, with_own_certificate(&snapshot, new.change(2, "else")), &before.certificates);
    check_shown(&tls, &broken, &old.certificates, "api.example").await;

    // Without one before, the name is answered like one that nobody has.
    let never = with_own_certificate(&Snapshot::default(), new.change(1, "else"));
    let never = prepared(&tls, never, &Arc::default());
    let (_, viewer) = handshake_with(&tls, &never, &suffix.viewer(&[&TLS13], &[]), "api.example").await;
    assert!(viewer.unwrap_err().to_string().contains("not valid for name"), "the suffix's certificate");
}

#[test]
fn certificates_are_opened_once_for_each_revision() {
    let own = OwnCertificate::for_names(&["api.example"]);
    let tls = certificates().viewer_tls().with_private_keys(opener());
    let snapshot = with_own_certificate(&Snapshot::default(), own.change(1, "own"));
    let first = tls.open_certificates(&Arc::default(), &snapshot);
    assert!(Arc::ptr_eq(&first, &tls.open_certificates(&first, &snapshot)));
    let renewed = tls.open_certificates(&first, &with_own_certificate(&snapshot, own.change(2, "own")));
    assert!(!Arc::ptr_eq(first.get("own").unwrap(), renewed.get("own").unwrap()));
}
