//! Public keys that verify signed URLs and signed cookies.

use aws_api::ApiError;
use aws_lc_rs::rsa::PublicEncryptingKey;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use tokio_rustls::rustls::pki_types::SubjectPublicKeyInfoDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use crate::errors::invalid_argument;
use crate::limits::ENCODED_KEY_BYTES_MAX;

/// "The key pair must be RSA 2048 or ECDSA 256" ("Create key pairs for your signers").
const RSA_BITS: usize = 2048;
/// `id-ecPublicKey` with `prime256v1`, as DER writes them in an `AlgorithmIdentifier` (RFC 5480
/// section 2.1.1).
const P256_ALGORITHM: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";

/// Checks an `EncodedKey`: one `SubjectPublicKeyInfo` in PEM, and nothing else. Beside it could stand
/// a private key, which must not be kept and told to everyone who may list keys.
pub(crate) fn validate_encoded_key(encoded_key: &str) -> Result<(), ApiError> {
    let text = encoded_key.trim();
    let is_one_section = text.len() <= ENCODED_KEY_BYTES_MAX
        && text.starts_with(BEGIN)
        && text.ends_with(END)
        && text.matches("-----").count() == 4;
    if !is_one_section {
        return Err(invalid_argument(format!(
            "EncodedKey must be one public key in PEM, from {BEGIN} to {END}. Write it with: openssl pkey \
             -in private_key.pem -pubout."
        )));
    }
    match SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes()) {
        Ok(key) if is_rsa_2048(key.as_ref()) || is_p256(key.as_ref()) => Ok(()),
        _ => Err(invalid_argument(
            "EncodedKey is not the public key of an RSA key of 2048 bits or of an ECDSA key on P-256. Make \
             one with: openssl genrsa 2048, or openssl ecparam -name prime256v1 -genkey -noout.",
        )),
    }
}

fn is_rsa_2048(der: &[u8]) -> bool {
    PublicEncryptingKey::from_der(der).is_ok_and(|key| key.key_size_bits() == RSA_BITS)
}

fn is_p256(der: &[u8]) -> bool {
    // The library would also take a bare point.
    let is_named = der.windows(P256_ALGORITHM.len()).any(|window| window == P256_ALGORITHM);
    is_named && ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, der).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{P256_KEY, P384_KEY, RSA_1024_KEY, RSA_2048_KEY};
    use proptest::prelude::*;

    fn check(encoded_key: &str, expect: Option<&str>) {
        let message = validate_encoded_key(encoded_key).err().map(|error| {
            assert_eq!(error.code, "InvalidArgument");
            error.message
        });
        match expect {
            None => assert_eq!(message, None),
            Some(part) => assert!(message.as_ref().is_some_and(|text| text.contains(part)), "{message:?}"),
        }
    }

    #[test]
    fn keys_that_cloudfront_takes_are_taken() {
        check(RSA_2048_KEY, None);
        check(P256_KEY, None);
        check(&format!("\n{}  \r\n", RSA_2048_KEY.trim().replace('\n', "\r\n")), None);
    }

    #[test]
    fn other_kinds_of_keys_are_refused() {
        check(RSA_1024_KEY, Some("2048 bits"));
        check(P384_KEY, Some("2048 bits"));
    }

    #[test]
    fn what_is_not_one_public_key_in_pem_is_refused() {
        check("", Some("must be one public key"));
        check("key", Some("must be one public key"));
        check(&format!("{RSA_2048_KEY}{P256_KEY}"), Some("must be one public key"));
        check(&RSA_2048_KEY.replace("PUBLIC", "RSA PUBLIC"), Some("must be one public key"));
        check(&format!("{BEGIN}\n{END}"), Some("2048 bits"));
        check(&format!("{BEGIN}\n!!!!\n{END}"), Some("2048 bits"));
        check(&RSA_2048_KEY.replacen("MIIB", "MIIC", 1), Some("2048 bits"));
    }

    #[test]
    fn a_private_key_beside_it_is_refused() {
        let private = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        check(&format!("{private}{P256_KEY}"), Some("must be one public key"));
        check(&format!("{P256_KEY}{private}{P256_KEY}"), Some("must be one public key"));
    }

    #[test]
    fn a_point_that_is_not_on_the_curve_is_refused() {
        let last = P256_KEY.trim().rfind("==\n").unwrap();
        let mut moved = P256_KEY.to_owned();
        moved.replace_range(last - 6..last - 2, "AAAA");
        assert_ne!(moved, P256_KEY);
        check(&moved, Some("2048 bits"));
    }

    proptest! {
        #[test]
        fn hostile_pem_is_an_answer_and_never_a_panic(
            body in prop_oneof![".*", "[A-Za-z0-9+/=\\n]{0,600}", "(-----|BEGIN|END|PUBLIC KEY| |\\n){0,40}"],
            cut in 0_usize..500,
            byte in any::<char>(),
        ) {
            let _refused = validate_encoded_key(&body);
            let framed = validate_encoded_key(&format!("{BEGIN}\n{body}\n{END}"));
            prop_assert!(framed.is_err());
            let mut key: Vec<char> = RSA_2048_KEY.chars().collect();
            let place = cut % key.len();
            key[place] = byte;
            let _either = validate_encoded_key(&key.iter().collect::<String>());
            let _truncated = validate_encoded_key(&key[..place].iter().collect::<String>());
        }
    }
}
