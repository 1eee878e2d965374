//! One HTTP stream in Envoy's filter manager and wasm filter: what is held, what went upstream,
//! what was answered. Independent of wasm.

use std::collections::BTreeMap;

use super::response::BackendResponse;

pub type Headers = Vec<(String, Vec<u8>)>;

/// Statuses of the proxy-wasm ABI that Envoy returns from the calls of [`super::abi`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Ok = 0,
    NotFound = 1,
    BadArgument = 2,
    SerializationFailure = 3,
    CasMismatch = 8,
    InternalFailure = 10,
}

/// The action that a callback returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Continue,
    Pause,
}

/// The attributes of a connection, by dotted name. An attribute that is absent here is `NotFound`;
/// one that is not in [`ATTRIBUTES`] fails the test.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    pub attributes: BTreeMap<&'static str, Result<Vec<u8>, Status>>,
}

/// The attributes of Envoy 1.40 that this host implements.
pub const ATTRIBUTES: &[&str] = &[
    PEER_CERTIFICATE,
    PEER_CERTIFICATE_VALID,
    PEER_CERTIFICATE_DIGEST,
    REQUESTED_SERVER_NAME,
    VERIFIED_PAYLOAD,
    VERIFIED_THUMBPRINT,
    "request.host",
    "request.id",
    "request.method",
    "request.path",
    "request.total_size",
];

pub const PEER_CERTIFICATE: &str = "connection.peer_certificate";
pub const PEER_CERTIFICATE_VALID: &str = "connection.peer_certificate_valid";
/// What `jwt_authn` verified, with `payload_in_metadata: verified`.
pub const VERIFIED_PAYLOAD: &str = "metadata.filter_metadata.envoy.filters.http.jwt_authn.verified";
/// Its claim `cnf`, and the member of that.
pub const VERIFIED_THUMBPRINT: &str =
    "metadata.filter_metadata.envoy.filters.http.jwt_authn.verified.cnf.x5t#S256";
/// Empty if the client sent no server name.
pub const REQUESTED_SERVER_NAME: &str = "connection.requested_server_name";
pub const PEER_CERTIFICATE_DIGEST: &str = "connection.sha256_peer_certificate_digest";

impl Connection {
    /// TLS without a client certificate: Envoy omits the attributes without a value, and gives "not
    /// valid".
    pub fn without_certificate() -> Connection {
        Connection::default().with(PEER_CERTIFICATE_VALID, [0])
    }

    /// Mutual TLS. `valid` is `None` for an Envoy before 1.39.
    pub fn mutual_tls(peer_certificate: &str, sha256_hex: &str, valid: Option<bool>) -> Connection {
        let connection = Connection::default()
            .with(PEER_CERTIFICATE, peer_certificate)
            .with(PEER_CERTIFICATE_DIGEST, sha256_hex);
        match valid {
            Some(valid) => connection.with(PEER_CERTIFICATE_VALID, [u8::from(valid)]),
            None => connection,
        }
    }

    pub fn with(mut self, attribute: &'static str, value: impl AsRef<[u8]>) -> Connection {
        self.attributes.insert(attribute, Ok(value.as_ref().to_vec()));
        self
    }

    /// The metadata of a verified token, as Envoy gives it: a text as it is, a number as eight
    /// octets, a null not at all.
    pub fn with_verified(self, claims: &serde_json::Value) -> Connection {
        use serde_json::Value;
        let cnf = claims.get("cnf");
        let connection =
            match claims.as_object().is_some_and(|all| all.values().any(Value::is_null)) {
                true => self.failing(VERIFIED_PAYLOAD, Status::SerializationFailure),
                false => self.with(VERIFIED_PAYLOAD, "packed"),
            };
        match cnf.and_then(|cnf| cnf.get("x5t#S256")) {
            None => connection,
            Some(Value::Null) => {
                connection.failing(VERIFIED_THUMBPRINT, Status::SerializationFailure)
            }
            Some(Value::String(text)) => connection.with(VERIFIED_THUMBPRINT, text),
            Some(Value::Number(number)) => {
                let number = number.as_f64().unwrap_or_default();
                connection.with(VERIFIED_THUMBPRINT, number.to_le_bytes())
            }
            Some(Value::Bool(value)) => connection.with(VERIFIED_THUMBPRINT, [u8::from(*value)]),
            Some(_) => connection.with(VERIFIED_THUMBPRINT, [0, 0, 0, 0]),
        }
    }

