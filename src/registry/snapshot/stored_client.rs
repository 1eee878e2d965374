//! One client in shared data: what [`ClientMetadata`] holds and nothing else, so that a million
//! clients fit, and the JSON of the registry is read and checked only once.

use std::sync::Arc;

use super::codec::{Reader, Writer};
use crate::certificate::{AlternativeName, DistinguishedName};
use crate::registration::{
    BackendAuthentication, CertificateBinding, ClientAnchor, ClientAnchors, ClientMetadata,
    ExpectedSubject, JwksUri, SelfSignedKeys, TokenEndpointAuthMethod,
};
use crate::trust::CaCertificate;

/// An entry of a fetched list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StoredClient {
    Client(ClientMetadata),
    /// The entry cannot be used, and why.
    Unusable(Box<str>),
    /// As `Unusable`, for a client that never authenticates, so that it is neither counted nor
    /// reported.
    LeftOut(Box<str>),
    /// Named by an entry that cannot be used, and that states another identifier: an entry that
    /// states this one takes its place. Without a reason, because one entry may name many.
    Doubtful,
}

const OTHER: u8 = 0;
const SUBJECT_DN: u8 = 1;
const SAN_DNS: u8 = 2;
const SAN_URI: u8 = 3;
const SAN_IP: u8 = 4;
const SAN_EMAIL: u8 = 5;
const SELF_SIGNED: u8 = 6;
const UNUSABLE: u8 = 7;
const LEFT_OUT: u8 = 8;
/// A client of another method with a `certificate_binding`: behind it stands how the certificate is
/// registered, as of a client of one of the methods of RFC 8705.
const BOUND: u8 = 9;
/// A client of `self_signed_tls_client_auth` that publishes its certificates: behind it stands
/// where.
const SELF_SIGNED_AT: u8 = 10;
const DOUBTFUL: u8 = 11;

/// Optional members of an encoded client, as bits of an octet.
const ADMITTED: u8 = 1;
const BACKEND: u8 = 2;
const ANCHORS: u8 = 4;

/// Kinds of anchors of a client.
const CERTIFICATE: u8 = 0;
const SUBJECT: u8 = 1;
/// `tls_client_certificate_bound_access_tokens`, which has nothing behind it.
const BOUND_TOKENS: u8 = 0x80;

