//! Client metadata (RFC 7591 §2, RFC 8705 §2.1.2 and §2.2.2), read into types that cannot hold an
//! inconsistent client.

use super::auth_method::{METHOD, letters, method_name, refuse_others};
use super::backend_authentication::BackendAuthentication;
use super::certificate_binding::{self, CertificateBinding, ReadBinding, THUMBPRINTS, thumbprints};
use super::client_anchors::{self, ClientAnchors};
use super::expected_subject::{ExpectedSubject, names_of_subjects, only_subject, subjects};
use super::jwks_uri::JwksUri;
use super::{foreign, jwks, standing};
use crate::certificate::Thumbprint;
use crate::json::{Json, JsonError, Members};
use crate::octets::are_visible;

/// One registered client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientMetadata {
    client_id: Box<str>,
    method: TokenEndpointAuthMethod,
    /// `certificate_thumbprints`, of the client or beside the subject of its `certificate_binding`:
    /// the only certificates that this client may use; `None` = any certificate that matches.
    certificate_thumbprints: Option<Vec<Thumbprint>>,
    backend_authentication: Option<BackendAuthentication>,
    trust_anchors: Option<ClientAnchors>,
    /// `tls_client_certificate_bound_access_tokens`
    binds_access_tokens: bool,
}

/// How the client authenticates, with everything that the method needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenEndpointAuthMethod {
    /// RFC 8705 §2.1: a verified chain and exactly one expected subject.
    TlsClientAuth(ExpectedSubject),
    /// RFC 8705 §2.2: one of these certificates.
    SelfSignedTlsClientAuth(SelfSignedKeys),
    /// A method that the backend checks, and the certificate that the connection of the client must
    /// present; `None` = any or none.
    Other(Option<CertificateBinding>),
}

/// The certificates of a `self_signed_tls_client_auth` client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SelfSignedKeys {
    /// `jwks`, at least one.
    Registered(Vec<Thumbprint>),
    /// `jwks_uri`: those that the client publishes there.
    At(JwksUri),
}

impl TokenEndpointAuthMethod {
    /// The subject by which the client is registered, of a method of RFC 8705 or of a
    /// `certificate_binding`. It has a meaning only in a verified chain.
    #[must_use]
    pub fn expected_subject(&self) -> Option<&ExpectedSubject> {
        match self {
            Self::TlsClientAuth(expected)
            | Self::Other(Some(CertificateBinding::Subject(expected))) => Some(expected),
            Self::SelfSignedTlsClientAuth(_)
            | Self::Other(None | Some(CertificateBinding::Certificates(_))) => None,
        }
    }

    /// The certificates that are registered themselves, without a chain.
    #[must_use]
    pub fn registered_certificates(&self) -> Option<&[Thumbprint]> {
        match self {
            Self::SelfSignedTlsClientAuth(SelfSignedKeys::Registered(all))
            | Self::Other(Some(CertificateBinding::Certificates(all))) => Some(all),
            Self::TlsClientAuth(_)
            | Self::SelfSignedTlsClientAuth(SelfSignedKeys::At(_))
            | Self::Other(None | Some(CertificateBinding::Subject(_))) => None,
        }
    }
}

impl ClientMetadata {
    /// Reads one client. Members that this filter does not use are ignored, unless their name
    /// begins with `tls_client_auth_` or resembles the name of a member that it uses: ignoring a
    /// typing mistake there would weaken the client. Ignored is no member that says that the client
    /// is disabled either.
    ///
    /// # Errors
    /// The pointer is relative to the client.
    pub(crate) fn from_json(json: &Json) -> Result<Self, JsonError> {
        Self::read(json, &mut Vec::new())
    }

