//! The backend: it answers every request with 200 and remembers its tag until somebody asks for it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::envoy::backend::ANSWER;
use crate::envoy::wire;

/// How often each tag arrived that was not taken yet.
type Tags = Arc<Mutex<HashMap<String, u32>>>;

#[derive(Debug)]
pub struct Recorder {
    pub address: SocketAddr,
    tags: Tags,
    arrived: Arc<AtomicU64>,
    /// Delays every answer, for the proof that a slow backend is noticed.
    slow: Arc<AtomicBool>,
    server: Mutex<Option<JoinHandle<()>>>,
}

impl Recorder {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let (tags, arrived, slow) = (Tags::default(), Arc::default(), Arc::default());
        let shared = (Arc::clone(&tags), Arc::clone(&arrived), Arc::clone(&slow));
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tags, arrived, slow) = shared.clone();
                // Envoy may close a connection early; what has arrived is recorded.
                tokio::spawn(async move { serve(stream, &tags, &arrived, &slow).await.ok() });
            }
        });
        Self { address, tags, arrived, slow, server: Mutex::new(Some(server)) }
    }

    /// How often this tag arrived since it was taken last.
    pub fn take(&self, tag: &str) -> u32 {
        self.tags().remove(tag).unwrap_or(0)
    }

    /// Every tag that arrived and was not taken.
    pub fn left(&self) -> Vec<String> {
        let mut left: Vec<_> = self.tags().keys().cloned().collect();
        left.sort_unstable();
        left
    }

    pub fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }

    pub fn be_slow(&self) {
        self.slow.store(true, Ordering::Relaxed);
    }

    /// Accepts no more connections.
    pub fn stop(&self) {
        if let Some(server) = self.server.lock().unwrap_or_else(PoisonError::into_inner).take() {
            server.abort();
        }
    }

    fn tags(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        self.tags.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(
    stream: TcpStream,
    tags: &Tags,
    arrived: &AtomicU64,
    slow: &AtomicBool,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(head) = wire::read_head(&mut stream).await? {
        arrived.fetch_add(1, Ordering::Relaxed);
        let tag = wire::field(&head.fields, "x-test-id").unwrap_or("a request without tag");
        *tags.lock().unwrap_or_else(PoisonError::into_inner).entry(tag.to_owned()).or_default() +=
            1;
        wire::read_body(&mut stream, &head).await?;
        if slow.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{ANSWER}", ANSWER.len());
        stream.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}