impl StoredClient {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        match self {
            Self::Unusable(reason) | Self::LeftOut(reason) => {
                writer.u8(if let Self::LeftOut(_) = self { LEFT_OUT } else { UNUSABLE });
                writer.octets(reason.as_bytes());
            }
            Self::Doubtful => writer.u8(DOUBTFUL),
            Self::Client(client) => {
                let method = client.method();
                match method {
                    TokenEndpointAuthMethod::Other(None) => writer.u8(OTHER),
                    TokenEndpointAuthMethod::Other(Some(_)) => writer.u8(BOUND),
                    TokenEndpointAuthMethod::TlsClientAuth(_)
                    | TokenEndpointAuthMethod::SelfSignedTlsClientAuth(_) => {}
                }
                if let Some(expected) = method.expected_subject() {
                    let (kind, text) = subject(expected);
                    writer.u8(kind);
                    writer.octets(text.as_bytes());
                }
                if let Some(uri) = client.jwks_uri() {
                    writer.u8(SELF_SIGNED_AT);
                    writer.octets(uri.to_string().as_bytes());
                }
                if let Some(registered) = method.registered_certificates() {
                    writer.u8(SELF_SIGNED);
                    writer.thumbprints(registered);
                }
                // Few clients have one of these. Where a client has none, the encoding ends here.
                let (admitted, backend) =
                    (client.certificate_thumbprints(), client.backend_authentication());
                let anchors = client.trust_anchors();
                let bit = |is_there, bit| if is_there { bit } else { 0 };
                let members = bit(admitted.is_some(), ADMITTED)
                    | bit(backend.is_some(), BACKEND)
                    | bit(anchors.is_some(), ANCHORS)
                    | bit(client.binds_access_tokens(), BOUND_TOKENS);
                if members != 0 {
                    writer.u8(members);
                    admitted.into_iter().for_each(|admitted| writer.thumbprints(admitted));
                }
                backend
                    .into_iter()
                    .for_each(|backend| writer.octets(backend.client_secret().as_bytes()));
                // They come last, to the end of the octets.
                for anchor in anchors.map(ClientAnchors::anchors).unwrap_or_default() {
                    match anchor {
                        ClientAnchor::Certificate(certificate) => {
                            writer.u8(CERTIFICATE);
                            writer.octets(certificate.der());
                        }
                        ClientAnchor::Subject(name) => {
                            writer.u8(SUBJECT);
                            writer.octets(name.to_string().as_bytes());
                        }
                    }
                }
            }
        }
        writer.0
    }

    /// Whether these octets, which a list has, are a client that can be used.
    pub(super) fn is_usable(octets: &[u8]) -> bool {
        octets.first() != Some(&UNUSABLE) && !Self::is_doubtful(octets)
    }

    /// Whether these octets, which a list has, are of an entry that states another identifier.
    pub(super) fn is_doubtful(octets: &[u8]) -> bool {
        octets.first() == Some(&DOUBTFUL)
    }

    /// Whether these octets, which a list has, are neither counted nor reported: those of a client
    /// that never authenticates, or of an entry that states another identifier.
    pub(super) fn is_uncounted(octets: &[u8]) -> bool {
        matches!(octets.first(), Some(&(LEFT_OUT | DOUBTFUL)))
    }

    /// `None` = these octets are not an encoded client.
    pub(super) fn decode(client_id: &str, octets: &[u8]) -> Option<Self> {
        let mut reader = Reader(octets);
        let kind = reader.u8()?;
        let method = match kind {
            UNUSABLE | LEFT_OUT => {
                let reason = reader.text()?.into();
                reader.end()?;
                let is_left_out = kind == LEFT_OUT;
                return Some(if is_left_out {
                    Self::LeftOut(reason)
                } else {
                    Self::Unusable(reason)
                });
            }
            DOUBTFUL => {
                reader.end()?;
                return Some(Self::Doubtful);
            }
            OTHER => TokenEndpointAuthMethod::Other(None),
            BOUND => TokenEndpointAuthMethod::Other(Some(match reader.u8()? {
                SELF_SIGNED => CertificateBinding::Certificates(reader.thumbprints()?),
                kind => CertificateBinding::Subject(expected_subject(kind, reader.text()?)?),
            })),
            SELF_SIGNED => TokenEndpointAuthMethod::SelfSignedTlsClientAuth(
                SelfSignedKeys::Registered(reader.thumbprints()?),
            ),
            SELF_SIGNED_AT => TokenEndpointAuthMethod::SelfSignedTlsClientAuth(SelfSignedKeys::At(
                JwksUri::parse(reader.text()?).ok()?,
            )),
            kind => TokenEndpointAuthMethod::TlsClientAuth(expected_subject(kind, reader.text()?)?),
        };
        let (mut admitted, mut backend, mut anchors, mut binds) = (None, None, None, false);
        if !reader.0.is_empty() {
            const KNOWN: u8 = ADMITTED | BACKEND | ANCHORS | BOUND_TOKENS;
            let members = reader.u8().filter(|members| *members != 0 && members & !KNOWN == 0)?;
            binds = members & BOUND_TOKENS != 0;
            if members & ADMITTED != 0 {
                admitted = Some(reader.thumbprints()?);
            }
            if members & BACKEND != 0 {
                backend = Some(BackendAuthentication::new(reader.text()?));
            }
            if members & ANCHORS != 0 {
                anchors = Some(client_anchors(&mut reader)?);
            }
        }
        reader.end()?;
        let client = ClientMetadata::new(client_id, method, admitted, backend, anchors);
        Some(Self::Client(client.binding_access_tokens(binds)))
    }
}

