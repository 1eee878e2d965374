//! Which requests are gated: those whose path some backend takes for a listed one.

use std::fmt;

use super::path::{self, Spellings, Words};
use super::path_prefix::{PathPrefix, WILDCARD, check_plain, no_path};
use super::target::Target;
use crate::json::{Json, JsonError};
use crate::octets::{equal, equal_ignoring_case};

/// The paths that carry client authentication: `endpoints` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    endpoints: Vec<Endpoint>,
}

/// One entry of `endpoints`: a path, or a pattern of paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// In lower case, without a slash at the end and without the `/**` of a pattern.
    path: Box<str>,
    /// Whether a segment is `*`, which stands for any one segment that is not empty.
    has_wildcard: bool,
    /// Whether everything below the path belongs to it: `/**`.
    with_all_below: bool,
    /// The last segment; `None` where it is `*` or everything below, or where the path is the root.
    last_segment: Option<Box<str>>,
}

/// The entry of the configuration in lower case, without a slash at the end.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (&*self.path, self.with_all_below) {
            ("", false) => "/",
            (path, _) => path,
        })?;
        f.write_str(if self.with_all_below { ALL_BELOW } else { "" })
    }
}

const ALL_BELOW: &str = "/**";

impl Endpoint {
    /// Reads one entry of `endpoints`; `None` = it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_json(&Json::String(text.to_owned())).ok()
    }

    /// Reads one entry of `endpoints`.
    fn from_json(json: &Json) -> Result<Self, JsonError> {
        let text = json.string("a path")?;
        let (path, with_all_below) = match text.strip_suffix(ALL_BELOW) {
            Some(path) => (path, true),
            None => (text, false),
        };
        if with_all_below && path.ends_with('/') {
            return Err(no_path());
        }
        // The root with all below it is "/**".
        check_plain(if path.is_empty() && with_all_below { "/" } else { path })?;
        let path = path.strip_suffix('/').unwrap_or(path).to_ascii_lowercase();
        let last_segment = path.rsplit('/').next().filter(|_| !with_all_below);
        Ok(Self {
            last_segment: last_segment
                .filter(|segment| !segment.is_empty() && *segment != WILDCARD)
                .map(Into::into),
            has_wildcard: path.split('/').any(|segment| segment == WILDCARD),
            path: path.into(),
            with_all_below,
        })
    }

    /// Whether it is a pattern, and not one path alone.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        self.has_wildcard || self.with_all_below
    }

    /// A path of this endpoint, in lower case.
    #[must_use]
    pub fn example(&self) -> String {
        self.example_below(&PathPrefix::root()).unwrap_or_default()
    }

    fn is_exactly(&self, path: &[u8]) -> bool {
        !self.is_pattern() && equal(self.path.as_bytes(), path)
    }

    /// Whether `path` is this path or matches this pattern without regard to letter case. No other
    /// spelling rule is applied, and `path` has no slash at its end.
    fn lists(&self, path: &[u8], is_ascii: bool) -> bool {
        if is_ascii && !self.has_wildcard {
            let own = self.path.as_bytes();
            if path.len() == own.len() || !self.with_all_below {
                return equal_ignoring_case(own, path);
            }
            return path.split_at_checked(own.len()).is_some_and(|(start, below)| {
                below.starts_with(b"/") && equal_ignoring_case(own, start)
            });
        }
        let mut segments = path.split(|&b| b == b'/');
        let is_below = self.path.split('/').all(|wanted| {
            segments.next().is_some_and(|found| match wanted {
                WILDCARD => !found.is_empty(),
                wanted => path::is_same_segment(wanted, found),
            })
        });
        is_below && (self.with_all_below || segments.next().is_none())
    }

    /// A path of this endpoint that is `prefix` or below it, in the letter case of `prefix`; `None`
    /// = there is none.
    #[must_use]
    pub fn example_below(&self, prefix: &PathPrefix) -> Option<String> {
        let mut own = self.path.split('/').skip(1);
        let mut path = prefix.as_str().to_owned();
        for wanted in prefix.as_str().split('/').skip(1) {
            match own.next() {
                Some(WILDCARD) => {}
                Some(segment) if segment.eq_ignore_ascii_case(wanted) => {}
                None if self.with_all_below => {}
                _ => return None,
            }
        }
        for segment in own {
            path.push('/');
            path.push_str(if segment == WILDCARD { "any" } else { segment });
        }
        Some(if path.is_empty() { "/".to_owned() } else { path })
    }

    /// A path that both list; `None` = there is none.
    fn common_with(&self, other: &Self) -> Option<String> {
        let (mut one, mut two) = (self.path.split('/').skip(1), other.path.split('/').skip(1));
        let mut path = String::new();
        loop {
            let segment = match (one.next(), two.next()) {
                (None, None) => break,
                (Some(segment), Some(WILDCARD)) | (Some(WILDCARD), Some(segment)) => segment,
                (Some(segment), Some(same)) if segment == same => segment,
                (Some(segment), None) if other.with_all_below => segment,
                (None, Some(segment)) if self.with_all_below => segment,
                _ => return None,
            };
            path.push('/');
            path.push_str(if segment == WILDCARD { "any" } else { segment });
        }
        Some(if path.is_empty() { "/".to_owned() } else { path })
    }

    /// The segments that every path of this endpoint has.
    fn words(&self) -> impl Iterator<Item = &str> {
        self.path.split('/').filter(|segment| !segment.is_empty() && *segment != WILDCARD)
    }
}

