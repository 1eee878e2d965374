//! Envoy's shared data: one table for the VMs of a process that have the same `vm_id`.

use proxy_wasm::hostcalls;

use tls_client_auth::host::{SharedData, Version};

/// The host's table.
pub(super) struct HostSharedData;

impl SharedData for HostSharedData {
    fn read(&mut self, key: &str) -> Option<(Vec<u8>, Option<Version>)> {
        let (value, version) = hostcalls::get_shared_data(key).ok()?;
        // The host hands over nothing for an empty value; only a key that is there has a version.
        version.map(|version| (value.unwrap_or_default(), Some(Version(version))))
    }

    fn write(&mut self, key: &str, value: &[u8], expected: Option<Version>) -> bool {
        hostcalls::set_shared_data(key, Some(value), expected.map(|Version(version)| version))
            .is_ok()
    }
}