/// The anchors of a client, at least one, up to the end of the octets.
fn client_anchors(reader: &mut Reader<'_>) -> Option<ClientAnchors> {
    let mut anchors = Vec::new();
    while anchors.is_empty() || !reader.0.is_empty() {
        anchors.push(match reader.u8()? {
            CERTIFICATE => {
                let certificate = CaCertificate::from_der(reader.octets()?).ok()?;
                ClientAnchor::Certificate(Arc::new(certificate))
            }
            SUBJECT => ClientAnchor::Subject(DistinguishedName::parse(reader.text()?).ok()?),
            _ => return None,
        });
    }
    Some(ClientAnchors::new(anchors))
}

/// The kind of the subject, and a text from which [`expected_subject`] reads the same subject.
fn subject(expected: &ExpectedSubject) -> (u8, String) {
    let name = |name: &AlternativeName| match name {
        AlternativeName::Dns(text) | AlternativeName::Uri(text) | AlternativeName::Email(text) => {
            text.to_string()
        }
        AlternativeName::Ip(address) => address.to_string(),
    };
    match expected {
        ExpectedSubject::SubjectDn(dn) => (SUBJECT_DN, dn.to_string()),
        ExpectedSubject::SanDns(dns) => (SAN_DNS, name(dns)),
        ExpectedSubject::SanUri(uri) => (SAN_URI, name(uri)),
        ExpectedSubject::SanIp(ip) => (SAN_IP, name(ip)),
        ExpectedSubject::SanEmail(email) => (SAN_EMAIL, name(email)),
    }
}