impl Endpoints {
    /// Reads an array of paths and patterns, each as it reaches this filter. An empty one gates
    /// nothing.
    ///
    /// # Errors
    /// The pointer is relative to the array.
    pub(crate) fn from_json(json: &Json) -> Result<Self, JsonError> {
        Ok(Self { endpoints: json.elements("an array of paths", Endpoint::from_json)? })
    }

    /// Reads an array of paths and patterns, each of which stands for everything below it too.
    ///
    /// # Errors
    /// The pointer is relative to the array.
    pub(crate) fn with_all_below(json: &Json) -> Result<Self, JsonError> {
        let endpoints = json.some_elements("at least one path", |json| {
            let endpoint = Endpoint::from_json(json)?;
            Ok(Endpoint { with_all_below: true, last_segment: None, ..endpoint })
        })?;
        Ok(Self { endpoints })
    }

    /// Whether no path is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// The index of the first entry of which a path is also one of `others`, and a path of both;
    /// `None` = they have no path in common.
    pub(crate) fn common_with(&self, others: &Self) -> Option<(usize, String)> {
        self.endpoints.iter().enumerate().find_map(|(index, one)| {
            others.endpoints.iter().find_map(|other| Some((index, one.common_with(other)?)))
        })
    }

    /// Each of them, in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.iter()
    }

    /// Whether a common backend could take `target` for one of the listed paths, in any spelling.
    #[must_use]
    pub fn gates(&self, target: &Target<'_>) -> bool {
        let path = target.path();
        // Nearly every gated request has the path as it is listed.
        if self.endpoints.iter().any(|endpoint| endpoint.is_exactly(path)) {
            return true;
        }
        if target.is_plain() {
            let path = path::without_final_slash(path);
            return self.endpoints.iter().any(|endpoint| endpoint.lists(path, true));
        }
        // Without a slash at the start it is no path. Some backends strip a scheme and a host, and
        // some add the slash.
        !self.is_empty() && (!path.starts_with(b"/") || self.lists_any_spelling_of(path))
    }

    /// Whether `path` is one of the listed paths without regard to letter case. No other spelling
    /// rule is applied.
    pub(crate) fn list_spelling(&self, path: &[u8]) -> bool {
        self.lists(path)
    }

    /// Whether the last segment of `target` is that of an endpoint, in any spelling that a backend
    /// may take for it: a route that rewrites paths may lead from `target` to the endpoint.
    #[must_use]
    pub fn resembles(&self, target: &Target<'_>) -> bool {
        let Some(last) = path::last_segment(target.path(), target.is_plain()) else {
            return false;
        };
        let mut segments = self.endpoints.iter().filter_map(|one| one.last_segment.as_deref());
        segments.any(|segment| equal_ignoring_case(segment.as_bytes(), &last))
    }

    fn lists(&self, path: &[u8]) -> bool {
        let path = path::without_final_slash(path);
        let is_ascii = path.is_ascii();
        self.endpoints.iter().any(|endpoint| endpoint.lists(path, is_ascii))
    }

    fn lists_any_spelling_of(&self, path: &[u8]) -> bool {
        let may_be_listed = || may_be_listed(path, [Some(self)]);
        match path::find_spelling(path, &may_be_listed, &mut |spelling| self.lists(spelling)) {
            Spellings::Wanted | Spellings::TooMany => true,
            Spellings::Others | Spellings::Unlikely => false,
        }
    }
}

