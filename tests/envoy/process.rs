//! A real Envoy with the shipped module, for the duration of one test.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tls_client_auth_tests::host::Module;
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::backend::Backend;
use super::bootstrap::{self, Listener};
use super::wire;

/// The current Envoy.
pub const CURRENT: &str = "1.40.0";
/// The oldest Envoy in which the module must start.
pub const OLDEST: &str = "1.36.4";

/// Generous, for machines under load. A test that passes does not wait for it.
const DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);

/// What an update replaces is gone at once.
const AT_ONCE: &[&str] = &["--drain-time-s", "1", "--drain-strategy", "immediate"];

#[derive(Debug)]
pub struct Envoy {
    pub backend: Backend,
    pub process: Child,
    pub directory: PathBuf,
    admin: SocketAddr,
    ports: BTreeMap<String, SocketAddr>,
}

/// Envoy ended before it was ready.
#[derive(Debug)]
pub struct Refused {
    pub log: String,
}

/// What the access log says of one request.
#[derive(Clone, Debug, Deserialize)]
pub struct Logged {
    /// Filter state; `None` if the filter did not see the request or has not decided.
    pub code: Option<String>,
    pub client_id: Option<String>,
}

impl Envoy {
    /// The current Envoy with one worker.
    pub async fn start(listeners: Vec<Listener>) -> Self {
        Self::try_start(CURRENT, 1, listeners)
            .await
            .unwrap_or_else(|refused| panic!("Envoy ended:\n{}", refused.log))
    }

    pub async fn try_start(
        version: &str,
        workers: u32,
        listeners: Vec<Listener>,
    ) -> Result<Self, Refused> {
        let generate = |backend, directory: &Path| {
            bootstrap::bootstrap(&listeners, backend, &module(), &directory.join("access.log"))
                .to_string()
        };
        Self::start_with(version, workers, generate).await
    }

    /// Starts with the bootstrap that `make` returns for the backend's address and a directory for
    /// files. Envoy's standard output goes to `access.log` in that directory.
    pub async fn start_with(
        version: &str,
        workers: u32,
        make: impl FnOnce(SocketAddr, &Path) -> String,
    ) -> Result<Self, Refused> {
        Self::start_in(version, workers, &[], make).await
    }

    /// Starts with these environment variables.
    pub async fn start_in(
        version: &str,
        workers: u32,
        environment: &[(&str, String)],
        make: impl FnOnce(SocketAddr, &Path) -> String,
    ) -> Result<Self, Refused> {
        Self::launch(version, workers, environment, AT_ONCE, make).await
    }

    /// The same where what an update replaces has `drain` seconds to end, as Envoy does it by
    /// default.
    pub async fn start_draining(
        workers: u32,
        drain: u32,
        make: impl FnOnce(SocketAddr, &Path) -> String,
    ) -> Result<Self, Refused> {
        let drain = ["--drain-time-s", &drain.to_string()];
        Self::launch(CURRENT, workers, &[], &drain, make).await
    }

    /// The same where every answer on an old connection says at once that it will end.
    pub async fn start_draining_at_once(
        workers: u32,
        drain: Duration,
        make: impl FnOnce(SocketAddr, &Path) -> String,
    ) -> Result<Self, Refused> {
        let seconds = drain.as_secs().to_string();
        let drain = ["--drain-time-s", &seconds, "--drain-strategy", "immediate"];
        Self::launch(CURRENT, workers, &[], &drain, make).await
    }

    async fn launch(
        version: &str,
        workers: u32,
        environment: &[(&str, String)],
        drain: &[&str],
        make: impl FnOnce(SocketAddr, &Path) -> String,
    ) -> Result<Self, Refused> {
        let backend = Backend::start().await;
        let directory = new_directory();
        // JSON is also YAML.
        let file = directory.join("bootstrap.yaml");
        fs::write(&file, make(backend.address, &directory)).expect("the directory can be written");
        let process = spawn(version, workers, environment, drain, &file, &directory);
        let mut envoy = Self {
            backend,
            process,
            directory,
            admin: ([127, 0, 0, 1], 0).into(),
            ports: BTreeMap::new(),
        };
        envoy.wait_until_ready().await?;
        Ok(envoy)
    }

