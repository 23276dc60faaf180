use vibespro_ports::{Fingerprint, Receipt, StoreError};

use super::fault::unexpected;

/// A receipt as a statement takes it; without one no receipt is kept.
pub(super) struct ReceiptColumns<'a> {
    pub(super) operation: Option<&'static str>,
    pub(super) key: Option<&'a str>,
    pub(super) request: Option<&'a [u8]>,
}

impl<'a> From<Option<&'a Receipt>> for ReceiptColumns<'a> {
    fn from(receipt: Option<&'a Receipt>) -> Self {
        Self {
            operation: receipt.map(|receipt| receipt.operation.as_str()),
            key: receipt.map(|receipt| receipt.key.as_str()),
            request: receipt.map(|receipt| receipt.request.0.as_slice()),
        }
    }
}

pub(super) fn fingerprint(doing: &'static str, bytes: &[u8]) -> Result<Fingerprint, StoreError> {
    bytes.try_into().map(Fingerprint).map_err(|error| unexpected(doing, &error))
}
