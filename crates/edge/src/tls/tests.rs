//! Real handshakes with rustls as the viewer.

use std::net::SocketAddr;

use edge_config::{
    AliasName, Bundle, CacheBehavior, CachePolicy, CachePolicySource, Certificate, Change, Distribution,
    HostName, ResourceId, ResourceKind, Revision, SealedPrivateKey, link,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{cipher_suite, kx_group};
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, ClientConfig, RootCertStore, SupportedCipherSuite, SupportedProtocolVersion};
use rustls_pki_types::ServerName;
use testkit::{all_viewer_cache_behavior, distribution, http_origin};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;

use super::*;
use crate::handshake_turns::HandshakeTurns;

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
    let origin = http_origin(SocketAddr::from(([127, 0, 0, 1], 3500)));
    let cache_behavior = CacheBehavior {
        cache_policy: CachePolicySource::Inline(CachePolicy::default()),
        origin_request_policy: None,
        ..all_viewer_cache_behavior(&origin)
    };
    let distribution = Distribution {
        enabled,
        http2,
        minimum_protocol_version,
        cache_behaviors: vec![cache_behavior],
        ..distribution(&format!("{id}.{SUFFIX}"), origin)
    };
    Change {
        resource: ResourceId::new(ResourceKind::Distribution, id),
        revision: Revision(1),
        bundle: Some(Arc::new(Bundle::Distribution(distribution))),
    }
}

