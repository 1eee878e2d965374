//! One response of the backend as a machine without I/O, where something in it matters: the access
//! token of a client whose tokens must be bound to its certificate (contract §10), or the metadata
//! of the server (§14). No other response is read.
//!
//! Such a response is held, headers included, until its body or its trailers end. Only
//! `tls_client_auth_responses.wasm` does that.

mod access_token;
mod discovery;
mod head;

use std::mem;
use std::sync::Arc;

use self::access_token::Issued;
pub use self::discovery::UntouchedMetadata;
use self::head::ResponseHead;
use crate::certificate::Thumbprint;
use crate::checks::Checks;
use crate::decision::{Decision, RequestSummary};
use crate::facts::{Fact, Question};
use crate::limits;
use crate::policy::{Configuration, Discovery, Mode};
use crate::registry::{IntrospectedToken, IntrospectionSource, RegistryFault};
use crate::rejection::{Rejection, UnboundResponse};
use crate::request::{Fields, Head};
use crate::response::Challenge;

/// What the host must do with the response next.
#[derive(Clone, Debug)]
pub enum ResponseStep {
    /// Hold it, headers included, until more of it arrives.
    Wait,
    /// Find this out and report it to [`BackendResponse::on_fact`]. The response, which is
    /// complete, is held until then.
    Ask(Box<Question>),
    /// Let it go on as it is.
    Continue,
    /// Let it go on with this body, its `content-length`, if it has one, and without
    /// [`METADATA_VALIDATORS`].
    Edit(Vec<u8>),
    /// Let it go on without [`METADATA_VALIDATORS`] and without `content-length`: the answer to
    /// HEAD, whose headers describe a body that would be edited.
    Undescribe,
    /// Let it go on as it is, and log why, once for each path and reason.
    Untouched(UntouchedMetadata),
    /// The access token is not known to be bound to the certificate of the client. Count it, log
    /// it, and carry out its action: let the response go on, or answer in its place.
    Unbound(Box<Decision>),
}

/// The headers of a request for metadata that are removed, because an answer to them could not be
/// edited: one that is encoded, one of a part, and one that says that nothing has changed.
pub const METADATA_CONDITIONS: [&str; 5] =
    ["accept-encoding", "if-modified-since", "if-none-match", "if-range", "range"];

/// The headers of an answer with metadata that describe the octets that the backend sent (RFC 9110
/// §8.8.3, RFC 9530).
pub const METADATA_VALIDATORS: [&str; 5] =
    ["content-digest", "content-md5", "digest", "etag", "repr-digest"];

/// The state of one response, from its request to its end.
#[derive(Debug)]
pub struct BackendResponse(Progress);

#[derive(Debug)]
enum Progress {
    /// The headers are awaited.
    Start(Purpose),
    /// The headers are held, and the body is awaited.
    Held(Purpose),
    /// The response is complete, and its server is asked about the token in it.
    AwaitingToken(Box<TokenCheck>),
    Decided,
}

/// Why a response is read.
#[derive(Debug)]
enum Purpose {
    Token(Box<TokenCheck>),
    Metadata(Box<MetadataRequest>),
}

/// The check of an access token.
#[derive(Clone, Debug)]
pub(crate) struct TokenCheck {
    /// The certificate that counts as the client's; `None` = there is none.
    pub(crate) certificate: Option<Thumbprint>,
    /// Whether an answer with another token is replaced.
    pub(crate) mode: Mode,
    /// The server that is asked about tokens that are no JWTs; `None` = there is none.
    pub(crate) introspection: Option<Arc<IntrospectionSource>>,
    /// Of the request.
    pub(crate) request: RequestSummary,
    /// Of the request.
    pub(crate) checks: Checks,
    /// What the headers of the response show: a body must not be there at all.
    pub(crate) doubt: Option<UnboundResponse>,
}

/// A request for metadata.
#[derive(Debug)]
struct MetadataRequest {
    path: Vec<u8>,
    /// Whether the answer has no body (RFC 9110 §9.3.2).
    is_head: bool,
}

impl BackendResponse {
    /// The response to a request that passed, of a client whose access tokens must be bound.
    pub(crate) fn to_token_request(check: TokenCheck) -> Self {
        Self(Progress::Start(Purpose::Token(Box::new(check))))
    }

