//! How a component is laid in a ConfigMap.

use std::{collections::BTreeMap, io::Read as _};

use k8s_openapi::{ByteString, api::core::v1::ConfigMap};

use crate::model::COMPONENT_BYTES_MAX;

/// The key of a component as it is.
pub const COMPONENT_KEY: &str = "component.wasm";

/// The key of a component compressed with zstd.
pub const COMPONENT_ZSTD_KEY: &str = "component.wasm.zst";

/// The annotation with the digest of the unpacked component, for people.
pub const DIGEST_ANNOTATION: &str = "operlet.dev/digest";

/// The highest level that needs no more memory to decompress than a host has.
const ZSTD_LEVEL: i32 = 19;

/// A ConfigMap does not hold one readable component.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// Neither key is there.
    #[error(
        "its binaryData has neither {COMPONENT_KEY} nor {COMPONENT_ZSTD_KEY}; make it with `operlet package`"
    )]
    Missing,
    /// Both keys are there.
    #[error("its binaryData has both {COMPONENT_KEY} and {COMPONENT_ZSTD_KEY}; remove one")]
    Both,
    /// The compressed bytes are damaged.
    #[error("{COMPONENT_ZSTD_KEY} is not valid zstd: {0}")]
    Compression(#[source] std::io::Error),
    /// It is too large once unpacked.
    #[error("the component is larger than {COMPONENT_BYTES_MAX} bytes unpacked, which is the limit")]
    TooLarge,
}

/// A copy of the host's own is made while a release waits for it.
const ZSTD_LEVEL_FAST: i32 = 3;

/// Compresses a component as far as is sensible: it is done once and shipped often.
///
/// # Errors
/// If the compressor fails, which it does only for want of memory.
pub fn pack(component: &[u8]) -> std::io::Result<Vec<u8>> {
    zstd::encode_all(component, ZSTD_LEVEL)
}

/// A component as it came in a ConfigMap.
pub struct Package {
    /// The component.
    pub bytes: Vec<u8>,
    packed: Option<Vec<u8>>,
}

impl Package {
    /// The component in a ConfigMap.
    ///
    /// # Errors
    /// As [`unpack`].
    pub fn open(config_map: ConfigMap) -> Result<Self, UnpackError> {
        let bytes = unpack(&config_map)?;
        let packed = config_map.binary_data.and_then(|mut data| data.remove(COMPONENT_ZSTD_KEY));
        Ok(Self { bytes, packed: packed.map(|ByteString(packed)| packed) })
    }

    /// The component compressed: as it came, if it came so.
    pub(super) fn packed(&self) -> std::io::Result<Vec<u8>> {
        self.packed.clone().map_or_else(|| zstd::encode_all(self.bytes.as_slice(), ZSTD_LEVEL_FAST), Ok)
    }
}

/// The bytes of the component in a ConfigMap's `binaryData`.
///
/// # Errors
/// If there is not exactly one component, or it cannot be unpacked within its
/// limit.
pub fn unpack(config_map: &ConfigMap) -> Result<Vec<u8>, UnpackError> {
    let none = BTreeMap::new();
    let data = config_map.binary_data.as_ref().unwrap_or(&none);
    let bytes = match (data.get(COMPONENT_KEY), data.get(COMPONENT_ZSTD_KEY)) {
        (None, None) => return Err(UnpackError::Missing),
        (Some(_), Some(_)) => return Err(UnpackError::Both),
        (Some(ByteString(raw)), None) => raw.clone(),
        (None, Some(ByteString(packed))) => decompress(packed)?,
    };
    if bytes.len() > COMPONENT_BYTES_MAX { Err(UnpackError::TooLarge) } else { Ok(bytes) }
}

fn decompress(packed: &[u8]) -> Result<Vec<u8>, UnpackError> {
    let decoder = zstd::stream::read::Decoder::new(packed).map_err(UnpackError::Compression)?;
    let mut bytes = Vec::new();
    // One byte more than allowed tells a component that is too large.
    let limit = u64::try_from(COMPONENT_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    decoder.take(limit).read_to_end(&mut bytes).map_err(UnpackError::Compression)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config_map(entries: &[(&str, &[u8])]) -> ConfigMap {
        let data =
            entries.iter().map(|(key, bytes)| ((*key).to_owned(), ByteString(bytes.to_vec()))).collect();
        ConfigMap { binary_data: Some(data), ..ConfigMap::default() }
    }

    #[test]
    fn a_component_is_found_raw_and_compressed() {
        let packed = pack(b"component").unwrap();
        assert_eq!(unpack(&config_map(&[(COMPONENT_KEY, b"component")])).unwrap(), b"component");
        assert_eq!(unpack(&config_map(&[(COMPONENT_ZSTD_KEY, &packed)])).unwrap(), b"component");
    }

    #[test]
    fn a_component_is_packed_as_it_came() {
        let packed = pack(b"component").unwrap();
        let package = Package::open(config_map(&[(COMPONENT_ZSTD_KEY, &packed)])).unwrap();
        assert_eq!((package.bytes.as_slice(), package.packed().unwrap()), (b"component".as_slice(), packed));
        let package = Package::open(config_map(&[(COMPONENT_KEY, b"component")])).unwrap();
        assert_eq!(decompress(&package.packed().unwrap()).unwrap(), b"component");
    }

    #[test]
    fn what_is_not_one_component_is_refused() {
        let error = |entries: &[(&str, &[u8])]| unpack(&config_map(entries)).unwrap_err().to_string();
        assert!(error(&[]).contains("operlet package"));
        assert!(error(&[(COMPONENT_KEY, b"a"), (COMPONENT_ZSTD_KEY, b"b")]).contains("remove one"));
        assert!(error(&[(COMPONENT_ZSTD_KEY, b"junk")]).contains("not valid zstd"));
    }

    #[test]
    fn a_small_package_cannot_unpack_into_a_large_one() {
        let packed = pack(&vec![0; COMPONENT_BYTES_MAX + 1]).unwrap();
        let error = unpack(&config_map(&[(COMPONENT_ZSTD_KEY, &packed)])).unwrap_err();
        assert!(matches!(error, UnpackError::TooLarge), "{error}");
    }
}
