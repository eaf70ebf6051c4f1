//! CloudFront's security policies, as far as they can be served: which versions and cipher suites
//! viewers may negotiate ("Supported protocols and ciphers between viewers and CloudFront").
//!
//! | security policy | protocols | TLS 1.3 | TLS 1.2, each with ECDSA and RSA certificates |
//! |---|---|---|---|
//! | TLSv1.2_2021 and all older ones | TLS 1.3, 1.2 | AES128-GCM, AES256-GCM, CHACHA20 | ECDHE with AES128-GCM, AES256-GCM, CHACHA20 |
//! | TLSv1.2_2025 | TLS 1.3, 1.2 | AES128-GCM, AES256-GCM | ECDHE with AES128-GCM, AES256-GCM |
//! | TLSv1.3_2025 | TLS 1.3 | AES128-GCM, AES256-GCM, CHACHA20 | – |
//!
//! What CloudFront has beyond it in older policies is left out on purpose, and rustls has none of it:
//! protocols before TLS 1.2 (RFC 8996), CBC (Lucky Thirteen and its heirs) of TLSv1.2_2019 and older,
//! key exchange by RSA (no forward secrecy; ROBOT) of TLSv1.2_2018 and older. Viewers of the last ten
//! years do not need it. The newer policies are without SHA224 signatures, which rustls never makes.

use std::sync::{Arc, LazyLock};

use edge_config::MinimumProtocolVersion;
use rustls::crypto::aws_lc_rs::{self, cipher_suite, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, SupportedCipherSuite, SupportedProtocolVersion};

use super::TlsVersion;

/// Those of TLSv1.2_2021, in the order in which they are chosen; the other policies have some of them.
static CIPHER_SUITES: [SupportedCipherSuite; 9] = [
    cipher_suite::TLS13_AES_128_GCM_SHA256,
    cipher_suite::TLS13_AES_256_GCM_SHA384,
    cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

/// The key exchanges of every policy; the post-quantum ones exist in TLS 1.3 only.
static KEY_EXCHANGES: [&dyn SupportedKxGroup; 5] = [
    kx_group::X25519MLKEM768,
    kx_group::X25519,
    kx_group::SECP256R1,
    kx_group::SECP256R1MLKEM768,
    kx_group::SECP384R1,
];

static TLS_12_AND_NEWER: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
static TLS_13: [&SupportedProtocolVersion; 1] = [&TLS13];

static WITH_CHACHA20: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| with_cipher_suites(|_| true));
static WITHOUT_CHACHA20: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| with_cipher_suites(|suite| !is_chacha20(suite)));

fn with_cipher_suites(is_in: impl Fn(CipherSuite) -> bool) -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: CIPHER_SUITES.iter().copied().filter(|suite| is_in(suite.suite())).collect(),
        kx_groups: KEY_EXCHANGES.to_vec(),
        ..aws_lc_rs::default_provider()
    })
}

fn is_chacha20(suite: CipherSuite) -> bool {
    matches!(
        suite,
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
            | CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
    )
}

/// The cryptography of a policy.
pub(super) fn provider(policy: MinimumProtocolVersion) -> Arc<CryptoProvider> {
    Arc::clone(match policy {
        MinimumProtocolVersion::Tls12 | MinimumProtocolVersion::Tls13 => &WITH_CHACHA20,
        MinimumProtocolVersion::Tls12Of2025 => &WITHOUT_CHACHA20,
    })
}

/// The protocols of a policy.
pub(super) fn protocol_versions(
    policy: MinimumProtocolVersion,
) -> &'static [&'static SupportedProtocolVersion] {
    match policy {
        MinimumProtocolVersion::Tls12 | MinimumProtocolVersion::Tls12Of2025 => &TLS_12_AND_NEWER,
        MinimumProtocolVersion::Tls13 => &TLS_13,
    }
}

/// The versions of a policy, the newest first.
pub(super) fn versions(policy: MinimumProtocolVersion) -> &'static [TlsVersion] {
    match policy {
        MinimumProtocolVersion::Tls12 | MinimumProtocolVersion::Tls12Of2025 => {
            &[TlsVersion::Tls13, TlsVersion::Tls12]
        }
        MinimumProtocolVersion::Tls13 => &[TlsVersion::Tls13],
    }
}

/// The cipher suites of a policy, in the order of preference.
pub(super) fn offered(policy: MinimumProtocolVersion) -> Vec<NegotiatedCipher> {
    CIPHER_SUITES.iter().filter_map(|suite| offer(policy, suite)).collect()
}