    /// The response to a request that passed, if it asks for the metadata of the server;
    /// [`METADATA_CONDITIONS`] must be removed from that request.
    #[must_use]
    pub fn to_metadata_request(discovery: &Discovery, head: &Head<'_>) -> Option<Self> {
        let is_head = head.method == Some(b"HEAD");
        if !(is_head || head.method == Some(b"GET")) || !discovery.paths.gates(&head.target) {
            return None;
        }
        let path = head.target.path().to_vec();
        let request = Box::new(MetadataRequest { path, is_head });
        Some(Self(Progress::Start(Purpose::Metadata(request))))
    }

    /// The headers arrived. `end_of_stream` = nothing follows them. `fields` is `None` where the
    /// host does not give them.
    pub fn on_headers(&mut self, fields: Option<Fields<'_>>, end_of_stream: bool) -> ResponseStep {
        let mut purpose = match mem::replace(&mut self.0, Progress::Decided) {
            Progress::Start(purpose) => purpose,
            Progress::Decided => return ResponseStep::Continue,
            // Headers come once, and others change nothing.
            held @ (Progress::Held(_) | Progress::AwaitingToken(_)) => {
                self.0 = held;
                return ResponseStep::Wait;
            }
        };
        let head = fields.map(ResponseHead::of);
        match &mut purpose {
            Purpose::Token(check) => {
                if end_of_stream || head.as_ref().is_some_and(ResponseHead::has_no_token) {
                    return ResponseStep::Continue;
                }
                check.doubt = match head {
                    Some(head) => head.doubt(),
                    None => Some(UnboundResponse::NotGiven),
                };
                // Envoy need not buffer a body that is there and will not be read.
                if let Some(doubt) = check.doubt.clone()
                    && head.as_ref().is_some_and(|head| head.is_longer_than(0))
                {
                    return check.clone().unbound(doubt);
                }
            }
            Purpose::Metadata(request) => {
                let fault = match head {
                    Some(head) => discovery::check_head(&head),
                    None => Err(discovery::Fault::NotGiven),
                };
                match fault {
                    Err(fault) => return request.untouched(fault),
                    Ok(()) if request.is_head => return ResponseStep::Undescribe,
                    Ok(()) if end_of_stream => return request.untouched(discovery::Fault::NotJson),
                    Ok(()) => {}
                }
            }
        }
        self.0 = Progress::Held(purpose);
        ResponseStep::Wait
    }

    /// The host has buffered `buffered` bytes of the body in all. `read` returns so many bytes of
    /// it, and is called once the body is complete.
    pub fn on_body(
        &mut self,
        configuration: &Configuration,
        buffered: usize,
        end_of_stream: bool,
        read: impl FnOnce(usize) -> Option<Vec<u8>>,
    ) -> ResponseStep {
        if let Progress::Held(purpose) = &self.0
            && !end_of_stream
        {
            let is_decided = match purpose {
                Purpose::Token(check) => {
                    buffered > 0 && check.doubt.is_some() || buffered > limits::TOKEN_RESPONSE_BYTES
                }
                Purpose::Metadata(_) => buffered > limits::METADATA_BYTES,
            };
            if !is_decided {
                return ResponseStep::Wait;
            }
        }
        self.on_end(configuration, buffered, read)
    }

    /// The response is complete: its body ended, or its trailers arrived. `buffered` as in
    /// [`BackendResponse::on_body`], of the last call.
    pub fn on_end(
        &mut self,
        configuration: &Configuration,
        buffered: usize,
        read: impl FnOnce(usize) -> Option<Vec<u8>>,
    ) -> ResponseStep {
        match mem::replace(&mut self.0, Progress::Decided) {
            Progress::Held(Purpose::Token(check)) => match check.check(buffered, read) {
                Ok(Issued::MayLeave) => ResponseStep::Continue,
                Ok(Issued::Opaque(token)) => {
                    let Some(source) = check.introspection.clone() else {
                        return check.unbound(UnboundResponse::Opaque);
                    };
                    self.0 = Progress::AwaitingToken(check);
                    ResponseStep::Ask(Box::new(Question::Token { source, token }))
                }
                Err(cause) => check.unbound(cause),
            },
            Progress::Held(Purpose::Metadata(request)) => {
                request.edit(configuration, buffered, read)
            }
            Progress::AwaitingToken(check) => {
                // Trailers after the end of the body: no host has them, and they change nothing.
                self.0 = Progress::AwaitingToken(check);
                ResponseStep::Wait
            }
            // A body before the headers: no host reports this, and what it is of is not known.
            Progress::Start(Purpose::Token(check)) => check.unbound(UnboundResponse::NotGiven),
            Progress::Start(Purpose::Metadata(request)) => {
                request.untouched(discovery::Fault::NotGiven)
            }
            Progress::Decided => ResponseStep::Continue,
        }
    }

