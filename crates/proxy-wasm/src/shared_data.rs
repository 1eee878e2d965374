//! Envoy's shared data: one table for all VMs of a process that have the same `vm_id`.

use tls_client_auth::host::{SharedData, Version};

use super::abi;

/// The table of this process.
pub(super) struct HostSharedData;

impl SharedData for HostSharedData {
    fn read(&mut self, key: &str) -> Option<(Vec<u8>, Option<Version>)> {
        let (value, version) = abi::shared_data(key)?;
        // Only a key that exists has a version, and no version is 0.
        (version != 0).then_some((value, Some(Version(version))))
    }

    fn write(&mut self, key: &str, value: &[u8], expected: Option<Version>) -> bool {
        abi::set_shared_data(key, value, expected.map_or(0, |Version(version)| version))
    }
}