    pub fn without(mut self, attribute: &'static str) -> Connection {
        self.attributes.remove(attribute);
        self
    }

    pub fn failing(mut self, attribute: &'static str, status: Status) -> Connection {
        self.attributes.insert(attribute, Err(status));
        self
    }
}

/// A local reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u32,
    pub headers: Headers,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Vec<&[u8]> {
        values(&self.headers, name)
    }
}

/// What the backend received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarded {
    pub headers: Headers,
    pub body: Vec<u8>,
    pub trailers: Headers,
}

impl Forwarded {
    pub fn header(&self, name: &str) -> Vec<&[u8]> {
        values(&self.headers, name)
    }
}

pub fn values<'a>(headers: &'a Headers, name: &str) -> Vec<&'a [u8]> {
    headers.iter().filter(|(header, _)| header == name).map(|(_, value)| value.as_slice()).collect()
}

/// The state of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Replied(Reply),
    Forwarded(Forwarded),
    /// Neither answered nor forwarded: the client waits.
    Held,
}

#[derive(Debug)]
pub struct Stream {
    pub connection: Connection,
    pub headers: Headers,
    trailers: Headers,
    /// Whether Envoy shows the trailers: from their callback until they go upstream.
    shows_trailers: bool,
    pub reply: Option<Reply>,
    pub properties: BTreeMap<String, Vec<u8>>,
    buffered: Vec<u8>,
    /// Bytes of headers and body that arrived, delivered or not.
    received: u64,
    upstream: Option<Forwarded>,
    /// Whether the filter saw the end of the request.
    end_came: bool,
    /// Whether the backend sees the end of the request.
    ended: bool,
    /// Present while Envoy makes no callback because of a Pause at the headers (StopAll): what
    /// arrived meanwhile.
    pub stopped: Option<Withheld>,
    /// What the backend answers.
    pub response: BackendResponse,
}

#[derive(Debug, Default)]
pub struct Withheld {
    pub body: Vec<u8>,
    pub end_of_stream: bool,
    pub trailers: Option<Headers>,
}

impl Stream {
    pub fn new(connection: Connection) -> Stream {
        Stream {
            connection,
            headers: Headers::new(),
            trailers: Headers::new(),
            shows_trailers: false,
            reply: None,
            properties: BTreeMap::new(),
            buffered: Vec::new(),
            received: 0,
            upstream: None,
            end_came: false,
            ended: false,
            stopped: None,
            response: BackendResponse::default(),
        }
    }

    /// Receives the client's headers, and joins repeated ones where Envoy does.
    pub fn receive_headers(&mut self, headers: Headers) {
        for (name, value) in headers {
            self.received += (name.len() + value.len()) as u64;
            let name = name.to_ascii_lowercase();
            let first = self
                .headers
                .iter_mut()
                .find(|(header, _)| *header == name && JOINED.contains(&&*name));
            match first {
                Some((_, joined)) => {
                    joined.push(b',');
                    joined.extend(value);
                }
                None => self.headers.push((name, value)),
            }
        }
    }

    /// Counts body bytes, delivered or not.
    pub fn count_received(&mut self, chunk: &[u8]) {
        self.received += chunk.len() as u64;
    }

    /// Buffers body bytes; returns the size of the buffer, which the callback gets.
    pub fn buffer(&mut self, chunk: &[u8]) -> usize {
        self.buffered.extend_from_slice(chunk);
        self.buffered.len()
    }

    pub fn buffered(&self) -> &[u8] {
        &self.buffered
    }

    pub fn is_released(&self) -> bool {
        self.upstream.is_some()
    }

    pub fn receive_trailers(&mut self, trailers: Headers) {
        self.trailers = trailers;
        self.shows_trailers = true;
    }