fn expected_subject(kind: u8, text: &str) -> Option<ExpectedSubject> {
    match kind {
        SUBJECT_DN => DistinguishedName::parse(text).ok().map(ExpectedSubject::SubjectDn),
        SAN_DNS => AlternativeName::dns(text).map(ExpectedSubject::SanDns),
        SAN_URI => AlternativeName::uri(text).map(ExpectedSubject::SanUri),
        SAN_IP => AlternativeName::ip(text).map(ExpectedSubject::SanIp),
        SAN_EMAIL => AlternativeName::email(text).map(ExpectedSubject::SanEmail),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

    use super::*;
    use crate::json::Json;

    fn client(members: &str) -> StoredClient {
        let json = Json::parse(format!("{{\"client_id\":\"c\",{members}}}").as_bytes()).unwrap();
        StoredClient::Client(
            ClientMetadata::from_json(&json).unwrap_or_else(|error| panic!("{members}: {error}")),
        )
    }

    /// A client of `tls_client_auth` with this subject.
    fn tls(subject: &str) -> String {
        format!(r#""token_endpoint_auth_method":"tls_client_auth","tls_client_auth_{subject}"#)
    }

    fn survives(client: StoredClient) {
        assert_eq!(StoredClient::decode("c", &client.encode()), Some(client));
    }

    const THUMBPRINT: &str = "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0";

    #[test]
    fn every_kind_of_client_is_decoded_to_what_was_encoded() {
        let thumbprints = format!("\"certificate_thumbprints\":[\"{THUMBPRINT}\"]");
        for subject in [
            r#"subject_dn":"CN=a\\,b+OU=\\C3\\A4,2.5.4.97=#0C0141,1.2.3=#0402AbCd,O= x ""#,
            r#"subject_dn":"/C=JP/O=x\\/y/CN=ﬁ""#,
            r#"san_dns":"A.example.""#,
            r#"san_uri":"urn:x:Y""#,
            r#"san_ip":"2001:DB8:0::1""#,
            r#"san_email":"A@B.example""#,
        ] {
            survives(client(&tls(subject)));
            survives(client(&format!("{},{thumbprints}", tls(subject))));
        }
        survives(client(r#""token_endpoint_auth_method":"private_key_jwt""#));
        let backend =
            r#""backend_authentication":{"method":"client_secret_basic","client_secret":"s"}"#;
        let dns = tls(r#"san_dns":"a.example""#);
        for members in [format!("{dns},{backend}"), format!("{dns},{backend},{thumbprints}")] {
            let client = client(&members);
            assert!(format!("{client:?}").contains("backend_authentication: Some"));
            survives(client);
        }
        let method = r#""token_endpoint_auth_method":"self_signed_tls_client_auth""#;
        let jwks = format!(r#""jwks":{{"keys":[{{"kty":"EC","x5t#S256":"{THUMBPRINT}"}}]}}"#);
        survives(client(&format!("{method},{jwks}")));
        survives(client(&format!(r#"{method},"jwks_uri":"https://A.example:443/x?y""#)));
        let method = r#""token_endpoint_auth_method":"private_key_jwt""#;
        let dns = r#""tls_client_auth_san_dns":"a.example""#;
        for binding in [dns, &thumbprints, &jwks, &format!("{dns},{thumbprints}")] {
            let client = client(&format!(r#"{method},"certificate_binding":{{{binding}}}"#));
            assert!(format!("{client:?}").contains("Other(Some("));
            survives(client);
        }
        survives(StoredClient::Unusable("because".into()));
        survives(StoredClient::LeftOut("because".into()));
        survives(StoredClient::Doubtful);
    }

    /// A worker that lost one of these on the way would accept another CA's certificate, or let an
    /// unbound token pass.
    #[test]
    fn what_a_client_must_have_besides_is_decoded_too() {
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = ca.self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
        let (pem, subject) = (serde_json::Value::from(pem), r#"{"subject":"CN=ca,O=a\\,b"}"#);
        let dns = tls(r#"san_dns":"a.example""#);
        let bound = r#""tls_client_certificate_bound_access_tokens":true"#;
        for (anchors, number) in
            [(subject.to_owned(), 1), (pem.to_string(), 1), (format!("{pem},{subject},{pem}"), 3)]
        {
            for members in [
                format!(r#"{dns},"trust_anchors":[{anchors}]"#),
                format!(r#"{dns},{bound},"trust_anchors":[{anchors}]"#),
            ] {
                let client = client(&members);
                let StoredClient::Client(read) = &client else { panic!("{members}") };
                assert_eq!(read.trust_anchors().map(|all| all.anchors().len()), Some(number));
                survives(client);
            }
        }
        let jwt = r#""token_endpoint_auth_method":"private_key_jwt""#;
        for (members, binds) in [
            (format!("{dns},{bound}"), true),
            (format!("{jwt},{bound}"), true),
            (dns, false),
            (jwt.to_owned(), false),
        ] {
            let client = client(&members);
            let StoredClient::Client(read) = &client else { panic!("{members}") };
            assert_eq!(read.binds_access_tokens(), binds, "{members}");
            survives(client);
        }
    }

    proptest! {
        /// A name is parsed from what it prints as the same name: a subject is stored in this form.
        #[test]
        fn a_printed_name_is_parsed_as_the_same_name(
            values in proptest::collection::vec("\\PC{1,12}", 1..4),
            hex in "([0-9a-f]{2}){0,6}",
        ) {
            let escape = |value: &String| {
                value.bytes().map(|octet| format!("\\{octet:02x}")).collect::<String>()
            };
            let escaped: Vec<String> = values.iter().map(escape).collect();
            let text = format!("CN={},1.2.3=#04{:02x}{hex}", escaped.join("+OU="), hex.len() / 2);
            if let Ok(name) = DistinguishedName::parse(&text) {
                prop_assert_eq!(DistinguishedName::parse(&name.to_string()), Ok(name));
            }
        }

        /// Damaged octets are rejected, or decoded to a client that is encoded again to itself.
        #[test]
        fn damaged_octets_are_no_client_or_a_whole_one(
            octets in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            if let Some(client) = StoredClient::decode("c", &octets) {
                prop_assert_eq!(StoredClient::decode("c", &client.encode()), Some(client));
            }
        }
    }

    #[test]
    fn truncated_octets_are_no_client() {
        let octets = client(&tls(r#"san_dns":"a.example""#)).encode();
        assert!((0..octets.len()).all(|end| StoredClient::decode("c", &octets[..end]).is_none()));
        let thumbprints = format!("\"certificate_thumbprints\":[\"{THUMBPRINT}\"]");
        for longer in [
            octets,
            client(&format!("{},{thumbprints}", tls(r#"san_dns":"a.example""#))).encode(),
            StoredClient::Unusable("because".into()).encode(),
        ] {
            assert_eq!(StoredClient::decode("c", &[longer.as_slice(), &[0]].concat()), None);
        }
    }
}