    /// As [`ClientMetadata::from_json`]. A part that is left out of a client that can be used is
    /// added to `warnings`, with its reason and a pointer that is relative to the client.
    #[inline(never)]
    pub(crate) fn read(json: &Json, warnings: &mut Vec<JsonError>) -> Result<Self, JsonError> {
        let mut members = Members::of(json, "client metadata (RFC 7591)")?;
        let client_id = members.read("client_id", client_id)?;
        let client_id =
            client_id.ok_or_else(|| foreign::lacks(json, foreign::METADATA, "client_id"))?;
        let method = members.read_unless_null(METHOD, method_name)?;
        let subjects = subjects(&mut members);
        let (jwks, jwks_uri) = (members.set("jwks"), members.set("jwks_uri"));
        let mut certificate_thumbprints = members.read_unless_null(THUMBPRINTS, thumbprints)?;
        let backend_authentication =
            members.read_unless_null("backend_authentication", BackendAuthentication::from_json)?;
        let binds_access_tokens = members
            .read_unless_null("tls_client_certificate_bound_access_tokens", Json::boolean)?
            .unwrap_or(false);
        let binding = members.read_unless_null(certificate_binding::MEMBER, |json| {
            ReadBinding::from_json(json, warnings)
        })?;
        let trust_anchors =
            members.read_unless_null(client_anchors::MEMBER, ClientAnchors::from_json)?;
        refuse_near_misses(&members)?;
        // RFC 7591 §2 has a default, but an authorization server always returns the method
        // (§3.2.1). An entry without it is in an unrecognised format, and with the default a
        // certificate client would pass without its certificate.
        let method = method.ok_or_else(|| foreign::lacks(json, foreign::METADATA, METHOD))?;
        foreign::refuse(json, foreign::METADATA, "")?;
        standing::refuse_disabled(json)?;
        refuse_others(json, method)?;
        let method = match method {
            "tls_client_auth" | "self_signed_tls_client_auth" if binding.is_some() => {
                let error = JsonError::expected(
                    "a client of another method: this one registers its certificate outside this \
                     member",
                );
                return Err(error.within(certificate_binding::MEMBER));
            }
            "tls_client_auth" => TokenEndpointAuthMethod::TlsClientAuth(only_subject(&subjects)?),
            "self_signed_tls_client_auth" => {
                TokenEndpointAuthMethod::SelfSignedTlsClientAuth(match (jwks, jwks_uri) {
                    (Some(jwks), None) => SelfSignedKeys::Registered(
                        jwks::certificates(jwks, warnings).map_err(|error| error.within("jwks"))?,
                    ),
                    // RFC 7591 §2: they must not both be present.
                    (Some(_), Some(_)) => {
                        return Err(
                            JsonError::expected("jwks or jwks_uri, not both").within("jwks_uri")
                        );
                    }
                    (None, Some(uri)) => {
                        let uri = uri
                            .string("an https URI")
                            .and_then(|uri| JwksUri::parse(uri).map_err(JsonError::expected));
                        SelfSignedKeys::At(uri.map_err(|error| error.within("jwks_uri"))?)
                    }
                    (None, None) => {
                        return Err(JsonError::expected(
                            "jwks with the client's certificates, or jwks_uri",
                        ));
                    }
                })
            }
            // Each of these members implies a method of RFC 8705. With another method the client
            // would pass without a check of its certificate.
            _ => {
                let subject = subjects.first().map(|(name, ..)| *name);
                let pinned = certificate_thumbprints.is_some().then_some(THUMBPRINTS);
                let backend = backend_authentication.is_some().then_some("backend_authentication");
                if let Some(name) = subject.or(pinned).or(backend) {
                    let inside = if Some(name) == backend {
                        ""
                    } else {
                        "; the certificate of a client of another method is registered inside \
                         certificate_binding"
                    };
                    let error = JsonError::expected(format!(
                        "a client that authenticates by tls_client_auth or \
                         self_signed_tls_client_auth{inside}"
                    ));
                    return Err(error.within(name));
                }
                let binding = binding.map(|ReadBinding { binding, pinned }| {
                    certificate_thumbprints = pinned;
                    binding
                });
                TokenEndpointAuthMethod::Other(binding)
            }
        };
        // RFC 8705 §2.2: a certificate that is registered itself has no chain, and where no
        // certificate is asked for there is nothing to compare.
        if trust_anchors.is_some() && method.expected_subject().is_none() {
            let expected = "a client that is registered by a subject, of tls_client_auth or in \
                certificate_binding";
            return Err(JsonError::expected(expected).within(client_anchors::MEMBER));
        }
        Ok(Self {
            client_id,
            method,
            certificate_thumbprints,
            backend_authentication,
            trust_anchors,
            binds_access_tokens,
        })
    }

