//! A request as the command line describes it, completed to what Envoy would hand to the filter.

use serde_json::Value;
use tls_client_auth::inspect::{TenantPolicy, configuration_value, is_token};
use tls_client_auth::{Gate, GateRequest, UnixTime};

/// What is given of a request; the rest is as most requests have it.
#[derive(Debug, Default)]
pub struct Described<'a> {
    pub method: Option<&'a str>,
    pub path: Option<&'a str>,
    pub host: Option<&'a str>,
    pub headers: Vec<(String, Vec<u8>)>,
    /// Without a `content-type` in them there is none, instead of that of a form.
    pub headers_are_complete: bool,
    /// The client of the body, where no body is given.
    pub client_id: Option<&'a str>,
    pub body: Option<Vec<u8>>,
}

/// A host of the configuration, for requests that name none: one without a policy would be refused
/// for that alone.
pub fn default_host(gate: &Gate, configuration: &str) -> String {
    const ANY: &str = "localhost";
    let loaded = gate.configuration();
    let path = loaded.example_path(ANY.as_bytes()).unwrap_or_else(|| "/".to_owned());
    if let TenantPolicy::Known(_) = loaded.policy_for(ANY.as_bytes(), path.as_bytes()) {
        return ANY.to_owned();
    }
    let json = configuration_value(configuration.as_bytes()).unwrap_or_default();
    let host = json.pointer("/tenants/0/hosts/0").and_then(Value::as_str).unwrap_or(ANY);
    host.replacen("*.", "any.", 1)
}

/// The body of most token requests.
fn token_request(client_id: &str) -> Vec<u8> {
    let encoded =
        percent_encoding::utf8_percent_encode(client_id, percent_encoding::NON_ALPHANUMERIC);
    format!("grant_type=client_credentials&client_id={encoded}").into_bytes()
}

/// RFC 3339, or seconds since 1970.
pub fn time(text: &str) -> Option<UnixTime> {
    let seconds = text.parse().ok();
    seconds.or_else(|| Some(text.parse::<jiff::Timestamp>().ok()?.as_second())).map(UnixTime)
}

pub fn now() -> UnixTime {
    UnixTime(jiff::Timestamp::now().as_second())
}

impl Described<'_> {
    /// # Errors
    /// A name that no header can have.
    pub fn complete(self, gate: &Gate, default_host: &str) -> Result<GateRequest, String> {
        let mut headers: Vec<_> = self
            .headers
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect();
        if let Some((name, _)) = headers.iter().find(|(name, _)| !is_name(name)) {
            return Err(format!("{name:?} is not the name of a header"));
        }
        // Envoy makes pseudo-headers of them, whatever the version of HTTP.
        let mut take = |wanted: &[&str], stated: Option<&str>| {
            let given = headers
                .iter()
                .find(|(name, _)| wanted.contains(&name.as_str()))
                .map(|(_, value)| value.clone());
            headers.retain(|(name, _)| !wanted.contains(&name.as_str()));
            stated.map(|stated| stated.as_bytes().to_vec()).or(given)
        };
        let method = take(&[":method"], self.method).unwrap_or_else(|| b"POST".to_vec());
        let authority = take(&[":authority", "host"], self.host)
            .unwrap_or_else(|| default_host.as_bytes().to_vec());
        let path = take(&[":path"], self.path)
            .unwrap_or_else(|| first_endpoint(gate, &authority).into_bytes());
        // A preflight, or a GET by mistake, ends with its headers.
        let is_form = self.body.is_some() || method == b"POST";
        let body = self
            .body
            .or_else(|| self.client_id.filter(|_| is_form).map(token_request))
            .unwrap_or_default();
        // What every HTTP library adds to a form.
        if is_form
            && !self.headers_are_complete
            && headers.iter().all(|(name, _)| name != "content-type")
        {
            headers
                .push(("content-type".to_owned(), b"application/x-www-form-urlencoded".to_vec()));
        }
        let pseudo = [(":method", method), (":path", path), (":authority", authority)];
        let headers = pseudo
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .chain(headers)
            .collect();
        Ok(GateRequest { headers, body })
    }
}

/// The path that a request to this host most likely has.
fn first_endpoint(gate: &Gate, authority: &[u8]) -> String {
    gate.configuration().example_path(authority).unwrap_or_else(|| "/token".to_owned())
}

/// RFC 9110 §5.6.2, with the colon of a pseudo-header before it.
fn is_name(name: &str) -> bool {
    is_token(name.strip_prefix(':').unwrap_or(name).as_bytes())
}
