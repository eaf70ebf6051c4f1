//! Sealing private keys before they are stored. Who runs the control plane holds the sealing key.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Why a private key cannot be sealed.
pub type SealError = Box<dyn Error + Send + Sync>;

type Seal = dyn Fn(&str, &[u8]) -> Result<Vec<u8>, SealError> + Send + Sync;

/// What seals private keys.
#[derive(Clone)]
pub struct PrivateKeySealer(Arc<Seal>);

impl PrivateKeySealer {
    /// `seal` is given a certificate's id and its private key in DER. Whoever opens the result gives
    /// the same id, so that no sealed key can stand in for another's.
    pub fn new(seal: impl Fn(&str, &[u8]) -> Result<Vec<u8>, SealError> + Send + Sync + 'static) -> Self {
        Self(Arc::new(seal))
    }

    pub(crate) fn seal(&self, certificate_id: &str, private_key: &[u8]) -> Result<Vec<u8>, SealError> {
        (self.0)(certificate_id, private_key)
    }
}

impl fmt::Debug for PrivateKeySealer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PrivateKeySealer")
    }
}
