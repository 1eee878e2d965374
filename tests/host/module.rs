//! Compiled modules.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use wasmtime::{Config, Engine};

use super::Fault;

/// A compiled module.
pub struct Module(pub(super) wasmtime::Module);

impl Module {
    pub fn compile(bytes: impl AsRef<[u8]>) -> Result<Module, Fault> {
        static ENGINE: OnceLock<Engine> = OnceLock::new();
        let engine = ENGINE.get_or_init(|| {
            let mut config = Config::new();
            config.consume_fuel(true);
            Engine::new(&config).expect("wasmtime runs on this machine")
        });
        wasmtime::Module::new(engine, bytes)
            .map(Module)
            .map_err(|error| Fault(format!("{error:#}")))
    }

    /// The file that operators use. It must not be older than its sources.
    pub fn shipped() -> &'static Module {
        static SHIPPED: OnceLock<Module> = OnceLock::new();
        SHIPPED.get_or_init(|| Module::built("tls_client_auth.wasm"))
    }

    /// The other file that operators use, with the callbacks of responses.
    pub fn reading_responses() -> &'static Module {
        static SHIPPED: OnceLock<Module> = OnceLock::new();
        SHIPPED.get_or_init(|| Module::built("tls_client_auth_responses.wasm"))
    }

    /// Where the file of this name is. It must not be older than its sources.
    pub fn file(name: &str) -> PathBuf {
        let root = support::repository();
        let path = root.join("target").join(name);
        let built = modified(&path).unwrap_or_else(|error| panic!("{error}: run ./build.sh first"));
        let newest = newest_source(root).unwrap_or_else(|error| panic!("{error}"));
        assert!(newest <= built, "{} is older than its sources: run ./build.sh", path.display());
        path
    }

    fn built(name: &str) -> Module {
        let path = Module::file(name);
        let bytes =
            std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Module::compile(bytes).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()))
    }

    /// A module that `tests/bench/profile.sh` made, which reports where it is.
    pub fn of_file(path: &Path) -> Result<Module, Fault> {
        let bytes =
            std::fs::read(path).map_err(|error| Fault(format!("{}: {error}", path.display())))?;
        Module::compile(bytes)
    }

    /// The imports as `module.name`.
    pub fn imports(&self) -> Vec<String> {
        self.0.imports().map(|import| format!("{}.{}", import.module(), import.name())).collect()
    }

    pub fn exports(&self) -> Vec<String> {
        self.0.exports().map(|export| export.name().to_string()).collect()
    }
}

fn newest_source(root: &Path) -> Result<std::time::SystemTime, String> {
    let mut newest = modified(&root.join("Cargo.lock"))?.max(modified(&root.join("Cargo.toml"))?);
    let mut folders =
        ["src", "crates/proxy-wasm", "crates/signatures"].map(|name| root.join(name)).to_vec();
    while let Some(folder) = folders.pop() {
        let entries =
            std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for entry in entries {
            let path = entry.map_err(|error| error.to_string())?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                newest = newest.max(modified(&path)?);
            }
        }
    }
    Ok(newest)
}

fn modified(path: &Path) -> Result<std::time::SystemTime, String> {
    let metadata = std::fs::metadata(path).and_then(|metadata| metadata.modified());
    metadata.map_err(|error| format!("{}: {error}", path.display()))
}