fn offer(policy: MinimumProtocolVersion, suite: &SupportedCipherSuite) -> Option<NegotiatedCipher> {
    let version = match suite {
        SupportedCipherSuite::Tls12(_) => TlsVersion::Tls12,
        SupportedCipherSuite::Tls13(_) => TlsVersion::Tls13,
    };
    NegotiatedCipher::new(suite.suite()).filter(|cipher| permits(policy, version, *cipher))
}

/// A cipher suite that was negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NegotiatedCipher {
    /// Its name as CloudFront logs it, which is OpenSSL's.
    pub(crate) name: &'static str,
    is_chacha20: bool,
}

impl NegotiatedCipher {
    /// One that every policy has, for TLS 1.3.
    pub(super) const OF_EVERY_POLICY: Self = Self { name: "TLS_AES_128_GCM_SHA256", is_chacha20: false };

    /// None for what no policy has.
    pub(super) fn new(suite: CipherSuite) -> Option<Self> {
        let name = match suite {
            CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
            CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => "ECDHE-ECDSA-AES128-GCM-SHA256",
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => "ECDHE-RSA-AES128-GCM-SHA256",
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => "ECDHE-ECDSA-AES256-GCM-SHA384",
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => "ECDHE-RSA-AES256-GCM-SHA384",
            CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-ECDSA-CHACHA20-POLY1305",
            CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-RSA-CHACHA20-POLY1305",
            _ => return None,
        };
        Some(Self { name, is_chacha20: is_chacha20(suite) })
    }
}

/// Whether a policy has what was negotiated.
pub(super) fn permits(policy: MinimumProtocolVersion, version: TlsVersion, cipher: NegotiatedCipher) -> bool {
    match policy {
        MinimumProtocolVersion::Tls12 => true,
        MinimumProtocolVersion::Tls12Of2025 => !cipher.is_chacha20,
        MinimumProtocolVersion::Tls13 => version == TlsVersion::Tls13,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cipher_suite_has_a_name_and_is_permitted_where_it_is_offered() {
        for suite in &CIPHER_SUITES {
            let cipher = NegotiatedCipher::new(suite.suite()).unwrap();
            let (version, tls) = match suite {
                SupportedCipherSuite::Tls12(_) => (TlsVersion::Tls12, &TLS12),
                SupportedCipherSuite::Tls13(_) => (TlsVersion::Tls13, &TLS13),
            };
            for policy in MinimumProtocolVersion::ALL {
                let is_offered = protocol_versions(policy).contains(&tls)
                    && provider(policy).cipher_suites.contains(suite);
                assert_eq!(permits(policy, version, cipher), is_offered, "{suite:?} under {policy:?}");
            }
        }
    }

    #[test]
    fn what_is_told_of_a_policy_is_what_rustls_is_given() {
        for policy in MinimumProtocolVersion::ALL {
            let given =
                protocol_versions(policy).iter().filter_map(|given| super::super::version(given.version));
            assert_eq!(versions(policy), given.collect::<Vec<_>>(), "{policy:?}");
            let provider = provider(policy);
            let is_given = |cipher: &NegotiatedCipher| {
                provider
                    .cipher_suites
                    .iter()
                    .any(|suite| NegotiatedCipher::new(suite.suite()) == Some(*cipher))
            };
            assert!(offered(policy).iter().all(is_given), "{policy:?}");
            assert!(permits(policy, TlsVersion::Tls13, NegotiatedCipher::OF_EVERY_POLICY), "{policy:?}");
        }
        assert_eq!(
            NegotiatedCipher::new(CipherSuite::TLS13_AES_128_GCM_SHA256),
            Some(NegotiatedCipher::OF_EVERY_POLICY)
        );
    }

    #[test]
    fn a_policy_is_within_another_when_all_that_it_offers_is() {
        for (one, other) in MinimumProtocolVersion::ALL
            .into_iter()
            .flat_map(|one| MinimumProtocolVersion::ALL.map(|other| (one, other)))
        {
            let offered = CIPHER_SUITES.iter().filter_map(|suite| {
                let version = match suite {
                    SupportedCipherSuite::Tls12(_) => TlsVersion::Tls12,
                    SupportedCipherSuite::Tls13(_) => TlsVersion::Tls13,
                };
                let cipher = NegotiatedCipher::new(suite.suite())?;
                permits(one, version, cipher).then_some((version, cipher))
            });
            let is_within = offered.into_iter().all(|(version, cipher)| permits(other, version, cipher));
            assert_eq!(one.is_within(other), is_within, "{one:?} within {other:?}");
        }
    }
}