    async fn wait_until_ready(&mut self) -> Result<(), Refused> {
        let ready = async {
            while self.process.try_wait().expect("a child of this process").is_none() {
                if let Ok(admin) = self.read("admin").parse() {
                    self.admin = admin;
                    if self.get("/ready").await.as_deref() == Some("LIVE\n") {
                        self.ports = self.listeners().await;
                        return Ok(());
                    }
                }
                tokio::time::sleep(POLL).await;
            }
            Err(Refused { log: self.log() })
        };
        tokio::time::timeout(DEADLINE, ready)
            .await
            .expect("Envoy is ready, or has ended, before the deadline")
    }

    /// Reads the ports again, after an update of the listeners.
    pub async fn relisten(&mut self) {
        self.ports = self.listeners().await;
    }

    async fn listeners(&self) -> BTreeMap<String, SocketAddr> {
        let text = self.get("/listeners?format=json").await.expect("the admin endpoint answers");
        let listeners: Value = serde_json::from_str(&text).expect("it is JSON");
        let address = |listener: &Value| {
            let socket = &listener["local_address"]["socket_address"];
            let port = socket["port_value"].as_u64().and_then(|port| u16::try_from(port).ok())?;
            Some((listener["name"].as_str()?.to_string(), SocketAddr::from(([127, 0, 0, 1], port))))
        };
        listeners["listener_statuses"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(address)
            .collect()
    }

    /// The resident memory of the process, in octets.
    pub fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))
            .expect("Linux, and Envoy runs");
        let kilobytes = status.lines().find_map(|line| {
            line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok()
        });
        kilobytes.expect("the kernel reports it") * 1024
    }

    pub fn address(&self, listener: &str) -> SocketAddr {
        *self
            .ports
            .get(listener)
            .unwrap_or_else(|| panic!("{listener} is not a listener of {:?}", self.ports))
    }

    /// Everything that Envoy and the filter have logged.
    pub fn log(&self) -> String {
        self.read("envoy.log")
    }

    /// Waits for a line of Envoy's log with this text.
    pub async fn log_line(&self, text: &str) -> String {
        self.log_line_after(0, text).await
    }

    /// The same behind the first `from` octets of the log.
    pub async fn log_line_after(&self, from: usize, text: &str) -> String {
        eventually(&format!("a log line with {text:?}"), async || {
            let log = self.log();
            log.get(from..)?.lines().find(|line| line.contains(text)).map(str::to_string)
        })
        .await
    }

    /// Waits until the access log has the request with this `x-test-id`.
    pub async fn logged(&self, id: &str) -> Logged {
        serde_json::from_str(&self.access_log_line(&format!("\"{id}\"")).await)
            .expect("each line is JSON")
    }

    /// Waits for a line of the access log with this text.
    pub async fn access_log_line(&self, text: &str) -> String {
        eventually(&format!("an access log line with {text}"), async || {
            let log = self.read("access.log");
            // The last line may be incomplete.
            let (complete, _) = log.rsplit_once('\n')?;
            complete.lines().rev().find(|line| line.contains(text)).map(str::to_string)
        })
        .await
    }

    /// All counters and gauges.
    pub async fn stats(&self) -> BTreeMap<String, u64> {
        let text = self.get("/stats").await.expect("the admin endpoint answers");
        let stat = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_string(), value.parse().ok()?))
        };
        text.lines().filter_map(stat).collect()
    }

    /// A metric of the filter. It must exist.
    pub async fn metric(&self, name: &str) -> u64 {
        self.stat(&format!("wasmcustom.tls_client_auth.{name}")).await
    }

    /// Waits until the sum of these counters of the filter has this value: each VM hands over at a
    /// tick what it counted.
    pub async fn metrics_become(&self, names: &[&str], value: u64) {
        eventually(&format!("{} = {value}", names.join(" + ")), async || {
            let mut sum = 0;
            for name in names {
                sum += self.metric(name).await;
            }
            (sum == value).then_some(())
        })
        .await;
    }

    pub async fn stat(&self, name: &str) -> u64 {
        *self.stats().await.get(name).unwrap_or_else(|| panic!("Envoy has no statistic {name}"))
    }

    /// Waits until a statistic has this value.
    pub async fn stat_becomes(&self, name: &str, value: u64) {
        eventually(&format!("{name} = {value}"), async || {
            (self.stat(name).await == value).then_some(())
        })
        .await;
    }

    /// How many requests Envoy has begun to send to the backend of this listener. Envoy counts
    /// before it sends a byte, so a refused request that reaches the backend later is included.
    pub async fn upstream_requests(&self, listener: &str) -> u64 {
        self.stat(&format!("cluster.{listener}.upstream_rq_total")).await
    }

    /// Asserts that no VM failed or was restarted.
    pub async fn assert_healthy(&self) {
        let stats = self.stats().await;
        let failures = stats.iter().filter(|(name, value)| {
            let wasm = name.starts_with("wasm.") || name.contains("wasm_filter");
            wasm && **value != 0
                && ["fail", "error", "reload", "crash"].iter().any(|bad| name.contains(bad))
        });
        assert_eq!(failures.collect::<Vec<_>>(), [], "{}", self.log());
        let log = self.log();
        for bad in ["panicked", "Function: proxy_", "VM failed", "plugin crashed"] {
            assert!(!log.contains(bad), "{log}");
        }
    }

    async fn get(&self, path: &str) -> Option<String> {
        let mut stream = BufReader::new(TcpStream::connect(self.admin).await.ok()?);
        let request = format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let head = wire::read_head(&mut stream).await.ok()??;
        let (body, _) = wire::read_body(&mut stream, &head).await.ok()?;
        String::from_utf8(body).ok()
    }

    fn read(&self, file: &str) -> String {
        fs::read(self.directory.join(file))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("Envoy's files are kept in {}", self.directory.display());
        } else {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

/// Polls until `probe` gives something.
pub async fn eventually<T>(what: &str, probe: impl AsyncFn() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(value) = probe().await {
                return value;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(DEADLINE, found)
        .await
        .unwrap_or_else(|_| panic!("timed out waiting for {what}"))
}

fn spawn(
    version: &str,
    workers: u32,
    environment: &[(&str, String)],
    drain: &[&str],
    bootstrap: &Path,
    directory: &Path,
) -> Child {
    let create = |name| File::create(directory.join(name)).expect("the directory can be written");
    Command::new(existing(
        &format!("envoy/{version}/bin/envoy"),
        "./build.sh test envoy fetches it",
    ))
    .arg("--config-path")
    .arg(bootstrap)
    .arg("--admin-address-path")
    .arg(directory.join("admin"))
    .args([
        "--concurrency",
        &workers.to_string(),
        "--disable-hot-restart",
        "--file-flush-interval-msec",
        "5",
    ])
    .args(["--log-level", "warning", "--component-log-level", "wasm:info"])
    .args(drain)
    .envs(environment.iter().map(|(name, value)| (name, value)))
    .stdin(Stdio::null())
    .stdout(create("access.log"))
    .stderr(create("envoy.log"))
    .spawn()
    .expect("Envoy can be executed")
}

/// The shipped module. It must not be older than its sources.
pub fn module() -> PathBuf {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| Module::file("tls_client_auth.wasm")).clone()
}

fn existing(name: &str, how_to_get: &str) -> PathBuf {
    let path = support::repository().join("target").join(name);
    assert!(path.exists(), "target/{name} is missing: {how_to_get}");
    path
}

fn new_directory() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("envoy-{}-{number}", std::process::id()));
    fs::create_dir_all(&path).expect("cargo gives tests a directory");
    path
}