    /// Acts on what a request callback returned. Trailers count as `end_of_stream`. `may_wake` is
    /// whether something can resume a request that is held at its end.
    pub fn proceed(
        &mut self,
        action: Action,
        end_of_stream: bool,
        may_wake: bool,
    ) -> Result<(), String> {
        self.end_came |= end_of_stream;
        match action {
            Action::Continue if self.reply.is_some() => Err(
                "Continue after a local reply: the request would reach the backend if Envoy did \
                     not ignore this"
                    .into(),
            ),
            Action::Pause if self.reply.is_some() => Ok(()),
            Action::Pause if end_of_stream && !may_wake => {
                Err("Pause at the end of the stream without a reply: nothing can resume this \
                     request"
                    .into())
            }
            Action::Pause => Ok(()),
            Action::Continue => {
                self.release();
                Ok(())
            }
        }
    }

    /// Whether it is held at its end: only the filter can resume it.
    pub fn waits(&self) -> bool {
        self.reply.is_none() && (self.end_came && !self.ended || self.response.waits())
    }

    /// `proxy_continue_stream`
    pub fn resume(&mut self) -> Result<(), String> {
        if self.reply.is_some() || self.is_released() {
            return Err("a stream is continued that was answered or continued before".into());
        }
        self.release();
        Ok(())
    }

    fn release(&mut self) {
        let headers = &self.headers;
        let upstream = self
            .upstream
            .get_or_insert_with(|| Forwarded { headers: headers.clone(), ..Forwarded::default() });
        upstream.body.append(&mut self.buffered);
        upstream.trailers = self.trailers.clone();
        self.shows_trailers = false;
        self.ended = self.end_came;
    }

    /// Replies locally. `is_last_resort`: the filter may abort a request that went upstream; Envoy
    /// allows it before the backend answers.
    pub fn answer(&mut self, reply: Reply, is_last_resort: bool) -> Result<(), String> {
        if self.is_released() && !is_last_resort && !self.response.is_replaceable() {
            return Err("a local reply after the request went upstream".into());
        }
        if self.reply.is_some() {
            return Err("a second local reply on one stream".into());
        }
        self.reply = Some(reply);
        Ok(())
    }

    /// The request headers, while the filter holds them.
    pub fn held_headers(&mut self) -> Option<&mut Headers> {
        if self.is_released() { None } else { Some(&mut self.headers) }
    }

    /// The trailers, from their callback until they go upstream.
    pub fn shown_trailers(&mut self) -> Option<&mut Headers> {
        if self.shows_trailers { Some(&mut self.trailers) } else { None }
    }

    pub fn verdict(&self) -> Verdict {
        match (&self.reply, &self.upstream) {
            (Some(reply), _) => Verdict::Replied(reply.clone()),
            (None, Some(upstream)) if self.ended => Verdict::Forwarded(upstream.clone()),
            _ => Verdict::Held,
        }
    }

    pub fn attribute(&self, name: &str) -> Result<Result<Vec<u8>, Status>, String> {
        if !ATTRIBUTES.contains(&name) {
            return Err(format!(
                "attribute {name:?}: this host does not know what Envoy would return"
            ));
        }
        if let Some(value) = self.connection.attributes.get(name) {
            return Ok(value.clone());
        }
        if name == "request.total_size" {
            return Ok(Ok(self.received.to_le_bytes().to_vec()));
        }
        let header = match name {
            "request.host" => ":authority",
            "request.id" => "x-request-id",
            "request.method" => ":method",
            "request.path" => ":path",
            _ => return Ok(Err(Status::NotFound)),
        };
        Ok(values(&self.headers, header)
            .first()
            .map(|value| value.to_vec())
            .ok_or(Status::NotFound))
    }
}

/// Envoy's inline headers: one entry in the map, repeated fields joined by a comma.
const JOINED: &[&str] = &[
    "accept",
    "authorization",
    "content-encoding",
    "content-type",
    "user-agent",
    "x-forwarded-client-cert",
    "x-forwarded-for",
];