    /// The answer to a [`ResponseStep::Ask`].
    pub fn on_fact(&mut self, fact: Fact) -> ResponseStep {
        match (mem::replace(&mut self.0, Progress::Decided), fact) {
            (Progress::AwaitingToken(check), Fact::Token(answer)) => {
                match check.check_introspected(answer) {
                    Ok(()) => ResponseStep::Continue,
                    Err(cause) => check.unbound(cause),
                }
            }
            // No host answers what it was not asked.
            (other, _) => {
                self.0 = other;
                ResponseStep::Wait
            }
        }
    }

    /// The host holds the body, and does not deliver it.
    pub fn on_body_withheld(&mut self) -> ResponseStep {
        match mem::replace(&mut self.0, Progress::Decided) {
            Progress::Start(Purpose::Token(check)) | Progress::Held(Purpose::Token(check)) => {
                check.unbound(UnboundResponse::Withheld)
            }
            Progress::Start(Purpose::Metadata(request))
            | Progress::Held(Purpose::Metadata(request)) => {
                request.untouched(discovery::Fault::Withheld)
            }
            Progress::AwaitingToken(check) => {
                self.0 = Progress::AwaitingToken(check);
                ResponseStep::Wait
            }
            Progress::Decided => ResponseStep::Continue,
        }
    }

    /// Whether the headers of the response are held for its body.
    #[must_use]
    pub fn is_held(&self) -> bool {
        matches!(self.0, Progress::Held(_))
    }

    /// Whether an encoded response could not be read, so that `accept-encoding` must be removed
    /// from the request.
    #[must_use]
    pub fn is_of_token(&self) -> bool {
        matches!(self.0, Progress::Start(Purpose::Token(_)))
    }
}

impl TokenCheck {
    /// # Errors
    /// The body has a token that is not known to be bound to the certificate.
    fn check(
        &self,
        buffered: usize,
        read: impl FnOnce(usize) -> Option<Vec<u8>>,
    ) -> Result<Issued, UnboundResponse> {
        // Revocation and logout are answered without a body.
        if buffered == 0 {
            return Ok(Issued::MayLeave);
        }
        if let Some(doubt) = self.doubt.clone() {
            return Err(doubt);
        }
        if buffered > limits::TOKEN_RESPONSE_BYTES {
            return Err(UnboundResponse::TooLarge);
        }
        let body = read(buffered).filter(|body| body.len() == buffered);
        access_token::check(&body.ok_or(UnboundResponse::NotGiven)?, self.certificate.as_ref())
    }

    /// # Errors
    /// The server does not say that the token is bound to the certificate.
    fn check_introspected(
        &self,
        answer: Result<IntrospectedToken, RegistryFault>,
    ) -> Result<(), UnboundResponse> {
        let bound_to = match answer.map_err(UnboundResponse::NotIntrospected)? {
            IntrospectedToken::BoundTo(bound_to) => bound_to,
            IntrospectedToken::Unbound | IntrospectedToken::Unreadable => {
                return Err(UnboundResponse::NotBound);
            }
            IntrospectedToken::Inactive => return Err(UnboundResponse::Inactive),
        };
        let certificate = self.certificate.as_ref().ok_or(UnboundResponse::NoCertificate)?;
        access_token::is_bound(bound_to, certificate)
    }

    fn unbound(self, cause: UnboundResponse) -> ResponseStep {
        let rejection = Rejection::ResponseUnbound(cause);
        let mut request = self.request;
        // The challenge of HTTP is of requests that are refused.
        request.challenge = Challenge::None;
        ResponseStep::Unbound(Box::new(Decision::refuse(
            rejection,
            self.mode,
            request,
            self.checks,
        )))
    }
}

impl MetadataRequest {
    fn edit(
        self,
        configuration: &Configuration,
        buffered: usize,
        read: impl FnOnce(usize) -> Option<Vec<u8>>,
    ) -> ResponseStep {
        if buffered > limits::METADATA_BYTES {
            return self.untouched(discovery::Fault::TooLarge);
        }
        let Some(body) = read(buffered).filter(|body| body.len() == buffered) else {
            return self.untouched(discovery::Fault::NotGiven);
        };
        match discovery::edit(&body, configuration) {
            Ok(Some(edited)) => ResponseStep::Edit(edited),
            Ok(None) => ResponseStep::Continue,
            Err(fault) => self.untouched(fault),
        }
    }

    fn untouched(&self, fault: discovery::Fault) -> ResponseStep {
        ResponseStep::Untouched(UntouchedMetadata::new(&self.path, fault))
    }
}

#[cfg(test)]
mod tests;