    /// A client that another VM of this process has read.
    pub(crate) fn new(
        client_id: &str,
        method: TokenEndpointAuthMethod,
        certificate_thumbprints: Option<Vec<Thumbprint>>,
        backend_authentication: Option<BackendAuthentication>,
        trust_anchors: Option<ClientAnchors>,
    ) -> Self {
        Self {
            client_id: client_id.into(),
            method,
            certificate_thumbprints,
            backend_authentication,
            trust_anchors,
            binds_access_tokens: false,
        }
    }

    /// The same client with this `tls_client_certificate_bound_access_tokens`.
    pub(crate) fn binding_access_tokens(self, binds_access_tokens: bool) -> Self {
        Self { binds_access_tokens, ..self }
    }

    /// Whether the access tokens of this client must be bound to its certificate (RFC 8705 §3.4).
    #[must_use]
    pub fn binds_access_tokens(&self) -> bool {
        self.binds_access_tokens
    }

    /// The identifier, unique in its registry.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// How this client authenticates.
    #[must_use]
    pub fn method(&self) -> &TokenEndpointAuthMethod {
        &self.method
    }

    /// Where the client publishes its certificates, if it registered that instead of them.
    #[must_use]
    pub fn jwks_uri(&self) -> Option<&JwksUri> {
        match &self.method {
            TokenEndpointAuthMethod::SelfSignedTlsClientAuth(SelfSignedKeys::At(uri)) => Some(uri),
            _ => None,
        }
    }

    pub(crate) fn certificate_thumbprints(&self) -> Option<&[Thumbprint]> {
        self.certificate_thumbprints.as_deref()
    }

    /// `backend_authentication`: what the backend receives in place of a certificate.
    #[must_use]
    pub fn backend_authentication(&self) -> Option<&BackendAuthentication> {
        self.backend_authentication.as_ref()
    }

    /// `trust_anchors`: the CAs under one of which the certificate must be issued, whatever else
    /// verifies its chain.
    #[must_use]
    pub fn trust_anchors(&self) -> Option<&ClientAnchors> {
        self.trust_anchors.as_ref()
    }

    /// Whether `certificate_thumbprints` is absent or contains this certificate.
    #[must_use]
    pub fn admits(&self, certificate: &Thumbprint) -> bool {
        self.certificate_thumbprints.as_ref().is_none_or(|admitted| admitted.contains(certificate))
    }
}

/// Whether this is an acceptable `client_id`. A space at an end is lost in HTTP headers, and a
/// control character can split them: either can turn one client into another.
pub(crate) fn is_client_id(id: &str) -> bool {
    // The fast path: nearly every identifier is visible ASCII, and each request has one.
    !id.is_empty()
        && (are_visible(id.as_bytes())
            || (id.trim_matches(is_trimmed) == id && !id.contains(|c: char| c.is_control())))
}

/// Whether some language takes this off the ends of a text: JavaScript the byte order mark, early
/// .NET the zero-width space, and Java and .NET of earlier Unicode the Mongolian vowel separator.
pub(crate) fn is_trimmed(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}' | '\u{180e}')
}

fn client_id(json: &Json) -> Result<Box<str>, JsonError> {
    let id = json.string("a client_id")?;
    if !is_client_id(id) {
        return Err(JsonError::expected(
            "a client_id without control characters and without blanks at its ends",
        ));
    }
    Ok(id.into())
}

/// Whether the name has the prefix of the names in `SUBJECTS`, in this or another spelling.
fn registers_a_subject(name: &str) -> bool {
    // Folded, "tls_client_authentication" and "tls_client_authority" have the same prefix, and
    // register no subject.
    let is_other = |rest: &str| {
        rest.is_empty() || ["enticat", "orit", "oriz"].iter().any(|word| rest.starts_with(word))
    };
    name.to_ascii_lowercase().replace('-', "_").starts_with("tls_client_auth_")
        || letters(name).strip_prefix("tlsclientauth").is_some_and(|rest| !is_other(rest))
}

fn refuse_near_misses(members: &Members<'_>) -> Result<(), JsonError> {
    for name in members.unread() {
        let message = match members.nearest(name) {
            Some(known) => format!("unknown member; did you mean \"{known}\"?"),
            None if registers_a_subject(name) => {
                format!("unknown member; expected one of {}", names_of_subjects())
            }
            None => continue,
        };
        return Err(JsonError::new(message).within(name));
    }
    Ok(())
}
