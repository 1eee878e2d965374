//! Envoy's shared data: one table for all VMs of a process that have the same `vm_id`.

use proxy_wasm::hostcalls;
use tls_client_auth::host::{SharedData, Version};

/// The table of this process.
pub(super) struct HostSharedData;

impl SharedData for HostSharedData {
    fn read(&mut self, key: &str) -> Option<(Vec<u8>, Option<Version>)> {
        let (value, version) = hostcalls::get_shared_data(key).ok()?;
        // The SDK returns no value for an empty one; only a key that exists has a version.
        version.map(|version| (value.unwrap_or_default(), Some(Version(version))))
    }

    fn write(&mut self, key: &str, value: &[u8], expected: Option<Version>) -> bool {
        hostcalls::set_shared_data(key, Some(value), expected.map(|Version(version)| version))
            .is_ok()
    }
}
