//! The request headers that a decision reads, found in one pass over all headers.

/// Whether `text` is a token (RFC 9110 §5.6.2), as names of headers and authentication schemes are.
#[must_use]
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty()
        && text.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

/// The headers or the trailers of a request, as the host gives them: names in lower case, with
/// those of pseudo-headers, and values, which may be any bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fields<'a>(pub &'a [(String, Vec<u8>)]);

/// A header that a request should have at most once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SingletonField<'a> {
    /// The request does not have it.
    #[default]
    Absent,
    /// The request has it once, with this value.
    Present(&'a [u8]),
    /// The request has it more than once.
    Repeated,
}

impl<'a> SingletonField<'a> {
    fn add(&mut self, value: &'a [u8]) {
        *self = if *self == Self::Absent { Self::Present(value) } else { Self::Repeated };
    }
}

/// The headers of a request that a decision reads.
#[derive(Clone, Copy, Debug, Default)]
pub struct Head<'a> {
    /// `:method`
    pub method: Option<&'a [u8]>,
    /// `:path`
    pub path: Option<&'a [u8]>,
    /// `:authority`
    pub authority: Option<&'a [u8]>,
    /// `x-request-id`
    pub request_id: Option<&'a [u8]>,
    /// `content-type`
    pub content_type: SingletonField<'a>,
    /// `content-encoding`
    pub content_encoding: SingletonField<'a>,
    /// `content-length`
    pub content_length: SingletonField<'a>,
    /// `authorization`
    pub authorization: SingletonField<'a>,
    /// `expect`
    pub expect: SingletonField<'a>,
    /// Whether the request asks for another protocol, by `upgrade` or by `:protocol` (RFC 8441 §4).
    pub has_upgrade: bool,
    /// Whether the request has a header by which frameworks let a client override the method, such
    /// as `x-http-method-override`.
    pub overrides_method: bool,
    /// All of them, for those whose names a policy chooses.
    fields: Fields<'a>,
}

impl<'a> Head<'a> {
    /// Finds them in `headers`.
    #[must_use]
    pub fn of(headers: Fields<'a>) -> Self {
        let mut head = Self { fields: headers, ..Self::default() };
        for (name, value) in headers.0 {
            let value = value.as_slice();
            match name.as_str() {
                ":method" => head.method = Some(value),
                ":path" => head.path = Some(value),
                ":authority" => head.authority = Some(value),
                "x-request-id" => head.request_id = Some(value),
                "content-type" => head.content_type.add(value),
                "content-encoding" => head.content_encoding.add(value),
                "content-length" => head.content_length.add(value),
                "authorization" => head.authorization.add(value),
                "expect" => head.expect.add(value),
                "upgrade" | ":protocol" => head.has_upgrade = true,
                other => head.add_other_spelling(other, value),
            }
        }
        head
    }

    /// The header of this name, which is in lower case.
    #[must_use]
    pub fn field(&self, name: &str) -> SingletonField<'a> {
        let mut field = SingletonField::Absent;
        let named = self.fields.0.iter().filter(|(other, _)| other == name);
        named.for_each(|(_, value)| field.add(value));
        field
    }

    /// Adds a header whose name some servers read as another one, see [`same_header`], or that
    /// overrides the method.
    fn add_other_spelling(&mut self, name: &str, value: &'a [u8]) {
        // The length is a quick check for every header of every request.
        match name.len() {
            12 if same_header("content-type", name) => self.content_type.add(value),
            16 if same_header("content-encoding", name) => self.content_encoding.add(value),
            13 => self.overrides_method |= same_header("x-http-method", name),
            17 => self.overrides_method |= same_header("x-method-override", name),
            22 => self.overrides_method |= same_header("x-http-method-override", name),
            _ => {}
        }
    }
}

/// Whether two names are the same header to some backend. CGI, WSGI, Rack, PHP and nginx turn `-`
/// into `_`, and some of them every character that is no letter or digit, so that they do not
/// distinguish `x_ssl_cert`, `x.ssl.cert` and `X-SSL-Cert`.
#[must_use]
pub(crate) fn same_header(one: &str, other: &str) -> bool {
    let fold = |b: u8| if b.is_ascii_alphanumeric() { b.to_ascii_lowercase() } else { b'-' };
    one.len() == other.len()
        && one.bytes().zip(other.bytes()).all(|(one, other)| fold(one) == fold(other))
}