/// Whether `path` may have a spelling that is listed in one of `lists`, of which `None` lists every
/// path, by the words in it alone.
pub(crate) fn may_be_listed<'a>(
    path: &[u8],
    lists: impl IntoIterator<Item = Option<&'a Endpoints>>,
) -> bool {
    // Whether every word of some endpoint is in `path`. Rules remove and decode text, but join
    // nothing: a word that is in no decoding is a segment of no spelling.
    let Some(text) = path::fully_decoded(path) else { return true };
    let mut words = Words::of(&text);
    lists.into_iter().any(|list| {
        list.is_none_or(|list| {
            list.iter().any(|endpoint| endpoint.words().all(|word| words.contain(word)))
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn endpoints(paths: &str) -> Result<Endpoints, JsonError> {
        Endpoints::from_json(&Json::parse(paths.as_bytes()).unwrap())
    }

    fn gated(path: &str) -> bool {
        endpoints(r#"["/token", "/oauth/Introspect/"]"#)
            .unwrap()
            .gates(&Target::new(path.as_bytes()))
    }

    #[test]
    fn every_spelling_of_a_listed_path_is_gated() {
        for path in [
            "/token",
            "/token?x",
            "/token?",
            "/token#x",
            "//token",
            "/./token",
            "/x/../token",
            "/%74oken",
            "/%2574oken",
            "/token/",
            "/token//",
            "/token;x=1",
            "/token;x=1/../y",
            "/TOKEN",
            "/x/..;/token",
            "/x/..;a=b/token",
            "/x/..%2ftoken",
            "/x/..%252ftoken",
            "/token%20",
            "/token%09",
            "/%20token",
            "/token%3Fx",
            "/token%3fx/../y",
            "/token%23x",
            "/token%00",
            "/token%00.html",
            "/x\\..\\token",
            "/x%5c..%5ctoken",
            "\\token",
            "token",
            "http://host/token",
            "*",
            "",
            "/../token",
            "/token/.",
            "/token/x/..",
            "/%2e%2e/token",
            "/a/b/../../token",
            "/a//../token",
            "/%2f/token",
            "/token%2f",
            "/token%3bx",
            "/to%e2%84%aaen",
            "/token%0a",
            "/token/%20/",
            "/TO%4BEN/.//;x",
            "/oauth/introspect",
            "/oauth/INTROSPECT/",
            "/oauth;v=1/introspect;y",
            "/%25252574oken",
            "/x/.;/../token",
            "//x/token",
            "///x/token",
            "/\\x/token",
            "/index.php/token",
            "/a/b.PHP/x/../token",
            "/oauth/%C4%B0ntrospect",
            "/oauth/%C4%B1NTROSPECT",
            "/oauth/introspect%C2%A0",
            "/oauth/introspect%C2%85",
            "/oauth/introspect%E3%80%80",
            "/%C2%A0token",
            "/token%A0",
        ] {
            assert!(gated(path), "{path}");
        }
    }

    #[test]
    fn other_paths_are_not() {
        for path in [
            "/",
            "/tokens",
            "/token/info",
            "/x?/token",
            "/x#/token",
            "/x%3f/token",
            "/tok",
            "/token.html",
            "/token-x",
            "/x/token",
            "/oauth",
            "/oauth/introspect/x",
            "/token/..",
            "/x;/token/y",
            "/jwks.json",
            "/.well-known/openid-configuration",
            "/a%20b/c%C3%A9",
            "/token%2fx",
            "/%zz",
        ] {
            assert!(!gated(path), "{path}");
        }
    }

    #[test]
    fn a_path_with_too_many_spellings_is_gated() {
        for word in ["token", "oauth/%2525/..\\introspect", "TO\u{212a}EN;x", "a/%25252574oken%00"]
        {
            assert!(gated(&format!("/{}/{word}", "%2525;/..\\".repeat(5_000))), "{word}");
        }
        assert!(gated(&format!("/%{}74oken", "25".repeat(3_000))), "escaped too often");
        for word in ["", "tokens", "a-token", "oauth", "introspect"] {
            assert!(
                !gated(&format!("/{}/{word}", "%2525;/..\\".repeat(5_000))),
                "{word} is no endpoint's in any spelling"
            );
        }
        assert!(!gated(&format!("/files/{}", "%20a".repeat(500))), "a long path of few spellings");
    }

    #[test]
    fn only_plain_paths_can_be_listed() {
        for path in [
            "token",
            "",
            "/a?b",
            "/a#b",
            "/a;b",
            "/%74oken",
            "//a",
            "/a//b",
            "/./a",
            "/a/..",
            "/a b",
            "/é",
            "/a\\\\b",
            "http://h/a",
            "*",
            "**",
            "/*.json",
            "/token*",
            "/**/token",
            "/a/***",
            "/a/**/",
            "//**",
            "/a//**",
            "/realms/{realm}/token",
            "/realms/:realm/token",
            "/realms/<realm>/token",
            "/realms/[^/]+/token",
            "/(token|revoke)",
            "^/token",
            "/token$",
            "/token?",
            "/a|b",
        ] {
            let error = endpoints(&format!("[\"/ok\", \"{path}\"]")).unwrap_err();
            assert_eq!(error.pointer, "/1", "{path}");
        }
        assert!(endpoints("\"/token\"").is_err());
        assert!(
            endpoints(
                r#"["/", "/.well-known/a.b", "/a/", "/v1/token:revoke", "/**", "/*", "/*/a/**"]"#
            )
            .is_ok()
        );
    }

    #[test]
    fn patterns() {
        let patterns =
            endpoints(r#"["/realms/*/protocol/openid-connect/token", "/Oauth2/**", "/a/*"]"#)
                .unwrap();
        for path in [
            "/realms/bank/protocol/openid-connect/token",
            "/REALMS/Bank/protocol/openid-connect/token/",
            "/realms/b%61nk/protocol/%2fopenid-connect/token",
            "/realms/a%2fb/protocol/openid-connect/token",
            "/realms/é/protocol/openid-connect/token;x",
            "/x/../realms/bank//protocol/openid-connect/token",
            "/oauth2",
            "/oauth2/",
            "/oauth2/token",
            "/oauth2/a/b/c?x",
            "/x/../oauth2/%74oken",
            "/a/b",
            "/a/%2e",
        ] {
            assert!(patterns.gates(&Target::new(path.as_bytes())), "{path}");
        }
        for path in [
            "/realms/protocol/openid-connect/token",
            "/realms//protocol/openid-connect/token",
            "/realms/a/b/protocol/openid-connect/token",
            "/realms/bank/protocol/openid-connect/token/x",
            "/x/realms/bank/protocol/openid-connect/token",
            "/oauth22",
            "/oauth",
            "/a",
            "/a/",
            "/a/b/c",
        ] {
            assert!(!patterns.gates(&Target::new(path.as_bytes())), "{path}");
        }
        assert_eq!(
            patterns.iter().next().map(Endpoint::example).as_deref(),
            Some("/realms/any/protocol/openid-connect/token")
        );
        let printed: Vec<_> = patterns.iter().map(ToString::to_string).collect();
        assert_eq!(printed, ["/realms/*/protocol/openid-connect/token", "/oauth2/**", "/a/*"]);
        for (pattern, path, gates) in [
            (r#"["/**"]"#, "/", true),
            (r#"["/**"]"#, "/a/b", true),
            (r#"["/*"]"#, "/a", true),
            (r#"["/*"]"#, "/", false),
            (r#"["/*"]"#, "/a/b", false),
            (r#"["/*/**"]"#, "/a/b", true),
            (r#"["/"]"#, "/", true),
            (r#"["/"]"#, "/a", false),
        ] {
            let endpoints = endpoints(pattern).unwrap();
            assert_eq!(endpoints.gates(&Target::new(path.as_bytes())), gates, "{pattern} {path}");
            assert!(
                endpoints.iter().all(|one| endpoints.gates(&Target::new(one.example().as_bytes()))),
                "{pattern}"
            );
        }
    }

    #[test]
    fn an_empty_list_gates_nothing() {
        let none = endpoints("[]").unwrap();
        for path in ["/", "/token", "", "*", "http://host/x", "/%2e", &"/%2e/\\".repeat(2000)] {
            assert!(!none.gates(&Target::new(path.as_bytes())), "{path}");
        }
    }

    #[test]
    fn resources_have_everything_below_them() {
        let resources = Json::parse(br#"["/api", "/a/*/b/", "/x/**"]"#).unwrap();
        let resources = Endpoints::with_all_below(&resources).unwrap();
        for path in [
            "/api",
            "/api/",
            "/api/1/2?x",
            "/API/1",
            "//api/x",
            "/x/..;/api",
            "/%61pi/x",
            "/a/1/b",
            "/a/1/b/c",
            "/x",
            "/x/y",
            "/y/../api%2fz",
            "api",
        ] {
            assert!(resources.gates(&Target::new(path.as_bytes())), "{path}");
        }
        for path in ["/", "/apis", "/a/b", "/a/1/c", "/a//b"] {
            assert!(!resources.gates(&Target::new(path.as_bytes())), "{path}");
        }
        assert!(!resources.resembles(&Target::new(b"/v1/api")), "no one path is meant");
        let root = Endpoints::with_all_below(&Json::parse(br#"["/"]"#).unwrap()).unwrap();
        assert!(root.gates(&Target::new(b"/")) && root.gates(&Target::new(b"/any/path")));
        assert!(Endpoints::with_all_below(&Json::Array(Vec::new())).is_err());
    }

    #[test]
    fn paths_in_two_lists() {
        for (one, two, expected) in [
            (r#"["/token"]"#, r#"["/api"]"#, None),
            (r#"["/token", "/API/token"]"#, r#"["/api"]"#, Some((1, "/api/token"))),
            (r#"["/token"]"#, r#"["/token/x"]"#, None),
            (r#"["/token/**"]"#, r#"["/token/x"]"#, Some((0, "/token/x"))),
            (r#"["/*/token"]"#, r#"["/api/*/x"]"#, None),
            (r#"["/*/token/x"]"#, r#"["/api/*"]"#, Some((0, "/api/token/x"))),
            (r#"["/*"]"#, r#"["/*"]"#, Some((0, "/any"))),
            (r#"["/"]"#, r#"["/"]"#, Some((0, "/"))),
            (r#"["/token"]"#, r#"["/"]"#, Some((0, "/token"))),
            ("[]", r#"["/"]"#, None),
        ] {
            let resources = Json::parse(two.as_bytes()).unwrap();
            let resources = Endpoints::with_all_below(&resources).unwrap();
            let found = endpoints(one).unwrap().common_with(&resources);
            assert_eq!(found, expected.map(|(at, path)| (at, path.to_owned())), "{one} {two}");
        }
        let (above, below) = (endpoints(r#"["/token"]"#), endpoints(r#"["/token/x"]"#));
        let (above, below) = (above.unwrap(), below.unwrap());
        assert_eq!((above.common_with(&below), below.common_with(&above)), (None, None));
    }

    #[test]
    fn an_entry_alone() {
        for (text, is_pattern, printed) in [
            ("/Token/", false, "/token"),
            ("/", false, "/"),
            ("/*/token", true, "/*/token"),
            ("/token/**", true, "/token/**"),
            ("/*/**", true, "/*/**"),
        ] {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!((endpoint.is_pattern(), endpoint.to_string()), (is_pattern, printed.into()));
        }
        assert_eq!(Endpoint::parse("token"), None);
    }

    /// With one that is not below the prefix, a tenant would be shown a path of another.
    #[test]
    fn an_example_is_below_the_prefix() {
        for (endpoint, prefix, expected) in [
            ("/realms/*/token", "/realms/Bank", Some("/realms/Bank/token")),
            ("/realms/*/token", "/realms", Some("/realms/any/token")),
            ("/realms/*/token", "/tenants", None),
            ("/realms/bank/token", "/Realms/Bank", Some("/Realms/Bank/token")),
            ("/realms/bank/token", "/realms/other", None),
            ("/oauth/**", "/oauth/x/y", Some("/oauth/x/y")),
            ("/oauth", "/oauth/x", None),
            ("/**", "/", Some("/")),
        ] {
            let found = Endpoint::parse(endpoint)
                .unwrap()
                .example_below(&PathPrefix::parse(prefix).unwrap());
            assert_eq!(found.as_deref(), expected, "{endpoint} {prefix}");
        }
    }

    #[test]
    fn resemblances_of_endpoints() {
        let endpoints =
            endpoints(r#"["/oauth/Token", "/realms/*/par", "/x/*", "/y/**", "/"]"#).unwrap();
        for path in [
            "/v1/token/.",
            "/v1/token/x/..",
            "/auth/token",
            "/token",
            "/a/TOKEN/",
            "/a/%74oken;x=1",
            "/a%2Ftoken%3Fx",
            "/a\\token//",
            "/a/ token ",
            "/b/par?x",
        ] {
            assert!(endpoints.resembles(&Target::new(path.as_bytes())), "{path}");
        }
        for path in ["/", "/tokens", "/token/info", "/*", "/x", "/y", "/a/**", ""] {
            assert!(!endpoints.resembles(&Target::new(path.as_bytes())), "{path}");
        }
    }

    proptest! {
        #[test]
        fn plain_paths_need_no_search(
            path in "(/[a-z.~]{0,5}|/token|/\\.{1,2}|/x\\.php){0,4}"
        ) {
            let endpoints = endpoints(r#"["/token"]"#).unwrap();
            let path = path.as_bytes();
            if Target::new(path).is_plain() {
                prop_assert_eq!(endpoints.lists(path), endpoints.lists_any_spelling_of(path));
            }
        }

        #[test]
        fn decorations_never_hide_a_listed_path(
            decorations in prop::collection::vec(
                prop::sample::select(vec![
                    "/", "/.", "/x/..", "/%2e", "/y/%2e%2e", "\\", "/;a=b", "/ ", "/%00",
                ]),
                0..4,
            ),
            escape in prop::collection::vec(any::<bool>(), 5),
            end in prop::sample::select(vec![
                "", "/", ";x", "?q", "%3Fq", "%20", "%00", "/.", "%09", "//", "%2F",
            ]),
        ) {
            let spelled = |(c, escape)| {
                if escape { format!("%{:02x}", u32::from(c)) } else { String::from(c) }
            };
            let name: String = "token".chars().zip(escape).map(spelled).collect();
            let path = format!("{}/{name}{end}", decorations.concat());
            prop_assert!(gated(&path), "{}", path);
        }

        #[test]
        fn any_path_gets_an_answer(path in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = endpoints(r#"["/token"]"#).unwrap().gates(&Target::new(&path));
        }
    }
}