/// `modern` wants TLS 1.3 and has HTTP/2, `plain` has TLS 1.2 and no HTTP/2, `both` has everything,
/// `aes` has TLS 1.2 and 1.3 without ChaCha20.
fn snapshot() -> Snapshot {
    use MinimumProtocolVersion::{Tls12, Tls12Of2025, Tls13};
    let changes = [
        change("modern", Tls13, true, true),
        change("aes", Tls12Of2025, true, true),
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
    Prepared { snapshot: Arc::new(snapshot), certificates, ..Prepared::default() }
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
        let (mut stream, facts) = tls.accept(stream, prepared, HandshakeTurns::default().of(false)).await?;
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
    assert!(facts.cipher.name.starts_with("TLS_"), "{:?}", facts.cipher);
    assert!(!facts.resumed);
}

#[tokio::test]
async fn a_viewer_limited_to_tls_1_2_is_served_where_the_distribution_allows() {
    let certificates = certificates();
    let viewer = certificates.viewer(&[&TLS12], &["http/1.1"]);
    let facts = agreed(&certificates.viewer_tls(), &viewer, "both.mantlet.localhost").await;
    assert_eq!((facts.version, facts.alpn), (TlsVersion::Tls12, Alpn::Http1));
    assert!(facts.cipher.name.starts_with("ECDHE-ECDSA-"), "{:?}", facts.cipher);
}

#[tokio::test]
async fn a_distribution_that_wants_tls_1_3_refuses_tls_1_2() {
    let certificates = certificates();
    let viewer = certificates.viewer(&[&TLS12], &[]);
    let alert = refused(&certificates.viewer_tls(), &viewer, "modern.mantlet.localhost").await;
    assert_eq!(alert, AlertDescription::ProtocolVersion);
}

/// A viewer that has one cipher suite and nothing else.
fn viewer_of(
    certificates: &Certificates,
    version: &'static SupportedProtocolVersion,
    suite: SupportedCipherSuite,
) -> ClientConfig {
    let provider = CryptoProvider { cipher_suites: vec![suite], ..aws_lc_rs::default_provider() };
    ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(certificates.roots.clone())
        .with_no_client_auth()
}

/// Which cipher suites each security policy has, with certificates of one kind of key.
async fn check_policies(
    key: &KeyPair,
    expect: &[(&str, &'static SupportedProtocolVersion, SupportedCipherSuite, &str)],
) {
    let certificates = Certificates::new(key);
    let tls = certificates.viewer_tls();
    for (name, version, suite, served) in expect {
        let viewer = viewer_of(&certificates, version, *suite);
        for host in ["both", "aes", "modern"] {
            let (facts, viewer) = handshake(&tls, &viewer, &format!("{host}.{SUFFIX}")).await;
            if served.contains(host) {
                viewer.unwrap_or_else(|error| panic!("{name} with {host}: {error}"));
                assert_eq!(facts.unwrap().cipher.name, *name, "{host}");
            } else {
                assert!(matches!(facts, Err(TlsError::Refused(_))), "{name} with {host}: {facts:?}");
            }
        }
    }
}

#[tokio::test]
async fn f4_each_policy_has_its_cipher_suites_with_ecdsa() {
    let table = [
        ("TLS_AES_128_GCM_SHA256", &TLS13, cipher_suite::TLS13_AES_128_GCM_SHA256, "both aes modern"),
        ("TLS_AES_256_GCM_SHA384", &TLS13, cipher_suite::TLS13_AES_256_GCM_SHA384, "both aes modern"),
        ("TLS_CHACHA20_POLY1305_SHA256", &TLS13, cipher_suite::TLS13_CHACHA20_POLY1305_SHA256, "both modern"),
        (
            "ECDHE-ECDSA-AES128-GCM-SHA256",
            &TLS12,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            "both aes",
        ),
        (
            "ECDHE-ECDSA-AES256-GCM-SHA384",
            &TLS12,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            "both aes",
        ),
        (
            "ECDHE-ECDSA-CHACHA20-POLY1305",
            &TLS12,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            "both",
        ),
    ];
    check_policies(&KeyPair::generate().unwrap(), &table).await;
}

#[tokio::test]
async fn f4_each_policy_has_its_cipher_suites_with_rsa() {
    let table = [
        ("TLS_AES_128_GCM_SHA256", &TLS13, cipher_suite::TLS13_AES_128_GCM_SHA256, "both aes modern"),
        (
            "ECDHE-RSA-AES128-GCM-SHA256",
            &TLS12,
            cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            "both aes",
        ),
        (
            "ECDHE-RSA-AES256-GCM-SHA384",
            &TLS12,
            cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            "both aes",
        ),
        (
            "ECDHE-RSA-CHACHA20-POLY1305",
            &TLS12,
            cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
            "both",
        ),
    ];
    let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    check_policies(&key, &table).await;
}

#[tokio::test]
async fn the_edge_chooses_the_cipher_suite_and_not_the_viewer() {
    let certificates = certificates();
    let tls = certificates.viewer_tls();
    for (version, name) in [(&TLS13, "TLS_AES_128_GCM_SHA256"), (&TLS12, "ECDHE-ECDSA-AES128-GCM-SHA256")] {
        let mut provider = (*security_policy::provider(MinimumProtocolVersion::Tls12)).clone();
        provider.cipher_suites.reverse();
        let viewer = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(certificates.roots.clone())
            .with_no_client_auth();
        let (facts, viewer) = handshake(&tls, &viewer, "both.mantlet.localhost").await;
        viewer.unwrap();
        assert_eq!(facts.unwrap().cipher.name, name);
    }
}

#[tokio::test]
async fn f5_each_policy_has_the_key_exchanges() {
    let certificates = certificates();
    let tls = certificates.viewer_tls();
    for (group, version) in [
        (kx_group::X25519MLKEM768, &TLS13),
        (kx_group::SECP256R1MLKEM768, &TLS13),
        (kx_group::X25519, &TLS12),
        (kx_group::SECP256R1, &TLS12),
        (kx_group::SECP384R1, &TLS12),
    ] {
        let provider = CryptoProvider { kx_groups: vec![group], ..aws_lc_rs::default_provider() };
        let viewer = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(certificates.roots.clone())
            .with_no_client_auth();
        for host in ["both.mantlet.localhost", "aes.mantlet.localhost"] {
            agreed(&tls, &viewer, host).await;
        }
    }
}

/// What a viewer sends first, as records.
fn client_hello(viewer: &ClientConfig, host: &str) -> (rustls::ClientConnection, Vec<u8>) {
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let mut connection = rustls::ClientConnection::new(Arc::new(viewer.clone()), name).unwrap();
    let mut records = Vec::new();
    connection.write_tls(&mut records).unwrap();
    (connection, records)
}

/// Whether the edge takes a ClientHello that comes in these pieces and goes on with the handshake.
async fn check_pieces(pieces: Vec<Vec<u8>>) {
    let certificates = certificates();
    let tls = certificates.viewer_tls();
    let prepared = prepared(&tls, snapshot(), &Arc::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let edge = async {
        let (stream, _) = listener.accept().await.unwrap();
        tls.accept(stream, &prepared, HandshakeTurns::default().of(false)).await.map(drop)
    };
    let viewer = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        for piece in pieces {
            stream.write_all(&piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut record = [0; 5];
        stream.read_exact(&mut record).await.unwrap();
        record
    };
    let (_, record) = tokio::join!(edge, viewer);
    // A handshake record: the ServerHello.
    assert_eq!(record[..3], [22, 3, 3]);
}

#[tokio::test]
async fn a_client_hello_may_come_byte_by_byte() {
    let (_, records) = client_hello(&certificates().viewer(&[&TLS13], &["h2"]), "both.mantlet.localhost");
    check_pieces(records.into_iter().map(|byte| vec![byte]).collect()).await;
}

/// RFC 8446 section 5.1: a handshake message may span records.
#[tokio::test]
async fn a_client_hello_may_come_in_many_records() {
    let (_, records) = client_hello(&certificates().viewer(&[&TLS13], &["h2"]), "both.mantlet.localhost");
    let pieces = records[5..].chunks(17).map(|part| {
        let length = u16::try_from(part.len()).unwrap().to_be_bytes();
        [&records[..3], &length, part].concat()
    });
    check_pieces(pieces.collect()).await;
}

/// Whether a connection that was made for one name, or for none, may carry requests for another.
fn check_coalescing(tls: &ViewerTls, snapshot: &Snapshot, sni: &str, host: &str, expect: bool) {
    let prepared = prepared(tls, snapshot.clone(), &Arc::default());
    let facts = TlsFacts {
        sni: (!sni.is_empty()).then(|| sni.into()),
        terms: tls.select(sni, &prepared).1,
        version: TlsVersion::Tls13,
        cipher: NegotiatedCipher::new(rustls::CipherSuite::TLS13_AES_128_GCM_SHA256).unwrap(),
        alpn: Alpn::Http1,
        resumed: false,
        fingerprints: None,
    };
    let distribution = snapshot.distribution_by_host(host).unwrap();
    assert_eq!(facts.are_good_for(host, distribution), expect, "{sni} and {host}");
}

#[test]
fn a_connection_serves_other_names_of_the_same_certificate_and_no_stricter_policy() {
    let tls = certificates().viewer_tls();
    for (sni, host, expect) in [
        ("both", "both", true),
        ("both", "plain", true),
        ("modern", "both", true),
        ("aes", "both", true),
        ("nobody", "both", true),
        ("disabled", "both", true),
        ("", "both", true),
        ("both", "modern", false),
        ("both", "aes", false),
        ("aes", "modern", false),
        ("modern", "aes", false),
        ("disabled", "modern", false),
        ("", "modern", false),
    ] {
        let name = |label: &str| if label.is_empty() { String::new() } else { format!("{label}.{SUFFIX}") };
        check_coalescing(&tls, &snapshot(), &name(sni), &name(host), expect);
    }
}

#[test]
fn a_connection_does_not_serve_names_of_another_certificate() {
    let tls = certificates().viewer_tls().with_private_keys(opener());
    let own = OwnCertificate::for_names(&["api.example", "*.shop.example"]);
    let snapshot = with_own_certificate(&Snapshot::default(), own.change(1, "own"));
    for (sni, host, expect) in [
        ("api.example", "api.example", true),
        ("api.example", "a.shop.example", true),
        ("api.example", "both.mantlet.localhost", false),
        ("both.mantlet.localhost", "api.example", false),
        ("nobody.example", "api.example", false),
        ("", "api.example", false),
    ] {
        check_coalescing(&tls, &snapshot, sni, host, expect);
    }
}

#[tokio::test]
async fn a_connection_outlives_a_new_certificate_and_not_a_policy_that_it_does_not_meet() {
    use MinimumProtocolVersion::{Tls12, Tls13};
    let certificates = certificates();
    let facts = |version| {
        let viewer = certificates.viewer(&[version], &[]);
        let tls = certificates.viewer_tls();
        async move { agreed(&tls, &viewer, "both.mantlet.localhost").await }
    };
    let changed = |policy| {
        let own = OwnCertificate::for_names(&["api.example"]);
        let snapshot = with_own_certificate(&Snapshot::default(), own.change(1, "own"));
        let mut changed = (**snapshot.distribution("both").unwrap()).clone();
        changed.domain_name = HostName::parse("else.mantlet.localhost").unwrap();
        changed.minimum_protocol_version = policy;
        changed
    };
    let (old, new) = (facts(&TLS12).await, facts(&TLS13).await);
    assert!(old.are_good_for("both.mantlet.localhost", &changed(Tls12)));
    assert!(!old.are_good_for("both.mantlet.localhost", &changed(Tls13)));
    assert!(new.are_good_for("both.mantlet.localhost", &changed(Tls13)));
}

#[tokio::test]
async fn a11_a_distribution_without_http_2_does_not_offer_it() {
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
async fn f6_a_viewer_without_sni_gets_the_suffix_certificate() {
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
    let select = |tls: &ViewerTls, minimum, http2| {
        let of_policy = tls.suffix.of(minimum);
        let config = if http2 { &of_policy.http2 } else { &of_policy.http1 };
        let configs = || ProtocolConfigs {
            http1: Arc::clone(config),
            http2: Arc::clone(config),
            http3: Arc::clone(&of_policy.http3),
        };
        let suffix = CertificateConfigs { tls12: configs(), tls12_of_2025: configs(), tls13: configs() };
        ViewerTls { suffix: Arc::new(suffix), opener: PrivateKeyOpener::of_nothing() }
    };
    let all = MinimumProtocolVersion::ALL.into_iter().flat_map(|policy| [(policy, true), (policy, false)]);
    for (policy, http2) in all.clone() {
        let one = select(&before, policy, http2);
        assert!(!agreed(&one, &viewer, "both.mantlet.localhost").await.resumed);
        assert!(agreed(&one, &viewer, "both.mantlet.localhost").await.resumed);
        for (other_policy, other_http2) in all.clone().filter(|other| *other != (policy, http2)) {
            // A viewer of its own: a ticket that is refused is replaced by one that is not.
            let viewer = certificates.viewer(&[&TLS13], &[]);
            assert!(!agreed(&one, &viewer, "both.mantlet.localhost").await.resumed);
            let other = select(&before, other_policy, other_http2);
            let resumed = agreed(&other, &viewer, "both.mantlet.localhost").await.resumed;
            assert!(!resumed, "from {policy:?} {http2} to {other_policy:?} {other_http2}");
        }
        assert!(!agreed(&after, &viewer, "both.mantlet.localhost").await.resumed);
    }
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
    let edge = async {
        tls.accept(listener.accept().await.unwrap().0, &prepared, HandshakeTurns::default().of(false))
            .await
            .unwrap()
            .0
    };
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
    let edge = async {
        tls.accept(listener.accept().await.unwrap().0, &prepared, HandshakeTurns::default().of(false))
            .await
            .map(drop)
            .unwrap_err()
    };
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
